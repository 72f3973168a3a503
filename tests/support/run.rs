//! Runs ffauth as a person would, and reads what it left behind.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::media::Kind;
use super::token_server::{SECRET, TokenServer};

/// No run takes longer; one that does is killed and fails its test.
const LIMIT: Duration = Duration::from_secs(180);

/// The configuration in a home folder.
pub const CONFIG: &str = ".config/ffauth/config.toml";

/// A user's home folder: a configuration, a token store, room for output.
pub struct Home {
    dir: tempfile::TempDir,
}

/// The text of profile `name` for `server`; `more` holds further lines.
pub fn profile(name: &str, server: &TokenServer, more: &str) -> String {
    let url = server.url();
    format!("[profile.{name}]\ntoken_url = \"{url}\"\nclient_id = \"app\"\nclient_secret = \"{SECRET}\"\n{more}\n")
}

impl Home {
    /// `config`: the text of the configuration; empty = there is none.
    pub fn new(config: &str) -> Self {
        let home = Self { dir: tempfile::tempdir().expect("a folder") };
        if !config.is_empty() {
            home.write(CONFIG, config);
        }
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file that only its owner can read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("permissions");
        path
    }

    /// ffauth with these arguments, in this home and with nothing of the machine's environment but the path.
    pub fn ffauth<I: IntoIterator<Item: AsRef<std::ffi::OsStr>>>(&self, arguments: I) -> Command {
        self.program(env!("CARGO_BIN_EXE_ffauth"), arguments)
    }

    /// Another program in the same place.
    pub fn program<I: IntoIterator<Item: AsRef<std::ffi::OsStr>>>(&self, program: &str, arguments: I) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.dir.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").expect("a path")).env("HOME", self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs ffauth with the words of `line` as arguments.
    pub fn line(&self, line: &str) -> Finished {
        finish(self.ffauth(line.split(' ').filter(|word| !word.is_empty())))
    }

    /// Reads `url` with the token of `auth` and hashes every packet.
    pub fn read(&self, kind: &Kind, auth: &str, url: &str, more: &[&str]) -> Reading {
        self.finish_read(self.start_read(kind, auth, url, more))
    }

    /// Begins what [`read`](Self::read) does.
    pub fn start_read(&self, kind: &Kind, auth: &str, url: &str, more: &[&str]) -> Running {
        let mut arguments = vec!["-nostdin", "-y", "-copyts", "-summary", "summary.json"];
        arguments.extend(kind.options);
        arguments.extend(more);
        arguments.extend(["-auth", auth, "-i", url, "-map", "0", "-c", "copy", "-f", "framemd5", "read.framemd5"]);
        start(self.ffauth(arguments))
    }

    /// Waits for the end of what [`start_read`](Self::start_read) began.
    pub fn finish_read(&self, running: Running) -> Reading {
        let began = running.began;
        let run = running.finish();
        Reading { took: began.elapsed(), packets: packets(&self.path("read.framemd5")), summary: self.summary(), run }
    }

