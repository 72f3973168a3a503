//! The rules for timestamps, apart from everything that reads or writes: from a demuxed packet to the job's time line here
//! (`process_input`, `process_input_packet` of ffmpeg 5.1), from there into a muxer in [`output`].

pub mod output;

use crate::libav::codec::MediaType;
use crate::libav::rational::{MICROSECONDS, Rational, rescale};

use super::plan::{Global, Micros};

/// The times of one packet, in its stream's time base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Presentation.
    pub pts: Option<i64>,
    /// Decoding.
    pub dts: Option<i64>,
    /// 0 = unknown.
    pub duration: i64,
}

/// What the rules need to know of an input.
#[derive(Clone, Copy, Debug)]
pub struct FileFacts {
    /// First timestamp of all its streams, in microseconds.
    pub start_time: Option<Micros>,
    /// First timestamp of those that are used.
    pub used_start_time: Option<Micros>,
    /// Its timestamps may jump.
    pub discontinuous: bool,
}

/// The time line of an input.
#[derive(Clone, Copy, Debug)]
pub struct FileClock {
    /// Added to every timestamp, in microseconds.
    pub offset: Micros,
    /// The last decoding timestamp of any stream.
    last: Micros,
    /// Length of the rounds that `-stream_loop` has played, in units of `round_base`.
    pub rounds: i64,
    /// See `rounds`.
    pub round_base: Rational,
}

impl FileClock {
    /// A time line that begins with `offset`.
    pub fn new(offset: Micros) -> Self {
        Self { offset, last: 0, rounds: 0, round_base: Rational::new(1, 1) }
    }

    /// The source is known to be at `time`, if that is known: no jump.
    pub fn reach(&mut self, time: Option<Micros>) {
        self.last = time.unwrap_or(self.last);
    }
}

/// What the rules need to know of an input's stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamFacts {
    /// Kind.
    pub media_type: MediaType,
    /// Unit of its timestamps.
    pub time_base: Rational,
    /// Bits after which they begin again.
    pub wrap_bits: u32,
    /// `-itsscale`.
    pub scale: f64,
    /// `-r` before the input.
    pub forced_rate: Option<Rational>,
    /// Average frame rate; 0/0 = unknown.
    pub average_rate: Rational,
    /// Frames by which the decoder lags.
    pub video_delay: i32,
    /// Audio samples per second.
    pub sample_rate: i32,
    /// Audio samples per packet, where fixed.
    pub frame_size: i32,
}

/// Where a stream is on its input's time line; in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamClock {
    /// Of the first packet.
    pub first_dts: Option<Micros>,
    /// Of the packet in hand; [`UNKNOWN`] if nothing tells.
    pub dts: Micros,
    /// Where the next packet is expected.
    pub next_dts: Option<Micros>,
    /// Of the packet in hand, or of the frame that was decoded last.
    pub pts: Micros,
    /// Where the next frame is expected.
    pub next_pts: Option<Micros>,
    wrap_corrected: bool,
    /// Extent of this round, in the stream's time base; for `-stream_loop`.
    pub extent: Option<(i64, i64)>,
}

/// A time that nothing tells.
pub const UNKNOWN: Micros = Micros::MIN;

/// What [`StreamClock::correct`] did to a packet beyond adding the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// The input begins later by this much: its earliest stream is not used.
    LaterStart(Micros),
    /// A stream begins far from where the others are; the offset is now the second number.
    BetweenStreams(Micros, Micros),
    /// The stream jumped by this much from where it was expected (second number); the offset is now the third.
    Jump(Micros, Micros, Micros),
    /// A decoding timestamp too far from the expected one was dropped.
    DroppedDts(i64, Micros),
    /// Likewise a presentation timestamp.
    DroppedPts(i64, Micros),
}

const SECOND: f64 = 1e6;

