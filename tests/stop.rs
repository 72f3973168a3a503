//! How long it takes from a signal to the end of the program, whatever it is waiting for.

use std::io::Read;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::Signal;

use crate::support::Protected;
use crate::support::disturbance::{Disturbance, Fault};
use crate::support::edge::{self, Edge, Stream};
use crate::support::media::{self, Kind};
use crate::support::origin::{Refusal, Site};
use crate::support::run::{Running, start};
use crate::support::token_server::{Mood, Tokens};

/// From the signal to the end of the process.
const LIMIT: Duration = Duration::from_millis(500);

/// The machine may be busy with something else just then: the best of so many attempts counts.
const ATTEMPTS: usize = 4;

/// Nobody waits longer for the state that is to be interrupted.
const PATIENCE: Duration = Duration::from_secs(60);

/// Begins something, has `begin` wait until it is in the state that counts, and measures how long a signal takes to end it.
#[track_caller]
fn stops_at_once(begin: impl Fn() -> (Running, Box<dyn std::any::Any>)) {
    let mut times = Vec::new();
    for _ in 0..ATTEMPTS {
        let (mut running, servers) = begin();
        // It has got as far as it gets.
        std::thread::sleep(Duration::from_millis(100));
        assert!(!running.ended(), "it has ended by itself:\n{}", running.finish().tail());
        let asked = Instant::now();
        running.signal(Signal::TERM);
        while !running.ended() && asked.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(2));
        }
        times.push(asked.elapsed());
        let run = running.finish();
        run.expect_code(255);
        drop(servers);
        if times.iter().any(|time| *time < LIMIT) {
            return;
        }
    }
    panic!("it takes {times:?}");
}

fn wait_until(mut what: impl FnMut() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < PATIENCE, "it does not get there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn tokens() -> std::sync::Arc<Tokens> {
    Tokens::living(Duration::from_secs(600))
}

/// A copy of `kind` from a server on which this happens to `path`; waits until it has.
fn disturbed(kind: &Kind, path: &'static str, fault: Fault) -> (Running, Box<dyn std::any::Any>) {
    let disturbances = vec![Disturbance { path, fault, after: 0, times: u32::MAX }];
    let lead = Protected::new(tokens(), Site { disturbances, ..kind.site() }, "");
    let url = lead.origin.url(kind.entry);
    let running = start(lead.home.ffauth(["-nostdin", "-y", "-auth", "p", "-i", &url, "-c", "copy", "out.ts"]));
    wait_until(|| lead.origin.log().iter().any(|entry| entry.path.ends_with(path)));
    (running, Box::new(lead))
}

/// A copy of `url` with the profile of `lead`.
fn copy(lead: &Protected, url: &str) -> Running {
    start(lead.home.ffauth(["-nostdin", "-y", "-auth", "p", "-i", url, "-c", "copy", "out.ts"]))
}

/// A server whose queue of connections is full: nobody answers.
#[test]
fn connecting() {
    stops_at_once(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _within = runtime.enter();
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let listener = socket.listen(0).expect("a short queue").into_std().expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut queue: Vec<TcpStream> = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queue.push(stream);
        }
        let lead = Protected::new(tokens(), media::HLS.site(), "");
        let running = copy(&lead, &format!("http://{address}/index.m3u8"));
        wait_until(|| lead.token_server.answered() == 1);
        (running, Box::new((listener, queue, lead)))
    });
}

/// A name server that says nothing, in a mount namespace with a resolv.conf of its own.
#[test]
fn resolving_a_name() {
    let silent = UdpSocket::bind(("127.53.53.53", 53));
    let may_unshare =
        || Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    let Some(silent) = silent.ok().filter(|_| may_unshare()) else {
        skip("a name server needs root and a mount namespace");
        return;
    };
    silent.set_nonblocking(true).expect("a socket");
    stops_at_once(|| {
        let lead = Protected::new(tokens(), media::HLS.site(), "origins = [\"https://media.nosuch.test\"]");
        // What the one before has asked for.
        while silent.recv(&mut [0; 512]).is_ok() {}
        lead.home.write("resolv.conf", "nameserver 127.53.53.53\n");
        let script = "mount --bind resolv.conf /etc/resolv.conf && exec \"$0\" -nostdin -auth p -i https://media.nosuch.test/a.ts -c copy out.ts";
        let running = start(lead.home.program("unshare", ["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_ffauth")]));
        wait_until(|| silent.recv(&mut [0; 512]).is_ok());
        (running, Box::new(lead))
    });
}

/// A server that takes the connection and nothing more.
#[test]
fn a_tls_handshake() {
    stops_at_once(|| {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let lead = Protected::new(tokens(), media::HLS.site(), "");
        let running = copy(&lead, &format!("https://{}/index.m3u8", listener.local_addr().expect("an address")));
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.read_exact(&mut [0; 16]).expect("a greeting");
        (running, Box::new((listener, stream, lead)))
    });
}

