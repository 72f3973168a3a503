//! An input that is being read: its packets, each put on the job's time line.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Now};
use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::log::{self, level};
use crate::libav::packet::Packet;
use crate::libav::rational::{DeltaState, MICROSECONDS, Rational, compare, rescale};
use crate::redact;

use super::decode::Decoding;
use super::demux::{Input, InputStream};
use super::gap::Gaps;
use super::ingest::seam::Crossing;
use super::ingest::{Kept, Opener};
use super::plan::{Global, Micros};
use super::read::{Next, Reader};
use super::timestamp::{Correction, FileClock, FileFacts, StreamClock, Times};
use super::{Control, InputOutcome, Live, dump};

/// An input that is being read.
pub struct Source {
    /// Its position among the inputs.
    pub index: usize,
    /// How many streams the inputs before it have.
    pub first_stream: usize,
    /// Its packets.
    pub reader: Reader,
    /// Its streams.
    pub streams: Vec<SourceStream>,
    /// `-ss`.
    pub start: Option<Micros>,
    /// `-t`.
    pub duration: Option<Micros>,
    /// Facts of the whole file.
    pub facts: FileFacts,
    /// It had nothing to read just now.
    pub waiting: bool,
    /// There is no more.
    pub ended: bool,
    /// The last read met the end: of a round, or of all.
    at_end: bool,
    url: String,
    clock: FileClock,
    /// `-readrate`; 0 = as fast as possible.
    rate: f64,
    began: Now,
    live: Arc<Live>,
    /// Rounds that are left; -1 = for ever.
    rounds: i64,
    gaps: Gaps,
    /// `-on_gap fail`.
    fails_on_gap: bool,
}

/// A stream of an input that is being read.
pub struct SourceStream {
    /// What it is.
    pub input: InputStream,
    /// Where it is.
    pub clock: StreamClock,
    /// For audio that is rescaled for an output.
    pub delta: DeltaState,
    /// The output streams that copy it: (output, stream), in order.
    pub targets: Vec<(usize, usize)>,
    /// How it is decoded, if an output or a graph wants that.
    pub decoding: Option<Box<Decoding>>,
    /// Meaningful bits of a decoded sample or component; 0 = unknown.
    pub decoded_bits: i32,
    packets: u64,
    bytes: u64,
}

/// What [`Source::next`] found.
pub enum Read {
    /// A packet of a used stream, with its times on the job's time line and its length in ticks, if a parser told.
    Packet(Times, Option<i64>),
    /// A packet that nobody wants.
    Unwanted,
    /// Nothing yet.
    Later,
    /// The end.
    End,
}

