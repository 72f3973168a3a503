//! A hash of libavutil by name.

use std::ffi::c_char;
use std::ptr;

use super::super::call::{c_string, string};
use super::super::error::AvError;
use super::super::ffi;

/// A hash function as ffprobe's `-show_data_hash` takes it.
pub struct Hash(*mut ffi::AVHashContext);

// SAFETY: an AVHashContext is plain memory without thread affinity, and this type owns it (invariant 10).
unsafe impl Send for Hash {}

impl Hash {
    /// The hash `name`, whatever its case: `md5`, `sha256`, `crc32`, `murmur3`, …
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` if libavutil has none of that name.
    pub fn new(name: &str) -> Result<Self, AvError> {
        let name = c_string(name)?;
        let mut context = ptr::null_mut();
        // SAFETY: a valid string and out pointer; on success the context is ours (invariant 10).
        AvError::check(unsafe { ffi::av_hash_alloc(&mut context, name.as_ptr()) })?;
        Ok(Self(context))
    }

    /// The names that there are.
    pub fn names() -> String {
        // SAFETY: libavutil returns a static string for each index, and null after the last (invariant 9).
        let name = |index| unsafe { string(ffi::av_hash_names(index)) };
        (0..).map_while(name).collect::<Vec<_>>().join(" ")
    }

    /// `NAME:digits` of `data`.
    pub fn of(&mut self, data: &[u8]) -> String {
        // Twice the largest digest (SHA-512) and a NUL.
        let mut digits = [0u8; 2 * 64 + 1];
        // SAFETY: the context is valid, both buffers have the sizes given; av_hash_final_hex terminates what it writes; the
        // name is a static string (invariants 11 and 12).
        unsafe {
            ffi::av_hash_init(self.0);
            ffi::av_hash_update(self.0, data.as_ptr(), data.len());
            ffi::av_hash_final_hex(self.0, digits.as_mut_ptr(), digits.len() as i32);
            let name = string(ffi::av_hash_get_name(self.0)).unwrap_or_default();
            format!("{name}:{}", string(digits.as_ptr().cast::<c_char>()).unwrap_or_default())
        }
    }
}

impl Drop for Hash {
    fn drop(&mut self) {
        // SAFETY: owned (invariant 10).
        unsafe { ffi::av_hash_freep(&mut self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_known_by_name_and_used_again() {
        let mut hash = Hash::new("md5").expect("libavutil has it");
        assert_eq!(hash.of(b"abc"), "MD5:900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hash.of(b""), "MD5:d41d8cd98f00b204e9800998ecf8427e");
        assert!(Hash::new("none").is_err());
    }
}
