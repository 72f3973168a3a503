//! A read through `ffauth relay` against one at the server itself, in turn: throughput over loopback.
//!
//! The readers are `ffmpeg -c copy`, and `curl`, which does nothing with what it reads: where no TLS makes work for anybody
//! either, that one measures how often the machine can copy memory (each byte is copied twice without the relay, four times with it).
//!
//! `cargo bench --bench relay` prints the median ratios. `FFAUTH_BENCH_PAIRS` (9) and `FFAUTH_BENCH_MB` (1000) change the size.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;

/// Bytes of a segment.
const SEGMENT: u64 = 2_000_000;

fn main() {
    let pairs: usize = setting("FFAUTH_BENCH_PAIRS", 9);
    let megabytes: u64 = setting("FFAUTH_BENCH_MB", 1000);
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        std::fs::set_permissions(dir.path().join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("token", "benchmark-token");
    let media: &'static [u8] = Box::leak(media(dir.path()).into_boxed_slice());
    let (certificate, tls) = certificate();
    write("ca.pem", &certificate);
    let (http, https) = (serve(None, media), serve(Some(tls), media));
    let profile = |name: &str, base: &str| {
        format!("[profile.{name}]\naccess_token = {{ file = \"token\" }}\nca_file = \"ca.pem\"\nbase_url = \"{base}\"\n")
    };
    write("config.toml", &format!("{}{}", profile("http", &http), profile("https", &https)));
    let mut relay = Command::new(env!("CARGO_BIN_EXE_ffauth"));
    relay.args(["relay", "--config", "config.toml"]).current_dir(dir.path()).env("FFAUTH_STATE", dir.path().join("state"));
    relay.env_remove("FFAUTH_BENCH_PAIRS").env_remove("FFAUTH_BENCH_MB");
    let mut relay = relay.stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(relay.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();

    println!("{pairs} alternating pairs; each ratio is the median of relay / direct");
    let bytes = megabytes * 1_000_000;
    let segments = format!("{SEGMENT}.ts?[1-{}]", bytes / SEGMENT);
    for (name, base) in [("https", &https), ("http", &http)] {
        let through = ready["relay"][name].as_str().unwrap();
        for (what, reader, path) in [
            ("ffmpeg, one file", ffmpeg as Reader, format!("{bytes}.ts")),
            ("curl, one file", curl, format!("{bytes}.ts")),
            ("curl, segments", curl, segments.clone()),
            ("curl, 8 at once", eight, format!("{}.ts", bytes / 8)),
        ] {
            let read = |base: &str| {
                let began = Instant::now();
                assert_eq!(reader(&format!("{base}{path}"), dir.path()), bytes, "{what}: bytes read");
                began.elapsed().as_secs_f64()
            };
            compare(&format!("{name}, {what}"), || (read(base), read(through)), megabytes as f64, pairs);
        }
    }
    relay.kill().unwrap();
    relay.wait().unwrap();
}

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn compare(what: &str, pair: impl Fn() -> (f64, f64), megabytes: f64, pairs: usize) {
    let (mut ratios, mut direct, mut relayed) = (Vec::new(), Vec::new(), Vec::new());
    // The first pair warms the connections.
    for (straight, detour) in (0..=pairs).map(|_| pair()).skip(1) {
        ratios.push(straight / detour);
        direct.push(megabytes / straight);
        relayed.push(megabytes / detour);
    }
    let [ratio, direct, relayed] = [ratios, direct, relayed].map(median);
    println!("{what}: {ratio:.3}  ({relayed:.0} MB/s / {direct:.0} MB/s)");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Reads a URL, which may stand for many, and counts the bytes.
type Reader = fn(&str, &Path) -> u64;

fn curl(url: &str, dir: &Path) -> u64 {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--fail", "--cacert", "ca.pem", "-H", "Authorization: Bearer benchmark-token"]);
    curl.args(["-w", "%{stderr}%{size_download}\n", url]).current_dir(dir).stdout(Stdio::null());
    let output = curl.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    text.lines().map(|line| line.parse::<u64>().unwrap()).sum()
}

/// Eight of them, each with a part of the work.
fn eight(url: &str, dir: &Path) -> u64 {
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..8).map(|_| scope.spawn(|| curl(url, dir))).collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    })
}

fn ffmpeg(url: &str, dir: &Path) -> u64 {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "fatal", "-nostdin", "-y", "-headers", "Authorization: Bearer benchmark-token\r\n"]);
    ffmpeg.args(["-i", url, "-c", "copy", "-f", "mpegts", "/dev/null"]).current_dir(dir);
    assert!(ffmpeg.stderr(Stdio::null()).status().unwrap().success(), "ffmpeg {url}");
    url.rsplit('/').next().unwrap().trim_end_matches(".ts").parse().unwrap()
}

fn certificate() -> (String, Arc<rustls::ServerConfig>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into());
    (certificate.pem(), Arc::new(config.unwrap()))
}

/// A few seconds of mpegts.
fn media(dir: &Path) -> Vec<u8> {
    let source = "testsrc2=size=1280x720:rate=25:duration=5,noise=alls=30:allf=t";
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", source, "-c:v", "mpeg2video", "-b:v", "8M", "media.ts"]);
    assert!(ffmpeg.current_dir(dir).status().unwrap().success());
    std::fs::read(dir.join("media.ts")).unwrap()
}

/// A server on loopback whose files are as long as their names say, `media` over and over; ends with the process.
fn serve(tls: Option<Arc<rustls::ServerConfig>>, media: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let base = format!("{scheme}://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_nodelay(true).unwrap();
            let tls = tls.clone();
            std::thread::spawn(move || match tls {
                None => answer(stream, media),
                Some(tls) => answer(rustls::StreamOwned::new(rustls::ServerConnection::new(tls).unwrap(), stream), media),
            });
        }
    });
    base
}

fn answer(mut stream: impl Read + Write, media: &[u8]) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.to_ascii_lowercase().contains("authorization: bearer benchmark-token"), "{head}");
        let path = head.split(' ').nth(1).unwrap().trim_start_matches('/');
        let mut left: usize = path.split('.').next().unwrap().parse().unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nContent-Length: {left}\r\n\r\n")?;
        while left > 0 {
            let part = media.len().min(left);
            stream.write_all(&media[..part])?;
            left -= part;
        }
        stream.flush()?;
    }
}
