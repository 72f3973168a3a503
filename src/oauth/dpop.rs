//! Tokens bound to a key, and the proof with each request that its sender has the key: DPoP (RFC 9449).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use crate::secret::Secret;

use super::error::OauthError;
use super::jws::{self, Algorithm, Key};

/// The key of one profile's tokens (ES256, which every server knows), and the nonces that servers want back.
pub struct Prover {
    key: Key,
    /// PKCS #8, in base64url.
    saved: Secret,
    /// The public half (RFC 7517).
    jwk: Value,
    /// The newest nonce of each server, by origin (RFC 9449 section 8.2).
    nonces: Mutex<BTreeMap<String, String>>,
}

/// A nonce is a few dozen characters; what is longer than this is none.
const LONGEST_NONCE: usize = 1024;

impl Prover {
    /// A key that nobody has used.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Self, OauthError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let pkcs8 = pkcs8.map_err(|_| OauthError::Config("the system gives no random bytes for a DPoP key".to_owned()))?;
        Self::restore(&Secret::new(URL_SAFE_NO_PAD.encode(pkcs8.as_ref())))
    }

    /// The key that [`saved`](Self::saved) gave.
    ///
    /// # Errors
    /// It is damaged.
    pub fn restore(saved: &Secret) -> Result<Self, OauthError> {
        let damaged = || OauthError::Store("the stored DPoP key is damaged".to_owned());
        let pkcs8 = Zeroizing::new(URL_SAFE_NO_PAD.decode(saved.expose()).map_err(|_| damaged())?);
        let key = Key::from_pkcs8(&pkcs8).map_err(|_| damaged())?;
        let (x, y) = key.p256_point().ok_or_else(damaged)?;
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) });
        Ok(Self { key, saved: saved.clone(), jwk, nonces: Mutex::default() })
    }

    /// The private key as it is kept with the tokens that are bound to it.
    pub fn saved(&self) -> &Secret {
        &self.saved
    }

    /// The name of the public half (RFC 7638), `dpop_jkt` of an authorization request (RFC 9449 section 10).
    pub fn thumbprint(&self) -> String {
        thumbprint(&self.jwk)
    }

    /// The `DPoP` header field of one request; of one to a resource server with the `token` that goes along.
    ///
    /// # Errors
    /// [`OauthError::Config`]: the library refused.
    pub fn proof(&self, method: &str, url: &Url, token: Option<&Secret>, now: SystemTime) -> Result<Secret, OauthError> {
        let failed = |error: jws::JwsError| OauthError::Config(format!("a DPoP proof {error}"));
        let issued = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut claims = Map::from_iter([
            ("jti".to_owned(), jws::unique().map_err(failed)?.into()),
            ("htm".to_owned(), method.into()),
            ("htu".to_owned(), target(url).into()),
            ("iat".to_owned(), issued.into()),
        ]);
        if let Some(token) = token {
            claims.insert("ath".to_owned(), URL_SAFE_NO_PAD.encode(Sha256::digest(token.expose())).into());
        }
        let nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(nonce) = nonces.get(&url.origin().ascii_serialization()) {
            claims.insert("nonce".to_owned(), nonce.as_str().into());
        }
        drop(nonces);
        let header = Map::from_iter([("typ".to_owned(), "dpop+jwt".into()), ("jwk".to_owned(), self.jwk.clone())]);
        jws::sign(&self.key, Algorithm::Es256, header, &claims).map_err(failed)
    }

    /// Takes the `DPoP-Nonce` of an answer from `url` for the next proofs there. True if that is another one than before, so
    /// that a request which was refused for it may be sent again.
    pub fn learn(&self, url: &Url, nonce: &str) -> bool {
        let nonce = nonce.trim();
        if nonce.is_empty() || nonce.len() > LONGEST_NONCE || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return false;
        }
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.insert(url.origin().ascii_serialization(), nonce.to_owned()).is_none_or(|before| before != nonce)
    }
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prover").field("thumbprint", &self.thumbprint()).finish_non_exhaustive()
    }
}

