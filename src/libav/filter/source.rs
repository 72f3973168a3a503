//! Where frames go into a graph.

use super::{Filter, Graph};
use crate::libav::error::AvError;
use crate::libav::ffi;
use crate::libav::frame::{ChannelLayout, Frame, PixelFormat, SampleFormat};
use crate::libav::hw::Frames;
use crate::libav::panic;
use crate::libav::rational::Rational;

/// The filter `buffer` or `abuffer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(Filter);

impl Source {
    /// The filter, for linking its output 0.
    pub fn filter(self) -> Filter {
        self.0
    }
}

/// What will be sent to a source.
#[derive(Clone)]
pub enum SourceParameters {
    /// Pictures.
    Video {
        /// Width in pixels.
        width: i32,
        /// Height in pixels.
        height: i32,
        /// How the pixels lie in memory.
        format: PixelFormat,
        /// Unit of the times.
        time_base: Rational,
        /// Shape of one pixel; 0/1 = unknown.
        sample_aspect_ratio: Rational,
        /// Pictures per second; 0/1 = unknown or not constant.
        frame_rate: Rational,
        /// The pool of device memory that the pictures come from.
        hardware_frames: Option<Frames>,
    },
    /// Sound.
    Audio {
        /// How the samples lie in memory.
        format: SampleFormat,
        /// Samples per second.
        rate: i32,
        /// The channels.
        layout: ChannelLayout,
        /// Unit of the times.
        time_base: Rational,
    },
}

impl SourceParameters {
    fn kind_and_arguments(&self) -> (&'static str, String) {
        match self {
            Self::Video { width, height, format, time_base, sample_aspect_ratio, frame_rate, .. } => {
                let aspect = if sample_aspect_ratio.den == 0 { Rational::new(0, 1) } else { *sample_aspect_ratio };
                let mut arguments = format!(
                    "video_size={width}x{height}:pix_fmt={}:time_base={time_base}:pixel_aspect={aspect}",
                    format.number()
                );
                if frame_rate.num != 0 && frame_rate.den != 0 {
                    arguments += &format!(":frame_rate={frame_rate}");
                }
                ("buffer", arguments)
            }
            Self::Audio { format, rate, layout, time_base } => {
                let channels = if layout.is_valid() && !layout.is_unordered() {
                    format!("channel_layout={layout}")
                } else {
                    format!("channels={}", layout.channels())
                };
                ("abuffer", format!("time_base={time_base}:sample_rate={rate}:sample_fmt={}:{channels}", format.name()))
            }
        }
    }
}

impl Graph {
    /// Adds a source.
    ///
    /// # Errors
    /// libavfilter's, which has logged the reason.
    pub fn add_source(&mut self, name: &str, parameters: &SourceParameters) -> Result<Source, AvError> {
        let (kind, arguments) = parameters.kind_and_arguments();
        let filter = self.add(kind, name, Some(&arguments))?;
        if let SourceParameters::Video { hardware_frames: Some(frames), .. } = parameters {
            let context = self.context(filter)?;
            // SAFETY: a buffer source of this graph; the parameters are ours to free, and the call takes a reference of its own
            // (invariants 11 and 16).
            unsafe {
                let set = (self.library.av_buffersrc_parameters_alloc)();
                if set.is_null() {
                    return Err(AvError::from_errno(libc::ENOMEM));
                }
                (*set).hw_frames_ctx = frames.as_ptr();
                let code = (self.library.av_buffersrc_parameters_set)(context, set);
                ffi::av_free(set.cast());
                AvError::check(code)?;
            }
        }
        Ok(Source(filter))
    }

    /// The context of a source (invariant 16).
    fn source(&self, source: Source) -> Result<*mut ffi::AVFilterContext, AvError> {
        let context = self.context(source.0)?;
        // SAFETY: a filter of this graph, whose kind is a constant of the library (invariants 12 and 16).
        let is_source = self.ends.sources.contains(&unsafe { (*context).filter });
        if is_source { Ok(context) } else { Err(AvError::from_errno(libc::EINVAL)) }
    }

    /// Sends a frame, which is empty afterwards, as far through the graph as it will go.
    ///
    /// # Errors
    /// [`AvError::EOF`] if nobody wants its frames any more, `AVERROR(EINVAL)` if the source was closed; libavfilter's.
    pub fn send(&mut self, source: Source, frame: &mut Frame) -> Result<(), AvError> {
        self.add_frame(source, frame, ffi::AV_BUFFERSRC_FLAG_PUSH as i32)
    }

    /// As [`send`](Self::send), but the frame keeps what it holds.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_copy(&mut self, source: Source, frame: &Frame) -> Result<(), AvError> {
        let mut copy = frame.try_clone()?;
        self.send(source, &mut copy)
    }

    /// As [`send`](Self::send), but the frame waits at the source until a sink asks for it.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn queue(&mut self, source: Source, frame: &mut Frame) -> Result<(), AvError> {
        self.add_frame(source, frame, 0)
    }

    fn add_frame(&mut self, source: Source, frame: &mut Frame, flags: i32) -> Result<(), AvError> {
        let context = self.source(source)?;
        // SAFETY: a source of this graph and a valid frame, whose references the call takes over if it succeeds (invariant 16).
        let code = unsafe { (self.library.av_buffersrc_add_frame_flags)(context, frame.as_mut_ptr(), flags) };
        panic::resume();
        AvError::check(code)?;
        frame.clear();
        Ok(())
    }

    /// Says that there are no more frames for `source`; they ended at `pts`.
    ///
    /// # Errors
    /// libavfilter's.
    pub fn close(&mut self, source: Source, pts: Option<i64>) -> Result<(), AvError> {
        let context = self.source(source)?;
        let pts = pts.unwrap_or(ffi::AV_NOPTS_VALUE);
        // SAFETY: a source of this graph (invariant 16).
        let code = unsafe { (self.library.av_buffersrc_close)(context, pts, ffi::AV_BUFFERSRC_FLAG_PUSH as u32) };
        panic::resume();
        AvError::check(code).map(drop)
    }

    /// How often a frame was wanted of `source` since the last one that was sent, and none was there.
    pub fn failed_requests(&self, source: Source) -> u32 {
        // SAFETY: a source of this graph, which is read (invariant 16).
        self.source(source).map_or(0, |context| unsafe { (self.library.av_buffersrc_get_nb_failed_requests)(context) })
    }
}
