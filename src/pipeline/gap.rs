//! The hole that a loss leaves on the time line of each stream.
//!
//! What the network lost is known before the packets behind it arrive: some of those before it are still on their way through
//! the demuxer. So a loss arms each stream, and the next packet that comes too late for it marks the hole.

use super::Gap;
use super::plan::Micros;

/// More than this many are of no use to whoever reads the summary.
const MAX_GAPS: usize = 1000;

/// A packet that is later than expected by more than this marks a hole: no frame of sound or picture is as long.
const LATE: Micros = 200_000;

/// Where an input is opened again, a single frame may be missing.
const SHORT: Micros = 15_000;

/// A loss that has left no hole after so much media left none: another rendition took its place, say.
const PATIENCE: Micros = 60_000_000;

/// Collects the gaps of one input.
#[derive(Debug, Default)]
pub struct Gaps {
    found: Vec<Gap>,
    losses: u64,
    /// By stream: where it stood when the last loss became known.
    armed: Vec<Option<Micros>>,
    /// By stream: where the first packet since the input was opened again would have been expected.
    reopened: Vec<Option<Micros>>,
}

impl Gaps {
    /// So many parts were lost so far; the streams stand where `positions` says.
    pub fn note_losses(&mut self, losses: u64, positions: impl Iterator<Item = Micros>) {
        if losses > self.losses {
            self.losses = losses;
            self.armed = positions.map(Some).collect();
        }
    }

    /// The input was opened again; a packet of `stream` would have been expected at `expected`.
    pub fn reopened(&mut self, stream: usize, expected: Option<Micros>) {
        if self.reopened.len() <= stream {
            self.reopened.resize(stream + 1, None);
        }
        self.reopened[stream] = expected;
    }

    /// A packet of `stream` is at `at` and was expected at `expected`.
    pub fn look(&mut self, stream: usize, expected: Option<Micros>, at: Option<Micros>) {
        if let Some(expected) = self.reopened.get_mut(stream).and_then(Option::take) {
            if let Some(at) = at.filter(|at| at - expected > SHORT) {
                self.add(Gap { stream, from: expected, to: at, cause: "the input was reopened" });
            }
            return;
        }
        let Some(armed) = self.armed.get_mut(stream) else { return };
        let (Some(since), Some(expected), Some(at)) = (*armed, expected, at) else { return };
        if at - expected > LATE {
            *armed = None;
            self.add(Gap { stream, from: expected, to: at, cause: "segments were lost" });
        } else if at - since > PATIENCE {
            *armed = None;
        }
    }

    /// The stream jumped and its time line was closed up.
    pub fn jumped(&mut self, stream: usize, from: Micros, by: Micros) {
        let armed = self.armed.get_mut(stream).and_then(Option::take).is_some();
        let cause = if armed { "segments were lost" } else { "timestamps jumped" };
        self.add(Gap { stream, from, to: from + by, cause });
    }

    fn add(&mut self, gap: Gap) {
        if self.found.len() < MAX_GAPS {
            self.found.push(gap);
        }
    }

    /// All of them, in the order in which they were found.
    pub fn found(&self) -> &[Gap] {
        &self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;

    #[test]
    fn a_hole_is_looked_for_in_each_stream_after_a_loss() {
        let mut gaps = Gaps::default();
        gaps.look(0, Some(0), Some(SECOND));
        assert_eq!(gaps.found(), [], "nothing was lost: the hole is in the source");
        gaps.note_losses(1, [SECOND, SECOND].into_iter());
        gaps.look(0, Some(2 * SECOND), Some(2 * SECOND));
        gaps.look(0, Some(3 * SECOND), Some(5 * SECOND));
        gaps.look(0, Some(6 * SECOND), Some(8 * SECOND));
        gaps.look(1, Some(3 * SECOND), Some(5 * SECOND + 7));
        let gap = |stream, to| Gap { stream, from: 3 * SECOND, to, cause: "segments were lost" };
        assert_eq!(gaps.found(), [gap(0, 5 * SECOND), gap(1, 5 * SECOND + 7)]);
    }

    #[test]
    fn an_input_that_was_opened_again_leaves_a_hole_in_each_stream_that_lacks_something() {
        let mut gaps = Gaps::default();
        gaps.reopened(1, Some(SECOND));
        gaps.look(1, None, Some(SECOND + 40_000));
        gaps.look(1, Some(SECOND + 80_000), Some(3 * SECOND));
        gaps.reopened(0, Some(SECOND));
        gaps.look(0, None, Some(SECOND));
        assert_eq!(gaps.found(), [Gap { stream: 1, from: SECOND, to: SECOND + 40_000, cause: "the input was reopened" }]);
    }

    #[test]
    fn a_loss_without_a_hole_is_forgotten() {
        let mut gaps = Gaps::default();
        gaps.note_losses(1, [0].into_iter());
        gaps.look(0, Some(61 * SECOND), Some(61 * SECOND));
        gaps.look(0, Some(62 * SECOND), Some(65 * SECOND));
        assert_eq!(gaps.found(), []);
    }
}
