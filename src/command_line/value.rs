//! Numbers, times and dates as ffmpeg reads them.

use std::time::SystemTime;

use time::{Date, Month, OffsetDateTime};

use crate::error::{Error, Kind};
use crate::pipeline::plan::Micros;

/// How the argument of an option is read (`write_option` in ffmpeg's cmdutils).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// None; the option has a `-no…` form.
    Flag,
    /// None, and no `-no…` form.
    Switch,
    /// A number that is a truth value; the option has a `-no…` form without one.
    FlagNumber,
    /// As it stands.
    Text,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// Any number.
    Float,
    /// A duration.
    Time,
    /// A topic, which may be missing at the end of the line.
    Topic,
}

/// Powers of ten by their SI letters, as in libavutil's eval.c.
const SI: &[(u8, i32)] = &[
    (b'y', -24),
    (b'z', -21),
    (b'a', -18),
    (b'f', -15),
    (b'p', -12),
    (b'n', -9),
    (b'u', -6),
    (b'm', -3),
    (b'c', -2),
    (b'd', -1),
    (b'h', 2),
    (b'k', 3),
    (b'K', 3),
    (b'M', 6),
    (b'G', 9),
    (b'T', 12),
    (b'P', 15),
    (b'E', 18),
    (b'Z', 21),
    (b'Y', 24),
];

/// Reads the number at the start of `text` with its postfix and returns what follows, as `av_strtod` does: `0x` numbers,
/// SI letters, `i` for powers of 1024, `B` for eight bits each, `dB` for decibels. No number at all is 0.
pub fn number_prefix(text: &str) -> (f64, &str) {
    let (mut value, mut rest) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => {
            let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
            match end {
                0 => (0.0, &text[1..]),
                _ => (u64::from_str_radix(&hex[..end], 16).unwrap_or(u64::MAX) as f64, &hex[end..]),
            }
        }
        None => decimal_prefix(text),
    };
    if rest.len() == text.len() {
        return (0.0, text);
    }
    if let Some(after) = rest.strip_prefix("dB") {
        rest = after;
        value = 10f64.powf(value / 20.0);
    } else if let Some(&(_, exponent)) = rest.bytes().next().and_then(|letter| SI.iter().find(|(si, _)| *si == letter)) {
        rest = &rest[1..];
        value *= match rest.strip_prefix('i') {
            Some(after) => {
                rest = after;
                2f64.powf(f64::from(exponent) * 10.0 / 3.0)
            }
            None => 10f64.powi(exponent),
        };
    }
    match rest.strip_prefix('B') {
        Some(after) => (value * 8.0, after),
        None => (value, rest),
    }
}

/// C's `strtod` without hexadecimal forms; the whole of `text` comes back as the rest where no number stands.
fn decimal_prefix(text: &str) -> (f64, &str) {
    let start = text.trim_start();
    let unsigned = start.strip_prefix(['+', '-']).unwrap_or(start);
    let lower = unsigned.get(..8.min(unsigned.len())).unwrap_or_default().to_ascii_lowercase();
    let word = ["infinity", "inf", "nan"].into_iter().find(|word| lower.starts_with(word)).map(str::len);
    let length = word.unwrap_or_else(|| {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(unsigned);
        let fraction = unsigned[whole..].strip_prefix('.').map(digits);
        if whole + fraction.unwrap_or(0) == 0 {
            return 0;
        }
        let mantissa = whole + fraction.map_or(0, |fraction| fraction + 1);
        let exponent = unsigned[mantissa..].strip_prefix(['e', 'E']).map_or(0, |exponent| {
            let sign = usize::from(exponent.starts_with(['+', '-']));
            match digits(&exponent[sign..]) {
                0 => 0,
                count => 1 + sign + count,
            }
        });
        mantissa + exponent
    });
    let (number, rest) = start.split_at(start.len() - unsigned.len() + length);
    match number.parse() {
        Ok(value) if length > 0 => (value, rest),
        _ => (0.0, text),
    }
}

/// The number in `text`, all of it (`parse_number_or_die`).
///
/// # Errors
/// [`Kind::Usage`] with ffmpeg's sentence.
pub fn number(option: &str, text: &str) -> Result<f64, Error> {
    match number_prefix(text) {
        (value, "") => Ok(value),
        _ => Err(usage(format!("Expected number for {option} but found: {text}"))),
    }
}

/// A whole number from `low` to `high`.
///
/// # Errors
/// As [`number`].
pub fn whole_number(option: &str, text: &str, low: i64, high: i64) -> Result<i64, Error> {
    let value = number(option, text)?;
    let (least, most) = (low as f64, high as f64);
    if !(least..=most).contains(&value) {
        return Err(usage(format!("The value for {option} was {text} which is not within {least:.6} - {most:.6}")));
    }
    if value.fract() != 0.0 {
        return Err(usage(format!("Expected int64 for {option} but found {text}")));
    }
    Ok(value as i64)
}

