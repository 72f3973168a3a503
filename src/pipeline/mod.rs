//! ffmpeg's processing graph in safe Rust.

pub mod plan;
