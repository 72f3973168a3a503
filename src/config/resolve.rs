//! From settings to a profile: presets, defaults, and the rules that span several keys.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::bearer::Placement;
use crate::oauth::client::{Client, ClientAuth, Grant};
use crate::oauth::dialect::Dialect;
use crate::oauth::provider::{self, PRESETS, Preset};
use crate::origin::{self, OriginPattern};
use crate::redact;
use crate::secret::SecretSource;

use super::document::Setting;
use super::environment;
use super::error::{ConfigError, Place};
use super::key::{self, Key};
use super::nearest::nearest;
use super::profile::{Profile, StoreKind};
use super::secret;

/// How long one token request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

const NO_SIGN_IN: &str = "sign-in by a person is not in this version; use grant = \"password\" (username, password), \"refresh_token\" (one \
                          that was obtained elsewhere) or \"external\" (access_token, kept fresh by another program)";
const NO_EXCHANGE: &str = "let another program make the exchange and leave the result in access_token (grant = \"external\")";
const NO_ASSERTION: &str = "use client_auth = \"basic\", \"basic_raw\" or \"post\" with client_secret, or let another program get the \
                            token and leave it in access_token";

/// A word of the configuration: with what it means, or what to use instead.
type Word<T> = (&'static str, Result<T, &'static str>);

const GRANTS: &[Word<Grant>] = &[
    ("client_credentials", Ok(Grant::ClientCredentials)),
    ("password", Ok(Grant::Password)),
    ("refresh_token", Ok(Grant::RefreshToken)),
    ("external", Ok(Grant::External)),
    ("authorization_code", Err(NO_SIGN_IN)),
    ("device_code", Err(NO_SIGN_IN)),
    ("token_exchange", Err(NO_EXCHANGE)),
    ("jwt_bearer", Err(NO_EXCHANGE)),
];

/// The names of RFC 7591 section 2 (`token_endpoint_auth_method`) are synonyms.
const CLIENT_AUTHS: &[Word<ClientAuth>] = &[
    ("basic", Ok(ClientAuth::Basic)),
    ("client_secret_basic", Ok(ClientAuth::Basic)),
    ("basic_raw", Ok(ClientAuth::BasicRaw)),
    ("post", Ok(ClientAuth::Post)),
    ("client_secret_post", Ok(ClientAuth::Post)),
    ("none", Ok(ClientAuth::None)),
    ("private_key_jwt", Err(NO_ASSERTION)),
    ("client_secret_jwt", Err(NO_ASSERTION)),
    ("tls", Err(NO_ASSERTION)),
    ("tls_client_auth", Err(NO_ASSERTION)),
    ("self_signed_tls", Err(NO_ASSERTION)),
    ("self_signed_tls_client_auth", Err(NO_ASSERTION)),
];

const STORES: &[Word<StoreKind>] = &[
    ("file", Ok(StoreKind::File)),
    ("memory", Ok(StoreKind::Memory)),
    ("keyring", Err("use store = \"file\" (readable by you alone) or \"memory\"")),
];

/// Keys that by themselves say which grant is meant.
const IMPLIED: &[(&str, &str)] = &[
    ("username", "password"),
    ("refresh_token", "refresh_token"),
    ("access_token", "external"),
    ("assertion", "jwt_bearer"),
    ("subject_token", "token_exchange"),
];

/// Keys that would change what is sent if this version knew how. The keys of the sign-in (`redirect_uri`, `par` …) and of
/// `ffauth credentials` are not among them: the grants above need none of those.
const LATER: &[(&str, &str)] = &[
    ("media_pointer", "read the media URL from the JSON yourself and give that to -i"),
    ("tls", "a proxy that presents the certificate (stunnel, nginx) can stand in between"),
    ("private_key", NO_ASSERTION),
    ("key_id", NO_ASSERTION),
    ("assertion_alg", NO_ASSERTION),
    ("assertion_audience", NO_ASSERTION),
    ("assertion", NO_EXCHANGE),
    ("assertion_issuer", NO_EXCHANGE),
    ("assertion_subject", NO_EXCHANGE),
    ("subject_token", NO_EXCHANGE),
    ("subject_token_type", NO_EXCHANGE),
    ("actor_token", NO_EXCHANGE),
    ("requested_token_type", NO_EXCHANGE),
];

