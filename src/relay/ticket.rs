//! Tickets: what lets a caller through the relay to a URL outside the folder of the profile's `base_url`.
//!
//! The relay puts one into every reference of that kind in a manifest that it hands on. A ticket is a MAC over the profile, the
//! URL and a time, by a key that never leaves this process and ends with it: whoever knows the relay's secret can go where the
//! manifests lead, and cannot make the relay ask for anything else.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use url::Url;

/// Times count in these steps, so that a manifest that is asked for again is the same for a while.
const STEP: Duration = Duration::from_secs(3600);
/// A ticket is good for a day, and until the end of the step: a player reads a recording's playlists once.
const STEPS: u64 = 24;
/// Query parameters that a player adds to the URL of a playlist (RFC 8216bis section 6.2.5).
const DIRECTIVE: &str = "_HLS_";

/// The key of a relay's tickets.
pub struct Seal(hmac::Key);

/// How much of a URL a ticket is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// All of it, but for the directives that a player may add.
    Whole,
    /// Everything in the folder of its path: where a template or a relative reference is filled in by the player. The path ends
    /// at the first `$`.
    Folder,
}

impl Seal {
    /// A fresh key.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0_u8; 32];
        getrandom::fill(&mut key)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// A ticket of `profile` to `url`.
    pub fn ticket(&self, profile: &str, url: &Url, cover: Cover, now: SystemTime) -> String {
        let until = step(now) + STEPS;
        let length = match cover {
            Cover::Whole => 0,
            Cover::Folder => folder(url).len(),
        };
        let mac = hmac::sign(&self.0, claim(profile, url, length, until).unwrap_or_default().as_bytes());
        format!("{until:x}.{length:x}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// Does `ticket` let `profile` go to `url`?
    pub fn admits(&self, profile: &str, ticket: &str, url: &Url, now: SystemTime) -> bool {
        let read = || {
            let mut parts = ticket.splitn(3, '.');
            let (until, length, mac) = (parts.next()?, parts.next()?, parts.next()?);
            let until = u64::from_str_radix(until, 16).ok()?;
            let length = usize::from_str_radix(length, 16).ok()?;
            let claim = claim(profile, url, length, until).filter(|_| step(now) <= until)?;
            hmac::verify(&self.0, claim.as_bytes(), &URL_SAFE_NO_PAD.decode(mac).ok()?).ok()
        };
        read().is_some()
    }
}

/// What the MAC is over: the first `length` bytes of the URL, 0 = the whole; `None` if there are not so many.
fn claim(profile: &str, url: &Url, length: usize, until: u64) -> Option<String> {
    let covered = match length {
        0 => without_directives(url),
        length => Cow::Borrowed(url.as_str().get(..length)?),
    };
    // A profile's name holds no control character, and a URL neither.
    Some(format!("{profile}\0{until:x}\0{length:x}\0{covered}"))
}

fn step(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() / STEP.as_secs()
}

/// `url` up to the last `/` of its path, or that before the first `$`.
fn folder(url: &Url) -> &str {
    let path = &url[..url::Position::AfterPath];
    let fixed = path.split('$').next().unwrap_or(path);
    // A `$` in the host leaves no path; then the folder is the root, for which the host stands in full.
    let root = url[..url::Position::BeforePath].len() + 1;
    &url.as_str()[..fixed.rfind('/').map_or(root, |slash| slash + 1).max(root)]
}

fn without_directives(url: &Url) -> Cow<'_, str> {
    let Some(query) = url.query().filter(|query| query.contains(DIRECTIVE)) else { return Cow::Borrowed(url.as_str()) };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with(DIRECTIVE)).collect();
    let start = &url[..url::Position::AfterPath];
    Cow::Owned(if kept.is_empty() { start.to_owned() } else { format!("{start}?{}", kept.join("&")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn at(later: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + NOW + Duration::from_secs(later)
    }

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    #[test]
    fn a_ticket_is_for_one_profile_one_url_and_a_day() {
        let seal = Seal::new().expect("random numbers");
        let to = url("https://cdn.example:8443/a/seg1.ts?sig=x");
        let ticket = seal.ticket("p", &to, Cover::Whole, at(0));
        let admits = |profile: &str, url: &Url, later: u64| seal.admits(profile, &ticket, url, at(later));
        assert!(admits("p", &to, 0) && admits("p", &to, 24 * 3600));
        assert!(!admits("p", &to, 25 * 3600 + 1));
        assert!(!admits("q", &to, 0));
        for other in
            ["https://cdn.example:8443/a/seg2.ts?sig=x", "https://cdn.example:8443/a/seg1.ts", "https://evil/a/seg1.ts?sig=x"]
        {
            assert!(!admits("p", &url(other), 0), "{other}");
        }
        assert!(!Seal::new().expect("random numbers").admits("p", &ticket, &to, at(0)), "another run");
    }

    #[test]
    fn a_ticket_cannot_be_changed() {
        let seal = Seal::new().expect("random numbers");
        let to = url("https://cdn.example/a/b/seg.ts");
        let ticket = seal.ticket("p", &to, Cover::Whole, at(0));
        let mut parts = ticket.splitn(3, '.');
        let (until, length, mac) = (parts.next().expect("a time"), parts.next().expect("a length"), parts.next().expect("a MAC"));
        let later = u64::from_str_radix(until, 16).expect("a number") + 1;
        for forged in [
            format!("{later:x}.{length}.{mac}"),
            format!("{until}.16.{mac}"),
            format!("{until}.{length}."),
            format!("{until}.{length}.{}", &mac[..22]),
            format!("{until}.ffffffffffffffffff.{mac}"),
            String::new(),
            "..".to_owned(),
        ] {
            assert!(!seal.admits("p", &forged, &to, at(0)), "{forged}");
        }
    }

    #[test]
    fn a_folder_is_covered_as_far_as_it_is_fixed() {
        let seal = Seal::new().expect("random numbers");
        for (template, inside, outside) in [
            ("https://c/a/b/", "https://c/a/b/x/y.m4s?z", "https://c/a/"),
            ("https://c/a/b/v.mp4?sig=1/2", "https://c/a/b/w.mp4", "https://c/a/c"),
            ("https://c/a/$RepresentationID$/$Number$.m4s", "https://c/a/v0/7.m4s", "https://c/b/v0/7.m4s"),
            ("https://c/$Number$", "https://c/7", "https://d/7"),
            ("https://c/s?n=$Number$", "https://c/s?n=7", "http://c/s?n=7"),
            ("https://c:8443", "https://c:8443/7", "https://c/7"),
        ] {
            let ticket = seal.ticket("p", &url(template), Cover::Folder, at(0));
            assert!(
                seal.admits("p", &ticket, &url(template), at(0)) && seal.admits("p", &ticket, &url(inside), at(0)),
                "{template}"
            );
            assert!(!seal.admits("p", &ticket, &url(outside), at(0)), "{template} {outside}");
        }
    }

    #[test]
    fn a_player_may_ask_for_the_next_version_of_a_playlist() {
        let seal = Seal::new().expect("random numbers");
        let ticket = seal.ticket("p", &url("https://c/live.m3u8?a=1"), Cover::Whole, at(0));
        for (asked, admitted) in [
            ("https://c/live.m3u8?a=1&_HLS_msn=7&_HLS_part=2", true),
            ("https://c/live.m3u8?_HLS_msn=7&a=1", true),
            ("https://c/live.m3u8?a=1&b=2", false),
        ] {
            assert_eq!(seal.admits("p", &ticket, &url(asked), at(0)), admitted, "{asked}");
        }
    }

    #[test]
    fn tickets_of_one_hour_are_the_same() {
        let seal = Seal::new().expect("random numbers");
        let ticket = |later| seal.ticket("p", &url("https://c/x"), Cover::Whole, at(later));
        assert_eq!(ticket(0), ticket(60));
        assert_ne!(ticket(0), ticket(3600));
    }
}
