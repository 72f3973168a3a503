//! libav's error codes.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;

use super::ffi;
use crate::error::{Error, Kind};
use crate::redact;

/// A negative return code of libav (`AVERROR(…)`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AvError(pub c_int);

/// `FFERRTAG(a, b, c, d)` of libavutil/error.h.
const fn tag(a: u8, b: u8, c: u8, d: u8) -> c_int {
    -((a as c_int) | ((b as c_int) << 8) | ((c as c_int) << 16) | ((d as c_int) << 24))
}

impl AvError {
    /// End of file.
    pub const EOF: Self = Self(tag(b'E', b'O', b'F', b' '));
    /// Immediate exit was requested (the interrupt callback said so).
    pub const EXIT: Self = Self(tag(b'E', b'X', b'I', b'T'));
    /// Invalid data found when processing input.
    pub const INVALID_DATA: Self = Self(tag(b'I', b'N', b'D', b'A'));
    /// Option not found.
    pub const OPTION_NOT_FOUND: Self = Self(tag(0xF8, b'O', b'P', b'T'));
    /// Protocol not found.
    pub const PROTOCOL_NOT_FOUND: Self = Self(tag(0xF8, b'P', b'R', b'O'));
    /// Filter not found.
    pub const FILTER_NOT_FOUND: Self = Self(tag(0xF8, b'F', b'I', b'L'));
    /// Decoder not found.
    pub const DECODER_NOT_FOUND: Self = Self(tag(0xF8, b'D', b'E', b'C'));
    /// Encoder not found.
    pub const ENCODER_NOT_FOUND: Self = Self(tag(0xF8, b'E', b'N', b'C'));
    /// Experimental feature, which has to be asked for.
    pub const EXPERIMENTAL: Self = Self(-0x2bb2_afa8);
    /// HTTP 400.
    pub const HTTP_BAD_REQUEST: Self = Self(tag(0xF8, b'4', b'0', b'0'));
    /// HTTP 401.
    pub const HTTP_UNAUTHORIZED: Self = Self(tag(0xF8, b'4', b'0', b'1'));
    /// HTTP 403.
    pub const HTTP_FORBIDDEN: Self = Self(tag(0xF8, b'4', b'0', b'3'));
    /// HTTP 404.
    pub const HTTP_NOT_FOUND: Self = Self(tag(0xF8, b'4', b'0', b'4'));
    /// Any other HTTP 4xx.
    pub const HTTP_OTHER_4XX: Self = Self(tag(0xF8, b'4', b'X', b'X'));
    /// HTTP 5xx.
    pub const HTTP_SERVER_ERROR: Self = Self(tag(0xF8, b'5', b'X', b'X'));

    /// `AVERROR(errno)`.
    pub const fn from_errno(errno: c_int) -> Self {
        Self(-errno)
    }

    /// What http.c answers to a refusal with this status (`ff_http_averror`).
    pub const fn of_status(status: u16) -> Self {
        match status {
            400 => Self::HTTP_BAD_REQUEST,
            401 => Self::HTTP_UNAUTHORIZED,
            403 => Self::HTTP_FORBIDDEN,
            404 => Self::HTTP_NOT_FOUND,
            402..=499 => Self::HTTP_OTHER_4XX,
            _ => Self::HTTP_SERVER_ERROR,
        }
    }

    /// `Ok` for zero and more, as libav means it.
    pub fn check(code: c_int) -> Result<c_int, Self> {
        if code < 0 { Err(Self(code)) } else { Ok(code) }
    }

    /// As an error that leaves the crate: `subject: what libav says`.
    pub fn about(self, subject: &str) -> Error {
        let status = match self {
            Self::HTTP_BAD_REQUEST => Some(400),
            Self::HTTP_UNAUTHORIZED => Some(401),
            Self::HTTP_FORBIDDEN => Some(403),
            Self::HTTP_NOT_FOUND => Some(404),
            _ => None,
        };
        let http = [Self::HTTP_OTHER_4XX, Self::HTTP_SERVER_ERROR].contains(&self) || status.is_some();
        let network = [libc::ECONNREFUSED, libc::ECONNRESET, libc::ETIMEDOUT, libc::EHOSTUNREACH, libc::ENETUNREACH, libc::EPIPE];
        let file = [libc::ENOENT, libc::EACCES, libc::EISDIR, libc::ENOTDIR, libc::ENOSPC, libc::EROFS, libc::EEXIST];
        let kind = match -self.0 {
            _ if http => Kind::MediaServer,
            _ if self == Self::EXIT => Kind::Stopped,
            _ if [Self::OPTION_NOT_FOUND, Self::PROTOCOL_NOT_FOUND].contains(&self) => Kind::Usage,
            errno if network.contains(&errno) => Kind::MediaServer,
            errno if file.contains(&errno) => Kind::File,
            errno if errno == libc::EINVAL => Kind::Usage,
            _ => Kind::Media,
        };
        let retryable = self == Self::HTTP_SERVER_ERROR || network.contains(&-self.0);
        let error = Error::new(kind, format!("{}: {self}", redact::url(subject))).retryable(retryable).with_source(self);
        match status {
            Some(status) => error.with_http_status(status),
            None => error,
        }
    }

    /// `AVERROR(EAGAIN)`: call again later.
    pub fn is_again(self) -> bool {
        self == Self::from_errno(libc::EAGAIN)
    }
}

impl fmt::Display for AvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0 as c_char; 128];
        // SAFETY: the buffer is 128 bytes long and av_strerror terminates what it writes, also for unknown codes (invariant 11).
        let text = unsafe {
            ffi::av_strerror(self.0, text.as_mut_ptr(), text.len());
            CStr::from_ptr(text.as_ptr())
        };
        f.write_str(&text.to_string_lossy())
    }
}

impl fmt::Debug for AvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AvError({}: {self})", self.0)
    }
}

impl std::error::Error for AvError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_libavs_own() {
        for (code, text) in [
            (AvError::EOF, "End of file"),
            (AvError::EXIT, "Immediate exit requested"),
            (AvError::HTTP_UNAUTHORIZED, "Server returned 401 Unauthorized (authorization failed)"),
            (AvError::HTTP_OTHER_4XX, "Server returned 4XX Client Error, but not one of 40{0,1,3,4}"),
            (AvError::OPTION_NOT_FOUND, "Option not found"),
            (AvError::FILTER_NOT_FOUND, "Filter not found"),
            (AvError::DECODER_NOT_FOUND, "Decoder not found"),
            (AvError::ENCODER_NOT_FOUND, "Encoder not found"),
            (AvError::EXPERIMENTAL, "Experimental feature"),
            (AvError::from_errno(libc::EIO), "Input/output error"),
        ] {
            assert_eq!(code.to_string(), text);
        }
    }
}
