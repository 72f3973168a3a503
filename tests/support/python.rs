//! Authorization servers written in Python, for the grants that oidc-provider does not have.

use std::process::Command;

use super::oidc_provider::ask;
use super::process::{self, Process};
use super::tls::{Authority, Shown};

/// A running server, and its door for the tests (see tests/servers/python/listen.py). Its client is `app`.
pub struct PythonServer {
    _process: Process,
    _folder: tempfile::TempDir,
    authority: Authority,
    issuer: String,
    door: String,
}

impl PythonServer {
    /// Authlib, with the JWT bearer grant (RFC 7523); `client` is who signs.
    pub fn authlib(client: &Shown) -> Self {
        Self::start("authlib", Some(client))
    }

    /// idpyoidc, with token exchange (RFC 8693).
    pub fn idpyoidc() -> Self {
        Self::start("idpyoidc", None)
    }

    fn start(name: &'static str, client: Option<&Shown>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new("authority of the tests");
        authority.certify_into(folder.path(), "127.0.0.1");
        if let Some(client) = client {
            std::fs::write(folder.path().join("client.jwk"), client.jwk().to_string()).expect("room for a key");
        }
        let mut command = Command::new(process::installed().join("python/bin/python"));
        command.arg("-B").arg(format!("{}/tests/servers/python/{name}_server.py", env!("CARGO_MANIFEST_DIR"))).arg(folder.path());
        let mut process = Process::start(name, &command, folder.path());
        let ready = process.announced();
        let text = |name: &str| ready[name].as_str().expect("a URL").to_owned();
        Self { _process: process, _folder: folder, authority, issuer: text("issuer"), door: text("door") }
    }

    pub fn token_url(&self) -> String {
        format!("{}/token", self.issuer)
    }

    /// The introspection endpoint, for the client `media` with the secret `media-secret`.
    pub fn introspection_url(&self) -> String {
        format!("{}/introspection", self.issuer)
    }

    /// The plain URL at which nginx asks whether a request may pass.
    pub fn verify_url(&self) -> String {
        format!("{}/verify", self.door)
    }

    /// The plain URL of a fresh token that another client got for somebody.
    pub fn subject_url(&self) -> String {
        format!("{}/subject", self.door)
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The status of every answer of the token endpoint.
    pub fn answers(&self) -> Vec<u16> {
        serde_json::from_value(ask(&self.door, "GET", "/requests", &[], "")).expect("a list")
    }
}
