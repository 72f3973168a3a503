//! What a manifest names, and what it named before: signed URLs expire, and dashdec.c goes on with those that it has read first.

/// Everything that a manifest names, in the order in which it does; templates as they stand there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct References(Vec<String>);

impl References {
    /// The manifest names this too.
    pub(super) fn push(&mut self, reference: &str) {
        self.0.push(reference.trim().to_owned());
    }

    /// `url`, which was made from these, as it would be made from `latest`; `None` if it would be the same, or nobody can tell.
    pub(super) fn made_anew(&self, url: &str, latest: &Self) -> Option<String> {
        if self == latest {
            return None;
        }
        let mut made = None;
        // The folder that a reference starts from may have changed too, and stands before it.
        for (place, old) in self.0.iter().enumerate() {
            let url = made.as_deref().unwrap_or(url);
            let new = latest.counterpart(self, place).filter(|new| *new != old);
            if let Some(another) = new.and_then(|new| replace(url, old, new)) {
                made = Some(another);
            }
        }
        made.filter(|made| made != url)
    }

    /// The one of these that is what that of `earlier` at `place` was: the same without the query, or else, where the signature
    /// stands in the path, the one at its place with the same last part.
    fn counterpart(&self, earlier: &Self, place: usize) -> Option<&String> {
        let old = earlier.0.get(place)?;
        let there = self.0.get(place).filter(|_| self.0.len() == earlier.0.len());
        let mut named = self.0.iter().filter(|new| path(new) == path(old));
        there
            .filter(|new| path(new) == path(old))
            .or_else(|| named.next().filter(|_| named.next().is_none()))
            .or_else(|| there.filter(|new| last_part(new) == last_part(old)))
    }
}

fn path(reference: &str) -> &str {
    reference.split(['?', '#']).next().unwrap_or(reference)
}

fn last_part(reference: &str) -> Option<&str> {
    path(reference).rsplit('/').next()
}

/// `url` with what `old` made of it replaced by what `new` makes of it; `None` if it is not made from `old`.
fn replace(url: &str, old: &str, new: &str) -> Option<String> {
    if old.contains("://")
        && old.ends_with('/')
        && let Some(rest) = url.strip_prefix(old)
    {
        return Some(format!("{new}{rest}"));
    }
    let (old_parts, new_parts) = (literals(relative(old))?, literals(relative(new))?);
    let ((first, inner), (new_first, new_inner)) = (old_parts.split_first()?, new_parts.split_first()?);
    if inner.len() != new_inner.len() {
        return None;
    }
    // From its end back to where the reference begins.
    let (mut rest, mut values) = (url, Vec::with_capacity(inner.len()));
    if let Some((last, between)) = inner.split_last() {
        rest = rest.strip_suffix(last)?;
        for literal in between.iter().rev().copied().chain([*first]) {
            let at = if literal.is_empty() { rest.rfind('/')? + 1 } else { rest.rfind(literal)? };
            let value = &rest[at + literal.len()..];
            if value.is_empty() || value.contains('/') {
                return None;
            }
            values.push(value);
            rest = &rest[..at];
        }
    } else {
        rest = rest.strip_suffix(first)?;
    }
    let is_whole = rest.is_empty() || rest.ends_with('/') || first.starts_with('/');
    let head = if new.contains("://") { "" } else { rest };
    let tail: String = new_inner.iter().zip(values.iter().rev()).flat_map(|(literal, value)| [*value, literal]).collect();
    is_whole.then(|| format!("{head}{new_first}{tail}"))
}

/// A reference without the steps out of the folder that it starts from.
fn relative(reference: &str) -> &str {
    reference.rsplit_once("../").map_or(reference, |(_, rest)| rest).trim_start_matches("./")
}

