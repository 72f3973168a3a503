//! Playlists and manifests on their way to a player: every reference that does not lead back through the relay by itself is
//! turned into one that does; everything else stays byte for byte. Pure: text in, text out.

mod dash;
mod hls;

use std::time::SystemTime;

use url::Url;

use crate::manifest::ManifestError;

use super::address::Ways;
use super::ticket::Cover;

/// A playlist or manifest, and what its references mean.
pub struct Page<'a> {
    /// The URL by which the player knows it.
    pub asked: &'a Url,
    /// The URL that it came from, behind redirects and without a token.
    pub from: &'a Url,
    /// The ways of its profile.
    pub ways: &'a Ways,
    /// Takes the token out of a URL in which the server has put it.
    pub clean: &'a dyn Fn(Url) -> Url,
    /// The time of its tickets.
    pub now: SystemTime,
}

/// What kind of document it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// HTTP Live Streaming (RFC 8216).
    Hls,
    /// A DASH manifest (ISO/IEC 23009-1).
    Dash,
}

/// Where relative references start from.
#[derive(Clone)]
struct Base {
    /// At the server.
    real: Url,
    /// As the player sees it.
    seen: Url,
}

/// `body` as the player is to see it.
///
/// # Errors
/// [`ManifestError`]: a player might find other references in it than were looked at.
pub fn rewrite(format: Format, body: &[u8], page: &Page<'_>) -> Result<String, ManifestError> {
    match format {
        Format::Hls => Ok(hls::rewrite(std::str::from_utf8(body).map_err(|_| ManifestError::Encoding)?, page)),
        Format::Dash => dash::rewrite(body, page),
    }
}

impl Page<'_> {
    fn base(&self) -> Base {
        Base { real: self.from.clone(), seen: self.asked.clone() }
    }

    /// What stands for `reference`; `None` if it stays: it leads back by itself, or is not http.
    fn replace(&self, base: &Base, reference: &str, cover: Cover) -> Option<String> {
        let mut target = base.real.join(reference).ok().filter(|target| matches!(target.scheme(), "http" | "https"))?;
        target.set_fragment(None);
        let target = (self.clean)(target);
        let by_itself = base.seen.join(reference).ok().filter(|seen| seen.origin() == self.asked.origin());
        let by_itself =
            by_itself.and_then(|seen| self.ways.from(&seen[url::Position::BeforePath..url::Position::AfterQuery], self.now));
        if by_itself.as_ref() == Some(&target) {
            return None;
        }
        Some(format!("{}{}", &self.asked[..url::Position::BeforePath], self.ways.to(&target, cover, self.now)))
    }
}

#[cfg(test)]
mod tests;
