//! The loopback listener of a sign-in (RFC 8252 section 7.3): takes one answer from the browser and tells the person there how it
//! went.
//!
//! The answer is a GET of the redirect URI's path whose `Host` is the redirect URI's own, so that no web page reaches it under a
//! name of its own (DNS rebinding). The first one counts, everything else gets 404. The page takes the code out of the browser's
//! address bar and session history; it is cached nowhere and loads nothing.
//!
//! ```no_run
//! use ffauth::clock::SystemClock;
//! use ffauth::oauth::callback::Listener;
//! use ffauth::oauth::redirect::Redirect;
//! use ffauth::oauth::{OauthError, source::Source};
//!
//! async fn sign_in(source: &Source, open: impl Fn(&str)) -> Result<(), OauthError> {
//!     let Ok(Redirect::Loopback { url, addresses }) = Redirect::of(None, 0) else { unreachable!("the default is loopback") };
//!     let mut listener = Listener::bind(&url, &addresses).await?;
//!     let endpoints = source.endpoints().await?;
//!     let (authorization, url) = source.authorize(&endpoints, listener.redirect_uri().to_string()).await?;
//!     open(url.as_str());
//!     let arrived = listener.arrived(&SystemClock).await?;
//!     let token = match authorization.judge(arrived.query()) {
//!         Ok(ask) => source.redeem(&authorization, &ask).await,
//!         Err(error) => Err(error),
//!     };
//!     let reason = token.as_ref().err().map(ToString::to_string);
//!     arrived.tell(reason.as_deref().map_or(Ok(()), Err)).await;
//!     token.map(drop)
//! }
//! ```

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use url::Url;

use crate::clock::Clock;
use crate::secret::Secret;

use super::error::OauthError;

/// The longest request head that is read, in bytes: browsers and servers keep URLs below half of it.
const LONGEST_HEAD: usize = 16 * 1024;
/// How long an answer is waited for.
pub const LIMIT: Duration = Duration::from_secs(180);
/// How long a connection may take to send its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Listens from its making until it is dropped.
pub struct Listener {
    url: Url,
    arrived: oneshot::Receiver<Arrived>,
    _connections: JoinSet<()>,
}

/// The answer, with the browser still waiting for a page.
pub struct Arrived {
    query: Secret,
    stream: TcpStream,
}

type Waiter = Arc<Mutex<Option<oneshot::Sender<Arrived>>>>;

impl Listener {
    /// Listens at `addresses` for an answer to `url`; a port of 0 becomes one that is free.
    ///
    /// # Errors
    /// [`OauthError::Config`]: the first address cannot be listened at.
    pub async fn bind(url: &Url, addresses: &[SocketAddr]) -> Result<Self, OauthError> {
        let mut url = url.clone();
        let mut listeners: Vec<TcpListener> = Vec::new();
        for address in addresses {
            let mut address = *address;
            if let (0, Some(port)) = (address.port(), url.port().filter(|port| *port != 0)) {
                address.set_port(port);
            }
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    let port = listener.local_addr().map_or(address.port(), |bound| bound.port());
                    // An http URL with a host always takes a port.
                    url.set_port(Some(port)).unwrap_or_default();
                    listeners.push(listener);
                }
                // `localhost` may be an address of IPv4 alone.
                Err(_) if !listeners.is_empty() => {}
                Err(error) => {
                    let message = format!("{address} cannot be listened at for the browser's answer: {error}");
                    return Err(OauthError::Config(message));
                }
            }
        }
        let (sender, arrived) = oneshot::channel();
        let waiter: Waiter = Arc::new(Mutex::new(Some(sender)));
        let mut connections = JoinSet::new();
        for listener in listeners {
            connections.spawn(accept(listener, url.clone(), Arc::clone(&waiter)));
        }
        Ok(Self { url, arrived, _connections: connections })
    }

    /// The redirect URI, with its port.
    pub fn redirect_uri(&self) -> &Url {
        &self.url
    }

    /// Waits for the answer, at most [`LIMIT`]. Others than the first never come.
    ///
    /// # Errors
    /// [`OauthError::LoginRequired`]: there was none.
    pub async fn arrived(&mut self, clock: &dyn Clock) -> Result<Arrived, OauthError> {
        let nobody = || OauthError::LoginRequired(format!("nobody signed in within {} s", LIMIT.as_secs()));
        tokio::select! {
            arrived = &mut self.arrived => arrived.map_err(|_| nobody()),
            () = clock.sleep(LIMIT) => Err(nobody()),
        }
    }
}

impl Arrived {
    /// The query string of the answer, to be judged.
    pub fn query(&self) -> &str {
        self.query.expose()
    }

    /// Shows a page with this outcome: `Err` holds why nobody is signed in.
    pub async fn tell(mut self, outcome: Result<(), &str>) {
        let (status, page) = match outcome {
            Ok(()) => ("200 OK", page("Signed in", "You are signed in. You can close this window.")),
            Err(reason) => ("400 Bad Request", page("Not signed in", reason)),
        };
        // The person may have closed the window; how it went stands on the terminal too.
        let _ = respond(&mut self.stream, status, &page).await;
    }
}

async fn accept(listener: TcpListener, url: Url, waiter: Waiter) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(open.spawn(serve(stream, url.clone(), Arc::clone(&waiter)))),
                // Out of file descriptors, say: it may pass.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = open.join_next() => {}
        }
    }
}

