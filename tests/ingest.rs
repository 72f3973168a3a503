//! Inputs that are kept going: ended, cut, stalled and restarted sources, one output.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Response;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::edge::{Edge, Fault, Stream};
use crate::support::media;
use crate::support::run::{self, Finished, Home, Packets, count, ffmpeg_read, finish, packets, start};
use crate::support::server::{Body, Server, closed_port};
use crate::support::token_server::{TokenServer, Tokens};

/// The whole stream in `seconds`, with these faults at hundredths of it.
fn stream(seconds: u64, faults: &[(usize, Fault)]) -> Stream {
    let content = Bytes::from(std::fs::read(media::MPEGTS.file()).expect("media"));
    // Not where a packet begins.
    let faults = faults.iter().map(|(at, fault)| ((content.len() * at / 100) | 1, *fault)).collect();
    Stream { content, lasts: Duration::from_secs(seconds), faults, repeats: 60_000, skips: 0, tokens: None }
}

/// What is recorded of the 20 s of the stream where its end is no end: then it does not matter how long that takes.
const UNTIL: &str = "-ingest_for 300 -t 19";

/// What `url` sends, recorded in three ways.
fn record(home: &Home, url: &str, options: &str) -> Finished {
    home.line(&format!(
        "-nostdin -y -copyts -summary summary.json {options} -i {url} -map 0 -c copy -f framemd5 read.framemd5 \
         -map 0 -c copy out.ts -map 0 -c copy out.mkv"
    ))
}

/// What plain ffmpeg reads from the whole file.
fn sent(home: &Home) -> Packets {
    ffmpeg_read(home, &media::MPEGTS, media::MPEGTS.file().to_str().expect("a path"))
}

/// What plain ffmpeg reads of it [`UNTIL`] then.
fn sent_until(home: &Home) -> Packets {
    let mut kind = media::MPEGTS;
    kind.options = &["-t", "19"];
    ffmpeg_read(home, &kind, media::MPEGTS.file().to_str().expect("a path"))
}

/// Where `got` is not what was sent. Where a parser counts on from another packet, a time comes out a few ticks apart.
fn missing(expected: &Packets, got: &Packets) -> Option<String> {
    let near = |a: i64, b: i64| (a - b).abs() <= 20;
    let same = |a: &run::Packet, b: &run::Packet| near(a.0, b.0) && near(a.1, b.1) && (a.2, &a.3) == (b.2, &b.3);
    expected.iter().find_map(|(stream, expected)| {
        let got = got.get(stream).map_or(&[][..], Vec::as_slice);
        let at = expected.iter().zip(got).position(|(a, b)| !same(a, b)).unwrap_or(expected.len().min(got.len()));
        let (expected, got) = (expected.get(at), got.get(at));
        (expected.is_some() || got.is_some()).then(|| format!("stream {stream}, packet {at}: {got:?} instead of {expected:?}"))
    })
}

/// The packets of a recording, whose decoding times never go back.
#[track_caller]
fn played(home: &Home, file: &str) -> Packets {
    let arguments = ["-v", "error", "-nostdin", "-y", "-i", file, "-map", "0", "-c", "copy", "-f", "framemd5", "played.framemd5"];
    let run = finish(home.program("ffmpeg", arguments));
    run.expect_code(0);
    assert_eq!(run.stderr, "", "{file} is damaged");
    let packets = packets(&home.path("played.framemd5"));
    for (stream, packets) in &packets {
        let back = packets.windows(2).find(|pair| pair[1].0 <= pair[0].0);
        assert_eq!(back, None, "{file}: stream {stream} goes back");
    }
    packets
}

fn number(home: &Home, key: &str) -> u64 {
    home.summary()["inputs"][0][key].as_u64().unwrap_or_else(|| panic!("{key}: {}", home.summary()))
}

fn gaps(home: &Home) -> Vec<Value> {
    home.summary()["inputs"][0]["gaps"].as_array().cloned().unwrap_or_default()
}

