//! What an encoder is told before it is opened.

use std::ffi::c_int;
use std::ptr;

use super::Encoder;
use crate::libav::call::c_string;
use crate::libav::codec::Codec;
use crate::libav::context::Context;
use crate::libav::error::AvError;
use crate::libav::ffi;
use crate::libav::frame::{ChannelLayout, Color, PixelFormat, SampleFormat};
use crate::libav::hw::{Device, Frames};
use crate::libav::option::{Dictionary, Lookup};
use crate::libav::rational::Rational;

/// Which field of an interlaced picture is coded, and which shown, first (`enum AVFieldOrder`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldOrder {
    /// There are no fields.
    Progressive,
    /// The upper one is coded and shown first.
    Top,
    /// The lower one is coded and shown first.
    Bottom,
    /// The upper one is coded, the lower one shown first.
    TopCodedFirst,
    /// The lower one is coded, the upper one shown first.
    BottomCodedFirst,
}

impl FieldOrder {
    fn to_raw(self) -> ffi::AVFieldOrder {
        match self {
            Self::Progressive => ffi::AVFieldOrder::AV_FIELD_PROGRESSIVE,
            Self::Top => ffi::AVFieldOrder::AV_FIELD_TT,
            Self::Bottom => ffi::AVFieldOrder::AV_FIELD_BB,
            Self::TopCodedFirst => ffi::AVFieldOrder::AV_FIELD_TB,
            Self::BottomCodedFirst => ffi::AVFieldOrder::AV_FIELD_BT,
        }
    }
}

/// A rule of `-rc_override`: how the pictures from `first` to `last` are to be coded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateOverride {
    /// First picture.
    pub first: i32,
    /// Last picture.
    pub last: i32,
    /// A fixed quantizer, or 0 and a factor.
    pub quantizer: i32,
    /// Factor on the quality.
    pub factor: f32,
}

/// `FF_QP2LAMBDA`: what a quantizer is in units of an encoder's `global_quality`.
pub const QP_TO_LAMBDA: f64 = ffi::FF_QP2LAMBDA as f64;

/// An encoder that is not open yet.
pub struct Configuration(pub(super) Context);

impl Configuration {
    /// Says nothing yet of what will come.
    pub fn new(codec: Codec) -> Self {
        Self(Context::new(codec))
    }

    /// Pictures of this size and format.
    pub fn set_picture(&mut self, width: i32, height: i32, format: Option<PixelFormat>) {
        let raw = self.0.raw_mut();
        (raw.width, raw.height) = (width, height);
        if let Some(format) = format {
            raw.pix_fmt = format.to_raw();
        }
    }

