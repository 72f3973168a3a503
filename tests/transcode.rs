//! Decoding and encoding between protected servers, and what a transcode says and leaves behind beside the bytes that the
//! parity lane compares.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::media::{self, HLS_LIVE};
use crate::support::origin::{Origin, Site};
use crate::support::run::{self, Home, finish, profile, start};
use crate::support::token_server::{TokenServer, Tokens};

const LIFE: Duration = Duration::from_secs(2);

/// Encoders whose bits depend on nothing but their input.
const ENCODE: &str = "-c:v mpeg4 -g 50 -b:v 300k -c:a mp2 -bitexact -f hls -hls_time 2 -hls_list_size 0 -method PUT";

/// A live playlist behind one profile, a server for uploads behind another; tokens of both live for two seconds.
#[test]
fn a_protected_live_stream_is_transcoded_onto_a_protected_server() {
    let [from, to] = [Tokens::living(LIFE), Tokens::new("upload", LIFE, Some(LIFE.as_secs()))];
    let servers = [TokenServer::start(&from), TokenServer::start(&to)];
    let source = Origin::start(Site { tokens: Some(from), ..HLS_LIVE.paced(Duration::ZERO) });
    let target = Origin::start(Site { tokens: Some(to), ..Site::default() });
    let home = Home::new(&format!("{}{}", profile("p", &servers[0], ""), profile("q", &servers[1], "")));

    let (input, output) = (source.url(HLS_LIVE.entry), target.url("out.m3u8"));
    let options = HLS_LIVE.options.join(" ");
    let run = home.line(&format!("-nostdin -summary summary.json {options} -auth p -i {input} {ENCODE} -auth q {output}"));
    run.expect_code(0);
    assert!(source.accepted().len() >= 5, "{}", source.story());
    assert!(target.accepted().len() >= 5, "{}", target.story());
    assert_eq!((source.count(401), target.count(401)), (0, 0), "{}\n{}", source.story(), target.story());
    let summary = home.summary();
    assert_eq!((&summary["inputs"][0]["auth"], &summary["outputs"][0]["auth"]), (&"p".into(), &"q".into()), "{summary}");
    assert_eq!(summary["outputs"][0]["uploads_unconfirmed"], serde_json::json!([]), "{summary}");

    // What ffmpeg makes of the same media on disk.
    let local = Home::new("");
    let recorded = HLS_LIVE.recorded().file();
    let line = format!("-v error -nostdin -i {} {} out.m3u8", recorded.display(), ENCODE.replace(" -method PUT", ""));
    finish(local.program("ffmpeg", line.split_whitespace())).expect_code(0);
    let stored = target.stored();
    let written: BTreeMap<String, Vec<u8>> = stored
        .keys()
        .map(|name| (name.clone(), std::fs::read(local.path(name.trim_start_matches('/'))).unwrap_or_default()))
        .collect();
    assert!(stored.len() >= 10, "{:?}", stored.keys());
    for (name, bytes) in &stored {
        assert!(*bytes == written[name], "{name}: {} bytes arrived, {} were expected", bytes.len(), written[name].len());
    }
}

fn source() -> String {
    media::MP4_MOOV_FIRST.file().display().to_string()
}

/// The lines of standard error below "Stream mapping:".
fn mapping(stderr: &str) -> Vec<String> {
    let lines = stderr.lines().skip_while(|line| *line != "Stream mapping:").skip(1);
    lines.take_while(|line| line.starts_with("  ")).map(str::to_owned).collect()
}

#[test]
fn the_stream_mapping_is_ffmpegs() {
    let source = source();
    for line in [
        format!("-i {source} -t 0.2 -c:v mpeg4 -c:a copy -f null -"),
        format!("-i {source} -t 0.2 -map 0:v -c:v libx264 -map 0:a -c:a aac -f null -"),
        format!("-i {source} -t 0.2 -filter_complex [0:v]split[a][b] -map [a] -map [b] -f null -"),
        format!("-i {source} -i {source} -t 0.2 -lavfi [0:v][1:v]overlay;[0:a]anull -f null -"),
    ] {
        let home = Home::new("");
        let line = format!("-hide_banner -nostdin {line}");
        let ours = home.line(&line);
        let theirs = finish(home.program("ffmpeg", line.split_whitespace()));
        ours.expect_code(0);
        assert!(!mapping(&ours.stderr).is_empty(), "{}", ours.tail());
        assert_eq!(mapping(&ours.stderr), mapping(&theirs.stderr), "{line}");
    }
}

