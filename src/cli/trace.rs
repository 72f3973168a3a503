//! ffauth's own log lines (`-auth_log`): token events of this crate, on standard error beside libav's.

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::libav::log::level;
use crate::redact;

#[cfg(any(feature = "relay", feature = "serve"))]
use super::args::LogLevel;
#[cfg(feature = "relay")]
use super::json_log;

/// Prints events up to `limit`, one of libav's levels. The first call of a process counts.
pub fn start(limit: i32) {
    // Somebody who has a subscriber already keeps it.
    let _ = tracing_subscriber::registry().with(Lines { limit }).try_init();
}

/// The same, as lines of JSON if that is wanted.
#[cfg(feature = "relay")]
pub fn start_as(limit: i32, json: bool) {
    if json { json_log::start(limit) } else { start(limit) }
}

/// The limit that a word of the command line means.
#[cfg(any(feature = "relay", feature = "serve"))]
pub fn limit(log: LogLevel) -> i32 {
    match log {
        LogLevel::Quiet => level::QUIET,
        LogLevel::Error => level::ERROR,
        LogLevel::Warning => level::WARNING,
        LogLevel::Info => level::INFO,
        LogLevel::Debug => level::DEBUG,
    }
}

struct Lines {
    limit: i32,
}

pub(super) fn level_of(level: &Level) -> i32 {
    match *level {
        Level::ERROR => level::ERROR,
        Level::WARN => level::WARNING,
        Level::INFO => level::INFO,
        Level::DEBUG => level::DEBUG,
        Level::TRACE => level::TRACE,
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        metadata.target().starts_with("ffauth") && level_of(metadata.level()) <= self.limit
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let text = format!("[ffauth] {}{}\n", line.message, line.fields);
        eprint!("{}", redact::line(&text));
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push_str(&format!(" {}={value:?}", field.name()));
        }
    }
}
