//! An access token with what is known about its life.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::clock::{self, Now};
use crate::secret::Secret;

use super::dpop::Prover;

/// One access token. Never changed; the next one is another value with a higher generation.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub access_token: Secret,
    /// `Bearer`, as the server spells it.
    pub token_type: String,
    /// The key that it is bound to (RFC 9449); requests that carry it must prove that they have the key.
    pub prover: Option<Arc<Prover>>,
    /// What gets the next one, if the server gave one.
    pub refresh_token: Option<Secret>,
    /// The granted scope as the server names it; `None` = what was asked for (RFC 6749 section 5.1).
    pub scope: Option<String>,
    /// Counts up from 1 within one source.
    pub generation: u64,
    /// It was in the store: another process got it, or an earlier run.
    pub inherited: bool,
    /// Read before the request was sent: the life counts from there.
    pub asked: Now,
    /// Seconds from `asked` to expiry; `None` = the server did not say.
    pub lifetime: Option<Duration>,
}

impl Token {
    /// What is left of its life, zero when it is over; `None` if the server named no end.
    pub fn remaining(&self, now: &Now) -> Option<Duration> {
        Some(self.lifetime?.saturating_sub(now.since(&self.asked)))
    }

    /// How old it is.
    pub fn age(&self, now: &Now) -> Duration {
        now.since(&self.asked)
    }

    /// What a program that asks for a token is told: the members of RFC 6749 section 5.1, and the time of expiry.
    pub fn to_json(&self, now: &Now) -> Zeroizing<String> {
        let members = serde_json::json!({
            "access_token": self.access_token.expose(),
            "token_type": self.token_type,
            "expires_at": self.expires_at().and_then(clock::rfc3339),
            "expires_in": self.remaining(now).map(|left| left.as_secs()),
            "scope": self.scope,
        });
        Zeroizing::new(members.to_string())
    }

    /// Wall-clock time of expiry.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.asked.wall.checked_add(self.lifetime?)
    }
}
