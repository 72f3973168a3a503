//! All streams of the daemon: those of the configuration file and those of the API, and what is wished of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Stream as Settings, is_stream_name};
use crate::error::{Error, Kind};
use crate::job::Session;

use super::fence::Fence;
use super::state::{Saved, SavedStream, StateDir};
use super::stream::{Phase, Source, Stream, job_of};

/// After the outputs had their time, uploads are broken off; that takes no longer.
const BREAKING_OFF: Duration = Duration::from_secs(3);
/// Streams that the API makes, at most: each may be a thread, and each is a label in the metrics.
const MOST: usize = 1000;

/// What all streams share.
pub struct Shared {
    session: Mutex<Session>,
    fence: Mutex<Fence>,
    /// Counts changes of phase.
    changes: watch::Sender<u64>,
}

impl Shared {
    /// The profiles and their tokens.
    pub fn session(&self) -> Session {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What streams of the API may touch.
    pub fn fence(&self) -> Fence {
        self.fence.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something has changed that watchers want to know.
    pub fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

/// The streams.
pub struct Registry {
    shared: Arc<Shared>,
    streams: Mutex<BTreeMap<String, Arc<Stream>>>,
    state: StateDir,
    runtime: Handle,
    /// All streams are being stopped, which nobody wishes for the next time.
    is_ending: AtomicBool,
}

/// Why a call of the API fails.
#[derive(Debug)]
pub enum Failure {
    /// There is no stream of that name.
    Unknown,
    /// It goes against what is there; why.
    Conflict(String),
    /// What was given is not good.
    Invalid(Error),
    /// It is done, but will not survive the daemon.
    Unsaved(Error),
}

impl Registry {
    /// The streams of the configuration and of the state folder. Nothing runs before [`begin`](Self::begin).
    ///
    /// # Errors
    /// What was saved cannot be read.
    pub fn new(session: Session, fence: Fence, state: StateDir, runtime: Handle) -> Result<Self, Error> {
        let saved = state.load()?;
        let mut streams = BTreeMap::new();
        for (id, saved) in &saved.streams {
            streams.insert(id.clone(), Stream::new(id.clone(), Source::Api, saved.stream(), saved.running));
        }
        for (id, settings) in session.config().streams() {
            // The file has the last word.
            let running = !saved.stopped.contains(id);
            streams.insert(id.clone(), Stream::new(id.clone(), Source::File, settings.clone(), running));
        }
        let (changes, _) = watch::channel(0);
        let shared = Arc::new(Shared { session: Mutex::new(session), fence: Mutex::new(fence), changes });
        Ok(Self { shared, streams: Mutex::new(streams), state, runtime, is_ending: AtomicBool::new(false) })
    }

    /// Gives each stream its supervisor.
    pub fn begin(&self) {
        self.lock().values().for_each(|stream| self.supervise(stream));
    }

    fn supervise(&self, stream: &Arc<Stream>) {
        self.runtime.spawn(Arc::clone(stream).supervise(Arc::clone(&self.shared)));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Stream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all streams share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The state folder.
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    /// Counts up when a stream changes its phase or the set of streams changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// All streams, in order of name.
    pub fn all(&self) -> Vec<Arc<Stream>> {
        self.lock().values().cloned().collect()
    }

    /// The stream of this name.
    pub fn get(&self, id: &str) -> Result<Arc<Stream>, Failure> {
        self.lock().get(id).cloned().ok_or(Failure::Unknown)
    }

    /// Adds a stream.
    pub fn add(&self, id: &str, settings: Settings, running: bool) -> Result<Arc<Stream>, Failure> {
        if !is_stream_name(id) {
            let message = "`id` must be up to 64 letters, digits, `-`, `_` and `.`, beginning with a letter, digit or `_`";
            return Err(Failure::Invalid(Error::new(Kind::Usage, message)));
        }
        self.check_time()?;
        self.check(&settings)?;
        let stream = {
            let mut streams = self.lock();
            if streams.contains_key(id) {
                return Err(Failure::Conflict(format!("there is a stream {id} already")));
            }
            if streams.len() >= MOST {
                return Err(Failure::Conflict(format!("there are {MOST} streams already")));
            }
            let stream = Stream::new(id.to_owned(), Source::Api, settings, running);
            streams.insert(id.to_owned(), Arc::clone(&stream));
            stream
        };
        self.supervise(&stream);
        self.shared.changed();
        self.save()?;
        Ok(stream)
    }

    /// Changes what a stream of the API runs.
    pub fn change(&self, id: &str, settings: Settings) -> Result<Arc<Stream>, Failure> {
        let stream = self.own(id, "changed")?;
        self.check(&settings)?;
        stream.change(settings);
        self.shared.changed();
        self.save()?;
        Ok(stream)
    }

    /// Removes a stream of the API; its outputs are finished.
    pub fn remove(&self, id: &str) -> Result<(), Failure> {
        self.own(id, "removed")?.remove();
        self.lock().remove(id);
        self.shared.changed();
        self.save()
    }

    /// Starts, stops or restarts a stream, and remembers it.
    pub fn command(&self, id: &str, command: impl FnOnce(&Stream)) -> Result<Arc<Stream>, Failure> {
        let stream = self.get(id)?;
        self.check_time()?;
        command(&stream);
        self.shared.changed();
        self.save()?;
        Ok(stream)
    }

    fn own(&self, id: &str, what: &str) -> Result<Arc<Stream>, Failure> {
        let stream = self.get(id)?;
        self.check_time()?;
        match stream.source {
            Source::Api => Ok(stream),
            Source::File => Err(Failure::Conflict(format!(
                "stream {id} stands in the configuration file and is {what} there; it may be stopped"
            ))),
        }
    }

    fn check_time(&self) -> Result<(), Failure> {
        match self.is_ending.load(Ordering::Relaxed) {
            true => Err(Failure::Conflict("the daemon is about to end".to_owned())),
            false => Ok(()),
        }
    }

    /// Would a stream of the API with these settings be let begin?
    fn check(&self, settings: &Settings) -> Result<(), Failure> {
        let job = job_of(&settings.run, Source::Api, &self.shared).map_err(Failure::Invalid)?;
        self.shared.session().check_scopes(job.plan()).map_err(Failure::Invalid)
    }

    fn save(&self) -> Result<(), Failure> {
        // Under the lock, so that an older list does not come after a newer one.
        let all = self.lock();
        let of_source = |source| all.values().filter(move |stream| stream.source == source);
        let streams = of_source(Source::Api)
            .map(|stream| (stream.id.clone(), SavedStream::new(&stream.settings(), stream.wish().running)))
            .collect();
        let stopped = of_source(Source::File).filter(|stream| !stream.wish().running).map(|stream| stream.id.clone()).collect();
        self.state.save(&Saved::new(streams, stopped)).map_err(Failure::Unsaved)
    }

    /// Takes over a new configuration; what is the same in both is left alone.
    pub fn reload(&self, config: Config, fence: Fence) {
        let before = self.shared.session();
        let changed = changed_profiles(before.config(), &config);
        if !changed.is_empty() {
            let successor = before.succeeded_by(config.clone());
            *self.shared.session.lock().unwrap_or_else(PoisonError::into_inner) = successor;
        }
        let fence_before = std::mem::replace(&mut *self.shared.fence.lock().unwrap_or_else(PoisonError::into_inner), fence);
        let mut streams = self.lock();
        let (mut added, mut removed, mut restarted) = (0, 0, 0);
        streams.retain(|id, stream| {
            let stays = stream.source == Source::Api || config.streams().contains_key(id);
            if !stays {
                stream.remove();
                removed += 1;
            }
            stays
        });
        for (id, settings) in config.streams() {
            match streams.get(id) {
                Some(stream) if stream.source == Source::File => {
                    let own = stream.settings();
                    restarted += u64::from(own.run != settings.run);
                    if own != *settings {
                        stream.change(settings.clone());
                    }
                }
                other => {
                    if let Some(shadowed) = other {
                        tracing::warn!(target: "ffauth::serve", stream = id, "the configuration file takes the place of the API's stream");
                        shadowed.remove();
                    }
                    let stream = Stream::new(id.clone(), Source::File, settings.clone(), true);
                    self.supervise(&stream);
                    streams.insert(id.clone(), stream);
                    added += 1;
                }
            }
        }
        for stream in streams.values().filter(|stream| stream.wish().running) {
            let settings = stream.settings();
            let job = job_of(&settings.run, stream.source, &self.shared);
            let uses_changed = job.as_ref().is_ok_and(|job| job.profiles().any(|name| changed.contains(name)));
            // What is not allowed any more is begun again, which says why it is not.
            let is_shut_out = stream.source == Source::Api && fence_before != self.shared.fence() && job.is_err();
            if uses_changed || is_shut_out {
                stream.restart();
                restarted += 1;
            }
        }
        drop(streams);
        self.shared.changed();
        if let Err(Failure::Unsaved(error)) = self.save() {
            tracing::error!(target: "ffauth::serve", "{error}");
        }
        let changed = changed.len();
        tracing::info!(target: "ffauth::serve", added, removed, restarted, changed_profiles = changed, "the configuration was read again");
    }

    /// Completes when no stream is left to run; is there one that failed?
    pub async fn idle(&self) -> bool {
        let mut changes = self.changes();
        loop {
            changes.borrow_and_update();
            let is_idle = |stream: &Arc<Stream>| {
                let phase = stream.standing().phase();
                phase.is_idle() && (phase != Phase::Stopped || !stream.wish().running)
            };
            let all = self.all();
            if all.iter().all(is_idle) {
                return all.iter().any(|stream| stream.standing().phase() == Phase::Failed);
            }
            if changes.changed().await.is_err() {
                return false;
            }
        }
    }

    /// Ends all streams, their outputs finished if that takes no longer than `limit`. What was wished for the next time stays.
    pub async fn drain(&self, limit: Duration) {
        self.is_ending.store(true, Ordering::Relaxed);
        let all = self.all();
        all.iter().for_each(|stream| stream.stop());
        let ended = |changes: watch::Receiver<u64>| {
            let all = all.clone();
            async move {
                let mut changes = changes;
                while !all.iter().all(|stream| stream.standing().phase().is_idle()) {
                    if changes.changed().await.is_err() {
                        return;
                    }
                }
            }
        };
        if tokio::time::timeout(limit, ended(self.changes())).await.is_ok() {
            return;
        }
        let late: BTreeSet<&str> =
            all.iter().filter(|stream| !stream.standing().phase().is_idle()).map(|stream| stream.id.as_str()).collect();
        tracing::warn!(target: "ffauth::serve", streams = ?late, "the outputs were not finished in {} s; uploads are broken off", limit.as_secs());
        all.iter().for_each(|stream| stream.abort());
        let _ = tokio::time::timeout(BREAKING_OFF, ended(self.changes())).await;
    }

    /// Notes how much came, every `period`, for ever.
    pub async fn sample(&self, period: Duration) {
        loop {
            SystemClock.sleep(period).await;
            self.all().iter().for_each(|stream| stream.sample());
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Invalid(error)
    }
}

/// Profiles that are not in both the same.
fn changed_profiles(before: &Config, after: &Config) -> BTreeSet<String> {
    let names: BTreeSet<&str> = before.names().chain(after.names()).collect();
    let is_same = |name: &str| match (before.profile(name), after.profile(name)) {
        (Ok(before), Ok(after)) => before == after,
        _ => false,
    };
    names.into_iter().filter(|name| !is_same(name)).map(str::to_owned).collect()
}
