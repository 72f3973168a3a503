//! Compact JSON Web Signatures (RFC 7515), made here and read by servers: client assertions, grant assertions, DPoP proofs.
//!
//! Private keys are loaded and used by the same code that proves the client in TLS: rustls' `ring` provider.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SigningKey;
use serde_json::{Map, Value};
use zeroize::Zeroize;

use crate::secret::Secret;

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The name in the `alg` member and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Is the key a secret that the server has too?
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    fn means(self) -> Means {
        match self {
            Self::Hs256 => Means::Hmac(hmac::HMAC_SHA256),
            Self::Hs384 => Means::Hmac(hmac::HMAC_SHA384),
            Self::Hs512 => Means::Hmac(hmac::HMAC_SHA512),
            Self::Rs256 => Means::Signature(SignatureScheme::RSA_PKCS1_SHA256),
            Self::Rs384 => Means::Signature(SignatureScheme::RSA_PKCS1_SHA384),
            Self::Rs512 => Means::Signature(SignatureScheme::RSA_PKCS1_SHA512),
            Self::Ps256 => Means::Signature(SignatureScheme::RSA_PSS_SHA256),
            Self::Ps384 => Means::Signature(SignatureScheme::RSA_PSS_SHA384),
            Self::Ps512 => Means::Signature(SignatureScheme::RSA_PSS_SHA512),
            Self::Es256 => Means::Ecdsa(SignatureScheme::ECDSA_NISTP256_SHA256, 32),
            Self::Es384 => Means::Ecdsa(SignatureScheme::ECDSA_NISTP384_SHA384, 48),
            Self::EdDsa => Means::Signature(SignatureScheme::ED25519),
        }
    }

    /// The key that it needs, for messages.
    fn key_kind(self) -> &'static str {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => "a shared secret",
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => "an RSA key",
            Self::Es256 => "a P-256 key",
            Self::Es384 => "a P-384 key",
            Self::EdDsa => "an Ed25519 key",
        }
    }
}

/// How an algorithm signs.
enum Means {
    Hmac(hmac::Algorithm),
    Signature(SignatureScheme),
    /// The second part is the size of a coordinate in bytes.
    Ecdsa(SignatureScheme, usize),
}

/// What signs. Prints no part of the key.
#[derive(Clone, Debug)]
pub enum Key {
    /// A secret that the server has too.
    Shared(Secret),
    /// A private key.
    Private(Arc<dyn SigningKey>),
}

/// Why nothing was signed. Holds no part of the key; reads on after the name of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not the text that was expected.
    #[error("holds no private key in PEM form (-----BEGIN PRIVATE KEY-----, RSA PRIVATE KEY or EC PRIVATE KEY)")]
    NotPem,
    /// A key behind a passphrase.
    #[error("is encrypted with a passphrase; store it decrypted (openssl pkey -in KEY -out PLAIN; chmod 600 PLAIN)")]
    Encrypted,
    /// A kind or size of key that cannot be used.
    #[error("is no key that can be used: RSA of 2048 bits or more, P-256, P-384 and Ed25519 can")]
    Unusable,
    /// The key of another algorithm.
    #[error("is {has}, and {} needs {}", .algorithm.name(), .algorithm.key_kind())]
    Mismatch {
        /// What the key is.
        has: &'static str,
        /// What was to be used.
        algorithm: Algorithm,
    },
    /// The library refused.
    #[error("did not sign: {0}")]
    Failed(String),
}

