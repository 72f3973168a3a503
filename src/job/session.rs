//! Profiles in use, and the run of a plan with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[cfg(feature = "cli")]
use tokio::runtime::Handle;

use crate::bearer::{Bearer, Bearers};
use crate::clock::SystemClock;
use crate::config::{Config, Profile, StoreKind};
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::libav::io::{Access, Tally};
use crate::net::{Media, Reach};
use crate::oauth::source::Source;
use crate::oauth::store::{FileStore, KeyringStore, MemoryStore, Store};
use crate::oauth::token::Token;
use crate::oauth::transport::HttpTransport;
use crate::origin::Origin;
use crate::pipeline::plan::{Auth, Plan};
use crate::pipeline::{self, Control, Ended, Files, Observer};
use crate::shutdown::Shutdown;
use crate::tls::Roots;

use super::feed::Feed;
use super::network::Network;
use super::report::{Exit, Report, TokenReport, TokenState};
use super::{Authenticator, access, detour};

/// A configuration at work: its profiles, and a token feed for each that has been used. Jobs, demuxers and muxers of one
/// session share tokens, connections and the one thread that does their HTTP; those of two sessions never do.
///
/// Clones share everything. With the last clone, job, demuxer and muxer the session ends: nothing is refreshed any more, and
/// its thread is gone as soon as a token request that is under way has been answered, after 3 s at most.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    config: Config,
    env: Env,
    /// Begun when it is needed first.
    network: Mutex<Option<Network>>,
    feeds: Arc<Feeds>,
    /// Ends the background refresh.
    over: Shutdown,
    /// Whose threads and feeds it uses too.
    _before: Option<Session>,
}

/// The token feeds in use, by profile.
#[derive(Default)]
pub struct Feeds(Mutex<BTreeMap<String, (Arc<Feed>, Roots)>>);

impl Feeds {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Arc<Feed>, Roots)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes when no token request is under way that has a refresh token at stake.
    pub async fn settled(&self) {
        let feeds: Vec<_> = self.lock().values().map(|(feed, _)| Arc::clone(feed)).collect();
        for feed in feeds {
            feed.settled().await;
        }
    }
}

/// `-auth_wait` where none is given.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// `-auth_retry` where none is given.
const DEFAULT_RETRY: Duration = Duration::from_secs(60);

impl Session {
    /// A session in which nothing has been asked for yet. `env` is where secrets of the kind `{ env = … }` and the places of
    /// token store and certificates are looked up: mostly [`Env::of_process`].
    pub fn new(config: Config, env: Env) -> Self {
        Self::with_network(config, env, None)
    }

    /// A session on a runtime that somebody else drives. Calls that block must not be made from one of its workers.
    #[cfg(feature = "cli")]
    pub(crate) fn on(config: Config, env: Env, runtime: Handle) -> Self {
        Self::with_network(config, env, Some(Network::on(runtime)))
    }

