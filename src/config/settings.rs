//! The settings of one profile, read as what they mean one by one.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::bearer::{MediaPointer, Placement};
use crate::oauth::dialect::Dialect;
use crate::oauth::held::Holder;
use crate::oauth::provider::Preset;
use crate::origin::{self, OriginPattern};
use crate::redact;
use crate::secret::SecretSource;

use super::document::Setting;
use super::error::{ConfigError, Place};
use super::key;
use super::nearest::nearest;
use super::secret;
use super::word::Word;

/// The settings of one profile by key, the environment's already in the place of the file's.
pub(super) struct Settings<'t> {
    /// The profile's name.
    pub(super) name: &'t str,
    /// Where the profile begins.
    pub(super) place: Place,
    pub(super) by_key: BTreeMap<&'static str, Setting<'t>>,
    /// Secrets that code gives; a value stands for each in `by_key`.
    pub(super) secrets: BTreeMap<&'static str, SecretSource>,
    /// The service that holds the tokens.
    pub(super) holder: Option<Holder>,
}

impl Settings<'_> {
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.by_key.get(key)?.value.get_ref().as_str().map(str::to_owned)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.by_key.get(key)?.value.get_ref().as_bool()
    }

    pub(super) fn list(&self, key: &str) -> Option<Vec<String>> {
        let value = self.by_key.get(key)?.value.get_ref();
        match value.as_str() {
            Some(text) => Some(text.split_whitespace().map(str::to_owned).collect()),
            None => Some(value.as_array()?.iter().filter_map(|item| item.get_ref().as_str()).map(str::to_owned).collect()),
        }
    }

    pub(super) fn map(&self, key: &str) -> Vec<(String, String)> {
        let table = self.by_key.get(key).and_then(|setting| setting.value.get_ref().as_table());
        let entries = table.into_iter().flatten();
        entries.filter_map(|(name, value)| Some((name.get_ref().clone().into_owned(), key::scalar(value.get_ref())?))).collect()
    }

    pub(super) fn secret(&self, key: &str) -> Result<Option<SecretSource>, ConfigError> {
        if let Some(source) = self.secrets.get(key) {
            return Ok(Some(source.clone()));
        }
        self.by_key.get(key).map(|setting| secret::source(setting, key, &setting.value)).transpose()
    }

    pub(super) fn secrets_by_name(&self, key: &str) -> Result<Vec<(String, SecretSource)>, ConfigError> {
        let Some(setting) = self.by_key.get(key) else { return Ok(Vec::new()) };
        let entries = setting.value.get_ref().as_table().into_iter().flatten().map(|(name, value)| {
            if http::HeaderName::from_bytes(name.get_ref().as_bytes()).is_err() {
                return Err(setting.refuse(key, format!("`{}` is not the name of a header field", name.get_ref().escape_debug())));
            }
            Ok((name.get_ref().clone().into_owned(), secret::source(setting, &format!("{key}.{}", name.get_ref()), value)?))
        });
        entries.collect()
    }

    /// A word from a list.
    pub(super) fn word<T: Copy>(&self, key: &'static str, words: &[Word<T>]) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => Err(self.unknown_word(key, &text, words.iter().map(|(word, _)| *word))),
        }
    }

    pub(super) fn media_pointer(&self) -> Result<Option<MediaPointer>, ConfigError> {
        let pointer = self.text("media_pointer").map(|text| MediaPointer::parse(&text));
        pointer.transpose().map_err(|reason| self.refuse("media_pointer", reason))
    }

    /// An http(s) URL that a token or a secret may be sent to.
    pub(super) fn url(&self, key: &'static str, allow_http: bool) -> Result<Option<Url>, ConfigError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let url = Url::parse(&text).map_err(|error| self.refuse(key, format!("`{}`: {error}", redact::url(&text))))?;
        let reason = match url.scheme() {
            "http" if !allow_http && !url.host_str().is_some_and(origin::is_loopback) => {
                "plain http would show the secrets to everybody on the way; use https, or set allow_http = true"
            }
            "http" | "https" if !url.username().is_empty() || url.password().is_some() => {
                "user and password do not belong into the URL; use client_id and client_secret"
            }
            "http" | "https" if url.fragment().is_some() => "a fragment (#…) is not allowed here (RFC 6749 section 3.2)",
            "http" | "https" => return Ok(Some(url)),
            _ => "must be an https URL",
        };
        Err(self.refuse(key, reason))
    }

    /// RFC 8414 section 2: no query, no fragment.
    pub(super) fn issuer(&self, allow_http: bool) -> Result<Option<Url>, ConfigError> {
        let issuer = self.url("issuer", allow_http)?;
        match &issuer {
            Some(url) if url.query().is_some() => {
                Err(self.refuse("issuer", "an issuer has no query string (RFC 8414 section 2)"))
            }
            _ => Ok(issuer),
        }
    }

    pub(super) fn dialect(&self, preset: Option<&Preset>) -> Result<Dialect, ConfigError> {
        let standard = Dialect::default();
        let separator = self.text("dialect.scope_separator").or_else(|| preset.map(|preset| preset.scope_separator.to_owned()));
        let life = self.by_key.get("dialect.default_expires_in").and_then(|setting| key::number(setting.value.get_ref()));
        if life == Some(0) {
            return Err(self.refuse("dialect.default_expires_in", "must be at least 1 second"));
        }
        Ok(Dialect {
            grant_type: self
                .text("dialect.grant_type")
                .or_else(|| preset.and_then(|preset| preset.grant_type).map(str::to_owned)),
            scope_separator: separator.unwrap_or(standard.scope_separator),
            token_query: self.map("dialect.token_query"),
            token_params: self.map("dialect.token_params"),
            token_headers: self.secrets_by_name("dialect.token_headers")?,
            assertion_scope: self.flag("dialect.assertion_scope").unwrap_or(standard.assertion_scope),
            assertion_claims: self.map("dialect.assertion_claims"),
            default_expires_in: life.map(Duration::from_secs),
        })
    }

    pub(super) fn origins(&self, allow_http: bool) -> Result<Vec<OriginPattern>, ConfigError> {
        let Some(setting) = self.by_key.get("origins") else { return Ok(Vec::new()) };
        let mut origins = Vec::new();
        for text in self.list("origins").unwrap_or_default() {
            let pattern: OriginPattern = text.parse().map_err(|error| setting.refuse("origins", format!("{error}")))?;
            if !allow_http && !pattern.is_confidential() {
                let reason = format!(
                    "{pattern}: plain http would show the token to everybody on the way; use https, or set allow_http = true"
                );
                return Err(setting.refuse("origins", reason));
            }
            origins.push(pattern);
        }
        if origins.is_empty() {
            return Err(setting.refuse("origins", "names no origin; leave it out for the origin of the file itself"));
        }
        Ok(origins)
    }

    pub(super) fn placement(&self) -> Result<Placement, ConfigError> {
        let key = "placement";
        let Some(setting) = self.by_key.get(key) else { return Ok(Placement::default()) };
        let choices = "must be \"header\", { query = \"access_token\" }, { header = \"X-Api-Token\", prefix = \"\" } or { userinfo = \"user\" }";
        if let Some(word) = setting.value.get_ref().as_str() {
            return if word == "header" { Ok(Placement::default()) } else { Err(setting.refuse(key, choices)) };
        }
        let entries = self.map(key);
        let part = |name: &str| entries.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        if let Some((name, _)) =
            entries.iter().find(|(name, _)| !["header", "prefix", "query", "userinfo"].contains(&name.as_str()))
        {
            return Err(setting.refuse(key, format!("has no part `{name}`; {choices}")));
        }
        if entries.iter().any(|(name, value)| value.chars().any(char::is_control) || (value.is_empty() && name != "prefix")) {
            return Err(setting.refuse(key, "holds a control character or an empty name"));
        }
        match (part("header"), part("prefix"), part("query"), part("userinfo")) {
            (Some(name), prefix, None, None) => {
                if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                    return Err(setting.refuse(key, format!("`{name}` is not the name of a header field")));
                }
                Ok(Placement::Header { name, prefix: prefix.unwrap_or_else(|| "Bearer ".to_owned()) })
            }
            (None, None, Some(parameter), None) => Ok(Placement::Query(parameter)),
            (None, None, None, Some(user)) => Ok(Placement::UserInfo(user)),
            _ => Err(setting.refuse(key, choices)),
        }
    }

    pub(super) fn place_of(&self, key: &str) -> Place {
        self.by_key.get(key).map_or_else(|| self.place.clone(), Setting::place)
    }

    pub(super) fn refuse(&self, key: &str, reason: impl Into<String>) -> ConfigError {
        ConfigError::Value { place: self.place_of(key), key: key.to_owned(), reason: reason.into() }
    }

    pub(super) fn unknown_word(&self, key: &str, word: &str, words: impl Iterator<Item = &'static str> + Clone) -> ConfigError {
        let meant = nearest(word, words.clone()).map(|word| format!(" (did you mean `{word}`?)")).unwrap_or_default();
        let all: Vec<_> = words.collect();
        self.refuse(key, format!("`{}` is not known{meant}; it is one of {}", word.escape_debug(), all.join(", ")))
    }
}
