//! What can be wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Kind};

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A line of the file, counted from 1.
    Line(PathBuf, usize),
    /// A variable of the environment.
    Variable(String),
    /// A profile that is made by code.
    Builder(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Place::Variable(name) => write!(f, "environment variable {name}"),
            Place::Builder(profile) => write!(f, "profile {profile}"),
        }
    }
}

/// Never holds a value that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConfigError {
    #[error("the configuration file {} cannot be read: {reason}", .path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} is not trusted: {reason}", .path.display())]
    Permission { path: PathBuf, reason: String, hint: String },
    #[error("{place}: not valid TOML: {reason}")]
    Syntax { place: Place, reason: String },
    #[error("{place}: {table} has no key `{key}`{}", did_you_mean(.nearest))]
    UnknownKey { place: Place, table: String, key: String, nearest: Option<&'static str> },
    #[error("{place}: {key}: {reason}")]
    Value { place: Place, key: String, reason: String },
    #[error("{place}: {key}: a secret must not stand in a file that others can read")]
    ExposedSecret { place: Place, key: String, path: PathBuf },
    #[error("profiles `{first}` and `{second}` have the same name in the environment, FFAUTH_{form}_…")]
    SameForm { first: String, second: String, form: String },
    #[error("{place}: profile `{profile}`: {reason}")]
    Incomplete { place: Place, profile: String, reason: String, hint: String },
}

fn did_you_mean(nearest: &Option<&str>) -> String {
    nearest.map(|key| format!(" (did you mean `{key}`?)")).unwrap_or_default()
}

impl ConfigError {
    /// True if it matters only to whoever uses the profile, false if the file as a whole is refused.
    pub(super) fn waits_for_use(&self) -> bool {
        match self {
            Self::Incomplete { .. } => true,
            Self::Value { place, .. } | Self::UnknownKey { place, .. } => matches!(place, Place::Variable(_)),
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Permission { hint, .. } | Self::Incomplete { hint, .. } => Some(hint.clone()),
            Self::UnknownKey { place: Place::Variable(_), table, .. } => Some(format!(
                "variables that begin with the name of a profile set its keys; for a profile with a longer name than {table}, write it \
                 into the configuration file"
            )),
            Self::ExposedSecret { path, .. } => Some(format!(
                "chmod 600 {}, or name a place instead: {{ env = … }}, {{ file = … }}, {{ command = [ … ] }}",
                path.display()
            )),
            Self::SameForm { .. } => Some("rename one of them".to_owned()),
            _ => None,
        }
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        let outer = Error::new(Kind::Config, error.to_string());
        match error.hint() {
            Some(hint) => outer.with_hint(hint),
            None => outer,
        }
    }
}
