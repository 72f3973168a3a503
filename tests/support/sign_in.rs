//! An authorization server that people sign in at: authorization codes with PKCE, pushed requests, device codes, refresh tokens
//! that work once, revocation. It believes nobody: what does not fit is an error response.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, LOCATION};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::server::{Arrived, Body, Server};

/// What stands in every code, token and secret of this server, and must not be seen.
pub const CANARY: &str = "canary";
/// The secret of the client `app`.
pub const SECRET: &str = "canary-secret";

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Manners {
    /// `iss` in its answers; URL stands for its own.
    pub iss: Option<&'static str>,
    /// Whether it promises to send one (RFC 9207).
    pub promises_iss: bool,
    /// It has an endpoint for pushed requests, and takes no others.
    pub pushed_only: bool,
    /// What the person says: an error instead of a code.
    pub denial: Option<&'static str>,
    /// The `error` of each question about a device code, before there is a token.
    pub device: VecDeque<&'static str>,
    /// It has a device flow.
    pub has_device: bool,
    /// How long the token endpoint takes.
    pub delay: Duration,
    /// `expires_in`.
    pub expires_in: u64,
    /// The status of revocations.
    pub revocation: u16,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            iss: None,
            promises_iss: false,
            pushed_only: false,
            denial: None,
            device: VecDeque::new(),
            has_device: false,
            delay: Duration::ZERO,
            expires_in: 3600,
            revocation: 200,
        }
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    /// The parameters of the query or the form.
    pub parameters: BTreeMap<String, String>,
}

pub struct SignInServer {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    base: String,
    manners: Manners,
    seen: Vec<Seen>,
    /// Codes that were given out, with the request for each.
    codes: BTreeMap<String, BTreeMap<String, String>>,
    pushed: BTreeMap<String, BTreeMap<String, String>>,
    /// The refresh token that works.
    refresh: Option<String>,
    count: u64,
}

impl SignInServer {
    pub fn start(manners: Manners) -> Self {
        let state = Arc::new(Mutex::new(State { manners, ..State::default() }));
        let shared = Arc::clone(&state);
        let server = Server::start(
            None,
            Arc::new(move |arrived| {
                let shared = Arc::clone(&shared);
                Box::pin(async move { respond(arrived, &shared).await })
            }),
        );
        state.lock().expect("no panic").base = server.url("");
        Self { server, state }
    }

    pub fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// The profile `p` of a client with a secret, whose user signs in here; `more`: further lines.
    pub fn profile(&self, more: &str) -> String {
        let issuer = self.url("");
        format!(
            "[profile.p]\nissuer = \"{issuer}\"\ngrant = \"authorization_code\"\nclient_id = \"app\"\nclient_secret = \"{SECRET}\"\n{more}\n"
        )
    }

    pub fn set(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.lock().manners);
    }

    /// From now on no refresh token works.
    pub fn forget_refresh_token(&self) {
        self.lock().refresh = None;
    }

    /// The requests to `path`.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.lock().seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }
}

async fn respond(arrived: Arrived, state: &Mutex<State>) -> Response<Body> {
    let (head, body) = arrived.request.into_parts();
    let Ok(body) = body.collect().await else { return answer(400, &json!({})) };
    let body = body.to_bytes();
    let text = if head.method == "POST" { &body[..] } else { head.uri.query().unwrap_or_default().as_bytes() };
    let mut parameters: BTreeMap<String, String> = url::form_urlencoded::parse(text).into_owned().collect();
    if let Some(pair) = head.headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Basic ")) {
        let pair = base64::engine::general_purpose::STANDARD.decode(pair).expect("base64");
        parameters.insert("basic".to_owned(), String::from_utf8(pair).expect("text"));
    }
    let path = head.uri.path().to_owned();
    let delay = {
        let mut state = state.lock().expect("no panic");
        state.seen.push(Seen { path: path.clone(), parameters: parameters.clone() });
        if path == "/token" { state.manners.delay } else { Duration::ZERO }
    };
    tokio::time::sleep(delay).await;
    let mut state = state.lock().expect("no panic");
    match path.as_str() {
        "/.well-known/oauth-authorization-server" => answer(200, &state.metadata()),
        "/authorize" => state.authorize(&parameters),
        "/par" => state.push(parameters),
        "/token" => state.token(&parameters),
        "/device" => {
            state.count += 1;
            let (base, count) = (&state.base, state.count);
            answer(
                200,
                &json!({
                    "device_code": format!("{CANARY}-device-{count}"), "user_code": format!("USER-{count}"), "expires_in": 1800,
                    "verification_uri": format!("{base}/go"), "verification_uri_complete": format!("{base}/go?c=USER-{count}"), "interval": 1,
                }),
            )
        }
        "/revoke" => answer(state.manners.revocation, &json!({})),
        _ => answer(404, &json!({})),
    }
}

