//! From the job's time line into a muxer: `do_streamcopy` and `of_write_packet` of ffmpeg 5.1.

use crate::libav::codec::MediaType;
use crate::libav::rational::{DeltaState, MICROSECONDS, Rational, rescale, rescale_delta};
use crate::pipeline::plan::Micros;

use super::{StreamClock, StreamFacts, Times};

/// The times of a copied packet in the muxer's time base, `start` (the output's `-ss`) taken off.
///
/// `samples` is the length of an audio packet; audio goes through the unit of one sample.
pub fn copied(
    times: &Times,
    stream: &StreamFacts,
    clock: &StreamClock,
    target: Rational,
    start: Micros,
    samples: i32,
    delta: &mut DeltaState,
) -> Times {
    let start = rescale(start, MICROSECONDS, target);
    let to_target = |value| rescale(value, stream.time_base, target);
    let duration = to_target(times.duration);
    let pts = times.pts.map(|pts| to_target(pts) - start);
    match times.dts {
        Some(dts) if stream.media_type == MediaType::Audio && stream.sample_rate > 0 => {
            let sample = Rational::new(1, stream.sample_rate);
            let samples = if samples == 0 { stream.frame_size } else { samples };
            let dts = Some(rescale_delta(stream.time_base, dts, sample, samples, delta, target) - start);
            Times { pts: dts, dts, duration }
        }
        Some(dts) => Times { pts, dts: Some(to_target(dts) - start), duration },
        None => Times { pts, dts: Some(rescale(clock.dts, MICROSECONDS, target) - start), duration },
    }
}

/// What [`in_order`] had to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reordered {
    /// The decoding timestamp was after the presentation timestamp: both were guessed.
    Guessed {
        /// As it came.
        dts: i64,
        /// As it came.
        pts: i64,
    },
    /// The decoding timestamp was not after the one before.
    Raised {
        /// As it came.
        from: i64,
        /// As it goes.
        to: i64,
    },
}

/// Makes decoding timestamps grow, strictly unless the muxer takes equal ones, as muxers demand.
pub fn in_order(
    times: &mut Times,
    last: Option<i64>,
    media_type: MediaType,
    equal_allowed: bool,
    mut report: impl FnMut(Reordered),
) {
    if let (Some(dts), Some(pts)) = (times.dts, times.pts)
        && dts > pts
    {
        report(Reordered::Guessed { dts, pts });
        let floor = last.unwrap_or(i64::MIN).wrapping_add(1);
        // The middle of the three.
        let mut three = [pts, dts, floor];
        three.sort_unstable();
        times.pts = Some(three[1]);
        times.dts = Some(three[1]);
    }
    let ordered = matches!(media_type, MediaType::Audio | MediaType::Video | MediaType::Subtitle);
    if let (true, Some(dts), Some(last)) = (ordered, times.dts, last) {
        let floor = last + i64::from(!equal_allowed);
        if dts < floor {
            report(Reordered::Raised { from: dts, to: floor });
            if let Some(pts) = times.pts.filter(|pts| *pts >= dts) {
                times.pts = Some(pts.max(floor));
            }
            times.dts = Some(floor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, video};
    use super::*;

    fn audio() -> StreamFacts {
        let rates = (48_000, 1024);
        StreamFacts { media_type: MediaType::Audio, sample_rate: rates.0, frame_size: rates.1, ..video() }
    }

    #[test]
    fn copied_audio_goes_through_samples() {
        let (clock, stream, mut delta) = (StreamClock::default(), audio(), DeltaState::NONE);
        let target = Rational::new(1, 48_000);
        let mut times = Vec::new();
        for dts in [0, 1920, 3840] {
            let packet = Times { pts: None, dts: Some(dts), duration: 1920 };
            times.push(copied(&packet, &stream, &clock, target, 0, 1024, &mut delta));
        }
        let dts: Vec<_> = times.iter().map(|times| times.dts).collect();
        assert_eq!(dts, [Some(0), Some(1024), Some(2048)]);
        assert!(times.iter().all(|times| times.pts == times.dts && times.duration == 1024));
    }

    #[test]
    fn the_outputs_start_is_taken_off() {
        let (clock, mut delta) = (StreamClock::default(), DeltaState::NONE);
        let times = copied(&at(3.0), &video(), &clock, Rational::new(1, 1000), 2_000_000, 0, &mut delta);
        assert_eq!(times, Times { pts: Some(1000), dts: Some(1000), duration: 40 });
    }

    #[test]
    fn decoding_timestamps_grow() {
        for (name, times, last, equal, wanted) in [
            ("in order", (10, 12), Some(9), false, (10, 12)),
            ("equal is raised", (9, 12), Some(9), false, (10, 12)),
            ("equal where allowed", (9, 12), Some(9), true, (9, 12)),
            ("presentation follows", (5, 5), Some(9), false, (10, 10)),
            ("decoding after presentation: the middle", (20, 12), Some(9), false, (12, 12)),
            ("first packet", (-5, -5), None, false, (-5, -5)),
        ] {
            let mut packet = Times { dts: Some(times.0), pts: Some(times.1), duration: 0 };
            in_order(&mut packet, last, MediaType::Video, equal, |_| ());
            assert_eq!((packet.dts, packet.pts), (Some(wanted.0), Some(wanted.1)), "{name}");
        }
        let mut data = Times { dts: Some(1), pts: Some(1), duration: 0 };
        in_order(&mut data, Some(5), MediaType::Data, false, |_| ());
        assert_eq!(data.dts, Some(1), "data streams are left alone");
    }
}
