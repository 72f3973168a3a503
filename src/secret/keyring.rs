//! The desktop's keyring: the Secret Service of freedesktop.org, over D-Bus.
//!
//! A daemon that waits for somebody to unlock it answers when it likes, so each call has a thread of its own and is given up
//! after [`LIMIT`].

use std::time::Duration;

use zeroize::Zeroizing;

/// How long the keyring may take.
pub const LIMIT: Duration = Duration::from_secs(3);

/// An item, by the attributes `service` and `username` that `secret-tool` and other programs use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Who keeps it: `ffauth` unless the configuration says otherwise.
    pub service: String,
    /// Its name.
    pub user: String,
}

impl Item {
    /// `SERVICE/NAME`, or `NAME` of the service `ffauth`.
    pub fn parse(text: &str) -> Self {
        let (service, user) = text.split_once('/').unwrap_or(("ffauth", text));
        Self { service: service.to_owned(), user: user.to_owned() }
    }
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.user)
    }
}

/// Why the keyring did not do it, as a clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyringError(String);

/// What the item holds; `None` if there is no such item. Blocks, at most [`LIMIT`].
///
/// # Errors
/// [`KeyringError`]: no daemon, a locked keyring, this ffauth was built without the feature `keyring`.
pub fn get(item: &Item) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
    imp::get(item)
}

/// Makes the item hold `secret`. Blocks, at most [`LIMIT`].
///
/// # Errors
/// As [`get`].
pub fn set(item: &Item, secret: Zeroizing<Vec<u8>>) -> Result<(), KeyringError> {
    imp::set(item, secret)
}

/// Removes the item, if it is there. Blocks, at most [`LIMIT`].
///
/// # Errors
/// As [`get`].
pub fn delete(item: &Item) -> Result<(), KeyringError> {
    imp::delete(item)
}

#[cfg(feature = "keyring")]
mod imp {
    use std::sync::mpsc;

    use keyring_core::{Entry, Error};
    use zbus_secret_service_keyring_store::Store;

    use super::{Item, KeyringError, LIMIT, Zeroizing};

    pub(super) fn get(item: &Item) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
        on_its_own_thread(item, |entry| entry.get_secret().map(Zeroizing::new)).map(Some).or_else(no_entry)
    }

    pub(super) fn set(item: &Item, secret: Zeroizing<Vec<u8>>) -> Result<(), KeyringError> {
        on_its_own_thread(item, move |entry| entry.set_secret(&secret)).map_err(told)
    }

    pub(super) fn delete(item: &Item) -> Result<(), KeyringError> {
        on_its_own_thread(item, |entry| entry.delete_credential()).map(Some).or_else(no_entry).map(drop)
    }

    fn no_entry<T>(error: Option<Error>) -> Result<Option<T>, KeyringError> {
        match error {
            Some(Error::NoEntry) => Ok(None),
            error => Err(told(error)),
        }
    }

    /// `Err(None)`: no answer in time.
    fn on_its_own_thread<T: Send + 'static>(
        item: &Item,
        call: impl FnOnce(Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Option<Error>> {
        let (sender, answer) = mpsc::channel();
        let item = item.clone();
        // The thread outlives a daemon that never answers; nobody listens to it then.
        std::thread::spawn(move || {
            let store: Result<std::sync::Arc<keyring_core::CredentialStore>, Error> = Store::new().map(|store| store as _);
            let result = store.and_then(|store| call(store.build(&item.service, &item.user, None)?));
            drop(sender.send(result));
        });
        answer.recv_timeout(LIMIT).map_err(|_| None)?.map_err(Some)
    }

    fn told(error: Option<Error>) -> KeyringError {
        KeyringError(match error {
            None => format!("the keyring did not answer within {} s; is it waiting to be unlocked?", LIMIT.as_secs()),
            Some(Error::NoEntry) => "the keyring has no such item".to_owned(),
            Some(Error::Ambiguous(_)) => "the keyring has several such items; delete all but one".to_owned(),
            // What the variants with data carry may be the secret itself.
            Some(Error::BadEncoding(_) | Error::BadDataFormat(..)) => "what the keyring gave cannot be read".to_owned(),
            Some(Error::PlatformFailure(cause) | Error::NoStorageAccess(cause)) => {
                format!("no Secret Service answers on the session bus (gnome-keyring, KWallet, KeePassXC): {cause}")
            }
            Some(error) => error.to_string(),
        })
    }
}

#[cfg(not(feature = "keyring"))]
mod imp {
    use super::{Item, KeyringError, Zeroizing};

    fn absent<T>() -> Result<T, KeyringError> {
        Err(KeyringError("this ffauth was built without the feature `keyring`".to_owned()))
    }

    pub(super) fn get(_: &Item) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
        absent()
    }

    pub(super) fn set(_: &Item, _: Zeroizing<Vec<u8>>) -> Result<(), KeyringError> {
        absent()
    }

    pub(super) fn delete(_: &Item) -> Result<(), KeyringError> {
        absent()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_a_service() {
        assert_eq!(Item::parse("bc"), Item { service: "ffauth".to_owned(), user: "bc".to_owned() });
        assert_eq!(Item::parse("media/bc/1"), Item { service: "media".to_owned(), user: "bc/1".to_owned() });
    }

    #[cfg(not(feature = "keyring"))]
    #[test]
    fn without_the_feature_the_sentence_says_so() {
        assert!(get(&Item::parse("x")).expect_err("absent").to_string().contains("without the feature `keyring`"));
    }
}
