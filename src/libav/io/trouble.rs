//! What libav's codes say about a failed open.

use crate::libav::error::AvError;
use crate::net::retry::Trouble;

/// What http.c and tcp.c answer when no server or no whole answer was there. A name that cannot be resolved is EIO.
const NETWORK: [i32; 10] = [
    libc::EIO,
    libc::ECONNREFUSED,
    libc::ECONNRESET,
    libc::ECONNABORTED,
    libc::EPIPE,
    libc::ETIMEDOUT,
    libc::EHOSTUNREACH,
    libc::ENETUNREACH,
    libc::ENETDOWN,
    libc::EAGAIN,
];

/// libav's code for the status of a refusal.
pub fn code_of(status: Option<u16>) -> AvError {
    match status {
        Some(401) => AvError::HTTP_UNAUTHORIZED,
        Some(403) => AvError::HTTP_FORBIDDEN,
        Some(404) => AvError::HTTP_NOT_FOUND,
        Some(400..=499) => AvError::HTTP_OTHER_4XX,
        Some(500..) => AvError::HTTP_SERVER_ERROR,
        _ => AvError::from_errno(libc::EIO),
    }
}

/// What stands behind libav's code. `status` is the server's own answer where it was asked again, since libav has one code for
/// all of 408, 416 and 429.
pub fn behind(code: AvError, status: Option<u16>) -> Trouble {
    match (code, status) {
        (_, Some(status @ 400..)) => Trouble::of_status(status),
        (AvError::HTTP_NOT_FOUND, _) => Trouble::Missing,
        (AvError::HTTP_SERVER_ERROR | AvError::HTTP_OTHER_4XX, _) => Trouble::Busy,
        (AvError::HTTP_BAD_REQUEST | AvError::HTTP_FORBIDDEN | AvError::HTTP_UNAUTHORIZED, _) => Trouble::Refused,
        (code, _) if NETWORK.iter().any(|errno| code == AvError::from_errno(*errno)) => Trouble::Network,
        _ => Trouble::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_answer_decides_where_it_is_known() {
        for (code, status, trouble) in [
            (AvError::HTTP_OTHER_4XX, Some(429), Trouble::Busy),
            (AvError::HTTP_OTHER_4XX, Some(416), Trouble::Refused),
            (AvError::HTTP_OTHER_4XX, Some(410), Trouble::Missing),
            (AvError::HTTP_SERVER_ERROR, Some(503), Trouble::Busy),
            (AvError::HTTP_SERVER_ERROR, None, Trouble::Busy),
            (AvError::HTTP_NOT_FOUND, None, Trouble::Missing),
            (AvError::from_errno(libc::ECONNRESET), None, Trouble::Network),
            (AvError::INVALID_DATA, None, Trouble::Refused),
            (AvError::PROTOCOL_NOT_FOUND, None, Trouble::Refused),
        ] {
            assert_eq!(behind(code, status), trouble, "{code} {status:?}");
        }
    }
}
