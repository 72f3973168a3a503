//! Where the media URL stands in an API's JSON answer: a JSON Pointer (RFC 6901).

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// A JSON Pointer, `/sources/0/src`; the empty one is the whole document.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaPointer(Arc<str>);

impl MediaPointer {
    /// Reads a pointer.
    ///
    /// # Errors
    /// A sentence: it does not begin with a slash, or `~` stands before something else than 0 and 1 (RFC 6901 section 3).
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(format!("a JSON Pointer (RFC 6901) begins with a slash: `/{}`", text.escape_debug()));
        }
        if text.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
            return Err("in a JSON Pointer (RFC 6901) `~` is written `~0`, and a slash within a name `~1`".to_owned());
        }
        Ok(Self(text.into()))
    }

    /// What it points to.
    pub fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        document.pointer(&self.0)
    }

    /// As far as it leads: how often one of its steps was there, and what stands where it leads no further.
    pub fn reach<'a>(&self, document: &'a Value) -> (&str, &'a Value) {
        let mut ends: Vec<usize> = self.0.match_indices('/').map(|(at, _)| at).skip(1).collect();
        ends.push(self.0.len());
        let parts = ends.into_iter().rev().map(|end| &self.0[..end]);
        parts.filter_map(|part| Some((part, document.pointer(part)?))).next().unwrap_or(("", document))
    }
}

impl fmt::Display for MediaPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_pointers_of_the_rfc() {
        let document = json!({"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8});
        for (pointer, found) in [
            ("/foo", Some(json!(["bar", "baz"]))),
            ("/foo/0", Some(json!("bar"))),
            ("/", Some(json!(0))),
            ("/a~1b", Some(json!(1))),
            ("/m~0n", Some(json!(8))),
            ("/foo/2", None),
            ("/foo/00", None),
            ("", Some(document.clone())),
        ] {
            let pointer = MediaPointer::parse(pointer).expect(pointer);
            assert_eq!(pointer.find(&document), found.as_ref(), "{pointer}");
        }
        for wrong in ["foo", "#/foo", "/m~n", "/m~"] {
            assert!(MediaPointer::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_tells_how_far_it_leads() {
        let document = json!({"sources": [{"type": "x"}]});
        for (pointer, reached, there) in [
            ("/sources/0/src", "/sources/0", json!({"type": "x"})),
            ("/sources/1/src", "/sources", json!([{"type": "x"}])),
            ("/streams", "", document.clone()),
        ] {
            assert_eq!(MediaPointer::parse(pointer).expect(pointer).reach(&document), (reached, &there), "{pointer}");
        }
    }
}
