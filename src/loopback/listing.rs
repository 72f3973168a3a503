//! Which segments a manifest lists by time (`SegmentTimeline`, ISO/IEC 23009-1 section 5.3.9.6).
//!
//! dashdec.c asks for the segment behind the last that is listed too. If it gets that one, since it has been made meanwhile, it
//! plays it again once the next manifest lists it (`refresh_manifest` looks for the time of a segment that it does not know to be
//! over). So what is not listed must not be there.

use std::collections::HashSet;

/// A manifest that lists more is not looked through.
const MOST: usize = 200_000;

/// The segments of each representation whose URLs hold their time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing(Vec<Series>);

#[derive(Debug, PartialEq, Eq)]
struct Series {
    /// What stands before and after the time.
    before: String,
    after: String,
    /// `None`: all that ever come.
    times: Option<HashSet<u64>>,
}

impl Listing {
    /// Nothing is named by time.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is the segment at `url` listed? `None` if it is none of a listed series.
    pub(super) fn lists(&self, url: &str) -> Option<bool> {
        let found = self.0.iter().filter_map(|series| {
            let time = url.strip_suffix(series.after.as_str())?;
            let before = time.trim_end_matches(|c: char| c.is_ascii_digit());
            let number: u64 = time[before.len()..].parse().ok()?;
            let fits = before.ends_with(series.before.as_str());
            fits.then(|| series.times.as_ref().is_none_or(|times| times.contains(&number)))
        });
        found.fold(None, |listed, one| Some(listed.unwrap_or(false) || one))
    }
}

/// Puts a [`Listing`] together as a manifest is read.
#[derive(Default)]
pub(super) struct Lister {
    /// `Period`, `AdaptationSet` and `Representation` that are open.
    levels: Vec<Level>,
    listing: Listing,
    count: usize,
}

#[derive(Default)]
struct Level {
    depth: usize,
    id: String,
    bandwidth: String,
    media: Option<String>,
    timeline: Option<Timeline>,
}

#[derive(Clone, Default)]
struct Timeline {
    times: HashSet<u64>,
    next: u64,
    /// The last segment repeats to the end of the period.
    is_open: bool,
}

impl Lister {
    /// An element begins.
    pub(super) fn open<'a>(&mut self, name: &str, depth: usize, attributes: impl Iterator<Item = (&'a str, &'a str)>) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if ["Period", "AdaptationSet", "Representation"].into_iter().any(is) {
            let mut level = Level { depth, ..Level::default() };
            for (key, value) in attributes {
                match key {
                    "id" => value.clone_into(&mut level.id),
                    "bandwidth" => value.clone_into(&mut level.bandwidth),
                    _ => {}
                }
            }
            self.levels.push(level);
            return;
        }
        let Some(level) = self.levels.last_mut() else { return };
        if is("SegmentTemplate") {
            level.media =
                attributes.filter(|(key, _)| *key == "media").map(|(_, value)| value.to_owned()).last().or(level.media.take());
        } else if is("SegmentTimeline") {
            level.timeline = Some(Timeline::default());
        } else if let Some(timeline) = level.timeline.as_mut().filter(|_| is("S")) {
            let (mut duration, mut repeat) = (0, 0);
            for (key, value) in attributes {
                match key {
                    "t" => timeline.next = value.parse().unwrap_or(timeline.next),
                    "d" => duration = value.parse().unwrap_or(0),
                    "r" => repeat = value.parse::<i64>().unwrap_or(0),
                    _ => {}
                }
            }
            timeline.is_open |= repeat < 0;
            for _ in 0..=repeat.max(0) {
                self.count += 1;
                if self.count > MOST {
                    timeline.is_open = true;
                    return;
                }
                timeline.times.insert(timeline.next);
                timeline.next = timeline.next.saturating_add(duration);
            }
        }
    }

    /// The element at `depth` ends.
    pub(super) fn close(&mut self, name: &str, depth: usize) {
        if self.levels.last().is_none_or(|level| level.depth != depth) {
            return;
        }
        if name.eq_ignore_ascii_case("Representation") {
            let inner = || self.levels.iter().rev();
            let (media, timeline) =
                (inner().find_map(|level| level.media.as_deref()), inner().find_map(|level| level.timeline.as_ref()));
            if let (Some(media), Some(timeline), Some(level)) = (media, timeline, self.levels.last())
                && let Some(series) = series(media, level, timeline)
            {
                self.listing.0.push(series);
            }
        }
        self.levels.pop();
    }

    pub(super) fn end(self) -> Listing {
        self.listing
    }
}

