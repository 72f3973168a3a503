//! The loop: which output is served next, which input that means, and when it is over. `transcode`, `choose_output` and
//! `need_output` of ffmpeg 5.1.

use std::thread;
use std::time::Duration;

use crate::clock::Now;
use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::log::{self, level};
use crate::libav::packet::Packet;
use crate::libav::rational::{MICROSECONDS, rescale};
use crate::shutdown::Shutdown;

use super::demux::Input;
use super::mux::{Output, OutputStream};
use super::plan::{Global, Micros, Plan};
use super::read::PAUSE;
use super::source::{Read, Source, end_of, not_before};
use super::timestamp::Times;
use super::timestamp::output::copied;
use super::{Control, Ended, Observer, Outcome, Progress, VideoProgress, summary};

/// Copies packets until the end.
pub fn run(
    plan: &Plan,
    control: &Control,
    observer: &dyn Observer,
    inputs_stop: &Shutdown,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
) -> Outcome {
    let count = inputs.len();
    let sources = inputs
        .into_iter()
        .zip(&plan.inputs)
        .enumerate()
        .map(|(index, (input, own))| Source::new(index, input, own, count, inputs_stop, control));
    let sources = match sources.collect::<Result<Vec<_>, _>>() {
        Ok(sources) => sources,
        Err(error) => {
            return Outcome { outputs: outputs.iter().map(Output::outcome).collect(), error: Some(error), ..Outcome::default() };
        }
    };
    let now = control.clock.now();
    let mut job = Job {
        global: &plan.global,
        control,
        observer,
        sources,
        outputs,
        began: now,
        reported: None,
        copy_ts_origin: None,
        packet: Packet::new(),
        copy: Packet::new(),
        error: None,
    };
    job.connect();
    let ended = job.copy();
    job.finish();
    Outcome {
        inputs: job.sources.iter().map(Source::outcome).collect(),
        outputs: job.outputs.iter().map(Output::outcome).collect(),
        ended,
        error: job.error,
        error_rate_exceeded: false,
    }
}

struct Job<'a> {
    global: &'a Global,
    control: &'a Control,
    observer: &'a dyn Observer,
    sources: Vec<Source>,
    outputs: Vec<Output>,
    began: Now,
    reported: Option<Now>,
    /// With `-copyts` the statistics count from the first timestamp.
    copy_ts_origin: Option<Micros>,
    /// The one that is read into, and the one that goes to all outputs but the last.
    packet: Packet,
    copy: Packet,
    /// The first thing that went wrong for good.
    error: Option<Error>,
}

/// What the loop does next.
enum Choice {
    /// Read the input of this stream: (output, stream).
    Serve(usize, usize),
    /// The stream that is furthest behind has nothing to read.
    Wait,
    /// All are finished.
    Done,
}

