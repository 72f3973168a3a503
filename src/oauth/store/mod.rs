//! Where tokens are kept between runs, and between processes that share them.

mod file;
mod memory;

use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::secret::Secret;

use super::client::Client;

pub use file::FileStore;
pub use memory::MemoryStore;

/// Keeps one [`Entry`] per [`Key`]. The calls block.
pub trait Store: Send + Sync {
    /// Takes the entry for itself, over all processes that use the store; waits at most `limit` for another holder.
    ///
    /// # Errors
    /// [`StoreError::Busy`] after `limit`; [`StoreError::Unusable`] if there can be no lock, for a read-only place say.
    fn lock(&self, key: &Key, limit: Duration) -> Result<Box<dyn Locked>, StoreError>;

    /// Where the entry is, for people.
    fn place(&self, key: &Key) -> String;
}

/// An entry that nobody else can change now. Dropping it lets go.
pub trait Locked: Send {
    /// What is kept. A damaged entry is put aside, said in the log, and counts as none.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
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
        let parts = [
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
        let mut digest = Sha256::new();
        for part in &parts {
            digest.update(part.len().to_le_bytes());
            digest.update(part.as_bytes());
        }
        let digest = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let name = client.name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(64).collect();
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
    /// A media server refused it, or the authorization server its refresh token.
    pub rejected: bool,
}
