//! Media in the hands of the crate's user: packets and frames from an input, packets to an output.

mod demuxer;
mod flow;
mod frame;
mod frames;
mod muxer;
mod packet;
mod stream;

pub use demuxer::{Demuxer, Packets, StopHandle};
pub use flow::Flow;
pub use frame::{AudioFrame, Frame, VideoFrame};
pub use frames::Frames;
pub use muxer::Muxer;
pub use packet::Packet;
pub use stream::{MediaType, StreamInfo, TimeBase};
