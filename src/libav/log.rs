//! libav's log and ours, one stream of lines: filtered by level, masked, handed to whoever listens on the thread that logs
//! ([`Listener`]), else to one sink per process.
//!
//! libav has one log callback per process; a job of a service listens on its own threads, so that no two jobs share anything
//! here. What libav's own threads log (those of a decoder, say) goes to the sink. The callback also tells what http.c
//! and hls.c tell nobody else: requests sent, error statuses in mid-stream, connections taken up again, segments left out.

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_int, c_void};
use std::sync::{Arc, Mutex, Once, PoisonError};

use super::call::string;
use super::{ffi, io};
use crate::redact;

/// Levels of `libavutil/log.h`.
pub mod level {
    /// Nothing.
    pub const QUIET: i32 = -8;
    /// Unusable from here on.
    pub const PANIC: i32 = 0;
    /// Cannot go on.
    pub const FATAL: i32 = 8;
    /// Something failed.
    pub const ERROR: i32 = 16;
    /// Something looks wrong.
    pub const WARNING: i32 = 24;
    /// The default.
    pub const INFO: i32 = 32;
    /// More of it.
    pub const VERBOSE: i32 = 40;
    /// For developers.
    pub const DEBUG: i32 = 48;
    /// Everything.
    pub const TRACE: i32 = 56;
}

/// `AV_LOG_SKIP_REPEATED`: a line that repeats the one before is counted, not shown.
pub const SKIP_REPEATED: i32 = 1;
/// `AV_LOG_PRINT_LEVEL`: the level's name stands in front of each line.
pub const PRINT_LEVEL: i32 = 2;

/// Takes (level, masked text). The text's line break is in it; one line may come in several pieces, as libav writes it.
pub type Sink = Box<Take>;

type Take = dyn Fn(i32, &str) + Send + Sync;

/// Puts our callback in place of libav's. Until [`set_sink`] lines go to `tracing` (target `libav`).
pub fn install() {
    static ONCE: Once = Once::new();
    // SAFETY: the callback is a function of this crate with the signature that av_log_set_callback takes (invariant 14).
    ONCE.call_once(|| unsafe { ffauth_install_log_callback() });
}

/// Sends the lines to `sink` from now on.
pub fn set_sink(sink: Sink) {
    install();
    lines().sink = Some(sink);
}

/// Lines of a higher level are not shown.
pub fn set_level(level: i32) {
    // SAFETY: libav keeps the level in an atomic (invariant 14).
    unsafe { ffi::av_log_set_level(level) };
}

/// The level in force on this thread.
pub fn level() -> i32 {
    // SAFETY: as set_level (invariant 14).
    LISTENER.with_borrow(|own| own.as_ref().map_or_else(|| unsafe { ffi::av_log_get_level() }, |own| own.level))
}

/// Takes the lines of the threads that work for one job, from its own level up.
#[derive(Clone)]
pub struct Listener {
    level: i32,
    take: Arc<Take>,
}

impl Listener {
    /// `take` gets lines of up to `level` as a [`Sink`] does. It must not log.
    pub fn new(level: i32, take: impl Fn(i32, &str) + Send + Sync + 'static) -> Self {
        Self { level, take: Arc::new(take) }
    }

    /// Who listens on this thread: to be handed to a thread that works for the same job.
    pub fn current() -> Option<Self> {
        LISTENER.with_borrow(Clone::clone)
    }

    /// Starts to listen on this thread, until what is returned is dropped.
    pub fn listen(own: Option<Self>) -> Listening {
        install();
        Listening(LISTENER.replace(own))
    }
}

/// Somebody listens on this thread; holds who did before.
pub struct Listening(Option<Listener>);

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENER.set(self.0.take());
    }
}

/// [`SKIP_REPEATED`], [`PRINT_LEVEL`].
pub fn set_flags(flags: i32) {
    // SAFETY: as set_level (invariant 14).
    unsafe { ffi::av_log_set_flags(flags) };
}

/// Logs `text` (its line break included) as `av_log(NULL, level, …)` does.
pub fn write(level: i32, text: &str) {
    if level <= self::level() {
        if PREFIX.get() != 0 && flags() & PRINT_LEVEL != 0 {
            take(level, &format!("[{}] {text}", level_name(level)));
        } else {
            take(level, text);
        }
        PREFIX.set(c_int::from(text.ends_with(['\n', '\r'])));
    }
}

/// Shows how often the last line was repeated, if it was: to be called before anything else is printed to the same place.
pub fn flush() {
    lines().flush();
}

