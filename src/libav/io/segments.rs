//! What hls.c is at, learnt from its log: which request is for a segment and which for a key, and what it went on without.
//!
//! hls.c 5.1 names each segment before it asks for it (`open_input`), skips one that cannot be opened (`read_data`), takes one
//! that broke off in the middle for complete, and tells nobody but the log.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Now;
use crate::net::Losses;
use crate::net::retry::Purpose;

/// See the module.
#[derive(Default)]
pub struct Segments {
    playlists: RefCell<BTreeSet<String>>,
    /// The segment that each playlist asked for last, by the playlist's number.
    asked: RefCell<BTreeMap<i32, Asked>>,
    /// By the playlist's number.
    held_back: RefCell<BTreeMap<i32, (String, Now)>>,
    pub losses: Losses,
}

/// The pause between two attempts at a segment that is not due yet.
const NEXT_PAUSE: Duration = Duration::from_secs(1);

struct Asked {
    url: String,
    /// Segments that are parts of one file differ in it.
    offset: i64,
    failed: bool,
}

impl Segments {
    /// What an open of `url` is for, and the number of the playlist that wants the segment. `is_being_read`: a segment of this
    /// playlist is open and not at its end.
    pub fn purpose(&self, url: &str, top: bool, is_being_read: impl Fn(i32) -> bool) -> (Purpose, Option<i32>) {
        let asked = self.asked.borrow();
        let path = url.split(['?', '#']).next().unwrap_or(url);
        let is_playlist = || {
            asked.is_empty() || [".m3u8", ".m3u"].iter().any(|end| path.ends_with(end)) || self.playlists.borrow().contains(url)
        };
        if top {
            self.playlists.borrow_mut().insert(url.to_owned());
            (Purpose::Top, None)
        } else if let Some((playlist, _)) = asked.iter().find(|(_, asked)| asked.url == url) {
            (if is_being_read(*playlist) { Purpose::NextSegment } else { Purpose::Segment }, Some(*playlist))
        } else if is_playlist() {
            self.playlists.borrow_mut().insert(url.to_owned());
            (Purpose::Playlist, None)
        } else {
            (Purpose::Key, None)
        }
    }

    /// What is at `url` may be a playlist.
    pub fn add_playlist(&self, url: &str) {
        self.playlists.borrow_mut().insert(url.to_owned());
    }

    /// The playlists that were asked for, the file itself among them.
    pub fn playlists(&self) -> BTreeSet<String> {
        self.playlists.borrow().clone()
    }

    /// Is it too early to ask for this next segment again?
    pub fn is_held_back(&self, playlist: i32, url: &str, now: &Now) -> bool {
        self.held_back.borrow().get(&playlist).is_some_and(|(held, since)| held == url && now.since(since) < NEXT_PAUSE)
    }

    /// The next segment could not be opened at `now`.
    pub fn hold_back(&self, playlist: i32, url: &str, now: Now) {
        self.held_back.borrow_mut().insert(playlist, (url.to_owned(), now));
    }

    /// `playlist` asks for `url` from `offset` on. If the one before never came, it is lost; a segment may be asked for twice, ahead of its turn
    /// and when it is due.
    pub fn ask(&self, playlist: i32, url: &str, offset: i64) {
        let before = self.asked.borrow_mut().insert(playlist, Asked { url: url.to_owned(), offset, failed: false });
        if before.is_some_and(|before| before.failed && (before.url.as_str(), before.offset) != (url, offset)) {
            self.losses.add(1);
        }
    }

    /// The segment at `url` could not be opened.
    pub fn fail(&self, url: &str) {
        for asked in self.asked.borrow_mut().values_mut().filter(|asked| asked.url == url) {
            asked.failed = true;
        }
    }

    /// Did the open of the segment that `playlist` asked for last come to `io_open`, and fail there?
    pub fn failed(&self, playlist: i32) -> bool {
        self.asked.borrow().get(&playlist).is_some_and(|asked| asked.failed)
    }

    /// Segments went out of the live window before they were read, or one broke off.
    pub fn lose(&self, count: u64) {
        self.losses.add(count);
    }

    /// Nothing more will be asked for: what failed last is lost too.
    pub fn end(&self) {
        let failed = std::mem::take(&mut *self.asked.borrow_mut()).into_values().filter(|asked| asked.failed).count();
        self.losses.add(failed as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_by_what_was_asked_for() {
        let segments = Segments::default();
        let purpose = |url, top, reading| segments.purpose(url, top, |_| reading).0;
        assert_eq!(purpose("http://h/live", true, false), Purpose::Top);
        assert_eq!(purpose("http://h/audio?v=1", false, false), Purpose::Playlist, "no segment has been asked for yet");
        segments.ask(0, "http://h/1.ts", 0);
        for (url, purpose) in [
            ("http://h/1.ts", Purpose::Segment),
            ("http://h/k", Purpose::Key),
            ("http://h/audio?v=1", Purpose::Playlist),
            ("http://h/live", Purpose::Playlist),
            ("http://h/new.m3u8?x", Purpose::Playlist),
        ] {
            assert_eq!(segments.purpose(url, false, |_| false).0, purpose, "{url}");
        }
        assert_eq!(segments.purpose("http://h/1.ts", false, |playlist| playlist == 0), (Purpose::NextSegment, Some(0)));
    }

    #[test]
    fn a_segment_is_lost_when_the_next_one_is_asked_for() {
        let segments = Segments::default();
        segments.ask(0, "1", 0);
        segments.fail("1");
        assert!(segments.failed(0));
        segments.ask(1, "a", 0);
        segments.ask(0, "1", 0);
        assert_eq!(segments.losses.count(), 0, "it was only tried ahead of its turn");
        segments.fail("1");
        segments.ask(0, "2", 0);
        assert_eq!(segments.losses.count(), 1);
        segments.fail("2");
        segments.end();
        assert_eq!(segments.losses.count(), 2);
    }
}
