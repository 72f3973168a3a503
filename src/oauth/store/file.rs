//! Tokens in files: one entry, one file, readable by this user alone, replaced whole.
//!
//! A lock file beside each entry is held over reading, asking the server and writing, so that a refresh token that works once
//! is used once, whichever process is first. The lock goes with its holder: a killed process leaves none behind.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::secret::{Secret, permission};

use super::{Entry, Key, Locked, Store, StoreError};

/// The format of this version; a file with a higher number is left to whoever wrote it.
const VERSION: u32 = 1;
/// A lock that is held by another process is tried again after this long.
const POLL: Duration = Duration::from_millis(20);

/// Keeps entries in a folder, which is made (0700) when it is first written to.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: PathBuf,
}

impl FileStore {
    /// A store in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, key: &Key, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", key.file_stem()))
    }
}

impl Store for FileStore {
    fn lock(&self, key: &Key, limit: Duration) -> Result<Box<dyn Locked>, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(|error| unusable(&self.folder, error))?;
        let metadata = self.folder.metadata().map_err(|error| unusable(&self.folder, error))?;
        permission::check_unchangeable(&metadata).map_err(|error| unusable(&self.folder, error))?;
        let path = self.path(key, "lock");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = file.map_err(|error| unusable(&path, error))?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(unusable(&path, error)),
                Err(TryLockError::WouldBlock) if waited >= limit => {
                    let mut pid = String::new();
                    // Whoever holds it may not have written its number yet.
                    let _ = file.read_to_string(&mut pid);
                    return Err(StoreError::Busy { place: path.display().to_string(), holder: pid.trim().parse().ok(), waited });
                }
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(POLL);
                    waited += POLL;
                }
            }
        }
        // For the message of whoever waits; the lock itself does not depend on it.
        let _ = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Box::new(FileLock { folder: self.folder.clone(), path: self.path(key, "json"), _lock: file }))
    }

    fn place(&self, key: &Key) -> String {
        self.path(key, "json").display().to_string()
    }
}

struct FileLock {
    folder: PathBuf,
    path: PathBuf,
    /// Closing it lets go.
    _lock: File,
}

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    generation: u64,
    access_token: Zeroizing<String>,
    token_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Milliseconds since 1970.
    asked_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_ms: Option<u64>,
    #[serde(default)]
    rejected: bool,
}

impl Locked for FileLock {
    fn read(&mut self) -> Result<Option<Entry>, StoreError> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&self.path, error)),
        };
        let metadata = file.metadata().map_err(|error| unusable(&self.path, error))?;
        permission::check_private(&metadata).map_err(|error| unusable(&self.path, error))?;
        let mut text = Zeroizing::new(String::new());
        let read = file.read_to_string(&mut text).map_err(|error| error.to_string());
        match read.and_then(|_| parse(&text)) {
            Ok(entry) => Ok(Some(entry)),
            Err(reason) => {
                self.put_aside(&reason);
                Ok(None)
            }
        }
    }

    fn write(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let failed = |error: std::io::Error| unusable(&self.path, error);
        let text = Zeroizing::new(serde_json::to_string(&Stored::of(entry)).map_err(|error| failed(error.into()))?);
        // tempfile creates with mode 0600.
        let mut file = tempfile::Builder::new().prefix(".token-").tempfile_in(&self.folder).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&self.path).map_err(|error| failed(error.error))?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    fn remove(&mut self) -> Result<(), StoreError> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unusable(&self.path, error)),
            _ => Ok(()),
        }
    }
}

impl FileLock {
    /// A file that cannot be understood may hold the only refresh token: it is moved, not overwritten.
    fn put_aside(&self, reason: &str) {
        let aside = self.path.with_extension("bad");
        let moved = std::fs::rename(&self.path, &aside);
        let (path, aside) = (self.path.display(), aside.display());
        match moved {
            Ok(()) => tracing::warn!(target: "ffauth::token", "the token file {path} {reason}; it was moved to {aside}"),
            Err(error) => tracing::warn!(target: "ffauth::token", "the token file {path} {reason} and cannot be moved: {error}"),
        }
    }
}