/// Everything arrives although connections end in every way; what comes again is dropped.
#[test]
fn a_cut_stream_goes_on_without_a_hole() {
    let edge = Edge::start(stream(6, &[(25, Fault::Cut), (50, Fault::End), (70, Fault::Cut)]));
    let home = Home::new("");
    let run = record(&home, &edge.url(), UNTIL);
    run.expect_code(0);
    let expected = sent_until(&home);
    assert_eq!(missing(&expected, &packets(&home.path("read.framemd5"))), None, "{}", run.tail());
    for file in ["out.ts", "out.mkv"] {
        assert_eq!(count(&played(&home, file)), count(&expected), "{file}: {}", run.tail());
    }
    assert_eq!(number(&home, "restarts"), 3, "{}", run.tail());
    assert!(number(&home, "duplicates_dropped") > 30, "{}", home.summary());
    assert_eq!(gaps(&home), Vec::<Value>::new());
    assert_eq!(run.stderr.matches("it is opened again in").count(), 3, "{}", run.tail());
    assert_eq!(home.summary()["exit"], "eof");
}

/// What was sent while nobody listened is a hole of that length in each stream.
#[test]
fn a_stream_that_went_on_meanwhile_leaves_a_gap() {
    let content = Stream { repeats: 0, skips: 376_000, ..stream(6, &[(25, Fault::Down(Duration::from_secs(3)))]) };
    let edge = Edge::start(content);
    let home = Home::new("");
    let run = record(&home, &edge.url(), UNTIL);
    run.expect_code(0);
    assert!(edge.answers().contains(&503), "{:?}", edge.answers());
    let gaps = gaps(&home);
    assert_eq!(gaps.len(), 2, "one in each stream: {gaps:?}\n{}", run.tail());
    for gap in &gaps {
        let length = gap["to"].as_f64().expect("seconds") - gap["from"].as_f64().expect("seconds");
        assert!((3.0..7.0).contains(&length), "{gap}");
        assert_eq!(gap["cause"], "the input was reopened");
    }
    let (expected, got) = (sent(&home), packets(&home.path("read.framemd5")));
    for (stream, got) in &got {
        // Around the hole a picture may be cut off.
        let known = |packet: &&run::Packet| expected[stream].iter().any(|sent| sent.3 == packet.3);
        let unknown = got.len() - got.iter().filter(known).count();
        assert!(unknown <= 4, "stream {stream}: {unknown} packets that were never sent like this\n{}", run.tail());
    }
    played(&home, "out.ts");
    played(&home, "out.mkv");
}

#[test]
fn a_stalled_stream_is_opened_again() {
    let edge = Edge::start(stream(5, &[(40, Fault::Stall)]));
    let home = Home::new("");
    let run = record(&home, &edge.url(), &format!("{UNTIL} -stall_timeout 2"));
    run.expect_code(0);
    assert!(run.stderr.contains("no packet came for 2 s"), "{}", run.tail());
    assert_eq!(missing(&sent_until(&home), &packets(&home.path("read.framemd5"))), None, "{}", run.tail());
}

