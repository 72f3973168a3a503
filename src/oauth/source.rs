//! The tokens of one client: asked for once however many want one, ahead of expiry, stored before anyone may use them.
//!
//! One exchange runs at a time, as a task of its own: whoever waits for it may be cancelled without harm. Its steps, in this
//! order: lock the entry, read it, adopt what another process got meanwhile, else ask; **save**; let go; publish.

mod ask;
mod exchange;
mod life;
mod sign_in;
mod stored;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use url::Url;

use crate::backoff;
use crate::clock::{Clock, Now};
use crate::env::Env;
use crate::secret::Secret;
use crate::shutdown::Shutdown;

use super::client::{Client, Grant};
use super::dpop::Prover;
use super::error::OauthError;
use super::external;
use super::schedule;
use super::store::{Entry, Key, Store, StoreError};
use super::token::Token;
use super::transport::Transport;

pub use sign_in::SignedOut;

use life::Life;

/// Hands out the tokens of one client. Clones share everything.
#[derive(Clone)]
pub struct Source(Arc<Shared>);

/// The newest token, and what has failed since.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// `None` before the first one.
    pub token: Option<Arc<Token>>,
    /// The last failure after that token.
    pub failure: Option<OauthError>,
}

/// Token requests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That brought a token.
    pub refreshes: u64,
    /// That did not.
    pub failures: u64,
    /// How long those that brought a token took, all together.
    pub took: Duration,
}

struct Shared {
    client: Client,
    key: Key,
    store: Arc<dyn Store>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    env: Env,
    runtime: Handle,
    /// In 0..1, for the soft point.
    jitter: f64,
    state: watch::Sender<State>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// The exchange that is running; its result goes to everybody who waits.
    running: Option<watch::Receiver<Option<Outcome>>>,
    counts: Counts,
    /// Failures in a row, and when the next request may be sent.
    failures: u32,
    not_before: Option<Duration>,
    /// The newest generation that a media server refused.
    rejected: u64,
    life: Life,
    /// The newest entry, where the store has not taken it.
    unsaved: Option<Entry>,
    /// The key that tokens are bound to, of a client that has them bound.
    prover: Option<Arc<Prover>>,
    /// What tokens are asked for with: see [`super::grant::fingerprint`].
    given: Option<String>,
    /// Whether the log has been told that the store fails, and that the clocks differ.
    store_warned: bool,
    skew_warned: bool,
    /// Refresh tokens that the server has refused: none is sent twice.
    refused: Vec<Secret>,
    /// The token endpoint that discovery found, until something fails.
    token_url: Option<Url>,
    /// The HTTP status of the last answer.
    status: Option<u16>,
    /// Whether the log has been told that requests fail.
    warned: bool,
    /// Deviations that the log has been told about.
    noted: bool,
}

type Outcome = Result<Arc<Token>, OauthError>;

/// A file that an agent writes is looked at this often.
const WATCH: Duration = Duration::from_secs(1);
/// The timer stands still while the machine sleeps, so the age of the token is looked at again after this long.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

impl Source {
    /// A source that has asked nothing yet. `runtime` drives token requests and the background refresh.
    pub fn new(
        client: Client,
        store: Arc<dyn Store>,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        env: Env,
        runtime: Handle,
    ) -> Self {
        Self(Arc::new(Shared {
            key: Key::of(&client),
            client,
            store,
            transport,
            clock,
            env,
            runtime,
            jitter: backoff::random(),
            state: watch::Sender::default(),
            progress: Mutex::default(),
        }))
    }

    /// What it asks for.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Where its tokens are kept, for people.
    pub fn place(&self) -> String {
        self.0.store.place(&self.0.key)
    }

    /// What an earlier run or another process left in the store, as it is. Waits for nobody.
    ///
    /// # Errors
    /// The store cannot be used, or the entry is damaged.
    pub fn stored(&self) -> Result<Option<Entry>, StoreError> {
        self.0.store.peek(&self.0.key)
    }

