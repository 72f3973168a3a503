//! The loop: which output is served next, which graph or input that means, and when it is over. `transcode`,
//! `transcode_step`, `choose_output` and `need_output` of ffmpeg 5.1.
//!
//! All decisions are made here, on one thread, in ffmpeg's order. What encoders do meanwhile on threads of their own cannot
//! change a decision where they are let run ([`Job::concurrent`]): with a single input there is only one place to read from,
//! and nothing that ends the job depends on packets.

use std::thread;
use std::time::Duration;

use crate::clock::Now;
use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::filter::Received;
use crate::libav::hw::Devices;
use crate::libav::log::{self, level};
use crate::libav::packet::Packet;
use crate::libav::rational::{MICROSECONDS, rescale};
use crate::shutdown::Shutdown;

use super::decode::Decoding;
use super::encode::{Order, StatsFile, Waiting};
use super::filter::Graph;
use super::keys::Asked;
use super::mux::{Output, OutputStream};
use super::plan::{Global, Micros, Plan};
use super::read::PAUSE;
use super::source::{Read, Source, end_of, not_before};
use super::sync::Counts;
use super::timestamp::Times;
use super::timestamp::output::copied;
use super::transcode::DecodeCounts;
use super::{Control, Ended, Observer, Outcome, report, summary};

/// Everything that a job works with once its files are open.
pub struct Prepared {
    /// The inputs, not read yet.
    pub inputs: Vec<super::demux::Input>,
    /// The outputs, not written yet.
    pub outputs: Vec<Output>,
    /// The graphs, complex ones first.
    pub graphs: Vec<Graph>,
    /// The hardware devices.
    pub devices: Devices,
}

/// Transcodes and copies until the end.
pub fn run(plan: &Plan, control: &Control, observer: &dyn Observer, inputs_stop: &Shutdown, prepared: Prepared) -> Outcome {
    let Prepared { mut inputs, outputs, graphs, devices } = prepared;
    let concurrent = is_order_fixed(plan, &outputs, inputs.len());
    let now = control.clock.now();
    let mut job = Job {
        global: &plan.global,
        control,
        observer,
        sources: Vec::new(),
        outputs,
        graphs,
        devices,
        concurrent,
        order: Order::default(),
        counts: Counts::new(plan.global.dts_error_threshold),
        decoded: DecodeCounts::default(),
        stats_file: plan.global.vstats_file.clone().map(|path| StatsFile::new(path, plan.global.vstats_version)),
        began: now,
        reported: None,
        asked: Asked::default(),
        copy_ts_origin: None,
        quantizers: [0; 52],
        copy: Packet::new(),
        error: None,
    };
    let decoders = open_decoders(&mut inputs, &mut job.devices);
    let mut failed = decoders.as_ref().err().map(|_| ());
    let decoders = decoders.unwrap_or_else(|error| {
        job.fail(error);
        Vec::new()
    });
    if failed.is_none()
        && let Err(error) = job.start_copies(&inputs)
    {
        job.fail(error);
        failed = Some(());
    }
    for input in &mut inputs {
        input.discard_unused();
    }
    let count = inputs.len();
    for (index, (input, own)) in inputs.into_iter().zip(&plan.inputs).enumerate() {
        match Source::new(index, input, own, count, inputs_stop, control) {
            Ok(source) => job.sources.push(source),
            Err(error) => {
                job.fail(error);
                failed = Some(());
                break;
            }
        }
    }
    for (file, stream, decoding) in decoders {
        if let Some(source) = job.sources.get_mut(file) {
            source.streams[stream].decoding = Some(Box::new(decoding));
        }
    }
    job.connect();
    if failed.is_none()
        && let Err(error) = job.start_subtitles()
    {
        job.fail(error);
        failed = Some(());
    }
    summary::mapping(&job);
    let mut ended = if control.stop.is_requested() { Ended::Stopped } else { Ended::Eof };
    if failed.is_none() {
        ended = job.work();
        job.finish();
    }
    Outcome {
        inputs: job.sources.iter().map(Source::outcome).collect(),
        outputs: job.outputs.iter().map(Output::outcome).collect(),
        ended,
        error_rate_exceeded: job.error.is_none() && job.decoded.exceed(plan.global.max_error_rate),
        error: job.error,
    }
}

