//! The device authorization grant (RFC 8628), without input or output: somebody signs in on another device, and the token
//! endpoint is asked now and then whether they have.

use std::time::{Duration, SystemTime};

use url::Url;

use crate::env::Env;
use crate::redact;
use crate::secret::Secret;

use super::client::Client;
use super::client_auth;
use super::error::{Endpoint, OauthError};
use super::token_endpoint::{Members, accepted, bad_answer};
use super::transport::{Answer, Request};

/// What somebody needs to sign in, and what the token endpoint is asked with meanwhile (RFC 8628 section 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCode {
    /// `device_code`.
    pub code: Secret,
    /// `user_code`: to be typed, or compared.
    pub user_code: String,
    /// `verification_uri`.
    pub verification_url: Url,
    /// `verification_uri_complete`: holds the user code.
    pub complete_url: Option<Url>,
    /// How long both codes live.
    pub lifetime: Duration,
    /// `interval`, at least [`SHORTEST`].
    pub interval: Duration,
}

/// RFC 8628 section 3.2: the interval where the server names none. It is asked no more often either.
pub const SHORTEST: Duration = Duration::from_secs(5);
/// RFC 8628 section 3.5: what `slow_down` adds, for good.
const SLOWER: Duration = Duration::from_secs(5);
/// The longest pause after lost connections.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A server that names no life: codes are good for minutes everywhere.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);

/// The request for a code (RFC 8628 section 3.1). Blocks: secrets are read now.
///
/// # Errors
/// As [`client_auth::request`].
pub fn request(client: &Client, device_url: &Url, token_url: &Url, now: SystemTime, env: &Env) -> Result<Request, OauthError> {
    let scope = client.scope.join(&client.dialect.scope_separator);
    // RFC 8628 section 3.1 wants the id even of a client that proves itself in the header.
    let id = client.client_id.as_deref().filter(|_| !client.client_auth.sends_id());
    let mut pairs: Vec<_> = id.map(|id| ("client_id", id)).into_iter().collect();
    if !client.scope.is_empty() {
        pairs.push(("scope", &scope));
    }
    pairs.extend(client.audience.as_deref().map(|audience| ("audience", audience)));
    pairs.extend(client.resource.iter().map(|resource| ("resource", resource.as_str())));
    client_auth::request(client, device_url, token_url, pairs, now, env)
}

/// The codes in an answer (RFC 8628 section 3.2).
///
/// # Errors
/// A refusal, or no answer of that kind.
pub fn parse(device_url: &Url, answer: &Answer) -> Result<DeviceCode, OauthError> {
    let members = accepted(Endpoint::Device, device_url, answer, &mut Vec::new())?;
    let bad = |reason: String| bad_answer(Endpoint::Device, device_url, answer, reason);
    codes(&members.ok_or_else(|| bad("it is not JSON".to_owned()))?).map_err(bad)
}

fn codes(members: &Members) -> Result<DeviceCode, String> {
    let needed = |name: &str| members.text(name).filter(|text| !text.is_empty());
    let web = |text: String| Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    // Google calls it verification_url.
    let url = needed("verification_uri").or_else(|| needed("verification_url")).ok_or("it has no verification_uri")?;
    let lifetime = members.lifetime("expires_in", &mut Vec::new())?;
    let interval = members.lifetime("interval", &mut Vec::new())?;
    Ok(DeviceCode {
        code: needed("device_code").ok_or("it has no device_code")?.into(),
        user_code: redact::untrusted(&needed("user_code").ok_or("it has no user_code")?),
        verification_url: web(url).ok_or("its verification_uri is no web address")?,
        complete_url: needed("verification_uri_complete").and_then(web),
        lifetime: lifetime.unwrap_or(DEFAULT_LIFETIME),
        interval: interval.unwrap_or(SHORTEST).max(SHORTEST),
    })
}

/// When the token endpoint is asked next (RFC 8628 section 3.5).
#[derive(Clone, Debug)]
pub struct Poll {
    interval: Duration,
    /// Connections lost in a row.
    lost: u32,
}

/// What an error of the token endpoint means for somebody who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Ask again after this long.
    Wait(Duration),
    /// The codes have expired.
    Expired,
    /// It is over.
    Over(OauthError),
}

impl Poll {
    /// Polls for these codes.
    pub fn new(codes: &DeviceCode) -> Self {
        Self { interval: codes.interval, lost: 0 }
    }

    /// The pause before the next question.
    pub fn pause(&self) -> Duration {
        self.interval.saturating_mul(2_u32.saturating_pow(self.lost)).min(self.interval.max(LONGEST_PAUSE))
    }

