//! Damaged media: whatever a file holds, the program ends by itself, in time, with an exit code of its own, and says nothing
//! of a panic.
//!
//! ```text
//! cargo nextest run mutated::                                                    # some files, with every run of the tests
//! cargo nextest run --run-ignored only mutated::a_thousand_files                 # 1,000 files
//! FFAUTH_SEED=7 cargo nextest run --run-ignored only mutated::a_thousand_files   # others
//! RUSTFLAGS="--cfg rustix_use_libc" cargo nextest run --target-dir target/valgrind --run-ignored only mutated::fifty_files
//! ```
//!
//! Under valgrind system calls go through libc: rustix reads the kernel's vDSO by itself, which is not there then.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// No run takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// The kinds of file, and how ffmpeg makes a small one.
const KINDS: &[(&str, &str)] = &[
    ("mp4", "-c:v libx264 -preset ultrafast -c:a aac"),
    ("mkv", "-c:v mpeg4 -c:a libvorbis"),
    ("ts", "-c:v mpeg2video -c:a mp2"),
    ("flv", "-c:v flv1 -c:a libmp3lame -ar 22050"),
    ("mp3", "-vn -c:a libmp3lame"),
    ("ogg", "-c:v libtheora -c:a libvorbis"),
    ("wav", "-vn -c:a pcm_s16le"),
    ("gif", "-an"),
    ("webm", "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus"),
    ("avi", "-c:v mjpeg -c:a ac3"),
    ("srt", ""),
];

/// What is done with each file.
const LINES: &[&str] = &["-f null -", "-c copy -f null -", "-c:v mpeg4 -c:a pcm_s16le -f avi -", "-map 0 -c copy -f matroska -"];

#[test]
fn some_files() {
    check(66, &|file, line| run(Command::new(env!("CARGO_BIN_EXE_ffauth")), file, line, LIMIT));
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_files() {
    check(1_000, &|file, line| run(Command::new(env!("CARGO_BIN_EXE_ffauth")), file, line, LIMIT));
}

/// What is lost for good counts, and every use of memory that is not the program's.
#[test]
#[ignore = "takes minutes, and valgrind"]
fn fifty_files_under_valgrind() {
    let options = [
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=definite",
        "--errors-for-leak-kinds=definite",
        "--undef-value-errors=no",
        "--num-callers=30",
    ];
    check(50, &|file, line| {
        let mut command = Command::new("valgrind");
        command.args(options).arg(env!("CARGO_BIN_EXE_ffauth"));
        run(command, file, line, 20 * LIMIT)
    });
}

/// Damages `count` files and gives each to `run`.
fn check(count: u64, run: &(dyn Fn(&Path, &str) -> Result<(), String> + Sync)) {
    let seed = std::env::var("FFAUTH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let folder = tempfile::tempdir().expect("a folder");
    let sources: Vec<(&str, Vec<u8>)> =
        KINDS.iter().map(|(kind, options)| (*kind, source(folder.path(), kind, options))).collect();
    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let (kind, whole) = &sources[usize::try_from(number).expect("small") % sources.len()];
                    let mut random = Random(seed * 1_000_003 + number + 1);
                    let file = folder.path().join(format!("damaged-{seed}-{number}.{kind}"));
                    std::fs::write(&file, damage(whole, &mut random)).expect("a file");
                    let line = LINES[random.below(LINES.len())];
                    match run(&file, line) {
                        Ok(()) => std::fs::remove_file(&file).expect("removed"),
                        Err(what) => failures.lock().expect("no panic").push(format!("{kind} {number} {line}: {what}")),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    let kept: PathBuf = if failures.is_empty() { PathBuf::new() } else { folder.keep() };
    assert!(
        failures.is_empty(),
        "{} of {count}, seed {seed}, kept in {}:\n{}",
        failures.len(),
        kept.display(),
        failures.join("\n")
    );
}

/// A small file of this kind.
fn source(folder: &Path, kind: &str, options: &str) -> Vec<u8> {
    if kind == "srt" {
        return b"1\n00:00:00,100 --> 00:00:00,900\n<i>One</i>\n\n2\n00:00:01,000 --> 00:00:02,000\nTwo\n".repeat(20);
    }
    let file = folder.join(format!("whole.{kind}"));
    let inputs = "-f lavfi -i testsrc2=s=96x64:r=15:d=1 -f lavfi -i sine=d=1:r=22050";
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]).args(inputs.split(' '));
    let status = command.args(options.split(' ').filter(|word| !word.is_empty())).arg(&file).status().expect("ffmpeg starts");
    assert!(status.success(), "{kind}");
    std::fs::read(file).expect("a file")
}

/// Changes bytes, overwrites, repeats or takes out blocks, or cuts the end off; mostly several of these.
fn damage(whole: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=random.below(6) {
        let size = bytes.len();
        let at = random.below(size.max(1));
        // Headers decide about most.
        let at = if random.below(3) == 0 { at.min(random.below(512)) } else { at };
        let length = random.below(256).min(size - at.min(size));
        match random.below(6) {
            0 => (0..=random.below(8)).for_each(|_| {
                let near = (at + random.below(64)).min(size.saturating_sub(1));
                bytes[near] = random.byte();
            }),
            1 => bytes[at..at + length].fill_with(|| random.byte()),
            2 => bytes[at..at + length].fill([0, 0xff, 0x7f, 0x80][random.below(4)]),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let block = bytes[at..at + length].to_vec();
                bytes.splice(at..at, block);
            }
            _ if random.below(3) == 0 => bytes.truncate(at.max(1)),
            _ => bytes[at] ^= 1 << random.below(8),
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

/// Runs a line over a file: an error if it ends by a signal, with a panic, with a code that ffmpeg does not have, or not at all.
fn run(mut command: Command, file: &Path, line: &str, limit: Duration) -> Result<(), String> {
    let log = tempfile::NamedTempFile::new().expect("a file");
    command.args(["-nostdin", "-y", "-loglevel", "error", "-t", "20", "-i"]).arg(file).args(line.split(' '));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.reopen().expect("a file"));
    let mut child = command.spawn().expect("the program starts");
    let began = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None if began.elapsed() > limit => {
                child.kill().and_then(|()| child.wait()).expect("it ends");
                return Err(format!("it does not end in {limit:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let text = std::fs::read(log.path()).map(|text| String::from_utf8_lossy(&text).into_owned()).expect("a log");
    if matches!(status.code(), Some(0 | 1 | 69)) && !text.contains("panicked at") {
        return Ok(());
    }
    let end: Vec<&str> = text.lines().rev().take(40).collect();
    Err(format!("{status}: {}", end.into_iter().rev().collect::<Vec<_>>().join("\n    ")))
}

/// xorshift64*: the same numbers for the same seed everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % limit
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}
