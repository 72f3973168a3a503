//! When the configuration is read again: on SIGHUP, and when its file changes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};

/// How often the file is looked at. Looking is cheaper than it is to know all the ways in which editors, configuration
/// management and Kubernetes replace a file.
const PERIOD: Duration = Duration::from_secs(1);

/// What of a file changes when its content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    inode: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

impl Mark {
    /// Of the file at `path`, symbolic links followed; `None` = there is none.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            inode: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// Completes when the file at `path` is another than `before`, and has been the same for a moment: whoever writes it is done.
pub async fn changed(path: &Path, before: Option<Mark>) -> Option<Mark> {
    let mut last = before;
    loop {
        SystemClock.sleep(PERIOD).await;
        let now = Mark::of(path);
        if now.is_some() && now != before && now == last {
            return now;
        }
        last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_is_seen_when_it_is_complete() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.toml");
        fs::write(&path, "a").expect("a file");
        let before = Mark::of(&path);
        assert!(tokio::time::timeout(Duration::from_secs(5), changed(&path, before)).await.is_err());
        // As editors do it: a new file in the place of the old one.
        fs::write(folder.path().join("new"), "b").expect("a file");
        fs::rename(folder.path().join("new"), &path).expect("the same disk");
        let after = changed(&path, before).await;
        assert!(after.is_some() && after != before);
        fs::remove_file(&path).expect("a file");
        assert!(tokio::time::timeout(Duration::from_secs(5), changed(&path, after)).await.is_err());
    }
}
