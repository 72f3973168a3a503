//! What does the input and output of a session: a runtime on one thread, shared by all its tokens, uploads and redirects.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};

use crate::error::{Error, Kind};
use crate::net::Media;
use crate::shutdown::Shutdown;

use super::session::Feeds;

/// How long a token request that is under way at the end may take: a refresh token that is used up and whose successor is lost
/// costs a login. One that takes longer is left to its fate; the next process finds it marked in the store.
const SETTLING: Duration = Duration::from_secs(3);

/// Token requests, refreshes and what libav cannot do of HTTP need little stack.
const STACK: usize = 1 << 20;

/// The runtime, and the HTTP client on it.
#[derive(Clone)]
pub struct Network {
    pub runtime: Handle,
    pub media: Media,
}

impl Network {
    /// On a runtime that somebody else drives.
    pub fn on(runtime: Handle) -> Self {
        let media = Media::new(runtime.clone());
        Self { runtime, media }
    }

    /// On a thread of its own, which ends when `over` is raised and the token requests of `feeds` are settled.
    ///
    /// # Errors
    /// There is no thread or no runtime to be had.
    pub fn start(over: Shutdown, feeds: Arc<Feeds>) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::new(Kind::Internal, format!("the runtime cannot be started: {error}"));
        let (started, handle) = mpsc::channel();
        let drive = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                // Whoever waits is told; nobody else can be.
                Err(error) => return drop(started.send(Err(error))),
            };
            if started.send(Ok(runtime.handle().clone())).is_err() {
                return;
            }
            runtime.block_on(async {
                over.requested().await;
                let _ = tokio::time::timeout(SETTLING, feeds.settled()).await;
            });
            // A name lookup that stands still must not hold the end up.
            runtime.shutdown_background();
        };
        thread::Builder::new().name("ffauth-net".to_owned()).stack_size(STACK).spawn(drive).map_err(failed)?;
        let runtime = handle.recv().map_err(|_| Error::new(Kind::Internal, "the thread of the runtime has ended"))?;
        Ok(Self::on(runtime.map_err(failed)?))
    }
}