impl Source {
    /// Begins to read `input`.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn new(index: usize, input: Input, opener: &Opener<'_, '_>, control: &Control) -> Result<Self, Error> {
        let (plan, inputs) = (&opener.plan.inputs[index], opener.plan.inputs.len());
        let queue = plan.thread_queue_size.unwrap_or(if inputs > 1 { 8 } else { 0 });
        let facts = input.facts();
        let stream = |input: InputStream| SourceStream {
            input,
            clock: StreamClock::default(),
            delta: DeltaState::NONE,
            targets: Vec::new(),
            decoding: None,
            decoded_bits: 0,
            packets: 0,
            bytes: 0,
        };
        let url = input.demuxer.url();
        let reader = if plan.ingest.keep_for.is_some() {
            let kept = Kept::start(opener, index, (input.demuxer, input.session), input.place, &input.streams)?;
            Reader::kept(kept, opener.stop.clone())
        } else {
            Reader::new(input.demuxer, index, queue, opener.stop.clone())?
        };
        Ok(Self {
            index,
            first_stream: 0,
            url,
            reader,
            streams: input.streams.into_iter().map(stream).collect(),
            start: input.start,
            duration: input.duration,
            facts,
            waiting: false,
            ended: false,
            at_end: false,
            clock: FileClock::new(input.ts_offset),
            rate: plan.readrate,
            began: control.clock.now(),
            live: Arc::clone(&control.live),
            rounds: plan.stream_loop,
            gaps: Gaps::default(),
            fails_on_gap: plan.fail_on_gap,
        })
    }

    /// What is added to its timestamps, in microseconds.
    pub fn offset(&self) -> Micros {
        self.clock.offset
    }

    /// Reads the next packet. At the end it says so as often as it is asked, until [`rewind`](Self::rewind).
    ///
    /// # Errors
    /// With `-xerror`: a broken packet, or an input that broke off.
    pub fn next(&mut self, packet: &mut Packet, global: &Global, clock: &dyn Clock) -> Result<Read, Error> {
        if self.at_end {
            return Ok(Read::End);
        }
        if self.rate != 0.0 && self.is_ahead(global, clock.now().boot.saturating_sub(self.began.boot)) {
            return Ok(Read::Later);
        }
        match self.reader.next(packet) {
            Next::Packet { ticks, crossing } => {
                if let Some(crossing) = crossing {
                    self.cross(packet, crossing);
                }
                self.take(packet, ticks, global)
            }
            Next::Later => Ok(Read::Later),
            Next::End(end) => {
                self.at_end = true;
                match end {
                    Err(error) if self.rounds == 0 => {
                        let url = redact::url(&self.url);
                        log::write(level::ERROR, &format!("{url}: {error}\n"));
                        if global.exit_on_error { Err(error.about(&self.url)) } else { Ok(Read::End) }
                    }
                    _ => Ok(Read::End),
                }
            }
        }
    }

    /// There will be no more rounds: the input cannot be sought.
    pub fn give_up_rounds(&mut self) {
        self.rounds = 0;
        self.at_end = true;
    }

    /// As given on the command line.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Is there another round of `-stream_loop` to come?
    pub fn has_rounds(&self) -> bool {
        self.rounds != 0
    }

    /// Is some stream further than `-readrate` allows after `elapsed`?
    fn is_ahead(&self, global: &Global, elapsed: Duration) -> bool {
        let mut file_start = 0;
        if global.copy_ts {
            let own = if global.start_at_zero { 0 } else { self.facts.start_time.unwrap_or(0) };
            file_start = own + self.start.unwrap_or(0);
        }
        let allowed = (elapsed.as_micros() as f64 * self.rate) as i64;
        let started = |stream: &SourceStream| stream.decoding.as_ref().is_none_or(|decoding| decoding.got_output);
        let read = self.streams.iter().filter(|stream| stream.input.used && stream.packets > 0 && started(stream));
        read.map(|stream| &stream.clock).any(|clock| clock.dts > allowed + clock.first_dts.unwrap_or(0).max(file_start))
    }

    /// The input was opened again, and this is the first packet of its stream since. A clock that goes on may be far ahead: the
    /// hole is to stay. One that began anew continues where all streams had ended, and the time that passed.
    fn cross(&mut self, packet: &Packet, crossing: Crossing) {
        if let Crossing::Anew { away, start } = crossing {
            let Some(stream) = self.streams.get(packet.stream()) else { return };
            let facts = &stream.input.facts;
            let own = packet.dts().or(packet.pts()).map_or(0, |time| rescale(time, facts.time_base, MICROSECONDS));
            let ends = self.streams.iter().filter_map(|stream| stream.clock.next_dts);
            let end = ends.max().unwrap_or(0).saturating_add(Micros::try_from(away.as_micros()).unwrap_or(Micros::MAX));
            self.clock.offset = (end as f64 / facts.scale) as i64 - start.unwrap_or(own).min(own);
            self.clock.rounds = 0;
        }
        let offset = self.clock.offset;
        if let Some(stream) = self.streams.get_mut(packet.stream()) {
            let facts = &stream.input.facts;
            let expected = stream.clock.next_dts.take();
            let at = packet.dts().map(|dts| rescale(dts, facts.time_base, MICROSECONDS).saturating_add(offset));
            self.clock.reach(at.map(|at| (at as f64 * facts.scale) as i64));
            self.gaps.reopened(packet.stream(), expected);
        }
    }

    fn take(&mut self, packet: &mut Packet, ticks: Option<i64>, global: &Global) -> Result<Read, Error> {
        let index = packet.stream();
        if let (Some(payload), Some(stream)) = (self.live.dump(), self.streams.get(index)) {
            log::write(level::INFO, &dump::text(packet, stream.input.facts.time_base, payload));
        }
        self.gaps.note_losses(self.reader.lost(), self.streams.iter().map(|stream| stream.clock.dts));
        let Some(stream) = self.streams.get_mut(index) else { return Ok(Read::Unwanted) };
        stream.packets += 1;
        stream.bytes += packet.size() as u64;
        // Some of a stream that nobody wants were read before the demuxer knew.
        if !stream.input.used {
            return Ok(Read::Unwanted);
        }
        if packet.is_corrupt() {
            let text = format!("{}: corrupt input packet in stream {index}", redact::url(&self.url));
            if global.exit_on_error {
                return Err(Error::new(Kind::Media, text));
            }
            log::write(level::WARNING, &format!("{text}\n"));
        }
        if stream.packets == 1 {
            for side_data in stream.input.side_data.iter().filter(|side_data| !side_data.is_display_matrix()) {
                packet.add_side_data(side_data).map_err(|error| error.about(&self.url))?;
            }
        }
        let mut times = Times { pts: packet.pts(), dts: packet.dts(), duration: packet.duration() };
        let facts = &stream.input.facts;
        let (file, gaps) = (self.index, &mut self.gaps);
        let expected = stream.clock.next_dts;
        let number = self.first_stream + index;
        let name = || format!("ist_index:{number} type:{}", facts.media_type.name());
        if global.debug_timestamps {
            let [dts, pts] = [("next_dts", stream.clock.next_dts), ("next_pts", stream.clock.next_pts)]
                .map(|(name, time)| dump::stamp(name, time, MICROSECONDS));
            let own = dump::times(times.pts, times.dts, times.duration, facts.time_base);
            let offset = dump::stamp("off", Some(self.clock.offset), MICROSECONDS);
            log::write(level::INFO, &format!("demuxer -> {} {dts} {pts} {own} {offset}\n", name()));
        }
        stream.clock.correct(&mut times, facts, &mut self.clock, &self.facts, global, |correction| {
            if let Correction::Jump(delta @ 1.., from, _) = correction {
                gaps.jumped(index, from, delta);
            }
            report(correction, (file, index), facts.media_type);
        });
        if global.debug_timestamps {
            let own = dump::times(times.pts, times.dts, times.duration, facts.time_base);
            let offset = dump::stamp("off", Some(self.clock.offset), MICROSECONDS);
            log::write(level::INFO, &format!("demuxer+ffmpeg -> {} {own} {offset}\n", name()));
        }
        gaps.look(index, expected, times.dts.map(|dts| rescale(dts, facts.time_base, MICROSECONDS)));
        if stream.decoding.is_none() {
            stream.clock.advance(&times, facts, ticks.unwrap_or(1));
        }
        Ok(Read::Packet(times, ticks))
    }

    /// Back to the start for another round; the rounds so far are as long as the longest stream (`seek_to_start`). `false` if
    /// the input cannot be sought.
    pub fn rewind(&mut self) -> bool {
        let sought = self.reader.rewind(self.facts.start_time).is_ok();
        self.at_end = false;
        if !sought {
            return false;
        }
        let last_samples = |stream: &SourceStream| match &stream.decoding {
            Some(decoding) if stream.input.facts.media_type == MediaType::Audio => decoding.last_samples as i64,
            _ => 0,
        };
        // Where there is sound, the length of the last picture does not matter.
        let has_sound = self.streams.iter().any(|stream| last_samples(stream) != 0);
        for stream in &self.streams {
            let facts = &stream.input.facts;
            let last = if has_sound {
                match last_samples(stream) {
                    0 => continue,
                    samples => {
                        let rate = stream.decoding.as_ref().map_or(1, |decoding| decoding.decoder.sample_rate());
                        rescale(samples, Rational::new(1, rate), facts.time_base)
                    }
                }
            } else {
                let rate = facts.forced_rate.unwrap_or(facts.average_rate);
                if rate.num != 0 { rescale(1, rate.inverse(), facts.time_base) } else { 1 }
            };
            let length = last + stream.clock.extent.map_or(0, |(from, to)| to - from);
            let clock = &mut self.clock;
            if clock.rounds == 0 || compare(clock.rounds, clock.round_base, length, facts.time_base).is_lt() {
                (clock.rounds, clock.round_base) = (length, facts.time_base);
            }
        }
        if self.rounds > 0 {
            self.rounds -= 1;
        }
        true
    }

    /// What the input went on without is said once, at the end; with `-on_gap fail` it is an error.
    ///
    /// # Errors
    /// Parts were lost, and that was not to be.
    pub fn account(&self) -> Result<(), Error> {
        let lost = self.reader.lost();
        if lost == 0 {
            return Ok(());
        }
        let parts = if lost == 1 { "1 segment was lost".to_owned() } else { format!("{lost} segments were lost") };
        let text = format!("{}: {parts}, whole or in part", redact::url(&self.url));
        if self.fails_on_gap {
            return Err(Error::new(Kind::MediaServer, text));
        }
        log::write(level::WARNING, &format!("{text}\n"));
        Ok(())
    }

    /// What it gave.
    pub fn outcome(&self) -> InputOutcome {
        let (restarts, duplicates) = self.reader.restarts();
        let used = || self.streams.iter().filter(|stream| stream.input.used);
        InputOutcome {
            packets: used().map(|stream| stream.packets).sum(),
            bytes: used().map(|stream| stream.bytes).sum(),
            io: self.reader.counts(),
            gaps: self.gaps.found().to_vec(),
            lost: self.reader.lost(),
            restarts,
            duplicates,
        }
    }

    /// The lines about this input in ffmpeg's final statistics.
    pub fn statistics(&self) -> String {
        let mut text = format!("Input file #{} ({}):\n", self.index, redact::url(&self.url));
        for (index, stream) in self.streams.iter().enumerate() {
            let SourceStream { packets, bytes, .. } = stream;
            let kind = stream.input.facts.media_type.name();
            text += &format!("  Input stream #{}:{index} ({kind}): {packets} packets read ({bytes} bytes); ", self.index);
            if let Some(decoding) = &stream.decoding {
                text += &format!("{} frames decoded", decoding.frames);
                if stream.input.facts.media_type == MediaType::Audio {
                    text += &format!(" ({} samples)", decoding.samples);
                }
                text += "; ";
            }
            text += "\n";
        }
        let packets: u64 = self.streams.iter().map(|stream| stream.packets).sum();
        let bytes: u64 = self.streams.iter().map(|stream| stream.bytes).sum();
        text + &format!("  Total: {packets} packets ({bytes} bytes) demuxed\n")
    }
}