/// The settings of one profile by key, the environment's already in the place of the file's.
pub(super) struct Settings<'t> {
    /// The profile's name.
    pub(super) name: &'t str,
    /// Where the profile begins.
    pub(super) place: Place,
    pub(super) by_key: BTreeMap<&'static str, Setting<'t>>,
}

/// Makes the profile. Every value is read before a rule that spans several keys is applied, so that a wrong value is found
/// even in a profile that cannot be used.
pub(super) fn profile(settings: &Settings<'_>) -> Result<Profile, ConfigError> {
    let provider = settings.text("provider");
    let preset = match &provider {
        Some(name) => Some(provider::preset(name).ok_or_else(|| {
            let names = PRESETS.iter().map(|preset| preset.name);
            settings.unknown_word("provider", name, names)
        })?),
        None => None,
    };
    let allow_http = settings.flag("allow_http").unwrap_or(false);
    if let (true, Some(preset)) = (allow_http, preset)
        && preset.https_only
    {
        return Err(settings.refuse("allow_http", format!("{} is reached by https only", preset.title)));
    }
    let url = |key: &'static str| settings.url(key, allow_http);
    let preset_url = |url: Option<&'static str>| url.and_then(|url| Url::parse(url).ok());
    let token_url = url("token_url")?.or_else(|| preset_url(preset.map(|preset| preset.token_url)));
    let authorize_url = url("authorize_url")?.or_else(|| preset_url(preset.and_then(|preset| preset.authorize_url)));
    for key in ["device_url", "revoke_url", "par_url", "credentials_url"] {
        url(key)?;
    }
    let mut client = Client {
        name: settings.name.to_owned(),
        issuer: settings.issuer(allow_http)?,
        token_url,
        authorize_url,
        client_id: settings.text("client_id"),
        client_secret: settings.secret("client_secret")?,
        grant: Grant::External,
        client_auth: ClientAuth::None,
        scope: settings.list("scope").unwrap_or_default(),
        audience: settings.text("audience"),
        resource: settings.list("resource").unwrap_or_default(),
        username: settings.text("username"),
        password: settings.secret("password")?,
        refresh_token: settings.secret("refresh_token")?,
        access_token: settings.secret("access_token")?,
        dialect: settings.dialect(preset)?,
        strict: settings.flag("strict").unwrap_or(false),
        allow_http,
        ca_file: settings.by_key.get("ca_file").and_then(|setting| Some(setting.path(setting.value.get_ref().as_str()?))),
        timeout: TIMEOUT,
    };
    let placement = settings.placement()?;
    let media_headers = settings.secrets_by_name("media_headers")?;
    if let Some((name, _)) =
        media_headers.iter().find(|(name, _)| placement.header_name().is_some_and(|token| token.eq_ignore_ascii_case(name)))
    {
        return Err(settings.refuse("media_headers", format!("{name} carries the token already")));
    }
    let origins = settings.origins(allow_http)?;
    let base_url = url("base_url")?;
    for key in ["bc_token", "private_key", "assertion", "subject_token", "actor_token"] {
        settings.secret(key)?;
    }
    let store = settings.word("store", STORES)?;
    let grant = settings.word("grant", GRANTS)?;
    let client_auth = settings.word("client_auth", CLIENT_AUTHS)?;

    client.grant = match grant {
        Some(grant) => grant?,
        None => settings.default_grant(preset, &client)?,
    };
    client.client_auth = match client_auth {
        Some(client_auth) => client_auth?,
        None => match (preset, &client.client_secret) {
            (Some(preset), _) => preset.client_auth,
            (None, Some(_)) => ClientAuth::Basic,
            (None, None) => ClientAuth::None,
        },
    };
    let store = store.transpose()?.unwrap_or(StoreKind::File);
    if settings.flag("dpop") == Some(true) {
        return Err(settings.later("dpop", "leave it out if the server also gives bearer tokens"));
    }
    if let Some((key, instead)) = LATER.iter().find(|(key, _)| settings.by_key.contains_key(key)) {
        return Err(settings.later(key, instead));
    }
    settings.complete(preset, &client)?;
    let ca_file = client.ca_file.clone();
    let name = settings.name.to_owned();
    Ok(Profile { name, provider, client, origins, placement, media_headers, base_url, store, allow_http, ca_file })
}

