//! Which certificate authorities are trusted, for tokens and for media alike, and which certificate is shown to servers that ask
//! for one.
//!
//! Trusted are the system's roots, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name in their place, and a profile's own
//! `ca_file` beside them. A client certificate is shown where the profile's token goes, and nowhere else.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use base64::Engine;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::env::Env;
use crate::secret::SecretSource;

/// The certificate authorities of one profile, and its own certificate if it has one. Nothing is read before the first TLS
/// connection; clones share what was read.
#[derive(Clone)]
pub struct Roots {
    trusted: Arc<Trusted>,
    shown: Option<Arc<Shown>>,
}

struct Trusted {
    ca_file: Option<PathBuf>,
    named_by_environment: bool,
    config: Config,
    bundle: OnceLock<Result<Bundle, TlsError>>,
}

type Config = OnceLock<Result<Arc<rustls::ClientConfig>, TlsError>>;

struct Shown {
    certificate: ClientCertificate,
    config: Config,
}

/// A certificate with its private key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// The key, readable by this user alone.
    pub key: PathBuf,
}

/// Why the certificates cannot be used.
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
    /// The profile's own certificate or its key cannot be used.
    #[error("tls.{part}: {reason}")]
    Certificate {
        /// `cert` or `key`.
        part: &'static str,
        /// What is wrong with it, with the file.
        reason: String,
    },
    /// There is nothing to trust.
    #[error("no trusted certificate authorities were found on this system (Debian: install ca-certificates)")]
    NoRoots,
    /// The bundle for libavformat could not be written.
    #[error("the list of trusted certificates could not be written to a temporary file: {0}")]
    Bundle(String),
    /// rustls refused the settings.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl Roots {
    /// The system's roots (as `env` names them) and the certificates of `ca_file` (PEM).
    pub fn new(env: &Env, ca_file: Option<&Path>) -> Self {
        let trusted = Trusted {
            ca_file: ca_file.map(Path::to_owned),
            named_by_environment: env.get("SSL_CERT_FILE").or_else(|| env.get("SSL_CERT_DIR")).is_some(),
            config: OnceLock::new(),
            bundle: OnceLock::new(),
        };
        Self { trusted: Arc::new(trusted), shown: None }
    }

    /// The same roots, with a certificate for servers that ask for one.
    #[must_use]
    pub fn showing(self, certificate: Option<ClientCertificate>) -> Self {
        let shown = certificate.map(|certificate| Arc::new(Shown { certificate, config: OnceLock::new() }));
        Self { shown, ..self }
    }

    /// The same roots for connections to servers that are not to know who we are.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self { trusted: Arc::clone(&self.trusted), shown: None }
    }

    /// The certificate that servers are shown which ask for one.
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        self.shown.as_ref().map(|shown| &shown.certificate)
    }

    /// The client side of TLS for these roots, `ring` as provider; ALPN is left empty.
    ///
    /// # Errors
    /// [`TlsError`], the same one each time: the files are read once.
    pub fn client_config(&self) -> Result<Arc<rustls::ClientConfig>, TlsError> {
        let made = || client_config(&self.trusted.certificates()?, self.certificate());
        self.shown.as_ref().map_or(&self.trusted.config, |shown| &shown.config).get_or_init(made).clone()
    }

    /// A PEM file for libavformat's `ca_file`, which replaces GnuTLS's own roots; `None` where those are what is wanted. It is in
    /// memory and goes with the last clone.
    ///
    /// # Errors
    /// As [`client_config`](Self::client_config).
    pub fn bundle(&self) -> Result<Option<&Path>, TlsError> {
        let trusted = &self.trusted;
        if trusted.ca_file.is_none() && !trusted.named_by_environment {
            return Ok(None);
        }
        match trusted
            .bundle
            .get_or_init(|| Bundle::write(&trusted.certificates()?).map_err(|error| TlsError::Bundle(error.to_string())))
        {
            Ok(bundle) => Ok(Some(&bundle.path)),
            Err(error) => Err(error.clone()),
        }
    }
}

impl std::fmt::Debug for Roots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (ca_file, certificate) = (&self.trusted.ca_file, self.certificate());
        f.debug_struct("Roots").field("ca_file", ca_file).field("certificate", &certificate).finish_non_exhaustive()
    }
}

