//! Why there is no token. No message names the profile: whoever shows it knows which one it was about.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Kind};

/// An endpoint of an authorization server, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// RFC 6749 section 3.2.
    Token,
    /// RFC 8414 section 3.
    Discovery,
    /// RFC 8628 section 3.1.
    Device,
    /// RFC 9126 section 2.
    Par,
    /// RFC 7009 section 2.
    Revocation,
    /// [`registration`](super::registration).
    Registration,
}

impl Endpoint {
    /// The key of the profile that names it.
    fn key(self) -> &'static str {
        match self {
            Self::Token => "token_url",
            Self::Discovery => "issuer",
            Self::Device => "device_url",
            Self::Par => "par_url",
            Self::Revocation => "revoke_url",
            Self::Registration => "credentials_url",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "token endpoint",
            Self::Discovery => "discovery document",
            Self::Device => "device authorization endpoint",
            Self::Par => "pushed authorization request endpoint",
            Self::Revocation => "revocation endpoint",
            Self::Registration => "client registration endpoint",
        })
    }
}

/// Why a token could not be had. Holds no secret; text from the server is stripped and cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OauthError {
    /// The profile lacks something, or a secret source failed.
    #[error("{0}")]
    Config(String),
    /// Somebody has to sign in or give a new refresh token.
    #[error("{0}")]
    LoginRequired(String),
    /// An error response (RFC 6749 section 5.2).
    #[error("the {endpoint} {url} refused: {}{}", code, description.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// Which endpoint.
        endpoint: Endpoint,
        /// Its URL, masked.
        url: String,
        /// HTTP status.
        status: u16,
        /// `error`, or `status NNN` where the server gave none.
        code: String,
        /// `error_description`.
        description: Option<String>,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// An answer that is no token response.
    #[error("the {endpoint} {url} answered {status}{}: {reason}", content_type.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default())]
    BadAnswer {
        /// Which endpoint.
        endpoint: Endpoint,
        /// Its URL, masked.
        url: String,
        /// HTTP status.
        status: u16,
        /// `Content-Type`.
        content_type: Option<String>,
        /// What is wrong with it.
        reason: String,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No answer came.
    #[error("the {endpoint} {url} {reason}")]
    Unreachable {
        /// Which endpoint.
        endpoint: Endpoint,
        /// Its URL, masked.
        url: String,
        /// What happened.
        reason: String,
        /// The request may have been processed: a one-time refresh token may be used up.
        sent: bool,
    },
    /// An authorization response that says no (RFC 6749 section 4.1.2.1), or a person who said no on another device.
    #[error("the sign-in was refused: {code}{}", description.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Denied {
        /// `error`.
        code: String,
        /// `error_description`.
        description: Option<String>,
    },
    /// What came back to the redirect URI is no answer to this sign-in.
    #[error("the answer to the sign-in was not accepted: {0}")]
    Callback(String),
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
    /// The agent that keeps the token has not renewed it.
    #[error("{0}")]
    Stale(String),
    /// The token store could not be locked or read.
    #[error("{0}")]
    Store(String),
}

impl OauthError {
    /// May the same request succeed later without anybody acting?
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Stale(_) | Self::Store(_) => true,
            Self::Refused { status, code, .. } => {
                matches!(status, 408 | 429 | 500..)
                    || matches!(code.as_str(), "temporarily_unavailable" | "server_error" | "slow_down")
            }
            Self::BadAnswer { status, .. } => matches!(status, 408 | 429 | 500..),
            Self::Config(_) | Self::LoginRequired(_) | Self::Denied { .. } | Self::Callback(_) | Self::Stopped => false,
        }
    }

    /// May the server have done what it was asked, although its answer is of no use? A refresh token that works once is used up
    /// then.
    pub fn may_have_been_processed(&self) -> bool {
        match self {
            Self::Unreachable { sent, .. } => *sent,
            // A gateway that gave up waiting says nothing about the server behind it.
            Self::BadAnswer { status, .. } => matches!(status, 200..300 | 504),
            Self::Refused { status, .. } => *status == 504,
            _ => false,
        }
    }

    /// Must somebody sign in before it can work?
    pub fn needs_login(&self) -> bool {
        matches!(self, Self::LoginRequired(_))
    }

    /// The `error` code of the server, if it gave one.
    pub fn oauth_code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code.as_str()).filter(|code| !code.starts_with("status ")),
            Self::Denied { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The same, of another endpoint than the token endpoint.
    #[must_use]
    pub fn at(mut self, place: Endpoint) -> Self {
        if let Self::Refused { endpoint, .. } | Self::BadAnswer { endpoint, .. } | Self::Unreachable { endpoint, .. } = &mut self
        {
            *endpoint = place;
        }
        self
    }

    /// The HTTP status of the answer, if there was one.
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::BadAnswer { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } | Self::BadAnswer { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused { endpoint: Endpoint::Registration, .. } => {
                "check bc_token, which is good for one session of its user, and accounts and operations, which that user must have"
            }
            Self::Refused { code, endpoint, .. } => match code.as_str() {
                "invalid_client" => {
                    "check client_id, client_auth and what proves the client (client_secret, private_key, tls) in the profile"
                }
                "unauthorized_client" => "this client may not use this grant; ask the provider, or set another `grant`",
                "invalid_scope" | "scope_invalid" => "check `scope` of the profile",
                "invalid_grant" => {
                    "the credentials of the profile (user name, password, refresh token, assertion, subject token) are not accepted any more"
                }
                "invalid_dpop_proof" => "the server compares the time in the proof with its own: check the clock of this machine",
                "invalid_target" => "check `audience` and `resource` of the profile",
                "unsupported_grant_type" => "the server does not know this grant; see `grant` and `dialect.grant_type`",
                "status 401" | "status 403" => {
                    "check client_id, client_secret and client_auth (basic, basic_raw, post) of the profile"
                }
                _ if *endpoint == Endpoint::Par => "set `par = false` in the profile to send the request through the browser",
                _ => return None,
            },
            Self::Denied { code, .. } => match code.as_str() {
                "access_denied" => "sign in again and allow the access, or ask the provider for it",
                "unauthorized_client" => {
                    "check client_id and redirect_uri of the profile, and what the client may do at the provider"
                }
                "invalid_scope" => "check `scope` of the profile",
                "server_error" | "temporarily_unavailable" => "try again later",
                _ => return None,
            },
            Self::Callback(_) => "begin again; if it stays so, somebody may be interfering with the sign-in",
            Self::BadAnswer { endpoint, .. } => return Some(format!("check {} of the profile", endpoint.key())),
            Self::Unreachable { endpoint, .. } => {
                return Some(format!("check {} of the profile and the network", endpoint.key()));
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<OauthError> for Error {
    fn from(error: OauthError) -> Self {
        let kind = match &error {
            OauthError::Config(_) => Kind::Config,
            OauthError::LoginRequired(_) => Kind::LoginRequired,
            OauthError::Store(_) => Kind::File,
            OauthError::Stopped => Kind::Stopped,
            _ => Kind::AuthorizationServer,
        };
        let mut out = Error::new(kind, error.to_string()).retryable(error.is_retryable());
        if let Some(status) = error.http_status() {
            out = out.with_http_status(status);
        }
        if let Some(code) = error.oauth_code() {
            out = out.with_oauth_error(code);
        }
        if let Some(hint) = error.hint() {
            out = out.with_hint(hint);
        }
        out
    }
}
