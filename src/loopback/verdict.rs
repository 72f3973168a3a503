//! What the job is to be told: why it cannot go on, that the stream is over, what was lost last.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Error;

/// See the module. Asked from libavformat's interrupt callback, so [`is_over`](Self::is_over) never waits.
#[derive(Default)]
pub(super) struct Verdict {
    over: AtomicBool,
    failure: Mutex<Option<Error>>,
    lost: Mutex<Option<Error>>,
}

impl Verdict {
    /// The job cannot go on. The first reason counts.
    pub(super) fn fail(&self, error: Error) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.end();
    }

    /// Nothing more is to come.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// The job goes on without something.
    pub(super) fn lose(&self, error: Error) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(super) fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn take_loss(&self) -> Option<Error> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
