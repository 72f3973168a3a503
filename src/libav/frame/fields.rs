//! What a frame says of itself.

use std::ffi::c_int;

use super::{ChannelLayout, Frame, PixelFormat, SampleFormat};
use crate::libav::error::AvError;
use crate::libav::ffi::{self, AVFrameSideDataType, AVPictureType};
use crate::libav::hw;
use crate::libav::option::Dictionary;
use crate::libav::packet::timestamp;
use crate::libav::rational::Rational;

/// `enum AVPictureType`: how a picture is, or is to be, coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureType(AVPictureType);

impl PictureType {
    /// Unknown; an encoder chooses.
    pub const NONE: Self = Self(AVPictureType::AV_PICTURE_TYPE_NONE);
    /// By itself.
    pub const I: Self = Self(AVPictureType::AV_PICTURE_TYPE_I);
    /// From earlier ones.
    pub const P: Self = Self(AVPictureType::AV_PICTURE_TYPE_P);
    /// From earlier and later ones.
    pub const B: Self = Self(AVPictureType::AV_PICTURE_TYPE_B);

    /// The type of this number, which is what an encoder's packet tells; an unknown one is [`NONE`](Self::NONE).
    pub fn from_number(number: u8) -> Self {
        let all = [
            AVPictureType::AV_PICTURE_TYPE_I,
            AVPictureType::AV_PICTURE_TYPE_P,
            AVPictureType::AV_PICTURE_TYPE_B,
            AVPictureType::AV_PICTURE_TYPE_S,
            AVPictureType::AV_PICTURE_TYPE_SI,
            AVPictureType::AV_PICTURE_TYPE_SP,
            AVPictureType::AV_PICTURE_TYPE_BI,
        ];
        all.into_iter().find(|picture| *picture as u32 == u32::from(number)).map_or(Self::NONE, Self)
    }

    /// Its number, 0 for none.
    pub fn number(self) -> u32 {
        self.0 as u32
    }

    /// Its letter, `?` for none (`av_get_picture_type_char`).
    pub fn letter(self) -> char {
        // SAFETY: maps a number to a character (invariant 14).
        u8::try_from(unsafe { ffi::av_get_picture_type_char(self.0) }).map_or('?', char::from)
    }
}

/// Range, primaries, transfer, matrix and chroma position of a picture, as numbers of the five enumerations: a decoder may
/// have read one from the stream that no enumeration has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Color {
    pub(in crate::libav) range: c_int,
    pub(in crate::libav) primaries: c_int,
    pub(in crate::libav) transfer: c_int,
    pub(in crate::libav) matrix: c_int,
    pub(in crate::libav) chroma_location: c_int,
}

/// Reads a field that holds a bound enumeration as the number that it is.
macro_rules! number {
    ($raw:expr, $field:ident) => {
        // SAFETY: the field is a C enumeration, which is as large as an int (invariant 15).
        unsafe { (&raw const (*$raw).$field).cast::<std::ffi::c_int>().read() }
    };
}
pub(in crate::libav) use number;

impl Frame {
    /// Presentation timestamp, in the time base of whoever takes the frame.
    pub fn pts(&self) -> Option<i64> {
        timestamp(self.raw().pts)
    }

    /// Sets the presentation timestamp.
    pub fn set_pts(&mut self, pts: Option<i64>) {
        self.raw_mut().pts = pts.unwrap_or(ffi::AV_NOPTS_VALUE);
    }

    /// The decoder's guess from presentation and decoding timestamps, in the time base of the packets.
    pub fn best_effort_timestamp(&self) -> Option<i64> {
        timestamp(self.raw().best_effort_timestamp)
    }

    /// Decoding timestamp of the packet that the frame came from.
    pub fn packet_dts(&self) -> Option<i64> {
        timestamp(self.raw().pkt_dts)
    }

    /// Duration in the time base of the packets; 0 = unknown.
    pub fn duration(&self) -> i64 {
        #[cfg(libavformat_59)]
        let duration = self.raw().pkt_duration;
        #[cfg(not(libavformat_59))]
        let duration = self.raw().duration;
        duration
    }

    /// Sets the duration.
    pub fn set_duration(&mut self, duration: i64) {
        #[cfg(libavformat_59)]
        (self.raw_mut().pkt_duration = duration);
        #[cfg(not(libavformat_59))]
        (self.raw_mut().duration = duration);
    }