    /// Sound of this format, rate and layout.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_sound(&mut self, format: SampleFormat, rate: i32, layout: &ChannelLayout) -> Result<(), AvError> {
        let raw = self.0.raw_mut();
        (raw.sample_fmt, raw.sample_rate) = (format.to_raw(), rate);
        // SAFETY: both are valid; the context's own is replaced (invariant 10).
        AvError::check(unsafe { ffi::av_channel_layout_copy(&mut raw.ch_layout, layout.as_ptr()) }).map(drop)
    }

    /// The unit of the frames' and packets' times.
    pub fn set_time_base(&mut self, time_base: Rational) {
        self.0.raw_mut().time_base = time_base.into();
    }

    /// Pictures per second, where that is constant.
    pub fn set_frame_rate(&mut self, rate: Rational) {
        self.0.raw_mut().framerate = rate.into();
    }

    pub(super) fn set_debug(&mut self, flags: i32) {
        self.0.raw_mut().debug = flags;
    }

    /// Shape of one pixel.
    pub fn set_sample_aspect_ratio(&mut self, ratio: Rational) {
        self.0.raw_mut().sample_aspect_ratio = ratio.into();
    }

    /// Bits of each sample, or component of a pixel, that mean something.
    pub fn set_bits_per_raw_sample(&mut self, bits: i32) {
        self.0.raw_mut().bits_per_raw_sample = bits;
    }

    /// What the colours mean.
    pub fn set_color(&mut self, color: Color) {
        let raw = self.0.as_mut_ptr();
        // SAFETY: the fields are C enumerations, each as large as an int; encoders know that a number may be foreign to them
        // (invariant 15).
        unsafe {
            (&raw mut (*raw).color_range).cast::<c_int>().write(color.range);
            (&raw mut (*raw).color_primaries).cast::<c_int>().write(color.primaries);
            (&raw mut (*raw).color_trc).cast::<c_int>().write(color.transfer);
            (&raw mut (*raw).colorspace).cast::<c_int>().write(color.matrix);
            (&raw mut (*raw).chroma_sample_location).cast::<c_int>().write(color.chroma_location);
        }
    }

    /// Which field comes first.
    pub fn set_field_order(&mut self, order: FieldOrder) {
        self.0.raw_mut().field_order = order.to_raw();
    }

    /// The four-character code.
    pub fn set_codec_tag(&mut self, tag: u32) {
        self.0.raw_mut().codec_tag = tag;
    }

    /// Nothing that changes from run to run or version to version (`-bitexact`).
    pub fn set_bitexact(&mut self) {
        self.add_flags(ffi::AV_CODEC_FLAG_BITEXACT);
    }

    /// Its packets shall tell how far they are from the source (`-psnr`).
    pub fn set_psnr(&mut self) {
        self.add_flags(ffi::AV_CODEC_FLAG_PSNR);
    }

    /// Sets the flags of `-pass 1` and `-pass 2` where the encoder keeps its statistics itself.
    pub fn set_second_pass_flag(&mut self) {
        self.add_flags(ffi::AV_CODEC_FLAG_PASS2);
    }

    /// Will it leave out what changes from run to run, once it is opened with these `options`?
    pub fn is_bitexact_with(&self, options: &Dictionary) -> bool {
        let flags = i64::from(self.0.raw().flags);
        let flags = options.get("flags").and_then(|text| Lookup.codec_value("flags", flags, &text)).unwrap_or(flags);
        flags & i64::from(ffi::AV_CODEC_FLAG_BITEXACT) != 0
    }

    /// Sets flags of `AVCodecContext.flags`.
    fn add_flags(&mut self, flags: u32) {
        self.0.raw_mut().flags |= flags as c_int;
    }

    /// The container keeps the codec's configuration apart from the packets (`AVFMT_GLOBALHEADER`).
    pub fn set_global_header(&mut self) {
        self.add_flags(ffi::AV_CODEC_FLAG_GLOBAL_HEADER);
    }

    /// A fixed quality (`-q`): a quantizer times [`QP_TO_LAMBDA`].
    pub fn set_global_quality(&mut self, quality: i32) {
        self.add_flags(ffi::AV_CODEC_FLAG_QSCALE);
        self.0.raw_mut().global_quality = quality;
    }

    /// Notes statistics, which [`Encoder::statistics`] gives out (`-pass 1`).
    pub fn set_first_pass(&mut self) {
        self.add_flags(ffi::AV_CODEC_FLAG_PASS1);
    }

    /// Uses the statistics of a first pass (`-pass 2`).
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` for a NUL, `AVERROR(ENOMEM)`.
    pub fn set_second_pass(&mut self, statistics: &str) -> Result<(), AvError> {
        self.add_flags(ffi::AV_CODEC_FLAG_PASS2);
        replace(
            &mut self.0.raw_mut().stats_in,
            &c_string(statistics)?.to_bytes_with_nul().iter().map(|byte| *byte as std::ffi::c_char).collect::<Vec<_>>(),
        )
    }

    /// The quantizer matrix of blocks that are coded by themselves.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_intra_matrix(&mut self, matrix: &[u16; 64]) -> Result<(), AvError> {
        replace(&mut self.0.raw_mut().intra_matrix, matrix)
    }

    /// As [`set_intra_matrix`](Self::set_intra_matrix), for the blocks of colour.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_chroma_intra_matrix(&mut self, matrix: &[u16; 64]) -> Result<(), AvError> {
        replace(&mut self.0.raw_mut().chroma_intra_matrix, matrix)
    }

    /// The quantizer matrix of blocks that are coded from other pictures.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_inter_matrix(&mut self, matrix: &[u16; 64]) -> Result<(), AvError> {
        replace(&mut self.0.raw_mut().inter_matrix, matrix)
    }

    /// Rules for stretches of pictures.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_rate_overrides(&mut self, rules: &[RateOverride]) -> Result<(), AvError> {
        let rules: Vec<_> = rules
            .iter()
            .map(|rule| ffi::RcOverride {
                start_frame: rule.first,
                end_frame: rule.last,
                qscale: rule.quantizer,
                quality_factor: rule.factor,
            })
            .collect();
        let raw = self.0.raw_mut();
        replace(&mut raw.rc_override, &rules)?;
        raw.rc_override_count = c_int::try_from(rules.len()).unwrap_or(0);
        Ok(())
    }

    /// The head of the ASS script that the subtitles belong to.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_subtitle_header(&mut self, header: &[u8]) -> Result<(), AvError> {
        // libavcodec's ASS code takes it for a C string.
        let terminated: Vec<u8> = header.iter().copied().chain([0]).collect();
        let raw = self.0.raw_mut();
        replace(&mut raw.subtitle_header, &terminated)?;
        raw.subtitle_header_size = c_int::try_from(header.len()).unwrap_or(0);
        Ok(())
    }

    /// The pictures come from this pool of device memory.
    pub fn set_hardware_frames(&mut self, frames: &Frames) {
        let raw = self.0.raw_mut();
        // SAFETY: null or a reference of the context's (invariant 10).
        unsafe { ffi::av_buffer_unref(&mut raw.hw_frames_ctx) };
        raw.hw_frames_ctx = frames.to_shared();
    }

    /// The device to encode with.
    pub fn set_device(&mut self, device: &Device) {
        let raw = self.0.raw_mut();
        // SAFETY: as above (invariant 10).
        unsafe { ffi::av_buffer_unref(&mut raw.hw_device_ctx) };
        raw.hw_device_ctx = device.to_shared();
    }

    /// Opens it. Entries of `options` that it used are taken out.
    ///
    /// # Errors
    /// libavcodec's; `AVERROR_EXPERIMENTAL` for an encoder that must be asked for with `-strict experimental`.
    pub fn open(mut self, options: &mut Dictionary) -> Result<Encoder, AvError> {
        self.0.open(options)?;
        Ok(Encoder::new(self))
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // SAFETY: ours alone by avcodec.h, null or allocated with av_strdup (invariant 10).
        unsafe { ffi::av_freep((&raw mut self.0.raw_mut().stats_in).cast()) };
    }
}

/// Puts a copy of `elements`, in memory that libav may free, in place of what stands in `field`.
fn replace<T: Copy>(field: &mut *mut T, elements: &[T]) -> Result<(), AvError> {
    // SAFETY: the old one is null or libav's; as many bytes are read as the slice is long (invariant 10).
    unsafe {
        ffi::av_freep(ptr::from_mut(field).cast());
        *field = ffi::av_memdup(elements.as_ptr().cast(), size_of_val(elements)).cast();
    }
    if field.is_null() { Err(AvError::from_errno(libc::ENOMEM)) } else { Ok(()) }
}
