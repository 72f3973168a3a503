//! Playlists and keys, read to their end before hls.c sees any of them: it takes a playlist that breaks off in the middle for all
//! there is (and the rest of a URL for a whole one), and plays on with half a key.
//!
//! A playlist comes back through `io_open` each time that it is read again. hls.c would rather send its next request on the
//! connection of the one before (`parse_playlist`), unseen; it does not where `http_persistent` is off at the moment in which
//! `io_open` returns. The connection is kept by our own client instead, and segments keep theirs in http.c.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use crate::error::{Error, Kind};
use crate::libav::error::AvError;
use crate::libav::option::{self, Dictionary};
use crate::libav::{ffi, panic};
use crate::net::retry::{Purpose, Trouble};
use crate::net::{self, Failure, Fetched, NetError};
use crate::redact;

use super::exported::{self, Exported};
use super::open::Open;
use super::state::State;

/// What is longer is no playlist.
const LONGEST: usize = 32 * 1024 * 1024;

/// IO_BUFFER_SIZE of aviobuf.c: it reads on into a buffer as long as there is so much room.
const ROOM: usize = 32 * 1024;

const BUFFER: usize = 32 * 1024;

/// What stands behind one of our contexts.
#[repr(C)]
struct Whole {
    /// First: libav looks for options here.
    exported: Exported,
    bytes: Vec<u8>,
    at: usize,
    /// hls.c was kept from keeping the connection, and may do so again when it has read this.
    resumes: bool,
}

/// Why an object did not come whole.
pub(super) struct Miss {
    pub(super) trouble: Trouble,
    pub(super) code: AvError,
    pub(super) failure: Box<Failure>,
}

impl Miss {
    fn of(failure: NetError) -> Self {
        let code = match &failure {
            NetError::Stopped => AvError::EXIT,
            NetError::Answer(answer) => AvError::of_status(answer.status),
            _ => AvError::from_errno(libc::EIO),
        };
        Self { trouble: Trouble::of(&failure), code, failure: Box::new(failure.into()) }
    }

    fn new(trouble: Trouble, error: Error) -> Self {
        Self { trouble, code: AvError::INVALID_DATA, failure: Box::new(Failure { error, answer: None, retry_after: None }) }
    }
}

impl Open<'_> {
    /// Is what `purpose` says to be read whole? hls.c alone asks for playlists and keys.
    pub(super) fn wants_whole(&self, purpose: Purpose) -> bool {
        // SAFETY: the format context is valid during its own callback, and its format, once it has one, a constant
        // (invariants 1 and 12).
        let is_hls = unsafe {
            let format = (*self.context).iformat;
            !format.is_null() && CStr::from_ptr((*format).name) == c"hls"
        };
        is_hls && matches!(purpose, Purpose::Playlist | Purpose::Key)
    }

    /// Reads `url` to its end with our own client, which sees to tokens and redirects.
    pub(super) fn read_whole(&mut self, url: &str, purpose: Purpose) -> Result<(), Miss> {
        let Fetched { bytes, location, content_type } = self.fetch(url)?;
        if purpose == Purpose::Playlist && !bytes.trim_ascii_start().starts_with(b"#EXTM3U") {
            let text = format!("{}: what came is no playlist", redact::url(url));
            // A page that says that the service is down for now, say.
            return Err(Miss::new(Trouble::Busy, Error::new(Kind::MediaServer, text).retryable(true)));
        }
        let resumes = purpose == Purpose::Playlist && self.suspend_keepalive();
        let whole = Whole { exported: Exported::new(&location, content_type.as_deref()), bytes, at: 0, resumes };
        let whole = Box::into_raw(Box::new(whole));
        // SAFETY: the buffer comes from av_malloc, as avio_alloc_context asks; what stands behind is freed by `close` alone
        // (invariant 10). libav wants its context in `pb` (invariant 1).
        unsafe {
            let buffer = ffi::av_malloc(BUFFER);
            let context = ffi::avio_alloc_context(buffer.cast(), BUFFER as c_int, 0, whole.cast(), Some(read_packet), None, None);
            if context.is_null() {
                ffi::av_free(buffer);
                drop(Box::from_raw(whole));
                let error = Error::new(Kind::Internal, "out of memory");
                return Err(Miss::new(Trouble::Refused, error));
            }
            (*context).seekable = 0;
            exported::attach(context);
            *self.pb = context;
        }
        Ok(())
    }

    fn fetch(&self, url: &str) -> Result<Fetched, Miss> {
        let unfit = |error| Miss { trouble: Trouble::Refused, code: AvError::from_errno(libc::EINVAL), failure: Box::new(error) };
        let state = self.state;
        let Some(media) = &state.access.media else { return Err(unfit(NetError::Stopped.into())) };
        let request = net::Request { retries: 0, ..state.read_request(url, &self.options) };
        let fetched = media.fetch(request, LONGEST, &state.stop).map_err(Miss::of)?;
        if fetched.bytes.len() > LONGEST {
            let text = format!("{}: no playlist is longer than 32 MiB", redact::url(url));
            return Err(Miss::new(Trouble::Refused, Error::new(Kind::Media, text)));
        }
        Ok(fetched)
    }

    /// Has hls.c close what it gets now, once it has read it; true if it would have kept the connection.
    fn suspend_keepalive(&self) -> bool {
        // SAFETY: the context is valid during its own callback; hls.c has this option (invariant 1).
        unsafe {
            let (context, name, mut keeps) = (self.context.cast(), c"http_persistent", 0);
            let found = ffi::av_opt_get_int(context, name.as_ptr(), ffi::AV_OPT_SEARCH_CHILDREN, &mut keeps);
            found >= 0 && keeps != 0 && option::set(context, "http_persistent", Some("0")).is_ok()
        }
    }
}

