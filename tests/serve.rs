//! `ffauth serve`: streams that run, end and begin again; what survives; what is told to whom.

mod access;
mod dashboard;
mod fence;
mod fuzz;
mod lasting;
mod reload;
mod watching;

use std::time::Duration;

use rustix::process::Signal;

use crate::support::daemon::{Daemon, SERVE, until};
use crate::support::media;
use crate::support::origin::{Origin, Site};
use crate::support::run::{self, Home, packets, profile};
use crate::support::token_server::{TokenServer, Tokens};

/// A picture that moves for ever, in real time, into segments of a second.
pub fn endless(output: &str) -> String {
    format!("-re -f lavfi -i testsrc2=size=160x90:rate=10 -c:v libx264 -preset ultrafast -g 10 {output}")
}

#[test]
fn streams_of_one_profile_share_its_token_and_lose_nothing() {
    let tokens = Tokens::living(Duration::from_secs(600));
    let token_server = TokenServer::start(&tokens);
    let folder = media::HLS.file().parent().expect("a folder").to_owned();
    let origin = Origin::start(Site { folder, tokens: Some(tokens.clone()), ..Site::default() });
    let name = media::HLS.file().file_name().expect("a name").to_string_lossy().into_owned();
    let url = format!("{}/{name}", origin.base());
    let home = Home::new("");
    let mut config = profile("p", &token_server, "") + SERVE;
    for index in 0..5 {
        config += &format!(
            "[stream.s{index}]\nrun = \"-y -copyts -auth p -i {url} -map 0 -c copy -f framemd5 media/{index}.framemd5\"\n"
        );
    }
    home.write("serve.toml", &config);
    std::fs::create_dir(home.path("media")).expect("a folder");
    let run = run::finish(home.ffauth(["serve", "--config", "serve.toml", "--exit-when-idle"]));
    run.expect_code(0);
    let reference = run::ffmpeg_read(&home, &media::HLS, &media::HLS.file().display().to_string());
    for index in 0..5 {
        let read = packets(&home.path(&format!("media/{index}.framemd5")));
        assert_eq!(run::difference(&reference, &read), None, "stream {index}\n{}", run.tail());
    }
    assert_eq!(token_server.answered(), 1, "token requests for five streams");
    assert_eq!(origin.count(401), 0, "{}", origin.story());
}

#[test]
fn the_end_of_the_last_stream_says_whether_one_failed() {
    let short = |name: &str| {
        format!("[stream.{name}]\nrestart = \"never\"\nrun = \"-f lavfi -i testsrc2=size=16x16 -t 0.1 -f null -\"\n")
    };
    for (config, code) in [
        (format!("{SERVE}{}", short("good")), 0),
        (
            format!(
                "{SERVE}{}[stream.bad]\nrestart = \"never\"\nrun = \"-i media/nothing.ts -c copy media/o.ts\"\n",
                short("good")
            ),
            1,
        ),
        (SERVE.to_owned(), 0),
    ] {
        let home = Home::new("");
        home.write("serve.toml", &config);
        run::finish(home.ffauth(["serve", "--config", "serve.toml", "--exit-when-idle"])).expect_code(code);
    }
}

#[test]
fn each_policy_says_what_begins_again() {
    let home = Home::new("");
    let good = "-f lavfi -i testsrc2=size=16x16 -t 0.1 -f null -";
    let bad = "-i media/nothing.ts -c copy -y media/o.ts";
    let mut config = SERVE.to_owned();
    for policy in ["always", "on_failure", "never"] {
        config += &format!("[stream.good-{policy}]\nrun = \"{good}\"\nrestart = \"{policy}\"\n");
        config += &format!("[stream.bad-{policy}]\nrun = \"{bad}\"\nrestart = \"{policy}\"\n");
    }
    config += "[stream.wrong]\nrun = \"-i a -nosuchoption 1 b\"\nrestart = \"always\"\n";
    let daemon = Daemon::start(&home, &config);
    for again in ["good-always", "bad-always", "bad-on_failure"] {
        daemon.wait_for(again, |stream| stream["restarts"].as_u64() >= Some(1));
    }
    let stream = daemon.wait_for_state("bad-on_failure", "waiting");
    assert!(stream["next_attempt"].is_string(), "{stream:#}");
    for (once, state) in [("good-on_failure", "done"), ("good-never", "done"), ("bad-never", "failed"), ("wrong", "failed")] {
        let stream = daemon.wait_for_state(once, state);
        assert_eq!(stream["restarts"], 0, "{stream:#}");
    }
    let error = &daemon.stream("wrong")["error"];
    assert!(error["message"].as_str().is_some_and(|text| text.contains("nosuchoption")), "{error}");
    // Whoever starts it wants to see it run.
    assert_eq!(daemon.ask("POST", "/api/v1/streams/good-never/start", None).status, 200);
    daemon.wait_for("good-never", |stream| stream["restarts"] == 1 && stream["state"] == "done");
    daemon.end().expect_code(0);
}

