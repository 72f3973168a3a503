//! Tokens that end with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Entry, Key, Locked, Registration, Store, StoreError};

/// Keeps entries in memory; clones share them.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<Key, Entry>,
    registrations: BTreeMap<Key, Registration>,
    locked: BTreeSet<Key>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn lock(&self, key: &Key, limit: Duration) -> Result<Box<dyn Locked>, StoreError> {
        let waited = self.0.released.wait_timeout_while(self.0.state(), limit, |state| state.locked.contains(key));
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err(StoreError::Busy { place: self.place(key), holder: None, waited: limit });
        }
        state.locked.insert(key.clone());
        Ok(Box::new(MemoryLock { store: self.clone(), key: key.clone() }))
    }

    fn peek(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        Ok(self.0.state().entries.get(key).cloned())
    }

    fn registration(&self, key: &Key) -> Result<Option<Registration>, StoreError> {
        Ok(self.0.state().registrations.get(key).cloned())
    }

    fn register(&self, key: &Key, registration: &Registration) -> Result<(), StoreError> {
        self.0.state().registrations.insert(key.clone(), registration.clone());
        Ok(())
    }

    fn place(&self, _key: &Key) -> String {
        "memory".to_owned()
    }
}

struct MemoryLock {
    store: MemoryStore,
    key: Key,
}

impl Locked for MemoryLock {
    fn read(&mut self) -> Result<Option<Entry>, StoreError> {
        Ok(self.store.0.state().entries.get(&self.key).cloned())
    }

    fn write(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.store.0.state().entries.insert(self.key.clone(), entry.clone());
        Ok(())
    }

    fn remove(&mut self) -> Result<(), StoreError> {
        self.store.0.state().entries.remove(&self.key);
        Ok(())
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.store.0.state().locked.remove(&self.key);
        self.store.0.released.notify_all();
    }
}
