//! Requests and answers go through as they are, with a token.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Response;
use rustix::process::Signal;

use super::*;
use crate::support::media;
use crate::support::origin::Framing;
use crate::support::server::Body;

#[test]
fn reads_and_parts_of_files_come_as_they_are() {
    let kind = media::MP4_MOOV_FIRST;
    let whole = std::fs::read(kind.file()).expect("a file");
    for framing in [Framing::Length, Framing::Chunked, Framing::Close] {
        let relayed = Relayed::new(Site { framing, ..kind.site() });
        let url = relayed.url("video.mp4");
        let answer = relayed.caller.get(&url);
        assert!(answer.status == 200 && answer.body == whole, "{framing:?}: {}\n{}", answer.status, relayed.story());
        assert_eq!(answer.field("content-type"), Some("application/octet-stream"));
        assert_eq!(answer.field("content-length").is_some(), framing == Framing::Length);
        for (range, part) in [("bytes=0-", 0..whole.len()), ("bytes=100-199", 100..200), ("bytes=5000-", 5000..whole.len())] {
            let answer = relayed.caller.ask("GET", &url, &[("range", range)]);
            assert!(answer.status == 206 && answer.body == whole[part.clone()], "{range}: {}", answer.status);
            let shown = format!("bytes {}-{}/{}", part.start, part.end - 1, whole.len());
            assert_eq!(answer.field("content-range"), Some(shown.as_str()));
        }
        let beyond = relayed.caller.ask("GET", &url, &[("range", "bytes=99999999-")]);
        assert_eq!((beyond.status, beyond.field("content-range")), (416, Some(format!("bytes */{}", whole.len()).as_str())));
        let head = relayed.caller.ask("HEAD", &url, &[]);
        assert!(head.status == 200 && head.body.is_empty());
        assert_eq!(relayed.caller.get(&relayed.url("none.mp4")).status, 404);
        assert_eq!(relayed.origin().count(401), 0, "{}", relayed.story());
    }
}

#[test]
fn connections_to_the_server_are_used_again() {
    let relayed = Relayed::new(media::HLS.site());
    for _ in 0..20 {
        assert_eq!(relayed.caller.get(&relayed.url("index0.ts")).status, 200);
    }
    assert!(relayed.origin().connections() <= 2, "{}", relayed.story());
}

