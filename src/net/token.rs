//! Which credential one request carries, and what follows when it is refused.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderMap;
use url::Url;
use zeroize::Zeroizing;

use crate::bearer::{Bearer, Bearers, Published, RenewError};
use crate::clock::Clock;
use crate::origin::Origin;
use crate::redact;
use crate::shutdown::Shutdown;

use super::answer::{self, Challenge, TokenUse};
use super::error::NetError;

/// What is shorter is no secret, and masking it would garble every message.
const SHORTEST: usize = 4;

/// The credential that goes with one request to one URL, if any.
pub(super) struct Carried {
    bearer: Option<Bearer>,
    published: Option<Arc<Published>>,
    /// What must not come back in a message: a server may echo what it was sent.
    secrets: Vec<Zeroizing<String>>,
}

impl Carried {
    /// The newest credential of the profile in whose scope `url` is; waits at most `wait` for the first one.
    pub(super) async fn choose(
        bearers: &Bearers,
        url: &Url,
        downgraded: bool,
        wait: Duration,
        stop: &Shutdown,
    ) -> Result<Self, NetError> {
        let withheld = downgraded && url.scheme() == "http";
        let Some(bearer) = bearers.for_url(url).filter(|_| !withheld).cloned() else {
            return Ok(Self { bearer: None, published: None, secrets: Vec::new() });
        };
        if bearer.slot.latest().is_none() {
            wait_newer(&bearer, 0, url, wait, stop).await?;
        }
        let Some(published) = bearer.slot.latest() else {
            let reason = RenewError::TimedOut(wait);
            return Err(NetError::Token { profile: bearer.name.to_string(), url: masked(url), reason });
        };
        let lines = published.credential.header_lines(&bearer.placement);
        let mut secrets: Vec<_> = lines.fields().map(|(_, value)| Zeroizing::new(value.to_owned())).collect();
        secrets.push(Zeroizing::new(published.credential.token().expose().to_owned()));
        // Percent-encoded, where it stands in the URL.
        let placed = Zeroizing::new(published.credential.place_in_url(&bearer.placement, url.as_str()));
        let values = placed.split(['?', '&', '#']).filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
        secrets.extend(values.map(|value| Zeroizing::new(value.to_owned())));
        Ok(Self { bearer: Some(bearer), published: Some(published), secrets })
    }

