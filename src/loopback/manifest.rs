//! DASH manifests (ISO/IEC 23009-1) on their way to dashdec.c: every reference that does not lead back to the server by itself is
//! turned into one that does; everything else stays byte for byte.

use std::time::Duration;

use url::Url;

use crate::manifest::{self, ManifestError, Rewrite, is_reference};

use super::address::Address;
use super::listing::{self, Lister, Listing};
use super::references::References;

/// A manifest as dashdec.c gets it, and what the server needs to know about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The document.
    pub(super) text: String,
    /// `MPD@type` is `dynamic`: more is to come.
    pub(super) live: bool,
    /// Segments are listed, by `SegmentTimeline` or `SegmentURL`: dashdec.c asks for the manifest again before each.
    pub(super) listed: bool,
    /// `MPD@minimumUpdatePeriod`.
    pub(super) update: Option<Duration>,
    /// Which segments there are, where they are named by time.
    pub(super) listing: Listing,
    /// All that it names.
    pub(super) references: References,
}

/// Rewrites the manifest in `body`, which was asked for at `asked` and came from `from`.
pub(super) fn rewrite(body: &[u8], asked: &Url, from: &Url, address: &Address) -> Result<Manifest, ManifestError> {
    let moved = asked.join(".") != from.join(".");
    let mut pass =
        Pass { from, address, moved, by_number: false, by_time: false, manifest: Manifest::default(), lister: Lister::default() };
    let text = manifest::rewrite(body, &mut pass)?;
    Ok(Manifest { text, listing: pass.lister.end(), ..pass.manifest })
}

/// One pass over a document.
struct Pass<'a> {
    from: &'a Url,
    address: &'a Address,
    /// Relative references start from another folder than the one that dashdec.c knows, and no `BaseURL` says from which.
    moved: bool,
    /// The element is the template of segments in a live timeline.
    by_number: bool,
    /// The segments of the template are named by time when dashdec.c asks for them.
    by_time: bool,
    manifest: Manifest,
    lister: Lister,
}

impl Rewrite for Pass<'_> {
    fn open(&mut self, element: &str, depth: usize, attributes: &[(String, String)]) {
        let attributes = || attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        if depth == 1 {
            for (name, value) in attributes() {
                match name {
                    "type" => self.manifest.live = value.eq_ignore_ascii_case("dynamic"),
                    "minimumUpdatePeriod" => self.manifest.update = duration(value),
                    _ => {}
                }
            }
        }
        self.manifest.listed |= ["SegmentTimeline", "SegmentURL"].iter().any(|list| element.eq_ignore_ascii_case(list));
        // Where segments are not counted, they are in a timeline.
        let is_counted = attributes().any(|(name, _)| name == "duration");
        let is_timed = attributes().any(|(name, value)| name == "media" && value.contains("$Time"));
        let is_template = element.eq_ignore_ascii_case("SegmentTemplate");
        self.by_number = is_template && self.manifest.live && !is_counted;
        self.by_time = is_template && (self.by_number || is_timed);
        self.lister.open(element, depth, attributes());
    }

    fn attribute(&mut self, _element: &str, name: &str, value: &str) -> Option<String> {
        // dashdec.c takes this for a place in the timeline (`get_segment_start_time_based_on_timeline`) and would leave out as many.
        if name == "startNumber" && self.by_time {
            return Some("0".to_owned());
        }
        if is_reference(name) {
            self.manifest.references.push(value);
        }
        let timed = listing::by_time(value).filter(|_| self.by_number && name == "media");
        let reference = timed.as_deref().unwrap_or(value).trim();
        Some(reference).filter(|_| is_reference(name)).and_then(|reference| self.absolute(reference)).or(timed)
    }

    fn text(&mut self, element: &str, depth: usize, value: &str) -> Option<String> {
        self.manifest.references.push(value);
        if depth != 2 {
            return self.absolute(value);
        }
        self.moved &= !element.eq_ignore_ascii_case("BaseURL");
        self.top(value)
    }

    fn close(&mut self, element: &str, depth: usize) {
        self.lister.close(element, depth);
    }

    fn base(&mut self) -> Option<String> {
        self.top(".").filter(|_| self.moved)
    }
}

impl Pass<'_> {
    /// What stands for `reference`; `None` if it stays: relative ones lead through the server by themselves, and what is not
    /// http is refused by libavformat.
    fn absolute(&self, reference: &str) -> Option<String> {
        if reference.starts_with("//") {
            return self.address.through(&format!("{}:{reference}", self.from.scheme()));
        }
        if reference.starts_with('/') {
            return self.address.through(&format!("{}{reference}", &self.from[..url::Position::BeforePath]));
        }
        self.address.through(reference)
    }

    /// The same for those that all others start from. dashdec.c (`resolve_content_path`) makes something of a relative one
    /// only if nothing else is relative.
    fn top(&self, reference: &str) -> Option<String> {
        self.absolute(reference).or_else(|| self.address.through(self.from.join(reference).ok()?.as_str()))
    }
}

/// An xs:duration of hours, minutes and seconds: `PT1M2.5S`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim().strip_prefix("PT")?;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let number: f64 = rest[..end].parse().ok()?;
        seconds += match rest.as_bytes()[end] {
            b'H' => number * 3600.0,
            b'M' => number * 60.0,
            b'S' => number,
            _ => return None,
        };
        rest = &rest[end + 1..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests;