/// Nobody listens on its port: at first, and for three seconds later on.
#[test]
fn a_server_that_is_down_is_waited_for() {
    let port = closed_port();
    let home = Home::new("");
    let line = format!(
        "-nostdin -y -summary summary.json -ingest_for 300 -i http://127.0.0.1:{port}/live.ts -c copy -flush_packets 1 out.mkv"
    );
    let mut running = start(home.ffauth(line.split(' ')));
    let down = || std::thread::sleep(Duration::from_secs(3));
    down();
    let edge = Edge::start_on(port, stream(20, &[]));
    while !edge.answers().contains(&200) && !running.ended() {
        std::thread::sleep(Duration::from_millis(20));
    }
    down();
    drop(edge);
    down();
    let edge = Edge::start_on(port, stream(2, &[]));
    while !edge.answers().contains(&200) && !running.ended() {
        std::thread::sleep(Duration::from_millis(20));
    }
    // The first life was short: this much is not there without most of the second.
    let whole = std::fs::metadata(media::MPEGTS.file()).expect("media").len() * 85 / 100;
    let recorded = || std::fs::metadata(home.path("out.mkv")).map_or(0, |file| file.len());
    while recorded() < whole && !running.ended() {
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal(Signal::TERM);
    let run = running.finish();
    run.expect_code(255);
    assert!(run.stderr.contains("trying again in"), "{}", run.tail());
    assert!(count(&played(&home, "out.mkv")) > count(&sent(&home)) * 8 / 10, "{}", run.tail());
    assert_eq!(number(&home, "restarts"), 1, "{}", run.tail());
    assert!(!gaps(&home).is_empty(), "{}", run.tail());
}

/// The second life has the time stamps of the first.
#[test]
fn a_source_that_begins_anew_goes_behind_what_was_there() {
    let edge = Edge::start(Stream { repeats: 0, ..stream(6, &[(50, Fault::Restart)]) });
    let home = Home::new("");
    let run = record(&home, &edge.url(), "-ingest_for 300 -t 28");
    run.expect_code(0);
    let (expected, got) = (count(&sent(&home)), count(&played(&home, "out.mkv")));
    assert!((expected * 11 / 10..expected * 16 / 10).contains(&got), "{got} of {expected}: {}", run.tail());
    played(&home, "out.ts");
    let gaps = gaps(&home);
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| gap["cause"] == "the input was reopened"), "{gaps:?}");
}

/// The playlist ends after three segments; the next time it is live again from number 0, with five.
#[test]
fn a_live_playlist_that_ended_and_begins_anew() {
    let home = Home::new("");
    let folder = media::HLS.file().parent().expect("a folder").to_owned();
    let segments = |count: usize| -> Vec<u8> {
        (0..count).flat_map(|index| std::fs::read(folder.join(format!("index{index}.ts"))).expect("a segment")).collect()
    };
    let expected: usize = [3, 5]
        .into_iter()
        .map(|segments_read| {
            std::fs::write(home.path("life.ts"), segments(segments_read)).expect("a file");
            count(&played(&home, "life.ts"))
        })
        .sum();
    let asked = Arc::new(Mutex::new(0));
    let files = folder.clone();
    let server = Server::start(
        None,
        Arc::new(move |arrived| {
            let path = arrived.request.uri().path().to_owned();
            let body = if path.ends_with(".m3u8") {
                let mut asked = asked.lock().expect("no panic");
                *asked += 1;
                let (count, ended) = match *asked {
                    1 => (3, true),
                    2 => (3, false),
                    _ => (5, true),
                };
                let mut text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n".to_owned();
                text.extend((0..count).map(|index| format!("#EXTINF:2.0,\nindex{index}.ts\n")));
                text.push_str(if ended { "#EXT-X-ENDLIST\n" } else { "" });
                text.into_bytes()
            } else {
                std::fs::read(files.join(path.trim_start_matches('/'))).expect("a segment")
            };
            Box::pin(async move { Response::new(Body::from(body)) })
        }),
    );
    let run = record(&home, &server.url("/index.m3u8"), "-ingest_for 25");
    run.expect_code(0);
    for file in ["out.ts", "out.mkv"] {
        assert_eq!(count(&played(&home, file)), expected, "{file}: {}", run.tail());
    }
    assert!(number(&home, "restarts") >= 1, "{}", run.tail());
}

