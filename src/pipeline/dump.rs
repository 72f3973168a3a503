//! `-dump` and `-hex`: each packet that is read, as libavformat writes it (`av_pkt_dump_log2`).

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
    fn bytes_stand_in_columns() {
        let mut text = String::new();
        hex(b"0123456789abcdefZ\x01", &mut text);
        let wanted = "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 0123456789abcdef\n\
                      00000010  5a 01                                           Z.\n";
        assert_eq!(text, wanted);
    }
}
