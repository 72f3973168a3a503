//! The one error type that leaves the crate.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What code of the crate's user may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Runs code of the crate's user; a panic there is an error here.
///
/// # Errors
/// Its own, or what it panicked with.
pub fn contained<T>(body: impl FnOnce() -> Result<T, BoxError>) -> Result<T, BoxError> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(format!("it has panicked: {}", panic_text(&*panic)).into()))
}

/// What somebody panicked with.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// What callers of the crate get when something fails.
///
/// Opaque, so that it can grow: [`kind`](Error::kind) says who must act, [`hint`](Error::hint) what they can do, and the
/// text which input, profile, URL (masked) or file it was about.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    hint: Option<String>,
    http_status: Option<u16>,
    oauth_error: Option<String>,
    retryable: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Who must act before it can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The command line or the arguments of a call.
    Usage,
    /// The configuration: a profile, a key, a secret source.
    Config,
    /// Somebody has to sign in.
    LoginRequired,
    /// The authorization server refused or cannot be reached.
    AuthorizationServer,
    /// The media server refused or cannot be reached.
    MediaServer,
    /// The media: unknown format, broken data, a stream that is not there.
    Media,
    /// A file or device on this machine.
    File,
    /// Somebody asked to stop.
    Stopped,
    /// A fault of ffauth itself.
    Internal,
}

impl Error {
    /// An error of `kind` with its message.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            hint: None,
            http_status: None,
            oauth_error: None,
            retryable: false,
            source: None,
        }))
    }

    /// Adds what the person who reads it can do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the HTTP status behind it.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.0.http_status = Some(status);
        self
    }

    /// Adds the `error` member of an OAuth error response (RFC 6749 section 5.2) or challenge (RFC 6750 section 3.1).
    #[must_use]
    pub fn with_oauth_error(mut self, code: impl Into<String>) -> Self {
        self.0.oauth_error = Some(code.into());
        self
    }

    /// Marks it as one that may pass by itself.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts `context` in front of the message: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Who must act.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What to do about it, in one sentence.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The HTTP status behind it, if there was one.
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// The OAuth `error` code behind it, if there was one.
    pub fn oauth_error(&self) -> Option<&str> {
        self.0.oauth_error.as_deref()
    }

    /// May the same call succeed later without anybody acting?
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_foreign_code_is_an_error() {
        assert_eq!(contained(|| Ok(1)).expect("a value"), 1);
        let error = contained(|| -> Result<(), BoxError> { panic!("at {}", 7) }).expect_err("a panic");
        assert_eq!(error.to_string(), "it has panicked: at 7");
    }
}
