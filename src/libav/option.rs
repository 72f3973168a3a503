//! `AVDictionary` and AVOptions.

mod lookup;

use std::ffi::{c_int, c_void};
use std::ptr;

use super::call::{c_string, string};
use super::error::AvError;
use super::ffi::{self, AVOptionType};
use super::frame::number;
use super::panic;

pub(in crate::libav) use lookup::class_has;
pub use lookup::{CodecSide, Found, Lookup};

/// An owned `AVDictionary`: option or metadata pairs in order. Keys are matched without regard to case, as libav does.
pub struct Dictionary(*mut ffi::AVDictionary);

// SAFETY: an AVDictionary is plain memory without thread affinity, and this type owns it (invariant 10).
unsafe impl Send for Dictionary {}

impl Dictionary {
    /// An empty dictionary.
    pub fn new() -> Self {
        Self(ptr::null_mut())
    }

    /// A copy of the dictionary at `raw` (null = empty).
    ///
    /// # Safety
    /// `raw` is null or a valid dictionary.
    pub(in crate::libav) unsafe fn copy_of(raw: *const ffi::AVDictionary) -> Self {
        let mut copy = Self::new();
        // SAFETY: the caller's promise; av_dict_copy takes null on either side (invariant 13).
        unsafe { ffi::av_dict_copy(&mut copy.0, raw, 0) };
        copy
    }

    /// Takes over the dictionary at `raw` (null = empty).
    ///
    /// # Safety
    /// `raw` is null or a valid dictionary that nobody else will free.
    pub(in crate::libav) unsafe fn from_raw(raw: *mut ffi::AVDictionary) -> Self {
        Self(raw)
    }

    /// Gives the dictionary away; whoever takes it frees it.
    pub(in crate::libav) fn into_raw(mut self) -> *mut ffi::AVDictionary {
        std::mem::replace(&mut self.0, ptr::null_mut())
    }

    /// For C functions that take, replace or consume entries.
    pub(in crate::libav) fn as_mut_ptr(&mut self) -> *mut *mut ffi::AVDictionary {
        &mut self.0
    }

    /// For C functions that read.
    pub(in crate::libav) fn as_ptr(&self) -> *const ffi::AVDictionary {
        self.0
    }

