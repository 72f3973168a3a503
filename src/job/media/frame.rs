//! Decoded pictures and sound.

use crate::libav::frame;

use super::TimeBase;

/// A decoded picture or piece of sound.
#[derive(Debug)]
#[non_exhaustive]
pub enum Frame {
    /// A picture.
    Video(VideoFrame),
    /// A piece of sound.
    Audio(AudioFrame),
}

/// A decoded picture. Its pixels are shared with the decoder, not copied.
pub struct VideoFrame(Common);

/// A decoded piece of sound. Its samples are shared with the decoder, not copied.
pub struct AudioFrame(Common);

struct Common {
    stream: usize,
    time_base: TimeBase,
    inner: frame::Frame,
}

impl Frame {
    pub(super) fn new(stream: usize, time_base: TimeBase, inner: frame::Frame) -> Self {
        let is_picture = inner.pixel_format().is_some();
        let common = Common { stream, time_base, inner };
        if is_picture { Self::Video(VideoFrame(common)) } else { Self::Audio(AudioFrame(common)) }
    }

    /// Which stream it belongs to.
    pub fn stream(&self) -> usize {
        self.common().stream
    }

    /// When it is shown, in its time base; guessed from the packets where they do not say so (`best_effort_timestamp`).
    pub fn pts(&self) -> Option<i64> {
        let inner = &self.common().inner;
        inner.best_effort_timestamp().or_else(|| inner.pts())
    }

    /// The unit of its times: that of its stream.
    pub fn time_base(&self) -> TimeBase {
        self.common().time_base
    }

    /// When it is shown, in seconds.
    pub fn seconds(&self) -> Option<f64> {
        self.pts().map(|pts| self.time_base().seconds(pts))
    }

    fn common(&self) -> &Common {
        let (Self::Video(VideoFrame(common)) | Self::Audio(AudioFrame(common))) = self;
        common
    }
}

impl VideoFrame {
    /// Pixels.
    pub fn width(&self) -> u32 {
        u32::try_from(self.0.inner.dimensions().0).unwrap_or_default()
    }

    /// Pixels.
    pub fn height(&self) -> u32 {
        u32::try_from(self.0.inner.dimensions().1).unwrap_or_default()
    }

    /// How the pixels lie in memory, by libavutil's name: `yuv420p`, `nv12`.
    pub fn pixel_format(&self) -> String {
        self.0.inner.pixel_format().map(frame::PixelFormat::name).unwrap_or_default()
    }

    /// It can be decoded by itself.
    pub fn is_key(&self) -> bool {
        self.0.inner.is_key()
    }

    /// The rows of one plane, top down, each as long as the visible picture is wide; none if there is no such plane, or if the
    /// picture is in the memory of a device.
    pub fn rows(&self, plane: usize) -> impl Iterator<Item = &[u8]> {
        self.0.inner.rows(plane).into_iter().flatten()
    }
}

impl AudioFrame {
    /// Samples in each channel.
    pub fn samples(&self) -> usize {
        self.0.inner.samples()
    }

    /// Samples per second.
    pub fn sample_rate(&self) -> u32 {
        u32::try_from(self.0.inner.sample_rate()).unwrap_or_default()
    }

    /// How many channels there are.
    pub fn channels(&self) -> u32 {
        u32::try_from(self.0.inner.channel_layout().channels()).unwrap_or_default()
    }

    /// How the samples lie in memory, by libavutil's name: `s16`, `fltp`.
    pub fn sample_format(&self) -> String {
        self.0.inner.sample_format().map(frame::SampleFormat::name).unwrap_or_default()
    }

    /// The bytes of one plane, in this machine's byte order: a channel of planar formats (`fltp`), else all channels, sample by
    /// sample (`s16`); none if there is no such plane.
    pub fn plane(&self, plane: usize) -> Option<&[u8]> {
        self.0.inner.sound(plane).ok()
    }
}

impl std::fmt::Debug for VideoFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("VideoFrame");
        shown.field("stream", &self.0.stream).field("size", &self.0.inner.dimensions()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for AudioFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("AudioFrame");
        shown.field("stream", &self.0.stream).field("samples", &self.samples()).finish_non_exhaustive()
    }
}
