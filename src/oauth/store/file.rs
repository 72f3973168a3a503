//! Tokens in files: one entry, one file, readable by this user alone, replaced whole.
//!
//! A lock file beside each entry is held over reading, asking the server and writing, so that a refresh token that works once
//! is used once, whichever process is first. The lock goes with its holder: a killed process leaves none behind, and its half
//! written file is overwritten by the next.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::secret::permission;

use super::record::Record;
use super::{Entry, Key, Locked, Registration, Store, StoreError};

/// A lock that is held by another process is tried again after this long.
const POLL: Duration = Duration::from_millis(20);
/// The most that is read of a file, in bytes. What is longer was not written by ffauth.
const LONGEST: u64 = 1024 * 1024;

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

    /// The folder exists and nobody else can put files into it or exchange it for another.
    fn check_folder(&self) -> Result<(), StoreError> {
        for folder in [Some(self.folder.as_path()), self.folder.parent()].into_iter().flatten() {
            let metadata = folder.metadata().map_err(|error| unusable(folder, error))?;
            permission::check_unchangeable(&metadata).map_err(|error| untrusted(folder, &error, "chmod go-w"))?;
        }
        Ok(())
    }

    /// Takes the lock file of `key`.
    pub(super) fn lock_file(&self, key: &Key, limit: Duration) -> Result<FileLock, StoreError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|error| unusable(&self.folder, error))?;
        self.check_folder()?;
        let path = self.path(key, "lock");
        let entry = self.path(key, "json");
        let writable = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let (mut file, unwritable) = match writable {
            Ok(file) => (file, None),
            // A read-only place can be read, and a lock file that is there locks as well when it is opened for reading.
            Err(error) => match File::open(&path) {
                Ok(file) => (file, Some(unusable(&path, error))),
                Err(_) => return Ok(FileLock { entry, lock: None, unwritable: Some(unusable(&path, error)) }),
            },
        };
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
        Ok(FileLock { entry, lock: Some(file), unwritable })
    }

    fn peek_record<R: Record>(&self, key: &Key) -> Result<Option<R>, StoreError> {
        let path = self.path(key, "json");
        match self.folder.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            _ => self.check_folder()?,
        }
        read(&path)?.map(|text| R::parse(&text).map_err(|reason| unusable(&path, reason))).transpose()
    }
}

impl Store for FileStore {
    fn lock(&self, key: &Key, limit: Duration) -> Result<Box<dyn Locked>, StoreError> {
        Ok(Box::new(self.lock_file(key, limit)?))
    }

    fn peek(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.peek_record(key)
    }

    fn registration(&self, key: &Key) -> Result<Option<Registration>, StoreError> {
        self.peek_record(key)
    }

    fn register(&self, key: &Key, registration: &Registration) -> Result<(), StoreError> {
        self.lock_file(key, Duration::from_secs(1))?.replace(registration)
    }

    fn place(&self, key: &Key) -> String {
        self.path(key, "json").display().to_string()
    }
}

/// The lock on one entry. Closing the file lets go.
pub(super) struct FileLock {
    entry: PathBuf,
    /// `None` where there is no lock file and none can be made.
    lock: Option<File>,
    /// Why nothing can be written.
    unwritable: Option<StoreError>,
}

impl Locked for FileLock {
    fn read(&mut self) -> Result<Option<Entry>, StoreError> {
        let Some(text) = read(&self.entry)? else { return Ok(None) };
        match Entry::parse(&text) {
            Ok(entry) => Ok(Some(entry)),
            Err(reason) => {
                self.put_aside(&reason);
                Ok(None)
            }
        }
    }

    fn write(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.replace(entry)
    }

    fn remove(&mut self) -> Result<(), StoreError> {
        match std::fs::remove_file(&self.entry) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(unusable(&self.entry, error)),
            _ => Ok(()),
        }
    }
}

impl FileLock {
    fn replace(&mut self, record: &impl Record) -> Result<(), StoreError> {
        match (&self.unwritable, &self.lock) {
            (Some(error), _) => return Err(error.clone()),
            (None, None) => return Err(unusable(&self.entry, "there is no lock")),
            (None, Some(_)) => {}
        }
        let temporary = self.entry.with_extension("tmp");
        let written = write_through(&temporary, record.to_text().as_bytes());
        let replaced = written.and_then(|()| std::fs::rename(&temporary, &self.entry));
        if let Err(error) = replaced {
            // Half a token is of no use to anybody.
            let _ = std::fs::remove_file(&temporary);
            return Err(unusable(&self.entry, error));
        }
        // The new name must be on the disk as well: a rotated refresh token exists nowhere else.
        let folder = self.entry.parent().map(File::open);
        folder.map_or(Ok(()), |folder| folder.and_then(|folder| folder.sync_all())).map_err(|error| unusable(&self.entry, error))
    }

