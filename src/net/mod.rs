//! Media HTTP that libav cannot do: redirect hops, the precise error behind a failed open, the confirmed upload.
//!
//! libavformat re-sends its headers to any redirect target, tells nothing of a response but a code, and takes every PUT and
//! POST for done (`http.c`: `http_open_cnx`, `check_http_code`, `http_shutdown`). What follows from that is done here:
//!
//! - [`Media::resolve`] walks the redirects of a URL hop by hop without reading media, so that libav opens the last one; where an
//!   API says in JSON where the media is, that is a hop too;
//! - [`Media::explain`] asks again after libav failed and says in one sentence what the server wants;
//! - [`Download`] reads what libav cannot, or not whole: from a thread that may block, or from a task; [`Media::fetch`] reads all;
//! - [`Media::forward`] hands a request on for somebody else, and its answer back, whole where that can be had;
//! - [`Media::upload`] sends an object, reads the answer, and sends it again where that can help;
//! - [`Media::delete`] removes one.
//!
//! All but the last way of [`Download`] block the calling thread, which is one of libav's and never a worker of the runtime; the runtime does the
//! input and output. Each ends within a few milliseconds of a request to stop.
//!
//! # Who may see what
//!
//! Each request, hops and retries included, is looked at by itself: the token goes to origins in the scope of a profile and
//! nowhere else, and never to plain http behind https. The user's `Cookie`, `Authorization` and `Proxy-Authorization` lines
//! stay in the file's own origin. A connection that carries a token trusts the profile's roots.

mod answer;
mod client;
mod cookies;
mod download;
mod entity;
mod error;
mod explain;
mod forward;
mod freshness;
mod hop;
mod pointer;
mod reach;
pub mod retry;
mod token;
mod upload;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::backoff::Backoff;
use crate::bearer::{Bearers, MediaPointer};
use crate::clock::{Clock, SystemClock};
use crate::origin::Origin;
use crate::shutdown::Shutdown;
use crate::tls::Roots;

pub use answer::{Answer, Challenge, TokenUse};
pub use cookies::Cookies;
pub use download::Download;
pub use error::{Cause, NetError, PointerFault, RedirectFault};
pub use explain::Failure;
pub use forward::{Forwarded, Inflow, Outflow, Writer};
pub use hop::{Hop, Resolved};
pub use reach::{Place, Reach};
pub use upload::{Confirmed, Upload, UploadMode};

/// The sender of media requests. Clones share connections and the memory of permanent redirects.
#[derive(Clone)]
pub struct Media(Arc<Shared>);

struct Shared {
    runtime: Handle,
    clock: Arc<dyn Clock>,
    clients: client::Clients,
    hops: freshness::HopCache,
    places: reach::Places,
}

/// What to ask for, and under which rules.
#[derive(Clone)]
pub struct Request {
    /// The URL, http or https.
    pub url: String,
    /// Where in the JSON that `url` answers the URL of the media stands; `None` = `url` answers media.
    pub pointer: Option<MediaPointer>,
    /// The method as libav has it: `GET`, `PUT`, `POST`, `DELETE`.
    pub method: String,
    /// The profiles of the file.
    pub bearers: Bearers,
    /// The user's header lines, as name and value.
    pub headers: Vec<(String, String)>,
    /// The origin of the file that the user named, where `url` is a request nested in it; `None` = that of `url`.
    pub own_origin: Option<Origin>,
    /// Which hosts may be asked.
    pub reach: Reach,
    /// Whom to trust on connections outside every profile's scope.
    pub roots: Roots,
    /// `false` only where the user asked for it by name (`-tls_verify 0`).
    pub tls_verify: bool,
    /// A new token has been refused as well: no other is asked for.
    pub renewed: bool,
    /// The server may speak HTTP/2, if it offers that in the TLS handshake.
    pub http2: bool,
    /// How long to wait for a token, and for a server that asks to come back later.
    pub wait: Duration,
    /// How long it may take to connect.
    pub connect: Duration,
    /// How long a connection may stand still, and how long an answer may take.
    pub timeout: Duration,
    /// Once it is raised, an upload waits no longer for a server that takes nothing and says nothing.
    pub hurry: Shutdown,
    /// The most redirects to follow; 0 = none.
    pub max_redirects: u32,
    /// How often an upload is sent again for causes that may pass.
    pub retries: u32,
    /// The waits in between.
    pub backoff: Backoff,
    /// Where to count; one for all requests of a file.
    pub counters: Counters,
    /// The cookies to bring back, and where those go that are set; `None` where libav looks after them.
    pub cookies: Option<Cookies>,
}

