//! `ffauth token`: each format as the program that reads it understands it, and each exit code.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::Protected;
use crate::support::family::Family;
use crate::support::media;
use crate::support::run::{CONFIG, Home, finish, profile, start};
use crate::support::token_server::{Mood, SECRET, TokenServer, Tokens};

fn server(seconds: u64) -> (TokenServer, Home) {
    let server = TokenServer::start(&Tokens::living(Duration::from_secs(seconds)));
    let home = Home::new(&profile("p", &server, "scope = [\"media.read\"]"));
    (server, home)
}

/// What a server gives: a token with everything in it that quoting differs about.
fn odd(server: &TokenServer) {
    server.set(Mood::Saying(
        r#"{"access_token":"a'b\"c\\d$e`f","token_type":"Bearer","expires_in":300,"scope":"media.read"}"#.to_owned(),
    ));
}

#[test]
fn bare_header_and_json() {
    let (server, home) = server(300);
    let run = home.line("token p");
    let token = run.stdout.trim_end();
    assert_eq!(server.requests().len(), 1);
    assert_eq!(run.stderr, "");
    assert_eq!(home.line("token p --format header").stdout, format!("Authorization: Bearer {token}\n"));
    for line in ["token p --format json", "token p --json"] {
        let json: Value = serde_json::from_str(&home.line(line).stdout).expect("JSON");
        assert_eq!(json["access_token"], token);
        assert_eq!(json["token_type"], "Bearer");
        assert!((290..=300).contains(&json["expires_in"].as_u64().expect("seconds")), "{json}");
        let at = json["expires_at"].as_str().expect("a time");
        let at = time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).expect("RFC 3339");
        let left = (at - time::OffsetDateTime::now_utc()).whole_seconds();
        assert!((280..=301).contains(&left), "{at}");
    }
    assert_eq!(server.requests().len(), 1, "one token for all of them");
}

#[test]
fn env_is_what_a_shell_reads() {
    let (server, home) = server(300);
    odd(&server);
    let line = home.line("token p --format env").stdout;
    assert!(line.starts_with("FFAUTH_TOKEN="), "{line}");
    let shell = home.program("sh", ["-c", &format!("{line}\nprintf %s \"$FFAUTH_TOKEN\"")]);
    assert_eq!(finish(shell).stdout, "a'b\"c\\d$e`f");
}

#[test]
fn curl_reads_its_line() {
    let lead = Protected::new(Tokens::living(Duration::from_secs(300)), media::MP4_MOOV_FIRST.site(), "");
    let url = lead.origin.url(media::MP4_MOOV_FIRST.entry);
    let line = lead.home.line("token p --format curl").stdout;
    let curl = |config: &str| {
        let mut command = lead.home.program("curl", ["-s", "-o", "got.mp4", "-w", "%{http_code}", "-K", "-", &url]);
        command.stdin(Stdio::piped());
        let mut running = start(command);
        running.stdin().write_all(config.as_bytes()).expect("a pipe");
        running.finish().stdout
    };
    assert_eq!(curl(&line), "200");
    assert_eq!(std::fs::read(lead.home.path("got.mp4")).ok(), std::fs::read(media::MP4_MOOV_FIRST.file()).ok());
    assert_eq!(curl(""), "401");
}

/// A token that curl's quoting must not change arrives as it is.
#[test]
fn curl_is_quoted() {
    let (server, home) = server(300);
    odd(&server);
    let line = home.line("token p --format curl").stdout;
    let mut command = home.program("curl", ["-s", "-K", "-", &server.url_of("/echo")]);
    command.stdin(Stdio::piped());
    let mut running = start(command);
    running.stdin().write_all(line.as_bytes()).expect("a pipe");
    running.finish();
    let requests = server.requests();
    assert_eq!(requests.last().expect("curl's").header("authorization"), "Bearer a'b\"c\\d$e`f");
}

#[test]
fn header_formats_follow_the_placement() {
    let (server, home) = server(300);
    odd(&server);
    home.write(CONFIG, &profile("p", &server, "placement = { header = \"X-Api-Token\", prefix = \"\" }"));
    assert_eq!(home.line("token p --format header").stdout, "X-Api-Token: a'b\"c\\d$e`f\n");
}

#[test]
fn exec_credential_is_kubernetes() {
    let (_server, home) = server(300);
    let mut command = home.ffauth(["token", "p", "--format", "exec-credential"]);
    command.env(
        "KUBERNETES_EXEC_INFO",
        r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false}}"#,
    );
    let json: Value = serde_json::from_str(&finish(command).stdout).expect("JSON");
    assert_eq!((&json["kind"], &json["apiVersion"]), (&"ExecCredential".into(), &"client.authentication.k8s.io/v1".into()));
    assert_eq!(json["status"]["token"], home.line("token p").stdout.trim_end());
    assert!(json["status"]["expirationTimestamp"].as_str().expect("a time").ends_with('Z'));
}

#[test]
fn min_valid_refreshes_once_and_warns_where_no_life_is_long_enough() {
    let (server, home) = server(300);
    home.line("token p").expect_code(0);
    let enough = home.line("token p --min-valid 4m");
    assert_eq!((enough.code, server.requests().len()), (Some(0), 1));
    let longer = home.line("token p --min-valid 10m");
    longer.expect_code(0);
    assert_eq!(server.requests().len(), 2);
    assert!(longer.stderr.contains("warning: profile p") && longer.stderr.contains("600 s"), "{}", longer.stderr);
    assert_eq!(longer.stdout.lines().count(), 1);
}