impl StreamClock {
    /// Puts the times of a demuxed packet on the job's time line: wrap-around, `-itsoffset` and the seek, `-itsscale`,
    /// discontinuities, the rounds of `-stream_loop`.
    pub fn correct(
        &mut self,
        times: &mut Times,
        stream: &StreamFacts,
        clock: &mut FileClock,
        file: &FileFacts,
        global: &Global,
        mut report: impl FnMut(Correction),
    ) {
        let base = stream.time_base;
        let to_stream = |micros| rescale(micros, MICROSECONDS, base);
        let to_micros = |value| rescale(value, base, MICROSECONDS);
        let shift = |times: &mut Times, by: i64| {
            times.dts = times.dts.map(|dts| dts.wrapping_add(by));
            times.pts = times.pts.map(|pts| pts.wrapping_add(by));
        };

        if !self.wrap_corrected
            && let Some(start) = file.start_time
            && (1..64).contains(&stream.wrap_bits)
        {
            if self.next_dts.is_none()
                && clock.offset == -start
                && file.discontinuous
                && let Some(used) = file.used_start_time
                && used > start
            {
                clock.offset = -used;
                report(Correction::LaterStart(used - start));
            }
            self.unwrap(times, to_stream(start), stream.wrap_bits);
        }

        shift(times, to_stream(clock.offset));
        if stream.scale != 1.0 {
            // ffmpeg multiplies a 64-bit integer in place: the fraction is cut off.
            let scaled = |value: i64| (value as f64 * stream.scale) as i64;
            times.pts = times.pts.map(scaled);
            times.dts = times.dts.map(scaled);
        }

        let timed = matches!(stream.media_type, MediaType::Video | MediaType::Audio);
        let beyond = |delta: Micros, seconds: f64| (delta as f64).abs() > seconds * SECOND;
        if timed
            && self.next_dts.is_none()
            && !global.copy_ts
            && file.discontinuous
            && let Some(dts) = times.dts.map(to_micros)
        {
            let delta = dts - clock.last;
            if beyond(delta, global.dts_delta_threshold) {
                clock.offset -= delta;
                report(Correction::BetweenStreams(delta, clock.offset));
                shift(times, -to_stream(delta));
            }
        }

        let rounds = rescale(clock.rounds, clock.round_base, base);
        shift(times, rounds);
        if let Some(pts) = times.pts {
            let (from, to) = self.extent.unwrap_or((pts, pts));
            self.extent = Some((from.min(pts), to.max(pts)));
        }

        if timed
            && let (Some(dts), Some(next)) = (times.dts, self.next_dts)
            && (!global.copy_ts || self.has_wrapped(dts, next, stream, file))
        {
            let (raw_dts, dts) = (dts, to_micros(dts));
            let delta = dts - next;
            if file.discontinuous {
                if beyond(delta, global.dts_delta_threshold) || dts + 100_000 < self.dts {
                    clock.offset -= delta;
                    report(Correction::Jump(delta, next, clock.offset));
                    shift(times, -to_stream(delta));
                }
            } else {
                if beyond(delta, global.dts_error_threshold) {
                    report(Correction::DroppedDts(raw_dts, next));
                    times.dts = None;
                }
                if let Some(pts) = times.pts
                    && beyond(to_micros(pts) - next, global.dts_error_threshold)
                {
                    report(Correction::DroppedPts(pts, next));
                    times.pts = None;
                }
            }
        }
        if let Some(dts) = times.dts {
            clock.last = to_micros(dts);
        }
    }

    /// Timestamps of the first packets that lie more than half a turn after the start belong before it.
    fn unwrap(&mut self, times: &mut Times, start: i64, bits: u32) {
        let turn = 1_u64.wrapping_shl(bits).cast_signed();
        if start.wrapping_add(turn) <= start {
            self.wrap_corrected = true;
            return;
        }
        let mut wrapped = false;
        for time in [&mut times.dts, &mut times.pts].into_iter().flatten() {
            if *time > start.saturating_add(1 << (bits - 1)) {
                *time -= turn;
                wrapped = true;
            }
        }
        self.wrap_corrected = !wrapped;
    }

    /// With `-copyts` jumps stay, except the one of a counter that began again.
    fn has_wrapped(&self, dts: i64, next: Micros, stream: &StreamFacts, file: &FileFacts) -> bool {
        if !file.discontinuous || stream.wrap_bits >= 60 {
            return false;
        }
        let micros = |value| rescale(value, stream.time_base, MICROSECONDS);
        (micros(dts + (1 << stream.wrap_bits)) - next).abs() < (micros(dts) - next).abs() / 10
    }