fn parse(text: &str) -> Result<Entry, String> {
    let version = serde_json::from_str::<serde_json::Value>(text).ok().and_then(|value| value.get("version")?.as_u64());
    match version {
        Some(version) if version > u64::from(VERSION) => {
            return Err(format!("is of version {version}, which is newer than this ffauth"));
        }
        Some(_) => {}
        None => return Err("is damaged".to_owned()),
    }
    let stored: Stored = serde_json::from_str(text).map_err(|_| "is damaged".to_owned())?;
    let secret = |text: Zeroizing<String>| Secret::new(text.as_str());
    Ok(Entry {
        generation: stored.generation,
        access_token: secret(stored.access_token),
        token_type: stored.token_type,
        refresh_token: stored.refresh_token.map(secret),
        scope: stored.scope,
        asked: SystemTime::UNIX_EPOCH + Duration::from_millis(stored.asked_ms),
        lifetime: stored.lifetime_ms.map(Duration::from_millis),
        rejected: stored.rejected,
    })
}

impl Stored {
    fn of(entry: &Entry) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            version: VERSION,
            generation: entry.generation,
            access_token: Zeroizing::new(entry.access_token.expose().to_owned()),
            token_type: entry.token_type.clone(),
            refresh_token: entry.refresh_token.as_ref().map(|token| Zeroizing::new(token.expose().to_owned())),
            scope: entry.scope.clone(),
            asked_ms: millis(entry.asked.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()),
            lifetime_ms: entry.lifetime.map(millis),
            rejected: entry.rejected,
        }
    }
}

fn unusable(path: &Path, reason: impl ToString) -> StoreError {
    StoreError::Unusable { place: path.display().to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::super::super::client::test_client;
    use super::*;

    fn entry(generation: u64) -> Entry {
        Entry {
            generation,
            access_token: "CANARY".into(),
            token_type: "Bearer".to_owned(),
            refresh_token: Some("r".into()),
            scope: None,
            asked: SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567),
            lifetime: Some(Duration::from_secs(300)),
            rejected: false,
        }
    }

    fn locked(store: &FileStore) -> Box<dyn Locked> {
        store.lock(&Key::of(&test_client()), Duration::from_secs(1)).expect("the lock")
    }

    #[test]
    fn what_is_written_is_read_and_only_this_user_can() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileStore::new(folder.path().join("state/tokens"));
        let mut lock = locked(&store);
        assert_eq!(lock.read(), Ok(None));
        lock.write(&entry(1)).expect("room");
        lock.write(&entry(2)).expect("room");
        assert_eq!(lock.read(), Ok(Some(entry(2))));
        assert_eq!(folder.path().join("state/tokens").metadata().expect("it is there").mode() & 0o777, 0o700);
        for file in std::fs::read_dir(folder.path().join("state/tokens")).expect("it is there").flatten() {
            assert_eq!(file.metadata().expect("a file").mode() & 0o777, 0o600, "{file:?}");
            assert!(!file.file_name().to_string_lossy().contains("CANARY"));
        }
        lock.remove().expect("removable");
        assert_eq!(lock.read(), Ok(None));
    }

    #[test]
    fn the_lock_excludes_and_names_its_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileStore::new(folder.path().to_owned());
        let held = locked(&store);
        match store.lock(&Key::of(&test_client()), Duration::from_millis(60)).map(drop) {
            Err(StoreError::Busy { holder, .. }) => assert_eq!(holder, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(held);
        locked(&store);
    }

    #[test]
    fn a_damaged_or_future_file_is_put_aside() {
        for text in ["", "{", "[]", "{\"version\":1}", "{\"version\":99}", "\0\0"] {
            let folder = tempfile::tempdir().expect("a folder");
            let store = FileStore::new(folder.path().to_owned());
            let path = PathBuf::from(store.place(&Key::of(&test_client())));
            std::fs::write(&path, text).expect("room");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
            assert_eq!(locked(&store).read(), Ok(None), "{text}");
            assert_eq!(std::fs::read_to_string(path.with_extension("bad")).expect("put aside"), text);
        }
    }

    #[test]
    fn a_folder_that_others_can_change_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o770)).expect("its mode");
        let refused = FileStore::new(folder.path().to_owned()).lock(&Key::of(&test_client()), Duration::ZERO).map(drop);
        assert!(matches!(refused, Err(StoreError::Unusable { .. })), "{refused:?}");
    }

    #[test]
    fn entries_of_different_clients_differ() {
        let one = test_client();
        let two = crate::oauth::client::Client { scope: vec!["other".to_owned()], ..test_client() };
        assert_ne!(Key::of(&one), Key::of(&two));
    }
}
