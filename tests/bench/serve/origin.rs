//! A live HLS stream under any number of names, with a token and without, and the authorization server for it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const SEGMENT: Duration = Duration::from_secs(2);
const LIFE: Duration = Duration::from_secs(10);
/// Segments that are there at the beginning, and that a playlist lists.
const WINDOW: usize = 5;

/// A running server.
pub struct Origin {
    base: String,
    state: Arc<State>,
}

struct State {
    began: Instant,
    segments: Vec<Vec<u8>>,
    /// Tokens, and when each was given.
    tokens: Mutex<BTreeMap<String, Instant>>,
}

impl Origin {
    /// A stream that goes on for as long as `lasts`.
    pub fn start(folder: &Path, lasts: Duration) -> Self {
        let segments = media(folder, lasts);
        let state = Arc::new(State { began: Instant::now(), segments, tokens: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                let thread = thread::Builder::new().stack_size(128 << 10);
                // A connection that breaks off is the client's matter.
                thread.spawn(move || drop(answer(stream, &state))).unwrap();
            }
        });
        Self { base, state }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn token_requests(&self) -> usize {
        self.state.tokens.lock().unwrap().len()
    }

    /// How many lives of a token it has run.
    pub fn rotations(&self) -> f64 {
        self.state.began.elapsed().as_secs_f64() / LIFE.as_secs_f64()
    }
}

/// Segments of 2 s with timestamps that go on.
fn media(folder: &Path, lasts: Duration) -> Vec<Vec<u8>> {
    let count = WINDOW + lasts.as_secs() as usize / 2 + 2;
    let seconds = count * 2;
    if !folder.join("made").exists() {
        let video = format!("testsrc2=size=320x180:rate=25:duration={seconds}");
        let sound = format!("sine=duration={seconds}");
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", &video, "-f", "lavfi", "-i", &sound]);
        command.args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-b:v",
            "400k",
            "-g",
            "50",
            "-keyint_min",
            "50",
            "-sc_threshold",
            "0",
        ]);
        command
            .args([
                "-c:a",
                "aac",
                "-b:a",
                "96k",
                "-f",
                "hls",
                "-hls_time",
                "2",
                "-hls_list_size",
                "0",
                "-hls_segment_filename",
                "source-%d.ts",
                "source.m3u8",
            ])
            .current_dir(folder);
        assert!(command.status().unwrap().success());
        std::fs::write(folder.join("made"), "").unwrap();
    }
    (0..count).map_while(|index| std::fs::read(folder.join(format!("source-{index}.ts"))).ok()).collect()
}

fn answer(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(4096, stream.try_clone()?);
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line)? > 2 {
            head.push_str(&line);
            line.clear();
        }
        let Some(path) = head.split(' ').nth(1).map(str::to_owned) else { return Ok(()) };
        let field = |name: &str| {
            let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
            lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
        };
        let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        reader.by_ref().take(length).read_to_end(&mut Vec::new())?;
        let (status, kind, body) = respond(state, &path, field("authorization").as_deref());
        write!(stream, "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len())?;
        stream.write_all(&body)?;
    }
}

fn respond(state: &State, path: &str, authorization: Option<&str>) -> (&'static str, &'static str, Vec<u8>) {
    if path == "/token" {
        let mut tokens = state.tokens.lock().unwrap();
        let token = format!("token-{}", tokens.len());
        tokens.insert(token.clone(), Instant::now());
        let body = format!("{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":{}}}", LIFE.as_secs());
        return ("200 OK", "application/json", body.into_bytes());
    }
    if path.starts_with("/protected/") {
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let given = token.and_then(|token| state.tokens.lock().unwrap().get(token).copied());
        if given.is_none_or(|at| at.elapsed() > LIFE) {
            return ("401 Unauthorized", "text/plain", Vec::new());
        }
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let there = WINDOW + (state.began.elapsed().as_secs_f64() / SEGMENT.as_secs_f64()) as usize;
    match name.strip_suffix(".ts").and_then(|number| number.parse::<usize>().ok()) {
        Some(number) if number < there.min(state.segments.len()) => ("200 OK", "video/mp2t", state.segments[number].clone()),
        Some(_) => ("404 Not Found", "text/plain", Vec::new()),
        None => {
            let end = there.min(state.segments.len());
            let first = end.saturating_sub(WINDOW);
            let mut text = format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
            (first..end).for_each(|number| text += &format!("#EXTINF:2.0,\n{number}.ts\n"));
            ("200 OK", "application/vnd.apple.mpegurl", text.into_bytes())
        }
    }
}
