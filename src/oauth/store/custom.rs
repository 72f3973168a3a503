//! Tokens in a place of the crate user's own: a database, a vault.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::{BoxError, contained};
use crate::secret::Secret;

use super::record::Record;
use super::{Entry, Key, Locked, Registration, Store, StoreError};

/// A place for tokens, by name. What is kept under a name is one text that only ffauth reads; it holds tokens.
///
/// The calls may block. A panic is an error of that call and harms nothing else.
pub trait TokenStore: Send + Sync {
    /// What is kept under `name`.
    ///
    /// # Errors
    /// The place cannot be used.
    fn load(&self, name: &str) -> Result<Option<Secret>, BoxError>;

    /// Keeps `record` under `name` in place of what was there, whole or not at all; it must be safe when this returns, since a
    /// rotated refresh token that is lost costs a sign-in.
    ///
    /// # Errors
    /// The place cannot be used; the token is used all the same, and saving it is tried again with the next one.
    fn save(&self, name: &str, record: &Secret) -> Result<(), BoxError>;

    /// Forgets what is kept under `name`, if anything is.
    ///
    /// # Errors
    /// The place cannot be used.
    fn remove(&self, name: &str) -> Result<(), BoxError>;

    /// Keeps others away from `name` until what is returned is dropped; waits for another holder at most `limit`. Needed where
    /// several processes, or several sessions of one, use the same place: a refresh token may work once only.
    ///
    /// # Errors
    /// Somebody else has it, or the place cannot be used.
    fn lock(&self, name: &str, limit: Duration) -> Result<Box<dyn Send>, BoxError> {
        let _ = (name, limit);
        Ok(Box::new(()))
    }
}

/// A [`TokenStore`] as a [`Store`].
#[derive(Clone)]
pub struct CustomStore(Arc<dyn TokenStore>);

/// Two are the same if they are one.
impl PartialEq for CustomStore {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for CustomStore {}

impl CustomStore {
    /// Keeps entries in `place`.
    pub fn new(place: impl TokenStore + 'static) -> Self {
        Self(Arc::new(place))
    }

    fn load<R: Record>(&self, name: &str) -> Result<Option<R>, StoreError> {
        let record = contained(|| self.0.load(name)).map_err(|error| unusable(name, &error))?;
        let parsed = record.map(|record| R::parse(record.expose().as_bytes()));
        parsed.transpose().map_err(|reason| StoreError::Unusable { place: place(name), reason: format!("it {reason}") })
    }

    fn save(&self, name: &str, record: &impl Record) -> Result<(), StoreError> {
        let text: Zeroizing<String> = record.to_text();
        contained(|| self.0.save(name, &Secret::new(text.as_str()))).map_err(|error| unusable(name, &error))
    }
}

impl std::fmt::Debug for CustomStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CustomStore")
    }
}

impl Store for CustomStore {
    fn lock(&self, key: &Key, limit: Duration) -> Result<Box<dyn Locked>, StoreError> {
        let name = key.file_stem();
        let lock = contained(|| self.0.lock(&name, limit));
        let lock = lock.map_err(|error| StoreError::Unusable { place: place(&name), reason: format!("no lock: {error}") })?;
        Ok(Box::new(CustomLock { store: self.clone(), name, _lock: lock }))
    }

    fn peek(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.load(&key.file_stem())
    }

    fn registration(&self, key: &Key) -> Result<Option<Registration>, StoreError> {
        self.load(&key.file_stem())
    }

    fn register(&self, key: &Key, registration: &Registration) -> Result<(), StoreError> {
        self.save(&key.file_stem(), registration)
    }

    fn place(&self, key: &Key) -> String {
        place(&key.file_stem())
    }
}

struct CustomLock {
    store: CustomStore,
    name: String,
    _lock: Box<dyn Send>,
}

impl Locked for CustomLock {
    fn read(&mut self) -> Result<Option<Entry>, StoreError> {
        let entry = self.store.load(&self.name);
        entry.or_else(|error| match contained(|| self.store.0.load(&self.name)) {
            // It can be read, so its content is damaged: as good as none, and the next one takes its place.
            Ok(_) => {
                tracing::warn!(target: "ffauth::token", "{error}");
                Ok(None)
            }
            Err(_) => Err(error),
        })
    }

    fn write(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.store.save(&self.name, entry)
    }

    fn remove(&mut self) -> Result<(), StoreError> {
        contained(|| self.store.0.remove(&self.name)).map_err(|error| unusable(&self.name, &error))
    }
}

fn place(name: &str) -> String {
    format!("the service's token store, {name}")
}

fn unusable(name: &str, error: &BoxError) -> StoreError {
    StoreError::Unusable { place: place(name), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::time::SystemTime;

    use super::*;
    use crate::oauth::client::test_client;

    #[derive(Default)]
    struct Shelf(Mutex<BTreeMap<String, Secret>>);

    impl TokenStore for Arc<Shelf> {
        fn load(&self, name: &str) -> Result<Option<Secret>, BoxError> {
            Ok(self.0.lock().expect("no panic").get(name).cloned())
        }

        fn save(&self, name: &str, record: &Secret) -> Result<(), BoxError> {
            self.0.lock().expect("no panic").insert(name.to_owned(), record.clone());
            Ok(())
        }

        fn remove(&self, name: &str) -> Result<(), BoxError> {
            self.0.lock().expect("no panic").remove(name);
            Ok(())
        }
    }

    struct Broken;

    impl TokenStore for Broken {
        fn load(&self, _: &str) -> Result<Option<Secret>, BoxError> {
            Err("the database is down".into())
        }

        fn save(&self, _: &str, _: &Secret) -> Result<(), BoxError> {
            panic!("no pool")
        }

        fn remove(&self, _: &str) -> Result<(), BoxError> {
            Ok(())
        }
    }

    fn entry() -> Entry {
        Entry {
            generation: 1,
            access_token: "a".into(),
            token_type: "Bearer".to_owned(),
            refresh_token: None,
            scope: None,
            asked: SystemTime::UNIX_EPOCH,
            lifetime: None,
            rejected: false,
            uncertain: false,
            seed: None,
            dpop_key: None,
            given: None,
        }
    }

    #[test]
    fn what_is_kept_comes_back_and_damage_counts_as_nothing() {
        let (shelf, key) = (Arc::new(Shelf::default()), Key::of(&test_client()));
        let store = CustomStore::new(Arc::clone(&shelf));
        let mut lock = store.lock(&key, Duration::ZERO).expect("a lock");
        assert_eq!(lock.read(), Ok(None));
        lock.write(&entry()).expect("room");
        assert_eq!((lock.read(), store.peek(&key)), (Ok(Some(entry())), Ok(Some(entry()))));
        shelf.0.lock().expect("no panic").insert(key.file_stem(), "{".into());
        assert_eq!(lock.read(), Ok(None));
        lock.remove().expect("gone");
        assert!(shelf.0.lock().expect("no panic").is_empty());
    }

    #[test]
    fn failures_and_panics_name_the_store() {
        let store = CustomStore::new(Broken);
        let mut lock = store.lock(&Key::of(&test_client()), Duration::ZERO).expect("a lock");
        for (error, part) in [(lock.read().map(|_| ()), "the database is down"), (lock.write(&entry()), "panicked: no pool")] {
            let error = error.expect_err(part).to_string();
            assert!(error.contains("the service's token store") && error.contains(part), "{error}");
        }
    }
}
