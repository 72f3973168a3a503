//! URLs that expire: a playlist, a redirect or an API gave them signed, and gives fresh ones when it is asked again.
//!
//! hls.c asks for the segments of a finished playlist, and for the playlists of a master, by the URLs that it has read once. So a
//! refusal (401, 403, 410) is answered by reading again what named the URL, and the fresh one takes its place from then on.

use std::cell::RefCell;
use std::collections::BTreeMap;

use url::Url;

use crate::libav::log;
use crate::net::{Fetched, NetError};
use crate::redact;

use super::state::State;

/// See the module.
#[derive(Default)]
pub struct Renewals {
    /// Where the file itself was found last, behind redirects and the answer of an API.
    top: RefCell<Option<Url>>,
    /// The latest URL for one that libavformat keeps, by that one without its query.
    fresh: RefCell<BTreeMap<String, Url>>,
}

/// A playlist that is longer is none.
const LONGEST_PLAYLIST: usize = 16 * 1024 * 1024;

impl Renewals {
    /// The file itself was found here.
    pub fn found_top(&self, url: &Url) {
        *self.top.borrow_mut() = Some(url.clone());
    }

    /// The latest URL for `url`, if that has expired before.
    pub fn latest(&self, url: &Url) -> Option<Url> {
        self.fresh.borrow().get(&name(url)).cloned()
    }

    /// The URL in the playlist `text` from `base` that stands for `stale`. Those of a finished playlist are kept, and that of a
    /// playlist: they are asked for again by the URL that has expired.
    fn take(&self, text: &str, base: &Url, stale: &Url, is_playlist: bool) -> Option<Url> {
        let listed = listed(text, base);
        let found = counterpart(&listed, stale, is_playlist)?;
        let mut fresh = self.fresh.borrow_mut();
        if text.contains("#EXT-X-ENDLIST") {
            let unique = listed.iter().filter(|url| counterpart(&listed, url, is_playlist) == Some(*url));
            fresh.extend(unique.map(|url| (name(url), url.clone())));
        }
        if is_playlist || text.contains("#EXT-X-ENDLIST") {
            fresh.insert(name(stale), found.clone());
        }
        (found != stale).then(|| found.clone())
    }
}

impl State {
    /// A fresh URL for `stale`, which was refused; asks for what named it. `None` if that names no other one.
    pub fn renew(&self, stale: &Url) -> Option<Url> {
        let fresh = self.ask_for_fresh(stale, true)?;
        let text = format!("{}: no longer valid; what named it was read again\n", redact::url(stale.as_str()));
        log::write(log::level::INFO, &text);
        Some(fresh)
    }

    fn ask_for_fresh(&self, stale: &Url, may_renew_playlists: bool) -> Option<Url> {
        let is_top = self.renewals.top.borrow().as_ref().is_some_and(|top| name(top) == name(stale));
        if is_top {
            let media = self.access.media.as_ref()?;
            let request = self.own_request(&self.access.url, "GET", self.request.fields());
            let resolved = media.resolve(&request, &self.stop).ok().filter(|resolved| resolved.status < 400)?;
            let fresh = Url::parse(&resolved.url).ok().filter(|fresh| fresh != stale)?;
            self.renewals.found_top(&fresh);
            self.renewals.fresh.borrow_mut().insert(name(stale), fresh.clone());
            return Some(fresh);
        }
        let playlists = self.segments.playlists();
        let is_playlist = playlists.iter().any(|known| Url::parse(known).is_ok_and(|known| name(&known) == name(stale)));
        // The file itself names the playlists; it is asked last.
        let (top, nested): (Vec<_>, Vec<_>) = playlists.into_iter().partition(|known| *known == self.access.url);
        let others = nested.into_iter().filter_map(|known| Url::parse(&known).ok()).filter(|known| name(known) != name(stale));
        others.chain(top.iter().filter_map(|known| Url::parse(known).ok())).find_map(|playlist| {
            let playlist = self.renewals.latest(&playlist).unwrap_or(playlist);
            let (text, base) = match self.read_playlist(&playlist) {
                Ok(read) => read,
                Err(failure) if may_renew_playlists && failure.is_expiry() => {
                    self.read_playlist(&self.ask_for_fresh(&playlist, false)?).ok()?
                }
                Err(_) => return None,
            };
            self.renewals.take(&text, &base, stale, is_playlist)
        })
    }

