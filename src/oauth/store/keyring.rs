//! Tokens in the desktop's keyring. The lock is a file all the same: a keyring has none.

use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::secret::keyring::{self, Item, KeyringError};

use super::file::{FileLock, FileStore};
use super::record::Record;
use super::{Entry, Key, Locked, Registration, Store, StoreError};

/// Keeps entries as items of the service `ffauth`.
#[derive(Clone, Debug)]
pub struct KeyringStore {
    locks: FileStore,
}

impl KeyringStore {
    /// A store whose lock files are in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { locks: FileStore::new(folder) }
    }

    fn peek_record<R: Record>(key: &Key) -> Result<Option<R>, StoreError> {
        let item = item(key);
        let text = keyring::get(&item).map_err(|error| unusable(&item, &error))?;
        let parsed = text.map(|text| R::parse(&text)).transpose();
        parsed.map_err(|reason| StoreError::Unusable { place: place(&item), reason })
    }
}

impl Store for KeyringStore {
    fn lock(&self, key: &Key, limit: Duration) -> Result<Box<dyn Locked>, StoreError> {
        let lock = self.locks.lock_file(key, limit)?;
        Ok(Box::new(KeyringLock { item: item(key), _lock: lock }))
    }

    fn peek(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        Self::peek_record(key)
    }

    fn registration(&self, key: &Key) -> Result<Option<Registration>, StoreError> {
        Self::peek_record(key)
    }

    fn register(&self, key: &Key, registration: &Registration) -> Result<(), StoreError> {
        write(&item(key), registration)
    }

    fn place(&self, key: &Key) -> String {
        place(&item(key))
    }
}

struct KeyringLock {
    item: Item,
    _lock: FileLock,
}

impl Locked for KeyringLock {
    fn read(&mut self) -> Result<Option<Entry>, StoreError> {
        let text = keyring::get(&self.item).map_err(|error| unusable(&self.item, &error))?;
        let Some(text) = text else { return Ok(None) };
        match Entry::parse(&text) {
            Ok(entry) => Ok(Some(entry)),
            Err(reason) => {
                let aside = Item { user: format!("{}.bad", self.item.user), ..self.item.clone() };
                keyring::set(&aside, text).map_err(|error| unusable(&aside, &error))?;
                tracing::warn!(target: "ffauth::token", "the {} {reason}; it was copied to {aside}", place(&self.item));
                Ok(None)
            }
        }
    }

    fn write(&mut self, entry: &Entry) -> Result<(), StoreError> {
        write(&self.item, entry)
    }

    fn remove(&mut self) -> Result<(), StoreError> {
        keyring::delete(&self.item).map_err(|error| unusable(&self.item, &error))
    }
}

fn item(key: &Key) -> Item {
    Item { service: "ffauth".to_owned(), user: key.file_stem() }
}

fn place(item: &Item) -> String {
    format!("keyring item {item}")
}

fn write(item: &Item, record: &impl Record) -> Result<(), StoreError> {
    let text = Zeroizing::new(record.to_text().as_bytes().to_vec());
    keyring::set(item, text).map_err(|error| unusable(item, &error))
}

fn unusable(item: &Item, error: &KeyringError) -> StoreError {
    StoreError::Unusable { place: place(item), reason: error.to_string() }
}
