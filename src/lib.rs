//! ffmpeg that speaks OAuth, as a library: libavformat in-process, with OAuth 2.0 tokens that are got, refreshed and swapped
//! while media runs.
//!
//! A [`Session`] is a configuration at work. In it run [`Job`]s, each the work of one ffmpeg command line; a [`Demuxer`] gives
//! packets or frames of a protected input into the hands of the caller, a [`Muxer`] takes them; an [`Authenticator`] hands out
//! tokens for requests of the caller's own. All of them share tokens, connections and one thread for HTTP; two sessions share
//! nothing. A job has a thread of its own, a stream copy no more than that one.
//!
//! ```no_run
//! use ffauth::{Config, Env, Event, Job, Session};
//!
//! # async fn example() -> Result<(), ffauth::Error> {
//! let config = Config::from_toml(
//!     r#"
//!     [profile.studio]
//!     token_url     = "https://login.example.com/token"
//!     client_id     = "ingest"
//!     client_secret = { env = "STUDIO_SECRET" }
//!     "#,
//! )?;
//! let session = Session::new(config, Env::of_process());
//!
//! let job = Job::parse("-auth studio -i https://media.example.com/live.m3u8 -c copy -f segment -segment_time 6 cam-%05d.ts")?;
//! let running = job.named("cam").start(&session)?;
//! let mut events = running.events();
//! while let Some(event) = events.next().await {
//!     if let Event::TokenSwapped(file) = event {
//!         tracing::info!(?file, "a newer token is in use");
//!     }
//! }
//! let report = running.wait().await;
//! # drop(report); Ok(()) }
//! ```
//!
//! # Layers
//!
//! ```text
//! serve  relay  cli        the daemon, the relay, the program: features, each a user of what follows
//! ─────────────────────────────────────────────────────────────────────────────────────────────────
//! job                      Session, Job, Demuxer, Muxer, Authenticator: where tokens meet media
//!   config                 profiles from TOML, the environment or code
//!   command_line           an ffmpeg command line → a plan (plain data)
//!   pipeline  loopback     ffmpeg's processing graph; a detour for DASH on old FFmpeg
//!     libav                libavformat, libavcodec, libavfilter; the only place of `unsafe`
//!       net                media HTTP that libav cannot do: redirects, confirmed uploads
//!         bearer           which origin may see which token, and the newest one, to be read without waiting
//!   oauth                  grants, client authentication, refresh, stores; knows no media
//! ```
//!
//! # The token's journey
//!
//! 1. `oauth::source` asks the token endpoint: once, however many want a token, and ahead of expiry.
//! 2. `oauth::token_endpoint` makes the request and reads the answer.
//! 3. `oauth::store` saves the token before anyone may use it: a rotated refresh token must not be lost.
//! 4. `bearer::Credential` is the token as a request carries it; what cannot stand in a header is refused there, once.
//! 5. `bearer::Slot` publishes it under the next generation.
//! 6. `libav::io` puts it on the live contexts whose origin is in scope, on the thread that reads: as libavformat opens
//!    something, between packets, and in the interrupt callback.
//! 7. libavformat writes the next request with it. A 401 tells the source which generation was refused; if a newer one exists
//!    nothing happens, so that a hundred streams cost one refresh.
//!
//! # In a service
//!
//! - Nothing is printed, and the process's environment and signals are left alone: what happens is told to `tracing` (targets
//!   `ffauth::…` and `libav`, each job in a span `job`) and as [`Event`]s.
//! - There is no global state but libav's own: its log callback is taken over with the first input or output, and hands each
//!   line to the job whose thread wrote it.
//! - Panics of code that the service brings ([`Bearer`], [`TokenStore`], [`ReadSecret`]) are errors of that call; those within a
//!   job end that job.
//! - Errors say who must act ([`Error::kind`]), whether it may pass by itself ([`Error::is_retryable`]), and what the servers
//!   said ([`Error::http_status`], [`Error::oauth_error`]). No secret is in an error, a log line or a `Debug` text.
//! - `default-features = false` leaves the program, the daemon and the relay out, with clap, anyhow and the web server.
//!
//! The public interface is what this page lists. Modules that it does not list are for the program and the tests of this crate;
//! they may change with any version.

#![warn(missing_docs)]

#[doc(hidden)]
pub mod backoff;
#[doc(hidden)]
pub mod bearer;
#[doc(hidden)]
pub mod clock;
#[doc(hidden)]
pub mod command_line;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod env;
#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod job;
#[doc(hidden)]
pub mod libav;
#[doc(hidden)]
pub mod loopback;
#[doc(hidden)]
pub mod manifest;
#[doc(hidden)]
pub mod net;
#[doc(hidden)]
pub mod oauth;
#[doc(hidden)]
pub mod origin;
#[doc(hidden)]
pub mod pipeline;
#[doc(hidden)]
pub mod redact;
#[doc(hidden)]
pub mod secret;
#[doc(hidden)]
pub mod shutdown;
#[doc(hidden)]
pub mod tls;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "relay")]
#[doc(hidden)]
pub mod relay;
#[cfg(feature = "serve")]
#[doc(hidden)]
pub mod serve;

/// Compiles the Rust of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// The public interface is:
pub use {
    config::{Config, Profile, ProfileBuilder, Value},
    env::Env,
    error::{BoxError, Error, Kind},
    job::{
        AccessToken, AudioFrame, Authenticator, Demuxer, DevicePrompt, Event, Events, Exit, FileIndex, FileReport, Flow, Frame,
        Frames, Input, Job, JobBuilder, LogLevel, MediaType, Muxer, Output, Packet, Packets, Report, RunningJob, Session, Status,
        StopHandle, StreamInfo, TimeBase, TokenReport, TokenState, VideoFrame,
    },
    libav::io::IoCounts,
    oauth::held::{Bearer, HeldToken},
    oauth::store::TokenStore,
    pipeline::{Gap, Progress, Psnr, VideoProgress},
    secret::{ReadSecret, Secret, SecretError, SecretSource},
};