#[test]
fn conditions_go_up_and_validators_come_down() {
    let scripted = Scripted::new(|arrived| {
        let known = arrived.request.headers().get("if-none-match").is_some_and(|tag| tag == "\"v1\"");
        let response = Response::builder()
            .status(if known { 304 } else { 200 })
            .header("etag", "\"v1\"")
            .header("content-type", "video/mp2t");
        response
            .header("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")
            .body(Body::from(if known { "" } else { "body" }))
            .expect("one")
    });
    let url = scripted.relay.url("p", "a.ts");
    let first = scripted.caller.get(&url);
    assert_eq!((first.status, first.field("etag")), (200, Some("\"v1\"")));
    let again = scripted.caller.ask("GET", &url, &[("if-none-match", "\"v1\""), ("if-range", "\"v1\"")]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert!(scripted.seen()[1].contains("if-range: \"v1\""), "{:?}", scripted.seen());
}

/// What a caller and the server say to the relay goes no further.
#[test]
fn credentials_cookies_and_connections_stay_on_their_side() {
    let scripted = Scripted::new(|arrived| {
        let token = arrived.request.headers().get("authorization").map(|value| value.to_str().expect("text").to_owned());
        let response = Response::builder().status(200).header("content-type", "video/mp2t");
        let response = response.header("set-cookie", "pass=1; Path=/").header("www-authenticate", "Bearer realm=\"x\"");
        let response = response.header("access-control-allow-origin", "*").header("keep-alive", "timeout=5");
        let response = response.header("x-echo", token.unwrap_or_default()).header("x-kept", "yes");
        response.body(Body::from("body")).expect("a response")
    });
    let url = scripted.relay.url("p", "a.ts?x=%2F1");
    let fields = [
        ("authorization", "Bearer of-the-caller"),
        ("cookie", "own=2"),
        ("referer", url.as_str()),
        ("origin", "http://evil.example"),
        ("connection", "keep-alive, x-mine"),
        ("x-mine", "1"),
        ("x-kept", "1"),
    ];
    for number in 0..2 {
        let answer = scripted.caller.ask("GET", &url, &fields);
        assert_eq!((answer.status, answer.text().as_str(), answer.field("x-kept")), (200, "body", Some("yes")));
        for name in ["set-cookie", "www-authenticate", "access-control-allow-origin", "keep-alive", "x-echo"] {
            assert_eq!(answer.field(name), None, "{name}");
        }
        let seen = scripted.seen()[number].clone();
        assert!(seen.starts_with("GET /v1/a.ts?x=%2F1\n") && seen.contains("authorization: Bearer canary-token\n"), "{seen}");
        assert!(
            seen.contains("x-kept: 1\n") && !seen.contains("x-mine") && !seen.contains("evil") && !seen.contains("own=2"),
            "{seen}"
        );
        assert!(!seen.contains(&scripted.relay.secret()), "{seen}");
        // The server's own cookie comes back to it.
        assert_eq!(seen.contains("cookie: pass=1\n"), number == 1, "{seen}");
    }
}

#[test]
fn nobody_is_served_without_the_secret_and_the_name() {
    let relayed = Relayed::new(media::HLS.site());
    let (root, secret) = (relayed.relay.root().to_owned(), relayed.relay.secret());
    let wrong = "A".repeat(secret.len());
    for path in
        ["/".to_owned(), String::new(), "/m/p/index0.ts".to_owned(), format!("/{wrong}/m/p/index0.ts"), format!("/{secret}")]
    {
        assert_eq!(relayed.caller.get(&format!("{root}{path}")).status, 403, "{path}");
    }
    let url = relayed.url("index0.ts");
    let port = root.rsplit(':').next().expect("a port");
    for host in
        ["evil.example", "127.0.0.1", "127.0.0.2", "localhost:1", "", &format!("evil.example:{port}"), &format!("[::1]:{port}")]
    {
        assert_eq!(relayed.caller.ask("GET", &url, &[("host", host)]).status, 403, "{host}");
    }
    for (path, status) in [
        ("/m/q/index0.ts", 404),
        ("/token/p", 404),
        ("/x", 404),
        ("/m/p/..%2f..%2fetc", 403),
        ("/m/p/.via/1.0.x/http/127.0.0.1:1/", 403),
    ] {
        assert_eq!(relayed.caller.get(&format!("{root}/{secret}{path}")).status, status, "{path}");
    }
    let preflight =
        relayed.caller.ask("OPTIONS", &url, &[("origin", "http://evil.example"), ("access-control-request-method", "GET")]);
    assert_eq!(preflight.status, 405);
    assert!(preflight.fields.keys().all(|name| !name.starts_with("access-control")), "{preflight:?}");
    assert_eq!(relayed.origin().log().len(), 0, "{}", relayed.story());
    assert_eq!(relayed.caller.ask("GET", &url, &[("host", &format!("LOCALHOST:{port}"))]).status, 200);
    // Nobody learns the secret from the log.
    relayed.relay.logged("/index0.ts -> 200");
    assert!(!relayed.relay.log().contains(&secret), "{}", relayed.relay.log());
}

#[test]
fn a_refused_token_costs_one_refresh_whoever_finds_out() {
    let relayed = Relayed::new(media::HLS.site());
    assert_eq!(relayed.caller.get(&relayed.url("index0.ts")).status, 200);
    relayed.protected.tokens.kill_all();
    let asked: Vec<_> = (0..16)
        .map(|_| {
            let (client, url) = (relayed.caller.client.clone(), relayed.url("index1.ts"));
            relayed.caller.runtime.spawn(async move { client.get(url).send().await.expect("an answer").status().as_u16() })
        })
        .collect();
    for answer in asked {
        assert_eq!(relayed.caller.runtime.block_on(answer).expect("no panic"), 200, "{}", relayed.story());
    }
    assert_eq!(relayed.protected.token_server.answered(), 2, "{}", relayed.story());
    assert!(relayed.origin().count(401) >= 1);
}

/// A server that refuses every token is asked twice, and its refusal is handed on without the challenge.
#[test]
fn a_refusal_that_lasts_is_handed_on() {
    let scripted = Scripted::new(|_| {
        let response = Response::builder()
            .status(403)
            .header("www-authenticate", "Bearer error=\"insufficient_scope\", scope=\"media.read\"");
        response.body(Body::from("no")).expect("a response")
    });
    let answer = scripted.caller.get(&scripted.relay.url("p", "a.ts"));
    assert_eq!((answer.status, answer.text().as_str(), answer.field("www-authenticate")), (403, "no", None));
    assert_eq!(scripted.seen().len(), 1);
    scripted.relay.logged("insufficient_scope");
}

#[test]
fn a_server_that_is_away_is_a_gateway_error() {
    let Scripted { caller, relay, server, _home, .. } = Scripted::new(|_| Response::new(Body::from("")));
    drop(server);
    let answer = caller.get(&relay.url("p", "a.ts"));
    assert!(answer.status == 502 && answer.text().contains("the connection was refused"), "{answer:?}");
}

/// An endless body goes no further than the caller reads.
#[test]
fn a_body_is_read_as_fast_as_it_is_taken() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let mut scripted = Scripted::new(move |_| {
        let count = Arc::clone(&count);
        let (slices, body) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            while slices.send(Ok(vec![0; 64 * 1024].into())).await.is_ok() {
                count.fetch_add(64 * 1024, Ordering::Relaxed);
            }
        });
        Response::builder().header("content-type", "video/mp2t").body(Body::Slices(body)).expect("a response")
    });
    let url = scripted.relay.url("p", "endless.ts");
    let (host, path) = url.strip_prefix("http://").and_then(|url| url.split_once('/')).expect("a URL");
    let mut stream = TcpStream::connect(host).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    stream.write_all(format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).expect("somebody reads");
    // It stands still once all sockets in between are full.
    let mut first = usize::MAX;
    while sent.load(Ordering::Relaxed) != first || first == 0 {
        first = sent.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(first < 32 << 20, "{first} bytes were sent");
    let mut buffer = vec![0; 1 << 20];
    let mut read = 0;
    while read < first + (8 << 20) {
        read += stream.read(&mut buffer).expect("a body");
    }
    // Somebody who never ends does not keep the relay from ending.
    scripted.relay.signal(Signal::TERM);
    assert!(scripted.relay.ended().success());
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
}

