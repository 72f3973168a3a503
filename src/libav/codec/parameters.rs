//! What a coded stream is.

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::c_int;
use std::ptr::NonNull;

use super::{CodecId, MediaType};
use crate::libav::error::AvError;
use crate::libav::ffi;
use crate::libav::frame::{ChannelLayout, PixelFormat, SampleFormat};
use crate::libav::option::Dictionary;
use crate::libav::rational::Rational;

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

    /// A copy.
    ///
    /// # Errors
    /// There is no memory.
    pub fn try_clone(&self) -> Result<Self, AvError> {
        // SAFETY: owned and valid (invariant 10).
        unsafe { Self::copy_of(self.as_ptr()) }
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

    fn raw_mut(&mut self) -> &mut ffi::AVCodecParameters {
        // SAFETY: owned and valid (invariant 10).
        unsafe { self.0.as_mut() }
    }

    /// Sets the codec and the kind of stream that it is for.
    pub fn set_codec(&mut self, codec: CodecId) {
        let media_type = codec.media_type().to_raw();
        let raw = self.raw_mut();
        (raw.codec_type, raw.codec_id) = (media_type, codec.0);
    }

    /// Sets rate and channels of sound.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_sound(&mut self, rate: i32, layout: &ChannelLayout) -> Result<(), AvError> {
        let raw = self.raw_mut();
        raw.sample_rate = rate;
        // SAFETY: both are valid; the old layout is replaced (invariant 10).
        AvError::check(unsafe { ffi::av_channel_layout_copy(&mut raw.ch_layout, layout.as_ptr()) }).map(drop)
    }

    /// Width and height in pixels.
    pub fn dimensions(&self) -> (i32, i32) {
        (self.raw().width, self.raw().height)
    }

    /// Shape of one pixel.
    pub fn sample_aspect_ratio(&self) -> Rational {
        self.raw().sample_aspect_ratio.into()
    }

    /// How the pixels will lie in memory, of pictures, as far as the container tells.
    pub fn pixel_format(&self) -> Option<PixelFormat> {
        if self.media_type() == MediaType::Video { PixelFormat::from_number(self.raw().format) } else { None }
    }

    /// How the samples will lie in memory, of sound, as far as the container tells.
    pub fn sample_format(&self) -> Option<SampleFormat> {
        if self.media_type() == MediaType::Audio { SampleFormat::from_number(self.raw().format) } else { None }
    }

    /// The channels.
    pub fn channel_layout(&self) -> ChannelLayout {
        // SAFETY: the layout of valid parameters (invariant 10).
        unsafe { ChannelLayout::copy_of(&self.raw().ch_layout) }
    }

    /// Bits per second; 0 = unknown.
    pub fn bit_rate(&self) -> i64 {
        self.raw().bit_rate
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
        // SAFETY: the context is ours from alloc to free; libav takes null in avcodec_free_context too (invariant 10).
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