#[test]
fn the_first_byte() {
    stops_at_once(|| disturbed(&media::HLS, "index.m3u8", Fault::Silence));
    stops_at_once(|| disturbed(&media::DASH, "index.mpd", Fault::Silence));
}

/// Too little has come to say what it is.
#[test]
fn the_probe() {
    stops_at_once(|| {
        let content = Bytes::from(std::fs::read(media::MPEGTS.file()).expect("media"));
        let faults = vec![(20_000, edge::Fault::Stall)];
        let tokens = tokens();
        let site = Stream { content, lasts: Duration::ZERO, faults, repeats: 0, skips: 0, tokens: Some(tokens.clone()) };
        let edge = Edge::start(site);
        let lead = Protected::new(tokens, media::MPEGTS.site(), "");
        let running = copy(&lead, &edge.url());
        wait_until(|| edge.answers().contains(&200));
        (running, Box::new((edge, lead)))
    });
}

#[test]
fn the_rest_of_a_segment() {
    stops_at_once(|| disturbed(&media::HLS, "index4.ts", Fault::Stall));
    stops_at_once(|| disturbed(&media::HLS_AES, "index4.ts", Fault::Stall));
    stops_at_once(|| disturbed(&media::DASH, "chunk-stream0-00004.m4s", Fault::Stall));
}

/// A live stream that has nothing new.
#[test]
fn the_next_playlist() {
    for kind in [media::HLS_LIVE, media::DASH_LIVE] {
        stops_at_once(|| {
            let lead = Protected::new(tokens(), kind.site(), "");
            let running = copy(&lead, &lead.origin.url(kind.entry));
            wait_until(|| lead.origin.log().iter().filter(|entry| entry.path.ends_with(kind.entry)).count() >= 3);
            (running, Box::new(lead))
        });
    }
}

#[test]
fn a_token() {
    stops_at_once(|| {
        let lead = Protected::new(tokens(), media::HLS.site(), "");
        lead.token_server.set(Mood::Slow(PATIENCE));
        let running = copy(&lead, &lead.origin.url("index.m3u8"));
        wait_until(|| !lead.token_server.requests().is_empty());
        (running, Box::new(lead))
    });
}

/// The time between two attempts at a segment.
#[test]
fn another_attempt() {
    stops_at_once(|| {
        let refusals = vec![Refusal { path: "index4.ts", status: 503, times: u32::MAX }];
        let lead = Protected::new(tokens(), Site { refusals, ..media::HLS.site() }, "");
        let running = copy(&lead, &lead.origin.url("index.m3u8"));
        wait_until(|| lead.origin.count(503) >= 4);
        (running, Box::new(lead))
    });
}

/// The server has the object and does not say so, which is told.
#[test]
fn the_answer_to_an_upload() {
    stops_at_once(|| {
        let disturbances = vec![Disturbance { path: "out1.ts", fault: Fault::Stall, after: 0, times: u32::MAX }];
        let lead = Protected::new(tokens(), Site { disturbances, ..Site::default() }, "");
        let source = media::MP4_MOOV_FIRST.file().display().to_string();
        let url = lead.origin.url("out.m3u8");
        let line = format!("-nostdin -re -i {source} -c copy -f hls -hls_time 2 -method PUT -auth p {url}");
        let running = start(lead.home.ffauth(line.split(' ')));
        wait_until(|| lead.origin.log().iter().any(|entry| entry.path.ends_with("out1.ts")));
        (running, Box::new(lead))
    });
}

/// An input that is kept going is away.
#[test]
fn an_input_that_is_opened_again() {
    stops_at_once(|| {
        let content = Bytes::from(std::fs::read(media::MPEGTS.file()).expect("media"));
        let faults = vec![(400_000, edge::Fault::Down(Duration::from_secs(600)))];
        let tokens = tokens();
        let site = Stream { content, lasts: Duration::from_secs(1), faults, repeats: 0, skips: 0, tokens: Some(tokens.clone()) };
        let edge = Edge::start(site);
        let lead = Protected::new(tokens, media::MPEGTS.site(), "");
        let line = ["-nostdin", "-y", "-ingest_for", "80", "-auth", "p", "-i", &edge.url(), "-c", "copy", "out.ts"];
        let running = start(lead.home.ffauth(line));
        wait_until(|| edge.answers().len() >= 3);
        (running, Box::new((edge, lead)))
    });
}

/// Nobody reads what is written.
#[test]
fn an_output_that_is_full() {
    stops_at_once(|| {
        let lead = Protected::new(tokens(), media::MPEGTS.site(), "");
        let url = lead.origin.url("video.ts");
        let mut command = lead.home.ffauth(["-nostdin", "-y", "-auth", "p", "-i", &url, "-c", "copy", "-f", "mpegts", "pipe:1"]);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        command.stdout(writer);
        let running = start(command);
        wait_until(|| lead.origin.log().len() >= 3);
        (running, Box::new((reader, lead)))
    });
}

fn skip(why: &str) {
    std::io::Write::write_all(&mut std::io::stderr(), format!("skipped: {why}\n").as_bytes()).expect("somebody reads");
}
