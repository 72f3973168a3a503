//! The thread of an input that is kept going.

use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::backoff;
use crate::clock::{Clock, Now};
use crate::error::Error;
use crate::libav::codec::MediaType;
use crate::libav::demuxer::Demuxer;
use crate::libav::io::IoCounts;
use crate::libav::log::{self, level};
use crate::libav::packet::Packet;
use crate::pipeline::Files;
use crate::pipeline::demux::{Input, InputStream};
use crate::pipeline::plan::{self, Global};
use crate::pipeline::read::{Arrival, Known, PAUSE, read};
use crate::redact;
use crate::shutdown::Shutdown;

use super::places::{Move, Places};
use super::scout::{Found, Scout};
use super::seam::{Crossing, Fate, Opened, Seam};
use super::shape::{self, Shape};
use super::verdict::{self, End, GOOD, Situation, Verdict};
use super::watch::{Over, Pulse, Unhurried, wait};
use super::{Opener, Tally};

/// What it takes to open the input again.
#[derive(Clone)]
pub struct Opening<'a> {
    index: usize,
    plan: &'a plan::Input,
    global: &'a Global,
    /// Where the tokens come from.
    pub files: &'a dyn Files,
    stop: Shutdown,
    /// What the streams were when the outputs were opened.
    shapes: Arc<[Shape]>,
    /// Which of them are wanted: (used, filtered) as in [`InputStream`].
    wanted: Arc<[(bool, bool)]>,
}

/// Why the input is not open again.
pub enum Unfit {
    /// It does not open.
    Failed(Error),
    /// Its streams are not what they were.
    Changed(Error),
}

impl Opening<'_> {
    /// A flag by which one opening can be broken off alone.
    pub fn session(&self) -> Shutdown {
        self.stop.child()
    }

    /// Opens it at `url`.
    ///
    /// # Errors
    /// What stood in the way, or its streams are not what they were.
    pub fn open(&self, url: &str, session: &Shutdown, files: &dyn Files) -> Result<Demuxer, Unfit> {
        let plan = plan::Input { url: url.to_owned(), start: None, start_eof: None, ..self.plan.clone() };
        let mut input = Input::open(self.index, &plan, self.global, files, session).map_err(Unfit::Failed)?;
        shape::compare(&self.shapes, &Shape::of(&input.demuxer), &redact::url(url)).map_err(Unfit::Changed)?;
        for (new, (used, filtered)) in input.streams.iter_mut().zip(self.wanted.iter()) {
            (new.used, new.filtered) = (*used, *filtered);
        }
        input.discard_unused();
        Ok(input.demuxer)
    }
}

/// See the module.
pub struct Supervisor<'a> {
    opening: Opening<'a>,
    places: Places,
    clock: Arc<dyn Clock>,
    stop: Shutdown,
    /// When `-ingest_for` is over, as the boot clock counts.
    until: Duration,
    to_job: SyncSender<Arrival>,
    used: Receiver<Packet>,
    tally: Arc<Mutex<Tally>>,
    streams: Vec<Stream>,
    seam: Seam,
    /// When the last packet came.
    last: Option<Now>,
}

/// A stream of the input.
struct Stream {
    /// The last packet before a cut may lack its end, so the last one is kept back until there is another.
    keeps_back: bool,
    kept_back: Option<Arrival>,
}

/// How a session ended, and whether it was a good one.
struct Ended {
    end: End,
    opened: bool,
    /// Its streams are not what they were.
    changed: bool,
    lasted: Duration,
    /// The first place is open again.
    back: Option<Found>,
}

impl Ended {
    fn unopened(end: End) -> Self {
        Self { end, opened: false, changed: false, lasted: Duration::ZERO, back: None }
    }
}

impl<'a> Supervisor<'a> {
    /// A supervisor of an input, by its index and the place where it is open as `demuxer` with `streams`. `queues`: of packets to
    /// the job, and of used ones back.
    pub fn new(
        opener: &Opener<'_, 'a>,
        (index, place): (usize, usize),
        demuxer: &Demuxer,
        streams: &[InputStream],
        queues: (SyncSender<Arrival>, Receiver<Packet>),
        tally: Arc<Mutex<Tally>>,
    ) -> Self {
        let plan = &opener.plan.inputs[index];
        let stream = |stream: &InputStream| Stream {
            keeps_back: matches!(stream.facts.media_type, MediaType::Video | MediaType::Audio),
            kept_back: None,
        };
        let (to_job, used) = queues;
        Self {
            opening: Opening {
                index,
                plan,
                global: &opener.plan.global,
                files: opener.files,
                stop: opener.stop.clone(),
                shapes: Shape::of(demuxer).into(),
                wanted: streams.iter().map(|stream| (stream.used, stream.filtered)).collect(),
            },
            places: Places::new(plan, place),
            clock: Arc::clone(&opener.clock),
            stop: opener.stop.clone(),
            until: opener.began.boot.saturating_add(plan.ingest.keep_for.unwrap_or_default()),
            to_job,
            used,
            tally,
            streams: streams.iter().map(stream).collect(),
            seam: Seam::new(streams.iter().map(|stream| (stream.facts.time_base, stream.facts.wrap_bits))),
            last: None,
        }
    }

