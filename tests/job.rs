//! Jobs as a service runs them: in its own process, through the public API.

use std::path::Path;
use std::time::{Duration, Instant};

use ffauth::{Event, Exit, FileIndex, Job, Kind, LogLevel, Session};

use crate::support::Protected;
use crate::support::media;
use crate::support::run::{Home, count, ffmpeg_read, packets};
use crate::support::server::closed_port;
use crate::support::service::{copy, session, threads, wait_until};
use crate::support::token_server::Tokens;

#[test]
fn a_job_tells_what_happens_and_copies_everything() {
    let kind = &media::HLS_LIVE;
    let server = Protected::new(Tokens::living(Duration::from_secs(2)), kind.paced(Duration::from_secs(7)), "");
    let file = server.home.path("out.framemd5");
    let running = copy(&server.origin, kind, "p", &file).named("told").start(&session(&server.home)).expect("a running job");
    let mut events = running.events();
    let mut seen = Vec::new();
    while let Some(event) = events.next_blocking() {
        seen.push(event);
    }
    let report = running.wait_blocking();
    assert!(report.error.is_none() && report.exit == Exit::Eof, "{:?}", report.error);
    let expected = ffmpeg_read(&server.home, kind, kind.file().to_str().expect("a path"));
    assert_eq!(count(&packets(&file)), count(&expected));
    assert_eq!(report.inputs[0].packets, count(&expected) as u64);
    let place = |wanted: &Event| seen.iter().position(|event| event == wanted);
    assert_eq!(place(&Event::Started), Some(0), "{seen:?}");
    let swaps = seen.iter().filter(|event| **event == Event::TokenSwapped(FileIndex::Input(0))).count();
    assert!(swaps >= 2 && swaps as u64 == report.inputs[0].io.token_swaps, "{seen:?}");
    assert!(seen.iter().any(|event| matches!(event, Event::Progress(progress) if progress.out_time.is_some())), "{seen:?}");
    assert_eq!(seen.last(), Some(&Event::Finished(Exit::Eof)));
    assert_eq!(running.events().next_blocking(), Some(Event::Finished(Exit::Eof)), "also for who comes late");
    assert!(server.origin.accepted().len() >= 3, "{}", server.origin.story());
}

#[test]
fn stopping_takes_no_time_and_leaves_nothing_behind() {
    let kind = &media::HLS_LIVE;
    let server = Protected::new(Tokens::living(Duration::from_secs(60)), kind.paced(Duration::from_secs(600)), "");
    let session = session(&server.home);
    let (stopped, dropped) = (server.home.path("stopped.framemd5"), server.home.path("dropped.framemd5"));
    let start =
        |name: &str, file: &Path| copy(&server.origin, kind, "p", file).named(name).start(&session).expect("a running job");
    let (one, other) = (start("to-stop", &stopped), start("to-drop", &dropped));
    wait_until("both run", || one.status().started && other.status().started);
    assert_eq!((threads("to-stop"), threads("to-drop")), (1, 1), "a copy has one thread");
    let began = Instant::now();
    one.stop();
    let report = one.wait_blocking();
    let took = began.elapsed();
    assert_eq!((report.exit, report.error.as_ref().map(ToString::to_string)), (Exit::Signal, None));
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert!(count(&packets(&stopped)) > 0 && report.inputs[0].packets > 0);
    assert_eq!(threads("to-stop"), 0);
    assert!(!other.is_finished(), "the other is not touched");
    drop(other);
    wait_until("the dropped job is gone", || threads("to-drop") == 0);
    assert!(count(&packets(&dropped)) > 0, "its output is finished");
    assert_eq!(threads("ffauth-net"), 1);
    drop(session);
    wait_until("the session is gone", || threads("ffauth-net") == 0);
}

#[test]
fn waiting_is_async_and_may_be_cancelled() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let home = Home::new("");
    let source = "-re -f lavfi -i testsrc2=size=64x64:rate=25 -c:v rawvideo -f null -";
    runtime.block_on(async {
        let running = Job::parse(source).expect("a job").start(&Session::default()).expect("a running job");
        let mut events = running.events();
        assert_eq!(events.next().await, Some(Event::Started));
        let cancelled = tokio::time::timeout(Duration::from_millis(20), running.wait()).await;
        assert!(cancelled.is_err() && !running.is_finished());
        running.stop();
        assert_eq!(running.wait().await.exit, Exit::Signal);
        while events.next().await.is_some() {}
    });
    drop(home);
}

#[test]
fn each_job_hears_its_own_log() {
    let good = Job::parse("-f lavfi -i sine=duration=1 -f null -").expect("a job").named("good");
    let bad = Job::parse(&format!("-i http://127.0.0.1:{}/x.ts -f null -", closed_port())).expect("a job").named("bad");
    let session = Session::default();
    let (good, bad) = (good.start(&session).expect("a job"), bad.start(&session).expect("a job"));
    let lines = |mut events: ffauth::Events| -> Vec<(LogLevel, String)> {
        let all = std::iter::from_fn(|| events.next_blocking());
        all.filter_map(|event| if let Event::Log(level, line) = event { Some((level, line)) } else { None }).collect()
    };
    let error = bad.wait_blocking();
    let error = error.error.as_ref().expect("nobody listens there");
    assert_eq!(error.kind(), Kind::MediaServer, "{error}");
    assert_eq!(lines(good.events()), [], "the other job's trouble is none of its own");
    assert!(good.wait_blocking().error.is_none());
    let heard = lines(bad.events());
    assert!(heard.iter().any(|(level, line)| *level >= LogLevel::Error && line.contains("refused")), "{heard:?}");
}

#[test]
fn what_is_wrong_with_the_profiles_is_said_at_once() {
    let session = Session::default();
    let error = Job::parse("-auth nobody -i https://h.example/x -f null -").expect("a job").start(&session).expect_err("unknown");
    assert_eq!(error.kind(), Kind::Config, "{error}");
}
