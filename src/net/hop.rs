//! Redirects, hop by hop.
//!
//! http.c follows redirects by itself and re-sends its `headers` to whatever they lead to. So libav is given the last URL
//! (with `max_redirects=0`), and the way there is walked here, each hop looked at by itself.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{HeaderMap, LOCATION};
use reqwest::Response;
use url::Url;

use crate::redact;
use crate::shutdown::Shutdown;

use super::answer;
use super::client;
use super::error::{NetError, RedirectFault};
use super::freshness::{self, Key};
use super::pointer;
use super::token::{Carried, masked};
use super::{Request, Shared};

/// A body up to this size is read for the sake of its connection.
const SHORT: usize = 64 * 1024;

/// A connection gets this long to return to the pool: the next request (after a segment, the playlist) often follows at
/// once, and would open another one.
const RETURN: Duration = Duration::from_millis(1);

/// Where a URL leads.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The URL that does not redirect; not masked. It is the one given if nothing redirected.
    pub url: String,
    /// The redirects on the way.
    pub hops: Vec<Hop>,
    /// What the last URL answered to one byte's range.
    pub status: u16,
    /// Its media type, without parameters.
    pub content_type: Option<String>,
    /// The profile whose token it was sent.
    pub profile: Option<String>,
    /// From the last request to the head of its answer.
    pub took: Duration,
    /// The last URL is plain http behind https: no token may go there, whatever the scope says.
    pub downgraded: bool,
}

/// One redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The URL that redirects, masked.
    pub url: String,
    /// 301, 302, 303, 307 or 308; 200 where an API's answer named the next URL.
    pub status: u16,
    /// The profile whose token it was sent.
    pub profile: Option<String>,
    /// It was remembered, not asked for.
    pub remembered: bool,
    /// From the request to the head of the answer; zero where nobody measured it.
    pub took: Duration,
}

/// The end of a walk.
pub(super) struct End {
    pub(super) response: Response,
    pub(super) carried: Carried,
    pub(super) url: Url,
    pub(super) hops: Vec<Hop>,
    pub(super) downgraded: bool,
    /// The token that was sent last came after another one had been refused.
    pub(super) renewed: bool,
    pub(super) took: Duration,
}

pub(super) async fn resolve(shared: &Shared, request: &Request, stop: &Shutdown) -> Result<Resolved, NetError> {
    let mut trail = Trail::new(client::parse(&request.url)?);
    resolve_on(shared, request, &mut trail, stop).await
}

/// As [`resolve`]; the redirects that came before a failure stay in `trail`.
pub(super) async fn resolve_on(
    shared: &Shared,
    request: &Request,
    trail: &mut Trail,
    stop: &Shutdown,
) -> Result<Resolved, NetError> {
    let end = walk_on(shared, request, "bytes=0-0", trail, stop).await?;
    let (status, content_type) = (end.response.status().as_u16(), answer::content_type(end.response.headers()));
    let url = if end.hops.is_empty() { request.url.clone() } else { end.url.to_string() };
    // A server without ranges may send a stream that never ends: that connection is given up.
    if end.response.content_length().is_some_and(|length| length <= SHORT as u64) {
        drain(end.response).await;
    }
    let profile = end.carried.bearer().map(|bearer| bearer.name.to_string());
    Ok(Resolved { url, hops: end.hops, status, content_type, profile, took: end.took, downgraded: end.downgraded })
}

/// Asks for `request.url` and follows its redirects to the first answer that is none.
pub(super) async fn walk(shared: &Shared, request: &Request, range: &str, stop: &Shutdown) -> Result<End, NetError> {
    let mut trail = Trail::new(client::parse(&request.url)?);
    walk_on(shared, request, range, &mut trail, stop).await
}

