//! Packets on their way from an encoder to the muxer: the second part of `encode_frame` and `flush_encoders` of ffmpeg 5.1.

use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::error::AvError;
use crate::libav::log::{self, level};
use crate::libav::packet::Packet;
use crate::pipeline::dump;
use crate::pipeline::scheduler::Job;

use super::order::Waiting;
use super::statistics::Entry;
use super::worker::{Done, Failure, State, Task};

impl Job<'_> {
    /// Writes what is ready, in order; with `wait` everything that has been given to encoders.
    ///
    /// # Errors
    /// An encoder failed.
    pub(in crate::pipeline) fn write_ready(&mut self, wait: bool) -> Result<(), Error> {
        while self.write_next(wait)? {}
        Ok(())
    }

    /// Writes what is due first, if it is ready or with `wait`; `false` = there was nothing.
    pub(super) fn write_next(&mut self, wait: bool) -> Result<bool, Error> {
        match self.order.pop() {
            None => Ok(false),
            Some(Waiting::Packet(file, position, mut packet)) => self.put(file, position, &mut packet).map(|()| true),
            Some(Waiting::End(file, position)) => self.end_packets(file, position).map(|()| true),
            Some(Waiting::Encoded(file, position)) => {
                let encoding = self.outputs[file].streams[position].encoding.as_mut();
                match encoding.and_then(|encoding| encoding.worker.as_mut()).and_then(|worker| worker.take(wait)) {
                    Some(done) => self.write_done(file, position, done).map(|()| true),
                    None => {
                        self.order.push_front(Waiting::Encoded(file, position));
                        Ok(false)
                    }
                }
            }
        }
    }

    fn write_done(&mut self, file: usize, position: usize, done: Done) -> Result<(), Error> {
        for packet in done.packets {
            self.write_encoded(file, position, packet)?;
        }
        let stream = &mut self.outputs[file].streams[position];
        let kind = stream.media_type.name();
        if let (Some(errors), Some(encoding)) = (done.errors, &mut stream.encoding)
            && let Some(video) = &mut encoding.video
        {
            video.stats.total_errors = errors;
        }
        let failed = |text: String, error: AvError| {
            log::write(level::ERROR, &format!("{text}\n"));
            Err(Error::new(Kind::Media, format!("output stream #{file}:{position}: {text}: {error}")).with_source(error))
        };
        match done.result {
            Ok(State::Open) => Ok(()),
            Ok(State::Ended) => self.end_packets(file, position),
            Err(Failure::Submit(error)) => failed(format!("Error submitting {kind} frame to the encoder"), error),
            Err(Failure::Encode(error)) => failed(format!("{kind} encoding failed"), error),
            Err(Failure::Gone) => Err(Error::new(Kind::Internal, format!("the {kind} encoder's thread is gone"))),
        }
    }

    fn write_encoded(&mut self, file: usize, position: usize, mut packet: Packet) -> Result<(), Error> {
        let stream = &mut self.outputs[file].streams[position];
        let Some(encoding) = &mut stream.encoding else { return Ok(()) };
        // ffmpeg shows the times before and after they are converted, but both in the encoder's unit.
        let base = encoding.facts.time_base;
        let show = |packet: &Packet| {
            let times = dump::times(packet.pts(), packet.dts(), packet.duration(), base);
            log::write(level::INFO, &format!("encoder -> type:{} {times}\n", stream.media_type.name()));
        };
        if self.global.debug_timestamps {
            show(&packet);
        }
        packet.rescale(base, stream.mux_base);
        if self.global.debug_timestamps {
            show(&packet);
        }
        if let Some(video) = &mut encoding.video {
            video.stats.note(&packet);
            if let Some(stats_file) = &mut self.stats_file {
                let (width, height) = encoding.facts.size;
                stats_file.write(&Entry {
                    place: (file, position),
                    number: encoding.packets,
                    stats: &video.stats,
                    psnr_pixels: encoding.facts.tells_psnr.then(|| i64::from(width) * i64::from(height)),
                    size: packet.size(),
                    total: stream.bytes,
                    time: packet.dts().unwrap_or(i64::MIN) as f64 * stream.mux_base.as_f64(),
                    time_base: encoding.facts.time_base,
                })?;
            }
        }
        encoding.packets += 1;
        self.put(file, position, &mut packet)
    }

    /// Lets every encoder give out what it holds; one that never got a frame is opened for the header's sake.
    ///
    /// # Errors
    /// An encoder cannot be opened or fails.
    pub(in crate::pipeline) fn flush_encoders(&mut self) -> Result<(), Error> {
        for file in 0..self.outputs.len() {
            for position in 0..self.outputs[file].streams.len() {
                let stream = &self.outputs[file].streams[position];
                let Some(encoding) = &stream.encoding else { continue };
                if !stream.initialized {
                    let text = format!("Finishing stream {file}:{position} without any data written to it.\n");
                    log::write(level::WARNING, &text);
                    if let Some((graph, _)) = encoding.graph
                        && self.graphs[graph].running.is_none()
                    {
                        for input in &mut self.graphs[graph].inputs {
                            if input.format.is_none() {
                                input.format = input.announced.clone();
                            }
                        }
                        if !self.graphs[graph].knows_its_inputs() {
                            continue;
                        }
                        let configured = self.configure(graph);
                        configured.inspect_err(|_| log::write(level::ERROR, "Error configuring filter graph\n"))?;
                        self.outputs[file].finish(position, true);
                    }
                    self.open_encoder(file, position, None)?;
                }
                if matches!(self.outputs[file].streams[position].media_type, MediaType::Video | MediaType::Audio) {
                    self.encode(file, position, Task::Finish)?;
                }
            }
        }
        self.write_ready(true)
    }
}
