//! Certificate authorities that nobody trusts unless told.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::run::Home;

/// A certificate authority and the file to trust it by.
pub struct Authority {
    file: tempfile::NamedTempFile,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A client's certificate with its key (PEM).
pub struct Shown {
    pub certificate: String,
    pub key: String,
    /// The certificate as it goes over the wire.
    pub wire: Vec<u8>,
    /// Its public key: 4, x, y.
    point: Vec<u8>,
    authority: CertificateDer<'static>,
}

impl Shown {
    /// A certificate that stands for itself.
    pub fn self_signed(name: &str) -> Self {
        let (params, key) = client(name);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self::new(certificate.pem(), &key, certificate.der().clone(), certificate.der().clone())
    }

    fn new(pem: String, key: &KeyPair, wire: CertificateDer<'static>, authority: CertificateDer<'static>) -> Self {
        Self { certificate: pem, key: key.serialize_pem(), wire: wire.to_vec(), point: key.public_key_raw().to_vec(), authority }
    }

    /// Writes `cert.pem` and `key.pem` beside the configuration in `home`.
    pub fn save(&self, home: &Home) {
        home.write(".config/ffauth/cert.pem", &self.certificate);
        home.write(".config/ffauth/key.pem", &self.key);
    }

    /// The public key with its certificate (RFC 7517).
    pub fn jwk(&self) -> serde_json::Value {
        let (x, y) = self.point[1..].split_at(32);
        serde_json::json!({
            "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
            "x5c": [STANDARD.encode(&self.wire)],
        })
    }
}

fn client(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    (params, KeyPair::generate().expect("a key"))
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
        Self { file, certificate: certificate.der().clone(), issuer: Issuer::new(params, key) }
    }

    /// The authority's own certificate (PEM).
    pub fn file(&self) -> &Path {
        self.file.path()
    }

    /// What a server needs to prove that it is `host`.
    pub fn certify(&self, host: &str) -> Arc<rustls::ServerConfig> {
        self.certify_with(host, WebPkiClientVerifier::no_client_auth())
    }

    /// The same, for a server that wants clients to show a certificate that `client` certifies; one without is welcome if
    /// `optional`.
    pub fn certify_asking(&self, host: &str, client: &Shown, optional: bool) -> Arc<rustls::ServerConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(client.authority.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = if optional { verifier.allow_unauthenticated() } else { verifier };
        self.certify_with(host, verifier.build().expect("a verifier"))
    }

    /// A certificate for a client, that it can show.
    pub fn identify(&self, name: &str) -> Shown {
        let (params, key) = client(name);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Shown::new(certificate.pem(), &key, certificate.der().clone(), self.certificate.clone())
    }

    /// `cert.pem` and `key.pem` for `host`, and the authority's own certificate as `ca.pem`, in `folder`.
    pub fn certify_into(&self, folder: &Path, host: &str) {
        let (certificate, key) = self.issue(host);
        let authority = std::fs::read_to_string(self.file()).expect("a certificate");
        for (name, text) in [("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem()), ("ca.pem", authority)] {
            std::fs::write(folder.join(name), text).expect("room for a certificate");
        }
    }

    fn issue(&self, host: &str) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, host);
        (params.signed_by(&key, &self.issuer).expect("a certificate"), key)
    }

    fn certify_with(&self, host: &str, verifier: Arc<dyn ClientCertVerifier>) -> Arc<rustls::ServerConfig> {
        let (certificate, key) = self.issue(host);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into());
        Arc::new(config.expect("a matching key"))
    }
}
