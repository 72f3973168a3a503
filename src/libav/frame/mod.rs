//! `AVFrame`: uncompressed pictures and sound.

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::c_int;
use std::ptr::NonNull;

use super::error::AvError;
use super::ffi;

pub(in crate::libav) use fields::number;
pub use fields::{Color, PictureType};
pub use format::{ChannelLayout, PixelFormat, SampleFormat, parse_size};

mod fields;
mod format;

/// A picture, or a piece of sound. Its buffers are reference-counted by libav: an encoder may keep one while the frame is
/// filled anew, which then happens in a copy. The struct itself is meant to be used again and again.
pub struct Frame(NonNull<ffi::AVFrame>);

// SAFETY: an AVFrame has no thread affinity (its buffers' counts are atomic), and this type owns it (invariant 10).
unsafe impl Send for Frame {}

impl Frame {
    /// A frame without buffers.
    pub fn new() -> Self {
        // SAFETY: no preconditions; null means out of memory (invariant 14).
        let raw = NonNull::new(unsafe { ffi::av_frame_alloc() });
        Self(raw.unwrap_or_else(|| handle_alloc_error(Layout::new::<ffi::AVFrame>())))
    }

    /// A picture in memory, all bytes 0.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` for a size or format that cannot be, `AVERROR(ENOMEM)`.
    pub fn video(format: PixelFormat, width: i32, height: i32) -> Result<Self, AvError> {
        let mut frame = Self::new();
        let raw = frame.raw_mut();
        (raw.format, raw.width, raw.height) = (format.number(), width, height);
        frame.allocate()
    }

    /// Silence in `channels` channels in the default layout for that number, `samples` samples in each, all bytes 0.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` for numbers that cannot be, `AVERROR(ENOMEM)`.
    pub fn audio(format: SampleFormat, rate: i32, channels: i32, samples: i32) -> Result<Self, AvError> {
        let mut frame = Self::new();
        let raw = frame.raw_mut();
        (raw.format, raw.sample_rate, raw.nb_samples) = (format.number(), rate, samples);
        frame.set_channel_layout(&ChannelLayout::default_for(channels))?;
        frame.allocate()
    }

    fn allocate(mut self) -> Result<Self, AvError> {
        // SAFETY: owned, its format set, without buffers so far (invariant 10).
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
        self.0.as_ptr()
    }

    pub(in crate::libav) fn as_mut_ptr(&mut self) -> *mut ffi::AVFrame {
        self.0.as_ptr()
    }

    fn raw(&self) -> &ffi::AVFrame {
        // SAFETY: owned and valid (invariant 10).
        unsafe { self.0.as_ref() }
    }

    fn raw_mut(&mut self) -> &mut ffi::AVFrame {
        // SAFETY: owned and valid (invariant 10).
        unsafe { self.0.as_mut() }
    }

    /// Drops everything it holds (`av_frame_unref`).
    pub fn clear(&mut self) {
        // SAFETY: owned and valid (invariant 10).
        unsafe { ffi::av_frame_unref(self.as_mut_ptr()) };
    }

    /// Becomes another reference to what `other` holds.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`; `AVERROR(EINVAL)` for a frame without buffers.
    pub fn reference(&mut self, other: &Self) -> Result<(), AvError> {
        self.clear();
        // SAFETY: both are valid, this one is empty (invariant 10).
        AvError::check(unsafe { ffi::av_frame_ref(self.as_mut_ptr(), other.as_ptr()) }).map(drop)
    }

    /// Takes over what `other` holds; `other` is empty afterwards.
    pub fn take(&mut self, other: &mut Self) {
        self.clear();
        // SAFETY: both are valid, this one is empty (invariant 10).
        unsafe { ffi::av_frame_move_ref(self.as_mut_ptr(), other.as_mut_ptr()) };
    }

    /// Another frame that holds the same.
    ///
    /// # Errors
    /// As [`reference`](Self::reference).
    pub fn try_clone(&self) -> Result<Self, AvError> {
        let mut clone = Self::new();
        clone.reference(self)?;
        Ok(clone)
    }

    /// Takes times, side data, metadata and all else from `other` that is neither data nor its size and format
    /// (`av_frame_copy_props`).
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn copy_properties(&mut self, other: &Self) -> Result<(), AvError> {
        // SAFETY: both are valid (invariant 10).
        AvError::check(unsafe { ffi::av_frame_copy_props(self.as_mut_ptr(), other.as_ptr()) }).map(drop)
    }

    /// It holds data.
    pub fn has_data(&self) -> bool {
        !self.raw().buf[0].is_null()
    }

