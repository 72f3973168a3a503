//! An input that must not end: where it ends, breaks off or stands still, it is opened again, while the outputs stay open.
//!
//! ```text
//! supervisor (run / run_once) ── a thread of its own per input ──▶ packets, each with how it follows the one before ──▶ job
//!     │ verdict: pause, give up, over         seam: repeated, goes on, begins anew
//!     ├─ watch: a session without packets is broken off
//!     └─ places, scout: where it is to be had, and whether the first place serves again
//! ```
//!
//! The job's own thread never waits for it: an input that is away has nothing to read.

pub mod seam;

mod places;
mod scout;
mod shape;
mod supervisor;
mod verdict;
mod watch;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

use crate::backoff;
use crate::clock::{Clock, Now};
use crate::error::{Error, Kind};
use crate::libav::demuxer::Demuxer;
use crate::libav::io::{IoCounts, Losses};
use crate::libav::log::{self, Listener, level};
use crate::libav::packet::Packet;
use crate::shutdown::Shutdown;

use super::Files;
use super::demux::{Input, InputStream};
use super::plan::{self, Plan};
use super::read::{Arrival, Next, PAUSE};
use places::{Move, Places};
use supervisor::Supervisor;
use verdict::{End, Situation, Verdict};

/// Packets on their way to the job where `-thread_queue_size` says nothing.
const QUEUE: usize = 64;

/// What it takes to open an input again from another thread.
pub struct Opener<'scope, 'env> {
    /// Its threads end before the job does.
    pub scope: &'scope Scope<'scope, 'env>,
    /// The job.
    pub plan: &'env Plan,
    /// Where the tokens come from.
    pub files: &'env dyn Files,
    /// For `-ingest_for`, `-stall_timeout` and the pauses.
    pub clock: Arc<dyn Clock>,
    /// When the job began.
    pub began: Now,
    /// Nobody wants packets any more.
    pub stop: &'env Shutdown,
}

/// Opens the input at `index` for the first time. One that is to be kept going is waited for, where waiting may help.
///
/// # Errors
/// What stood in the way.
pub fn open(
    index: usize,
    plan: &Plan,
    files: &dyn Files,
    clock: &dyn Clock,
    began: Now,
    stop: &Shutdown,
) -> Result<Input, Error> {
    let input = &plan.inputs[index];
    let Some(keep_for) = input.ingest.keep_for else {
        return Input::open(index, input, &plan.global, files, &stop.child());
    };
    let mut places = Places::new(input, 0);
    let (mut attempts, mut in_vain) = (0, 0);
    loop {
        let there = plan::Input { url: places.url().to_owned(), ..input.clone() };
        // By which it can be broken off alone.
        let error = match Input::open(index, &there, &plan.global, files, &stop.child()) {
            Err(error) if !stop.is_requested() => error,
            opened => return opened.map(|input| Input { place: places.current(), ..input }),
        };
        let left = keep_for.saturating_sub(clock.now().boot.saturating_sub(began.boot));
        let text = error.to_string();
        let situation = Situation { left, attempts, in_vain, is_first: true };
        let verdict = verdict::judge(End::Failed(error), situation, &input.ingest, &places.shown(), backoff::random());
        let (next, pause, error) = match verdict {
            Verdict::Again(pause) => (places.fail(false), pause, None),
            Verdict::Refused(error) => (places.fail(true), verdict::pause(situation, backoff::random()), Some(error)),
            Verdict::GiveUp(error) => return Err(error),
            // It never was there.
            Verdict::Over => return Err(Error::new(Kind::MediaServer, text)),
        };
        attempts += 1;
        match (next, error) {
            (Move::On, _) => log::write(level::WARNING, &format!("{text}; trying {}\n", places.shown())),
            (Move::GiveUp, Some(error)) => return Err(error),
            (Move::Pause | Move::GiveUp, _) => {
                let text = format!("{text}; trying again in {:.1} s\n", pause.as_secs_f64());
                log::write(level::WARNING, &text);
                watch::wait(pause, clock, stop);
                in_vain += 1;
            }
        }
    }
}

/// What a kept input did, over all times that it was open.
#[derive(Default)]
pub struct Tally {
    /// What happened on the network while it was open before.
    pub closed: IoCounts,
    /// The same since it was opened last.
    pub open: IoCounts,
    /// What went wrong for good.
    pub failure: Option<Error>,
    /// That is that its streams are others now.
    pub changed: bool,
    /// How often it was opened again.
    pub restarts: u64,
    /// Packets that came once more.
    pub duplicates: u64,
    /// It has given nothing for a while: others need not wait for it.
    pub is_away: bool,
    /// Segments that were lost while it was open before.
    lost: u64,
    losses: Losses,
}

impl Tally {
    /// What happened on the network so far.
    pub fn counts(&self) -> IoCounts {
        let mut counts = self.closed;
        counts += self.open;
        counts
    }

    /// Segments that were lost so far.
    pub fn lost(&self) -> u64 {
        self.lost + self.losses.count()
    }
}

/// An input that is kept going, as the job sees it.
pub struct Kept {
    packets: Receiver<Arrival>,
    /// Used packets go back, so that none is allocated while the job runs.
    used: Sender<Packet>,
    tally: Arc<Mutex<Tally>>,
    /// There is no other input that the job could read meanwhile.
    alone: bool,
}

impl Kept {
    /// Keeps the input at `index` going, which is open as a demuxer with `streams`; by the flag beside it it is broken off. `place`:
    /// where it was opened.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn start(
        opener: &Opener<'_, '_>,
        index: usize,
        (demuxer, session): (Demuxer, Shutdown),
        place: usize,
        streams: &[InputStream],
    ) -> Result<Self, Error> {
        let plan = &opener.plan.inputs[index];
        let (to_job, packets) = sync_channel(plan.thread_queue_size.unwrap_or(QUEUE).max(1));
        let (used, from_job) = channel();
        let listener = Listener::current();
        let tally = Arc::new(Mutex::new(Tally { losses: demuxer.losses(), ..Tally::default() }));
        let supervisor = Supervisor::new(opener, (index, place), &demuxer, streams, (to_job, from_job), Arc::clone(&tally));
        thread::Builder::new()
            .name(format!("ingest-{index}"))
            .spawn_scoped(opener.scope, move || {
                let _listening = Listener::listen(listener);
                supervisor.run(demuxer, session);
            })
            .map_err(|error| Error::new(Kind::Internal, format!("no thread for input #{index}: {error}")))?;
        Ok(Self { packets, used, tally, alone: opener.plan.inputs.len() == 1 })
    }

    /// The next packet, if one is there.
    pub fn next(&mut self, packet: &mut Packet) -> Next {
        let arrival = if self.alone {
            self.packets.recv_timeout(PAUSE)
        } else {
            self.packets.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            })
        };
        match arrival {
            Ok(mut arrival) => {
                std::mem::swap(packet, &mut arrival.packet);
                // A thread that has ended needs no packets.
                let _ = self.used.send(arrival.packet);
                Next::Packet { ticks: arrival.ticks, crossing: arrival.crossing }
            }
            Err(RecvTimeoutError::Timeout) => Next::Later,
            Err(RecvTimeoutError::Disconnected) => Next::End(Ok(())),
        }
    }

    /// Waits until the thread has ended, which has been told to.
    pub fn wait(&mut self) {
        while self.packets.recv().is_ok() {}
    }

    /// What it did so far.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
