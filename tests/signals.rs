//! Stopping, and what is told while it runs and at the end.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::Protected;
use crate::support::media;
use crate::support::origin::Site;
use crate::support::run::{Home, Running, finish, start};
use crate::support::token_server::{Mood, Tokens};

/// A read that would take 30 s, with `ending` as the end of the command line.
fn long_read(ending: &str) -> (Protected, Running) {
    let kind = media::HLS;
    let lead = Protected::new(Tokens::living(Duration::from_secs(2)), kind.paced(Duration::from_secs(30)), "");
    let url = lead.origin.url(kind.entry);
    let line = format!("-y -summary summary.json -auth p -i {url} -c copy {ending}");
    let mut command = lead.home.ffauth(line.split(' '));
    command.stdin(Stdio::piped());
    let running = start(command);
    let began = Instant::now();
    while lead.origin.log().len() < 4 {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not read:\n{}", lead.origin.story());
        std::thread::sleep(Duration::from_millis(50));
    }
    (lead, running)
}

/// Packets that ffprobe counts in a file.
fn playable(home: &Home, file: &Path) -> u64 {
    let probe = ["-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"];
    let run = finish(home.program("ffprobe", probe.into_iter().map(Path::new).chain([file])));
    run.expect_code(0);
    assert_eq!(run.stderr, "", "{} is damaged", file.display());
    // Programs of an mpegts are listed as empty lines.
    run.stdout.lines().filter_map(|line| line.trim_end_matches(',').parse::<u64>().ok()).sum()
}

#[track_caller]
fn ends_well(signal: Signal) {
    std::thread::scope(|scope| {
        for output in ["out.mp4", "out.mkv", "out.ts"] {
            scope.spawn(move || {
                let (lead, running) = long_read(output);
                let asked = Instant::now();
                running.signal(signal);
                let run = running.finish();
                run.expect_code(255);
                assert!(asked.elapsed() < Duration::from_secs(3), "it took {:?}", asked.elapsed());
                assert!(playable(&lead.home, &lead.home.path(output)) > 100, "{}", run.tail());
                assert_eq!(lead.home.summary()["exit"], json!("signal"));
            });
        }
    });
}

#[test]
fn sigint_closes_the_files_and_exits_with_255() {
    ends_well(Signal::INT);
}

#[test]
fn sigterm_closes_the_files_and_exits_with_255() {
    ends_well(Signal::TERM);
}

/// The keys that change what is shown; a line for filters is read and `q` behind it still counts.
#[test]
fn keys_are_answered_while_it_runs() {
    let (lead, mut running) = long_read("out.ts");
    let mut keyboard = running.stdin();
    keyboard.write_all(b"?hDcall nonsense\n").expect("somebody reads");
    std::thread::sleep(Duration::from_millis(900));
    keyboard.write_all(b"q").expect("somebody reads");
    let run = running.finish();
    run.expect_code(0);
    let parts =
        ["C      Send/Queue command to all matching filters", "debug=1", "Parse error, at least 3 arguments", "keyframe=1"];
    for part in parts {
        assert!(run.stderr.contains(part), "no `{part}` in {}", run.tail());
    }
    assert!(playable(&lead.home, &lead.home.path("out.ts")) > 100, "{}", run.tail());
}

#[test]
fn q_closes_the_files_and_exits_with_0() {
    let (lead, mut running) = long_read("out.mp4");
    running.stdin().write_all(b"q").expect("somebody reads");
    let run = running.finish();
    run.expect_code(0);
    assert!(playable(&lead.home, &lead.home.path("out.mp4")) > 100, "{}", run.tail());
    assert_eq!(lead.home.summary()["exit"], json!("eof"));
}

/// A server that has stopped in mid-body holds nobody up.
#[test]
fn a_stalled_server_does_not_delay_the_end() {
    let kind = media::MPEGTS;
    let lead =
        Protected::new(Tokens::living(Duration::from_secs(60)), Site { lasts: Duration::from_secs(3600), ..kind.site() }, "");
    let url = lead.origin.url(kind.entry);
    let running = start(lead.home.ffauth(["-nostdin", "-auth", "p", "-i", &url, "-c", "copy", "out.ts"]));
    while lead.origin.log().is_empty() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let asked = Instant::now();
    running.signal(Signal::INT);
    running.finish().expect_code(255);
    assert!(asked.elapsed() < Duration::from_secs(3), "it took {:?}", asked.elapsed());
}

