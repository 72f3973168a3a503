//! The loop: which output is served next, which graph or input that means, and when it is over. `transcode`,
//! `transcode_step`, `choose_output` and `need_output` of ffmpeg 5.1.
//!
//! All decisions are made here, on one thread, in ffmpeg's order. What encoders do meanwhile on threads of their own cannot
//! change a decision where they are let run ([`Job::concurrent`]): with a single input there is only one place to read from,
//! and nothing that ends the job depends on packets.

use std::thread;
use std::time::Duration;

use crate::clock::Now;
use crate::error::Error;
use crate::libav::codec::MediaType;
use crate::libav::filter::Received;
use crate::libav::hw::Devices;
use crate::libav::log::{self, level};
use crate::libav::packet::Packet;
use crate::libav::rational::{MICROSECONDS, rescale};

use super::encode::{Order, StatsFile};
use super::filter::Graph;
use super::keys::Asked;
use super::mux::{Output, OutputStream};
use super::plan::{Global, Micros};
use super::read::PAUSE;
use super::source::{Read, Source};
use super::sync::Counts;
use super::transcode::DecodeCounts;
use super::{Control, Ended, InputOutcome, Observer, OutputOutcome, Standing, report, summary};

/// A stopped job waits no longer for the last packets of its inputs.
const LAST: Duration = Duration::from_millis(200);

/// A running job.
pub struct Job<'a> {
    pub(super) global: &'a Global,
    pub(super) control: &'a Control,
    pub(super) observer: &'a dyn Observer,
    pub(super) sources: Vec<Source>,
    pub(super) outputs: Vec<Output>,
    pub(super) graphs: Vec<Graph>,
    pub(super) devices: Devices,
    /// Encoders work on threads of their own.
    pub(super) concurrent: bool,
    pub(super) order: Order,
    pub(super) counts: Counts,
    pub(super) decoded: DecodeCounts,
    pub(super) stats_file: Option<StatsFile>,
    pub(super) began: Now,
    pub(super) reported: Option<Now>,
    pub(super) asked: Asked,
    /// With `-copyts` the statistics count from the first timestamp.
    pub(super) copy_ts_origin: Option<Micros>,
    /// For `-qphist`: how often each quantizer was seen.
    pub(super) quantizers: [u32; 52],
    /// The packet that goes to all outputs but the last.
    pub(super) copy: Packet,
    /// The first thing that went wrong for good.
    pub(super) error: Option<Error>,
    /// `-on_change new_file`, for all outputs.
    pub(super) goes_on_in_new_files: bool,
    /// An input came back with other streams: the outputs end here.
    pub(super) changed: bool,
}

/// What the loop does next.
enum Choice {
    /// Work for this stream: (output, stream).
    Serve(usize, usize),
    /// The stream that is furthest behind has nothing to read.
    Wait,
    /// All are finished.
    Done,
}