    /// Takes note of a corrected packet: where it is, and where the next one is expected. `ticks` is the length of a video
    /// packet without a duration, in frames.
    pub fn advance(&mut self, times: &Times, stream: &StreamFacts, ticks: i64) {
        let to_micros = |value| rescale(value, stream.time_base, MICROSECONDS);
        if self.first_dts.is_none() {
            if stream.average_rate.num != 0 {
                let delay = -i64::from(stream.video_delay) * MICROSECONDS.den as i64;
                self.dts = (delay as f64 / stream.average_rate.as_f64()) as i64;
            }
            if let Some(pts) = times.pts {
                self.dts += to_micros(pts);
            }
            self.first_dts = Some(self.dts);
        }
        let dts = times.dts.map(to_micros).or(self.next_dts).unwrap_or(self.dts);
        self.dts = dts;
        let second = i64::from(MICROSECONDS.den);
        let step = match stream.media_type {
            MediaType::Audio if stream.sample_rate != 0 => second * i64::from(stream.frame_size) / i64::from(stream.sample_rate),
            MediaType::Audio => to_micros(times.duration),
            MediaType::Video => match stream.forced_rate {
                Some(rate) => {
                    let frame = rescale(dts, MICROSECONDS, rate.inverse());
                    rescale(frame + 1, rate.inverse(), MICROSECONDS) - dts
                }
                None if times.duration != 0 => to_micros(times.duration),
                None if stream.average_rate.num != 0 => {
                    second * i64::from(stream.average_rate.den) * ticks / i64::from(stream.average_rate.num)
                }
                None => 0,
            },
            _ => 0,
        };
        self.next_dts = Some(dts + step);
        (self.pts, self.next_pts) = (self.dts, self.next_dts);
    }

    /// The decoding time of the packet in hand, if anything tells.
    pub fn known_dts(&self) -> Option<Micros> {
        Some(self.dts).filter(|dts| *dts != UNKNOWN)
    }

    /// Takes note of a packet that will be decoded, or of the end: the decoder's frames tell more. `delay`: frames by which
    /// the decoder lags.
    pub fn begin(&mut self, times: Option<&Times>, stream: &StreamFacts, delay: i32) {
        if self.first_dts.is_none() {
            let delay = -i64::from(delay) * i64::from(MICROSECONDS.den);
            self.dts = if stream.average_rate.num != 0 { (delay as f64 / stream.average_rate.as_f64()) as i64 } else { 0 };
            self.pts = 0;
            self.first_dts = Some(self.dts);
        }
        self.next_dts = self.next_dts.or(self.known_dts());
        self.next_pts = self.next_pts.or(Some(self.pts).filter(|pts| *pts != UNKNOWN));
        if let Some(dts) = times.and_then(|times| times.dts) {
            self.dts = rescale(dts, stream.time_base, MICROSECONDS);
            self.next_dts = Some(self.dts);
            if stream.media_type != MediaType::Video {
                (self.pts, self.next_pts) = (self.dts, Some(self.dts));
            }
        }
    }