#[test]
fn a_caller_that_leaves_ends_the_read_from_the_server() {
    let (ended, end) = tokio::sync::watch::channel(false);
    let scripted = Scripted::new(move |_| {
        let (slices, body) = tokio::sync::mpsc::channel(1);
        let ended = ended.clone();
        tokio::spawn(async move {
            while slices.send(Ok(vec![0; 64 * 1024].into())).await.is_ok() {}
            ended.send_replace(true);
        });
        Response::builder().header("content-type", "video/mp2t").body(Body::Slices(body)).expect("a response")
    });
    let url = scripted.relay.url("p", "endless.ts");
    scripted.caller.runtime.block_on(async {
        let mut answer = scripted.caller.client.get(url).send().await.expect("an answer");
        assert!(answer.chunk().await.expect("a body").is_some());
        drop(answer);
        let mut end = end;
        let left = tokio::time::timeout(Duration::from_secs(60), end.wait_for(|ended| *ended)).await;
        assert!(left.is_ok(), "it reads on");
    });
}

/// Who is being answered gets the rest, and nobody else is let in.
#[test]
fn it_ends_when_the_last_answer_is_out() {
    for signal in [Signal::INT, Signal::TERM] {
        let (go, gone) = tokio::sync::watch::channel(false);
        let mut scripted = Scripted::new(move |_| {
            let mut gone = gone.clone();
            let (slices, body) = tokio::sync::mpsc::channel(1);
            tokio::spawn(async move {
                let _ = slices.send(Ok("begin ".into())).await;
                let _ = gone.wait_for(|gone| *gone).await;
                let _ = slices.send(Ok("end".into())).await;
            });
            Response::builder().header("content-type", "video/mp2t").body(Body::Slices(body)).expect("a response")
        });
        let url = scripted.relay.url("p", "a.ts");
        let client = scripted.caller.client.clone();
        let (began, begun) = tokio::sync::oneshot::channel();
        let answer = scripted.caller.runtime.spawn(async move {
            let mut answer = client.get(url).send().await.expect("an answer");
            let mut text = answer.chunk().await.expect("a body").expect("a chunk").to_vec();
            began.send(()).expect("somebody waits");
            while let Some(chunk) = answer.chunk().await.expect("a whole body") {
                text.extend_from_slice(&chunk);
            }
            String::from_utf8(text).expect("text")
        });
        scripted.caller.runtime.block_on(begun).expect("a beginning");
        scripted.relay.signal(signal);
        let address = scripted.relay.root().trim_start_matches("http://").to_owned();
        while TcpStream::connect(&address).is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
        go.send(true).expect("somebody waits");
        assert_eq!(scripted.caller.runtime.block_on(answer).expect("no panic"), "begin end");
        assert_eq!(scripted.relay.ended().code(), Some(0));
    }
}

