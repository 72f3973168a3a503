//! `AVSubtitle`: what a subtitle decoder makes, text or small pictures.

use std::borrow::Cow;

use super::call::string;
use super::ffi::{self, AVSubtitleType};
use super::packet::timestamp;

/// One subtitle. Its times are in milliseconds after its presentation timestamp, which is in microseconds.
pub struct Subtitle(ffi::AVSubtitle);

// SAFETY: plain memory without thread affinity, owned by this type (invariant 10).
unsafe impl Send for Subtitle {}

impl Subtitle {
    /// A subtitle that shows nothing.
    pub fn new() -> Self {
        let nothing = ffi::AVSubtitle {
            format: 0,
            start_display_time: 0,
            end_display_time: 0,
            num_rects: 0,
            rects: std::ptr::null_mut(),
            pts: ffi::AV_NOPTS_VALUE,
        };
        Self(nothing)
    }

    pub(in crate::libav) fn raw(&self) -> &ffi::AVSubtitle {
        &self.0
    }

    pub(in crate::libav) fn as_mut_ptr(&mut self) -> *mut ffi::AVSubtitle {
        &mut self.0
    }

    /// Drops what it shows.
    pub fn clear(&mut self) {
        // SAFETY: owned and valid; the call leaves zeros (invariant 10).
        unsafe { ffi::avsubtitle_free(&mut self.0) };
    }

    /// When it belongs, in microseconds.
    pub fn pts(&self) -> Option<i64> {
        timestamp(self.0.pts)
    }

    /// Begin, in milliseconds after [`pts`](Self::pts).
    pub fn start(&self) -> u32 {
        self.0.start_display_time
    }

    /// End, in milliseconds after [`pts`](Self::pts); `u32::MAX` = until the next one.
    pub fn end(&self) -> u32 {
        self.0.end_display_time
    }

    /// Sets the end.
    pub fn set_end(&mut self, end: u32) {
        self.0.end_display_time = end;
    }

    /// It consists of pictures, not of text.
    pub fn is_graphics(&self) -> bool {
        self.0.format == 0
    }

    /// Its parts; none means that the screen is cleared.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = Part<'_>> {
        let count = if self.0.rects.is_null() { 0 } else { self.0.num_rects as usize };
        // SAFETY: libavcodec keeps num_rects valid pointers there, which live as long as the subtitle (invariant 9).
        (0..count).map(|index| unsafe { Part(&**self.0.rects.add(index)) })
    }
}

impl Default for Subtitle {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Subtitle {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A part of a subtitle: a line of text, or a picture and where it goes.
#[derive(Clone, Copy)]
pub struct Part<'a>(&'a ffi::AVSubtitleRect);

/// A picture of a subtitle: one byte for each pixel, which is a place in the palette.
pub struct Bitmap<'a> {
    /// Pixels from the left edge.
    pub x: i32,
    /// Pixels from the upper edge.
    pub y: i32,
    /// Width in pixels.
    pub width: i32,
    /// Height in pixels.
    pub height: i32,
    /// The colours: alpha, red, green and blue from the highest byte to the lowest.
    pub palette: [u32; 256],
    rows: &'a ffi::AVSubtitleRect,
}

impl<'a> Bitmap<'a> {
    /// The rows of pixels, top down.
    pub fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        let (first, stride) = (self.rows.data[0], self.rows.linesize[0] as isize);
        let (width, height) = (usize::try_from(self.width).unwrap_or_default(), self.height.max(0) as isize);
        // SAFETY: libavcodec allocated `h` rows that lie `linesize` apart, at least `w` bytes each (invariant 9).
        (0..height).map(move |row| unsafe { std::slice::from_raw_parts(first.offset(row * stride), width) })
    }
}

impl<'a> Part<'a> {
    /// The picture, if it is one.
    pub fn bitmap(self) -> Option<Bitmap<'a>> {
        let raw = self.0;
        if raw.type_ != AVSubtitleType::SUBTITLE_BITMAP || raw.data[0].is_null() || raw.data[1].is_null() {
            return None;
        }
        // SAFETY: the second plane of a bitmap is its palette, AVPALETTE_SIZE bytes long (invariant 9).
        let palette = unsafe { raw.data[1].cast::<[u32; 256]>().read_unaligned() };
        Some(Bitmap { x: raw.x, y: raw.y, width: raw.w, height: raw.h, palette, rows: raw })
    }

    /// The plain text, if it is that.
    pub fn text(self) -> Option<Cow<'a, str>> {
        // SAFETY: null or a string that lives as long as the subtitle.
        unsafe { string(self.0.text) }
    }

    /// The line of an ASS script, if it is that.
    pub fn ass(self) -> Option<Cow<'a, str>> {
        // SAFETY: as above.
        unsafe { string(self.0.ass) }
    }
}
