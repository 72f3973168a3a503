//! URLs that lead through the relay, and the URLs of media servers behind them.
//!
//! `/SECRET/m/NAME/PATH` is PATH below the profile's `base_url`; `/SECRET/m/NAME/.via/TICKET/https/HOST/PATH` is another URL.
//! Paths stay readable, so that what a player makes of a URL (its extension, the folder that relative references start from)
//! comes out as with the real one.

use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::secret::Secret;

use super::ticket::{Cover, Seal};

/// What begins a way to somewhere else. A folder of this name below a `base_url` cannot be reached.
const VIA: &str = ".via/";

/// What stays as it is in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The ways of one profile through the relay.
pub struct Ways {
    profile: String,
    /// `/SECRET/m/NAME/`.
    entry: Secret,
    /// The profile's `base_url`; its path ends in `/`.
    base: Url,
    seal: Seal,
}

impl Ways {
    /// The ways of `profile` to what is below `base`, in a relay with this secret.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn new(secret: &Secret, profile: &str, base: &Url) -> Result<Self, getrandom::Error> {
        let mut base = base.clone();
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let entry = Secret::new(format!("/{}/m/{}/", segment(secret.expose()), segment(profile)));
        Ok(Self { profile: profile.to_owned(), entry, base, seal: Seal::new()? })
    }

    /// `/SECRET/m/NAME/`, below which `base_url` is.
    pub fn entry(&self) -> &str {
        self.entry.expose()
    }

    /// The `base_url`, as a folder.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Path and query of the way to `url`.
    pub fn to(&self, url: &Url, cover: Cover, now: SystemTime) -> String {
        let entry = self.entry.expose();
        let mut url = url.clone();
        url.set_fragment(None);
        if let Some(rest) = url.as_str().strip_prefix(self.base.as_str()).filter(|rest| !rest.starts_with(VIA)) {
            return format!("{entry}{rest}");
        }
        let ticket = self.seal.ticket(&self.profile, &url, cover, now);
        let (scheme, rest) = url.as_str().split_once("://").unwrap_or(("http", url.as_str()));
        format!("{entry}{VIA}{ticket}/{scheme}/{rest}")
    }

    /// The URL to which a way of these leads, if there is one that may be gone. `target` is a path with its query.
    pub fn from(&self, target: &str, now: SystemTime) -> Option<Url> {
        let rest = target.strip_prefix(self.entry.expose())?;
        let Some(via) = rest.strip_prefix(VIA) else {
            let mut url = Url::parse(&format!("{}{rest}", self.base)).ok()?;
            url.set_fragment(None);
            return Some(url).filter(|url| url.as_str().starts_with(self.base.as_str()) && !climbs(url.path()));
        };
        let (ticket, rest) = via.split_once('/')?;
        let (scheme, rest) = rest.split_once('/').filter(|(scheme, _)| ["http", "https"].contains(scheme))?;
        let mut url = Url::parse(&format!("{scheme}://{rest}")).ok()?;
        url.set_fragment(None);
        Some(url).filter(|url| self.seal.admits(&self.profile, ticket, url, now) && !climbs(url.path()))
    }
}

/// `name` as one segment of a path.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// Does a part of `path` lead out of its folder for a server that decodes it first? `Url` has resolved what is plain.
fn climbs(path: &str) -> bool {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    decoded.split(['/', '\\']).any(|segment| segment == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn ways(base: &str) -> Ways {
        Ways::new(&Secret::new("S"), "p/1", &Url::parse(base).expect(base)).expect("random numbers")
    }

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    #[test]
    fn there_and_back() {
        let ways = ways("https://h/v1");
        for (to, shown) in [
            ("https://h/v1/", "/S/m/p%2F1/"),
            ("https://h/v1/a/b.m3u8?x=%2f&y", "/S/m/p%2F1/a/b.m3u8?x=%2f&y"),
            ("https://h/v1//a", "/S/m/p%2F1//a"),
            ("https://h/v1/$Number%05d$.m4s", "/S/m/p%2F1/$Number%05d$.m4s"),
            ("https://h/v2/a.ts?b", "https/h/v2/a.ts?b"),
            ("https://h/v1/.via/x", "https/h/v1/.via/x"),
            ("http://h/v1/a", "http/h/v1/a"),
            ("https://h:8443/v1/a", "https/h:8443/v1/a"),
            ("http://u:p@[::1]:81/a", "http/u:p@[::1]:81/a"),
        ] {
            let way = ways.to(&url(to), Cover::Whole, NOW);
            assert!(way.ends_with(shown) && way.starts_with("/S/m/p%2F1/"), "{way}");
            assert_eq!(ways.from(&way, NOW), Some(url(to)), "{way}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_folder_without_a_ticket() {
        let ways = ways("https://h/v1/");
        for rest in [
            "../v2/a",
            "a/../../v2",
            "%2e%2e/v2",
            "..%2fv2",
            "a/..%5cv2",
            "..\\v2",
            ".via/x/https/h/v1/a",
            ".via/",
            ".via//https/h/",
        ] {
            assert_eq!(ways.from(&format!("/S/m/p%2F1/{rest}"), NOW), None, "{rest}");
        }
        assert_eq!(ways.from("/S/m/p%2F1/@evil/", NOW), Some(url("https://h/v1/@evil/")));
        assert_eq!(ways.from("/S/m/p%2F1/https://evil/", NOW), Some(url("https://h/v1/https://evil/")));
        assert_eq!(ways.from("/T/m/p%2F1/a", NOW), None);
        let folder = ways.to(&url("https://c/a/b/"), Cover::Folder, NOW);
        assert_eq!(ways.from(&format!("{folder}seg.m4s"), NOW), Some(url("https://c/a/b/seg.m4s")));
        for climbing in ["../x", "..%2fx", "%2e%2e/x"] {
            assert_eq!(ways.from(&format!("{folder}{climbing}"), NOW), None, "{climbing}");
        }
    }
}
