//! The examples are run as their first lines say, against servers of this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::support::Protected;
use crate::support::cargo::{self, cargo, programs};
use crate::support::media;
use crate::support::origin::{Origin, Site};
use crate::support::run::{Home, count, ffmpeg_read, finish, packets};
use crate::support::service::wait_until;
use crate::support::sign_in::{Manners, SignInServer};
use crate::support::token_server::Tokens;

/// The program of an example.
fn example(name: &str) -> String {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let mut build = cargo("build", Path::new(env!("CARGO_MANIFEST_DIR")));
        build.arg("--examples");
        cargo::run(build);
        programs().join("examples")
    });
    folder.join(name).display().to_string()
}

fn run(home: &Home, name: &str, arguments: &[&str]) -> String {
    let run = finish(home.program(&example(name), arguments));
    run.expect_code(0);
    run.stdout
}

fn packets_of(home: &Home, file: &str) -> usize {
    let arguments = ["-v", "error", "-nostdin", "-y", "-i", file, "-map", "0", "-c", "copy", "-f", "framemd5", "all.framemd5"];
    finish(home.program("ffmpeg", arguments)).expect_code(0);
    count(&packets(&home.path("all.framemd5")))
}

#[test]
fn remux_writes_every_packet() {
    let kind = &media::HLS;
    let server = Protected::new(Tokens::living(Duration::from_secs(2)), kind.paced(Duration::from_secs(5)), "");
    let told = run(&server.home, "remux", &["p", &server.origin.url(kind.entry), "out.mkv"]);
    assert!(told.contains("stream 0: Video h264\nstream 1: Audio aac\n"), "{told}");
    let expected = count(&ffmpeg_read(&server.home, kind, kind.file().to_str().expect("a path")));
    assert_eq!(packets_of(&server.home, "out.mkv"), expected);
    assert!(told.contains(&format!("{expected} packets read")) && server.origin.accepted().len() >= 2, "{told}");
}

#[test]
fn frames_reach_the_users_code() {
    let kind = &media::HLS;
    let server = Protected::new(Tokens::living(Duration::from_secs(60)), kind.site(), "");
    let told = run(&server.home, "frames", &["p", &server.origin.url(kind.entry)]);
    assert!(told.ends_with("500 pictures\n"), "{told}");
    assert!(told.matches("320x180 yuv420p, brightness ").count() == 20 && !told.contains("brightness 0"), "{told}");
}

#[test]
fn a_token_source_of_the_services_own_is_followed() {
    let kind = &media::HLS_LIVE;
    let tokens = Tokens::new("agent", Duration::from_secs(600), None);
    let origin = Origin::start(Site { tokens: Some(tokens.clone()), ..kind.paced(Duration::from_secs(600)) });
    let home = Home::new("");
    home.write("token.txt", &tokens.issue());
    let url = origin.url(kind.entry);
    let mut arguments = vec!["token.txt"];
    arguments.extend(kind.options);
    arguments.extend(["-auth", "agent", "-t", "6", "-i", &url, "-c", "copy", "out.mkv"]);
    let running = crate::support::run::start(home.program(&example("token_source"), &arguments));
    wait_until("the first token is used", || origin.accepted().contains(&1));
    home.write("token.txt", &tokens.issue());
    let run = running.finish();
    run.expect_code(0);
    assert!(
        run.stdout.contains("Started") && run.stdout.contains("TokenSwapped(Input(0))"),
        "{}\n{}",
        run.stdout,
        origin.story()
    );
    assert!(run.stdout.ends_with("Finished(Eof)\n"), "{}", run.stdout);
    assert_eq!(origin.accepted().into_iter().collect::<Vec<_>>(), [1, 2], "{}", origin.story());
    assert!(tokens.all().iter().all(|token| !run.stdout.contains(token)));
}

#[test]
fn somebody_signs_in_on_a_device() {
    let server = SignInServer::start(Manners { has_device: true, ..Manners::default() });
    let home = Home::new(&server.profile(""));
    let told = run(&home, "device_login", &["p"]);
    assert!(told.starts_with("open http://") && told.contains("signed in; the token lives 3"), "{told}");
    let again = run(&home, "device_login", &["p"]);
    assert!(again.starts_with("signed in"), "{again}");
}

/// A program that ends with the test.
struct Leashed(Child);

impl Drop for Leashed {
    fn drop(&mut self) {
        // Fails for one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Status and body.
fn request(address: &str, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
}

#[test]
fn an_axum_service_ingests_by_request() {
    let kind = &media::HLS_LIVE;
    let server = Protected::new(Tokens::living(Duration::from_secs(2)), kind.paced(Duration::from_secs(20)), "");
    let home = &server.home;
    std::fs::create_dir(home.path("recordings")).expect("a folder");
    let mut command: Command = home.program(&example("axum_ingest"), ["p", &server.origin.url(""), "recordings"]);
    let mut service = Leashed(command.stderr(Stdio::null()).spawn().expect("the service"));
    let mut lines = BufReader::new(service.0.stdout.take().expect("a pipe")).lines();
    let address = lines.next().expect("a line").expect("text").trim_start_matches("http://").to_owned();

    assert_eq!(request(&address, "GET", "/streams/index").0, 404);
    assert_eq!(request(&address, "PUT", "/streams/a%2Fb").0, 400);
    assert_eq!(request(&address, "PUT", "/streams/index").0, 201);
    assert_eq!(request(&address, "PUT", "/streams/index").0, 200, "it runs already");
    let shown = || -> Value { serde_json::from_str(&request(&address, "GET", "/streams/index").1).expect("JSON") };
    wait_until("two tokens have been used", || server.origin.accepted().len() >= 2 && shown()["token_swaps"].as_u64() >= Some(1));
    assert_eq!(shown()["running"], true);
    let (status, summary) = request(&address, "DELETE", "/streams/index");
    let summary: Value = serde_json::from_str(&summary).expect("a summary");
    assert_eq!((status, &summary["exit"], &summary["inputs"][0]["auth"]), (200, &"signal".into(), &"p".into()), "{summary}");
    assert!(packets_of(home, "recordings/index-00000.ts") > 0);
    assert_eq!(request(&address, "GET", "/streams/index").0, 404);
}
