//! A byte sink that libavformat opens by URL: where `-progress` writes to.

use std::ffi::c_int;
use std::ptr;

use super::call::c_string;
use super::error::AvError;
use super::{ffi, panic};

/// An `AVIOContext` open for writing. No token ever goes there.
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
        // SAFETY: the URL lives through the call; on success `context` is ours.
        AvError::check(unsafe { ffi::avio_open2(&mut context, url.as_ptr(), ffi::AVIO_FLAG_WRITE, ptr::null(), ptr::null_mut()) })?;
        panic::resume();
        Ok(Self(context))
    }

    /// Writes `text` and flushes.
    ///
    /// # Errors
    /// The first failure of this sink; libavformat keeps it.
    pub fn write(&mut self, text: &str) -> Result<(), AvError> {
        let length = c_int::try_from(text.len()).map_err(|_| AvError::from_errno(libc::EINVAL))?;
        // SAFETY: the context is open and the text lives through the call.
        let error = unsafe {
            ffi::avio_write(self.0, text.as_ptr(), length);
            ffi::avio_flush(self.0);
            (*self.0).error
        };
        AvError::check(error).map(drop)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // SAFETY: owned, closed once.
        unsafe { ffi::avio_closep(&mut self.0) };
    }
}
