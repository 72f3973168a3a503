//! Recordings that go on: behind a full disk, behind a kill, and where a stream comes back as another one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Response, Version};
use rustix::process::Signal;
use tokio::sync::mpsc;

use crate::support::edge::{Edge, Stream};
use crate::support::media;
use crate::support::run::{Finished, Home, Packets, Running, count, ffmpeg_read, finish, packets, start};
use crate::support::server::{Body, Server};

/// The packets of a recording, which is not damaged.
#[track_caller]
fn played(home: &Home, file: &str) -> Packets {
    let arguments = ["-v", "error", "-nostdin", "-y", "-i", file, "-map", "0", "-c", "copy", "-f", "framemd5", "played.framemd5"];
    let run = finish(home.program("ffmpeg", arguments));
    run.expect_code(0);
    assert_eq!(run.stderr, "", "{file} is damaged");
    packets(&home.path("played.framemd5"))
}

fn sent(home: &Home) -> usize {
    count(&ffmpeg_read(home, &media::MPEGTS, media::MPEGTS.file().to_str().expect("a path")))
}

/// Runs ffauth with the folder `disk` on a disk of so many kilobytes, of which `taken` are in use. What is on the disk in the end
/// is in the folder `kept`. `None` where nobody may mount anything.
#[expect(clippy::print_stderr, reason = "a test that shows nothing says so")]
fn on_small_disk(home: &Home, kilobytes: usize, taken: usize, line: &str) -> Option<Running> {
    let may_mount = finish(home.program("unshare", ["--mount", "true"])).code == Some(0);
    if !may_mount {
        eprintln!("skipped: mounting a small disk needs root");
        return None;
    }
    std::fs::create_dir(home.path("disk")).expect("a folder");
    let script = format!(
        "mount -t tmpfs -o size={kilobytes}k disk disk && head -c {} /dev/zero > disk/taken && \"$@\" 2> said; code=$?; \
         cp -r disk kept; exit $code",
        taken * 1024
    );
    let ffauth = env!("CARGO_BIN_EXE_ffauth");
    let arguments = ["--mount", "sh", "-c", &script, "sh", ffauth].into_iter().chain(line.split_whitespace());
    Some(start(home.program("unshare", arguments)))
}

fn said(home: &Home) -> String {
    std::fs::read_to_string(home.path("said")).unwrap_or_default()
}

#[test]
fn a_full_disk_is_an_error_that_keeps_what_is_there() {
    let home = Home::new("");
    let line = format!("-nostdin -y -i {} -map 0 -c copy disk/out.ts", media::MPEGTS.file().display());
    let Some(running) = on_small_disk(&home, 1000, 0, &line) else { return };
    let run = running.finish();
    assert_eq!(run.code, Some(1), "{}", said(&home));
    assert!(said(&home).contains("No space left on device"), "{}", said(&home));
    let size = std::fs::metadata(home.path("kept/out.ts")).expect("a file").len();
    assert!(size > 900_000, "only {size} bytes were kept");
}

#[test]
fn a_recording_that_waits_for_space_is_complete() {
    for (outputs, files) in [
        ("-c copy -disk_full wait disk/out.ts", &["out.ts"][..]),
        ("-c copy -movflags +faststart -disk_full wait disk/out.mp4", &["out.mp4"]),
        ("-c copy -disk_full wait -f segment -segment_time 8 disk/out-%d.ts", &["out-0.ts", "out-1.ts", "out-2.ts"]),
    ] {
        let home = Home::new("");
        let line = format!("-nostdin -y -i {} -map 0 {outputs}", media::MP4_MOOV_LAST.file().display());
        let Some(mut running) = on_small_disk(&home, 8000, 7200, &line) else { return };
        while !said(&home).contains("waiting until there is space") {
            assert!(!running.ended(), "it ended without waiting: {}", said(&home));
            std::thread::sleep(Duration::from_millis(20));
        }
        // It waits.
        std::thread::sleep(Duration::from_millis(600));
        assert!(!running.ended(), "{}", said(&home));
        let within = format!("/proc/{}/root{}", running.id(), home.path("disk/taken").display());
        std::fs::remove_file(within).expect("the disk as the process sees it");
        let run = running.finish();
        assert_eq!(run.code, Some(0), "{}", said(&home));
        assert!(said(&home).contains("there is space again"), "{}", said(&home));
        let got: usize = files.iter().map(|file| count(&played(&home, &format!("kept/{file}")))).sum();
        assert_eq!(got, sent(&home), "{outputs}: {}", said(&home));
    }
}

#[test]
fn a_signal_ends_the_wait_for_space() {
    let home = Home::new("");
    let line = format!("-nostdin -y -i {} -map 0 -c copy -disk_full wait disk/out.ts", media::MPEGTS.file().display());
    let Some(mut running) = on_small_disk(&home, 1000, 0, &line) else { return };
    while !said(&home).contains("waiting until there is space") && !running.ended() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.id())).expect("a process");
    let child = children.split_whitespace().next().and_then(|id| id.parse().ok()).and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(child.expect("ffauth"), Signal::TERM).expect("a process");
    let run = running.finish();
    assert_eq!(run.code, Some(255), "{}", said(&home));
}

