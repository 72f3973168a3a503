//! What is said about a server that refuses.

use std::net::TcpListener;
use std::time::Duration;

use super::rig::{Rig, private_ca};
use super::server::{Reply, Server};
use crate::bearer::{Bearers, Placement};
use crate::error::Error;

/// The error for a GET that gets `reply`, with its text checked for the token.
fn explained(reply: Reply) -> (Error, String) {
    let server = Server::start(move |_, _| reply.clone());
    let rig = Rig::new(&[&server]);
    let failure = rig.media.explain(&rig.request("GET", server.url("/live/a.m3u8?sig=secret-0")), &rig.stop);
    let text = format!("{} | {}", failure.error, failure.error.hint().unwrap_or_default());
    assert!(!text.contains("secret"), "{text}");
    let text = text.replace(&server.origin(), "http://h");
    (failure.error, text)
}

#[test]
fn a_refused_token_is_told_with_the_servers_words() {
    let challenge = r#"Bearer realm="r", error="invalid_token", error_description="The token expired""#;
    let (error, text) = explained(Reply::new(401).header("WWW-Authenticate", challenge));
    assert_eq!(
        error.to_string().split_once(": ").expect("a URL").1,
        "the server refused the token of profile `studio`, and a new one too (401 Unauthorized: invalid_token: The token expired)"
    );
    assert!(text.starts_with("http://h/live/a.m3u8?***: "), "{text}");
    assert!(text.contains("[profile.studio]"), "{text}");
    assert_eq!((error.http_status(), error.oauth_error(), error.is_retryable()), (Some(401), Some("invalid_token"), false));
}

