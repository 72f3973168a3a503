//! The places where one stream is to be had, and which of them is tried next.

use crate::pipeline::plan;
use crate::redact;

/// The URL after `-i` and its alternatives, in order of preference.
#[derive(Clone, Debug)]
pub struct Places {
    urls: Vec<String>,
    current: usize,
    /// Those that have failed since one last served.
    failed: Vec<bool>,
    /// Those of them that no waiting mends.
    hopeless: Vec<bool>,
}

/// What follows when a place does not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Another one is tried at once.
    On,
    /// All have been tried: after a pause they are tried again.
    Pause,
    /// There is none left for which waiting could help.
    GiveUp,
}

impl Places {
    /// The places of an input, of which the one at `current` is read.
    pub fn new(input: &plan::Input, current: usize) -> Self {
        let urls: Vec<String> = std::iter::once(&input.url).chain(&input.alternatives).cloned().collect();
        let none = vec![false; urls.len()];
        Self { current, failed: none.clone(), hopeless: none, urls }
    }

    /// The one that is read, by its place on the command line.
    pub fn current(&self) -> usize {
        self.current
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.urls[self.current]
    }

    /// Its URL, masked.
    pub fn shown(&self) -> String {
        redact::url(self.url()).into_owned()
    }

    /// The one that is read has given packets.
    pub fn served(&mut self) {
        self.failed.fill(false);
        self.hopeless.fill(false);
    }

    /// The one that is read has ended, or failed; `for_good`: for a reason that does not pass.
    pub fn fail(&mut self, for_good: bool) -> Move {
        self.failed[self.current] = true;
        self.hopeless[self.current] |= for_good;
        let next = |left_out: &[bool]| left_out.iter().position(|left_out| !left_out);
        if let Some(next) = next(&self.failed) {
            self.current = next;
            return Move::On;
        }
        self.failed.clone_from(&self.hopeless);
        let Some(next) = next(&self.failed) else { return Move::GiveUp };
        self.current = next;
        Move::Pause
    }

    /// The first one serves again.
    pub fn go_back(&mut self) {
        self.current = 0;
        self.served();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(alternatives: &[&str]) -> Places {
        let alternatives = alternatives.iter().map(|url| (*url).to_owned()).collect();
        Places::new(&plan::Input { url: "a".to_owned(), alternatives, ..plan::Input::default() }, 0)
    }

    #[test]
    fn each_place_is_tried_once_before_a_pause() {
        let mut places = places(&["b", "c"]);
        let tried: Vec<_> = (0..4).map(|_| (places.fail(false), places.url().to_owned())).collect();
        let expected = [(Move::On, "b"), (Move::On, "c"), (Move::Pause, "a"), (Move::On, "b")];
        assert_eq!(tried, expected.map(|(next, url)| (next, url.to_owned())));
        places.served();
        assert_eq!((places.fail(false), places.url()), (Move::On, "a"), "the first one is preferred again");
    }

    #[test]
    fn what_no_waiting_mends_is_left_out_until_there_is_nothing_else() {
        let mut places = places(&["b"]);
        assert_eq!((places.fail(true), places.url()), (Move::On, "b"));
        assert_eq!((places.fail(false), places.url()), (Move::Pause, "b"));
        assert_eq!(places.fail(true), Move::GiveUp);
        assert_eq!(super::Places::new(&plan::Input::default(), 0).fail(true), Move::GiveUp);
    }
}