    /// The newest token if it is not past its hard point; else waits for the exchange that is running or begins one. A token
    /// with less than `min_valid` of life left is refreshed once; what then comes is handed out whatever its life.
    ///
    /// # Errors
    /// Why there is none. During the wait after a failure that failure is returned at once. Without a `min_valid` no failure is
    /// returned before the token that is there has expired.
    pub async fn token(&self, min_valid: Duration) -> Result<Arc<Token>, OauthError> {
        let now = self.0.clock.now();
        if let Some(token) = self.usable(&now)
            && (min_valid.is_zero() || token.remaining(&now).is_none_or(|left| left >= min_valid))
        {
            return Ok(token);
        }
        let error = match self.begin(true, min_valid) {
            Err(failure) => failure,
            Ok(mut running) => match running.wait_for(Option::is_some).await.map(|outcome| outcome.clone()) {
                Ok(Some(Ok(token))) => return Ok(token),
                Ok(Some(Err(error))) => error,
                Ok(None) | Err(_) => OauthError::Stale("the token request was broken off".to_owned()),
            },
        };
        // Past the hard point and before expiry a server that is down is no reason to stop.
        let now = self.0.clock.now();
        self.unrefused()
            .filter(|token| min_valid.is_zero() && token.remaining(&now).is_some_and(|left| !left.is_zero()))
            .ok_or(error)
    }

    /// The media server refused the token of this generation. Nothing happens if a newer one exists; else an exchange begins in
    /// the background, unless the last one has just failed. Never blocks.
    pub fn invalidate(&self, generation: u64) {
        let newest = self.0.state.borrow().token.clone();
        let age = newest.as_ref().map(|token| token.age(&self.0.clock.now()));
        let learned = {
            let mut progress = self.progress();
            if generation < newest.as_ref().map_or(0, |token| token.generation) || generation <= progress.rejected {
                return;
            }
            progress.rejected = generation;
            newest.zip(age).and_then(|(token, age)| progress.life.refused(age, token.lifetime))
        };
        let age = age.map(|age| age.as_secs());
        tracing::info!(target: "ffauth::token", profile = self.0.client.name, generation, age, "the media server refused the token");
        if let Some(life) = learned {
            tracing::warn!(
                target: "ffauth::token",
                profile = self.0.client.name,
                "tokens are refused after {} s, whatever the authorization server says; they are renewed ahead of that",
                life.as_secs()
            );
        }
        // A failure says why; whoever needs the token will be told.
        let _ = self.begin(true, Duration::ZERO);
    }

