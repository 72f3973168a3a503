//! An authorization server: hands out tokens that live as long as it says, or shorter, or not at all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, LOCATION};

use super::dpop::Proofs;
use super::server::{Arrived, Body, Cut, Server};

/// The client secret of every profile in these tests, unless a test has its own.
pub const SECRET: &str = "test-secret";

/// All tokens that one authorization server ever issued; resource servers ask it.
pub struct Tokens {
    name: &'static str,
    life: Duration,
    announced: Option<u64>,
    issued: Mutex<Vec<Issued>>,
}

struct Issued {
    token: String,
    at: Instant,
    killed: bool,
}

/// What a resource server gets to know about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Alive; the number of the token, from 1.
    Alive(u64),
    /// Expired, or killed before that.
    Dead(u64),
    Unknown,
}

impl Tokens {
    /// Tokens that live `life` and say so.
    pub fn living(life: Duration) -> Arc<Self> {
        Self::new("token", life, Some(life.as_secs()))
    }

    /// Tokens that promise an hour and die after `life`.
    pub fn dying_early(life: Duration) -> Arc<Self> {
        Self::new("token", life, Some(3600))
    }

    /// Tokens whose text begins with `name`; `announced` is their `expires_in`.
    pub fn new(name: &'static str, life: Duration, announced: Option<u64>) -> Arc<Self> {
        Arc::new(Self { name, life, announced, issued: Mutex::default() })
    }

    /// A new token.
    pub fn issue(&self) -> String {
        let mut issued = self.lock();
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).expect("random bytes");
        let token = format!("{}-{}-{:016x}", self.name, issued.len() + 1, u64::from_ne_bytes(salt));
        issued.push(Issued { token: token.clone(), at: Instant::now(), killed: false });
        token
    }

    pub fn check(&self, token: &str) -> Verdict {
        let issued = self.lock();
        let Some(index) = issued.iter().position(|known| known.token == token) else { return Verdict::Unknown };
        let generation = index as u64 + 1;
        let known = &issued[index];
        if known.killed || known.at.elapsed() >= self.life { Verdict::Dead(generation) } else { Verdict::Alive(generation) }
    }

    /// From now on no token issued so far is valid.
    pub fn kill_all(&self) {
        self.lock().iter_mut().for_each(|known| known.killed = true);
    }

    /// Every token issued so far.
    pub fn all(&self) -> Vec<String> {
        self.lock().iter().map(|known| known.token.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Issued>> {
        self.issued.lock().expect("no panic while tokens are counted")
    }
}

/// How the token endpoint behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Answers as RFC 6749 section 5.1 says.
    Well,
    /// Answers, but only after this time.
    Slow(Duration),
    /// Answers well, by a clock that is ahead by these seconds.
    Ahead(i64),
    /// Status 200 and a page of HTML.
    Html,
    /// Status 401, `invalid_client`.
    Unauthorized,
    /// Status 503, `Retry-After: 0`.
    Unavailable,
    /// The body ends in the middle.
    Truncated,
    /// A body without end.
    Huge,
    /// A 307 to this URL.
    Redirecting(String),
    /// Exactly this body, status 200.
    Saying(String),
    /// This status and exactly this body.
    Refusing(u16, String),
}

/// One request to the token endpoint.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The certificate that the client showed.
    pub certificate: Option<Vec<u8>>,
}

impl TokenRequest {
    /// The value of a header field; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The parameters of the body; a repeated one stands for all of its kind.
    pub fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    /// The body's `name=value` pairs as they were encoded, sorted.
    pub fn pairs(&self) -> Vec<&str> {
        let mut pairs: Vec<&str> = self.body.split('&').collect();
        pairs.sort_unstable();
        pairs
    }
}

/// A running token endpoint.
pub struct TokenServer {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    tokens: Arc<Tokens>,
    /// Tokens are bound to the key of a proof.
    proofs: Option<Arc<Proofs>>,
    mood: Mutex<Mood>,
    requests: Mutex<Vec<TokenRequest>>,
    answered: Mutex<u64>,
}

impl TokenServer {
    pub fn start(tokens: &Arc<Tokens>) -> Self {
        Self::start_with(tokens, None)
    }

    pub fn start_with(tokens: &Arc<Tokens>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Self::start_as(tokens, tls, None)
    }

    /// Its tokens are bound to the key in the proof that came with the request.
    pub fn binding(tokens: &Arc<Tokens>, proofs: &Arc<Proofs>) -> Self {
        Self::start_as(tokens, None, Some(Arc::clone(proofs)))
    }

