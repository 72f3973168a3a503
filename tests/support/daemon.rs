//! A running `ffauth serve`, and a client for its API.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::run::{Finished, Home, Running, start};

/// What a machine that has other things to do may need.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon whose configuration is `serve.toml` in a home folder.
pub struct Daemon<'h> {
    home: &'h Home,
    running: Running,
    /// The line that it printed when it was ready.
    pub ready: Value,
    pub token: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.head, self.text()))
    }

    /// The header field of this name (in lower case).
    pub fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// `[serve]` for a test: a free port, state and media in the home folder.
pub const SERVE: &str = "[serve]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"state\"\nallow_paths = [\"media\"]\n";

impl<'h> Daemon<'h> {
    /// Starts one with this configuration and waits until it is ready.
    pub fn start(home: &'h Home, config: &str) -> Self {
        home.write("serve.toml", config);
        std::fs::create_dir_all(home.path("media")).expect("a folder");
        Self::start_with(home, &["--config", "serve.toml"], &[])
    }

    /// Starts one with these arguments and variables.
    pub fn start_with(home: &'h Home, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = home.ffauth(["serve"].iter().chain(arguments));
        command.envs(variables.iter().copied());
        command.stdout(File::create(home.path("serve.out")).expect("a file"));
        command.stderr(File::options().create(true).append(true).open(home.path("serve.log")).expect("a file"));
        let mut running = start(command);
        let line = until("the daemon is ready", || {
            let text = std::fs::read_to_string(home.path("serve.out")).unwrap_or_default();
            assert!(!text.is_empty() || !running.ended(), "the daemon ended:\n{}", log(home));
            text.strip_suffix('\n').map(str::to_owned)
        });
        let ready: Value = serde_json::from_str(&line).expect("one line of JSON");
        let token = ready["token_file"].as_str().map(|path| std::fs::read_to_string(path).expect("the bearer"));
        Self { home, running, ready, token: token.unwrap_or_default().trim_end().to_owned() }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.ready["listening"].as_str().and_then(|url| url.strip_prefix("http://")).expect("an address")
    }

    /// Sends a request as it is said, with nothing added but the end of the head and the length of the body.
    pub fn raw(&self, line: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        exchange(TcpStream::connect(self.address()).expect("a daemon"), line, fields, body)
    }

    /// A request of somebody who has the bearer.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let fields = [("host", self.address()), ("authorization", &bearer), ("content-type", "application/json")];
        self.raw(&format!("{method} {path}"), &fields, &body.map(Value::to_string).unwrap_or_default())
    }

    /// Adds a stream; the answer.
    pub fn add(&self, id: &str, run: &str) -> Answer {
        self.ask("POST", "/api/v1/streams", Some(&serde_json::json!({ "id": id, "run": run })))
    }

    /// A stream as the API shows it.
    #[track_caller]
    pub fn stream(&self, id: &str) -> Value {
        let answer = self.ask("GET", &format!("/api/v1/streams/{id}"), None);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits until the stream is as `good` has it.
    #[track_caller]
    pub fn wait_for(&self, id: &str, good: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let stream = self.stream(id);
            if good(&stream) {
                return stream;
            }
            assert!(began.elapsed() < PATIENCE, "after {PATIENCE:?} it is still {stream:#}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the stream is in this state.
    #[track_caller]
    pub fn wait_for_state(&self, id: &str, state: &str) -> Value {
        self.wait_for(id, |stream| stream["state"] == state)
    }

    pub fn metrics(&self) -> String {
        let answer = self.ask("GET", "/metrics", None);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        log(self.home)
    }

    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Tells it to end, and waits.
    pub fn end(self) -> Finished {
        self.running.signal(Signal::TERM);
        self.running.finish()
    }

    /// Waits until it ends by itself.
    pub fn finish(self) -> Finished {
        self.running.finish()
    }

    /// Ends it as a power cut would.
    pub fn kill(self) {
        self.running.kill();
    }
}

fn log(home: &Home) -> String {
    std::fs::read_to_string(home.path("serve.log")).unwrap_or_default()
}

/// Sends a request to the socket at `path`.
pub fn ask_socket(path: &Path, line: &str, fields: &[(&str, &str)], body: &str) -> Answer {
    exchange(UnixStream::connect(path).expect("a daemon"), line, fields, body)
}

fn exchange(mut connection: impl Read + Write, line: &str, fields: &[(&str, &str)], body: &str) -> Answer {
    let mut request = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
    fields.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
    if !body.is_empty() {
        request += &format!("content-length: {}\r\n", body.len());
    }
    request += &format!("\r\n{body}");
    connection.write_all(request.as_bytes()).expect("a request");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body: answer[end + 4..].to_vec() }
}

/// Waits for something.
#[track_caller]
pub fn until<T>(what: &str, mut happened: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = happened() {
            return value;
        }
        assert!(began.elapsed() < PATIENCE, "not after {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
