//! From a token source to a slot: publishes each new token, and brings a media server's 401 back to the source.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use url::Url;

use crate::bearer::{Credential, Proof, Renew, RenewError, Slot};
use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::oauth::dpop::Prover;
use crate::oauth::source::{Counts, Source};
use crate::oauth::token::Token;
use crate::redact;
use crate::secret::Secret;
use crate::shutdown::Shutdown;

use super::explain;
use super::report::TokenState;

/// The tokens of one profile for as long as a session lives.
pub struct Feed {
    source: Source,
    /// `media_headers`, read once.
    fields: Vec<(String, Secret)>,
    slot: Arc<Slot>,
    runtime: Handle,
    clock: Arc<dyn Clock>,
    /// Why the newest token cannot be sent.
    unusable: Mutex<Option<String>>,
    /// Ends the background refresh.
    over: Shutdown,
}

/// With no news from the source, it is asked again after this long.
const POLL: Duration = Duration::from_secs(1);

impl Feed {
    /// Begins to publish the tokens of `source`, refreshed ahead of expiry until `stop`.
    pub fn start(
        source: Source,
        fields: Vec<(String, Secret)>,
        runtime: Handle,
        clock: Arc<dyn Clock>,
        stop: &Shutdown,
    ) -> Arc<Self> {
        let over = stop.child();
        let feed = Arc::new(Self { source, fields, slot: Arc::default(), runtime, clock, unusable: Mutex::default(), over });
        let (kept, stopped) = (feed.source.clone(), feed.over.clone());
        feed.runtime.spawn(async move { kept.keep_fresh(stopped).await });
        let (published, stopped) = (Arc::clone(&feed), feed.over.clone());
        feed.runtime.spawn(async move {
            let mut state = published.source.watch();
            loop {
                let token = state.borrow_and_update().token.clone();
                if let Some(token) = token {
                    published.publish(&token);
                }
                tokio::select! {
                    () = stopped.requested() => return,
                    changed = state.changed() => if changed.is_err() { return },
                }
            }
        });
        feed
    }

    /// Where the latest credential is.
    pub fn slot(&self) -> Arc<Slot> {
        Arc::clone(&self.slot)
    }

    /// Where its tokens come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Runs `work` to its end. Blocks.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Completes when no token request is under way.
    pub async fn settled(&self) {
        self.source.settled().await;
    }

    /// Ends the refresh ahead of expiry: nobody new will use it. Whoever still does gets a newer token after a 401.
    pub fn retire(&self) {
        self.over.request();
    }

    /// The newest token and what has failed since, without the token itself.
    pub fn state(&self) -> TokenState {
        let now = self.clock.now();
        let (counts, state) = (self.source.counts(), self.source.watch().borrow().clone());
        let token = state.token.as_deref();
        TokenState {
            generation: token.map_or(0, |token| token.generation),
            age: token.map(|token| token.age(&now)),
            remaining: token.and_then(|token| token.remaining(&now)),
            refreshes: counts.refreshes,
            failures: counts.failures,
            took: counts.took,
            failure: state.failure.map(|failure| redact::line(&failure.to_string()).into_owned()),
        }
    }

    /// Token requests so far.
    pub fn counts(&self) -> Counts {
        self.source.counts()
    }

    /// Waits for the first token, at most `limit`; with a `limit` of zero one attempt is made.
    ///
    /// # Errors
    /// The last failure of the source, with its hint.
    pub fn first(&self, limit: Duration, stop: &Shutdown) -> Result<(), Error> {
        self.wait(0, limit, stop).map_err(|failure| match failure {
            WaitFailure::Stopped => Error::new(Kind::Stopped, "stopped while waiting for a token"),
            WaitFailure::Source(error) => error,
        })
    }

    /// The token of this moment.
    ///
    /// # Errors
    /// Why there is none, with the command to run where somebody has to sign in.
    pub async fn token(&self) -> Result<Arc<Token>, Error> {
        self.source.token(Duration::ZERO).await.map_err(|error| explain(self.source.client(), error))
    }

