//! Many live streams in one `ffauth serve`, beside as many `ffmpeg` processes: memory and CPU of each, and token requests.
//!
//! `cargo bench --bench serve` prints medians of three windows. `FFAUTH_BENCH_STREAMS` (100) and `FFAUTH_BENCH_WINDOW` (20, in
//! seconds) change the size. The streams are HLS with segments of 2 s; tokens live 10 s and are asked for with each request;
//! everything is copied into segments.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "serve/origin.rs"]
mod origin;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use origin::Origin;

/// Until all playlists are open and the first segments are read.
const WARM_UP: Duration = Duration::from_secs(20);
const WINDOWS: usize = 3;

fn main() {
    let streams: usize = setting("FFAUTH_BENCH_STREAMS", 100);
    let window = Duration::from_secs(setting("FFAUTH_BENCH_WINDOW", 20));
    let folder = tempfile::tempdir().unwrap();
    let lasts = WARM_UP * 2 + window * (WINDOWS as u32 + 1);
    println!("{streams} live streams, {WINDOWS} windows of {} s", window.as_secs());
    let ours = {
        let origin = Origin::start(folder.path(), lasts);
        let daemon = serve(folder.path(), &origin, streams);
        let measured = measure(&[&daemon], streams, window);
        let (rotations, requests) = (origin.rotations(), origin.token_requests());
        let metrics = ask(folder.path(), "/metrics");
        let sum = |name: &str| -> f64 {
            let samples = metrics.lines().filter(|line| line.starts_with(name));
            samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
        };
        println!(
            "ffauth serve: {} threads, {} packets read and written, {} gaps, {} segments lost, {} requests refused",
            sum("process_threads"),
            sum("ffauth_stream_packets_total"),
            sum("ffauth_stream_gaps_total"),
            sum("ffauth_stream_segments_lost_total"),
            sum("ffauth_stream_unauthorized_total"),
        );
        println!("  token requests {requests} in {rotations:.1} lives of a token");
        let running = metrics.lines().filter(|line| line.contains("state=\"running\"") && line.ends_with(" 1")).count();
        assert_eq!(running, streams, "not all streams run");
        measured
    };
    let theirs = {
        let origin = Origin::start(folder.path(), lasts);
        let processes: Vec<Leashed> = (0..streams).map(|index| ffmpeg(folder.path(), &origin, index)).collect();
        measure(&processes.iter().collect::<Vec<_>>(), streams, window)
    };
    println!("memory (PSS) a stream: {:.2} MiB, ffmpeg {:.2} MiB", ours.memory, theirs.memory);
    println!("CPU a stream: {:.3} %, ffmpeg {:.3} %, ratio {:.3}", ours.cpu, theirs.cpu, ours.cpu / theirs.cpu);
}

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Ends with this process.
struct Leashed(Child);

impl Drop for Leashed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(folder: &Path, origin: &Origin, streams: usize) -> Leashed {
    let mut config = format!(
        "[profile.live]\ntoken_url = \"{0}/token\"\nclient_id = \"bench\"\nclient_secret = \"secret\"\nstore = \"memory\"\n\
         [serve]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"state\"\n",
        origin.base()
    );
    for index in 0..streams {
        fs::create_dir_all(folder.join(format!("ours/{index}"))).unwrap();
        let url = format!("{}/protected/{index}/index.m3u8", origin.base());
        config += &format!(
            "[stream.s{index}]\nrun = \"-auth live -i {url} -c copy -f segment -segment_time 2 -segment_wrap 3 ours/{index}/%d.ts\"\n"
        );
    }
    use std::os::unix::fs::PermissionsExt;
    fs::write(folder.join("serve.toml"), config).unwrap();
    fs::set_permissions(folder.join("serve.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ffauth"));
    command.args(["serve", "--config", "serve.toml"]).current_dir(folder).stdin(Stdio::null());
    command.stdout(File::create(folder.join("ready")).unwrap()).stderr(File::create(folder.join("log")).unwrap());
    Leashed(command.spawn().unwrap())
}

fn ffmpeg(folder: &Path, origin: &Origin, index: usize) -> Leashed {
    fs::create_dir_all(folder.join(format!("theirs/{index}"))).unwrap();
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y", "-i"]).arg(format!("{}/open/{index}/index.m3u8", origin.base()));
    command.args(["-c", "copy", "-f", "segment", "-segment_time", "2", "-segment_wrap", "3"]);
    command
        .arg(format!("theirs/{index}/%d.ts"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Leashed(command.spawn().unwrap())
}

struct Measured {
    /// MiB a stream.
    memory: f64,
    /// Per cent of a processor a stream.
    cpu: f64,
}

fn measure(processes: &[&Leashed], streams: usize, window: Duration) -> Measured {
    thread::sleep(WARM_UP);
    let mut windows = Vec::new();
    for _ in 0..WINDOWS {
        let (began, before) = (Instant::now(), total(processes, cpu_seconds));
        thread::sleep(window);
        let cpu = (total(processes, cpu_seconds) - before) / began.elapsed().as_secs_f64() * 100.0;
        windows.push((total(processes, pss) / streams as f64, cpu / streams as f64));
    }
    let median = |pick: fn(&(f64, f64)) -> f64| {
        let mut all: Vec<f64> = windows.iter().map(pick).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Measured { memory: median(|window| window.0), cpu: median(|window| window.1) }
}

fn total(processes: &[&Leashed], of: fn(u32) -> f64) -> f64 {
    processes.iter().map(|process| of(process.0.id())).sum()
}

/// The proportional share of a process's memory, in MiB.
fn pss(id: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).expect("a running process");
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).expect("its share");
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// User and system time of a process.
fn cpu_seconds(id: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).expect("a running process");
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

/// What the daemon answers.
fn ask(folder: &Path, path: &str) -> String {
    let ready = fs::read_to_string(folder.join("ready")).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let token = fs::read_to_string(folder.join("state/api_token")).unwrap();
    let mut command = Command::new("curl");
    command.args(["-sS", "-H"]).arg(format!("Authorization: Bearer {}", token.trim()));
    let output = command.arg(format!("{}{path}", ready["listening"].as_str().unwrap())).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
