//! What dashdec.c is at, learnt from what it asks for: whether it waits at the live edge, and what it goes on without.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Now;

use super::listing::Listing;
use super::manifest::Manifest;
use super::references::References;

/// The pause between two looks at a manifest that does not say how often it changes.
const PAUSE: Duration = Duration::from_secs(1);
/// A manifest is not asked for more often than this, nor less often while somebody waits for news.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// dashdec.c reads the manifest for itself and again for its first segment; who wants it more often in a row waits for news.
const REPEATED: u32 = 2;

/// The manifest as it came last, and who waits for the next one.
#[derive(Default)]
pub(super) struct Watch {
    /// As it came.
    body: Vec<u8>,
    /// As dashdec.c is to see it.
    pub(super) text: String,
    /// When it was fetched.
    pub(super) fetched: Option<Now>,
    /// More is to come.
    pub(super) live: bool,
    /// It was live once. dashdec.c never notices that it is no longer.
    pub(super) was_live: bool,
    /// Segments are listed in it.
    pub(super) listed: bool,
    update: Option<Duration>,
    listing: Listing,
    /// What it names; what the first one named, and the one that dashdec.c has seen last.
    latest: Arc<References>,
    seen: [Arc<References>; 2],
    /// A segment was not there: dashdec.c has come to the end of what is listed.
    at_edge: bool,
    /// How often the manifest was handed on since anything else was asked for.
    repeated: u32,
}

impl Watch {
    /// Is whoever asks for the manifest now waiting for something new in it? dashdec.c asks without a pause (`read_data`,
    /// `get_current_fragment`).
    pub(super) fn is_waiting(&self) -> bool {
        self.live && (self.at_edge || self.repeated >= REPEATED)
    }

    /// How long the manifest that came last is good enough.
    pub(super) fn pause(&self) -> Duration {
        self.update.map_or(PAUSE, |update| update / 2).clamp(PAUSES.0, PAUSES.1)
    }

    /// A manifest came; true if it is another one than before.
    pub(super) fn take(&mut self, body: Vec<u8>, manifest: Manifest, now: Now) -> bool {
        let Manifest { text, live, listed, update, listing, references } = manifest;
        let is_news = self.body != body;
        self.latest = Arc::new(references);
        if self.fetched.is_none() {
            self.seen[0] = Arc::clone(&self.latest);
        }
        (self.body, self.text, self.fetched) = (body, text, Some(now));
        (self.live, self.listed, self.update, self.listing) = (live, listed, update, listing);
        self.was_live |= live;
        is_news
    }

    /// The manifest was handed on.
    pub(super) fn told(&mut self) {
        (self.at_edge, self.repeated) = (false, self.repeated + 1);
        self.seen[1] = Arc::clone(&self.latest);
    }

    /// Something else was asked for.
    pub(super) fn asked(&mut self) {
        self.repeated = 0;
    }

    /// What was asked for is not there.
    pub(super) fn missed(&mut self) {
        self.at_edge = true;
    }

    /// Can it be told of a segment whether it is listed?
    pub(super) fn names_times(&self) -> bool {
        !self.listing.is_empty()
    }

    /// Is `url` a segment that is still to come, as far as dashdec.c can know?
    pub(super) fn is_unlisted(&self, url: &str) -> bool {
        self.was_live && self.listing.lists(&self.signed(url)) == Some(false)
    }

    /// `url`, which dashdec.c has put together, as the server names it now.
    pub(super) fn named<'a>(&self, url: &'a str) -> Cow<'a, str> {
        let signed = self.signed(url);
        if self.was_live
            && let Cow::Owned(named) = self.listing.named(&signed)
        {
            return Cow::Owned(named);
        }
        signed
    }

    /// `url` with the signatures of the latest manifest.
    fn signed<'a>(&self, url: &'a str) -> Cow<'a, str> {
        let anew = self.seen.iter().find_map(|seen| seen.made_anew(url, &self.latest));
        anew.map_or(Cow::Borrowed(url), Cow::Owned)
    }

    /// What is not there will not come any more.
    pub(super) fn is_over(&self) -> bool {
        self.was_live && !self.live
    }
}

/// Which segments were not there. dashdec.c asks for segments that are still to come, and for one behind the last; so one is
/// lost only when a later one of its series is delivered.
#[derive(Default)]
pub(super) struct Missing(HashMap<String, String>);

impl Missing {
    /// `url` is not there.
    pub(super) fn miss(&mut self, url: &str) {
        self.0.entry(series(url)).or_insert_with(|| url.to_owned());
    }

    /// `url` is delivered. The one that was lost before it, if there is one.
    pub(super) fn deliver(&mut self, url: &str) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        self.0.remove(&series(url)).filter(|missed| missed != url)
    }
}

/// The segments of a representation differ in the last number of their path.
fn series(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let stem = path.rfind('.').map_or(path, |dot| &path[..dot]);
    let Some(last) = stem.rfind(|c: char| c.is_ascii_digit()) else { return path.to_owned() };
    let head = stem[..=last].trim_end_matches(|c: char| c.is_ascii_digit());
    format!("{head}#{}", &path[last + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    #[test]
    fn a_series_differs_in_its_last_number() {
        for (one, other, same) in [
            ("http://h:1/chunk-stream0-00012.m4s", "http://h:1/chunk-stream0-00013.m4s", true),
            ("http://h:1/chunk-stream0-00012.m4s", "http://h:1/chunk-stream1-00012.m4s", false),
            ("http://h:1/v/99.mp4?a=1", "http://h:1/v/100.mp4?b=2", true),
            ("http://h:1/1.ü9", "http://h:1/2.ü9", true),
            ("http://h/a.mp4", "http://h/b.mp4", false),
        ] {
            assert_eq!(series(one) == series(other), same, "{one} {other}");
        }
    }

    #[test]
    fn a_segment_is_lost_when_a_later_one_comes() {
        let mut missing = Missing::default();
        missing.miss("http://h/v1.m4s");
        assert_eq!(missing.deliver("http://h/a2.m4s"), None, "another series");
        assert_eq!(missing.deliver("http://h/v1.m4s"), None, "it has come after all");
        missing.miss("http://h/v2.m4s");
        missing.miss("http://h/v3.m4s");
        assert_eq!(missing.deliver("http://h/v4.m4s").as_deref(), Some("http://h/v2.m4s"));
        assert_eq!(missing.deliver("http://h/v5.m4s"), None);
    }

    #[test]
    fn who_asks_for_the_manifest_again_and_again_or_after_a_miss_waits_for_news() {
        let mut watch = Watch::default();
        let update = Some(Duration::from_secs(2));
        let manifest = |live| Manifest { live, listed: true, update, ..Manifest::default() };
        assert!(!watch.take(Vec::new(), manifest(true), SystemClock.now()));
        assert_eq!(watch.pause(), Duration::from_secs(1));
        watch.told();
        assert!(!watch.is_waiting());
        watch.told();
        assert!(watch.is_waiting());
        watch.asked();
        assert!(!watch.is_waiting());
        watch.missed();
        assert!(watch.is_waiting());
        watch.told();
        assert!(watch.take(b"other".to_vec(), manifest(false), SystemClock.now()));
        assert!(!watch.is_waiting() && watch.is_over());
    }
}
