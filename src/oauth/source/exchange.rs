//! One exchange: from the locked entry to a saved token.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::clock::Now;
use crate::secret::Secret;

use super::{Outcome, Source};
use crate::oauth::client::Grant;
use crate::oauth::dpop::Prover;
use crate::oauth::error::OauthError;
use crate::oauth::external;
use crate::oauth::grant;
use crate::oauth::store::{Entry, Locked};
use crate::oauth::token::Token;
use crate::oauth::token_endpoint::Granted;

impl Source {
    pub(super) async fn exchange(&self, wanted: bool, min_valid: Duration) -> Outcome {
        if self.0.client.grant == Grant::External {
            return self.read_external().await;
        }
        let now = self.0.clock.now();
        self.read_given().await?;
        let (mut lock, stored) = self.lock_and_read().await?;
        let entry = self.newest(stored);
        self.find_prover(entry.as_ref())?;
        if let Some(entry) = &entry
            && let Some(token) = self.adoptable(entry, &now, wanted, min_valid)
        {
            tracing::debug!(target: "ffauth::token", profile = self.0.client.name, "took a token from the store");
            return Ok(token);
        }
        let asked = self.ask(&mut lock, entry.as_ref()).await;
        let (granted, asked, seed) = match asked {
            Ok(answer) => answer,
            Err(error) => {
                self.count_failure();
                if let Some(entry) = entry {
                    self.outlive(&mut lock, entry, &error, &now).await;
                }
                return Err(error);
            }
        };
        self.count_granted(asked);
        self.note(&granted);
        let kept = entry.as_ref().and_then(|entry| self.kept_refresh_token(entry));
        let refresh_token = granted.refresh_token.clone().or(kept);
        let before = entry.map_or(0, |entry| entry.generation);
        Ok(self.keep(&mut lock, before, Granted { refresh_token, ..granted }, asked, seed).await)
    }

    /// Saves what was granted, and only then gives it out. `before` is the generation of the entry that it replaces.
    pub(super) async fn keep(
        &self,
        lock: &mut Option<Box<dyn Locked>>,
        before: u64,
        granted: Granted,
        asked: Now,
        seed: Option<String>,
    ) -> Arc<Token> {
        let (dpop_key, given) = {
            let progress = self.progress();
            (progress.prover.as_ref().map(|prover| prover.saved().clone()), progress.given.clone())
        };
        let entry = Entry {
            generation: before + 1,
            access_token: granted.access_token.clone(),
            token_type: granted.token_type.clone(),
            refresh_token: granted.refresh_token.clone(),
            scope: granted.scope.clone(),
            asked: asked.wall,
            lifetime: granted.lifetime,
            rejected: false,
            uncertain: false,
            seed,
            dpop_key,
            given,
        };
        self.save(lock, &entry).await;
        let refresh_token = granted.refresh_token.clone();
        Arc::new(self.token_of(granted, refresh_token, asked))
    }

    /// Reads what the token is got for, where that is somebody else's token.
    pub(super) async fn read_given(&self) -> Result<(), OauthError> {
        let shared = Arc::clone(&self.0);
        let given = spawn_blocking(move || grant::fingerprint(&shared.client, &shared.env));
        let given = given.await.map_err(|ended| OauthError::Config(format!("a secret could not be read: {ended}")))??;
        self.progress().given = given;
        Ok(())
    }

    /// The key that tokens are bound to: the stored one, which the stored tokens need, else ours, else a new one.
    pub(super) fn find_prover(&self, entry: Option<&Entry>) -> Result<(), OauthError> {
        if !self.0.client.dpop {
            return Ok(());
        }
        let stored = entry.and_then(|entry| entry.dpop_key.as_ref());
        let mut progress = self.progress();
        let is_ours = progress.prover.as_ref().is_some_and(|ours| stored.is_none_or(|stored| stored == ours.saved()));
        if !is_ours {
            // A damaged key costs the tokens that are bound to it, and no more.
            let restored = stored.and_then(|stored| Prover::restore(stored).ok());
            progress.prover = Some(Arc::new(restored.map_or_else(Prover::generate, Ok)?));
        }
        Ok(())
    }

    async fn read_external(&self) -> Outcome {
        let now = self.0.clock.now();
        let shared = Arc::clone(&self.0);
        let newest = self.0.state.borrow().token.clone();
        let refused = newest.filter(|token| token.generation <= self.progress().rejected);
        let granted = spawn_blocking(move || match &shared.client.holder {
            Some(holder) => holder.read(refused.as_ref().map(|token| &token.access_token)),
            None => external::read(&shared.client, &shared.env, &now),
        });
        let granted = granted.await.map_err(|ended| OauthError::Config(format!("the token could not be read: {ended}")))?;
        let granted = granted.inspect_err(|_| self.count_failure())?;
        let current = self.0.state.borrow().token.clone();
        let is_current = current.as_ref().is_some_and(|token| token.access_token == granted.access_token);
        let rejected = self.progress().rejected;
        if let Some(current) = current.filter(|_| is_current) {
            let over = current.remaining(&now).is_some_and(|left| left.is_zero());
            if current.generation <= rejected || over {
                let state = if over { "has expired" } else { "was refused by the media server" };
                self.count_failure();
                let source =
                    if self.0.client.holder.is_some() { "the service that holds it" } else { "its source (access_token)" };
                return Err(OauthError::Stale(format!("the token {state} and {source} still gives the same one")));
            }
            return Ok(current);
        }
        if granted.lifetime.is_some_and(|life| life.is_zero()) {
            self.count_failure();
            return Err(OauthError::Stale("the token has expired already where it is kept".to_owned()));
        }
        self.count_granted(now);
        Ok(Arc::new(self.token_of(granted, None, now)))
    }

    pub(super) fn count_failure(&self) {
        self.progress().counts.failures += 1;
    }

    /// Counts a request that was sent at `asked` and has brought a token.
    pub(super) fn count_granted(&self, asked: Now) {
        let took = self.0.clock.now().since(&asked);
        let counts = &mut self.progress().counts;
        counts.refreshes += 1;
        counts.took += took;
    }

    pub(super) fn token_of(&self, granted: Granted, refresh_token: Option<Secret>, asked: Now) -> Token {
        let newest = self.0.state.borrow().token.as_ref().map_or(0, |token| token.generation);
        let lifetime = self.progress().life.plan(granted.lifetime);
        Token {
            access_token: granted.access_token,
            prover: self.progress().prover.clone().filter(|_| granted.token_type.eq_ignore_ascii_case("dpop")),
            token_type: granted.token_type,
            refresh_token,
            scope: granted.scope,
            generation: newest + 1,
            inherited: false,
            asked,
            lifetime,
        }
    }

    /// Tells the log once what is unusual about this server's answers.
    pub(super) fn note(&self, granted: &Granted) {
        let profile = &self.0.client.name;
        if granted.lifetime.is_some_and(|life| life.is_zero()) {
            tracing::warn!(target: "ffauth::token", profile, "the server gave a token that has expired already");
        }
        let first = !std::mem::replace(&mut self.progress().noted, true);
        if first && !granted.tolerated.is_empty() {
            tracing::info!(target: "ffauth::token", profile, "the token response has {}", granted.tolerated.join(", "));
        }
        if first && let Some(scope) = &granted.scope {
            let missing = self.0.client.lacking(scope);
            if !missing.is_empty() {
                tracing::warn!(target: "ffauth::token", profile, "the server did not grant the scope {}", missing.join(" "));
            }
        }
    }
}
