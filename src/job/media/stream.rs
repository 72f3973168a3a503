//! What a demuxer says about its streams.

use crate::libav::codec;
use crate::libav::rational::Rational;
use crate::libav::stream::Stream;

/// What a stream is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaType {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Subtitles.
    Subtitle,
    /// Anything else that is timed.
    Data,
    /// A file in the container.
    Attachment,
    /// libavformat does not know.
    Unknown,
}

impl From<codec::MediaType> for MediaType {
    fn from(kind: codec::MediaType) -> Self {
        match kind {
            codec::MediaType::Video => Self::Video,
            codec::MediaType::Audio => Self::Audio,
            codec::MediaType::Subtitle => Self::Subtitle,
            codec::MediaType::Data => Self::Data,
            codec::MediaType::Attachment => Self::Attachment,
            codec::MediaType::Unknown => Self::Unknown,
        }
    }
}

/// The unit of timestamps: `num/den` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeBase {
    /// Numerator.
    pub num: i32,
    /// Denominator.
    pub den: i32,
}

impl TimeBase {
    /// A time in seconds.
    pub fn seconds(self, ticks: i64) -> f64 {
        ticks as f64 * f64::from(self.num) / f64::from(self.den)
    }
}

impl From<Rational> for TimeBase {
    fn from(Rational { num, den }: Rational) -> Self {
        Self { num, den }
    }
}

impl From<TimeBase> for Rational {
    fn from(TimeBase { num, den }: TimeBase) -> Self {
        Self::new(num, den)
    }
}

/// One stream of an input.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// Its position among the streams.
    pub index: usize,
    /// What it is made of.
    pub media_type: MediaType,
    /// libavcodec's name of its codec: `h264`.
    pub codec: String,
    /// The unit of its timestamps.
    pub time_base: TimeBase,
    /// Its first timestamp, where the container says so.
    pub start_time: Option<i64>,
    /// Its length in its time base, where the container says so.
    pub duration: Option<i64>,
    /// Pixels; 0 where there are none.
    pub width: u32,
    /// Pixels; 0 where there are none.
    pub height: u32,
    /// Pictures per second, on average.
    pub frame_rate: Option<f64>,
    /// Samples per second; 0 where there are none.
    pub sample_rate: u32,
    /// Channels of sound; 0 where there are none.
    pub channels: u32,
    /// Title, language and the like.
    pub metadata: Vec<(String, String)>,
}

impl StreamInfo {
    pub(super) fn of(stream: Stream<'_>) -> Self {
        let (width, height) = stream.dimensions();
        let number = |number: i32| u32::try_from(number).unwrap_or_default();
        let rate = stream.average_frame_rate();
        Self {
            index: stream.index(),
            media_type: stream.media_type().into(),
            codec: stream.codec().name().to_owned(),
            time_base: stream.time_base().into(),
            start_time: stream.start_time(),
            duration: stream.duration(),
            width: number(width),
            height: number(height),
            frame_rate: rate.is_positive().then(|| rate.as_f64()),
            sample_rate: stream.parameters().map_or(0, |parameters| number(parameters.sample_rate())),
            channels: number(stream.channels()),
            metadata: stream.metadata().pairs(),
        }
    }
}
