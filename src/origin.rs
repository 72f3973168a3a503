//! Origins (RFC 6454: scheme, host, port) and the patterns that select them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

/// Scheme, host and port of a URL. Two ports are two origins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of `url`; `None` for URLs that have none (no host, or a scheme without a known port and none given).
    pub fn of(url: &Url) -> Option<Self> {
        Some(Self {
            scheme: url.scheme().to_ascii_lowercase(),
            host: normal_host(url.host_str()?),
            port: url.port().or_else(|| default_port(url.scheme()))?,
        })
    }

    /// The origin of the URL in `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::of(&Url::parse(text).ok()?)
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host, in lower case; IPv6 addresses in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own where the URL named none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// True if a passive listener on the network cannot read what is sent there: TLS, or this machine.
    pub fn is_confidential(&self) -> bool {
        matches!(self.scheme.as_str(), "https" | "rtmps" | "rtsps") || is_loopback(&self.host)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if default_port(&self.scheme) != Some(self.port) {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// 127.0.0.0/8, `::1` and `localhost`.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.eq_ignore_ascii_case("localhost.")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The port that a URL of this scheme means when it names none.
pub fn default_port(scheme: &str) -> Option<u16> {
    Some(match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        "rtmp" | "rtmpt" => 1935,
        "rtmps" | "rtmpts" => 443,
        "rtsp" => 554,
        "rtsps" => 322,
        _ => return None,
    })
}

fn normal_host(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// One entry of a profile's `origins`: an origin, a host pattern (`https://*.cdn.example.com`) or any port (`:*`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginPattern {
    scheme: String,
    host: HostPattern,
    port: PortPattern,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum HostPattern {
    Exact(String),
    /// `*.` followed by this: one or more labels in front, never the apex itself.
    Below(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum PortPattern {
    Exact(u16),
    Any,
}

impl OriginPattern {
    /// The pattern that matches exactly `origin`.
    pub fn exactly(origin: &Origin) -> Self {
        Self {
            scheme: origin.scheme.clone(),
            host: HostPattern::Exact(origin.host.clone()),
            port: PortPattern::Exact(origin.port),
        }
    }

    /// Does `origin` fall under this pattern?
    pub fn matches(&self, origin: &Origin) -> bool {
        let host = match &self.host {
            HostPattern::Exact(host) => *host == origin.host,
            HostPattern::Below(apex) => {
                origin.host.strip_suffix(apex.as_str()).is_some_and(|label| label.len() > 1 && label.ends_with('.'))
            }
        };
        let port = match self.port {
            PortPattern::Exact(port) => port == origin.port,
            PortPattern::Any => true,
        };
        self.scheme == origin.scheme && host && port
    }

    /// True if everything the pattern matches is reached by TLS or is this machine.
    pub fn is_confidential(&self) -> bool {
        matches!(self.scheme.as_str(), "https" | "rtmps" | "rtsps")
            || matches!(&self.host, HostPattern::Exact(host) if is_loopback(host))
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        match &self.host {
            HostPattern::Exact(host) => f.write_str(host)?,
            HostPattern::Below(apex) => write!(f, "*.{apex}")?,
        }
        match self.port {
            PortPattern::Any => f.write_str(":*"),
            PortPattern::Exact(port) if default_port(&self.scheme) == Some(port) => Ok(()),
            PortPattern::Exact(port) => write!(f, ":{port}"),
        }
    }
}

/// Why a string is no origin pattern. The message names the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not an origin: {reason}")]
pub struct OriginPatternError {
    pattern: String,
    reason: &'static str,
}

impl FromStr for OriginPattern {
    type Err = OriginPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| OriginPatternError { pattern: text.to_owned(), reason };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refuse("write it as https://host or https://host:port"))?;
        let scheme = scheme.to_ascii_lowercase();
        let known = default_port(&scheme).or((scheme == "srt").then_some(0));
        let default = known.ok_or_else(|| refuse("the scheme is not one that can carry a token"))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(refuse("an origin has no path; the scheme, host and port are compared, nothing else"));
        }
        if rest.contains('@') {
            return Err(refuse("an origin has no user name"));
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, "*")) => (host, PortPattern::Any),
            Some((host, port)) if !port.ends_with(']') => {
                (host, PortPattern::Exact(port.parse().map_err(|_| refuse("the port is not a number from 0 to 65535"))?))
            }
            _ => (rest, PortPattern::Exact(default)),
        };
        let host = match host.strip_prefix("*.") {
            _ if host == "*" => return Err(refuse("`*` alone would send the token to any host")),
            Some(apex) => {
                let apex = parse_host(apex).ok_or_else(|| refuse("the host name is not valid"))?;
                if apex.parse::<IpAddr>().is_ok() || apex.starts_with('[') {
                    return Err(refuse("`*.` in front of an IP address means nothing"));
                }
                if psl::suffix_str(&apex) == Some(apex.as_str()) {
                    return Err(refuse("anybody can own a name under this public suffix"));
                }
                HostPattern::Below(apex)
            }
            None if host.contains('*') => return Err(refuse("`*` may stand only as the first label: https://*.example.com")),
            None => HostPattern::Exact(parse_host(host).ok_or_else(|| refuse("the host name is not valid"))?),
        };
        Ok(Self { scheme, host, port })
    }
}