#[test]
fn a_stream_that_fails_again_and_again_harms_no_other() {
    let home = Home::new("");
    let mut config =
        format!("{SERVE}[stream.steady]\nrun = \"{}\"\n", endless("-f segment -segment_time 1 media/steady-%03d.ts"));
    for index in 0..3 {
        config += &format!("[stream.bad{index}]\nrun = \"-i media/garbage.ts -c copy -f null -\"\nrestart = \"always\"\n");
    }
    home.write("media/garbage.ts", &"garbage ".repeat(5000));
    let daemon = Daemon::start(&home, &config);
    daemon.wait_for("bad0", |stream| stream["failures"].as_u64() >= Some(2));
    let before = daemon.wait_for_state("steady", "running");
    daemon.wait_for("bad1", |stream| stream["failures"].as_u64() >= Some(3));
    let after = daemon.wait_for("steady", |stream| stream["packets_written"].as_u64() > before["packets_written"].as_u64());
    assert_eq!((&after["restarts"], &after["error"]), (&serde_json::json!(0), &serde_json::Value::Null), "{after:#}");
    daemon.end().expect_code(0);
}

#[test]
fn a_signal_finishes_the_outputs() {
    let home = Home::new("");
    let run = endless("-f hls -hls_time 1 -hls_list_size 0 media/live.m3u8");
    let mp4 = endless("media/live.mp4");
    let daemon = Daemon::start(&home, &format!("{SERVE}[stream.a]\nrun = \"{run}\"\n[stream.b]\nrun = \"{mp4}\"\n"));
    for stream in ["a", "b"] {
        daemon.wait_for(stream, |stream| stream["packets_written"].as_u64() > Some(15));
    }
    daemon.end().expect_code(0);
    let playlist = std::fs::read_to_string(home.path("media/live.m3u8")).expect("a playlist");
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    let probe = run::finish(home.program("ffprobe", ["-v", "error", "-show_entries", "format=duration", "media/live.mp4"]));
    probe.expect_code(0);
}

#[test]
fn an_output_that_stands_still_does_not_hold_the_end_up() {
    // A server that takes the connection and reads nothing.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let home = Home::new("");
    let url = format!("tcp://{}", deaf.local_addr().expect("an address"));
    let run = format!("-f lavfi -i testsrc2=size=640x360 -c:v rawvideo -f nut {url}");
    let config = format!("{SERVE}drain = 1\n[stream.stuck]\nrun = \"{run}\"\n");
    let daemon = Daemon::start(&home, &config);
    daemon.wait_for_state("stuck", "running");
    let began = std::time::Instant::now();
    daemon.end().expect_code(0);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let home = Home::new("");
    let run = format!("-f lavfi -i testsrc2=size=640x360 -c:v rawvideo -f nut tcp://{}", deaf.local_addr().expect("an address"));
    let daemon = Daemon::start(&home, &format!("{SERVE}drain = 600\n[stream.stuck]\nrun = \"{run}\"\n"));
    daemon.wait_for_state("stuck", "running");
    daemon.signal(Signal::TERM);
    until("the stream is told to stop", || daemon.log().contains("\"stopping\"").then_some(()));
    daemon.signal(Signal::TERM);
    daemon.finish().expect_code(130);
}

#[test]
fn without_configuration_it_serves_an_empty_list() {
    let home = Home::new("");
    let daemon = Daemon::start_with(&home, &["--listen", "127.0.0.1:0"], &[]);
    assert_eq!(daemon.ask("GET", "/api/v1/streams", None).json(), serde_json::json!({ "streams": [] }));
    let other = run::finish(home.ffauth(["serve", "--listen", "127.0.0.1:0"]));
    other.expect_code(2);
    assert!(other.stderr.contains("another `ffauth serve` uses this state folder"), "{}", other.stderr);
    daemon.end().expect_code(0);
}
