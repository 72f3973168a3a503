//! What a server's refusal says: status, challenge (RFC 6750 section 3), `Retry-After`, and its own words.

use std::time::{Duration, SystemTime};

use crate::clock;
use crate::redact;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

/// An answer that is no success. Everything in it may be shown.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The method that was asked by.
    pub method: String,
    /// The URL that answered, masked.
    pub url: String,
    /// The status.
    pub status: u16,
    /// The challenge, if there was one.
    pub challenge: Challenge,
    /// How long to wait, if the server says.
    pub retry_after: Option<Duration>,
    /// The media type of the body, without parameters, in lower case.
    pub content_type: Option<String>,
    /// The server's words, from a body of plain text or JSON.
    pub reason: Option<String>,
    /// What was sent.
    pub token: TokenUse,
    /// How often it was asked.
    pub attempts: u32,
}

/// Whose token a request carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenUse {
    /// The file has no `-auth`.
    Unauthenticated,
    /// The token of this profile.
    Sent {
        /// The profile's name.
        profile: String,
        /// Was it a second one, got after the first was refused?
        renewed: bool,
    },
    /// The file has a profile, but this origin is outside its scope.
    OutOfScope {
        /// The profile's name.
        profile: String,
        /// The origin that went without.
        origin: String,
        /// The profile's `origins` as they are.
        listed: Vec<String>,
        /// The origin is listed; only its plain http keeps the token away.
        plain_http: bool,
    },
}

/// The `WWW-Authenticate` of a refusal, its values made safe to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The authentication schemes it offers, in lower case.
    pub schemes: Vec<String>,
    /// `error` (RFC 6750 section 3.1): `invalid_token`, `insufficient_scope`, `invalid_request`.
    pub error: Option<String>,
    /// `error_description`.
    pub description: Option<String>,
    /// `scope`: what a token would need.
    pub scope: Option<String>,
}

impl Answer {
    /// Does it say that a URL that was good is good no more, a signed one, say? A 401 to a token is about the token.
    pub fn is_expiry(&self) -> bool {
        match self.status {
            401 => !matches!(self.token, TokenUse::Sent { .. }),
            status => matches!(status, 403 | 410),
        }
    }

    /// May the same request succeed later without anybody acting?
    pub fn is_retryable(&self) -> bool {
        matches!(self.status, 408 | 425 | 429) || (self.status >= 500 && !matches!(self.status, 501 | 505))
    }
}

/// Does the server say that the token as such is at fault, so that a new one may help? Many say only 401.
pub(super) fn refuses_token(status: u16, challenge: &Challenge) -> bool {
    status == 401 || (status == 403 && challenge.error.as_deref() == Some("invalid_token"))
}

impl Challenge {
    /// Reads every challenge in every `WWW-Authenticate` field; the parameters of the Bearer (or DPoP) one count, or those of
    /// whichever names an `error`.
    pub fn parse(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for field in headers.get_all(WWW_AUTHENTICATE).iter().take(8) {
            let text = String::from_utf8_lossy(field.as_bytes());
            for item in split_outside_quotes(&text) {
                let parameter = match item.split_once(char::is_whitespace) {
                    Some((scheme, rest)) if !scheme.contains('=') && !rest.trim_start().starts_with('=') => {
                        found.schemes.push(redact::untrusted(scheme).to_ascii_lowercase());
                        rest
                    }
                    None if !item.contains('=') => {
                        found.schemes.push(redact::untrusted(item).to_ascii_lowercase());
                        continue;
                    }
                    _ => item,
                };
                let Some((name, value)) = parameter.split_once('=') else { continue };
                let place = match name.trim().to_ascii_lowercase().as_str() {
                    "error" => &mut found.error,
                    "error_description" => &mut found.description,
                    "scope" => &mut found.scope,
                    _ => continue,
                };
                let value = redact::untrusted(&redact::line(&unquote(value.trim())));
                if place.is_none() && !value.is_empty() {
                    *place = Some(value);
                }
            }
        }
        found
    }
}

/// The items of a comma-separated list; commas in quoted strings (RFC 9110 section 5.6.4) do not separate.
fn split_outside_quotes(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        if escaped {
            escaped = false;
        } else if quoted && c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        }
        c == ',' && !quoted
    })
    .map(str::trim)
    .filter(|item| !item.is_empty())
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let mut out = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => break,
            '\\' => out.extend(characters.next()),
            c => out.push(c),
        }
    }
    out
}

/// `Retry-After`, of a date relative to `now`.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    clock::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}

/// The media type in lower case without its parameters.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes)?;
    let text = String::from_utf8_lossy(value);
    let essence = redact::untrusted(text.split(';').next()?.trim()).to_ascii_lowercase();
    (!essence.is_empty()).then_some(essence)
}

/// What the body of a refusal says in words: the first line of plain text, or the usual member of a JSON object.
pub(super) fn words(content_type: Option<&str>, body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let words = match content_type? {
        "text/plain" => text.lines().find(|line| !line.trim().is_empty())?.to_owned(),
        json if json == "application/json" || json.ends_with("+json") => {
            let value: serde_json::Value = serde_json::from_str(&text).ok()?;
            let members = ["/error_description", "/detail", "/message", "/title", "/error/message", "/error"];
            members.iter().find_map(|member| value.pointer(member)?.as_str())?.to_owned()
        }
        _ => return None,
    };
    let words: String = redact::untrusted(words.trim()).chars().take(200).collect();
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn challenge(lines: &[&'static str]) -> Challenge {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(line));
        }
        Challenge::parse(&headers)
    }

    #[test]
    fn challenges_of_real_servers_are_read() {
        let found = challenge(&[r#"Bearer realm="a, b", error="insufficient_scope", scope="media.read media.write""#]);
        assert_eq!(found.schemes, ["bearer"]);
        assert_eq!(found.error.as_deref(), Some("insufficient_scope"));
        assert_eq!(found.scope.as_deref(), Some("media.read media.write"));

        let found = challenge(&["Basic realm=\"x\"", r#"bearer error = invalid_token,error_description="say \"hi\", please""#]);
        assert_eq!(found.schemes, ["basic", "bearer"]);
        assert_eq!(found.error.as_deref(), Some("invalid_token"));
        assert_eq!(found.description.as_deref(), Some("say \"hi\", please"));

        assert_eq!(challenge(&["Bearer"]).schemes, ["bearer"]);
        assert_eq!(challenge(&["Negotiate, Bearer"]).schemes, ["negotiate", "bearer"]);
        assert_eq!(challenge(&[]), Challenge::default());
        assert_eq!(challenge(&["\"", ",,", "=", "Bearer error=\""]).error, None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            retry_after(&headers, now)
        };
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
        assert_eq!(of("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn words_come_from_text_and_json_but_never_from_a_page() {
        assert_eq!(words(Some("text/plain"), b"\r\ndisk full\nmore").as_deref(), Some("disk full"));
        assert_eq!(words(Some("application/json"), br#"{"error":"x","message":"quota"}"#).as_deref(), Some("quota"));
        assert_eq!(words(Some("application/problem+json"), br#"{"title":"no"}"#).as_deref(), Some("no"));
        assert_eq!(words(Some("application/json"), br#"{"error":{"message":"deep"}}"#).as_deref(), Some("deep"));
        assert_eq!(words(Some("application/json"), b"[1"), None);
        assert_eq!(words(Some("text/html"), b"<html>"), None);
        assert_eq!(words(None, b"x"), None);
    }
}
