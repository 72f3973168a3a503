//! The tokens of one profile, for whoever makes requests of their own beside jobs.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::{Error, Kind};
use crate::oauth::OauthError;
use crate::oauth::source::Source;
use crate::oauth::token::Token;
use crate::secret::Secret;
use crate::shutdown::Shutdown;

use super::feed::Feed;
use super::{Session, TokenReport, explain};

/// Hands out the tokens of one profile and renews them ahead of expiry; made by [`Session::authenticator`]. Clones share
/// everything, also with the jobs of the session: however many want a token, the authorization server is asked once.
///
/// The async calls work on any runtime, and may be cancelled: a token request that is under way goes on for the others.
#[derive(Clone)]
pub struct Authenticator {
    session: Session,
    feed: Arc<Feed>,
}

/// A token as it is sent. Its [`Debug`] shows no secret.
#[derive(Clone)]
pub struct AccessToken(Arc<Token>);

/// What somebody needs to sign in on another device (RFC 8628 section 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DevicePrompt {
    /// Where they go.
    pub url: String,
    /// The same with the code in it, for a QR code; not every server has one.
    pub complete_url: Option<String>,
    /// What they type or compare there.
    pub user_code: String,
    /// How long that is good for.
    pub valid_for: Duration,
}

/// Device codes that may expire before nobody is expected any more.
const CODES: usize = 3;

impl Authenticator {
    pub(super) fn new(session: Session, feed: Arc<Feed>) -> Self {
        Self { session, feed }
    }

    /// The profile's name.
    pub fn profile(&self) -> &str {
        &self.source().client().name
    }

    /// The newest token, asked for if there is none or it is about to expire.
    ///
    /// # Errors
    /// Of [`Kind::Config`], [`Kind::LoginRequired`] or [`Kind::AuthorizationServer`]; [`Error::is_retryable`] says whether the
    /// same call may succeed later, [`Error::oauth_error`] what the server called it.
    pub async fn token(&self) -> Result<AccessToken, Error> {
        self.token_valid_for(Duration::ZERO).await
    }

    /// As [`token`](Self::token); one with less than `left` to live is renewed once, and what then comes is handed out.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub async fn token_valid_for(&self, left: Duration) -> Result<AccessToken, Error> {
        self.told(self.source().token(left).await)
    }

    /// As [`token`](Self::token), for a thread that may block: never a worker of an async runtime.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub fn token_blocking(&self) -> Result<AccessToken, Error> {
        self.feed.block_on(self.token())
    }

    /// The newest token, if there is one already. Waits for nobody.
    pub fn current(&self) -> Option<AccessToken> {
        self.source().watch().borrow().token.clone().map(AccessToken)
    }

    /// Waits for a token that is newer than `than`, and asks for none.
    pub async fn newer_than(&self, than: &AccessToken) -> AccessToken {
        let mut state = self.source().watch();
        let is_newer = |token: &Arc<Token>| token.generation > than.0.generation;
        loop {
            if let Some(token) = state.borrow_and_update().token.clone().filter(is_newer) {
                return AccessToken(token);
            }
            if state.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Asks for another token now, whatever the life of the newest one: also where the service holds the tokens itself and has
    /// a new one ([`Bearer`](crate::Bearer)). Running jobs change to it.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub async fn renew(&self) -> Result<AccessToken, Error> {
        self.told(self.source().renew().await)
    }

    /// A server refused this token (401): it is handed out no more, and another one is asked for, unless a newer one exists.
    /// Returns at once.
    pub fn refused(&self, token: &AccessToken) {
        self.source().invalidate(token.0.generation);
    }

    /// Token requests so far.
    pub fn requests(&self) -> TokenReport {
        let counts = self.feed.counts();
        TokenReport { refreshes: counts.refreshes, failures: counts.failures }
    }

    /// Somebody signs in on another device (RFC 8628): `show` tells them where and with what code, again if that expires. The
    /// tokens are stored, and renewed from then on. Cancelling it ends the sign-in.
    ///
    /// # Errors
    /// Of [`Kind::LoginRequired`] if nobody came; of [`Kind::AuthorizationServer`] if they or the server said no, or it offers
    /// no such sign-in.
    pub async fn sign_in_on_device(&self, mut show: impl FnMut(&DevicePrompt)) -> Result<AccessToken, Error> {
        let endpoints = self.told_by(|source, _| async move { source.endpoints().await }).await?;
        for _ in 0..CODES {
            let own = endpoints.clone();
            let codes = self.told_by(|source, _| async move { source.device_code(&own).await }).await?;
            show(&DevicePrompt {
                url: codes.verification_url.to_string(),
                complete_url: codes.complete_url.as_ref().map(ToString::to_string),
                user_code: codes.user_code.clone(),
                valid_for: codes.lifetime,
            });
            let own = endpoints.clone();
            let token = self.told_by(|source, stop| async move { source.await_device(&own, &codes, &stop).await }).await?;
            if let Some(token) = token {
                return Ok(AccessToken(token));
            }
        }
        let message = format!("profile {}: nobody has signed in while the codes were good", self.profile());
        Err(Error::new(Kind::LoginRequired, message))
    }

    /// Forgets the tokens here, and revokes them at the server where it can (RFC 7009).
    ///
    /// # Errors
    /// The store is busy or cannot be written.
    pub async fn sign_out(&self) -> Result<(), Error> {
        self.told_by(|source, _| async move { source.sign_out().await }).await.map(drop)
    }

    fn source(&self) -> &Source {
        self.feed.source()
    }

    /// Does something on the session's runtime, whatever runtime the caller has; it is broken off when the caller goes.
    async fn told_by<T, F>(&self, work: impl FnOnce(Source, Shutdown) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, OauthError>> + Send + 'static,
    {
        struct Ends(Shutdown);
        impl Drop for Ends {
            fn drop(&mut self) {
                self.0.request();
            }
        }
        let ends = Ends(Shutdown::new());
        let task = self.session.network()?.runtime.spawn(work(self.source().clone(), ends.0.clone()));
        let outcome = task.await.map_err(|ended| Error::new(Kind::Internal, format!("the session has ended: {ended}")))?;
        outcome.map_err(|error| self.explained(error))
    }

    fn told(&self, outcome: Result<Arc<Token>, OauthError>) -> Result<AccessToken, Error> {
        outcome.map(AccessToken).map_err(|error| self.explained(error))
    }

    fn explained(&self, error: OauthError) -> Error {
        explain(self.source().client(), error).context(format!("profile {}", self.profile()))
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("profile", &self.profile()).finish_non_exhaustive()
    }
}

impl AccessToken {
    /// The token.
    pub fn secret(&self) -> &Secret {
        &self.0.access_token
    }

    /// `Bearer`, as the server spells it.
    pub fn token_type(&self) -> &str {
        &self.0.token_type
    }

    /// The granted scope as the server names it; `None` = what was asked for (RFC 6749 section 5.1).
    pub fn scope(&self) -> Option<&str> {
        self.0.scope.as_deref()
    }

    /// When it expires; `None` if nobody says.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at()
    }

    /// Counts up from 1 within one session.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }
}

impl PartialEq for AccessToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.access_token == other.0.access_token
    }
}

impl Eq for AccessToken {}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("AccessToken");
        shown.field("generation", &self.generation()).field("expires_at", &self.expires_at()).finish_non_exhaustive()
    }
}