    /// Gives the frame buffers of its own if somebody else holds them too (`av_frame_make_writable`).
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`; `AVERROR(EINVAL)` for a frame without buffers.
    pub fn make_writable(&mut self) -> Result<(), AvError> {
        // SAFETY: owned, with buffers (invariant 10).
        AvError::check(unsafe { ffi::av_frame_make_writable(self.as_mut_ptr()) }).map(drop)
    }

    /// Where one plane of a picture begins, how far its rows lie apart, how many bytes of each are seen, and their number.
    fn plane(&self, plane: usize) -> Result<(*mut u8, isize, usize, usize), AvError> {
        let invalid = AvError::from_errno(libc::EINVAL);
        let raw = self.raw();
        let format = self.pixel_format().ok_or(invalid)?;
        let index = c_int::try_from(plane).map_err(|_| invalid)?;
        // SAFETY: looks the format up in static tables (invariant 12).
        let (planes, width) = unsafe {
            let width = ffi::av_image_get_linesize(format.to_raw(), raw.width, index);
            (ffi::av_pix_fmt_count_planes(format.to_raw()), width)
        };
        let (Some(data), Some(stride), Some(descriptor)) = (raw.data.get(plane), raw.linesize.get(plane), format.descriptor())
        else {
            return Err(invalid);
        };
        if index >= planes || data.is_null() || format.is_hardware() {
            return Err(invalid);
        }
        // As in av_image_fill_plane_sizes: the planes of colour, the second and third, may be less high.
        let shift = if matches!(plane, 1 | 2) { u32::from(descriptor.log2_chroma_h) } else { 0 };
        let height = (raw.height + (1 << shift) - 1) >> shift;
        let (width, height) = (AvError::check(width)?, AvError::check(height)?);
        Ok((*data, *stride as isize, usize::try_from(width).unwrap_or_default(), usize::try_from(height).unwrap_or_default()))
    }

    /// The rows of one plane of a picture, top down, each as long as the visible picture is wide.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` if the picture has no such plane.
    pub fn rows(&self, plane: usize) -> Result<impl Iterator<Item = &[u8]>, AvError> {
        let (first, stride, width, height) = self.plane(plane)?;
        Ok((0..height).map(move |row| {
            // SAFETY: libav allocated `height` rows that lie `stride` apart, at least `width` bytes each, and nobody writes to a
            // buffer that has more than one owner (invariant 9).
            unsafe { std::slice::from_raw_parts(first.offset(row as isize * stride), width) }
        }))
    }

    /// As [`rows`](Self::rows), to be written to.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` if the picture has no such plane, `AVERROR(ENOMEM)`.
    pub fn rows_mut(&mut self, plane: usize) -> Result<impl Iterator<Item = &mut [u8]>, AvError> {
        self.make_writable()?;
        let (first, stride, width, height) = self.plane(plane)?;
        Ok((0..height).map(move |row| {
            // SAFETY: as above; the buffer is this frame's alone and is borrowed for as long as the rows are, which do not
            // overlap (invariant 9).
            unsafe { std::slice::from_raw_parts_mut(first.offset(row as isize * stride), width) }
        }))
    }

    /// The bytes of one plane of sound: a channel of planar formats, else all channels, sample by sample.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` if the frame has no such plane.
    pub fn sound(&self, plane: usize) -> Result<&[u8], AvError> {
        let invalid = AvError::from_errno(libc::EINVAL);
        let (raw, format) = (self.raw(), self.sample_format().ok_or(invalid)?);
        let channels = usize::try_from(raw.ch_layout.nb_channels).unwrap_or_default();
        let (planes, within) = if format.is_planar() { (channels, 1) } else { (1, channels) };
        if plane >= planes || !self.has_data() {
            return Err(invalid);
        }
        let size = self.samples() * within * usize::try_from(format.bytes()).unwrap_or_default();
        // SAFETY: extended_data has one pointer for each plane of sound, to nb_samples samples of each channel in it, and nobody
        // writes to a buffer that has more than one owner (invariant 9).
        Ok(unsafe { std::slice::from_raw_parts(*raw.extended_data.add(plane), size) })
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
        if raw.nb_samples <= 0 || raw.format != SampleFormat::FLOAT_PLANAR.number() || channel >= channels {
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

impl Default for Frame {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut frame = self.0.as_ptr();
        // SAFETY: owned, freed once (invariant 10).
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
        assert_eq!((sound.sound(1).map(<[u8]>::len), sound.sound(2).is_err()), (Ok(4096), true));
        let packed = SampleFormat::by_name("s16").expect("a known format");
        let mut packed = Frame::audio(packed, 48_000, 2, 1024).expect("a piece of sound");
        assert!(packed.channel_mut(0).is_err());
        assert_eq!((packed.sound(0).map(<[u8]>::len), packed.sound(1).is_err()), (Ok(4096), true));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        let format = PixelFormat::by_name("yuv420p").expect("a known format");
        assert!(Frame::video(format, -1, 16).is_err());
        assert!(Frame::audio(SampleFormat::FLOAT_PLANAR, 48_000, 2, 0).is_err());
    }
}
