//! DASH manifests: references with the `BaseURL`s that they start from (ISO/IEC 23009-1 section 5.6).

use super::{Base, Page};
use crate::manifest::{self, ManifestError, Rewrite, is_reference};
use crate::relay::ticket::Cover;

/// Elements that can have a `BaseURL` of their own, which comes before whatever starts from it.
const LEVELS: [&str; 4] = ["MPD", "Period", "AdaptationSet", "Representation"];

/// The manifest in `body` with its references replaced.
pub(super) fn rewrite(body: &[u8], page: &Page<'_>) -> Result<String, ManifestError> {
    manifest::rewrite(body, &mut Pass { page, levels: Vec::new() })
}

struct Pass<'a> {
    page: &'a Page<'a>,
    /// The open elements of [`LEVELS`].
    levels: Vec<Level>,
}

struct Level {
    depth: usize,
    /// What the first of its `BaseURL`s makes of the base around it; the others are alternatives.
    base: Base,
    has_own: bool,
}

impl Rewrite for Pass<'_> {
    fn open(&mut self, element: &str, depth: usize, _attributes: &[(String, String)]) {
        if is_level(element) {
            self.levels.push(Level { depth, base: self.current(), has_own: false });
        }
    }

    fn attribute(&mut self, element: &str, name: &str, value: &str) -> Option<String> {
        let is_clock = element.eq_ignore_ascii_case("UTCTiming") && name == "value" && value.starts_with("http");
        if !is_clock && !is_reference(name) {
            return None;
        }
        // What a player fills in is not known.
        let cover = if value.contains('$') { Cover::Folder } else { Cover::Whole };
        self.page.replace(&self.current(), value.trim(), cover)
    }

    fn text(&mut self, element: &str, depth: usize, value: &str) -> Option<String> {
        if !element.eq_ignore_ascii_case("BaseURL") {
            return self.page.replace(&self.page.base(), value, Cover::Whole);
        }
        let around = self.levels.iter().rev().find(|level| level.depth + 1 < depth);
        let around = around.map_or_else(|| self.page.base(), |level| level.base.clone());
        let new = self.page.replace(&around, value, Cover::Folder);
        if let Some(level) = self.levels.last_mut().filter(|level| level.depth + 1 == depth && !level.has_own) {
            let joined = around.real.join(value).ok().zip(around.seen.join(new.as_deref().unwrap_or(value)).ok());
            if let Some((real, seen)) = joined {
                level.base = Base { real, seen };
                level.has_own = true;
            }
        }
        new
    }

    fn close(&mut self, element: &str, depth: usize) {
        if is_level(element) {
            self.levels.pop_if(|level| level.depth == depth);
        }
    }

    /// Whatever does not lead back by itself is replaced where it stands.
    fn base(&mut self) -> Option<String> {
        None
    }
}

impl Pass<'_> {
    /// Where references start from at this point.
    fn current(&self) -> Base {
        self.levels.last().map_or_else(|| self.page.base(), |level| level.base.clone())
    }
}

fn is_level(element: &str) -> bool {
    LEVELS.iter().any(|level| element.eq_ignore_ascii_case(level))
}