impl Request {
    /// A request with the defaults: verified TLS, 60 s for a token, 10 s to connect, 30 s of silence, 8 redirects, 3 retries.
    pub fn new(method: impl Into<String>, url: impl Into<String>, bearers: Bearers, roots: Roots) -> Self {
        Self {
            url: url.into(),
            pointer: None,
            method: method.into(),
            bearers,
            headers: Vec::new(),
            own_origin: None,
            reach: Reach::anywhere(),
            roots,
            tls_verify: true,
            renewed: false,
            http2: false,
            wait: Duration::from_secs(60),
            connect: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            hurry: Shutdown::new(),
            max_redirects: 8,
            retries: 3,
            backoff: Backoff { first: Duration::from_millis(500), limit: Duration::from_secs(8) },
            counters: Counters::default(),
            cookies: None,
        }
    }
}

/// How many parts of a file were lost so far; clones share the number and can be asked from any thread.
#[derive(Clone, Debug, Default)]
pub struct Losses(Arc<AtomicU64>);

impl Losses {
    /// Segments, or parts of them, that were gone on without.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// What [`Media::fetch`] has read.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The body.
    pub bytes: Vec<u8>,
    /// The URL that it came from, behind redirects, without a token; not masked.
    pub location: String,
    /// Its media type, without parameters, in lower case.
    pub content_type: Option<String>,
}

/// Counts requests as they are sent; clones share the numbers.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<[AtomicU64; 5]>);

/// One reading of [`Counters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// HTTP requests sent, hops and retries included.
    pub requests: u64,
    /// Responses of 401.
    pub http_401: u64,
    /// Requests sent again because the first answer, or its absence, was no success; redirects are not among them.
    pub retries: u64,
    /// Connections taken up again in the middle of a body.
    pub resumed: u64,
    /// Reads that were tried again after a wait, for another reason than a refused token.
    pub waits: u64,
}

impl Counters {
    /// The numbers so far.
    pub fn get(&self) -> Counts {
        let [requests, http_401, retries, resumed, waits] = [0, 1, 2, 3, 4].map(|n: usize| self.0[n].load(Ordering::Relaxed));
        Counts { requests, http_401, retries, resumed, waits }
    }

    /// Counts a read that is tried again after a wait.
    pub fn wait(&self) {
        self.0[4].fetch_add(1, Ordering::Relaxed);
    }

    fn resume(&self) {
        self.0[3].fetch_add(1, Ordering::Relaxed);
    }

    fn request(&self) {
        self.0[0].fetch_add(1, Ordering::Relaxed);
    }

    fn refused(&self) {
        self.0[1].fetch_add(1, Ordering::Relaxed);
    }

    fn retry(&self) {
        self.0[2].fetch_add(1, Ordering::Relaxed);
    }
}

impl Media {
    /// A sender whose input and output `runtime` does. Nothing is set up before the first request.
    pub fn new(runtime: Handle) -> Self {
        Self::with_clock(runtime, Arc::new(SystemClock))
    }

    /// What does its input and output.
    pub fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// The clock of all its waits.
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// Waits. Blocks.
    ///
    /// # Errors
    /// [`NetError::Stopped`].
    pub fn pause(&self, wait: Duration, stop: &Shutdown) -> Result<(), NetError> {
        self.block_on(stop, async {
            self.0.clock.sleep(wait).await;
            Ok(())
        })
    }

    /// The same with a clock for lifetimes of redirects and for the waits between retries.
    pub fn with_clock(runtime: Handle, clock: Arc<dyn Clock>) -> Self {
        let (clients, hops, places) = (client::Clients::default(), freshness::HopCache::default(), reach::Places::default());
        Self(Arc::new(Shared { runtime, clock, clients, hops, places }))
    }

    /// May the URL of `request` be asked for? Looks its name up, so that a silent DNS server keeps nobody from stopping.
    ///
    /// # Errors
    /// [`NetError::OutOfReach`], or somebody asked to stop.
    pub fn judge(&self, request: &Request, stop: &Shutdown) -> Result<(), NetError> {
        let url = client::parse(&request.url)?;
        if request.reach.is_named(&url, &request.bearers) {
            return Ok(());
        }
        self.block_on(stop, request.reach.judge(&self.0, &url, &request.bearers))
    }

    /// Follows the redirects of `request` without reading media. Any answer that is no redirect ends the walk, errors too:
    /// whoever opens the last URL meets them.
    ///
    /// # Errors
    /// [`NetError`] if a hop cannot be reached or may not be followed, no token can be had, or somebody asked to stop.
    pub fn resolve(&self, request: &Request, stop: &Shutdown) -> Result<Resolved, NetError> {
        self.block_on(stop, hop::resolve(&self.0, request, stop))
    }