/// Neither does a token endpoint that is waited for.
#[test]
fn waiting_for_a_token_does_not_delay_the_end() {
    for mood in [Mood::Unavailable, Mood::Slow(Duration::from_secs(60))] {
        let kind = media::MPEGTS;
        let lead = Protected::new(Tokens::living(Duration::from_secs(60)), kind.site(), "");
        lead.token_server.set(mood);
        let url = lead.origin.url(kind.entry);
        let running = start(lead.home.ffauth(["-nostdin", "-auth", "p", "-i", &url, "-c", "copy", "out.ts"]));
        while lead.token_server.requests().is_empty() {
            std::thread::sleep(Duration::from_millis(50));
        }
        let asked = Instant::now();
        running.signal(Signal::TERM);
        running.finish().expect_code(255);
        assert!(asked.elapsed() < Duration::from_secs(3), "it took {:?}", asked.elapsed());
    }
}

/// Field for field, for an input and an output with different profiles.
#[test]
fn the_summary_tells_what_happened() {
    let kind = media::MPEGTS;
    let lead = Protected::new(Tokens::living(Duration::from_secs(600)), kind.site(), "");
    let (from, to) = (lead.origin.url("video.ts?quality=high"), lead.origin.url("copy.ts"));
    lead.home.line(&format!("-nostdin -summary - -auth p -i {from} -c copy -f mpegts -auth p -method PUT {to}")).expect_code(0);
    let run = lead.home.line(&format!("-nostdin -summary - -auth p -i {from} -c copy -f mpegts -method PUT -auth p {to}"));
    run.expect_code(0);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON and nothing else on stdout");
    assert_eq!(summary["version"], json!(1));
    let (input, output) = (&summary["inputs"][0], &summary["outputs"][0]);
    assert_eq!(input["url"], json!(lead.origin.url("video.ts?***")));
    assert_eq!(output["url"], json!(to));
    for (side, field) in [
        (input, "packets"),
        (input, "bytes"),
        (input, "requests"),
        (input, "http_401"),
        (input, "reconnects"),
        (input, "token_swaps"),
        (output, "packets"),
        (output, "bytes"),
        (output, "requests"),
        (output, "http_401"),
        (output, "uploads"),
    ] {
        assert!(side[field].is_u64(), "{field} in {side}");
    }
    assert_eq!(input["packets"], output["packets"]);
    assert_eq!(input["bytes"], output["bytes"]);
    assert_eq!((&input["gaps"], &output["uploads_unconfirmed"]), (&json!([]), &json!([])));
    assert_eq!((&output["uploads"], &output["requests"]), (&json!(1), &json!(1)));
    assert_eq!(summary["exit"], json!("eof"));
    assert_eq!(summary["error"], json!(null));
    assert_eq!(summary["tokens"]["p"], json!({ "refreshes": 0, "failures": 0 }), "the token was in the store");
}

/// Only the user may read the summary, and it is written although the job failed.
#[test]
fn the_summary_of_a_failed_job_is_private_and_complete() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new("");
    home.line("-nostdin -summary summary.json -i nothing.ts -c copy out.ts").expect_code(1);
    let mode = std::fs::metadata(home.path("summary.json")).expect("a summary").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let summary = home.summary();
    assert_eq!(summary["exit"], json!("error"));
    assert!(summary["error"].as_str().is_some_and(|error| error.contains("nothing.ts")), "{summary}");
}

/// `-progress` speaks ffmpeg's words.
#[test]
fn progress_blocks_are_ffmpegs() {
    let kind = media::MPEGTS;
    let lead = Protected::new(Tokens::living(Duration::from_secs(60)), kind.paced(Duration::from_secs(3)), "");
    let url = lead.origin.url(kind.entry);
    let run = lead.home.line(&format!("-nostdin -nostats -progress pipe:1 -stats_period 0.5 -auth p -i {url} -c copy out.ts"));
    run.expect_code(0);
    let blocks: Vec<BTreeMap<&str, &str>> = run
        .stdout
        .split_inclusive("progress=")
        .map(|block| block.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key, value.trim())).collect())
        .collect();
    assert!(blocks.len() > 3, "{}", run.stdout);
    for key in
        ["frame", "fps", "bitrate", "total_size", "out_time_us", "out_time_ms", "out_time", "dup_frames", "drop_frames", "speed"]
    {
        assert!(blocks[0].contains_key(key), "{key} is missing:\n{}", run.stdout);
    }
    assert!(blocks[0].keys().any(|key| key.starts_with("stream_0_")), "{}", run.stdout);
    assert!(run.stdout.contains("progress=continue\n") && run.stdout.ends_with("progress=end\n"), "{}", run.stdout);
    let size = std::fs::metadata(lead.home.path("out.ts")).expect("an output").len();
    assert!(run.stdout.contains(&format!("total_size={size}\n")), "the size at the end is {size}:\n{}", run.stdout);
}
