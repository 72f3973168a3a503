//! What a thread that may block gives to code that may not.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Kind, panic_text};
use crate::shutdown::Shutdown;

use super::demuxer::stopped;

/// Items that are ready before anybody asks for them.
const AHEAD: usize = 8;

/// An async stream of packets or frames, from a thread of its own. It ends after the first failure. Dropping it stops the
/// thread within a fraction of a second, whatever it waits for, and waits for nobody.
#[derive(Debug)]
pub struct Flow<T> {
    items: mpsc::Receiver<Result<T, Error>>,
    stop: Shutdown,
}

impl<T: Send + 'static> Flow<T> {
    pub(super) fn start(
        name: &str,
        stop: Shutdown,
        mut next: impl FnMut() -> Option<Result<T, Error>> + Send + 'static,
    ) -> Result<Self, Error> {
        let (sender, items) = mpsc::channel(AHEAD);
        let work = move || {
            loop {
                let next = catch_unwind(AssertUnwindSafe(&mut next)).unwrap_or_else(|panic| {
                    Some(Err(Error::new(Kind::Internal, format!("reading has come down: {}", panic_text(&*panic)))))
                });
                let Some(next) = next else { return };
                let failed = next.is_err();
                // Nobody listens any more, or nothing follows.
                if sender.blocking_send(next).is_err() || failed {
                    return;
                }
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| no_thread(&error))?;
        Ok(Self { items, stop })
    }
}

impl<T> Flow<T> {
    /// The next item; `None` at the end. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        poll_fn(|context| self.items.poll_recv(context)).await
    }
}

impl<T> Stream for Flow<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.poll_recv(context)
    }
}

impl<T> Drop for Flow<T> {
    fn drop(&mut self) {
        self.stop.request();
    }
}

/// Does something that blocks on a thread of its own; `stop` is raised when nobody waits for it any more.
pub async fn on_a_thread<T: Send + 'static>(
    name: &str,
    stop: Shutdown,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    struct Abandoned(Option<Shutdown>);
    impl Drop for Abandoned {
        fn drop(&mut self) {
            self.0.take().inspect(Shutdown::request);
        }
    }
    let mut abandoned = Abandoned(Some(stop));
    let (sender, outcome) = oneshot::channel();
    // Nobody may be waiting any more; what was opened is closed then.
    let work = move || drop(sender.send(catch_unwind(AssertUnwindSafe(work))));
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| no_thread(&error))?;
    let outcome = outcome.await;
    abandoned.0 = None;
    match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => Err(stopped()),
    }
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::new(Kind::Internal, format!("there is no thread to be had: {error}"))
}
