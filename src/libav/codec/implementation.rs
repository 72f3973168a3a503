//! The decoders and encoders of the linked libavcodec.

use std::ffi::c_int;
use std::fmt;

use super::{CodecId, MediaType, format_name};
use crate::libav::call::c_string;
use crate::libav::ffi::{self, AVSampleFormat};
use crate::libav::frame::{ChannelLayout, PixelFormat, SampleFormat};
use crate::libav::rational::Rational;

/// A decoder or an encoder.
#[derive(Clone, Copy)]
pub struct Codec(&'static ffi::AVCodec);

// SAFETY: an AVCodec is a constant of the library (invariant 12).
unsafe impl Send for Codec {}
// SAFETY: as above (invariant 12).
unsafe impl Sync for Codec {}

impl Codec {
    /// The decoder of this name, else the one for the codec of this name.
    pub fn decoder_by_name(name: &str) -> Option<Self> {
        let c_name = c_string(name).ok()?;
        // SAFETY: the name lives through the call; what it returns is constant (invariant 9).
        let decoder = unsafe { ffi::avcodec_find_decoder_by_name(c_name.as_ptr()).as_ref() }.map(Self);
        decoder.or_else(|| Self::decoder(CodecId::by_name(name)?))
    }

    /// The encoder of this name, else the one for the codec of this name.
    pub fn encoder_by_name(name: &str) -> Option<Self> {
        let c_name = c_string(name).ok()?;
        // SAFETY: as above (invariant 9).
        let encoder = unsafe { ffi::avcodec_find_encoder_by_name(c_name.as_ptr()).as_ref() }.map(Self);
        encoder.or_else(|| Self::encoder(CodecId::by_name(name)?))
    }

    /// The decoder for a codec.
    pub fn decoder(id: CodecId) -> Option<Self> {
        // SAFETY: looks the id up in a static table (invariant 12).
        unsafe { ffi::avcodec_find_decoder(id.0).as_ref() }.map(Self)
    }

    /// The encoder for a codec.
    pub fn encoder(id: CodecId) -> Option<Self> {
        // SAFETY: as above (invariant 12).
        unsafe { ffi::avcodec_find_encoder(id.0).as_ref() }.map(Self)
    }

    pub(in crate::libav) fn from_raw(raw: &'static ffi::AVCodec) -> Self {
        Self(raw)
    }

    pub(in crate::libav) fn as_ptr(self) -> *const ffi::AVCodec {
        self.0
    }

    pub(in crate::libav) fn raw(self) -> &'static ffi::AVCodec {
        self.0
    }

    /// Its options of its own.
    pub(in crate::libav) fn private_class(self) -> *const ffi::AVClass {
        self.0.priv_class
    }

    /// Its name: `libx264`, while the codec's is `h264`.
    pub fn name(self) -> String {
        format_name(self.0.name)
    }

    /// What it decodes or encodes.
    pub fn id(self) -> CodecId {
        CodecId(self.0.id)
    }

    /// Its kind.
    pub fn media_type(self) -> MediaType {
        MediaType::from_raw(self.0.type_)
    }

    pub(in crate::libav) fn has(self, capability: u32) -> bool {
        self.0.capabilities as u32 & capability != 0
    }

    /// It must be asked for with `-strict experimental`.
    pub fn is_experimental(self) -> bool {
        self.has(ffi::AV_CODEC_CAP_EXPERIMENTAL)
    }

    /// What comes out lags behind what goes in, so that it must be drained (`AV_CODEC_CAP_DELAY`).
    pub fn has_delay(self) -> bool {
        self.has(ffi::AV_CODEC_CAP_DELAY)
    }

    /// It takes any number of samples in a frame (`AV_CODEC_CAP_VARIABLE_FRAME_SIZE`).
    pub fn takes_any_frame_size(self) -> bool {
        self.has(ffi::AV_CODEC_CAP_VARIABLE_FRAME_SIZE)
    }

    /// The last frame may have fewer samples (`AV_CODEC_CAP_SMALL_LAST_FRAME`).
    pub fn takes_short_last_frame(self) -> bool {
        self.has(ffi::AV_CODEC_CAP_SMALL_LAST_FRAME)
    }

    /// It hands a frame's `reordered_opaque` on to the packet.
    pub fn hands_opaque_on(self) -> bool {
        self.has(ffi::AV_CODEC_CAP_ENCODER_REORDERED_OPAQUE)
    }

    /// Parameters may change from frame to frame (`AV_CODEC_CAP_PARAM_CHANGE`).
    pub fn takes_changes(self) -> bool {
        self.has(ffi::AV_CODEC_CAP_PARAM_CHANGE)
    }

    /// The pixel formats that an encoder takes; `None` = it does not say.
    pub fn pixel_formats(self) -> Option<Vec<PixelFormat>> {
        list(self.0.pix_fmts, |format| PixelFormat::from_raw(*format))
    }

    /// The sample formats that an encoder takes; `None` = it does not say.
    pub fn sample_formats(self) -> Option<Vec<SampleFormat>> {
        list(self.0.sample_fmts, |format: &AVSampleFormat| SampleFormat::from_raw(*format))
    }

    /// The sample rates that an encoder takes; `None` = any.
    pub fn sample_rates(self) -> Option<Vec<i32>> {
        list(self.0.supported_samplerates, |rate: &c_int| (*rate != 0).then_some(*rate))
    }

    /// The channel layouts that an encoder takes; `None` = any.
    pub fn channel_layouts(self) -> Option<Vec<ChannelLayout>> {
        let layout = |layout: &ffi::AVChannelLayout| {
            // SAFETY: each element of the list is a valid layout (invariant 10).
            (layout.nb_channels != 0).then(|| unsafe { ChannelLayout::copy_of(layout) })
        };
        list(self.0.ch_layouts, layout)
    }

    /// The frame rates that an encoder takes; `None` = any.
    pub fn frame_rates(self) -> Option<Vec<Rational>> {
        list(self.0.supported_framerates, |rate: &ffi::AVRational| (rate.num != 0).then(|| (*rate).into()))
    }
}

