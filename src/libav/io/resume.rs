//! Inputs that http.c would lose: an `AVIOContext` over [`Download`](crate::net::Download), which goes on at the byte where a connection was cut,
//! with the token of that moment in its place, also on a server without ranges.
//!
//! AES-128 (RFC 8216 section 4.3.2.4) is undone here too: crypto.c takes a lost connection for the end of the segment.

use std::ffi::{c_int, c_void};
use std::ptr;

use url::Url;

use crate::backoff;
use crate::clock::Now;
use crate::error::Error;
use crate::libav::error::AvError;
use crate::libav::option::Dictionary;
use crate::libav::{ffi, log, panic};
use crate::net::retry::{self, Purpose, Trouble};
use crate::net::{Download, NetError};

use super::exported::{self, Exported};
use super::state::State;
use super::trouble;

/// What stands behind one of our read contexts.
#[repr(C)]
struct Reader {
    /// First: libav looks for options here.
    exported: Exported,
    download: Download,
    /// What it reads, if that is nested in another file.
    nested: Option<Url>,
    /// Where it stood when its URL was last replaced.
    renewed_at: Option<u64>,
    cipher: Option<Cipher>,
    /// When it failed first since something came, and how often since.
    failing: Option<(Now, u32)>,
    /// The state of the hook that opened it (invariant 2).
    state: *const State,
}

const BUFFER: usize = 32 * 1024;

/// Why a read cannot begin.
pub enum Failure {
    /// Something here.
    Own(AvError),
    /// The server, or the way to it.
    Net(NetError),
}

impl From<AvError> for Failure {
    fn from(code: AvError) -> Self {
        Self::Own(code)
    }
}

/// Opens `url` and consumes the options of http.c and crypto.c among `options`. `nested`: another file names it.
pub fn open(state: &State, url: &Url, nested: bool, options: &mut Dictionary) -> Result<*mut ffi::AVIOContext, Failure> {
    let cipher = match (options.remove("key"), options.remove("iv")) {
        (Some(key), Some(iv)) => Some(Cipher::new(&key, &iv)?),
        _ => None,
    };
    let number = |value: Option<String>| value.and_then(|value| value.parse::<u64>().ok());
    let start = number(options.remove("offset")).unwrap_or(0);
    let end = number(options.remove("end_offset")).filter(|end| *end > 0);
    let Some(media) = &state.access.media else { return Err(AvError::from_errno(libc::EINVAL).into()) };
    let request = state.read_request(url.as_str(), options);
    let download = media.download(request, start, end, &state.stop).map_err(Failure::Net)?;
    let seekable = download.has_ranges() && cipher.is_none();
    let exported = Exported::new(download.location(), download.content_type());
    let reader =
        Reader { exported, download, nested: nested.then(|| url.clone()), renewed_at: None, cipher, failing: None, state };
    let reader = Box::into_raw(Box::new(reader));
    // SAFETY: the buffer comes from av_malloc, as avio_alloc_context asks; the reader is freed by `close` alone (invariant 10).
    unsafe {
        let buffer = ffi::av_malloc(BUFFER);
        let context =
            ffi::avio_alloc_context(buffer.cast(), BUFFER as c_int, 0, reader.cast(), Some(read_packet), None, Some(seek));
        if context.is_null() {
            ffi::av_free(buffer);
            drop(Box::from_raw(reader));
            return Err(AvError::from_errno(libc::ENOMEM).into());
        }
        (*context).seekable = if seekable { ffi::AVIO_SEEKABLE_NORMAL } else { 0 };
        exported::attach(context);
        Ok(context)
    }
}

/// Is this one of ours?
///
/// # Safety
/// `context` is a valid AVIOContext.
pub unsafe fn is_ours(context: *mut ffi::AVIOContext) -> bool {
    // SAFETY: the caller's promise (invariant 13).
    unsafe { (*context).read_packet }.is_some_and(|read| ptr::fn_addr_eq(read, read_packet as ReadPacket))
}

type ReadPacket = unsafe extern "C" fn(*mut c_void, *mut u8, c_int) -> c_int;

/// Frees the context.
///
/// # Safety
/// `context` is one of ours and is not used afterwards.
pub unsafe fn close(context: *mut ffi::AVIOContext) {
    // SAFETY: the caller's promise; the opaque pointer is the Reader of `open`, taken back here once (invariant 13).
    unsafe {
        drop(Box::from_raw((*context).opaque.cast::<Reader>()));
        ffi::av_freep((&raw mut (*context).buffer).cast());
        let mut context = context;
        ffi::avio_context_free(&mut context);
    }
}