/// Something that libavformat tells only the log. Those of http.c are about the context at the address that comes along (a
/// `URLContext`), which must not be dereferenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::libav) enum Event<'a> {
    /// An answer of 400 or more.
    HttpError(i64),
    /// A request was sent.
    Request,
    /// A connection will be taken up again.
    Reconnect,
    /// hls.c is about to read this segment, or initialization section, of a playlist, from this byte on.
    SegmentAsked(i32, &'a str, i64),
    /// hls.c goes on without the segment of this number of a playlist.
    SegmentFailed(i32, i64),
    /// hls.c gives a playlist up, since it has no initialization section.
    SectionFailed(i32),
    /// hls.c leaves out so many segments, which are no longer in a playlist.
    SegmentsExpired(i64),
    /// dashdec.c ends a stream, since it has no initialization section.
    DashSectionFailed,
    /// A line in the head of an answer.
    Header(&'a str),
}

struct Lines {
    sink: Option<Sink>,
    last: String,
    repeated: u32,
}

static LINES: Mutex<Lines> = Mutex::new(Lines { sink: None, last: String::new(), repeated: 0 });

thread_local! {
    /// av_log_format_line2's `print_prefix`: does the next piece begin a line? No thread goes on in another's line.
    static PREFIX: Cell<c_int> = const { Cell::new(1) };
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
    /// A sink that logs must not wait for itself.
    static WITHIN: Cell<bool> = const { Cell::new(false) };
}

fn lines() -> std::sync::MutexGuard<'static, Lines> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn flags() -> i32 {
    // SAFETY: libav keeps the flags in an int that is only read here (invariant 14).
    unsafe { ffi::av_log_get_flags() }
}

/// Gives a piece of a line to whoever is to have it.
fn take(level: i32, text: &str) {
    match Listener::current() {
        // Without a lock: no job waits for another's listener.
        Some(listener) => (listener.take)(level, &redact::line(text)),
        None => lines().take(level, text),
    }
}

impl Lines {
    fn take(&mut self, level: i32, text: &str) {
        let text = redact::line(text);
        if flags() & SKIP_REPEATED != 0 && text == self.last && text.ends_with('\n') {
            self.repeated += 1;
            return;
        }
        self.flush();
        self.emit(level, &text);
        text.as_ref().clone_into(&mut self.last);
    }

    fn flush(&mut self) {
        if self.repeated > 0 {
            let repeated = std::mem::take(&mut self.repeated);
            self.emit(level::INFO, &format!("    Last message repeated {repeated} times\n"));
        }
    }

    fn emit(&self, level: i32, text: &str) {
        match &self.sink {
            Some(sink) => sink(level, text),
            None => trace(level, text.trim_end()),
        }
    }
}

/// Hands a line to `tracing`, target `libav`.
pub fn trace(level: i32, text: &str) {
    if level <= level::ERROR {
        tracing::error!(target: "libav", "{text}");
    } else if level <= level::WARNING {
        tracing::warn!(target: "libav", "{text}");
    } else if level <= level::INFO {
        tracing::info!(target: "libav", "{text}");
    } else if level <= level::DEBUG {
        tracing::debug!(target: "libav", "{text}");
    } else {
        tracing::trace!(target: "libav", "{text}");
    }
}

fn level_name(level: i32) -> &'static str {
    const NAMES: [(i32, &str); 9] = [
        (level::QUIET, "quiet"),
        (level::PANIC, "panic"),
        (level::FATAL, "fatal"),
        (level::ERROR, "error"),
        (level::WARNING, "warning"),
        (level::INFO, "info"),
        (level::VERBOSE, "verbose"),
        (level::DEBUG, "debug"),
        (level::TRACE, "trace"),
    ];
    NAMES.iter().find(|(limit, _)| level <= *limit).map_or("trace", |(_, name)| name)
}

// log.c
unsafe extern "C" {
    fn ffauth_install_log_callback();
}

#[unsafe(no_mangle)]
extern "C" fn ffauth_log_event(context: *mut c_void, event: c_int, number: i64, playlist: c_int, text: *const c_char) {
    super::panic::contain((), || {
        // SAFETY: null, or libavformat's terminated string, which lives through the call (invariant 11).
        let text = unsafe { string(text) }.unwrap_or_default();
        let event = match event {
            0 => Event::HttpError(number),
            1 => Event::Request,
            2 => Event::Reconnect,
            3 => Event::SegmentAsked(playlist, &text, number),
            4 => Event::SegmentFailed(playlist, number),
            5 => Event::SectionFailed(playlist),
            6 => Event::SegmentsExpired(number),
            7 => Event::DashSectionFailed,
            _ => Event::Header(&text),
        };
        io::log_event(context, event);
    });
}

#[unsafe(no_mangle)]
extern "C" fn ffauth_log_level() -> c_int {
    level()
}

#[unsafe(no_mangle)]
extern "C" fn ffauth_log_prefix() -> c_int {
    PREFIX.get()
}

#[unsafe(no_mangle)]
extern "C" fn ffauth_log_line(level: c_int, line: *const c_char, prefix: c_int) {
    PREFIX.set(prefix);
    if WITHIN.replace(true) {
        return;
    }
    super::panic::contain((), || {
        // SAFETY: av_log_format_line2 terminates what it writes; the buffer lives through the call (invariant 11).
        if let Some(line) = unsafe { string(line) } {
            take(level, &io::reveal(&line));
        }
    });
    WITHIN.set(false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_line_is_counted() {
        let seen: &'static Mutex<Vec<String>> = Box::leak(Box::default());
        let sink: Sink = Box::new(|_, text| seen.lock().expect("no panic").push(text.to_owned()));
        let mut lines = Lines { sink: Some(sink), last: String::new(), repeated: 0 };
        set_flags(SKIP_REPEATED);
        for text in ["a\n", "a\n", "a\n", "https://h/?token=CANARY\n"] {
            lines.take(level::INFO, text);
        }
        let seen = seen.lock().expect("no panic");
        assert_eq!(*seen, ["a\n", "    Last message repeated 2 times\n", "https://h/?***\n"]);
    }
}