    /// Asks for another token now, whatever the life of the one that is there. A request that is under way is waited for; where
    /// it brings nothing newer than what there was, another one follows.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub async fn renew(&self) -> Result<Arc<Token>, OauthError> {
        let before = self.0.state.borrow().token.as_ref().map_or(0, |token| token.generation);
        let mut is_second = false;
        loop {
            self.progress().not_before = None;
            let mut running = self.begin(true, Duration::MAX)?;
            let outcome = running.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
            let broken_off = || Err(OauthError::Stale("the token request was broken off".to_owned()));
            let outcome = outcome.ok().flatten().unwrap_or_else(broken_off);
            match outcome {
                Ok(token) if token.generation <= before && !is_second => is_second = true,
                outcome => return outcome,
            }
        }
    }

    /// Refreshes at the soft point, until `stop`. To be spawned once by the user of the source.
    pub async fn keep_fresh(&self, stop: Shutdown) {
        let mut state = self.0.state.subscribe();
        let mut mark = external::mark(&self.0.client);
        loop {
            state.borrow_and_update();
            let wait = self.until_refresh();
            let watching = self.0.client.grant == Grant::External;
            let sleep = match (wait, watching) {
                (Some(wait), true) => Some(wait.min(WATCH)),
                (None, true) => Some(WATCH),
                (wait, false) => wait.map(|wait| wait.min(LONGEST_SLEEP)),
            };
            tokio::select! {
                () = stop.requested() => return,
                changed = state.changed() => if changed.is_err() { return } else { continue },
                () = async {
                    match sleep {
                        Some(sleep) => self.0.clock.sleep(sleep).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
            let seen = external::mark(&self.0.client);
            let rewritten = watching && seen != mark;
            mark = seen;
            if rewritten {
                // What failed before says nothing about the new content.
                self.progress().not_before = None;
            }
            let due = self.until_refresh().is_some_and(|wait| wait.is_zero());
            if (due || rewritten)
                && let Ok(mut running) = self.begin(rewritten, Duration::ZERO)
            {
                tokio::select! {
                    () = stop.requested() => return,
                    // Its outcome is in the state.
                    _ = running.wait_for(Option::is_some) => {}
                }
            }
        }
    }

    /// The latest state, for whoever publishes tokens or waits for one.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// Completes when no exchange is running that has a refresh token at stake.
    pub async fn settled(&self) {
        let has_kept = self.0.state.borrow().token.as_ref().is_some_and(|token| token.refresh_token.is_some());
        let at_stake = has_kept || self.0.client.refresh_token.is_some();
        let running = self.progress().running.clone();
        if let Some(mut running) = running.filter(|_| at_stake) {
            // One that was broken off is over as well.
            let _ = running.wait_for(Option::is_some).await;
        }
    }

    /// Token requests so far.
    pub fn counts(&self) -> Counts {
        self.progress().counts
    }

    /// The HTTP status of the last token request's answer.
    pub fn status(&self) -> Option<u16> {
        self.progress().status
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest token, unless a media server refused it.
    fn unrefused(&self) -> Option<Arc<Token>> {
        let token = self.0.state.borrow().token.clone()?;
        (token.generation > self.progress().rejected).then_some(token)
    }

    /// The newest token, unless it is refused or past its hard point.
    fn usable(&self, now: &Now) -> Option<Arc<Token>> {
        self.unrefused().filter(|token| token.lifetime.is_none_or(|life| token.age(now) < schedule::hard_point(life)))
    }

    /// How long until the next background refresh; `None` = nothing to refresh.
    fn until_refresh(&self) -> Option<Duration> {
        let now = self.0.clock.now();
        let token = self.0.state.borrow().token.clone()?;
        let progress = self.progress();
        let due = if token.generation <= progress.rejected {
            Duration::ZERO
        } else {
            // A token that was over when it came is renewed when somebody asks for one, not in a loop.
            let lifetime = token.lifetime.filter(|life| !life.is_zero())?;
            schedule::soft_point(lifetime, self.0.jitter).saturating_sub(token.age(&now))
        };
        let allowed = progress.not_before.map_or(Duration::ZERO, |not_before| not_before.saturating_sub(now.boot));
        Some(due.max(allowed))
    }

    /// Joins the exchange that is running, or begins one. `wanted`: somebody cannot go on without; a background refresh
    /// leaves a token alone that another process may have renewed.
    fn begin(&self, wanted: bool, min_valid: Duration) -> Result<watch::Receiver<Option<Outcome>>, OauthError> {
        let mut progress = self.progress();
        if let Some(running) =
            progress.running.as_ref().filter(|running| running.borrow().is_none() && running.has_changed().is_ok())
        {
            return Ok(running.clone());
        }
        let now = self.0.clock.now();
        if progress.not_before.is_some_and(|not_before| now.boot < not_before)
            && let Some(failure) = self.0.state.borrow().failure.clone()
        {
            return Err(failure);
        }
        let (sender, receiver) = watch::channel(None);
        progress.running = Some(receiver.clone());
        drop(progress);
        let source = self.clone();
        self.0.runtime.spawn(async move {
            let outcome = source.exchange(wanted, min_valid).await;
            source.settle(&outcome);
            // Everybody who waited may be gone.
            let _ = sender.send(Some(outcome));
        });
        Ok(receiver)
    }

    /// Publishes the outcome of an exchange.
    fn settle(&self, outcome: &Outcome) {
        let now = self.0.clock.now();
        let mut progress = self.progress();
        match outcome {
            Ok(token) => {
                if progress.warned {
                    tracing::warn!(target: "ffauth::token", profile = self.0.client.name, "token requests succeed again");
                }
                progress.failures = 0;
                progress.not_before = None;
                progress.warned = false;
                if self.0.state.borrow().token.as_ref().is_some_and(|replaced| replaced.generation > progress.rejected) {
                    progress.life.replaced();
                }
                drop(progress);
                let life = token.lifetime.map(|life| life.as_secs_f64());
                tracing::info!(
                    target: "ffauth::token",
                    profile = self.0.client.name,
                    generation = token.generation,
                    lifetime = life,
                    "new token"
                );
                self.0.state.send_replace(State { token: Some(Arc::clone(token)), failure: None });
            }
            Err(error) => {
                progress.failures += 1;
                progress.token_url = None;
                let wait = schedule::retry_wait(progress.failures, error.retry_after(), backoff::random());
                progress.not_before = Some(now.boot + wait);
                let left = self.0.state.borrow().token.as_ref().and_then(|token| token.remaining(&now));
                if !std::mem::replace(&mut progress.warned, true) {
                    let left = left.map(|left| left.as_secs());
                    tracing::warn!(target: "ffauth::token", profile = self.0.client.name, seconds_left = left, "no new token: {error}");
                }
                drop(progress);
                self.0.state.send_modify(|state| state.failure = Some(error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
