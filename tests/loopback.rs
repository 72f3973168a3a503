//! The server on this machine that DASH inputs lead through, seen by those who connect to it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ffauth::bearer::{Bearer, Bearers, Credential, Placement, Proof, Renew, RenewError, Scope, Slot};
use ffauth::env::Env;
use ffauth::libav::demuxer::{Demuxer, Opening};
use ffauth::libav::io::{Access, Detour, Tally};
use ffauth::libav::option::Dictionary;
use ffauth::libav::packet::Packet;
use ffauth::loopback::Loopback;
use ffauth::net::{Losses, Media, Reach, Request};
use ffauth::origin::{Origin as Where, OriginPattern};
use ffauth::secret::Secret;
use ffauth::shutdown::Shutdown;
use ffauth::tls::Roots;
use hyper::Response;
use url::Url;

use crate::support::media;
use crate::support::origin::{Origin, Site};
use crate::support::server::{Body, Server};

const TOKEN: &str = "canary-token";

/// One token for ever.
struct Once;

impl Renew for Once {
    fn rejected(&self, _: u64) {}

    fn wait_newer(&self, _: u64, limit: Duration, _: &Shutdown) -> Result<(), RenewError> {
        Err(RenewError::TimedOut(limit))
    }
}

/// A key that signs with a word.
struct Word;

impl Proof for Word {
    fn prove(&self, method: &str, url: &Url, _: &Secret) -> Result<Secret, String> {
        Ok(Secret::new(format!("proof-{method}-{}", url.path())))
    }

    fn learn(&self, _: &Url, _: &str) -> bool {
        false
    }
}

fn bearers(url: &str, proof: Option<Arc<dyn Proof>>) -> Bearers {
    let slot = Arc::new(Slot::new());
    let mut credential = Credential::new(Secret::new(TOKEN), Vec::new()).expect("a clean token");
    if let Some(proof) = proof {
        credential = credential.bound_by(proof);
    }
    slot.publish(1, credential);
    let scope = Scope::new([OriginPattern::exactly(&Where::parse(url).expect("an origin"))], false);
    let roots = Roots::new(&Env::default(), None);
    Bearers::new([Bearer { name: "p".into(), scope, placement: Placement::default(), slot, renew: Arc::new(Once), roots }])
}

/// A server for `url`, and what it runs on.
fn serve(url: &str) -> (tokio::runtime::Runtime, Loopback, Shutdown) {
    serve_with(url, Vec::new())
}

/// The same with header lines of the user's.
fn serve_with(url: &str, headers: Vec<(String, String)>) -> (tokio::runtime::Runtime, Loopback, Shutdown) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let media = Media::new(runtime.handle().clone());
    let request = Request { headers, ..Request::new("GET", url, bearers(url, None), Roots::new(&Env::default(), None)) };
    let stop = Shutdown::new();
    let loopback = Loopback::start(&media, request, Duration::from_secs(1), Losses::default(), &stop).expect("a free port");
    (runtime, loopback, stop)
}

/// Host and path of what stands for the manifest.
fn parts(loopback: &Loopback) -> (String, String) {
    let (host, path) = loopback.url().strip_prefix("http://").and_then(|url| url.split_once('/')).expect("a URL");
    (host.to_owned(), format!("/{path}"))
}

fn connect(host: &str) -> TcpStream {
    let stream = TcpStream::connect(host).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream
}

