//! Host names, looked up before libavformat does: its own lookup (`getaddrinfo` in tcp.c) cannot be interrupted, and a DNS server
//! that is silent would keep everybody waiting who wants to stop.

use std::net::ToSocketAddrs;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use url::{Host, Url};

use crate::env::Env;
use crate::shutdown::Shutdown;

/// How often a lookup is asked whether it is to go on.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until the name in `url` has been looked up, with whatever result, or until `stop` is raised: then false. A thread that is
/// stuck in a lookup is left behind with all that it needs.
pub fn wait_for_name(url: &str, stop: &Shutdown) -> bool {
    let Some(name) = name_of(url, &Env::of_process()) else { return true };
    let (done, looked_up) = channel();
    let lookup = move || {
        // Whoever connects meets the failure, and nobody may be listening any more.
        let _ = name.to_socket_addrs();
        let _ = done.send(());
    };
    if thread::Builder::new().name("lookup".to_owned()).spawn(lookup).is_err() {
        return true;
    }
    loop {
        match looked_up.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) if stop.is_requested() => return false,
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return !stop.is_requested(),
        }
    }
}

/// The name and port that libavformat will look up for `url`; `None` where it looks up none, or a proxy does (http.c,
/// `http_open_cnx_internal`).
fn name_of(url: &str, env: &Env) -> Option<(String, u16)> {
    let url = Url::parse(url).ok()?;
    let port = match url.scheme() {
        "http" | "https" if env.get("http_proxy").is_some() => return None,
        "http" => 80,
        "https" => 443,
        "rtmp" | "rtmps" | "rtmpt" | "rtmpts" | "rtsp" | "rtsps" | "srt" | "tcp" | "tls" | "udp" | "rtp" | "ftp" => 0,
        _ => return None,
    };
    // What is no http is not parsed as far as addresses.
    match url.host()? {
        Host::Domain(name) if name.parse::<std::net::IpAddr>().is_err() => Some((name.to_owned(), url.port().unwrap_or(port))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_looked_up() {
        let none = Env::default();
        for (url, name) in [
            ("http://media.example/x", Some(("media.example", 80))),
            ("https://media.example:8443/x", Some(("media.example", 8443))),
            ("srt://media.example:9000", Some(("media.example", 9000))),
            ("rtsp://10.0.0.1/x", None),
            ("http://127.0.0.1/x", None),
            ("http://[::1]/x", None),
            ("file:///x", None),
            ("x.mp4", None),
            ("pipe:0", None),
        ] {
            assert_eq!(name_of(url, &none), name.map(|(name, port)| (name.to_owned(), port)), "{url}");
        }
        let proxy = Env::from_pairs([("http_proxy", "http://proxy:3128")]);
        assert_eq!(name_of("http://media.example/x", &proxy), None);
    }

    #[test]
    fn who_wants_to_stop_is_not_kept_waiting() {
        let stop = Shutdown::new();
        assert!(wait_for_name("http://localhost/", &stop));
        stop.request();
        assert!(!wait_for_name("http://localhost/", &stop));
    }
}
