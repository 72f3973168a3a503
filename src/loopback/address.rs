//! URLs that lead through the loopback server: `http://127.0.0.1:PORT/SECRET/https/host:port/path`.
//!
//! Host and path stay readable, so that what libavformat makes of a URL (the extension that it probes, the folder that relative
//! references start from) comes out as with the real one.

use std::borrow::Cow;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Where the server is, and the secret without which it serves nobody.
#[derive(Clone)]
pub(super) struct Address {
    /// `127.0.0.1:PORT`.
    host: String,
    /// `/SECRET/`.
    entry: String,
}

impl Address {
    /// An address with a fresh secret of 128 bits.
    pub(super) fn new(socket: SocketAddr) -> Result<Self, getrandom::Error> {
        let mut secret = [0_u8; 16];
        getrandom::fill(&mut secret)?;
        Ok(Self { host: socket.to_string(), entry: format!("/{}/", URL_SAFE_NO_PAD.encode(secret)) })
    }

    /// What the `Host` field of a request must say (a page in a browser can be led here by a name of its own).
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The way through the server to `url`, if that is http or https. The text behind the scheme stays as it is: templates and
    /// signatures would not survive a parser.
    pub(super) fn through(&self, url: &str) -> Option<String> {
        let (scheme, rest) = url.split_once(':')?;
        let scheme = ["http", "https"].into_iter().find(|http| scheme.eq_ignore_ascii_case(http))?;
        let rest = rest.trim_start_matches(['/', '\\']);
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(format!("http://{}{}{scheme}/{authority}{slash}{path}", self.host, self.entry))
    }

    /// The real URL behind the target of a request; `None` for whoever does not know the secret.
    pub(super) fn target(&self, target: &str) -> Option<String> {
        let (entry, rest) = target.split_at_checked(self.entry.len())?;
        // In a time that does not depend on how much of it is right.
        let difference = entry.bytes().zip(self.entry.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b));
        let (scheme, rest) = rest.split_once('/').filter(|_| difference == 0)?;
        ["http", "https"].contains(&scheme).then(|| format!("{scheme}://{rest}"))
    }

    /// `text` with the real URLs in place of those that lead through the server.
    pub(super) fn reveal<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !text.contains(&self.entry) {
            return Cow::Borrowed(text);
        }
        let mut shown = text.replace(&format!("http://{}{}", self.host, self.entry), &self.entry);
        for scheme in ["http", "https"] {
            shown = shown.replace(&format!("{}{scheme}/", self.entry), &format!("{scheme}://"));
        }
        Cow::Owned(shown.replace(&self.entry, "/***/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        Address::new(SocketAddr::from(([127, 0, 0, 1], 81))).expect("random bytes")
    }

    #[test]
    fn there_and_back() {
        let address = address();
        for (url, real) in [
            ("https://h:8443/a/b.mpd?x=%2f&y", "https://h:8443/a/b.mpd?x=%2f&y"),
            ("HTTP://u:p@[::1]/", "http://u:p@[::1]/"),
            ("https://h", "https://h/"),
            ("https://h?q=a/b", "https://h/?q=a/b"),
            ("https:/h/x", "https://h/x"),
            ("http://h/$RepresentationID$/$Number%05d$.m4s", "http://h/$RepresentationID$/$Number%05d$.m4s"),
        ] {
            let through = address.through(url).expect("an http URL");
            let target = through.strip_prefix("http://127.0.0.1:81").expect("the server");
            assert_eq!(address.target(target).as_deref(), Some(real));
            assert_eq!(address.reveal(&format!("'{through}' GET {target} HTTP/1.1")), format!("'{real}' GET {real} HTTP/1.1"));
        }
        for url in ["file:///etc/passwd", "data:,x", "crypto+http://h/", "relative"] {
            assert_eq!(address.through(url), None, "{url}");
        }
    }

    #[test]
    fn nobody_comes_in_without_the_secret() {
        let (address, other) = (address(), Address::new(SocketAddr::from(([127, 0, 0, 1], 81))).expect("random bytes"));
        let through = other.through("https://h/x").expect("an http URL");
        assert_eq!(address.target(through.strip_prefix("http://127.0.0.1:81").expect("the server")), None);
        for target in ["", "/", "/https/h/x", "http://h/x", "*", &address.entry, &format!("{}ftp/h/x", address.entry)] {
            assert_eq!(address.target(target), None, "{target}");
        }
    }

    #[test]
    fn the_secret_is_never_shown() {
        let address = address();
        let shown = address.reveal(&format!("at {}nowhere", address.entry)).into_owned();
        assert_eq!(shown, "at /***/nowhere");
    }
}