    fn with_network(config: Config, env: Env, network: Option<Network>) -> Self {
        let network = Mutex::new(network);
        Self(Arc::new(Inner { config, env, network, feeds: Arc::default(), over: Shutdown::new(), _before: None }))
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Who hands out the tokens of a profile. Nothing is asked for before somebody wants one.
    ///
    /// # Errors
    /// Of [`Kind::Config`]: the profile is unknown or cannot be used.
    pub fn authenticator(&self, name: &str) -> Result<Authenticator, Error> {
        let (feed, _) = self.feed(self.0.config.profile(name)?)?;
        Ok(Authenticator::new(self.clone(), feed))
    }

    /// The token source of a profile that is to be asked for tokens themselves.
    ///
    /// # Errors
    /// The profile is unknown or incomplete.
    #[doc(hidden)]
    pub fn source(&self, name: &str) -> Result<Source, Error> {
        let profile = self.0.config.profile(name)?;
        self.new_source(profile, &self.roots(profile))
    }

    /// Does what `plan` says; ends early, with the outputs finished, when `control` says so.
    #[doc(hidden)]
    pub fn run(&self, plan: &Plan, control: &Control, observer: &dyn Observer) -> Report {
        let files = self.files(plan, &control.stop);
        // Whatever can be said about the profiles is said before anything is opened.
        if let Err(error) = self.check_scopes(plan) {
            return Report::failed(plan, error);
        }
        let outcome = pipeline::run(plan, &files, control, observer);
        let mut report = Report::of(plan);
        report.inputs.iter_mut().zip(outcome.inputs).for_each(|(file, seen)| file.take_input(seen));
        // Also of those that have no outcome, since they were never open.
        report.inputs.iter_mut().zip(&files.in_vain).for_each(|(file, in_vain)| file.io += in_vain.get());
        report.outputs.iter_mut().zip(outcome.outputs).for_each(|(file, seen)| file.take_output(seen));
        report.tokens = self.token_reports();
        report.exit = match (&outcome.error, outcome.ended) {
            (Some(_), _) => Exit::Error,
            _ if outcome.error_rate_exceeded => Exit::Error,
            (None, Ended::Stopped) => Exit::Signal,
            (None, Ended::Eof) => Exit::Eof,
        };
        report.error = outcome.error;
        report.error_rate_exceeded = outcome.error_rate_exceeded;
        report
    }

    /// Where the files of `plan` get their tokens.
    pub(super) fn files<'a>(&'a self, plan: &'a Plan, stop: &'a Shutdown) -> PlanFiles<'a> {
        let in_vain = plan.inputs.iter().map(|_| Tally::default()).collect();
        PlanFiles { session: self, plan, in_vain, stop }
    }

    /// What the demuxer or muxer of `url` needs to send the tokens of `auth`; the first token is there when this returns.
    ///
    /// # Errors
    /// The profile is unknown, may not send its token there, or gets none.
    #[doc(hidden)]
    pub fn access(&self, url: &str, auth: &Auth, stop: &Shutdown) -> Result<Access, Error> {
        let wait = auth.wait.unwrap_or(DEFAULT_WAIT);
        let retry = auth.retry.unwrap_or(DEFAULT_RETRY);
        let plain = Access { url: url.to_owned(), wait, retry, ..Access::default() };
        if auth.profiles.is_empty() {
            return Ok(plain);
        }
        let bearers = self.bearers(url, &auth.profiles)?;
        for name in &auth.profiles {
            self.first_token(name, wait, stop)?;
        }
        let reach = if auth.allow_private { Reach::anywhere() } else { Reach::of(url) };
        let media = self.network()?.media;
        let detour = Some(detour::starter(&media));
        // That of the profile whose token the file itself gets.
        let origin = Origin::parse(url);
        let profiles = self.profiles(&auth.profiles)?;
        let mut pairs = profiles.iter().zip(access::scopes(url, &profiles)?);
        let own = pairs.find(|(_, scope)| origin.as_ref().is_some_and(|origin| scope.holds(origin)));
        let pointer = own.and_then(|(profile, _)| profile.media_pointer.clone());
        Ok(Access { reach, pointer, bearers, media: Some(media), detour, ..plain })
    }

    /// What a sender of requests for `url` and all that it names needs to send the tokens of these profiles. Waits for no token.
    ///
    /// # Errors
    /// A profile is unknown, or may not send its token there.
    #[doc(hidden)]
    pub fn bearers(&self, url: &str, names: &[String]) -> Result<Bearers, Error> {
        let profiles = self.profiles(names)?;
        let scopes = access::scopes(url, &profiles)?;
        let bearers = profiles.into_iter().zip(scopes).map(|(profile, scope)| {
            let (feed, roots) = self.feed(profile)?;
            let (name, placement) = (profile.name.as_str().into(), profile.placement.clone());
            Ok(Bearer { name, scope, placement, slot: feed.slot(), renew: feed, roots })
        });
        Ok(Bearers::new(bearers.collect::<Result<Vec<_>, Error>>()?))
    }

    /// Waits for the first token of a profile, at most `limit`; with a `limit` of zero one attempt is made. Blocks.
    ///
    /// # Errors
    /// The profile is unknown, or gets none.
    #[doc(hidden)]
    pub fn first_token(&self, name: &str, limit: Duration, stop: &Shutdown) -> Result<(), Error> {
        let (feed, _) = self.feed(self.0.config.profile(name)?)?;
        feed.first(limit, stop).map_err(|error| error.context(format!("profile {name}")))
    }

    /// The token of a profile, refreshed first if it is about to die.
    ///
    /// # Errors
    /// The profile is unknown, or gets none.
    #[doc(hidden)]
    pub async fn token(&self, name: &str) -> Result<Arc<Token>, Error> {
        let (feed, _) = self.feed(self.0.config.profile(name)?)?;
        feed.token().await.map_err(|error| error.context(format!("profile {name}")))
    }

    /// The sender of media requests.
    ///
    /// # Errors
    /// The session has no profiles.
    #[doc(hidden)]
    pub fn media(&self) -> Result<Media, Error> {
        Ok(self.network()?.media)
    }

    /// Waits for token requests that are under way and have a refresh token at stake, at most `limit`. Blocks.
    pub fn settle(&self, limit: Duration) {
        let network = self.0.network.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(network) = network {
            // One that takes longer is left to its fate; the next process finds it marked in the store.
            let _ = network.runtime.block_on(async { tokio::time::timeout(limit, self.0.feeds.settled()).await });
        }
    }

    /// Token requests so far, by profile.
    pub fn token_reports(&self) -> BTreeMap<String, TokenReport> {
        let feeds = self.0.feeds.lock();
        let counts = feeds.iter().map(|(name, (feed, _))| (name.clone(), feed.counts()));
        counts.map(|(name, counts)| (name, TokenReport { refreshes: counts.refreshes, failures: counts.failures })).collect()
    }

    /// The tokens of each profile that has been used.
    pub fn token_states(&self) -> BTreeMap<String, TokenState> {
        self.0.feeds.lock().iter().map(|(name, (feed, _))| (name.clone(), feed.state())).collect()
    }

    /// The session that takes this one's place under another configuration. Profiles that are the same in both keep their
    /// tokens, and connections and threads are shared; the others are not refreshed any more in this one.
    pub fn succeeded_by(self, config: Config) -> Self {
        let inherited: BTreeMap<_, _> = {
            let feeds = self.0.feeds.lock();
            let is_same = |name: &str| match (self.0.config.profile(name), config.profile(name)) {
                (Ok(before), Ok(after)) => before == after,
                _ => false,
            };
            let (same, changed): (Vec<_>, Vec<_>) = feeds.iter().partition(|(name, _)| is_same(name));
            changed.into_iter().for_each(|(_, (feed, _))| feed.retire());
            same.into_iter().map(|(name, feed)| (name.clone(), feed.clone())).collect()
        };
        let network = Mutex::new(self.0.network.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let (env, over) = (self.0.env.clone(), self.0.over.child());
        let feeds = Arc::new(Feeds(Mutex::new(inherited)));
        Self(Arc::new(Inner { config, env, network, feeds, over, _before: Some(self) }))
    }

    pub(super) fn network(&self) -> Result<Network, Error> {
        let mut network = self.0.network.lock().unwrap_or_else(PoisonError::into_inner);
        match &*network {
            Some(network) => Ok(network.clone()),
            None => Ok(network.insert(Network::start(self.0.over.clone(), Arc::clone(&self.0.feeds))?).clone()),
        }
    }

    /// May each file of the plan have the tokens that it is to have?
    ///
    /// # Errors
    /// A profile is unknown or cannot be used, or may not send its token there.
    pub(crate) fn check_scopes(&self, plan: &Plan) -> Result<(), Error> {
        let auths = plan.inputs.iter().flat_map(|input| {
            let urls = std::iter::once(&input.url).chain(&input.alternatives);
            urls.map(|url| (url, &input.auth))
        });
        for (url, auth) in auths.chain(plan.outputs.iter().map(|output| (&output.url, &output.auth))) {
            if !auth.profiles.is_empty() {
                access::scopes(url, &self.profiles(&auth.profiles)?)?;
            }
        }
        Ok(())
    }

    fn profiles(&self, names: &[String]) -> Result<Vec<&Profile>, Error> {
        names.iter().map(|name| self.0.config.profile(name)).collect()
    }

    fn feed(&self, profile: &Profile) -> Result<(Arc<Feed>, Roots), Error> {
        let mut feeds = self.0.feeds.lock();
        if let Some((feed, roots)) = feeds.get(&profile.name) {
            return Ok((Arc::clone(feed), roots.clone()));
        }
        let fields = profile.media_headers.iter().map(|(name, source)| {
            let value = source
                .read(&self.0.env)
                .map_err(|error| Error::new(Kind::Config, format!("profile {}: media_headers.{name}: {error}", profile.name)));
            Ok((name.clone(), value?))
        });
        let fields = fields.collect::<Result<Vec<_>, Error>>()?;
        let roots = self.roots(profile);
        let feed =
            Feed::start(self.new_source(profile, &roots)?, fields, self.network()?.runtime, Arc::new(SystemClock), &self.0.over);
        feeds.insert(profile.name.clone(), (Arc::clone(&feed), roots.clone()));
        Ok((feed, roots))
    }

    /// Whom the connections of a profile trust.
    #[doc(hidden)]
    pub fn roots(&self, profile: &Profile) -> Roots {
        Roots::new(&self.0.env, profile.ca_file.as_deref()).showing(profile.client.certificate.clone())
    }

    pub(super) fn env(&self) -> &Env {
        &self.0.env
    }

    /// Where the tokens of a profile are kept.
    pub(super) fn store(&self, profile: &Profile) -> Result<Arc<dyn Store>, Error> {
        if let Some(own) = &profile.own_store {
            return Ok(Arc::new(own.clone()));
        }
        let folder = || {
            let folder = self.0.env.state_dir().ok_or_else(|| {
                Error::new(Kind::Config, "there is no place for tokens: neither HOME, XDG_STATE_HOME nor FFAUTH_STATE is set")
                    .with_hint("set FFAUTH_STATE, or `store = \"memory\"` in the profile")
            })?;
            Ok::<_, Error>(folder.join("tokens"))
        };
        Ok(match profile.store {
            StoreKind::Memory => Arc::new(MemoryStore::default()),
            StoreKind::File => Arc::new(FileStore::new(folder()?)),
            StoreKind::Keyring => Arc::new(KeyringStore::new(folder()?)),
        })
    }

    fn new_source(&self, profile: &Profile, roots: &Roots) -> Result<Source, Error> {
        let store = self.store(profile)?;
        let client = self.client(profile, &*store)?;
        let transport = Arc::new(HttpTransport::new(roots.clone(), client.timeout));
        Ok(Source::new(client, store, transport, Arc::new(SystemClock), self.0.env.clone(), self.network()?.runtime))
    }
}

/// A session without profiles, for files that need no token.
impl Default for Session {
    fn default() -> Self {
        Self::new(Config::default(), Env::default())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.over.request();
    }
}

/// How the pipeline asks for access, file by file, as it opens them.
pub(super) struct PlanFiles<'a> {
    session: &'a Session,
    plan: &'a Plan,
    /// What opens that came to nothing did, input by input.
    in_vain: Vec<Tally>,
    stop: &'a Shutdown,
}

impl Files for PlanFiles<'_> {
    fn input(&self, index: usize, url: &str) -> Result<Access, Error> {
        let input = self.plan.inputs.get(index).ok_or_else(|| Error::new(Kind::Internal, format!("no input {index}")))?;
        let access = self.session.access(url, &input.auth, self.stop)?;
        Ok(Access { in_vain: self.in_vain.get(index).cloned().unwrap_or_default(), ..access })
    }

    fn output(&self, index: usize) -> Result<Access, Error> {
        let output = self.plan.outputs.get(index).ok_or_else(|| Error::new(Kind::Internal, format!("no output {index}")))?;
        Ok(Access { hurry: self.stop.clone(), ..self.session.access(&output.url, &output.auth, self.stop)? })
    }
}
