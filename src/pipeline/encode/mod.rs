//! Encoders of output streams: what the options say of one in [`settings`] and of the graph before it in [`graph`], how it is
//! opened once its input is known in [`open`], what goes into it in [`frames`] and [`subtitles`](super::subtitle), the thread
//! that it works on in [`worker`], what comes out in [`packets`], and the order in which that leaves in [`order`].

mod frames;
mod graph;
mod key_frames;
mod open;
mod order;
mod packets;
mod settings;
mod statistics;
mod worker;

pub use graph::{joined, resampler_options, scaler_options};
pub use key_frames::KeyFrames;
pub use order::{Order, Waiting};
pub use settings::Context;
pub use statistics::VideoStats;
pub use statistics::{StatsFile, psnr};
pub use worker::{Desk, Worker};

use std::fs::File;

use crate::libav::codec::Codec;
use crate::libav::encoder::Configuration;
use crate::libav::frame::{ChannelLayout, Frame};
use crate::libav::option::Dictionary;
use crate::libav::rational::Rational;

use super::sync::Pacer;

/// The encoding of an output stream.
pub struct Encoding {
    /// The encoder.
    pub codec: Codec,
    /// The graph output that its frames come from: (graph, output); `None` for subtitles.
    pub graph: Option<(usize, usize)>,
    /// Its AVOptions.
    pub options: Dictionary,
    /// What the options say, until it is opened.
    configuration: Option<Configuration>,
    /// It works, once it is open.
    pub worker: Option<Worker>,
    /// What it turned out to be when it was opened.
    pub facts: Facts,
    /// The time of the next frame, in its time base.
    pub next: i64,
    /// Frames given to it.
    pub frames: u64,
    /// Samples given to it.
    pub samples: u64,
    /// Packets that came out.
    pub packets: u64,
    /// What only pictures need.
    pub video: Option<Box<Video>>,
    /// `-bits_per_raw_sample`; 0 = as decoded.
    bits_per_raw_sample: i32,
    /// `-enc_time_base`.
    time_base: Option<Rational>,
    /// Where the first of two passes writes its statistics.
    pass_log: Option<File>,
    /// `-s` of subtitles.
    subtitle_size: Option<(i32, i32)>,
}

/// See [`Encoding::facts`].
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Unit of its frames' and packets' times; 0/1 before it is open.
    pub time_base: Rational,
    /// Samples of each frame of sound; 0 = any number.
    pub frame_size: i32,
    /// `-q` of pictures, in the encoder's unit.
    pub global_quality: i32,
    /// Width and height in pixels.
    pub size: (i32, i32),
    /// Channels.
    pub layout: ChannelLayout,
    /// Its packets tell how far they are from the source.
    pub tells_psnr: bool,
    /// It only collects statistics for another pass.
    pub is_first_pass: bool,
}

/// What only the encoding of pictures needs.
pub struct Video {
    /// `-r`, and once it is open the rate that it has.
    pub frame_rate: Rational,
    /// `-fpsmax`.
    max_rate: Option<Rational>,
    /// `-force_fps`.
    force_rate: bool,
    /// How many pictures are shown of each that comes.
    pub pacer: Pacer,
    /// The picture before.
    pub last: Frame,
    /// `-force_key_frames`.
    pub key_frames: KeyFrames,
    /// `-top`.
    top_field_first: i32,
    /// `-aspect`.
    pub aspect: Option<Rational>,
    /// `-vf`, `-filter` or `-filter_script` stands for the stream.
    pub has_filters: bool,
    /// What the last packet told.
    pub stats: VideoStats,
}