    /// The text of a playlist, and where it came from.
    fn read_playlist(&self, url: &Url) -> Result<(String, Url), NetError> {
        let media = self.access.media.as_ref().ok_or(NetError::Stopped)?;
        let request = self.own_request(url.as_str(), "GET", self.request.fields());
        let Fetched { bytes, location, .. } = media.fetch(request, LONGEST_PLAYLIST, &self.stop)?;
        let base = Url::parse(&location).unwrap_or_else(|_| url.clone());
        Ok((String::from_utf8_lossy(&bytes).into_owned(), base))
    }
}

/// A URL without what signs it.
fn name(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// The URLs in a playlist, each once: lines of their own, and `URI` in tags (RFC 8216 sections 4.1 and 4.3).
fn listed(text: &str, base: &Url) -> Vec<Url> {
    let mut urls: Vec<Url> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let reference = match line.strip_prefix('#') {
            None => Some(line),
            Some(tag) => tag.split_once("URI=\"").and_then(|(_, rest)| rest.split('"').next()),
        };
        if let Some(Ok(url)) = reference.map(|reference| base.join(reference))
            && !urls.contains(&url)
        {
            urls.push(url);
        }
    }
    urls
}

/// The one of `listed` that is what `stale` was: the same without the query, or else, where the signature stands in the path, one
/// with the same last part. Where several are like that, or nothing else is there to tell that names differ, none is.
fn counterpart<'a>(listed: &'a [Url], stale: &Url, is_playlist: bool) -> Option<&'a Url> {
    if listed.len() < 2 && !is_playlist {
        return None;
    }
    let only = |is_like: &dyn Fn(&Url) -> bool| {
        let mut like = listed.iter().filter(|url| is_like(url));
        like.next().filter(|_| like.next().is_none())
    };
    let last = |url: &Url| url.path().rsplit('/').next().map(str::to_owned).filter(|last| !last.is_empty());
    only(&|url| name(url) == name(stale)).or_else(|| {
        let is_named = listed.iter().any(|url| name(url) == name(stale));
        if is_named { None } else { only(&|url| last(url).is_some() && last(url) == last(stale)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse("https://cdn/a/").and_then(|base| base.join(text)).expect(text)
    }

    #[test]
    fn a_fresh_url_is_known_by_its_path() {
        let text =
            "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k?s=2\"\n#EXT-X-MAP:URI=\"/i.mp4?s=2\"\n1.ts?s=2\n2.ts?s=2\n2.ts?s=2\n";
        let listed = listed(text, &url("l.m3u8?s=2"));
        assert_eq!(listed.len(), 4);
        for (stale, fresh) in [
            ("2.ts?s=1", Some("2.ts?s=2")),
            ("k?s=1", Some("k?s=2")),
            ("/i.mp4?s=1", Some("/i.mp4?s=2")),
            ("/signed-1/2.ts", Some("2.ts?s=2")),
            ("3.ts?s=1", None),
        ] {
            assert_eq!(counterpart(&listed, &url(stale), false), fresh.map(url).as_ref(), "{stale}");
        }
    }

    #[test]
    fn what_only_the_query_tells_apart_is_not_guessed_at() {
        let base = url("l.m3u8");
        let two = listed("#EXTM3U\nsegment?n=2\nsegment?n=3\n", &base);
        assert_eq!(counterpart(&two, &url("segment?n=1"), false), None);
        let one = listed("#EXTM3U\nsegment?n=3\n", &base);
        assert_eq!(counterpart(&one, &url("segment?n=2"), false), None);
        assert!(counterpart(&one, &url("segment?n=2"), true).is_some(), "the only playlist of a master");
    }

    #[test]
    fn the_urls_of_a_finished_playlist_are_kept() {
        let renewals = Renewals::default();
        let (base, stale) = (url("l.m3u8"), url("1.ts?s=1"));
        let live = "#EXTM3U\n1.ts?s=2\n2.ts?s=2\n";
        assert_eq!(renewals.take(live, &base, &stale, false), Some(url("1.ts?s=2")));
        assert_eq!(renewals.latest(&stale), None, "a live playlist is read again anyway");
        let finished = format!("{live}#EXT-X-ENDLIST\n");
        renewals.take(&finished, &base, &stale, false);
        assert_eq!(renewals.latest(&url("2.ts?s=1")), Some(url("2.ts?s=2")));
        assert_eq!(renewals.take(&finished, &base, &url("2.ts?s=2"), false), None, "there is no other one");
    }
}
