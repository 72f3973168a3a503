//! `-dump` and `-hex`: each packet that is read, as libavformat writes it (`av_pkt_dump_log2`). `-debug_ts`: its times on their
//! way, as ffmpeg writes them.

use std::fmt::Write as _;

use crate::libav::packet::Packet;
use crate::libav::rational::Rational;

/// The packet in words; with `payload` its bytes too.
pub fn text(packet: &Packet, time_base: Rational, payload: bool) -> String {
    let seconds = |ticks: i64| ticks as f64 * f64::from(time_base.num) / f64::from(time_base.den);
    let time = |ticks: Option<i64>| ticks.map_or("N/A".to_owned(), |ticks| format!("{:.3}", seconds(ticks)));
    let mut text = format!(
        "stream #{}:\n  keyframe={}\n  duration={:.3}\n  dts={}  pts={}\n  size={}\n",
        packet.stream(),
        u8::from(packet.is_key()),
        seconds(packet.duration()),
        time(packet.dts()),
        time(packet.pts()),
        packet.size()
    );
    if payload {
        hex(packet.data(), &mut text);
    }
    text
}

/// The times of a packet, in `time_base` and in seconds.
pub fn times(pts: Option<i64>, dts: Option<i64>, duration: i64, time_base: Rational) -> String {
    let both = |name: &str, ticks: Option<i64>| stamp(name, ticks, time_base);
    format!("{} {} {}", both("pkt_pts", pts), both("pkt_dts", dts), both("duration", Some(duration)))
}

/// `NAME:TICKS NAME_time:SECONDS`.
pub fn stamp(name: &str, ticks: Option<i64>, time_base: Rational) -> String {
    match ticks {
        None => format!("{name}:NOPTS {name}_time:NOPTS"),
        Some(ticks) => format!("{name}:{ticks} {name}_time:{}", shortest(ticks as f64 * time_base.as_f64())),
    }
}

/// C's `%.6g`.
fn shortest(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    match usize::try_from(5 - exponent) {
        Ok(digits) if exponent >= -4 => trimmed(&format!("{value:.digits$}")),
        _ => format!("{}e{}{:02}", trimmed(mantissa), if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

/// `av_hex_dump_log`: sixteen bytes a line, in hexadecimal and in ASCII.
fn hex(bytes: &[u8], text: &mut String) {
    for (line, bytes) in bytes.chunks(16).enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{:08x} ", line * 16);
        bytes.iter().for_each(|byte| {
            let _ = write!(text, " {byte:02x}");
        });
        text.push_str(&"   ".repeat(16 - bytes.len()));
        text.push(' ');
        text.extend(bytes.iter().map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' }));
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_six_digits_that_count() {
        for (value, text) in [
            (0.0, "0"),
            (0.04, "0.04"),
            (1.0, "1"),
            (-12.3456789, "-12.3457"),
            (123_456.78, "123457"),
            (1_234_567.0, "1.23457e+06"),
            (0.000_01, "1e-05"),
        ] {
            assert_eq!(shortest(value), text);
        }
        assert_eq!(stamp("off", None, Rational::new(1, 25)), "off:NOPTS off_time:NOPTS");
    }

    #[test]
    fn bytes_stand_in_columns() {
        let mut text = String::new();
        hex(b"0123456789abcdefZ\x01", &mut text);
        let wanted = "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 0123456789abcdef\n\
                      00000010  5a 01                                           Z.\n";
        assert_eq!(text, wanted);
    }
}
