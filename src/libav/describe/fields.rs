//! What streams, packets and files have in common: times, ratios, tags, side data.

use super::super::call::string;
use super::super::ffi;
use super::super::option::Dictionary;
use super::section::{Label, Section};

/// `AV_NOPTS_VALUE`.
pub const NO_TIMESTAMP: i64 = i64::MIN;

const TAGS: Label = Label::record("tags").element("tag");

/// Adds metadata as a section of its own, unless there is none at all.
///
/// # Safety
/// `metadata` is null or a valid dictionary.
pub unsafe fn tags(section: &mut Section, metadata: *const ffi::AVDictionary, unique: &'static str) {
    if metadata.is_null() {
        return;
    }
    let mut tags = Section::new(TAGS.unique(unique));
    // SAFETY: the caller's promise (invariant 13).
    for (key, value) in unsafe { Dictionary::copy_of(metadata) }.pairs() {
        tags.text(&key, value);
    }
    section.nest(tags);
}

/// Adds side data as a list, if there is any.
///
/// # Safety
/// Each entry's data has the size beside it.
pub unsafe fn side_data(section: &mut Section, all: &[ffi::AVPacketSideData], stream: &ffi::AVStream, [list, one]: [Label; 2]) {
    if all.is_empty() {
        return;
    }
    let mut entries = Section::new(list);
    for data in all {
        let mut entry = Section::new(one);
        // SAFETY: the name is a static string or null (invariant 9); the caller's promise; a stream has parameters.
        let (name, bytes, par) = unsafe {
            let bytes = if data.data.is_null() { &[][..] } else { std::slice::from_raw_parts(data.data, data.size) };
            (string(ffi::av_packet_side_data_name(data.type_)), bytes, &*stream.codecpar)
        };
        entry.text("side_data_type", name.unwrap_or("unknown".into()));
        super::side_data::describe(&mut entry, data.type_, bytes, (par.width, par.height));
        entries.nest(entry);
    }
    section.nest(entries);
}

/// The unit of a file's own times.
pub const MICROSECONDS: ffi::AVRational = ffi::AVRational { num: 1, den: 1_000_000 };

/// Seconds with six digits after the point.
pub fn time(section: &mut Section, key: &str, timestamp: i64, base: ffi::AVRational) {
    let seconds = |timestamp: i64| format!("{:.6}", timestamp as f64 * (f64::from(base.num) / f64::from(base.den)));
    section.text_or(key, known(timestamp).map(seconds), "N/A");
}

/// A timestamp unless there is none.
pub fn known(timestamp: i64) -> Option<i64> {
    (timestamp != NO_TIMESTAMP).then_some(timestamp)
}

/// Numerator and denominator.
pub fn ratio(ratio: ffi::AVRational, separator: char) -> String {
    format!("{}{separator}{}", ratio.num, ratio.den)
}

/// A C array as a slice.
///
/// # Safety
/// `first` is null or points to `count` values that stay as they are for `'a`.
pub unsafe fn elements<'a, T>(first: *const T, count: u32) -> &'a [T] {
    // SAFETY: the caller's promise (invariant 13).
    if first.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(first, count as usize) } }
}

#[cfg(test)]
mod tests {
    use super::super::section::Value;
    use super::*;

    #[test]
    fn times_have_six_digits_and_may_be_unknown() {
        let mut section = Section::new(Label::record("format"));
        time(&mut section, "a", -2048, ffi::AVRational { num: 1, den: 10240 });
        time(&mut section, "b", NO_TIMESTAMP, MICROSECONDS);
        assert_eq!(section.get("a"), Some(&Value::Text("-0.200000".to_owned())));
        assert_eq!(section.get("b"), Some(&Value::Missing("N/A")));
    }
}