/// What has another input goes on being recorded.
#[test]
fn an_input_that_is_away_holds_up_no_other() {
    let edge = Edge::start(stream(6, &[(30, Fault::Down(Duration::from_secs(600)))]));
    let other = Edge::start(stream(20, &[]));
    let home = Home::new("");
    let (kept, other) = (edge.url(), other.url());
    let line = format!(
        "-nostdin -y -ingest_for 80 -i {kept} -ingest_for 80 -i {other} -map 0 -c copy out.ts -map 1 -c copy -flush_packets 1 other.ts"
    );
    let running = start(home.ffauth(line.split(' ')));
    while edge.answers().len() < 3 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let size = || std::fs::metadata(home.path("other.ts")).map_or(0, |file| file.len());
    let before = size();
    std::thread::sleep(Duration::from_secs(4));
    let after = size();
    running.signal(Signal::TERM);
    let run = running.finish();
    run.expect_code(255);
    assert!(after > before + 100_000, "{before} bytes, later {after}: {}", run.tail());
}

#[test]
fn restarts_in_vain_have_a_limit() {
    let edge = Edge::start(stream(4, &[(30, Fault::Down(Duration::from_secs(600)))]));
    let home = Home::new("");
    let run = record(&home, &edge.url(), "-ingest_for 80 -max_restarts 2");
    run.expect_code(1);
    assert!(run.stderr.contains("-max_restarts") && run.stderr.contains("503"), "{}", run.tail());
    assert_eq!(edge.answers(), [200, 503, 503]);
    assert!(count(&played(&home, "out.mkv")) > 100, "{}", run.tail());
}

/// The outputs have headers that say what their streams are.
#[test]
fn other_streams_than_before_are_an_error_that_names_the_difference() {
    let sound = media::HLS_MASTER.file().with_file_name("stream-20.ts");
    let lives = [media::MPEGTS.file(), sound].map(|file| Bytes::from(std::fs::read(file).expect("media")));
    let opened = AtomicUsize::new(0);
    let server = Server::start(
        None,
        Arc::new(move |_| {
            let life = lives[opened.fetch_add(1, Ordering::Relaxed).min(1)].clone();
            Box::pin(async move { Response::new(Body::from(life)) })
        }),
    );
    let home = Home::new("");
    let run = record(&home, &server.url("/live.ts"), "-ingest_for 60");
    run.expect_code(1);
    assert!(run.stderr.contains("the input has 1 streams instead of 2"), "{}", run.tail());
    assert_eq!(count(&played(&home, "out.mkv")), count(&sent(&home)));
}

/// The wait before the next attempt ends at once.
#[test]
fn a_signal_ends_the_wait_for_a_source() {
    let edge = Edge::start(stream(4, &[(30, Fault::Down(Duration::from_secs(600)))]));
    let home = Home::new("");
    let line = format!("-nostdin -y -summary summary.json -ingest_for 80 -i {} -c copy out.mkv", edge.url());
    let running = start(home.ffauth(line.split(' ')));
    while edge.answers().len() < 4 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let asked = Instant::now();
    running.signal(Signal::TERM);
    let run = running.finish();
    let took = asked.elapsed();
    run.expect_code(255);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(count(&played(&home, "out.mkv")) > 100, "{}", run.tail());
}

/// The last packet of each stream is kept back in case that it is cut off; one that is not is written at the end.
#[test]
fn what_had_come_before_a_signal_is_written() {
    let edge = Edge::start(stream(3, &[]));
    let home = Home::new("");
    let line = format!("-nostdin -y -ingest_for 80 -i {} -map 0 -c copy -flush_packets 1 out.ts", edge.url());
    let mut running = start(home.ffauth(line.split(' ')));
    let size = || std::fs::metadata(home.path("out.ts")).map_or(0, |file| file.len());
    let (mut before, mut same) = (0, 0);
    while same < 40 && !running.ended() {
        std::thread::sleep(Duration::from_millis(50));
        (same, before) = if size() == before && before > 1_000_000 { (same + 1, before) } else { (0, size()) };
    }
    running.signal(Signal::TERM);
    let run = running.finish();
    run.expect_code(255);
    let (expected, got) = (sent(&home), played(&home, "out.ts"));
    for (stream, expected) in expected {
        assert_eq!(got[&stream].len(), expected.len(), "stream {stream}: {}", run.tail());
    }
}

