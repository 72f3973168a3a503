//! Certificate authorities that nobody trusts unless told.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

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
        Self { certificate: pem, key: key.serialize_pem(), wire: wire.to_vec(), authority }
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

    fn certify_with(&self, host: &str, verifier: Arc<dyn ClientCertVerifier>) -> Arc<rustls::ServerConfig> {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, host);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into());
        Arc::new(config.expect("a matching key"))
    }
}
