//! How many pictures come of one, so that the output has the frame rate that it is to have: the rules of `do_video_out` of
//! ffmpeg 5.1, apart from everything that encodes.

use crate::libav::log::{self, level};

/// `-fps_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As they come.
    Passthrough,
    /// A constant rate: pictures are repeated and dropped.
    Constant,
    /// As [`Constant`](Self::Constant), but the first picture is not repeated to fill the time before it.
    ConstantFromFirst,
    /// No two pictures at the same time.
    Variable,
    /// As [`Passthrough`](Self::Passthrough), and the muxer makes up the timestamps.
    Drop,
}

impl Method {
    /// As `-fps_mode` writes it; the outer `None` = no such method, the inner one = `auto`.
    pub fn parse(text: &str) -> Option<Option<Self>> {
        Some(match text.to_ascii_lowercase().as_str() {
            "auto" => None,
            "cfr" => Some(Self::Constant),
            "vfr" => Some(Self::Variable),
            "passthrough" => Some(Self::Passthrough),
            "drop" => Some(Self::Drop),
            _ => return None,
        })
    }

    /// As the deprecated `-vsync` also writes it.
    pub fn parse_number(text: &str) -> Option<Option<Self>> {
        Self::parse(text).or(match text {
            "-1" => Some(None),
            "0" => Some(Some(Self::Passthrough)),
            "1" => Some(Some(Self::Constant)),
            "2" => Some(Some(Self::Variable)),
            _ => None,
        })
    }

    /// Pictures are equally far apart.
    pub fn is_constant(self) -> bool {
        matches!(self, Self::Constant | Self::ConstantFromFirst)
    }
}

/// Counters of the whole job.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Pictures repeated.
    pub duplicated: u64,
    /// Pictures dropped.
    pub dropped: u64,
    /// The next warning comes at this many repetitions.
    warn_above: u64,
    /// More repetitions than this of one picture are a fault of its timestamp.
    limit: f64,
}

impl Counts {
    /// Nothing yet; `dts_error_threshold` as `-dts_error_threshold` has it, in seconds.
    pub fn new(dts_error_threshold: f64) -> Self {
        Self { duplicated: 0, dropped: 0, warn_above: 1000, limit: dts_error_threshold * 30.0 }
    }
}

/// Where an output stream is.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    /// The rule.
    pub method: Method,
    /// `-frame_drop_threshold`.
    pub drop_threshold: f64,
    /// How often the picture before was repeated, the last three times.
    repeats: [i64; 3],
    /// The last picture has not been shown.
    pub last_dropped: bool,
    /// And decoding could have begun there.
    pub dropped_key: bool,
}

/// A picture that has come.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Its time in the encoder's time base, with fractions.
    pub time: f64,
    /// How long it is to be seen, in the same unit.
    pub duration: f64,
    /// Decoding could begin there.
    pub is_key: bool,
    /// When the one before began, for messages.
    pub last_pts: Option<i64>,
}

/// What is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How many pictures.
    pub total: i64,
    /// How many of them are the one before once more.
    pub repeats: i64,
}

impl Pacer {
    /// Before the first picture.
    pub fn new(method: Method, drop_threshold: f64) -> Self {
        Self { method, drop_threshold, repeats: [0; 3], last_dropped: false, dropped_key: false }
    }

    /// What to show when a picture has come, or with `None` at the end. `next` is the time of the next picture to be shown, and
    /// is moved where the rule says so; `shown` counts those before, `left` are allowed. `None` = nothing: the picture's time
    /// cannot be true.
    pub fn pace(
        &mut self,
        arrival: Option<Arrival>,
        next: &mut i64,
        shown: i64,
        left: i64,
        stream: usize,
        counts: &mut Counts,
    ) -> Option<Pace> {
        let Pace { mut total, mut repeats } = match arrival {
            // The median of the last three.
            None => {
                let mut sorted = self.repeats;
                sorted.sort_unstable();
                Pace { total: sorted[1], repeats: sorted[1] }
            }
            Some(arrival) => self.fit(arrival, next, shown),
        };
        total = total.min(left);
        repeats = repeats.min(total);
        self.repeats = [repeats, self.repeats[0], self.repeats[1]];

        if repeats == 0 && self.last_dropped {
            counts.dropped += 1;
            let at = arrival.and_then(|arrival| arrival.last_pts).unwrap_or(i64::MIN);
            log::write(level::VERBOSE, &format!("*** dropping frame {shown} from stream {stream} at ts {at}\n"));
        }
        let own = i64::from(repeats > 0 && self.last_dropped) + i64::from(total > repeats);
        if total > own {
            if total as f64 > counts.limit {
                log::write(level::ERROR, &format!("{} frame duplication too large, skipping\n", total - 1));
                counts.dropped += 1;
                return None;
            }
            counts.duplicated += u64::try_from(total - own).unwrap_or_default();
            log::write(level::VERBOSE, &format!("*** {} dup!\n", total - 1));
            if counts.duplicated > counts.warn_above {
                log::write(level::WARNING, &format!("More than {} frames duplicated\n", counts.warn_above));
                counts.warn_above *= 10;
            }
        }
        self.last_dropped = total == repeats && arrival.is_some();
        self.dropped_key = self.last_dropped && arrival.is_some_and(|arrival| arrival.is_key);
        Some(Pace { total, repeats })
    }