    /// Renders and publishes `token`; one that cannot stand in a request is remembered as unusable.
    fn publish(&self, token: &Token) {
        let mut unusable = self.unusable.lock().unwrap_or_else(PoisonError::into_inner);
        match Credential::new(token.access_token.clone(), self.fields.clone()) {
            Ok(credential) => {
                *unusable = None;
                let credential = if token.inherited { credential.inherited() } else { credential };
                let credential = match token.lifetime {
                    Some(lifetime) => credential.living(token.asked, lifetime),
                    None => credential,
                };
                let credential = match &token.prover {
                    Some(prover) => {
                        let (prover, clock) = (Arc::clone(prover), Arc::clone(&self.clock));
                        credential.bound_by(Arc::new(Possession { prover, clock }))
                    }
                    None => credential,
                };
                self.slot.publish(token.generation, credential);
            }
            Err(error) => *unusable = Some(error.to_string()),
        }
    }

    fn wait(&self, generation: u64, limit: Duration, stop: &Shutdown) -> Result<(), WaitFailure> {
        self.runtime.block_on(async {
            let began = self.clock.now();
            let mut state = self.source.watch();
            loop {
                state.borrow_and_update();
                // One attempt is made whatever the limit; one that stands still is given up with it.
                let patience = limit.saturating_sub(self.clock.now().since(&began)).max(POLL);
                let asked = tokio::select! {
                    () = stop.requested() => return Err(WaitFailure::Stopped),
                    asked = self.source.token(Duration::ZERO) => asked,
                    () = self.clock.sleep(patience), if !limit.is_zero() => return Err(WaitFailure::Source(self.no_answer(limit))),
                };
                let failure = match asked {
                    Ok(token) => {
                        self.publish(&token);
                        if self.slot.generation() > generation {
                            return Ok(());
                        }
                        self.unsendable()
                    }
                    Err(error) if !error.is_retryable() => {
                        return Err(WaitFailure::Source(explain(self.source.client(), error)));
                    }
                    Err(error) => Some(Error::from(error)),
                };
                let left = limit.saturating_sub(self.clock.now().since(&began));
                if left.is_zero() {
                    let error = failure.unwrap_or_else(|| no_newer(limit));
                    return Err(WaitFailure::Source(error));
                }
                tokio::select! {
                    () = stop.requested() => return Err(WaitFailure::Stopped),
                    _ = state.changed() => {}
                    () = self.clock.sleep(left.min(POLL)) => {}
                }
            }
        })
    }

    fn no_answer(&self, limit: Duration) -> Error {
        let client = self.source.client();
        let endpoint = client
            .token_url
            .as_ref()
            .or(client.issuer.as_ref())
            .map_or("its source".to_owned(), |url| redact::url(url.as_str()).into_owned());
        let message = format!("no token from {endpoint} within {} s", limit.as_secs_f64());
        let failure = self.source.watch().borrow().failure.clone();
        let message = failure.map_or(message.clone(), |failure| format!("{message}; the last attempt: {failure}"));
        Error::new(Kind::AuthorizationServer, message).retryable(true)
    }

    fn unsendable(&self) -> Option<Error> {
        let unusable = self.unusable.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(Error::new(Kind::AuthorizationServer, unusable))
    }
}

/// The key of a profile's bound tokens, as media requests need it.
struct Possession {
    prover: Arc<Prover>,
    clock: Arc<dyn Clock>,
}

impl Proof for Possession {
    fn prove(&self, method: &str, url: &Url, token: &Secret) -> Result<Secret, String> {
        self.prover.proof(method, url, Some(token), self.clock.now().wall).map_err(|error| error.to_string())
    }

    fn learn(&self, url: &Url, nonce: &str) -> bool {
        self.prover.learn(url, nonce)
    }
}

fn no_newer(limit: Duration) -> Error {
    let message = format!("the media server refused the token and there is no newer one after {} s", limit.as_secs_f64());
    Error::new(Kind::AuthorizationServer, message).retryable(true)
}

enum WaitFailure {
    Stopped,
    Source(Error),
}

impl Renew for Feed {
    fn rejected(&self, generation: u64) {
        self.source.invalidate(generation);
    }

    fn wait_newer(&self, generation: u64, limit: Duration, stop: &Shutdown) -> Result<(), RenewError> {
        self.wait(generation, limit, stop).map_err(|failure| match failure {
            WaitFailure::Stopped => RenewError::Stopped,
            WaitFailure::Source(error) => {
                RenewError::Refused(match error.hint().filter(|_| error.kind() == Kind::LoginRequired) {
                    Some(hint) => format!("{error}; {hint}"),
                    None => error.to_string(),
                })
            }
        })
    }
}