impl Settings<'_> {
    fn text(&self, key: &str) -> Option<String> {
        self.by_key.get(key)?.value.get_ref().as_str().map(str::to_owned)
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.by_key.get(key)?.value.get_ref().as_bool()
    }

    fn list(&self, key: &str) -> Option<Vec<String>> {
        let value = self.by_key.get(key)?.value.get_ref();
        match value.as_str() {
            Some(text) => Some(text.split_whitespace().map(str::to_owned).collect()),
            None => Some(value.as_array()?.iter().filter_map(|item| item.get_ref().as_str()).map(str::to_owned).collect()),
        }
    }

    fn map(&self, key: &str) -> Vec<(String, String)> {
        let table = self.by_key.get(key).and_then(|setting| setting.value.get_ref().as_table());
        let entries = table.into_iter().flatten();
        entries.filter_map(|(name, value)| Some((name.get_ref().clone().into_owned(), key::scalar(value.get_ref())?))).collect()
    }

    fn secret(&self, key: &str) -> Result<Option<SecretSource>, ConfigError> {
        self.by_key.get(key).map(|setting| secret::source(setting, key, &setting.value)).transpose()
    }

    fn secrets_by_name(&self, key: &str) -> Result<Vec<(String, SecretSource)>, ConfigError> {
        let Some(setting) = self.by_key.get(key) else { return Ok(Vec::new()) };
        let entries = setting.value.get_ref().as_table().into_iter().flatten().map(|(name, value)| {
            if http::HeaderName::from_bytes(name.get_ref().as_bytes()).is_err() {
                return Err(setting.refuse(key, format!("`{}` is not the name of a header field", name.get_ref().escape_debug())));
            }
            Ok((name.get_ref().clone().into_owned(), secret::source(setting, &format!("{key}.{}", name.get_ref()), value)?))
        });
        entries.collect()
    }

    /// A word from a list. The outer error is a word that nobody knows; the inner one matters when the profile is used.
    fn word<T: Copy>(&self, key: &'static str, words: &[Word<T>]) -> Result<Option<Result<T, ConfigError>>, ConfigError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, Ok(meaning))) => Ok(Some(Ok(*meaning))),
            Some((word, Err(instead))) => Ok(Some(Err(self.later(&format!("{key} = \"{word}\""), instead)))),
            None => Err(self.unknown_word(key, &text, words.iter().map(|(word, _)| *word))),
        }
    }

    /// An http(s) URL that a token or a secret may be sent to.
    fn url(&self, key: &'static str, allow_http: bool) -> Result<Option<Url>, ConfigError> {
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
    fn issuer(&self, allow_http: bool) -> Result<Option<Url>, ConfigError> {
        let issuer = self.url("issuer", allow_http)?;
        match &issuer {
            Some(url) if url.query().is_some() => {
                Err(self.refuse("issuer", "an issuer has no query string (RFC 8414 section 2)"))
            }
            _ => Ok(issuer),
        }
    }

    fn dialect(&self, preset: Option<&Preset>) -> Result<Dialect, ConfigError> {
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
            default_expires_in: life.map(Duration::from_secs),
        })
    }

    fn origins(&self, allow_http: bool) -> Result<Vec<OriginPattern>, ConfigError> {
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

    fn placement(&self) -> Result<Placement, ConfigError> {
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

    /// The grant where the profile names none.
    fn default_grant(&self, preset: Option<&Preset>, client: &Client) -> Result<Grant, ConfigError> {
        let implied: Vec<_> = IMPLIED.iter().filter(|(key, _)| self.by_key.contains_key(key)).collect();
        let name = match implied.as_slice() {
            [(key, grant)] => {
                return match meaning(grant) {
                    Ok(grant) => Ok(grant),
                    Err(instead) => Err(self.later(key, instead)),
                };
            }
            [(first, _), (second, _), ..] => {
                let reason = format!("{first} and {second} each imply a grant");
                return Err(self.incomplete(reason, "say which one is meant with the key `grant`"));
            }
            [] => match preset {
                Some(preset) => preset.grant,
                None if client.client_secret.is_some() => "client_credentials",
                None if client.authorize_url.is_some() || client.issuer.is_some() => "authorization_code",
                None if self.by_key.contains_key("device_url") => "device_code",
                None => {
                    return Err(self.incomplete(
                        "nothing says how to get a token",
                        "give client_id and client_secret with token_url or issuer; or username and password; or refresh_token; or \
                         access_token",
                    ));
                }
            },
        };
        meaning(name).map_err(|instead| ConfigError::Later {
            place: self.place.clone(),
            what: format!("grant = \"{name}\", which profile `{}` comes to,", self.name),
            instead,
        })
    }

    /// Is everything there that the grant needs?
    fn complete(&self, preset: Option<&Preset>, client: &Client) -> Result<(), ConfigError> {
        if client.grant == Grant::External {
            return self.need(client.access_token.is_some(), "access_token");
        }
        for key in preset.map(|preset| preset.needs).unwrap_or_default() {
            self.need(self.by_key.contains_key(key), key)?;
        }
        if client.token_url.is_none() && client.issuer.is_none() {
            return Err(self.incomplete("token_url is missing", "give it, or the issuer that it can be discovered from"));
        }
        match client.grant {
            Grant::ClientCredentials => {
                self.need(client.client_id.is_some(), "client_id")?;
                // Without a secret there is nothing to prove; who means it says `client_auth = "none"`.
                self.need(client.client_secret.is_some() || self.by_key.contains_key("client_auth"), "client_secret")?;
            }
            Grant::Password => {
                self.need(client.username.is_some(), "username")?;
                self.need(client.password.is_some(), "password")?;
            }
            Grant::RefreshToken => self.need(client.refresh_token.is_some(), "refresh_token")?,
            Grant::External => {}
        }
        if client.client_auth != ClientAuth::None {
            self.need(client.client_id.is_some(), "client_id")?;
            self.need(client.client_secret.is_some(), "client_secret")?;
        }
        Ok(())
    }

    fn need(&self, there: bool, key: &str) -> Result<(), ConfigError> {
        if there {
            return Ok(());
        }
        let variable = key::find(key::PROFILE, key).map(Key::variable).unwrap_or_default();
        let secret = key::find(key::PROFILE, key).is_some_and(|key| key.shape == key::Shape::Secret);
        let suffix = if secret { "[_FILE]" } else { "" };
        let form = environment::form(self.name);
        Err(self.incomplete(
            format!("{key} is missing"),
            format!("write it under [profile.{}] or set FFAUTH_{form}_{variable}{suffix}", self.name),
        ))
    }

    fn incomplete(&self, reason: impl Into<String>, hint: impl Into<String>) -> ConfigError {
        let (reason, hint) = (reason.into(), hint.into());
        ConfigError::Incomplete { place: self.place.clone(), profile: self.name.to_owned(), reason, hint }
    }

    fn place_of(&self, key: &str) -> Place {
        self.by_key.get(key).map_or_else(|| self.place.clone(), Setting::place)
    }

    fn refuse(&self, key: &str, reason: impl Into<String>) -> ConfigError {
        ConfigError::Value { place: self.place_of(key), key: key.to_owned(), reason: reason.into() }
    }

    /// `what` begins with the key.
    fn later(&self, what: &str, instead: &'static str) -> ConfigError {
        let key = what.split(' ').next().unwrap_or(what);
        ConfigError::Later { place: self.place_of(key), what: what.to_owned(), instead }
    }

    fn unknown_word(&self, key: &str, word: &str, words: impl Iterator<Item = &'static str> + Clone) -> ConfigError {
        let meant = nearest(word, words.clone()).map(|word| format!(" (did you mean `{word}`?)")).unwrap_or_default();
        let all: Vec<_> = words.collect();
        self.refuse(key, format!("`{}` is not known{meant}; it is one of {}", word.escape_debug(), all.join(", ")))
    }
}

fn meaning(grant: &str) -> Result<Grant, &'static str> {
    GRANTS.iter().find(|(word, _)| *word == grant).map_or(Err(NO_SIGN_IN), |(_, meaning)| *meaning)
}
