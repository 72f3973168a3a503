//! Where tokens are kept between runs, and between processes that share them.

mod custom;
mod file;
mod keyring;
mod memory;
mod record;

use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::secret::Secret;

use super::client::Client;

pub use custom::{CustomStore, TokenStore};
pub use file::FileStore;
pub use keyring::KeyringStore;
pub use memory::MemoryStore;

/// Keeps one [`Entry`] per [`Key`]. The calls block.
pub trait Store: Send + Sync {
    /// Takes the entry for itself, over all processes that use the store; waits at most `limit` for another holder.
    ///
    /// # Errors
    /// [`StoreError::Busy`] after `limit`; [`StoreError::Unusable`] if there is no such place and none can be made;
    /// [`StoreError::Untrusted`] if others can change it. On a read-only disk there is nobody to exclude: what is kept can be
    /// read, and writing fails.
    fn lock(&self, key: &Key, limit: Duration) -> Result<Box<dyn Locked>, StoreError>;

    /// What is kept, as it stands: whole, though somebody may be replacing it. Waits for nobody and changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unusable`], also for a damaged entry; [`StoreError::Untrusted`].
    fn peek(&self, key: &Key) -> Result<Option<Entry>, StoreError>;

    /// The client that was registered under `key` ([`Key::registration`]).
    ///
    /// # Errors
    /// As [`peek`](Self::peek).
    fn registration(&self, key: &Key) -> Result<Option<Registration>, StoreError>;

    /// Keeps a newly registered client in place of an older one. It is on the disk when this returns.
    ///
    /// # Errors
    /// As [`lock`](Self::lock) and [`Locked::write`].
    fn register(&self, key: &Key, registration: &Registration) -> Result<(), StoreError>;

    /// Where the entry is, for people.
    fn place(&self, key: &Key) -> String;
}

/// An entry that nobody else can change now. Dropping it lets go.
pub trait Locked: Send {
    /// What is kept. A damaged entry is put aside, said in the log, and counts as none.
    ///
    /// # Errors
    /// [`StoreError::Unusable`]; [`StoreError::Untrusted`] if others can read or change the entry.
    fn read(&mut self) -> Result<Option<Entry>, StoreError>;

    /// Replaces what is kept, whole or not at all. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Unusable`]: a full or read-only disk.
    fn write(&mut self, entry: &Entry) -> Result<(), StoreError>;

    /// Forgets the entry.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    fn remove(&mut self) -> Result<(), StoreError>;
}

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the lock.
    #[error("{place}: another process{} has held the lock for {} s", holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default(), waited.as_secs())]
    Busy {
        /// The lock.
        place: String,
        /// Its holder, if it said so.
        holder: Option<u32>,
        /// How long we waited.
        waited: Duration,
    },
    /// The place cannot be used.
    #[error("{place}: {reason}")]
    Unusable {
        /// File or folder.
        place: String,
        /// Why.
        reason: String,
    },
    /// Others can change or read the place. What is in it may be theirs, or known to them.
    #[error("{place} is not trusted with tokens: {reason}; {mend}")]
    Untrusted {
        /// File or folder.
        place: String,
        /// Whose it is, or what they can do.
        reason: String,
        /// The command that mends it.
        mend: String,
    },
}

/// Names an entry: two profiles, or one with another endpoint, client, grant, scope or audience, never share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    name: String,
    digest: String,
}

impl Key {
    /// The entry of `client`. No secret goes into it.
    pub fn of(client: &Client) -> Self {
        let url = |url: &Option<url::Url>| url.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut parts = vec![
            client.name.clone(),
            url(&client.issuer),
            url(&client.token_url),
            client.client_id.clone().unwrap_or_default(),
            client.grant.name().to_owned(),
            client.username.clone().unwrap_or_default(),
            client.scope.join(" "),
            client.audience.clone().unwrap_or_default(),
            client.resource.join(" "),
        ];
        // Each with its name: most profiles have none of them.
        let more = [
            ("dpop", client.dpop.then(String::new)),
            ("assertion_issuer", client.assertion.issuer.clone()),
            ("assertion_subject", client.assertion.subject.clone()),
            ("requested_token_type", client.exchange.requested_token_type.clone()),
        ];
        parts.extend(more.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))));
        Self::new(&client.name, &parts)
    }

    /// The entry of the client that profile `name` registered at `endpoint`.
    pub fn registration(name: &str, endpoint: &url::Url) -> Self {
        Self::new(name, &["registration".to_owned(), name.to_owned(), endpoint.to_string()])
    }

    fn new(name: &str, parts: &[String]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part.len().to_le_bytes());
            digest.update(part.as_bytes());
        }
        let digest = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let name = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(64).collect();
        Self { name, digest }
    }

    /// A file name without an ending.
    pub fn file_stem(&self) -> String {
        format!("{}-{}", self.name, self.digest)
    }
}

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counts the writes of this entry.
    pub generation: u64,
    /// The token.
    pub access_token: Secret,
    /// Its type.
    pub token_type: String,
    /// What gets the next one.
    pub refresh_token: Option<Secret>,
    /// The granted scope.
    pub scope: Option<String>,
    /// When it was asked for.
    pub asked: SystemTime,
    /// How long it lives from then on.
    pub lifetime: Option<Duration>,
    /// The authorization server refused its refresh token.
    pub rejected: bool,
    /// Its refresh token was sent and no answer is known: it may be used up.
    pub uncertain: bool,
    /// Digest of the configured refresh token that this entry descends from, which is used up if refresh tokens rotate.
    pub seed: Option<String>,
    /// The key that the tokens are bound to, as [`Prover::saved`](super::dpop::Prover::saved) gives it.
    pub dpop_key: Option<Secret>,
    /// Names what they were got for: [`grant::fingerprint`](super::grant::fingerprint).
    pub given: Option<String>,
}

impl Entry {
    /// Is this refresh token used up: refused by the authorization server, or the ancestor of the one that is kept?
    pub fn is_dead(&self, refresh_token: &Secret) -> bool {
        match self.refresh_token.as_ref() == Some(refresh_token) {
            true => self.rejected,
            false => self.seed.is_some() && self.seed == Some(Self::seed_of(refresh_token)),
        }
    }

    /// [`seed`](Self::seed) of what grows from this refresh token.
    pub fn seed_of(refresh_token: &Secret) -> String {
        Sha256::digest(refresh_token.expose()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A client that was registered by ffauth itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: Secret,
}