impl Trusted {
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

fn client_config(
    certificates: &[CertificateDer<'static>],
    shown: Option<&ClientCertificate>,
) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    let mut store = rustls::RootCertStore::empty();
    store.add_parsable_certificates(certificates.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| TlsError::Setup(error.to_string()))?;
    let builder = builder.with_root_certificates(store);
    Ok(Arc::new(match shown {
        None => builder.with_no_client_auth(),
        Some(shown) => {
            let (chain, key) = shown.read()?;
            builder.with_client_auth_cert(chain, key).map_err(|error| TlsError::Certificate {
                part: "key",
                reason: format!("{} does not go with {}: {error}", shown.key.display(), shown.certificate.display()),
            })?
        }
    }))
}

impl ClientCertificate {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let refuse = |part, path: &Path, reason: String| {
            Err(TlsError::Certificate { part, reason: format!("{}: {reason}", path.display()) })
        };
        let chain = match std::fs::read(&self.certificate) {
            Ok(pem) => CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().unwrap_or_default(),
            Err(error) => return refuse("cert", &self.certificate, error.to_string()),
        };
        if chain.is_empty() {
            return refuse("cert", &self.certificate, "holds no PEM certificate".to_owned());
        }
        let key = match SecretSource::File(self.key.clone()).read(&Env::default()) {
            Ok(key) => key,
            Err(error) => return Err(TlsError::Certificate { part: "key", reason: error.to_string() }),
        };
        match PrivateKeyDer::from_pem_slice(key.expose().as_bytes()) {
            Ok(key) => Ok((chain, key)),
            Err(_) => refuse("key", &self.key, "holds no PEM private key, or one behind a passphrase".to_owned()),
        }
    }
}

/// A file that only this process has: it is on no disk, and a kill leaves nothing behind.
struct Bundle {
    /// Where it can be opened for as long as `_memory` is open.
    path: PathBuf,
    _memory: File,
}

impl Bundle {
    fn write(certificates: &[CertificateDer<'static>]) -> std::io::Result<Self> {
        let mut memory = File::from(rustix::fs::memfd_create("ffauth-ca", rustix::fs::MemfdFlags::CLOEXEC)?);
        for certificate in certificates {
            memory.write_all(b"-----BEGIN CERTIFICATE-----\n")?;
            let text = base64::engine::general_purpose::STANDARD.encode(certificate);
            for line in text.as_bytes().chunks(64) {
                memory.write_all(line)?;
                memory.write_all(b"\n")?;
            }
            memory.write_all(b"-----END CERTIFICATE-----\n")?;
        }
        Ok(Self { path: format!("/proc/self/fd/{}", memory.as_raw_fd()).into(), _memory: memory })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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
        assert!(std::fs::read(&bundle).map_or(true, |other| other != text), "it is still there");
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = Roots::new(&Env::default(), Some(file.path())).client_config().expect_err("nothing in it");
        assert!(error.to_string().contains("holds no PEM certificate"), "{error}");
    }

    /// A certificate of its own with its key, in `folder`.
    fn own(folder: &Path, name: &str) -> ClientCertificate {
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::new(Vec::new()).expect("parameters").self_signed(&key).expect("signed");
        let at = |ending: &str, text: String| {
            let path = folder.join(format!("{name}.{ending}"));
            std::fs::write(&path, text).expect("room");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
            path
        };
        ClientCertificate { certificate: at("crt", certificate.pem()), key: at("key", key.serialize_pem()) }
    }

    #[test]
    fn a_certificate_is_shown_unless_the_connection_is_anonymous() {
        let folder = tempfile::tempdir().expect("a folder");
        let roots = Roots::new(&Env::default(), None).showing(Some(own(folder.path(), "a")));
        assert!(roots.client_config().expect("a configuration").client_auth_cert_resolver.has_certs());
        assert!(!roots.anonymous().client_config().expect("a configuration").client_auth_cert_resolver.has_certs());
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, two) = (own(folder.path(), "one"), own(folder.path(), "two"));
        let missing = folder.path().join("none");
        let exposed = own(folder.path(), "exposed");
        std::fs::set_permissions(&exposed.key, std::fs::Permissions::from_mode(0o644)).expect("its mode");
        for (certificate, said) in [
            (ClientCertificate { key: two.key, ..one.clone() }, "does not go with"),
            (ClientCertificate { key: one.certificate.clone(), ..one.clone() }, "tls.key"),
            (ClientCertificate { certificate: one.key.clone(), ..one.clone() }, "holds no PEM certificate"),
            (ClientCertificate { certificate: missing, ..one }, "tls.cert"),
            (exposed, "chmod 600"),
        ] {
            let error = Roots::new(&Env::default(), None).showing(Some(certificate)).client_config().expect_err(said);
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
