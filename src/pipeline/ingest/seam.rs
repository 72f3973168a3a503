//! Where the packets of an input that was opened again belong: behind those that came before, or on a time line of their own.
//!
//! The raw decoding times decide. A source whose clock goes on (MPEG-TS, live HLS) keeps its offset: what it repeats is dropped,
//! what it skipped leaves a hole. A source that begins anew is put behind what came before.

use std::time::Duration;

use crate::libav::rational::{MICROSECONDS, Rational, rescale};
use crate::pipeline::plan::Micros;

/// How the first packet of each stream follows what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// The source's clock goes on.
    GoesOn,
    /// It began anew.
    Anew {
        /// The time that passed since the last packet.
        away: Duration,
        /// The first timestamp of all streams, in microseconds.
        start: Option<Micros>,
    },
}

/// What is known of an input that has just been opened again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opened {
    /// It is an HLS playlist: one that is live shows the last few segments, also those that were read.
    pub is_playlist: bool,
    /// Its length is known: nothing will be added.
    pub is_finished: bool,
    /// It had ended before, and not broken off.
    pub had_ended: bool,
    /// See [`Crossing::Anew`].
    pub start: Option<Micros>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes to the job, with this much added to its timestamps.
    Take(Option<Crossing>, i64),
    /// It is the last one once more, and that may have been cut off in the middle.
    Replace(i64),
    /// It was delivered already, or nothing tells that it was not.
    Drop,
}

/// A source repeats no more than this when it is asked again, if it is no finished playlist.
const REPEATS: Micros = 60_000_000;

/// A clock that went on is ahead of the time that has passed by no more than this.
const AHEAD: Micros = 60_000_000;

/// A packet so close to the first one of all is where a source begins anew.
const BEGINNING: Micros = 1_000_000;

/// Where a parser counts on from another packet, the same time comes out a few ticks apart.
const SAME: Micros = 500;

/// The time lines of an input's streams, as the source counts, over all times that it was opened.
#[derive(Debug)]
pub struct Seam {
    tracks: Vec<Track>,
    /// Opened again, and no packet has told yet how it goes on.
    pending: Option<Opened>,
}

#[derive(Debug)]
struct Track {
    base: Rational,
    /// Bits after which its timestamps begin again.
    bits: u32,
    first: Option<i64>,
    last: Option<i64>,
    /// Added to its timestamps: whole turns of its counter.
    turns: i64,
    /// Nothing of what the input gave since it was opened again was taken.
    enters: bool,
}

impl Track {
    fn micros(&self, time: i64) -> Micros {
        rescale(time, self.base, MICROSECONDS)
    }

    /// What brings `time` closest to `last`.
    fn turns_to(&self, time: i64, last: i64) -> i64 {
        match self.bits {
            1..=62 => {
                let turn = 1_i64 << self.bits;
                (last.saturating_sub(time).saturating_add(turn / 2)).div_euclid(turn) * turn
            }
            _ => 0,
        }
    }
}

impl Seam {
    /// For streams with these time bases and bits of their timestamps.
    pub fn new(streams: impl Iterator<Item = (Rational, u32)>) -> Self {
        let track = |(base, bits)| Track { base, bits, first: None, last: None, turns: 0, enters: false };
        Self { tracks: streams.map(track).collect(), pending: None }
    }

    /// The input was opened again.
    pub fn enter(&mut self, opened: Opened) {
        self.pending = Some(opened);
        for track in &mut self.tracks {
            (track.enters, track.turns) = (true, 0);
        }
    }

    /// A packet of `stream` has come; `time` is its decoding time, `away` the time since the last packet before it.
    pub fn place(&mut self, stream: usize, time: Option<i64>, away: Duration) -> Fate {
        if let Some(opened) = self.pending {
            let timed = self.tracks[stream].last.is_some();
            match time {
                None if timed => return Fate::Drop,
                Some(time) if self.goes_on(stream, time, away, opened) => self.pending = None,
                _ => {
                    self.pending = None;
                    for track in &mut self.tracks {
                        (track.first, track.last) = (None, None);
                    }
                    let track = &mut self.tracks[stream];
                    (track.first, track.last, track.enters) = (time, time, false);
                    return Fate::Take(Some(Crossing::Anew { away, start: opened.start }), 0);
                }
            }
        }
        let track = &mut self.tracks[stream];
        let crossing = track.enters.then_some(Crossing::GoesOn);
        let Some(time) = time else {
            return if track.enters && track.last.is_some() { Fate::Drop } else { Fate::Take(crossing, track.turns) };
        };
        let mut time = time.saturating_add(track.turns);
        if let (Some(last), true) = (track.last, track.enters) {
            if track.turns == 0 {
                track.turns = track.turns_to(time, last);
                time = time.saturating_add(track.turns);
            }
            let ahead = track.micros(time.saturating_sub(last));
            if ahead.abs() <= SAME {
                return Fate::Replace(track.turns);
            }
            if ahead < 0 {
                return Fate::Drop;
            }
        }
        // The source's own clock may jump.
        let jumped = track.last.is_some_and(|last| track.micros(time.saturating_sub(last)).abs() > REPEATS);
        if track.first.is_none() || jumped {
            track.first = Some(time);
        }
        (track.last, track.enters) = (Some(time), false);
        Fate::Take(crossing, track.turns)
    }

