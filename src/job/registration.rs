//! Clients that ffauth registers for itself: `ffauth credentials create`, and the use of what it got.

use crate::config::{Profile, StoreKind};
use crate::error::{Error, Kind};
use crate::oauth::client::{Client, Grant};
use crate::oauth::store::{Key, Registration, Store, StoreError};
use crate::oauth::transport::HttpTransport;
use crate::secret::SecretSource;

use super::Session;

/// A client that has just been registered.
pub struct Registered {
    /// Its id and secret.
    pub registration: Registration,
    /// Where they are kept, for people.
    pub place: String,
    /// Why they are not.
    pub unsaved: Option<Error>,
    /// The id of the client whose place it took.
    pub replaced: Option<String>,
}

impl Session {
    /// Registers client credentials for profile `name`, under `title` at the vendor, and keeps them in the profile's store. Blocks.
    ///
    /// # Errors
    /// The profile says nothing about registration; its store keeps nothing; the server refuses or cannot be reached.
    #[doc(hidden)]
    pub fn register(&self, name: &str, title: &str, description: &str) -> Result<Registered, Error> {
        let profile = self.config().profile(name)?;
        let about = |error: Error| error.context(format!("profile {name}"));
        let plan = profile.registration.as_ref().ok_or_else(|| {
            let hint = "set provider = \"brightcove\" (or credentials_url), bc_token, accounts and operations";
            about(Error::new(Kind::Config, "nothing says how to register a client").with_hint(hint))
        })?;
        if profile.store == StoreKind::Memory {
            let reason = "store = \"memory\" would forget the client that is registered";
            return Err(about(Error::new(Kind::Config, reason).with_hint("set store = \"file\" or \"keyring\"")));
        }
        let (store, key) = (self.store(profile)?, Key::registration(name, &plan.url));
        // What is there is in the way of nobody; a place that cannot be trusted is known before anything is registered.
        let before = store.registration(&key).map_err(|error| about(store_error(&error)))?;
        let transport = HttpTransport::new(self.roots(profile), profile.client.timeout);
        let registering = plan.register(title, description, &transport, self.env());
        let registration = self.network()?.runtime.block_on(registering).map_err(|error| about(error.into()))?;
        let unsaved = store.register(&key, &registration).err().map(|error| store_error(&error));
        Ok(Registered { registration, place: store.place(&key), unsaved, replaced: before.map(|before| before.client_id) })
    }

    /// The client of a profile, with the id and the secret that were registered where it has none of its own.
    pub(super) fn client(&self, profile: &Profile, store: &dyn Store) -> Result<Client, Error> {
        let mut client = profile.client.clone();
        let lacks = client.grant == Grant::ClientCredentials && (client.client_id.is_none() || client.client_secret.is_none());
        let Some(plan) = profile.registration.as_ref().filter(|_| lacks) else { return Ok(client) };
        let found = store.registration(&Key::registration(&profile.name, &plan.url)).map_err(|error| store_error(&error))?;
        let Some(registration) = found else {
            let message = format!("profile {}: no client has been registered yet", profile.name);
            let hint = format!("ffauth credentials create {}, or set client_id and client_secret", profile.name);
            return Err(Error::new(Kind::LoginRequired, message).with_hint(hint));
        };
        client.client_id = Some(registration.client_id);
        client.client_secret = Some(SecretSource::Plain(registration.client_secret));
        Ok(client)
    }
}

fn store_error(error: &StoreError) -> Error {
    let kind = if matches!(error, StoreError::Untrusted { .. }) { Kind::Config } else { Kind::File };
    Error::new(kind, error.to_string())
}
