//! Certificate authorities that nobody trusts unless told.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
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
        let Identity { certificate, key } = self.identify(host);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into());
        Arc::new(config.expect("a matching key"))
    }

    /// A certificate for `name` and its key.
    pub fn identify(&self, name: &str) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters(name).signed_by(&key, &self.issuer).expect("a certificate");
        Identity { certificate, key }
    }

    /// `cert.pem` and `key.pem` for `host`, and the authority's own certificate as `ca.pem`, in `folder`.
    pub fn certify_into(&self, folder: &Path, host: &str) {
        self.identify(host).save(folder);
        let authority = std::fs::read(self.file()).expect("a certificate");
        std::fs::write(folder.join("ca.pem"), authority).expect("room for a certificate");
    }
}

/// A certificate and its key.
pub struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Identity {
    /// One that nobody signed but itself.
    pub fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters(name).self_signed(&key).expect("a certificate");
        Self { certificate, key }
    }

    /// Writes `cert.pem` and `key.pem` into `folder`.
    pub fn save(&self, folder: &Path) {
        std::fs::write(folder.join("cert.pem"), self.certificate.pem()).expect("room for a certificate");
        let key = folder.join("key.pem");
        std::fs::write(&key, self.key.serialize_pem()).expect("room for a key");
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("permissions");
    }

    /// The public key (RFC 7517), with its certificate.
    pub fn jwk(&self) -> serde_json::Value {
        // An uncompressed point: 4, x, y.
        let (x, y) = self.key.public_key_raw()[1..].split_at(32);
        serde_json::json!({
            "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
            "x5c": [STANDARD.encode(self.certificate.der())],
        })
    }
}

fn parameters(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
