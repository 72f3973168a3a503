//! Whether a read that failed is tried again, and when: by what it is for and by what went wrong.
//!
//! | what went wrong | the file itself | playlist, manifest | segment, key |
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

use super::error::NetError;

/// What a read is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The file itself.
    Top,
    /// A playlist that another playlist names, or the same one again (RFC 8216 section 6.3.4); a manifest again.
    Playlist,
    /// A media segment or an initialization section.
    Segment,
    /// A segment that hls.c asks for while the one before it is still being read, at each of its reads until that works.
    NextSegment,
    /// A decryption key.
    Key,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The server asks for patience, or is broken for now.
    Busy,
    /// The network, or a server that does not answer.
    Network,
    /// The object is not there.
    Missing,
    /// A refusal that waiting does not change.
    Refused,
}

impl Trouble {
    /// What the status of a refusal means.
    pub fn of_status(status: u16) -> Self {
        match status {
            404 | 410 => Self::Missing,
            408 | 425 | 429 | 500.. => Self::Busy,
            _ => Self::Refused,
        }
    }

    /// What a failure of our own client means.
    pub fn of(failure: &NetError) -> Self {
        match failure {
            NetError::Answer(answer) => Self::of_status(answer.status),
            NetError::Transport { .. } if failure.is_retryable() => Self::Network,
            _ => Self::Refused,
        }
    }
}

const BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), limit: Duration::from_secs(8) };

/// For objects that may turn up, and for a file that somebody waits for.
const SHORT: Duration = Duration::from_secs(5);

/// For how long an open is tried again in all; `limit` is `-auth_retry`.
pub fn patience(purpose: Purpose, trouble: Trouble, limit: Duration) -> Duration {
    match (purpose, trouble) {
        (_, Trouble::Refused) | (Purpose::NextSegment, _) | (Purpose::Top, Trouble::Network | Trouble::Missing) => Duration::ZERO,
        (Purpose::Top, Trouble::Busy) | (_, Trouble::Missing) => limit.min(SHORT),
        (_, Trouble::Busy | Trouble::Network) => limit,
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
    fn patience_depends_on_what_it_is_for() {
        let limit = Duration::from_secs(60);
        assert_eq!(patience(Purpose::Playlist, Trouble::Network, limit), limit);
        assert_eq!(patience(Purpose::Segment, Trouble::Missing, limit), SHORT);
        assert_eq!(patience(Purpose::Top, Trouble::Network, limit), Duration::ZERO);
        assert_eq!(patience(Purpose::Key, Trouble::Refused, limit), Duration::ZERO);
        assert_eq!(patience(Purpose::Segment, Trouble::Busy, Duration::ZERO), Duration::ZERO);
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
