//! An API behind a token that hands out signed URLs, and a server that takes nothing but those: each signature serves a few
//! requests and is refused from then on.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HeaderMap, RANGE};
use hyper::{Request, Response};
use tokio::sync::mpsc;

use super::server::{Body, Cut, Server};
use super::token_server::{Tokens, Verdict};

/// How signed URLs behave.
#[derive(Clone)]
pub struct Rules {
    /// Where the media is.
    pub folder: PathBuf,
    /// Files with this end need no signature; "" = all need one.
    pub free: &'static str,
    /// How many requests a signature serves.
    pub serves: u32,
    /// So many of the first signatures are of no use at all.
    pub stillborn: u32,
    /// A body breaks off after so many bytes.
    pub breaks: usize,
    /// What an expired signature is answered with.
    pub refusal: u16,
    /// The media changes after so many requests for it.
    pub changes_after: usize,
}

/// What arrived at one of the two.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
    pub status: u16,
}

/// Both servers.
pub struct Cdn {
    pub api: Server,
    edge: Server,
    state: Arc<State>,
}

struct State {
    rules: Rules,
    /// How many requests each signature has served, by number.
    signatures: Mutex<Vec<u32>>,
    at_api: Mutex<Vec<Seen>>,
    at_edge: Mutex<Vec<Seen>>,
}

/// What the API answers for a path: status, text, and a target if it redirects. It may sign.
pub type Api = fn(path: &str, calls: usize, sign: &dyn Fn(&str) -> String) -> Reply;

/// See [`Api`].
pub enum Reply {
    Text(&'static str, String),
    Moved(String),
}

impl Cdn {
    pub fn start(rules: Rules, tokens: &Arc<Tokens>, api: Api) -> Self {
        let state = Arc::new(State { rules, signatures: Mutex::default(), at_api: Mutex::default(), at_edge: Mutex::default() });
        let shared = Arc::clone(&state);
        let edge = Server::start(
            None,
            Arc::new(move |arrived| {
                let state = Arc::clone(&shared);
                Box::pin(async move { state.deliver(&arrived.request) })
            }),
        );
        let (shared, base, tokens) = (Arc::clone(&state), edge.url(""), Arc::clone(tokens));
        let front = Server::start(
            None,
            Arc::new(move |arrived| {
                let (state, base, tokens) = (Arc::clone(&shared), base.clone(), Arc::clone(&tokens));
                Box::pin(async move { state.answer(&arrived.request, &base, &tokens, api) })
            }),
        );
        Self { api: front, edge, state }
    }

    /// What the API was asked for.
    pub fn calls(&self) -> Vec<Seen> {
        self.state.at_api.lock().expect("no panic").clone()
    }

    /// What the media server was asked for.
    pub fn requests(&self) -> Vec<Seen> {
        self.state.at_edge.lock().expect("no panic").clone()
    }

    /// How many requests for media were refused.
    pub fn refused(&self) -> usize {
        self.requests().iter().filter(|seen| seen.status >= 400).count()
    }

    /// Where the media is, without a signature.
    pub fn edge(&self) -> String {
        self.edge.url("")
    }

    /// Both logs in short, for messages.
    pub fn story(&self) -> String {
        let line = |(name, seen): (&str, Seen)| {
            let token = if seen.authorization.is_some() { "token" } else { "-" };
            format!("  {name} {} {} {token} -> {}\n", seen.path, seen.range.unwrap_or_default(), seen.status)
        };
        let calls = self.calls().into_iter().map(|seen| ("api", seen));
        calls.chain(self.requests().into_iter().map(|seen| ("cdn", seen))).map(line).collect()
    }
}

fn field(headers: &HeaderMap, name: impl hyper::header::AsHeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().expect("text").to_owned())
}

impl State {
    fn answer<B>(&self, request: &Request<B>, base: &str, tokens: &Arc<Tokens>, api: Api) -> Response<Body> {
        let token = field(request.headers(), AUTHORIZATION);
        let alive = token.as_deref().and_then(|value| value.strip_prefix("Bearer ")).map(|token| tokens.check(token));
        let path = request.uri().path().to_owned();
        let mut calls = self.at_api.lock().expect("no panic");
        let number = calls.iter().filter(|seen| seen.path == path && seen.status < 400).count();
        let sign = |path: &str| {
            let mut signatures = self.signatures.lock().expect("no panic");
            signatures.push(0);
            format!("{base}/{path}?signature={}", signatures.len() - 1)
        };
        let (status, response) = match alive {
            Some(Verdict::Alive(_)) => match api(&path, number, &sign) {
                Reply::Text(kind, text) => (200, Response::builder().header("content-type", kind).body(Body::from(text))),
                Reply::Moved(target) => (302, Response::builder().status(302).header("location", target).body(Body::from(""))),
            },
            _ => (401, Response::builder().status(401).body(Body::from("no"))),
        };
        let range = field(request.headers(), RANGE);
        calls.push(Seen { path, range, authorization: token, status });
        response.expect("a response")
    }

    fn deliver<B>(&self, request: &Request<B>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let range = field(request.headers(), RANGE);
        let signature = request.uri().query().and_then(|query| query.strip_prefix("signature=")).and_then(|n| n.parse().ok());
        let valid = signature.is_some_and(|number: usize| {
            let mut signatures = self.signatures.lock().expect("no panic");
            let served = &mut signatures[number];
            *served += 1;
            *served <= self.rules.serves && number >= self.rules.stillborn as usize
        });
        let is_free = !self.rules.free.is_empty() && path.ends_with(self.rules.free);
        let mut requests = self.at_edge.lock().expect("no panic");
        let content = std::fs::read(self.rules.folder.join(path.trim_start_matches('/')));
        let status = match &content {
            _ if !valid && !is_free => self.rules.refusal,
            Ok(_) if range.is_some() => 206,
            Ok(_) => 200,
            Err(_) => 404,
        };
        let earlier = requests.iter().filter(|seen| seen.path == path && seen.status < 400).count();
        requests.push(Seen { path, range: range.clone(), authorization: field(request.headers(), AUTHORIZATION), status });
        drop(requests);
        let Some(content) = content.ok().filter(|_| status < 400) else {
            return Response::builder().status(status).body(Body::from("no")).expect("a response");
        };
        let bounds = range.as_deref().unwrap_or("bytes=0-").trim_start_matches("bytes=").split_once('-').expect("a range");
        let first: usize = bounds.0.parse().expect("a number");
        let end = bounds.1.parse().map_or(content.len(), |last: usize| content.len().min(last + 1));
        let etag = if earlier < self.rules.changes_after { "\"a\"" } else { "\"b\"" };
        let mut response = Response::builder().status(status).header("etag", etag).header("content-length", end - first);
        if status == 206 {
            response = response.header("content-range", format!("bytes {first}-{}/{}", end - 1, content.len()));
        }
        let sent = (end - first).min(self.rules.breaks);
        let (slices, body) = mpsc::channel(1);
        let part = Bytes::from(content).slice(first..first + sent);
        let whole = first + sent == end;
        tokio::spawn(async move {
            if slices.send(Ok(part)).await.is_ok() && !whole {
                // What was sent arrives before the connection ends.
                tokio::time::sleep(std::time::Duration::from_millis(30)).await;
                drop(slices.send(Err(Cut)).await);
            }
        });
        response.body(Body::Slices(body)).expect("a response")
    }
}
