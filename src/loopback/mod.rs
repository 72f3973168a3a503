//! A small HTTP server on this machine, for demuxers that open URLs behind the back of `AVFormatContext.io_open`.
//!
//! FFmpeg before 7 opens DASH segments, and the manifest again, by itself (`dashdec.c`: `open_url`, `parse_manifest`): with the
//! options of the first open, so with its token. Such an input gets a URL that leads here instead:
//! `http://127.0.0.1:PORT/SECRET/https/host:port/path`. What is asked for here is asked for above by [`net`](crate::net), each
//! time with a live token where it may go, redirects followed, refusals renewed, what may pass tried again and a cut connection
//! taken up at the byte. Relative references lead through here by themselves; `manifest` sees to the others.
//!
//! - Each input has a server of its own, on a free port and with a secret of its own; it ends with the input. Whoever does not
//!   know the secret, or comes by another name, gets a 404, and nothing is asked for above.
//! - Nothing is kept but the manifest: a body is read from above as libavformat takes it.
//! - dashdec.c goes on without whatever it does not get, and asks again and again without a pause at the live edge. So failures
//!   are judged and counted here (`upstream`, `verdict`), news are waited for here (`watch`), what is still to come is kept from
//!   it (`listing`), and signed URLs that have expired become those of a fresh manifest (`references`).

mod address;
mod connection;
mod head;
mod listing;
mod manifest;
mod references;
mod upstream;
mod verdict;
mod watch;

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::error::{Error, Kind};
use crate::net::{Cookies, Losses, Media, Request};
use crate::shutdown::Shutdown;

use address::Address;
use verdict::Verdict;
use watch::{Missing, Watch};

/// dashdec.c has one connection for each representation.
const MOST_CONNECTIONS: usize = 256;

/// A server for one DASH manifest and all that it names; ends when it is dropped.
pub struct Loopback {
    shared: Arc<Shared>,
    url: String,
}

struct Shared {
    media: Media,
    /// The request for the manifest; those for segments differ in the URL.
    request: Request,
    /// For how long a request is tried again that fails for a reason that may pass.
    retry: Duration,
    losses: Losses,
    address: Address,
    /// What stands for the manifest: its URL without the query, in which dashdec.c would look for a folder.
    entry: String,
    over: Shutdown,
    verdict: Verdict,
    missing: Mutex<Missing>,
    watch: tokio::sync::Mutex<Watch>,
}

impl Loopback {
    /// Begins to serve the manifest that `request` asks for. What is lost is counted in `losses`. Ends with `stop`.
    ///
    /// # Errors
    /// The URL is not http(s), or there is no free port.
    pub fn start(media: &Media, request: Request, retry: Duration, losses: Losses, stop: &Shutdown) -> Result<Self, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::new(Kind::Internal, format!("no server on this machine: {error}"));
        let listener = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(|e| failed(&e))?;
        listener.set_nonblocking(true).map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        let address = Address::new(address).map_err(|error| failed(&error))?;
        let listener = {
            let _context = media.runtime().enter();
            TcpListener::from_std(listener).map_err(|error| failed(&error))?
        };
        let entry = request.url.split(['?', '#']).next().unwrap_or_default();
        let Some(url) = address.through(entry) else {
            let message = format!("{}: only http and https lead through the loopback server", crate::redact::url(&request.url));
            return Err(Error::new(Kind::Usage, message));
        };
        let target = url.strip_prefix("http://").and_then(|url| url.find('/').map(|slash| &url[slash..])).unwrap_or_default();
        let entry = address.target(target).unwrap_or_default();
        let shared = Arc::new(Shared {
            media: media.clone(),
            request: Request { cookies: Some(Cookies::default()), ..request },
            retry,
            losses,
            address,
            entry,
            over: stop.child(),
            verdict: Verdict::default(),
            missing: Mutex::default(),
            watch: tokio::sync::Mutex::default(),
        });
        media.runtime().spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, url })
    }

    /// What stands for the manifest's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Is it of no use to go on: has something failed that the job cannot do without, or is the live stream over? Never waits.
    pub fn is_over(&self) -> bool {
        self.shared.verdict.is_over()
    }

    /// Why the job cannot go on; once.
    pub fn take_failure(&self) -> Option<Error> {
        self.shared.verdict.take_failure()
    }

    /// Why the segment that was lost last did not come; once.
    pub fn take_loss(&self) -> Option<Error> {
        self.shared.verdict.take_loss()
    }

    /// `text` with real URLs in place of those that lead through this server.
    pub fn reveal<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.shared.address.reveal(text)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.shared.over.request();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shared.over.requested() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection::serve(Arc::clone(&shared), stream));
                }
                // Out of descriptors, say: that passes when connections end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
}
