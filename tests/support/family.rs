//! An authorization server with one-time refresh tokens: whoever sends a used one ends the whole family, as RFC 9700 section
//! 4.14.2 asks.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Response;
use hyper::header::CONTENT_TYPE;

use super::server::{Arrived, Body, Server};

/// The server; its refresh tokens are `r-0`, `r-1`, ….
pub struct Family {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    expires_in: u64,
    delay: Duration,
    issued: u64,
    /// The refresh token that works; `None` = the family has been ended.
    current: Option<String>,
    used: BTreeSet<String>,
    reuses: u64,
    refusals: u64,
}

impl Family {
    /// Access tokens live `expires_in` seconds; each answer takes `delay`.
    pub fn start(expires_in: u64, delay: Duration) -> Self {
        let state = Arc::new(Mutex::new(State { expires_in, delay, current: Some("r-0".to_owned()), ..State::default() }));
        let shared = Arc::clone(&state);
        let server = Server::start(
            None,
            Arc::new(move |arrived| {
                let shared = Arc::clone(&shared);
                Box::pin(async move { respond(&shared, arrived).await })
            }),
        );
        Self { server, state }
    }

    /// A profile `p` that begins with the current refresh token.
    pub fn profile(&self) -> String {
        let refresh_token = self.lock().current.clone().expect("a living family");
        let url = self.server.url("/token");
        format!(
            "[profile.p]\ntoken_url = \"{url}\"\nclient_id = \"app\"\nclient_secret = \"s\"\nrefresh_token = \"{refresh_token}\"\n"
        )
    }

    /// Somebody signs in: a new refresh token.
    pub fn sign_in(&self) {
        let mut state = self.lock();
        let number = state.issued;
        state.current = Some(format!("login-{number}"));
    }

    /// Refresh tokens that were exchanged for new ones.
    pub fn rotations(&self) -> u64 {
        self.lock().issued
    }

    /// Used refresh tokens that came again.
    pub fn reuses(&self) -> u64 {
        self.lock().reuses
    }

    /// Requests that got `invalid_grant`.
    pub fn refusals(&self) -> u64 {
        self.lock().refusals
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic in the test server")
    }
}

async fn respond(state: &Mutex<State>, arrived: Arrived) -> Response<Body> {
    let body = arrived.request.into_body().collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let sent = url::form_urlencoded::parse(&body).find(|(name, _)| name == "refresh_token").map(|(_, token)| token.into_owned());
    let (delay, (status, text)) = {
        let mut state = state.lock().expect("no panic in the test server");
        (state.delay, state.exchange(sent))
    };
    tokio::time::sleep(delay).await;
    Response::builder().status(status).header(CONTENT_TYPE, "application/json").body(Body::from(text)).expect("a response")
}

impl State {
    fn exchange(&mut self, sent: Option<String>) -> (u16, String) {
        if sent.is_none() || sent != self.current {
            if sent.is_some_and(|sent| self.used.contains(&sent)) {
                self.reuses += 1;
                self.current = None;
            }
            self.refusals += 1;
            return (400, r#"{"error":"invalid_grant"}"#.to_owned());
        }
        self.used.extend(sent);
        self.issued += 1;
        let (number, expires_in) = (self.issued, self.expires_in);
        self.current = Some(format!("r-{number}"));
        let text = format!(
            r#"{{"access_token":"a-{number}","token_type":"Bearer","expires_in":{expires_in},"refresh_token":"r-{number}"}}"#
        );
        (200, text)
    }
}
