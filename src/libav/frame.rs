//! `AVFrame`: uncompressed pictures and sound.

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::c_int;
use std::ptr::NonNull;

use super::call::{c_string, string};
use super::error::AvError;
use super::ffi::{self, AVPixelFormat, AVSampleFormat};
use super::packet::timestamp;

/// `enum AVPixelFormat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelFormat(AVPixelFormat);

impl PixelFormat {
    /// The format of this name: `yuv420p`.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = c_string(name).ok()?;
        // SAFETY: the name lives through the call, which looks it up in a static table.
        let format = unsafe { ffi::av_get_pix_fmt(name.as_ptr()) };
        (format != AVPixelFormat::AV_PIX_FMT_NONE).then_some(Self(format))
    }

    /// Its name.
    pub fn name(self) -> String {
        // SAFETY: the name is a constant of the library or null.
        unsafe { string(ffi::av_get_pix_fmt_name(self.0)) }.unwrap_or_default().into_owned()
    }

    pub(in crate::libav) fn to_raw(self) -> AVPixelFormat {
        self.0
    }
}

/// `enum AVSampleFormat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleFormat(AVSampleFormat);

impl SampleFormat {
    /// 32-bit floating point from -1 to 1, one plane for each channel (`fltp`).
    pub const FLOAT_PLANAR: Self = Self(AVSampleFormat::AV_SAMPLE_FMT_FLTP);

    /// The format of this name: `fltp`, `s16`.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = c_string(name).ok()?;
        // SAFETY: the name lives through the call, which looks it up in a static table.
        let format = unsafe { ffi::av_get_sample_fmt(name.as_ptr()) };
        (format != AVSampleFormat::AV_SAMPLE_FMT_NONE).then_some(Self(format))
    }

    pub(in crate::libav) fn to_raw(self) -> AVSampleFormat {
        self.0
    }
}

/// A picture, or a piece of sound. Its buffers are reference-counted by libav: an encoder may keep one while the frame is
/// filled anew, which then happens in a copy.
pub struct Frame {
    raw: NonNull<ffi::AVFrame>,
    /// The enumeration's value behind `AVFrame.format`; `None` for sound.
    pixels: Option<PixelFormat>,
}

// SAFETY: an AVFrame has no thread affinity (its buffers' counts are atomic), and this type owns it.
unsafe impl Send for Frame {}

impl Frame {
    /// A frame without buffers.
    fn empty(pixels: Option<PixelFormat>) -> Self {
        // SAFETY: no preconditions; null means out of memory.
        let raw = NonNull::new(unsafe { ffi::av_frame_alloc() });
        Self { raw: raw.unwrap_or_else(|| handle_alloc_error(Layout::new::<ffi::AVFrame>())), pixels }
    }

    /// A picture in memory, all bytes 0.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` for a size or format that cannot be, `AVERROR(ENOMEM)`.
    pub fn video(format: PixelFormat, width: i32, height: i32) -> Result<Self, AvError> {
        let mut frame = Self::empty(Some(format));
        let raw = frame.raw_mut();
        (raw.format, raw.width, raw.height) = (format.0 as c_int, width, height);
        frame.allocate()
    }

    /// Silence in `channels` channels in the default layout for that number, `samples` samples in each, all bytes 0.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` for numbers that cannot be, `AVERROR(ENOMEM)`.
    pub fn audio(format: SampleFormat, rate: i32, channels: i32, samples: i32) -> Result<Self, AvError> {
        let mut frame = Self::empty(None);
        let raw = frame.raw_mut();
        (raw.format, raw.sample_rate, raw.nb_samples) = (format.0 as c_int, rate, samples);
        // SAFETY: the layout is a member of the frame, which is ours.
        unsafe { ffi::av_channel_layout_default(&mut raw.ch_layout, channels) };
        frame.allocate()
    }

    fn allocate(mut self) -> Result<Self, AvError> {
        // SAFETY: owned, its format set, without buffers so far.
        AvError::check(unsafe { ffi::av_frame_get_buffer(self.as_mut_ptr(), 0) })?;
        // What av_malloc gives is undefined; Rust may only look at bytes that were written once.
        for buffer in self.raw().buf {
            // SAFETY: each entry is null or a buffer of `size` bytes that nobody else refers to yet (invariant 9).
            unsafe {
                if let Some(buffer) = buffer.as_ref() {
                    std::ptr::write_bytes(buffer.data, 0, buffer.size);
                }
            }
        }
        Ok(self)
    }

    pub(in crate::libav) fn as_ptr(&self) -> *const ffi::AVFrame {
        self.raw.as_ptr()
    }

    fn as_mut_ptr(&mut self) -> *mut ffi::AVFrame {
        self.raw.as_ptr()
    }

    fn raw(&self) -> &ffi::AVFrame {
        // SAFETY: owned and valid.
        unsafe { self.raw.as_ref() }
    }

    fn raw_mut(&mut self) -> &mut ffi::AVFrame {
        // SAFETY: owned and valid.
        unsafe { self.raw.as_mut() }
    }

    /// Presentation timestamp, in the time base of whoever takes the frame.
    pub fn pts(&self) -> Option<i64> {
        timestamp(self.raw().pts)
    }

    /// Sets the presentation timestamp.
    pub fn set_pts(&mut self, pts: Option<i64>) {
        self.raw_mut().pts = pts.unwrap_or(ffi::AV_NOPTS_VALUE);
    }

