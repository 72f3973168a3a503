//! The cookies of one file (RFC 6265), for requests that libav does not make itself: a CDN may let in whoever brings back what
//! the manifest came with.
//!
//! Stricter than a browser: a cookie that came by https goes by https only, and none is for a public suffix.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use url::{Host, Url};

use crate::clock::http_date;

/// More are not kept, nor longer ones (RFC 6265 section 6.1).
const MOST: usize = 100;
const LONGEST: usize = 4096;

/// The cookies that the servers of a file have set; clones share them.
#[derive(Clone, Default)]
pub struct Cookies(Arc<Mutex<Vec<Cookie>>>);

#[derive(Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    host: String,
    /// Hosts below `host` get it too.
    below: bool,
    path: String,
    https: bool,
    until: Option<SystemTime>,
}

impl Cookies {
    /// Takes what an answer from `url` sets.
    pub(super) fn take(&self, url: &Url, headers: &HeaderMap, now: SystemTime) {
        let mut cookies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for field in headers.get_all(SET_COOKIE).iter().filter_map(|field| field.to_str().ok()) {
            let Some(new) = Cookie::parse(url, field, now) else { continue };
            cookies.retain(|old| (&old.name, &old.host, &old.path) != (&new.name, &new.host, &new.path));
            if new.is_alive(now) && cookies.len() < MOST {
                cookies.push(new);
            }
        }
    }

    /// Takes `fields`, each as in `Set-Cookie`, one a line: what libavformat keeps, or a user gives it, for the file at `url`.
    pub fn adopt(&self, url: &str, fields: &str, now: SystemTime) {
        let Ok(url) = Url::parse(url) else { return };
        let lines = fields.lines().filter_map(|line| HeaderValue::from_str(line).ok());
        self.take(&url, &lines.map(|line| (SET_COOKIE, line)).collect(), now);
    }

    /// The `Cookie` field of a request for `url`; `None` without any.
    pub(super) fn field(&self, url: &Url, now: SystemTime) -> Option<String> {
        let cookies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fitting: Vec<&Cookie> = cookies.iter().filter(|cookie| cookie.is_alive(now) && cookie.fits(url)).collect();
        // Longer paths come first (RFC 6265 section 5.4).
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = fitting.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

impl Cookie {
    /// RFC 6265 sections 5.2 and 5.3.
    fn parse(url: &Url, field: &str, now: SystemTime) -> Option<Self> {
        let mut parts = field.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.len() + value.len() > LONGEST || field.chars().any(char::is_control) {
            return None;
        }
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            host: url.host_str()?.to_owned(),
            below: false,
            path: url.path().rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder }).to_owned(),
            https: url.scheme() == "https",
            until: None,
        };
        let mut age = None;
        for (name, value) in parts.map(|part| part.split_once('=').unwrap_or((part, ""))) {
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "domain" => {
                    let domain = value.trim_start_matches('.').to_ascii_lowercase();
                    if domain != cookie.host {
                        let is_name = matches!(url.host(), Some(Host::Domain(_)));
                        let is_suffix =
                            psl::suffix(domain.as_bytes()).is_none_or(|suffix| suffix.as_bytes() == domain.as_bytes());
                        if !is_name || is_suffix || !is_below(&cookie.host, &domain) {
                            return None;
                        }
                    }
                    (cookie.host, cookie.below) = (domain, true);
                }
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "max-age" => age = value.parse::<i64>().ok().or(age),
                "expires" => cookie.until = http_date(&value.replace('-', " ")),
                _ => {}
            }
        }
        // `Max-Age` goes before `Expires`.
        if let Some(age) = age {
            cookie.until = now.checked_add(Duration::from_secs(u64::try_from(age).unwrap_or(0)));
        }
        Some(cookie)
    }

    fn is_alive(&self, now: SystemTime) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    fn fits(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let fits_host = host == self.host || self.below && is_below(host, &self.host);
        // RFC 6265 section 5.1.4.
        let rest = url.path().strip_prefix(self.path.as_str());
        let fits_path = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'));
        fits_host && fits_path && (!self.https || url.scheme() == "https")
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|label| label.ends_with('.'))
}

#[cfg(test)]
mod unit {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    /// What a request for `to` brings back of `fields` in an answer from `from`, `later` seconds afterwards.
    fn back(from: &str, fields: &[&'static str], to: &str, later: u64) -> Option<String> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let cookies = Cookies::default();
        for field in fields {
            let headers = HeaderMap::from_iter([(SET_COOKIE, http::HeaderValue::from_static(field))]);
            cookies.take(&url(from), &headers, now);
        }
        cookies.field(&url(to), now + Duration::from_secs(later))
    }

    #[test]
    fn cookies_go_back_to_host_and_folder() {
        let from = "https://a.example.com/live/cam/index.mpd";
        for (field, to, expected) in [
            ("k=v", "https://a.example.com/live/cam/1.m4s", Some("k=v")),
            ("k=v", "https://a.example.com/live/other", None),
            ("k=v", "https://b.example.com/live/cam/1", None),
            ("k=v", "http://a.example.com/live/cam/1", None),
            ("k=v; Path=/; HttpOnly; SameSite=None", "https://a.example.com:8443/x", Some("k=v")),
            ("k=v; path=/live", "https://a.example.com/lively", None),
            ("k=v; path=/; Domain=.example.com", "https://b.example.com/x", Some("k=v")),
            ("k=v; path=/; Domain=example.com", "https://badexample.com/x", None),
            ("k=v; path=/; Domain=com", "https://b.com/x", None),
            ("k=v; path=/; Domain=b.example.com", "https://b.example.com/x", None),
            ("=v", "https://a.example.com/live/cam/1", None),
        ] {
            assert_eq!(back(from, &[field], to, 0).as_deref(), expected, "{field} {to}");
        }
        assert_eq!(back("http://10.0.0.1/x", &["k=v; Domain=0.1"], "http://20.0.0.1/x", 0), None);
    }

    #[test]
    fn cookies_are_replaced_and_end() {
        let at = "https://h/x";
        assert_eq!(back(at, &["a=1", "a=2; Max-Age=9", "b=3; Path=/x"], at, 8).as_deref(), Some("b=3; a=2"));
        assert_eq!(back(at, &["a=1; Max-Age=9"], at, 10), None);
        assert_eq!(back(at, &["a=1", "a=; Max-Age=0"], at, 0), None);
        let expires = "a=1; Expires=Sun, 09-Sep-2001 01:46:50 GMT";
        assert_eq!((back(at, &[expires], at, 9).as_deref(), back(at, &[expires], at, 11)), (Some("a=1"), None));
    }
}