/// Starts `line` on a stream of six seconds, kills it when `file` is there, and starts it again.
fn killed_and_restarted(home: &Home, line: &str, file: &str) -> (BTreeMap<String, Vec<u8>>, Finished) {
    let content = Bytes::from(std::fs::read(media::MPEGTS.file()).expect("media"));
    let edge = |seconds| {
        let (content, lasts) = (content.clone(), Duration::from_secs(seconds));
        Edge::start(Stream { content, lasts, faults: Vec::new(), repeats: 0, skips: 0, tokens: None })
    };
    let first = edge(6);
    let mut running = start(home.ffauth(line.replace("URL", &first.url()).split_whitespace()));
    while !home.path(file).exists() {
        assert!(!running.ended(), "it ended too early");
        std::thread::sleep(Duration::from_millis(20));
    }
    running.kill();
    let left = files(&home.path(""));
    let second = edge(3);
    let running = start(home.ffauth(line.replace("URL", &second.url()).split_whitespace()));
    (left, running.finish())
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().filter(|entry| entry.path().is_file());
    entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("a file")))
        .collect()
}

#[test]
fn segments_of_a_killed_process_are_numbered_on() {
    let home = Home::new("");
    let line = "-nostdin -y -ingest_for 5 -i URL -map 0 -c copy -continue -f segment -segment_time 1 cam-%03d.ts";
    let (left, run) = killed_and_restarted(&home, line, "cam-002.ts");
    run.expect_code(0);
    let now = files(&home.path(""));
    for (name, content) in left.iter().filter(|(name, _)| name.starts_with("cam-")) {
        assert!(now.get(name) == Some(content), "{name} was written to again");
    }
    let added: Vec<&String> = now.keys().filter(|name| name.starts_with("cam-") && !left.contains_key(*name)).collect();
    let next = left.keys().filter(|name| name.starts_with("cam-")).count();
    assert_eq!(added.first().map(|name| name.as_str()), Some(format!("cam-{next:03}.ts").as_str()), "{added:?}");
    let got: usize = added.iter().map(|name| count(&played(&home, name))).sum();
    assert!(got > 100, "{got} packets: {}", run.tail());
}

#[test]
fn the_playlist_of_a_killed_process_goes_on() {
    let home = Home::new("");
    let line = "-nostdin -y -ingest_for 5 -i URL -map 0 -c copy -continue -f hls -hls_time 1 -hls_list_size 0 live.m3u8";
    let (left, run) = killed_and_restarted(&home, line, "live2.ts");
    run.expect_code(0);
    let text = |files: &BTreeMap<String, Vec<u8>>| String::from_utf8(files["live.m3u8"].clone()).expect("text");
    let listed = |text: &str| text.lines().filter(|line| line.ends_with(".ts")).map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (text(&left), text(&files(&home.path(""))));
    let (old, new) = (listed(&before), listed(&after));
    assert!(!old.is_empty() && new.len() > old.len() && new.starts_with(&old), "{before}\n{after}");
    assert!(after.contains("#EXT-X-DISCONTINUITY") && after.contains("#EXT-X-ENDLIST"), "{after}");
    for name in &old {
        assert_eq!(std::fs::read(home.path(name)).expect("a segment"), left[name], "{name} was written to again");
    }
    let total: usize = new.iter().map(|name| count(&played(&home, name))).sum();
    assert!(total > 100, "{total}");
}

/// A stream that ends and comes back, without its pictures.
#[test]
fn a_stream_that_comes_back_as_another_one_goes_on_in_a_new_file() {
    let segment = |number| std::fs::read(media::HLS_MASTER.file().with_file_name(format!("stream-2{number}.ts"))).expect("sound");
    let sound: Vec<u8> = (0..10).flat_map(segment).collect();
    let lives = [std::fs::read(media::MPEGTS.file()).expect("media"), sound].map(Bytes::from);
    let opened = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&opened);
    let server = Server::start(
        None,
        Arc::new(move |_| {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            let life = lives[number.min(1)].clone();
            let (slices, body) = mpsc::channel(1);
            tokio::spawn(async move {
                // The second life does not end.
                if slices.send(Ok(life)).await.is_ok() && number > 0 {
                    slices.closed().await;
                }
            });
            let response = Response::builder().version(Version::HTTP_10).header("content-type", "video/mp2t");
            Box::pin(async move { response.body(Body::Slices(body)).expect("a response") })
        }),
    );
    let home = Home::new("");
    let line = format!(
        "-nostdin -ingest_for 80 -summary summary.json -i {} -map 0 -c copy -on_change new_file -flush_packets 1 rec-%02d.ts",
        server.url("/live.ts")
    );
    let mut running = start(home.ffauth(line.split_whitespace()));
    let size = || std::fs::metadata(home.path("rec-01.ts")).map_or(0, |file| file.len());
    while size() < 10_000 && !running.ended() {
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal(Signal::TERM);
    let run = running.finish();
    run.expect_code(255);
    assert_eq!(count(&played(&home, "rec-00.ts")), sent(&home), "{}", run.tail());
    let second = played(&home, "rec-01.ts");
    assert_eq!(second.len(), 1, "sound alone: {}", run.tail());
    assert!(run.stderr.contains("going on in new files"), "{}", run.tail());
    let summary = home.summary();
    let total = count(&second) + sent(&home);
    assert_eq!(summary["outputs"][0]["packets"].as_u64(), u64::try_from(total).ok(), "{summary}");
}

#[test]
fn an_output_that_cannot_go_on_says_so_before_any_request() {
    let home = Home::new("");
    for (options, words) in [("-on_change new_file out.mkv", "-on_change new_file"), ("-continue out.mkv", "-continue")] {
        let run = home.line(&format!("-nostdin -y -ingest_for 5 -i http://127.0.0.1:1/x -c copy {options}"));
        run.expect_code(1);
        assert!(run.stderr.contains(words) && run.stderr.contains("%03d"), "{}", run.tail());
    }
}
