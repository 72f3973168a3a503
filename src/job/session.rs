//! Profiles in use, and the run of a plan with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
use crate::oauth::transport::HttpTransport;
use crate::pipeline::plan::{Auth, Plan};
use crate::pipeline::{self, Control, Ended, Files, Observer};
use crate::shutdown::Shutdown;
use crate::tls::Roots;

use super::feed::Feed;
use super::report::{Exit, Report, TokenReport};
use super::{access, detour};

/// The profiles of one configuration, with a token feed for each that has been used: jobs of one session share tokens, jobs of
/// two sessions never do.
pub struct Session {
    config: Config,
    env: Env,
    /// `None` in a session that has no profile to ask for.
    network: Option<Network>,
    feeds: Mutex<BTreeMap<String, (Arc<Feed>, Roots)>>,
    /// Ends the background refresh.
    over: Shutdown,
}

pub(super) struct Network {
    pub(super) runtime: Handle,
    media: Media,
}

/// `-auth_wait` where none is given.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// `-auth_retry` where none is given.
const DEFAULT_RETRY: Duration = Duration::from_secs(60);

impl Session {
    /// A session in which nothing has been asked for yet. `runtime` does the input and output of tokens and uploads; the
    /// calls below block and must not be made from one of its workers.
    pub fn new(config: Config, env: Env, runtime: Handle) -> Self {
        let media = Media::new(runtime.clone());
        Self { config, env, network: Some(Network { runtime, media }), feeds: Mutex::default(), over: Shutdown::new() }
    }

