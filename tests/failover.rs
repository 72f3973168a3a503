//! One stream that is to be had in several places: when one goes down the next takes over, and the first one is gone back to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::AUTHORIZATION;
use hyper::{Response, Version};
use rustix::process::Signal;
use tokio::sync::mpsc;

use crate::support::media;
use crate::support::run::{self, Home, Packets, Running, ffmpeg_read, packets, start};
use crate::support::server::{Body, Server, closed_port};
use crate::support::token_server::{TokenServer, Tokens, Verdict};

/// A live stream, the same wherever it is served: who connects gets what comes from now on, and the last second.
struct Broadcast {
    content: Bytes,
    began: Instant,
    lasts: Duration,
    tokens: Arc<Tokens>,
}

impl Broadcast {
    fn new(seconds: u64) -> Arc<Self> {
        let content = Bytes::from(std::fs::read(media::MPEGTS.file()).expect("media"));
        let tokens = Tokens::living(Duration::from_secs(600));
        Arc::new(Self { content, began: Instant::now(), lasts: Duration::from_secs(seconds), tokens })
    }

    /// How far it has come after `more`.
    fn position(&self, more: Duration) -> usize {
        let share = (self.began.elapsed() + more).as_secs_f64() / self.lasts.as_secs_f64();
        ((self.content.len() as f64 * share) as usize).min(self.content.len()) / 188 * 188
    }

    /// Serves it on this port.
    fn serve(self: &Arc<Self>, port: u16) -> Server {
        let broadcast = Arc::clone(self);
        Server::start_on(
            port,
            None,
            Arc::new(move |arrived| {
                let broadcast = Arc::clone(&broadcast);
                Box::pin(async move { broadcast.respond(arrived.request.headers().get(AUTHORIZATION)) })
            }),
        )
    }

    fn respond(self: Arc<Self>, authorization: Option<&hyper::header::HeaderValue>) -> Response<Body> {
        let token = authorization.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer ")).unwrap_or_default();
        if !matches!(self.tokens.check(token), Verdict::Alive(_)) {
            return Response::builder().status(401).body(Body::from("no")).expect("a response");
        }
        let (slices, body) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut at = self.position(Duration::ZERO).saturating_sub(self.content.len() / 10) / 188 * 188;
            loop {
                let to = self.position(Duration::ZERO);
                if to > at && slices.send(Ok(self.content.slice(at..to))).await.is_err() {
                    return;
                }
                at = at.max(to);
                if at == self.content.len() {
                    return slices.closed().await;
                }
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        });
        Response::builder()
            .version(Version::HTTP_10)
            .header("content-type", "video/mp2t")
            .body(Body::Slices(body))
            .expect("a response")
    }
}

/// Waits until the run has said `text`.
fn heard(home: &Home, text: &str, running: &mut Running) {
    let said = || std::fs::read_to_string(home.path("said")).unwrap_or_default();
    while !said().contains(text) {
        assert!(!running.ended(), "it ended without {text:?}:\n{}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Each packet of each stream once, in order, out of what was sent; how many are missing in between.
fn missing(sent: &Packets, got: &Packets) -> BTreeMap<u32, usize> {
    let holes = got.iter().map(|(stream, got)| {
        let places: Vec<usize> = got
            .iter()
            .filter_map(|packet| sent[stream].iter().position(|sent| (sent.0 - packet.0).abs() <= 20 && sent.3 == packet.3))
            .collect();
        assert!(places.len() + 4 >= got.len(), "stream {stream}: {} of {} packets were sent like this", places.len(), got.len());
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "stream {stream}: packets come twice, or out of order");
        let (first, last) = (places.first().expect("packets"), places.last().expect("packets"));
        (*stream, last - first + 1 - places.len())
    });
    holes.collect()
}

#[test]
fn the_next_place_takes_over_and_the_first_one_is_gone_back_to() {
    let broadcast = Broadcast::new(24);
    let (first_port, second_port) = (closed_port(), closed_port());
    let mut first = broadcast.serve(first_port);
    let _second = broadcast.serve(second_port);
    let token_server = TokenServer::start(&broadcast.tokens);
    let home = Home::new(&run::profile("p", &token_server, ""));
    let (url, other) = (format!("http://127.0.0.1:{first_port}/live.ts"), format!("http://127.0.0.1:{second_port}/live.ts"));
    let line = format!(
        "-nostdin -y -copyts -summary summary.json -ingest_for 80 -failback 1 -alternative {other} -auth p -i {url} \
         -map 0 -c copy -f framemd5 -flush_packets 1 read.framemd5"
    );
    let mut command = home.ffauth(line.split_whitespace());
    command.stderr(std::fs::File::create(home.path("said")).expect("a file"));
    let mut running = start(command);
    let written = || std::fs::metadata(home.path("read.framemd5")).map_or(0, |file| file.len());
    let grow = |running: &mut Running| {
        let before = written();
        while written() < before + 8_000 && !running.ended() {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    grow(&mut running);
    drop(first);
    heard(&home, "going on with", &mut running);
    grow(&mut running);
    first = broadcast.serve(first_port);
    heard(&home, "serves again", &mut running);
    grow(&mut running);
    running.signal(Signal::TERM);
    let run = running.finish();
    let said = std::fs::read_to_string(home.path("said")).expect("a file");
    assert_eq!(run.code, Some(255), "{said}");
    assert!(first.connections() > 0);

    let sent = ffmpeg_read(&home, &media::MPEGTS, media::MPEGTS.file().to_str().expect("a path"));
    let holes = missing(&sent, &packets(&home.path("read.framemd5")));
    let input = home.summary()["inputs"][0].clone();
    assert_eq!(input["restarts"], 2, "{input}\n{said}");
    assert!(input["duplicates_dropped"].as_u64() > Some(0), "{input}\n{said}");
    // What came while nobody was connected is told; on a machine that is not busy nothing is missing.
    let told = input["gaps"].as_array().expect("gaps").len();
    assert!(holes.values().all(|hole| *hole <= 2) || told > 0, "{holes:?} are missing, and it is not told: {input}\n{said}");
}

#[test]
fn an_alternative_is_taken_at_once_where_the_first_place_is_not_there() {
    let broadcast = Broadcast::new(20);
    let server = broadcast.serve(0);
    let token_server = TokenServer::start(&broadcast.tokens);
    let home = Home::new(&run::profile("p", &token_server, ""));
    let line = format!(
        "-nostdin -y -summary summary.json -ingest_for 60 -failback 0 -alternative {} -auth p -i http://127.0.0.1:{}/live.ts \
         -t 1 -c copy out.mkv",
        server.url("/live.ts"),
        closed_port()
    );
    let run = run::finish(home.ffauth(line.split_whitespace()));
    run.expect_code(0);
    assert!(run.stderr.contains(&format!("trying {}", server.url("/live.ts"))), "{}", run.tail());
}

#[test]
fn alternatives_are_in_the_scope_of_the_profile_or_an_error_before_any_request() {
    let broadcast = Broadcast::new(20);
    let server = broadcast.serve(0);
    let token_server = TokenServer::start(&broadcast.tokens);
    let home = Home::new(&run::profile("p", &token_server, &format!("origins = [\"{}\"]", server.url(""))));
    let line =
        format!("-nostdin -y -ingest_for 60 -alternative http://127.0.0.1:1/x -auth p -i {} out.mkv", server.url("/live.ts"));
    let run = run::finish(home.ffauth(line.split_whitespace()));
    run.expect_code(1);
    assert!(run.stderr.contains("http://127.0.0.1:1 is not among the origins"), "{}", run.tail());
    assert_eq!(server.connections(), 0);
}
