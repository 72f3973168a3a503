//! A scripted HTTP/1.1 server: one thread per connection, and a log of what arrived.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Which connection, counted from 0.
    pub connection: usize,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body arrived to its end.
    pub complete: bool,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn token(&self) -> Option<&str> {
        self.header("authorization")
    }
}

/// What the server does with a request once its head is there.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    /// Answer before the body is read.
    early: bool,
    /// Read no more of the body than this, then cut the connection.
    cut_after: Option<usize>,
    /// Pause before each read of the body.
    pace: Duration,
    /// Never answer.
    silent: bool,
    /// Close after the answer.
    close: bool,
    /// Send no more of the answer's body than this, and close.
    truncate: Option<usize>,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: String::new(),
            early: false,
            cut_after: None,
            pace: Duration::ZERO,
            silent: false,
            close: false,
            truncate: None,
        }
    }

    pub fn redirect(status: u16, location: impl Into<String>) -> Self {
        Self::new(status).header("Location", location)
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.cut_after = Some(bytes);
        self
    }

    pub fn pace(mut self, pause: Duration) -> Self {
        self.pace = pause;
        self
    }

    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    pub fn truncate(mut self, bytes: usize) -> Self {
        self.truncate = Some(bytes);
        self.close()
    }

    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }
}

type Script = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

struct Shared {
    log: Mutex<Vec<Seen>>,
    bytes: AtomicUsize,
    closing: AtomicBool,
    tls: Option<Arc<rustls::ServerConfig>>,
    script: Box<Script>,
}

/// Listens until it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    /// `script` gets each request's head and its number, counted from 0.
    pub fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(None, script)
    }

    pub fn tls(config: Arc<rustls::ServerConfig>, script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(Some(config), script)
    }

    fn with(tls: Option<Arc<rustls::ServerConfig>>, script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            log: Mutex::default(),
            bytes: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            tls,
            script: Box::new(script),
        });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if theirs.closing.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&theirs);
                let Ok(stream) = stream else { return };
                thread::spawn(move || match shared.tls.clone() {
                    None => serve(&shared, number, stream),
                    Some(config) => {
                        let Ok(session) = rustls::ServerConnection::new(config) else { return };
                        serve(&shared, number, rustls::StreamOwned::new(session, stream));
                    }
                });
            }
        });
        Self { address, shared }
    }

    pub fn url(&self, path: &str) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    pub fn origin(&self) -> String {
        self.url("")
    }

    /// The requests so far, in the order of their heads.
    pub fn log(&self) -> Vec<Seen> {
        self.shared.log.lock().expect("no panic").clone()
    }

    /// Body bytes read so far, of all requests.
    pub fn bytes(&self) -> usize {
        self.shared.bytes.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(shared: &Shared, connection: usize, stream: impl Read + Write) {
    let mut stream = BufReader::new(stream);
    while let Some(mut seen) = head(&mut stream) {
        seen.connection = connection;
        let index = {
            let mut log = shared.log.lock().expect("no panic");
            log.push(seen.clone());
            log.len() - 1
        };
        let reply = (shared.script)(&seen, index);
        if reply.early && answer(stream.get_mut(), &reply).is_err() {
            return;
        }
        let (body, complete) = body(shared, &mut stream, &seen, &reply);
        {
            let mut log = shared.log.lock().expect("no panic");
            (log[index].body, log[index].complete) = (body, complete);
        }
        if reply.silent {
            // Until the client hangs up.
            let _ = stream.read(&mut [0]);
            return;
        }
        if !complete || (!reply.early && answer(stream.get_mut(), &reply).is_err()) || reply.close {
            return;
        }
    }
}

fn head(stream: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let mut seen = Seen { method: words.next()?.to_owned(), target: words.next()?.to_owned(), ..Seen::default() };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { return Some(seen) };
        seen.headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn body(shared: &Shared, stream: &mut impl BufRead, seen: &Seen, reply: &Reply) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    let room = |body: &Vec<u8>| reply.cut_after.is_none_or(|limit| body.len() < limit);
    let take = |stream: &mut dyn BufRead, mut left: usize, body: &mut Vec<u8>| {
        while left > 0 {
            thread::sleep(reply.pace);
            let mut piece = vec![0; left.min(16 * 1024)];
            match stream.read(&mut piece) {
                Ok(read) if read > 0 && room(body) => {
                    body.extend_from_slice(&piece[..read]);
                    shared.bytes.fetch_add(read, Ordering::SeqCst);
                    left -= read;
                }
                _ => return false,
            }
        }
        true
    };
    if reply.cut_after == Some(0) {
        return (body, false);
    }
    if seen.header("transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).is_err() {
                return (body, false);
            }
            let Ok(size) = usize::from_str_radix(line.trim(), 16) else { return (body, false) };
            let whole = take(stream, size, &mut body);
            let mut end = String::new();
            if !whole || stream.read_line(&mut end).is_err() || end != "\r\n" {
                return (body, false);
            }
            if size == 0 {
                return (body, true);
            }
        }
    }
    let length = seen.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    let whole = take(stream, length, &mut body);
    (body, whole)
}

fn answer(stream: &mut impl Write, reply: &Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Status\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let sent = reply.truncate.unwrap_or(usize::MAX).min(reply.body.len());
    head.push_str(&format!("Content-Length: {}\r\n\r\n{}", reply.body.len(), &reply.body[..sent]));
    stream.write_all(head.as_bytes())?;
    stream.flush()
}
