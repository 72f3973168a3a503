//! A loopback HTTP relay for players and programs that know no OAuth, and the token proxy of several programs.
//!
//! What is asked for at `http://127.0.0.1:PORT/SECRET/m/NAME/PATH` is asked for below the `base_url` of profile NAME, each time
//! with a live token where it may go: [`net`](crate::net) sends the requests, so scopes, redirects, refused tokens, bound
//! tokens and certificates are as everywhere else. Bodies are handed on as they come, as fast as they are taken.
//!
//! - Whoever does not know the secret, or comes by another name than the address (a page in a browser that was led here, say),
//!   gets a 403, and nothing is asked for above. There is no CORS.
//! - Playlists and manifests are rewritten ([`rewrite`]) so that every nested request comes back through the relay. What is not
//!   below `base_url` can only be asked for with a ticket (`ticket`) that the relay has put there.
//! - Cookies and challenges of the server stay here.

mod address;
mod head;
pub mod rewrite;
mod server;
mod ticket;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::task::JoinHandle;

use crate::config::Profile;
use crate::error::{Error, Kind};
use crate::job::Session;
use crate::secret::Secret;
use crate::shutdown::Shutdown;

use address::segment;
use upstream::Upstream;

pub use address::Ways;

/// How long the first tokens are waited for.
const FIRST_TOKEN: Duration = Duration::from_secs(5);
/// How long requests that are being answered may go on after the request to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// A shorter secret may be guessed.
const SHORT_SECRET: usize = 16;

/// Where a relay listens, and who may use it.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `HOST:PORT`, port 0 = a free one; none = a free port of 127.0.0.1.
    pub listen: Vec<String>,
    /// What stands in every URL; `None` = 128 random bits.
    pub secret: Option<Secret>,
    /// `/SECRET/token/NAME` gives tokens away.
    pub token_endpoint: bool,
}

/// A running relay. It ends with its runtime, or by [`stop`](Self::stop).
pub struct Relay {
    shared: Arc<Shared>,
    listening: Vec<SocketAddr>,
    server: JoinHandle<()>,
}

struct Shared {
    session: Arc<Session>,
    secret: Secret,
    /// By profile.
    upstreams: BTreeMap<String, Upstream>,
    /// The profiles whose tokens are given away.
    tokens: BTreeSet<String>,
    /// Names of this machine by which it may be asked for.
    names: Vec<String>,
    over: Shutdown,
}