/// A token lives for a third of the stream: each connection begins with a live one.
#[test]
fn each_time_it_is_opened_a_live_token_goes_along() {
    let tokens = Tokens::living(Duration::from_secs(2));
    let token_server = TokenServer::start(&tokens);
    let faults = [(30, Fault::Cut), (50, Fault::End), (60, Fault::Down(Duration::from_secs(2)))];
    let edge = Edge::start(Stream { tokens: Some(Arc::clone(&tokens)), ..stream(8, &faults) });
    let home = Home::new(&run::profile("p", &token_server, ""));
    let run = record(&home, &edge.url(), &format!("{UNTIL} -auth p"));
    run.expect_code(0);
    assert_eq!(missing(&sent_until(&home), &packets(&home.path("read.framemd5"))), None, "{}", run.tail());
    assert!(!edge.answers().contains(&401), "{:?}", edge.answers());
    assert_eq!(number(&home, "http_401"), 0);
    assert_eq!(number(&home, "restarts"), 3, "{}", run.tail());
}

/// Whatever the moment, what was recorded can be played, and no more is missing than one fragment.
#[test]
fn recordings_of_a_killed_process_play() {
    let moments: Vec<u64> = (0..20).map(|round| 300 + 137 * round).collect();
    std::thread::scope(|scope| {
        for moments in moments.chunks(5) {
            scope.spawn(move || moments.iter().for_each(|wait| is_playable_after_a_kill(*wait)));
        }
    });
}

fn is_playable_after_a_kill(wait: u64) {
    let edge = Edge::start(stream(6, &[]));
    let home = Home::new("");
    let line = format!(
        "-nostdin -y -ingest_for 60 -i {} -c copy -bsf:a aac_adtstoasc -flush_packets 1 -frag_duration 1000000 \
         -movflags +empty_moov+default_base_moof out.mp4 -c copy -flush_packets 1 out.ts \
         -c copy -flush_packets 1 -f segment -segment_time 1 cam-%03d.ts -c copy -f framemd5 -flush_packets 1 all.framemd5",
        edge.url()
    );
    let mut running = start(home.ffauth(line.split_whitespace()));
    while !home.path("cam-001.ts").exists() {
        assert!(!running.ended(), "{}", running.finish().tail());
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(wait));
    running.kill();
    // What was written packet by packet tells how far it had come.
    let seconds = |packets: &Packets| packets.get(&0).map_or(0.0, |packets| packets.len() as f64 / 25.0);
    let written = seconds(&packets(&home.path("all.framemd5")));
    let mut segments = 0.0;
    for number in 0_u32.. {
        let file = format!("cam-{number:03}.ts");
        let length = |number: u32| std::fs::metadata(home.path(&format!("cam-{number:03}.ts"))).map_or(0, |file| file.len());
        // One that was begun just then holds too little to be known for what it is.
        if length(number) < 4096 {
            assert_eq!(length(number + 1), 0, "{file} is empty");
            break;
        }
        segments += seconds(&plays(&home, &file));
    }
    // A fragment is a second long, a packet of MPEG-TS no more than that; a segment has the two seconds between key frames.
    let files = [("out.mp4", seconds(&plays(&home, "out.mp4")), 1.5), ("out.ts", seconds(&plays(&home, "out.ts")), 0.5)];
    for (file, played, fragment) in files.into_iter().chain([("cam", segments, 2.1)]) {
        assert!(played > 1.0 && written - played <= fragment, "{wait} ms: {file} has {played} s of {written}");
    }
}

/// The packets of a file of a process that was killed: its last one may be cut off.
fn plays(home: &Home, file: &str) -> Packets {
    let arguments = ["-v", "fatal", "-nostdin", "-y", "-i", file, "-map", "0", "-c", "copy", "-f", "framemd5"];
    let target = home.path(&format!("{file}.framemd5"));
    let run = finish(home.program("ffmpeg", arguments.into_iter().map(Path::new).chain([target.as_path()])));
    run.expect_code(0);
    packets(&target)
}
