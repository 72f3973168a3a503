//! `AVCodecContext`: what an open decoder and an open encoder have in common.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;

use super::codec::Codec;
use super::error::AvError;
use super::frame::{ChannelLayout, PixelFormat, SampleFormat, number};
use super::option::Dictionary;
use super::{ffi, log, panic};

/// An owned context, made for one codec.
pub(in crate::libav) struct Context {
    raw: NonNull<ffi::AVCodecContext>,
    codec: Codec,
}

// SAFETY: an AVCodecContext has no thread affinity; all calls that change it take `&mut` (invariant 10).
unsafe impl Send for Context {}

impl Context {
    pub fn new(codec: Codec) -> Self {
        log::install();
        // SAFETY: the codec is a constant of the library; null means out of memory (invariant 12).
        let raw = NonNull::new(unsafe { ffi::avcodec_alloc_context3(codec.as_ptr()) });
        Self { raw: raw.unwrap_or_else(|| handle_alloc_error(Layout::new::<ffi::AVCodecContext>())), codec }
    }

    pub fn codec(&self) -> Codec {
        self.codec
    }

    pub fn as_ptr(&self) -> *const ffi::AVCodecContext {
        self.raw.as_ptr()
    }

    pub fn as_mut_ptr(&mut self) -> *mut ffi::AVCodecContext {
        self.raw.as_ptr()
    }

    pub fn raw(&self) -> &ffi::AVCodecContext {
        // SAFETY: owned and valid (invariant 10).
        unsafe { self.raw.as_ref() }
    }

    pub fn raw_mut(&mut self) -> &mut ffi::AVCodecContext {
        // SAFETY: owned and valid (invariant 10).
        unsafe { self.raw.as_mut() }
    }

    /// Opens it; entries of `options` that were used are taken out.
    pub fn open(&mut self, options: &mut Dictionary) -> Result<(), AvError> {
        // SAFETY: a context made for this codec and not opened yet; whatever the dictionary holds afterwards is its owner's
        // (invariant 10).
        let code = unsafe { ffi::avcodec_open2(self.as_mut_ptr(), self.codec.as_ptr(), options.as_mut_ptr()) };
        panic::resume();
        AvError::check(code).map(drop)
    }

    pub fn pixel_format(&self) -> Option<PixelFormat> {
        PixelFormat::from_number(number!(self.as_ptr(), pix_fmt))
    }

    pub fn sample_format(&self) -> Option<SampleFormat> {
        SampleFormat::from_number(number!(self.as_ptr(), sample_fmt))
    }

    pub fn channel_layout(&self) -> ChannelLayout {
        // SAFETY: the layout of a valid context (invariant 10).
        unsafe { ChannelLayout::copy_of(&self.raw().ch_layout) }
    }

    /// The configuration of text subtitles: fonts, colours, styles, as the head of an ASS script.
    pub fn subtitle_header(&self) -> Option<&[u8]> {
        let raw = self.raw();
        let size = usize::try_from(raw.subtitle_header_size).unwrap_or_default();
        if raw.subtitle_header.is_null() {
            return None;
        }
        // SAFETY: libavcodec keeps pointer and size in step (invariant 9).
        Some(unsafe { std::slice::from_raw_parts(raw.subtitle_header, size) })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let mut raw = self.raw.as_ptr();
        // SAFETY: owned, freed once (invariant 10).
        unsafe { ffi::avcodec_free_context(&mut raw) };
    }
}
