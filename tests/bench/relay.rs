//! `curl` through `ffauth relay` against `curl` at the server itself, in turn: throughput over loopback.
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
    let (certificate, tls) = certificate();
    write("ca.pem", &certificate);
    let (http, https) = (serve(None), serve(Some(tls)));
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

    println!("{pairs} alternating pairs of curl; each ratio is the median of relay / direct");
    let segments = format!("{SEGMENT}?[1-{}]", megabytes * 1_000_000 / SEGMENT);
    for (name, base) in [("https", &https), ("http", &http)] {
        let through = ready["relay"][name].as_str().unwrap();
        compare(&format!("{name}, one file"), base, through, &format!("{}", megabytes * 1_000_000), dir.path(), pairs);
        compare(&format!("{name}, segments of {} MB", SEGMENT / 1_000_000), base, through, &segments, dir.path(), pairs);
    }
    relay.kill().unwrap();
    relay.wait().unwrap();
}

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn compare(what: &str, base: &str, through: &str, path: &str, dir: &Path, pairs: usize) {
    let (mut ratios, mut direct, mut relayed) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..=pairs {
        let (straight, detour) = (read(&format!("{base}{path}"), dir), read(&format!("{through}{path}"), dir));
        // The first pair warms the connections.
        if pair > 0 {
            ratios.push(straight.0 / detour.0);
            direct.push(straight.1 as f64 / straight.0 / 1e6);
            relayed.push(detour.1 as f64 / detour.0 / 1e6);
        }
        assert_eq!(straight.1, detour.1, "the two bodies differ in length");
    }
    let [ratio, direct, relayed] = [ratios, direct, relayed].map(median);
    println!("{what}: {ratio:.3}  ({relayed:.0} MB/s / {direct:.0} MB/s)");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds and bytes of a read of `url`, which may stand for many.
fn read(url: &str, dir: &Path) -> (f64, u64) {
    let began = Instant::now();
    let mut curl = Command::new("curl");
    curl.args([
        "-sS",
        "--fail",
        "--cacert",
        "ca.pem",
        "-H",
        "Authorization: Bearer benchmark-token",
        "-w",
        "%{stderr}%{size_download}\n",
    ]);
    let output = curl.arg(url).current_dir(dir).stdout(Stdio::null()).output().unwrap();
    let seconds = began.elapsed().as_secs_f64();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    (seconds, text.lines().map(|line| line.parse::<u64>().unwrap()).sum())
}

fn certificate() -> (String, Arc<rustls::ServerConfig>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into());
    (certificate.pem(), Arc::new(config.unwrap()))
}

/// A server on loopback whose files are as long as their names say; ends with the process.
fn serve(tls: Option<Arc<rustls::ServerConfig>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let base = format!("{scheme}://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_nodelay(true).unwrap();
            let tls = tls.clone();
            std::thread::spawn(move || match tls {
                None => answer(stream),
                Some(tls) => answer(rustls::StreamOwned::new(rustls::ServerConnection::new(tls).unwrap(), stream)),
            });
        }
    });
    base
}

fn answer(mut stream: impl Read + Write) -> std::io::Result<()> {
    let block = vec![0x47; 256 * 1024];
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
        let mut left: u64 = path.split('?').next().unwrap().parse().unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nContent-Length: {left}\r\n\r\n")?;
        while left > 0 {
            let part = block.len().min(usize::try_from(left).unwrap());
            stream.write_all(&block[..part])?;
            left -= part as u64;
        }
        stream.flush()?;
    }
}
