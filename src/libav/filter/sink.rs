//! Where frames come out of a graph.

use std::ffi::{c_int, c_uint};

use super::{Filter, Graph};
use crate::libav::codec::MediaType;
use crate::libav::error::AvError;
use crate::libav::ffi;
use crate::libav::frame::{ChannelLayout, Frame, PixelFormat, SampleFormat};
use crate::libav::hw::Frames;
use crate::libav::panic;
use crate::libav::rational::Rational;

/// The filter `buffersink` or `abuffersink`. What comes out is known when the graph is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sink(Filter);

impl Sink {
    /// The filter, for linking its input 0.
    pub fn filter(self) -> Filter {
        self.0
    }
}

/// What a graph had to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A frame.
    Frame,
    /// Nothing for now: a source has to be sent some.
    Again,
    /// There will be no more.
    End,
}

impl Received {
    pub(super) fn from_code(code: c_int) -> Result<Self, AvError> {
        match AvError::check(code) {
            Ok(_) => Ok(Self::Frame),
            Err(error) if error.is_again() => Ok(Self::Again),
            Err(AvError::EOF) => Ok(Self::End),
            Err(error) => Err(error),
        }
    }
}

impl Graph {
    /// Adds a sink for pictures or sound.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` for another kind; `AVERROR(ENOMEM)`.
    pub fn add_sink(&mut self, name: &str, media_type: MediaType) -> Result<Sink, AvError> {
        let kind = match media_type {
            MediaType::Video => "buffersink",
            MediaType::Audio => "abuffersink",
            _ => return Err(AvError::from_errno(libc::EINVAL)),
        };
        self.add(kind, name, None).map(Sink)
    }

    /// As [`add_sink`](Self::add_sink), for a sink of sound that takes any number of channels
    /// (`all_channel_counts`), also those that have no order.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn add_sound_sink(&mut self, name: &str) -> Result<Sink, AvError> {
        let mut options = [("all_channel_counts", "1")].into_iter().collect();
        self.add_with("abuffersink", name, &mut options).map(Sink)
    }

    /// The context of a sink (invariant 16).
    fn sink(&self, sink: Sink) -> Result<*mut ffi::AVFilterContext, AvError> {
        let context = self.context(sink.0)?;
        // SAFETY: a filter of this graph, whose kind is a constant of the library (invariants 12 and 16).
        let is_sink = self.ends.sinks.contains(&unsafe { (*context).filter });
        // The facts of a sink are those of the link that leads to it.
        // SAFETY: a filter has as many links as it says, null where nothing is linked (invariant 10).
        let is_linked = unsafe { (*context).nb_inputs > 0 && !(*(*context).inputs).is_null() };
        if is_sink && is_linked { Ok(context) } else { Err(AvError::from_errno(libc::EINVAL)) }
    }

    /// Takes a frame; `request`: also lets the filters before it work for one.
    ///
    /// # Errors
    /// libavfilter's.
    pub fn receive(&mut self, sink: Sink, frame: &mut Frame, request: bool) -> Result<Received, AvError> {
        let context = self.sink(sink)?;
        frame.clear();
        let flags = if request { 0 } else { ffi::AV_BUFFERSINK_FLAG_NO_REQUEST };
        // SAFETY: a sink of this graph and a valid, empty frame (invariant 16).
        let code = unsafe { (self.library.av_buffersink_get_frame_flags)(context, frame.as_mut_ptr(), flags) };
        panic::resume();
        Received::from_code(code)
    }

    /// Makes the frames of sound that come out so many samples long, the last one excepted.
    pub fn set_frame_size(&mut self, sink: Sink, samples: i32) {
        if let Ok(context) = self.sink(sink) {
            let samples = c_uint::try_from(samples).unwrap_or_default();
            // SAFETY: a sink of this graph (invariant 16).
            unsafe { (self.library.av_buffersink_set_frame_size)(context, samples) };
        }
    }

    /// Pictures or sound?
    pub fn media_type(&self, sink: Sink) -> MediaType {
        let get = self.library.av_buffersink_get_type;
        // SAFETY: a sink of this graph, which is read; so below (invariant 16).
        self.sink(sink).map_or(MediaType::Unknown, |context| MediaType::from_raw(unsafe { get(context) }))
    }

    /// Unit of the times.
    pub fn time_base(&self, sink: Sink) -> Rational {
        let get = self.library.av_buffersink_get_time_base;
        // SAFETY: as in media_type (invariant 16).
        self.sink(sink).map_or(Rational::default(), |context| unsafe { get(context) }.into())
    }

    /// Pictures per second; 0/1 or 1/0 = unknown or not constant.
    pub fn frame_rate(&self, sink: Sink) -> Rational {
        let get = self.library.av_buffersink_get_frame_rate;
        // SAFETY: as in media_type (invariant 16).
        self.sink(sink).map_or(Rational::default(), |context| unsafe { get(context) }.into())
    }

    /// Shape of one pixel; 0/1 = unknown.
    pub fn sample_aspect_ratio(&self, sink: Sink) -> Rational {
        let get = self.library.av_buffersink_get_sample_aspect_ratio;
        // SAFETY: as in media_type (invariant 16).
        self.sink(sink).map_or(Rational::default(), |context| unsafe { get(context) }.into())
    }

    /// Width and height in pixels; 0 for sound.
    pub fn dimensions(&self, sink: Sink) -> (i32, i32) {
        let (width, height) = (self.library.av_buffersink_get_w, self.library.av_buffersink_get_h);
        // SAFETY: as in media_type (invariant 16).
        self.sink(sink).map_or((0, 0), |context| unsafe { (width(context), height(context)) })
    }

    fn format(&self, sink: Sink) -> c_int {
        let get = self.library.av_buffersink_get_format;
        // SAFETY: as in media_type (invariant 16).
        self.sink(sink).map_or(-1, |context| unsafe { get(context) })
    }

    /// How the pixels lie in memory.
    pub fn pixel_format(&self, sink: Sink) -> Option<PixelFormat> {
        if self.media_type(sink) == MediaType::Video { PixelFormat::from_number(self.format(sink)) } else { None }
    }

    /// How the samples lie in memory.
    pub fn sample_format(&self, sink: Sink) -> Option<SampleFormat> {
        if self.media_type(sink) == MediaType::Audio { SampleFormat::from_number(self.format(sink)) } else { None }
    }

    /// Samples per second.
    pub fn sample_rate(&self, sink: Sink) -> i32 {
        let get = self.library.av_buffersink_get_sample_rate;
        // SAFETY: as in media_type (invariant 16).
        self.sink(sink).map_or(0, |context| unsafe { get(context) })
    }

    /// The channels.
    pub fn channel_layout(&self, sink: Sink) -> ChannelLayout {
        let get = self.library.av_buffersink_get_ch_layout;
        let mut layout = ChannelLayout::default();
        if let Ok(context) = self.sink(sink) {
            // SAFETY: as in media_type; the layout is ours and empty, and stays so if memory runs out (invariant 16).
            unsafe { get(context, layout.as_mut_ptr()) };
        }
        layout
    }

    /// The pool of device memory that the pictures are in.
    pub fn hardware_frames(&self, sink: Sink) -> Option<Frames> {
        let get = self.library.av_buffersink_get_hw_frames_ctx;
        // SAFETY: as in media_type; the reference belongs to the graph (invariant 16).
        self.sink(sink).ok().and_then(|context| unsafe { Frames::from_shared(get(context)) })
    }
}
