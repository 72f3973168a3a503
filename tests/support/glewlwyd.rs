//! Debian's glewlwyd: an authorization server with habits of its own.

use std::net::TcpStream;
use std::process::Command;

use super::process::{self, Process};
use super::server::closed_port;
use super::tls::Authority;

/// A running server with the client `app`, and its door for the tests (see tests/servers/node/glewlwyd.mjs).
pub struct Glewlwyd {
    _door: Process,
    _process: Process,
    _folders: [tempfile::TempDir; 2],
    authority: Authority,
    url: String,
    door: String,
    redirect_port: u16,
}

impl Glewlwyd {
    pub fn start() -> Self {
        let authority = Authority::new("authority of the tests");
        let (process, folder, url) = process::on_free_port("glewlwyd", |port| {
            let folder = tempfile::tempdir().expect("a folder");
            let root = folder.path().display().to_string();
            authority.certify_into(folder.path(), "127.0.0.1");
            let schema = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";
            let made = Command::new("sqlite3").args([format!("{root}/db"), format!(".read {schema}")]).status();
            assert!(made.is_ok_and(|status| status.success()), "no data base");
            let config = CONFIG.replace("FOLDER", &root).replace("PORT", &port.to_string());
            std::fs::write(folder.path().join("config"), config).expect("a file");
            let mut command = Command::new("glewlwyd");
            command.arg(format!("--config-file={root}/config"));
            let mut process = Process::start("glewlwyd", &command, folder.path());
            match process.wait_for(|_| TcpStream::connect(("127.0.0.1", port)).ok()) {
                Some(_) => Ok((process, folder, format!("https://127.0.0.1:{port}"))),
                None => Err(process.forget()),
            }
        });
        let servers = process::installed();
        let beside = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(servers.join("node/bin/node"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/node/glewlwyd.mjs")).arg(&url).arg(folder.path());
        let redirect_port = closed_port();
        command.arg(redirect_port.to_string());
        let mut helper = Process::start("glewlwyd's door", &command, beside.path());
        let door = helper.announced()["door"].as_str().expect("a URL").to_owned();
        Self { _door: helper, _process: process, _folders: [folder, beside], authority, url, door, redirect_port }
    }

    /// `path` below its OpenID Connect plugin.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}/api/oidc/{path}", self.url)
    }

    /// The plain URL at which nginx asks whether a request may pass.
    pub fn verify_url(&self) -> String {
        format!("{}/verify", self.door)
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The port of loopback to which its client's browser returns: it knows no other, unlike RFC 8252 section 7.3.
    pub fn redirect_port(&self) -> u16 {
        self.redirect_port
    }

    /// The door for the tests.
    pub fn door(&self) -> &str {
        &self.door
    }
}

const CONFIG: &str = r#"
port = PORT
bind_address = "127.0.0.1"
external_url = "https://127.0.0.1:PORT"
login_url = "login.html"
api_prefix = "api"
static_files_path = "/usr/share/glewlwyd/webapp/"
log_mode = "console"
log_level = "INFO"
cookie_domain = ""
cookie_secure = 1
session_expiration = 2419200
session_key = "GLEWLWYD2_SESSION_ID"
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "/usr/lib/glewlwyd/user"
user_middleware_module_path = "FOLDER"
client_module_path = "/usr/lib/glewlwyd/client"
user_auth_scheme_module_path = "/usr/lib/glewlwyd/scheme"
plugin_module_path = "/usr/lib/glewlwyd/plugin"
use_secure_connection = true
secure_connection_key_file = "FOLDER/key.pem"
secure_connection_pem_file = "FOLDER/cert.pem"
secure_connection_ca_file = "FOLDER/ca.pem"
hash_algorithm = "SHA512"
database = { type = "sqlite3" path = "FOLDER/db" };
"#;
