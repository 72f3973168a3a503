//! What a job did: the data behind `-summary`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Error;
use crate::libav::io::IoCounts;
use crate::pipeline::plan::{Auth, Plan};
use crate::pipeline::{Gap, InputOutcome, OutputOutcome};
use crate::redact;

/// Everything that a job did.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// One for each input, in order.
    pub inputs: Vec<FileReport>,
    /// One for each output, in order.
    pub outputs: Vec<FileReport>,
    /// Token requests by profile.
    pub tokens: BTreeMap<String, TokenReport>,
    /// How it ended.
    pub exit: Exit,
    /// What went wrong.
    pub error: Option<Error>,
    /// More errors than `-max_error_rate` allows.
    pub error_rate_exceeded: bool,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// All that was asked for is done: end of file, `-t`, `-fs`, `-frames`, `q`.
    Eof,
    /// Somebody asked to stop; the outputs were finished.
    Signal,
    /// See [`Report::error`].
    Error,
}

/// What one file saw.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FileReport {
    /// As given; printed masked.
    pub url: String,
    /// The profile that went with it.
    pub auth: Option<String>,
    /// Inputs: demuxed packets of selected streams. Outputs: packets handed to the muxer.
    pub packets: u64,
    /// Their payload, in bytes.
    pub bytes: u64,
    /// What happened on the network.
    pub io: IoCounts,
    /// Inputs: media that is missing.
    pub gaps: Vec<Gap>,
    /// Inputs: segments that were lost, whole or in part.
    pub lost: u64,
    /// Inputs: how often it was opened again.
    pub restarts: u64,
    /// Inputs: packets that came once more after that, and were dropped.
    pub duplicates: u64,
    /// Outputs: objects that the server confirmed.
    pub uploads: u64,
    /// Outputs: objects that it did not, masked.
    pub unconfirmed: Vec<String>,
}

/// The token requests of one profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenReport {
    /// Successful ones, the first included, answers from the store not.
    pub refreshes: u64,
    /// Failed ones.
    pub failures: u64,
}

/// The tokens of one profile at a moment; never a token itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenState {
    /// Counts the tokens of this session; 0 = there has been none.
    pub generation: u64,
    /// How old the newest one is.
    pub age: Option<Duration>,
    /// What is left of its life; `None` also if the server named no end.
    pub remaining: Option<Duration>,
    /// As in [`TokenReport`].
    pub refreshes: u64,
    /// As in [`TokenReport`].
    pub failures: u64,
    /// How long the successful requests took, all together.
    pub took: Duration,
    /// What has failed since the newest one, secrets masked.
    pub failure: Option<String>,
}

impl Report {
    /// A report of `plan` in which nothing has happened yet.
    pub(crate) fn of(plan: &Plan) -> Self {
        let file = |url: &str, auth: &Auth| FileReport {
            url: url.to_owned(),
            auth: (!auth.profiles.is_empty()).then(|| auth.profiles.join(",")),
            ..FileReport::default()
        };
        Self {
            inputs: plan.inputs.iter().map(|input| file(&input.url, &input.auth)).collect(),
            outputs: plan.outputs.iter().map(|output| file(&output.url, &output.auth)).collect(),
            tokens: BTreeMap::new(),
            exit: Exit::Eof,
            error: None,
            error_rate_exceeded: false,
        }
    }

    /// A report of a job that failed before it began.
    pub(crate) fn failed(plan: &Plan, error: Error) -> Self {
        Self { exit: Exit::Error, error: Some(error), ..Self::of(plan) }
    }

    /// The JSON of `-summary`. Secrets in URLs are masked.
    pub fn summary(&self) -> String {
        self.to_json().to_string()
    }

    /// The same as a value.
    #[doc(hidden)]
    pub fn to_json(&self) -> Value {
        let inputs: Vec<Value> = self.inputs.iter().map(FileReport::input_json).collect();
        let outputs: Vec<Value> = self.outputs.iter().map(FileReport::output_json).collect();
        let tokens: BTreeMap<&str, Value> = self
            .tokens
            .iter()
            .map(|(name, counts)| (name.as_str(), json!({"refreshes": counts.refreshes, "failures": counts.failures})))
            .collect();
        let exit = match self.exit {
            Exit::Eof => "eof",
            Exit::Signal => "signal",
            Exit::Error => "error",
        };
        let error = self.error.as_ref().map(|error| redact::line(&error.to_string()).into_owned());
        json!({"version": 1, "inputs": inputs, "outputs": outputs, "tokens": tokens, "exit": exit, "error": error})
    }
}

impl FileReport {
    /// Takes over what an input did.
    pub(super) fn take_input(&mut self, seen: InputOutcome) {
        (self.packets, self.bytes, self.io, self.gaps) = (seen.packets, seen.bytes, seen.io, seen.gaps);
        (self.lost, self.restarts, self.duplicates) = (seen.lost, seen.restarts, seen.duplicates);
    }

    /// Takes over what an output did.
    pub(super) fn take_output(&mut self, seen: OutputOutcome) {
        (self.packets, self.bytes, self.io) = (seen.packets, seen.bytes, seen.io);
        (self.uploads, self.unconfirmed) = (seen.uploads, seen.unconfirmed);
    }

    fn input_json(&self) -> Value {
        let gaps: Vec<Value> = self.gaps.iter().map(Gap::to_json).collect();
        json!({
            "url": redact::url(&self.url), "auth": self.auth, "packets": self.packets, "bytes": self.bytes,
            "requests": self.io.requests, "http_401": self.io.http_401, "reconnects": self.io.reconnects,
            "token_swaps": self.io.token_swaps, "retries": self.io.retries, "segments_lost": self.lost, "gaps": gaps,
            "restarts": self.restarts, "duplicates_dropped": self.duplicates,
        })
    }

    fn output_json(&self) -> Value {
        json!({
            "url": redact::url(&self.url), "auth": self.auth, "packets": self.packets, "bytes": self.bytes,
            "requests": self.io.requests, "http_401": self.io.http_401,
            "uploads": self.uploads, "uploads_unconfirmed": self.unconfirmed,
        })
    }
}