#[test]
fn usage_and_configuration_are_2() {
    let (_server, home) = server(300);
    for line in ["token", "token p --format xml", "token p --min-valid soon", "token nobody", "token p --config nowhere.toml"] {
        home.line(line).expect_code(2);
    }
    home.write(
        CONFIG,
        "[profile.p]\ntoken_url = \"https://h.example/t\"\nclient_id = \"i\"\nclient_secret = { env = \"NOT_SET\" }\n",
    );
    let run = home.line("token p");
    run.expect_code(2);
    assert!(run.stderr.contains("NOT_SET"), "{}", run.tail());
}

#[test]
fn a_login_that_is_needed_is_3_within_a_second() {
    let family = Family::start(1, Duration::ZERO);
    let home = Home::new(&family.profile());
    home.line("token p").expect_code(0);
    std::thread::sleep(Duration::from_millis(1050));
    // Somebody else has signed in: what is kept here is over.
    family.sign_in();
    let began = Instant::now();
    let run = home.line("token p");
    run.expect_code(3);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(run.stderr.contains("set refresh_token"), "{}", run.tail());
}

#[test]
fn a_server_that_refuses_or_is_not_there_is_4() {
    let (server, home) = server(300);
    for (mood, part) in [(Mood::Unauthorized, "invalid_client"), (Mood::Html, "text/html"), (Mood::Unavailable, "503")] {
        server.set(mood);
        let run = home.line("token p");
        run.expect_code(4);
        assert!(run.stderr.contains(part) && run.stderr.contains(&server.url()), "{part}: {}", run.tail());
        assert!(run.stdout.is_empty() && !run.stderr.contains(SECRET));
    }
    home.write(CONFIG, "[profile.p]\ntoken_url = \"http://127.0.0.1:1/t\"\nclient_id = \"i\"\nclient_secret = \"s\"\n");
    home.line("token p").expect_code(4);
}

#[test]
fn a_failure_that_is_nobodys_there_is_1() {
    let (_server, home) = server(300);
    let command = home.program("sh", ["-c", &format!("exec {} token p > /dev/full", env!("CARGO_BIN_EXE_ffauth"))]);
    finish(command).expect_code(1);
}

/// Interrupted while it waits for an answer: 130, at once, and what was under way is finished and stored if it comes soon.
#[test]
fn interrupted_is_130() {
    let (server, home) = server(300);
    server.set(Mood::Slow(Duration::from_secs(30)));
    let running = start(home.ffauth(["token", "p"]));
    while server.requests().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let began = Instant::now();
    running.signal(Signal::INT);
    let run = running.finish();
    run.expect_code(130);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    let family = Family::start(60, Duration::from_millis(400));
    let home = Home::new(&family.profile());
    let running = start(home.ffauth(["token", "p"]));
    while family.rotations() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal(Signal::INT);
    running.finish().expect_code(130);
    assert_eq!(home.line("token p").stdout, "a-1\n");
    assert_eq!(family.rotations(), 1, "the answer that was on its way was stored");
}

/// Where it matters, since signed requests carry the time, and only there.
#[test]
fn a_server_whose_clock_differs_is_told_where_it_judges_ours() {
    let (server, home) = server(300);
    for (auth, ahead, told) in [
        ("client_secret_jwt", 600, Some("behind")),
        ("client_secret_jwt", -600, Some("ahead of")),
        ("client_secret_jwt", 20, None),
        ("basic", 600, None),
    ] {
        server.set(Mood::Ahead(ahead));
        let secret = "a-secret-that-is-long-enough-for-hs256";
        home.write(CONFIG, &profile("p", &server, &format!("client_auth = \"{auth}\"")).replace(SECRET, secret));
        let run = home.line("token p --min-valid 1h");
        run.expect_code(0);
        let warning = told.map(|told| format!("s {told} the authorization server's"));
        assert_eq!(
            run.stderr.matches("this machine's clock").count(),
            usize::from(told.is_some()),
            "{auth} {ahead}: {}",
            run.tail()
        );
        assert!(warning.is_none_or(|warning| run.stderr.contains(&warning)), "{auth} {ahead}: {}", run.tail());
    }
}

#[test]
fn secrets_come_by_descriptor_or_standard_input() {
    let (server, home) = server(300);
    home.write("secret.txt", &format!("{SECRET}\n"));
    let program = env!("CARGO_BIN_EXE_ffauth");
    for (source, shell) in [
        ("{ fd = 3 }", format!("exec {program} token p --min-valid 1h 3< secret.txt")),
        ("{ stdin = true }", format!("cat secret.txt | {program} token p --min-valid 1h")),
    ] {
        home.write(CONFIG, &profile("p", &server, "").replace(&format!("\"{SECRET}\""), source));
        let before = server.requests().len();
        finish(home.program("sh", ["-c", &shell])).expect_code(0);
        let request = server.requests()[before].clone();
        // base64("app:test-secret")
        assert_eq!(request.header("authorization"), "Basic YXBwOnRlc3Qtc2VjcmV0", "{source}");
    }
}
