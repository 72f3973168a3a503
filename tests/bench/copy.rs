//! ffauth against `ffmpeg`, in turn: throughput, peak memory and start-up of a stream copy over loopback HTTP.
//!
//! `cargo bench --bench copy` prints the median ratios. `FFAUTH_BENCH_PAIRS` (9) and `FFAUTH_BENCH_MB` (1000) change the size.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "turn.rs"]
mod turn;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use turn::{compare, ffmpeg, setting};

fn main() {
    if turn::is_run() {
        return;
    }
    let pairs: usize = setting("FFAUTH_BENCH_PAIRS", 9);
    let megabytes: u64 = setting("FFAUTH_BENCH_MB", 1000);
    let dir = tempfile::tempdir().unwrap();
    make_media(dir.path(), megabytes);
    std::fs::write(dir.path().join("token"), "benchmark-token").unwrap();
    std::fs::set_permissions(dir.path().join("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let base = serve(dir.path());
    println!("{pairs} alternating pairs; each ratio is the median of ffauth / ffmpeg");
    measure("large: mpegts, -c copy -f mpegts", &format!("{base}/large.ts"), dir.path(), pairs);
    measure("start-up: 1 s mpegts, -c copy -f mpegts", &format!("{base}/small.ts"), dir.path(), pairs * 3);
}

fn make_media(dir: &Path, megabytes: u64) {
    let source = "testsrc2=size=1280x720:rate=25:duration=20,noise=alls=30:allf=t";
    ffmpeg(
        dir,
        &[
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
        ],
    );
    ffmpeg(dir, &["-i", "seed.ts", "-c", "copy", "-t", "1", "small.ts"]);
    ffmpeg(dir, &["-stream_loop", "-1", "-i", "seed.ts", "-c", "copy", "-fs", &format!("{megabytes}M"), "large.ts"]);
}

fn measure(what: &str, url: &str, dir: &Path, pairs: usize) {
    let copy = ["-i", url, "-c", "copy", "-f", "mpegts"];
    let quiet = ["-v", "error", "-nostdin", "-y"];
    let theirs = [&["ffmpeg"][..], &quiet, &copy, &["theirs.ts"]].concat();
    let ours = [&[env!("CARGO_BIN_EXE_ffauth")][..], &quiet, &["-auth", "bench"], &copy, &["ours.ts"]].concat();
    let compared = compare(dir, pairs, &theirs, &ours, || {
        let [a, b] = ["theirs.ts", "ours.ts"].map(|name| dir.join(name).metadata().unwrap().len());
        assert_eq!(a, b, "the two outputs differ in length");
    });
    let turn::Compared { ratio, ours, theirs } = compared;
    println!("{what}");
    println!(
        "  wall time   {:.3}  ({:.3} s / {:.3} s), throughput ratio {:.3}",
        ratio.wall,
        ours.wall,
        theirs.wall,
        1.0 / ratio.wall
    );
    println!("  peak memory {:.3}  ({:.1} MB / {:.1} MB)", ratio.memory, ours.memory / 1024.0, theirs.memory / 1024.0);
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
