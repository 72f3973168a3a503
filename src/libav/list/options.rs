//! AVOptions as `ffmpeg -h` shows them (`av_opt_show2`), one line each and one below it for each named value.

use std::ffi::{CStr, c_int, c_void};
use std::fmt::Write as _;
use std::ptr;

use crate::libav::call::string;
use crate::libav::ffi::{self, AVOptionType as Type};
use crate::libav::frame::{PixelFormat, SampleFormat};
use crate::libav::option::kind;
use crate::libav::rational::Rational;

/// The options of `class` that have one of `flags`, a blank line, and the same for all classes that may stand below it.
pub fn class_and_children(class: *const ffi::AVClass, flags: c_int, text: &mut String) {
    // SAFETY: null or a class, which is a constant of its library (invariant 12).
    let Some(known) = (unsafe { class.as_ref() }) else { return };
    if !known.option.is_null() {
        let _ = writeln!(text, "{} AVOptions:", name(known.class_name));
        Options { class }.list(None, flags, text);
        text.push('\n');
    }
    let mut state: *mut c_void = ptr::null_mut();
    loop {
        // SAFETY: a class, and a state that only this loop touches; children are constants too (invariant 12).
        let child = unsafe { ffi::av_opt_child_class_iterate(class, &mut state) };
        if child.is_null() {
            return;
        }
        class_and_children(child, flags, text);
    }
}

/// The options of one class.
struct Options {
    class: *const ffi::AVClass,
}

impl Options {
    /// A pointer to a class pointer, which is what libavutil takes for an object that does not exist.
    fn object(&self) -> *mut c_void {
        (&raw const self.class).cast_mut().cast()
    }

    fn iter(&self) -> impl Iterator<Item = &'static ffi::AVOption> {
        let mut last = ptr::null();
        std::iter::from_fn(move || {
            // SAFETY: see `object`; options are constants of the library, null behind the last (invariant 12).
            let option = unsafe { ffi::av_opt_next(self.object(), last).as_ref() }?;
            last = option;
            Some(option)
        })
    }

    /// The named values of `unit`.
    fn constants(&self, unit: &'static str) -> impl Iterator<Item = &'static ffi::AVOption> {
        self.iter().filter(move |option| kind(option) == Some(Type::AV_OPT_TYPE_CONST) && name(option.unit) == unit)
    }

    /// Lists the options, or of an option of type `of.1` the named values of its unit `of.0`.
    fn list(&self, of: Option<(&'static str, Option<Type>)>, flags: c_int, text: &mut String) {
        for option in self.iter().filter(|option| option.flags & flags != 0) {
            let is_constant = kind(option) == Some(Type::AV_OPT_TYPE_CONST);
            match of {
                None if !is_constant => {
                    let dash = if has(option, ffi::AV_OPT_FLAG_FILTERING_PARAM) { ' ' } else { '-' };
                    let _ = write!(text, "  {dash}{:<17} ", name(option.name));
                }
                Some((unit, _)) if is_constant && name(option.unit) == unit => {
                    let _ = write!(text, "     {:<15} ", name(option.name));
                }
                _ => continue,
            }
            let column = match of {
                Some((_, Some(Type::AV_OPT_TYPE_INT))) => integer(option).to_string(),
                _ => kind(option).map_or("", type_name).to_owned(),
            };
            let _ = write!(text, "{column:<12} {}", letters(option));
            if !option.help.is_null() {
                let _ = write!(text, " {}", name(option.help));
            }
            self.ranges(option, text);
            if let Some(default) = self.default(option) {
                let _ = write!(text, " (default {default})");
            }
            text.push('\n');
            if !is_constant && !option.unit.is_null() {
                self.list(Some((name(option.unit), kind(option))), flags, text);
            }
        }
    }

    fn ranges(&self, option: &ffi::AVOption, text: &mut String) {
        let numbers = [
            Type::AV_OPT_TYPE_INT,
            Type::AV_OPT_TYPE_INT64,
            Type::AV_OPT_TYPE_UINT64,
            Type::AV_OPT_TYPE_DOUBLE,
            Type::AV_OPT_TYPE_FLOAT,
            Type::AV_OPT_TYPE_RATIONAL,
        ];
        if !kind(option).is_some_and(|kind| numbers.contains(&kind)) {
            return;
        }
        let mut ranges = ptr::null_mut();
        // SAFETY: see `object`; on success the list is ours to free and has as many ranges as it says (invariants 9 and 12).
        unsafe {
            if ffi::av_opt_query_ranges(&mut ranges, self.object(), option.name, ffi::AV_OPT_SEARCH_FAKE_OBJ) < 0 {
                return;
            }
            for index in 0..usize::try_from((*ranges).nb_ranges).unwrap_or_default() {
                let range = &**(*ranges).range.add(index);
                let _ = write!(text, " (from {} to {})", number(range.value_min), number(range.value_max));
            }
            ffi::av_opt_freep_ranges(&mut ranges);
        }
    }

    fn default(&self, option: &ffi::AVOption) -> Option<String> {
        // SAFETY: the type says which member of the union holds the default (invariant 12).
        let (float, text) = unsafe { (option.default_val.dbl, option.default_val.str_) };
        let value = integer(option);
        let unit = (!option.unit.is_null()).then(|| name(option.unit));
        let named = || self.constants(unit?).find(|constant| integer(constant) == value).map(|constant| name(constant.name));
        Some(match kind(option)? {
            Type::AV_OPT_TYPE_CONST | Type::AV_OPT_TYPE_BINARY => return None,
            Type::AV_OPT_TYPE_BOOL => match value {
                ..0 => "auto".to_owned(),
                0 => "false".to_owned(),
                1.. => "true".to_owned(),
            },
            Type::AV_OPT_TYPE_FLAGS => {
                let set: Vec<_> = unit
                    .into_iter()
                    .flat_map(|unit| self.constants(unit))
                    .filter(|constant| integer(constant) & value != 0)
                    .map(|constant| name(constant.name))
                    .collect();
                if set.is_empty() { format!("{value:X}") } else { set.join("+") }
            }
            Type::AV_OPT_TYPE_DURATION => duration(value),
            Type::AV_OPT_TYPE_INT | Type::AV_OPT_TYPE_INT64 | Type::AV_OPT_TYPE_UINT64 => {
                named().map_or_else(|| limit(value).map_or_else(|| value.to_string(), str::to_owned), str::to_owned)
            }
            Type::AV_OPT_TYPE_DOUBLE | Type::AV_OPT_TYPE_FLOAT => number(float),
            // SAFETY: plain arithmetic (invariant 14).
            Type::AV_OPT_TYPE_RATIONAL => Rational::from(unsafe { ffi::av_d2q(float, c_int::MAX) }).to_string(),
            Type::AV_OPT_TYPE_PIXEL_FMT => {
                let format = c_int::try_from(value).ok().and_then(PixelFormat::from_number);
                format.map_or("none".to_owned(), PixelFormat::name)
            }
            Type::AV_OPT_TYPE_SAMPLE_FMT => {
                let format = c_int::try_from(value).ok().and_then(SampleFormat::from_number);
                format.map_or("none".to_owned(), SampleFormat::name)
            }
            #[cfg(not(frame_flags))]
            Type::AV_OPT_TYPE_CHANNEL_LAYOUT => format!("{value:#x}"),
            _ if text.is_null() => return None,
            // SAFETY: all other types have a string for their default (invariant 12).
            _ => format!("\"{}\"", unsafe { string(text) }.unwrap_or_default()),
        })
    }
}

/// A name or help text, which is a constant of the library; the empty string for null.
pub fn name(text: *const std::ffi::c_char) -> &'static str {
    // SAFETY: null or a constant string of the library (invariant 12).
    if text.is_null() { "" } else { unsafe { CStr::from_ptr(text) }.to_str().unwrap_or_default() }
}