    /// Reads `demuxer`, which was opened with the flag `session`, and what comes after it, until it is over.
    pub fn run(mut self, demuxer: Demuxer, session: Shutdown) {
        let limits = &self.opening.plan.ingest;
        let mut open = Some((demuxer, session));
        let (mut attempts, mut in_vain, mut had_ended) = (0, 0, false);
        loop {
            let Ended { end, opened, changed, lasted, back } = self.run_once(open.take(), had_ended);
            if self.stop.is_requested() {
                break;
            }
            if let Some((demuxer, session)) = back {
                let from = self.places.shown();
                self.places.go_back();
                log::write(level::WARNING, &format!("{}: serves again; leaving {from}\n", self.places.shown()));
                self.enter(&demuxer, false);
                (open, had_ended) = (Some((demuxer, session)), false);
                continue;
            }
            if opened {
                had_ended = matches!(end, End::Finished);
            }
            if lasted >= GOOD {
                in_vain = 0;
            }
            if !lasted.is_zero() {
                self.places.served();
            }
            let (cause, from) = (verdict::cause(&end, limits), self.places.shown());
            let situation = Situation { left: self.left(), attempts, in_vain, is_first: false };
            let (next, pause, error) = match verdict::judge(end, situation, limits, &from, backoff::random()) {
                Verdict::Over => break,
                Verdict::GiveUp(error) => (Move::GiveUp, Duration::ZERO, Some(error)),
                Verdict::Refused(error) => (self.places.fail(true), verdict::pause(situation, backoff::random()), Some(error)),
                Verdict::Again(pause) => (self.places.fail(false), pause, None),
            };
            attempts += 1;
            match (next, error) {
                (Move::On, _) => {
                    had_ended = false;
                    log::write(level::WARNING, &format!("{from}: {cause}; going on with {}\n", self.places.shown()));
                }
                (Move::GiveUp, Some(error)) => {
                    self.tally(|tally| (tally.failure, tally.changed) = (Some(error), changed));
                    break;
                }
                (Move::Pause | Move::GiveUp, _) => {
                    in_vain += 1;
                    let text = format!("{from}: {cause}; it is opened again in {:.1} s\n", pause.as_secs_f64());
                    log::write(level::WARNING, &text);
                    wait(pause, &*self.clock, &self.stop);
                }
            }
            if self.stop.is_requested() || self.left().is_zero() {
                break;
            }
        }
        self.give_back();
    }

    /// Reads one opening of the input to its end; opens it before where `open` is none.
    fn run_once(&mut self, open: Option<(Demuxer, Shutdown)>, had_ended: bool) -> Ended {
        let (demuxer, session) = match open {
            Some((demuxer, session)) => (Some(demuxer), session),
            None => (None, self.opening.session()),
        };
        let (pulse, scout, over) = (Pulse::default(), Scout::default(), self.stop.child());
        let (clock, until, tally) = (Arc::clone(&self.clock), self.until, Arc::clone(&self.tally));
        let limits = self.opening.plan.ingest;
        let patience = verdict::stall_timeout(&limits);
        thread::scope(|scope| {
            let watch = scope.spawn(|| pulse.watch(&*clock, patience, until, &session, &tally));
            let _over = Over::new(&pulse, watch.thread());
            if let Some(every) = verdict::failback(&limits).filter(|_| self.places.current() != 0) {
                let (opening, clock, scout, over) = (self.opening.clone(), &*clock, &scout, &over);
                scope.spawn(move || scout.look(&opening, &opening.plan.url, every, clock, over));
            }
            let demuxer = match demuxer {
                Some(demuxer) => Ok(demuxer),
                None => self.open(&session, &pulse, had_ended),
            };
            let ended = match demuxer {
                Ok(demuxer) => self.read(demuxer, &session, &pulse, &scout),
                Err(_) if pulse.has_stalled() => Ended::unopened(End::Stalled),
                Err(Unfit::Failed(error)) => Ended::unopened(End::Failed(error)),
                Err(Unfit::Changed(error)) => Ended { changed: true, ..Ended::unopened(End::Failed(error)) },
            };
            over.request();
            Ended { back: scout.end(), ..ended }
        })
    }

