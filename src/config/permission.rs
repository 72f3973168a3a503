//! Whose files are trusted.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::error::ConfigError;

const WRITABLE_BY_OTHERS: u32 = 0o022;
const READABLE_BY_OTHERS: u32 = 0o044;
const STICKY: u32 = 0o1000;

/// Refuses a file or folder that somebody other than this user and root can change. In a folder with the sticky bit (`/tmp`)
/// others can add files but not replace ours.
pub(super) fn check(path: &Path, metadata: &Metadata) -> Result<(), ConfigError> {
    let user = rustix::process::geteuid().as_raw();
    let refuse = |reason: String, hint: String| Err(ConfigError::Permission { path: path.to_owned(), reason, hint });
    if metadata.uid() != user && metadata.uid() != 0 {
        return refuse(
            format!("it belongs to user id {}, neither to you nor to root", metadata.uid()),
            "make a copy that is your own".to_owned(),
        );
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 && !(metadata.is_dir() && metadata.mode() & STICKY != 0) {
        return refuse(
            format!("its group or others can write to it (mode {:03o})", metadata.mode() & 0o777),
            format!("chmod go-w {}", path.display()),
        );
    }
    Ok(())
}

/// Can nobody but the owner read it?
pub(super) fn is_private(metadata: &Metadata) -> bool {
    metadata.mode() & READABLE_BY_OTHERS == 0
}
