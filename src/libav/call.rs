//! The funnel from C to Rust: strings in, strings out.

use std::ffi::{CStr, CString, c_char};

use super::error::AvError;

/// A C string; one with a NUL inside is `AVERROR(EINVAL)` (invariant 6).
pub fn c_string(text: &str) -> Result<CString, AvError> {
    CString::new(text).map_err(|_| AvError::from_errno(libc::EINVAL))
}

/// The text at `pointer`, bytes that are not UTF-8 replaced; `None` for a null pointer.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string that stays as it is during the call.
pub unsafe fn string<'a>(pointer: *const c_char) -> Option<std::borrow::Cow<'a, str>> {
    // SAFETY: the caller's promise.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy())
}
