//! The contexts that are open right now, and the swap of their `headers`.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;

use crate::bearer::HeaderLines;
use crate::libav::error::AvError;
use crate::libav::ffi;
use crate::libav::option;
use crate::origin::Origin;

/// One native HTTP context that the hook returned.
#[derive(Clone)]
pub struct Live {
    /// The context.
    pub context: *mut ffi::AVIOContext,
    /// Its `URLContext`, as http.c names itself in the log.
    pub protocol: *mut c_void,
    /// Which profile's token it carries, by index; `None` = none.
    pub bearer: Option<usize>,
    /// The origin that it talks to.
    pub origin: Option<Origin>,
    /// Where it was opened; not masked.
    pub url: String,
    /// The generation of the token in its `headers`.
    pub generation: u64,
    /// The generation of the token that its last request carried.
    pub sent: u64,
    /// It is `AVFormatContext.pb`, which libavformat 59 closes without `io_close2`.
    pub top: bool,
    /// It is the file itself, and a playlist: the next request may bring another one.
    pub playlist_itself: bool,
    /// The hls.c playlist whose segment it is.
    pub playlist: Option<i32>,
    /// Its body broke off and could not be taken up again.
    pub broken: bool,
    /// Its `headers` were taken off, so that hls.c does not copy them to each segment.
    pub stripped: bool,
}

/// The registry. Entries go before the context that they name (invariant 3).
#[derive(Default)]
pub struct Registry {
    entries: RefCell<Vec<Live>>,
    /// Is a stripped context among them? Read in each interrupt callback.
    any_stripped: Cell<bool>,
}

impl Registry {
    /// Adds a context.
    pub fn add(&self, live: Live) {
        self.any_stripped.set(self.any_stripped.get() || live.stripped);
        self.entries.borrow_mut().push(live);
    }

    /// Removes a context that is about to be closed.
    pub fn forget(&self, context: *mut ffi::AVIOContext) -> Option<Live> {
        let mut entries = self.entries.borrow_mut();
        let at = entries.iter().position(|live| live.context == context)?;
        Some(entries.remove(at))
    }

    /// Removes the top-level context.
    pub fn forget_top(&self) {
        self.entries.borrow_mut().retain(|live| !live.top);
        self.any_stripped.set(false);
    }

    /// The entry of the `URLContext` at this address.
    pub fn of_protocol(&self, protocol: *mut c_void) -> Option<Live> {
        self.entries.borrow().iter().find(|live| live.protocol == protocol).cloned()
    }

    /// The `URLContext` at this address sends a request, with the token that its `headers` hold now.
    pub fn sends(&self, protocol: *mut c_void) {
        let mut entries = self.entries.borrow_mut();
        entries.iter_mut().filter(|live| live.protocol == protocol).for_each(|live| live.sent = live.generation);
    }

    /// How many contexts of nested files have broken off since this was asked last.
    pub fn newly_broken(&self) -> usize {
        let mut entries = self.entries.borrow_mut();
        let whole = entries.iter_mut().filter(|live| !live.top && !live.broken);
        // SAFETY: registered contexts are live and of this thread; nothing is called back (invariants 1 and 3).
        let broken = whole.filter(|live| unsafe { take_error(live.context) }.is_some());
        broken.map(|live| live.broken = true).count()
    }

    /// Is a segment of this playlist open and not at its end?
    pub fn is_being_read(&self, playlist: i32) -> bool {
        let entries = self.entries.borrow();
        let mut segments = entries.iter().filter(|live| live.playlist == Some(playlist));
        // SAFETY: registered contexts are live and of this thread (invariants 1 and 3).
        segments.any(|live| unsafe { (*live.context).eof_reached } == 0)
    }

    /// True while a stripped context is open.
    pub fn has_stripped(&self) -> bool {
        self.any_stripped.get()
    }

    /// The contexts that carry an older token than `generation` of this profile, now marked as carrying it.
    pub fn outdated(&self, bearer: usize, generation: u64) -> Vec<Live> {
        let mut entries = self.entries.borrow_mut();
        let outdated = entries.iter_mut().filter(|live| live.bearer == Some(bearer) && live.generation < generation);
        outdated
            .map(|live| {
                live.generation = generation;
                live.clone()
            })
            .filter(|live| !live.stripped)
            .collect()
    }

    /// The stripped contexts, no longer marked as such.
    pub fn unstrip(&self) -> Vec<Live> {
        self.any_stripped.set(false);
        let mut entries = self.entries.borrow_mut();
        let stripped = entries.iter_mut().filter(|live| live.stripped);
        stripped
            .map(|live| {
                live.stripped = false;
                live.clone()
            })
            .collect()
    }
}

/// Answers after which http.c itself asks again, where it would otherwise take them for the end of the file.
pub const RETRIED: &str = "401,408,425,429,5xx";

/// Is this status one of [`RETRIED`]?
pub fn is_retried(status: i64) -> bool {
    matches!(status, 401 | 408 | 425 | 429 | 500..)
}

/// Does `context` itself ask again after one of [`RETRIED`]?
///
/// # Safety
/// As [`set_headers`].
pub unsafe fn set_retries(context: *mut ffi::AVIOContext, retries: bool) {
    // A context whose protocol has no such option (crypto, say) does not.
    // SAFETY: the caller's promise (invariant 1).
    let _ = unsafe { option::set(context.cast(), "reconnect_on_http_error", retries.then_some(RETRIED)) };
}

/// Sets the `headers` that the context's next request will carry; `None` takes them off.
///
/// # Safety
/// `context` is a live native context of this thread (invariants 1 and 3).
pub unsafe fn set_headers(context: *mut ffi::AVIOContext, lines: Option<&HeaderLines>) {
    // A context whose protocol has no such option (crypto, say) keeps what it was opened with.
    // SAFETY: the caller's promise; the lines end in CRLF and hold no NUL (invariant 6).
    let _ = unsafe { option::set(context.cast(), "headers", lines.map(HeaderLines::expose)) };
}

/// The error that ended the last read of the context, the end of the file and an interruption apart; forgets it.
///
/// # Safety
/// `context` is a live context of this thread (invariants 1 and 3).
pub unsafe fn take_error(context: *mut ffi::AVIOContext) -> Option<AvError> {
    // SAFETY: the caller's promise (invariant 13).
    let error = AvError(std::mem::replace(unsafe { &mut (*context).error }, 0));
    (error.0 < 0 && error != AvError::EOF && error != AvError::EXIT).then_some(error)
}
