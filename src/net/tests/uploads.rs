//! Objects: held, sent as a whole, confirmed.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::rig::Rig;
use super::server::{Reply, Seen, Server};
use crate::bearer::Placement;
use crate::error::{Error, Kind};
use crate::net::{Cause, Confirmed, NetError, RedirectFault, Request, UploadMode};

/// Uploads `data` as one object.
fn upload(rig: &Rig, request: &Request, data: &[u8]) -> Result<Confirmed, NetError> {
    let mut upload = rig.media.upload(request.clone(), UploadMode::object(), &rig.stop)?;
    for piece in data.chunks(32 * 1024) {
        upload.write(piece)?;
    }
    upload.finish()
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

fn tokens(log: &[Seen]) -> Vec<&str> {
    log.iter().map(|seen| seen.token().unwrap_or("none")).collect()
}

#[test]
fn an_object_goes_out_whole_with_the_newest_token_and_without_expect() {
    let server = Server::start(|_, _| Reply::new(201));
    let rig = Rig::new(&[&server]);
    let mut request = rig.request("put", server.url("/out/0.ts"));
    request.headers =
        [("Expect", "100-continue"), ("Content-Type", "video/mp2t"), ("Content-Length", "5"), ("User-Agent", "Lavf")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
    let mut upload = rig.media.upload(request.clone(), UploadMode::object(), &rig.stop).expect("begun");
    upload.write(&bytes(100_000)).expect("held");
    assert!(server.log().is_empty());
    rig.tokens.publish(2);
    let confirmed = upload.finish().expect("confirmed");

    assert_eq!(confirmed, Confirmed { status: 201, url: server.url("/out/0.ts") });
    let seen = &server.log()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.token()), ("PUT", "/out/0.ts", Some("Bearer secret-2")));
    assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), (Some("100000"), None));
    assert_eq!(
        (seen.header("expect"), seen.header("content-type"), seen.header("user-agent")),
        (None, Some("video/mp2t"), Some("Lavf"))
    );
    assert!(seen.complete && seen.body == bytes(100_000));
    let counts = request.counters.get();
    assert_eq!((counts.requests, counts.http_401, counts.retries), (1, 0, 0));
}

#[test]
fn an_empty_object_has_a_length() {
    let server = Server::start(|_, _| Reply::new(200));
    let rig = Rig::new(&[&server]);
    upload(&rig, &rig.request("PUT", server.url("/empty")), b"").expect("confirmed");
    assert_eq!(server.log()[0].header("content-length"), Some("0"));
}

#[test]
fn a_401_is_answered_by_one_new_token_and_the_same_bytes() {
    let server = Server::start(|_, number| Reply::new(if number == 0 { 401 } else { 200 }));
    let rig = Rig::new(&[&server]);
    let request = rig.request("PUT", server.url("/a.ts"));
    upload(&rig, &request, &bytes(300_000)).expect("confirmed");
    let log = server.log();
    assert_eq!(tokens(&log), ["Bearer secret-1", "Bearer secret-2"]);
    assert!(log.iter().all(|seen| seen.body == bytes(300_000)));
    assert_eq!(rig.rejected(), [1]);
    let counts = request.counters.get();
    assert_eq!((counts.requests, counts.http_401, counts.retries), (2, 1, 1));
}

#[test]
fn a_token_that_others_have_replaced_already_causes_no_refresh() {
    let rig = Arc::new(std::sync::OnceLock::<Arc<super::rig::Tokens>>::new());
    let tokens_of = Arc::clone(&rig);
    let server = Server::start(move |_, number| {
        tokens_of.get().expect("tokens").publish(2);
        Reply::new(if number == 0 { 401 } else { 200 })
    });
    let sender = Rig::new(&[&server]);
    assert!(rig.set(Arc::clone(&sender.tokens)).is_ok());
    upload(&sender, &sender.request("PUT", server.url("/a.ts")), b"data").expect("confirmed");
    assert_eq!(tokens(&server.log()), ["Bearer secret-1", "Bearer secret-2"]);
    assert_eq!(*sender.tokens.refreshes.lock().expect("no panic"), 0);
}

