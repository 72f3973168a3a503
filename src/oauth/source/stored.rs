//! What a source finds in its store, and what it leaves there.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::clock::Now;
use crate::secret::Secret;

use super::Source;
use crate::oauth::client::Grant;
use crate::oauth::error::OauthError;
use crate::oauth::schedule;
use crate::oauth::store::{Entry, Locked, StoreError};
use crate::oauth::token::Token;
use crate::oauth::token_endpoint::Granted;

/// Another holder of the lock is in the middle of an exchange of its own: it is given that long, and this much more.
const LOCK_MARGIN: Duration = Duration::from_secs(10);
/// A stored token may have been asked for this long after now, by a clock that has been slewed since.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

impl Source {
    /// Was this entry got for what the profile is given now, and not for somebody else?
    fn is_ours(&self, entry: &Entry) -> bool {
        let given = self.progress().given.clone();
        match (self.0.client.grant, given) {
            // The configured refresh token may be gone once there is a stored one.
            (Grant::RefreshToken, None) => true,
            (Grant::RefreshToken, Some(configured)) => {
                let is_it = |token: &Secret| Entry::seed_of(token) == configured;
                entry.seed.as_ref().is_none_or(|seed| *seed == configured) || entry.refresh_token.as_ref().is_some_and(is_it)
            }
            (_, given) => entry.given == given,
        }
    }

    /// The refresh token of an entry that may be used for what this profile is given.
    pub(super) fn kept_refresh_token(&self, entry: &Entry) -> Option<Secret> {
        entry.refresh_token.clone().filter(|_| !entry.rejected && self.is_ours(entry))
    }

    /// Takes the entry's lock. Where there can be no lock the token stays in memory, and that is said loudly.
    pub(super) async fn lock_and_read(&self) -> Result<(Option<Box<dyn Locked>>, Option<Entry>), OauthError> {
        let (store, key) = (Arc::clone(&self.0.store), self.0.key.clone());
        let limit = self.0.client.timeout + LOCK_MARGIN;
        let locked = spawn_blocking(move || {
            let mut lock = store.lock(&key, limit).map_err(|error| (error, false))?;
            let entry = lock.read().map_err(|error| (error, true))?;
            Ok((lock, entry))
        });
        match locked.await {
            Ok(Ok((lock, entry))) => Ok((Some(lock), entry)),
            Ok(Err((error @ StoreError::Busy { .. }, _))) => Err(OauthError::Store(error.to_string())),
            // Whoever can write there could have put in a token of their own: nothing of it is used, and nothing added.
            Ok(Err((error @ StoreError::Untrusted { .. }, _))) => Err(OauthError::Config(error.to_string())),
            // A locked keyring, say: the refresh token in it has taken the place of the one that is configured.
            Ok(Err((error @ StoreError::Unusable { .. }, true))) if self.descends() => {
                Err(OauthError::Store(format!("{error}; what is kept there is needed, since a refresh token may work once only")))
            }
            Ok(Err((error @ StoreError::Unusable { .. }, _))) => {
                self.tell_store(Some(&error));
                Ok((None, None))
            }
            Err(ended) => Err(OauthError::Store(format!("the token store gave up: {ended}"))),
        }
    }

    /// Does each token come from the one before?
    fn descends(&self) -> bool {
        self.0.client.refresh_token.is_some() || self.0.client.grant.is_interactive()
    }

    /// The newest of what is stored and what this process could not store.
    pub(super) fn newest(&self, stored: Option<Entry>) -> Option<Entry> {
        let progress = self.progress();
        let ours = progress.unsaved.as_ref();
        match ours.filter(|ours| stored.as_ref().is_none_or(|stored| stored.generation < ours.generation)) {
            Some(ours) => Some(ours.clone()),
            None => stored,
        }
    }