#[test]
fn a_missing_scope_is_named() {
    let challenge = r#"Bearer error="insufficient_scope", scope="media.read media.write""#;
    let (error, text) = explained(Reply::new(403).header("WWW-Authenticate", challenge));
    assert!(text.contains("lacks the scope `media.read media.write`"), "{text}");
    assert!(text.ends_with(r#"add to `scope` in [profile.studio]: "media.read", "media.write""#), "{text}");
    assert_eq!(error.oauth_error(), Some("insufficient_scope"));
}

#[test]
fn an_overloaded_server_may_be_asked_again_later() {
    let server =
        Server::start(|_, _| Reply::new(503).header("Retry-After", "7").header("Content-Type", "text/plain").body("busy\n"));
    let rig = Rig::new(&[&server]);
    let failure = rig.media.explain(&rig.request("GET", server.url("/a")), &rig.stop);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    assert!(failure.error.is_retryable());
    let text = failure.error.to_string();
    assert!(text.ends_with("the server refused (503 Service Unavailable: busy)"), "{text}");
    assert_eq!(failure.error.hint(), Some("the server asks to wait 7 s"));
    assert_eq!(server.log()[0].header("range"), Some("bytes=0-"));
}

#[test]
fn a_server_that_echoes_the_token_cannot_make_us_print_it() {
    let echo = Reply::new(403)
        .header(
            "WWW-Authenticate",
            r#"Bearer error="secret-1", error_description="got Bearer secret-1 from https://x/?t=secret-1""#,
        )
        .header("Content-Type", "application/json")
        .body(r#"{"message":"Authorization: Bearer secret-1 \u001b[31m"}"#);
    let (_, text) = explained(echo);
    assert!(text.contains("***") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_sign_in_page_is_recognized_behind_its_redirect() {
    let server = Server::start(|seen, _| match seen.target.as_str() {
        "/login" => Reply::new(200).header("Content-Type", "text/html; charset=utf-8").body("\n<!DOCTYPE html><html>"),
        _ => Reply::redirect(302, "/login"),
    });
    let rig = Rig::new(&[&server]);
    let failure = rig.media.explain(&rig.request("GET", server.url("/a.ts")), &rig.stop);
    let text = failure.error.to_string();
    assert!(text.starts_with(&server.url("/login: a web page and no media")), "{text}");
}

#[test]
fn a_playlist_that_is_called_text_html_is_no_page() {
    let (error, text) = explained(Reply::new(200).header("Content-Type", "text/html").body("#EXTM3U\n"));
    assert!(text.contains("could not be opened, though the server answers 200 OK now"), "{text}");
    assert!(error.is_retryable());
}

#[test]
fn an_origin_outside_the_scope_is_named_with_the_line_to_add() {
    let own = Server::start(|_, _| Reply::new(200));
    for status in [401, 403] {
        let foreign = Server::start(move |_, _| Reply::new(status));
        let rig = Rig::new(&[&own]);
        let failure = rig.media.explain(&rig.request("GET", foreign.url("/seg.ts")), &rig.stop);
        let text = failure.error.to_string();
        assert!(text.contains(&format!("{} got no token", foreign.origin())) && text.contains("profile `studio`"), "{text}");
        let line = format!("origins = [\"{}\", \"{}\"]", own.origin(), foreign.origin());
        assert!(failure.error.hint().is_some_and(|hint| hint.contains(&line)), "{:?}", failure.error.hint());
        assert_eq!((foreign.log()[0].token(), rig.rejected().len()), (None, 0));
    }
}

#[test]
fn a_file_without_a_profile_is_told_how_to_get_one() {
    let server = Server::start(|_, _| Reply::new(401).header("WWW-Authenticate", "Bearer"));
    let rig = Rig::new(&[]);
    let mut request = rig.request("GET", server.url("/a"));
    request.bearers = Bearers::default();
    let failure = rig.media.explain(&request, &rig.stop);
    assert!(failure.error.to_string().contains("wants authentication (401 Unauthorized)"), "{}", failure.error);
    assert_eq!(failure.error.hint(), Some("put -auth PROFILE before this file"));
}

#[test]
fn a_dead_authorization_server_is_told_apart_from_a_refusing_media_server() {
    let server = Server::start(|_, _| Reply::new(401));
    let rig = Rig::new(&[&server]);
    rig.tokens.refuse.store(true, std::sync::atomic::Ordering::SeqCst);
    let failure = rig.media.explain(&rig.request("GET", server.url("/a")), &rig.stop);
    assert_eq!(failure.error.kind(), crate::error::Kind::AuthorizationServer);
    assert!(failure.error.to_string().contains("no token of profile `studio`"), "{}", failure.error);
    assert!(failure.error.to_string().contains("invalid_client"), "{}", failure.error);
}

#[test]
fn transport_failures_are_told_apart() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let silent = Server::start(|_, _| Reply::new(200).silent());
    let cutting = Server::start(|_, _| Reply::new(200).cut_after(0));
    let garbage = TcpListener::bind("127.0.0.1:0").expect("a port");
    let garbled = format!("http://{}/", garbage.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in garbage.incoming().flatten() {
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _ = std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_9\r\n\r\n");
        }
    });
    for (url, words, retryable) in [
        (format!("http://{free}/"), "the connection was refused", true),
        (silent.url("/"), "the server did not answer in time", true),
        (cutting.url("/"), "the connection was cut", true),
        (garbled, "the answer was not HTTP", true),
        ("http://no-such-host.invalid/".to_owned(), "the host name cannot be resolved", true),
    ] {
        let rig = Rig::new(&[]);
        let mut request = rig.request("GET", url);
        request.timeout = Duration::from_millis(if words.contains("in time") { 200 } else { 9000 });
        let failure = rig.media.explain(&request, &rig.stop);
        assert!(failure.error.to_string().contains(words), "{words}: {}", failure.error);
        assert_eq!(failure.error.is_retryable(), retryable, "{words}");
    }
}

#[test]
fn a_server_with_an_untrusted_certificate_never_sees_the_request() {
    let (config, roots, _file) = private_ca();
    let server = Server::tls(config, |_, _| Reply::new(200));
    let trusting_nobody_else = Rig::new(&[&server]);
    let request = trusting_nobody_else.request("GET", server.url("/a"));
    let failure = trusting_nobody_else.media.explain(&request, &trusting_nobody_else.stop);
    assert!(failure.error.to_string().contains("certificate is not trusted"), "{}", failure.error);
    assert!(failure.error.hint().is_some_and(|hint| hint.contains("ca_file")));
    assert!(server.log().is_empty());

    let mut unverified = request.clone();
    unverified.tls_verify = false;
    assert_eq!(trusting_nobody_else.media.resolve(&unverified, &trusting_nobody_else.stop).expect("asked for").status, 200);

    let trusting = Rig::with(&[&server], Placement::default(), roots);
    let request = trusting.request("GET", server.url("/a"));
    assert_eq!(trusting.media.resolve(&request, &trusting.stop).expect("trusted").status, 200);
    assert_eq!(server.log()[1].token(), Some("Bearer secret-1"));
}
