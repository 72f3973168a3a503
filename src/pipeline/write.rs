//! How packets get into an output: `output_packet`, `of_write_packet` and `of_write_trailer` of ffmpeg 5.1.

use crate::error::{Error, Kind};
use crate::libav::bsf::BitstreamFilter;
use crate::libav::codec::MediaType;
use crate::libav::error::AvError;
use crate::libav::log::{self, level};
use crate::libav::packet::Packet;
use crate::libav::rational::{MICROSECONDS, rescale};
use crate::redact;

use super::dump;
use super::mux::Output;
use super::sync::Method;
use super::timestamp::Times;
use super::timestamp::output::{Reordered, in_order};

/// A chain of bitstream filters and the packet that carries its output.
pub struct Filter {
    /// The chain.
    pub chain: BitstreamFilter,
    packet: Packet,
}

impl Filter {
    /// Around a chain.
    pub fn new(chain: BitstreamFilter) -> Self {
        Self { chain, packet: Packet::new() }
    }
}

impl Output {
    /// Nothing more is wanted from a stream's source; with `-shortest` the others end where it did.
    pub fn finish(&mut self, position: usize, closed: bool) {
        let stream = &mut self.streams[position];
        stream.finished = true;
        stream.closed |= closed;
        if self.shortest {
            let end = match &stream.encoding {
                Some(encoding) => rescale(encoding.next, encoding.facts.time_base, MICROSECONDS),
                None => rescale(stream.length, stream.mux_base, MICROSECONDS),
            };
            self.duration = Some(self.duration.map_or(end, |duration| duration.min(end)));
        }
    }

    /// Passes a packet with these times through the stream's bitstream filters into the muxer; `packet` is empty afterwards.
    ///
    /// # Errors
    /// The muxer failed, or with `-xerror` anything did.
    pub fn write(&mut self, position: usize, packet: &mut Packet, times: Times) -> Result<(), Error> {
        self.stamp(position, packet, times);
        self.send(position, packet)
    }

    /// Gives a copied packet its times.
    pub fn stamp(&mut self, position: usize, packet: &mut Packet, times: Times) {
        packet.set_pts(times.pts);
        packet.set_dts(times.dts);
        packet.set_duration(times.duration);
        self.streams[position].length += times.duration;
        self.streams[position].started = true;
    }

