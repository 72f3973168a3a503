//! The relay: what callers get, and what the servers behind it received.

mod bound;
mod forward;
mod players;
mod rewrite;
mod settings;
mod token;

use std::time::Duration;

use crate::support::Protected;
use crate::support::origin::{Origin, Site};
use crate::support::relay::{Caller, Relay};
use crate::support::run::{self, Home};
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
    fn with(tokens: std::sync::Arc<Tokens>, site: Site, profile: &str) -> Self {
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