    /// Takes in an error of the token endpoint.
    pub fn judge(&mut self, error: OauthError) -> Waiting {
        match error.oauth_code() {
            Some("authorization_pending") => self.lost = 0,
            Some("slow_down") => {
                self.lost = 0;
                self.interval += SLOWER;
            }
            Some("expired_token") => return Waiting::Expired,
            Some("access_denied") => {
                let description = match error {
                    OauthError::Refused { description, .. } => description,
                    _ => None,
                };
                return Waiting::Over(OauthError::Denied { code: "access_denied".to_owned(), description });
            }
            _ if error.is_retryable() => {
                self.lost += 1;
                return Waiting::Wait(self.pause().max(error.retry_after().unwrap_or_default().min(LONGEST_PAUSE)));
            }
            _ => return Waiting::Over(error),
        }
        Waiting::Wait(self.pause())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::{ClientAuth, test_client};

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    fn parsed(status: u16, body: &str) -> Result<DeviceCode, OauthError> {
        parse(&url("https://login.example/d"), &Answer::of_test(status, body))
    }

    const GOOD: &str = r#""device_code":"d","user_code":"AB-CD","verification_uri":"https://login.example/go""#;

    fn refused(code: &str) -> OauthError {
        OauthError::Refused {
            endpoint: Endpoint::Token,
            url: String::new(),
            status: 400,
            code: code.to_owned(),
            description: Some("why".to_owned()),
            retry_after: None,
        }
    }

    #[test]
    fn the_request_names_client_and_scope() {
        for client_auth in [ClientAuth::Basic, ClientAuth::Post, ClientAuth::None] {
            let client = Client { client_auth, scope: vec!["a".to_owned(), "b".to_owned()], ..test_client() };
            let (device_url, token_url) = (url("https://login.example/d"), url("https://login.example/t"));
            let sent = request(&client, &device_url, &token_url, SystemTime::UNIX_EPOCH, &Env::default()).expect("a request");
            let body = sent.body.expect("a form");
            assert_eq!(body.matches("client_id=id").count(), 1, "{client_auth:?}");
            assert!(body.contains("scope=a+b"), "{client_auth:?}");
        }
    }

    #[test]
    fn the_interval_is_5_s_at_least() {
        for (member, seconds) in [("", 5), (r#","interval":1"#, 5), (r#","interval":"7""#, 7), (r#","interval":0"#, 5)] {
            let codes = parsed(200, &format!("{{{GOOD}{member}}}")).expect(member);
            assert_eq!((codes.interval.as_secs(), codes.lifetime), (seconds, DEFAULT_LIFETIME), "{member}");
        }
        let codes = parsed(200, &format!("{{{GOOD},\"expires_in\":1800}}")).expect("codes");
        assert_eq!((codes.lifetime.as_secs(), codes.user_code.as_str()), (1800, "AB-CD"));
        assert!(!format!("{codes:?}").contains("\"d\""));
    }

    #[test]
    fn what_is_shown_is_a_web_address_and_harmless_text() {
        let google = r#"{"device_code":"d","user_code":"A\u001b[31mB","verification_url":"https://g.example/device"}"#;
        let codes = parsed(200, google).expect("codes");
        assert_eq!((codes.user_code.as_str(), codes.verification_url.path()), ("A[31mB", "/device"));
        let complete = format!("{{{GOOD},\"verification_uri_complete\":\"javascript:alert(1)\"}}");
        assert_eq!(parsed(200, &complete).expect("codes").complete_url, None);
        for (status, body) in [
            (200, r#"{"device_code":"d","user_code":"u","verification_uri":"file:///etc/passwd"}"#),
            (200, r#"{"device_code":"d","user_code":"u"}"#),
            (200, r#"{"device_code":"d","verification_uri":"https://h/"}"#),
            (200, r#"{"user_code":"u","verification_uri":"https://h/"}"#),
            (200, "<html>"),
            (404, ""),
        ] {
            let error = parsed(status, body).expect_err(body).to_string();
            assert!(error.starts_with("the device authorization endpoint"), "{error}");
        }
        assert_eq!(parsed(400, "{\"error\":\"invalid_scope\"}").expect_err("no").oauth_code(), Some("invalid_scope"));
    }

    #[test]
    fn slow_down_is_kept_and_lost_connections_double_the_pause() {
        let seconds = Duration::from_secs;
        let mut poll = Poll::new(&parsed(200, &format!("{{{GOOD}}}")).expect("codes"));
        let down =
            || OauthError::Unreachable { endpoint: Endpoint::Token, url: String::new(), reason: String::new(), sent: false };
        assert_eq!(poll.judge(refused("authorization_pending")), Waiting::Wait(seconds(5)));
        assert_eq!(poll.judge(refused("slow_down")), Waiting::Wait(seconds(10)));
        assert_eq!(poll.judge(refused("authorization_pending")), Waiting::Wait(seconds(10)));
        assert_eq!(poll.judge(refused("slow_down")), Waiting::Wait(seconds(15)));
        for expected in [30, 60, 60, 60] {
            assert_eq!(poll.judge(down()), Waiting::Wait(seconds(expected)));
        }
        assert_eq!(poll.judge(refused("authorization_pending")), Waiting::Wait(seconds(15)));
    }

    #[test]
    fn an_answer_ends_the_wait() {
        let mut poll = Poll::new(&parsed(200, &format!("{{{GOOD}}}")).expect("codes"));
        assert_eq!(poll.judge(refused("expired_token")), Waiting::Expired);
        let Waiting::Over(denied) = poll.judge(refused("access_denied")) else { panic!("goes on") };
        assert_eq!(denied.to_string(), "the sign-in was refused: access_denied (why)");
        assert!(matches!(poll.judge(refused("invalid_client")), Waiting::Over(OauthError::Refused { .. })));
    }
}
