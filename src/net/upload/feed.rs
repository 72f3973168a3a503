//! The body of an upload, which can be read again from its start as long as all that was read is held.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

use super::PIECE;

/// What a piece costs beside its bytes, so that a flood of tiny ones stays within the limit as well.
const OVERHEAD: usize = 64;

/// Where the bodies of all attempts come from. Only the latest attempt reads: an older connection may still be dying.
#[derive(Clone)]
pub(in crate::net) struct Feed(Arc<Mutex<State>>);

struct State {
    /// All that was read, in order, while `lost` is false.
    held: Vec<Bytes>,
    size: usize,
    limit: usize,
    /// `None` once the end is held.
    more: Option<mpsc::Receiver<Bytes>>,
    /// The writer has said that there is no more. A writer that is merely gone left a part.
    finished: bool,
    /// The length, where it is known beforehand.
    length: Option<u64>,
    attempt: u64,
    lost: bool,
    /// The connection waits for the writer, so that its silence is not the server's.
    hungry: bool,
    reads: u64,
}

/// One attempt's body.
pub(in crate::net) struct Body {
    feed: Feed,
    attempt: u64,
    pause: Option<Pin<Box<Sleep>>>,
    next: usize,
    offset: usize,
    length: Option<u64>,
    ended: Option<oneshot::Sender<()>>,
}

/// The connection must not end the body as if it were complete.
#[derive(Debug, thiserror::Error)]
pub(in crate::net) enum BrokenOff {
    #[error("another attempt has the body now")]
    Superseded,
    #[error("the writer is gone")]
    Abandoned,
}

impl Feed {
    /// A body that is complete.
    pub(super) fn whole(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        Self::with(bytes, usize::MAX, None, Some(length))
    }

    /// A body that begins with `first` and goes on with what comes through `more`; at most `limit` bytes are held. `length`: that
    /// of the whole, if it is known.
    pub(in crate::net) fn growing(first: Bytes, limit: usize, length: Option<u64>, more: mpsc::Receiver<Bytes>) -> Self {
        Self::with(first, limit, Some(more), length)
    }

    fn with(first: Bytes, limit: usize, more: Option<mpsc::Receiver<Bytes>>, length: Option<u64>) -> Self {
        let (size, held) = (first.len(), if first.is_empty() { Vec::new() } else { vec![first] });
        let state = State { held, size, limit, more, finished: false, length, attempt: 0, lost: false, hungry: false, reads: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The body from its start for another attempt, and the news that it was read to its end; `None` if its start is lost.
    /// Nothing of it is given before `pause` is over.
    pub(in crate::net) fn begin(&self, pause: Duration) -> Option<(Body, oneshot::Receiver<()>)> {
        if !self.withdraw() {
            return None;
        }
        let state = self.lock();
        let (ended, end) = oneshot::channel();
        let (attempt, length) = (state.attempt, state.length);
        let mut ended = Some(ended);
        note_end(&mut ended, 0, &state);
        let pause = (!pause.is_zero()).then(|| Box::pin(tokio::time::sleep(pause)));
        Some((Body { feed: self.clone(), attempt, pause, next: 0, offset: 0, length, ended }, end))
    }

    /// Says that what was written is all. To be called before the channel closes.
    pub(in crate::net) fn finish(&self) {
        self.lock().finished = true;
    }

    /// Takes the body away from the attempt that has it. Can it be read again?
    pub(in crate::net) fn withdraw(&self) -> bool {
        let mut state = self.lock();
        state.attempt += 1;
        state.hungry = false;
        !state.lost
    }

    /// The length, where it is known beforehand.
    pub(in crate::net) fn length(&self) -> Option<u64> {
        self.lock().length
    }

    /// The most that is held.
    pub(super) fn limit(&self) -> usize {
        self.lock().limit
    }

    /// How often the connection took data, and whether it waits for more from the writer.
    pub(super) fn pulse(&self) -> (u64, bool) {
        let state = self.lock();
        (state.reads, state.hungry)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the next piece from the writer, and holds it if there is room.
    fn read_more(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BrokenOff>> {
        let Some(more) = &mut self.more else { return Poll::Ready(Ok(None)) };
        let piece = match more.poll_recv(context) {
            Poll::Ready(piece) => piece,
            Poll::Pending => {
                self.hungry = true;
                return Poll::Pending;
            }
        };
        self.hungry = false;
        let Some(piece) = piece else {
            if !self.finished {
                // Nobody wants it any more, and a part must not be sent again.
                self.lost = true;
                return Poll::Ready(Err(BrokenOff::Abandoned));
            }
            self.more = None;
            return Poll::Ready(Ok(None));
        };
        if !self.lost && self.size + piece.len() + OVERHEAD <= self.limit {
            self.size += piece.len() + OVERHEAD;
            self.held.push(piece.clone());
        } else {
            self.lost = true;
            self.held = Vec::new();
        }
        Poll::Ready(Ok(Some(piece)))
    }
}

/// Tells that the body was read to its end. The connection does not ask again after the last byte of a known length, so the
/// last byte is the end.
fn note_end(ended: &mut Option<oneshot::Sender<()>>, next: usize, state: &State) {
    if state.more.is_none()
        && next >= state.held.len()
        && let Some(ended) = ended.take()
    {
        // Whoever waited may be gone.
        let _ = ended.send(());
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let body = &mut *self;
        if let Some(pause) = &mut body.pause {
            ready!(pause.as_mut().poll(context));
            body.pause = None;
        }
        let mut state = body.feed.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.attempt != body.attempt {
            return Poll::Ready(Some(Err(BrokenOff::Superseded)));
        }
        state.reads += 1;
        // Once the start is lost, this attempt has read all that was held.
        if let Some(piece) = state.held.get(body.next) {
            let end = piece.len().min(body.offset + PIECE);
            let slice = piece.slice(body.offset..end);
            (body.next, body.offset) = if end == piece.len() { (body.next + 1, 0) } else { (body.next, end) };
            note_end(&mut body.ended, body.next, &state);
            return Poll::Ready(Some(Ok(Frame::data(slice))));
        }
        let piece = match ready!(state.read_more(context)) {
            Ok(piece) => piece,
            Err(broken) => return Poll::Ready(Some(Err(broken))),
        };
        body.next = state.held.len();
        note_end(&mut body.ended, body.next, &state);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        // Asked for before the first frame only, to choose between Content-Length and chunks.
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
