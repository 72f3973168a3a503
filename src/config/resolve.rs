//! From settings to a profile: presets, defaults, and the rules that span several keys.

use std::time::Duration;

use url::Url;

use crate::oauth::client::{Client, ClientAuth, Grant};
use crate::oauth::provider::{self, PRESETS, Preset};

use super::environment;
use super::error::ConfigError;
use super::key::{self, Key, Shape};
use super::profile::{Profile, StoreKind};
use super::settings::Settings;
use super::word::{self, CLIENT_AUTHS, GRANTS, IMPLIED, LATER, STORES};

/// How long one token request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

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
        assertion: settings.assertion()?,
        exchange: settings.exchange()?,
        certificate: settings.certificate()?,
        dpop: settings.flag("dpop").unwrap_or(false),
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
    settings.secret("bc_token")?;
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
    if let Some((key, instead)) = LATER.iter().find(|(key, _)| settings.by_key.contains_key(key)) {
        return Err(settings.later(key, instead));
    }
    settings.complete(preset, &client)?;
    settings.check_proof(&client, &placement)?;
    let ca_file = client.ca_file.clone();
    let name = settings.name.to_owned();
    Ok(Profile { name, provider, client, origins, placement, media_headers, base_url, store, allow_http, ca_file })
}

impl Settings<'_> {
    /// The grant where the profile names none.
    fn default_grant(&self, preset: Option<&Preset>, client: &Client) -> Result<Grant, ConfigError> {
        let implied: Vec<_> = IMPLIED.iter().filter(|(key, _)| self.by_key.contains_key(key)).collect();
        let name = match implied.as_slice() {
            [(key, grant)] => {
                return match word::grant(grant) {
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
        word::grant(name).map_err(|instead| ConfigError::Later {
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
            Grant::JwtBearer => {
                self.need(client.assertion.given.is_some() || client.assertion.private_key.is_some(), "assertion")?;
            }
            Grant::TokenExchange => self.need(client.exchange.subject_token.is_some(), "subject_token")?,
            Grant::External => {}
        }
        let (there, key) = match client.client_auth {
            ClientAuth::None => return Ok(()),
            ClientAuth::Basic | ClientAuth::BasicRaw | ClientAuth::Post | ClientAuth::ClientSecretJwt => {
                (client.client_secret.is_some(), "client_secret")
            }
            ClientAuth::PrivateKeyJwt => (client.assertion.private_key.is_some(), "private_key"),
            ClientAuth::Tls | ClientAuth::SelfSignedTls => (client.certificate.is_some(), "tls"),
        };
        self.need(client.client_id.is_some(), "client_id")?;
        self.need(there, key)?;
        Ok(())
    }

    fn need(&self, there: bool, key: &str) -> Result<(), ConfigError> {
        if there {
            return Ok(());
        }
        let variable = key::find(key::PROFILE, key).map(Key::variable).unwrap_or_default();
        let secret = key::find(key::PROFILE, key).is_some_and(|key| key.shape == Shape::Secret);
        let suffix = if secret { "[_FILE]" } else { "" };
        let form = environment::form(self.name);
        Err(self.incomplete(
            format!("{key} is missing"),
            format!("write it under [profile.{}] or set FFAUTH_{form}_{variable}{suffix}", self.name),
        ))
    }

    pub(super) fn incomplete(&self, reason: impl Into<String>, hint: impl Into<String>) -> ConfigError {
        let (reason, hint) = (reason.into(), hint.into());
        ConfigError::Incomplete { place: self.place.clone(), profile: self.name.to_owned(), reason, hint }
    }
}
