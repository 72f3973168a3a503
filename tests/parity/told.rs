//! What programs read from standard error: detectors, meters, descriptions of streams, the line of progress.

use std::path::Path;
use std::process::{Command, Stdio};

use super::words;

/// Name, line, and what stands in the lines of standard error that are compared; `*` = all but the banner.
const TOLD: &[(&str, &str, &[&str])] = &[
    (
        "silencedetect",
        "-f lavfi -i sine=d=1 -f lavfi -i anullsrc=d=1 -filter_complex [0:a][1:a]concat=v=0:a=1,silencedetect=n=-50dB:d=0.3 -f null -",
        &["silence_"],
    ),
    (
        "blackdetect",
        "-f lavfi -i testsrc2=d=1 -f lavfi -i color=black:s=320x240:d=1 -filter_complex [0:v][1:v]concat,blackdetect=d=0.2:pix_th=0.1 -f null -",
        &["black_start"],
    ),
    ("blackframe", "-f lavfi -i color=black:d=0.2 -vf blackframe -f null -", &["pblack"]),
    ("freezedetect", "-f lavfi -i color=red:d=3 -vf freezedetect=d=1 -f null -", &["freeze_"]),
    ("cropdetect", "-f lavfi -i testsrc2=d=0.4,pad=400:300:40:30 -vf cropdetect -f null -", &["crop="]),
    ("idet", "-f lavfi -i testsrc2=d=0.4 -vf idet -f null -", &["frame detection", "Repeated Fields"]),
    ("volumedetect", "-f lavfi -i sine=d=1 -af volumedetect -f null -", &["_volume:", "n_samples", "histogram_"]),
    ("astats", "-f lavfi -i sine=d=1 -af astats -f null -", &["Parsed_astats"]),
    (
        "ebur128",
        "-f lavfi -i sine=d=1 -af ebur128=peak=true -f null -",
        &["TARGET", "LUFS", "LRA", "dBFS", "Summary", "Threshold", "peak"],
    ),
    ("loudnorm in JSON", "-f lavfi -i sine=d=4 -af loudnorm=print_format=json -f null -", &["{", "}", "\" : \""]),
    ("showinfo", "-f lavfi -i testsrc2=d=0.2 -vf showinfo -f null -", &["pts_time", "color_range", "config "]),
    ("ashowinfo", "-f lavfi -i sine=d=0.1 -af ashowinfo -f null -", &["pts_time"]),
    ("psnr", "-f lavfi -i testsrc2=d=0.4 -f lavfi -i testsrc2=d=0.4,hue=h=3 -lavfi psnr -f null -", &["PSNR"]),
    ("ssim", "-f lavfi -i testsrc2=d=0.4 -f lavfi -i testsrc2=d=0.4,hue=h=3 -lavfi ssim -f null -", &["SSIM"]),
    (
        "metadata=print",
        "-f lavfi -i testsrc2=d=0.2 -vf signalstats,metadata=print -f null -",
        &["lavfi.signalstats.YAVG", "frame:"],
    ),
    (
        "signature of scenes",
        "-f lavfi -i testsrc2=d=0.2 -vf select=gt(scene\\,0),showinfo -fps_mode vfr -f null -",
        &["pts_time"],
    ),
    (
        "descriptions",
        "-i movie.mkv -map 0 -c:v mpeg4 -c:a copy -c:s copy -f null -",
        &["Input #", "Duration:", "Stream #", "Output #", "Metadata:", "Chapter", "title", "encoder"],
    ),
    ("description of a file alone", "-i movie.mkv", &["*"]),
    ("copy", "-i movie.mkv -map 0 -c copy -f matroska -bitexact out.mkv", &["*"]),
    (
        "progress",
        "-nostats -stats_period 60 -progress pipe:2 -threads 1 -i movie.mkv -map 0:v -c:v rawvideo -threads 1 -f null -",
        &["frame=", "out_time", "dup_frames", "drop_frames", "total_size", "progress=", "stream_"],
    ),
    ("the last line", "-i movie.mkv -map 0:v -c:v mpeg4 -bitexact -f null -", &["frame=", "video:"]),
    ("sound alone", "-i movie.mkv -map 0:a -c:a pcm_s16le -bitexact out.wav", &["size=", "video:"]),
    (
        "verbose",
        "-v verbose -i movie.mkv -map 0:v -c:v mpeg4 -threads 1 -f null -",
        &["frames decoded", "packets read", "frames encoded", "packets muxed", "demuxed", "No more"],
    ),
    (
        "debug_ts",
        "-debug_ts -threads 1 -i movie.mkv -map 0:v -map 0:a -c:v mpeg4 -threads 1 -c:a copy -f matroska -bitexact out.mkv",
        &["demuxer", "decoder", "filter ->", "encoder", "muxer"],
    ),
    ("a norm that is found", "-f lavfi -i testsrc2=r=25:d=0.2 -target dvd out.vob", &["Assuming", "Stream #"]),
    ("missing file", "-i nosuch.mp4 out.mkv", &["nosuch.mp4:"]),
    ("rate that repeats", "-i movie.mkv -map 0:v -r 50 -c:v mpeg4 -f null -", &["frame="]),
];