    /// Sets `key`, replacing its value.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` for a NUL in key or value, `AVERROR(ENOMEM)`.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), AvError> {
        let (key, value) = (c_string(key)?, c_string(value)?);
        // SAFETY: both strings live through the call; libav copies them (invariant 11).
        AvError::check(unsafe { ffi::av_dict_set(&mut self.0, key.as_ptr(), value.as_ptr(), 0) }).map(drop)
    }

    /// Sets `key` unless it is there already.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_default(&mut self, key: &str, value: &str) -> Result<(), AvError> {
        if self.get(key).is_some() { Ok(()) } else { self.set(key, value) }
    }

    /// Sets every pair of `other` whose key is not there yet (`AV_DICT_DONT_OVERWRITE`).
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn add_missing(&mut self, other: &Self) -> Result<(), AvError> {
        // SAFETY: both are null or valid (invariant 10).
        AvError::check(unsafe { ffi::av_dict_copy(&mut self.0, other.0, ffi::AV_DICT_DONT_OVERWRITE) }).map(drop)
    }

    /// Reads pairs such as `a=1:b=2`, where `equals` and `between` name the characters that stand in and between them
    /// (`av_dict_parse_string`).
    ///
    /// # Errors
    /// `AVERROR(EINVAL)`.
    pub fn parse(text: &str, equals: &str, between: &str) -> Result<Self, AvError> {
        let (text, equals, between) = (c_string(text)?, c_string(equals)?, c_string(between)?);
        let mut pairs = Self::new();
        // SAFETY: the strings live through the call, which copies what it takes (invariant 11).
        let code = unsafe { ffi::av_dict_parse_string(&mut pairs.0, text.as_ptr(), equals.as_ptr(), between.as_ptr(), 0) };
        AvError::check(code).map(|_| pairs)
    }

    /// Removes `key` and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        let value = self.get(key)?;
        let key = c_string(key).ok()?;
        // SAFETY: the key lives through the call; a null value deletes the entry (invariant 11).
        unsafe { ffi::av_dict_set(&mut self.0, key.as_ptr(), ptr::null(), 0) };
        Some(value)
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<String> {
        let key = c_string(key).ok()?;
        // SAFETY: the key lives through the call; the entry belongs to the dictionary and is copied at once (invariant 11).
        unsafe {
            let entry = ffi::av_dict_get(self.0, key.as_ptr(), ptr::null(), 0);
            if entry.is_null() { None } else { string((*entry).value).map(|value| value.into_owned()) }
        }
    }

    /// All pairs in order.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        let mut entry: *const ffi::AVDictionaryEntry = ptr::null();
        loop {
            // SAFETY: an empty key with IGNORE_SUFFIX walks all entries; `entry` is the one before or null (invariant 10).
            entry = unsafe { ffi::av_dict_get(self.0, c"".as_ptr(), entry, ffi::AV_DICT_IGNORE_SUFFIX) };
            if entry.is_null() {
                return pairs;
            }
            // SAFETY: entries hold two NUL-terminated strings as long as the dictionary is not changed (invariant 10).
            let (key, value) = unsafe { (string((*entry).key), string((*entry).value)) };
            pairs.push((key.unwrap_or_default().into_owned(), value.unwrap_or_default().into_owned()));
        }
    }

    /// True if there is no entry.
    pub fn is_empty(&self) -> bool {
        // SAFETY: null is an empty dictionary for av_dict_count (invariant 14).
        unsafe { ffi::av_dict_count(self.0) == 0 }
    }
}

impl Default for Dictionary {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Dictionary {
    fn clone(&self) -> Self {
        // SAFETY: `self.0` is null or valid (invariant 10).
        unsafe { Self::copy_of(self.0) }
    }
}

impl Drop for Dictionary {
    fn drop(&mut self) {
        // SAFETY: owned; av_dict_free takes a pointer to null too (invariant 10).
        unsafe { ffi::av_dict_free(&mut self.0) };
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Dictionary {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut dictionary = Self::new();
        for (key, value) in pairs {
            // A pair with a NUL in it cannot have come from an argument vector; it is left out.
            let _ = dictionary.set(key, value);
        }
        dictionary
    }
}

/// Sets the AVOption `name` on `object` or one of its children; `None` sets the null string.
///
/// # Safety
/// `object` points to a struct whose first member is an `AVClass` pointer, and rule 1 holds for it.
pub(in crate::libav) unsafe fn set(object: *mut c_void, name: &str, value: Option<&str>) -> Result<(), AvError> {
    let name = c_string(name)?;
    let value = value.map(c_string).transpose()?;
    let value = value.as_ref().map_or(ptr::null(), |value| value.as_ptr());
    // SAFETY: the caller's promise; the strings live through the call and libav copies them (invariants 13 and 1 and 11).
    AvError::check(unsafe { ffi::av_opt_set(object, name.as_ptr(), value, ffi::AV_OPT_SEARCH_CHILDREN) }).map(drop)
}

/// An object that has nothing but its class, which is what `AV_OPT_SEARCH_FAKE_OBJ` and the evaluators of values take. An
/// evaluator that does not understand its value logs in the object's name, and then reads fields of it: behind the class there
/// are zeros, more than any context of libav is long.
#[repr(C)]
pub(in crate::libav) struct Fake {
    class: *const ffi::AVClass,
    zeros: [u64; 1023],
}

const _: () = assert!(size_of::<ffi::AVCodecContext>() < size_of::<Fake>());
const _: () = assert!(size_of::<ffi::AVFormatContext>() < size_of::<Fake>());

impl Fake {
    pub fn new(class: *const ffi::AVClass) -> Self {
        Self { class, zeros: [0; 1023] }
    }

