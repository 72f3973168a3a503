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
#[cfg(feature = "serve")]
pub mod serve;
pub mod shutdown;
pub mod tls;

#[cfg(feature = "cli")]
pub mod cli;

pub use config::Config;
pub use env::Env;
pub use error::{Error, Kind};
pub use job::{
    Event, Events, Exit, FileIndex, FileReport, Input, Job, JobBuilder, LogLevel, Output, Report, RunningJob, Session, Status,
    TokenReport,
};