/// RFC 7638 section 3.2 wants the members in the order in which serde_json has them: sorted.
fn thumbprint(jwk: &Value) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(jwk.to_string()))
}

/// `htu` (RFC 9449 section 4.2): the URL without query and fragment.
fn target(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // No URL with a host refuses these.
    let (_, _) = (url.set_username(""), url.set_password(None));
    url.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The token of RFC 9449 section 7.1.
    const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const AT: SystemTime = SystemTime::UNIX_EPOCH;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    /// Header and claims of a proof, if its signature is that of the key in it.
    fn verified(proof: &Secret) -> (Value, Value) {
        use jsonwebtoken as oracle;
        let header = URL_SAFE_NO_PAD.decode(proof.expose().split('.').next().expect("a header")).expect("base64url");
        let header: Value = serde_json::from_slice(&header).expect("JSON");
        let text = |name: &str| header["jwk"][name].as_str().expect("text");
        let key = oracle::DecodingKey::from_ec_components(text("x"), text("y")).expect("a point");
        let mut rules = oracle::Validation::new(oracle::Algorithm::ES256);
        rules.required_spec_claims.clear();
        let claims = oracle::decode::<Value>(proof.expose(), &key, &rules).expect("a genuine signature").claims;
        (header, claims)
    }

    #[test]
    fn a_proof_names_the_request_and_the_token() {
        let prover = Prover::generate().expect("a key");
        let at = AT + Duration::from_secs(1_700_000_000);
        let made = || prover.proof("PUT", &url("https://u@h:8443/a/b?c=d#e"), Some(&TOKEN.into()), at).expect("a proof");
        let (header, claims) = verified(&made());
        assert_eq!(
            (&header["typ"], &header["alg"], &header["jwk"]["crv"]),
            (&json!("dpop+jwt"), &json!("ES256"), &json!("P-256"))
        );
        assert!(header["jwk"].get("d").is_none(), "the private half stays here");
        assert_eq!((&claims["htm"], &claims["htu"]), (&json!("PUT"), &json!("https://h:8443/a/b")));
        assert_eq!(claims["iat"], json!(1_700_000_000));
        assert_eq!(claims["ath"], json!("fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"));
        assert_ne!(claims["jti"], verified(&made()).1["jti"]);
        let bare = verified(&prover.proof("POST", &url("https://h/t"), None, at).expect("a proof")).1;
        assert_eq!((bare.get("ath"), bare.get("nonce")), (None, None));
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_9449_section_6_1() {
        let jwk = json!({
            "kty": "EC", "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
            "crv": "P-256",
        });
        assert_eq!(thumbprint(&jwk), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }

    #[test]
    fn each_server_gets_its_own_newest_nonce() {
        let prover = Prover::generate().expect("a key");
        let nonce = |at: &str| verified(&prover.proof("GET", &url(at), None, AT).expect("a proof")).1["nonce"].clone();
        assert!(prover.learn(&url("https://a/x"), "one"));
        assert!(!prover.learn(&url("https://a/y"), " one "));
        assert!(prover.learn(&url("https://b/"), "other"));
        assert_eq!(
            (nonce("https://a/z"), nonce("https://b/z"), nonce("https://a:8443/")),
            (json!("one"), json!("other"), Value::Null)
        );
        assert!(prover.learn(&url("https://a/x"), "two"));
        assert_eq!(nonce("https://a/"), json!("two"));
        for unusable in ["", "a b", "a\nb", &"x".repeat(2000)] {
            assert!(!prover.learn(&url("https://a/x"), unusable));
        }
        assert_eq!(nonce("https://a/"), json!("two"));
    }

    #[test]
    fn a_key_is_kept_and_printed_nowhere() {
        let prover = Prover::generate().expect("a key");
        let again = Prover::restore(prover.saved()).expect("the same key");
        assert_eq!(again.thumbprint(), prover.thumbprint());
        assert_eq!(prover.thumbprint().len(), 43);
        assert!(!format!("{prover:?}").contains(prover.saved().expose()));
        assert!(Prover::restore(&"AAAA".into()).is_err());
        assert_ne!(Prover::generate().expect("a key").thumbprint(), prover.thumbprint());
    }
}
