//! What tokens really live, where that is less than the server says.
//!
//! A server that promises an hour and forgets the token after a minute costs a refused request each time. Two tokens in a row
//! that were refused at about the same age are a rule: later ones are renewed ahead of that age, and now and then a longer life
//! is tried again.

use std::time::Duration;

use crate::oauth::schedule;

/// A refusal of a younger token says nothing about its life.
const YOUNGEST: Duration = Duration::from_secs(5);
/// After this many tokens that nobody refused, a life twice as long is tried.
const QUIET: u32 = 20;

/// What has been learned about one server's tokens.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// At what age the last token was refused too early.
    refused_at: Option<Duration>,
    learned: Option<Duration>,
    quiet: u32,
}

impl Life {
    /// The life to plan with, where the server says `told`.
    pub(super) fn plan(&self, told: Option<Duration>) -> Option<Duration> {
        match (self.learned, told) {
            (Some(learned), Some(told)) => Some(learned.min(told)),
            (learned, told) => learned.or(told),
        }
    }

    /// A media server refused a token at `age` that should have lived `planned`. What follows from it, if that is news.
    pub(super) fn refused(&mut self, age: Duration, planned: Option<Duration>) -> Option<Duration> {
        let too_early = planned.is_none_or(|life| age < schedule::hard_point(life));
        if age < YOUNGEST || !too_early {
            return None;
        }
        self.quiet = 0;
        let before = self.refused_at.replace(age)?;
        let (shorter, longer) = (age.min(before), age.max(before));
        if longer > shorter * 2 {
            return None;
        }
        (self.learned.replace(shorter) != Some(shorter)).then_some(shorter)
    }

    /// A token was replaced and nobody had refused it.
    pub(super) fn replaced(&mut self) {
        self.quiet += 1;
        if self.quiet >= QUIET {
            self.quiet = 0;
            self.learned = self.learned.map(|life| life.saturating_mul(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn two_early_ends_at_about_the_same_age_are_a_rule() {
        let mut life = Life::default();
        assert_eq!(life.refused(seconds(33), HOUR), None);
        assert_eq!(life.plan(HOUR), HOUR);
        assert_eq!(life.refused(seconds(31), HOUR), Some(seconds(31)));
        assert_eq!(life.plan(HOUR), Some(seconds(31)));
        assert_eq!(life.plan(None), Some(seconds(31)));
        assert_eq!(life.plan(Some(seconds(10))), Some(seconds(10)));
    }

    #[test]
    fn what_is_no_rule_is_not_learned() {
        for (first, second, planned) in [
            (100, 2000, HOUR),              // revoked twice, by hand
            (0, 1, HOUR),                   // never accepted at all
            (290, 295, Some(seconds(300))), // expired, as announced
        ] {
            let mut life = Life::default();
            assert_eq!(life.refused(seconds(first), planned), None);
            assert_eq!(life.refused(seconds(second), planned), None, "{first} {second}");
            assert_eq!(life.plan(planned), planned);
        }
    }

    #[test]
    fn a_longer_life_is_tried_again() {
        let mut life = Life::default();
        life.refused(seconds(30), HOUR);
        life.refused(seconds(30), HOUR);
        (0..QUIET).for_each(|_| life.replaced());
        assert_eq!(life.plan(HOUR), Some(seconds(60)));
        assert_eq!(life.refused(seconds(31), Some(seconds(60))), Some(seconds(30)));
        (0..QUIET * 10).for_each(|_| life.replaced());
        assert_eq!(life.plan(HOUR), HOUR);
    }
}