    fn start_as(tokens: &Arc<Tokens>, tls: Option<Arc<rustls::ServerConfig>>, proofs: Option<Arc<Proofs>>) -> Self {
        let shared = Arc::new(Shared {
            tokens: Arc::clone(tokens),
            proofs,
            mood: Mutex::new(Mood::Well),
            requests: Mutex::default(),
            answered: Mutex::default(),
        });
        let state = Arc::clone(&shared);
        let server = Server::start(
            tls,
            Arc::new(move |arrived| {
                let state = Arc::clone(&state);
                Box::pin(async move { state.respond(arrived).await })
            }),
        );
        Self { server, shared }
    }

    /// The URL of the token endpoint.
    pub fn url(&self) -> String {
        self.server.url("/oauth2/token")
    }

    pub fn url_of(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// How it behaves from now on.
    pub fn set(&self, mood: Mood) {
        *self.shared.mood.lock().expect("no panic") = mood;
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<TokenRequest> {
        self.shared.requests.lock().expect("no panic").clone()
    }

    /// Requests that got a token.
    pub fn answered(&self) -> u64 {
        *self.shared.answered.lock().expect("no panic")
    }
}

impl Shared {
    async fn respond(&self, arrived: Arrived) -> Response<Body> {
        let (head, body) = arrived.request.into_parts();
        let proved = self.proofs.as_ref().map(|proofs| {
            let host = head.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
            proofs.check(head.method.as_str(), &format!("http://{host}{}", head.uri.path()), &head.headers, None)
        });
        let Ok(body) = body.collect().await else { return plain(400, "text/plain", "no body") };
        self.requests.lock().expect("no panic").push(TokenRequest {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            headers: super::header_fields(&head.headers),
            body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
            certificate: arrived.certificate,
        });
        let mood = self.mood.lock().expect("no panic").clone();
        if let Some(Err(refusal)) = proved {
            let nonce = self.proofs.as_ref().and_then(|proofs| proofs.nonce()).unwrap_or_default();
            let mut response = plain(400, "application/json", &format!(r#"{{"error":"{refusal}"}}"#));
            response.headers_mut().insert("dpop-nonce", nonce.parse().expect("a value"));
            return response;
        }
        match mood {
            Mood::Well => self.token(),
            Mood::Slow(delay) => {
                tokio::time::sleep(delay).await;
                self.token()
            }
            Mood::Ahead(seconds) => {
                let date = time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
                let date = date.format(&time::format_description::well_known::Rfc2822).expect("a date").replace("+0000", "GMT");
                let mut response = self.token();
                response.headers_mut().insert(hyper::header::DATE, date.parse().expect("a header value"));
                response
            }
            Mood::Html => plain(200, "text/html", "<html><body><h1>Sign in</h1></body></html>"),
            Mood::Unauthorized => plain(
                401,
                "application/json",
                r#"{"error":"invalid_client","error_description":"the secret of app is not right"}"#,
            ),
            Mood::Unavailable => plain(503, "text/plain", "later"),
            Mood::Truncated => {
                let (slices, body) = tokio::sync::mpsc::channel(1);
                tokio::spawn(async move {
                    let _ = slices.send(Ok(r#"{"access_token":"half"#.into())).await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    let _ = slices.send(Err(Cut)).await;
                });
                let response = Response::builder().header(CONTENT_TYPE, "application/json").header("content-length", 200);
                response.body(Body::Slices(body)).expect("a response")
            }
            Mood::Huge => {
                let (slices, body) = tokio::sync::mpsc::channel(1);
                tokio::spawn(async move {
                    let mut slice = bytes::Bytes::from_static(br#"{"padding":""#);
                    while slices.send(Ok(slice)).await.is_ok() {
                        slice = vec![b'x'; 64 * 1024].into();
                    }
                });
                Response::builder().header(CONTENT_TYPE, "application/json").body(Body::Slices(body)).expect("a response")
            }
            Mood::Redirecting(target) => {
                Response::builder().status(307).header(LOCATION, target).body(Body::from("")).expect("a response")
            }
            Mood::Saying(text) => plain(200, "application/json", &text),
            Mood::Refusing(status, text) => plain(status, "application/json", &text),
        }
    }

    fn token(&self) -> Response<Body> {
        *self.answered.lock().expect("no panic") += 1;
        let token = self.tokens.issue();
        let expiry = self.tokens.announced.map_or_else(String::new, |seconds| format!(r#","expires_in":{seconds}"#));
        let kind = if self.proofs.is_some() { "DPoP" } else { "Bearer" };
        plain(200, "application/json", &format!(r#"{{"access_token":"{token}","token_type":"{kind}"{expiry}}}"#))
    }
}

fn plain(status: u16, content_type: &str, text: &str) -> Response<Body> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, content_type).header("retry-after", "0");
    response.body(Body::from(text.to_owned())).expect("a response")
}