    /// Width and height in pixels; 0 for sound.
    pub fn dimensions(&self) -> (i32, i32) {
        (self.raw().width, self.raw().height)
    }

    /// Samples in each channel; 0 for pictures.
    pub fn samples(&self) -> usize {
        usize::try_from(self.raw().nb_samples).unwrap_or_default()
    }

    /// Gives the frame buffers of its own if somebody else holds them too (`av_frame_make_writable`).
    fn make_writable(&mut self) -> Result<(), AvError> {
        // SAFETY: owned, with buffers.
        AvError::check(unsafe { ffi::av_frame_make_writable(self.as_mut_ptr()) }).map(drop)
    }

    /// The rows of one plane of a picture, top down, each as long as the visible picture is wide.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` if the picture has no such plane, `AVERROR(ENOMEM)`.
    pub fn rows_mut(&mut self, plane: usize) -> Result<impl Iterator<Item = &mut [u8]>, AvError> {
        let invalid = AvError::from_errno(libc::EINVAL);
        self.make_writable()?;
        let raw = self.raw();
        let PixelFormat(format) = self.pixels.ok_or(invalid)?;
        let index = c_int::try_from(plane).map_err(|_| invalid)?;
        // SAFETY: looks the format up in static tables.
        let (planes, width, descriptor) = unsafe {
            let width = ffi::av_image_get_linesize(format, raw.width, index);
            (ffi::av_pix_fmt_count_planes(format), width, ffi::av_pix_fmt_desc_get(format).as_ref())
        };
        let (Some(data), Some(stride), Some(descriptor)) = (raw.data.get(plane), raw.linesize.get(plane), descriptor) else {
            return Err(invalid);
        };
        if index >= planes || data.is_null() {
            return Err(invalid);
        }
        // As in av_image_fill_plane_sizes: the planes of colour, the second and third, may be less high.
        let shift = if matches!(plane, 1 | 2) { u32::from(descriptor.log2_chroma_h) } else { 0 };
        let height = (raw.height + (1 << shift) - 1) >> shift;
        let (first, width, stride) = (*data, AvError::check(width)?, *stride);
        let width = usize::try_from(width).map_err(|_| invalid)?;
        Ok((0..height).map(move |row| {
            // SAFETY: libav allocated `height` rows that lie `stride` apart, at least `width` bytes each; the buffer is this
            // frame's alone and is borrowed for as long as the rows are, which do not overlap (invariant 9).
            unsafe { std::slice::from_raw_parts_mut(first.offset(row as isize * stride as isize), width) }
        }))
    }

    /// The samples of one channel of sound in [`SampleFormat::FLOAT_PLANAR`].
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` for another format or if there is no such channel, `AVERROR(ENOMEM)`.
    pub fn channel_mut(&mut self, channel: usize) -> Result<&mut [f32], AvError> {
        let invalid = AvError::from_errno(libc::EINVAL);
        self.make_writable()?;
        let raw = self.raw();
        let channels = usize::try_from(raw.ch_layout.nb_channels).unwrap_or_default();
        if raw.nb_samples <= 0 || raw.format != SampleFormat::FLOAT_PLANAR.0 as c_int || channel >= channels {
            return Err(invalid);
        }
        // SAFETY: extended_data has one pointer for each channel of planar sound, to nb_samples aligned samples that are this
        // frame's alone (invariant 9); any bits are a float.
        unsafe {
            let data = *raw.extended_data.add(channel);
            Ok(std::slice::from_raw_parts_mut(data.cast::<f32>(), self.samples()))
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut frame = self.raw.as_ptr();
        // SAFETY: owned, freed once.
        unsafe { ffi::av_frame_free(&mut frame) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_planes_and_rows_of_its_format() {
        let format = PixelFormat::by_name("yuv420p").expect("a known format");
        assert_eq!(format.name(), "yuv420p");
        // Odd, so that the colour planes are rounded up.
        let mut picture = Frame::video(format, 33, 17).expect("a picture");
        for (plane, width, height) in [(0, 33, 17), (1, 17, 9), (2, 17, 9)] {
            let rows: Vec<_> = picture.rows_mut(plane).expect("a plane").collect();
            assert_eq!((rows.len(), rows.iter().all(|row| row.len() == width)), (height, true), "plane {plane}");
            rows.into_iter().for_each(|row| row.fill(7));
        }
        assert!(picture.rows_mut(0).expect("a plane").all(|row| row.iter().all(|pixel| *pixel == 7)));
        assert!(picture.rows_mut(3).is_err());
        assert!(picture.channel_mut(0).is_err());
    }

    #[test]
    fn sound_has_its_channels() {
        let mut sound = Frame::audio(SampleFormat::FLOAT_PLANAR, 48_000, 2, 1024).expect("a piece of sound");
        assert_eq!(sound.channel_mut(1).expect("a channel").len(), 1024);
        assert!(sound.channel_mut(2).is_err());
        assert!(sound.rows_mut(0).is_err());
        let packed = SampleFormat::by_name("s16").expect("a known format");
        assert!(Frame::audio(packed, 48_000, 2, 1024).expect("a piece of sound").channel_mut(0).is_err());
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        let format = PixelFormat::by_name("yuv420p").expect("a known format");
        assert!(Frame::video(format, -1, 16).is_err());
        assert!(Frame::audio(SampleFormat::FLOAT_PLANAR, 48_000, 2, 0).is_err());
        assert_eq!(PixelFormat::by_name("nosuch"), None);
        assert_eq!(SampleFormat::by_name("nosuch"), None);
    }
}
