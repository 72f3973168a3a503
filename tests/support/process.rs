//! A server that is a program of its own: it runs until it is dropped, and never longer than the tests, however those end.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The time in which a server has to be ready, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a program until it ends, or until nobody holds the other end of stdin any more; the kernel sees to that even if the tests are
/// killed. A program has a second to end by itself.
const LEASH: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null &
program=$!
{ cat <&3; kill $program; sleep 1; kill -9 $program; } >/dev/null 2>&1 &
leash=$!
wait $program
code=$?
kill $leash
exit $code
"#;

/// A running program.
pub struct Process {
    name: &'static str,
    child: Child,
    /// What it prints.
    output: PathBuf,
    forgotten: bool,
}

impl Process {
    /// Starts `command`, whose output goes to the file `output` in `folder`.
    pub fn start(name: &'static str, command: &Command, folder: &Path) -> Self {
        let output = folder.join("output");
        let file = File::create(&output).expect("a file");
        let mut leash = Command::new("sh");
        leash.args(["-c", LEASH, "sh"]).arg(command.get_program()).args(command.get_args());
        leash.current_dir(command.get_current_dir().unwrap_or(folder));
        leash.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
        leash.stdin(Stdio::piped()).stdout(file.try_clone().expect("a file")).stderr(file);
        Self { name, child: leash.spawn().expect("a shell"), output, forgotten: false }
    }

    /// Waits until `ready` says what there is to say; `None` if the program ended instead.
    pub fn wait_for<T>(&mut self, mut ready: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let began = Instant::now();
        loop {
            let output = self.output();
            if let Some(value) = ready(&output) {
                return Some(value);
            }
            if self.ended() {
                return None;
            }
            assert!(began.elapsed() < PATIENCE, "{} is not ready after {PATIENCE:?}:\n{}", self.name, self.tail());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the line of JSON in which a server says where it listens.
    pub fn announced(&mut self) -> serde_json::Value {
        let line = self.wait_for(|output| {
            let line = output.lines().find(|line| line.starts_with('{'))?;
            serde_json::from_str(line).ok()
        });
        line.unwrap_or_else(|| panic!("{} does not start:\n{}", self.name, self.tail()))
    }

    /// The last lines that it printed, for messages.
    pub fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// The last words of a program that ended by itself.
    pub fn forget(mut self) -> String {
        self.forgotten = true;
        self.tail()
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    fn ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let crashed = self.ended() && !self.forgotten;
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        if crashed {
            let story = format!("{} ended by itself:\n{}", self.name, self.tail());
            assert!(std::thread::panicking(), "{story}");
            // Another panic would end the whole test binary.
            let _ = writeln!(std::io::stderr(), "{story}");
        }
    }
}

/// Starts a server on a free port of loopback, on another one where somebody was faster.
pub fn on_free_port<T>(name: &str, mut start: impl FnMut(u16) -> Result<T, String>) -> T {
    let mut story = String::new();
    for _ in 0..5 {
        match start(super::server::closed_port()) {
            Ok(server) => return server,
            Err(failure) if failure.contains("in use") => story = failure,
            Err(failure) => panic!("{name} does not start:\n{failure}"),
        }
    }
    panic!("{name} finds no port:\n{story}")
}

/// The folder into which `.ci/deps test` installs what Debian does not have.
pub fn installed() -> &'static Path {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the build folder");
    let servers: &'static Path = Box::leak(folder.join("servers").into_boxed_path());
    assert!(servers.join("stamp").exists(), "{} is missing or half made: run `.ci/deps test`", servers.display());
    servers
}
