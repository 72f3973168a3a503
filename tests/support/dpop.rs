//! The server's side of DPoP (RFC 9449): every proof is looked at, and none is taken twice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What one server knows about proofs.
pub struct Proofs {
    /// Its nonce is another one after so many proofs; 0 = it asks for none.
    nonce_lasts: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    used: BTreeSet<String>,
    keys: BTreeSet<String>,
    seen: u64,
}

/// Why a proof is refused: the `error` of the challenge.
pub type Refusal = &'static str;

impl Proofs {
    pub fn asking_for_nonces(nonce_lasts: u64) -> Arc<Self> {
        Arc::new(Self { nonce_lasts, state: Mutex::default() })
    }

    /// The nonce that it wants from now on.
    pub fn nonce(&self) -> Option<String> {
        let seen = self.state.lock().expect("no panic").seen;
        (self.nonce_lasts > 0).then(|| format!("nonce-{}", seen / self.nonce_lasts))
    }

    /// The keys of all good proofs.
    pub fn keys(&self) -> BTreeSet<String> {
        self.state.lock().expect("no panic").keys.clone()
    }

    /// How many proofs were good.
    pub fn accepted(&self) -> usize {
        self.state.lock().expect("no panic").used.len()
    }

    /// Looks at the proofs of one request. `url` is what was asked for, `token` what came along.
    pub fn check(&self, method: &str, url: &str, headers: &hyper::HeaderMap, token: Option<&str>) -> Result<(), Refusal> {
        let mut fields = headers.get_all("dpop").iter();
        let (Some(proof), None) = (fields.next(), fields.next()) else { return Err("invalid_dpop_proof") };
        let Some((key, claims)) = opened(proof.to_str().expect("text")) else { return Err("invalid_dpop_proof") };
        let ath = token.map(|token| Value::from(URL_SAFE_NO_PAD.encode(Sha256::digest(token))));
        let url = url.split(['?', '#']).next().expect("a URL");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let issued = Duration::from_secs(claims["iat"].as_u64().expect("a number"));
        let is_about_this = claims["htm"] == method && claims["htu"] == url && claims.get("ath") == ath.as_ref();
        if !is_about_this || now.abs_diff(issued) > Duration::from_secs(5) {
            return Err("invalid_dpop_proof");
        }
        let wanted = self.nonce().map(Value::from);
        let mut state = self.state.lock().expect("no panic");
        if claims.get("nonce") != wanted.as_ref() {
            return Err("use_dpop_nonce");
        }
        if !state.used.insert(claims["jti"].as_str().expect("text").to_owned()) {
            return Err("invalid_dpop_proof");
        }
        state.keys.insert(key);
        state.seen += 1;
        Ok(())
    }
}

/// Key and claims of a proof whose signature is that of the key in it.
fn opened(proof: &str) -> Option<(String, Value)> {
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(proof.split('.').next()?).ok()?).ok()?;
    let jwk = &header["jwk"];
    if header["typ"] != "dpop+jwt" || header["alg"] != "ES256" || jwk.get("d").is_some() {
        return None;
    }
    let key = DecodingKey::from_ec_components(jwk["x"].as_str()?, jwk["y"].as_str()?).ok()?;
    let mut rules = Validation::new(Algorithm::ES256);
    rules.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<Value>(proof, &key, &rules).ok()?.claims;
    Some((jwk.to_string(), claims))
}
