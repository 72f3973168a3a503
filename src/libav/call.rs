//! The funnel from C to Rust: strings in, strings out.

use std::ffi::{CStr, CString, c_char};

use super::error::AvError;
use super::ffi;

/// A C string; one with a NUL inside is `AVERROR(EINVAL)` (invariant 6).
pub fn c_string(text: &str) -> Result<CString, AvError> {
    CString::new(text).map_err(|_| AvError::from_errno(libc::EINVAL))
}

/// The text at `pointer`, bytes that are not UTF-8 replaced; `None` for a null pointer.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string that stays as it is during the call.
pub unsafe fn string<'a>(pointer: *const c_char) -> Option<std::borrow::Cow<'a, str>> {
    // SAFETY: the caller's promise (invariant 13).
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy())
}

/// The text up to one of `ends`, quotes and escapes undone and outer blanks off, and what is left from there on
/// (`av_get_token`).
pub fn token(text: &str, ends: &str) -> (String, String) {
    let (Ok(text), Ok(ends)) = (c_string(text), c_string(ends)) else { return (text.to_owned(), String::new()) };
    let mut rest = text.as_ptr();
    // SAFETY: both strings live through the call; `rest` stays within the first; the token is ours to free (invariant 11).
    unsafe {
        let token = ffi::av_get_token(&mut rest, ends.as_ptr());
        let taken = string(token).unwrap_or_default().into_owned();
        ffi::av_free(token.cast());
        (taken, string(rest).unwrap_or_default().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_end_where_nothing_is_quoted() {
        let token = |text| {
            let (taken, rest) = token(text, ":");
            (taken, rest)
        };
        assert_eq!(token("a=1:b=2"), ("a=1".into(), ":b=2".into()));
        assert_eq!(token(r"title='a:b' \: c:x"), ("title=a:b : c".into(), ":x".into()));
        assert_eq!(token("last"), ("last".into(), String::new()));
    }
}
