//! What can go wrong with a media request.

use std::fmt;

use crate::bearer::RenewError;
use crate::error::{Error, Kind};
use crate::tls::TlsError;

use super::answer::Answer;
use super::reach::Place;

/// Why a media request failed. URLs in it are masked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NetError {
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
    /// The URL or a header line cannot be sent.
    #[error("{url}: {reason}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A redirect that is not followed.
    #[error("{url}: {fault}")]
    Redirect {
        /// The URL that redirects.
        url: String,
        /// Why it is not followed.
        fault: RedirectFault,
    },
    /// An API whose answer does not lead to media.
    #[error("{url}: {fault}")]
    Pointer {
        /// The URL that answered.
        url: String,
        /// What is wrong with the answer.
        fault: PointerFault,
    },
    /// Somebody else's playlist or redirect leads closer to this machine than the user went.
    #[error("{url} {place}, and {from}, where that address comes from, does not: it is not asked")]
    OutOfReach {
        /// The URL that is not asked.
        url: String,
        /// Where it leads.
        place: Place,
        /// The file that the user opened.
        from: String,
    },
    /// There is no token to send.
    #[error("no token of profile `{profile}` for {url}: {reason}")]
    Token {
        /// The profile.
        profile: String,
        /// The URL it was for.
        url: String,
        /// What its source says.
        reason: RenewError,
    },
    /// The certificate authorities cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No answer came.
    #[error("{url}: {cause}{}", note(.detail))]
    Transport {
        /// The URL.
        url: String,
        /// What kind of failure.
        cause: Cause,
        /// The innermost cause's own words; may be empty.
        detail: String,
    },
    /// A read that was taken up again found another entity.
    #[error("{url}: the file changed on the server while it was being read")]
    Changed {
        /// The URL.
        url: String,
    },
    /// A read that must not begin anew cannot be taken up in the middle.
    #[error("{url}: the connection was cut, and the server sends no part of a file (byte ranges), so the rest cannot be had")]
    NoRanges {
        /// The URL.
        url: String,
    },
    /// What came cannot be handed on.
    #[error("{url}: {reason}")]
    Unreadable {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An answer that is no success.
    #[error("{}", .0.sentence())]
    Answer(Box<Answer>),
    /// An upload whose sending again might have helped, but its beginning is no longer held.
    #[error("{failure}; {held} bytes are kept for sending again and more had been sent, so it was given up")]
    NotReplayable {
        /// What went wrong.
        failure: Box<NetError>,
        /// How much is kept.
        held: usize,
    },
    /// A fault of ffauth itself.
    #[error("{0}")]
    Internal(String),
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The host name has no address.
    Dns,
    /// Nobody listens there.
    Refused,
    /// There is no way to that address.
    Unreachable,
    /// The server's certificate is not one to trust.
    Certificate,
    /// TLS failed otherwise.
    TlsProtocol,
    /// Nothing came in time.
    Timeout,
    /// The connection was cut.
    Cut,
    /// What came was not HTTP.
    Protocol,
}

/// Why the JSON at an input's URL leads to no media.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerFault {
    /// It is none.
    #[error("the answer is not JSON, as media_pointer says it is")]
    NotJson,
    /// The pointer leads out of the document.
    #[error("media_pointer leads nowhere: there is no `{pointer}`; {reached} is {there}")]
    Nowhere {
        /// The pointer.
        pointer: String,
        /// How far it leads.
        reached: String,
        /// What is there.
        there: String,
    },
    /// Something else stands there.
    #[error("media_pointer leads to no URL: `{pointer}` is {found}")]
    NotAUrl {
        /// The pointer.
        pointer: String,
        /// What stands there; masked.
        found: String,
    },
}

/// Why a redirect is not followed. Targets are masked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectFault {
    /// A 3xx without a usable `Location`.
    #[error("it redirects, but {0}")]
    Location(String),
    /// A target that is not http or https.
    #[error("it redirects to a `{0}` URL; only http and https are followed")]
    Scheme(String),
    /// The walk came back to where it had been.
    #[error("its redirects lead in a circle, back to {0}")]
    Loop(String),
    /// More hops than allowed.
    #[error("it redirects more than {0} times in a row")]
    TooMany(u32),
    /// The body of an upload would go to an origin that no profile lists.
    #[error("it redirects the upload to {0}, which is outside the origins of its profile")]
    ForeignUpload(String),
    /// 301, 302 and 303 make a GET of an upload (RFC 9110 section 15.4).
    #[error("it answers an upload with a redirect of status {status} to {target}, which is not for uploads (307 and 308 are)")]
    UploadMethod {
        /// The status.
        status: u16,
        /// Where to.
        target: String,
    },
}