impl Key {
    /// The first private key in `pem`: PKCS #8, PKCS #1 or SEC 1. A text in one line whose line breaks are written `\n`, as
    /// environment files have it, is read too.
    ///
    /// # Errors
    /// No key, an encrypted one, or one of a kind that cannot be used.
    pub fn from_pem(pem: &str) -> Result<Self, JwsError> {
        if pem.contains("ENCRYPTED") {
            return Err(JwsError::Encrypted);
        }
        let unfolded = (!pem.contains('\n')).then(|| Secret::new(pem.replace("\\n", "\n")));
        let pem = unfolded.as_ref().map_or(pem, Secret::expose);
        let mut der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| JwsError::NotPem)?;
        let key = any_supported_type(&der);
        der.zeroize();
        key.map(Self::Private).map_err(|_| JwsError::Unusable)
    }

    /// A private key in PKCS #8.
    ///
    /// # Errors
    /// One of a kind that cannot be used.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, JwsError> {
        let key = any_supported_type(&PrivateKeyDer::Pkcs8(der.into()));
        key.map(Self::Private).map_err(|_| JwsError::Unusable)
    }

    /// The coordinates of the public half of a P-256 key.
    pub fn p256_point(&self) -> Option<([u8; 32], [u8; 32])> {
        let Self::Private(key) = self else { return None };
        key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256])?;
        // RFC 5480 section 2.2: the key ends the structure, and an uncompressed point ends with its coordinates.
        let public = key.public_key()?;
        let (rest, y) = public.as_ref().split_last_chunk()?;
        let (_, x) = rest.split_last_chunk()?;
        Some((*x, *y))
    }

    /// The first algorithm that goes with the key: HS256, RS256, ES256, ES384 or EdDSA.
    pub fn algorithm(&self) -> Option<Algorithm> {
        let first = [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
        first.into_iter().find(|algorithm| self.fits(*algorithm))
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        match (self, algorithm.means()) {
            (Self::Shared(_), Means::Hmac(_)) => true,
            (Self::Private(key), Means::Signature(scheme) | Means::Ecdsa(scheme, _)) => key.choose_scheme(&[scheme]).is_some(),
            _ => false,
        }
    }

    fn signature(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, JwsError> {
        let mismatch = || JwsError::Mismatch { has: self.algorithm().map_or("another key", Algorithm::key_kind), algorithm };
        let sign = |key: &Arc<dyn SigningKey>, scheme| {
            let signer = key.choose_scheme(&[scheme]).ok_or_else(mismatch)?;
            signer.sign(message).map_err(|error| JwsError::Failed(error.to_string()))
        };
        match (self, algorithm.means()) {
            (Self::Shared(secret), Means::Hmac(hash)) => {
                let key = hmac::Key::new(hash, secret.expose().as_bytes());
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
            (Self::Private(key), Means::Signature(scheme)) => sign(key, scheme),
            (Self::Private(key), Means::Ecdsa(scheme, width)) => {
                side_by_side(&sign(key, scheme)?, width).ok_or_else(|| JwsError::Failed("not an ECDSA signature".to_owned()))
            }
            _ => Err(mismatch()),
        }
    }
}

/// `claims`, signed. `header` holds what stands there beside `alg`.
///
/// # Errors
/// The key is not one for `algorithm`.
pub fn sign(
    key: &Key,
    algorithm: Algorithm,
    mut header: Map<String, Value>,
    claims: &Map<String, Value>,
) -> Result<Secret, JwsError> {
    header.insert("alg".to_owned(), algorithm.name().into());
    let part = |members: &Map<String, Value>| {
        serde_json::to_vec(members).map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|error| JwsError::Failed(error.to_string()))
    };
    let signed = format!("{}.{}", part(&header)?, part(claims)?);
    let signature = key.signature(algorithm, signed.as_bytes())?;
    Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

/// The two integers of an ECDSA signature in ASN.1 as RFC 7518 section 3.4 wants them: each `width` bytes, no framing. They
/// are short enough that every length in there is one byte.
fn side_by_side(asn1: &[u8], width: usize) -> Option<Vec<u8>> {
    let (_sequence, mut rest) = asn1.split_at_checked(2)?;
    let mut joined = Vec::with_capacity(2 * width);
    for _ in 0..2 {
        let ([_integer, length], after) = rest.split_first_chunk::<2>()?;
        let (number, after) = after.split_at_checked(usize::from(*length))?;
        // A leading zero keeps a number positive there.
        let digits = number.strip_prefix(&[0]).unwrap_or(number);
        joined.resize(joined.len() + width.checked_sub(digits.len())?, 0);
        joined.extend_from_slice(digits);
        rest = after;
    }
    Some(joined)
}

/// A value that nobody else uses, for `jti`: 128 random bits.
///
/// # Errors
/// The system gives no random bytes.
pub fn unique() -> Result<String, JwsError> {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).map_err(|error| JwsError::Failed(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bits))
}

#[cfg(test)]
pub(in crate::oauth) mod tests;
