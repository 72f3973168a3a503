//! Which AVOptions exist, and who has them.

use std::ffi::{c_int, c_void};
use std::ptr;

use crate::libav::call::{c_string, string};
use crate::libav::codec::{Codec, MediaType};
use crate::libav::{device, ffi};

use super::Fake;

/// Where libav knows an option of some name; the fields that ffmpeg's `opt_default` needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// `AVFormatContext`, a muxer, a demuxer or a protocol has it.
    pub format: bool,
    /// `AVCodecContext` or an encoder's or decoder's private part has it.
    pub codec: bool,
    /// `AVCodecContext` itself has it, so that `v`, `a` or `s` may stand in front of the name.
    pub generic_codec: bool,
    /// The codec option is for encoders.
    pub encoding: bool,
    /// The codec option is for decoders.
    pub decoding: bool,
    /// libswscale has it.
    pub scaler: bool,
    /// libswresample has it.
    pub resampler: bool,
    /// A set of flags: values that begin with `+` or `-` add to those given before.
    pub flags: bool,
}

/// Looks options up in the libraries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lookup;

/// For which side of a codec an option is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecSide {
    /// `AV_OPT_FLAG_DECODING_PARAM`.
    Decoding,
    /// `AV_OPT_FLAG_ENCODING_PARAM`.
    Encoding,
}

impl Lookup {
    /// Where the option `name` (without a stream specifier) exists; `None` = nowhere.
    pub fn find(&self, name: &str) -> Option<Found> {
        // Devices have options too; a name that nobody knows is worth the time of asking them.
        self.find_loaded(name).or_else(|| device::load().ok().and_then(|()| self.find_loaded(name)))
    }

    /// Is `name` an option of a codec context or of some codec?
    pub fn is_of_codec(&self, name: &str) -> bool {
        find(codec_class(), name, 0, true).is_some()
    }

    /// Is `name` an option of every codec context?
    pub fn is_of_codec_context(&self, name: &str) -> bool {
        find(codec_class(), name, 0, false).is_some()
    }

    /// Is `name` an option of a format context, or of some format or protocol that is loaded?
    pub fn is_of_format(&self, name: &str) -> bool {
        find(format_class(), name, 0, true).is_some()
    }

    fn find_loaded(&self, name: &str) -> Option<Found> {
        let codec = find(codec_class(), name, 0, true);
        let format = find(format_class(), name, 0, true);
        let elsewhere = codec.is_none() && format.is_none();
        let of_library = |class: Option<*const ffi::AVClass>| class.and_then(|class| find(class, name, 0, true));
        let scaler = if elsewhere { of_library(device::scaler_class()) } else { None };
        let resampler = if elsewhere && scaler.is_none() { of_library(device::resampler_class()) } else { None };
        let option = codec.or(format).or(scaler).or(resampler)?;
        let codec_flags = codec.map_or(0, |option| option.flags);
        Some(Found {
            format: format.is_some(),
            codec: codec.is_some(),
            generic_codec: self.is_of_codec_context(name),
            encoding: codec_flags & ffi::AV_OPT_FLAG_ENCODING_PARAM != 0,
            decoding: codec_flags & ffi::AV_OPT_FLAG_DECODING_PARAM != 0,
            scaler: scaler.is_some(),
            resampler: resampler.is_some(),
            flags: super::kind(option) == Some(ffi::AVOptionType::AV_OPT_TYPE_FLAGS),
        })
    }

    /// The codec option's one line of help.
    pub fn codec_help(&self, name: &str) -> String {
        // SAFETY: the help of an option is a constant string or null (invariant 12).
        find(codec_class(), name, 0, true).and_then(|option| unsafe { string(option.help) }).unwrap_or_default().into_owned()
    }

    /// The number that `text` means for an option of a codec context that takes named numbers: `strict`, `flags`; flags with a
    /// sign in front change `before`.
    pub fn codec_value(&self, name: &str, before: i64, text: &str) -> Option<i64> {
        evaluate(codec_class(), name, before, text)
    }

    /// As [`codec_value`](Self::codec_value), for a format context: `fflags`.
    pub fn format_value(&self, name: &str, before: i64, text: &str) -> Option<i64> {
        evaluate(format_class(), name, before, text)
    }

