//! The far end of every test: an authorization server, media servers, and the program between them.

pub mod apache;
pub mod browser;
pub mod cargo;
pub mod cdn;
pub mod client_auth;
pub mod daemon;
pub mod disturbance;
pub mod dpop;
pub mod edge;
pub mod family;
pub mod glewlwyd;
pub mod live;
pub mod media;
pub mod nginx;
pub mod oidc_provider;
pub mod origin;
pub mod process;
pub mod python;
pub mod relay;
pub mod run;
pub mod server;
pub mod service;
pub mod sign_in;
pub mod steady;
pub mod tls;
pub mod token_server;
pub mod web;

use std::sync::Arc;

use origin::{Origin, Site};
use run::Home;
use token_server::{TokenServer, Tokens};

/// An authorization server, a media server that takes its tokens, and a home with the profile `p` for them.
pub struct Protected {
    pub tokens: Arc<Tokens>,
    pub token_server: TokenServer,
    pub origin: Origin,
    pub home: Home,
}

impl Protected {
    /// `profile`: further lines of the profile.
    pub fn new(tokens: Arc<Tokens>, site: Site, profile: &str) -> Self {
        let token_server = TokenServer::start(&tokens);
        let origin = Origin::start(Site { tokens: Some(Arc::clone(&tokens)), ..site });
        let home = Home::new(&run::profile("p", &token_server, profile));
        Self { tokens, token_server, origin, home }
    }

    /// Several tokens were refused ahead of their time, and each of them cost one token request, however many requests found out.
    #[track_caller]
    pub fn assert_one_refresh_for_each_refused_token(&self, reading: &run::Reading) {
        let rejected = self.origin.rejected();
        assert!(rejected.len() >= 3, "only tokens {rejected:?} were refused: nothing was shown\n{}", self.origin.story());
        let requests = self.token_server.answered();
        assert_eq!(requests, rejected.len() as u64 + 1, "token requests; refused were {rejected:?}\n{}", self.origin.story());
        let counted = &reading.summary["inputs"][0]["http_401"];
        assert_eq!(*counted, serde_json::json!(self.origin.count(401)), "{}", self.origin.story());
    }

    /// Gives the profile other further lines.
    pub fn set_profile(&self, profile: &str) {
        self.home.write(run::CONFIG, &run::profile("p", &self.token_server, profile));
    }
}

/// Names (in lower case) and values, in the order in which they came.
fn header_fields(headers: &hyper::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}