impl State {
    /// A request of our own in place of one of http.c with these options.
    pub(super) fn read_request(&self, url: &str, options: &Dictionary) -> net::Request {
        let mut headers = self.request.fields();
        for (option, name) in [("user_agent", "User-Agent"), ("referer", "Referer")] {
            if let Some(value) = options.get(option).filter(|value| !value.is_empty()) {
                headers.push((name.to_owned(), value));
            }
        }
        if let (Some(fields), Some(media)) = (options.get("cookies"), &self.access.media) {
            self.cookies.adopt(&self.access.url, &fields, media.clock().now().wall);
        }
        net::Request { cookies: Some(self.cookies.clone()), ..self.own_request(url, "GET", headers) }
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

/// Frees `context`, and lets the demuxer of `format` keep connections again.
///
/// # Safety
/// `context` is one of ours and is not used afterwards; `format` is valid.
pub unsafe fn close(format: *mut ffi::AVFormatContext, context: *mut ffi::AVIOContext) {
    // SAFETY: the caller's promise; the opaque pointer is the Whole of `read_whole`, taken back here once (invariant 13).
    unsafe {
        let whole = Box::from_raw((*context).opaque.cast::<Whole>());
        ffi::av_freep((&raw mut (*context).buffer).cast());
        let mut context = context;
        ffi::avio_context_free(&mut context);
        if whole.resumes {
            let _ = option::set(format.cast(), "http_persistent", Some("1"));
        }
    }
}

unsafe extern "C" fn read_packet(opaque: *mut c_void, data: *mut u8, size: c_int) -> c_int {
    panic::contain(AvError::from_errno(libc::EIO).0, || {
        // SAFETY: the Whole of `read_whole`; libav calls on one thread (invariant 1) and lends `size` bytes for the call.
        let (whole, data) =
            unsafe { (&mut *opaque.cast::<Whole>(), std::slice::from_raw_parts_mut(data, usize::try_from(size).unwrap_or(0))) };
        let rest = &whole.bytes[whole.at..];
        let taken = rest.len().min(data.len());
        if taken == 0 {
            return AvError::EOF.0;
        }
        data[..taken].copy_from_slice(&rest[..taken]);
        whole.at += taken;
        c_int::try_from(taken).unwrap_or(c_int::MAX)
    })
}

/// Has all come that the server of `context` promised, which has been opened just now? What came stays in its buffer, which grows
/// as that of `ffio_ensure_seekback` (aviobuf.c) does.
///
/// # Safety
/// `context` is open for reading, at its start, and of this thread.
pub unsafe fn has_all(context: *mut ffi::AVIOContext) -> bool {
    // SAFETY: the caller's promise. The buffer is exchanged for a larger one from av_malloc with the same content, and everything
    // that points into it moved (invariants 10 and 13).
    unsafe {
        let Ok(size @ 1..=LONGEST) = usize::try_from(ffi::avio_size(context)) else { return true };
        let filled = (*context).buf_end.offset_from((*context).buf_ptr);
        let filled = usize::try_from(filled).unwrap_or(0);
        if filled < size {
            let (room, start) = (size + 2 * ROOM, (*context).buf_ptr);
            let buffer = ffi::av_malloc(room).cast::<u8>();
            let Ok(room) = c_int::try_from(room) else { return true };
            if buffer.is_null() {
                return true;
            }
            ptr::copy_nonoverlapping(start, buffer, filled);
            ffi::av_free((*context).buffer.cast());
            ((*context).buffer, (*context).buffer_size) = (buffer, room);
            ((*context).buf_ptr, (*context).buf_end) = (buffer, buffer.add(filled));
            (*context).checksum_ptr = buffer;
        }
        let mut piece = [0_u8; 4096];
        let mut left = size;
        while left > 0 {
            let read = ffi::avio_read(context, piece.as_mut_ptr(), left.min(piece.len()) as c_int);
            let Ok(read @ 1..) = usize::try_from(read) else { break };
            left -= read;
        }
        left == 0 && ffi::avio_seek(context, 0, libc::SEEK_SET) == 0
    }
}
