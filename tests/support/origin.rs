//! A media server: files behind a token, delivered at a pace, cut and refused as a test wants it, with a log of every request.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, LOCATION, RANGE};
use hyper::{Method, Response, Version};
use tokio::sync::mpsc;

use super::disturbance::{self, Disturbance};
use super::dpop::{self, Proofs};
use super::live;
use super::server::{Arrived, Body, Cut, Server};
use super::token_server::{Tokens, Verdict};

/// What a media server has and how it behaves. [`Site::default`] is an open, fast server of nothing.
#[derive(Clone)]
pub struct Site {
    pub folder: PathBuf,
    /// Whose tokens are asked for; `None` = everybody may read and write.
    pub tokens: Option<Arc<Tokens>>,
    pub placement: Placement,
    /// How long it takes to deliver all media in the folder once; zero = as fast as it goes.
    pub lasts: Duration,
    /// Media playlists and manifests show a window that moves with time, from the first request on.
    pub live: bool,
    /// A connection is cut when the body reaches a multiple of this position, each position once.
    pub cut_every: Option<u64>,
    /// Every token dies at each cut.
    pub kill_on_cut: bool,
    /// Knows `Range`.
    pub ranges: bool,
    pub framing: Framing,
    /// (path, status, target), after the token was checked.
    pub redirects: Vec<(String, u16, String)>,
    /// Texts replaced in playlists.
    pub replace: Vec<(String, String)>,
    pub refusals: Vec<Refusal>,
    pub disturbances: Vec<Disturbance>,
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Tokens are bound to a key, and each request proves that its sender has it.
    pub proofs: Option<Arc<Proofs>>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("/nonexistent"),
            tokens: None,
            placement: Placement::Header,
            lasts: Duration::ZERO,
            live: false,
            cut_every: None,
            kill_on_cut: false,
            ranges: true,
            framing: Framing::Length,
            redirects: Vec::new(),
            replace: Vec::new(),
            refusals: Vec::new(),
            disturbances: Vec::new(),
            tls: None,
            proofs: None,
        }
    }
}

/// Where the server looks for the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// `Authorization: Bearer`.
    Header,
    /// A query parameter of this name.
    Query(&'static str),
    /// A header field of this name, in lower case.
    Field(&'static str),
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length,
    Chunked,
    /// By closing the connection.
    Close,
}

/// An object that is refused for a while, whatever the token.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// End of the path.
    pub path: &'static str,
    pub status: u16,
    /// How many requests are refused before it is over.
    pub times: u32,
}

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub connection: u64,
    pub method: String,
    pub path: String,
    pub range: Option<String>,
    /// The number of the token, if it is one of ours, alive or dead.
    pub generation: Option<u64>,
    /// The certificate that the client showed.
    pub certificate: Option<Vec<u8>>,
    /// 0 as long as there is no answer.
    pub status: u16,
    /// Request line and header fields as they came.
    pub text: String,
}

/// A running media server.
pub struct Origin {
    server: Server,
    state: Arc<State>,
}

struct State {
    site: Site,
    media_bytes: u64,
    begun: OnceLock<Instant>,
    log: Mutex<Vec<Entry>>,
    stored: Mutex<BTreeMap<String, Vec<u8>>>,
    refusals: Mutex<Vec<Refusal>>,
    refused: Mutex<BTreeMap<&'static str, u32>>,
    disturbances: Mutex<Vec<Disturbance>>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// When the next slice may go out.
    due: Option<Instant>,
    /// For each path: the positions at which a connection was cut, and how far it was delivered.
    files: BTreeMap<String, (BTreeSet<u64>, u64)>,
}

impl Origin {
    pub fn start(site: Site) -> Self {
        Self::start_on(0, site)
    }