async fn serve(mut stream: TcpStream, url: Url, waiter: Waiter) {
    let Ok(Some(head)) = tokio::time::timeout(PATIENCE, read_head(&mut stream)).await else { return };
    let found = query(&head, &url);
    let taken = found.and_then(|query| Some((query, waiter.lock().unwrap_or_else(PoisonError::into_inner).take()?)));
    match taken {
        // Whoever waited may have given up.
        Some((query, waiter)) => drop(waiter.send(Arrived { query, stream })),
        None => drop(respond(&mut stream, "404 Not Found", &page("Nothing here", "There is nothing at this address.")).await),
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut part = [0; 2048];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut part).await.ok()?;
        if read == 0 || head.len() + read > LONGEST_HEAD {
            return None;
        }
        head.extend_from_slice(&part[..read]);
    }
    Some(head)
}

/// The query string, if this head of a request is an answer to the redirect URI `url`.
pub fn query(head: &[u8], url: &Url) -> Option<Secret> {
    let mut fields = [httparse::EMPTY_HEADER; 96];
    let mut request = httparse::Request::new(&mut fields);
    request.parse(head).ok().filter(httparse::Status::is_complete)?;
    let mut hosts = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
    let (host, None) = (hosts.next()?.value, hosts.next()) else { return None };
    let own = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let (path, query) = request.path?.split_once('?')?;
    let is_answer = request.method == Some("GET") && path == url.path() && host.eq_ignore_ascii_case(own.as_bytes());
    is_answer.then(|| Secret::new(query))
}

async fn respond(stream: &mut TcpStream, status: &str, page: &str) -> std::io::Result<()> {
    let script = STANDARD.encode(Sha256::digest(SCRIPT));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; script-src 'sha256-{script}'; frame-ancestors 'none'\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}

/// Takes the query out of the address and out of the session history.
const SCRIPT: &str = "history.replaceState(null,'',location.pathname)";

fn page(title: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>ffauth: {title}</title><script>{SCRIPT}</script></head>\n<body><h1>{title}</h1><p>{text}</p></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::oauth::redirect::Redirect;

    async fn listener(uri: Option<&str>) -> Listener {
        let Ok(Redirect::Loopback { url, addresses }) = Redirect::of(uri, 0) else { panic!("{uri:?}") };
        Listener::bind(&url, &addresses).await.expect("a free port")
    }

    async fn sent(listener: &Listener, request: String) -> String {
        let port = listener.redirect_uri().port().expect("a port");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer
    }

    fn get(listener: &Listener, target: &str) -> String {
        format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", listener.redirect_uri().port().expect("a port"))
    }

    #[tokio::test]
    async fn the_first_answer_is_taken_and_its_browser_told() {
        let mut listener = listener(None).await;
        let (port, request) = (listener.redirect_uri().port().expect("a port"), get(&listener, "/callback?code=CANARY&state=s"));
        let browser = tokio::spawn(async move {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
            stream.write_all(request.as_bytes()).await.expect("it reads");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("it answers");
            answer
        });
        let arrived = listener.arrived(&SystemClock).await.expect("an answer");
        assert_eq!(arrived.query(), "code=CANARY&state=s");
        assert!(sent(&listener, get(&listener, "/callback?code=second&state=s")).await.starts_with("HTTP/1.1 404"));
        arrived.tell(Err("access_denied <b>no</b>")).await;
        let page = browser.await.expect("no panic");
        assert!(page.starts_with("HTTP/1.1 400") && page.contains("access_denied &lt;b&gt;no&lt;/b&gt;"), "{page}");
        for part in ["Cache-Control: no-store", "Referrer-Policy: no-referrer", "history.replaceState", "default-src 'none'"] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("CANARY"));
        assert!(sent(&listener, get(&listener, "/callback?code=third&state=s")).await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn nothing_else_is_an_answer() {
        let mut listener = listener(None).await;
        let good = get(&listener, "/callback?code=c");
        for (request, status) in [
            (get(&listener, "/"), "404"),
            (get(&listener, "/favicon.ico"), "404"),
            (get(&listener, "/callback"), "404"),
            (get(&listener, "/callback/?code=c"), "404"),
            (get(&listener, "http://127.0.0.1/callback?code=c"), "404"),
            (good.replace("GET", "POST"), "404"),
            (good.replace("GET", "HEAD"), "404"),
            (good.replace("127.0.0.1", "evil.example"), "404"),
            (good.replace("Host: 127", "Host: evil\r\nHost: 127"), "404"),
            (good.replace("Host", "Hast"), "404"),
            ("\u{0}\r\n\r\n".to_owned(), "404"),
        ] {
            let answer = sent(&listener, request.clone()).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
        }
        let waited = tokio::time::timeout(Duration::from_millis(20), listener.arrived(&SystemClock)).await;
        assert!(waited.is_err(), "an answer was taken");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_longer_than_180_s() {
        let mut listener = listener(None).await;
        let began = tokio::time::Instant::now();
        let error = listener.arrived(&SystemClock).await.err().expect("nobody came");
        assert!(error.needs_login() && error.to_string().contains("180 s"), "{error}");
        assert_eq!(began.elapsed(), LIMIT);
    }

    #[tokio::test]
    async fn the_redirect_uri_decides_path_host_and_port() {
        let listener = listener(Some("http://localhost/own/path?tenant=7")).await;
        let url = listener.redirect_uri().clone();
        let port = url.port().expect("a port");
        assert_eq!(url.as_str(), format!("http://localhost:{port}/own/path?tenant=7"));
        let head = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: LOCALHOST:{port}\r\n\r\n").into_bytes();
        assert_eq!(query(&head("/own/path?tenant=7&code=c"), &url), Some("tenant=7&code=c".into()));
        assert_eq!(query(&head("/callback?code=c"), &url), None);
        let taken = Redirect::of(Some(url.as_str()), 0);
        let Ok(Redirect::Loopback { url, addresses }) = taken else { panic!("{taken:?}") };
        let error = Listener::bind(&url, &addresses).await.err().expect("the port is taken").to_string();
        assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
    }
}
