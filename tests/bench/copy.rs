//! ffauth against `ffmpeg`, in turn: throughput, peak memory and start-up of a stream copy over loopback HTTP.
//!
//! `cargo bench --bench copy` prints the median ratios. `FFAUTH_BENCH_PAIRS` (9) and `FFAUTH_BENCH_MB` (1000) change the size.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--measure") {
        return measure(&args[at + 1..]);
    }
    let pairs: usize = setting("FFAUTH_BENCH_PAIRS", 9);
    let megabytes: u64 = setting("FFAUTH_BENCH_MB", 1000);
    let dir = tempfile::tempdir().unwrap();
    make_media(dir.path(), megabytes);
    std::fs::write(dir.path().join("token"), "benchmark-token").unwrap();
    std::fs::set_permissions(dir.path().join("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let base = serve(dir.path());
    println!("{pairs} alternating pairs; each ratio is the median of ffauth / ffmpeg");
    compare("large: mpegts, -c copy -f mpegts", &format!("{base}/large.ts"), dir.path(), pairs);
    compare("start-up: 1 s mpegts, -c copy -f mpegts", &format!("{base}/small.ts"), dir.path(), pairs * 3);
}

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn make_media(dir: &Path, megabytes: u64) {
    let ffmpeg = |args: &[&str]| {
        let status = Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(args).current_dir(dir).status().unwrap();
        assert!(status.success(), "ffmpeg {args:?}");
    };
    let source = "testsrc2=size=1280x720:rate=25:duration=20,noise=alls=30:allf=t";
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        source,
        "-f",
        "lavfi",
        "-i",
        "sine=duration=20",
        "-c:v",
        "mpeg2video",
        "-b:v",
        "8M",
        "-c:a",
        "mp2",
        "seed.ts",
    ]);
    ffmpeg(&["-i", "seed.ts", "-c", "copy", "-t", "1", "small.ts"]);
    ffmpeg(&["-stream_loop", "-1", "-i", "seed.ts", "-c", "copy", "-fs", &format!("{megabytes}M"), "large.ts"]);
}

fn compare(what: &str, url: &str, dir: &Path, pairs: usize) {
    let mut ratios = [Vec::new(), Vec::new()];
    let mut absolute = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for pair in 0..=pairs {
        let theirs = run(dir, &["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", url, "-c", "copy", "-f", "mpegts", "theirs.ts"]);
        let ours = run(
            dir,
            &[
                env!("CARGO_BIN_EXE_ffauth"),
                "-v",
                "error",
                "-nostdin",
                "-y",
                "-auth",
                "bench",
                "-i",
                url,
                "-c",
                "copy",
                "-f",
                "mpegts",
                "ours.ts",
            ],
        );
        let (a, b) = (dir.join("theirs.ts"), dir.join("ours.ts"));
        assert_eq!(a.metadata().unwrap().len(), b.metadata().unwrap().len(), "the two outputs differ in length");
        // The first pair warms the caches.
        if pair > 0 {
            ratios[0].push(ours.0 / theirs.0);
            ratios[1].push(ours.1 / theirs.1);
            for (list, value) in absolute.iter_mut().zip([ours.0, theirs.0, ours.1 / 1024.0, theirs.1 / 1024.0]) {
                list.push(value);
            }
        }
    }
    let [wall, memory] = ratios.map(median);
    let [our_wall, their_wall, our_memory, their_memory] = absolute.map(median);
    println!("{what}");
    println!("  wall time   {wall:.3}  ({our_wall:.3} s / {their_wall:.3} s), throughput ratio {:.3}", 1.0 / wall);
    println!("  peak memory {memory:.3}  ({our_memory:.1} MB / {their_memory:.1} MB)");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs a command in a process of its own that reports the child's wall seconds and peak memory in KiB.
fn run(dir: &Path, command: &[&str]) -> (f64, f64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("--measure")
        .args(command)
        .current_dir(dir)
        .env("FFAUTH_BENCH_ACCESS_TOKEN_FILE", dir.join("token"))
        .env("FFAUTH_STATE", dir.join("state"))
        // These would be keys of the profile `bench`.
        .env_remove("FFAUTH_BENCH_PAIRS")
        .env_remove("FFAUTH_BENCH_MB")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{command:?} failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let (seconds, kib) = text.trim().split_once(' ').unwrap();
    (seconds.parse().unwrap(), kib.parse().unwrap())
}

fn measure(command: &[String]) {
    let start = Instant::now();
    let status = Command::new(&command[0]).args(&command[1..]).stdout(Stdio::null()).status().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(status.success(), "{status}");
    println!("{seconds} {}", getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss());
}

/// A file server on loopback with ranges and keep-alive; ends with the process.
fn serve(dir: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let dir = dir.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let dir = dir.clone();
            std::thread::spawn(move || answer(stream, &dir));
        }
    });
    base
}

fn answer(mut stream: TcpStream, dir: &Path) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut request, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line)? > 2 {
            request.push_str(&line.to_ascii_lowercase());
            line.clear();
        }
        let Some(path) = request.split(' ').nth(1) else { return Ok(()) };
        let mut file = File::open(dir.join(path.trim_start_matches('/')))?;
        let size = file.metadata()?.len();
        let start =
            request.split_once("range: bytes=").and_then(|(_, rest)| rest.split_once('-')?.0.parse().ok()).unwrap_or(0).min(size);
        file.seek(SeekFrom::Start(start))?;
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Type: video/mp2t\r\nAccept-Ranges: bytes\r\nContent-Range: bytes {start}-{}/{size}\r\nContent-Length: {}\r\n\r\n",
            size.saturating_sub(1),
            size - start
        )?;
        std::io::copy(&mut file.take(size - start), &mut stream)?;
    }
}
