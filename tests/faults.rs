//! Requests that fail for a while, or for good: nothing is lost as long as waiting helps, and what is lost is told.

use std::time::Duration;

use crate::support::Protected;
use crate::support::media::{self, Kind};
use crate::support::origin::{Origin, Refusal, Site};
use crate::support::run::{Home, Reading, difference, ffmpeg_read};
use crate::support::token_server::Tokens;

/// A read of `kind` from a server that refuses `path` this often.
fn read(kind: &Kind, (path, status, times): (&'static str, u16, u32), more: &[&str]) -> (Reading, Protected) {
    let refusals = vec![Refusal { path, status, times }];
    let lead = Protected::new(Tokens::living(Duration::from_secs(600)), Site { refusals, ..kind.site() }, "");
    let reading = lead.home.read(kind, "p", &lead.origin.url(kind.entry), more);
    (reading, lead)
}

/// All packets, exit code 0, nothing reported as lost, and at least one retry.
#[track_caller]
fn survives(kind: &Kind, refusal: (&'static str, u16, u32)) {
    let (reading, lead) = read(kind, refusal, &[]);
    let story = || format!("{refusal:?}: {}\n{}", reading.run.tail(), lead.origin.story());
    assert_eq!(reading.run.code, Some(0), "{}", story());
    let recorded = kind.recorded();
    let open = Origin::start(recorded.site());
    let expected = ffmpeg_read(&Home::new(""), &recorded, &open.url(kind.entry));
    assert_eq!(difference(&expected, &reading.packets), None, "{}", story());
    let input = &reading.summary["inputs"][0];
    assert!(input["retries"].as_u64() >= Some(1), "{input}\n{}", story());
    assert_eq!((input["segments_lost"].as_u64(), input["gaps"].as_array().map(Vec::len)), (Some(0), Some(0)), "{input}");
}

#[test]
fn a_segment_that_is_refused_for_a_while() {
    for status in [500, 503, 429, 408, 404] {
        survives(&media::HLS, ("index4.ts", status, 3));
    }
}

#[test]
fn a_live_segment_that_is_refused_for_a_while() {
    survives(&media::HLS_LIVE, ("index4.ts", 503, 2));
}

#[test]
fn a_live_playlist_that_is_refused_for_a_while() {
    // The first two requests are the top-level open and its explanation.
    let kind = media::HLS_LIVE;
    let lead = Protected::new(Tokens::living(Duration::from_secs(600)), kind.site(), "");
    let url = lead.origin.url(kind.entry);
    let mut running = lead.home.start_read(&kind, "p", &url, &[]);
    while lead.origin.log().iter().filter(|entry| entry.path.ends_with(".m3u8")).count() < 3 && !running.ended() {
        std::thread::sleep(Duration::from_millis(20));
    }
    lead.origin.refuse(Refusal { path: "index.m3u8", status: 503, times: 4 });
    let reading = lead.home.finish_read(running);
    let story = || format!("{}\n{}", reading.run.tail(), lead.origin.story());
    assert_eq!(reading.run.code, Some(0), "{}", story());
    assert!(lead.origin.count(503) >= 4, "{}", story());
    let recorded = kind.recorded();
    let expected = ffmpeg_read(&Home::new(""), &recorded, &Origin::start(recorded.site()).url(kind.entry));
    assert_eq!(difference(&expected, &reading.packets), None, "{}", story());
}

#[test]
fn keys_sections_variants_and_ranges_that_are_refused_for_a_while() {
    survives(&media::HLS_AES, ("enc.key", 503, 2));
    survives(&media::HLS_FMP4, ("init.mp4", 502, 2));
    survives(&media::HLS_MASTER, ("stream-1.m3u8", 503, 2));
    survives(&media::HLS_MASTER, ("stream-23.ts", 503, 2));
}

#[test]
fn a_file_whose_server_is_busy() {
    survives(&media::MPEGTS, ("video.ts", 503, 2));
}

/// The hole is told with its place and length; whether it fails the job is the user's choice.
#[test]
fn a_segment_that_never_comes_is_a_gap() {
    for (policy, code) in [(&[][..], 0), (&["-on_gap", "fail"][..], 1)] {
        let (reading, lead) = read(&media::HLS, ("index4.ts", 404, u32::MAX), policy);
        let story = || format!("{}\n{}", reading.run.tail(), lead.origin.story());
        assert_eq!(reading.run.code, Some(code), "{}", story());
        let input = &reading.summary["inputs"][0];
        assert_eq!(input["segments_lost"], 1, "{input}\n{}", story());
        let gaps = input["gaps"].as_array().expect("gaps");
        assert_eq!(gaps.len(), 2, "one in each stream: {input}");
        for gap in gaps {
            let number = |key: &str| gap[key].as_f64().expect("seconds");
            assert!((number("to") - number("from") - 2.0).abs() < 0.3, "{gap}");
            assert_eq!(gap["cause"], "segments were lost");
        }
        assert!(reading.run.stderr.contains("1 segment was lost"), "{}", story());
    }
}

/// ffmpeg takes each of these for the end of the stream, or plays on with a key of zeros, and exits with 0.
#[test]
fn what_cannot_be_done_without_ends_the_job() {
    for (kind, path) in [(&media::HLS_AES, "enc.key"), (&media::HLS_FMP4, "init.mp4"), (&media::HLS_MASTER, "stream-1.m3u8")] {
        let (reading, lead) = read(kind, (path, 503, u32::MAX), &["-auth_retry", "1"]);
        assert_eq!(reading.run.code, Some(1), "{path}: {}\n{}", reading.run.tail(), lead.origin.story());
        assert!(reading.run.stderr.contains(path), "{}", reading.run.tail());
    }
}

#[test]
fn a_live_playlist_that_stays_away_is_an_error_and_not_the_end() {
    let kind = media::HLS_LIVE;
    let lead = Protected::new(Tokens::living(Duration::from_secs(600)), kind.site(), "");
    let url = lead.origin.url(kind.entry);
    let mut running = lead.home.start_read(&kind, "p", &url, &["-auth_retry", "1"]);
    while lead.origin.log().iter().filter(|entry| entry.path.ends_with(".m3u8")).count() < 3 && !running.ended() {
        std::thread::sleep(Duration::from_millis(20));
    }
    lead.origin.refuse(Refusal { path: "index.m3u8", status: 503, times: u32::MAX });
    let reading = lead.home.finish_read(running);
    assert_eq!(reading.run.code, Some(1), "{}\n{}", reading.run.tail(), lead.origin.story());
    assert!(reading.run.stderr.contains("index.m3u8") && reading.run.stderr.contains("503"), "{}", reading.run.tail());
}

/// Waiting for a server must not keep a user waiting who wants to stop.
#[test]
fn a_wait_between_attempts_ends_at_once_when_the_job_is_stopped() {
    let refusals = vec![Refusal { path: "index4.ts", status: 503, times: u32::MAX }];
    let kind = media::HLS;
    let lead = Protected::new(Tokens::living(Duration::from_secs(600)), Site { refusals, ..kind.site() }, "");
    let running = lead.home.start_read(&kind, "p", &lead.origin.url(kind.entry), &[]);
    while lead.origin.count(503) < 4 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let asked = std::time::Instant::now();
    running.signal(rustix::process::Signal::TERM);
    let reading = lead.home.finish_read(running);
    assert_eq!(reading.run.code, Some(255), "{}", reading.run.tail());
    assert!(asked.elapsed() < Duration::from_millis(1500), "{:?}", asked.elapsed());
}
