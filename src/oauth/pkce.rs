//! Proof Key for Code Exchange (RFC 7636), always with S256: a code that somebody else catches is of no use to them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::secret::Secret;

use super::error::OauthError;

/// `code_challenge_method`.
pub const METHOD: &str = "S256";

/// `code_verifier`: 256 random bits as 43 characters (RFC 7636 section 4.1).
#[derive(Clone, Debug)]
pub struct Verifier(Secret);

impl Verifier {
    /// One that nobody has used.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Self, OauthError> {
        random().map(Self)
    }

    /// What goes with the code to the token endpoint.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// `code_challenge` (RFC 7636 section 4.2): what goes through the browser.
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.expose()))
    }
}

/// 256 random bits in base64url.
///
/// # Errors
/// The system gives no random bytes.
pub(super) fn random() -> Result<Secret, OauthError> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|error| OauthError::Config(format!("the system gives no random bytes: {error}")))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let verifier = Verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into());
        assert_eq!(verifier.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn no_two_are_the_same_and_none_is_printed() {
        let (one, other) = (Verifier::generate().expect("random"), Verifier::generate().expect("random"));
        assert_ne!(one.secret(), other.secret());
        assert_eq!(one.secret().expose().len(), 43);
        assert!(one.secret().expose().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_eq!(format!("{one:?}"), "Verifier(***)");
    }
}