impl Reader {
    /// Up to `data.len()` bytes of what libav is to see; 0 at the end.
    fn read(&mut self, data: &mut [u8]) -> Result<usize, NetError> {
        if self.cipher.is_none() {
            return self.fetch(data);
        }
        while self.cipher.as_ref().is_some_and(|cipher| cipher.clear.is_empty() && !cipher.ended) {
            let mut block = [0_u8; BUFFER];
            let read = self.fetch(&mut block)?;
            match &mut self.cipher {
                Some(cipher) if read == 0 => cipher.finish(),
                Some(cipher) => cipher.push(&block[..read]),
                None => {}
            }
        }
        let Some(cipher) = &mut self.cipher else { return Ok(0) };
        let taken = data.len().min(cipher.clear.len());
        data[..taken].copy_from_slice(&cipher.clear[..taken]);
        cipher.clear.drain(..taken);
        Ok(taken)
    }

    /// What the server sends, from a fresh URL where the one of a nested file has expired.
    fn fetch(&mut self, data: &mut [u8]) -> Result<usize, NetError> {
        loop {
            let failure = match self.download.read(data) {
                Err(failure) if failure.is_expiry() && self.renewed_at != Some(self.download.position()) => failure,
                read => return read,
            };
            // SAFETY: the hook outlives the contexts that it opened (invariant 2).
            let state = unsafe { &*self.state };
            let Some(fresh) = self.nested.as_ref().and_then(|stale| state.renew(stale)) else { return Err(failure) };
            self.renewed_at = Some(self.download.position());
            self.download.relocate(fresh.as_str());
            self.nested = Some(fresh);
        }
    }
}

impl State {
    /// Waits before another attempt at the rest of a file whose server was there before; false if none would help.
    fn waits_midway(&self, failing: &mut Option<(Now, u32)>, failure: &NetError) -> bool {
        let Some(media) = &self.access.media else { return false };
        let patience = retry::patience(Purpose::Segment, Trouble::of(failure), self.access.retry);
        let after = match failure {
            NetError::Answer(answer) => answer.retry_after,
            _ => None,
        };
        let now = media.clock().now();
        let (since, attempt) = *failing.get_or_insert((now, 0));
        let Some(wait) = retry::wait(attempt, now.since(&since), patience, after, backoff::random()) else { return false };
        if attempt == 0 {
            log::write(log::level::WARNING, &format!("{failure}; trying again for up to {} s\n", patience.as_secs()));
        }
        *failing = Some((since, attempt + 1));
        media.pause(wait, &self.stop).is_ok()
    }

    /// A read that cannot go on.
    fn lose(&self, error: Error) -> AvError {
        let (code, untold) = self.refuse(error);
        if let Some(error) = untold {
            log::write(log::level::ERROR, &format!("{error}\n"));
        }
        code
    }

    /// The code of a failure, and the failure if it is still to be told. Where a token was refused, going on would lose the
    /// rest in silence: that ends the job.
    pub(super) fn refuse(&self, error: Error) -> (AvError, Option<Error>) {
        if self.stop.is_requested() {
            return (AvError::EXIT, None);
        }
        let code = trouble::code_of(error.http_status());
        if matches!(error.http_status(), Some(401 | 403)) || error.kind() == crate::error::Kind::AuthorizationServer {
            self.give_up(error);
            return (code, None);
        }
        (code, Some(error))
    }
}

unsafe extern "C" fn read_packet(opaque: *mut c_void, data: *mut u8, size: c_int) -> c_int {
    panic::contain(AvError::from_errno(libc::EIO).0, || {
        // SAFETY: the Reader of `open`; libav calls on one thread (invariant 1) and lends `size` bytes for the call.
        let (reader, data) =
            unsafe { (&mut *opaque.cast::<Reader>(), std::slice::from_raw_parts_mut(data, usize::try_from(size).unwrap_or(0))) };
        // SAFETY: the hook outlives the contexts that it opened (invariant 2).
        let state = unsafe { &*reader.state };
        let read = loop {
            match reader.read(data) {
                Err(failure) if state.waits_midway(&mut reader.failing, &failure) => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => AvError::EOF.0,
            Ok(read) => {
                reader.failing = None;
                c_int::try_from(read).unwrap_or(c_int::MAX)
            }
            Err(failure) => {
                if reader.nested.is_some() {
                    // hls.c takes a segment that breaks off for complete.
                    state.segments.lose(1);
                    return state.lose(Error::from(failure)).0;
                }
                // The rest of the file itself: ffmpeg would say so, and exit with 0.
                let (code, untold) = state.refuse(Error::from(failure));
                if let Some(error) = untold {
                    state.note_failure(error);
                }
                code.0
            }
        }
    })
}

unsafe extern "C" fn seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    panic::contain(i64::from(AvError::from_errno(libc::EIO).0), || {
        // SAFETY: as in read_packet (invariant 13).
        let reader = unsafe { &mut *opaque.cast::<Reader>() };
        let unknown = i64::from(AvError::from_errno(libc::ENOSYS).0);
        let size = reader.download.size().and_then(|size| i64::try_from(size).ok());
        let position = match whence & !ffi::AVSEEK_FORCE {
            ffi::AVSEEK_SIZE => return if reader.cipher.is_some() { unknown } else { size.unwrap_or(unknown) },
            _ if reader.cipher.is_some() => return unknown,
            libc::SEEK_SET => Some(offset),
            libc::SEEK_CUR => i64::try_from(reader.download.position()).ok().and_then(|at| at.checked_add(offset)),
            libc::SEEK_END => size.and_then(|size| size.checked_add(offset)),
            _ => None,
        };
        match position.and_then(|position| u64::try_from(position).ok()) {
            Some(position) => {
                reader.download.seek(position);
                i64::try_from(position).unwrap_or(i64::MAX)
            }
            None => i64::from(AvError::from_errno(libc::EINVAL).0),
        }
    })
}

