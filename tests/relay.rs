//! The relay: what callers get, and what the servers behind it received.

mod bound;
mod forward;
mod players;
mod resume;
mod rewrite;
mod settings;
mod token;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Response;

use crate::support::Protected;
use crate::support::origin::{Origin, Site};
use crate::support::relay::{Caller, Relay};
use crate::support::run::{self, Home};
use crate::support::server::{Arrived, Body, Server};
use crate::support::token_server::{TokenServer, Tokens};

/// A relay in front of a protected media server.
struct Relayed {
    caller: Caller,
    relay: Relay,
    protected: Protected,
}

impl Relayed {
    fn new(site: Site) -> Self {
        Self::with(Tokens::living(Duration::from_secs(600)), site, "")
    }

    /// `profile`: further lines of the profile.
    fn with(tokens: Arc<Tokens>, site: Site, profile: &str) -> Self {
        let protected = Protected::new(tokens, site, "");
        protected.set_profile(&format!("base_url = \"{}\"\n{profile}", protected.origin.base()));
        let relay = Relay::start(&protected.home, "--log info");
        Self { caller: Caller::new(), relay, protected }
    }

    fn origin(&self) -> &Origin {
        &self.protected.origin
    }

    fn url(&self, path: &str) -> String {
        self.relay.url("p", path)
    }

    /// What went wrong, for messages.
    fn story(&self) -> String {
        format!("{}\n{}", self.origin().story(), self.relay.log())
    }
}

/// A media server that answers as a test wants it, and a relay for it without tokens to speak of.
struct Scripted {
    caller: Caller,
    relay: Relay,
    server: Server,
    seen: Arc<Mutex<Vec<String>>>,
    _home: Home,
}

impl Scripted {
    fn new(respond: impl Fn(&Arrived) -> Response<Body> + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let respond = Arc::new(respond);
        let server = Server::start(
            None,
            Arc::new(move |arrived| {
                let mut text = format!("{} {}\n", arrived.request.method(), arrived.request.uri());
                for (name, value) in arrived.request.headers() {
                    text.push_str(&format!("{name}: {}\n", value.to_str().expect("text")));
                }
                log.lock().expect("no panic").push(text);
                let response = respond(&arrived);
                Box::pin(async move { response })
            }),
        );
        let home = Home::new(&format!("[profile.p]\naccess_token = \"canary-token\"\nbase_url = \"{}\"\n", server.url("/v1/")));
        Self { caller: Caller::new(), relay: Relay::start(&home, "--log info"), server, seen, _home: home }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}
