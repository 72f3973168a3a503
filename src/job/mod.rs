//! Where OAuth meets media: profiles and a plan become a running job.
//!
//! [`Session`] holds the profiles and one token feed for each that is in use; [`Session::run`] does what a
//! [`Plan`](crate::pipeline::plan::Plan) says. Everything below it knows either tokens or media, never both.

mod access;
mod authenticator;
mod build;
pub mod check;
mod detour;
mod event;
mod explain;
mod feed;
mod media;
mod network;
mod options;
pub mod probe;
mod registration;
mod report;
mod running;
mod session;
pub mod summary;

pub use authenticator::{AccessToken, Authenticator, DevicePrompt};
pub use build::{Input, Job, JobBuilder, Output};
pub use event::{Event, Events, FileIndex, LogLevel};
pub use explain::explain;
pub use media::{
    AudioFrame, Demuxer, Flow, Frame, Frames, MediaType, Muxer, Packet, Packets, StopHandle, StreamInfo, TimeBase, VideoFrame,
};
pub use options::LinkedOptions;
pub use registration::Registered;
pub use report::{Exit, FileReport, Report, TokenReport, TokenState};
pub use running::{RunningJob, Status};
pub use session::Session;
