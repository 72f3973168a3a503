//! Which certificate authorities are trusted, for tokens and for media alike.
//!
//! Trusted are the system's roots, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name in their place, and a profile's own
//! `ca_file` beside them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use base64::Engine;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::env::Env;

/// The certificate authorities of one profile. Nothing is read before the first TLS connection; clones share what was read.
#[derive(Clone)]
pub struct Roots(Arc<Inner>);

struct Inner {
    ca_file: Option<PathBuf>,
    named_by_environment: bool,
    config: OnceLock<Result<Arc<rustls::ClientConfig>, TlsError>>,
    bundle: OnceLock<Result<tempfile::NamedTempFile, TlsError>>,
}

/// Why the certificate authorities cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The profile's `ca_file` cannot be read or holds no certificate.
    #[error("ca_file {path}: {reason}")]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nothing to trust.
    #[error("no trusted certificate authorities were found on this system (Debian: install ca-certificates)")]
    NoRoots,
    /// The temporary bundle for libavformat could not be written.
    #[error("the list of trusted certificates could not be written to a temporary file: {0}")]
    Bundle(String),
    /// rustls refused the settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl Roots {
    /// The system's roots (as `env` names them) and the certificates of `ca_file` (PEM).
    pub fn new(env: &Env, ca_file: Option<&Path>) -> Self {
        Self(Arc::new(Inner {
            ca_file: ca_file.map(Path::to_owned),
            named_by_environment: env.get("SSL_CERT_FILE").or_else(|| env.get("SSL_CERT_DIR")).is_some(),
            config: OnceLock::new(),
            bundle: OnceLock::new(),
        }))
    }

    /// The client side of TLS for these roots, `ring` as provider; ALPN is left empty.
    ///
    /// # Errors
    /// [`TlsError`], the same one each time: the files are read once.
    pub fn client_config(&self) -> Result<Arc<rustls::ClientConfig>, TlsError> {
        self.0.config.get_or_init(|| client_config(&self.0.certificates()?)).clone()
    }

    /// A PEM file for libavformat's `ca_file`, which replaces GnuTLS's own roots; `None` where those are what is wanted. The
    /// file is private to this user and is deleted with the last clone.
    ///
    /// # Errors
    /// As [`client_config`](Self::client_config).
    pub fn bundle(&self) -> Result<Option<&Path>, TlsError> {
        if self.0.ca_file.is_none() && !self.0.named_by_environment {
            return Ok(None);
        }
        match self.0.bundle.get_or_init(|| write_bundle(&self.0.certificates()?)) {
            Ok(file) => Ok(Some(file.path())),
            Err(error) => Err(error.clone()),
        }
    }
}

impl std::fmt::Debug for Roots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Roots").field("ca_file", &self.0.ca_file).finish_non_exhaustive()
    }
}

impl Inner {
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        // What cannot be read among the system's files is no reason to stop: the others may suffice.
        let mut certificates = rustls_native_certs::load_native_certs().certs;
        if let Some(path) = &self.ca_file {
            let refuse = |reason: String| TlsError::CaFile { path: path.display().to_string(), reason };
            let pem = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
            let own: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            let own = own.map_err(|error| refuse(format!("not a PEM certificate file ({error})")))?;
            if own.is_empty() {
                return Err(refuse("holds no PEM certificate".to_owned()));
            }
            certificates.extend(own);
        }
        if certificates.is_empty() { Err(TlsError::NoRoots) } else { Ok(certificates) }
    }
}

fn client_config(certificates: &[CertificateDer<'static>]) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    let mut store = rustls::RootCertStore::empty();
    store.add_parsable_certificates(certificates.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| TlsError::Setup(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(store).with_no_client_auth()))
}

fn write_bundle(certificates: &[CertificateDer<'static>]) -> Result<tempfile::NamedTempFile, TlsError> {
    let failed = |error: std::io::Error| TlsError::Bundle(error.to_string());
    let mut file = tempfile::Builder::new().prefix("ffauth-ca-").suffix(".pem").tempfile().map_err(failed)?;
    let mut pem = String::new();
    for certificate in certificates {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = base64::engine::general_purpose::STANDARD.encode(certificate);
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    file.write_all(pem.as_bytes()).map_err(failed)?;
    file.flush().map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_where_the_systems_roots_are_enough() {
        assert_eq!(Roots::new(&Env::default(), None).bundle(), Ok(None));
    }

    #[test]
    fn a_private_ca_stands_beside_the_systems_roots() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let ca = rcgen::CertificateParams::new(Vec::new()).expect("parameters").self_signed(&key).expect("a certificate");
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(ca.pem().as_bytes()).expect("room");
        let roots = Roots::new(&Env::default(), Some(file.path()));
        let bundle = roots.bundle().expect("a bundle").expect("a path").to_owned();
        let text = std::fs::read(&bundle).expect("readable");
        let bundled = CertificateDer::pem_slice_iter(&text).count();
        assert_eq!(bundled, rustls_native_certs::load_native_certs().certs.len() + 1);
        assert!(roots.client_config().is_ok());
        drop(roots);
        assert!(!bundle.exists());
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = Roots::new(&Env::default(), Some(file.path())).client_config().expect_err("nothing in it");
        assert!(error.to_string().contains("holds no PEM certificate"), "{error}");
    }
}
