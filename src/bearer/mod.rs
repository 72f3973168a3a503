//! What is handed over to whoever sends media requests: which token, to which origins, in which place of the request.
//!
//! # The token's journey
//!
//! 1. `oauth::source` asks the token endpoint: single-flight, ahead of expiry.
//! 2. `oauth::token_endpoint` parses the answer.
//! 3. `oauth::store` saves it **before** anyone may use it: a rotated refresh token must not be lost.
//! 4. `header` renders the header lines. CR, LF and NUL are refused there, once.
//! 5. `slot` publishes the credential under a generation number.
//! 6. `libav::io` sets the `headers` AVOption on the live contexts whose origin is in `scope`, on the demuxer's own
//!    thread: in `io_open`, between reads, and in the interrupt callback.
//! 7. libavformat writes its next request with it. On a 401 the generation that was used goes back through [`Renew`];
//!    nothing happens if a newer one exists already, so a hundred streams cause one refresh.
//!
//! A token that is bound to a key goes another way from step 6 on: each of its requests needs a [`Proof`] of its own, which
//! http.c cannot make, so `net` sends them all.
//!
//! This module knows neither OAuth nor libav: `job` is where the two meet.

mod header;
mod pointer;
mod proof;
mod renew;
mod scope;
mod slot;

pub use header::{Credential, HeaderError, HeaderLines, Placement};
pub use pointer::MediaPointer;
pub use proof::Proof;
pub use renew::{Renew, RenewError};
pub use scope::Scope;
pub use slot::{Published, Slot};

use std::sync::Arc;

use url::Url;

use crate::origin::Origin;
use crate::tls::Roots;

/// One profile as a sender of media requests sees it.
#[derive(Clone)]
pub struct Bearer {
    /// The profile's name, for messages.
    pub name: Arc<str>,
    /// Which origins may see the token.
    pub scope: Scope,
    /// Where in a request the token stands.
    pub placement: Placement,
    /// The latest credential.
    pub slot: Arc<Slot>,
    /// Who gets a new one.
    pub renew: Arc<dyn Renew>,
    /// Whom to trust on connections that carry the token.
    pub roots: Roots,
}

/// The profiles of one file, in the order in which they were named.
#[derive(Clone, Default)]
pub struct Bearers(Arc<[Bearer]>);

impl Bearers {
    /// Profiles in order of preference.
    pub fn new(bearers: impl IntoIterator<Item = Bearer>) -> Self {
        Self(bearers.into_iter().collect())
    }

    /// True for a file without `-auth`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first profile whose scope holds `origin`.
    pub fn for_origin(&self, origin: &Origin) -> Option<&Bearer> {
        self.0.iter().find(|bearer| bearer.scope.holds(origin))
    }

    /// The first profile whose scope holds the origin of `url`.
    pub fn for_url(&self, url: &Url) -> Option<&Bearer> {
        self.for_origin(&Origin::of(url)?)
    }

    /// All profiles.
    pub fn iter(&self) -> std::slice::Iter<'_, Bearer> {
        self.0.iter()
    }
}
