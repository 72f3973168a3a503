//! What shows, request by request, that a token is sent by whom it was given to.

use url::Url;

use crate::secret::Secret;

/// The key of a token that is bound to one (RFC 9449): each request that carries the token needs a proof of its own, made for
/// its method and URL.
pub trait Proof: Send + Sync {
    /// The value of the `DPoP` field of one request with `token`.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    fn prove(&self, method: &str, url: &Url, token: &Secret) -> Result<Secret, String>;

    /// Takes the `DPoP-Nonce` of an answer from `url` for the next proofs there; true if it is another one than before.
    fn learn(&self, url: &Url, nonce: &str) -> bool;
}
