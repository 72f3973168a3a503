//! The controlled test of a set-up: discovery, token, media request hop by hop, first packet.

use serde_json::{Value, json};

use crate::clock::{Clock, Now, SystemClock};
use crate::error::{Error, Kind};
use crate::libav::io::Access;
use crate::libav::packet::Packet;
use crate::net;
use crate::oauth::client::Grant;
use crate::redact;
use crate::shutdown::Shutdown;

use super::Session;
use super::explain;
use super::probe::Probe;

/// One step and how it went.
#[derive(Clone, Debug)]
pub struct Step {
    /// What was done.
    pub name: &'static str,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// How long it took.
    pub seconds: f64,
    /// How it went.
    pub verdict: Verdict,
    /// The same in a sentence.
    pub text: String,
    /// What to mend.
    pub mend: Option<String>,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Well.
    Good,
    /// Not; who must act.
    Bad(Kind),
}

impl Step {
    /// The step as JSON.
    pub fn to_json(&self) -> Value {
        let ok = self.verdict == Verdict::Good;
        json!({
            "step": self.name, "ok": ok, "status": self.status, "seconds": self.seconds, "verdict": self.text, "mend": self.mend,
        })
    }

    fn good(name: &'static str, began: &Now, status: Option<u16>, text: String) -> Self {
        Self { name, status, seconds: since(began), verdict: Verdict::Good, text, mend: None }
    }

    fn bad(name: &'static str, began: &Now, error: &Error) -> Self {
        Self {
            name,
            status: error.http_status(),
            seconds: since(began),
            verdict: Verdict::Bad(error.kind()),
            text: redact::line(&error.to_string()).into_owned(),
            mend: error.hint().map(str::to_owned),
        }
    }
}

fn since(began: &Now) -> f64 {
    SystemClock.now().since(began).as_secs_f64()
}

impl Session {
    /// Tests each step of a read of the file of `probe` until one fails. Blocks.
    pub fn check(&self, probe: &Probe, stop: &Shutdown) -> Vec<Step> {
        let input = &probe.input;
        let mut steps = Vec::new();
        for name in &input.auth.profiles {
            if !self.check_profile(name, &mut steps) {
                return steps;
            }
        }
        let began = SystemClock.now();
        let access = match self.access(&input.url, &input.auth, stop) {
            Ok(access) => access,
            Err(error) => {
                steps.push(Step::bad("scope", &began, &error));
                return steps;
            }
        };
        if self.check_request(&access, stop, &mut steps) {
            steps.push(check_packet(probe, access, stop));
        }
        steps
    }

    /// Discovery and token of one profile.
    fn check_profile(&self, name: &str, steps: &mut Vec<Step>) -> bool {
        let began = SystemClock.now();
        let source = match self.source(name) {
            Ok(source) => source,
            Err(error) => {
                steps.push(Step::bad("profile", &began, &error));
                return false;
            }
        };
        let Ok(network) = self.network() else { return false };
        let client = source.client();
        if client.grant != Grant::External && client.token_url.is_none() {
            match network.runtime.block_on(source.token_url()) {
                Ok(url) => steps.push(Step::good("discovery", &began, None, redact::url(url.as_str()).into_owned())),
                Err(error) => {
                    steps.push(Step::bad("discovery", &began, &error.into()));
                    return false;
                }
            }
        }
        let began = SystemClock.now();
        match network.runtime.block_on(source.token(std::time::Duration::ZERO)) {
            Ok(token) => {
                let left = token.remaining(&SystemClock.now());
                let life =
                    left.map_or_else(|| "of unknown life".to_owned(), |left| format!("that lives {} s more", left.as_secs()));
                let from = if source.counts().refreshes == 0 { "the store has" } else { "the server gave" };
                steps.push(Step::good("token", &began, None, format!("profile {name}: {from} a token {life}")));
                true
            }
            Err(error) => {
                steps.push(Step::bad("token", &began, &explain(client, error).context(format!("profile {name}"))));
                false
            }
        }
    }

    /// The media request, each redirect a step of its own.
    fn check_request(&self, access: &Access, stop: &Shutdown, steps: &mut Vec<Step>) -> bool {
        let Some(media) = &access.media else { return true };
        let Some(bearer) = access.bearers.iter().next() else { return true };
        let began = SystemClock.now();
        let request = net::Request::new("GET", &access.url, access.bearers.clone(), bearer.roots.clone());
        let resolved = match media.resolve(&request, stop) {
            Ok(resolved) => resolved,
            Err(error) => {
                steps.push(Step::bad("media request", &began, &error.into()));
                return false;
            }
        };
        for hop in &resolved.hops {
            let token =
                hop.profile.as_ref().map_or("without a token".to_owned(), |profile| format!("with the token of {profile}"));
            steps.push(Step::good("redirect", &began, Some(hop.status), format!("{} {token}", hop.url)));
        }
        if (200..300).contains(&resolved.status) {
            let kind = resolved.content_type.unwrap_or_else(|| "no content type".to_owned());
            let text = format!("{} ({kind})", redact::url(&resolved.url));
            steps.push(Step::good("media request", &began, Some(resolved.status), text));
            return true;
        }
        let failure = media.explain(&request, stop);
        steps.push(Step::bad("media request", &began, &failure.error));
        false
    }
}

/// Opens the file as a job would and reads one packet.
fn check_packet(probe: &Probe, access: Access, stop: &Shutdown) -> Step {
    let began = SystemClock.now();
    let url = &probe.input.url;
    let first = || -> Result<String, Error> {
        let mut demuxer = probe.open(access, stop.clone())?;
        let mut packet = Packet::new();
        let more = demuxer.read(&mut packet).map_err(|error| demuxer.take_failure().unwrap_or_else(|| error.about(url)))?;
        if !more {
            let silent = || Error::new(Kind::Media, format!("{}: there is no packet in it", redact::url(url)));
            return Err(demuxer.take_failure().unwrap_or_else(silent));
        }
        let (format, streams) = (demuxer.format_name(), demuxer.stream_count());
        Ok(format!("format {format}, {streams} streams; the first packet has {} bytes", packet.size()))
    };
    match first() {
        Ok(text) => Step::good("first packet", &began, None, text),
        Err(error) => Step::bad("first packet", &began, &error),
    }
}
