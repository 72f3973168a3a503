//! Which parameters get a token: RFC 6749 sections 4.3, 4.4 and 6, RFC 7523 section 2.1, RFC 8693 section 2.1.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::env::Env;
use crate::secret::{Secret, SecretSource};

use super::client::{Client, Grant};
use super::error::OauthError;
use super::pkce::Verifier;
use super::store::Entry;

/// One way to ask the token endpoint.
#[derive(Clone, Debug)]
pub enum Ask {
    /// RFC 6749 section 4.4.
    ClientCredentials,
    /// RFC 6749 section 4.3.
    Password {
        /// `username`.
        username: String,
        /// `password`.
        password: Secret,
    },
    /// RFC 7523 section 2.1. The assertion is made, or read, when the request is.
    JwtBearer,
    /// RFC 8693 section 2.1.
    TokenExchange {
        /// `subject_token`.
        subject_token: Secret,
        /// `actor_token`.
        actor_token: Option<Secret>,
    },
    /// RFC 6749 section 4.1.3.
    AuthorizationCode {
        /// `code`.
        code: Secret,
        /// `redirect_uri`, as it stood in the authorization request.
        redirect_uri: String,
        /// `code_verifier`, if a challenge was sent (RFC 7636 section 4.5).
        verifier: Option<Verifier>,
    },
    /// RFC 8628 section 3.4, with `device_code`.
    DeviceCode(Secret),
    /// RFC 6749 section 6.
    Refresh(Secret),
}

impl Ask {
    /// The standard's `grant_type`.
    pub fn grant_type(&self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::Password { .. } => "password",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::TokenExchange { .. } => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::AuthorizationCode { .. } => "authorization_code",
            Self::DeviceCode(_) => "urn:ietf:params:oauth:grant-type:device_code",
            Self::Refresh(_) => "refresh_token",
        }
    }

    /// A request that can be sent again with no harm: it uses nothing up.
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Refresh(_) | Self::AuthorizationCode { .. })
    }
}

/// How to ask for `client`, in order: the next is tried where the one before is refused with `invalid_grant`. `kept` is the
/// refresh token of the last answer, if there was one.
///
/// Blocks: secrets are read now.
///
/// # Errors
/// [`OauthError::Config`] for a missing or unreadable secret, [`OauthError::LoginRequired`] where there is nothing to ask with.
pub fn ways(client: &Client, kept: Option<&Secret>, env: &Env) -> Result<Vec<Ask>, OauthError> {
    let refresh = kept.map(|token| Ask::Refresh(token.clone()));
    match client.grant {
        Grant::ClientCredentials => Ok(vec![Ask::ClientCredentials]),
        Grant::Password => {
            let username = client.username.clone().ok_or_else(|| missing(client, "username"))?;
            let password = read(client, "password", client.password.as_ref(), env)?;
            Ok(refresh.into_iter().chain([Ask::Password { username, password }]).collect())
        }
        Grant::RefreshToken => {
            // The configured one may be newer than the kept one, when somebody has signed in again; or used up.
            let configured = match &client.refresh_token {
                Some(source) => Some(read(client, "refresh_token", Some(source), env)?),
                None => None,
            };
            let configured = configured.filter(|token| kept != Some(token)).map(Ask::Refresh);
            let ways: Vec<Ask> = refresh.into_iter().chain(configured).collect();
            if ways.is_empty() { Err(missing(client, "refresh_token")) } else { Ok(ways) }
        }
        Grant::JwtBearer => Ok(refresh.into_iter().chain([Ask::JwtBearer]).collect()),
        Grant::TokenExchange => {
            let exchange = &client.exchange;
            let subject_token = read(client, "subject_token", exchange.subject_token.as_ref(), env)?;
            let actor_token = match &exchange.actor_token {
                Some(source) => Some(read(client, "actor_token", Some(source), env)?),
                None => None,
            };
            Ok(refresh.into_iter().chain([Ask::TokenExchange { subject_token, actor_token }]).collect())
        }
        Grant::AuthorizationCode | Grant::DeviceCode => match refresh {
            Some(refresh) => Ok(vec![refresh]),
            None => Err(OauthError::LoginRequired("nobody is signed in".to_owned())),
        },
        Grant::External => Err(OauthError::Config("grant external asks no token endpoint".to_owned())),
    }
}

/// Names the token or assertion that the client's is got for. A stored token belongs to this one alone, so that nobody gets what
/// was got for another. `None` for grants that have no such thing, and where a refresh token is not to be had any more: the
/// stored one has taken its place. Blocks.
///
/// # Errors
/// [`OauthError::Config`]: it is missing or unreadable.
pub fn fingerprint(client: &Client, env: &Env) -> Result<Option<String>, OauthError> {
    let (key, source) = match client.grant {
        Grant::TokenExchange => ("subject_token", client.exchange.subject_token.as_ref()),
        Grant::JwtBearer if client.assertion.given.is_some() => ("assertion", client.assertion.given.as_ref()),
        Grant::RefreshToken => {
            let configured = read(client, "refresh_token", client.refresh_token.as_ref(), env);
            return Ok(configured.ok().map(|token| Entry::seed_of(&token)));
        }
        _ => return Ok(None),
    };
    let secret = read(client, key, source, env)?;
    Ok(Some(URL_SAFE_NO_PAD.encode(Sha256::digest(secret.expose()))))
}

/// The secret behind `key`.
///
/// # Errors
/// [`OauthError::Config`] names the key.
pub fn read(client: &Client, key: &str, source: Option<&SecretSource>, env: &Env) -> Result<Secret, OauthError> {
    let source = source.ok_or_else(|| missing(client, key))?;
    let secret = source.read(env).map_err(|error| OauthError::Config(format!("{key}: {error}")))?;
    if secret.is_empty() {
        return Err(OauthError::Config(format!("{key} is empty")));
    }
    Ok(secret)
}

fn missing(client: &Client, key: &str) -> OauthError {
    OauthError::Config(format!("grant {} needs {key}", client.grant.name()))
}
