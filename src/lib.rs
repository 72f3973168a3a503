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
pub mod manifest;
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
#[cfg(feature = "relay")]
pub mod relay;

pub use config::{Config, Profile, ProfileBuilder, Value};
pub use env::Env;
pub use error::{BoxError, Error, Kind};
pub use job::{
    AccessToken, Authenticator, DevicePrompt, Event, Events, Exit, FileIndex, FileReport, Input, Job, JobBuilder, LogLevel,
    Output, Report, RunningJob, Session, Status, TokenReport,
};
pub use oauth::held::{Bearer, HeldToken};
pub use oauth::store::TokenStore;
pub use secret::{ReadSecret, Secret, SecretSource};
