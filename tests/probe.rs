//! `ffauth probe` against the `ffprobe` program: the same bytes for the same file.

use std::path::Path;
use std::process::Command;

use ffauth::cli::probe::args::{self, Request};
use ffauth::command_line::{OptionLookup, OptionUse};
use ffauth::libav::io::Access;
use ffauth::shutdown::Shutdown;

struct Nothing;

impl OptionLookup for Nothing {
    fn find(&self, name: &str) -> Option<OptionUse> {
        matches!(name, "probesize" | "headers").then_some(OptionUse { format: true, ..OptionUse::default() })
    }
}

/// The files, and the command lines that make them.
const FILES: &[(&str, &str)] = &[
    (
        "av.mp4",
        "-f lavfi -i testsrc=d=2:s=64x48:r=10 -f lavfi -i sine=d=2 -c:v libx264 -bf 2 -c:a aac -metadata title=a|b,\"c\"\\ä",
    ),
    ("turned.mp4", "-i av.mp4 -c copy -metadata:s:v rotate=90"),
    (
        "all.mkv",
        "-i av.mp4 -i chapters.txt -i s.srt -map 0 -map 2 -map_metadata 1 -c:v copy -c:a libopus -c:s ass -attach s.srt -metadata:s:t mimetype=text/plain",
    ),
    ("av.ts", "-i av.mp4 -c copy -metadata service_name=One"),
    ("a.wav", "-f lavfi -i sine=d=1 -c:a pcm_s24le"),
    ("a.mp3", "-f lavfi -i sine=d=1 -metadata artist=A"),
    ("v.mpg", "-f lavfi -i testsrc=d=1:s=64x48:r=25 -c:v mpeg2video"),
    (
        "hdr.mkv",
        "-f lavfi -i testsrc=d=1:s=64x48:r=5 -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv -c:v libx265 -x265-params log-level=none:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400",
    ),
];

/// What is asked of every file.
const QUESTIONS: &[&str] = &[
    "-of json -show_format -show_streams -show_packets -show_chapters -show_data_hash md5",
    "-show_format -show_streams -show_packets -show_chapters -show_data_hash md5",
    "-of json -show_programs -show_streams -show_packets -select_streams v",
    "-of json=c=1 -show_streams -show_packets",
    "-of compact -show_streams -show_packets -show_chapters -show_format -show_programs -show_data_hash sha256",
    "-of csv -show_streams -show_packets -show_chapters -show_format -show_data_hash crc32",
    "-of csv=p=0 -show_entries packet=pts_time,size -select_streams a",
    "-of default=nw=1:nk=1 -show_entries format=duration,size:stream=codec_name",
    "-of json -show_entries stream=index:stream_tags=language:chapter=id:packet=dts",
    "-of json -show_entries stream",
    "-of json",
    "-show_format -nofind_stream_info",
    "-show_streams -probesize 100000",
];

fn make_files(folder: &Path) {
    std::fs::write(folder.join("s.srt"), "1\n00:00:00,100 --> 00:00:00,900\nHello\n\n").expect("written");
    let chapters = ";FFMETADATA1\ntitle=Ti=tle\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=2000\n";
    std::fs::write(folder.join("chapters.txt"), chapters).expect("written");
    for (name, line) in FILES {
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error"])
            .args(line.split(' '))
            .arg(name)
            .current_dir(folder)
            .status()
            .expect("ffmpeg is installed");
        assert!(status.success(), "{name}");
    }
}

/// What we print, and whether it is the whole.
fn ours(words: &[String]) -> (String, Result<(), ffauth::error::Error>) {
    let arguments = match args::parse(words, &Nothing) {
        Ok(Request::Probe(arguments)) => arguments,
        Ok(Request::Help) => panic!("{words:?} asks for help"),
        Err(error) => return (String::new(), Err(error)),
    };
    let mut out = Vec::new();
    let result = ffauth::cli::probe::run(&arguments, Access::default(), Shutdown::default(), &mut out);
    (String::from_utf8(out).expect("text"), result)
}

/// What ffprobe prints, and whether it ended with 0.
fn theirs(words: &[String]) -> (String, bool) {
    let output = Command::new("ffprobe").args(words).output().expect("ffprobe is installed");
    (String::from_utf8(output.stdout).expect("text"), output.status.success())
}

#[test]
fn the_description_is_ffprobes_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    make_files(folder.path());
    let mut different = Vec::new();
    for (name, _) in FILES {
        let path = folder.path().join(name).to_string_lossy().into_owned();
        for question in QUESTIONS {
            let words: Vec<String> = question.split(' ').chain(["-v", "error", &path]).map(str::to_owned).collect();
            let (wanted, _) = theirs(&words);
            let (found, result) = ours(&words);
            if found != wanted || result.is_err() {
                let line = wanted.lines().zip(found.lines()).find(|(wanted, found)| wanted != found);
                different.push(format!("{name} {question}: (wanted, found) = {line:?}, {result:?}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn failures_leave_a_complete_document_and_are_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rubbish.bin"), "no media at all".repeat(100)).expect("written");
    for name in ["nothing.mp4", "rubbish.bin"] {
        let path = folder.path().join(name).to_string_lossy().into_owned();
        for question in ["-of json -show_error -show_format", "-show_error", "-of json -show_streams", "-show_streams"] {
            let words: Vec<String> = question.split(' ').chain(["-v", "quiet", &path]).map(str::to_owned).collect();
            let (found, result) = ours(&words);
            assert_eq!((found, result.is_ok()), theirs(&words), "{name} {question}");
        }
    }
}
