//! What stands in the way, in one sentence: asked again after libav failed, since no AVOption tells a status or a header.

use std::time::Duration;

use http::StatusCode;
use reqwest::Response;
use url::Url;

use crate::error::{Error, Kind};
use crate::shutdown::Shutdown;

use super::answer::{self, Answer, Challenge, TokenUse};
use super::error::NetError;
use super::hop;
use super::token::{Carried, masked};
use super::{Request, Shared};

/// Why a media request fails.
#[derive(Debug)]
pub struct Failure {
    /// The sentence, who must act and what they can do.
    pub error: Error,
    /// The server's answer, if one came and it was a refusal.
    pub answer: Option<Answer>,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
}

impl From<NetError> for Failure {
    fn from(failure: NetError) -> Self {
        let answer = match &failure {
            NetError::Answer(answer) => Some((**answer).clone()),
            _ => None,
        };
        Self { retry_after: answer.as_ref().and_then(|answer| answer.retry_after), answer, error: failure.into() }
    }
}

pub(super) async fn ask(shared: &Shared, request: &Request, stop: &Shutdown) -> Result<Failure, NetError> {
    // libavformat's own first request (http.c, `http_connect`).
    let end = hop::walk(shared, request, "bytes=0-", stop).await?;
    let status = end.response.status();
    let token = end.carried.describe(&request.bearers, &end.url, end.renewed);
    if !status.is_success() {
        let get = Request { method: "GET".to_owned(), ..request.clone() };
        return Ok(refusal(shared, &get, &end.url, end.response, &end.carried, token, 1).await.into());
    }
    let mut answer = Answer::of(shared, "GET", &end.url, &end.response, token);
    let start = hop::beginning(end.response, 512).await;
    if is_page(answer.content_type.as_deref(), &start) {
        answer.content_type = Some("text/html".to_owned());
        return Ok(NetError::Answer(Box::new(answer)).into());
    }
    let url = masked(&end.url);
    let error = Error::new(Kind::MediaServer, format!("{url}: could not be opened, though the server answers {status} now"));
    Ok(Failure { error: error.retryable(true), answer: None, retry_after: None })
}

/// The refusal in `response`, with the server's own words.
pub(super) async fn refusal(
    shared: &Shared,
    request: &Request,
    url: &Url,
    response: Response,
    carried: &Carried,
    token: TokenUse,
    attempts: u32,
) -> NetError {
    let mut answer = Answer::of(shared, &request.method, url, &response, token);
    answer.attempts = attempts;
    let body = hop::beginning(response, 4 * 1024).await;
    answer.reason = answer::words(answer.content_type.as_deref(), &body).map(|words| carried.clean(&words));
    let challenge = &mut answer.challenge;
    for part in [&mut challenge.error, &mut challenge.description, &mut challenge.scope].into_iter().flatten() {
        *part = carried.clean(part);
    }
    NetError::Answer(Box::new(answer))
}

/// A web page where media should be: a login form behind a redirect, say. Some servers call playlists text/html, so the
/// first bytes decide.
fn is_page(content_type: Option<&str>, start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&start[..start.len().min(512)]).to_ascii_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let tagged = ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| text.starts_with(tag));
    let page_type = matches!(content_type, Some("text/html" | "application/xhtml+xml"));
    tagged || (page_type && text.starts_with('<') && !["<?xml", "<mpd"].iter().any(|tag| text.starts_with(tag)))
}

impl Answer {
    pub(super) fn of(shared: &Shared, method: &str, url: &Url, response: &Response, token: TokenUse) -> Self {
        let headers = response.headers();
        Self {
            method: method.to_ascii_uppercase(),
            url: masked(url),
            status: response.status().as_u16(),
            challenge: Challenge::parse(headers),
            retry_after: answer::retry_after(headers, shared.clock.now().wall),
            content_type: answer::content_type(headers),
            reason: None,
            token,
            attempts: 1,
        }
    }