async fn walk_on(shared: &Shared, request: &Request, range: &str, trail: &mut Trail, stop: &Shutdown) -> Result<End, NetError> {
    let get = match request.method.as_str() {
        "GET" => Cow::Borrowed(request),
        _ => Cow::Owned(Request { method: "GET".to_owned(), ..request.clone() }),
    };
    let (mut renewed, mut restarted) = (request.renewed, false);
    loop {
        if trail.follow_remembered(shared, &get)? {
            continue;
        }
        request.reach.judge(shared, &trail.url, &request.bearers).await?;
        let began = shared.clock.now();
        // The API's answer is wanted whole.
        let pointer = get.pointer.as_ref().filter(|_| !trail.is_told);
        let range = if pointer.is_some() { None } else { Some(range) };
        let (response, carried) = shared.ask(&get, &trail.url, range, trail.downgraded, stop).await?;
        let took = shared.clock.now().since(&began);
        let status = response.status().as_u16();
        if is_redirect(status) {
            let target = target(&trail.url, response.headers())?;
            trail.remember(shared, &get, status, response.headers(), &target);
            drain(response).await;
            trail.follow(&get, target, status, false)?;
            if let Some(hop) = trail.hops.last_mut() {
                hop.took = took;
            }
            continue;
        }
        if carried.wants_another(response.status(), response.headers(), renewed, &*shared.clock) {
            renewed = true;
            drain(response).await;
            carried.renew(&trail.url, request.wait, stop).await?;
            request.counters.retry();
            continue;
        }
        if let Some(pointer) = pointer.filter(|_| response.status().is_success()) {
            let target = pointer::target(response, pointer, &trail.url, get.timeout).await?;
            trail.follow_answer(&get, target, took);
            continue;
        }
        if !restarted && trail.is_stale(status) {
            restarted = true;
            drain(response).await;
            shared.hops.forget(&client::parse(&request.url)?);
            *trail = Trail::new(client::parse(&request.url)?);
            request.counters.retry();
            continue;
        }
        let (url, hops, downgraded) = (trail.url.clone(), std::mem::take(&mut trail.hops), trail.downgraded);
        return Ok(End { response, carried, url, hops, downgraded, renewed, took });
    }
}

/// Where a walk stands and where it has been.
pub(super) struct Trail {
    pub(super) url: Url,
    pub(super) hops: Vec<Hop>,
    /// An earlier hop was https.
    pub(super) downgraded: bool,
    /// An API has told where the media is.
    is_told: bool,
    /// Where it has been before `url`.
    visited: Vec<Url>,
}

impl Trail {
    pub(super) fn new(url: Url) -> Self {
        Self { visited: Vec::new(), url, hops: Vec::new(), downgraded: false, is_told: false }
    }

    /// Takes one hop.
    ///
    /// # Errors
    /// [`NetError::Redirect`] for a circle and for too many hops.
    pub(super) fn follow(&mut self, request: &Request, target: Url, status: u16, remembered: bool) -> Result<(), NetError> {
        let url = masked(&self.url);
        if self.url == target || self.visited.contains(&target) {
            return Err(NetError::Redirect { url, fault: RedirectFault::Loop(masked(&target)) });
        }
        let redirects = self.hops.iter().filter(|hop| is_redirect(hop.status)).count();
        if redirects >= usize::try_from(request.max_redirects).unwrap_or(usize::MAX) {
            return Err(NetError::Redirect { url, fault: RedirectFault::TooMany(request.max_redirects) });
        }
        self.go(request, target, status, remembered);
        Ok(())
    }

    /// Goes where the answer of an API says that the media is.
    fn follow_answer(&mut self, request: &Request, target: Url, took: Duration) {
        self.is_told = true;
        self.go(request, target, 200, false);
        if let Some(hop) = self.hops.last_mut() {
            hop.took = took;
        }
    }

    fn go(&mut self, request: &Request, target: Url, status: u16, remembered: bool) {
        let (url, profile) = (masked(&self.url), self.key(request).profile);
        self.hops.push(Hop { url, status, profile, remembered, took: Duration::ZERO });
        self.downgraded |= self.url.scheme() == "https" && target.scheme() == "http";
        self.visited.push(std::mem::replace(&mut self.url, target));
    }