    fn open(&mut self, session: &Shutdown, pulse: &Pulse, had_ended: bool) -> Result<Demuxer, Unfit> {
        pulse.begin(&*self.clock);
        let files = Unhurried::new(self.opening.files, pulse, &*self.clock);
        let demuxer = self.opening.open(self.places.url(), session, &files)?;
        self.enter(&demuxer, had_ended);
        log::write(level::INFO, &format!("{}: open again\n", self.places.shown()));
        Ok(demuxer)
    }

    /// What comes next is from another opening.
    fn enter(&mut self, demuxer: &Demuxer, had_ended: bool) {
        self.seam.enter(Opened {
            is_playlist: demuxer.format_name() == "hls",
            is_finished: demuxer.duration().is_some(),
            had_ended,
            start: demuxer.start_time(),
        });
        self.tally(|tally| {
            tally.restarts += 1;
            tally.losses = demuxer.losses();
        });
    }

    /// Hands on packets until the end.
    fn read(&mut self, mut demuxer: Demuxer, session: &Shutdown, pulse: &Pulse, scout: &Scout) -> Ended {
        let mut known = Known::new(self.opening.index, self.streams.len());
        let mut first: Option<Now> = None;
        let read = loop {
            let mut packet = self.used.try_recv().unwrap_or_default();
            pulse.begin(&*self.clock);
            match read(&mut demuxer, &mut packet, &mut known) {
                Ok(Some(ticks)) => {
                    pulse.rest();
                    let now = self.clock.now();
                    let away = self.last.replace(now).map_or(Duration::ZERO, |last| now.boot.saturating_sub(last.boot));
                    first.get_or_insert(now);
                    self.tally(|tally| tally.open = demuxer.counts());
                    // At the next packet: this one is whole.
                    if !self.hand_on(packet, ticks, away) || scout.has_found() {
                        break Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) if error.is_again() && !session.is_requested() => thread::sleep(PAUSE),
                Err(error) => break Err(error),
            }
        };
        let end = match (demuxer.take_failure(), read) {
            _ if pulse.has_stalled() => End::Stalled,
            (Some(error), _) => End::Failed(error),
            (None, Err(error)) => End::Failed(error.about(self.places.url())),
            (None, Ok(())) => End::Finished,
        };
        self.tally(|tally| {
            tally.is_away = true;
            tally.closed += demuxer.counts();
            tally.open = IoCounts::default();
            tally.lost += std::mem::take(&mut tally.losses).count();
        });
        let lasted = first.zip(self.last).map_or(Duration::ZERO, |(first, last)| last.boot.saturating_sub(first.boot));
        Ended { end, opened: true, changed: false, lasted, back: None }
    }

    /// Puts a packet where it belongs; `false` if nobody listens any more.
    fn hand_on(&mut self, mut packet: Packet, ticks: Option<i64>, away: Duration) -> bool {
        let index = packet.stream();
        let fate = self.seam.place(index, packet.dts().or(packet.pts()), away);
        let (crossing, shift) = match fate {
            Fate::Take(crossing, shift) => (crossing, shift),
            Fate::Replace(shift) => {
                self.tally(|tally| tally.duplicates += 1);
                if let Some(before) = &mut self.streams[index].kept_back {
                    move_times(&mut packet, shift);
                    (before.packet, before.ticks) = (packet, ticks);
                }
                return true;
            }
            Fate::Drop => {
                self.tally(|tally| tally.duplicates += 1);
                return true;
            }
        };
        if let Some(Crossing::Anew { .. }) = crossing
            && !self.give_back()
        {
            return false;
        }
        move_times(&mut packet, shift);
        let arrival = Arrival { packet, ticks, crossing };
        let stream = &mut self.streams[index];
        let ready = if stream.keeps_back { stream.kept_back.replace(arrival) } else { Some(arrival) };
        let Some(arrival) = ready else { return true };
        self.tally(|tally| tally.is_away = false);
        self.to_job.send(arrival).is_ok()
    }

    /// Hands on what was kept back; `false` if nobody listens any more.
    fn give_back(&mut self) -> bool {
        let mut kept: Vec<Arrival> = self.streams.iter_mut().filter_map(|stream| stream.kept_back.take()).collect();
        kept.drain(..).all(|arrival| self.to_job.send(arrival).is_ok())
    }

    /// What is left of `-ingest_for`.
    fn left(&self) -> Duration {
        self.until.saturating_sub(self.clock.now().boot)
    }

    fn tally(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn move_times(packet: &mut Packet, by: i64) {
    if by != 0 {
        packet.set_dts(packet.dts().map(|dts| dts.wrapping_add(by)));
        packet.set_pts(packet.pts().map(|pts| pts.wrapping_add(by)));
    }
}
