//! Whose configuration is trusted.

use std::fs::Metadata;
use std::path::Path;

use crate::secret::permission::{self, PermissionError};

use super::error::ConfigError;

/// Refuses a file or folder that somebody other than this user and root can change.
pub(super) fn check(path: &Path, metadata: &Metadata) -> Result<(), ConfigError> {
    permission::check_unchangeable(metadata).map_err(|error| {
        let hint = match error {
            PermissionError::Owner(_) => "make a copy that is your own".to_owned(),
            _ => format!("chmod go-w {}", path.display()),
        };
        ConfigError::Permission { path: path.to_owned(), reason: error.to_string(), hint }
    })
}

/// Can nobody but the owner read it?
pub(super) fn is_private(metadata: &Metadata) -> bool {
    permission::check_private(metadata).is_ok()
}