    /// On this port; 0 = a free one.
    pub fn start_on(port: u16, site: Site) -> Self {
        let media_bytes = media_bytes(&site.folder);
        let tls = site.tls.clone();
        let refusals = Mutex::new(site.refusals.clone());
        let disturbances = Mutex::new(site.disturbances.clone());
        let state = Arc::new(State {
            site,
            media_bytes,
            begun: OnceLock::new(),
            log: Mutex::default(),
            stored: Mutex::default(),
            refusals,
            refused: Mutex::default(),
            disturbances,
            progress: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let server = Server::start_on(
            port,
            tls,
            Arc::new(move |arrived| {
                let state = Arc::clone(&shared);
                Box::pin(async move { state.respond(arrived).await })
            }),
        );
        Self { server, state }
    }

    pub fn site(&self) -> &Site {
        &self.state.site
    }

    /// From now on this is refused too.
    pub fn refuse(&self, refusal: Refusal) {
        lock(&self.state.refusals).push(refusal);
    }

    /// From now on this happens.
    pub fn disturb(&self, disturbance: Disturbance) {
        lock(&self.state.disturbances).push(disturbance);
    }

    /// Has all of it happened?
    pub fn is_done(&self) -> bool {
        lock(&self.state.disturbances).iter().all(|disturbance| disturbance.times == 0)
    }

    pub fn url(&self, path: &str) -> String {
        self.server.url(&format!("/{path}"))
    }

    /// Scheme, host and port.
    pub fn base(&self) -> String {
        self.server.url("")
    }

    pub fn log(&self) -> Vec<Entry> {
        lock(&self.state.log).clone()
    }

    pub fn connections(&self) -> u64 {
        self.server.connections()
    }

    /// How many requests got this status.
    pub fn count(&self, status: u16) -> usize {
        lock(&self.state.log).iter().filter(|entry| entry.status == status).count()
    }

    /// Numbers of the tokens with which something was delivered or taken.
    pub fn accepted(&self) -> BTreeSet<u64> {
        lock(&self.state.log).iter().filter(|entry| entry.status < 400).filter_map(|entry| entry.generation).collect()
    }

    /// Numbers of the tokens that were refused with 401.
    pub fn rejected(&self) -> BTreeSet<u64> {
        lock(&self.state.log).iter().filter(|entry| entry.status == 401).filter_map(|entry| entry.generation).collect()
    }

    /// Bodies of PUT and POST by path, the last one each.
    pub fn stored(&self) -> BTreeMap<String, Vec<u8>> {
        lock(&self.state.stored).clone()
    }

    /// Requests in which one of `secrets` stands.
    pub fn mentions(&self, secrets: &[String]) -> Vec<String> {
        let log = lock(&self.state.log);
        let texts = log.iter().map(|entry| entry.text.clone());
        texts.filter(|text| secrets.iter().any(|secret| text.contains(secret))).collect()
    }

    /// The log in short, for messages.
    pub fn story(&self) -> String {
        let lines = self.log().into_iter().map(|entry| {
            let Entry { connection, method, path, range, generation, status, .. } = entry;
            let range = range.unwrap_or_default();
            let token = generation.map_or("-".to_owned(), |number| number.to_string());
            format!("  #{connection} {method} {path} {range} token {token} -> {status}\n")
        });
        lines.collect()
    }
}

impl State {
    async fn respond(self: Arc<Self>, arrived: Arrived) -> Response<Body> {
        let (reset, certificate) = (arrived.resetting(), arrived.certificate.clone());
        let request = arrived.request;
        let token = self.token_of(&request);
        let verdict = self.site.tokens.as_ref().map(|tokens| token.as_deref().map_or(Verdict::Unknown, |t| tokens.check(t)));
        let mut text = format!("{} {} HTTP/1.1\n", request.method(), request.uri());
        for (name, value) in super::header_fields(request.headers()) {
            text.push_str(&format!("{name}: {value}\n"));
        }
        let number = {
            let mut log = lock(&self.log);
            log.push(Entry {
                connection: arrived.connection,
                method: request.method().to_string(),
                path: request.uri().path().to_owned(),
                range: header(request.headers(), RANGE),
                generation: match verdict {
                    Some(Verdict::Alive(number) | Verdict::Dead(number)) => Some(number),
                    _ => None,
                },
                certificate,
                status: 0,
                text,
            });
            log.len() - 1
        };
        let path = request.uri().path().to_owned();
        let fault = lock(&self.disturbances).iter_mut().find_map(|disturbance| disturbance.meet(&path));
        if fault == Some(disturbance::Fault::Silence) {
            return std::future::pending().await;
        }
        if let Some(answer) = fault.and_then(|fault| fault.instead()) {
            if fault == Some(disturbance::Fault::Reset) {
                reset();
            } else {
                // As web servers do, lest the end of the connection take the answer with it.
                tokio::spawn(request.into_body().collect());
            }
            lock(&self.log)[number].status = answer.status().as_u16();
            return answer;
        }
        let response = if let Some(status) = self.refusal(&path) {
            refuse(status)
        } else if let Some(refusal) = self.proof_refusal(&request, token.as_deref()) {
            refuse_proof(refusal, self.site.proofs.as_ref().and_then(|proofs| proofs.nonce()))
        } else if matches!(verdict, Some(Verdict::Dead(_) | Verdict::Unknown)) {
            refuse(401)
        } else if let Some((_, status, target)) = self.site.redirects.iter().find(|(from, ..)| *from == path) {
            Response::builder().status(*status).header(LOCATION, target).body(Body::from("moved")).expect("a response")
        } else if [Method::PUT, Method::POST].contains(request.method()) {
            if fault == Some(disturbance::Fault::Cut) {
                let _ = request.into_body().frame().await;
                reset();
                return disturbance::no_answer();
            }
            match request.into_body().collect().await {
                Ok(body) => {
                    lock(&self.stored).insert(path, body.to_bytes().to_vec());
                    Response::builder().status(201).body(Body::from("")).expect("a response")
                }
                Err(_) => refuse(400),
            }
        } else if [Method::GET, Method::HEAD].contains(request.method()) {
            Arc::clone(&self).deliver(&path, header(request.headers(), RANGE))
        } else {
            refuse(405)
        };
        lock(&self.log)[number].status = response.status().as_u16();
        match fault {
            // What was stored is stored; its sender does not hear of it.
            Some(disturbance::Fault::Truncation) if response.status() == 201 => disturbance::no_answer(),
            Some(disturbance::Fault::Stall) if response.status() == 201 => std::future::pending().await,
            Some(fault) if response.status().is_success() => fault.spoil(response, reset),
            _ => response,
        }
    }

    fn token_of(&self, request: &hyper::Request<hyper::body::Incoming>) -> Option<String> {
        match self.site.placement {
            Placement::Header => {
                let value = header(request.headers(), AUTHORIZATION)?;
                let scheme = if self.site.proofs.is_some() { "DPoP " } else { "Bearer " };
                Some(value.strip_prefix(scheme)?.to_owned())
            }
            Placement::Field(name) => header(request.headers(), name),
            Placement::Query(name) => {
                let query = url::form_urlencoded::parse(request.uri().query()?.as_bytes());
                let mut values = query.filter(|(known, _)| known == name).map(|(_, value)| value.into_owned());
                // A second parameter of that name would be a token that was added instead of replaced.
                values.next().filter(|_| values.next().is_none())
            }
        }
    }

    fn proof_refusal(&self, request: &hyper::Request<hyper::body::Incoming>, token: Option<&str>) -> Option<dpop::Refusal> {
        let proofs = self.site.proofs.as_ref()?;
        let url = format!("http://{}{}", header(request.headers(), "host")?, request.uri());
        proofs.check(request.method().as_str(), &url, request.headers(), token).err()
    }

    fn refusal(&self, path: &str) -> Option<u16> {
        let refusals = lock(&self.refusals);
        let refusal = refusals.iter().find(|refusal| path.ends_with(refusal.path))?;
        let mut refused = lock(&self.refused);
        let times = refused.entry(refusal.path).or_default();
        *times += 1;
        (*times <= refusal.times).then_some(refusal.status)
    }

    fn deliver(self: Arc<Self>, path: &str, range: Option<String>) -> Response<Body> {
        let file = self.site.folder.join(path.trim_start_matches('/'));
        let Ok(content) = std::fs::read(&file) else { return refuse(404) };
        let response = Response::builder();
        if self.site.live && path.ends_with(".m4s") && !live::is_there(&file, self.begun.get_or_init(Instant::now).elapsed()) {
            return refuse(404);
        }
        if path.ends_with(".m3u8") || path.ends_with(".mpd") {
            let mut text = String::from_utf8(content).expect("a playlist");
            for (from, to) in &self.site.replace {
                text = text.replace(from, to);
            }
            let elapsed = self.begun.get_or_init(Instant::now).elapsed();
            if self.site.live && text.contains("#EXTINF") {
                text = live_window(&text, elapsed);
            } else if self.site.live && text.contains("<MPD") {
                text = live::manifest(&text, elapsed);
            }
            let content_type = if path.ends_with(".mpd") { "application/dash+xml" } else { "application/vnd.apple.mpegurl" };
            let response = response.header(CONTENT_TYPE, content_type);
            return response.body(Body::from(text)).expect("a response");
        }
        let length = content.len() as u64;
        let range = range.filter(|_| self.site.ranges).and_then(|range| byte_range(&range, length));
        let mut response = response.header(CONTENT_TYPE, "application/octet-stream");
        response = response.header("accept-ranges", if self.site.ranges { "bytes" } else { "none" });
        let part = match range {
            None => 0..length,
            Some(part) if part.is_empty() => {
                return response
                    .status(416)
                    .header(CONTENT_RANGE, format!("bytes */{length}"))
                    .body("".into())
                    .expect("a response");
            }
            Some(part) => {
                response = response.status(206);
                response = response.header(CONTENT_RANGE, format!("bytes {}-{}/{length}", part.start, part.end - 1));
                part
            }
        };
        match self.site.framing {
            Framing::Length => response = response.header(CONTENT_LENGTH, part.end - part.start),
            Framing::Chunked => {}
            Framing::Close => response = response.version(Version::HTTP_10),
        }
        let (slices, body) = mpsc::channel(1);
        tokio::spawn(send(self, path.to_owned(), Bytes::from(content), part, slices));
        response.body(Body::Slices(body)).expect("a response")
    }

    /// How long to wait before the bytes of `part` go out, so that the whole media lasts as long as it shall.
    fn pause(&self, path: &str, part: &Range<u64>) -> Duration {
        if self.site.lasts.is_zero() || self.media_bytes == 0 {
            return Duration::ZERO;
        }
        let mut progress = lock(&self.progress);
        let (_, delivered) = progress.files.entry(path.to_owned()).or_default();
        // Without ranges a client must read again what it has: that costs it no time.
        let fresh = if self.site.ranges { part.end - part.start } else { part.end.saturating_sub((*delivered).max(part.start)) };
        *delivered = (*delivered).max(part.end);
        let now = Instant::now();
        let cost = self.site.lasts.mul_f64(fresh as f64 / self.media_bytes as f64);
        let due = progress.due.unwrap_or(now).max(now) + cost;
        progress.due = Some(due);
        due - now
    }

    /// Where the connection that delivers `part` is to be cut.
    fn cut_in(&self, path: &str, part: &Range<u64>) -> Option<u64> {
        let every = self.site.cut_every?;
        let progress = lock(&self.progress);
        let was_cut = |at: &u64| progress.files.get(path).is_some_and(|(cuts, _)| cuts.contains(at));
        (part.start / every + 1..).map(|multiple| multiple * every).take_while(|at| *at < part.end).find(|at| !was_cut(at))
    }

    fn was_cut(&self, path: &str, at: u64) {
        let mut progress = lock(&self.progress);
        progress.files.entry(path.to_owned()).or_default().0.insert(at);
        if let (true, Some(tokens)) = (self.site.kill_on_cut, &self.site.tokens) {
            tokens.kill_all();
        }
    }
}

async fn send(state: Arc<State>, path: String, content: Bytes, part: Range<u64>, slices: mpsc::Sender<Result<Bytes, Cut>>) {
    let cut = state.cut_in(&path, &part);
    let end = cut.unwrap_or(part.end);
    let slice = if state.site.lasts.is_zero() { 64 * 1024 } else { (state.media_bytes / 256).clamp(1024, 64 * 1024) };
    let mut at = part.start;
    while at < end {
        let next = (at + slice).min(end);
        tokio::time::sleep(state.pause(&path, &(at..next))).await;
        if slices.send(Ok(content.slice(at as usize..next as usize))).await.is_err() {
            return;
        }
        at = next;
    }
    if let Some(cut) = cut {
        // What was delivered so far arrives before the connection ends.
        tokio::time::sleep(Duration::from_millis(30)).await;
        state.was_cut(&path, cut);
        let _ = slices.send(Err(Cut)).await;
    }
}

pub(super) fn refuse(status: u16) -> Response<Body> {
    let response = Response::builder().status(status);
    let response = match status {
        401 => response.header("www-authenticate", r#"Bearer error="invalid_token", error_description="it has expired""#),
        _ => response,
    };
    response.body(Body::from("no")).expect("a response")
}

fn refuse_proof(error: dpop::Refusal, nonce: Option<String>) -> Response<Body> {
    let response = Response::builder().status(401).header("www-authenticate", format!("DPoP error=\"{error}\", algs=\"ES256\""));
    let response = nonce.into_iter().fold(response, |response, nonce| response.header("dpop-nonce", nonce));
    response.body(Body::from("no")).expect("a response")
}

/// `bytes=A-` and `bytes=A-B` within `length`; empty = not satisfiable.
fn byte_range(header: &str, length: u64) -> Option<Range<u64>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let end = if last.is_empty() { length } else { last.parse::<u64>().ok()?.saturating_add(1).min(length) };
    Some(first.min(end)..end)
}

/// The playlist as it was `elapsed` after the stream began: three segments, one more for each duration that has passed, seven
/// at most.
fn live_window(text: &str, elapsed: Duration) -> String {
    const FIRST: usize = 3;
    const WINDOW: usize = 7;
    let (head, rest) = text.split_at(text.find("#EXTINF").expect("a segment"));
    let mut segments: Vec<String> = Vec::new();
    let mut segment = String::new();
    for line in rest.lines().filter(|line| *line != "#EXT-X-ENDLIST") {
        segment.push_str(line);
        segment.push('\n');
        if !line.starts_with('#') {
            segments.push(std::mem::take(&mut segment));
        }
    }
    let target = head.lines().find_map(|line| line.strip_prefix("#EXT-X-TARGETDURATION:")).expect("a target duration");
    let target: f64 = target.parse().expect("seconds");
    let there = (FIRST + (elapsed.as_secs_f64() / target) as usize).min(segments.len());
    let first = there.saturating_sub(WINDOW);
    let mut window = String::new();
    for line in head.lines().filter(|line| !line.starts_with("#EXT-X-PLAYLIST-TYPE")) {
        window.push_str(if line.starts_with("#EXT-X-MEDIA-SEQUENCE") { "#EXT-X-MEDIA-SEQUENCE:" } else { line });
        if line.starts_with("#EXT-X-MEDIA-SEQUENCE") {
            window.push_str(&first.to_string());
        }
        window.push('\n');
    }
    window.extend(segments[first..there].iter().map(String::as_str));
    if there == segments.len() {
        window.push_str("#EXT-X-ENDLIST\n");
    }
    window
}

/// What a read of everything in the folder has to carry, playlists and keys aside.
fn media_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let media = entries.flatten().filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        [".ts", ".mp4", ".m4s"].iter().any(|end| name.ends_with(end))
    });
    media.map(|entry| entry.metadata().expect("a file").len()).sum()
}

fn header(headers: &HeaderMap, name: impl hyper::header::AsHeaderName) -> Option<String> {
    Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic in the test server")
}
