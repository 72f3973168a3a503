//! Programs that know no OAuth read protected media to its end: every packet is there.

use super::*;
use crate::support::media::{self, Kind};
use crate::support::run::{Packets, difference, ffmpeg_read, finish};

fn expected(kind: &Kind) -> Packets {
    let kind = &kind.recorded();
    let open = Origin::start(kind.site());
    ffmpeg_read(&Home::new(""), kind, &open.url(kind.entry))
}

/// What `ffmpeg` reads through the relay is what stands on disk.
#[track_caller]
fn reads(kind: &Kind, relayed: &Relayed) {
    let read = ffmpeg_read(&relayed.protected.home, kind, &relayed.url(kind.entry));
    assert_eq!(difference(&expected(kind), &read), None, "{}", relayed.story());
}

#[test]
fn ffmpeg_reads_every_kind_of_media() {
    for kind in [
        media::HLS_MASTER,
        media::HLS_BYTE_RANGE,
        media::MP4_MOOV_LAST,
        media::DASH_LIST,
        media::DASH_COUNTED,
        media::DASH_SINGLE,
    ] {
        let relayed = Relayed::new(kind.site());
        reads(&kind, &relayed);
        assert_eq!(relayed.origin().count(401), 0, "{}", relayed.story());
    }
}

/// Tokens that live two seconds, on a read of seven or more.
#[track_caller]
fn survives_expiry(kind: &Kind) {
    let relayed = Relayed::with(Tokens::living(Duration::from_secs(2)), kind.paced(Duration::from_secs(7)), "");
    reads(kind, &relayed);
    assert!(relayed.origin().accepted().len() >= 3, "{}", relayed.story());
}

#[test]
fn ffmpeg_reads_hls_across_expiries() {
    survives_expiry(&media::HLS);
}

#[test]
fn ffmpeg_reads_fragmented_mp4_across_expiries() {
    survives_expiry(&media::HLS_FMP4);
}

#[test]
fn ffmpeg_reads_encrypted_hls_across_expiries() {
    survives_expiry(&media::HLS_AES);
}

#[test]
fn ffmpeg_reads_dash_across_expiries() {
    survives_expiry(&media::DASH);
    survives_expiry(&media::DASH_TIME);
}

#[test]
fn ffmpeg_reads_a_live_stream_across_expiries() {
    survives_expiry(&media::HLS_LIVE);
}

/// A player shows everything, as fast as it comes, and finds nothing wrong; tokens live two seconds.
#[track_caller]
fn plays(program: &str, options: &str) {
    for kind in [media::HLS, media::HLS_FMP4, media::HLS_AES, media::HLS_MASTER, media::DASH] {
        let relayed = Relayed::with(Tokens::living(Duration::from_secs(2)), kind.paced(Duration::from_secs(5)), "");
        let line = options.replace("URL", &relayed.url(kind.entry));
        let run = finish(relayed.protected.home.program(program, line.split(' ').filter(|word| !word.is_empty())));
        run.expect_code(0);
        assert!(run.stderr.is_empty() && run.stdout.is_empty(), "{} {}\n{}", run.stdout, run.stderr, relayed.story());
        let delivered =
            |end: &str| relayed.origin().log().iter().filter(|entry| entry.path.ends_with(end) && entry.status < 300).count();
        let segments = delivered(".ts") + delivered(".m4s");
        assert!(segments >= 10 && relayed.origin().accepted().len() >= 2, "{segments} segments\n{}", relayed.story());
        assert!(relayed.origin().log().iter().all(|entry| [200, 206, 401].contains(&entry.status)), "{}", relayed.story());
    }
}

#[test]
fn gstreamer_plays_to_the_end() {
    plays("gst-launch-1.0", "-q playbin3 uri=URL flags=video+audio video-sink=fakesink audio-sink=fakesink");
}

#[test]
fn mpv_plays_to_the_end() {
    plays("mpv", "--no-config --vo=null --ao=null --ao-null-untimed --untimed --hls-bitrate=max --msg-level=all=error URL");
}

#[test]
fn ffmpeg_uploads_hls() {
    let relayed = Relayed::with(Tokens::living(Duration::from_secs(2)), Site::default(), "");
    let (input, output) = (media::MPEGTS.file().display().to_string(), relayed.url("out/live.m3u8"));
    let words = [
        "-v",
        "error",
        "-nostdin",
        "-re",
        "-t",
        "5",
        "-i",
        &input,
        "-c",
        "copy",
        "-f",
        "hls",
        "-hls_time",
        "1",
        "-method",
        "PUT",
    ];
    finish(relayed.protected.home.program("ffmpeg", words.into_iter().chain([output.as_str()]))).expect_code(0);
    let stored = relayed.origin().stored();
    assert!(stored.len() >= 3 && stored.contains_key("/out/live.m3u8"), "{:?}\n{}", stored.keys(), relayed.story());
    assert!(relayed.origin().accepted().len() >= 2, "{}", relayed.story());
}

#[test]
fn curl_reads_files_parts_and_heads() {
    let kind = media::MP4_MOOV_FIRST;
    let whole = std::fs::read(kind.file()).expect("a file");
    let relayed = Relayed::new(kind.site());
    let home = &relayed.protected.home;
    let url = relayed.url("video.mp4");
    let curl = |words: &[&str]| {
        let run = finish(home.program("curl", ["-sS", "--fail", "-o", "got"].iter().chain(words).chain([&url.as_str()])));
        run.expect_code(0);
        std::fs::read(home.path("got")).expect("a file")
    };
    assert!(curl(&[]) == whole);
    assert!(curl(&["-r", "1000-4999"]) == whole[1000..5000]);
    assert!(curl(&["-r", "5000-"]) == whole[5000..]);
    assert!(curl(&["--http1.0"]) == whole);
    let head = String::from_utf8(curl(&["-I"])).expect("text");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("accept-ranges: bytes"), "{head}");
    // It asks first whether it may send so much (Expect: 100-continue).
    let file = kind.file().display().to_string();
    curl(&["-T", &file]);
    assert!(relayed.origin().stored().get("/video.mp4") == Some(&whole), "{}", relayed.story());
    std::fs::write(home.path("got"), &whole[..7000]).expect("a file");
    assert!(curl(&["-C", "-"]) == whole);
}
