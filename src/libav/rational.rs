//! Time bases and rates, with libavutil's own rounding.

use std::ffi::c_int;
use std::fmt;

use super::call::c_string;
use super::error::AvError;
use super::ffi;

/// A fraction: a time base in seconds, a rate, an aspect ratio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rational {
    /// Numerator.
    pub num: i32,
    /// Denominator; 0 with a numerator of 0 or 1 is libav's "unknown".
    pub den: i32,
}

/// `AV_TIME_BASE_Q`: microseconds.
pub const MICROSECONDS: Rational = Rational { num: 1, den: 1_000_000 };

impl Rational {
    /// `num/den`.
    pub const fn new(num: i32, den: i32) -> Self {
        Self { num, den }
    }

    /// `den/num`.
    #[must_use]
    pub const fn inverse(self) -> Self {
        Self { num: self.den, den: self.num }
    }

    /// The fraction as a floating-point number.
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// Both numbers are positive.
    pub const fn is_positive(self) -> bool {
        self.num > 0 && self.den > 0
    }

    /// The product, reduced (`av_mul_q`).
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        // SAFETY: plain arithmetic (invariant 14).
        unsafe { ffi::av_mul_q(self.into(), other.into()) }.into()
    }

    /// The same fraction without common factors (`av_add_q` with 0).
    #[must_use]
    pub fn reduced(self) -> Self {
        // SAFETY: plain arithmetic (invariant 14).
        unsafe { ffi::av_add_q(self.into(), Self::new(0, 1).into()) }.into()
    }

    /// The nearest fraction whose numbers are at most `max` (`av_reduce`).
    #[must_use]
    pub fn limited(self, max: i64) -> Self {
        let mut limited = self;
        // SAFETY: plain arithmetic into two numbers of ours (invariant 14).
        unsafe { ffi::av_reduce(&mut limited.num, &mut limited.den, self.num.into(), self.den.into(), max) };
        limited
    }

    /// Which of `rates` is nearest (`av_find_nearest_q_idx`).
    pub fn nearest(self, rates: &[Self]) -> Option<Self> {
        let list: Vec<ffi::AVRational> = rates.iter().map(|rate| (*rate).into()).chain([Self::new(0, 0).into()]).collect();
        // SAFETY: a list that ends with 0/0 (invariant 11).
        let index = unsafe { ffi::av_find_nearest_q_idx(self.into(), list.as_ptr()) };
        usize::try_from(index).ok().and_then(|index| rates.get(index).copied())
    }

    /// Reads `num:den`, `num/den` or a decimal number (`av_parse_ratio`).
    ///
    /// # Errors
    /// `AVERROR(EINVAL)`.
    pub fn parse_ratio(text: &str, max: i32) -> Result<Self, AvError> {
        let text = c_string(text)?;
        let mut ratio = Self::default().into();
        // SAFETY: the text lives through the call; a null context means "log without one" (invariant 11).
        AvError::check(unsafe { ffi::av_parse_ratio(&mut ratio, text.as_ptr(), max, 0, std::ptr::null_mut()) })?;
        Ok(ratio.into())
    }

    /// Reads a frame rate: a ratio, a number, or a name such as `ntsc` (`av_parse_video_rate`).
    ///
    /// # Errors
    /// `AVERROR(EINVAL)`.
    pub fn parse_rate(text: &str) -> Result<Self, AvError> {
        let text = c_string(text)?;
        let mut rate = Self::default().into();
        // SAFETY: the text lives through the call (invariant 11).
        AvError::check(unsafe { ffi::av_parse_video_rate(&mut rate, text.as_ptr()) })?;
        Ok(rate.into())
    }
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

impl From<ffi::AVRational> for Rational {
    fn from(raw: ffi::AVRational) -> Self {
        Self { num: raw.num, den: raw.den }
    }
}

impl From<Rational> for ffi::AVRational {
    fn from(rational: Rational) -> Self {
        Self { num: rational.num, den: rational.den }
    }
}

/// `value` in units of `from`, told in units of `to`, rounded to nearest (`av_rescale_q`).
pub fn rescale(value: i64, from: Rational, to: Rational) -> i64 {
    // SAFETY: plain arithmetic (invariant 14).
    unsafe { ffi::av_rescale_q(value, from.into(), to.into()) }
}

/// As [`rescale`], with the smallest and the largest number standing for "none" and "for ever" (`AV_ROUND_PASS_MINMAX`).
pub fn rescale_limits(value: i64, from: Rational, to: Rational) -> i64 {
    if value == i64::MIN || value == i64::MAX { value } else { rescale(value, from, to) }
}

/// Which of two times in different units is earlier (`av_compare_ts`).
pub fn compare(a: i64, a_base: Rational, b: i64, b_base: Rational) -> std::cmp::Ordering {
    // SAFETY: plain arithmetic (invariant 14).
    unsafe { ffi::av_compare_ts(a, a_base.into(), b, b_base.into()) }.cmp(&0)
}

/// What [`rescale_delta`] remembers from packet to packet; `NONE` before the first.
#[derive(Clone, Copy, Debug)]
pub struct DeltaState(i64);

impl DeltaState {
    /// Nothing has been rescaled yet.
    pub const NONE: Self = Self(i64::MIN);
}

/// Rescales the timestamp of an audio packet of `duration` samples through the unit of one sample, so that rounding does not
/// add up (`av_rescale_delta`).
pub fn rescale_delta(from: Rational, value: i64, sample: Rational, duration: i32, state: &mut DeltaState, to: Rational) -> i64 {
    // SAFETY: plain arithmetic on numbers and on the state behind a valid reference (invariant 14).
    unsafe { ffi::av_rescale_delta(from.into(), value, sample.into(), duration as c_int, &mut state.0, to.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_and_rates_are_read_as_ffmpeg_reads_them() {
        assert_eq!(Rational::parse_ratio("4:3", 255), Ok(Rational::new(4, 3)));
        assert_eq!(Rational::parse_rate("ntsc"), Ok(Rational::new(30000, 1001)));
        assert!(Rational::parse_rate("fast").is_err());
    }

    #[test]
    fn fractions_are_reduced_limited_and_compared() {
        assert_eq!(Rational::new(50, 2).reduced(), Rational::new(25, 1));
        assert!(Rational::new(100_000, 4001).limited(65_535).num.max(0) <= 65_535);
        let rates = [Rational::new(24, 1), Rational::new(25, 1), Rational::new(30, 1)];
        assert_eq!(Rational::new(26, 1).nearest(&rates), Some(Rational::new(25, 1)));
        assert_eq!(Rational::new(26, 1).nearest(&[]), None);
        assert_eq!(rescale_limits(i64::MAX, MICROSECONDS, Rational::new(1, 90_000)), i64::MAX);
    }

    #[test]
    fn rescaling_rounds_to_nearest() {
        assert_eq!(rescale(1, Rational::new(1, 3), Rational::new(1, 10)), 3);
        assert_eq!(rescale(90_000, Rational::new(1, 90_000), MICROSECONDS), 1_000_000);
        assert!(compare(1, Rational::new(1, 2), 1, Rational::new(1, 3)).is_gt());
    }
}
