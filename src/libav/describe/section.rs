//! A description as nested sections of fields, in ffprobe's vocabulary.

/// What kind of section it is; writers lay them out differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Fields, then sections.
    Record,
    /// Records of the same name.
    Array,
}

/// A group of fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// What it is.
    pub label: Label,
    /// What stands in it, in order.
    pub items: Vec<Item>,
}

/// A section's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The name: `tags`.
    pub name: &'static str,
    /// The name that no other section has: `stream_tags`.
    pub unique: &'static str,
    /// What one element is called where sections are flattened (`tag`); empty = as `name`.
    pub element: &'static str,
    /// Its shape.
    pub shape: Shape,
}

/// A field or a section within a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A key and its value.
    Field(String, Value),
    /// A nested section.
    Section(Section),
}

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text, also numbers with a unit.
    Text(String),
    /// A plain number.
    Integer(i64),
    /// Not known; the text stands for it (`N/A`, `unknown`) where a writer shows such fields at all.
    Missing(&'static str),
}

impl Label {
    /// A section of fields.
    pub const fn record(name: &'static str) -> Self {
        Self { name, unique: name, element: "", shape: Shape::Record }
    }

    /// A section of sections.
    pub const fn array(name: &'static str) -> Self {
        Self { name, unique: name, element: "", shape: Shape::Array }
    }

    /// The same under a name that no other section has.
    pub const fn unique(self, unique: &'static str) -> Self {
        Self { unique, ..self }
    }

    /// The same with a name for one element.
    pub const fn element(self, element: &'static str) -> Self {
        Self { element, ..self }
    }
}

impl Section {
    /// An empty section.
    pub fn new(label: Label) -> Self {
        Self { label, items: Vec::new() }
    }

    /// Adds text.
    pub fn text(&mut self, key: &str, text: impl Into<String>) {
        self.items.push(Item::Field(key.to_owned(), Value::Text(text.into())));
    }

    /// Adds a number.
    pub fn integer(&mut self, key: &str, number: impl Into<i64>) {
        self.items.push(Item::Field(key.to_owned(), Value::Integer(number.into())));
    }

    /// Adds a field without a value.
    pub fn missing(&mut self, key: &str, stand_in: &'static str) {
        self.items.push(Item::Field(key.to_owned(), Value::Missing(stand_in)));
    }

    /// Adds text that may be missing.
    pub fn text_or(&mut self, key: &str, text: Option<impl Into<String>>, stand_in: &'static str) {
        match text {
            Some(text) => self.text(key, text),
            None => self.missing(key, stand_in),
        }
    }

    /// Adds a number that may be missing.
    pub fn integer_or_na(&mut self, key: &str, number: Option<impl Into<i64>>) {
        match number {
            Some(number) => self.integer(key, number),
            None => self.missing(key, "N/A"),
        }
    }

    /// Adds a nested section.
    pub fn nest(&mut self, section: Section) {
        self.items.push(Item::Section(section));
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.items.iter().find_map(|item| match item {
            Item::Field(name, value) if name == key => Some(value),
            _ => None,
        })
    }
}