/// The series of a template with one `$Time$`.
fn series(media: &str, level: &Level, timeline: &Timeline) -> Option<Series> {
    let media = media.replace("$RepresentationID$", &level.id).replace("$Bandwidth$", &level.bandwidth);
    // What leads to the folder is another matter.
    let media = media.rsplit_once("://").map_or(media.as_str(), |(_, rest)| rest);
    let media = media.rsplit_once("../").map_or(media, |(_, rest)| rest).trim_start_matches("./");
    let (before, rest) = media.split_once("$Time")?;
    let (format, after) = rest.split_once('$')?;
    if before.contains('$') || after.contains('$') || !(format.is_empty() || format.starts_with('%')) {
        return None;
    }
    let times = (!timeline.is_open).then(|| timeline.times.clone());
    Some(Series { before: before.to_owned(), after: after.to_owned(), times })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `element attribute=value …` for an element, `/` for its end.
    fn listing(elements: &[&str]) -> Listing {
        let mut lister = Lister::default();
        let mut open: Vec<&str> = Vec::new();
        for element in elements {
            if *element == "/" {
                let name = open.pop().expect("an open element");
                lister.close(name, open.len() + 1);
                continue;
            }
            let mut words = element.split(' ');
            let name = words.next().expect("a name");
            open.push(name);
            lister.open(name, open.len(), words.filter_map(|word| word.split_once('=')));
        }
        lister.end()
    }

    #[test]
    fn what_is_listed_is_told_apart_by_representation() {
        let listing = listing(&[
            "Period",
            "AdaptationSet",
            "SegmentTemplate media=c-$RepresentationID$-$Time$.m4s",
            "SegmentTimeline",
            "S t=100 d=10 r=1",
            "/",
            "S d=5",
            "/",
            "/",
            "/",
            "Representation id=a",
            "/",
            "Representation id=b",
            "SegmentTemplate",
            "SegmentTimeline",
            "S d=7",
            "/",
            "/",
            "/",
            "/",
            "/",
            "/",
        ]);
        for (url, listed) in [
            ("http://h/x/c-a-100.m4s", Some(true)),
            ("http://h/x/c-a-120.m4s", Some(true)),
            ("http://h/x/c-a-125.m4s", Some(false)),
            ("http://h/x/c-b-0.m4s", Some(true)),
            ("http://h/x/c-b-7.m4s", Some(false)),
            ("http://h/x/init-a.m4s", None),
            ("http://h/x/c-a-100.mp4", None),
        ] {
            assert_eq!(listing.lists(url), listed, "{url}");
        }
    }

    #[test]
    fn templates_are_understood_or_left_alone() {
        let of = |media: &str, s: &str| {
            listing(&[
                "Period",
                "Representation bandwidth=9",
                &format!("SegmentTemplate media={media}"),
                "SegmentTimeline",
                s,
                "/",
                "/",
                "/",
                "/",
                "/",
            ])
        };
        for (media, url, listed) in [
            ("https://c/v/$Bandwidth$/$Time%09d$.m4s?k=1", "https://c/v/9/000000004.m4s?k=1", Some(false)),
            ("https://c/v/$Bandwidth$/$Time%09d$.m4s?k=1", "https://c/v/9/000000003.m4s?k=1", Some(true)),
            ("../v/$Time$", "http://h/v/4", Some(false)),
            ("$Number$.m4s", "http://h/4.m4s", None),
            ("$Number$-$Time$.m4s", "http://h/1-4.m4s", None),
        ] {
            assert_eq!(of(media, "S t=3 d=1").lists(url), listed, "{media}");
        }
        assert_eq!(of("$Time$", "S d=2 r=-1").lists("http://h/999"), Some(true), "it has no end");
        assert_eq!(of("$Time$", "S d=1 r=99999999").lists("http://h/999"), Some(true), "it is too long");
    }
}