/// ffmpeg's lines about timestamps that do not fit.
fn report(correction: Correction, (file, stream): (usize, usize), kind: MediaType) {
    let (at, text) = match correction {
        Correction::LaterStart(by) => (level::VERBOSE, format!("Correcting start time by {by}\n")),
        Correction::BetweenStreams(delta, offset) => {
            (level::DEBUG, format!("Inter stream timestamp discontinuity {delta}, new offset= {offset}\n"))
        }
        Correction::Jump(delta, _, offset) => {
            let kind = kind.name();
            (
                level::DEBUG,
                format!("timestamp discontinuity for stream #{file}:{stream} (type={kind}): {delta}, new offset= {offset}\n"),
            )
        }
        Correction::DroppedDts(dts, next) => (level::WARNING, format!("DTS {dts}, next:{next} st:{stream} invalid dropping\n")),
        Correction::DroppedPts(pts, next) => (level::WARNING, format!("PTS {pts}, next:{next} invalid dropping st:{stream}\n")),
    };
    log::write(at, &text);
}

/// Where a source's own `-t` ends it, on the job's time line.
pub fn end_of(source: &Source, global: &Global) -> Option<Micros> {
    let mut start = 0;
    if global.copy_ts {
        let own = if global.start_at_zero { 0 } else { source.facts.start_time.unwrap_or(0) };
        start = source.start.unwrap_or(0) + own;
    }
    source.duration.map(|duration| duration.saturating_add(start))
}

/// Where `-copypriorss 0` lets a source's packets begin, in its stream's time base.
pub fn not_before(source: &Source, output_start: Micros, global: &Global, base: Rational) -> (Micros, i64) {
    let own = source.start.filter(|_| global.copy_ts).map_or(output_start, |start| start + source.offset());
    let start = output_start.max(own);
    (start, rescale(start, MICROSECONDS, base))
}
