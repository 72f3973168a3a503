//! Signing in and out: the exchanges that a person begins. What they bring is stored as everything else is, and refreshed from
//! then on.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use url::Url;

use super::{Outcome, Source, State};
use crate::clock::Now;
use crate::oauth::authorize::Authorization;
use crate::oauth::device::{self, DeviceCode, Poll, Waiting};
use crate::oauth::endpoints::Endpoints;
use crate::oauth::error::{Endpoint, OauthError};
use crate::oauth::grant::Ask;
use crate::oauth::par;
use crate::oauth::revoke::{self, Fate, Kind};
use crate::oauth::store::{Entry, Locked};
use crate::oauth::token::Token;
use crate::oauth::token_endpoint::Granted;
use crate::oauth::transport::{Answer, Request};
use crate::secret::Secret;
use crate::shutdown::Shutdown;

/// What signing out came to. Here the tokens are forgotten, whatever the server said.
#[derive(Clone, Debug, Default)]
pub struct SignedOut {
    /// There was something to forget.
    pub was_known: bool,
    /// What the server did with each token, in the order in which it was asked to; empty where it has no revocation endpoint.
    pub fates: Vec<(Kind, Fate)>,
}

impl Source {
    /// Begins a sign-in with a browser (RFC 6749 section 4.1), and gives the URL to open. The request is pushed first where
    /// profile or server want that (RFC 9126).
    ///
    /// # Errors
    /// [`OauthError::Config`] where the profile lacks something; what the server refused.
    pub async fn authorize(&self, endpoints: &Endpoints, redirect_uri: String) -> Result<(Authorization, Url), OauthError> {
        let thumbprint = self.prepare_proofs().await?;
        let authorization = Authorization::begin(&self.0.client, endpoints, redirect_uri)?.bound_to(thumbprint);
        let Some(par_url) = par::endpoint(&self.0.client, endpoints)? else {
            let url = authorization.url(&self.0.client);
            return Ok((authorization, url));
        };
        let (shared, url, pushed) = (Arc::clone(&self.0), par_url.clone(), authorization.clone());
        let made = move || par::request(&shared.client, &url, &pushed, shared.clock.now().wall, &shared.env);
        let answer = self.send(Endpoint::Par, made).await?;
        let url = authorization.pushed_url(&self.0.client, &par::parse(par_url, &answer)?);
        Ok((authorization, url))
    }

    /// Exchanges the code that came back ([`Authorization::judge`]) for tokens, and stores them.
    ///
    /// # Errors
    /// The token endpoint gives none; the store is busy.
    pub async fn redeem(&self, authorization: &Authorization, ask: &Ask) -> Outcome {
        let (lock, stored) = self.lock_and_read().await?;
        let stored = self.newest(stored);
        self.find_prover(stored.as_ref())?;
        let asked = self.0.clock.now();
        let granted = self.ask_once(authorization.token_url(), ask).await.inspect_err(|_| self.count_failure())?;
        Ok(self.take_in(lock, stored, granted, asked).await)
    }

    /// Begins a sign-in on another device (RFC 8628 section 3.1).
    ///
    /// # Errors
    /// [`OauthError::Config`] if nothing names an endpoint for it; what the server refused.
    pub async fn device_code(&self, endpoints: &Endpoints) -> Result<DeviceCode, OauthError> {
        let device_url = endpoints.device_url.as_ref().ok_or_else(|| {
            OauthError::Config(
                "the server offers no device flow: neither device_url nor the discovery document names it".to_owned(),
            )
        })?;
        let (shared, url, token_url) = (Arc::clone(&self.0), device_url.clone(), endpoints.token_url.clone());
        let made = move || device::request(&shared.client, &url, &token_url, shared.clock.now().wall, &shared.env);
        let answer = self.send(Endpoint::Device, made).await?;
        device::parse(device_url, &answer)
    }

