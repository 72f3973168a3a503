//! Who may ask the daemon: every request passes here before anything looks at it.
//!
//! An open API on loopback that takes command lines would give files and tokens to every local user, and to every web page that
//! makes the browser send requests there. So:
//!
//! - `Host` must be the address that the request came to, `localhost` on loopback, or a name in `hosts`: a page whose name was
//!   rebound to 127.0.0.1 sends its own name.
//! - `Origin`, which browsers send with what pages ask for, must be that same host.
//! - Everything but `/healthz`, `/sign-in` (and `/metrics`, if told) needs the bearer, or the cookie that a sign-in link sets, or the
//!   unix socket, which only its owner can open.
//! - Changes need `Content-Type: application/json`, which no form can send.
//!
//! Link and cookie are MACs under the bearer: they survive a restart, need no session table, and die with the bearer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, StatusCode, header};
use ring::hmac;

use crate::error::{Error, Kind};
use crate::secret::Secret;

/// The cookie of a browser that has signed in.
pub const COOKIE: &str = "ffauth";
/// How long a sign-in link works.
pub const LINK_LIFE: Duration = Duration::from_secs(600);
/// How long a browser stays signed in.
pub const COOKIE_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Paths that need no bearer. They say nothing about streams and change nothing but who is signed in.
const OPEN: &[&str] = &["/healthz", "/sign-in"];

/// Decides about requests.
#[derive(Debug)]
pub struct Gate {
    token: Secret,
    key: hmac::Key,
    /// Codes of sign-in links that were used, until they would have expired anyway.
    used: Mutex<BTreeMap<String, u64>>,
}

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The local address of its connection.
    Tcp(SocketAddr),
    /// The socket that only its owner can open.
    Unix,
}

/// Settings that a reload may change.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Names under which the daemon may be asked for.
    pub hosts: Vec<String>,
    /// `/metrics` needs no bearer.
    pub open_metrics: bool,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// [`StatusCode::MISDIRECTED_REQUEST`].
    #[error("this name is not listed in `hosts` of [serve]")]
    Host,
    /// [`StatusCode::FORBIDDEN`].
    #[error("requests of pages from elsewhere are not answered")]
    Origin,
    /// [`StatusCode::UNAUTHORIZED`].
    #[error("send `Authorization: Bearer TOKEN`, or open a link from `ffauth serve --print sign-in`")]
    Bearer,
    /// [`StatusCode::UNSUPPORTED_MEDIA_TYPE`].
    #[error("changes need `Content-Type: application/json`")]
    ContentType,
}

impl Refusal {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Bearer => StatusCode::UNAUTHORIZED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// What one request says about itself.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Where it came in.
    pub door: Door,
    /// Its method.
    pub method: &'a Method,
    /// Its path.
    pub path: &'a str,
    /// Its host where the request line names one (HTTP/1.1 absolute form).
    pub authority: Option<&'a str>,
    /// Its header fields.
    pub headers: &'a HeaderMap,
}