    /// Width and height in pixels; 0 for sound.
    pub fn dimensions(&self) -> (i32, i32) {
        (self.raw().width, self.raw().height)
    }

    /// Samples in each channel; 0 for pictures.
    pub fn samples(&self) -> usize {
        usize::try_from(self.raw().nb_samples).unwrap_or_default()
    }

    /// How the pixels lie in memory; `None` for sound.
    pub fn pixel_format(&self) -> Option<PixelFormat> {
        if self.raw().width > 0 { PixelFormat::from_number(self.raw().format) } else { None }
    }

    /// Says how the pixels are to lie in the memory that a device's picture will be copied to.
    pub(in crate::libav) fn set_pixel_format(&mut self, format: Option<PixelFormat>) {
        self.raw_mut().format = format.map_or(-1, PixelFormat::number);
    }

    /// How the samples lie in memory; `None` for pictures.
    pub fn sample_format(&self) -> Option<SampleFormat> {
        if self.raw().width > 0 { None } else { SampleFormat::from_number(self.raw().format) }
    }

    /// Samples per second.
    pub fn sample_rate(&self) -> i32 {
        self.raw().sample_rate
    }

    /// The channels.
    pub fn channel_layout(&self) -> ChannelLayout {
        // SAFETY: the layout of a valid frame (invariant 10).
        unsafe { ChannelLayout::copy_of(&self.raw().ch_layout) }
    }

