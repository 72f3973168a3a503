//! ffprobe's output formats (`-of`): default, compact, csv, json.
//!
//! A writer is told where sections begin and end and which fields they have; how much of that it prints, and how nested
//! sections are laid out, is the format's own business and follows ffprobe byte for byte.

use std::io::{self, Write};

use crate::job::probe::Selection;
use crate::libav::describe::{Item, Label, Section, Shape, Value};

/// A format with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `[SECTION]`, `key=value` lines, `[/SECTION]`.
    Default {
        /// `nk=1`: values only.
        no_key: bool,
        /// `nw=1`: no lines around sections.
        no_wrappers: bool,
    },
    /// One line per section.
    Compact {
        /// What stands between fields.
        separator: char,
        /// Values only.
        no_key: bool,
        /// Names the section at the start of its line.
        print_section: bool,
        /// How values are quoted.
        escape: Escape,
    },
    /// A JSON document.
    Json {
        /// `c=1`: one line per section.
        compact: bool,
    },
}

/// How the one-line formats keep values apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// As in C strings.
    C,
    /// As in CSV.
    Csv,
    /// Not at all.
    None,
}

/// Writes sections to `out`.
pub struct Writer<W: Write> {
    out: W,
    style: Style,
    levels: Vec<Level>,
}

/// An open section.
struct Level {
    /// `None` for the document itself.
    label: Option<Label>,
    /// Fields and sections so far.
    items: usize,
    /// What keys of a flattened section begin with: `DISPOSITION:`.
    prefix: String,
    /// Is it printed within its parent's lines?
    flattened: bool,
    /// Has it had flattened sections?
    has_flattened: bool,
    /// Does its end end the line?
    ends_line: bool,
}

impl<W: Write> Writer<W> {
    /// Begins the document.
    ///
    /// # Errors
    /// Of `out`, as all of its functions.
    pub fn new(mut out: W, style: Style) -> io::Result<Self> {
        if let Style::Json { .. } = style {
            out.write_all(b"{\n")?;
        }
        let document =
            Level { label: None, items: 0, prefix: String::new(), flattened: false, has_flattened: false, ends_line: false };
        Ok(Self { out, style, levels: vec![document] })
    }

    /// Ends the document.
    ///
    /// # Errors
    /// Of the output.
    pub fn finish(mut self) -> io::Result<W> {
        if let Style::Json { .. } = self.style {
            self.out.write_all(b"\n}\n")?;
        }
        self.out.flush()?;
        Ok(self.out)
    }

    /// Writes what is selected of a section. Lists of side data are written whether or not their fields are, as in ffprobe.
    ///
    /// # Errors
    /// Of the output.
    pub fn section(&mut self, section: &Section, selection: &Selection) -> io::Result<()> {
        self.begin(section.label)?;
        for item in &section.items {
            match item {
                Item::Field(key, value) if selection.shows_field(section.label, key) => self.field(key, value)?,
                Item::Section(nested) if nested.label.name.starts_with("side_data") || selection.shows(nested.label) => {
                    self.section(nested, selection)?;
                }
                Item::Field(..) | Item::Section(_) => {}
            }
        }
        self.end()
    }

    /// Begins a section.
    ///
    /// # Errors
    /// Of the output.
    pub fn begin(&mut self, label: Label) -> io::Result<()> {
        let depth = self.levels.len();
        let Some(parent) = self.levels.last_mut() else { return Ok(()) };
        let in_record = parent.label.is_some_and(|label| label.shape == Shape::Record);
        let name = if label.element.is_empty() { label.name } else { label.element };
        let mut level = Level {
            label: Some(label),
            items: 0,
            prefix: String::new(),
            flattened: false,
            has_flattened: false,
            ends_line: true,
        };
        match self.style {
            Style::Default { no_wrappers, .. } => {
                if in_record {
                    level.flattened = true;
                    level.prefix = format!("{}{}:", parent.prefix, name.to_uppercase());
                } else if !no_wrappers && label.shape == Shape::Record {
                    writeln!(self.out, "[{}]", label.name.to_uppercase())?;
                }
            }
            Style::Compact { separator, print_section, .. } => {
                if in_record && label.shape == Shape::Record {
                    level.flattened = true;
                    level.prefix = format!("{}{name}:", parent.prefix);
                    level.items = parent.items;
                    parent.has_flattened = true;
                } else {
                    if parent.has_flattened && label.shape == Shape::Array {
                        parent.ends_line = false;
                    }
                    if in_record && parent.items > 0 {
                        write!(self.out, "{separator}")?;
                    }
                    if print_section && label.shape == Shape::Record {
                        write!(self.out, "{}{separator}", label.name)?;
                    }
                }
            }
            Style::Json { compact } => {
                if parent.items > 0 {
                    self.out.write_all(b",\n")?;
                }
                indent(&mut self.out, depth)?;
                let start = if compact { " " } else { "\n" };
                let in_array = parent.label.is_some_and(|label| label.shape == Shape::Array);
                match label.shape {
                    Shape::Array => writeln!(self.out, "{}: [", json(label.name))?,
                    Shape::Record if in_array => write!(self.out, "{{{start}")?,
                    Shape::Record => write!(self.out, "{}: {{{start}", json(label.name))?,
                }
            }
        }
        self.levels.push(level);
        Ok(())
    }