    /// Has a codec context of this kind of stream the option, in common or through `decoder`'s private part?
    pub fn codec_takes(&self, name: &str, media_type: MediaType, side: CodecSide, decoder: Option<Codec>) -> bool {
        let kind = match media_type {
            MediaType::Video => ffi::AV_OPT_FLAG_VIDEO_PARAM,
            MediaType::Audio => ffi::AV_OPT_FLAG_AUDIO_PARAM,
            MediaType::Subtitle => ffi::AV_OPT_FLAG_SUBTITLE_PARAM,
            MediaType::Data | MediaType::Attachment | MediaType::Unknown => 0,
        };
        let side = match side {
            CodecSide::Decoding => ffi::AV_OPT_FLAG_DECODING_PARAM,
            CodecSide::Encoding => ffi::AV_OPT_FLAG_ENCODING_PARAM,
        };
        class_has(codec_class(), name, kind | side)
            || decoder.is_some_and(|decoder| class_has(decoder.private_class(), name, kind | side))
    }
}

/// Has `class` itself, which may be null, an option of this name with all these flags?
pub(in crate::libav) fn class_has(class: *const ffi::AVClass, name: &str, flags: c_int) -> bool {
    !class.is_null() && find(class, name, flags, false).is_some()
}

fn codec_class() -> *const ffi::AVClass {
    // SAFETY: returns a constant (invariant 12).
    unsafe { ffi::avcodec_get_class() }
}

fn format_class() -> *const ffi::AVClass {
    // SAFETY: returns a constant (invariant 12).
    unsafe { ffi::avformat_get_class() }
}

fn find(class: *const ffi::AVClass, name: &str, flags: c_int, children: bool) -> Option<&'static ffi::AVOption> {
    let name = c_string(name).ok()?;
    let mut class = class;
    let object: *mut c_void = ptr::from_mut(&mut class).cast();
    let search = ffi::AV_OPT_SEARCH_FAKE_OBJ | if children { ffi::AV_OPT_SEARCH_CHILDREN } else { 0 };
    // SAFETY: a pointer to a class pointer is what AV_OPT_SEARCH_FAKE_OBJ takes; options are constants of the
    // library (invariant 12).
    let option = unsafe { ffi::av_opt_find(object, name.as_ptr(), ptr::null(), flags, search).as_ref() }?;
    // ffmpeg's opt_find: an option without flags is a named constant.
    (option.flags != 0).then_some(option)
}

fn evaluate(class: *const ffi::AVClass, name: &str, before: i64, text: &str) -> Option<i64> {
    Fake::new(class).evaluate(name, c_int::try_from(before).ok()?, text).ok().map(i64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_where_libav_has_them() {
        let found = |name| Lookup.find(name).unwrap_or_default();
        assert!(found("movflags").format && found("movflags").flags && !found("movflags").codec);
        assert!(found("b").codec && found("b").generic_codec && found("b").encoding && !found("b").decoding);
        assert!(found("reconnect").format);
        assert!(found("flags").flags && found("flags").codec);
        assert_eq!(Lookup.find("no_such_option"), None);
        assert!(found("sws_flags").scaler && !found("sws_flags").resampler);
        assert!(found("graph_file").format, "an option of the device lavfi");
        assert!(found("resampler").resampler && !found("resampler").scaler);
    }

    #[test]
    fn named_numbers_are_evaluated() {
        assert_eq!(Lookup.codec_value("strict", 0, "experimental"), Some(-2));
        let bitexact = Lookup.codec_value("flags", 0, "+bitexact").expect("a flag");
        assert!(bitexact != 0);
        assert_eq!(Lookup.codec_value("flags", bitexact | 1, "-bitexact"), Some(1));
        assert_eq!(Lookup.codec_value("flags", 0, "nosuch"), None);
        assert!(Lookup.format_value("fflags", 0, "+bitexact+genpts").is_some_and(|flags| flags != 0));
    }

    #[test]
    fn a_codec_takes_what_fits_its_kind_and_side() {
        let takes = |name, kind, side| Lookup.codec_takes(name, kind, side, None);
        assert!(takes("g", MediaType::Video, CodecSide::Encoding));
        assert!(!takes("g", MediaType::Audio, CodecSide::Encoding));
        assert!(!takes("g", MediaType::Video, CodecSide::Decoding));
    }
}
