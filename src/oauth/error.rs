//! Why there is no token. No message names the profile: whoever shows it knows which one it was about.

use std::time::Duration;

use crate::error::{Error, Kind};

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
    #[error("the token endpoint {url} refused: {}{}", code, description.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// The endpoint, masked.
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
    #[error("the token endpoint {url} answered {status}{}: {reason}", content_type.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default())]
    BadAnswer {
        /// The endpoint, masked.
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
    #[error("the token endpoint {url} {reason}")]
    Unreachable {
        /// The endpoint, masked.
        url: String,
        /// What happened.
        reason: String,
        /// The request may have been processed: a one-time refresh token may be used up.
        sent: bool,
    },
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
            Self::Config(_) | Self::LoginRequired(_) => false,
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
            Self::Config(_) | Self::LoginRequired(_) | Self::Stale(_) | Self::Store(_) => false,
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
            _ => None,
        }
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

    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Refused { code, .. } => match code.as_str() {
                "invalid_client" => "check client_id, client_secret and client_auth of the profile",
                "unauthorized_client" => "this client may not use this grant; ask the provider, or set another `grant`",
                "invalid_scope" | "scope_invalid" => "check `scope` of the profile",
                "invalid_grant" => {
                    "the credentials of the profile (user name, password, refresh token) are not accepted any more"
                }
                "unsupported_grant_type" => "the server does not know this grant; see `grant` and `dialect.grant_type`",
                "status 401" | "status 403" => {
                    "check client_id, client_secret and client_auth (basic, basic_raw, post) of the profile"
                }
                _ => return None,
            },
            Self::BadAnswer { .. } => "check token_url of the profile",
            Self::Unreachable { .. } => "check token_url of the profile and the network",
            _ => return None,
        })
    }
}

impl From<OauthError> for Error {
    fn from(error: OauthError) -> Self {
        let kind = match &error {
            OauthError::Config(_) => Kind::Config,
            OauthError::LoginRequired(_) => Kind::LoginRequired,
            OauthError::Store(_) => Kind::File,
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
