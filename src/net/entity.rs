//! Which entity an answer is about, and which part of it comes: what a read that is taken up again must compare.

use std::ops::Range;

use http::StatusCode;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};

/// RFC 9110 section 13.1.
const CONDITIONS: [HeaderName; 5] = [IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE];

/// What must stay the same over all requests of one download.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entity {
    /// Bytes of the whole resource, if the server says.
    pub(super) length: Option<u64>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    /// The server honours ranges.
    pub(super) ranges: bool,
}

impl Entity {
    /// Is this certainly another entity? What one side does not tell cannot differ.
    pub(super) fn differs_from(&self, earlier: &Self) -> bool {
        fn differ<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
            matches!((a, b), (Some(a), Some(b)) if a != b)
        }
        differ(&self.length, &earlier.length)
            || differ(&self.etag, &earlier.etag)
            || differ(&self.last_modified, &earlier.last_modified)
    }
}

/// The entity that a successful answer is about and, for a part of it (206), which bytes come; a part that does not say so is
/// empty and begins nowhere.
pub(super) fn read_head(status: StatusCode, headers: &HeaderMap) -> (Entity, Option<Range<u64>>) {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    // Apache calls a tag weak as long as the file is younger than a second.
    let etag = text(ETAG).map(|tag| tag.trim_start_matches("W/").to_owned());
    let mut entity = Entity { etag, last_modified: text(LAST_MODIFIED), ..Entity::default() };
    if status != StatusCode::PARTIAL_CONTENT {
        entity.length = text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        return (entity, None);
    }
    // RFC 9110 section 14.4: `bytes FIRST-LAST/LENGTH`, the length may be `*`.
    let range = text(CONTENT_RANGE).unwrap_or_default();
    let (part, length) = range.trim_start_matches("bytes").trim().split_once('/').unwrap_or_default();
    entity.length = length.parse().ok();
    let (first, last) = part.split_once('-').unwrap_or_default();
    let end = last.parse().ok().and_then(|last: u64| last.checked_add(1));
    (entity, Some(first.parse().unwrap_or(u64::MAX)..end.unwrap_or(0)))
}

/// Does the head of a whole say that parts could be had?
pub(super) fn offers_ranges(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT_RANGES).is_some_and(|unit| unit == "bytes")
}

/// Does this field of a request ask for something only under a condition?
pub(super) fn is_condition(name: &str) -> bool {
    CONDITIONS.iter().any(|condition| name.eq_ignore_ascii_case(condition.as_str()))
}

/// The field that asks for a part only of the entity of an answer with `headers`. A weak tag would match nothing there (RFC
/// 9110 section 13.1.5).
pub(super) fn unchanged(headers: &HeaderMap) -> Option<(String, String)> {
    let validator = headers.get(ETAG).or_else(|| headers.get(LAST_MODIFIED))?.to_str().ok()?;
    (!validator.starts_with("W/")).then(|| (IF_RANGE.to_string(), validator.to_owned()))
}

#[cfg(test)]
mod unit {
    use super::*;

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    fn head(status: u16, of: &[(&'static str, &'static str)]) -> (Entity, Option<Range<u64>>) {
        read_head(StatusCode::from_u16(status).expect("a status"), &fields(of))
    }

    #[test]
    fn a_part_says_where_it_begins_and_how_long_the_whole_is() {
        let (entity, part) = head(206, &[("content-range", "bytes 5-9/100"), ("etag", "\"a\"")]);
        assert_eq!((entity.length, entity.etag.as_deref(), part), (Some(100), Some("\"a\""), Some(5..10)));
        assert_eq!(head(206, &[("content-range", "bytes 5-9/*")]), (Entity::default(), Some(5..10)));
        assert_eq!(head(200, &[("content-length", "7")]).0.length, Some(7));
        for unclear in ["", "bytes */100", "bytes x-9/100", "bytes 5-18446744073709551615/*", "pages 1-2/3"] {
            let (_, part) = head(206, &[("content-range", unclear)]);
            assert!(part.is_some_and(|part| part.is_empty()), "{unclear}");
        }
        assert!(head(206, &[]).1.is_some_and(|part| part.start == u64::MAX));
    }

    #[test]
    fn only_what_both_sides_tell_can_differ() {
        let of = |fields: &[(&'static str, &'static str)]| head(200, fields).0;
        let earlier = of(&[("content-length", "7"), ("etag", "a")]);
        assert!(!of(&[]).differs_from(&earlier));
        assert!(!of(&[("content-length", "7"), ("last-modified", "x")]).differs_from(&earlier));
        assert!(of(&[("content-length", "8")]).differs_from(&earlier));
        assert!(!of(&[("etag", "W/a")]).differs_from(&earlier));
        assert!(of(&[("etag", "b")]).differs_from(&earlier));
    }

    #[test]
    fn the_rest_is_asked_for_by_the_strongest_validator_that_can_match() {
        let asked = |of: &[(&'static str, &'static str)]| unchanged(&fields(of)).map(|(_, value)| value);
        let date = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked(&[("etag", "\"a\""), date]).as_deref(), Some("\"a\""));
        assert_eq!(asked(&[date]).as_deref(), Some(date.1));
        assert_eq!(asked(&[("etag", "W/\"a\""), date]), None);
        assert_eq!(asked(&[]), None);
    }
}