#[test]
fn a_refusal_of_two_tokens_names_object_status_and_reason() {
    let server = Server::start(|_, _| Reply::new(401).header("Content-Type", "text/plain").body("who is secret-2?"));
    let rig = Rig::new(&[&server]);
    let error = upload(&rig, &rig.request("PUT", server.url("/out/7.ts?k=secret-3")), b"data").expect_err("refused");
    let text = error.to_string();
    assert_eq!(
        text,
        format!(
            "PUT {}: the server refused the token of profile `studio`, and a new one too (401 Unauthorized: who is ***?, after 2 attempts)",
            server.url("/out/7.ts?***")
        )
    );
    let error = Error::from(error);
    assert_eq!((error.kind(), error.http_status(), error.is_retryable()), (Kind::MediaServer, Some(401), false));
    assert_eq!((server.log().len(), rig.rejected()), (2, vec![1]));
}

#[test]
fn a_refused_token_of_another_process_is_not_the_last_of_an_upload() {
    let server = Server::start(|seen, _| Reply::new(if seen.token() == Some("Bearer secret-3") { 201 } else { 401 }));
    let rig = Rig::new(&[&server]);
    rig.tokens.inherited.store(2, Ordering::SeqCst);
    upload(&rig, &rig.request("PUT", server.url("/a.ts")), b"data").expect("confirmed");
    assert_eq!((server.log().len(), rig.rejected()), (3, vec![1, 2]));
}

