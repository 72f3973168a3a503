//! `ffauth relay` as a program, and somebody who asks it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::run::Home;

/// A running relay, until it is dropped.
pub struct Relay {
    child: Child,
    /// The line that says where it is.
    pub ready: Value,
    log: Arc<Mutex<String>>,
}

impl Relay {
    /// Starts `ffauth relay` with the words of `line` in `home`, and waits until it is ready.
    #[track_caller]
    pub fn start(home: &Home, line: &str) -> Self {
        let words = line.split(' ').filter(|word| !word.is_empty());
        let mut child = home.ffauth(["relay"].into_iter().chain(words)).spawn().expect("the program starts");
        let mut stderr = child.stderr.take().expect("a pipe");
        let log = Arc::new(Mutex::new(String::new()));
        let collected = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut buffer) {
                collected.lock().expect("no panic").push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut ready).expect("a pipe");
        let ready = serde_json::from_str(&ready).unwrap_or_else(|_| panic!("{ready:?}: {}", log.lock().expect("no panic")));
        Self { child, ready, log }
    }

    /// What stands for `path` below the `base_url` of `profile`.
    pub fn url(&self, profile: &str, path: &str) -> String {
        format!("{}{path}", self.ready["relay"][profile].as_str().expect("a URL"))
    }

    /// `http://127.0.0.1:PORT`.
    pub fn root(&self) -> &str {
        self.ready["listening"].as_str().expect("a URL")
    }

    /// What stands in each of its URLs.
    pub fn secret(&self) -> String {
        let urls = self.ready["relay"].as_object().into_iter().chain(self.ready["token"].as_object());
        let url = urls.flat_map(|urls| urls.values()).next().and_then(Value::as_str).expect("a URL");
        url.split('/').nth(3).expect("a secret").to_owned()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// Waits until it has logged `text`.
    #[track_caller]
    pub fn logged(&self, text: &str) {
        let began = Instant::now();
        while !self.log().contains(text) {
            assert!(began.elapsed() < Duration::from_secs(60), "{text:?} is not logged: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a running process");
    }

    /// How it ended.
    pub fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Fails for one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who asks without following redirects.
pub struct Caller {
    pub runtime: tokio::runtime::Runtime,
    pub client: reqwest::Client,
}

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Caller {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        // As the program does; a build with another provider would be another program.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { runtime, client }
    }

    pub fn get(&self, url: &str) -> Answer {
        self.ask("GET", url, &[])
    }

    pub fn ask(&self, method: &str, url: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(method, url, fields, None)
    }

    pub fn send(&self, method: &str, url: &str, fields: &[(&str, &str)], body: Option<reqwest::Body>) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, url);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        self.runtime.block_on(async {
            let answer = request.timeout(Duration::from_secs(60)).send().await.expect("an answer");
            let fields = super::header_fields(answer.headers()).into_iter().collect();
            Answer { status: answer.status().as_u16(), fields, body: answer.bytes().await.expect("a body").to_vec() }
        })
    }
}