    pub(super) async fn save(&self, lock: &mut Option<Box<dyn Locked>>, entry: &Entry) {
        let Some(mut held) = lock.take() else {
            self.progress().unsaved = Some(entry.clone());
            return;
        };
        let written = entry.clone();
        let saved = spawn_blocking(move || {
            let saved = held.write(&written);
            (held, saved)
        });
        match saved.await {
            Ok((held, saved)) => {
                *lock = Some(held);
                self.progress().unsaved = saved.is_err().then(|| entry.clone());
                self.tell_store(saved.as_ref().err());
            }
            Err(ended) => {
                self.progress().unsaved = Some(entry.clone());
                tracing::warn!(target: "ffauth::token", "the token store gave up: {ended}");
            }
        }
    }

    /// Says once that the store fails, and once that it does no more.
    fn tell_store(&self, failure: Option<&StoreError>) {
        let told = std::mem::replace(&mut self.progress().store_warned, failure.is_some());
        let profile = &self.0.client.name;
        match failure {
            Some(error) if !told => tracing::warn!(
                target: "ffauth::token",
                profile,
                "the token cannot be stored and is kept in memory only; it is lost when this process ends: {error}"
            ),
            None if told => tracing::warn!(target: "ffauth::token", profile, "the token is stored again"),
            _ => {}
        }
    }

    /// What another process, or an earlier run, left: taken if it is neither the one that was refused here nor due itself.
    pub(super) fn adoptable(&self, entry: &Entry, now: &Now, wanted: bool, min_valid: Duration) -> Option<Arc<Token>> {
        let current = self.0.state.borrow().token.clone();
        if current.as_ref().is_some_and(|token| token.access_token == entry.access_token) {
            return None;
        }
        let token = self.stored_token(entry, now)?;
        let Some(life) = token.lifetime else {
            // How long it has been dead, nobody knows; but whoever got it did so after the one that was refused here.
            return current.map(|_| Arc::new(token));
        };
        let limit = if wanted { schedule::hard_point(life) } else { schedule::soft_point(life, self.0.jitter) };
        let age = token.age(now);
        (age < limit && life.saturating_sub(age) >= min_valid).then(|| Arc::new(token))
    }

    /// The token of an entry, unless the clock has been set back since and nobody can tell how old it is.
    pub(super) fn stored_token(&self, entry: &Entry, now: &Now) -> Option<Token> {
        if !self.is_ours(entry) {
            return None;
        }
        // The entry knows the wall clock alone; the boot clock is set back by the same age.
        let age = match now.wall.duration_since(entry.asked) {
            Ok(age) => age,
            Err(ahead) if ahead.duration() <= CLOCK_TOLERANCE => Duration::ZERO,
            Err(_) => return None,
        };
        let granted = Granted {
            access_token: entry.access_token.clone(),
            token_type: entry.token_type.clone(),
            lifetime: entry.lifetime,
            refresh_token: None,
            scope: entry.scope.clone(),
            tolerated: Vec::new(),
        };
        let asked = Now { boot: now.boot.saturating_sub(age), wall: entry.asked };
        Some(Token { inherited: true, ..self.token_of(granted, entry.refresh_token.clone(), asked) })
    }

    /// After a failed exchange: what is known stays, with what the failure says about the refresh token.
    pub(super) async fn outlive(&self, lock: &mut Option<Box<dyn Locked>>, entry: Entry, error: &OauthError, now: &Now) {
        if !self.is_ours(&entry) {
            return;
        }
        // Never delete: whoever comes with a newer refresh token must find what is known.
        if error.needs_login() && !entry.rejected {
            self.save(lock, &Entry { rejected: true, uncertain: false, ..entry.clone() }).await;
        }
        // A process that has no token yet can live on what is left of the stored one.
        let is_first = self.0.state.borrow().token.is_none();
        if is_first
            && let Some(token) = self.stored_token(&entry, now)
            && token.remaining(now).is_some_and(|left| !left.is_zero())
        {
            self.0.state.send_modify(|state| state.token = Some(Arc::new(token)));
        }
    }
}
