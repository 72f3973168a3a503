//! One exchange: from the locked entry to a saved token.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use url::Url;
use zeroize::Zeroizing;

use crate::clock::Now;
use crate::secret::Secret;

use super::{Outcome, Source};
use crate::oauth::client::Grant;
use crate::oauth::dpop::Prover;
use crate::oauth::endpoints::Endpoints;
use crate::oauth::error::OauthError;
use crate::oauth::grant::{self, Ask};
use crate::oauth::store::{Entry, Locked, StoreError};
use crate::oauth::token::Token;
use crate::oauth::token_endpoint::{self, Granted};
use crate::oauth::transport::Answer;
use crate::oauth::{external, schedule};

/// Another holder of the lock is in the middle of an exchange of its own: it is given that long, and this much more.
const LOCK_MARGIN: Duration = Duration::from_secs(10);
/// A stored token may have been asked for this long after now, by a clock that has been slewed since.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);
/// Clocks that differ by less are as good as one: servers allow for it.
const SKEW: Duration = Duration::from_secs(60);

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
        self.count(asked.is_ok());
        let (granted, asked, seed) = match asked {
            Ok(answer) => answer,
            Err(error) => {
                if let Some(entry) = entry {
                    self.outlive(&mut lock, entry, &error, &now).await;
                }
                return Err(error);
            }
        };
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

    /// The refresh token of an entry that may be used for what this profile is given.
    fn kept_refresh_token(&self, entry: &Entry) -> Option<Secret> {
        let is_ours = !entry.rejected && entry.given == self.progress().given;
        entry.refresh_token.clone().filter(|_| is_ours)
    }

    /// Takes the entry's lock. Where there can be no lock the token stays in memory, and that is said loudly.
    pub(super) async fn lock_and_read(&self) -> Result<(Option<Box<dyn Locked>>, Option<Entry>), OauthError> {
        let (store, key) = (Arc::clone(&self.0.store), self.0.key.clone());
        let limit = self.0.client.timeout + LOCK_MARGIN;
        let locked = spawn_blocking(move || {
            let mut lock = store.lock(&key, limit)?;
            let entry = lock.read()?;
            Ok((lock, entry))
        });
        match locked.await {
            Ok(Ok((lock, entry))) => Ok((Some(lock), entry)),
            Ok(Err(error @ StoreError::Busy { .. })) => Err(OauthError::Store(error.to_string())),
            // Whoever can write there could have put in a token of their own: nothing of it is used, and nothing added.
            Ok(Err(error @ StoreError::Untrusted { .. })) => Err(OauthError::Config(error.to_string())),
            Ok(Err(error @ StoreError::Unusable { .. })) => {
                self.tell_store(Some(&error));
                Ok((None, None))
            }
            Err(ended) => Err(OauthError::Store(format!("the token store gave up: {ended}"))),
        }
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

    async fn save(&self, lock: &mut Option<Box<dyn Locked>>, entry: &Entry) {
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
    fn adoptable(&self, entry: &Entry, now: &Now, wanted: bool, min_valid: Duration) -> Option<Arc<Token>> {
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
    fn stored_token(&self, entry: &Entry, now: &Now) -> Option<Token> {
        if entry.given != self.progress().given {
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
        Some(self.token_of(granted, entry.refresh_token.clone(), asked))
    }

    /// After a failed exchange: what is known stays, with what the failure says about the refresh token.
    async fn outlive(&self, lock: &mut Option<Box<dyn Locked>>, entry: Entry, error: &OauthError, now: &Now) {
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

    /// Where this client's server is asked for what.
    ///
    /// # Errors
    /// The discovery document cannot be had, or nothing names a token endpoint.
    pub async fn endpoints(&self) -> Result<Endpoints, OauthError> {
        Endpoints::find(&self.0.client, &*self.0.transport).await
    }

    /// The token endpoint: as configured, else as the issuer's discovery document has it.
    ///
    /// # Errors
    /// The document cannot be had, or nothing names an endpoint.
    pub async fn token_url(&self) -> Result<Url, OauthError> {
        match &self.0.client.token_url {
            Some(url) => Ok(url.clone()),
            None => Ok(self.endpoints().await?.token_url),
        }
    }

    /// Asks in each way in turn that may help: what was granted, when it was asked for, and [`Entry::seed`].
    async fn ask(
        &self,
        lock: &mut Option<Box<dyn Locked>>,
        entry: Option<&Entry>,
    ) -> Result<(Granted, Now, Option<String>), OauthError> {
        let kept = entry.and_then(|entry| self.kept_refresh_token(entry));
        let shared = Arc::clone(&self.0);
        let ways = spawn_blocking(move || grant::ways(&shared.client, kept.as_ref(), &shared.env));
        let ways = ways.await.map_err(|ended| OauthError::Config(format!("a secret could not be read: {ended}")))??;
        let has_other = ways.iter().any(Ask::is_repeatable);
        let mut token_url = None;
        let mut last = None;
        // While one refresh token may or may not be used up, an older one is used up for certain.
        let mut in_doubt = false;
        for ask in ways {
            if let Ask::Refresh(token) = &ask {
                let is_dead = self.progress().refused.contains(token) || entry.is_some_and(|entry| entry.is_dead(token));
                if is_dead || in_doubt {
                    continue;
                }
                let lost = entry.filter(|entry| entry.uncertain && entry.refresh_token.as_ref() == Some(token));
                if let Some(entry) = lost
                    && let Some(error) = self.refresh_is_unsafe(entry, has_other)
                {
                    in_doubt = true;
                    last = Some(error);
                    continue;
                }
            }
            let url = match &token_url {
                Some(url) => url,
                None => token_url.insert(self.token_url().await?),
            };
            let sent = entry.filter(|entry| matches!(&ask, Ask::Refresh(token) if entry.refresh_token.as_ref() == Some(token)));
            if let Some(entry) = sent {
                // Should this process end before the answer is saved, the next one knows what it holds.
                self.save(lock, &Entry { uncertain: true, ..entry.clone() }).await;
            }
            let asked = self.0.clock.now();
            let error = match self.ask_once(url, &ask).await {
                Ok(granted) => {
                    let seed = match (&ask, sent) {
                        (_, Some(entry)) => entry.seed.clone(),
                        (Ask::Refresh(token), None) => Some(Entry::seed_of(token)),
                        _ => None,
                    };
                    return Ok((granted, asked, seed));
                }
                Err(error) => error,
            };
            if !ask.is_repeatable() && error.may_have_been_processed() {
                in_doubt = true;
                last = Some(error);
                continue;
            }
            if let Some(entry) = sent {
                self.save(lock, &Entry { uncertain: false, ..entry.clone() }).await;
            }
            if error.oauth_code() != Some("invalid_grant") && !is_bare_400(&error, &ask) {
                return Err(error);
            }
            tracing::warn!(target: "ffauth::token", profile = self.0.client.name, "{error}");
            if let Ask::Refresh(token) = ask {
                self.progress().refused.push(token);
            }
            last = Some(error);
        }
        let instead = match self.0.client.grant {
            Grant::RefreshToken => Some("get a new one and set refresh_token"),
            Grant::AuthorizationCode | Grant::DeviceCode => Some("somebody has to sign in again"),
            _ => None,
        };
        match last {
            Some(OauthError::Refused { .. }) | None if let Some(instead) = instead => {
                Err(OauthError::LoginRequired(format!("the refresh token is not accepted any more; {instead}")))
            }
            Some(error) => Err(error),
            None => Err(OauthError::Config("there is no way to ask for a token".to_owned())),
        }
    }

    /// A refresh token whose last answer was lost may be used up, and servers end the whole login when one comes twice. It is
    /// sent again only where nothing else can get a token and nothing is left to lose.
    fn refresh_is_unsafe(&self, entry: &Entry, has_other: bool) -> Option<OauthError> {
        let now = self.0.clock.now();
        let stored = self.stored_token(entry, &now);
        let current = self.0.state.borrow().token.clone();
        let is_alive = |token: &Token| token.remaining(&now).is_none_or(|left| !left.is_zero());
        let alive = stored.as_ref().is_some_and(is_alive) || current.as_deref().is_some_and(is_alive);
        if has_other {
            tracing::warn!(
                target: "ffauth::token",
                profile = self.0.client.name,
                "the answer to a refresh was lost, so the refresh token may be used up; a new token is asked for without it"
            );
        }
        (has_other || alive).then(|| {
            OauthError::Stale(
                "the answer to a refresh was lost, so the refresh token is not sent again before the token has expired"
                    .to_owned(),
            )
        })
    }

    pub(super) async fn ask_once(&self, token_url: &Url, ask: &Ask) -> Result<Granted, OauthError> {
        let prover = self.progress().prover.clone();
        let mut is_second = false;
        loop {
            let (shared, url, asked, proving) = (Arc::clone(&self.0), token_url.clone(), ask.clone(), prover.clone());
            let request = spawn_blocking(move || {
                let now = shared.clock.now().wall;
                let mut request = token_endpoint::request(&shared.client, &url, &asked, now, &shared.env)?;
                if let Some(prover) = proving {
                    let proof = prover.proof("POST", &url, None, now)?;
                    request.headers.push(("DPoP".to_owned(), Zeroizing::new(proof.expose().to_owned())));
                }
                Ok(request)
            });
            let request = request.await.map_err(|ended| OauthError::Config(format!("a secret could not be read: {ended}")))??;
            let answer = self.0.transport.send(request).await?;
            self.compare_clocks(&answer);
            let nonce = answer.dpop_nonce.as_deref();
            let has_new_nonce = prover.as_ref().zip(nonce).is_some_and(|(prover, nonce)| prover.learn(token_url, nonce));
            match token_endpoint::parse(&self.0.client, token_url, &answer) {
                // RFC 9449 section 8: refused before anything was looked at, so a refresh token is still good.
                Err(error) if error.oauth_code() == Some("use_dpop_nonce") && has_new_nonce && !is_second => is_second = true,
                outcome => return outcome,
            }
        }
    }

    /// A life counts from our own clock, so that a server whose clock differs is no trouble; unless it judges the times in what
    /// we sign. Told once, when that is so or something was refused.
    fn compare_clocks(&self, answer: &Answer) {
        let Some(theirs) = answer.date else { return };
        let ours = self.0.clock.now().wall;
        let (apart, direction) = match theirs.duration_since(ours) {
            Ok(apart) => (apart, "behind"),
            Err(ahead) => (ahead.duration(), "ahead of"),
        };
        let matters = self.0.client.signs() || matches!(answer.status, 400 | 401);
        if apart < SKEW || !matters || std::mem::replace(&mut self.progress().skew_warned, true) {
            return;
        }
        tracing::warn!(
            target: "ffauth::token",
            profile = self.0.client.name,
            "this machine's clock is {} s {direction} the authorization server's, which may refuse what is signed here; set it (NTP)",
            apart.as_secs()
        );
    }

    async fn read_external(&self) -> Outcome {
        let now = self.0.clock.now();
        let shared = Arc::clone(&self.0);
        let granted = spawn_blocking(move || external::read(&shared.client, &shared.env, &now));
        let granted = granted.await.map_err(|ended| OauthError::Config(format!("the token could not be read: {ended}")))?;
        let granted = granted.inspect_err(|_| self.count(false))?;
        let current = self.0.state.borrow().token.clone();
        let is_current = current.as_ref().is_some_and(|token| token.access_token == granted.access_token);
        let rejected = self.progress().rejected;
        if let Some(current) = current.filter(|_| is_current) {
            let over = current.remaining(&now).is_some_and(|left| left.is_zero());
            if current.generation <= rejected || over {
                let state = if over { "has expired" } else { "was refused by the media server" };
                self.count(false);
                return Err(OauthError::Stale(format!(
                    "the token {state} and its source (access_token) still gives the same one"
                )));
            }
            return Ok(current);
        }
        if granted.lifetime.is_some_and(|life| life.is_zero()) {
            self.count(false);
            return Err(OauthError::Stale("the token from access_token has expired".to_owned()));
        }
        self.count(true);
        Ok(Arc::new(self.token_of(granted, None, now)))
    }

    pub(super) fn count(&self, succeeded: bool) {
        let counts = &mut self.progress().counts;
        if succeeded { counts.refreshes += 1 } else { counts.failures += 1 }
    }

    fn token_of(&self, granted: Granted, refresh_token: Option<Secret>, asked: Now) -> Token {
        let newest = self.0.state.borrow().token.as_ref().map_or(0, |token| token.generation);
        let lifetime = self.progress().life.plan(granted.lifetime);
        Token {
            access_token: granted.access_token,
            prover: self.progress().prover.clone().filter(|_| granted.token_type.eq_ignore_ascii_case("dpop")),
            token_type: granted.token_type,
            refresh_token,
            scope: granted.scope,
            generation: newest + 1,
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
        let wanted = &self.0.client.scope;
        if first && let Some(scope) = &granted.scope {
            let separator = self.0.client.dialect.scope_separator.as_str();
            let has: Vec<&str> = scope.split([' ', ',']).chain(scope.split(separator)).collect();
            let missing: Vec<&str> = wanted.iter().map(String::as_str).filter(|scope| !has.contains(scope)).collect();
            if !missing.is_empty() {
                tracing::warn!(target: "ffauth::token", profile, "the server did not grant the scope {}", missing.join(" "));
            }
        }
    }
}

/// Some servers (glewlwyd) refuse a used-up refresh token with 400 and an empty body.
fn is_bare_400(error: &OauthError, ask: &Ask) -> bool {
    matches!(ask, Ask::Refresh(_)) && error.http_status() == Some(400) && error.oauth_code().is_none()
}
