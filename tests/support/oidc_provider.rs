//! npm's oidc-provider: a certified authorization server, over https, that knows nothing of ffauth.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{self, Process};
use super::run::Home;
use super::tls::Authority;

/// The server, and the door that it has for the tests (see tests/servers/node/door.mjs).
pub struct OidcProvider {
    _process: Process,
    authority: Authority,
    _folder: tempfile::TempDir,
    issuer: String,
    door: String,
}

/// A client as the server registered it.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    /// Empty for clients that have none.
    pub secret: String,
}

impl OidcProvider {
    /// The server of this test process; it runs as long as somebody has it.
    pub fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<OidcProvider>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        running.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *running = Arc::downgrade(&server);
            server
        })
    }

    fn start() -> Self {
        let servers = process::installed();
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new("authority of the tests");
        authority.certify_into(folder.path(), "127.0.0.1");
        let mut command = Command::new(servers.join("node/bin/node"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/node/oidc_provider.mjs"));
        command.arg(folder.path()).current_dir(servers.join("modules"));
        let mut process = Process::start("oidc-provider", &command, folder.path());
        let ready = process.announced();
        let text = |name: &str| ready[name].as_str().expect("a URL").to_owned();
        Self { _process: process, authority, _folder: folder, issuer: text("issuer"), door: text("door") }
    }

    /// Its identifier, below which discovery works.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The introspection endpoint, for the client `media` with the secret `media-secret`.
    pub fn introspection_url(&self) -> String {
        format!("{}/token/introspection", self.issuer)
    }

    /// The plain URL at which nginx asks whether a request may pass.
    pub fn verify_url(&self) -> String {
        format!("{}/verify", self.door)
    }

    /// Who signed its certificate, and signs those of everybody else here.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Registers a client; `metadata` in the words of RFC 7591, plus `access_token_life` in seconds.
    pub fn register(&self, metadata: &Value) -> Client {
        let mut all =
            json!({ "redirect_uris": [], "response_types": [], "grant_types": [], "scope": "openid offline_access media.read" });
        let (Value::Object(all_of_it), Value::Object(given)) = (&mut all, metadata) else { panic!("metadata is an object") };
        all_of_it.extend(given.clone());
        let registered = self.ask("POST", "/clients", &[], &all.to_string());
        let text = |name: &str| registered[name].as_str().unwrap_or_default().to_owned();
        assert!(registered["client_id"].is_string(), "not registered: {registered}");
        Client { id: text("client_id"), secret: text("client_secret") }
    }

    /// What happened to `client`: (event, grant type, error), in order.
    pub fn events(&self, client: &Client) -> Vec<(String, String, String)> {
        let all = self.ask("GET", "/events", &[], "");
        let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let events = all.as_array().expect("a list").iter().filter(|event| event["client"] == client.id);
        events.map(|event| (text(event, "event"), text(event, "grant"), text(event, "error"))).collect()
    }

    /// How many times `event` happened to `client`.
    pub fn count(&self, client: &Client, event: &str) -> usize {
        self.events(client).iter().filter(|(name, ..)| name == event).count()
    }

    /// A refresh token for `client`, as if somebody had signed in with another program.
    pub fn grant(&self, client: &Client) -> String {
        let answer = self.ask("GET", "/grant", &[("client", &client.id)], "");
        answer["refresh_token"].as_str().expect("a token").to_owned()
    }

    /// What the server says about a token (RFC 7662).
    pub fn introspect(&self, token: &str) -> Value {
        self.ask("GET", "/introspect", &[("token", token)], "")
    }

    /// The door for the tests.
    pub fn door(&self) -> &str {
        &self.door
    }

    fn ask(&self, method: &str, path: &str, query: &[(&str, &str)], body: &str) -> Value {
        ask(&self.door, method, path, query, body)
    }
}

/// Asks the `door` of an authorization server.
pub fn ask(door: &str, method: &str, path: &str, query: &[(&str, &str)], body: &str) -> Value {
    let url = url::Url::parse_with_params(&format!("{door}{path}"), query).expect("a URL");
    let (status, text) = plain_http(method, &url, body);
    assert!(status < 400, "{method} {path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{method} {path}: {text}"))
}

/// Somebody opens `url`, enters the device's `code`, signs in, and answers "yes" or "no".
pub fn approve(door: &str, url: &str, code: &str, answer: &str) {
    ask(door, "GET", "/browse", &[("url", url), ("code", code), ("answer", answer)], "");
}

/// A program in `home` for `$BROWSER`, which takes its URL to the `door` of an authorization server.
pub fn browser(home: &Home, door: &str, answer: &str) -> String {
    let query = format!("--get --data-urlencode \"url=$1\" --data answer={answer}");
    let path = home.write("browser", &format!("#!/bin/sh\nexec curl -sS --fail --noproxy '*' {query} {door}/browse\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("permissions");
    path.display().to_string()
}

/// One request over plain http: the status and the body of the answer.
pub fn plain_http(method: &str, url: &url::Url, body: &str) -> (u16, String) {
    let address = url.socket_addrs(|| None).expect("an address")[0];
    let mut stream = TcpStream::connect(address).expect("a listening server");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let query = url.query().map_or(String::new(), |query| format!("?{query}"));
    let head = format!("{method} {}{query} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n", url.path(), body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).expect("a reader");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}
