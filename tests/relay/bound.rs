//! Tokens that are bound to a key or a certificate, and tokens elsewhere than in `Authorization`, for callers that know nothing
//! of all that. Servers that speak HTTP/2.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::{Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;
use crate::support::dpop::Proofs;
use crate::support::media;
use crate::support::origin::Placement;
use crate::support::run::{count, ffmpeg_read};
use crate::support::server::Body;
use crate::support::tls::{Authority, Shown};

#[test]
fn tokens_bound_to_a_key_are_proved_request_by_request() {
    let tokens = Tokens::living(Duration::from_secs(2));
    let (at_endpoint, at_media) = (Proofs::asking_for_nonces(2), Proofs::asking_for_nonces(5));
    let token_server = TokenServer::binding(&tokens, &at_endpoint);
    let site = Site {
        tokens: Some(Arc::clone(&tokens)),
        proofs: Some(Arc::clone(&at_media)),
        ..media::HLS.paced(Duration::from_secs(5))
    };
    let origin = Origin::start(site);
    let home = Home::new(&format!(
        "{}\n[relay]\ntoken_endpoint = true\n",
        run::profile("p", &token_server, &format!("dpop = true\nbase_url = \"{}\"", origin.base()))
    ));
    let (relay, caller) = (Relay::start(&home, ""), Caller::new());
    let read = ffmpeg_read(&home, &media::HLS, &relay.url("p", media::HLS.entry));
    assert!(count(&read) > 1000 && origin.accepted().len() >= 2, "{}", origin.story());
    let delivered = origin.log().iter().filter(|entry| entry.status < 400).count();
    assert_eq!(at_media.accepted(), delivered, "{}", origin.story());
    assert_eq!(at_media.keys(), at_endpoint.keys());
    assert_eq!(caller.send("PUT", &relay.url("p", "up"), &[], Some("x".into())).status, 201);
    // Nobody else could use it.
    assert_eq!(caller.get(relay.ready["token"]["p"].as_str().expect("a URL")).status, 409);
}

#[test]
fn a_certificate_goes_where_the_token_goes_and_nowhere_else() {
    let (ca, client) = (Authority::new("private"), Shown::self_signed("app"));
    let tokens = Tokens::living(Duration::from_secs(300));
    let token_server = TokenServer::start_with(&tokens, Some(ca.certify_asking("127.0.0.1", &client, false)));
    let tls = || Some(ca.certify_asking("127.0.0.1", &client, true));
    let segments = Origin::start(Site { tls: tls(), ..media::HLS.site() });
    let replace = vec![("index".to_owned(), format!("{}/index", segments.base()))];
    let playlist = Origin::start(Site { tokens: Some(tokens), tls: tls(), replace, ..media::HLS.site() });
    let home = Home::new(&format!(
        "[profile.p]\ntoken_url = \"{}\"\nclient_id = \"app\"\ngrant = \"client_credentials\"\nclient_auth = \"self_signed_tls\"\n\
         tls = {{ cert = \"cert.pem\", key = \"key.pem\" }}\nca_file = \"{}\"\nbase_url = \"{}\"\n",
        token_server.url(),
        ca.file().display(),
        playlist.base()
    ));
    client.save(&home);
    let relay = Relay::start(&home, "");
    let read = ffmpeg_read(&home, &media::HLS, &relay.url("p", media::HLS.entry));
    assert!(count(&read) > 1000);
    let shown = |origin: &Origin| {
        origin.log().into_iter().map(|entry| entry.certificate.as_ref() == Some(&client.wire)).collect::<Vec<_>>()
    };
    assert!(!shown(&playlist).is_empty() && shown(&playlist).into_iter().all(|shown| shown), "{}", playlist.story());
    assert!(shown(&segments).len() > 5 && shown(&segments).into_iter().all(|shown| !shown), "{}", segments.story());
}

#[test]
fn a_token_stands_where_the_profile_puts_it() {
    for (placement, profile) in [
        (Placement::Query("access_token"), "placement = { query = \"access_token\" }"),
        (
            Placement::Field("x-api-token"),
            "placement = { header = \"X-Api-Token\", prefix = \"\" }\nmedia_headers = { \"X-Policy\" = \"of-ours\" }",
        ),
    ] {
        let relayed = Relayed::with(
            Tokens::living(Duration::from_secs(2)),
            Site { placement, ..media::HLS.paced(Duration::from_secs(5)) },
            profile,
        );
        let read = ffmpeg_read(&relayed.protected.home, &media::HLS, &relayed.url(media::HLS.entry));
        assert!(count(&read) > 1000 && relayed.origin().accepted().len() >= 2, "{}", relayed.story());
        // A caller's own field of that name is not the token.
        let fields = [("x-api-token", "of-the-caller"), ("x-policy", "of-the-caller")];
        let answer = relayed.caller.ask("GET", &relayed.url("index0.ts?access_token=of-the-caller"), &fields);
        assert_eq!(answer.status, 200, "{}", relayed.story());
        let last = relayed.origin().log().pop().expect("a request").text;
        let of_caller = last.matches("of-the-caller").count();
        assert_eq!(of_caller, if profile.contains("query") { 2 } else { 1 }, "{last}");
        assert!(!relayed.tokens_shown(), "{}", relayed.relay.log());
    }
}

impl Relayed {
    fn tokens_shown(&self) -> bool {
        let log = self.relay.log();
        self.protected.tokens.all().iter().any(|token| log.contains(token))
    }
}

/// Many requests on one connection of a server that offers HTTP/2.
#[test]
fn a_server_of_http_2_is_asked_by_one_connection() {
    let ca = Authority::new("private");
    let mut tls = (*ca.certify("127.0.0.1")).clone();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let caller = Caller::new();
    let listener = caller.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let base = format!("https://{}", listener.local_addr().expect("an address"));
    let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (opened, asked) = (Arc::clone(&connections), Arc::clone(&requests));
    caller.runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            opened.fetch_add(1, Ordering::Relaxed);
            let (acceptor, asked) = (acceptor.clone(), Arc::clone(&asked));
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.expect("a handshake");
                let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    asked.fetch_add(1, Ordering::Relaxed);
                    let good = request.version() == Version::HTTP_2
                        && request.headers().get("authorization").is_some_and(|token| token == "Bearer canary-token");
                    let body = if good { vec![7; 300_000] } else { Vec::new() };
                    async move { Response::builder().header("content-type", "video/mp2t").body(Body::from(body)) }
                });
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    let home = Home::new(&format!(
        "[profile.p]\naccess_token = \"canary-token\"\nca_file = \"{}\"\nbase_url = \"{base}\"\n",
        ca.file().display()
    ));
    let relay = Relay::start(&home, "");
    let first = caller.get(&relay.url("p", "0"));
    assert_eq!((first.status, first.body.len()), (200, 300_000), "{}", relay.log());
    let asked: Vec<_> =
        (0..16).map(|number| caller.runtime.spawn(caller.client.get(relay.url("p", &number.to_string())).send())).collect();
    for answer in asked {
        let answer = caller.runtime.block_on(answer).expect("no panic").expect("an answer");
        assert_eq!(caller.runtime.block_on(answer.bytes()).expect("a body").len(), 300_000);
    }
    assert_eq!((connections.load(Ordering::Relaxed), requests.load(Ordering::Relaxed)), (1, 17));
}