    /// What `-summary summary.json` wrote; null where there is none.
    pub fn summary(&self) -> serde_json::Value {
        let text = std::fs::read_to_string(self.path("summary.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// A read of everything in an input.
pub struct Reading {
    pub run: Finished,
    pub took: Duration,
    pub packets: Packets,
    pub summary: serde_json::Value,
}

/// (dts, pts, size, hash of the data)
pub type Packet = (i64, i64, u64, String);

/// For each stream its packets in order.
pub type Packets = BTreeMap<u32, Vec<Packet>>;

/// What `ffmpeg` reads from `url` without any token.
pub fn ffmpeg_read(home: &Home, kind: &Kind, url: &str) -> Packets {
    let mut arguments = vec!["-v", "error", "-nostdin", "-y", "-copyts"];
    arguments.extend(kind.options);
    arguments.extend(["-i", url, "-map", "0", "-c", "copy", "-f", "framemd5", "reference.framemd5"]);
    let run = finish(home.program("ffmpeg", arguments));
    assert!(run.code == Some(0), "the reference cannot be read: {}", run.stderr);
    let packets = packets(&home.path("reference.framemd5"));
    assert!(count(&packets) > 1000, "the reference has only {} packets", count(&packets));
    packets
}

/// The packets in a file that the framemd5 muxer wrote; none where there is no file.
pub fn packets(file: &Path) -> Packets {
    let mut packets = Packets::new();
    for line in std::fs::read_to_string(file).unwrap_or_default().lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [stream, dts, pts, _duration, size, hash, ..] = fields[..] else { continue };
        let number = |text: &str| text.parse::<i64>().expect("a number");
        let packet = (number(dts), number(pts), number(size).unsigned_abs(), hash.to_owned());
        packets.entry(stream.parse().expect("a stream index")).or_default().push(packet);
    }
    packets
}

pub fn count(packets: &Packets) -> usize {
    packets.values().map(Vec::len).sum()
}

/// Where two reads first differ, in words; `None` where they do not.
pub fn difference(expected: &Packets, got: &Packets) -> Option<String> {
    if expected == got {
        return None;
    }
    let streams = expected.iter().find_map(|(stream, packets)| {
        let other = got.get(stream).map_or(&[][..], Vec::as_slice);
        let at = packets.iter().zip(other).position(|(a, b)| a != b).unwrap_or(packets.len().min(other.len()));
        let here = (packets.get(at), other.get(at));
        (packets != other).then(|| format!("stream {stream} differs at packet {at} of {}: expected, got {here:?}", packets.len()))
    });
    Some(format!("{} packets expected, {} read; {}", count(expected), count(got), streams.unwrap_or("more streams".to_owned())))
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// The last lines of stderr, for messages.
    pub fn tail(&self) -> String {
        let lines: Vec<&str> = self.stderr.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// Fails the test unless the program ended with `code`.
    #[track_caller]
    pub fn expect_code(&self, code: i32) {
        assert!(self.code == Some(code), "ended with {:?} instead of {code}:\n{}", self.code, self.tail());
    }
}

/// A program that runs; its output is collected.
pub struct Running {
    child: Leashed,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    began: Instant,
}

/// A child that does not outlive the test, however that ends.
struct Leashed(Child);

impl Drop for Leashed {
    fn drop(&mut self) {
        // Fails for one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `command`. What it prints is collected, where it goes to a pipe.
pub fn start(mut command: Command) -> Running {
    let mut child = command.spawn().expect("the program starts");
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    Running { child: Leashed(child), stdout, stderr, began: Instant::now() }
}

/// Runs `command` to its end.
pub fn finish(command: Command) -> Finished {
    start(command).finish()
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.0.id()
    }

    pub fn stdin(&mut self) -> std::process::ChildStdin {
        self.child.0.stdin.take().expect("a pipe")
    }

    /// Has it ended?
    pub fn ended(&mut self) -> bool {
        self.child.0.try_wait().expect("a child").is_some()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_raw(self.id().cast_signed()).expect("a process id");
        rustix::process::kill_process(id, signal).expect("a running process");
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.child.0.kill().expect("a child");
        self.child.0.wait().expect("a child");
    }

    pub fn finish(self) -> Finished {
        self.finish_within(LIMIT)
    }

    /// As [`finish`](Self::finish), for what takes longer.
    pub fn finish_within(mut self, limit: Duration) -> Finished {
        while !self.ended() {
            if self.began.elapsed() > limit {
                self.child.0.kill().expect("a child");
                let stderr = self.stderr.join().expect("no panic");
                panic!("still running after {limit:?}:\n{}", Finished { code: None, stdout: String::new(), stderr }.tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = self.child.0.wait().expect("a child");
        let (stdout, stderr) = (self.stdout.join().expect("no panic"), self.stderr.join().expect("no panic"));
        assert!(status.signal().is_none(), "ended by signal {:?}:\n{stderr}", status.signal());
        Finished { code: status.code(), stdout, stderr }
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