    /// The answer as one sentence: object, verdict, the server's words.
    pub(super) fn sentence(&self) -> String {
        let object = if self.method == "GET" { self.url.clone() } else { format!("{} {}", self.method, self.url) };
        let canonical = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let mut said = canonical.map_or_else(|| self.status.to_string(), |words| format!("{} {words}", self.status));
        let code = self.challenge.error.iter().chain(&self.challenge.description).chain(&self.reason);
        for words in code {
            said.push_str(": ");
            said.push_str(words);
        }
        let verdict = match (self.status, &self.token) {
            (200..=299, _) => "a web page and no media came, probably to sign in".to_owned(),
            (401, TokenUse::Unauthenticated) => "the server wants authentication".to_owned(),
            (401 | 403, TokenUse::OutOfScope { profile, origin, plain_http: true, .. }) => {
                format!("the token of profile `{profile}` was kept back from {origin}, since plain http shows it to anybody")
            }
            (401 | 403, TokenUse::OutOfScope { profile, origin, .. }) => {
                format!("{origin} got no token, since it is outside the origins of profile `{profile}`, and refused")
            }
            (401, TokenUse::Sent { profile, renewed: false }) => {
                format!("the server refused the token of profile `{profile}`")
            }
            (401, TokenUse::Sent { profile, renewed: true }) => {
                format!("the server refused the token of profile `{profile}`, and a new one too")
            }
            (403, TokenUse::Sent { profile, .. }) if self.lacks_scope() => match &self.challenge.scope {
                Some(scope) => format!("the token of profile `{profile}` lacks the scope `{scope}`"),
                None => format!("the token of profile `{profile}` lacks a scope"),
            },
            (403, TokenUse::Sent { profile, .. }) => {
                format!("the server does not allow this to the token of profile `{profile}`")
            }
            (407, _) => "the proxy wants authentication".to_owned(),
            (300..=399, _) => "the server sends the upload elsewhere".to_owned(),
            _ => "the server refused".to_owned(),
        };
        let attempts = if self.attempts > 1 { format!(", after {} attempts", self.attempts) } else { String::new() };
        format!("{object}: {verdict} ({said}{attempts})")
    }

    /// The answer as the error that leaves the crate.
    pub(super) fn to_error(&self) -> Error {
        let mut error =
            Error::new(Kind::MediaServer, self.sentence()).with_http_status(self.status).retryable(self.is_retryable());
        if let Some(code) = &self.challenge.error {
            error = error.with_oauth_error(code);
        }
        match self.hint() {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match (self.status, &self.token) {
            (200..=299, _) => "open that URL in a browser: a server that shows a sign-in page there takes no token".to_owned(),
            (401 | 403, TokenUse::OutOfScope { profile, plain_http: true, .. }) => {
                format!("use https, or set `allow_http = true` in [profile.{profile}]")
            }
            (401 | 403, TokenUse::OutOfScope { profile, origin, listed, .. }) => {
                let origins: Vec<String> = listed.iter().chain([origin]).map(|origin| format!("\"{origin}\"")).collect();
                format!("if it may have the token, write into [profile.{profile}]: origins = [{}]", origins.join(", "))
            }
            (401, TokenUse::Unauthenticated) => "put -auth PROFILE before this file".to_owned(),
            (401, TokenUse::Sent { .. }) if self.challenge.error.as_deref() == Some("invalid_dpop_proof") => {
                "the server compares the time in the proof with its own: check the clock of this machine".to_owned()
            }
            (401, TokenUse::Sent { profile, .. }) => format!(
                "check that `scope`, `audience` and the authorization server of [profile.{profile}] are those this server expects"
            ),
            (403, TokenUse::Sent { profile, .. }) if self.lacks_scope() => match &self.challenge.scope {
                Some(scope) => {
                    let scopes: Vec<String> = scope.split(' ').map(|scope| format!("\"{scope}\"")).collect();
                    format!("add to `scope` in [profile.{profile}]: {}", scopes.join(", "))
                }
                None => format!("add the scope it needs to `scope` in [profile.{profile}]"),
            },
            (411, _) => "this server wants the length of an upload beforehand: -f hls or -f segment sends objects that have one"
                .to_owned(),
            (407, _) => "put the proxy's user and password into the URL in HTTPS_PROXY or HTTP_PROXY".to_owned(),
            _ => format!("the server asks to wait {} s", self.retry_after?.as_secs()),
        })
    }

    fn lacks_scope(&self) -> bool {
        self.challenge.error.as_deref() == Some("insufficient_scope")
    }
}