    /// Says what the channels are.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_channel_layout(&mut self, layout: &ChannelLayout) -> Result<(), AvError> {
        // SAFETY: both are valid; the frame's own is replaced (invariant 10).
        AvError::check(unsafe { ffi::av_channel_layout_copy(&mut self.raw_mut().ch_layout, layout.as_ptr()) }).map(drop)
    }

    /// Shape of one pixel; 0/1 = unknown.
    pub fn sample_aspect_ratio(&self) -> Rational {
        self.raw().sample_aspect_ratio.into()
    }

    /// Sets the shape of one pixel.
    pub fn set_sample_aspect_ratio(&mut self, ratio: Rational) {
        self.raw_mut().sample_aspect_ratio = ratio.into();
    }

    /// What the colours mean.
    pub fn color(&self) -> Color {
        let raw = self.as_ptr();
        Color {
            range: number!(raw, color_range),
            primaries: number!(raw, color_primaries),
            transfer: number!(raw, color_trc),
            matrix: number!(raw, colorspace),
            chroma_location: number!(raw, chroma_location),
        }
    }

    /// How the picture was coded, or is to be.
    pub fn picture_type(&self) -> PictureType {
        PictureType::from_number(u8::try_from(number!(self.as_ptr(), pict_type)).unwrap_or_default())
    }

    /// Asks an encoder to code the picture like this; [`PictureType::NONE`] leaves it to the encoder.
    pub fn set_picture_type(&mut self, picture: PictureType) {
        self.raw_mut().pict_type = picture.0;
    }

    /// Decoding could start here.
    pub fn is_key(&self) -> bool {
        #[cfg(not(frame_flags))]
        let is_key = self.raw().key_frame != 0;
        #[cfg(frame_flags)]
        let is_key = self.raw().flags & ffi::AV_FRAME_FLAG_KEY != 0;
        is_key
    }

    /// It consists of two fields.
    pub fn is_interlaced(&self) -> bool {
        #[cfg(not(frame_flags))]
        let is_interlaced = self.raw().interlaced_frame != 0;
        #[cfg(frame_flags)]
        let is_interlaced = self.raw().flags & ffi::AV_FRAME_FLAG_INTERLACED != 0;
        is_interlaced
    }

    /// The upper field comes first.
    pub fn is_top_field_first(&self) -> bool {
        #[cfg(not(frame_flags))]
        let is_first = self.raw().top_field_first != 0;
        #[cfg(frame_flags)]
        let is_first = self.raw().flags & ffi::AV_FRAME_FLAG_TOP_FIELD_FIRST != 0;
        is_first
    }

    /// Says which field comes first.
    pub fn set_top_field_first(&mut self, first: bool) {
        #[cfg(not(frame_flags))]
        (self.raw_mut().top_field_first = c_int::from(first));
        #[cfg(frame_flags)]
        if first {
            self.raw_mut().flags |= ffi::AV_FRAME_FLAG_TOP_FIELD_FIRST;
        } else {
            self.raw_mut().flags &= !ffi::AV_FRAME_FLAG_TOP_FIELD_FIRST;
        }
    }

    /// How much longer than one tick the picture is to be seen, in half ticks.
    pub fn repeat(&self) -> i32 {
        self.raw().repeat_pict
    }

    /// What was decoded may be damaged (`AV_FRAME_FLAG_CORRUPT`).
    pub fn is_corrupt(&self) -> bool {
        self.raw().flags & ffi::AV_FRAME_FLAG_CORRUPT != 0
    }

    /// The decoder met errors in it (`AVFrame.decode_error_flags`).
    pub fn has_decode_errors(&self) -> bool {
        self.raw().decode_error_flags != 0
    }

    /// From 1 (good) to `FF_LAMBDA_MAX` (bad); 0 = unknown. For an encoder with a fixed quality: the one to use.
    pub fn quality(&self) -> i32 {
        self.raw().quality
    }

    /// Sets the quality.
    pub fn set_quality(&mut self, quality: i32) {
        self.raw_mut().quality = quality;
    }

    /// What filters and decoders noted.
    pub fn metadata(&self) -> Dictionary {
        // SAFETY: null or the frame's dictionary (invariant 10).
        unsafe { Dictionary::copy_of(self.raw().metadata) }
    }

    /// How the picture is to be turned: the nine numbers of its display matrix, row by row.
    pub fn display_matrix(&self) -> Option<[i32; 9]> {
        // SAFETY: side data belongs to the frame and has the length that it names (invariant 9).
        unsafe {
            let kind = AVFrameSideDataType::AV_FRAME_DATA_DISPLAYMATRIX;
            let side_data = ffi::av_frame_get_side_data(self.as_ptr(), kind).as_ref()?;
            (side_data.size >= size_of::<[i32; 9]>()).then(|| side_data.data.cast::<[i32; 9]>().read_unaligned())
        }
    }

    /// Forgets how the picture is to be turned: somebody has turned it.
    pub fn remove_display_matrix(&mut self) {
        // SAFETY: owned and valid (invariant 10).
        unsafe { ffi::av_frame_remove_side_data(self.as_mut_ptr(), AVFrameSideDataType::AV_FRAME_DATA_DISPLAYMATRIX) };
    }

    /// The pool of device memory that the picture is in.
    pub fn hardware_frames(&self) -> Option<hw::Frames> {
        // SAFETY: null or a reference that belongs to the frame (invariant 10).
        unsafe { hw::Frames::from_shared(self.raw().hw_frames_ctx) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_says_what_the_original_said() {
        let format = PixelFormat::by_name("yuv420p").expect("a known format");
        let mut other = Frame::new();
        assert_eq!((other.has_data(), other.pixel_format(), other.pts()), (false, None, None));
        assert!(other.try_clone().is_err(), "there is nothing to refer to");
        let mut picture = Frame::video(format, 16, 16).expect("a picture");
        picture.set_pts(Some(7));
        picture.set_duration(2);
        picture.set_picture_type(PictureType::I);
        picture.set_top_field_first(true);
        other.take(&mut picture.try_clone().expect("memory"));
        assert_eq!((other.pts(), other.duration(), other.picture_type().letter()), (Some(7), 2, 'I'));
        assert!(other.is_top_field_first() && !other.is_interlaced() && !other.is_corrupt() && !other.has_decode_errors());
        assert_eq!((other.pixel_format(), other.sample_format(), other.dimensions()), (Some(format), None, (16, 16)));
        other.rows_mut(0).expect("a plane").for_each(|row| row.fill(9));
        assert!(picture.rows(0).expect("a plane").all(|row| row.iter().all(|pixel| *pixel == 0)), "written to in a copy");
        assert_eq!((other.display_matrix(), other.metadata().is_empty(), other.hardware_frames().is_none()), (None, true, true));
        other.clear();
        assert!(!other.has_data());
    }

    #[test]
    fn sound_says_what_it_is() {
        let sound = Frame::audio(SampleFormat::FLOAT_PLANAR, 44_100, 2, 100).expect("a piece of sound");
        assert_eq!((sound.sample_format(), sound.pixel_format()), (Some(SampleFormat::FLOAT_PLANAR), None));
        assert_eq!((sound.sample_rate(), sound.samples(), sound.channel_layout().to_string()), (44_100, 100, "stereo".into()));
    }

    #[test]
    fn picture_types_have_letters() {
        let letters: String = (0..10).map(|number| PictureType::from_number(number).letter()).collect();
        assert_eq!(letters, "?IPBSipb??");
    }
}
