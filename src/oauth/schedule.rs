//! When to refresh: pure functions of a token's life.
//!
//! From the soft point on a refresh runs in the background and nobody waits; from the hard point on callers wait for it.
//! Margins are fractions of the life with a cap, so that a token of 2 s works as well as one of a day.

use std::time::Duration;

use crate::backoff::Backoff;

/// Waits between failed token requests: 1, 2, 4 … 30 s, each with full jitter.
pub const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), limit: Duration::from_secs(30) };

/// The age at which a token of life `lifetime` is refreshed in the background: expiry − min(20 %, 300 s) − jitter of up to
/// min(5 %, 30 s). `jitter` is in 0..1 and stays the same for one source, so that many machines spread out.
pub fn soft_point(lifetime: Duration, jitter: f64) -> Duration {
    let margin = lifetime.mul_f64(0.20).min(Duration::from_secs(300));
    let spread = lifetime.mul_f64(0.05).min(Duration::from_secs(30)).mul_f64(jitter.clamp(0.0, 1.0));
    lifetime.saturating_sub(margin + spread)
}

/// The age from which callers wait for a new token: expiry − min(30 s, 10 %).
pub fn hard_point(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(lifetime.mul_f64(0.10).min(Duration::from_secs(30)))
}

/// How long to wait after failed request number `failures` (1 = the first): [`BACKOFF`] drawn by `random` in 0..1, and not less
/// than the server's `Retry-After`. A `Retry-After` of zero is no invitation to ask without end.
pub fn retry_wait(failures: u32, retry_after: Option<Duration>, random: f64) -> Duration {
    // An hour is longer than any server means; a broken header must not end a job.
    let asked = retry_after.unwrap_or_default().min(Duration::from_secs(3600));
    asked.max(BACKOFF.delay(failures.saturating_sub(1), random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_300_s_is_refreshed_between_225_and_240_s() {
        let life = Duration::from_secs(300);
        assert_eq!(soft_point(life, 0.0).as_secs(), 240);
        assert_eq!(soft_point(life, 1.0).as_secs(), 225);
        assert_eq!(hard_point(life).as_secs(), 270);
    }

    #[test]
    fn margins_of_long_lives_are_capped() {
        let day = Duration::from_secs(86_400);
        assert_eq!(soft_point(day, 1.0).as_secs(), 86_400 - 330);
        assert_eq!(hard_point(day).as_secs(), 86_400 - 30);
    }

    #[test]
    fn short_lives_leave_time_between_soft_and_hard_point() {
        for millis in [500, 1000, 2000, 3000] {
            let life = Duration::from_millis(millis);
            assert!(soft_point(life, 0.0) < hard_point(life) && hard_point(life) < life);
            assert!(soft_point(life, 1.0) >= life.mul_f64(0.74));
        }
        assert_eq!(soft_point(Duration::ZERO, 1.0), Duration::ZERO);
    }

    #[test]
    fn retry_after_is_the_least_that_is_waited() {
        assert_eq!(retry_wait(1, Some(Duration::from_secs(7)), 1.0), Duration::from_secs(7));
        assert_eq!(retry_wait(3, Some(Duration::ZERO), 1.0), Duration::from_secs(4));
        assert_eq!(retry_wait(1, Some(Duration::from_secs(u64::MAX)), 0.0), Duration::from_secs(3600));
        assert_eq!(retry_wait(3, None, 1.0), Duration::from_secs(4));
        assert_eq!(retry_wait(40, None, 1.0), Duration::from_secs(30));
    }
}
