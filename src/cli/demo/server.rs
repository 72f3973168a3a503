//! The demo's far end on 127.0.0.1: a token endpoint (RFC 6749 section 4.4) and a live HLS stream that takes only its tokens
//! (RFC 6750).

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};

use crate::clock::{Clock, Now};
use crate::error::{Error, Kind};
use crate::secret::Secret;

use super::issuer::{self, Client, Issuer, Refusal, Seen};
use super::live::Broadcast;

/// The client id that the token endpoint knows.
pub const CLIENT_ID: &str = "demo";

/// Longer than any token request that is one.
const LONGEST_BODY: usize = 16 * 1024;

/// A server that runs until it is dropped.
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    accepting: AbortHandle,
}

struct State {
    clock: Arc<dyn Clock>,
    client_secret: Secret,
    broadcast: Broadcast,
    issuer: Mutex<Issuer>,
    /// When the ingest that counts tuned in.
    on_air: Mutex<Option<Now>>,
}

type Answer = Response<Full<Bytes>>;

impl Server {
    /// Listens on a free port of 127.0.0.1. Its tokens live for `life`; the broadcast begins with the first playlist that the
    /// refreshed client is given.
    ///
    /// # Errors
    /// There is no port or there are no random numbers to be had.
    pub fn start(broadcast: Broadcast, life: Duration, clock: Arc<dyn Clock>, runtime: &Handle) -> Result<Self, Error> {
        let failed = |error: String| Error::new(Kind::Internal, format!("no server can be started on 127.0.0.1: {error}"));
        let listener =
            runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).map_err(|error| failed(error.to_string()))?;
        let address = listener.local_addr().map_err(|error| failed(error.to_string()))?;
        let state = Arc::new(State {
            clock,
            client_secret: issuer::random().map_err(|error| failed(error.to_string()))?,
            broadcast,
            issuer: Mutex::new(Issuer::new(life)),
            on_air: Mutex::default(),
        });
        let accepting = runtime.spawn(accept(listener, Arc::clone(&state))).abort_handle();
        Ok(Self { address, state, accepting })
    }

    /// Its URL with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The secret of [`CLIENT_ID`].
    pub fn client_secret(&self) -> &Secret {
        &self.state.client_secret
    }

    /// A token that did not come through the token endpoint: for the client that never goes there.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn hand_out(&self, client: Client) -> Result<Secret, Error> {
        let issued = self.state.issuer().issue(client, &self.state.clock.now());
        issued.map_err(|error| Error::new(Kind::Internal, format!("no random numbers: {error}")))
    }

    /// What it has seen of `client` so far.
    pub fn seen(&self, client: Client) -> Seen {
        self.state.issuer().seen(client, &self.state.clock.now())
    }

    /// How long the broadcast has been on air; `None` before it began.
    pub fn elapsed(&self) -> Option<Duration> {
        let since = *self.state.on_air.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| self.state.clock.now().since(&since))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Connections end with the task that accepts them.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        // A connection that was given up before it was accepted says nothing about the next.
        let Ok((stream, _)) = accepted else { continue };
        let state = Arc::clone(&state);
        let service = hyper::service::service_fn(move |request| {
            let state = Arc::clone(&state);
            async move { Ok::<_, Infallible>(state.answer(request).await) }
        });
        connections.spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

impl State {
    fn issuer(&self) -> MutexGuard<'_, Issuer> {
        self.issuer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/token") => match Limited::new(body, LONGEST_BODY).collect().await {
                Ok(body) => self.token(&head.headers, &body.to_bytes()),
                Err(_) => oauth_error(StatusCode::BAD_REQUEST, "invalid_request"),
            },
            (_, "/token") => empty(StatusCode::METHOD_NOT_ALLOWED),
            (&Method::GET, path) => self.media(&head.headers, path),
            _ => empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    /// RFC 6749 section 4.4, the client known by HTTP Basic (section 2.3.1).
    fn token(&self, headers: &HeaderMap, body: &[u8]) -> Answer {
        // Neither part holds a character that form-encoding would change.
        let expected = format!("{CLIENT_ID}:{}", self.client_secret.expose());
        let given = credentials(headers, "Basic").and_then(|given| STANDARD.decode(given.expose()).ok());
        let given = given.and_then(|given| String::from_utf8(given).ok()).map(Secret::new);
        if given != Some(Secret::new(expected)) {
            let mut answer = oauth_error(StatusCode::UNAUTHORIZED, "invalid_client");
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"ffauth demo\""));
            return answer;
        }
        let grants: Vec<_> = url::form_urlencoded::parse(body).filter(|(name, _)| name == "grant_type").collect();
        match grants.as_slice() {
            [(_, grant)] if grant == "client_credentials" => {}
            [_] => return oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            _ => return oauth_error(StatusCode::BAD_REQUEST, "invalid_request"),
        }
        let mut issuer = self.issuer();
        match issuer.issue(Client::Refreshed, &self.clock.now()) {
            Ok(token) => json(
                StatusCode::OK,
                &serde_json::json!({
                    "access_token": token.expose(), "token_type": "Bearer", "expires_in": issuer.life().as_secs(),
                }),
            ),
            Err(_) => oauth_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        }
    }

    fn media(&self, headers: &HeaderMap, path: &str) -> Answer {
        let now = self.clock.now();
        let (client, verdict) = self.issuer().judge(credentials(headers, "Bearer").as_ref(), &now);
        if let Err(refusal) = verdict {
            let mut answer = empty(StatusCode::UNAUTHORIZED);
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge(refusal)));
            return answer;
        }
        let is_playlist = path == "/live.m3u8";
        let elapsed = {
            let mut on_air = self.on_air.lock().unwrap_or_else(PoisonError::into_inner);
            if is_playlist && client == Client::Refreshed {
                on_air.get_or_insert(now);
            }
            on_air.map_or(Duration::ZERO, |since| now.since(&since))
        };
        if is_playlist {
            return full(StatusCode::OK, "application/vnd.apple.mpegurl", self.broadcast.playlist(elapsed).into());
        }
        let number = path.strip_prefix('/').and_then(|name| name.strip_suffix(".ts")).and_then(|number| number.parse().ok());
        match number.and_then(|number| self.broadcast.segment(number, elapsed)) {
            Some(segment) => full(StatusCode::OK, "video/mp2t", segment.bytes.clone()),
            None => empty(StatusCode::NOT_FOUND),
        }
    }
}

/// What stands behind `scheme` in the request's `Authorization` (RFC 9110 section 11.6.2).
fn credentials(headers: &HeaderMap, scheme: &str) -> Option<Secret> {
    let (given, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim().into())
}

/// RFC 6750 section 3: no error code for a request that did not try.
fn challenge(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NoToken => "Bearer realm=\"ffauth demo\"",
        Refusal::Unknown => {
            "Bearer realm=\"ffauth demo\", error=\"invalid_token\", error_description=\"The access token is not one of ours\""
        }
        Refusal::Expired => {
            "Bearer realm=\"ffauth demo\", error=\"invalid_token\", error_description=\"The access token expired\""
        }
    }
}

fn full(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn json(status: StatusCode, body: &serde_json::Value) -> Answer {
    full(status, "application/json", body.to_string().into())
}

/// RFC 6749 section 5.2.
fn oauth_error(status: StatusCode, code: &str) -> Answer {
    json(status, &serde_json::json!({"error": code}))
}

fn empty(status: StatusCode) -> Answer {
    full(status, "text/plain", Bytes::new())
}

#[cfg(test)]
mod tests;