    /// As [`write`](Self::write), for a packet that has its times.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn send(&mut self, position: usize, packet: &mut Packet) -> Result<(), Error> {
        if self.streams[position].filter.is_some() {
            self.filter_and_mux(position, Some(packet))
        } else {
            self.mux(position, packet)
        }
    }

    /// Lets the bitstream filters of a stream give out what they still hold.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn flush(&mut self, position: usize) -> Result<(), Error> {
        if self.streams[position].filter.is_some() { self.filter_and_mux(position, None) } else { Ok(()) }
    }

    fn filter_and_mux(&mut self, position: usize, packet: Option<&mut Packet>) -> Result<(), Error> {
        let Some(mut filter) = self.streams[position].filter.take() else { return Ok(()) };
        let mut result = Ok(());
        let mut filtered = filter.chain.send(packet);
        while filtered.is_ok() && result.is_ok() {
            match filter.chain.receive(&mut filter.packet) {
                Ok(true) => result = self.mux(position, &mut filter.packet),
                Ok(false) => break,
                Err(error) => filtered = Err(error),
            }
        }
        self.streams[position].filter = Some(filter);
        if let Err(error) = filtered
            && error != AvError::EOF
        {
            let text = format!("Error applying bitstream filters to an output packet for stream #{}:{position}.", self.index);
            log::write(level::ERROR, &format!("{text}\n"));
            if self.exit_on_error {
                return Err(Error::new(Kind::Media, text).with_source(error));
            }
        }
        result
    }

    /// Counts a packet, and lets it wait if the header is not written yet (`of_write_packet`).
    fn mux(&mut self, position: usize, packet: &mut Packet) -> Result<(), Error> {
        let stream = &mut self.streams[position];
        // Pictures are counted on their way into the encoder: they may come out in another order.
        if !(stream.media_type == MediaType::Video && stream.encoding.is_some()) {
            if stream.frames >= stream.max_frames {
                packet.clear();
                return Ok(());
            }
            stream.frames += 1;
        }
        if self.started {
            return self.mux_counted(position, packet);
        }
        let queue = &mut stream.queue;
        if queue.packets.len() >= queue.limit.max(8) && queue.bytes + packet.size() > queue.threshold {
            let text = format!("Too many packets buffered for output stream {}:{position}.", self.index);
            return Err(Error::new(Kind::Media, text).with_hint("raise -max_muxing_queue_size"));
        }
        queue.bytes += packet.size();
        let mut waiting = Packet::new();
        waiting.take(packet);
        queue.packets.push_back(waiting);
        Ok(())
    }

    /// Hands a packet to the muxer.
    ///
    /// # Errors
    /// It does not take it, or with `-xerror` its timestamps.
    pub fn mux_counted(&mut self, position: usize, packet: &mut Packet) -> Result<(), Error> {
        let stream = &mut self.streams[position];
        let untimed = match &stream.encoding {
            Some(encoding) => match &encoding.video {
                Some(video) => video.pacer.method == Method::Drop,
                None => stream.media_type == MediaType::Audio && self.drops_audio_times,
            },
            None => stream.media_type == MediaType::Audio && self.drops_audio_times,
        };
        if untimed {
            packet.set_pts(None);
            packet.set_dts(None);
        }
        let video = stream.encoding.as_ref().and_then(|encoding| encoding.video.as_ref());
        if let Some(video) = video.filter(|video| video.frame_rate.num != 0 && video.pacer.method.is_constant()) {
            if packet.duration() > 0 {
                log::write(level::WARNING, "Overriding packet duration by frame rate, this should not happen\n");
            }
            packet.set_duration(rescale(1, video.frame_rate.inverse(), stream.mux_base));
        }
        packet.rescale(stream.mux_base, stream.time_base);
        let format = self.muxer.format();
        if !format.has_no_timestamps() {
            let mut times = Times { pts: packet.pts(), dts: packet.dts(), duration: packet.duration() };
            let (muxer, index, last) = (&self.muxer, self.index, stream.last_dts);
            let (kind, strict) = (stream.media_type, self.exit_on_error);
            let mut fatal = None;
            in_order(&mut times, last, kind, format.allows_equal_timestamps(), |reordered| {
                fatal = fatal.take().or(report(reordered, &muxer.log_prefix(), (index, position), last, kind, strict));
            });
            if let Some(error) = fatal {
                return Err(error);
            }
            packet.set_pts(times.pts);
            packet.set_dts(times.dts);
        }
        stream.last_dts = packet.dts();
        stream.bytes += packet.size() as u64;
        stream.packets += 1;
        packet.set_stream(position);
        if self.debug_timestamps {
            let times = dump::times(packet.pts(), packet.dts(), packet.duration(), stream.time_base);
            let text = format!("muxer <- type:{} {times} size:{}\n", stream.media_type.name(), packet.size());
            log::write(level::INFO, &text);
        }
        self.muxer.write(packet).map_err(|error| {
            log::write(level::ERROR, &format!("av_interleaved_write_frame(): {error}\n"));
            self.muxer.take_failure().unwrap_or_else(|| error.about(&self.muxer.url()))
        })
    }

    /// Writes the trailer, if there was a header.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_trailer(&mut self) -> Result<(), Error> {
        if !self.started {
            let text = format!(
                "Nothing was written into output file {} ({}), because at least one of its streams received no packets.\n",
                self.index,
                redact::url(&self.muxer.url())
            );
            log::write(level::ERROR, &text);
            return Ok(());
        }
        self.muxer.write_trailer().map_err(|error| {
            let url = self.muxer.url();
            log::write(level::ERROR, &format!("Error writing trailer of {}: {error}\n", redact::url(&url)));
            self.muxer.take_failure().unwrap_or_else(|| error.about(&url).context("Error writing trailer"))
        })
    }
}

/// ffmpeg's lines about timestamps that had to be changed; an error with `-xerror`.
fn report(
    reordered: Reordered,
    prefix: &str,
    (file, stream): (usize, usize),
    last: Option<i64>,
    kind: MediaType,
    exit_on_error: bool,
) -> Option<Error> {
    match reordered {
        Reordered::Guessed { dts, pts } => {
            let text = format!("{prefix}Invalid DTS: {dts} PTS: {pts} in output stream {file}:{stream}, replacing by guess\n");
            log::write(level::WARNING, &text);
            None
        }
        Reordered::Raised { from, to } => {
            let noticeable = to - from > 2 || kind == MediaType::Video;
            let text =
                format!("Non-monotonous DTS in output stream {file}:{stream}; previous: {}, current: {from}", last.unwrap_or(0));
            if exit_on_error {
                return Some(Error::new(Kind::Media, format!("{text}; aborting.")));
            }
            let text = format!("{prefix}{text}; changing to {to}. This may result in incorrect timestamps in the output file.\n");
            log::write(if noticeable { level::WARNING } else { level::DEBUG }, &text);
            None
        }
    }
}
