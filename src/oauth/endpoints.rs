//! Where an authorization server is asked for what: the profile's own keys, else the discovery document of its issuer.

use url::Url;

use super::client::Client;
use super::discovery::{self, Metadata};
use super::error::OauthError;
use super::transport::Transport;

/// The endpoints of one client's server, and what else the server says of itself. What stands here may be plain http: each
/// request checks where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// RFC 6749 section 3.2.
    pub token_url: Url,
    /// RFC 6749 section 3.1.
    pub authorize_url: Option<Url>,
    /// RFC 8628 section 3.1.
    pub device_url: Option<Url>,
    /// RFC 7009 section 2.
    pub revoke_url: Option<Url>,
    /// RFC 9126 section 2.
    pub par_url: Option<Url>,
    /// The issuer as the server spells it; `None` = unknown.
    pub issuer: Option<String>,
    /// Authorization responses carry `iss` (RFC 9207 section 2.3).
    pub sends_issuer: bool,
    /// Authorization requests must be pushed (RFC 9126 section 5).
    pub requires_par: bool,
    /// `code_challenge_methods_supported`; `None` = unknown.
    pub challenge_methods: Option<Vec<String>>,
}

impl Endpoints {
    /// Asks the issuer, if there is one.
    ///
    /// # Errors
    /// Its discovery document cannot be had; nothing names a token endpoint.
    pub async fn find(client: &Client, transport: &dyn Transport) -> Result<Self, OauthError> {
        let metadata = match &client.issuer {
            Some(issuer) => Some(discovery::fetch(client, issuer, transport).await?),
            None => None,
        };
        Self::of(client, metadata)
    }

    /// Puts the profile's keys before what the server says.
    ///
    /// # Errors
    /// [`OauthError::Config`]: nothing names a token endpoint.
    pub fn of(client: &Client, metadata: Option<Metadata>) -> Result<Self, OauthError> {
        let own = &client.sign_in;
        let either = |own: &Option<Url>, told: fn(&Metadata) -> &Option<Url>| {
            own.clone().or_else(|| metadata.as_ref().and_then(|metadata| told(metadata).clone()))
        };
        let token_url = either(&client.token_url, |metadata| &metadata.token_url).ok_or_else(|| {
            OauthError::Config(match &client.issuer {
                Some(issuer) => format!("the discovery document of {issuer} names no token_endpoint; set token_url"),
                None => "neither token_url nor issuer is set".to_owned(),
            })
        })?;
        Ok(Self {
            token_url,
            authorize_url: either(&client.authorize_url, |metadata| &metadata.authorize_url),
            device_url: either(&own.device_url, |metadata| &metadata.device_url),
            revoke_url: either(&own.revoke_url, |metadata| &metadata.revoke_url),
            par_url: either(&own.par_url, |metadata| &metadata.par_url),
            sends_issuer: metadata.as_ref().is_some_and(|metadata| metadata.sends_issuer),
            requires_par: metadata.as_ref().is_some_and(|metadata| metadata.requires_par),
            challenge_methods: metadata.as_ref().and_then(|metadata| metadata.challenge_methods.clone()),
            issuer: metadata.map(|metadata| metadata.issuer),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::{SignIn, test_client};

    #[test]
    fn the_profile_goes_before_the_document() {
        let url = |text: &str| Url::parse(text).ok();
        let metadata = Metadata {
            issuer: "https://h".to_owned(),
            token_url: url("https://h/t"),
            authorize_url: url("https://h/a"),
            device_url: url("https://h/d"),
            revoke_url: None,
            par_url: None,
            requires_par: true,
            sends_issuer: true,
            challenge_methods: None,
        };
        let sign_in = SignIn { device_url: url("https://own/d"), ..SignIn::default() };
        let client = Client { token_url: None, issuer: url("https://h"), sign_in, ..test_client() };
        let found = Endpoints::of(&client, Some(metadata.clone())).expect("endpoints");
        assert_eq!((Some(found.token_url), found.authorize_url), (url("https://h/t"), url("https://h/a")));
        assert_eq!((found.device_url, found.revoke_url), (url("https://own/d"), None));
        assert_eq!((found.issuer.as_deref(), found.sends_issuer, found.requires_par), (Some("https://h"), true, true));
        let error = Endpoints::of(&client, Some(Metadata { token_url: None, ..metadata })).expect_err("nothing to ask");
        assert!(error.to_string().contains("names no token_endpoint"), "{error}");
        assert!(Endpoints::of(&Client { issuer: None, ..client }, None).is_err());
    }
}