impl Gate {
    /// A gate that opens to `token`.
    pub fn new(token: Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, token.expose().as_bytes());
        Self { token, key, used: Mutex::default() }
    }

    /// May this request pass?
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, asked: &Asked<'_>, rules: &Rules, now: SystemTime) -> Result<(), Refusal> {
        // Those who look whether the daemon is alive use whatever name they have.
        if asked.path == "/healthz" && is_safe(asked.method) {
            return Ok(());
        }
        let host = host_of(asked).ok_or(Refusal::Host)?;
        if !is_known(host, asked.door, rules) {
            return Err(Refusal::Host);
        }
        if let Some(origin) = asked.headers.get(header::ORIGIN) {
            let named = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
            if !named.is_some_and(|named| named.eq_ignore_ascii_case(host)) {
                return Err(Refusal::Origin);
            }
        }
        let is_open = OPEN.contains(&asked.path) || rules.open_metrics && asked.path == "/metrics";
        if is_open && is_safe(asked.method) {
            return Ok(());
        }
        let has_bearer = self.has_bearer(asked.headers);
        if !has_bearer && asked.door != Door::Unix && !self.has_cookie(asked.headers, now) {
            return Err(Refusal::Bearer);
        }
        if !is_safe(asked.method) && !says_json(asked.headers, has_bearer) {
            return Err(Refusal::ContentType);
        }
        Ok(())
    }

    /// The code of a link that signs in once.
    pub fn code(&self, now: SystemTime) -> Result<String, Error> {
        let mut nonce = [0; 12];
        getrandom::fill(&mut nonce).map_err(|error| Error::new(Kind::Internal, format!("no random numbers: {error}")))?;
        let nonce = URL_SAFE_NO_PAD.encode(nonce);
        Ok(self.sealed("link", &format!("{nonce}.{}", seconds(now + LINK_LIFE))))
    }

    /// The cookie for whoever brings a code that is good, the first time.
    pub fn redeem(&self, code: &str, now: SystemTime) -> Option<String> {
        let until = self.open("link", code, now)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| *until > seconds(now));
        if used.insert(code.to_owned(), until).is_some() {
            return None;
        }
        let value = self.sealed("cookie", &format!(".{}", seconds(now + COOKIE_LIFE)));
        Some(format!("{COOKIE}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict", COOKIE_LIFE.as_secs()))
    }

    fn has_bearer(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        given.is_some_and(|(_, token)| Secret::from(token.trim()) == self.token)
    }

    fn has_cookie(&self, headers: &HeaderMap, now: SystemTime) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let own = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        own.filter(|(name, _)| *name == COOKIE).any(|(_, value)| self.open("cookie", value, now).is_some())
    }

    /// `content` and its MAC for this purpose.
    fn sealed(&self, purpose: &str, content: &str) -> String {
        let tag = hmac::sign(&self.key, format!("{purpose}:{content}").as_bytes());
        format!("{content}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// Until when something sealed is good, if it is: `NONCE.UNTIL.MAC`.
    fn open(&self, purpose: &str, sealed: &str, now: SystemTime) -> Option<u64> {
        let (content, tag) = sealed.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.key, format!("{purpose}:{content}").as_bytes(), &tag).ok()?;
        let until = content.rsplit_once('.')?.1.parse().ok()?;
        (until > seconds(now)).then_some(until)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Without its `@`, which no client has reason to send.
fn host_of<'a>(asked: &Asked<'a>) -> Option<&'a str> {
    let mut named = asked.headers.get_all(header::HOST).iter();
    let host = match (asked.authority, named.next(), named.next()) {
        (Some(authority), _, None) => authority,
        (None, Some(host), None) => host.to_str().ok()?,
        _ => return None,
    };
    (!host.contains('@')).then_some(host)
}

/// A host with or without a port; the port proves nothing, and changes on the way through a tunnel.
fn is_known(host: &str, door: Door, rules: &Rules) -> bool {
    let name = match host.strip_prefix('[') {
        Some(literal) => literal.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.to_ascii_lowercase();
    let by_address = match door {
        // An address that is written out has not been looked up, so nobody has rebound it.
        Door::Tcp(local) => name.parse().is_ok_and(|ip: std::net::IpAddr| ip == local.ip().to_canonical()),
        Door::Unix => false,
    };
    let is_local = match door {
        Door::Tcp(local) => local.ip().to_canonical().is_loopback(),
        Door::Unix => true,
    };
    by_address || is_local && name == "localhost" || rules.hosts.contains(&name)
}

/// No form can send this content type, so no page can make a browser do it without being asked first (CORS preflight). A
/// request without a body that brings the bearer itself needs none: a page cannot send that header either.
fn says_json(headers: &HeaderMap, has_bearer: bool) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        let is_empty = headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0");
        return has_bearer && is_empty && !headers.contains_key(header::TRANSFER_ENCODING);
    };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests;
