//! Where a secret is, as the configuration says it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::secret::keyring::Item;
use crate::secret::{Secret, SecretSource};

use super::document::Setting;
use super::error::ConfigError;
use super::key;
use super::nearest::nearest;

/// The words of a secret source.
pub(super) const PLACES: &[&str] = &["env", "file", "command", "credential", "keyring", "fd", "stdin"];

/// Parts of the names of header fields whose values are secrets.
const SECRET_HEADER_PARTS: &[&str] = &["auth", "cookie", "key", "password", "secret", "signature", "token"];

/// Is the value of a header field of this name a secret, to judge by the name?
pub(super) fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_HEADER_PARTS.iter().any(|part| name.contains(part))
}

/// Reads a string or `{ env | file | command | credential | keyring | fd | stdin = … }`. `key` is for errors.
pub(super) fn source(setting: &Setting<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Result<SecretSource, ConfigError> {
    let refuse = |reason: &str| {
        Err(ConfigError::Value { place: setting.place_of(value.span()), key: key.to_owned(), reason: reason.to_owned() })
    };
    let table = match value.get_ref() {
        DeValue::String(text) if text.is_empty() => return refuse("is empty"),
        DeValue::String(text) => return Ok(SecretSource::Plain(Secret::new(text.clone().into_owned()))),
        DeValue::Table(table) => table,
        _ => return refuse("must be a string or a table"),
    };
    let Some((place, content)) = single_entry(table) else {
        return refuse("must name exactly one place: env, file, command, credential, keyring, fd or stdin");
    };
    let text = content.as_str().filter(|text| !text.is_empty());
    match (place, text) {
        ("env", Some(text)) => Ok(SecretSource::Env(text.to_owned())),
        ("file", Some(text)) => Ok(SecretSource::File(setting.path(text))),
        ("credential", Some(text)) if !text.contains('/') => Ok(SecretSource::Credential(text.to_owned())),
        ("credential", Some(_)) => refuse("a credential is named without a path; systemd says where it is"),
        ("command", Some(_)) => refuse("command must be a list, [\"program\", \"argument\"]: it runs without a shell"),
        ("command", None) => {
            let words = content.as_array().map(|items| items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)));
            match words.and_then(Iterator::collect::<Option<Vec<String>>>) {
                Some(words) if words.first().is_some_and(|program| !program.is_empty()) => Ok(SecretSource::Command(words)),
                _ => refuse("command must be a list of strings, the program first"),
            }
        }
        ("keyring", Some(text)) if !text.starts_with('/') && !text.ends_with('/') => Ok(SecretSource::Keyring(Item::parse(text))),
        ("keyring", Some(_)) => refuse("keyring must be the NAME of an item, or SERVICE/NAME"),
        ("env" | "file" | "credential" | "keyring", None) => refuse("must name its place with a string that is not empty"),
        ("fd", _) => match key::number(content).and_then(|number| u32::try_from(number).ok()) {
            Some(0) => refuse("fd 0 is standard input; say { stdin = true }"),
            Some(1 | 2) | None => refuse("fd must be the number of an open file descriptor, 3 or more"),
            Some(number) => Ok(SecretSource::Fd(number)),
        },
        ("stdin", _) if content.as_bool() == Some(true) => Ok(SecretSource::Stdin),
        ("stdin", _) => refuse("stdin must be true"),
        (word, _) => Err(ConfigError::UnknownKey {
            place: setting.place_of(value.span()),
            table: key.to_owned(),
            key: word.to_owned(),
            nearest: nearest(word, PLACES.iter().copied()),
        }),
    }
}

/// Name and value of the only entry.
fn single_entry<'a>(table: &'a DeTable<'_>) -> Option<(&'a str, &'a DeValue<'a>)> {
    let mut entries = table.iter();
    match (entries.next(), entries.next()) {
        (Some((name, value)), None) => Some((name.get_ref(), value.get_ref())),
        _ => None,
    }
}