/// The host as [`Url`] would write it (lower case, punycode, canonical IPv6).
fn parse_host(host: &str) -> Option<String> {
    if host.is_empty() {
        return None;
    }
    Host::parse(host).ok().map(|host| normal_host(&host.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, url: &str) -> bool {
        pattern.parse::<OriginPattern>().expect(pattern).matches(&Origin::parse(url).expect(url))
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert!(matches("https://a.example", "https://A.example:443/x?y"));
        assert!(matches("https://a.example/", "https://a.example./x"));
        assert!(!matches("https://a.example", "http://a.example/x"));
        assert!(!matches("https://a.example", "https://a.example:8443/x"));
        assert!(!matches("http://127.0.0.1:1", "http://127.0.0.1:2/"));
        assert!(matches("http://127.0.0.1:*", "http://127.0.0.1:2/"));
        assert!(matches("http://[::1]:8080", "http://[::1]:8080/a"));
        assert!(matches("https://[::1]", "https://[0:0::1]/a"));
    }

    #[test]
    fn a_star_stands_for_labels_but_not_the_apex() {
        assert!(matches("https://*.cdn.example.com", "https://a.cdn.example.com/"));
        assert!(matches("https://*.cdn.example.com", "https://b.a.cdn.example.com/"));
        assert!(!matches("https://*.cdn.example.com", "https://cdn.example.com/"));
        assert!(!matches("https://*.cdn.example.com", "https://evilcdn.example.com/"));
    }

    #[test]
    fn patterns_that_would_give_the_token_away_are_refused() {
        for pattern in [
            "https://*",
            "https://*.com",
            "https://*.co.uk",
            "https://*.github.io",
            "https://a.*.com",
            "example.com",
            "ftp://example.com",
            "https://example.com/path",
            "https://u@example.com",
            "https://example.com:99999",
            "https://",
            "https://*.1.2.3.4",
            "https://exa mple.com",
        ] {
            assert!(pattern.parse::<OriginPattern>().is_err(), "{pattern}");
        }
    }

    #[test]
    fn patterns_print_as_they_are_written() {
        for pattern in
            ["https://a.example", "https://*.a.example", "http://127.0.0.1:*", "https://a.example:8443", "http://[::1]:80"]
        {
            let printed = pattern.parse::<OriginPattern>().expect(pattern).to_string();
            assert_eq!(printed, pattern.trim_end_matches(":80"));
        }
    }

    #[test]
    fn loopback() {
        for host in ["127.0.0.1", "127.9.9.9", "[::1]", "::1", "localhost", "LOCALHOST"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["128.0.0.1", "localhost.example.com", "[::2]", "0.0.0.0"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
