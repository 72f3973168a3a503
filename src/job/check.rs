//! The controlled test of a set-up: discovery, token, media request hop by hop, first packet.

use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::{Clock, Now, SystemClock};
use crate::error::{Error, Kind};
use crate::libav::io::Access;
use crate::libav::packet::Packet;
use crate::net::{self, NetError};
use crate::oauth::client::Grant;
use crate::oauth::source::Counts;
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
    /// Who was asked, masked.
    pub url: Option<String>,
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
        json!({
            "step": self.name,
            "ok": self.verdict == Verdict::Good,
            "url": self.url,
            "status": self.status,
            "seconds": self.seconds,
            "verdict": self.text,
            "mend": self.mend,
        })
    }

    fn good(name: &'static str, took: Duration, status: Option<u16>, text: String) -> Self {
        let seconds = took.as_secs_f64();
        Self { name, url: None, status, seconds, verdict: Verdict::Good, text, mend: None }
    }

    fn bad(name: &'static str, took: Duration, error: &Error) -> Self {
        Self {
            status: error.http_status(),
            verdict: Verdict::Bad(error.kind()),
            mend: error.hint().map(str::to_owned),
            ..Self::good(name, took, None, redact::line(&error.to_string()).into_owned())
        }
    }

    fn about(self, url: &str) -> Self {
        Self { url: Some(redact::url(url).into_owned()), ..self }
    }
}

fn since(began: &Now) -> Duration {
    SystemClock.now().since(began)
}

impl Session {
    /// Tests each step of a read of the file of `probe` until one fails. Blocks.
    #[doc(hidden)]
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
                steps.push(Step::bad("scope", since(&began), &error).about(&input.url));
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
                steps.push(Step::bad("profile", since(&began), &error));
                return false;
            }
        };
        let Ok(network) = self.network() else { return false };
        let client = source.client();
        let mut endpoint = client.token_url.clone();
        if let (true, None, Some(issuer)) = (client.grant != Grant::External, &client.token_url, &client.issuer) {
            match network.runtime.block_on(source.token_url()) {
                Ok(url) => {
                    let text = format!("the token endpoint is {}", redact::url(url.as_str()));
                    steps.push(Step::good("discovery", since(&began), Some(200), text).about(issuer.as_str()));
                    endpoint = Some(url);
                }
                Err(error) => {
                    steps.push(Step::bad("discovery", since(&began), &error.into()).about(issuer.as_str()));
                    return false;
                }
            }
        }
        let began = SystemClock.now();
        let outcome = network.runtime.block_on(source.token(Duration::ZERO));
        let is_new = source.counts() != Counts::default();
        let step = match &outcome {
            Ok(token) => {
                let left = token.remaining(&SystemClock.now());
                let life =
                    left.map_or_else(|| "of unknown life".to_owned(), |left| format!("that lives {} s more", left.as_secs()));
                let from = match (client.grant, is_new) {
                    (Grant::External, _) => "access_token gives",
                    (_, true) => "the server gave",
                    (_, false) => "the store has",
                };
                let missing = token.scope.as_deref().map(|scope| client.lacking(scope)).unwrap_or_default();
                let lacks = if missing.is_empty() { String::new() } else { format!(", without the scope {}", missing.join(" ")) };
                let mut step = Step::good("token", since(&began), None, format!("profile {name}: {from} a token {life}{lacks}"));
                if !missing.is_empty() {
                    step.mend = Some("ask the provider to allow that scope to this client, or take it out of `scope`".to_owned());
                }
                step
            }
            Err(error) => Step::bad("token", since(&began), &explain(client, error.clone()).context(format!("profile {name}"))),
        };
        let step = Step { status: step.status.or_else(|| source.status().filter(|_| is_new)), ..step };
        steps.push(match endpoint.filter(|_| is_new) {
            Some(url) => step.about(url.as_str()),
            None => step,
        });
        outcome.is_ok()
    }

    /// The media request, each redirect a step of its own.
    fn check_request(&self, access: &Access, stop: &Shutdown, steps: &mut Vec<Step>) -> bool {
        let Some(media) = &access.media else { return true };
        let Some(bearer) = access.bearers.iter().next() else { return true };
        let sent = |profile: &Option<String>| {
            profile.as_ref().map_or_else(|| "without a token".to_owned(), |profile| format!("with the token of {profile}"))
        };
        let name = "media request";
        let began = SystemClock.now();
        let mut request = net::Request::new("GET", &access.url, access.bearers.clone(), bearer.roots.clone());
        (request.pointer, request.reach) = (access.pointer.clone(), access.reach.clone());
        let (hops, resolved) = media.trace(&request, stop);
        for hop in &hops {
            // An API that names the media answers with success.
            let name = if hop.status < 300 { "media_pointer" } else { "redirect" };
            steps.push(Step::good(name, hop.took, Some(hop.status), sent(&hop.profile)).about(&hop.url));
        }
        let resolved = match resolved {
            Ok(resolved) => resolved,
            Err(error) => {
                let is_redirect = matches!(error, NetError::Redirect { .. });
                let mut step = Step::bad(name, since(&began), &error.into()).about(&access.url);
                if is_redirect && step.mend.is_none() {
                    step.mend =
                        Some("give the final URL itself, or have the redirect mended where the media is served".to_owned());
                }
                steps.push(step);
                return false;
            }
        };
        if (200..300).contains(&resolved.status) {
            let kind = resolved.content_type.as_deref().unwrap_or("no content type");
            let text = format!("{kind}, {}", sent(&resolved.profile));
            steps.push(Step::good(name, resolved.took, Some(resolved.status), text).about(&resolved.url));
            return true;
        }
        let failure = media.explain(&request, stop);
        let step = Step::bad(name, resolved.took, &failure.error).about(&resolved.url);
        let mend = step.mend.clone().or_else(|| usual_mend(step.status?).map(str::to_owned));
        steps.push(Step { mend, ..step });
        false
    }
}

/// What to do about a status that says nothing else.
fn usual_mend(status: u16) -> Option<&'static str> {
    Some(match status {
        400 => "check the URL and its query",
        403 => "ask the provider what this token lacks: a scope, an account, an address it may be used from",
        404 | 410 => "check the URL: there is nothing at this one",
        416 => "the file is empty; see where it is made",
        429 => "ask less often, or ask the provider for more",
        500.. => "try again later; if it stays so, it is the media server's to mend",
        _ => return None,
    })
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
    let step = match first() {
        Ok(text) => Step::good("first packet", since(&began), None, text),
        Err(error) => Step::bad("first packet", since(&began), &error),
    };
    let is_unknown = step.verdict == Verdict::Bad(Kind::Media) && step.mend.is_none();
    let mend =
        is_unknown.then(|| "open the URL in a browser: it may be a page, a manifest of another kind or an empty file".to_owned());
    Step { mend: mend.or(step.mend.clone()), ..step }.about(url)
}
