//! Servers that keep everybody waiting: each wait has a limit, and ends when somebody wants to stop.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Response;
use hyper::header::RANGE;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc;

use crate::support::media;
use crate::support::run::{self, Home, difference, ffmpeg_read, finish, start};
use crate::support::server::{Body, Server};
use crate::support::token_server::{TokenServer, Tokens};

#[test]
fn opening_an_input_has_a_limit_of_its_own() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/live.ts", silent.local_addr().expect("an address"));
    let tokens = Tokens::living(Duration::from_secs(600));
    let token_server = TokenServer::start(&tokens);
    let home = Home::new(&run::profile("p", &token_server, ""));
    for auth in ["", "-auth p"] {
        let run = home.line(&format!("-nostdin -y -open_timeout 1 {auth} -i {url} -c copy out.ts"));
        run.expect_code(1);
        assert!(run.stderr.contains("not open within 1 s (-open_timeout)"), "{}", run.tail());
    }
}

/// Where ffauth reads itself, the limits are those that libavformat would have.
#[test]
fn a_body_that_stands_still_is_taken_up_again_after_the_time_that_was_asked_for() {
    let content = Bytes::from(std::fs::read(media::MPEGTS.file()).expect("media"));
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let server = Server::start(
        None,
        Arc::new(move |arrived| {
            let content = content.clone();
            let stands_still = counter.fetch_add(1, Ordering::Relaxed) == 1;
            let range =
                arrived.request.headers().get(RANGE).and_then(|range| range.to_str().ok()).unwrap_or("bytes=0-").to_owned();
            Box::pin(async move {
                let first: usize = range["bytes=".len()..].split('-').next().expect("a start").parse().expect("a number");
                let (slices, body) = mpsc::channel(1);
                let rest = content.slice(first..);
                let part = if stands_still { rest.slice(..200_000) } else { rest.clone() };
                tokio::spawn(async move {
                    if slices.send(Ok(part)).await.is_ok() && stands_still {
                        slices.closed().await;
                    }
                });
                let length = content.len();
                Response::builder()
                    .status(206)
                    .header("content-length", rest.len())
                    .header("content-range", format!("bytes {first}-{}/{length}", length - 1))
                    .body(Body::Slices(body))
                    .expect("a response")
            })
        }),
    );
    let tokens = Tokens::living(Duration::from_secs(600));
    let token_server = TokenServer::start(&tokens);
    let home = Home::new(&run::profile("p", &token_server, "placement = { query = \"t\" }"));
    let reading = home.read(&media::MPEGTS, "p", &server.url("/video.ts"), &["-rw_timeout", "1000000"]);
    assert_eq!(reading.run.code, Some(0), "{}", reading.run.tail());
    let expected = ffmpeg_read(&home, &media::MPEGTS, media::MPEGTS.file().to_str().expect("a path"));
    assert_eq!(difference(&expected, &reading.packets), None, "{}", reading.run.tail());
    assert!(reading.took < Duration::from_secs(29), "{:?}: the limit was another one", reading.took);
}

/// libavformat's own lookup would be waited for: ten seconds and more.
#[test]
#[expect(clippy::print_stderr, reason = "a test that shows nothing says so")]
fn a_signal_ends_the_wait_for_a_name_server_that_is_silent() {
    let home = Home::new("[profile.p]\naccess_token = { file = \"token.txt\" }\nallow_http = true\n");
    home.write(".config/ffauth/token.txt", "a-token");
    home.write("resolv.conf", "nameserver 127.0.0.1\n");
    home.write("silent.py", "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('127.0.0.1', 53))\nwhile s.recv(999): open('asked', 'w')\n");
    let script =
        "ip link set lo up && mount --bind resolv.conf /etc/resolv.conf && { python3 silent.py & } && sleep 1 && exec \"$@\"";
    if finish(home.program("unshare", ["--mount", "--net", "ip", "link", "set", "lo", "up"])).code != Some(0) {
        eprintln!("skipped: a network of its own needs root and iproute2");
        return;
    }
    for auth in ["", "-auth p"] {
        let _ = std::fs::remove_file(home.path("asked"));
        let line = format!("-nostdin -y {auth} -i http://media.example.com/live.ts -c copy out.ts");
        let arguments =
            ["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_ffauth")];
        let mut running = start(home.program("unshare", arguments.into_iter().chain(line.split_whitespace())));
        while !home.path("asked").exists() {
            assert!(!running.ended(), "it ended before it asked: {}", running.finish().tail());
            std::thread::sleep(Duration::from_millis(20));
        }
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.id())).expect("a process");
        let ffauth = children.split_whitespace().next().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        let asked = Instant::now();
        kill_process(ffauth.expect("ffauth"), Signal::TERM).expect("a process");
        let run = running.finish();
        let took = asked.elapsed();
        assert_eq!(run.code, Some(255), "{auth}: {}", run.tail());
        assert!(took < Duration::from_secs(3), "{auth}: {took:?}");
    }
}
