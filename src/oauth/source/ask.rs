//! The token requests of one exchange: which may be sent, in what order, and what their answers mean for the next.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use url::Url;
use zeroize::Zeroizing;

use crate::clock::Now;

use super::Source;
use crate::oauth::client::Grant;
use crate::oauth::endpoints::Endpoints;
use crate::oauth::error::OauthError;
use crate::oauth::grant::{self, Ask};
use crate::oauth::store::{Entry, Locked};
use crate::oauth::token::Token;
use crate::oauth::token_endpoint::{self, Granted};
use crate::oauth::transport::Answer;

/// Clocks that differ by less are as good as one: servers allow for it.
const SKEW: Duration = Duration::from_secs(60);

impl Source {
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
        let known = self.0.client.token_url.clone().or_else(|| self.progress().token_url.clone());
        if let Some(url) = known {
            return Ok(url);
        }
        let url = self.endpoints().await?.token_url;
        self.progress().token_url = Some(url.clone());
        Ok(url)
    }

    /// Asks in each way in turn that may help: what was granted, when it was asked for, and [`Entry::seed`].
    pub(super) async fn ask(
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
            self.progress().status = Some(answer.status);
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
}

/// Some servers (glewlwyd) refuse a used-up refresh token with 400 and an empty body.
fn is_bare_400(error: &OauthError, ask: &Ask) -> bool {
    matches!(ask, Ask::Refresh(_)) && error.http_status() == Some(400) && error.oauth_code().is_none()
}
