//! The configuration file as text with positions, and the settings in it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::error::{ConfigError, Place};
use super::key::{self, Key};
use super::nearest::nearest;
use super::permission;

/// What the keys of a profile's `dialect` table begin with.
const DIALECT: &str = "dialect.";

/// Larger files are taken for a mistake.
const LARGEST: u64 = 1024 * 1024;

/// A configuration file that was read.
pub(super) struct Document {
    path: PathBuf,
    text: Zeroizing<String>,
    /// Nobody but its owner can read it, so plain secrets may stand in it.
    private: bool,
    /// It is no file and nobody's text: code made it, for the profile of this name.
    made_for: Option<String>,
}

impl Document {
    /// Reads the file at `path`; `None` if there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, ConfigError> {
        let unreadable = |error: std::io::Error| ConfigError::Unreadable { path: path.to_owned(), reason: error.to_string() };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        // The handle is asked, not the path: what was checked is what is read.
        let metadata = file.metadata().map_err(unreadable)?;
        permission::check(path, &metadata)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        permission::check(folder, &folder.metadata().map_err(unreadable)?)?;
        let mut text = Zeroizing::new(String::new());
        let length = file.take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
        if u64::try_from(length).is_ok_and(|length| length > LARGEST) {
            let reason = format!("it is larger than {} MiB", LARGEST >> 20);
            return Err(ConfigError::Unreadable { path: path.to_owned(), reason });
        }
        Ok(Some(Self { path: path.to_owned(), text, private: permission::is_private(&metadata), made_for: None }))
    }

    /// A text that is in no file; `name` stands for its path.
    pub(super) fn of_text(name: &str, text: &str) -> Self {
        Self { path: PathBuf::from(name), text: Zeroizing::new(text.to_owned()), private: true, made_for: None }
    }

    /// The settings that code makes for the profile called `name`, as text.
    pub(super) fn of_code(name: &str, text: Zeroizing<String>) -> Self {
        Self { path: PathBuf::new(), text, private: true, made_for: Some(name.to_owned()) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The tables at the top.
    pub(super) fn parse(&self) -> Result<DeTable<'_>, ConfigError> {
        // A byte order mark is what some editors leave; offsets are counted without it everywhere.
        let text = self.text.trim_start_matches('\u{feff}');
        // `message` alone: the error's Display quotes the line, which may hold a secret.
        DeTable::parse(text).map(Spanned::into_inner).map_err(|error| ConfigError::Syntax {
            place: self.place(error.span().unwrap_or_default()),
            reason: error.message().replace('\n', ", "),
        })
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        if let Some(profile) = &self.made_for {
            return Place::Builder(profile.clone());
        }
        let text = self.text.trim_start_matches('\u{feff}').as_bytes();
        let before = &text[..span.start.min(text.len())];
        Place::Line(self.path.clone(), 1 + before.iter().filter(|byte| **byte == b'\n').count())
    }

    /// The settings of one table of the file, each with the key that it sets.
    pub(super) fn settings<'t>(
        &'t self,
        name: &str,
        prefix: &str,
        table: &DeTable<'t>,
        keys: &'static [Key],
    ) -> Result<Vec<(&'static Key, Setting<'t>)>, ConfigError> {
        let mut settings = Vec::new();
        for (key, value) in table.iter() {
            let full = format!("{prefix}{}", key.get_ref());
            let has_dialect = prefix.is_empty() && keys.iter().any(|key| key.name.starts_with(DIALECT));
            if has_dialect && full == "dialect" {
                let dialect = value.get_ref().as_table().ok_or_else(|| ConfigError::Value {
                    place: self.place(key.span()),
                    key: full.clone(),
                    reason: "must be a table".to_owned(),
                })?;
                settings.extend(self.settings(&format!("{name}.dialect"), DIALECT, dialect, keys)?);
                continue;
            }
            let siblings = || keys.iter().filter_map(|key| key.name.strip_prefix(prefix)).filter(|key| !key.contains('.'));
            let Some(known) = key::find(keys, &full).filter(|_| siblings().any(|sibling| sibling == key.get_ref())) else {
                return Err(ConfigError::UnknownKey {
                    place: self.place(key.span()),
                    table: format!("[{name}]"),
                    key: key.get_ref().clone().into_owned(),
                    nearest: nearest(key.get_ref(), siblings().chain(has_dialect.then_some("dialect"))),
                });
            };
            let setting = Setting { source: Source::File(self, key.span()), value: value.clone() };
            setting.check(known)?;
            settings.push((known, setting));
        }
        Ok(settings)
    }
}

/// Where a setting comes from.
#[derive(Clone)]
pub(super) enum Source<'t> {
    /// The file, and where in it the key stands.
    File(&'t Document, Range<usize>),
    /// The variable of this name.
    Variable(&'t str),
}

/// A value that was given for a key.
#[derive(Clone)]
pub(super) struct Setting<'t> {
    pub(super) source: Source<'t>,
    pub(super) value: Spanned<DeValue<'t>>,
}

impl<'t> Setting<'t> {
    /// Refuses a value of the wrong type, and a secret in a file that others can read.
    pub(super) fn check(&self, key: &Key) -> Result<(), ConfigError> {
        if !key.shape.admits(self.value.get_ref()) {
            return Err(self.refuse(key.name, format!("must be {}", key.shape.description())));
        }
        if let Source::File(document, _) = &self.source
            && !document.private
            && self.holds_plain_secret(key)
        {
            return Err(ConfigError::ExposedSecret {
                place: self.place(),
                key: key.name.to_owned(),
                path: document.path.clone(),
            });
        }
        Ok(())
    }

    fn holds_plain_secret(&self, key: &Key) -> bool {
        match key.shape {
            key::Shape::Secret => self.value.get_ref().is_str(),
            key::Shape::SecretMap => self.value.get_ref().as_table().is_some_and(|table| {
                table.iter().any(|(name, value)| value.get_ref().is_str() && super::secret::is_secret_header(name.get_ref()))
            }),
            _ => false,
        }
    }

    pub(super) fn place(&self) -> Place {
        self.place_of(self.span())
    }

    /// The place of something inside the value.
    pub(super) fn place_of(&self, span: Range<usize>) -> Place {
        match &self.source {
            Source::File(document, _) => document.place(span),
            Source::Variable(name) => Place::Variable((*name).to_owned()),
        }
    }

    fn span(&self) -> Range<usize> {
        match &self.source {
            Source::File(_, key) => key.clone(),
            Source::Variable(_) => 0..0,
        }
    }

    /// The error that the value of `key` is wrong.
    pub(super) fn refuse(&self, key: &str, reason: impl Into<String>) -> ConfigError {
        ConfigError::Value { place: self.place(), key: key.to_owned(), reason: reason.into() }
    }

    /// A path as it is meant: relative to the file that names it; from the environment, to the current directory.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        match &self.source {
            Source::File(document, _) => document.path.parent().unwrap_or(Path::new("")).join(text),
            Source::Variable(_) => PathBuf::from(text),
        }
    }
}
