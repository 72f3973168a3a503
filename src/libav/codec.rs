//! Codecs by name and id, and the parameters of a coded stream.

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::c_int;
use std::ptr::NonNull;

use super::call::{c_string, string};
use super::error::AvError;
use super::ffi::{self, AVMediaType};
use super::option::Dictionary;
use super::rational::Rational;

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

    /// Has the linked libavcodec an encoder for it?
    pub fn has_encoder(self) -> bool {
        // SAFETY: looks the id up in a static table (invariant 12).
        !unsafe { ffi::avcodec_find_encoder(self.0) }.is_null()
    }

    /// The kinds of subtitles (text, bitmap) that it is, as `AVCodecDescriptor.props` has them; `None` without a descriptor.
    pub fn subtitle_kind(self) -> Option<SubtitleKind> {
        // SAFETY: looks the id up in a static table (invariant 12).
        let descriptor = unsafe { ffi::avcodec_descriptor_get(self.0).as_ref() }?;
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

/// A decoder of the linked libavcodec.
#[derive(Clone, Copy, Debug)]
pub struct Decoder(&'static ffi::AVCodec);

// SAFETY: an AVCodec is a constant of the library (invariant 12).
unsafe impl Send for Decoder {}
// SAFETY: as above (invariant 10).
unsafe impl Sync for Decoder {}

impl Decoder {
    /// The decoder of this name, else the one for the codec of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = c_string(name).ok()?;
        // SAFETY: the name lives through the calls; what they return is constant (invariants 11 and 12).
        unsafe {
            let codec = ffi::avcodec_find_decoder_by_name(name.as_ptr()).as_ref();
            let codec = codec.or_else(|| {
                let descriptor = ffi::avcodec_descriptor_get_by_name(name.as_ptr()).as_ref()?;
                ffi::avcodec_find_decoder(descriptor.id).as_ref()
            });
            codec.map(Self)
        }
    }

    /// The decoder for a codec.
    pub fn by_id(id: CodecId) -> Option<Self> {
        // SAFETY: looks the id up in a static table (invariant 12).
        unsafe { ffi::avcodec_find_decoder(id.0).as_ref() }.map(Self)
    }

    /// What it decodes.
    pub fn id(self) -> CodecId {
        CodecId(self.0.id)
    }

    /// Its kind.
    pub fn media_type(self) -> MediaType {
        MediaType::from_raw(self.0.type_)
    }

    /// Its options of its own.
    pub(in crate::libav) fn private_class(self) -> *const ffi::AVClass {
        self.0.priv_class
    }

    pub(in crate::libav) fn as_ptr(self) -> *const ffi::AVCodec {
        self.0
    }
}

/// `AVCodecParameters`: what a coded stream is.
pub struct Parameters(NonNull<ffi::AVCodecParameters>);

// SAFETY: plain memory without thread affinity, owned by this type (invariant 10).
unsafe impl Send for Parameters {}

impl Parameters {
    /// Parameters that say nothing.
    pub fn new() -> Self {
        // SAFETY: no preconditions; null means out of memory (invariant 14).
        let parameters = NonNull::new(unsafe { ffi::avcodec_parameters_alloc() });
        Self(parameters.unwrap_or_else(|| handle_alloc_error(Layout::new::<ffi::AVCodecParameters>())))
    }

    /// A copy of `raw`.
    ///
    /// # Safety
    /// `raw` is valid.
    pub(in crate::libav) unsafe fn copy_of(raw: *const ffi::AVCodecParameters) -> Result<Self, AvError> {
        let copy = Self::new();
        // SAFETY: the caller's promise (invariant 13).
        AvError::check(unsafe { ffi::avcodec_parameters_copy(copy.as_ptr(), raw) })?;
        Ok(copy)
    }

    pub(in crate::libav) fn as_ptr(&self) -> *mut ffi::AVCodecParameters {
        self.0.as_ptr()
    }

    fn raw(&self) -> &ffi::AVCodecParameters {
        // SAFETY: owned and valid (invariant 10).
        unsafe { self.0.as_ref() }
    }

    /// What the stream carries.
    pub fn media_type(&self) -> MediaType {
        MediaType::from_raw(self.raw().codec_type)
    }

    /// The codec.
    pub fn codec(&self) -> CodecId {
        CodecId(self.raw().codec_id)
    }

    /// Width and height in pixels.
    pub fn dimensions(&self) -> (i32, i32) {
        (self.raw().width, self.raw().height)
    }

    /// Shape of one pixel.
    pub fn sample_aspect_ratio(&self) -> Rational {
        self.raw().sample_aspect_ratio.into()
    }

    /// Samples per second.
    pub fn sample_rate(&self) -> i32 {
        self.raw().sample_rate
    }

    /// Samples per frame, where that is fixed.
    pub fn frame_size(&self) -> i32 {
        self.raw().frame_size
    }

    /// Frames by which the decoder's output lags behind.
    pub fn video_delay(&self) -> i32 {
        self.raw().video_delay
    }

    /// Bytes of codec configuration.
    pub fn extradata_size(&self) -> usize {
        usize::try_from(self.raw().extradata_size).unwrap_or_default()
    }

    /// Samples in an audio packet of `bytes` bytes; 0 = unknown (`av_get_audio_frame_duration2`).
    pub fn audio_duration(&self, bytes: usize) -> i32 {
        // SAFETY: owned and valid; the function only reads (invariant 10).
        unsafe { ffi::av_get_audio_frame_duration2(self.as_ptr(), c_int::try_from(bytes).unwrap_or(c_int::MAX)) }
    }

    /// A copy after a codec context was given these AVOptions, as ffmpeg does for a copied stream: `-b:v`, `-profile:v` and
    /// their like reach the muxer that way. Options that no codec context has are passed over.
    ///
    /// # Errors
    /// A value that its option does not take.
    pub fn with_options(&self, options: &mut Dictionary) -> Result<Self, AvError> {
        let changed = Self::new();
        // SAFETY: the context is ours from alloc to free; libav takes null in avcodec_free_context too (invariant 14).
        unsafe {
            let mut context = ffi::avcodec_alloc_context3(std::ptr::null());
            if context.is_null() {
                return Err(AvError::from_errno(libc::ENOMEM));
            }
            let done = AvError::check(ffi::avcodec_parameters_to_context(context, self.as_ptr()))
                .and_then(|_| AvError::check(ffi::av_opt_set_dict(context.cast(), options.as_mut_ptr())))
                .and_then(|_| AvError::check(ffi::avcodec_parameters_from_context(changed.as_ptr(), context)));
            ffi::avcodec_free_context(&mut context);
            done?;
        }
        Ok(changed)
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        let mut parameters = self.0.as_ptr();
        // SAFETY: owned, freed once (invariant 10).
        unsafe { ffi::avcodec_parameters_free(&mut parameters) };
    }
}

/// The name of a decoder-like constant, for messages.
pub(in crate::libav) fn format_name(name: *const std::ffi::c_char) -> String {
    // SAFETY: names of formats and codecs are constants of the library or null (invariant 12).
    unsafe { string(name) }.unwrap_or_default().into_owned()
}
