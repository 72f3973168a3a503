//! Who looks whether the first place of a stream serves again, while the stream is read from an alternative.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::libav::demuxer::Demuxer;
use crate::shutdown::Shutdown;

use super::supervisor::Opening;
use super::watch;

/// What the scout found: the input, open and probed, and the flag by which it is broken off.
pub type Found = (Demuxer, Shutdown);

/// One look-out, for as long as one session lasts.
#[derive(Default)]
pub struct Scout {
    state: Mutex<State>,
    has_found: AtomicBool,
}

#[derive(Default)]
struct State {
    found: Option<Found>,
    /// By which an attempt is broken off.
    attempt: Option<Shutdown>,
    is_over: bool,
}

impl Scout {
    /// Tries to open `url` once in `every`, until that works or the session is over; `over` is raised when it is.
    pub fn look(&self, opening: &Opening<'_>, url: &str, every: Duration, clock: &dyn Clock, over: &Shutdown) {
        loop {
            watch::wait(every, clock, over);
            let session = opening.session();
            {
                let mut state = self.state();
                if state.is_over || over.is_requested() {
                    return;
                }
                state.attempt = Some(session.clone());
            }
            let opened = opening.open(url, &session, opening.files);
            let mut state = self.state();
            state.attempt = None;
            if let Ok(demuxer) = opened {
                state.found = Some((demuxer, session));
                self.has_found.store(true, Ordering::Release);
                return;
            }
        }
    }

    /// Is the first place back?
    pub fn has_found(&self) -> bool {
        self.has_found.load(Ordering::Acquire)
    }

    /// Ends the look-out. What it has found, if anything.
    pub fn end(&self) -> Option<Found> {
        let mut state = self.state();
        state.is_over = true;
        if let Some(attempt) = &state.attempt {
            attempt.request();
        }
        state.found.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