    /// A session for plans without `-auth`.
    pub fn without_profiles() -> Self {
        let (config, env) = (Config::default(), Env::default());
        Self { config, env, network: None, feeds: Mutex::default(), over: Shutdown::new() }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The token source of a profile that is to be asked for tokens themselves.
    ///
    /// # Errors
    /// The profile is unknown or incomplete.
    pub fn source(&self, name: &str) -> Result<Source, Error> {
        let profile = self.config.profile(name)?;
        self.new_source(profile, &self.roots(profile))
    }

    /// Does what `plan` says; ends early, with the outputs finished, when `control` says so.
    pub fn run(&self, plan: &Plan, control: &Control, observer: &dyn Observer) -> Report {
        let in_vain = plan.inputs.iter().map(|_| Tally::default()).collect();
        let files = PlanFiles { session: self, plan, in_vain, stop: &control.stop };
        // Whatever can be said about the profiles is said before anything is opened.
        let auths = plan.inputs.iter().map(|input| (&input.url, &input.auth));
        for (url, auth) in auths.chain(plan.outputs.iter().map(|output| (&output.url, &output.auth))) {
            if let Err(error) = self.check_scope(url, auth) {
                return Report::failed(plan, error);
            }
        }
        let outcome = pipeline::run(plan, &files, control, observer);
        let mut report = Report::of(plan);
        for (file, seen) in report.inputs.iter_mut().zip(outcome.inputs) {
            (file.packets, file.bytes, file.io, file.gaps) = (seen.packets, seen.bytes, seen.io, seen.gaps);
            (file.lost, file.restarts, file.duplicates) = (seen.lost, seen.restarts, seen.duplicates);
        }
        for (file, in_vain) in report.inputs.iter_mut().zip(&files.in_vain) {
            file.io += in_vain.get();
        }
        for (file, seen) in report.outputs.iter_mut().zip(outcome.outputs) {
            (file.packets, file.bytes, file.io) = (seen.packets, seen.bytes, seen.io);
            (file.uploads, file.unconfirmed) = (seen.uploads, seen.unconfirmed);
        }
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

    /// What the demuxer or muxer of `url` needs to send the tokens of `auth`; the first token is there when this returns.
    ///
    /// # Errors
    /// The profile is unknown, may not send its token there, or gets none.
    pub fn access(&self, url: &str, auth: &Auth, stop: &Shutdown) -> Result<Access, Error> {
        let wait = auth.wait.unwrap_or(DEFAULT_WAIT);
        let retry = auth.retry.unwrap_or(DEFAULT_RETRY);
        let plain = Access { url: url.to_owned(), wait, retry, ..Access::default() };
        if auth.profiles.is_empty() {
            return Ok(plain);
        }
        let profiles = self.profiles(auth)?;
        let mut bearers = Vec::new();
        for (profile, scope) in profiles.iter().zip(access::scopes(url, &profiles)?) {
            let (feed, roots) = self.feed(profile)?;
            feed.first(wait, stop).map_err(|error| error.context(format!("profile {}", profile.name)))?;
            bearers.push(Bearer {
                name: profile.name.as_str().into(),
                scope,
                placement: profile.placement.clone(),
                slot: feed.slot(),
                renew: feed,
                roots,
            });
        }
        let reach = if auth.allow_private { Reach::anywhere() } else { Reach::of(url) };
        let media = &self.network()?.media;
        let detour = Some(detour::starter(media));
        Ok(Access { reach, bearers: Bearers::new(bearers), media: Some(media.clone()), detour, ..plain })
    }

    /// Waits for token requests that are under way, at most `limit`: a refresh token that is used up and whose successor is lost
    /// costs a login. Blocks.
    pub fn settle(&self, limit: Duration) {
        let Some(network) = &self.network else { return };
        let feeds: Vec<_> =
            self.feeds.lock().unwrap_or_else(PoisonError::into_inner).values().map(|(feed, _)| Arc::clone(feed)).collect();
        network.runtime.block_on(async {
            // One that takes longer is left to its fate; the next process finds it marked in the store.
            let _ = tokio::time::timeout(limit, async {
                for feed in feeds {
                    feed.settled().await;
                }
            })
            .await;
        });
    }

    /// Token requests so far, by profile.
    pub fn token_reports(&self) -> BTreeMap<String, TokenReport> {
        let feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = feeds.iter().map(|(name, (feed, _))| (name.clone(), feed.counts()));
        counts.map(|(name, counts)| (name, TokenReport { refreshes: counts.refreshes, failures: counts.failures })).collect()
    }

    pub(super) fn network(&self) -> Result<&Network, Error> {
        self.network.as_ref().ok_or_else(|| Error::new(Kind::Internal, "this session has no profiles"))
    }

    fn check_scope(&self, url: &str, auth: &Auth) -> Result<(), Error> {
        if auth.profiles.is_empty() {
            return Ok(());
        }
        access::scopes(url, &self.profiles(auth)?).map(drop)
    }

    fn profiles(&self, auth: &Auth) -> Result<Vec<&Profile>, Error> {
        auth.profiles.iter().map(|name| self.config.profile(name)).collect()
    }

    fn feed(&self, profile: &Profile) -> Result<(Arc<Feed>, Roots), Error> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((feed, roots)) = feeds.get(&profile.name) {
            return Ok((Arc::clone(feed), roots.clone()));
        }
        let fields = profile.media_headers.iter().map(|(name, source)| {
            let value = source
                .read(&self.env)
                .map_err(|error| Error::new(Kind::Config, format!("profile {}: media_headers.{name}: {error}", profile.name)));
            Ok((name.clone(), value?))
        });
        let fields = fields.collect::<Result<Vec<_>, Error>>()?;
        let roots = self.roots(profile);
        let feed = Feed::start(
            self.new_source(profile, &roots)?,
            fields,
            self.network()?.runtime.clone(),
            Arc::new(SystemClock),
            &self.over,
        );
        feeds.insert(profile.name.clone(), (Arc::clone(&feed), roots.clone()));
        Ok((feed, roots))
    }

    pub(super) fn roots(&self, profile: &Profile) -> Roots {
        Roots::new(&self.env, profile.ca_file.as_deref()).showing(profile.client.certificate.clone())
    }

    pub(super) fn env(&self) -> &Env {
        &self.env
    }

    /// Where the tokens of a profile are kept.
    pub(super) fn store(&self, profile: &Profile) -> Result<Arc<dyn Store>, Error> {
        let folder = || {
            let folder = self.env.state_dir().ok_or_else(|| {
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
        Ok(Source::new(client, store, transport, Arc::new(SystemClock), self.env.clone(), self.network()?.runtime.clone()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.over.request();
    }
}

/// How the pipeline asks for access, file by file, as it opens them.
struct PlanFiles<'a> {
    session: &'a Session,
    plan: &'a Plan,
    /// What opens that came to nothing did, input by input.
    in_vain: Vec<Tally>,
    stop: &'a Shutdown,
}

impl Files for PlanFiles<'_> {
    fn input(&self, index: usize) -> Result<Access, Error> {
        let input = self.plan.inputs.get(index).ok_or_else(|| Error::new(Kind::Internal, format!("no input {index}")))?;
        let access = self.session.access(&input.url, &input.auth, self.stop)?;
        Ok(Access { in_vain: self.in_vain.get(index).cloned().unwrap_or_default(), ..access })
    }

    fn output(&self, index: usize) -> Result<Access, Error> {
        let output = self.plan.outputs.get(index).ok_or_else(|| Error::new(Kind::Internal, format!("no output {index}")))?;
        Ok(Access { hurry: self.stop.clone(), ..self.session.access(&output.url, &output.auth, self.stop)? })
    }
}
