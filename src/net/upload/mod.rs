//! The confirmed upload: libav's thread writes, a task of the runtime sends, and the end is the server's answer.
//!
//! An *object* (segment, playlist, init section) is held in memory and sent as a whole with `Content-Length`, so it can be
//! sent again with a new token, after a cut, or at another URL. A *stream* is sent chunked from its first byte; its beginning
//! is held up to a limit, so an early refusal can be answered by starting over, while a late one ends it. An object above its
//! limit becomes a stream. Memory is bounded by the limit and one channel ([`QUEUED`] pieces of [`PIECE`] bytes): a writer
//! that is faster than the server waits.
//!
//! What is sent again is sent by the same method to the same URL, POST too: media servers store objects under their names,
//! and an object that came twice is the lesser evil beside one that is missing.

pub(super) mod feed;
mod send;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::shutdown::Shutdown;

use super::error::NetError;
use super::{Media, Request};
use feed::Feed;
use send::Attempts;

/// Data goes to the connection in pieces of this size.
const PIECE: usize = 64 * 1024;
/// How many pieces may wait for the connection.
const QUEUED: usize = 16;

/// How the body of an upload is sent, and how much of it is held for sending again, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadMode {
    /// As a whole with `Content-Length`, at the end; chunked as soon as it is larger than this.
    Object(usize),
    /// Chunked, from the first byte on.
    Stream(usize),
}

impl UploadMode {
    /// For segments, playlists, init sections: up to 16 MiB.
    pub fn object() -> Self {
        Self::Object(16 * 1024 * 1024)
    }

    /// For one long file: its first 8 MiB are held.
    pub fn stream() -> Self {
        Self::Stream(8 * 1024 * 1024)
    }
}

/// What the server confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The status, 2xx.
    pub status: u16,
    /// The URL that took it, masked; another than the one given after a 307 or 308.
    pub url: String,
}

/// An upload under way. Dropping it before [`finish`](Self::finish) breaks it off, so that no server takes a part for the
/// whole.
pub struct Upload {
    media: Media,
    request: Request,
    stop: Shutdown,
    /// More than this is not held before sending begins.
    hold: usize,
    /// This much is held for sending again.
    limit: usize,
    state: State,
}

enum State {
    /// Nothing has been sent.
    Held(BytesMut),
    /// The task goes first when the upload is dropped: it must not take the end of the queue for a cut.
    Sending {
        task: Task,
        queue: mpsc::Sender<Bytes>,
        feed: Feed,
    },
    Failed(NetError),
}

/// A task that ends with its owner.
struct Task(JoinHandle<Result<Confirmed, NetError>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Upload {
    pub(super) fn new(media: Media, request: Request, mode: UploadMode, stop: Shutdown) -> Self {
        let (hold, limit) = match mode {
            UploadMode::Object(limit) => (limit, limit),
            UploadMode::Stream(limit) => (0, limit),
        };
        Self { media, request, stop, hold, limit, state: State::Held(BytesMut::new()) }
    }

    /// Takes the next bytes. Waits while the server is slower than the writer.
    ///
    /// # Errors
    /// Why the upload has failed already, the same error each time; [`NetError::Stopped`] when somebody asked to stop.
    pub fn write(&mut self, data: &[u8]) -> Result<(), NetError> {
        if let State::Held(held) = &mut self.state {
            if held.len() + data.len() <= self.hold {
                held.extend_from_slice(data);
                return Ok(());
            }
            let first = std::mem::take(held).freeze();
            self.state = self.begin(first);
        }
        for piece in data.chunks(PIECE) {
            let (queue, task) = match &mut self.state {
                State::Sending { queue, task, .. } => (queue, task),
                State::Failed(error) => return Err(error.clone()),
                State::Held(_) => return Err(NetError::Internal("an upload went back to holding its data".to_owned())),
            };
            let mut piece = Bytes::copy_from_slice(piece);
            if !task.0.is_finished() {
                match queue.try_send(piece) {
                    Ok(()) => continue,
                    Err(mpsc::error::TrySendError::Full(unsent) | mpsc::error::TrySendError::Closed(unsent)) => piece = unsent,
                }
            }
            let sent = self.media.block_on(&self.stop, async {
                tokio::select! {
                    biased;
                    // The task outlives the queue unless it failed.
                    ended = &mut task.0 => Err(outcome(ended).err().unwrap_or_else(early_end)),
                    sent = queue.send(piece) => sent.map_err(|_| early_end()),
                }
            });
            if let Err(error) = sent {
                self.state = State::Failed(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Ends the body and waits for the server's word.
    ///
    /// # Errors
    /// [`NetError`] names the object, and the status and words of the server that did not take it.
    pub fn finish(self) -> Result<Confirmed, NetError> {
        let Self { media, request, stop, state, .. } = self;
        match state {
            State::Held(held) => {
                let attempts = Attempts::new(&media, request, Feed::whole(held.freeze()), stop.clone());
                media.block_on(&stop, attempts.run())
            }
            State::Sending { mut task, queue, feed } => {
                feed.finish();
                drop(queue);
                media.block_on(&stop, async { outcome((&mut task.0).await) })
            }
            State::Failed(error) => Err(error),
        }
    }

    /// Begins to send a body of unknown length that starts with `first`.
    fn begin(&self, first: Bytes) -> State {
        let (queue, more) = mpsc::channel(QUEUED);
        let feed = Feed::growing(first, self.limit, None, more);
        let attempts = Attempts::new(&self.media, self.request.clone(), feed.clone(), self.stop.clone());
        State::Sending { task: Task(self.media.0.runtime.spawn(attempts.run())), queue, feed }
    }
}

fn outcome(ended: Result<Result<Confirmed, NetError>, tokio::task::JoinError>) -> Result<Confirmed, NetError> {
    ended.unwrap_or_else(|error| Err(NetError::Internal(format!("the upload ended early: {error}"))))
}

fn early_end() -> NetError {
    NetError::Internal("the upload ended before its data".to_owned())
}
