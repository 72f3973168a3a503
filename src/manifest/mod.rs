//! DASH manifests (ISO/IEC 23009-1) on their way to a player: the places in them that hold references are shown to a
//! [`Rewrite`], which may put something else there; everything else stays byte for byte.
//!
//! Names of elements are local names and compared in any case, those of attributes are local names, as in dashdec.c.

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::{BytesStart, Event};

use crate::redact;

/// Attributes that hold a reference or, in a `SegmentTemplate`, the template of one.
const REFERENCES: [&str; 6] = ["media", "initialization", "index", "sourceURL", "bitstreamSwitching", "href"];
/// Elements whose text is a reference.
const TEXTS: [&str; 3] = ["BaseURL", "Location", "PatchLocation"];

/// Why a manifest is not passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// XML parsers take any encoding, and would read another document than we do.
    #[error("its text is not in UTF-8")]
    Encoding,
    /// XML parsers put the text of entities in, which could be references that nobody has looked at.
    #[error("it has a document type declaration, which no DASH manifest needs")]
    DocType,
    /// Not well-formed.
    #[error("it is not well-formed XML: {0}")]
    Malformed(String),
    /// Something else.
    #[error("what came is no DASH manifest: it begins with <{0}>")]
    Other(String),
}

/// What becomes of a manifest. The root has depth 1.
pub trait Rewrite {
    /// An element begins; these are all its attributes.
    fn open(&mut self, element: &str, depth: usize, attributes: &[(String, String)]);

    /// What stands in place of an attribute's value; `None` if it stays. Called for each attribute after [`open`](Self::open).
    fn attribute(&mut self, element: &str, name: &str, value: &str) -> Option<String>;

    /// What stands in place of an element's text that is a reference; `None` if it stays.
    fn text(&mut self, element: &str, depth: usize, value: &str) -> Option<String>;

    /// An element ends.
    fn close(&mut self, element: &str, depth: usize);

    /// A `BaseURL` that stands before everything else in the document; asked for at its end.
    fn base(&mut self) -> Option<String>;
}

/// Can an attribute of this name hold a reference?
pub fn is_reference(name: &str) -> bool {
    REFERENCES.contains(&name)
}

/// The manifest in `body` as `rewriter` wants it.
///
/// # Errors
/// [`ManifestError`]: a player might read other references in it than were looked at.
pub fn rewrite(body: &[u8], rewriter: &mut impl Rewrite) -> Result<String, ManifestError> {
    let text = std::str::from_utf8(body).map_err(|_| ManifestError::Encoding)?;
    let mut pass = Pass { text, rewriter, edits: Vec::new() };
    pass.run()?;
    let (mut rewritten, mut at) = (String::with_capacity(text.len()), 0);
    for (range, new) in pass.edits {
        rewritten.push_str(&text[at..range.start]);
        rewritten.push_str(&new);
        at = range.end;
    }
    rewritten.push_str(&text[at..]);
    Ok(rewritten)
}

/// One pass over a document.
struct Pass<'a, R> {
    text: &'a str,
    rewriter: &'a mut R,
    /// What is put in place of which part, in order.
    edits: Vec<(Range<usize>, String)>,
}

impl<R: Rewrite> Pass<'_, R> {
    fn run(&mut self) -> Result<(), ManifestError> {
        let mut reader = Reader::from_str(self.text);
        let mut depth = 0_usize;
        let mut root: Option<usize> = None;
        // Where the text of the reference begins that is being read, how deep, and what it says.
        let mut reference: Option<(usize, usize, String)> = None;
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
                        reference = Some((at, depth, String::new()));
                    }
                }
                Event::Empty(start) => {
                    self.element(&start, depth + 1)?;
                    self.rewriter.close(start.local_name().as_ref(), depth + 1);
                }
                Event::End(end) => {
                    let name = end.local_name();
                    if let Some((begin, _, value)) = reference.take_if(|(_, level, _)| *level == depth) {
                        let until = at - end.as_ref().len() - "</>".len();
                        if let Some(new) = self.rewriter.text(name.as_ref(), depth, value.trim()) {
                            // Elements in there are none of a reference's.
                            self.edits.retain(|(range, _)| range.start < begin);
                            self.edits.push((begin..until, escape(new).into_owned()));
                        }
                    }
                    self.rewriter.close(name.as_ref(), depth);
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
        let base = self.rewriter.base().map(|base| format!("<BaseURL>{}</BaseURL>", escape(base)));
        let place = self.edits.partition_point(|(range, _)| range.end <= root);
        self.edits.splice(place..place, base.map(|base| (root..root, base)));
        Ok(())
    }

    fn element(&mut self, start: &BytesStart<'_>, depth: usize) -> Result<(), ManifestError> {
        let name = start.local_name();
        let name = name.as_ref();
        if depth == 1 && !name.eq_ignore_ascii_case("MPD") {
            return Err(ManifestError::Other(redact::untrusted(name)));
        }
        let (mut attributes, mut places) = (Vec::new(), Vec::new());
        for attribute in start.attributes() {
            let attribute = attribute.map_err(malformed)?;
            let value = unescape(&attribute.value).map_err(malformed)?.into_owned();
            attributes.push((attribute.key.local_name().into_inner().to_owned(), value));
            places.push(self.place(&attribute.value)?);
        }
        self.rewriter.open(name, depth, &attributes);
        for ((key, value), place) in attributes.iter().zip(places) {
            if let Some(new) = self.rewriter.attribute(name, key, value) {
                self.edits.push((place, escape(new).into_owned()));
            }
        }
        Ok(())
    }

    /// Where in the document a part of it is that the reader lends.
    fn place(&self, part: &str) -> Result<Range<usize>, ManifestError> {
        let begin = part.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
        let range = begin..begin.wrapping_add(part.len());
        if self.text.get(range.clone()) == Some(part) {
            return Ok(range);
        }
        Err(ManifestError::Malformed("an attribute cannot be found again".to_owned()))
    }
}

fn add(reference: &mut Option<(usize, usize, String)>, part: &str) {
    if let Some((_, _, value)) = reference {
        value.push_str(part);
    }
}

fn malformed(error: impl std::fmt::Display) -> ManifestError {
    ManifestError::Malformed(redact::untrusted(&error.to_string()))
}
