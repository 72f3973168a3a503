//! What becomes of a packet, and of an input's end: decoding and copying, stream by stream. `process_input_packet` of ffmpeg
//! 5.1.

use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::error::AvError;
use crate::libav::frame::Frame;
use crate::libav::log::{self, level};
use crate::libav::packet::Packet;
use crate::libav::rational::{MICROSECONDS, Rational, rescale};
use crate::redact;

use super::decode::{Decoding, Step, Turn};
use super::dump;
use super::encode::Waiting;
use super::scheduler::Job;
use super::timestamp::Times;

/// Calls of decoders that went well and that failed.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecodeCounts {
    /// Those that gave something.
    pub good: u64,
    /// Those that failed.
    pub bad: u64,
}

impl DecodeCounts {
    /// Are there more failures than `-max_error_rate` allows?
    pub fn exceed(&self, rate: f64) -> bool {
        ((self.good + self.bad) as f32 * rate as f32) < self.bad as f32
    }
}

impl Job<'_> {
    /// Notes how a call of a decoder went.
    ///
    /// # Errors
    /// With `-xerror`, that it failed.
    pub(super) fn note_decoded(&mut self, result: Result<(), AvError>) -> Result<(), Error> {
        match result {
            Ok(()) => self.decoded.good += 1,
            Err(error) => {
                self.decoded.bad += 1;
                if self.global.exit_on_error {
                    return Err(error.about("decoder"));
                }
            }
        }
        Ok(())
    }

    /// Decodes a packet of a stream, if anyone wants that, with what its parser said of its length.
    ///
    /// # Errors
    /// A graph or an encoder failed; with `-xerror` a decoder.
    pub(super) fn decode_packet(
        &mut self,
        (file, stream): (usize, usize),
        packet: &mut Packet,
        times: &Times,
        ticks: Option<i64>,
    ) -> Result<(), Error> {
        let Some(mut decoding) = self.sources[file].streams[stream].decoding.take() else { return Ok(()) };
        let own = &mut self.sources[file].streams[stream];
        own.clock.begin(Some(times), &own.input.facts, decoding.decoder.video_delay());
        packet.set_pts(times.pts);
        packet.set_dts(times.dts);
        let decoded = self.decode(file, stream, &mut decoding, Some((packet, ticks)));
        self.sources[file].streams[stream].decoding = Some(decoding);
        decoded.map(drop)
    }

    /// Asks the decoder of a stream for what it holds, one frame at a time: `true` while there may be more. `last`: its graphs
    /// learn that there is no more.
    ///
    /// # Errors
    /// As [`decode_packet`](Self::decode_packet).
    pub(super) fn drain(&mut self, file: usize, stream: usize, last: bool) -> Result<bool, Error> {
        let Some(mut decoding) = self.sources[file].streams[stream].decoding.take() else { return Ok(false) };
        let own = &mut self.sources[file].streams[stream];
        own.clock.begin(None, &own.input.facts, decoding.decoder.video_delay());
        let decoded = if decoding.drained { Ok(true) } else { self.decode(file, stream, &mut decoding, None) };
        let ended = match decoded {
            Ok(true) if last && !decoding.drained => {
                decoding.drained = true;
                let pts = self.sources[file].streams[stream].clock.pts;
                self.end_feeds(&decoding.feeds.clone(), pts).map(|()| true)
            }
            other => other,
        };
        self.sources[file].streams[stream].decoding = Some(decoding);
        ended.map(|ended| !ended)
    }

    /// Calls a decoder until it has given everything for a packet; at the end (`None`) once. `true` when it has ended.
    fn decode(
        &mut self,
        file: usize,
        stream: usize,
        decoding: &mut Decoding,
        mut packet: Option<(&mut Packet, Option<i64>)>,
    ) -> Result<bool, Error> {
        let kind = self.sources[file].streams[stream].input.facts.media_type;
        let at_end = packet.is_none();
        let mut repeating = false;
        loop {
            let own = &mut self.sources[file].streams[stream];
            own.clock.step();
            let mut frame = Frame::new();
            let turn = match kind {
                MediaType::Audio => {
                    let step = step(&packet, repeating);
                    decoding.audio(step, &mut frame, &mut own.clock, &own.input.facts)
                }
                MediaType::Video => {
                    if packet.as_ref().is_some_and(|(packet, _)| packet.size() == 0) && !repeating {
                        return Ok(false);
                    }
                    if let Some((packet, _)) = &mut packet {
                        let base = own.input.facts.time_base;
                        packet.set_dts(own.clock.known_dts().map(|dts| rescale(dts, MICROSECONDS, base)));
                    }
                    let turn = decoding.video(step(&packet, repeating), &mut frame, &mut own.clock, &own.input.facts);
                    if turn.got_frame && self.global.debug_timestamps {
                        log::write(level::INFO, &decoded(stream, &frame, own.input.facts.time_base));
                    }
                    self.note_delay(file, stream, decoding);
                    turn
                }
                _ if repeating => return Ok(false),
                _ => {
                    let empty = Packet::new();
                    let packet = packet.as_ref().map_or(&empty, |(packet, _)| &**packet);
                    return match self.subtitles((file, stream), decoding, packet)? {
                        Ok(found) => {
                            decoding.got_output |= found;
                            Ok(at_end)
                        }
                        Err(error) => self.decoding_failed(file, stream, error).map(|()| false),
                    };
                }
            };
            if !turn.ended && (turn.got_frame || turn.failed.is_some()) {
                self.note_decoded(turn.failed.map_or(Ok(()), Err))?;
            }
            self.sources[file].streams[stream].decoded_bits = decoding.decoder.bits_per_raw_sample();
            let sent = if turn.got_frame { self.frame(file, stream, decoding, &mut frame) } else { Ok(()) };
            if kind == MediaType::Video {
                self.expect(file, stream, decoding, &turn, packet.as_ref(), repeating);
            }
            if sent.is_err() {
                let text = format!("Error while processing the decoded data for stream #{file}:{stream}\n");
                log::write(level::FATAL, &text);
            }
            sent?;
            if turn.ended {
                return Ok(true);
            }
            if let Some(error) = turn.failed {
                self.decoding_failed(file, stream, error)?;
                return Ok(false);
            }
            if !turn.got_frame {
                return Ok(false);
            }
            decoding.got_output = true;
            // One frame at a time at the end: frames may come with another format then.
            if at_end {
                return Ok(false);
            }
            repeating = true;
        }
    }

    fn decoding_failed(&self, file: usize, stream: usize, error: AvError) -> Result<(), Error> {
        let text = format!("Error while decoding stream #{file}:{stream}: {error}");
        log::write(level::ERROR, &format!("{text}\n"));
        if self.global.exit_on_error { Err(Error::new(Kind::Media, text).with_source(error)) } else { Ok(()) }
    }

    /// A decoded frame goes to the graphs.
    fn frame(&mut self, file: usize, stream: usize, decoding: &mut Decoding, frame: &mut Frame) -> Result<(), Error> {
        if frame.has_decode_errors() || frame.is_corrupt() {
            let text = format!("{}: corrupt decoded frame in stream {stream}", redact::url(self.sources[file].url()));
            if self.global.exit_on_error {
                return Err(Error::new(Kind::Media, text));
            }
            log::write(level::WARNING, &format!("{text}\n"));
        }
        let feeds = std::mem::take(&mut decoding.feeds);
        let fed = self.feed(&feeds, frame);
        decoding.feeds = feeds;
        fed
    }

    /// A decoder may see only now that its pictures come in another order.
    fn note_delay(&mut self, file: usize, stream: usize, decoding: &Decoding) {
        let source = &mut self.sources[file];
        let facts = &mut source.streams[stream].input.facts;
        let delay = decoding.decoder.video_delay();
        if facts.video_delay >= delay {
            return;
        }
        if decoding.decoder.codec().id().name() == "h264" {
            facts.video_delay = delay;
            source.reader.set_video_delay(stream, delay);
        } else {
            let text = format!(
                "video_delay is larger in decoder than demuxer {delay} > {}.\nIf you want to help, upload a sample of this file \
                 to https://streams.videolan.org/upload/ and contact the ffmpeg-devel mailing list. \
                 (ffmpeg-devel@ffmpeg.org)\n",
                facts.video_delay
            );
            log::write(level::WARNING, &text);
        }
    }

    /// Where the next packet and the next picture of a stream are expected.
    fn expect(
        &mut self,
        file: usize,
        stream: usize,
        decoding: &Decoding,
        turn: &Turn,
        packet: Option<&(&mut Packet, Option<i64>)>,
        repeating: bool,
    ) {
        let own = &mut self.sources[file].streams[stream];
        let mut length = 0;
        if !repeating || packet.is_none() || turn.got_frame {
            let (duration, ticks) = packet.map_or((0, None), |(packet, ticks)| (packet.duration(), *ticks));
            length = decoding.expect(duration, ticks, &mut own.clock, &own.input.facts);
        }
        if turn.got_frame {
            let seen = if turn.duration > 0 { rescale(turn.duration, own.input.facts.time_base, MICROSECONDS) } else { length };
            own.clock.next_pts = own.clock.next_pts.map(|next| next + seen);
        }
    }

    /// Hands a packet to the muxer behind everything that is due before it.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub(super) fn put_in_order(&mut self, file: usize, position: usize, mut packet: Packet) -> Result<(), Error> {
        if self.order.is_empty() {
            return self.put(file, position, &mut packet);
        }
        self.order.push(Waiting::Packet(file, position, packet));
        self.write_ready(false)
    }

    /// Hands a packet to the muxer. One that cannot be written ends the job's reading, or with `-xerror` the job.
    ///
    /// # Errors
    /// With `-xerror`, the muxer's.
    pub(super) fn put(&mut self, file: usize, position: usize, packet: &mut Packet) -> Result<(), Error> {
        let written = self.outputs[file].send(position, packet);
        self.written(file, position, written)
    }

    /// The bitstream filters of a stream give out what they hold.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub(super) fn end_packets(&mut self, file: usize, position: usize) -> Result<(), Error> {
        let written = self.outputs[file].flush(position);
        self.written(file, position, written)
    }

    pub(super) fn written(&mut self, file: usize, position: usize, written: Result<(), Error>) -> Result<(), Error> {
        let Err(error) = written else { return Ok(()) };
        if self.global.exit_on_error {
            return Err(error);
        }
        self.fail(error);
        self.outputs[file].streams[position].closed = true;
        self.outputs.iter_mut().flat_map(|output| &mut output.streams).for_each(|stream| stream.finished = true);
        Ok(())
    }
}

/// The line of `-debug_ts` about a picture, whose time is the best that the decoder could tell.
fn decoded(stream: usize, frame: &Frame, base: Rational) -> String {
    let times = dump::stamp("frame_pts", frame.pts(), base);
    let best = match frame.pts() {
        Some(pts) => dump::stamp("best_effort_ts", Some(pts), base),
        None => format!("best_effort_ts:{} best_effort_ts_time:NOPTS", i64::MIN),
    };
    let (key, kind) = (u8::from(frame.is_key()), frame.picture_type().number());
    format!("decoder -> ist_index:{stream} type:video {times} {best} keyframe:{key} frame_type:{kind} time_base:{base}\n")
}

fn step<'p>(packet: &'p Option<(&mut Packet, Option<i64>)>, repeating: bool) -> Step<'p> {
    match packet {
        None => Step::End,
        Some(_) if repeating => Step::More,
        Some((packet, _)) => Step::Packet(packet),
    }
}