    /// Before each call of the decoder.
    pub fn step(&mut self) {
        self.pts = self.next_pts.unwrap_or(UNKNOWN);
        self.dts = self.next_dts.unwrap_or(UNKNOWN);
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    const TS: Rational = Rational::new(1, 90_000);

    pub fn video() -> StreamFacts {
        StreamFacts {
            media_type: MediaType::Video,
            time_base: TS,
            wrap_bits: 33,
            scale: 1.0,
            forced_rate: None,
            average_rate: Rational::new(25, 1),
            video_delay: 0,
            sample_rate: 0,
            frame_size: 0,
        }
    }

    pub fn at(seconds: f64) -> Times {
        let time = Some((seconds * 90_000.0) as i64);
        Times { pts: time, dts: time, duration: 3600 }
    }

    fn discontinuous() -> FileFacts {
        FileFacts { start_time: Some(0), used_start_time: Some(0), discontinuous: true }
    }

    /// Runs packets through; returns their corrected decoding times in seconds and the corrections.
    fn run(packets: &[Times], stream: &StreamFacts, file: &FileFacts, global: &Global) -> (Vec<Option<f64>>, Vec<Correction>) {
        let (mut clock, mut line) = (StreamClock::default(), FileClock::new(0));
        let mut corrections = Vec::new();
        let corrected = packets.iter().map(|times| {
            let mut times = *times;
            clock.correct(&mut times, stream, &mut line, file, global, |correction| corrections.push(correction));
            clock.advance(&times, stream, 1);
            times.dts.map(|dts| dts as f64 / 90_000.0)
        });
        (corrected.collect(), corrections)
    }

    #[test]
    fn jumps_over_the_threshold_close_up() {
        let (times, corrections) = run(&[at(0.0), at(0.04), at(60.0), at(60.04)], &video(), &discontinuous(), &Global::default());
        assert_eq!(times, [Some(0.0), Some(0.04), Some(0.08), Some(0.12)]);
        assert_eq!(corrections, [Correction::Jump(59_920_000, 80_000, -59_920_000)]);
    }

    #[test]
    fn jumps_below_the_threshold_stay() {
        let (times, corrections) = run(&[at(0.0), at(9.0)], &video(), &discontinuous(), &Global::default());
        assert_eq!((times, corrections.len()), (vec![Some(0.0), Some(9.0)], 0));
    }

    #[test]
    fn steps_back_close_up() {
        let (times, corrections) = run(&[at(5.0), at(5.04), at(1.0)], &video(), &discontinuous(), &Global::default());
        assert_eq!(times[2], Some(5.08));
        assert_eq!(corrections.len(), 1);
    }

    #[test]
    fn copyts_keeps_jumps_but_not_a_wrapped_counter() {
        let copy = Global { copy_ts: true, ..Global::default() };
        let (times, _) = run(&[at(0.0), at(60.0)], &video(), &discontinuous(), &copy);
        assert_eq!(times[1], Some(60.0));
        let turn = (1_i64 << 33) as f64 / 90_000.0;
        let file = FileFacts { start_time: None, ..discontinuous() };
        let (times, corrections) = run(&[at(turn - 0.04), at(0.0)], &video(), &file, &copy);
        assert!((times[1].expect("kept") - turn).abs() < 0.001, "{times:?}");
        assert_eq!(corrections.len(), 1);
    }

    #[test]
    fn other_formats_drop_impossible_timestamps() {
        let file = FileFacts { discontinuous: false, ..discontinuous() };
        let (times, corrections) = run(&[at(0.0), at(200_000.0)], &video(), &file, &Global::default());
        assert_eq!(times, [Some(0.0), None]);
        assert!(matches!(corrections[..], [Correction::DroppedDts(..), Correction::DroppedPts(..)]), "{corrections:?}");
    }

    #[test]
    fn a_counter_that_wrapped_before_the_first_packet_goes_below_the_start() {
        let file = FileFacts { start_time: Some(1_000_000), used_start_time: Some(1_000_000), discontinuous: true };
        let turn = 1_i64 << 33;
        let mut times = Times { pts: Some(90_000), dts: Some(turn - 1800), duration: 0 };
        StreamClock::default().correct(&mut times, &video(), &mut FileClock::new(0), &file, &Global::default(), |_| ());
        assert_eq!((times.dts, times.pts), (Some(-1800), Some(90_000)));
    }

    #[test]
    fn an_unused_earlier_stream_does_not_delay_the_others() {
        let file = FileFacts { start_time: Some(1_000_000), used_start_time: Some(1_500_000), discontinuous: true };
        let (mut times, mut line) = (at(1.5), FileClock::new(-1_000_000));
        StreamClock::default().correct(&mut times, &video(), &mut line, &file, &Global::default(), |_| ());
        assert_eq!((times.dts, line.offset), (Some(0), -1_500_000));
    }

    #[test]
    fn scale_and_rounds_apply_to_both_timestamps() {
        let mut line = FileClock { rounds: 2, round_base: Rational::new(1, 1), ..FileClock::new(0) };
        let mut times = at(1.0);
        let stream = StreamFacts { scale: 2.0, ..video() };
        let file = FileFacts { start_time: None, used_start_time: None, discontinuous: false };
        StreamClock::default().correct(&mut times, &stream, &mut line, &file, &Global::default(), |_| ());
        assert_eq!((times.pts, times.dts), (Some(360_000), Some(360_000)));
    }

    #[test]
    fn packets_without_timestamps_follow_each_other() {
        let (mut clock, stream) = (StreamClock::default(), StreamFacts { video_delay: 2, ..video() });
        let untimed = Times::default();
        clock.advance(&untimed, &stream, 1);
        assert_eq!(clock.dts, -80_000, "two frames of delay at 25 frames per second");
        clock.advance(&untimed, &stream, 1);
        assert_eq!(clock.dts, -40_000);
    }
}
