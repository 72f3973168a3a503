//! One stream: it runs, ends, waits and begins again, as its policy and whoever commands it say.
//!
//! [`Stream::supervise`] is a task of its own, and each job has threads of its own: whatever happens to one, the others do not
//! notice. Commands are a [`Wish`] that the task follows, so that the newest one counts, however many come at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::backoff::{self, Backoff};
use crate::clock::{Clock, Now, SystemClock};
use crate::config::{Restart, Stream as Settings};
use crate::error::{Error, Kind};
use crate::job::{Exit, Job, Report, RunningJob};
use crate::libav::log::level;
use crate::pipeline::can_go_on;
use crate::redact;

use super::counts::Counts;
use super::registry::Shared;

/// Between attempts.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), limit: Duration::from_secs(60) };
/// Nothing begins again faster.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// A run that lasted so long was a success, whatever ended it.
const HEALTHY: Duration = Duration::from_secs(60);
/// How long a stream that is stopped may take to finish its outputs, before uploads are broken off.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a job tells how far it is, where its command line does not say.
const PROGRESS: Duration = Duration::from_secs(2);
/// Samples that the bitrate graph shows.
const SAMPLES: usize = 90;

/// Where a stream comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The configuration file: it may use everything, and only the file changes it.
    File,
    /// The API: it stays inside the fence.
    Api,
}

/// What is to become of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// It is to run.
    pub running: bool,
    /// With another number, from the beginning.
    pub epoch: u64,
    /// It is removed.
    pub removed: bool,
}

/// What a stream does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing, as somebody wished.
    Stopped,
    /// Its files are being opened.
    Starting,
    /// Media moves.
    Running,
    /// Its outputs are being finished.
    Stopping,
    /// It begins again when a pause is over.
    Waiting,
    /// It has done what was asked for, and does not begin again.
    Done,
    /// It has failed, and does not begin again.
    Failed,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Stopped, Self::Starting, Self::Running, Self::Stopping, Self::Waiting, Self::Done, Self::Failed];

    /// The word of the API and the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Will nothing more happen by itself?
    pub fn is_idle(self) -> bool {
        matches!(self, Self::Stopped | Self::Done | Self::Failed)
    }
}

/// Why a stream failed last, masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Who must act.
    pub kind: Kind,
    /// When.
    pub at: Now,
}

/// A stream that the daemon knows.
#[derive(Debug)]
pub struct Stream {
    /// Its name.
    pub id: String,
    /// Where it comes from.
    pub source: Source,
    settings: Mutex<Settings>,
    wish: watch::Sender<Wish>,
    standing: Mutex<Standing>,
}

/// How a stream stands.
#[derive(Clone, Debug)]
pub struct Standing {
    phase: Phase,
    /// Since when.
    pub since: Now,
    /// When the pause is over, in [`Phase::Waiting`].
    pub next: Option<Now>,
    /// The last failure, until the stream has run well for a while.
    pub trouble: Option<Trouble>,
    /// How often it began, after the first time.
    pub restarts: u64,
    /// How often it failed.
    pub failures: u64,
    /// When the running job began.
    pub began: Option<Now>,
    job: Option<Arc<RunningJob>>,
    begun: bool,
    /// Of jobs that have ended.
    past: Counts,
    /// How far the media was ahead of the clock at best, in seconds.
    lead: Option<f64>,
    rates: VecDeque<u32>,
    sampled: Option<(Now, u64)>,
}

impl Stream {
    /// A stream that does nothing yet.
    pub fn new(id: String, source: Source, settings: Settings, running: bool) -> Arc<Self> {
        let standing = Standing {
            phase: Phase::Stopped,
            since: SystemClock.now(),
            next: None,
            trouble: None,
            restarts: 0,
            failures: 0,
            began: None,
            job: None,
            begun: false,
            past: Counts::default(),
            lead: None,
            rates: VecDeque::new(),
            sampled: None,
        };
        let (wish, _) = watch::channel(Wish { running, epoch: 0, removed: false });
        Arc::new(Self { id, source, settings: Mutex::new(settings), wish, standing: Mutex::new(standing) })
    }

    /// What it runs, and its policy.
    pub fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is wished.
    pub fn wish(&self) -> Wish {
        *self.wish.borrow()
    }

    /// How it stands, and what it did.
    pub fn standing(&self) -> Standing {
        self.lock().clone()
    }

    /// It runs, or goes on running.
    pub fn start(&self) {
        self.wish.send_modify(|wish| {
            // One that has ended by itself begins again.
            if !wish.running || self.lock().phase.is_idle() {
                wish.epoch += 1;
            }
            wish.running = true;
        });
    }

    /// It ends, its outputs finished.
    pub fn stop(&self) {
        self.wish.send_modify(|wish| wish.running = false);
    }

