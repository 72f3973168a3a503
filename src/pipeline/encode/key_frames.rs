//! `-force_key_frames`: which pictures must be key frames.

use crate::error::{Error, Kind};
use crate::libav::expression::Expression;
use crate::libav::log::{self, level};
use crate::libav::rational::{MICROSECONDS, Rational, rescale};
use crate::libav::stream::Chapter;
use crate::libav::time;

/// Which pictures must be key frames.
pub struct KeyFrames {
    text: Option<String>,
    rule: Rule,
    /// Time of the first picture, in the encoder's time base.
    first: Option<i64>,
}

enum Rule {
    None,
    /// At these times, in order; how many have been.
    Times(Vec<i64>, usize),
    /// Where an expression is not 0.
    Expression(Expression, Values),
    /// Where the source has one; with those that were dropped.
    Source(bool),
}

/// What an expression may ask for, in the order of [`NAMES`].
#[derive(Clone, Copy)]
struct Values {
    pictures: f64,
    forced: f64,
    previous_picture: f64,
    previous_time: f64,
}

const NAMES: [&str; 5] = ["n", "n_forced", "prev_forced_n", "prev_forced_t", "t"];

/// A picture that is about to be encoded.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// Its time in the encoder's time base.
    pub pts: i64,
    /// It was a key frame where it came from.
    pub is_key: bool,
    /// It is not a repetition.
    pub is_first: bool,
}

impl KeyFrames {
    /// As typed; read when the encoder is opened.
    pub fn new(text: Option<String>) -> Self {
        Self { text, rule: Rule::None, first: None }
    }

    /// Reads the rule, now that the encoder's time base and the output's chapters are known.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn prepare(&mut self, time_base: Rational, chapters: &[Chapter]) -> Result<(), Error> {
        let Some(text) = &self.text else { return Ok(()) };
        self.rule = if let Some(expression) = text.strip_prefix("expr:") {
            let parsed = Expression::parse(expression, &NAMES).map_err(|error| {
                Error::new(Kind::Usage, format!("Invalid force_key_frames expression '{expression}'")).with_source(error)
            })?;
            let values = Values { pictures: 0.0, forced: 0.0, previous_picture: f64::NAN, previous_time: f64::NAN };
            Rule::Expression(parsed, values)
        } else if text.starts_with("source") {
            Rule::Source(text.starts_with("source_no_drop"))
        } else {
            Rule::Times(times(text, time_base, chapters)?, 0)
        };
        Ok(())
    }

    /// Must this picture be a key frame? `dropped_key`: one of the source was dropped just before; reset when it has been made
    /// up for.
    pub fn force(&mut self, picture: Picture, time_base: Rational, dropped_key: &mut bool) -> bool {
        let first = *self.first.get_or_insert(picture.pts);
        let time = (picture.pts - first) as f64 * time_base.as_f64();
        let forced = match &mut self.rule {
            Rule::None => false,
            Rule::Times(times, done) => {
                let due = times.get(*done).is_some_and(|due| picture.pts >= *due);
                *done += usize::from(due);
                due
            }
            Rule::Expression(expression, values) => {
                let Values { pictures, forced, previous_picture, previous_time } = *values;
                let due = expression.evaluate(&[pictures, forced, previous_picture, previous_time, time]) != 0.0;
                if due {
                    (values.previous_picture, values.previous_time) = (pictures, time);
                    values.forced += 1.0;
                }
                values.pictures += 1.0;
                due
            }
            Rule::Source(_) if picture.is_key && picture.is_first => true,
            Rule::Source(true) if picture.is_first => std::mem::take(dropped_key),
            Rule::Source(_) => false,
        };
        if forced {
            log::write(level::DEBUG, &format!("Forced keyframe at time {time:.6}\n"));
        }
        forced
    }
}

/// `TIME[,TIME…]`, where `chapters[DELTA]` stands for the begin of each chapter (`parse_forced_key_frames`).
fn times(text: &str, time_base: Rational, chapters: &[Chapter]) -> Result<Vec<i64>, Error> {
    let mut times = Vec::new();
    let parse = |text: &str| {
        time::parse_duration(text)
            .map(|time| rescale(time, MICROSECONDS, time_base))
            .map_err(|_| Error::new(Kind::Usage, format!("Invalid duration specification for force_key_frames: {text}")))
    };
    for entry in text.split(',') {
        match entry.strip_prefix("chapters") {
            Some(delta) => {
                let delta = if delta.is_empty() { 0 } else { parse(delta)? };
                times.extend(chapters.iter().map(|chapter| rescale(chapter.start, chapter.time_base, time_base) + delta));
            }
            None => times.push(parse(entry)?),
        }
    }
    times.sort_unstable();
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Rational = Rational::new(1, 25);

    fn forced(text: &str, keys: &[i64]) -> Vec<i64> {
        let mut rule = KeyFrames::new(Some(text.to_owned()));
        rule.prepare(BASE, &[]).expect(text);
        let picture = |pts| Picture { pts, is_key: keys.contains(&pts), is_first: true };
        (0..100).filter(|pts| rule.force(picture(*pts), BASE, &mut false)).collect()
    }

    #[test]
    fn times_expressions_and_the_source_force_key_frames() {
        assert_eq!(forced("1,0:00:02.5,0.5", &[]), [13, 25, 63]);
        assert_eq!(forced("expr:gte(t,n_forced*1)", &[]), [0, 25, 50, 75]);
        assert_eq!(forced("source", &[3, 70]), [3, 70]);
        assert!(KeyFrames::new(Some("expr:gte(".into())).prepare(BASE, &[]).is_err());
        assert!(KeyFrames::new(Some("soon".into())).prepare(BASE, &[]).is_err());
        assert!(forced("source_no_drop", &[]).is_empty());
    }

    #[test]
    fn chapters_force_key_frames_where_they_begin() {
        let chapter =
            |start| Chapter { id: 0, time_base: Rational::new(1, 1000), start, end: start, metadata: Default::default() };
        assert_eq!(times("chapters-0.1,1", BASE, &[chapter(2000), chapter(4000)]).expect("times"), [25, 47, 97]);
    }
}
