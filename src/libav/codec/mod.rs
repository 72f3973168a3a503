//! Codecs by name and id, their decoders and encoders, and the parameters of a coded stream.

use super::call::{c_string, string};
use super::ffi::{self, AVMediaType};

pub use implementation::Codec;
pub use parameters::Parameters;

mod implementation;
mod parameters;

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Text or pictures to be laid over the video.
    Subtitle,
    /// Anything else that is timed.
    Data,
    /// A file in the container.
    Attachment,
    /// libavformat does not know.
    Unknown,
}

impl MediaType {
    pub(in crate::libav) fn from_raw(raw: AVMediaType) -> Self {
        match raw {
            AVMediaType::AVMEDIA_TYPE_VIDEO => Self::Video,
            AVMediaType::AVMEDIA_TYPE_AUDIO => Self::Audio,
            AVMediaType::AVMEDIA_TYPE_SUBTITLE => Self::Subtitle,
            AVMediaType::AVMEDIA_TYPE_DATA => Self::Data,
            AVMediaType::AVMEDIA_TYPE_ATTACHMENT => Self::Attachment,
            AVMediaType::AVMEDIA_TYPE_UNKNOWN | AVMediaType::AVMEDIA_TYPE_NB => Self::Unknown,
        }
    }

    pub(in crate::libav) fn to_raw(self) -> AVMediaType {
        match self {
            Self::Video => AVMediaType::AVMEDIA_TYPE_VIDEO,
            Self::Audio => AVMediaType::AVMEDIA_TYPE_AUDIO,
            Self::Subtitle => AVMediaType::AVMEDIA_TYPE_SUBTITLE,
            Self::Data => AVMediaType::AVMEDIA_TYPE_DATA,
            Self::Attachment => AVMediaType::AVMEDIA_TYPE_ATTACHMENT,
            Self::Unknown => AVMediaType::AVMEDIA_TYPE_UNKNOWN,
        }
    }

    /// As libavutil writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Subtitle => "subtitle",
            Self::Data => "data",
            Self::Attachment => "attachment",
            Self::Unknown => "unknown",
        }
    }
}

/// `enum AVCodecID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecId(pub(in crate::libav) ffi::AVCodecID);

impl CodecId {
    /// No codec.
    pub const NONE: Self = Self(ffi::AVCodecID::AV_CODEC_ID_NONE);

    /// Its name: `h264`, `aac`.
    pub fn name(self) -> &'static str {
        // SAFETY: avcodec_get_name returns a static ASCII string for every id (invariant 12).
        unsafe { std::ffi::CStr::from_ptr(ffi::avcodec_get_name(self.0)) }.to_str().unwrap_or("unknown_codec")
    }

    /// The codec of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = c_string(name).ok()?;
        // SAFETY: the name lives through the call; descriptors are constants of the library (invariants 11 and 12).
        unsafe { ffi::avcodec_descriptor_get_by_name(name.as_ptr()).as_ref() }.map(|descriptor| Self(descriptor.id))
    }

    pub(in crate::libav) fn descriptor(self) -> Option<&'static ffi::AVCodecDescriptor> {
        // SAFETY: looks the id up in a static table; null for an id without descriptor (invariant 9).
        unsafe { ffi::avcodec_descriptor_get(self.0).as_ref() }
    }

    /// What a stream of it carries.
    pub fn media_type(self) -> MediaType {
        self.descriptor().map_or(MediaType::Unknown, |descriptor| MediaType::from_raw(descriptor.type_))
    }

    fn has(self, property: u32) -> bool {
        self.descriptor().is_some_and(|descriptor| descriptor.props as u32 & property != 0)
    }

    /// Each picture is coded by itself.
    pub fn is_intra_only(self) -> bool {
        self.has(ffi::AV_CODEC_PROP_INTRA_ONLY as u32)
    }

    /// It can be coded without loss.
    pub fn is_lossless(self) -> bool {
        self.has(ffi::AV_CODEC_PROP_LOSSLESS as u32)
    }

    /// Pictures may be sent in another order than they are shown.
    pub fn reorders(self) -> bool {
        self.has(ffi::AV_CODEC_PROP_REORDER as u32)
    }

    /// Bits of a coded sample, where each has as many; else 0 (`av_get_exact_bits_per_sample`).
    pub fn exact_bits_per_sample(self) -> i32 {
        // SAFETY: looks the id up in a static table (invariant 12).
        unsafe { ffi::av_get_exact_bits_per_sample(self.0) }
    }

    /// Has the linked libavcodec an encoder for it?
    pub fn has_encoder(self) -> bool {
        // SAFETY: looks the id up in a static table (invariant 12).
        !unsafe { ffi::avcodec_find_encoder(self.0) }.is_null()
    }

    /// The kinds of subtitles (text, bitmap) that it is, as `AVCodecDescriptor.props` has them; `None` without a descriptor.
    pub fn subtitle_kind(self) -> Option<SubtitleKind> {
        let descriptor = self.descriptor()?;
        Some(SubtitleKind {
            text: descriptor.props & ffi::AV_CODEC_PROP_TEXT_SUB != 0,
            bitmap: descriptor.props & ffi::AV_CODEC_PROP_BITMAP_SUB != 0,
            unmarked: descriptor.props == 0,
        })
    }
}

/// See [`CodecId::subtitle_kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubtitleKind {
    /// Text.
    pub text: bool,
    /// Pictures.
    pub bitmap: bool,
    /// The descriptor says nothing at all (DVB teletext).
    pub unmarked: bool,
}

/// The name of a decoder-like constant, for messages.
pub(in crate::libav) fn format_name(name: *const std::ffi::c_char) -> String {
    // SAFETY: names of formats and codecs are constants of the library or null (invariant 12).
    unsafe { string(name) }.unwrap_or_default().into_owned()
}