    /// Does the clock go on with this first timed packet?
    fn goes_on(&self, stream: usize, time: i64, away: Duration, opened: Opened) -> bool {
        // A stream that has given nothing yet is judged by another.
        let own = &self.tracks[stream];
        let Some(known) = Some(own).filter(|own| own.last.is_some()).or(self.tracks.iter().find(|track| track.last.is_some()))
        else {
            return false;
        };
        let (Some(first), Some(last)) = (known.first, known.last) else { return false };
        let (first, last) = (known.micros(first), known.micros(last));
        let time = own.micros(time.saturating_add(own.turns_to(time, rescale(last, MICROSECONDS, own.base))));
        let away = Micros::try_from(away.as_micros()).unwrap_or(Micros::MAX);
        if time > last {
            return time - last <= away.saturating_add(AHEAD);
        }
        let begins = time <= first + BEGINNING;
        match (opened.is_playlist, begins) {
            // The same once more.
            (true, _) if opened.is_finished => time >= first - BEGINNING,
            // What breaks off while it is young still shows its first segments; what ended and is live again is another stream.
            (true, true) => !opened.had_ended && time >= first - BEGINNING && last - first <= REPEATS / 4,
            (false, true) => false,
            (_, false) => last - time <= REPEATS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TS: (Rational, u32) = (Rational::new(1, 90_000), 33);
    const SECOND: i64 = 90_000;
    const AWAY: Duration = Duration::from_secs(2);
    const ANEW: Fate = Fate::Take(Some(Crossing::Anew { away: AWAY, start: Some(0) }), 0);
    const GOES_ON: Fate = Fate::Take(Some(Crossing::GoesOn), 0);
    const OPENED: Opened = Opened { is_playlist: false, is_finished: false, had_ended: false, start: Some(0) };

    /// Two streams that have been read from `from` to `to`, a packet a second, and were opened again.
    fn after(from: i64, to: i64, opened: Opened) -> Seam {
        let mut seam = Seam::new([TS, TS].into_iter());
        for time in from..=to {
            for stream in [0, 1] {
                assert_eq!(seam.place(stream, Some(time * SECOND), Duration::ZERO), Fate::Take(None, 0));
            }
        }
        seam.enter(opened);
        seam
    }

    fn place(seam: &mut Seam, stream: usize, seconds: i64) -> Fate {
        seam.place(stream, Some(seconds * SECOND), AWAY)
    }

    #[test]
    fn what_goes_on_is_taken_and_what_is_repeated_is_not() {
        let mut seam = after(100, 120, OPENED);
        assert_eq!(place(&mut seam, 0, 119), Fate::Drop);
        assert_eq!(place(&mut seam, 0, 120), Fate::Replace(0));
        assert_eq!(place(&mut seam, 0, 121), GOES_ON);
        assert_eq!(place(&mut seam, 0, 122), Fate::Take(None, 0));
        assert_eq!(seam.place(1, None, AWAY), Fate::Drop, "nothing tells where it belongs");
        assert_eq!(place(&mut seam, 1, 125), GOES_ON, "each stream has its own hole");
    }

    #[test]
    fn a_clock_that_is_too_far_off_begins_anew() {
        assert_eq!(place(&mut after(100, 120, OPENED), 0, 182), GOES_ON, "two seconds away, and a minute");
        assert_eq!(place(&mut after(100, 120, OPENED), 0, 183), ANEW);
        assert_eq!(place(&mut after(100, 400, OPENED), 0, 339), ANEW);
        let mut seam = after(100, 120, OPENED);
        assert_eq!(place(&mut seam, 1, 0), ANEW);
        assert_eq!(place(&mut seam, 0, 0), GOES_ON, "on the new time line");
        assert_eq!(place(&mut seam, 0, 1), Fate::Take(None, 0));
    }

    #[test]
    fn a_file_that_begins_where_it_began_is_no_repetition() {
        assert_eq!(place(&mut after(1, 20, OPENED), 0, 1), ANEW);
        assert_eq!(place(&mut after(1, 20, OPENED), 0, 3), Fate::Drop);
    }

    #[test]
    fn a_playlist_repeats_its_window_and_a_finished_one_all_of_it() {
        let live = Opened { is_playlist: true, ..OPENED };
        assert_eq!(place(&mut after(1, 7, live), 0, 1), Fate::Drop, "it broke off while it was young");
        assert_eq!(place(&mut after(1, 20, live), 0, 1), ANEW);
        assert_eq!(place(&mut after(1, 7, Opened { had_ended: true, ..live }), 0, 1), ANEW);
        let finished = Opened { is_finished: true, had_ended: true, ..live };
        assert_eq!(place(&mut after(1, 200, finished), 0, 1), Fate::Drop);
    }

    #[test]
    fn a_counter_that_turned_over_goes_on() {
        let turn = 1_i64 << 33;
        let mut seam = Seam::new([TS].into_iter());
        assert_eq!(seam.place(0, Some(turn - SECOND), Duration::ZERO), Fate::Take(None, 0));
        seam.enter(OPENED);
        assert_eq!(seam.place(0, Some(SECOND), AWAY), Fate::Take(Some(Crossing::GoesOn), turn));
        assert_eq!(seam.place(0, Some(2 * SECOND), AWAY), Fate::Take(None, turn));
        // libavformat counts on over the turn while it reads, and begins low when it opens again.
        seam.enter(OPENED);
        assert_eq!(seam.place(0, Some(2 * SECOND), AWAY), Fate::Replace(turn));
    }

    #[test]
    fn packets_without_times_begin_anew() {
        let mut seam = Seam::new([TS].into_iter());
        assert_eq!(seam.place(0, None, Duration::ZERO), Fate::Take(None, 0));
        seam.enter(OPENED);
        assert_eq!(seam.place(0, None, AWAY), ANEW);
    }
}