    /// As [`resolve`](Self::resolve), for whoever reports each step: the redirects that came before a failure are not lost.
    pub fn trace(&self, request: &Request, stop: &Shutdown) -> (Vec<Hop>, Result<Resolved, NetError>) {
        let mut trail = match client::parse(&request.url) {
            Ok(url) => hop::Trail::new(url),
            Err(error) => return (Vec::new(), Err(error)),
        };
        let mut resolved = self.block_on(stop, hop::resolve_on(&self.0, request, &mut trail, stop));
        let hops = resolved.as_mut().map_or(trail.hops, |resolved| std::mem::take(&mut resolved.hops));
        (hops, resolved)
    }

    /// Forgets the remembered redirect of `url`: its target no longer serves.
    pub fn forget(&self, url: &str) {
        if let Ok(url) = client::parse(url) {
            self.0.hops.forget(&url);
        }
    }

    /// Asks again as libav did and says what stands in the way. For reads; a write must not be repeated for a diagnosis.
    pub fn explain(&self, request: &Request, stop: &Shutdown) -> Failure {
        let asked = self.block_on(stop, explain::ask(&self.0, request, stop));
        asked.unwrap_or_else(Failure::from)
    }

    /// Begins to send an object to `request.url` by `request.method`. Nothing goes out before the first byte is there.
    ///
    /// # Errors
    /// [`NetError::Url`] for a URL that is not http(s).
    pub fn upload(&self, request: Request, mode: UploadMode, stop: &Shutdown) -> Result<Upload, NetError> {
        client::parse(&request.url)?;
        Ok(Upload::new(self.clone(), request, mode, stop.clone()))
    }

    /// Reads `request.url` from byte `start` on, to `end` (exclusive) or its end; the first answer is there when this returns.
    ///
    /// # Errors
    /// [`NetError`] as [`Download::read`].
    pub fn download(&self, request: Request, start: u64, end: Option<u64>, stop: &Shutdown) -> Result<Download, NetError> {
        let mut download = Download::new(self, request, start, end, stop);
        self.run(stop, async move {
            download.connect().await?;
            download.take_in().await;
            Ok(download)
        })
    }

    /// Reads `request.url` to its end, or until there are more than `limit` bytes.
    ///
    /// # Errors
    /// [`NetError`] as [`Download::read`].
    pub fn fetch(&self, request: Request, limit: usize, stop: &Shutdown) -> Result<Fetched, NetError> {
        let mut download = Download::new(self, request, 0, None, stop);
        self.run(stop, async move {
            let mut bytes = Vec::new();
            while let Some(piece) = download.next().await? {
                bytes.extend_from_slice(&piece);
                if bytes.len() > limit {
                    break;
                }
            }
            let (location, content_type) = (download.location().to_owned(), download.content_type().map(str::to_owned));
            drop(download);
            // hyper hands a connection back in a task of its own, and who asks before that gets another one.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            Ok(Fetched { bytes, location, content_type })
        })
    }

    /// Removes the object at `request.url`; one that is not there counts as removed.
    ///
    /// # Errors
    /// As [`Upload::finish`].
    pub fn delete(&self, request: &Request, stop: &Shutdown) -> Result<Confirmed, NetError> {
        let request = Request { method: "DELETE".to_owned(), ..request.clone() };
        self.upload(request, UploadMode::object(), stop)?.finish()
    }

    /// As [`block_on`](Self::block_on), but on the runtime, where the connections are: what goes to and fro between `work` and them
    /// costs no switch from one thread to another, only the end of it does.
    fn run<T: Send + 'static>(
        &self,
        stop: &Shutdown,
        work: impl Future<Output = Result<T, NetError>> + Send + 'static,
    ) -> Result<T, NetError> {
        let stop = stop.clone();
        let task = self.0.runtime.spawn(async move { unless_stopped(&stop, work).await });
        match self.0.runtime.block_on(task) {
            Ok(result) => result,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends before its users only where somebody else drives it.
                Err(_) => Err(NetError::Stopped),
            },
        }
    }

    /// Runs `work` to its end or to the request to stop, whichever comes first.
    fn block_on<T>(&self, stop: &Shutdown, work: impl Future<Output = Result<T, NetError>>) -> Result<T, NetError> {
        self.0.runtime.block_on(unless_stopped(stop, work))
    }
}

/// Runs `work` to its end or to the request to stop, whichever comes first.
async fn unless_stopped<T>(stop: &Shutdown, work: impl Future<Output = Result<T, NetError>>) -> Result<T, NetError> {
    tokio::select! {
        biased;
        () = stop.requested() => Err(NetError::Stopped),
        result = work => result,
    }
}