/// May encoders run behind? Not where what is read next, or whether anything is, depends on the packets they give: with several
/// inputs, `-fs`, `-shortest`, and `-frames` of sound.
fn is_order_fixed(plan: &Plan, outputs: &[Output], inputs: usize) -> bool {
    let counts_packets = |stream: &OutputStream| stream.media_type != MediaType::Video && stream.max_frames != i64::MAX;
    let depends = |output: &Output| output.limit.is_some() || output.shortest || output.streams.iter().any(counts_packets);
    inputs <= 1 && plan.global.complex_filters.is_empty() && !outputs.iter().any(depends)
}

/// Opens the decoders that outputs and graphs ask for: (input, stream, decoder).
fn open_decoders(inputs: &mut [super::demux::Input], devices: &mut Devices) -> Result<Vec<(usize, usize, Decoding)>, Error> {
    let mut decoders = Vec::new();
    for (file, input) in inputs.iter_mut().enumerate() {
        for (index, stream) in input.streams.iter_mut().enumerate() {
            if stream.encoded || stream.filtered {
                decoders.push((file, index, Decoding::open(stream, &format!("#{file}:{index}"), devices)?));
            }
        }
    }
    Ok(decoders)
}

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
    copy: Packet,
    /// The first thing that went wrong for good.
    error: Option<Error>,
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
    /// Copied and attached streams are known from the start; so are files without streams.
    fn start_copies(&mut self, inputs: &[super::demux::Input]) -> Result<(), Error> {
        for output in &mut self.outputs {
            for position in 0..output.streams.len() {
                if output.streams[position].encoding.is_none() {
                    output.start_copy(position, inputs).map_err(|error| {
                        error.context(format!("Error initializing output stream {}:{position}", output.index))
                    })?;
                }
            }
        }
        for output in &mut self.outputs {
            if output.streams.is_empty() {
                output.write_header()?;
            }
        }
        Ok(())
    }

    /// Encoders of subtitles need nothing but their decoder.
    fn start_subtitles(&mut self) -> Result<(), Error> {
        for file in 0..self.outputs.len() {
            for position in 0..self.outputs[file].streams.len() {
                let stream = &self.outputs[file].streams[position];
                if stream.encoding.is_some() && stream.media_type == MediaType::Subtitle {
                    self.open_encoder(file, position, None)?;
                }
            }
        }
        Ok(())
    }

    /// Tells each stream of the inputs who copies it and which graphs take its frames.
    fn connect(&mut self) {
        for (index, graph) in self.graphs.iter().enumerate() {
            for (number, input) in graph.inputs.iter().enumerate() {
                let source = self.sources.get_mut(input.source.file);
                let stream = source.and_then(|source| source.streams.get_mut(input.source.stream));
                if let Some(decoding) = stream.and_then(|stream| stream.decoding.as_mut()) {
                    decoding.feeds.push((index, number));
                }
            }
            // An output of a graph with one input counts as that input's.
            if let [input] = &graph.inputs[..] {
                for (file, position) in graph.outputs.iter().filter_map(|output| output.target) {
                    self.outputs[file].streams[position].source.get_or_insert(input.source);
                }
            }
        }
        for (file, output) in self.outputs.iter().enumerate() {
            for (position, stream) in output.streams.iter().enumerate() {
                let ends_with_it = stream.encoding.is_none() || stream.media_type == MediaType::Subtitle;
                if let Some(source) = stream.source.filter(|_| ends_with_it)
                    && let Some(from) = self.sources.get_mut(source.file)
                {
                    from.streams[source.stream].targets.push((file, position));
                }
            }
        }
    }

    fn work(&mut self) -> Ended {
        let mut packet = Packet::new();
        loop {
            if self.control.stop.is_requested() {
                return Ended::Stopped;
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
        for (file, output) in self.outputs.iter().enumerate() {
            for (position, stream) in output.streams.iter().enumerate() {
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

    fn distribute(&mut self, file: usize, packet: &mut Packet, times: Times, ticks: Option<i64>) -> Result<(), Error> {
        let stream = packet.stream();
        if let (Some(pts), false) = (times.pts, self.graphs.is_empty()) {
            let base = self.sources[file].streams[stream].input.facts.time_base;
            self.heartbeat(file, pts, base)?;
        }
        self.decode_packet((file, stream), packet, &times, ticks)?;
        let count = self.sources[file].streams[stream].targets.len();
        for target in 0..count {
            let (output, position) = self.sources[file].streams[stream].targets[target];
            if self.outputs[output].streams[position].encoding.is_some() {
                continue;
            }
            let Some(times) = self.admit(file, stream, output, position, packet, &times) else { continue };
            let waits = !self.order.is_empty();
            // The last one needs no second reference to the payload.
            let last = target + 1 == count;
            if !last {
                self.copy.reference(packet).map_err(|error| error.about("packet"))?;
            }
            if waits {
                let mut own = Packet::new();
                own.take(if last { packet } else { &mut self.copy });
                self.outputs[output].stamp(position, &mut own, times);
                self.put_in_order(output, position, own)?;
                continue;
            }
            let packet = if last { &mut *packet } else { &mut self.copy };
            let written = self.outputs[output].write(position, packet, times);
            self.written(output, position, written)?;
        }
        Ok(())
    }

    /// The times of a packet in an output stream, if it is to go there (`check_output_constraints`, `do_streamcopy`).
    fn admit(
        &mut self,
        file: usize,
        stream: usize,
        output: usize,
        position: usize,
        packet: &Packet,
        times: &Times,
    ) -> Option<Times> {
        let source = &self.sources[file];
        let own = &source.streams[stream];
        let facts = &own.input.facts;
        let (target, at) = (&self.outputs[output], own.clock.pts);
        let to: &OutputStream = &target.streams[position];
        let start = target.start.unwrap_or(0);
        if to.closed || target.start.is_some_and(|start| at < start) {
            return None;
        }
        if !to.started && !to.copies_initial_nonkey && !packet.is_key() {
            return None;
        }
        if !to.started && to.drops_prior {
            let (micros, value) = not_before(source, start, self.global, facts.time_base);
            if times.pts.map_or(at < micros, |pts| pts < value) {
                return None;
            }
        }
        let past = |end: Option<Micros>| end.is_some_and(|end| at >= end);
        if past(target.duration.map(|duration| duration.saturating_add(start))) || past(end_of(source, self.global)) {
            self.outputs[output].finish(position, false);
            return None;
        }
        let samples = match facts.media_type {
            MediaType::Audio => own.input.parameters.audio_duration(packet.size()),
            _ => 0,
        };
        let base = to.mux_base;
        let own = &mut self.sources[file].streams[stream];
        Some(copied(times, &own.input.facts, &own.clock, base, start, samples, &mut own.delta))
    }

    /// A round of `-stream_loop` is over: decoders give out what they hold, a frame at a time, and the input goes back to its
    /// start. `false` = graphs may have something first.
    fn begin_round(&mut self, file: usize) -> Result<bool, Error> {
        for stream in 0..self.sources[file].streams.len() {
            if self.drain(file, stream, false)? {
                return Ok(false);
            }
            if let Some(decoding) = &mut self.sources[file].streams[stream].decoding {
                decoding.flush();
            }
        }
        if !self.sources[file].rewind() {
            log::write(level::WARNING, "Seek to start failed.\n");
            self.sources[file].give_up_rounds();
        }
        Ok(true)
    }

    /// An input has no more. Decoders give out what they hold, a frame at a time: `true` = graphs may have something now. Then
    /// the streams that do without graphs are finished.
    fn end(&mut self, file: usize) -> Result<bool, Error> {
        for stream in 0..self.sources[file].streams.len() {
            if self.drain(file, stream, true)? {
                return Ok(true);
            }
            self.flush_copies(file, stream)?;
            for target in 0..self.sources[file].streams[stream].targets.len() {
                let (output, position) = self.sources[file].streams[stream].targets[target];
                self.outputs[output].finish(position, true);
            }
        }
        self.sources[file].ended = true;
        if let Some(error) = self.sources[file].reader.take_failure()
            && !self.control.stop.is_requested()
        {
            self.fail(error);
        }
        Ok(false)
    }

    /// The bitstream filters of the streams that copy one give out the rest.
    fn flush_copies(&mut self, file: usize, stream: usize) -> Result<(), Error> {
        for target in 0..self.sources[file].streams[stream].targets.len() {
            let (output, position) = self.sources[file].streams[stream].targets[target];
            let stream = &self.outputs[output].streams[position];
            if stream.closed || stream.encoding.is_some() {
                continue;
            }
            if self.order.is_empty() {
                self.end_packets(output, position)?;
            } else {
                self.order.push(Waiting::End(output, position));
            }
        }
        Ok(())
    }

    pub(super) fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// Stops reading, encodes and writes what is left and the trailers, reports, closes.
    fn finish(&mut self) {
        if let Err(error) = self.finish_streams() {
            self.fail(error);
            // What comes behind a failure is not written.
            self.order.clear();
        }
        for file in 0..self.sources.len() {
            if let Err(error) = self.sources[file].account() {
                self.fail(error);
            }
        }
        for index in 0..self.outputs.len() {
            if let Err(error) = self.outputs[index].write_trailer() {
                self.fail(error);
            }
        }
        self.report(true);
        for index in 0..self.outputs.len() {
            let muxer = &mut self.outputs[index].muxer;
            // What the network did not take may show only now.
            let closed = muxer.close().and_then(|()| muxer.take_failure().map_or(Ok(()), Err));
            if let Err(error) = closed {
                log::write(level::ERROR, &format!("Error closing file {error}\n"));
                self.fail(error);
            }
        }
        let mut streams = self.outputs.iter().flat_map(|output| &output.streams);
        if let Some(position) = streams.position(|stream| stream.packets == 0)
            && self.global.abort_on_empty_output_stream
        {
            self.fail(Error::new(Kind::Media, format!("Empty output on stream {position}.")));
        }
        if self.global.abort_on_empty_output && self.outputs.iter().all(|output| output.written().0 == 0) {
            self.fail(Error::new(Kind::Media, "Empty output"));
        }
        let DecodeCounts { good, bad } = self.decoded;
        log::write(level::DEBUG, &format!("{good} frames successfully decoded, {bad} decoding errors\n"));
    }

    fn finish_streams(&mut self) -> Result<(), Error> {
        for file in 0..self.sources.len() {
            self.sources[file].reader.stop();
            if self.sources[file].ended || self.error.is_some() {
                continue;
            }
            for stream in 0..self.sources[file].streams.len() {
                if self.sources[file].streams[stream].input.facts.media_type == MediaType::Subtitle {
                    self.drain(file, stream, true)?;
                }
                self.flush_copies(file, stream)?;
            }
        }
        self.write_ready(true)?;
        if self.error.is_none() { self.flush_encoders() } else { Ok(()) }
    }

    /// Tells the observer how far it is, when it is time to.
    fn report(&mut self, last: bool) {
        let now = self.control.clock.now();
        let due = |since: Now| elapsed(&now, &since) >= self.global.stats_period;
        let is_first = self.reported.is_none();
        if !last && (!self.reported.is_none_or(due) || (is_first && self.outputs.iter().any(|output| !output.started))) {
            return;
        }
        self.reported = Some(now);
        let progress = report::progress(self, elapsed(&now, &self.began), last);
        self.observer.progress(&progress, last);
        if last {
            summary::statistics(&self.sources, &self.outputs, progress.size);
        }
    }
}

/// Media goes by the clock that nobody sets.
fn elapsed(now: &Now, since: &Now) -> Duration {
    now.boot.saturating_sub(since.boot)
}