    /// Takes one hop if the memory knows it.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub(super) fn follow_remembered(&mut self, shared: &Shared, request: &Request) -> Result<bool, NetError> {
        if shared.hops.is_empty() {
            return Ok(false);
        }
        let Some((status, target)) = shared.hops.get(&self.key(request), &shared.clock.now()) else { return Ok(false) };
        self.follow(request, target, status, true)?;
        Ok(true)
    }

    /// Keeps the redirect from here to `target` for the lifetime that its head gives it.
    pub(super) fn remember(&self, shared: &Shared, request: &Request, status: u16, headers: &HeaderMap, target: &Url) {
        let now = shared.clock.now();
        if let Some(lifetime) = freshness::lifetime(status, headers, now.wall) {
            shared.hops.put(self.key(request), status, target.clone(), lifetime, now);
        }
    }

    /// Does `status` say that a remembered target no longer serves, a signed URL past its end, say?
    pub(super) fn is_stale(&self, status: u16) -> bool {
        matches!(status, 401 | 403 | 404 | 410) && self.hops.iter().any(|hop| hop.remembered)
    }

    fn key(&self, request: &Request) -> Key {
        let withheld = self.downgraded && self.url.scheme() == "http";
        let bearer = request.bearers.for_url(&self.url).filter(|_| !withheld);
        Key { method: request.method.clone(), url: self.url.clone(), profile: bearer.map(|bearer| bearer.name.to_string()) }
    }
}

/// The redirects that libavformat follows too (http.c, `http_read_header`); 300 and 304 are answers.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Where `Location` (RFC 9110 section 10.2.2) leads from `from`.
pub(super) fn target(from: &Url, headers: &HeaderMap) -> Result<Url, NetError> {
    let refuse = |fault| NetError::Redirect { url: masked(from), fault };
    let unusable = |reason: &str| refuse(RedirectFault::Location(reason.to_owned()));
    let location = headers.get(LOCATION).ok_or_else(|| unusable("it does not say where to"))?;
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| unusable("its Location is not text"))?.trim();
    if location.is_empty() {
        return Err(unusable("its Location is empty"));
    }
    let joined = from.join(location).map_err(|error| unusable(&format!("its Location is not a URL ({error})")))?;
    if !matches!(joined.scheme(), "http" | "https") {
        return Err(refuse(RedirectFault::Scheme(redact::untrusted(joined.scheme()))));
    }
    client::parse(joined.as_str()).map_err(|_| unusable("its Location is longer than libavformat takes"))
}

/// Reads a short body to its end, so that the connection can be used again; a long one costs the connection.
pub(super) async fn drain(response: Response) {
    beginning(response, SHORT).await;
    tokio::time::sleep(RETURN).await;
}

/// The first bytes of a body, at most `limit` and a chunk, as far as they come within two seconds.
pub(super) async fn beginning(mut response: Response, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = async {
        while bytes.len() < limit {
            let Ok(Some(chunk)) = response.chunk().await else { break };
            bytes.extend_from_slice(&chunk);
        }
    };
    // What came until then is as good as a body that ended there.
    let _ = tokio::time::timeout(Duration::from_secs(2), read).await;
    bytes
}

#[cfg(test)]
mod unit {
    use super::*;

    fn leads(from: &str, location: &[u8]) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, http::HeaderValue::from_bytes(location).expect("a value"));
        target(&Url::parse(from).expect(from), &headers).map(String::from).map_err(|error| error.to_string())
    }

    #[test]
    fn relative_locations_are_taken_from_the_url_that_redirects() {
        for (location, url) in [
            ("/b?c=d", "https://h/b?c=d"),
            ("b", "https://h/a/b"),
            ("../b", "https://h/b"),
            ("//other/b", "https://other/b"),
            ("http://H:80/b#f", "http://h/b"),
            ("?x", "https://h/a/p?x"),
        ] {
            assert_eq!(leads("https://h/a/p?q", location.as_bytes()).as_deref(), Ok(url), "{location}");
        }
    }

    #[test]
    fn only_http_is_followed() {
        for location in ["file:///etc/passwd", "data:text/plain,x", "ftp://h/x", "crypto+http://h/x", "javascript:0"] {
            let refusal = leads("https://h/p?t=CANARY", location.as_bytes()).expect_err(location);
            assert!(refusal.contains("only http and https") && !refusal.contains("CANARY"), "{refusal}");
        }
        assert!(leads("https://h/", b"\xff\xfe").is_err());
        assert!(leads("https://h/", b" ").is_err());
        assert!(leads("https://h/", b"http://").is_err());
        assert!(leads("https://h/", &[b'a'; 5000]).is_err());
        assert!(target(&Url::parse("https://h/").expect("a URL"), &HeaderMap::new()).is_err());
    }
}