impl Relay {
    /// Listens and serves `profiles`; none = all that have a `base_url` and, if tokens are given away, the others too. What
    /// cannot be used is an error for a profile that is named, and a warning for the others unless it is the only one. Waits
    /// some seconds for the first tokens; a server that is down is no reason not to start. Blocks.
    ///
    /// # Errors
    /// The address cannot be listened at, or no profile can be used.
    pub fn start(session: Arc<Session>, profiles: &[String], settings: Settings) -> Result<Self, Error> {
        let no_random = |error: getrandom::Error| Error::new(Kind::Internal, format!("no random numbers: {error}"));
        let secret = match settings.secret {
            Some(secret) => {
                if secret.expose().len() < SHORT_SECRET {
                    tracing::warn!(
                        "relay.secret is shorter than {SHORT_SECRET} characters: other programs of this machine might guess it"
                    );
                }
                secret
            }
            None => {
                let mut secret = [0_u8; 16];
                getrandom::fill(&mut secret).map_err(no_random)?;
                Secret::new(URL_SAFE_NO_PAD.encode(secret))
            }
        };
        let chosen = choose(&session, profiles, settings.token_endpoint)?;
        let mut upstreams = BTreeMap::new();
        for profile in chosen.iter().filter(|profile| profile.base_url.is_some()) {
            match Upstream::new(&session, profile, &secret) {
                Ok(upstream) => drop(upstreams.insert(profile.name.clone(), upstream)),
                Err(error) if profiles.is_empty() && chosen.len() > 1 => {
                    tracing::warn!("profile {} is left out: {error}", profile.name)
                }
                Err(error) => return Err(error),
            }
        }
        first_tokens(&session, upstreams.keys(), !profiles.is_empty())?;

        let addresses = if settings.listen.is_empty() { vec!["127.0.0.1:0".to_owned()] } else { settings.listen };
        let (mut listeners, mut listening, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let runtime = session.media()?.runtime().clone();
        for address in &addresses {
            let listener = bind(address, &mut names)?;
            let failed = |error: std::io::Error| Error::new(Kind::Internal, format!("{address}: {error}"));
            let local = listener.local_addr().map_err(failed)?;
            if !local.ip().is_loopback() {
                tracing::warn!(
                    "{local} can be reached from the network, without TLS: whoever sees a URL of the relay can use it"
                );
            }
            listening.push(local);
            let _context = runtime.enter();
            listeners.push(tokio::net::TcpListener::from_std(listener).map_err(failed)?);
        }
        let tokens = chosen.iter().filter(|_| settings.token_endpoint).map(|profile| profile.name.clone()).collect();
        let over = Shutdown::new();
        let shared = Arc::new(Shared { session, secret, upstreams, tokens, names, over });
        let server = runtime.spawn(server::serve(Arc::clone(&shared), listeners));
        Ok(Self { shared, listening, server })
    }

    /// `http://HOST:PORT` for each address that it listens at.
    pub fn listening(&self) -> Vec<String> {
        self.listening.iter().map(|address| format!("http://{address}")).collect()
    }

    /// For each profile what stands for its `base_url`, at the first of the addresses.
    pub fn urls(&self) -> BTreeMap<String, String> {
        let Some(first) = self.listening().into_iter().next() else { return BTreeMap::new() };
        self.shared.upstreams.iter().map(|(name, upstream)| (name.clone(), format!("{first}{}", upstream.entry()))).collect()
    }

    /// For each profile whose tokens are given away the URL at which they are.
    pub fn token_urls(&self) -> BTreeMap<String, String> {
        let Some(first) = self.listening().into_iter().next() else { return BTreeMap::new() };
        let url = |name: &String| format!("{first}/{}/token/{}", segment(self.shared.secret.expose()), segment(name));
        self.shared.tokens.iter().map(|name| (name.clone(), url(name))).collect()
    }

    /// Takes no more requests, and waits a few seconds for those that are being answered.
    pub async fn stop(mut self) {
        self.shared.over.request();
        if tokio::time::timeout(DRAIN, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

/// The profiles to serve.
fn choose<'a>(session: &'a Session, named: &[String], gives_tokens: bool) -> Result<Vec<&'a Profile>, Error> {
    let config = session.config();
    if named.is_empty() {
        for error in config.names().filter_map(|name| config.profile(name).err()) {
            tracing::warn!("{error}");
        }
        let chosen: Vec<_> = config.profiles().filter(|profile| gives_tokens || profile.base_url.is_some()).collect();
        if chosen.is_empty() {
            let error = Error::new(Kind::Config, "no profile has a `base_url`, so there is nothing to relay");
            return Err(error.with_hint("add base_url = \"https://…/\", the address of the media server, to a profile"));
        }
        return Ok(chosen);
    }
    let chosen = named.iter().map(|name| {
        let profile = config.profile(name)?;
        if profile.base_url.is_none() && !gives_tokens {
            let error = Error::new(Kind::Config, format!("profile {name} has no `base_url`, so there is nothing to relay"));
            return Err(error.with_hint(format!(
                "add base_url = \"https://…/\" under [profile.{name}]; for tokens alone, token_endpoint = true under [relay]"
            )));
        }
        Ok(profile)
    });
    chosen.collect()
}

/// Waits for the first token of each profile, all at once. What waiting does not mend is an error if a profile was `named`, or
/// if no other works.
fn first_tokens<'a>(session: &Session, names: impl Iterator<Item = &'a String>, named: bool) -> Result<(), Error> {
    let stop = Shutdown::new();
    let outcomes: Vec<Result<(), Error>> = std::thread::scope(|scope| {
        let waits: Vec<_> = names.map(|name| scope.spawn(|| session.first_token(name, FIRST_TOKEN, &stop))).collect();
        let ended = waits.into_iter().map(|wait| wait.join());
        ended.map(|ended| ended.unwrap_or_else(|_| Err(Error::new(Kind::Internal, "waiting for a token ended early")))).collect()
    });
    let strict = named || outcomes.iter().all(Result::is_err);
    for error in outcomes.into_iter().filter_map(Result::err) {
        if strict && !error.is_retryable() {
            return Err(error);
        }
        tracing::warn!("{error}");
    }
    Ok(())
}

/// Listens at `address`; a name in it is one by which the relay may be asked for.
fn bind(address: &str, names: &mut Vec<String>) -> Result<TcpListener, Error> {
    let refuse = |reason: String| Error::new(Kind::Usage, format!("cannot listen at {address}: {reason}"));
    let (host, _) = address.rsplit_once(':').ok_or_else(|| refuse("it is no address such as 127.0.0.1:8461".to_owned()))?;
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_err() {
        names.push(host.to_ascii_lowercase());
    }
    let resolved: Vec<SocketAddr> = address.to_socket_addrs().map_err(|error| refuse(error.to_string()))?.collect();
    let listener = TcpListener::bind(resolved.as_slice()).map_err(|error| refuse(error.to_string()))?;
    listener.set_nonblocking(true).map_err(|error| refuse(error.to_string()))?;
    Ok(listener)
}