#[test]
fn what_programs_read_from_standard_error_is_written_as_ffmpeg_writes_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = "1\n00:00:00,100 --> 00:00:00,300\nOne\n";
    std::fs::write(dir.path().join("s.srt"), text).expect("a file");
    let chapter = ";FFMETADATA1\ntitle=Whole\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=First\n";
    std::fs::write(dir.path().join("c.txt"), chapter).expect("a file");
    let make = "-f lavfi -i testsrc2=s=160x90:d=0.6 -f lavfi -i sine=d=0.6 -i s.srt -i c.txt -map 0 -map 1 -map 2 -map_metadata 3 \
                -metadata:s:a language=eng -disposition:s forced -c:v libx264 -threads 1 -c:a aac -c:s srt -bitexact movie.mkv";
    lines(dir.path(), "ffmpeg", make, &["*"]);
    let mut differences = Vec::new();
    for (name, line, wanted) in TOLD {
        let [theirs, ours] = ["ffmpeg", env!("CARGO_BIN_EXE_ffauth")].map(|program| lines(dir.path(), program, line, wanted));
        if theirs != ours || theirs.is_empty() {
            let first = theirs.iter().zip(&ours).find(|(a, b)| a != b);
            let counts = (theirs.len(), ours.len());
            differences.push(format!("{name}: {counts:?} lines (ffmpeg, ffauth), the first that differ: {first:#?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The lines of standard error with one of `wanted` in them, without what differs from run to run.
fn lines(dir: &Path, program: &str, line: &str, wanted: &[&str]) -> Vec<String> {
    let mut command = Command::new(program);
    command.args(["-hide_banner", "-nostdin", "-y"]).args(words(line)).current_dir(dir).stdin(Stdio::null());
    let output = command.output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = text.split(['\n', '\r']).filter(|line| !line.trim().is_empty());
    let chosen = lines.filter(|line| wanted.iter().any(|text| *text == "*" || line.contains(text)));
    // The lines of progress come by the clock; the last one counts.
    let mut chosen: Vec<String> = chosen.map(steady).collect();
    let is_progress = |line: &String| line.starts_with("frame=") && line.contains("speed=");
    if let Some(last) = chosen.iter().rev().find(|line| is_progress(line)).cloned() {
        chosen.retain(|line| !is_progress(line));
        chosen.push(last);
    }
    chosen
}

/// A line with `#` for addresses, speeds, rates and quantizers, without the word that ffauth puts before its errors.
fn steady(line: &str) -> String {
    let line = line.trim_end();
    let mut steady = line.strip_prefix("error: ").unwrap_or(line).to_owned();
    for key in ["fps=", "speed=", "_q=", "@ 0x"] {
        let mut from = 0;
        while let Some(at) = steady[from..].find(key).map(|at| from + at + key.len()) {
            let rest = &steady[at..];
            let blanks = rest.len() - rest.trim_start().len();
            let end = at + blanks + rest[blanks..].find([' ', ']']).unwrap_or(rest.len() - blanks);
            steady.replace_range(at..end, "#");
            from = at;
        }
    }
    steady
}
