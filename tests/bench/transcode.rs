//! ffauth against `ffmpeg`, in turn: what transcoding takes, where both give the same bits.
//!
//! `cargo bench --bench transcode` prints the median ratios and their bounds. `FFAUTH_BENCH_PAIRS` (9) and
//! `FFAUTH_BENCH_SECONDS` (8) change the size. On a machine that does other things the ratio of processor time says more than
//! that of wall time.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "turn.rs"]
mod turn;

use std::path::Path;

use turn::{Compared, compare, ffmpeg, setting};

/// What is run: its name, what stands after the program, and the output.
const CASES: &[(&str, &str, &str)] = &[
    ("x264 veryfast 720p", "-i movie.mp4 -c:v libx264 -preset veryfast -crf 23 -c:a aac -b:a 128k", "mkv"),
    (
        "x264 ladder of 3",
        "-i movie.mp4 -filter_complex [0:v]split=3[a][b][c];[a]null[v1];[b]scale=854:480[v2];[c]scale=640:360[v3] -map [v1] -map \
         [v2] -map [v3] -map 0:a -c:v libx264 -preset veryfast -crf:v:0 23 -crf:v:1 24 -crf:v:2 25 -c:a aac -b:a 128k",
        "mkv",
    ),
    ("AAC only", "-i sound.m4a -c:a aac -b:a 128k", "m4a"),
    ("scale, fps, mjpeg", "-i movie.mp4 -vf scale=640:360,fps=10 -c:v mjpeg -q:v 4 -an", "avi"),
    ("decode only", "-i movie.mp4 -f null", "null"),
];

/// More wall time than this times ffmpeg's is too much for any, and so many must take less than that.
const WALL: (f64, usize, f64) = (1.02, 2, 0.95);
/// More memory than this times ffmpeg's is too much.
const MEMORY: f64 = 1.1;

fn main() {
    if turn::is_run() {
        return;
    }
    let pairs: usize = setting("FFAUTH_BENCH_PAIRS", 9);
    let seconds: u32 = setting("FFAUTH_BENCH_SECONDS", 8);
    let dir = tempfile::tempdir().unwrap();
    make_media(dir.path(), seconds);
    println!("{pairs} alternating pairs; each ratio is the median of ffauth / ffmpeg");
    println!("{:<20} {:>28}   {:>28}   {:>28}", "", "wall time", "processor time", "peak memory");
    let compared: Vec<Compared> = CASES.iter().map(|case| measure(dir.path(), pairs, case)).collect();
    let (most, count, less) = WALL;
    let faster = compared.iter().filter(|compared| compared.ratio.wall < less).count();
    let slower = compared.iter().filter(|compared| compared.ratio.wall > most).count();
    let larger = compared.iter().filter(|compared| compared.ratio.memory > MEMORY).count();
    let verdict = |met: bool| if met { "met" } else { "MISSED" };
    println!("wall time at most {most} for all: {} ({slower} above)", verdict(slower == 0));
    println!("wall time below {less} for at least {count}: {} ({faster} below)", verdict(faster >= count));
    println!("peak memory at most {MEMORY} for all: {} ({larger} above)", verdict(larger == 0));
    println!("load of the machine at the end: {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
}

fn make_media(dir: &Path, seconds: u32) {
    let pictures = format!("testsrc2=size=1280x720:rate=25:duration={seconds},noise=alls=12:allf=t");
    let tones = |seconds| format!("aevalsrc=0.3*sin(2*PI*(300+40*t)*t)+0.2*random(0)|0.3*sin(880*t*t)+0.2*random(1):d={seconds}");
    let (short, long) = (tones(seconds), tones(seconds * 15));
    let lavfi = ["-f", "lavfi", "-i"];
    let movie = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "4M", "-c:a", "aac", "-b:a", "128k", "movie.mp4"];
    ffmpeg(dir, &[&lavfi[..], &[&pictures], &lavfi, &[&short], &movie].concat());
    ffmpeg(dir, &[&lavfi[..], &[&long], &["-c:a", "aac", "-b:a", "192k", "sound.m4a"]].concat());
}

fn measure(dir: &Path, pairs: usize, (name, line, extension): &(&str, &str, &str)) -> Compared {
    let files = [format!("theirs.{extension}"), format!("ours.{extension}")];
    let command = |program| {
        let mut command = vec![program, "-v", "error", "-nostdin", "-y"];
        command.extend(line.split_whitespace());
        command
    };
    let exact = ["-flags", "+bitexact", "-fflags", "+bitexact"];
    let [theirs, ours] = [("ffmpeg", &files[0]), (env!("CARGO_BIN_EXE_ffauth"), &files[1])]
        .map(|(program, file)| [&command(program)[..], &exact, &[file]].concat());
    let compared = compare(dir, pairs, &theirs, &ours, || {
        let [a, b] = files.each_ref().map(|file| std::fs::read(dir.join(file)).ok());
        assert!(a == b, "{name}: the outputs differ");
    });
    let cell = |ratio: f64, ours: f64, theirs: f64, unit: &str| format!("{ratio:.3} ({ours:.2} / {theirs:.2} {unit})");
    let Compared { ratio, ours, theirs } = &compared;
    println!(
        "{name:<20} {:>28}   {:>28}   {:>28}",
        cell(ratio.wall, ours.wall, theirs.wall, "s"),
        cell(ratio.cpu, ours.cpu, theirs.cpu, "s"),
        cell(ratio.memory, ours.memory / 1024.0, theirs.memory / 1024.0, "MB"),
    );
    compared
}
