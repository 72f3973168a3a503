//! Every algorithm and key format, verified by another library than the one that signed.

use std::io::Write;
use std::process::{Command, Stdio};

use jsonwebtoken as oracle;
use serde_json::json;

use super::*;

/// What `openssl` prints for these words.
fn openssl(words: &str, input: &str) -> String {
    let mut child = Command::new("openssl")
        .args(words.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("a reader");
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success(), "openssl {words}");
    String::from_utf8(output.stdout).expect("text")
}

/// A private key in PKCS #8 for `algorithm`.
pub(in crate::oauth) fn private_key(algorithm: Algorithm) -> String {
    openssl(
        match algorithm {
            Algorithm::Es256 => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            Algorithm::Es384 => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384",
            Algorithm::EdDsa => "genpkey -algorithm ED25519",
            _ => "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
        },
        "",
    )
}

/// Header and claims of `token`, if the public half of `pem` says that it is genuine.
pub(in crate::oauth) fn verified(token: &str, algorithm: Algorithm, pem: &str) -> (Value, Value) {
    decoded(token, algorithm, &public_half(algorithm, pem))
}

fn public_half(algorithm: Algorithm, pem: &str) -> oracle::DecodingKey {
    let public = openssl("pkey -pubout", pem);
    let key = match algorithm.means() {
        Means::Ecdsa(..) => oracle::DecodingKey::from_ec_pem(public.as_bytes()),
        _ if algorithm == Algorithm::EdDsa => oracle::DecodingKey::from_ed_pem(public.as_bytes()),
        _ => oracle::DecodingKey::from_rsa_pem(public.as_bytes()),
    };
    key.expect("a public key")
}

/// Header and claims of `token`, if `secret` says that it is genuine.
pub(in crate::oauth) fn verified_by_secret(token: &str, algorithm: Algorithm, secret: &str) -> (Value, Value) {
    decoded(token, algorithm, &oracle::DecodingKey::from_secret(secret.as_bytes()))
}

fn decoded(token: &str, algorithm: Algorithm, key: &oracle::DecodingKey) -> (Value, Value) {
    let mut rules = oracle::Validation::new(algorithm.name().parse().expect("an algorithm"));
    rules.required_spec_claims.clear();
    (rules.validate_exp, rules.validate_aud) = (false, false);
    let claims = oracle::decode::<Value>(token, key, &rules).expect("a genuine signature").claims;
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a header")).expect("base64url");
    (serde_json::from_slice(&header).expect("JSON"), claims)
}

fn members(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

fn signed(key: &Key, algorithm: Algorithm) -> Result<Secret, JwsError> {
    sign(key, algorithm, members(json!({"kid": "k1"})), &members(json!({"iss": "me", "n": 1})))
}

#[test]
fn each_asymmetric_algorithm_is_verified_by_another_library() {
    for kind in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let pem = private_key(kind);
        let key = Key::from_pem(&pem).expect("a key");
        assert_eq!(key.algorithm(), Some(kind));
        for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| key.fits(*algorithm)) {
            let (header, claims) = verified(signed(&key, algorithm).expect("a signature").expose(), algorithm, &pem);
            assert_eq!(header, json!({"alg": algorithm.name(), "kid": "k1"}));
            assert_eq!(claims, json!({"iss": "me", "n": 1}));
        }
    }
}

/// One signature in 128 holds an integer that is shorter than the curve.
#[test]
fn ecdsa_signatures_are_as_long_as_the_curve_says() {
    let pem = private_key(Algorithm::Es256);
    let (key, public) = (Key::from_pem(&pem).expect("a key"), public_half(Algorithm::Es256, &pem));
    for _ in 0..500 {
        let token = signed(&key, Algorithm::Es256).expect("a signature");
        let signature = URL_SAFE_NO_PAD.decode(token.expose().rsplit('.').next().expect("a signature")).expect("base64url");
        assert_eq!(signature.len(), 64);
        decoded(token.expose(), Algorithm::Es256, &public);
    }
}

#[test]
fn a_shared_secret_signs_with_hmac() {
    let key = Key::Shared("s3cret of the client".into());
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        let token = signed(&key, algorithm).expect("a signature");
        assert_eq!(verified_by_secret(token.expose(), algorithm, "s3cret of the client").1["iss"], json!("me"));
    }
}

#[test]
fn keys_are_read_in_every_common_form() {
    let rsa = private_key(Algorithm::Rs256);
    let ec = private_key(Algorithm::Es256);
    for (pem, algorithm) in [
        (openssl("rsa -traditional", &rsa), Algorithm::Rs256),
        (openssl("ec", &ec), Algorithm::Es256),
        (ec.trim().replace('\n', "\\n"), Algorithm::Es256),
    ] {
        let key = Key::from_pem(&pem).expect("a key");
        let original = if algorithm == Algorithm::Rs256 { &rsa } else { &ec };
        verified(signed(&key, algorithm).expect("a signature").expose(), algorithm, original);
    }
}

#[test]
fn the_wrong_key_is_named_with_what_is_needed() {
    let key = Key::from_pem(&private_key(Algorithm::Es256)).expect("a key");
    let error = signed(&key, Algorithm::Rs256).expect_err("a mismatch").to_string();
    assert_eq!(error, "is a P-256 key, and RS256 needs an RSA key");
    assert!(signed(&key, Algorithm::Es384).is_err());
    assert!(signed(&Key::Shared("s".into()), Algorithm::Es256).expect_err("a mismatch").to_string().contains("a shared secret"));
    assert!(!format!("{key:?}").contains("BEGIN"));
}

#[test]
fn what_is_no_key_is_told_without_its_text() {
    let encrypted = openssl("pkcs8 -topk8 -passout pass:x -v2 aes-128-cbc", &private_key(Algorithm::Es256));
    assert_eq!(Key::from_pem(&encrypted).expect_err("encrypted"), JwsError::Encrypted);
    let small = openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", "");
    assert_eq!(Key::from_pem(&small).expect_err("too small"), JwsError::Unusable);
    for text in ["", "CANARY", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"] {
        assert_eq!(Key::from_pem(text).expect_err(text), JwsError::NotPem);
    }
}
