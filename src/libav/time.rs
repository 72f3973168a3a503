//! Times as ffmpeg's options write them.

use super::call::c_string;
use super::error::AvError;
use super::ffi;

/// A duration in microseconds: `[-][HH:]MM:SS[.m…]`, or a number with `s`, `ms` or `us` behind it (`av_parse_time`).
///
/// # Errors
/// `AVERROR(EINVAL)`.
pub fn parse_duration(text: &str) -> Result<i64, AvError> {
    let text = c_string(text)?;
    let mut time = 0;
    // SAFETY: the text lives through the call (invariant 11).
    AvError::check(unsafe { ffi::av_parse_time(&mut time, text.as_ptr(), 1) })?;
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(parse_duration("1:02.5"), Ok(62_500_000));
        assert_eq!(parse_duration("-3ms"), Ok(-3000));
        assert!(parse_duration("soon").is_err());
    }
}
