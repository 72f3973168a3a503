//! An entry as text: JSON with a version, the same in a file and in a keyring.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::secret::Secret;

use super::{Entry, Registration};

/// The format of this version; a record with a higher number is left to whoever wrote it.
const VERSION: u32 = 1;

/// What is kept as text.
pub(super) trait Record: Sized {
    /// The text.
    fn to_text(&self) -> Zeroizing<String>;

    /// # Errors
    /// What is wrong with the text, as a clause that follows its name.
    fn parse(text: &[u8]) -> Result<Self, String>;
}

#[derive(Serialize, Deserialize)]
struct StoredEntry {
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
    #[serde(default)]
    uncertain: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dpop_key: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredRegistration {
    version: u32,
    client_id: String,
    client_secret: Zeroizing<String>,
}

impl Record for Entry {
    fn to_text(&self) -> Zeroizing<String> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        text(&StoredEntry {
            version: VERSION,
            generation: self.generation,
            access_token: plain(&self.access_token),
            token_type: self.token_type.clone(),
            refresh_token: self.refresh_token.as_ref().map(plain),
            scope: self.scope.clone(),
            asked_ms: millis(self.asked.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()),
            lifetime_ms: self.lifetime.map(millis),
            rejected: self.rejected,
            uncertain: self.uncertain,
            seed: self.seed.clone(),
            dpop_key: self.dpop_key.as_ref().map(plain),
            given: self.given.clone(),
        })
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let stored: StoredEntry = content(text)?;
        let asked = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(stored.asked_ms));
        Ok(Entry {
            generation: stored.generation,
            access_token: Secret::new(stored.access_token.as_str()),
            token_type: stored.token_type,
            refresh_token: stored.refresh_token.map(|token| Secret::new(token.as_str())),
            scope: stored.scope,
            asked: asked.ok_or("is damaged")?,
            lifetime: stored.lifetime_ms.map(Duration::from_millis),
            rejected: stored.rejected,
            uncertain: stored.uncertain,
            seed: stored.seed,
            dpop_key: stored.dpop_key.map(|key| Secret::new(key.as_str())),
            given: stored.given,
        })
    }
}

impl Record for Registration {
    fn to_text(&self) -> Zeroizing<String> {
        text(&StoredRegistration {
            version: VERSION,
            client_id: self.client_id.clone(),
            client_secret: plain(&self.client_secret),
        })
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let stored: StoredRegistration = content(text)?;
        Ok(Registration { client_id: stored.client_id, client_secret: Secret::new(stored.client_secret.as_str()) })
    }
}

fn plain(secret: &Secret) -> Zeroizing<String> {
    Zeroizing::new(secret.expose().to_owned())
}

fn text(content: &impl Serialize) -> Zeroizing<String> {
    // Strings, numbers and booleans by name: there is always a JSON text for these.
    Zeroizing::new(serde_json::to_string(content).unwrap_or_default())
}

fn content<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let damaged = |_| "is damaged".to_owned();
    let Version { version } = serde_json::from_slice(text).map_err(damaged)?;
    if version > u64::from(VERSION) {
        return Err(format!("is of version {version}, which is newer than this ffauth"));
    }
    serde_json::from_slice(text).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let entry = Entry {
            generation: 7,
            access_token: "a\"\\\u{1}".into(),
            token_type: "Bearer".to_owned(),
            refresh_token: Some("r".into()),
            scope: Some("a b".to_owned()),
            asked: SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567),
            lifetime: Some(Duration::from_millis(1500)),
            rejected: true,
            uncertain: true,
            seed: Some("5eed".to_owned()),
            dpop_key: Some("k".into()),
            given: Some("f".to_owned()),
        };
        assert_eq!(Entry::parse(entry.to_text().as_bytes()), Ok(entry));
        let registration = Registration { client_id: "id".to_owned(), client_secret: "s".into() };
        assert_eq!(Registration::parse(registration.to_text().as_bytes()), Ok(registration));
    }

    #[test]
    fn what_an_earlier_version_wrote_is_read() {
        let text = br#"{"version":1,"generation":1,"access_token":"a","token_type":"Bearer","asked_ms":5}"#;
        let entry = Entry::parse(text).expect("an entry");
        assert!(!entry.rejected && !entry.uncertain && entry.lifetime.is_none());
    }

    #[test]
    fn every_beginning_of_a_record_is_damaged_and_nothing_panics() {
        let text = br#"{"version":1,"generation":1,"access_token":"a","token_type":"Bearer","asked_ms":18446744073709551615}"#;
        for end in 0..text.len() {
            assert_eq!(Entry::parse(&text[..end]), Err("is damaged".to_owned()));
        }
        let _ = Entry::parse(text);
        assert!(Entry::parse(br#"{"version":2}"#).expect_err("of the future").contains("newer"));
    }
}
