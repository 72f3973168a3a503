//! A job on a thread of its own: its handle, and what watches it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use crate::error::{Error, Kind, panic_text};
use crate::libav::avio;
use crate::libav::log::{self, Listener, level};
use crate::libav::process::wake_together;
use crate::pipeline::plan::{Output, Overwrite, Plan};
use crate::pipeline::{Control, InputOutcome, KeyFrame, Observer, OutputOutcome, Progress, Standing};
use crate::redact;

use super::event::{Event, Events, FileIndex, Listeners, LogLevel};
use super::report::{FileReport, Report};
use super::{Exit, Session, summary};

/// Filters and decoders that work in the job's own thread may need this much.
const STACK: usize = 4 << 20;
/// A stream copy: libavformat's nested opens, each with a few URLs on the stack.
const COPY_STACK: usize = 1 << 20;

/// A job that runs. Everything here may be called from several threads, and the async calls on any runtime.
///
/// Dropping it [stops](Self::stop) the job: its outputs are finished, and then nothing of it is left. Nobody waits for that, so
/// who wants to know how it ended calls [`wait`](Self::wait) first, and who cannot wait for a server [`abort`](Self::abort).
#[derive(Debug)]
pub struct RunningJob {
    shared: Arc<Shared>,
    first: Mutex<Option<Events>>,
    report: watch::Receiver<Option<Arc<Report>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a job did until now.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Status {
    /// All files are open and all headers written.
    pub started: bool,
    /// The newest progress.
    pub progress: Option<Progress>,
    /// One for each input, in order; as of that progress.
    pub inputs: Vec<FileReport>,
    /// One for each output, in order; as of that progress.
    pub outputs: Vec<FileReport>,
}

/// What the thread and the handle share.
struct Shared {
    control: Control,
    listeners: Listeners,
    status: Mutex<Status>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningJob {
    pub(super) fn start(name: &str, plan: Box<Plan>, warnings: Vec<String>, session: Session) -> Result<Self, Error> {
        let planned = Report::of(&plan);
        let status = Status { inputs: planned.inputs, outputs: planned.outputs, ..Status::default() };
        let shared =
            Arc::new(Shared { control: Control::default(), listeners: Listeners::default(), status: Mutex::new(status) });
        let first = Mutex::new(Some(shared.listeners.listen(None)));
        let (done, report) = watch::channel(None);
        let stack = if only_copies(&plan) { COPY_STACK } else { STACK };
        let span = tracing::info_span!(target: "ffauth::job", "job", name);
        let working = Arc::clone(&shared);
        let work = move || {
            let _entered = span.clone().entered();
            let listener = listener(plan.global.log_level.unwrap_or(level::INFO), span, Arc::clone(&working));
            let _listening = Listener::listen(Some(listener));
            if plan.global.among_many {
                wake_together();
            }
            warnings.iter().for_each(|warning| log::write(level::WARNING, &format!("{}\n", warning.trim_end())));
            let report = catch_unwind(AssertUnwindSafe(|| run(&plan, &session, &working)));
            let report = report.unwrap_or_else(|panic| {
                Report::failed(&plan, Error::new(Kind::Internal, format!("the job has come down: {}", panic_text(&*panic))))
            });
            // What the session's last clone leaves is gone before anybody knows of the end.
            drop(session);
            let exit = report.exit;
            match &report.error {
                Some(error) => tracing::warn!(target: "ffauth::job", "failed: {}", redact::line(&error.to_string())),
                None => tracing::info!(target: "ffauth::job", ?exit, "ended"),
            }
            done.send_replace(Some(Arc::new(report)));
            working.listeners.tell(&Event::Finished(exit));
        };
        let thread = thread::Builder::new().name(name.to_owned()).stack_size(stack).spawn(work);
        let thread = thread.map_err(|error| Error::new(Kind::Internal, format!("no thread for the job: {error}")))?;
        Ok(Self { shared, first, report, thread: Mutex::new(Some(thread)) })
    }

    /// Its events: the first call gets all since the start (the newest 256 of them), each later one those from now on.
    pub fn events(&self) -> Events {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.unwrap_or_else(|| {
            // Whoever begins to listen while it ends hears the end once: a report that comes in between is told to them too.
            let events = self.shared.listeners.listen(None);
            match &*self.report.borrow() {
                Some(report) => self.shared.listeners.listen(Some(report.exit)),
                None => events,
            }
        })
    }

    /// What it did until now.
    pub fn status(&self) -> Status {
        self.shared.status().clone()
    }

    /// Asks it to end gracefully: reading stops at once, outputs are finished; uploads to a server that does not answer may take
    /// as long as `-auth_wait` and the protocol's own limits allow. Returns at once.
    pub fn stop(&self) {
        self.shared.control.stop.request();
    }

    /// Asks it to end without waiting for anybody: what is being written stays as it is, cut off. Returns at once.
    pub fn abort(&self) {
        self.shared.control.stop.request();
        self.shared.control.abort.request();
    }

    #[doc(hidden)]
    /// The newest key frame of its video since this was asked last, for a small picture of it; the next one is kept from now on.
    pub fn key_frame(&self) -> Option<KeyFrame> {
        let tap = &self.shared.control.tap;
        tap.want();
        tap.take()
    }

    /// Is it over?
    pub fn is_finished(&self) -> bool {
        self.report.borrow().is_some()
    }

    /// Waits for its end; cancelling that changes nothing. A failure is in the report.
    pub async fn wait(&self) -> Arc<Report> {
        let mut report = self.report.clone();
        let report = report.wait_for(Option::is_some).await.map(|report| report.clone());
        report.ok().flatten().unwrap_or_else(lost)
    }

    /// The same for a thread that may block; when it returns the job's thread has ended.
    pub fn wait_blocking(&self) -> Arc<Report> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        // A panic of the job is in its report.
        let _ = thread.take().map(JoinHandle::join);
        self.report.borrow().clone().unwrap_or_else(lost)
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Does it neither decode nor encode?
fn only_copies(plan: &Plan) -> bool {
    let copies = |output: &Output| !output.codec.is_empty() && output.codec.iter().all(|(_, codec)| codec == "copy");
    plan.global.complex_filters.is_empty() && plan.outputs.iter().all(copies)
}

fn run(plan: &Plan, session: &Session, shared: &Arc<Shared>) -> Report {
    let progress = plan.global.progress.as_deref().map(|url| {
        let opened = avio::Writer::open(if url == "-" { "pipe:" } else { url });
        opened.map_err(|error| Error::new(Kind::File, format!("-progress {}: {error}", redact::url(url))))
    });
    let watcher = match progress.transpose() {
        Ok(progress) => Watcher { shared, overwrite: plan.global.overwrite, progress: Mutex::new(progress) },
        Err(error) => return Report::failed(plan, error),
    };
    let mut report = session.run(plan, &shared.control, &watcher);
    if let Some(Err(error)) = plan.global.summary.as_deref().map(|target| summary::write(&report, target)) {
        report.exit = Exit::Error;
        report.error.get_or_insert(error);
    }
    report
}

/// Hands the lines of a job's threads to `tracing`, in the job's span, and those that are bad to whoever listens.
fn listener(limit: i32, span: tracing::Span, shared: Arc<Shared>) -> Listener {
    let begun = Mutex::new(String::new());
    Listener::new(limit, move |at, text| {
        // Lines come in pieces.
        let mut line = begun.lock().unwrap_or_else(PoisonError::into_inner);
        line.push_str(text);
        if !line.ends_with('\n') {
            return;
        }
        let line = std::mem::take(&mut *line);
        let line = line.trim_end();
        span.in_scope(|| log::trace(at, line));
        let level = match at {
            _ if at <= level::FATAL => LogLevel::Fatal,
            _ if at <= level::ERROR => LogLevel::Error,
            _ if at <= level::WARNING => LogLevel::Warning,
            _ => return,
        };
        shared.listeners.tell(&Event::Log(level, line.to_owned()));
    })
}

/// A thread that ended without a report was ended from outside.
fn lost() -> Arc<Report> {
    Arc::new(Report::failed(&Plan::default(), Error::new(Kind::Internal, "the thread of the job has gone")))
}

/// Turns what the pipeline tells into status and events.
struct Watcher<'a> {
    shared: &'a Shared,
    overwrite: Overwrite,
    progress: Mutex<Option<avio::Writer>>,
}

impl Observer for Watcher<'_> {
    fn confirm_overwrite(&self, _: &str) -> bool {
        self.overwrite == Overwrite::Always
    }