const BLOCK: usize = 16;

/// AES-128 in CBC mode, padded as PKCS #7, over libavutil's cipher.
struct Cipher {
    aes: *mut ffi::AVAES,
    iv: [u8; BLOCK],
    /// Not decrypted yet. The last block stays until the end is known: its padding goes.
    sealed: Vec<u8>,
    clear: Vec<u8>,
    ended: bool,
}

impl Cipher {
    /// Key and initialization vector as hls.c writes them: 32 hexadecimal digits each.
    fn new(key: &str, iv: &str) -> Result<Self, AvError> {
        let (key, iv) = (block_of_hex(key)?, block_of_hex(iv)?);
        // SAFETY: a fresh cipher, initialized once with a key of 128 bits (invariant 10).
        let aes = unsafe {
            let aes = ffi::av_aes_alloc();
            if aes.is_null() {
                return Err(AvError::from_errno(libc::ENOMEM));
            }
            ffi::av_aes_init(aes, key.as_ptr(), 128, 1);
            aes
        };
        Ok(Self { aes, iv, sealed: Vec::new(), clear: Vec::new(), ended: false })
    }

    fn push(&mut self, data: &[u8]) {
        self.sealed.extend_from_slice(data);
        self.decrypt((self.sealed.len().saturating_sub(1)) / BLOCK);
    }

    fn finish(&mut self) {
        self.ended = true;
        self.decrypt(self.sealed.len() / BLOCK);
        let padding = usize::from(self.clear.last().copied().unwrap_or(0));
        if (1..=BLOCK).contains(&padding) {
            self.clear.truncate(self.clear.len().saturating_sub(padding));
        }
    }

    fn decrypt(&mut self, blocks: usize) {
        let (length, start) = (blocks * BLOCK, self.clear.len());
        self.clear.resize(start + length, 0);
        let count = c_int::try_from(blocks).unwrap_or(0);
        // SAFETY: source and destination hold `blocks` blocks, the vector one; the cipher is initialized (invariant 10).
        unsafe {
            ffi::av_aes_crypt(self.aes, self.clear[start..].as_mut_ptr(), self.sealed.as_ptr(), count, self.iv.as_mut_ptr(), 1);
        }
        self.sealed.drain(..length);
    }
}

impl Drop for Cipher {
    fn drop(&mut self) {
        // SAFETY: from av_aes_alloc, owned (invariant 10).
        unsafe { ffi::av_free(self.aes.cast()) };
    }
}

fn block_of_hex(text: &str) -> Result<[u8; BLOCK], AvError> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let bytes: Vec<u8> = digits.unwrap_or_default().chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    bytes.try_into().map_err(|_| AvError::from_errno(libc::EINVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decrypts_whatever_way_the_bytes_arrive() {
        let plain = b"sixteen bytes!!!and five more";
        let (key, iv) = ([7_u8; BLOCK], [9_u8; BLOCK]);
        let mut sealed = vec![0_u8; 32];
        let mut padded = plain.to_vec();
        padded.resize(32, 3);
        // SAFETY: as in Cipher; two blocks each way (invariant 10).
        unsafe {
            let aes = ffi::av_aes_alloc();
            ffi::av_aes_init(aes, key.as_ptr(), 128, 0);
            let mut vector = iv;
            ffi::av_aes_crypt(aes, sealed.as_mut_ptr(), padded.as_ptr(), 2, vector.as_mut_ptr(), 0);
            ffi::av_free(aes.cast());
        }
        let hex = |bytes: [u8; BLOCK]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        for piece in [1, 5, 16, 17, 32] {
            let mut cipher = Cipher::new(&hex(key), &hex(iv)).expect("a key");
            sealed.chunks(piece).for_each(|chunk| cipher.push(chunk));
            cipher.finish();
            assert_eq!(cipher.clear, plain, "in pieces of {piece}");
        }
        assert!(Cipher::new("00", "00").is_err());
    }
}