fn integer(option: &ffi::AVOption) -> i64 {
    // SAFETY: eight bytes of any type are a number (invariant 12).
    unsafe { option.default_val.i64_ }
}

fn has(option: &ffi::AVOption, flag: c_int) -> bool {
    option.flags & flag != 0
}

fn letters(option: &ffi::AVOption) -> String {
    [
        ('E', ffi::AV_OPT_FLAG_ENCODING_PARAM),
        ('D', ffi::AV_OPT_FLAG_DECODING_PARAM),
        ('F', ffi::AV_OPT_FLAG_FILTERING_PARAM),
        ('V', ffi::AV_OPT_FLAG_VIDEO_PARAM),
        ('A', ffi::AV_OPT_FLAG_AUDIO_PARAM),
        ('S', ffi::AV_OPT_FLAG_SUBTITLE_PARAM),
        ('X', ffi::AV_OPT_FLAG_EXPORT),
        ('R', ffi::AV_OPT_FLAG_READONLY),
        ('B', ffi::AV_OPT_FLAG_BSF_PARAM),
        ('T', ffi::AV_OPT_FLAG_RUNTIME_PARAM),
        ('P', ffi::AV_OPT_FLAG_DEPRECATED),
    ]
    .map(|(letter, flag)| if has(option, flag) { letter } else { '.' })
    .iter()
    .collect()
}

fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::AV_OPT_TYPE_FLAGS => "<flags>",
        Type::AV_OPT_TYPE_INT => "<int>",
        Type::AV_OPT_TYPE_INT64 => "<int64>",
        Type::AV_OPT_TYPE_UINT64 => "<uint64>",
        Type::AV_OPT_TYPE_DOUBLE => "<double>",
        Type::AV_OPT_TYPE_FLOAT => "<float>",
        Type::AV_OPT_TYPE_STRING => "<string>",
        Type::AV_OPT_TYPE_RATIONAL => "<rational>",
        Type::AV_OPT_TYPE_BINARY => "<binary>",
        Type::AV_OPT_TYPE_DICT => "<dictionary>",
        Type::AV_OPT_TYPE_IMAGE_SIZE => "<image_size>",
        Type::AV_OPT_TYPE_VIDEO_RATE => "<video_rate>",
        Type::AV_OPT_TYPE_PIXEL_FMT => "<pix_fmt>",
        Type::AV_OPT_TYPE_SAMPLE_FMT => "<sample_fmt>",
        Type::AV_OPT_TYPE_DURATION => "<duration>",
        Type::AV_OPT_TYPE_COLOR => "<color>",
        Type::AV_OPT_TYPE_CHLAYOUT => "<channel_layout>",
        #[cfg(not(frame_flags))]
        Type::AV_OPT_TYPE_CHANNEL_LAYOUT => "<channel_layout>",
        Type::AV_OPT_TYPE_BOOL => "<boolean>",
        _ => "",
    }
}

/// The name of a number that is the end of a range.
fn limit(value: i64) -> Option<&'static str> {
    const UINT32_MAX: i64 = u32::MAX as i64;
    const INT_MAX: i64 = i32::MAX as i64;
    const INT_MIN: i64 = i32::MIN as i64;
    Some(match value {
        INT_MAX => "INT_MAX",
        INT_MIN => "INT_MIN",
        UINT32_MAX => "UINT32_MAX",
        i64::MAX => "I64_MAX",
        i64::MIN => "I64_MIN",
        _ => return None,
    })
}

/// A floating-point number as C's `%g` writes it, or the name of an end of a range.
fn number(value: f64) -> String {
    let limits = [
        (f64::from(i32::MAX), "INT_MAX"),
        (f64::from(i32::MIN), "INT_MIN"),
        (f64::from(u32::MAX), "UINT32_MAX"),
        (i64::MAX as f64, "I64_MAX"),
        (i64::MIN as f64, "I64_MIN"),
        (f64::from(f32::MAX), "FLT_MAX"),
        (f64::from(f32::MIN_POSITIVE), "FLT_MIN"),
        (f64::from(f32::MIN), "-FLT_MAX"),
        (-f64::from(f32::MIN_POSITIVE), "-FLT_MIN"),
        (f64::MAX, "DBL_MAX"),
        (f64::MIN_POSITIVE, "DBL_MIN"),
        (f64::MIN, "-DBL_MAX"),
        (-f64::MIN_POSITIVE, "-DBL_MIN"),
    ];
    if let Some((_, name)) = limits.iter().find(|(limit, _)| *limit == value) {
        return (*name).to_owned();
    }
    let mut text = [0 as std::ffi::c_char; 32];
    // SAFETY: the room is as large as said, and snprintf terminates what it writes there (invariant 11).
    unsafe {
        libc::snprintf(text.as_mut_ptr(), text.len(), c"%g".as_ptr(), value);
        string(text.as_ptr()).unwrap_or_default().into_owned()
    }
}

/// Microseconds as hours, minutes and seconds, as far as there are any.
fn duration(value: i64) -> String {
    if value == i64::MIN {
        return "INT64_MIN".to_owned();
    }
    let (sign, value) = if value < 0 { ("-", -value) } else { ("", value) };
    if value == i64::MAX {
        return format!("{sign}INT64_MAX");
    }
    let (hours, minutes, seconds, fraction) =
        (value / 3_600_000_000, value / 60_000_000, value / 1_000_000 % 60, value % 1_000_000);
    let text = if value > 3_600_000_000 {
        format!("{hours}:{:02}:{seconds:02}.{fraction:06}", minutes % 60)
    } else if value > 60_000_000 {
        format!("{minutes}:{seconds:02}.{fraction:06}")
    } else {
        format!("{}.{fraction:06}", value / 1_000_000)
    };
    format!("{sign}{}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_c_writes_them() {
        for (value, text) in [
            (0.1, "0.1"),
            (1e6, "1e+06"),
            (-1.0, "-1"),
            (2_147_483_647.0, "INT_MAX"),
            (f64::from(f32::MAX), "FLT_MAX"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(number(value).trim_start_matches('-'), text.trim_start_matches('-'));
        }
    }

    #[test]
    fn durations_lose_what_is_zero() {
        for (value, text) in [
            (0, "0"),
            (-1, "-0.000001"),
            (500_000, "0.5"),
            (60_000_000, "60"),
            (90_000_000, "1:30"),
            (3_661_500_000, "1:01:01.5"),
            (i64::MAX, "INT64_MAX"),
            (i64::MIN, "INT64_MIN"),
        ] {
            assert_eq!(duration(value), text);
        }
    }
}