    fn progress(&self, progress: &Progress, last: bool) {
        let mut target = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = target.as_mut().map(|writer| writer.write(&progress.block(last))) {
            log::write(level::ERROR, &format!("-progress: {error}\n"));
            *target = None;
        }
        let mut status = self.shared.status();
        let had_started = std::mem::replace(&mut status.started, true);
        status.progress = Some(progress.clone());
        drop(status);
        if !had_started {
            self.shared.listeners.tell(&Event::Started);
        }
        self.shared.listeners.tell(&Event::Progress(Box::new(progress.clone())));
    }

    fn standing(&self, so_far: &dyn Standing) {
        let mut events = Vec::new();
        let mut status = self.shared.status();
        for (index, (file, seen)) in status.inputs.iter_mut().zip(so_far.inputs()).enumerate() {
            tell_input(index, file, &seen, &mut events);
            file.take_input(seen);
        }
        for (index, (file, seen)) in status.outputs.iter_mut().zip(so_far.outputs()).enumerate() {
            tell_output(index, file, &seen, &mut events);
            file.take_output(seen);
        }
        drop(status);
        events.iter().for_each(|event| self.shared.listeners.tell(event));
    }

    fn session_description(&self, text: &str) {
        self.shared.listeners.tell(&Event::SessionDescription(text.to_owned()));
    }
}

fn tell_input(index: usize, before: &FileReport, now: &InputOutcome, events: &mut Vec<Event>) {
    tell_io(FileIndex::Input(index), before, &now.io, events);
    events.extend((before.restarts..now.restarts).map(|_| Event::Reopened(index)));
    events.extend(now.gaps.iter().skip(before.gaps.len()).map(|gap| Event::Gap(index, gap.clone())));
}

fn tell_output(index: usize, before: &FileReport, now: &OutputOutcome, events: &mut Vec<Event>) {
    tell_io(FileIndex::Output(index), before, &now.io, events);
}

fn tell_io(file: FileIndex, before: &FileReport, now: &crate::libav::io::IoCounts, events: &mut Vec<Event>) {
    events.extend((before.io.http_401..now.http_401).map(|_| Event::TokenRefused(file)));
    events.extend((before.io.token_swaps..now.token_swaps).map(|_| Event::TokenSwapped(file)));
    events.extend((before.io.reconnects..now.reconnects).map(|_| Event::Reconnected(file)));
}