/// The elements of a constant list up to the one that `read` takes for its end; `None` if there is no list.
fn list<T, U>(first: *const T, read: impl Fn(&T) -> Option<U>) -> Option<Vec<U>> {
    if first.is_null() {
        return None;
    }
    // SAFETY: the lists of an AVCodec are constants with an element at the end that `read` knows (invariant 9).
    Some((0..).map_while(|index| read(unsafe { &*first.add(index) })).collect())
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Codec({})", self.name())
    }
}

impl PartialEq for Codec {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Codec {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_found_by_either_name() {
        let aac = Codec::encoder_by_name("aac").expect("an encoder");
        assert_eq!((aac.name().as_str(), aac.id().name(), aac.media_type()), ("aac", "aac", MediaType::Audio));
        assert_eq!(Codec::encoder(aac.id()), Some(aac));
        assert_ne!(Codec::decoder_by_name("aac"), Some(aac), "the decoder is another one");
        let vp8 = Codec::decoder_by_name("vp8").expect("a decoder");
        assert_eq!(vp8.id(), CodecId::by_name("vp8").expect("a codec"));
        assert!(Codec::encoder_by_name("nosuch").is_none() && Codec::decoder_by_name("no\0such").is_none());
    }

    #[test]
    fn an_encoder_says_what_it_takes() {
        let aac = Codec::encoder_by_name("aac").expect("an encoder");
        assert_eq!(aac.sample_formats(), Some(vec![SampleFormat::FLOAT_PLANAR]));
        assert!(aac.sample_rates().expect("a list").contains(&48_000) && aac.pixel_formats().is_none());
        assert!(aac.has_delay() && aac.takes_short_last_frame() && !aac.takes_any_frame_size() && !aac.is_experimental());
        let ac3 = Codec::encoder_by_name("ac3").expect("an encoder");
        assert!(ac3.channel_layouts().expect("a list").contains(&ChannelLayout::default_for(2)));
        let mpeg2 = Codec::encoder_by_name("mpeg2video").expect("an encoder");
        assert!(mpeg2.frame_rates().expect("a list").contains(&Rational::new(25, 1)));
        assert!(mpeg2.id().reorders() && !mpeg2.id().is_intra_only() && !mpeg2.id().is_lossless());
        let huffyuv = Codec::encoder_by_name("huffyuv").expect("an encoder");
        assert!(huffyuv.id().is_intra_only() && huffyuv.id().is_lossless());
        assert!(huffyuv.pixel_formats().expect("a list").iter().any(|format| format.name() == "rgb24"));
    }
}