    fn fit(&self, arrival: Arrival, next: &mut i64, shown: i64) -> Pace {
        let (mut time, mut duration) = (arrival.time, arrival.duration);
        // How far the picture is from where the next one belongs, and its end likewise.
        let mut begin = time - *next as f64;
        let mut end = begin + duration;
        if begin < 0.0 && end > 0.0 && !matches!(self.method, Method::Passthrough | Method::Drop) {
            if begin < -0.6 {
                log::write(level::VERBOSE, &format!("Past duration {:.6} too large\n", -begin));
            } else {
                log::write(level::DEBUG, &format!("Clipping frame in rate conversion by {:.6}\n", -begin));
            }
            time = *next as f64;
            duration += begin;
            begin = 0.0;
        }
        let round = |value: f64| value.round_ties_even() as i64;
        // ffmpeg takes these for single precision.
        let round_single = |value: f64| (value as f32).round_ties_even() as i64;
        let mut pace = Pace { total: 1, repeats: 0 };
        match self.method {
            Method::Constant | Method::ConstantFromFirst => {
                if self.method == Method::ConstantFromFirst && shown == 0 && begin >= 0.5 {
                    let text = format!("Not duplicating {} initial frames\n", round_single(begin));
                    log::write(level::DEBUG, &text);
                    end = duration;
                    begin = 0.0;
                    *next = round(time);
                }
                let below_threshold = self.drop_threshold != 0.0 && end < self.drop_threshold && shown != 0;
                if below_threshold || end < -1.1 {
                    pace.total = 0;
                } else if end > 1.1 {
                    pace.total = round_single(end);
                    if begin > 1.1 {
                        pace.repeats = round_single(begin - 0.6);
                    }
                }
            }
            Method::Variable => {
                if end <= -0.6 {
                    pace.total = 0;
                } else if end > 0.6 {
                    *next = round(time);
                }
            }
            Method::Passthrough | Method::Drop => *next = round(time),
        }
        pace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs pictures at these times, each one tick long, through a pacer; tells the times at which pictures are shown.
    fn run(method: Method, times: &[f64]) -> (Vec<i64>, Counts) {
        let (mut pacer, mut counts) = (Pacer::new(method, 0.0), Counts::new(108_000.0));
        let (mut next, mut shown) = (0, Vec::new());
        let arrivals = times.iter().map(|time| Some(Arrival { time: *time, duration: 1.0, is_key: false, last_pts: None }));
        for arrival in arrivals.chain([None]) {
            let count = shown.len() as i64;
            let pace = pacer.pace(arrival, &mut next, count, i64::MAX - count, 0, &mut counts).expect("times that can be");
            for index in 0..pace.total {
                if index >= pace.repeats && arrival.is_none() {
                    break;
                }
                shown.push(next);
                next += 1;
            }
        }
        (shown, counts)
    }

    #[test]
    fn a_constant_rate_repeats_and_drops() {
        let (shown, counts) = run(Method::Constant, &[0.0, 1.0, 4.0, 5.0]);
        assert_eq!((shown, counts.duplicated, counts.dropped), (vec![0, 1, 2, 3, 4, 5], 2, 0));
        let (shown, counts) = run(Method::Constant, &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5]);
        assert_eq!(shown.len(), 3, "{shown:?}");
        assert!(counts.dropped > 0);
    }

    #[test]
    fn the_first_picture_fills_the_time_before_it_or_not() {
        assert_eq!(run(Method::Constant, &[3.0, 4.0]).0.len(), 5);
        assert_eq!(run(Method::ConstantFromFirst, &[3.0, 4.0]).0, [3, 4]);
    }

    #[test]
    fn a_variable_rate_keeps_gaps_and_drops_what_comes_at_the_same_time() {
        assert_eq!(run(Method::Variable, &[0.0, 5.0, 5.1, 9.0]).0, [0, 5, 6, 9]);
        assert_eq!(run(Method::Passthrough, &[0.0, 5.0, 5.0]).0, [0, 5, 5]);
    }

    #[test]
    fn methods_have_names_and_old_numbers() {
        assert_eq!(Method::parse("VFR"), Some(Some(Method::Variable)));
        assert_eq!((Method::parse("auto"), Method::parse("2")), (Some(None), None));
        assert_eq!(Method::parse_number("0"), Some(Some(Method::Passthrough)));
    }
}
