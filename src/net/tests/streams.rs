//! Bodies that are sent while they are written.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::rig::Rig;
use super::server::{Reply, Server};
use crate::error::Error;
use crate::net::{NetError, UploadMode};

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 253) as u8).collect()
}

#[test]
fn a_stream_is_chunked_from_its_first_byte() {
    let server = Server::start(|_, _| Reply::new(200));
    let rig = Rig::new(&[&server]);
    let mut upload = rig.media.upload(rig.request("POST", server.url("/live")), UploadMode::stream(), &rig.stop).expect("begun");
    upload.write(b"first").expect("taken");
    for _ in 0..100 {
        thread::sleep(Duration::from_millis(5));
        if server.bytes() == 5 {
            break;
        }
    }
    assert_eq!(server.bytes(), 5, "the first bytes do not wait for the end");
    upload.write(&bytes(1_000_000)).expect("taken");
    assert_eq!(upload.finish().expect("confirmed").status, 200);
    let seen = &server.log()[0];
    assert_eq!((seen.header("transfer-encoding"), seen.header("content-length")), (Some("chunked"), None));
    assert!(seen.complete && seen.body == [b"first".as_slice(), &bytes(1_000_000)].concat());
}

#[test]
fn an_early_refusal_of_a_stream_is_answered_by_starting_over() {
    let server = Server::start(|seen, _| match seen.token() {
        Some("Bearer secret-2") => Reply::new(200),
        _ => Reply::new(401).early().cut_after(1),
    });
    let rig = Rig::new(&[&server]);
    let request = rig.request("PUT", server.url("/live"));
    let mut upload = rig.media.upload(request, UploadMode::stream(), &rig.stop).expect("begun");
    for piece in bytes(3_000_000).chunks(10_000) {
        upload.write(piece).expect("taken");
    }
    upload.finish().expect("confirmed");
    let log = server.log();
    let last = log.last().expect("a request");
    assert_eq!((log[0].token(), last.token()), (Some("Bearer secret-1"), Some("Bearer secret-2")));
    assert!(last.complete && last.body == bytes(3_000_000));
    assert_eq!(rig.rejected(), [1]);
}

#[test]
fn a_late_failure_of_a_stream_is_an_error_for_the_writer() {
    let server = Server::start(|_, _| Reply::new(200).cut_after(600_000));
    let rig = Rig::new(&[&server]);
    let request = rig.request("PUT", server.url("/live?k=secret-5"));
    let mut upload = rig.media.upload(request, UploadMode::Stream(100_000), &rig.stop).expect("begun");
    let error = (0..1000).find_map(|_| upload.write(&bytes(100_000)).err()).expect("the writer hears of it");
    assert!(matches!(error, NetError::NotReplayable { held: 100_000, .. }), "{error}");
    let text = Error::from(error).to_string();
    assert!(text.contains("/live?***: the connection was cut") && !text.contains("secret"), "{text}");
    assert!(matches!(upload.write(b"more"), Err(NetError::NotReplayable { .. })), "the same error each time");
    assert!(matches!(upload.finish(), Err(NetError::NotReplayable { .. })));
    assert_eq!(server.log().len(), 1);
}

#[test]
fn a_refusal_at_the_end_of_a_long_stream_is_told_with_its_status() {
    let server = Server::start(|_, _| Reply::new(401));
    let rig = Rig::new(&[&server]);
    let mut upload =
        rig.media.upload(rig.request("PUT", server.url("/live")), UploadMode::Stream(1000), &rig.stop).expect("begun");
    upload.write(&bytes(50_000)).expect("taken");
    let error = upload.finish().expect_err("refused");
    assert!(matches!(error, NetError::NotReplayable { .. }), "{error}");
    assert_eq!(Error::from(error).http_status(), Some(401));
    assert_eq!(server.log().len(), 1);
}

