//! ffmpeg that speaks OAuth.

pub mod backoff;
pub mod bearer;
pub mod clock;
pub mod env;
pub mod error;
pub mod libav;
pub mod oauth;
pub mod origin;
pub mod pipeline;
pub mod redact;
pub mod secret;
pub mod shutdown;