impl State {
    fn metadata(&self) -> Value {
        let base = &self.base;
        let mut metadata = json!({
            "issuer": base, "authorization_endpoint": format!("{base}/authorize"), "token_endpoint": format!("{base}/token"),
            "revocation_endpoint": format!("{base}/revoke"), "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": self.manners.promises_iss,
        });
        if self.manners.has_device {
            metadata["device_authorization_endpoint"] = json!(format!("{base}/device"));
        }
        if self.manners.pushed_only {
            metadata["pushed_authorization_request_endpoint"] = json!(format!("{base}/par"));
            metadata["require_pushed_authorization_requests"] = json!(true);
        }
        metadata
    }

    fn push(&mut self, parameters: BTreeMap<String, String>) -> Response<Body> {
        if !is_app(&parameters) {
            return answer(401, &json!({ "error": "invalid_client" }));
        }
        self.count += 1;
        let uri = format!("urn:ietf:params:oauth:request_uri:{}", self.count);
        self.pushed.insert(uri.clone(), parameters);
        answer(201, &json!({ "request_uri": uri, "expires_in": 60 }))
    }

    /// The person agrees at once, or says no.
    fn authorize(&mut self, parameters: &BTreeMap<String, String>) -> Response<Body> {
        let request = match parameters.get("request_uri") {
            Some(uri) => self.pushed.get(uri).cloned().unwrap_or_default(),
            None if self.manners.pushed_only => BTreeMap::new(),
            None => parameters.clone(),
        };
        let Some(redirect_uri) = request.get("redirect_uri") else { return answer(400, &json!({ "error": "invalid_request" })) };
        let mut to = url::Url::parse(redirect_uri).expect("a redirect URI");
        match self.manners.denial {
            Some(error) => drop(to.query_pairs_mut().append_pair("error", error).append_pair("error_description", "not today")),
            None => {
                self.count += 1;
                let code = format!("{CANARY}-code-{}", self.count);
                to.query_pairs_mut().append_pair("code", &code);
                self.codes.insert(code, request.clone());
            }
        }
        if let Some(state) = request.get("state") {
            to.query_pairs_mut().append_pair("state", state);
        }
        if let Some(iss) = self.manners.iss {
            to.query_pairs_mut().append_pair("iss", &iss.replace("URL", &self.base));
        }
        Response::builder().status(302).header(LOCATION, to.as_str()).body(Body::from("")).expect("a response")
    }

    fn token(&mut self, parameters: &BTreeMap<String, String>) -> Response<Body> {
        let text = |name: &str| parameters.get(name).map_or("", String::as_str);
        let refuse = |error: &str| answer(400, &json!({ "error": error, "error_description": "the stand-in says no" }));
        match text("grant_type") {
            "authorization_code" => {
                // A code works once.
                let Some(request) = self.codes.remove(text("code")) else { return refuse("invalid_grant") };
                let challenge = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(text("code_verifier")));
                let fits = request.get("code_challenge") == Some(&challenge)
                    && request.get("code_challenge_method").is_some_and(|method| method == "S256")
                    && request.get("redirect_uri").is_some_and(|uri| uri == text("redirect_uri"))
                    && is_app(parameters);
                if fits { self.grant() } else { refuse("invalid_grant") }
            }
            "urn:ietf:params:oauth:grant-type:device_code" => match self.manners.device.pop_front() {
                Some(error) => refuse(error),
                None => self.grant(),
            },
            "refresh_token" if self.refresh.as_deref() == Some(text("refresh_token")) => self.grant(),
            "refresh_token" => refuse("invalid_grant"),
            _ => refuse("unsupported_grant_type"),
        }
    }

    fn grant(&mut self) -> Response<Body> {
        self.count += 1;
        let refresh = format!("{CANARY}-refresh-{}", self.count);
        let granted = json!({
            "access_token": format!("{CANARY}-access-{}", self.count), "token_type": "Bearer",
            "expires_in": self.manners.expires_in, "refresh_token": refresh,
        });
        self.refresh = Some(refresh);
        answer(200, &granted)
    }
}

/// Does the request prove that it comes from the client `app`, in its header or its body?
fn is_app(parameters: &BTreeMap<String, String>) -> bool {
    let text = |name: &str| parameters.get(name).map_or("", String::as_str);
    text("basic") == format!("app:{SECRET}") || (text("client_id"), text("client_secret")) == ("app", SECRET)
}

fn answer(status: u16, body: &Value) -> Response<Body> {
    let response =
        Response::builder().status(status).header(CONTENT_TYPE, "application/json").header("cache-control", "no-store");
    response.body(Body::from(body.to_string())).expect("a response")
}
