//! Local files whose disk is full: an `AVIOContext` that waits until there is space again, where libavformat's `file` protocol
//! would fail. What has been written stays, and what comes meanwhile is not read from the inputs.

use std::ffi::{c_int, c_void};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::ptr;
use std::time::Duration;

use crate::libav::error::AvError;
use crate::libav::{ffi, log, panic};
use crate::shutdown::Shutdown;

use super::Lent;

/// What stands behind one of our contexts.
struct Writer {
    file: File,
    path: String,
    /// Nobody waits for this file any more.
    stop: Shutdown,
}

const BUFFER: usize = 64 * 1024;

/// How often a full disk is looked at again.
const LOOK: Duration = Duration::from_millis(200);

/// The path of a URL that libavformat would open by its `file` protocol (`av_strstart`, file.c).
pub fn path(url: &str) -> Option<&str> {
    match url.strip_prefix("file:") {
        Some(path) => Some(path),
        // A drive or a scheme has a colon before any slash.
        None => (!url.split('/').next().unwrap_or_default().contains(':')).then_some(url),
    }
}

/// Opens `path` for writing, empty, as file.c does. Waits for space until `stop` is raised.
pub fn open(path: &str, stop: &Shutdown) -> Result<*mut ffi::AVIOContext, AvError> {
    let file = patiently(path, stop, || OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path));
    let file = file.map_err(|error| code_of(&error))?;
    let writer = Box::into_raw(Box::new(Writer { file, path: path.to_owned(), stop: stop.clone() }));
    // SAFETY: the buffer comes from av_malloc, as avio_alloc_context asks; the writer is freed by `close` alone (invariant 10).
    unsafe {
        let buffer = ffi::av_malloc(BUFFER);
        let context =
            ffi::avio_alloc_context(buffer.cast(), BUFFER as c_int, 1, writer.cast(), None, Some(write_packet), Some(seek));
        if context.is_null() {
            ffi::av_free(buffer);
            drop(Box::from_raw(writer));
            return Err(AvError::from_errno(libc::ENOMEM));
        }
        Ok(context)
    }
}

/// Is this one of ours?
///
/// # Safety
/// `context` is a valid AVIOContext.
pub unsafe fn is_ours(context: *mut ffi::AVIOContext) -> bool {
    // SAFETY: the caller's promise (invariant 13).
    unsafe { (*context).write_packet }.is_some_and(|write| ptr::fn_addr_eq(write, write_packet as WritePacket))
}

type WritePacket = unsafe extern "C" fn(*mut c_void, Lent, c_int) -> c_int;

/// Flushes and frees the context. The code of the first failure.
///
/// # Safety
/// `context` is one of ours and is not used afterwards.
pub unsafe fn close(context: *mut ffi::AVIOContext) -> c_int {
    // SAFETY: the caller's promise; the opaque pointer is the Writer of `open`, taken back here once (invariant 13).
    unsafe {
        ffi::avio_flush(context);
        let code = (*context).error;
        drop(Box::from_raw((*context).opaque.cast::<Writer>()));
        ffi::av_freep((&raw mut (*context).buffer).cast());
        let mut context = context;
        ffi::avio_context_free(&mut context);
        code.min(0)
    }
}

/// Does `work`, again and again as long as the disk is full.
fn patiently<T>(path: &str, stop: &Shutdown, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut waited = false;
    loop {
        match work() {
            Err(error) if is_full(&error) && !stop.is_requested() => {
                if !std::mem::replace(&mut waited, true) {
                    log::write(log::level::WARNING, &format!("{path}: {error}; waiting until there is space\n"));
                }
                std::thread::sleep(LOOK);
            }
            done => {
                if waited && done.is_ok() {
                    log::write(log::level::WARNING, &format!("{path}: there is space again\n"));
                }
                return done;
            }
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn code_of(error: &io::Error) -> AvError {
    AvError::from_errno(error.raw_os_error().unwrap_or(libc::EIO))
}

unsafe extern "C" fn write_packet(opaque: *mut c_void, data: Lent, size: c_int) -> c_int {
    panic::contain(AvError::from_errno(libc::EIO).0, || {
        // SAFETY: the Writer of `open`; libav calls on one thread (invariant 1) and lends `size` bytes for the call.
        let (writer, mut left) =
            unsafe { (&mut *opaque.cast::<Writer>(), std::slice::from_raw_parts(data, usize::try_from(size).unwrap_or(0))) };
        let Writer { file, path, stop } = writer;
        // A part may fit where the whole does not.
        let written = patiently(path, stop, || {
            while !left.is_empty() {
                match file.write(left) {
                    Ok(0) => return Err(io::Error::from_raw_os_error(libc::ENOSPC)),
                    Ok(written) => left = &left[written..],
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        written.map_or_else(|error| code_of(&error).0, |()| size)
    })
}

unsafe extern "C" fn seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    panic::contain(i64::from(AvError::from_errno(libc::EIO).0), || {
        // SAFETY: as in write_packet (invariant 13).
        let file = unsafe { &mut (*opaque.cast::<Writer>()).file };
        let moved = match whence & !ffi::AVSEEK_FORCE {
            ffi::AVSEEK_SIZE => file.metadata().map(|file| file.len()),
            libc::SEEK_SET => match u64::try_from(offset) {
                Ok(offset) => file.seek(SeekFrom::Start(offset)),
                Err(_) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
            },
            libc::SEEK_CUR => file.seek(SeekFrom::Current(offset)),
            libc::SEEK_END => file.seek(SeekFrom::End(offset)),
            _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        };
        moved.map_or_else(|error| i64::from(code_of(&error).0), |at| i64::try_from(at).unwrap_or(i64::MAX))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_opened_here() {
        for (url, found) in [
            ("out.ts", Some("out.ts")),
            ("/srv/a:b.ts", Some("/srv/a:b.ts")),
            ("file:out.ts", Some("out.ts")),
            ("https://h/x", None),
            ("pipe:1", None),
        ] {
            assert_eq!(path(url), found, "{url}");
        }
    }

    #[test]
    fn a_full_disk_is_waited_for_until_somebody_stops() {
        let mut attempts = 0;
        let done = patiently("x", &Shutdown::new(), || {
            attempts += 1;
            if attempts < 3 { Err(io::Error::from_raw_os_error(libc::ENOSPC)) } else { Ok(attempts) }
        });
        assert_eq!(done.expect("space"), 3);
        let stop = Shutdown::new();
        stop.request();
        let given_up: io::Result<()> = patiently("x", &stop, || Err(io::Error::from_raw_os_error(libc::EDQUOT)));
        assert!(is_full(&given_up.expect_err("no space")));
        let other: io::Result<()> = patiently("x", &Shutdown::new(), || Err(io::Error::from_raw_os_error(libc::EACCES)));
        assert!(other.is_err());
    }
}
