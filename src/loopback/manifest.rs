//! DASH manifests (ISO/IEC 23009-1) on their way to dashdec.c: every reference that does not lead back to the server by itself is
//! turned into one that does; everything else stays byte for byte.
//!
//! Names are compared as dashdec.c compares them: elements by local name in any case, attributes by local name.

use std::ops::Range;
use std::time::Duration;

use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::{BytesStart, Event};
use url::Url;

use super::address::Address;
use super::listing::{Lister, Listing};

/// Attributes that hold a reference or, in a `SegmentTemplate`, the template of one.
const REFERENCES: [&str; 6] = ["media", "initialization", "index", "sourceURL", "bitstreamSwitching", "href"];
/// Elements whose text is a reference.
const TEXTS: [&str; 3] = ["BaseURL", "Location", "PatchLocation"];

/// Why a manifest is not passed on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ManifestError {
    /// libxml2 takes any encoding, and would read another document than we do.
    #[error("its text is not in UTF-8")]
    Encoding,
    /// libxml2 puts the text of entities in, which could be references that nobody has looked at.
    #[error("it has a document type declaration, which no DASH manifest needs")]
    DocType,
    /// Not well-formed.
    #[error("it is not well-formed XML: {0}")]
    Malformed(String),
    /// Something else.
    #[error("what came is no DASH manifest: it begins with <{0}>")]
    Other(String),
}

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
}

/// Rewrites the manifest in `body`, which was asked for at `asked` and came from `from`.
pub(super) fn rewrite(body: &[u8], asked: &Url, from: &Url, address: &Address) -> Result<Manifest, ManifestError> {
    let text = std::str::from_utf8(body).map_err(|_| ManifestError::Encoding)?;
    let mut pass = Pass { text, from, address, edits: Vec::new(), manifest: Manifest::default(), lister: Lister::default() };
    pass.run(asked.join(".") != from.join("."))?;
    let Pass { edits, mut manifest, lister, .. } = pass;
    manifest.listing = lister.end();
    let mut at = 0;
    for (range, new) in edits {
        manifest.text.push_str(&text[at..range.start]);
        manifest.text.push_str(&new);
        at = range.end;
    }
    manifest.text.push_str(&text[at..]);
    Ok(manifest)
}

/// One pass over a document.
struct Pass<'a> {
    text: &'a str,
    from: &'a Url,
    address: &'a Address,
    /// What is put in place of which part, in order.
    edits: Vec<(Range<usize>, String)>,
    manifest: Manifest,
    lister: Lister,
}

impl<'a> Pass<'a> {
    /// `moved`: relative references start from another folder than the one that dashdec.c knows.
    fn run(&mut self, moved: bool) -> Result<(), ManifestError> {
        let mut reader = Reader::from_str(self.text);
        let mut depth = 0_usize;
        let mut root: Option<usize> = None;
        // Where the text of the reference begins that is being read, how deep, and what it says.
        let mut reference: Option<(usize, usize, String)> = None;
        let mut has_base = false;
        loop {
            let event = reader.read_event().map_err(malformed)?;
            let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            match event {
                Event::Start(start) => {
                    depth += 1;
                    self.element(&start, depth)?;
                    if root.is_none() {
                        root = Some(at);
                    }
                    let name = start.local_name();
                    if TEXTS.iter().any(|text| name.as_ref().eq_ignore_ascii_case(text)) && reference.is_none() {
                        has_base |= depth == 2 && name.as_ref().eq_ignore_ascii_case("BaseURL");
                        reference = Some((at, depth, String::new()));
                    }
                }
                Event::Empty(start) => {
                    self.element(&start, depth + 1)?;
                    self.lister.close(start.local_name().as_ref(), depth + 1);
                }
                Event::End(end) => {
                    self.lister.close(end.local_name().as_ref(), depth);
                    if let Some((begin, _, value)) = reference.take_if(|(_, level, _)| *level == depth) {
                        let until = at - end.as_ref().len() - "</>".len();
                        let new = if depth == 2 { self.top(value.trim()) } else { self.absolute(value.trim()) };
                        if let Some(new) = new {
                            // Elements in there are none of a reference's.
                            self.edits.retain(|(range, _)| range.start < begin);
                            self.edits.push((begin..until, escape(new).into_owned()));
                        }
                    }
                    depth = depth.saturating_sub(1);
                }
                Event::Text(part) => add(&mut reference, &part),
                Event::CData(part) => add(&mut reference, &part),
                Event::GeneralRef(part) => {
                    let text = format!("&{};", &*part);
                    let text = unescape(&text).map_err(malformed)?.into_owned();
                    add(&mut reference, &text);
                }
                Event::Decl(declaration) => match declaration.encoding() {
                    Some(Ok(name)) if !["utf-8", "us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known)) => {
                        return Err(ManifestError::Encoding);
                    }
                    _ => {}
                },
                Event::DocType(_) => return Err(ManifestError::DocType),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        let Some(root) = root.filter(|_| depth == 0) else {
            return Err(ManifestError::Malformed("it ends early".to_owned()));
        };
        if moved && !has_base {
            let base = self.top(".").map(|base| format!("<BaseURL>{}</BaseURL>", escape(base)));
            let place = self.edits.partition_point(|(range, _)| range.end <= root);
            self.edits.splice(place..place, base.map(|base| (root..root, base)));
        }
        Ok(())
    }

    fn element(&mut self, start: &BytesStart<'_>, depth: usize) -> Result<(), ManifestError> {
        let name = start.local_name();
        let name = name.as_ref();
        let is_root = depth == 1;
        if is_root && !name.eq_ignore_ascii_case("MPD") {
            return Err(ManifestError::Other(crate::redact::untrusted(name)));
        }
        self.manifest.listed |= ["SegmentTimeline", "SegmentURL"].iter().any(|list| name.eq_ignore_ascii_case(list));
        let mut values = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(malformed)?;
            let value = unescape(&attribute.value).map_err(malformed)?;
            values.push((attribute.key.local_name().into_inner().to_owned(), value.clone().into_owned()));
            match attribute.key.local_name().as_ref() {
                "type" if is_root => self.manifest.live = value.eq_ignore_ascii_case("dynamic"),
                "minimumUpdatePeriod" if is_root => self.manifest.update = duration(&value),
                key if REFERENCES.contains(&key) => {
                    let Some(new) = self.absolute(value.trim()) else { continue };
                    // The reader lends parts of the document itself.
                    let begin = attribute.value.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
                    let range = begin..begin.wrapping_add(attribute.value.len());
                    if self.text.get(range.clone()) != Some(&*attribute.value) {
                        return Err(ManifestError::Malformed(format!("the attribute {key} of {name} cannot be found again")));
                    }
                    self.edits.push((range, escape(new).into_owned()));
                }
                _ => {}
            }
        }
        self.lister.open(name, depth, values.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        Ok(())
    }

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

fn add(reference: &mut Option<(usize, usize, String)>, part: &str) {
    if let Some((_, _, value)) = reference {
        value.push_str(part);
    }
}

fn malformed(error: impl std::fmt::Display) -> ManifestError {
    ManifestError::Malformed(crate::redact::untrusted(&error.to_string()))
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
