//! The redirect URI: whether this process can listen there (RFC 8252 section 7.3), and where.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

/// Where the browser goes with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// Here, by plain http.
    Loopback {
        /// Its port is 0 where any will do.
        url: Url,
        /// What is listened at. The first must be free; the others (`localhost` has two) may be.
        addresses: Vec<SocketAddr>,
    },
    /// Somewhere else: somebody brings the answer back by hand. As it is registered, character by character.
    Elsewhere(String),
}

/// Why a redirect URI cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// It is no URI.
    #[error("`{uri}`: {reason}")]
    NotAUri {
        /// What stands there.
        uri: String,
        /// Why.
        reason: String,
    },
    /// RFC 6749 section 3.1.2.
    #[error("a fragment (#…) is not allowed in a redirect URI (RFC 6749 section 3.1.2)")]
    Fragment,
    /// Two ports.
    #[error("redirect_uri says port {in_uri} already")]
    Port {
        /// That of the URI.
        in_uri: u16,
    },
}

/// The path where the profile says nothing.
const PATH: &str = "http://127.0.0.1/callback";

impl Redirect {
    /// What `uri` means; `None` = a loopback address. `port` is for a loopback URI that names none.
    ///
    /// # Errors
    /// It is no URI that a server could redirect to.
    pub fn of(uri: Option<&str>, port: u16) -> Result<Self, RedirectError> {
        let text = uri.unwrap_or(PATH);
        let not_a_uri =
            |error: url::ParseError| RedirectError::NotAUri { uri: text.escape_debug().to_string(), reason: error.to_string() };
        let mut url = Url::parse(text).map_err(not_a_uri)?;
        if url.fragment().is_some() {
            return Err(RedirectError::Fragment);
        }
        let Some(hosts) = loopback(&url) else { return Ok(Self::Elsewhere(text.to_owned())) };
        match url.port() {
            Some(in_uri) if port != 0 && port != in_uri => return Err(RedirectError::Port { in_uri }),
            Some(_) => {}
            // An http URL with a host always takes a port.
            None => url.set_port(Some(port)).unwrap_or_default(),
        }
        let port = url.port().unwrap_or(port);
        Ok(Self::Loopback { url, addresses: hosts.into_iter().map(|host| SocketAddr::new(host, port)).collect() })
    }
}

/// The addresses behind the host of a plain http URL, if it is this machine and nothing else.
fn loopback(url: &Url) -> Option<Vec<IpAddr>> {
    if url.scheme() != "http" || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    match url.host()? {
        Host::Ipv4(ip) if ip.is_loopback() => Some(vec![ip.into()]),
        Host::Ipv6(ip) if ip.is_loopback() => Some(vec![ip.into()]),
        Host::Domain("localhost" | "localhost.") => Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_listened_at() {
        for (uri, port, expected, addresses) in [
            (None, 0, "http://127.0.0.1:0/callback", "127.0.0.1:0"),
            (None, 8123, "http://127.0.0.1:8123/callback", "127.0.0.1:8123"),
            (Some("http://127.0.0.1/cb?a=b"), 0, "http://127.0.0.1:0/cb?a=b", "127.0.0.1:0"),
            (Some("http://127.0.0.1:9/cb"), 0, "http://127.0.0.1:9/cb", "127.0.0.1:9"),
            (Some("http://127.0.0.1:9/cb"), 9, "http://127.0.0.1:9/cb", "127.0.0.1:9"),
            (Some("http://localhost:9/"), 0, "http://localhost:9/", "127.0.0.1:9 [::1]:9"),
            (Some("http://[::1]:9/cb"), 0, "http://[::1]:9/cb", "[::1]:9"),
        ] {
            let Ok(Redirect::Loopback { url, addresses: found }) = Redirect::of(uri, port) else { panic!("{uri:?}") };
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!((url.as_str(), found.join(" ").as_str()), (expected, addresses), "{uri:?}");
        }
    }

    #[test]
    fn anything_else_is_brought_back_by_hand_and_stays_as_it_is() {
        for uri in [
            "https://localhost/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://user@127.0.0.1/cb",
            "https://app.example.com",
            "com.example.app:/cb",
            "urn:ietf:wg:oauth:2.0:oob",
        ] {
            assert_eq!(Redirect::of(Some(uri), 0), Ok(Redirect::Elsewhere(uri.to_owned())));
        }
    }

    #[test]
    fn what_no_server_redirects_to_is_refused() {
        assert!(matches!(Redirect::of(Some("callback"), 0), Err(RedirectError::NotAUri { .. })));
        assert_eq!(Redirect::of(Some("http://127.0.0.1/cb#x"), 0), Err(RedirectError::Fragment));
        assert_eq!(Redirect::of(Some("http://127.0.0.1:9/cb"), 8), Err(RedirectError::Port { in_uri: 9 }));
    }
}