    /// The URL as it is sent and the header fields to add.
    pub(super) fn place(&self, url: &Url) -> (Zeroizing<String>, Vec<(String, Zeroizing<String>)>) {
        let (Some(bearer), Some(published)) = (&self.bearer, &self.published) else {
            return (Zeroizing::new(url.to_string()), Vec::new());
        };
        let lines = published.credential.header_lines(&bearer.placement);
        let fields = lines.fields().map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned()))).collect();
        (Zeroizing::new(published.credential.place_in_url(&bearer.placement, url.as_str())), fields)
    }

    /// The `DPoP` field of a request for `url`, if its token is bound to a key.
    pub(super) fn proof(&self, method: &str, url: &Url) -> Result<Option<Zeroizing<String>>, NetError> {
        let Some(published) = &self.published else { return Ok(None) };
        let Some(proof) = published.credential.proof() else { return Ok(None) };
        let made = proof.prove(method, url, published.credential.token());
        let made = made.map_err(|reason| NetError::Internal(format!("{}: {reason}", masked(url))))?;
        Ok(Some(Zeroizing::new(made.expose().to_owned())))
    }

    /// Takes the nonce in an answer for the proofs to come. True if the request was refused for the want of it, so that it may
    /// be sent again with the same token (RFC 9449 section 9).
    pub(super) fn wants_nonce(&self, url: &Url, status: StatusCode, headers: &HeaderMap) -> bool {
        let proof = self.published.as_ref().and_then(|published| published.credential.proof());
        let nonce = headers.get("dpop-nonce").and_then(|nonce| nonce.to_str().ok());
        let is_new = proof.zip(nonce).is_some_and(|(proof, nonce)| proof.learn(url, nonce));
        let asks = || Challenge::parse(headers).error.as_deref() == Some("use_dpop_nonce");
        is_new && status == StatusCode::UNAUTHORIZED && asks()
    }

    /// The profile, if one's token is sent.
    pub(super) fn bearer(&self) -> Option<&Bearer> {
        self.bearer.as_ref()
    }

    /// True if the request was refused for its token, so that another one may help. `renewed`: a token that was new after a
    /// refusal is refused now, which is the last word, unless it proves nothing
    /// ([`Credential::is_doubtful`](crate::bearer::Credential::is_doubtful)).
    pub(super) fn wants_another(&self, status: StatusCode, headers: &HeaderMap, renewed: bool, clock: &dyn Clock) -> bool {
        let is_doubtful = || self.published.as_ref().is_some_and(|published| published.credential.is_doubtful(&clock.now()));
        let refused = answer::refuses_token(status.as_u16(), &Challenge::parse(headers));
        refused && self.bearer.is_some() && (!renewed || is_doubtful())
    }

    /// Adds a value that must not come back in a message.
    pub(super) fn also_secret(&mut self, value: &str) {
        self.secrets.push(Zeroizing::new(value.to_owned()));
    }

    /// `text` of the server with everything masked that the request held.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for secret in self.secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
            clean = clean.replace(secret.as_str(), "***");
        }
        redact::line(&clean).into_owned()
    }

    /// Does `text` of the server hold anything of what the request held that is secret?
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.secrets.iter().any(|secret| secret.len() >= SHORTEST && text.contains(secret.as_str()))
    }

    /// `url` of the server without the query parameters in which it has put the token of this request: where that may go, the
    /// newest one is added to each request.
    pub(super) fn without_token(&self, mut url: Url) -> Url {
        let token = self.published.as_ref().map(|published| published.credential.token().expose());
        let (Some(token), Some(query)) = (token.filter(|token| token.len() >= SHORTEST), url.query()) else { return url };
        let holds = |pair: &&str| url::form_urlencoded::parse(pair.as_bytes()).any(|(_, value)| value.contains(token));
        let kept: Vec<&str> = query.split('&').filter(|pair| !holds(pair)).collect();
        let kept = (!kept.is_empty()).then(|| kept.join("&"));
        url.set_query(kept.as_deref());
        url
    }

    /// Reports that the server refused this credential, and waits for a newer one.
    ///
    /// # Errors
    /// [`NetError::Token`] says why there is none, [`NetError::Stopped`] that somebody asked to stop.
    pub(super) async fn renew(&self, url: &Url, wait: Duration, stop: &Shutdown) -> Result<(), NetError> {
        let (Some(bearer), Some(published)) = (&self.bearer, &self.published) else { return Ok(()) };
        tracing::info!(profile = &*bearer.name, url = masked(url), "the server refused the token; asking for a new one");
        bearer.renew.rejected(published.generation);
        if bearer.slot.generation() > published.generation {
            return Ok(());
        }
        wait_newer(bearer, published.generation, url, wait, stop).await
    }

    /// What a message says about the token of this request.
    pub(super) fn describe(&self, bearers: &Bearers, url: &Url, renewed: bool) -> TokenUse {
        if let Some(bearer) = &self.bearer {
            return TokenUse::Sent { profile: bearer.name.to_string(), renewed };
        }
        let Some(origin) = Origin::of(url) else { return TokenUse::Unauthenticated };
        let listing = bearers.iter().find(|bearer| bearer.scope.lists(&origin));
        let Some(bearer) = listing.or_else(|| bearers.iter().next()) else { return TokenUse::Unauthenticated };
        TokenUse::OutOfScope {
            profile: bearer.name.to_string(),
            origin: origin.to_string(),
            listed: bearer.scope.patterns().iter().map(ToString::to_string).collect(),
            plain_http: listing.is_some(),
        }
    }
}

/// [`Renew::wait_newer`](crate::bearer::Renew::wait_newer) blocks, so it gets a thread of its own.
async fn wait_newer(bearer: &Bearer, generation: u64, url: &Url, wait: Duration, stop: &Shutdown) -> Result<(), NetError> {
    let (renew, stop) = (Arc::clone(&bearer.renew), stop.clone());
    let waited = tokio::task::spawn_blocking(move || renew.wait_newer(generation, wait, &stop)).await;
    match waited {
        Ok(Ok(())) => Ok(()),
        Ok(Err(RenewError::Stopped)) => Err(NetError::Stopped),
        Ok(Err(reason)) => Err(NetError::Token { profile: bearer.name.to_string(), url: masked(url), reason }),
        Err(ended) => Err(NetError::Internal(format!("waiting for a token ended early: {ended}"))),
    }
}

/// `url` as it may be shown.
pub(super) fn masked(url: &Url) -> String {
    redact::url(url.as_str()).into_owned()
}
