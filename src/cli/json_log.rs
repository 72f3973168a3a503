//! The log of what runs for long: one JSON object a line, on standard error.

use std::io::Write;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::{self, Clock, SystemClock};
use crate::redact;

use super::trace::level_of;

/// Writes events up to `limit`, one of libav's levels. The first call of a process counts.
pub fn start(limit: i32) {
    // Somebody who has a subscriber already keeps it.
    let _ = tracing_subscriber::registry().with(Lines { limit }).try_init();
}

struct Lines {
    limit: i32,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let target = metadata.target();
        metadata.is_span() || (target.starts_with("ffauth") || target == "libav") && level_of(metadata.level()) <= self.limit
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let (Some(name), Some(span)) = (fields.0.remove("name"), context.span(id)) {
            span.extensions_mut().insert(Name(name));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let mut line = Map::new();
        line.insert("time".to_owned(), json!(clock::rfc3339(SystemClock.now().wall)));
        line.insert("level".to_owned(), json!(metadata.level().as_str().to_ascii_lowercase()));
        line.insert("target".to_owned(), json!(metadata.target()));
        let names = context.event_scope(event).into_iter().flatten().filter(|span| span.name() == "job");
        if let Some(name) = names.filter_map(|span| span.extensions().get::<Name>().map(|name| name.0.clone())).next() {
            line.insert("stream".to_owned(), name);
        }
        line.extend(fields.0);
        // In one piece: standard error has no buffer. Nobody is left to tell when it is gone.
        let _ = std::io::stderr().lock().write_all(format!("{}\n", Value::Object(line)).as_bytes());
    }
}

/// Of the stream that a job belongs to.
struct Name(Value);

/// The fields of an event, its message among them.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), json!(redact::line(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