impl Job<'_> {
    pub(super) fn work(&mut self) -> Ended {
        let mut packet = Packet::new();
        loop {
            if self.control.stop.is_requested() {
                if let Err(error) = self.take_last(&mut packet) {
                    self.fail(error);
                }
                return Ended::Stopped;
            }
            if self.changed {
                return Ended::Eof;
            }
            self.obey();
            if let Err(error) = self.describe_rtp() {
                self.fail(error);
                return Ended::Eof;
            }
            if !self.needs_more() {
                log::write(level::VERBOSE, "No more output streams to write to, finishing.\n");
                return Ended::Eof;
            }
            match self.choose() {
                Choice::Done => {
                    log::write(level::VERBOSE, "No more inputs to read from, finishing.\n");
                    return Ended::Eof;
                }
                Choice::Wait => {
                    // What encoders have done meanwhile shall not wait for the next frame.
                    if let Err(error) = self.write_ready(false) {
                        self.fail(error);
                        return Ended::Eof;
                    }
                    self.forget_waiting();
                    thread::sleep(PAUSE);
                }
                Choice::Serve(file, position) => {
                    if let Err(error) = self.serve(file, position, &mut packet) {
                        self.fail(error);
                        return Ended::Eof;
                    }
                }
            }
            self.report(false);
        }
    }

    /// Writes what inputs that are kept going have come by: each keeps its last packets back until there are others.
    fn take_last(&mut self, packet: &mut Packet) -> Result<(), Error> {
        let began = self.control.clock.now();
        for input in 0..self.sources.len() {
            while self.sources[input].reader.is_kept() && self.control.clock.now().since(&began) < LAST {
                match self.sources[input].next(packet, self.global, &*self.control.clock)? {
                    Read::Packet(times, ticks) => {
                        self.distribute(input, packet, times, ticks)?;
                        self.reap(false)?;
                    }
                    Read::Unwanted => {}
                    Read::Later => thread::sleep(PAUSE),
                    Read::End => break,
                }
            }
        }
        Ok(())
    }

    /// Does any output want more? One stream that has its `-frames` ends its file.
    fn needs_more(&mut self) -> bool {
        for output in &mut self.outputs {
            let full = output.limit.is_some_and(|limit| output.muxer.position().is_some_and(|position| position >= limit));
            for position in 0..output.streams.len() {
                let stream = &output.streams[position];
                if stream.finished || full {
                    continue;
                }
                if stream.frames < stream.max_frames {
                    return true;
                }
                for other in 0..output.streams.len() {
                    output.finish(other, false);
                }
            }
        }
        false
    }

    /// The first stream that is not known yet, else the one that is furthest behind.
    fn choose(&self) -> Choice {
        let mut best: Option<(i64, usize, usize)> = None;
        // An input that is being opened again holds up nobody else.
        let is_away = |stream: &OutputStream| {
            stream.waiting && stream.source.is_some_and(|source| self.sources[source.file].reader.is_away())
        };
        let mut some_away = false;
        for (file, output) in self.outputs.iter().enumerate() {
            for (position, stream) in output.streams.iter().enumerate() {
                if !stream.finished && is_away(stream) {
                    some_away = true;
                    continue;
                }
                if !stream.initialized && !stream.inputs_done {
                    return if stream.waiting { Choice::Wait } else { Choice::Serve(file, position) };
                }
                let at = stream.last_dts.map_or(i64::MIN, |dts| rescale(dts, stream.time_base, MICROSECONDS));
                if !stream.finished && best.is_none_or(|(best, ..)| at < best) {
                    best = Some((at, file, position));
                }
            }
        }
        match best {
            None if some_away => Choice::Wait,
            None => Choice::Done,
            Some((_, file, position)) if self.outputs[file].streams[position].waiting => Choice::Wait,
            Some((_, file, position)) => Choice::Serve(file, position),
        }
    }

    fn forget_waiting(&mut self) {
        self.sources.iter_mut().for_each(|source| source.waiting = false);
        self.outputs.iter_mut().flat_map(|output| &mut output.streams).for_each(|stream| stream.waiting = false);
    }

    /// Does what lets a stream go on: its graph works, or a packet is read and goes to everyone who wants it.
    fn serve(&mut self, file: usize, position: usize, packet: &mut Packet) -> Result<(), Error> {
        let stream = &self.outputs[file].streams[position];
        let graph = stream.encoding.as_ref().and_then(|encoding| encoding.graph).map(|(graph, _)| graph);
        let input = match (graph, stream.source) {
            (Some(graph), _) => self.ask_graph(graph, file, position)?,
            (None, Some(source)) => Some(source.file),
            (None, None) => None,
        };
        let Some(input) = input else { return Ok(()) };
        let mut read = self.sources[input].next(packet, self.global, &*self.control.clock)?;
        if let Read::End = read
            && self.sources[input].has_rounds()
        {
            if self.begin_round(input)? {
                read = self.sources[input].next(packet, self.global, &*self.control.clock)?;
            } else {
                return self.reap(false);
            }
        }
        match read {
            Read::Later => {
                self.sources[input].waiting = true;
                self.outputs[file].streams[position].waiting = true;
                return Ok(());
            }
            Read::End => {
                if !self.end(input)? {
                    return Ok(());
                }
            }
            Read::Unwanted => self.forget_waiting_if_any(),
            Read::Packet(times, ticks) => {
                self.forget_waiting_if_any();
                self.distribute(input, packet, times, ticks)?;
            }
        }
        self.reap(false)
    }

    /// Lets the graph of a stream work; returns the input that must be read for it to go on (`transcode_from_filter`).
    fn ask_graph(&mut self, index: usize, file: usize, position: usize) -> Result<Option<usize>, Error> {
        if self.graphs[index].running.is_none() && self.graphs[index].knows_its_inputs() {
            self.configure(index).inspect_err(|_| log::write(level::ERROR, "Error reinitializing filters!\n"))?;
        }
        if self.graphs[index].running.is_some() && self.outputs[file].streams[position].media_type == MediaType::Audio {
            self.open_encoder(file, position, None)?;
        }
        let graph = &mut self.graphs[index];
        let Some(running) = &mut graph.running else {
            // Formats are known from the first frames: of whatever has given none.
            let input = graph.inputs.iter().find(|input| {
                let source = &self.sources[input.source.file];
                let decoding = source.streams[input.source.stream].decoding.as_ref();
                !source.ended && decoding.is_some_and(|decoding| !decoding.got_output)
            });
            let input = input.map(|input| input.source.file);
            self.outputs[file].streams[position].inputs_done = input.is_none();
            return Ok(input);
        };
        let asked = running.graph.request_oldest().map_err(|error| {
            log::write(level::ERROR, &format!("Error while filtering: {error}\n"));
            error.about("filtergraph")
        })?;
        let targets: Vec<(usize, usize)> = graph.outputs.iter().filter_map(|output| output.target).collect();
        match asked {
            Received::Frame => {
                self.reap(false)?;
                return Ok(None);
            }
            Received::End => {
                self.reap(true)?;
                for (file, position) in targets {
                    self.outputs[file].finish(position, false);
                }
                return Ok(None);
            }
            Received::Again => {}
        }
        let mut most: Option<(u32, usize)> = None;
        for (input, source) in graph.inputs.iter().zip(&running.sources) {
            let from = &self.sources[input.source.file];
            let failed = running.graph.failed_requests(*source);
            if !from.waiting && !from.ended && failed > most.map_or(0, |(most, _)| most) {
                most = Some((failed, input.source.file));
            }
        }
        if most.is_none() {
            for (file, position) in targets {
                self.outputs[file].streams[position].waiting = true;
            }
        }
        Ok(most.map(|(_, file)| file))
    }

    /// A packet has come: whoever waits may try again.
    fn forget_waiting_if_any(&mut self) {
        let streams = || self.outputs.iter().flat_map(|output| &output.streams);
        if self.sources.iter().any(|source| source.waiting) || streams().any(|stream| stream.waiting) {
            self.forget_waiting();
        }
    }

    pub(super) fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// Tells the observer how far it is, when it is time to.
    pub(super) fn report(&mut self, last: bool) {
        let now = self.control.clock.now();
        let due = |since: Now| elapsed(&now, &since) >= self.global.stats_period;
        let is_first = self.reported.is_none();
        if !last && (!self.reported.is_none_or(due) || (is_first && self.outputs.iter().any(|output| !output.started))) {
            return;
        }
        self.reported = Some(now);
        let progress = report::progress(self, elapsed(&now, &self.began), last);
        self.observer.progress(&progress, last);
        self.observer.standing(self);
        if last {
            summary::statistics(&self.sources, &self.outputs, progress.size);
        }
    }
}

impl Standing for Job<'_> {
    fn inputs(&self) -> Vec<InputOutcome> {
        self.sources.iter().map(Source::outcome).collect()
    }

    fn outputs(&self) -> Vec<OutputOutcome> {
        self.outputs.iter().map(Output::outcome).collect()
    }
}

/// Media goes by the clock that nobody sets.
fn elapsed(now: &Now, since: &Now) -> Duration {
    now.boot.saturating_sub(since.boot)
}
