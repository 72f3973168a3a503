//! The keys about signing in and out: endpoints, the redirect URI, and what goes with the authorization request.

use url::Url;

use crate::oauth::client::{Client, ClientAuth, Grant, Par, SignIn};
use crate::oauth::redirect::{Redirect, RedirectError};

use super::error::ConfigError;
use super::key;
use super::settings::Settings;

/// Parameters of an authorization request that ffauth sets itself, and the key that says what they hold.
const OWN_PARAMETERS: &[(&str, Option<&str>)] = &[
    ("client_id", Some("client_id")),
    ("redirect_uri", Some("redirect_uri")),
    ("scope", Some("scope")),
    ("audience", Some("audience")),
    ("resource", Some("resource")),
    ("response_type", None),
    ("response_mode", None),
    ("state", None),
    ("code_challenge", None),
    ("code_challenge_method", None),
    ("request", None),
    ("request_uri", None),
];

impl Settings<'_> {
    pub(super) fn sign_in(&self, allow_http: bool) -> Result<SignIn, ConfigError> {
        let par = match (self.flag("par"), self.text("par").as_deref()) {
            (Some(true), _) => Par::Always,
            (Some(false), _) => Par::Never,
            (None, None | Some("auto")) => Par::Auto,
            (None, Some(_)) => return Err(self.refuse("par", "must be true, false or \"auto\"")),
        };
        let authorize_params = self.map("authorize_params");
        let own = authorize_params.iter().find_map(|(name, _)| OWN_PARAMETERS.iter().find(|(own, _)| own == name));
        if let Some((name, key)) = own {
            let instead = key.map_or_else(String::new, |key| format!("; use the key {key}"));
            return Err(self.refuse("authorize_params", format!("{name} is set by ffauth{instead}")));
        }
        let port = self.by_key.get("redirect_port").and_then(|setting| key::number(setting.value.get_ref())).unwrap_or(0);
        let redirect_port =
            u16::try_from(port).map_err(|_| self.refuse("redirect_port", "must be a port, 0 to 65535 (0 = any that is free)"))?;
        let redirect_uri = self.text("redirect_uri");
        match Redirect::of(redirect_uri.as_deref(), redirect_port) {
            Ok(_) => {}
            Err(error @ RedirectError::Port { .. }) => return Err(self.refuse("redirect_port", error.to_string())),
            Err(error) => return Err(self.refuse("redirect_uri", error.to_string())),
        }
        let url = |key: &'static str| -> Result<Option<Url>, ConfigError> { self.url(key, allow_http) };
        Ok(SignIn {
            device_url: url("device_url")?,
            revoke_url: url("revoke_url")?,
            par_url: url("par_url")?,
            redirect_uri,
            redirect_port,
            authorize_params,
            pkce: self.flag("pkce").unwrap_or(true),
            par,
        })
    }

    /// Is everything there that signing in needs, and nothing that contradicts it?
    pub(super) fn check_sign_in(&self, client: &Client) -> Result<(), ConfigError> {
        let (url, key) = match client.grant {
            Grant::AuthorizationCode => (&client.authorize_url, "authorize_url"),
            Grant::DeviceCode => (&client.sign_in.device_url, "device_url"),
            _ => return Ok(()),
        };
        self.need(client.client_id.is_some(), "client_id")?;
        if url.is_none() && client.issuer.is_none() {
            let hint = "give it, or the issuer that it can be discovered from";
            return Err(self.incomplete(format!("{key} is missing"), hint));
        }
        if !client.sign_in.pkce && client.client_auth == ClientAuth::None {
            let reason =
                "pkce = false leaves the codes of a client without a secret to whoever catches them (RFC 9700 section 2.1.1)";
            return Err(self.incomplete(reason, "leave pkce out; servers that do not know it ignore it"));
        }
        Ok(())
    }
}
