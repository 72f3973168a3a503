//! Which sections and fields are wanted: `-show_format` and its kin, `-show_entries`.

use std::collections::BTreeSet;

use crate::error::{Error, Kind};
use crate::libav::describe::Label;

/// A section of ffprobe's output and the sections in it.
struct Node {
    name: &'static str,
    unique: &'static str,
    children: &'static [Node],
}

const fn node(name: &'static str, unique: &'static str, children: &'static [Node]) -> Node {
    Node { name, unique, children }
}

/// The sections that can be asked for (`ffprobe -sections`).
const SECTIONS: &[Node] = &[
    node(
        "packets",
        "packets",
        &[node(
            "packet",
            "packet",
            &[
                node("tags", "packet_tags", &[]),
                node("side_data_list", "packet_side_data_list", &[node("side_data", "packet_side_data", &[])]),
            ],
        )],
    ),
    node(
        "programs",
        "programs",
        &[node(
            "program",
            "program",
            &[
                node("tags", "program_tags", &[]),
                node(
                    "streams",
                    "program_streams",
                    &[node(
                        "stream",
                        "program_stream",
                        &[node("disposition", "program_stream_disposition", &[]), node("tags", "program_stream_tags", &[])],
                    )],
                ),
            ],
        )],
    ),
    node(
        "streams",
        "streams",
        &[node(
            "stream",
            "stream",
            &[
                node("disposition", "stream_disposition", &[]),
                node("tags", "stream_tags", &[]),
                node("side_data_list", "stream_side_data_list", &[node("side_data", "stream_side_data", &[])]),
            ],
        )],
    ),
    node("chapters", "chapters", &[node("chapter", "chapter", &[node("tags", "chapter_tags", &[])])]),
    node("format", "format", &[node("tags", "format_tags", &[])]),
    node("error", "error", &[]),
];

/// Which sections are wanted, and which of their fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Unique names of sections wanted with every field.
    whole: BTreeSet<&'static str>,
    /// (unique name, key) of single fields.
    fields: BTreeSet<(&'static str, String)>,
}

impl Selection {
    /// Adds a section with all that is in it: `-show_format`, `-show_streams`, …
    pub fn show(&mut self, label: Label) {
        for_each(SECTIONS, &mut |node| {
            if node.unique == label.unique {
                self.add_whole(node);
            }
        });
    }

    /// Adds what `-show_entries SECTION[=KEY,…][:…]` names; sections by either of their names.
    ///
    /// # Errors
    /// A section that does not exist.
    pub fn show_entries(&mut self, list: &str) -> Result<(), Error> {
        for part in list.split(':').filter(|part| !part.is_empty()) {
            let (name, keys) = part.split_once('=').map_or((part, None), |(name, keys)| (name, Some(keys)));
            let mut found = false;
            for_each(SECTIONS, &mut |node| {
                if node.name == name || node.unique == name {
                    found = true;
                    match keys {
                        None => self.add_whole(node),
                        Some(keys) => self
                            .fields
                            .extend(keys.split(',').filter(|key| !key.is_empty()).map(|key| (node.unique, key.to_owned()))),
                    }
                }
            });
            if !found {
                return Err(Error::new(Kind::Usage, format!("No match for section '{name}'")));
            }
        }
        Ok(())
    }

    /// Is the section, or one within it, wanted?
    pub fn shows(&self, label: Label) -> bool {
        // ffprobe has one switch each for the tags and dispositions of streams, in programs and out of them.
        let switch = |unique: &'static str| match unique.strip_prefix("program_") {
            Some(of_stream @ ("stream_tags" | "stream_disposition")) => of_stream,
            _ => unique,
        };
        let mut shows = false;
        for_each(SECTIONS, &mut |node| shows |= switch(node.unique) == switch(label.unique) && self.shows_node(node));
        shows
    }

    /// Is this field of the section wanted?
    pub fn shows_field(&self, label: Label, key: &str) -> bool {
        self.whole.contains(label.unique) || self.fields.iter().any(|(unique, field)| *unique == label.unique && field == key)
    }

    /// Is nothing wanted at all?
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.fields.is_empty()
    }

    fn add_whole(&mut self, node: &'static Node) {
        self.whole.insert(node.unique);
        node.children.iter().for_each(|child| self.add_whole(child));
    }

    fn shows_node(&self, node: &Node) -> bool {
        self.whole.contains(node.unique)
            || self.fields.iter().any(|(unique, _)| *unique == node.unique)
            || node.children.iter().any(|child| self.shows_node(child))
    }
}

fn for_each(nodes: &'static [Node], visit: &mut dyn FnMut(&'static Node)) {
    for node in nodes {
        visit(node);
        for_each(node.children, visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libav::describe::{FORMAT, PROGRAMS, STREAMS};

    fn selected(entries: &str) -> Selection {
        let mut selection = Selection::default();
        selection.show_entries(entries).expect("known sections");
        selection
    }

    #[test]
    fn a_whole_section_brings_what_is_in_it() {
        let mut selection = Selection::default();
        selection.show(STREAMS);
        let tags = Label::record("tags").unique("stream_tags");
        assert!(selection.shows(STREAMS) && selection.shows(tags) && selection.shows_field(tags, "title"));
        assert!(!selection.shows(FORMAT) && !selection.shows(PROGRAMS));
    }

    #[test]
    fn single_fields_bring_their_lists_but_nothing_else() {
        let selection = selected("stream=index,codec_name:format=size");
        let stream = Label::record("stream");
        assert!(selection.shows(STREAMS) && selection.shows_field(stream, "index") && selection.shows_field(FORMAT, "size"));
        assert!(!selection.shows_field(stream, "width") && !selection.shows(Label::record("tags").unique("stream_tags")));
        assert!(selection.shows(PROGRAMS), "`stream` names the streams of programs too");
    }

    #[test]
    fn a_section_that_does_not_exist_is_an_error() {
        let error = Selection::default().show_entries("format:stuff=a").expect_err("no such section");
        assert_eq!(error.to_string(), "No match for section 'stuff'");
    }
}
