//! Packets on their way from an input to decoders and to the outputs that copy them: `process_input` and `do_streamcopy` of
//! ffmpeg 5.1.

use crate::error::Error;
use crate::libav::codec::MediaType;
use crate::libav::packet::Packet;

use super::encode::Waiting;
use super::mux::OutputStream;
use super::plan::Micros;
use super::scheduler::Job;
use super::source::{end_of, not_before};
use super::timestamp::Times;
use super::timestamp::output::copied;

impl Job<'_> {
    /// Gives a packet to everyone who wants it.
    ///
    /// # Errors
    /// A graph or an encoder failed; with `-xerror` also a decoder or a muxer.
    pub(super) fn distribute(&mut self, file: usize, packet: &mut Packet, times: Times, ticks: Option<i64>) -> Result<(), Error> {
        let stream = packet.stream();
        self.control.tap.pass(packet, &self.sources[file].streams[stream].input.parameters);
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
    pub(super) fn admit(
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

    /// The bitstream filters of the streams that copy one give out the rest.
    pub(super) fn flush_copies(&mut self, file: usize, stream: usize) -> Result<(), Error> {
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
}
