//! Exponential backoff with full jitter.

use std::time::Duration;

/// Delays that double from `first` up to `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The upper bound of the first delay.
    pub first: Duration,
    /// No delay is longer.
    pub limit: Duration,
}

impl Backoff {
    /// The longest wait before attempt number `attempt` (0 = the first retry).
    pub fn ceiling(&self, attempt: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(attempt)).min(self.limit)
    }

    /// A wait drawn evenly from 0 to [`ceiling`](Self::ceiling); `random` is uniform in 0..1.
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        self.ceiling(attempt).mul_f64(random.clamp(0.0, 1.0))
    }
}

/// A number in 0..1 from the operating system, for jitter.
pub fn random() -> f64 {
    let bits = getrandom::u64().unwrap_or(u64::MAX / 2);
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_limit() {
        let backoff = Backoff { first: Duration::from_secs(1), limit: Duration::from_secs(30) };
        let ceilings: Vec<u64> = (0..7).map(|n| backoff.ceiling(n).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.ceiling(u32::MAX).as_secs(), 30);
        assert_eq!(backoff.delay(2, 0.5), Duration::from_secs(2));
        assert_eq!(backoff.delay(2, 0.0), Duration::ZERO);
    }
}
