//! Two programs in turn: each run in a process of its own that reports what it took.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What one run took.
#[derive(Clone, Copy)]
pub struct Taken {
    /// Wall time, in seconds.
    pub wall: f64,
    /// Time of processors in user and kernel mode, in seconds.
    pub cpu: f64,
    /// Peak memory, in KiB.
    pub memory: f64,
}

/// Medians over alternating pairs.
pub struct Compared {
    /// Of ours / theirs, pair by pair.
    pub ratio: Taken,
    /// Ours.
    pub ours: Taken,
    /// Theirs.
    pub theirs: Taken,
}

/// To be called first in `main`: is this the process around a run? Then it is done.
pub fn is_run() -> bool {
    let args: Vec<String> = std::env::args().collect();
    let Some(at) = args.iter().position(|arg| arg == "--measure") else { return false };
    let command = &args[at + 1..];
    let start = Instant::now();
    let status = Command::new(&command[0]).args(&command[1..]).stdout(Stdio::null()).status().unwrap();
    let wall = start.elapsed().as_secs_f64();
    assert!(status.success(), "{status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    println!("{wall} {} {}", cpu(&usage), usage.max_rss());
    true
}

fn cpu(usage: &Usage) -> f64 {
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

/// `FFAUTH_BENCH_…`: how much is run.
pub fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Runs `theirs` and `ours` in turn, and `check` after each pair. A pair before the first warms the caches.
pub fn compare(dir: &Path, pairs: usize, theirs: &[&str], ours: &[&str], check: impl Fn()) -> Compared {
    let taken: Vec<(Taken, Taken)> = (0..=pairs)
        .map(|_| {
            let pair = (run(dir, ours), run(dir, theirs));
            check();
            pair
        })
        .skip(1)
        .collect();
    let median_of = |value: fn(&(Taken, Taken)) -> Taken| Taken {
        wall: median(taken.iter().map(|pair| value(pair).wall)),
        cpu: median(taken.iter().map(|pair| value(pair).cpu)),
        memory: median(taken.iter().map(|pair| value(pair).memory)),
    };
    Compared {
        ratio: median_of(|(ours, theirs)| Taken {
            wall: ours.wall / theirs.wall,
            cpu: ours.cpu / theirs.cpu,
            memory: ours.memory / theirs.memory,
        }),
        ours: median_of(|(ours, _)| *ours),
        theirs: median_of(|(_, theirs)| *theirs),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn run(dir: &Path, command: &[&str]) -> Taken {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("--measure")
        .args(command)
        .current_dir(dir)
        .env("FFAUTH_BENCH_ACCESS_TOKEN_FILE", dir.join("token"))
        .env("FFAUTH_STATE", dir.join("state"))
        // These would be keys of the profile `bench`.
        .env_remove("FFAUTH_BENCH_PAIRS")
        .env_remove("FFAUTH_BENCH_MB")
        .env_remove("FFAUTH_BENCH_SECONDS")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{command:?} failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
    let mut next = || numbers.next().unwrap();
    Taken { wall: next(), cpu: next(), memory: next() }
}

/// Makes media in `dir` with ffmpeg.
pub fn ffmpeg(dir: &Path, args: &[&str]) {
    let status = Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(args).current_dir(dir).status().unwrap();
    assert!(status.success(), "ffmpeg {args:?}");
}