    /// Waits until somebody has signed in with `codes`, and stores what the token endpoint then gives; `None` when the codes have
    /// expired.
    ///
    /// # Errors
    /// They said no; the token endpoint refuses; [`OauthError::Stopped`] after `stop`.
    pub async fn await_device(
        &self,
        endpoints: &Endpoints,
        codes: &DeviceCode,
        stop: &Shutdown,
    ) -> Result<Option<Arc<Token>>, OauthError> {
        self.prepare_proofs().await?;
        let began = self.0.clock.now();
        let ask = Ask::DeviceCode(codes.code.clone());
        let mut poll = Poll::new(codes);
        let mut pause = poll.pause();
        loop {
            if self.0.clock.now().since(&began) + pause > codes.lifetime {
                return Ok(None);
            }
            tokio::select! {
                () = stop.requested() => return Err(OauthError::Stopped),
                () = self.0.clock.sleep(pause) => {}
            }
            let asked = self.0.clock.now();
            match self.ask_once(&endpoints.token_url, &ask).await {
                Ok(granted) => {
                    let (lock, stored) = self.lock_and_read().await?;
                    return Ok(Some(self.take_in(lock, self.newest(stored), granted, asked).await));
                }
                Err(error) => match poll.judge(error) {
                    Waiting::Wait(wait) => pause = wait,
                    Waiting::Expired => return Ok(None),
                    Waiting::Over(error) => return Err(error),
                },
            }
        }
    }

    /// Finds the key that tokens are to be bound to, if they are, and gives its thumbprint. Until there are tokens the store's lock
    /// is held no longer than that.
    async fn prepare_proofs(&self) -> Result<Option<String>, OauthError> {
        if !self.0.client.dpop {
            return Ok(None);
        }
        let (_lock, stored) = self.lock_and_read().await?;
        self.find_prover(self.newest(stored).as_ref())?;
        Ok(self.progress().prover.as_ref().map(|prover| prover.thumbprint()))
    }

    /// Stores what somebody brought in place of what was known, and gives it out.
    async fn take_in(&self, mut lock: Option<Box<dyn Locked>>, known: Option<Entry>, granted: Granted, asked: Now) -> Arc<Token> {
        self.count_granted(asked);
        self.note(&granted);
        let before = known.map_or(0, |entry| entry.generation);
        let token = self.keep(&mut lock, before, granted, asked, None).await;
        self.settle(&Ok(Arc::clone(&token)));
        token
    }

    /// Is the newest token in the store, so that the next process finds it?
    pub fn is_stored(&self) -> bool {
        self.progress().unsaved.is_none()
    }

    /// Revokes what is stored, refresh token first (RFC 7009), and forgets it here even if the server fails.
    ///
    /// # Errors
    /// The store is busy or cannot be written.
    pub async fn sign_out(&self) -> Result<SignedOut, OauthError> {
        let (lock, stored) = self.lock_and_read().await?;
        let Some(entry) = self.newest(stored) else { return Ok(SignedOut::default()) };
        let refresh = entry.refresh_token.clone().map(|token| (Kind::Refresh, token));
        let tokens: Vec<_> = refresh.into_iter().chain([(Kind::Access, entry.access_token)]).collect();
        let mut fates = Vec::new();
        match self.endpoints().await {
            Err(error) => fates.extend(tokens.iter().map(|(kind, _)| (*kind, Fate::Failed(error.clone())))),
            Ok(endpoints) => {
                if let Some(revoke_url) = &endpoints.revoke_url {
                    for (kind, token) in tokens {
                        fates.push((kind, self.revoke(revoke_url, &endpoints.token_url, kind, token).await));
                    }
                }
            }
        }
        if let Some(mut lock) = lock {
            let removed = spawn_blocking(move || lock.remove()).await;
            let removed = removed.map_err(|ended| OauthError::Store(format!("the token store gave up: {ended}")))?;
            removed.map_err(|error| OauthError::Store(format!("the tokens cannot be forgotten here: {error}")))?;
        }
        self.progress().unsaved = None;
        self.0.state.send_replace(State::default());
        Ok(SignedOut { was_known: true, fates })
    }

    async fn revoke(&self, revoke_url: &Url, token_url: &Url, kind: Kind, token: Secret) -> Fate {
        let (shared, url, token_url) = (Arc::clone(&self.0), revoke_url.clone(), token_url.clone());
        let made =
            move || revoke::request(&shared.client, &url, &token_url, (kind, &token), shared.clock.now().wall, &shared.env);
        match self.send(Endpoint::Revocation, made).await {
            Ok(answer) => revoke::parse(revoke_url, &answer),
            Err(error) => Fate::Failed(error),
        }
    }

    /// Makes a request, for which secrets are read, and sends it.
    async fn send(
        &self,
        endpoint: Endpoint,
        made: impl FnOnce() -> Result<Request, OauthError> + Send + 'static,
    ) -> Result<Answer, OauthError> {
        let request = spawn_blocking(made).await;
        let request = request.map_err(|ended| OauthError::Config(format!("a secret could not be read: {ended}")))??;
        self.0.transport.send(request).await.map_err(|error| error.at(endpoint))
    }
}
