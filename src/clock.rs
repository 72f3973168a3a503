//! Time, as a value that callers pass in.
//!
//! Nothing else in the crate reads a clock, so every rule about lifetimes is a pure function and its tests need no sleep.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// An HTTP date (RFC 9110 section 5.6.7) in the form that servers must send.
pub fn http_date(value: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(value.trim(), &Rfc2822).ok().map(SystemTime::from)
}

/// `at` in UTC and whole seconds (RFC 3339); `None` for a year that has no four digits.
pub fn rfc3339(at: SystemTime) -> Option<String> {
    OffsetDateTime::from(at).replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date that is compared with `now`.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    match value.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(http_date(value)?.duration_since(now).unwrap_or_default()),
    }
}

/// One reading of both clocks.
///
/// `boot` counts while the machine sleeps (`CLOCK_BOOTTIME`), `wall` jumps when somebody sets it. A token's remaining
/// life is the shorter of what the two say, so that neither a suspend nor a clock step keeps a dead token in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since the machine booted, sleep included.
    pub boot: Duration,
    /// Wall-clock time.
    pub wall: SystemTime,
}

impl Now {
    /// The time that has passed since `earlier`: the larger of what the two clocks say.
    pub fn since(&self, earlier: &Now) -> Duration {
        let boot = self.boot.saturating_sub(earlier.boot);
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        boot.max(wall)
    }
}

/// Where a component gets the time from, and how it waits.
pub trait Clock: Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Now;
    /// Completes after `duration` of this clock's time. Must be polled within a tokio runtime for [`SystemClock`].
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Now {
            boot: Duration::new(u64::try_from(boot.tv_sec).unwrap_or(0), u32::try_from(boot.tv_nsec).unwrap_or(0)),
            wall: SystemTime::now(),
        }
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        assert_eq!(rfc3339(at).as_deref(), Some("2023-11-14T22:13:20Z"));
    }
}