    /// A file that cannot be understood may hold the only refresh token: it is moved, not overwritten.
    fn put_aside(&self, reason: &str) {
        let aside = self.entry.with_extension("bad");
        let moved = std::fs::rename(&self.entry, &aside);
        let (path, aside) = (self.entry.display(), aside.display());
        match moved {
            Ok(()) => tracing::warn!(target: "ffauth::token", "the token file {path} {reason}; it was moved to {aside}"),
            Err(error) => tracing::warn!(target: "ffauth::token", "the token file {path} {reason} and cannot be moved: {error}"),
        }
    }
}

/// What is in a file that this user alone can read; `None` if there is no such file.
fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, error)),
    };
    let metadata = file.metadata().map_err(|error| unusable(path, error))?;
    permission::check_private(&metadata).map_err(|error| untrusted(path, &error, "chmod 600"))?;
    let mut text = Zeroizing::new(Vec::new());
    file.take(LONGEST).read_to_end(&mut text).map_err(|error| unusable(path, error))?;
    Ok(Some(text))
}

/// Writes a new file with mode 0600, down to the disk.
fn write_through(path: &Path, text: &[u8]) -> std::io::Result<()> {
    // What a killed process left may have any content; nobody else writes here while the lock is held.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn unusable(path: &Path, reason: impl ToString) -> StoreError {
    StoreError::Unusable { place: path.display().to_string(), reason: reason.to_string() }
}

fn untrusted(path: &Path, error: &permission::PermissionError, mend: &str) -> StoreError {
    let place = path.display().to_string();
    let mend = match error {
        permission::PermissionError::Owner(_) => "chown it to yourself, or set FFAUTH_STATE to a folder of your own".to_owned(),
        _ => format!("{mend} {place}"),
    };
    StoreError::Untrusted { place, reason: error.to_string(), mend }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::time::SystemTime;

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
            uncertain: false,
            seed: None,
            dpop_key: None,
            given: None,
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
    fn a_folder_or_file_that_others_can_change_or_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (key, tokens) = (Key::of(&test_client()), folder.path().join("tokens"));
        let store = FileStore::new(tokens.clone());
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its mode");
        };
        let untrusted = |what: &str| {
            // A child that another test has just forked holds the lock of its parent until it is another program.
            let refused = store.lock(&key, Duration::from_secs(10)).and_then(|mut lock| lock.read());
            assert!(matches!(refused, Err(StoreError::Untrusted { .. })), "{what}: {refused:?}");
            assert!(matches!(store.peek(&key), Err(StoreError::Untrusted { .. })), "{what}");
        };
        locked(&store).write(&entry(1)).expect("room");
        for shared in [&tokens, folder.path()] {
            mode(shared, 0o770);
            untrusted("a folder");
            mode(shared, 0o700);
        }
        let file = PathBuf::from(store.place(&key));
        mode(&file, 0o640);
        untrusted("a file");
        mode(&file, 0o600);
        assert_eq!(store.peek(&key), Ok(Some(entry(1))));
    }

    #[test]
    fn half_a_file_of_a_killed_process_is_in_nobodys_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileStore::new(folder.path().to_owned());
        let half = store.path(&Key::of(&test_client()), "tmp");
        std::fs::write(&half, "{\"version\":1,\"acc").expect("room");
        let mut lock = locked(&store);
        assert_eq!(lock.read(), Ok(None));
        lock.write(&entry(1)).expect("room");
        assert_eq!(lock.read(), Ok(Some(entry(1))));
        assert!(!half.exists());
    }

    #[test]
    fn a_registration_is_kept_beside_the_tokens() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = FileStore::new(folder.path().join("tokens"));
        let key = Key::registration("test", &url::Url::parse("https://h/credentials").expect("a URL"));
        assert_eq!(store.registration(&key), Ok(None));
        let registration = Registration { client_id: "id".to_owned(), client_secret: "CANARY".into() };
        store.register(&key, &registration).expect("room");
        assert_eq!(store.registration(&key), Ok(Some(registration)));
        assert_eq!(store.peek(&Key::of(&test_client())), Ok(None));
    }

    #[test]
    fn entries_of_different_clients_differ() {
        let one = test_client();
        let two = crate::oauth::client::Client { scope: vec!["other".to_owned()], ..test_client() };
        assert_ne!(Key::of(&one), Key::of(&two));
    }
}
