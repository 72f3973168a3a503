//! Filtergraphs between decoders and encoders: what they are made of here, how they are built in [`configure`], how frames get
//! in and out in [`feed`]. `ffmpeg_filter.c` of ffmpeg 5.1.

mod configure;
mod feed;
mod graph;

pub use graph::{Format, Graph, GraphInput, GraphOutput, Wanted, WantedAudio, WantedVideo};