#[test]
fn a_403_is_final_unless_it_says_invalid_token() {
    let server = Server::start(|_, _| Reply::new(403).header("Content-Type", "application/json").body(r#"{"error":"no quota"}"#));
    let rig = Rig::new(&[&server]);
    let error = upload(&rig, &rig.request("POST", server.url("/a.ts")), b"data").expect_err("refused");
    assert!(error.to_string().contains("does not allow this") && error.to_string().contains("no quota"), "{error}");
    assert_eq!((server.log().len(), rig.rejected().len()), (1, 0));

    let server = Server::start(|_, number| match number {
        0 => Reply::new(403).header("WWW-Authenticate", "Bearer error=invalid_token"),
        _ => Reply::new(200),
    });
    let rig = Rig::new(&[&server]);
    upload(&rig, &rig.request("POST", server.url("/a.ts")), b"data").expect("confirmed");
    assert_eq!(tokens(&server.log()), ["Bearer secret-1", "Bearer secret-2"]);
}

#[test]
fn passing_failures_are_repeated_three_times_with_growing_waits() {
    for status in [408, 429, 500, 502, 503, 504] {
        let server = Server::start(move |_, number| Reply::new(if number < 3 { status } else { 200 }));
        let rig = Rig::new(&[&server]);
        upload(&rig, &rig.request("PUT", server.url("/a.ts")), b"data").expect("confirmed");
        let slept = rig.clock.slept.lock().expect("no panic").clone();
        assert_eq!((server.log().len(), slept.len()), (4, 3));
        for (wait, ceiling) in slept.iter().zip([500, 1000, 2000]) {
            assert!(*wait <= Duration::from_millis(ceiling), "{slept:?}");
        }
    }
    let server = Server::start(|_, _| Reply::new(503).header("Content-Type", "text/plain").body("disk full"));
    let rig = Rig::new(&[&server]);
    let request = rig.request("PUT", server.url("/a.ts"));
    let error = upload(&rig, &request, b"data").expect_err("never");
    assert!(
        error.to_string().ends_with("/a.ts: the server refused (503 Service Unavailable: disk full, after 4 attempts)"),
        "{error}"
    );
    assert!(error.is_retryable());
    assert_eq!((server.log().len(), request.counters.get().retries), (4, 3));
}

#[test]
fn retry_after_is_honoured_up_to_the_limit_on_waiting() {
    let server =
        Server::start(|_, number| if number == 0 { Reply::new(429).header("Retry-After", "20") } else { Reply::new(200) });
    let rig = Rig::new(&[&server]);
    upload(&rig, &rig.request("PUT", server.url("/a.ts")), b"data").expect("confirmed");
    assert_eq!(*rig.clock.slept.lock().expect("no panic"), [Duration::from_secs(20)]);

    let server = Server::start(|_, _| Reply::new(429).header("Retry-After", "3600"));
    let rig = Rig::new(&[&server]);
    upload(&rig, &rig.request("PUT", server.url("/a.ts")), b"data").expect_err("too long");
    assert_eq!(server.log().len(), 1);
}

#[test]
fn a_connection_cut_in_mid_body_costs_nothing_but_a_second_sending() {
    let server = Server::start(|_, number| if number < 2 { Reply::new(200).cut_after(100_000) } else { Reply::new(200) });
    let rig = Rig::new(&[&server]);
    upload(&rig, &rig.request("PUT", server.url("/a.ts")), &bytes(4_000_000)).expect("confirmed");
    let log = server.log();
    assert!(!log[0].complete && !log[1].complete && log[2].complete);
    assert!(log[2].body == bytes(4_000_000));
}

#[test]
fn a_refused_connection_is_retried_and_then_told() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let rig = Rig::new(&[]);
    let mut request = rig.request("PUT", format!("http://{free}/a.ts"));
    request.bearers = crate::bearer::Bearers::default();
    let error = upload(&rig, &request, b"data").expect_err("nobody there");
    assert!(matches!(error, NetError::Transport { cause: Cause::Refused, .. }), "{error}");
    assert_eq!(rig.clock.slept.lock().expect("no panic").len(), 3);
}

#[test]
fn objects_share_a_connection() {
    let server = Server::start(|_, _| Reply::new(201).body("stored"));
    let rig = Rig::new(&[&server]);
    for number in 0..4 {
        upload(&rig, &rig.request("PUT", server.url(&format!("/{number}.ts"))), &bytes(50_000)).expect("confirmed");
    }
    assert!(server.log().iter().all(|seen| seen.connection <= 1 && seen.complete));
}

#[test]
fn a_kept_connection_that_died_is_replaced_in_silence() {
    // Closed while idle, and closed at the moment of the next request.
    let closed = Server::start(|_, _| Reply::new(200).close());
    let rig = Rig::new(&[&closed]);
    for _ in 0..3 {
        upload(&rig, &rig.request("PUT", closed.url("/a.ts")), b"data").expect("confirmed");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(closed.log().iter().all(|seen| seen.complete));

    let dying = Server::start(|_, number| if number == 1 { Reply::new(200).cut_after(0) } else { Reply::new(200) });
    let rig = Rig::new(&[&dying]);
    for _ in 0..2 {
        upload(&rig, &rig.request("PUT", dying.url("/a.ts")), b"data").expect("confirmed");
    }
    assert!(rig.clock.slept.lock().expect("no panic").is_empty());
    assert_eq!(dying.log().iter().filter(|seen| seen.complete).count(), 2);
}

#[test]
fn an_early_401_is_heard_while_the_body_is_still_on_its_way() {
    // One server reads on, as nginx does for a while; one resets the connection at once.
    for refusal in [Reply::new(401).early(), Reply::new(401).early().cut_after(1)] {
        let server = Server::start(move |seen, _| match seen.token() {
            Some("Bearer secret-2") => Reply::new(200),
            _ => refusal.clone(),
        });
        let rig = Rig::new(&[&server]);
        let request = rig.request("PUT", server.url("/a.ts"));
        upload(&rig, &request, &bytes(12_000_000)).expect("confirmed");
        let log = server.log();
        let last = log.last().expect("a request");
        assert_eq!(last.token(), Some("Bearer secret-2"));
        assert!(last.complete && last.body == bytes(12_000_000));
        assert_eq!((rig.rejected(), request.counters.get().http_401), (vec![1], 1));
        assert!(log.len() <= 3, "{}", log.len());
    }
}

#[test]
fn a_server_that_says_200_and_ignores_the_body_confirms_nothing() {
    let server = Server::start(|_, _| Reply::new(200).early().cut_after(1));
    let rig = Rig::new(&[&server]);
    let error = upload(&rig, &rig.request("PUT", server.url("/a.ts")), &bytes(12_000_000)).expect_err("not taken");
    assert!(matches!(error, NetError::Transport { cause: Cause::Cut, .. }), "{error}");

    let greeting = Server::start(|_, _| Reply::new(200).early());
    let rig = Rig::new(&[&greeting]);
    upload(&rig, &rig.request("PUT", greeting.url("/a.ts")), &bytes(12_000_000)).expect("taken in the end");
    std::thread::sleep(Duration::from_millis(100));
    assert!(greeting.log()[0].complete && greeting.log()[0].body == bytes(12_000_000));
}

#[test]
fn a_307_takes_body_and_token_to_an_origin_in_scope_and_a_308_is_remembered() {
    for status in [307, 308] {
        let second = Server::start(|_, _| Reply::new(201));
        let there = second.origin();
        let first = Server::start(move |seen, _| Reply::redirect(status, format!("{there}/store{}", seen.target)));
        let rig = Rig::new(&[&first, &second]);
        let mut request = rig.request("PUT", first.url("/a.ts"));
        request.headers = vec![("Cookie".to_owned(), "c=1".to_owned())];
        for _ in 0..2 {
            let confirmed = upload(&rig, &request, &bytes(200_000)).expect("confirmed");
            assert_eq!(confirmed.url, second.url("/store/a.ts"));
        }
        assert_eq!(first.log().len(), if status == 308 { 1 } else { 2 });
        assert_eq!(first.log()[0].header("cookie"), Some("c=1"));
        for seen in second.log() {
            assert_eq!((seen.method.as_str(), seen.token(), seen.header("cookie")), ("PUT", Some("Bearer secret-1"), None));
            assert!(seen.body == bytes(200_000));
        }
    }
}

#[test]
fn a_remembered_target_that_is_gone_is_asked_for_again() {
    let server = Server::start(|seen, number| match (seen.target.as_str(), number) {
        ("/a.ts", _) => Reply::redirect(308, format!("/store-{number}")),
        ("/store-0", 2) => Reply::new(410),
        _ => Reply::new(201),
    });
    let rig = Rig::new(&[&server]);
    for target in ["/store-0", "/store-3"] {
        let confirmed = upload(&rig, &rig.request("PUT", server.url("/a.ts")), b"data").expect("confirmed");
        assert_eq!(confirmed.url, server.url(target));
    }
}

#[test]
fn a_redirect_of_an_upload_out_of_scope_or_by_get_is_an_error() {
    let foreign = Server::start(|_, _| Reply::new(201));
    let there = foreign.url("/a.ts");
    let own = Server::start(move |seen, _| match seen.target.as_str() {
        "/307" => Reply::redirect(307, there.clone()),
        path => Reply::redirect(path[1..].parse().expect("a status"), "/elsewhere"),
    });
    for rig in [Rig::new(&[&own]), Rig::new(&[])] {
        let mut request = rig.request("PUT", own.url("/307"));
        if rig.bearers.for_url(&url::Url::parse(&request.url).expect("a URL")).is_none() {
            request.bearers = crate::bearer::Bearers::default();
        }
        let error = upload(&rig, &request, b"data").expect_err("foreign");
        assert!(matches!(&error, NetError::Redirect { fault: RedirectFault::ForeignUpload(_), .. }), "{error}");
        assert!(error.to_string().contains(&foreign.origin()), "{error}");
        for status in [301, 302, 303] {
            request.url = own.url(&format!("/{status}"));
            let error = upload(&rig, &request, b"data").expect_err("a GET");
            assert!(matches!(&error, NetError::Redirect { fault: RedirectFault::UploadMethod { .. }, .. }), "{error}");
        }
    }
    assert!(foreign.log().is_empty());
}

#[test]
fn a_deletion_is_sent_without_a_body_and_what_is_gone_is_deleted() {
    for status in [204, 404, 410] {
        let server = Server::start(move |_, _| Reply::new(status));
        let rig = Rig::new(&[&server]);
        rig.media.delete(&rig.request("PUT", server.url("/old.ts")), &rig.stop).expect("confirmed");
        let seen = &server.log()[0];
        assert_eq!((seen.method.as_str(), seen.token(), seen.body.len()), ("DELETE", Some("Bearer secret-1"), 0));
    }
    let server = Server::start(|_, _| Reply::new(405));
    let rig = Rig::new(&[&server]);
    let error = rig.media.delete(&rig.request("PUT", server.url("/old.ts")), &rig.stop).expect_err("refused");
    assert_eq!(error.http_status(), Some(405));
}

#[test]
fn the_token_may_stand_in_the_query_or_in_another_header() {
    let server = Server::start(|_, _| Reply::new(200));
    let rig = Rig::with(&[&server], Placement::Query("access_token".to_owned()), super::rig::ROOTS.clone());
    let confirmed = upload(&rig, &rig.request("PUT", server.url("/a.ts?x=1")), b"data").expect("confirmed");
    assert_eq!(confirmed.url, server.url("/a.ts?***"));
    let rig =
        Rig::with(&[&server], Placement::Header { name: "X-Key".to_owned(), prefix: String::new() }, super::rig::ROOTS.clone());
    upload(&rig, &rig.request("PUT", server.url("/b.ts")), b"data").expect("confirmed");
    let log = server.log();
    assert_eq!((log[0].target.as_str(), log[0].token()), ("/a.ts?x=1&access_token=secret-1", None));
    assert_eq!((log[1].header("x-key"), log[1].token()), (Some("secret-1"), None));
}

#[test]
fn a_silent_server_is_given_up_in_time_and_left_at_once_when_stopped() {
    let server = Server::start(|_, _| Reply::new(200).silent());
    let rig = Rig::new(&[&server]);
    let mut request = rig.request("PUT", server.url("/a.ts"));
    (request.timeout, request.retries) = (Duration::from_millis(200), 1);
    let error = upload(&rig, &request, b"data").expect_err("silence");
    assert!(matches!(error, NetError::Transport { cause: Cause::Timeout, .. }), "{error}");
    assert_eq!(server.log().len(), 2);

    request.timeout = Duration::from_secs(30);
    let (result, took) = rig.stopped_during(|| upload(&rig, &request, b"data"));
    assert!(matches!(result, Err(NetError::Stopped)), "{result:?}");
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn a_line_break_in_a_header_of_the_user_is_refused_before_any_request() {
    let server = Server::start(|_, _| Reply::new(200));
    let rig = Rig::new(&[&server]);
    let mut request = rig.request("PUT", server.url("/a.ts"));
    request.headers = vec![("X-A".to_owned(), "secret-8\r\nX-B: 1".to_owned())];
    let error = upload(&rig, &request, b"data").expect_err("refused");
    assert!(error.to_string().contains("`X-A`") && !error.to_string().contains("secret"), "{error}");
    assert!(server.log().is_empty());
    assert!(rig.media.upload(rig.request("PUT", "rtmp://h/a"), UploadMode::object(), &rig.stop).is_err());
}

#[test]
fn a_proxy_of_the_environment_is_obeyed() {
    let proxy = Server::start(|_, _| Reply::new(200));
    let child = std::process::Command::new("/proc/self/exe")
        .args(["--exact", "net::tests::uploads::uploads_to_a_host_behind_a_proxy", "--ignored"])
        .env_clear()
        .envs([("http_proxy", proxy.origin())])
        .output()
        .expect("a child");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    assert_eq!(proxy.log()[0].target, "http://media.invalid/a.ts");
}

#[test]
#[ignore = "for the test above, which gives it an environment"]
fn uploads_to_a_host_behind_a_proxy() {
    let rig = Rig::new(&[]);
    let mut request = rig.request("PUT", "http://media.invalid/a.ts");
    request.bearers = crate::bearer::Bearers::default();
    upload(&rig, &request, b"data").expect("the proxy confirms");
}
