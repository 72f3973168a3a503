//! What a preset gives to one profile: its templates with the user's values in them.

use std::collections::BTreeMap;

use url::Url;

use crate::oauth::client::Client;
use crate::oauth::provider::{self, PRESETS, Preset};
use crate::secret::{Secret, SecretSource};

use super::error::ConfigError;
use super::settings::Settings;

const KEY: &str = "provider_params";

/// The preset of a profile, if it has one, and the values for its templates.
pub(super) struct Provided {
    pub(super) preset: Option<&'static Preset>,
    values: BTreeMap<String, String>,
}

impl Settings<'_> {
    /// The preset that `provider` names, with the values of `provider_params`.
    pub(super) fn provided(&self) -> Result<Provided, ConfigError> {
        let preset = match self.text("provider") {
            Some(name) => {
                let names = PRESETS.iter().map(|preset| preset.name);
                Some(provider::preset(&name).ok_or_else(|| self.unknown_word("provider", &name, names))?)
            }
            None => None,
        };
        let params = preset.map_or(&[][..], |preset| preset.params);
        let mut values: BTreeMap<String, String> =
            params.iter().filter_map(|param| Some((param.name.to_owned(), param.default?.to_owned()))).collect();
        for (name, value) in self.map(KEY) {
            if !params.iter().any(|param| param.name == name) {
                let known: Vec<&str> = params.iter().map(|param| param.name).collect();
                return Err(self.refuse(
                    KEY,
                    match (preset, known.as_slice()) {
                        (None, _) => "belongs to a profile with a provider".to_owned(),
                        (Some(preset), []) => format!("{} needs none", preset.title),
                        (Some(preset), known) => {
                            format!("`{}` is none of {}: {}", name.escape_debug(), preset.title, known.join(", "))
                        }
                    },
                ));
            }
            let fits = |c: char| c.is_ascii_alphanumeric() || "-._~:/".contains(c);
            if value.is_empty()
                || !value.chars().all(fits)
                || value.contains("//")
                || value.contains("..")
                || value.starts_with('/')
            {
                return Err(self.refuse(KEY, format!("{name} must be a part of a URL, without https:// and without spaces")));
            }
            values.insert(name, value.trim_end_matches('/').to_owned());
        }
        if let Some(id) = self.text("client_id") {
            values.insert("client_id".to_owned(), id);
        }
        Ok(Provided { preset, values })
    }

    /// Is every value there that the templates in use need?
    pub(super) fn check_provided(&self, provided: &Provided, client: &Client) -> Result<(), ConfigError> {
        let Some(preset) = provided.preset else { return Ok(()) };
        let own = self.map("dialect.token_params");
        let params = preset.token_params.iter().filter(|(name, _)| !own.iter().any(|(known, _)| known == name));
        let token_url = client.token_url.is_none().then_some(preset.token_url);
        for template in token_url.into_iter().chain(params.map(|(_, template)| *template)) {
            let Err(missing) = provided.text(template) else { continue };
            let example = preset.params.iter().find(|param| param.name == missing).map_or("…", |param| param.example);
            return Err(self.incomplete(
                format!("{} needs {KEY}.{missing}", preset.title),
                format!("write {KEY} = {{ {missing} = \"{example}\" }} under [profile.{}]", self.name),
            ));
        }
        self.check_headers(provided)
    }

    /// Are the header fields complete that media requests need?
    pub(super) fn check_headers(&self, provided: &Provided) -> Result<(), ConfigError> {
        let headers = provided.preset.map_or(&[][..], |preset| preset.media_headers);
        self.need(headers.iter().all(|(_, template)| provided.text(template).is_ok()), "client_id")
    }
}

impl Provided {
    fn text(&self, template: &'static str) -> Result<String, &'static str> {
        provider::fill(template, |name| self.values.get(name).cloned())
    }

    /// The URL that a template of the preset comes to; `None` if a value is missing.
    pub(super) fn url(&self, template: impl FnOnce(&'static Preset) -> Option<&'static str>) -> Option<Url> {
        Url::parse(&self.text(template(self.preset?)?).ok()?).ok()
    }

    /// Puts what the preset says where the profile says nothing.
    pub(super) fn fill(&self, client: &mut Client, media_headers: &mut Vec<(String, SecretSource)>) {
        let Some(preset) = self.preset else { return };
        let own = |url: &mut Option<Url>, template: fn(&'static Preset) -> Option<&'static str>| {
            *url = url.take().or_else(|| self.url(template));
        };
        own(&mut client.token_url, |preset| Some(preset.token_url));
        own(&mut client.authorize_url, |preset| preset.authorize_url);
        own(&mut client.sign_in.device_url, |preset| preset.device_url);
        own(&mut client.sign_in.revoke_url, |preset| preset.revoke_url);
        let dialect = &mut client.dialect;
        dialect.assertion_scope |= preset.assertion_scope;
        for (name, claim) in preset.assertion_claims {
            let is_own = dialect.assertion_claims.iter().any(|(known, _)| known == name);
            if !is_own && (*name != "sub" || client.assertion.subject.is_none()) {
                dialect.assertion_claims.push(((*name).to_owned(), (*claim).to_owned()));
            }
        }
        for (name, template) in preset.token_params {
            if let (false, Ok(value)) = (dialect.token_params.iter().any(|(known, _)| known == name), self.text(template)) {
                dialect.token_params.push(((*name).to_owned(), value));
            }
        }
        for (name, template) in preset.media_headers {
            let is_own = media_headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
            if let (false, Ok(value)) = (is_own, self.text(template)) {
                media_headers.push(((*name).to_owned(), SecretSource::Plain(Secret::new(value))));
            }
        }
    }
}