#[test]
fn an_object_above_its_limit_becomes_a_stream_that_can_still_start_over() {
    let server = Server::start(|seen, _| match seen.token() {
        Some("Bearer secret-2") => Reply::new(200),
        _ => Reply::new(401).early().cut_after(1),
    });
    let rig = Rig::new(&[&server]);
    let limit = 12_000_000;
    let mut upload =
        rig.media.upload(rig.request("PUT", server.url("/big")), UploadMode::Object(limit), &rig.stop).expect("begun");
    for piece in bytes(limit + 500_000).chunks(32 * 1024) {
        upload.write(piece).expect("taken");
    }
    upload.finish().expect("confirmed");
    let log = server.log();
    let last = log.last().expect("a request");
    assert_eq!(last.header("transfer-encoding"), Some("chunked"));
    assert!(last.complete && last.body == bytes(limit + 500_000));
}

#[test]
fn a_slow_server_makes_the_writer_wait_and_stopping_frees_it() {
    let server = Server::start(|_, _| Reply::new(200).pace(Duration::from_millis(20)));
    let rig = Rig::new(&[&server]);
    let written = AtomicUsize::new(0);
    let mut upload = rig.media.upload(rig.request("PUT", server.url("/live")), UploadMode::stream(), &rig.stop).expect("begun");
    let piece = bytes(64 * 1024);
    let (error, took) = rig.stopped_during(|| {
        loop {
            match upload.write(&piece) {
                Ok(()) => written.fetch_add(piece.len(), Ordering::SeqCst),
                Err(error) => return error,
            };
        }
    });
    assert!(matches!(error, NetError::Stopped), "{error}");
    assert!(took < Duration::from_millis(500), "{took:?}");
    let ahead = written.load(Ordering::SeqCst) - server.bytes();
    // The queue, hyper's buffer and the kernel's.
    assert!(ahead < 16 * 1024 * 1024, "{ahead} bytes ahead of the server");
}

#[test]
fn a_stalled_server_ends_a_stream_but_a_quiet_writer_does_not() {
    let server = Server::start(|_, _| Reply::new(200));
    let rig = Rig::new(&[&server]);
    let mut request = rig.request("PUT", server.url("/live"));
    request.timeout = Duration::from_millis(200);
    let mut upload = rig.media.upload(request.clone(), UploadMode::stream(), &rig.stop).expect("begun");
    upload.write(b"a").expect("taken");
    thread::sleep(Duration::from_millis(600));
    upload.write(b"b").expect("taken");
    upload.finish().expect("confirmed");
    assert_eq!(server.log()[0].body, b"ab");

    let stalled = Server::start(|_, _| Reply::new(200).pace(Duration::from_secs(3)));
    request.url = stalled.url("/live");
    request.bearers = crate::bearer::Bearers::default();
    let mut upload = rig.media.upload(request, UploadMode::Stream(1000), &rig.stop).expect("begun");
    let error = (0..1000).find_map(|_| upload.write(&bytes(64 * 1024)).err()).expect("an end");
    assert!(error.to_string().contains("did not answer in time"), "{error}");
}

#[test]
fn an_upload_that_is_dropped_is_no_complete_object() {
    let server = Server::start(|_, _| Reply::new(200));
    let rig = Rig::new(&[&server]);
    let mut upload = rig.media.upload(rig.request("PUT", server.url("/live")), UploadMode::stream(), &rig.stop).expect("begun");
    upload.write(&bytes(10_000)).expect("taken");
    while server.bytes() < 10_000 {
        thread::sleep(Duration::from_millis(5));
    }
    drop(upload);
    let mut log = server.log();
    for _ in 0..200 {
        if !log.is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(20));
        log = server.log();
    }
    assert!(log.len() == 1 && !log[0].complete && log[0].body.len() <= 10_000);
}

#[test]
fn a_307_to_a_stream_that_has_run_on_is_an_error() {
    let server = Server::start(|seen, _| match seen.target.as_str() {
        "/live" => Reply::redirect(307, "/other"),
        _ => Reply::new(200),
    });
    let rig = Rig::new(&[&server]);
    for (limit, fits) in [(1000, false), (1_000_000, true)] {
        let request = rig.request("PUT", server.url("/live"));
        let mut upload = rig.media.upload(request, UploadMode::Stream(limit), &rig.stop).expect("begun");
        upload.write(&bytes(50_000)).expect("taken");
        assert_eq!(upload.finish().is_ok(), fits);
    }
    assert_eq!(server.log().last().map(|seen| (seen.target.clone(), seen.body.len())), Some(("/other".to_owned(), 50_000)));
}
