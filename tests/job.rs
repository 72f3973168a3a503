//! Jobs as a service runs them: in its own process, through the public API.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ffauth::{Config, Event, Exit, FileIndex, Input, Job, Kind, LogLevel, Output, Session};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::Protected;
use crate::support::media;
use crate::support::origin::{Origin, Site};
use crate::support::run::{self, Home, count, ffmpeg_read, packets};
use crate::support::server::closed_port;
use crate::support::service::{copy, env, session, threads, wait_until};
use crate::support::token_server::{TokenServer, Tokens};

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

/// Two hundred streams, two profiles, one process: neither media server ever sees the other's token, and each token is asked for
/// once however many streams change to it.
#[test]
fn two_hundred_jobs_of_two_profiles_never_mix() {
    const EACH: usize = 100;
    let kind = &media::HLS;
    let life = Duration::from_secs(4);
    let sides = ["alpha", "beta"].map(|name| {
        let tokens = Tokens::new(name, life, Some(life.as_secs()));
        let server = TokenServer::start(&tokens);
        let origin = Origin::start(Site { tokens: Some(Arc::clone(&tokens)), ..kind.site() });
        (name, tokens, server, origin)
    });
    let text: String = sides.iter().map(|(name, _, server, _)| run::profile(name, server, "store = \"memory\"")).collect();
    let home = Home::new("");
    let session = Session::new(Config::from_toml(&text).expect("a configuration"), env(&home));
    let start = |index: usize| {
        let (name, _, _, origin) = &sides[index % 2];
        // Twenty seconds of media within two tokens' lives.
        let input = Input::new(origin.url(kind.entry)).auth(*name).option("readrate", 3);
        let output = Output::new("-").option("map", 0).option("c", "copy").option("f", "null");
        let job = Job::builder().input(input).output(output).build().expect("a job");
        job.named(format!("{name}-{index}")).start(&session).expect("a running job")
    };
    let jobs: Vec<_> = (0..2 * EACH).map(start).collect();
    let expected = count(&ffmpeg_read(&home, kind, kind.file().to_str().expect("a path"))) as u64;
    for (index, job) in jobs.iter().enumerate() {
        let report = job.wait_blocking();
        assert!(report.error.is_none(), "job {index}: {:?}", report.error);
        let input = &report.inputs[0];
        assert_eq!((input.packets, input.auth.as_deref()), (expected, Some(sides[index % 2].0)), "job {index}");
    }
    for (own, other) in [(0, 1), (1, 0)] {
        let (name, tokens, server, origin) = &sides[own];
        let foreign = origin.mentions(&sides[other].1.all());
        assert_eq!(foreign, Vec::<String>::new(), "{name} saw the other's token");
        assert!(origin.accepted().len() >= 2 && origin.log().len() >= EACH * 11, "{:?}", origin.accepted());
        assert_eq!(server.answered(), tokens.all().len() as u64);
        let rotations = 1 + origin.accepted().len() as u64;
        assert!(server.answered() <= rotations + 1, "{} requests for {:?}", server.answered(), origin.accepted());
    }
}

/// Takes down what libav logs, and the name of the job in whose span it did.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(String, String)>>>);

/// The one field of a span, or the message of an event.
#[derive(Default)]
struct Text(String);

impl tracing::field::Visit for Text {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        if ["name", "message"].contains(&field.name()) {
            self.0 = format!("{value:?}").trim_matches('"').to_owned();
        }
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut name = Text::default();
        attributes.record(&mut name);
        context.span(id).expect("a span").extensions_mut().insert(name.0);
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let Some(span) = context.event_span(event).filter(|span| span.name() == "job") else { return };
        let mut text = Text::default();
        event.record(&mut text);
        let name = span.extensions().get::<String>().cloned().unwrap_or_default();
        self.0.lock().expect("no panic").push((name, text.0));
    }
}

#[test]
fn what_a_job_logs_stands_in_its_span() {
    let lines = Lines::default();
    tracing_subscriber::registry().with(lines.clone()).try_init().expect("no other test listens");
    let ports = [closed_port(), closed_port()];
    let session = Session::default();
    let start = |index: usize| {
        let job = Job::parse(&format!("-i http://127.0.0.1:{}/x.ts -f null -", ports[index])).expect("a job");
        job.named(format!("job-{index}")).start(&session).expect("a running job")
    };
    let jobs = [start(0), start(1)];
    jobs.iter().for_each(|job| assert!(job.wait_blocking().error.is_some()));
    let lines = lines.0.lock().expect("no panic");
    for (index, port) in ports.iter().enumerate() {
        let own: Vec<_> = lines.iter().filter(|(_, line)| line.contains(&port.to_string())).collect();
        assert!(!own.is_empty() && own.iter().all(|(name, _)| *name == format!("job-{index}")), "{port}: {lines:?}");
    }
}
