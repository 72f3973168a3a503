//! `FFAUTH_<NAME>_<KEY>`: settings from the environment, which go before those of the file.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::env::Env;

use super::document::{Setting, Source};
use super::error::{ConfigError, Place};
use super::key::{self, Key, Shape};
use super::nearest::nearest;
use super::secret;

const PREFIX: &str = "FFAUTH_";

/// What the environment says about one profile.
pub(super) type Settings<'e> = Vec<(&'static Key, Setting<'e>)>;

/// `name` as it stands in the names of variables.
pub(super) fn form(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// Sorts the variables by profile. `named` are the profiles of the file, in the form of [`form`]; a variable belongs to the
/// longest of these that it begins with. What is left makes profiles that stand only in the environment, and what belongs to
/// no profile is somebody else's.
pub(super) fn settings<'e>(env: &'e Env, named: &[String]) -> BTreeMap<String, Result<Settings<'e>, ConfigError>> {
    let variables = || env.with_prefix(PREFIX).filter(|(_, value)| !value.is_empty());
    let owner = |rest: &str, forms: &mut dyn Iterator<Item = &String>| -> Option<String> {
        forms.filter(|form| tail(rest, form).is_some()).max_by_key(|form| form.len()).cloned()
    };
    let mut forms = named.to_vec();
    for (variable, _) in variables() {
        let rest = &variable[PREFIX.len()..];
        if owner(rest, &mut named.iter()).is_none()
            && let Some(form) = name_before_key(rest)
            && !forms.iter().any(|known| known == form)
        {
            forms.push(form.to_owned());
        }
    }
    let mut found: BTreeMap<String, Result<Settings<'e>, ConfigError>> = BTreeMap::new();
    for (variable, value) in variables() {
        let rest = &variable[PREFIX.len()..];
        let Some(form) = owner(rest, &mut named.iter()).or_else(|| owner(rest, &mut forms.iter())) else { continue };
        let Some(key) = tail(rest, &form) else { continue };
        let entry = found.entry(form.clone()).or_insert_with(|| Ok(Vec::new()));
        if let Ok(settings) = entry
            && let Err(error) = read(variable, value, &form, key).and_then(|read| add(settings, read, variable))
        {
            *entry = Err(error);
        }
    }
    found
}

/// What follows `form` and its underscore.
fn tail<'a>(rest: &'a str, form: &str) -> Option<&'a str> {
    rest.strip_prefix(form)?.strip_prefix('_')
}

/// The profile of a variable that ends in a known key: of several such keys, the longest.
fn name_before_key(rest: &str) -> Option<&str> {
    let names = key::PROFILE.iter().flat_map(|key| {
        let variable = key.variable();
        let file = (key.shape == Shape::Secret).then(|| format!("{variable}_FILE"));
        [Some(variable), file].into_iter().flatten()
    });
    let names = names.chain(["DIALECT".to_owned()]);
    names
        .filter_map(|key| rest.strip_suffix(&key)?.strip_suffix('_'))
        .filter(|name| !name.is_empty())
        .min_by_key(|name| name.len())
}

/// Adds what one variable says. Two variables may not say the same: a secret's value and its `_FILE`, a key of `DIALECT` and
/// `DIALECT_<KEY>`.
fn add<'e>(settings: &mut Settings<'e>, more: Settings<'e>, variable: &str) -> Result<(), ConfigError> {
    if let Some((key, _)) = more.iter().find(|(key, _)| settings.iter().any(|(known, _)| known == key)) {
        return Err(ConfigError::Value {
            place: Place::Variable(variable.to_owned()),
            key: key.name.to_owned(),
            reason: "is set by another variable too; unset one of them".to_owned(),
        });
    }
    settings.extend(more);
    Ok(())
}

fn read<'e>(variable: &'e str, value: &'e str, form: &str, tail: &str) -> Result<Settings<'e>, ConfigError> {
    let wrong = |key: &str, reason: String| ConfigError::Value {
        place: Place::Variable(variable.to_owned()),
        key: key.to_owned(),
        reason,
    };
    let inline = |key: &str| {
        DeValue::parse(value)
            .map(Spanned::into_inner)
            .map_err(|error| wrong(key, format!("not a TOML value: {}", error.message())))
    };
    let unknown = |key: &str| ConfigError::UnknownKey {
        place: Place::Variable(variable.to_owned()),
        table: format!("profile {form}"),
        key: key.to_ascii_lowercase(),
        nearest: nearest(key, key::PROFILE.iter().map(|key| key.name)),
    };
    if tail == "DIALECT" {
        let DeValue::Table(table) = inline("dialect")? else {
            return Err(wrong("dialect", "must be a table, { name = \"value\" }".to_owned()));
        };
        let settings = table.into_iter().map(|(name, value)| {
            let name = format!("dialect.{}", name.get_ref());
            let key = key::find(key::PROFILE, &name).ok_or_else(|| unknown(&name))?;
            let setting = Setting { source: Source::Variable(variable), value };
            setting.check(key).map(|()| (key, setting))
        });
        return settings.collect();
    }
    let text = |text: &'e str| DeValue::String(text.into());
    let secret_at = |place: &'static str, content: &'e str| {
        let mut table = DeTable::new();
        table.insert(Spanned::new(0..0, place.into()), Spanned::new(0..0, text(content)));
        DeValue::Table(table)
    };
    let (key, value) = match key::PROFILE.iter().find(|key| key.variable() == tail) {
        Some(key) => {
            let must_be = || wrong(key.name, format!("must be {}", key.shape.description()));
            let value = match key.shape {
                Shape::Text => text(value),
                Shape::Flag | Shape::FlagOrText => match value {
                    "true" | "1" => DeValue::Boolean(true),
                    "false" | "0" => DeValue::Boolean(false),
                    _ if key.shape == Shape::FlagOrText => text(value),
                    _ => return Err(must_be()),
                },
                Shape::Number => DeValue::parse(value).map(Spanned::into_inner).map_err(|_| must_be())?,
                Shape::List => {
                    let mut list = DeArray::new();
                    value.split_whitespace().for_each(|item| list.push(Spanned::new(0..0, text(item))));
                    DeValue::Array(list)
                }
                Shape::Map | Shape::SecretMap => inline(key.name)?,
                Shape::TextOrMap if value.trim_start().starts_with('{') => inline(key.name)?,
                Shape::TextOrMap => text(value),
                // The value stays where it is: the source names the variable, which is read when the secret is needed.
                Shape::Secret => secret_place(value).unwrap_or_else(|| secret_at("env", variable)),
            };
            (key, value)
        }
        None => {
            let file = key::PROFILE.iter().find(|key| {
                key.shape == Shape::Secret && tail.strip_suffix("_FILE").is_some_and(|secret| secret == key.variable())
            });
            (file.ok_or_else(|| unknown(tail))?, secret_at("file", value))
        }
    };
    let setting = Setting { source: Source::Variable(variable), value: Spanned::new(0..0, value) };
    setting.check(key)?;
    Ok(vec![(key, setting)])
}

/// `{ command = [ … ] }` and the like in a variable. Nothing that only looks like a table, such as a token in JSON.
fn secret_place(value: &str) -> Option<DeValue<'_>> {
    let parsed = value.trim_start().starts_with('{').then(|| DeValue::parse(value).ok()).flatten()?.into_inner();
    let table = parsed.as_table()?;
    let names_a_place = table.len() == 1 && table.keys().all(|word| secret::PLACES.contains(&word.get_ref().as_ref()));
    names_a_place.then_some(parsed)
}