/// What stands around the identifiers of a template (ISO/IEC 23009-1 section 5.3.9.4.4); `None` where nobody can tell where the
/// value of one ends.
fn literals(template: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = template.split('$').collect();
    let (outside, identifiers): (Vec<_>, Vec<_>) = parts.iter().copied().enumerate().partition(|(place, _)| place % 2 == 0);
    let adjacent = outside.iter().skip(1).rev().skip(1).any(|(_, literal)| literal.is_empty());
    let escaped = identifiers.iter().any(|(_, identifier)| identifier.is_empty());
    (parts.len() % 2 == 1 && !adjacent && !escaped).then(|| outside.into_iter().map(|(_, literal)| literal).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(list: &[&str]) -> References {
        References(list.iter().map(|reference| (*reference).to_owned()).collect())
    }

    #[test]
    fn a_signature_in_the_query_is_that_of_the_latest() {
        let old = references(&["$RepresentationID$/i.mp4?s=1", "$RepresentationID$/$Number%05d$.m4s?s=1", "https://c/v.mp4?s=1"]);
        let new = references(&["$RepresentationID$/i.mp4?s=2", "$RepresentationID$/$Number%05d$.m4s?s=3", "https://c/v.mp4?s=4"]);
        for (url, made) in [
            ("https://c/a/v0/i.mp4?s=1", Some("https://c/a/v0/i.mp4?s=2")),
            ("https://c/a/v0/00007.m4s?s=1", Some("https://c/a/v0/00007.m4s?s=3")),
            ("https://c/v.mp4?s=1", Some("https://c/v.mp4?s=4")),
            ("https://c/a/v0/i.mp4?s=0", None),
            ("https://c/a/v0/i.mp4", None),
        ] {
            assert_eq!(old.made_anew(url, &new).as_deref(), made, "{url}");
        }
        assert_eq!(old.made_anew("https://c/a/v0/i.mp4?s=1", &old), None, "nothing has changed");
    }

    #[test]
    fn a_signature_in_the_path_is_that_at_the_same_place() {
        let old = references(&["https://c/s=1/", "/s=1/$Time$.m4s", "./s=1/a.mp4", "https://d/s=1/v.mp4"]);
        let new = references(&["https://e/s=2/", "/s=2/$Time$.m4s", "./s=2/a.mp4", "https://d/s=2/v.mp4"]);
        for (url, made) in [
            ("https://c/s=1/x/9.m4s", "https://e/s=2/x/9.m4s"),
            ("https://h/s=1/9.m4s", "https://h/s=2/9.m4s"),
            ("https://h/x/s=1/a.mp4", "https://h/x/s=2/a.mp4"),
            ("https://d/s=1/v.mp4", "https://d/s=2/v.mp4"),
        ] {
            assert_eq!(old.made_anew(url, &new).as_deref(), Some(made), "{url}");
        }
    }

    #[test]
    fn folder_and_reference_may_both_be_signed() {
        let old = references(&["https://c/s=1/", "$Number$.m4s?t=1"]);
        let new = references(&["https://c/s=2/", "$Number$.m4s?t=2"]);
        assert_eq!(old.made_anew("https://c/s=1/3.m4s?t=1", &new).as_deref(), Some("https://c/s=2/3.m4s?t=2"));
    }

    /// A window that has moved on by one lists as many as before.
    #[test]
    fn a_listed_segment_never_becomes_another_one() {
        let old = references(&["1.m4s?s=1", "2.m4s?s=1", "3.m4s?s=1"]);
        let new = references(&["2.m4s?s=2", "3.m4s?s=2", "4.m4s?s=2"]);
        assert_eq!(old.made_anew("https://c/2.m4s?s=1", &new).as_deref(), Some("https://c/2.m4s?s=2"));
        assert_eq!(old.made_anew("https://c/1.m4s?s=1", &new), None);
    }

    #[test]
    fn what_cannot_be_told_apart_stays() {
        for (url, old, new) in [
            ("https://c/91.m4s?s=1", "$Bandwidth$$Number$.m4s?s=1", "$Bandwidth$$Number$.m4s?s=2"),
            ("https://c/a.m4s?s=1", "$$a.m4s?s=1", "$$a.m4s?s=2"),
            ("https://c/a.m4s?s=1", "$Number.m4s?s=1", "$Number.m4s?s=2"),
            ("https://c/1.m4s?s=1", "$Number$.m4s?s=1", "$Number$-$Time$.m4s?s=2"),
            ("https://c/xa.m4s?s=1", "a.m4s?s=1", "a.m4s?s=2"),
        ] {
            assert_eq!(references(&[old]).made_anew(url, &references(&[new])), None, "{old}");
        }
    }
}
