//! Tokens by rtmp, rtsp and srt: in the URL of each connect, and nowhere that can be read.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::media;
use crate::support::run::{Home, Running, finish, packets, profile, start};
use crate::support::server::closed_port;
use crate::support::token_server::{TokenServer, Tokens};

/// Passes connections on to `port` and keeps what the client says.
fn tap(port: u16) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let own = listener.local_addr().expect("an address").port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&heard);
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let Some(server) = connect(port) else { return };
            let (mut from, mut to) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
            let record = Arc::clone(&record);
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = from.read(&mut bytes) {
                    record.lock().expect("no panic").extend(&bytes[..read]);
                    if to.write_all(&bytes[..read]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
            });
            let (mut from, mut to) = (server, client);
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    });
    (own, heard)
}

/// The program behind `port` may take a while to listen.
fn connect(port: u16) -> Option<TcpStream> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            return Some(stream);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

fn contains(heard: &Mutex<Vec<u8>>, text: &str) -> bool {
    heard.lock().expect("no panic").windows(text.len()).any(|window| window == text.as_bytes())
}

fn home(tokens: &Arc<Tokens>, placement: &str) -> (Home, TokenServer) {
    let server = TokenServer::start(tokens);
    (Home::new(&profile("p", &server, placement)), server)
}

fn ffmpeg(home: &Home, line: &str) -> Running {
    let file = media::MPEGTS.file().display().to_string();
    start(home.program("ffmpeg", line.replace("FILE", &file).split_whitespace()))
}

#[test]
fn rtmp_carries_the_token_of_the_moment_into_play_and_publish() {
    let tokens = Tokens::new("canary-zq", Duration::from_secs(600), Some(600));
    let (home, _server) = home(&tokens, "placement = { query = \"t\" }");
    let port = closed_port();
    let server = ffmpeg(&home, &format!("-v error -t 3 -i FILE -c copy -f flv -listen 1 rtmp://127.0.0.1:{port}/app/s"));
    let (tapped, heard) = tap(port);
    let url = format!("rtmp://127.0.0.1:{tapped}/app/s");
    let run = home.line(&format!("-v trace -y -auth p -i {url} -map 0 -c copy -f framemd5 out.framemd5"));
    run.expect_code(0);
    server.finish();
    assert!(contains(&heard, &format!("s?t={}", tokens.all()[0])), "the server was not shown the token");
    assert!(packets(&home.path("out.framemd5")).values().map(Vec::len).sum::<usize>() > 100);
    assert!(!run.stderr.contains("canary") && !run.stdout.contains("canary"), "the token is in the log");

    let port = closed_port();
    let server = ffmpeg(&home, &format!("-y -v error -listen 1 -i rtmp://127.0.0.1:{port}/app/s -c copy published.flv"));
    let (tapped, heard) = tap(port);
    let file = media::MPEGTS.file().display().to_string();
    let url = format!("rtmp://127.0.0.1:{tapped}/app/s");
    let run = home.line(&format!("-v trace -t 3 -i {file} -c copy -f flv -auth p {url}"));
    run.expect_code(0);
    server.finish().expect_code(0);
    assert!(contains(&heard, &format!("s?t={}", tokens.all()[0])), "the server was not shown the token");
    assert!(!run.stderr.contains("canary"), "the token is in the log");
}

/// libsrt's own encryption checks it: the token is the passphrase.
#[test]
fn srt_carries_the_token_in_its_query() {
    let tokens = Tokens::new("canary-passphrase", Duration::from_secs(600), Some(600));
    let (home, _server) = home(&tokens, "placement = { query = \"passphrase\" }\nallow_http = true");
    let secret = tokens.issue();
    assert!(secret.len() >= 10, "{secret}");
    let external = "[profile.x]\naccess_token = { file = \"token\" }\nplacement = { query = \"passphrase\" }\n";
    home.write(crate::support::run::CONFIG, external);
    home.write(".config/ffauth/token", &secret);
    let port = closed_port();
    let url = format!("srt://127.0.0.1:{port}?mode=listener&passphrase={secret}");
    let server = ffmpeg(&home, &format!("-v error -re -t 3 -i FILE -c copy -f mpegts {url}"));
    let run = home.line(&format!("-v trace -y -auth x -i srt://127.0.0.1:{port} -map 0 -c copy -f framemd5 out.framemd5"));
    run.expect_code(0);
    server.finish();
    assert!(packets(&home.path("out.framemd5")).values().map(Vec::len).sum::<usize>() > 50, "{}", run.tail());
    assert!(!run.stderr.contains("canary"), "the token is in the log");
}

#[test]
fn rtsp_gives_the_token_as_the_password() {
    let tokens = Tokens::new("canary-zq", Duration::from_secs(600), Some(600));
    let (home, _server) = home(&tokens, "placement = { userinfo = \"me\" }");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let asked = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        let (mut heard, mut bytes) = (String::new(), [0; 4096]);
        while let Ok(read @ 1..) = client.read(&mut bytes) {
            let request = String::from_utf8_lossy(&bytes[..read]).into_owned();
            let sequence = request.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("0").to_owned();
            let status = match (request.starts_with("OPTIONS"), request.contains("Authorization: ")) {
                (true, _) => "200 OK\r\nPublic: DESCRIBE",
                (false, false) => "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"cam\"",
                (false, true) => "404 Not Found",
            };
            heard.push_str(&request);
            if client.write_all(format!("RTSP/1.0 {status}\r\nCSeq: {sequence}\r\n\r\n").as_bytes()).is_err() {
                break;
            }
        }
        heard
    });
    let run = home.line(&format!("-v trace -rtsp_transport tcp -auth p -i rtsp://127.0.0.1:{port}/cam -c copy -f null -"));
    run.expect_code(1);
    let heard = asked.join().expect("no panic");
    use base64::Engine;
    let expected = base64::engine::general_purpose::STANDARD.encode(format!("me:{}", tokens.all()[0]));
    assert!(heard.contains(&format!("Authorization: Basic {expected}")), "{heard}");
    assert!(!run.stderr.contains("canary") && !run.stderr.contains(&expected), "the token is in the log: {}", run.stderr);
    assert!(run.stderr.contains("404"), "{}", run.tail());
}

#[test]
fn a_header_has_no_place_there() {
    let tokens = Tokens::living(Duration::from_secs(600));
    let (home, server) = home(&tokens, "");
    for scheme in ["rtmp", "rtsp", "srt"] {
        let run = home.line(&format!("-auth p -i {scheme}://127.0.0.1:1/x -c copy -f null -"));
        run.expect_code(1);
        assert!(run.stderr.contains("cannot carry the token") && run.stderr.contains("placement ="), "{}", run.stderr);
    }
    assert_eq!(server.requests().len(), 0);
    let run = finish(home.ffauth(["-auth", "p", "-i", "ftp://127.0.0.1/x", "-c", "copy", "-f", "null", "-"]));
    run.expect_code(1);
}
