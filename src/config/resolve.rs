//! From settings to a profile: presets, defaults, and the rules that span several keys.

use std::time::Duration;

use crate::oauth::client::{Client, ClientAuth, Grant};
use crate::oauth::provider::Preset;
use crate::oauth::registration::Plan;

use super::environment;
use super::error::{ConfigError, Place};
use super::key::{self, Key, Shape};
use super::preset::Provided;
use super::profile::{Profile, StoreKind};
use super::settings::Settings;
use super::word::{self, CLIENT_AUTHS, GRANTS, IMPLIED, STORES};

/// How long one token request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Makes the profile. Every value is read before a rule that spans several keys is applied, so that a wrong value is found
/// even in a profile that cannot be used.
pub(super) fn profile(settings: &Settings<'_>) -> Result<Profile, ConfigError> {
    let provider = settings.text("provider");
    let provided = settings.provided()?;
    let preset = provided.preset;
    let allow_http = settings.flag("allow_http").unwrap_or(false);
    if let (true, Some(preset)) = (allow_http, preset)
        && preset.https_only
    {
        return Err(settings.refuse("allow_http", format!("{} is reached by https only", preset.title)));
    }
    let url = |key: &'static str| settings.url(key, allow_http);
    let credentials_url = url("credentials_url")?.or_else(|| provided.url(|preset| preset.credentials_url));
    let mut client = Client {
        name: settings.name.to_owned(),
        issuer: settings.issuer(allow_http)?,
        token_url: url("token_url")?,
        authorize_url: url("authorize_url")?,
        sign_in: settings.sign_in(allow_http)?,
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
        holder: settings.holder.clone(),
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
    let mut media_headers = settings.secrets_by_name("media_headers")?;
    provided.fill(&mut client, &mut media_headers);
    if let Some((name, _)) =
        media_headers.iter().find(|(name, _)| placement.header_name().is_some_and(|token| token.eq_ignore_ascii_case(name)))
    {
        return Err(settings.refuse("media_headers", format!("{name} carries the token already")));
    }
    let origins = settings.origins(allow_http)?;
    let base_url = url("base_url")?;
    let media_pointer = settings.media_pointer()?;
    let registration = match (settings.secret("bc_token")?, credentials_url) {
        (Some(token), Some(url)) => Some(Plan {
            url,
            token,
            accounts: settings.list("accounts").unwrap_or_default(),
            operations: settings.list("operations").unwrap_or_default(),
        }),
        _ => None,
    };
    let store = settings.word("store", STORES)?;
    let grant = settings.word("grant", GRANTS)?;
    let client_auth = settings.word("client_auth", CLIENT_AUTHS)?;

    client.grant = match grant {
        Some(grant) => grant,
        None => settings.default_grant(preset, &client)?,
    };
    client.client_auth = match client_auth {
        Some(client_auth) => client_auth,
        None => match (preset, &client.client_secret) {
            (Some(preset), Some(_)) => preset.client_auth,
            (Some(preset), None) if preset.needs.contains(&"client_secret") => preset.client_auth,
            (None, Some(_)) => ClientAuth::Basic,
            (None, None) if registration.is_some() => ClientAuth::Basic,
            (_, None) => ClientAuth::None,
        },
    };
    let store = store.unwrap_or(StoreKind::File);
    settings.complete(&provided, &client)?;
    settings.check_proof(&client, &placement)?;
    settings.check_sign_in(&client)?;
    let ca_file = client.ca_file.clone();
    let name = settings.name.to_owned();
    Ok(Profile {
        name,
        provider,
        client,
        registration,
        origins,
        placement,
        media_headers,
        media_pointer,
        base_url,
        store,
        own_store: None,
        allow_http,
        ca_file,
    })
}

impl Settings<'_> {
    /// The grant where the profile names none.
    fn default_grant(&self, preset: Option<&Preset>, client: &Client) -> Result<Grant, ConfigError> {
        if client.holder.is_some() {
            return Ok(Grant::External);
        }
        let implied: Vec<_> = IMPLIED.iter().filter(|(key, _)| self.by_key.contains_key(key)).collect();
        Ok(match implied.as_slice() {
            [(_, grant)] => *grant,
            [(first, _), (second, _), ..] => {
                let reason = format!("{first} and {second} each imply a grant");
                return Err(self.incomplete(reason, "say which one is meant with the key `grant`"));
            }
            [] => match preset {
                Some(preset) => word::grant(preset.grant).unwrap_or(Grant::ClientCredentials),
                None if client.client_secret.is_some() => Grant::ClientCredentials,
                None if client.authorize_url.is_some() || client.issuer.is_some() => Grant::AuthorizationCode,
                None if client.sign_in.device_url.is_some() => Grant::DeviceCode,
                None => {
                    return Err(self.incomplete(
                        "nothing says how to get a token",
                        "give client_id and client_secret with token_url or issuer; or username and password; or refresh_token; or \
                         access_token",
                    ));
                }
            },
        })
    }

    /// Is everything there that the grant needs?
    fn complete(&self, provided: &Provided, client: &Client) -> Result<(), ConfigError> {
        if client.grant == Grant::External {
            self.need(client.access_token.is_some() || client.holder.is_some(), "access_token")?;
            return self.check_headers(provided);
        }
        // `ffauth credentials create` gets the id and the secret.
        let is_registered = client.grant == Grant::ClientCredentials && self.by_key.contains_key("bc_token");
        let has = |there: bool| there || is_registered;
        for key in provided.preset.map(|preset| preset.needs).unwrap_or_default() {
            let given_later = is_registered && ["client_id", "client_secret"].contains(key);
            self.need(given_later || self.by_key.contains_key(key), key)?;
        }
        self.check_provided(provided, client)?;
        if is_registered && provided.url(|preset| preset.credentials_url).is_none() {
            self.need(self.by_key.contains_key("credentials_url"), "credentials_url")?;
        }
        if client.token_url.is_none() && client.issuer.is_none() {
            return Err(self.incomplete("token_url is missing", "give it, or the issuer that it can be discovered from"));
        }
        match client.grant {
            Grant::ClientCredentials => {
                self.need(has(client.client_id.is_some()), "client_id")?;
                // Without a secret there is nothing to prove; who means it says `client_auth = "none"`.
                self.need(has(client.client_secret.is_some() || self.by_key.contains_key("client_auth")), "client_secret")?;
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
            // What else those need, check_sign_in knows.
            Grant::AuthorizationCode | Grant::DeviceCode | Grant::External => {}
        }
        let (there, key) = match client.client_auth {
            ClientAuth::None => return Ok(()),
            ClientAuth::Basic | ClientAuth::BasicRaw | ClientAuth::Post | ClientAuth::ClientSecretJwt => {
                (has(client.client_secret.is_some()), "client_secret")
            }
            ClientAuth::PrivateKeyJwt => (client.assertion.private_key.is_some(), "private_key"),
            ClientAuth::Tls | ClientAuth::SelfSignedTls => (client.certificate.is_some(), "tls"),
        };
        self.need(has(client.client_id.is_some()), "client_id")?;
        self.need(there, key)?;
        Ok(())
    }

    pub(super) fn need(&self, there: bool, key: &str) -> Result<(), ConfigError> {
        if there {
            return Ok(());
        }
        if let Place::Builder(_) = self.place {
            return Err(
                self.incomplete(format!("{key} is missing"), format!("set it: .set(\"{key}\", …), or .secret for a secret"))
            );
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
