//! Whose files are trusted with secrets.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

const WRITABLE_BY_OTHERS: u32 = 0o022;
const READABLE_BY_OTHERS: u32 = 0o044;
const STICKY: u32 = 0o1000;

/// What is wrong with the owner or mode of a file or folder, as a clause that follows its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermissionError {
    /// It is somebody else's.
    #[error("it belongs to user id {0}, neither to you nor to root")]
    Owner(u32),
    /// Others can change it.
    #[error("its group or others can write to it (mode {0:03o})")]
    Writable(u32),
    /// Others can read it.
    #[error("its group or others can read it (mode {0:03o})")]
    Readable(u32),
}

/// Refuses a file or folder that somebody other than this user and root can change. In a folder with the sticky bit (`/tmp`)
/// others can add files but not replace ours.
///
/// # Errors
/// [`PermissionError`].
pub fn check_unchangeable(metadata: &Metadata) -> Result<(), PermissionError> {
    if metadata.uid() != rustix::process::geteuid().as_raw() && metadata.uid() != 0 {
        return Err(PermissionError::Owner(metadata.uid()));
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 && !(metadata.is_dir() && metadata.mode() & STICKY != 0) {
        return Err(PermissionError::Writable(metadata.mode() & 0o777));
    }
    Ok(())
}

/// Refuses a file that somebody other than this user and root can change or read.
///
/// # Errors
/// [`PermissionError`].
pub fn check_private(metadata: &Metadata) -> Result<(), PermissionError> {
    check_unchangeable(metadata)?;
    if metadata.mode() & READABLE_BY_OTHERS != 0 {
        return Err(PermissionError::Readable(metadata.mode() & 0o777));
    }
    Ok(())
}
