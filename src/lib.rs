//! ffmpeg that speaks OAuth.

pub mod backoff;
pub mod bearer;
pub mod clock;
pub mod command_line;
pub mod config;
pub mod env;
pub mod error;
pub mod job;
pub mod libav;
pub mod loopback;
pub mod net;
pub mod oauth;
pub mod origin;
pub mod pipeline;
pub mod redact;
pub mod secret;
pub mod shutdown;
pub mod tls;

#[cfg(feature = "cli")]
pub mod cli;

pub use config::{Config, Profile, ProfileBuilder, Value};
pub use env::Env;
pub use error::{BoxError, Error, Kind};
pub use job::{
    AccessToken, AudioFrame, Authenticator, Demuxer, DevicePrompt, Event, Events, Exit, FileIndex, FileReport, Flow, Frame,
    Frames, Input, Job, JobBuilder, LogLevel, MediaType, Muxer, Output, Packet, Packets, Report, RunningJob, Session, Status,
    StopHandle, StreamInfo, TimeBase, TokenReport, VideoFrame,
};
pub use oauth::held::{Bearer, HeldToken};
pub use oauth::store::TokenStore;
pub use secret::{ReadSecret, Secret, SecretSource};