#[test]
fn progress_tells_of_quality_repeated_and_dropped_pictures() {
    let (home, source) = (Home::new(""), source());
    let line = format!("-v error -nostdin -i {source} -t 2 -an -r 40 -fps_mode cfr -c:v mpeg4 -progress blocks.txt -f null -");
    let last = |program: &str| {
        finish(home.program(program, line.split_whitespace())).expect_code(0);
        let text = std::fs::read_to_string(home.path("blocks.txt")).expect("blocks");
        let block = text.trim_end().rsplit("progress=continue\n").next().unwrap_or_default().to_owned();
        block.lines().filter(|line| !line.starts_with("fps=") && !line.starts_with("speed=")).map(str::to_owned).collect()
    };
    let ours: Vec<String> = last(env!("CARGO_BIN_EXE_ffauth"));
    let theirs: Vec<String> = last("ffmpeg");
    assert!(ours.iter().any(|line| line == "dup_frames=30" || line == "dup_frames=31"), "{ours:?}");
    assert_eq!(ours, theirs);
}

/// A signal in the middle: the encoders give out what they hold, the file is whole.
#[test]
fn a_signal_ends_a_transcode_with_a_playable_file() {
    let (home, source) = (Home::new(""), source());
    let line = format!("-v error -nostdin -re -i {source} -c:v libx264 -preset ultrafast -c:a aac out.mp4");
    let running = start(home.ffauth(line.split(' ')));
    std::thread::sleep(Duration::from_millis(1500));
    running.signal(Signal::INT);
    running.finish().expect_code(255);
    let probe = home.program(
        "ffprobe",
        ["-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", "out.mp4"],
    );
    let counts = finish(probe);
    counts.expect_code(0);
    let packets: Vec<u32> = counts.stdout.lines().filter_map(|line| line.trim_matches(',').parse().ok()).collect();
    assert!(packets.len() == 2 && packets.iter().all(|count| *count > 5), "{packets:?}");
}

/// What cannot be is said before anything is written, by name.
#[test]
fn impossible_transcodes_are_named() {
    let source = source();
    for (options, part) in [
        ("-c:v nosuch", "Unknown encoder 'nosuch'"),
        ("-c:v aac", "Invalid encoder type 'aac'"),
        ("-pix_fmt nosuch", "nosuch"),
        ("-vf nosuch", "nosuch"),
        ("-vf split", "exactly 1 input and 1 output"),
        ("-vf hflip -c:v copy", "Filtering and streamcopy cannot be used together"),
        ("-filter_complex [0:v]null[a] -map [b]", "Output with label 'b' does not exist"),
        ("-filter_complex [7:v]null[a] -map [a]", "Invalid file index 7"),
        ("-fps_mode sometimes", "Invalid value sometimes specified for fps_mode"),
        ("-force_key_frames soon", "soon"),
        ("-c:v libx264 -preset nosuch", "Error while opening encoder"),
        ("-init_hw_device nosuch", "nosuch"),
    ] {
        let home = Home::new("");
        let run = home.line(&format!("-v error -nostdin -i {source} -t 1 {options} out.mkv"));
        run.expect_code(1);
        assert!(run.stderr.contains(part), "{options}: {}", run.tail());
    }
}

/// More packets that cannot be decoded than allowed: 69, and the rest is there.
#[test]
fn too_many_decoding_errors_are_an_exit_code_of_their_own() {
    let home = Home::new("");
    let mut bytes = std::fs::read(media::MPEGTS.file()).expect("media");
    for (index, byte) in bytes.iter_mut().enumerate().skip(20_000) {
        // The headers of the transport packets stay.
        if index % 188 > 40 && index % 7 == 0 {
            *byte ^= 0x5a;
        }
    }
    std::fs::write(home.path("bad.ts"), bytes).expect("a file");
    for (rate, code) in [("0", 69), ("1", 0)] {
        let line = format!("-v quiet -nostdin -max_error_rate {rate} -i bad.ts -f null -");
        finish(home.program("ffmpeg", line.split_whitespace())).expect_code(code);
        home.line(&line).expect_code(code);
    }
    home.line("-v quiet -nostdin -xerror -i bad.ts -f null -").expect_code(1);
}

/// Two passes use the file that ffmpeg would have written, and give the same second pass.
#[test]
fn two_passes_are_ffmpegs() {
    let source = source();
    let packets = |program: &str| {
        let home = Home::new("");
        for (pass, output) in [(1, "-f null -"), (2, "-bitexact -f framemd5 out.framemd5")] {
            let line = format!("-v error -nostdin -y -i {source} -t 3 -an -c:v mpeg4 -b:v 200k -pass {pass} {output}");
            finish(home.program(program, line.split_whitespace())).expect_code(0);
        }
        let log = std::fs::read_to_string(home.path("ffmpeg2pass-0.log")).expect("statistics");
        (log.lines().count(), run::packets(&home.path("out.framemd5")))
    };
    let ours = packets(env!("CARGO_BIN_EXE_ffauth"));
    assert!(ours.0 > 0);
    assert_eq!(ours, packets("ffmpeg"));
}