    /// It ends and begins again, or begins.
    pub fn restart(&self) {
        self.wish.send_modify(|wish| *wish = Wish { running: true, epoch: wish.epoch + 1, ..*wish });
    }

    /// It ends, and its task with it.
    pub fn remove(&self) {
        self.wish.send_modify(|wish| *wish = Wish { running: false, removed: true, ..*wish });
    }

    /// It runs something else from now on, if it runs.
    pub fn change(&self, settings: Settings) {
        let before = std::mem::replace(&mut *self.settings.lock().unwrap_or_else(PoisonError::into_inner), settings.clone());
        if before.run != settings.run {
            self.wish.send_modify(|wish| wish.epoch += 1);
        }
    }

    /// Breaks off whatever its job waits for.
    pub fn abort(&self) {
        if let Some(job) = &self.lock().job {
            job.abort();
        }
    }

    /// The job that runs.
    pub fn job(&self) -> Option<Arc<RunningJob>> {
        self.lock().job.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the wishes until the stream is removed.
    pub(super) async fn supervise(self: Arc<Self>, shared: Arc<Shared>) {
        let mut wishes = self.wish.subscribe();
        let mut failures = 0;
        let mut epoch = None;
        loop {
            let wish = *wishes.borrow_and_update();
            if wish.removed {
                return;
            }
            if !wish.running {
                self.enter(Phase::Stopped, &shared);
                if wishes.changed().await.is_err() {
                    return;
                }
                continue;
            }
            if epoch.replace(wish.epoch) != Some(wish.epoch) {
                failures = 0;
            }
            let began = SystemClock.now();
            let ended = self.run_once(&shared, &mut wishes, wish.epoch).await;
            let Some(ended) = ended else { continue };
            let lasted = SystemClock.now().since(&began);
            let restart = self.settings().restart;
            let again = match &ended {
                Ok(()) => restart == Restart::Always,
                // What is wrong with a command line does not pass by itself.
                Err(trouble) => restart != Restart::Never && trouble.kind != Kind::Usage,
            };
            if !again {
                self.enter(if ended.is_ok() { Phase::Done } else { Phase::Failed }, &shared);
                if wishes.changed().await.is_err() {
                    return;
                }
                continue;
            }
            failures = if ended.is_ok() || lasted >= HEALTHY { 0 } else { failures + 1 };
            let pause = BACKOFF.delay(failures, backoff::random()).max(SHORTEST_PAUSE);
            {
                let mut standing = self.lock();
                let now = SystemClock.now();
                standing.next = Some(Now { boot: now.boot + pause, wall: now.wall + pause });
            }
            self.enter(Phase::Waiting, &shared);
            tokio::select! {
                () = SystemClock.sleep(pause) => {}
                changed = wishes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Runs until the job ends, or until `epoch` is not what is wished any more: then there is nothing to say about the end.
    async fn run_once(
        &self,
        shared: &Arc<Shared>,
        wishes: &mut watch::Receiver<Wish>,
        epoch: u64,
    ) -> Option<Result<(), Trouble>> {
        {
            let mut standing = self.lock();
            standing.restarts += u64::from(std::mem::replace(&mut standing.begun, true));
        }
        self.enter(Phase::Starting, shared);
        let job = match self.launch(shared).await {
            Ok(job) => Arc::new(job),
            Err(error) => return Some(Err(self.failed(&error, None))),
        };
        {
            let mut standing = self.lock();
            (standing.job, standing.began) = (Some(Arc::clone(&job)), Some(SystemClock.now()));
            (standing.lead, standing.sampled) = (None, None);
        }
        shared.changed();
        let wished_away = |wish: &Wish| !wish.running || wish.removed || wish.epoch != epoch;
        let (report, is_wished) = tokio::select! {
            report = job.wait() => (report, true),
            () = async { drop(wishes.wait_for(wished_away).await) } => {
                self.enter(Phase::Stopping, shared);
                job.stop();
                let report = match tokio::time::timeout(PATIENCE, job.wait()).await {
                    Ok(report) => report,
                    Err(_) => {
                        job.abort();
                        job.wait().await
                    }
                };
                (report, false)
            }
        };
        {
            let mut standing = self.lock();
            standing.past += Counts::of(&report.inputs, &report.outputs);
            (standing.job, standing.began) = (None, None);
        }
        match &*report {
            Report { error: Some(error), .. } if is_wished || error.kind() != Kind::Stopped => {
                let trouble = self.failed(error, Some(&report));
                is_wished.then_some(Err(trouble))
            }
            Report { exit: Exit::Error, .. } if is_wished => {
                let error = Error::new(Kind::Media, "more packets could not be decoded than -max_error_rate allows");
                Some(Err(self.failed(&error, Some(&report))))
            }
            _ => is_wished.then_some(Ok(())),
        }
    }

    async fn launch(&self, shared: &Arc<Shared>) -> Result<RunningJob, Error> {
        let (settings, source, id, shared) = (self.settings(), self.source, self.id.clone(), Arc::clone(shared));
        // Looks at files, and at libav's tables of options.
        let launched = spawn_blocking(move || {
            let mut job = job_of(&settings.run, source, &shared)?.named(id);
            let plan = job.plan_mut();
            // One that begins again writes over nothing that it has written before.
            plan.outputs.iter_mut().for_each(|output| output.continues |= can_go_on(output));
            let global = &mut plan.global;
            if global.stats_period == crate::pipeline::plan::Global::default().stats_period {
                global.stats_period = PROGRESS;
            }
            global.log_level.get_or_insert(level::WARNING);
            global.among_many = true;
            let job = job.start(&shared.session())?;
            // They would be kept for whoever asks first, which nobody does here.
            drop(job.events());
            Ok(job)
        });
        launched.await.map_err(|ended| Error::new(Kind::Internal, format!("the stream could not be started: {ended}")))?
    }

    fn failed(&self, error: &Error, report: Option<&Report>) -> Trouble {
        let trouble = Trouble {
            message: redact::line(error.to_string().trim_end()).into_owned(),
            hint: error.hint().map(|hint| redact::line(hint).into_owned()),
            kind: error.kind(),
            at: SystemClock.now(),
        };
        let packets = report.map(|report| Counts::of(&report.inputs, &report.outputs).packets_read);
        tracing::warn!(target: "ffauth::serve", stream = self.id, packets, "the stream failed: {}", trouble.message);
        let mut standing = self.lock();
        standing.failures += 1;
        standing.trouble = Some(trouble.clone());
        trouble
    }

    fn enter(&self, phase: Phase, shared: &Shared) {
        {
            let mut standing = self.lock();
            if phase != Phase::Waiting {
                standing.next = None;
            }
            if standing.phase == phase {
                return;
            }
            (standing.phase, standing.since) = (phase, SystemClock.now());
        }
        tracing::info!(target: "ffauth::serve", stream = self.id, phase = phase.name(), "the stream is {}", phase.name());
        shared.changed();
    }

    /// Notes how much has come since the last time, for the graph and the lag.
    pub fn sample(&self) {
        let mut standing = self.lock();
        let now = SystemClock.now();
        let bytes = standing.counts().bytes_read;
        let rate = standing.sampled.map_or(0, |(then, before)| {
            let seconds = now.since(&then).as_secs_f64().max(0.001);
            (bytes.saturating_sub(before) as f64 * 8.0 / 1000.0 / seconds) as u32
        });
        standing.sampled = Some((now, bytes));
        if standing.rates.len() == SAMPLES {
            standing.rates.pop_front();
        }
        standing.rates.push_back(rate);
        if let Some(ahead) = standing.ahead(&now) {
            standing.lead = Some(standing.lead.map_or(ahead, |lead| lead.max(ahead)));
        }
        if standing.began.is_some_and(|began| now.since(&began) >= HEALTHY) && standing.phase() == Phase::Running {
            standing.trouble = None;
        }
    }
}

impl Standing {
    /// What it does.
    pub fn phase(&self) -> Phase {
        match &self.job {
            Some(job) if self.phase == Phase::Starting && job.status().started => Phase::Running,
            _ => self.phase,
        }
    }

    /// Everything that its jobs did.
    pub fn counts(&self) -> Counts {
        let mut counts = self.past;
        if let Some(job) = &self.job {
            let status = job.status();
            counts += Counts::of(&status.inputs, &status.outputs);
        }
        counts
    }

    /// In kbit/s, the oldest first.
    pub fn rates(&self) -> impl Iterator<Item = u32> {
        self.rates.iter().copied()
    }

    /// How far the media that was written lags behind the clock, in seconds: 0 where it is as far as it ever was.
    pub fn lag(&self, now: &Now) -> Option<f64> {
        Some((self.lead? - self.ahead(now)?).max(0.0))
    }

    /// Media time that was written less time that passed, in seconds.
    fn ahead(&self, now: &Now) -> Option<f64> {
        let progress = self.job.as_ref()?.status().progress?;
        Some(progress.out_time? as f64 / 1e6 - now.since(&self.began?).as_secs_f64())
    }
}

/// The job of a command line from there.
///
/// # Errors
/// It is wrong, or reaches beyond the fence.
pub(super) fn job_of(run: &str, source: Source, shared: &Shared) -> Result<Job, Error> {
    match source {
        Source::File => Job::parse(run),
        Source::Api => shared.fence().job(run),
    }
}