/// A 32-bit number.
///
/// # Errors
/// As [`number`].
pub fn int(option: &str, text: &str) -> Result<i32, Error> {
    Ok(i32::try_from(whole_number(option, text, i32::MIN.into(), i32::MAX.into())?).unwrap_or(i32::MAX))
}

/// A duration: `[-][HH:]MM:SS[.m…]` or `[-]S+[.m…][s|ms|us]` (`av_parse_time`).
///
/// # Errors
/// [`Kind::Usage`] with ffmpeg's sentence.
pub fn duration(option: &str, text: &str) -> Result<Micros, Error> {
    duration_micros(text).ok_or_else(|| usage(format!("Invalid duration specification for {option}: {text}")))
}

fn duration_micros(text: &str) -> Option<Micros> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text),
    };
    let (seconds, rest) = match clock_time(unsigned, 4, i64::MAX) {
        Some((hours, minutes, seconds, rest)) => (hours * 3600 + minutes * 60 + seconds, rest),
        None => match minutes_seconds(unsigned) {
            Some((minutes, seconds, rest)) => (minutes * 60 + seconds, rest),
            None => signed_integer(unsigned)?,
        },
    };
    let (mut micros, mut rest) = fraction(rest);
    let mut unit = 1_000_000;
    if let Some(after) = rest.strip_prefix("ms") {
        (unit, micros, rest) = (1000, micros / 1000, after);
    } else if let Some(after) = rest.strip_prefix("us") {
        (unit, micros, rest) = (1, 0, after);
    } else if let Some(after) = rest.strip_prefix('s') {
        rest = after;
    }
    if !rest.is_empty() {
        return None;
    }
    let total = seconds.checked_mul(unit)?.checked_add(micros)?;
    if negative { total.checked_neg() } else { Some(total) }
}

/// A date, in seconds since 1970: `now`, or `[YYYY-MM-DD|YYYYMMDD][T| ]HH:MM:SS|HHMMSS[.m…]` with `Z` or `±HH[[:]MM]`
/// (`av_parse_time`). A time of no zone means the machine's zone to ffmpeg; it is refused here, because nothing below may
/// read the environment.
///
/// # Errors
/// [`Kind::Usage`] with ffmpeg's sentence.
pub fn date(option: &str, text: &str, now: SystemTime) -> Result<i64, Error> {
    let now = OffsetDateTime::from(now);
    if text.eq_ignore_ascii_case("now") {
        return Ok(now.unix_timestamp());
    }
    let invalid = || usage(format!("Invalid date specification for {option}: {text}"));
    let (day, rest) = match calendar_date(text) {
        Some((day, rest)) => (
            Some(day),
            rest.strip_prefix(['T', 't']).unwrap_or_else(|| rest.trim_start_matches(|c: char| c.is_ascii_whitespace())),
        ),
        None => (None, text),
    };
    let (hours, minutes, seconds, rest) = clock_time(rest, 2, 23).or_else(|| compact_time(rest)).ok_or_else(invalid)?;
    let (_, rest) = fraction(rest);
    let zone = match rest.as_bytes() {
        [] => {
            return Err(usage(format!("{option} {text} names no time zone"))
                .with_hint("end it with Z for UTC, or with the offset from UTC (+02:00)"));
        }
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), ..] if day.is_some() => {
            let digits = rest[1..].replace(':', "");
            let seconds = match (digits.len(), digits.parse::<i64>()) {
                (1 | 2, Ok(hours)) => hours * 3600,
                (3 | 4, Ok(both)) => (both / 100) * 3600 + (both % 100) * 60,
                _ => return Err(invalid()),
            };
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return Err(invalid()),
    };
    let midnight = day.unwrap_or_else(|| now.date()).midnight().assume_utc().unix_timestamp();
    Ok(midnight + hours * 3600 + minutes * 60 + seconds - zone)
}

/// `HH:MM:SS`, the hours of at most `hour_digits` digits and no more than `most_hours`.
fn clock_time(text: &str, hour_digits: usize, most_hours: i64) -> Option<(i64, i64, i64, &str)> {
    let (hours, rest) = digits(text, hour_digits, most_hours)?;
    let (minutes, seconds, rest) = minutes_seconds(rest.strip_prefix(':')?)?;
    Some((hours, minutes, seconds, rest))
}

fn minutes_seconds(text: &str) -> Option<(i64, i64, &str)> {
    let (minutes, rest) = digits(text, 2, 59)?;
    let (seconds, rest) = digits(rest.strip_prefix(':')?, 2, 59)?;
    Some((minutes, seconds, rest))
}

fn compact_time(text: &str) -> Option<(i64, i64, i64, &str)> {
    let (hours, rest) = digits(text, 2, 23)?;
    let (minutes, rest) = digits(rest, 2, 59)?;
    let (seconds, rest) = digits(rest, 2, 59)?;
    Some((hours, minutes, seconds, rest))
}