    pub fn as_mut_ptr(&mut self) -> *mut c_void {
        ptr::from_mut(self).cast()
    }

    /// What `text` means for the option `name` of the class itself, whose flags or named numbers it may use; flags with a sign
    /// in front change `before`.
    ///
    /// # Errors
    /// [`AvError::OPTION_NOT_FOUND`]; `AVERROR(EINVAL)`, and libavutil has logged what it does not understand.
    pub fn evaluate(&mut self, name: &str, before: c_int, text: &str) -> Result<c_int, AvError> {
        let (name, text) = (c_string(name)?, c_string(text)?);
        let mut number = before;
        // SAFETY: see above; the strings live through the calls; options are constants of the library (invariants 11 and 12).
        unsafe {
            let object = self.as_mut_ptr();
            let found = ffi::av_opt_find(object, name.as_ptr(), ptr::null(), 0, ffi::AV_OPT_SEARCH_FAKE_OBJ);
            let option = found.as_ref().ok_or(AvError::OPTION_NOT_FOUND)?;
            let evaluate =
                if kind(option) == Some(AVOptionType::AV_OPT_TYPE_FLAGS) { ffi::av_opt_eval_flags } else { ffi::av_opt_eval_int };
            AvError::check(evaluate(object, option, text.as_ptr(), &mut number))?;
        }
        panic::resume();
        Ok(number)
    }
}

/// The type of an option; `None` for one that the bindings have no name for, such as an array (invariant 15).
pub(in crate::libav) fn kind(option: &ffi::AVOption) -> Option<AVOptionType> {
    let number = number!(ptr::from_ref(option), type_);
    KINDS.iter().copied().find(|kind| *kind as c_int == number)
}

const KINDS: &[AVOptionType] = &[
    AVOptionType::AV_OPT_TYPE_FLAGS,
    AVOptionType::AV_OPT_TYPE_INT,
    AVOptionType::AV_OPT_TYPE_INT64,
    AVOptionType::AV_OPT_TYPE_DOUBLE,
    AVOptionType::AV_OPT_TYPE_FLOAT,
    AVOptionType::AV_OPT_TYPE_STRING,
    AVOptionType::AV_OPT_TYPE_RATIONAL,
    AVOptionType::AV_OPT_TYPE_BINARY,
    AVOptionType::AV_OPT_TYPE_DICT,
    AVOptionType::AV_OPT_TYPE_UINT64,
    AVOptionType::AV_OPT_TYPE_CONST,
    AVOptionType::AV_OPT_TYPE_IMAGE_SIZE,
    AVOptionType::AV_OPT_TYPE_PIXEL_FMT,
    AVOptionType::AV_OPT_TYPE_SAMPLE_FMT,
    AVOptionType::AV_OPT_TYPE_VIDEO_RATE,
    AVOptionType::AV_OPT_TYPE_DURATION,
    AVOptionType::AV_OPT_TYPE_COLOR,
    // FFmpeg 7 has no options of this type any more.
    #[cfg(not(frame_flags))]
    AVOptionType::AV_OPT_TYPE_CHANNEL_LAYOUT,
    AVOptionType::AV_OPT_TYPE_BOOL,
    AVOptionType::AV_OPT_TYPE_CHLAYOUT,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_keeps_order_and_ignores_case() {
        let mut options: Dictionary = [("b", "1"), ("a", "2")].into_iter().collect();
        options.set("B", "3").expect("no NUL");
        options.set_default("a", "9").expect("no NUL");
        assert_eq!(options.get("b").as_deref(), Some("3"));
        assert_eq!(options.remove("A").as_deref(), Some("2"));
        assert_eq!(options.get("a"), None);
        assert!(options.set("x", "a\0b").is_err());
        let copy = options.clone();
        drop(options);
        assert_eq!(copy.pairs().len(), 1);
    }
}
