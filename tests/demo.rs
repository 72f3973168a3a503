//! `ffauth demo`: no network, no `ffmpeg` program, no trace of it afterwards.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::support::run::{self, CONFIG, Home};

/// The demo in a home whose own configuration is broken, with its temporary files in a folder that can be looked at.
fn demo(home: &Home, arguments: &[&str]) -> Command {
    home.write(CONFIG, "this is no TOML");
    std::fs::create_dir_all(home.path("tmp")).expect("a folder");
    let mut command = home.ffauth(["demo"].iter().chain(arguments));
    command.env("PATH", "").env("TMPDIR", home.path("tmp")).env("FFAUTH_DEMO_TOKEN_URL", "http://127.0.0.1:1/");
    command
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_table_shows_that_new_tokens_lose_nothing_and_a_frozen_one_does() {
    let home = Home::new("");
    let began = Instant::now();
    let run = run::finish(demo(&home, &[]));
    run.expect_code(0);
    assert!(began.elapsed() < Duration::from_secs(30), "it took {:?}", began.elapsed());
    assert_eq!(run.stderr, "", "there is nothing to complain about");

    let command = run.stdout.lines().map(str::trim).find(|line| line.starts_with("ffauth ")).expect("a command");
    assert!(command.starts_with("ffauth -auth demo -i http://127.0.0.1:"), "{command}");
    assert!(command.ends_with("/live.m3u8 -c copy demo.mp4"), "{command}");
    let row = |name: &str| {
        let line =
            run.stdout.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}:\n{}", run.stdout));
        let numbers: Vec<u64> = line.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        <[u64; 2]>::try_from(numbers).expect("two columns")
    };
    let [used, frozen] = row("tokens used");
    assert!(used >= 6 && frozen == 1, "{}", run.stdout);
    assert!(row("expired meanwhile")[0] >= 6, "{}", run.stdout);
    let [refused, frozen] = row("answers of 401");
    assert!(refused == 0 && frozen >= 1, "{}", run.stdout);
    let expected = row("packets expected")[0];
    assert!(expected > 1400, "{}", run.stdout);
    for name in ["packets written", "packets identical"] {
        let [refreshed, frozen] = row(name);
        assert!(refreshed == expected && frozen < expected, "{}", run.stdout);
    }

    assert_eq!(names(&home.path("tmp")), [""; 0], "temporary files are removed");
    assert_eq!(names(&home.path("")), [".config", "tmp"], "nothing is left in the user's home");
}

#[test]
fn json_has_the_facts_and_the_recordings_can_be_kept() {
    let home = Home::new("");
    let run = run::finish(demo(&home, &["--json", "--keep", "kept/here"]));
    run.expect_code(0);
    let facts: serde_json::Value = serde_json::from_str(&run.stdout).expect("one JSON value");
    let number = |ingest: &str, name: &str| facts[ingest][name].as_u64().unwrap_or_else(|| panic!("{ingest} {name} in {facts}"));
    assert_eq!((&facts["passed"], &facts["objection"]), (&true.into(), &serde_json::Value::Null));
    assert!(number("refreshed", "tokens") >= 6 && number("refreshed", "tokens_expired") >= 6, "{facts}");
    assert_eq!((number("refreshed", "http_401"), number("frozen", "tokens")), (0, 1));
    assert!(number("frozen", "http_401") >= 1, "{facts}");
    let expected = number("refreshed", "packets_expected");
    assert_eq!((number("refreshed", "packets_written"), number("refreshed", "packets_identical")), (expected, expected));
    assert!(number("frozen", "packets_identical") < expected && facts["frozen"]["difference"].is_string(), "{facts}");
    assert!(facts["frozen"]["error"].as_str().is_some_and(|error| error.contains("frozen")), "{facts}");
    assert_eq!(names(&home.path("kept/here")), ["demo.mp4", "frozen.mp4"]);

    let again = run::finish(demo(&home, &["--keep", "kept/here"]));
    again.expect_code(2);
    assert!(again.stderr.contains("demo.mp4 exists already") && again.stderr.contains("hint:"), "{}", again.stderr);
}

#[test]
fn an_interrupt_ends_it_at_once_and_leaves_nothing() {
    let home = Home::new("");
    let mut running = run::start(demo(&home, &[]));
    while names(&home.path("tmp")).is_empty() && !running.ended() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_secs(3));
    running.signal(rustix::process::Signal::INT);
    let signalled = Instant::now();
    let run = running.finish();
    assert!(signalled.elapsed() < Duration::from_secs(8), "it took {:?}", signalled.elapsed());
    run.expect_code(130);
    assert_eq!(names(&home.path("tmp")), [""; 0], "temporary files are removed");
}