    /// Ends the section begun last.
    ///
    /// # Errors
    /// Of the output.
    pub fn end(&mut self) -> io::Result<()> {
        if self.levels.len() < 2 {
            return Ok(());
        }
        let Some(level) = self.levels.pop() else { return Ok(()) };
        if let Some(parent) = self.levels.last_mut() {
            parent.items += 1;
        }
        let Some(label) = level.label else { return Ok(()) };
        let record = label.shape == Shape::Record;
        match self.style {
            Style::Default { no_wrappers, .. } => {
                if record && !no_wrappers && !level.flattened {
                    writeln!(self.out, "[/{}]", label.name.to_uppercase())?;
                }
            }
            Style::Compact { .. } => {
                if record && level.ends_line && !level.flattened {
                    writeln!(self.out)?;
                }
            }
            Style::Json { compact } => {
                self.out.write_all(if compact && record { b" " } else { b"\n" })?;
                if !(compact && record) {
                    indent(&mut self.out, self.levels.len())?;
                }
                self.out.write_all(if record { b"}" } else { b"]" })?;
            }
        }
        Ok(())
    }

    /// Writes a field of the section begun last.
    ///
    /// # Errors
    /// Of the output.
    pub fn field(&mut self, key: &str, value: &Value) -> io::Result<()> {
        let depth = self.levels.len();
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        let text = match value {
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Missing(stand_in) => (*stand_in).to_owned(),
        };
        match self.style {
            Style::Default { no_key, .. } => {
                if !no_key {
                    write!(self.out, "{}{key}=", level.prefix)?;
                }
                writeln!(self.out, "{text}")?;
            }
            Style::Compact { separator, no_key, escape, .. } => {
                if level.items > 0 {
                    write!(self.out, "{separator}")?;
                }
                if !no_key {
                    write!(self.out, "{}{key}=", level.prefix)?;
                }
                self.out.write_all(escaped(&text, escape, separator).as_bytes())?;
            }
            Style::Json { .. } if matches!(value, Value::Missing(_)) => return Ok(()),
            Style::Json { compact } => {
                if level.items > 0 {
                    self.out.write_all(if compact { b", " } else { b",\n" })?;
                }
                if !compact {
                    indent(&mut self.out, depth)?;
                }
                let text = if let Value::Integer(_) = value { text } else { json(&text) };
                write!(self.out, "{}: {text}", json(key))?;
            }
        }
        level.items += 1;
        Ok(())
    }
}

/// Four spaces for each section around.
fn indent(out: &mut impl Write, depth: usize) -> io::Result<()> {
    (0..depth).try_for_each(|_| out.write_all(b"    "))
}

/// A JSON string. Characters beyond ASCII stand as they are.
fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u00{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn escaped(text: &str, escape: Escape, separator: char) -> String {
    match escape {
        Escape::None => text.to_owned(),
        Escape::Csv if text.contains([separator, '"', '\n', '\r']) => format!("\"{}\"", text.replace('"', "\"\"")),
        Escape::Csv => text.to_owned(),
        Escape::C => {
            let mut out = String::with_capacity(text.len());
            for c in text.chars() {
                match c {
                    '\u{8}' => out.push_str("\\b"),
                    '\u{c}' => out.push_str("\\f"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    c => {
                        if c == '\\' || c == separator {
                            out.push('\\');
                        }
                        out.push(c);
                    }
                }
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libav::describe::{CHAPTERS, PACKET, PACKETS};

    fn packet() -> Section {
        let mut packet = Section::new(PACKET);
        packet.text("codec_type", "video");
        packet.integer("pts", 5);
        packet.missing("dts", "N/A");
        let mut tags = Section::new(Label::record("tags").unique("packet_tags").element("tag"));
        tags.text("title", "a|b,\"c\"\n");
        packet.nest(tags);
        packet
    }

    fn written(style: Style) -> String {
        let select = |entries: &str| {
            let mut selection = Selection::default();
            selection.show_entries(entries).expect("known sections");
            selection
        };
        let write = || {
            let mut writer = Writer::new(Vec::new(), style)?;
            writer.begin(PACKETS)?;
            writer.section(&packet(), &select("packet"))?;
            writer.section(&packet(), &select("packet=pts"))?;
            writer.end()?;
            writer.begin(CHAPTERS)?;
            writer.end()?;
            writer.finish()
        };
        String::from_utf8(write().expect("a Vec takes all")).expect("text")
    }

    #[test]
    fn default_wraps_records_and_flattens_what_is_in_them() {
        assert_eq!(
            written(Style::Default { no_key: false, no_wrappers: false }),
            "[PACKET]\ncodec_type=video\npts=5\ndts=N/A\nTAG:title=a|b,\"c\"\n\n[/PACKET]\n[PACKET]\npts=5\n[/PACKET]\n"
        );
        assert_eq!(written(Style::Default { no_key: true, no_wrappers: true }), "video\n5\nN/A\na|b,\"c\"\n\n5\n");
    }

    #[test]
    fn compact_and_csv_quote_their_separator() {
        let style = |separator, no_key, escape| Style::Compact { separator, no_key, print_section: true, escape };
        assert_eq!(
            written(style('|', false, Escape::C)),
            "packet|codec_type=video|pts=5|dts=N/A|tag:title=a\\|b,\"c\"\\n\npacket|pts=5\n"
        );
        assert_eq!(written(style(',', true, Escape::Csv)), "packet,video,5,N/A,\"a|b,\"\"c\"\"\n\"\npacket,5\n");
    }

    #[test]
    fn json_leaves_out_what_is_missing_and_keeps_empty_arrays() {
        let text = written(Style::Json { compact: false });
        let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(document["packets"][0]["tags"]["title"], "a|b,\"c\"\n");
        assert_eq!(document["packets"][0].get("dts"), None);
        assert!(text.ends_with("    \"chapters\": [\n\n    ]\n}\n"), "{text}");
        assert!(written(Style::Json { compact: true }).contains("        { \"codec_type\": \"video\", \"pts\": 5,\n"));
    }
}
