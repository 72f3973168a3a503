//! What a running job tells whoever listens: bounded queues, so that a slow listener loses events and media loses nothing.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use crate::pipeline::{Gap, Progress};

use super::Exit;

/// Something that happened in a running job.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// All files are open and all headers written.
    Started,
    /// How far it is: after [`Event::Started`], every `-stats_period` (0.5 s) in which media moves, and at the end. One that has
    /// not been read when the next one comes is replaced by it.
    Progress(Box<Progress>),
    /// From here on the requests for this file carry a newer token.
    TokenSwapped(FileIndex),
    /// The media server refused a token of this file (401); a newer one is asked for.
    TokenRefused(FileIndex),
    /// A connection of this file was taken up again.
    Reconnected(FileIndex),
    /// An input of `-ingest_for` was opened again: its position among the inputs.
    Reopened(usize),
    /// Media is missing from an input: its position among the inputs, and where.
    Gap(usize, Gap),
    /// A line of the log that says that something is wrong. Secrets in it are masked.
    Log(LogLevel, String),
    /// The description (SDP) that receivers of RTP outputs need.
    SessionDescription(String),
    /// So many events were not read in time and are lost.
    Missed(u64),
    /// It is over; no event follows. What it did is in the [`Report`](super::Report).
    Finished(Exit),
}

/// A file of a job, by its position among the inputs or outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileIndex {
    /// An input.
    Input(usize),
    /// An output.
    Output(usize),
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LogLevel {
    /// Something looks wrong.
    Warning,
    /// Something failed.
    Error,
    /// The job cannot go on.
    Fatal,
}

/// Events that nobody has read yet, at most.
const CAPACITY: usize = 256;

/// The events of a job, from the moment on when this was made. An async [`Stream`], or one by one with [`next`](Self::next) or
/// [`next_blocking`](Self::next_blocking). It ends after [`Event::Finished`].
#[derive(Debug)]
pub struct Events(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    events: VecDeque<Event>,
    missed: u64,
    is_over: bool,
    waker: Option<Waker>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: Event) {
        let mut state = self.lock();
        state.is_over |= matches!(event, Event::Finished(_));
        match (state.events.back_mut(), event) {
            (Some(Event::Progress(older)), Event::Progress(newer)) => *older = newer,
            (_, event) => {
                if state.events.len() == CAPACITY {
                    state.events.pop_front();
                    state.missed += 1;
                }
                state.events.push_back(event);
            }
        }
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl QueueState {
    /// The next event; `Pending` until there is one or it is over.
    fn take(&mut self) -> Poll<Option<Event>> {
        if self.missed > 0 {
            return Poll::Ready(Some(Event::Missed(std::mem::take(&mut self.missed))));
        }
        match self.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if self.is_over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Events {
    /// The next event; `None` after the last one. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| self.poll(context)).await
    }

    /// The next event; `None` after the last one. Blocks.
    pub fn next_blocking(&mut self) -> Option<Event> {
        let mut state = self.0.lock();
        loop {
            if let Poll::Ready(event) = state.take() {
                return event;
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut state = self.0.lock();
        let next = state.take();
        if next.is_pending() {
            state.waker = Some(context.waker().clone());
        }
        next
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll(context)
    }
}

/// Everybody who listens to a job.
#[derive(Debug, Default)]
pub struct Listeners(Mutex<Vec<Weak<Queue>>>);

impl Listeners {
    /// One more, who hears what is told from now on; nothing but the end, where there was one.
    pub fn listen(&self, ended: Option<Exit>) -> Events {
        let queue = Arc::new(Queue::default());
        match ended {
            Some(exit) => queue.push(Event::Finished(exit)),
            None => self.lock().push(Arc::downgrade(&queue)),
        }
        Events(queue)
    }

    /// Tells everybody. Waits for nobody.
    pub fn tell(&self, event: &Event) {
        self.lock().retain(|queue| queue.upgrade().inspect(|queue| queue.push(event.clone())).is_some());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Queue>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(mut events: Events) -> Vec<Event> {
        std::iter::from_fn(|| events.next_blocking()).collect()
    }

    #[test]
    fn everybody_hears_what_comes_after_they_began_to_listen() {
        let listeners = Listeners::default();
        let early = listeners.listen(None);
        listeners.tell(&Event::Started);
        let late = listeners.listen(None);
        drop(listeners.listen(None));
        listeners.tell(&Event::Finished(Exit::Eof));
        assert_eq!(drain(early), [Event::Started, Event::Finished(Exit::Eof)]);
        assert_eq!(drain(late), [Event::Finished(Exit::Eof)]);
        assert_eq!(drain(listeners.listen(Some(Exit::Error))), [Event::Finished(Exit::Error)]);
    }

    #[test]
    fn a_slow_listener_misses_the_oldest_events_and_is_told() {
        let listeners = Listeners::default();
        let events = listeners.listen(None);
        (0..CAPACITY + 4).for_each(|index| listeners.tell(&Event::Reopened(index)));
        listeners.tell(&Event::Finished(Exit::Eof));
        let heard = drain(events);
        assert_eq!(heard[..2], [Event::Missed(5), Event::Reopened(5)]);
        assert_eq!((heard.len(), heard.last()), (CAPACITY + 1, Some(&Event::Finished(Exit::Eof))));
    }

    #[test]
    fn progress_that_was_not_read_is_replaced() {
        let listeners = Listeners::default();
        let events = listeners.listen(None);
        let progress = |size| Event::Progress(Box::new(Progress { size: Some(size), ..Progress::default() }));
        (0..1000).for_each(|size| listeners.tell(&progress(size)));
        listeners.tell(&Event::Finished(Exit::Eof));
        assert_eq!(drain(events), [progress(999), Event::Finished(Exit::Eof)]);
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let listeners = Arc::new(Listeners::default());
        let mut events = listeners.listen(None);
        let reader = tokio::spawn(async move { (events.next().await, events.next().await, events.next().await) });
        tokio::task::yield_now().await;
        let teller = Arc::clone(&listeners);
        std::thread::spawn(move || teller.tell(&Event::Started)).join().expect("no panic");
        listeners.tell(&Event::Finished(Exit::Eof));
        assert_eq!(reader.await.expect("no panic"), (Some(Event::Started), Some(Event::Finished(Exit::Eof)), None));
    }
}