fn calendar_date(text: &str) -> Option<(Date, &str)> {
    let dashed = || {
        let (year, rest) = digits(text, 4, 9999)?;
        let (month, rest) = digits(rest.trim_start().strip_prefix('-')?.trim_start(), 2, 12)?;
        let (day, rest) = digits(rest.trim_start().strip_prefix('-')?.trim_start(), 2, 31)?;
        Some((year, month, day, rest))
    };
    let compact = || {
        let (year, rest) = digits(text, 4, 9999)?;
        let (month, rest) = digits(rest, 2, 12)?;
        let (day, rest) = digits(rest, 2, 31)?;
        Some((year, month, day, rest))
    };
    let (year, month, day, rest) = dashed().or_else(compact)?;
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Some((Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?, rest))
}

/// At most `count` digits that make a number of no more than `most`.
fn digits(text: &str, count: usize, most: i64) -> Option<(i64, &str)> {
    let end = text.bytes().take(count).take_while(u8::is_ascii_digit).count();
    let value = text[..end].parse().ok().filter(|value| *value <= most)?;
    Some((value, &text[end..]))
}

/// C's `strtoll`.
fn signed_integer(text: &str) -> Option<(i64, &str)> {
    let start = text.trim_start();
    let sign = usize::from(start.starts_with(['+', '-']));
    let end = sign + start[sign..].bytes().take_while(u8::is_ascii_digit).count();
    Some((start[..end].parse().ok()?, &start[end..]))
}

/// `.m…`: six digits count, further ones are skipped.
fn fraction(text: &str) -> (Micros, &str) {
    let Some(digits) = text.strip_prefix('.') else { return (0, text) };
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    let micros =
        digits[..end].bytes().chain(std::iter::repeat(b'0')).take(6).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    (micros, &digits[end..])
}

pub(super) fn usage(message: impl Into<String>) -> Error {
    Error::new(Kind::Usage, message)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn numbers_take_si_letters_bits_and_decibels() {
        for (text, value, rest) in [
            ("10", 10.0, ""),
            ("-1.5", -1.5, ""),
            ("1e3", 1000.0, ""),
            ("1E", 1e18, ""),
            ("100k", 100e3, ""),
            ("1Ki", 1024.0, ""),
            ("2MiB", 16.0 * 1024.0 * 1024.0, ""),
            ("6dB", 10f64.powf(0.3), ""),
            ("0x1F", 31.0, ""),
            (".5", 0.5, ""),
            ("5.", 5.0, ""),
            ("5x", 5.0, "x"),
            ("-", 0.0, "-"),
            ("", 0.0, ""),
        ] {
            let (found, tail) = number_prefix(text);
            assert!((found - value).abs() <= value.abs() * 1e-12, "{text}: {found}");
            assert_eq!(tail, rest, "{text}");
        }
        assert_eq!(number_prefix("inf"), (f64::INFINITY, ""));
    }

    #[test]
    fn whole_numbers_are_whole_and_within_bounds() {
        assert_eq!(int("ac", "2").ok(), Some(2));
        let message = |text| int("ac", text).expect_err(text).to_string();
        assert_eq!(message("x"), "Expected number for ac but found: x");
        assert_eq!(message("1.5"), "Expected int64 for ac but found 1.5");
        assert_eq!(message("1e10"), "The value for ac was 1e10 which is not within -2147483648.000000 - 2147483647.000000");
        assert!(int("ac", "nan").is_err());
    }

    #[test]
    fn durations_are_read_as_av_parse_time_reads_them() {
        for (text, micros) in [
            ("5", Some(5_000_000)),
            ("-5.25", Some(-5_250_000)),
            ("1:30", Some(90_000_000)),
            ("1234:00:00.5", Some(1234 * 3_600_000_000 + 500_000)),
            ("12345:00:00", None),
            ("99:00", None),
            ("200ms", Some(200_000)),
            ("1.5ms", Some(1_500)),
            ("7us", Some(7)),
            ("3s", Some(3_000_000)),
            ("0.1234567", Some(123_456)),
            ("+1", Some(1_000_000)),
            (".5", None),
            ("", None),
            ("1x", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(duration("t", text).ok(), micros, "{text}");
        }
    }

    #[test]
    fn dates_need_a_zone() {
        let now = UNIX_EPOCH + Duration::from_secs(1_600_000_000);
        for (text, seconds) in [
            ("now", Some(1_600_000_000)),
            ("2020-01-01T00:00:00Z", Some(1_577_836_800)),
            ("20200101T010203z", Some(1_577_840_523)),
            ("2020 - 1 - 2t1:2:3z", Some(1_577_926_923)),
            ("2020-01-01 10:10:10.5+02:00", Some(1_577_866_210)),
            ("2020-01-01T10:10:10-0530", Some(1_577_893_210)),
            ("10:10:10Z", Some(1_599_955_200 + 36_610)),
            ("2020-01-01T00:00:00", None),
            ("2020-01-01", None),
            ("2020-01-01T00:00:00Zx", None),
            ("1577836800", None),
        ] {
            assert_eq!(date("timestamp", text, now).ok(), seconds, "{text}");
        }
    }
}