/// The whole answer to one request.
fn ask(host: &str, request: &str) -> String {
    let mut stream = connect(host);
    stream.write_all(request.as_bytes()).expect("somebody reads");
    let mut answer = Vec::new();
    // A server that hangs up on bad requests may reset the connection.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Another program of this machine finds the port, but nothing behind it, and no request goes out for it.
#[test]
fn nobody_is_served_without_the_secret_and_the_name() {
    let kind = media::DASH;
    let origin = Origin::start(kind.site());
    let (_runtime, loopback, _stop) = serve(&origin.url(kind.entry));
    let (host, path) = parts(&loopback);
    let secretless = path.replacen(path.split('/').nth(1).expect("a secret"), "AAAAAAAAAAAAAAAAAAAAAA", 1);
    let behind = format!("/http/{}/index.mpd", origin.base().trim_start_matches("http://"));
    for (target, name) in [
        (secretless.as_str(), host.as_str()),
        (behind.as_str(), &host),
        ("/", &host),
        (&origin.url(kind.entry), &host),
        (&path, "rebound.example"),
        (&path, "localhost"),
        (&path, ""),
    ] {
        let answer = ask(&host, &format!("GET {target} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 404 ") && !answer.contains(TOKEN), "{target} {name}: {answer}");
    }
    for request in [format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"), format!("CONNECT {host} HTTP/1.1\r\n\r\n")] {
        assert_eq!(ask(&host, &request), "", "{request}");
    }
    assert_eq!(origin.log().len(), 0, "{}", origin.story());
    let answer = ask(&host, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("<MPD"), "{answer}");
    assert_eq!(origin.mentions(&[TOKEN.to_owned()]).len(), 1, "{}", origin.story());
}

/// Several requests on one connection, with parts of files among them.
#[test]
fn connections_are_kept() {
    let kind = media::DASH;
    let origin = Origin::start(kind.site());
    let (_runtime, loopback, _stop) = serve(&origin.url(kind.entry));
    let (host, path) = parts(&loopback);
    let segment = path.replace("index.mpd", "chunk-stream0-00002.m4s");
    let whole = std::fs::read(kind.file().with_file_name("chunk-stream0-00002.m4s")).expect("a segment");
    let mut stream = connect(&host);
    for (range, status, expected) in [
        ("bytes=0-", "206", &whole[..]),
        ("bytes=100-199", "206", &whole[100..200]),
        ("bytes=500-", "206", &whole[500..]),
        ("", "200", &whole[..]),
    ] {
        let field = if range.is_empty() { String::new() } else { format!("Range: {range}\r\n") };
        stream.write_all(format!("GET {segment} HTTP/1.1\r\nHost: {host}\r\n{field}\r\n").as_bytes()).expect("somebody reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        // A request without a range is one for everything above too.
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{range}: {head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", expected.len())), "{range}: {head}");
        let mut body = vec![0; expected.len()];
        stream.read_exact(&mut body).expect("a body");
        assert!(body == expected, "{range}: another body");
    }
}

/// An endless body goes no further than the other side reads, and nothing of it is kept.
#[test]
fn a_body_is_read_as_fast_as_it_is_taken() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let server = Server::start(
        None,
        Arc::new(move |_| {
            let count = Arc::clone(&count);
            Box::pin(async move {
                let (slices, body) = tokio::sync::mpsc::channel(1);
                tokio::spawn(async move {
                    while slices.send(Ok(vec![0; 64 * 1024].into())).await.is_ok() {
                        count.fetch_add(64 * 1024, Ordering::Relaxed);
                    }
                });
                Response::new(Body::Slices(body))
            })
        }),
    );
    let (_runtime, loopback, stop) = serve(&server.url("/index.mpd"));
    let (host, path) = parts(&loopback);
    let mut stream = connect(&host);
    let request = format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", path.replace("index.mpd", "endless.m4s"));
    stream.write_all(request.as_bytes()).expect("somebody reads");
    std::thread::sleep(Duration::from_millis(700));
    let first = sent.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(sent.load(Ordering::Relaxed), first, "it goes on although nobody reads");
    // What the sockets in between hold.
    assert!(first < 32 << 20, "{first} bytes were sent");
    let mut buffer = vec![0; 1 << 20];
    let (mut read, began) = (0, Instant::now());
    while read < first + (8 << 20) {
        read += stream.read(&mut buffer).expect("a body");
        assert!(began.elapsed() < Duration::from_secs(20), "only {read} bytes came");
    }
    stop.request();
    let asked = Instant::now();
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
    assert!(asked.elapsed() < Duration::from_millis(500), "it went on for {:?}", asked.elapsed());
    while TcpStream::connect(&host).is_ok() {
        assert!(asked.elapsed() < Duration::from_secs(10), "somebody still listens");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A CDN that lets in whoever brings back the cookie of the manifest; the user's own goes along.
#[test]
fn cookies_come_back() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Server::start(
        None,
        Arc::new(move |arrived| {
            let cookie = arrived.request.headers().get("cookie").map(|field| field.to_str().expect("text").to_owned());
            log.lock().expect("no panic").push(cookie.unwrap_or_default());
            let response = Response::builder().header("set-cookie", "pass=1; Path=/");
            Box::pin(async move { response.body(Body::from("<MPD></MPD>")).expect("a response") })
        }),
    );
    let (_runtime, loopback, _stop) = serve_with(&server.url("/index.mpd"), vec![("Cookie".to_owned(), "own=2".to_owned())]);
    let (host, path) = parts(&loopback);
    for path in [path.clone(), path.replace("index.mpd", "1.m4s")] {
        let answer = ask(&host, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.to_ascii_lowercase().contains("cookie"), "{answer}");
    }
    assert_eq!(*seen.lock().expect("no panic"), ["own=2", "own=2; pass=1"]);
}

/// A token that is bound to a key: each request has a proof of its own, for its own URL.
#[cfg(not(dash_io_open))]
#[test]
fn bound_tokens_lead_through_it_too() {
    let kind = media::DASH;
    let origin = Origin::start(Site { tokens: None, ..kind.site() });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let media = Media::new(runtime.handle().clone());
    let (url, own) = (origin.url(kind.entry), media.clone());
    let access = Access {
        url: url.clone(),
        pointer: None,
        waits_for_space: None,
        bearers: bearers(&url, Some(Arc::new(Word))),
        wait: Duration::from_secs(1),
        retry: Duration::from_secs(1),
        reach: Reach::of(&url),
        media: Some(media),
        hurry: Shutdown::new(),
        in_vain: Tally::default(),
        detour: Some(Arc::new(move |request, retry, losses, stop| {
            Ok(Box::new(Loopback::start(&own, request, retry, losses, stop)?) as Box<dyn Detour>)
        })),
    };
    let stop = Shutdown::new();
    let mut demuxer = Demuxer::open(&url, &Opening::default(), &mut Dictionary::new(), access, stop).expect("a manifest");
    assert_eq!(demuxer.url(), url);
    let (mut packet, mut packets) = (Packet::new(), 0);
    while demuxer.read(&mut packet).expect("packets") {
        packets += 1;
    }
    assert!(packets > 1000, "only {packets} packets\n{}", origin.story());
    for entry in origin.log() {
        assert!(entry.text.contains(&format!("authorization: DPoP {TOKEN}")), "{}", entry.text);
        assert!(entry.text.contains(&format!("dpop: proof-GET-{}\n", entry.path)), "{}", entry.text);
    }
}
