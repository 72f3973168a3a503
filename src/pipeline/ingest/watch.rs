//! Who watches a session while it waits for its source, and how a pause ends early.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::clock::Clock;
use crate::error::Error;
use crate::libav::io::Access;
use crate::pipeline::Files;
use crate::shutdown::Shutdown;

use super::Tally;

/// How often a session is looked at by whoever watches it, and a pause for whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// Others wait no longer for an input that gives nothing.
const AWAY: Duration = Duration::from_secs(1);

/// Waits for `pause`, or until `stop` is raised.
pub fn wait(pause: Duration, clock: &dyn Clock, stop: &Shutdown) {
    let began = clock.now().boot;
    loop {
        let left = pause.saturating_sub(clock.now().boot.saturating_sub(began));
        if left.is_zero() || stop.is_requested() {
            return;
        }
        thread::sleep(left.min(LOOK));
    }
}

/// Whether a session is waiting for its source, and since when.
#[derive(Default)]
pub struct Pulse {
    /// On the boot clock, in microseconds; 0 = it is not waiting.
    since: AtomicU64,
    stalled: AtomicBool,
    over: AtomicBool,
}

impl Pulse {
    /// It waits, if it was not waiting yet.
    pub fn begin(&self, clock: &dyn Clock) {
        if self.since.load(Ordering::Relaxed) == 0 {
            self.since.store(micros(clock.now().boot), Ordering::Relaxed);
        }
    }

    /// It has got something, or waits for somebody else.
    pub fn rest(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// It waited for longer than it was to.
    pub fn has_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Breaks the session off when it waits for longer than `patience`, and when the time is `until`.
    pub fn watch(&self, clock: &dyn Clock, patience: Duration, until: Duration, session: &Shutdown, tally: &Mutex<Tally>) {
        while !self.over.load(Ordering::Acquire) {
            let now = clock.now().boot;
            let since = self.since.load(Ordering::Relaxed);
            let waited_for = |time| since != 0 && micros(now).saturating_sub(since) >= micros(time);
            if waited_for(AWAY) {
                tally.lock().unwrap_or_else(PoisonError::into_inner).is_away = true;
            }
            if waited_for(patience) {
                self.stalled.store(true, Ordering::Relaxed);
            }
            if self.has_stalled() || now >= until {
                session.request();
                return;
            }
            thread::park_timeout(LOOK);
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The session ends with this, also by a panic.
pub struct Over<'a> {
    pulse: &'a Pulse,
    watch: Thread,
}

impl<'a> Over<'a> {
    /// Ends what `pulse` is about, and with it the thread that watches.
    pub fn new(pulse: &'a Pulse, watch: &Thread) -> Self {
        Self { pulse, watch: watch.clone() }
    }
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.pulse.over.store(true, Ordering::Release);
        self.watch.unpark();
    }
}

/// Waiting for a token is no stall: `-auth_wait` limits it.
pub struct Unhurried<'a> {
    files: &'a dyn Files,
    pulse: &'a Pulse,
    clock: &'a dyn Clock,
}

impl<'a> Unhurried<'a> {
    /// `files` for a session with this pulse.
    pub fn new(files: &'a dyn Files, pulse: &'a Pulse, clock: &'a dyn Clock) -> Self {
        Self { files, pulse, clock }
    }
}

impl Files for Unhurried<'_> {
    fn input(&self, index: usize, url: &str) -> Result<Access, Error> {
        self.pulse.rest();
        let access = self.files.input(index, url);
        self.pulse.begin(self.clock);
        access
    }

    fn output(&self, index: usize) -> Result<Access, Error> {
        self.files.output(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn watched(pulse: &Pulse, patience: u64, until: Duration) -> (Shutdown, bool) {
        let (session, tally) = (Shutdown::new(), Mutex::new(Tally::default()));
        pulse.watch(&SystemClock, Duration::from_millis(patience), until, &session, &tally);
        (session, pulse.has_stalled())
    }

    #[test]
    fn a_session_that_waits_too_long_is_broken_off() {
        let pulse = Pulse::default();
        pulse.begin(&SystemClock);
        let (session, stalled) = watched(&pulse, 20, Duration::MAX);
        assert!(session.is_requested() && stalled);
    }

    #[test]
    fn one_that_does_not_wait_is_broken_off_when_its_time_is_over() {
        let (session, stalled) = watched(&Pulse::default(), 0, SystemClock.now().boot + Duration::from_millis(20));
        assert!(session.is_requested() && !stalled);
    }

    #[test]
    fn watching_ends_with_the_session() {
        let pulse = Pulse::default();
        drop(Over::new(&pulse, &thread::current()));
        assert!(!watched(&pulse, 0, Duration::ZERO).0.is_requested());
    }

    #[test]
    fn a_pause_ends_when_the_job_is_stopped() {
        let stop = Shutdown::new();
        stop.request();
        let began = SystemClock.now();
        wait(Duration::from_secs(600), &SystemClock, &stop);
        assert!(SystemClock.now().since(&began) < Duration::from_secs(60));
    }
}