#[test]
fn uploads_are_handed_on_and_sent_again_with_a_new_token() {
    let relayed = Relayed::new(Site::default());
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let kinds = [("PUT", "whole", false), ("POST", "posted", false), ("PUT", "chunked", true)];
    for (method, name, chunked) in kinds {
        relayed.protected.tokens.kill_all();
        let sent = match chunked {
            true => reqwest::Body::wrap(Body::Whole(body.chunks(100_000).map(|part| part.to_vec().into()).collect())),
            false => body.clone().into(),
        };
        let answer = relayed.caller.send(method, &relayed.url(name), &[("content-type", "video/mp2t")], Some(sent));
        assert_eq!(answer.status, 201, "{name}: {}", relayed.story());
        assert!(relayed.origin().stored().get(&format!("/{name}")) == Some(&body), "{name}: another body came");
    }
    // A refusal may be lost with its connection, and is then asked for again; a token is not.
    assert!((3..=6).contains(&relayed.origin().count(401)), "{}", relayed.story());
    assert_eq!(relayed.protected.token_server.answered(), 4, "{}", relayed.story());
    assert_eq!(relayed.caller.send("PUT", &relayed.url("empty"), &[], Some("".into())).status, 201);
    assert_eq!(relayed.caller.ask("DELETE", &relayed.url("whole"), &[]).status, 405, "{}", relayed.story());
}

/// A caller that breaks off has not sent a whole file.
#[test]
fn half_an_upload_is_none() {
    let relayed = Relayed::new(Site::default());
    let url = relayed.url("half");
    let (host, path) = url.strip_prefix("http://").and_then(|url| url.split_once('/')).expect("a URL");
    for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let mut stream = TcpStream::connect(host).expect("somebody listens");
        let head = format!("PUT /{path} HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n\r\n3\r\nabc\r\n");
        stream.write_all(head.as_bytes()).expect("somebody reads");
        while relayed.origin().log().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(stream);
    }
    relayed.caller.send("PUT", &relayed.url("whole"), &[], Some("x".into()));
    assert_eq!(relayed.origin().stored().keys().collect::<Vec<_>>(), ["/whole"], "{}", relayed.story());
}
