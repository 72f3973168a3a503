//! Certificate authorities that nobody trusts unless told.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;

/// A certificate authority and the file to trust it by.
pub struct Authority {
    file: tempfile::NamedTempFile,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).expect("a certificate");
        let mut file = tempfile::Builder::new().prefix("ca-").suffix(".pem").tempfile().expect("a file");
        file.write_all(certificate.pem().as_bytes()).expect("room for a certificate");
        Self { file, issuer: Issuer::new(params, key) }
    }

    /// The authority's own certificate (PEM).
    pub fn file(&self) -> &Path {
        self.file.path()
    }

    /// What a server needs to prove that it is `host`.
    pub fn certify(&self, host: &str) -> Arc<rustls::ServerConfig> {
        let (certificate, key) = self.issue(host);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into());
        Arc::new(config.expect("a matching key"))
    }

    /// A certificate for `host` and its key, as the files `cert.pem` and `key.pem` in `folder`, and the authority's own as `ca.pem`.
    pub fn certify_into(&self, folder: &Path, host: &str) {
        let (certificate, key) = self.issue(host);
        std::fs::write(folder.join("cert.pem"), certificate.pem()).expect("room for a certificate");
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).expect("room for a key");
        let authority = std::fs::read(self.file()).expect("a certificate");
        std::fs::write(folder.join("ca.pem"), authority).expect("room for a certificate");
    }

    fn issue(&self, host: &str) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, host);
        (params.signed_by(&key, &self.issuer).expect("a certificate"), key)
    }
}