impl NetError {
    /// May the same request succeed later without anybody acting?
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport { cause, .. } => cause.is_retryable(),
            Self::Answer(answer) => answer.is_retryable(),
            Self::Token { reason, .. } => matches!(reason, RenewError::TimedOut(_)),
            Self::NotReplayable { failure, .. } => failure.is_retryable(),
            Self::Stopped
            | Self::Url { .. }
            | Self::Changed { .. }
            | Self::NoRanges { .. }
            | Self::Unreadable { .. }
            | Self::Redirect { .. }
            | Self::Pointer { .. }
            | Self::OutOfReach { .. }
            | Self::Tls(_)
            | Self::Internal(_) => false,
        }
    }

    /// See [`Answer::is_expiry`].
    pub fn is_expiry(&self) -> bool {
        matches!(self, Self::Answer(answer) if answer.is_expiry())
    }

    /// The status of the server's answer, if one came.
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::Answer(answer) => Some(answer.status),
            Self::NotReplayable { failure, .. } => failure.http_status(),
            _ => None,
        }
    }
}

impl Cause {
    /// May it pass by itself?
    pub fn is_retryable(self) -> bool {
        !matches!(self, Self::Certificate | Self::TlsProtocol)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the host name cannot be resolved",
            Self::Refused => "the connection was refused",
            Self::Unreachable => "the host cannot be reached",
            Self::Certificate => "the server's TLS certificate is not trusted",
            Self::TlsProtocol => "TLS with the server failed",
            Self::Timeout => "the server did not answer in time",
            Self::Cut => "the connection was cut",
            Self::Protocol => "the answer was not HTTP",
        })
    }
}

fn note(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

impl From<NetError> for Error {
    fn from(failure: NetError) -> Self {
        let retryable = failure.is_retryable();
        let kind = match &failure {
            NetError::Stopped | NetError::Token { reason: RenewError::Stopped, .. } => Kind::Stopped,
            NetError::Url { .. } => Kind::Usage,
            NetError::Tls(_) => Kind::Config,
            NetError::Token { .. } => Kind::AuthorizationServer,
            NetError::Internal(_) => Kind::Internal,
            NetError::NotReplayable { failure: inner, .. } => {
                let text = failure.to_string();
                let mut error = Error::new(Kind::MediaServer, text).retryable(retryable);
                if let Some(status) = inner.http_status() {
                    error = error.with_http_status(status);
                }
                return error.with_hint(
                    "one long upload cannot be taken up again: -f hls or -f segment sends objects that can be repeated",
                );
            }
            NetError::Answer(answer) => return answer.to_error(),
            NetError::OutOfReach { .. } | NetError::Unreadable { .. } => Kind::Media,
            NetError::Redirect { .. }
            | NetError::Pointer { .. }
            | NetError::Changed { .. }
            | NetError::NoRanges { .. }
            | NetError::Transport { .. } => Kind::MediaServer,
        };
        let hint = match &failure {
            NetError::Transport { cause: Cause::Dns, .. } => Some("check the host name in the URL and this machine's DNS"),
            NetError::Transport { cause: Cause::Refused, .. } => Some("check host and port, and that the server runs"),
            NetError::Transport { cause: Cause::Certificate, .. } => {
                Some("if the server has a private certificate authority, name it as `ca_file` in the profile")
            }
            NetError::OutOfReach { .. } => Some("put -allow_private before the input if it may ask hosts of this network"),
            NetError::Pointer { .. } => Some(
                "ask for that URL with `curl` and the header of `ffauth token NAME --format header`, and set media_pointer in the profile to where the media URL stands",
            ),
            NetError::Redirect { fault: RedirectFault::ForeignUpload(_), .. } => {
                Some("if that server may have the token and the media, add its origin to `origins` in the profile")
            }
            _ => None,
        };
        let error = Error::new(kind, failure.to_string()).retryable(retryable);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}
