//! Whether an open that failed is tried again, and when: by what it is for and by what went wrong.
//!
//! | what went wrong | the file itself | playlist | segment, key |
//! | --- | --- | --- | --- |
//! | 408, 425, 429, 5xx | for up to `-auth_retry`, at most 5 s | `-auth_retry` | `-auth_retry` |
//! | no connection, reset, stall | not | `-auth_retry` | `-auth_retry` |
//! | 404, 410 | not | 5 s | 5 s: a CDN's edge may lag behind the playlist |
//! | anything else | not | not | not |
//!
//! A segment that hls.c asks for ahead of its turn is not waited for: the one before it is still to be read.
//!
//! The waits double from half a second to eight, with full jitter; a server's `Retry-After` counts instead.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::libav::error::AvError;

use super::segments::Purpose;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server asks for patience, or is broken for now.
    Busy,
    /// The network, or a server that does not answer.
    Network,
    /// The object is not there.
    Missing,
    /// A refusal that waiting does not change.
    Refused,
}

impl Cause {
    /// The cause behind libav's code. `status` is the server's own answer where it was asked again, since libav has one code
    /// for all of 408, 416 and 429.
    pub fn of(code: AvError, status: Option<u16>) -> Self {
        match (code, status) {
            (_, Some(404 | 410)) | (AvError::HTTP_NOT_FOUND, None) => Self::Missing,
            (_, Some(408 | 425 | 429 | 500..)) => Self::Busy,
            (_, Some(400..)) => Self::Refused,
            (AvError::HTTP_SERVER_ERROR | AvError::HTTP_OTHER_4XX, _) => Self::Busy,
            (AvError::HTTP_BAD_REQUEST | AvError::HTTP_FORBIDDEN | AvError::HTTP_UNAUTHORIZED, _) => Self::Refused,
            (code, _) if NETWORK.iter().any(|errno| code == AvError::from_errno(*errno)) => Self::Network,
            _ => Self::Refused,
        }
    }
}

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

const BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), limit: Duration::from_secs(8) };

/// For objects that may turn up, and for a file that somebody waits for.
const SHORT: Duration = Duration::from_secs(5);

/// For how long an open is tried again in all; `limit` is `-auth_retry`.
pub fn patience(purpose: Purpose, cause: Cause, limit: Duration) -> Duration {
    match (purpose, cause) {
        (_, Cause::Refused) | (Purpose::NextSegment, _) | (Purpose::Top, Cause::Network | Cause::Missing) => Duration::ZERO,
        (Purpose::Top, Cause::Busy) | (_, Cause::Missing) => limit.min(SHORT),
        (_, Cause::Busy | Cause::Network) => limit,
    }
}

/// The wait before the next attempt, if there is one. `spent` is the time since the first failure, `random` uniform in 0..1.
pub fn wait(attempt: u32, spent: Duration, patience: Duration, after: Option<Duration>, random: f64) -> Option<Duration> {
    let wait = after.unwrap_or_else(|| BACKOFF.delay(attempt, random));
    (spent < patience && spent + wait <= patience).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_answer_decides_where_it_is_known() {
        for (code, status, cause) in [
            (AvError::HTTP_OTHER_4XX, Some(429), Cause::Busy),
            (AvError::HTTP_OTHER_4XX, Some(416), Cause::Refused),
            (AvError::HTTP_OTHER_4XX, Some(410), Cause::Missing),
            (AvError::HTTP_SERVER_ERROR, Some(503), Cause::Busy),
            (AvError::HTTP_SERVER_ERROR, None, Cause::Busy),
            (AvError::HTTP_NOT_FOUND, None, Cause::Missing),
            (AvError::from_errno(libc::ECONNRESET), None, Cause::Network),
            (AvError::INVALID_DATA, None, Cause::Refused),
            (AvError::PROTOCOL_NOT_FOUND, None, Cause::Refused),
        ] {
            assert_eq!(Cause::of(code, status), cause, "{code} {status:?}");
        }
    }

    #[test]
    fn patience_depends_on_what_it_is_for() {
        let limit = Duration::from_secs(60);
        assert_eq!(patience(Purpose::Playlist, Cause::Network, limit), limit);
        assert_eq!(patience(Purpose::Segment, Cause::Missing, limit), SHORT);
        assert_eq!(patience(Purpose::Top, Cause::Network, limit), Duration::ZERO);
        assert_eq!(patience(Purpose::Key, Cause::Refused, limit), Duration::ZERO);
        assert_eq!(patience(Purpose::Segment, Cause::Busy, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn the_last_wait_ends_within_the_patience() {
        let second = Duration::from_secs(1);
        assert_eq!(wait(0, Duration::ZERO, 5 * second, None, 1.0), Some(second / 2));
        assert_eq!(wait(9, Duration::ZERO, 60 * second, None, 1.0), Some(8 * second));
        assert_eq!(wait(0, Duration::ZERO, 5 * second, Some(3 * second), 1.0), Some(3 * second));
        assert_eq!(wait(0, 3 * second, 5 * second, Some(3 * second), 1.0), None);
        assert_eq!(wait(0, Duration::ZERO, Duration::ZERO, None, 0.0), None);
    }
}
