//! Whole files and byte sinks that libavformat opens by URL: attachments, and where `-progress` writes to. No token goes there.

use std::ffi::c_int;
use std::ptr;

use super::call::{c_string, string};
use super::error::AvError;
use super::{ffi, panic};

/// The content of `url`, which must know its size, as ffmpeg asks of attachments.
///
/// # Errors
/// libavformat's; `AVERROR(EIO)` for an empty or unsized one.
pub fn read(url: &str) -> Result<Vec<u8>, AvError> {
    let url = c_string(url)?;
    let mut context = ptr::null_mut();
    // SAFETY: the URL lives through the call; on success `context` is ours and closed below; the buffer is `size` bytes
    // long (invariant 11).
    let content = unsafe {
        AvError::check(ffi::avio_open2(&mut context, url.as_ptr(), ffi::AVIO_FLAG_READ, ptr::null(), ptr::null_mut()))?;
        let content = match c_int::try_from(ffi::avio_size(context)) {
            Ok(size @ 1..) => {
                let mut content = vec![0; usize::try_from(size).unwrap_or_default()];
                AvError::check(ffi::avio_read(context, content.as_mut_ptr(), size)).map(|read| {
                    content.truncate(usize::try_from(read).unwrap_or_default());
                    content
                })
            }
            _ => Err(AvError::from_errno(libc::EIO)),
        };
        ffi::avio_closep(&mut context);
        content
    };
    panic::resume();
    content
}

/// Does this URL name a file that is there already? Other protocols are never asked.
pub fn is_existing_file(url: &str) -> bool {
    let Ok(c_url) = c_string(url) else { return false };
    // SAFETY: the URL lives through the call (invariant 11).
    is_file(url) && unsafe { ffi::avio_check(c_url.as_ptr(), 0) } == 0
}

/// Does libavformat open this URL by its `file` protocol?
pub fn is_file(url: &str) -> bool {
    let Ok(url) = c_string(url) else { return false };
    // SAFETY: the URL lives through the call; the name is a constant or null (invariants 11 and 12).
    unsafe { string(ffi::avio_find_protocol_name(url.as_ptr())) }.is_some_and(|name| name == "file")
}

/// Can this name stand for a sequence of files (`av_filename_number_test`)?
pub fn has_number_pattern(url: &str) -> bool {
    // SAFETY: the name lives through the call (invariant 11).
    c_string(url).is_ok_and(|url| unsafe { ffi::av_filename_number_test(url.as_ptr()) } != 0)
}

/// An `AVIOContext` open for writing.
pub struct Writer(*mut ffi::AVIOContext);

// SAFETY: owned, and used by one thread at a time through `&mut` (invariant 1).
unsafe impl Send for Writer {}

impl Writer {
    /// Opens `url`: a file, `pipe:1`, `tcp://…`.
    ///
    /// # Errors
    /// libavformat's.
    pub fn open(url: &str) -> Result<Self, AvError> {
        let url = c_string(url)?;
        let mut context = ptr::null_mut();
        // SAFETY: the URL lives through the call; on success `context` is ours (invariant 11).
        AvError::check(unsafe {
            ffi::avio_open2(&mut context, url.as_ptr(), ffi::AVIO_FLAG_WRITE, ptr::null(), ptr::null_mut())
        })?;
        panic::resume();
        Ok(Self(context))
    }

    /// Writes `text` and flushes.
    ///
    /// # Errors
    /// The first failure of this sink; libavformat keeps it.
    pub fn write(&mut self, text: &str) -> Result<(), AvError> {
        self.write_bytes(text.as_bytes())
    }

    /// Writes `bytes` and flushes.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), AvError> {
        let length = c_int::try_from(bytes.len()).map_err(|_| AvError::from_errno(libc::EINVAL))?;
        // SAFETY: the context is open and the bytes live through the call (invariants 1 and 11).
        let error = unsafe {
            ffi::avio_write(self.0, bytes.as_ptr(), length);
            ffi::avio_flush(self.0);
            (*self.0).error
        };
        AvError::check(error).map(drop)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: owned, closed once (invariant 10).
        unsafe { ffi::avio_closep(&mut self.0) };
    }
}