impl Job<'_> {
    /// Tells each stream of the inputs who copies it.
    fn connect(&mut self) {
        for (file, output) in self.outputs.iter().enumerate() {
            for (position, stream) in output.streams.iter().enumerate() {
                if let Some(source) = stream.source {
                    self.sources[source.file].streams[source.stream].targets.push((file, position));
                }
            }
        }
    }

    fn copy(&mut self) -> Ended {
        loop {
            if self.control.stop.is_requested() {
                return Ended::Stopped;
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
                    if let Err(error) = self.serve(file, position) {
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

    /// The stream that is furthest behind.
    fn choose(&self) -> Choice {
        let mut best: Option<(i64, usize, usize)> = None;
        for (file, output) in self.outputs.iter().enumerate() {
            for (position, stream) in output.streams.iter().enumerate() {
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

    /// Reads one packet for a stream, and gives it to every stream that copies it.
    fn serve(&mut self, file: usize, position: usize) -> Result<(), Error> {
        let Some(chosen) = self.outputs[file].streams[position].source else { return Ok(()) };
        let source = &mut self.sources[chosen.file];
        match source.next(&mut self.packet, self.global, &*self.control.clock)? {
            Read::Later => {
                source.waiting = true;
                self.outputs[file].streams[position].waiting = true;
                Ok(())
            }
            Read::End => self.end(chosen.file),
            Read::Unwanted => {
                self.forget_waiting_if_any();
                Ok(())
            }
            Read::Packet(times) => {
                self.forget_waiting_if_any();
                self.distribute(chosen.file, times)
            }
        }
    }

    /// A packet has come: whoever waits may try again.
    fn forget_waiting_if_any(&mut self) {
        if self.sources.iter().any(|source| source.waiting) {
            self.forget_waiting();
        }
    }

    fn distribute(&mut self, file: usize, times: Times) -> Result<(), Error> {
        let stream = self.packet.stream();
        let count = self.sources[file].streams[stream].targets.len();
        for target in 0..count {
            let (output, position) = self.sources[file].streams[stream].targets[target];
            let Some(times) = self.admit(file, stream, output, position, &times) else { continue };
            // The last one needs no second reference to the payload.
            let packet = if target + 1 == count {
                &mut self.packet
            } else {
                self.copy.reference(&self.packet).map_err(|error| error.about("packet"))?;
                &mut self.copy
            };
            if let Err(error) = self.outputs[output].write(position, packet, times) {
                if self.global.exit_on_error {
                    return Err(error);
                }
                self.fail(error);
                self.outputs[output].streams[position].closed = true;
                self.outputs.iter_mut().for_each(|output| {
                    output.streams.iter_mut().for_each(|stream| stream.finished = true);
                });
            }
        }
        Ok(())
    }

    /// The times of a packet in an output stream, if it is to go there (`check_output_constraints`, `do_streamcopy`).
    fn admit(&mut self, file: usize, stream: usize, output: usize, position: usize, times: &Times) -> Option<Times> {
        let source = &self.sources[file];
        let own = &source.streams[stream];
        let facts = &own.input.facts;
        let (target, at) = (&self.outputs[output], own.clock.dts);
        let to: &OutputStream = &target.streams[position];
        let start = target.start.unwrap_or(0);
        if to.closed || target.start.is_some_and(|start| at < start) {
            return None;
        }
        if !to.started && !to.copies_initial_nonkey && !self.packet.is_key() {
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
            MediaType::Audio => own.input.parameters.audio_duration(self.packet.size()),
            _ => 0,
        };
        let base = to.time_base;
        let own = &mut self.sources[file].streams[stream];
        Some(copied(times, &own.input.facts, &own.clock, base, start, samples, &mut own.delta))
    }

    /// An input has no more: its streams' filters give out the rest, and its streams are finished.
    fn end(&mut self, file: usize) -> Result<(), Error> {
        self.flush(file)?;
        self.sources[file].ended = true;
        if let Some(error) = self.sources[file].reader.take_failure()
            && !self.control.stop.is_requested()
        {
            self.fail(error);
        }
        for stream in 0..self.sources[file].streams.len() {
            for target in 0..self.sources[file].streams[stream].targets.len() {
                let (output, position) = self.sources[file].streams[stream].targets[target];
                self.outputs[output].finish(position, true);
            }
        }
        Ok(())
    }

    fn flush(&mut self, file: usize) -> Result<(), Error> {
        let targets: Vec<_> = self.sources[file].streams.iter().flat_map(|stream| stream.targets.iter().copied()).collect();
        for (output, position) in targets {
            if self.outputs[output].streams[position].closed {
                continue;
            }
            if let Err(error) = self.outputs[output].flush(position) {
                if self.global.exit_on_error {
                    return Err(error);
                }
                self.fail(error);
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// Stops reading, writes what is left and the trailers, reports, closes.
    fn finish(&mut self) {
        for file in 0..self.sources.len() {
            self.sources[file].reader.stop();
            if !self.sources[file].ended
                && let Err(error) = self.flush(file)
            {
                self.fail(error);
            }
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
    }

    /// Tells the observer how far it is, when it is time to.
    fn report(&mut self, last: bool) {
        let now = self.control.clock.now();
        let due = |since: Now| elapsed(&now, &since) >= self.global.stats_period;
        if !last && !self.reported.is_none_or(due) {
            return;
        }
        self.reported = Some(now);
        let mut out_time = None;
        let mut video = Vec::new();
        for (file, output) in self.outputs.iter().enumerate() {
            for (position, stream) in output.streams.iter().enumerate() {
                if stream.media_type == MediaType::Video {
                    video.push(VideoProgress { file, stream: position, frames: stream.frames });
                }
                let Some(end) = output.muxer.stream(position).and_then(|stream| stream.end_pts()) else { continue };
                let end = rescale(end, stream.time_base, MICROSECONDS);
                let mut latest = out_time.map_or(end, |time: Micros| time.max(end));
                if self.global.copy_ts {
                    latest -= *self.copy_ts_origin.get_or_insert(latest);
                }
                out_time = Some(latest);
            }
        }
        let size = self.outputs.first().and_then(|output| output.muxer.size());
        let progress = Progress { elapsed: elapsed(&now, &self.began), video, size, out_time };
        self.observer.progress(&progress, last);
        if last {
            summary::statistics(&self.sources, &self.outputs, size);
        }
    }
}

/// Media goes by the clock that nobody sets.
fn elapsed(now: &Now, since: &Now) -> Duration {
    now.boot.saturating_sub(since.boot)
}
