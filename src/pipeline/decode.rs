//! Decodes the packets of an input's stream: `decode_audio`, `decode_video` and `process_input_packet` of ffmpeg 5.1.

use std::collections::VecDeque;

use crate::error::{Error, Kind};
use crate::libav::codec::{Codec, MediaType};
use crate::libav::decoder::{Configuration, Decoder, Received};
use crate::libav::demuxer::Demuxer;
use crate::libav::error::AvError;
use crate::libav::frame::{ChannelLayout, Frame};
use crate::libav::log::{self, level};
use crate::libav::option::Dictionary;
use crate::libav::packet::Packet;
use crate::libav::rational::{DeltaState, MICROSECONDS, Rational, rescale, rescale_delta};
use crate::libav::stream::{Disposition, Stream};

use super::bench::Bench;
use super::demux::InputStream;
use super::hardware;
use super::plan;
use super::specifier;
use super::subtitle::Subtitles;
use super::timestamp::{StreamClock, StreamFacts};

/// How the user wants a stream decoded.
pub struct Settings {
    /// The decoder; `None` if the linked libavcodec has none for it.
    pub codec: Option<Codec>,
    /// Its AVOptions.
    pub options: Dictionary,
    /// `-autorotate`.
    pub autorotate: bool,
    /// `-reinit_filter`.
    pub reinit_filter: bool,
    /// `-top`.
    pub top_field_first: i32,
    /// `-guess_layout_max`.
    pub guess_layout_max: i32,
    /// `-fix_sub_duration`.
    pub fix_sub_duration: bool,
    /// `-canvas_size`.
    pub canvas: Option<(i32, i32)>,
    /// `-bitexact`.
    pub bitexact: bool,
    /// `-hwaccel` and its companions.
    pub hardware: hardware::Decoding,
}

impl Settings {
    /// Reads what the options say of `stream`.
    ///
    /// # Errors
    /// A value cannot be read, or names something that there is not.
    pub fn read(
        demuxer: &Demuxer,
        stream: Stream<'_>,
        plan: &plan::Input,
        codec: Option<Codec>,
        options: Dictionary,
    ) -> Result<Self, Error> {
        let kind = stream.media_type();
        let autorotate = specifier::value(&["autorotate"], &plan.autorotate, demuxer, stream)?;
        let reinit = specifier::value(&["reinit_filter"], &plan.reinit_filter, demuxer, stream)?;
        let mut settings = Self {
            codec,
            options,
            autorotate: autorotate.copied().unwrap_or(true),
            reinit_filter: reinit != Some(&0),
            top_field_first: -1,
            guess_layout_max: i32::MAX,
            fix_sub_duration: false,
            canvas: None,
            bitexact: plan.bitexact,
            hardware: hardware::Decoding::default(),
        };
        match kind {
            MediaType::Video => {
                let top = specifier::value(&["top"], &plan.top_field_first, demuxer, stream)?;
                settings.top_field_first = top.copied().unwrap_or(-1);
                settings.hardware = hardware::Decoding::read(demuxer, stream, plan)?;
            }
            MediaType::Audio => {
                let most = specifier::value(&["guess_layout_max"], &plan.guess_layout_max, demuxer, stream)?;
                settings.guess_layout_max = most.copied().unwrap_or(i32::MAX);
            }
            MediaType::Subtitle | MediaType::Data => {
                let fix = specifier::value(&["fix_sub_duration"], &plan.fix_sub_duration, demuxer, stream)?;
                settings.fix_sub_duration = fix.copied().unwrap_or(false);
                if let Some(size) = specifier::value(&["canvas_size"], &plan.canvas_size, demuxer, stream)? {
                    let parsed = crate::libav::frame::parse_size(size);
                    settings.canvas = Some(parsed.map_err(|_| Error::new(Kind::Usage, format!("Invalid canvas size: {size}.")))?);
                }
            }
            _ => {}
        }
        Ok(settings)
    }

    /// The usual layout for a stream whose channels are only counted, with ffmpeg's line about it.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn guess_layout(&self, file: usize, stream: Stream<'_>) -> Result<Option<ChannelLayout>, AvError> {
        let layout = stream.parameters()?.channel_layout();
        if !layout.is_unordered() || layout.channels() > self.guess_layout_max {
            return Ok(None);
        }
        let guessed = ChannelLayout::default_for(layout.channels());
        if guessed.is_unordered() {
            return Ok(None);
        }
        let text = format!("Guessed Channel Layout for Input Stream #{file}.{} : {guessed}\n", stream.index());
        log::write(level::WARNING, &text);
        Ok(Some(guessed))
    }
}

/// A stream that is being decoded.
pub struct Decoding {
    /// Its decoder.
    pub decoder: Decoder,
    /// The graph inputs that take its frames: (graph, input).
    pub feeds: Vec<(usize, usize)>,
    /// Something has come out.
    pub got_output: bool,
    /// Frames, or subtitles, so far.
    pub frames: u64,
    /// Samples so far.
    pub samples: u64,
    /// Samples of the last frame of sound.
    pub last_samples: usize,
    /// Nothing more comes out.
    pub drained: bool,
    /// What only subtitles need.
    pub subtitles: Subtitles,
    /// `-benchmark_all`.
    pub bench: Option<Bench>,
    top_field_first: i32,
    aspect: Rational,
    delta: DeltaState,
    previous_pts: Option<i64>,
    /// With `-r` pictures are counted.
    counted: i64,
    /// Decoding timestamps of the calls at the end, for pictures without any.
    late_dts: VecDeque<Option<i64>>,
}

/// What one call of a decoder gave.
pub struct Turn {
    /// A frame is there.
    pub got_frame: bool,
    /// There will be no more.
    pub ended: bool,
    /// It failed.
    pub failed: Option<AvError>,
    /// How long the picture is to be seen, in the stream's time base.
    pub duration: i64,
}

impl Decoding {
    /// Opens the decoder of a stream (`init_input_stream`). `name` is the stream's, for messages.
    ///
    /// # Errors
    /// There is no decoder, it does not open, or an option is unknown to it.
    pub fn open(stream: &mut InputStream, name: &str, devices: &mut crate::libav::hw::Devices) -> Result<Self, Error> {
        let kind = stream.facts.media_type;
        let Some(codec) = stream.decoding.codec else {
            let codec = stream.parameters.codec().name();
            return Err(Error::new(Kind::Usage, format!("Decoder (codec {codec}) not found for input stream {name}")));
        };
        let failed = |error: AvError| {
            let text = format!("Error while opening decoder for input stream {name} : {error}");
            Error::new(Kind::Media, text).with_source(error)
        };
        let mut configuration = Configuration::new(codec, &stream.parameters).map_err(failed)?;
        configuration.set_packet_time_base(stream.facts.time_base);
        if kind == MediaType::Video {
            configuration.set_frame_rate(stream.facts.average_rate);
        }
        if stream.decoding.bitexact {
            configuration.set_bitexact();
        }
        if let Some((width, height)) = stream.decoding.canvas {
            configuration.set_canvas(width, height);
        }
        let mut options = stream.decoding.options.clone();
        if kind == MediaType::Subtitle && codec.id().name() == "dvb_subtitle" && stream.encoded {
            options.set_default("compute_edt", "1").map_err(failed)?;
            if stream.filtered {
                let text = "Warning using DVB subtitles for filtering and output at the same time is not fully supported, also \
                            see -compute_edt [0|1]\n";
                log::write(level::WARNING, text);
            }
        }
        options.set_default("threads", "auto").map_err(failed)?;
        // Covers are sparse: a decoder that waits for more would give them out at the end only.
        if stream.disposition.contains(Disposition::ATTACHED_PICTURE) {
            options.set("threads", "1").map_err(failed)?;
        }
        stream.decoding.hardware.set_up(&mut configuration, codec, devices).map_err(|error| {
            let text = format!("Device setup failed for decoder on input stream {name} : {error}");
            Error::new(Kind::Usage, text).with_source(error)
        })?;
        let decoder = configuration.open(&mut options).map_err(failed)?;
        if let Some((left, _)) = options.pairs().first() {
            return Err(Error::new(Kind::Usage, format!("Option {left} not found.")).with_source(AvError::OPTION_NOT_FOUND));
        }
        Ok(Self {
            decoder,
            feeds: Vec::new(),
            got_output: false,
            frames: 0,
            samples: 0,
            last_samples: 0,
            drained: false,
            subtitles: Subtitles::default(),
            bench: None,
            top_field_first: stream.decoding.top_field_first,
            aspect: stream.aspect,
            delta: DeltaState::NONE,
            previous_pts: None,
            counted: 0,
            late_dts: VecDeque::new(),
        })
    }

    /// Sends `packet`, or asks for what is left of the one before.
    fn step(&mut self, packet: Step<'_>, frame: &mut Frame) -> Turn {
        self.bench.iter_mut().for_each(Bench::begin);
        let turn = self.call(packet, frame);
        self.bench.iter_mut().for_each(|bench| bench.end("decode"));
        turn
    }

    fn call(&mut self, packet: Step<'_>, frame: &mut Frame) -> Turn {
        let sent = match packet {
            Step::Packet(packet) => self.decoder.send(Some(packet)),
            Step::End => self.decoder.send(None),
            Step::More => Ok(()),
        };
        let mut turn = Turn { got_frame: false, ended: false, failed: None, duration: 0 };
        if let Err(error) = sent
            && error != AvError::EOF
        {
            turn.failed = Some(error);
            return turn;
        }
        match self.decoder.receive(frame) {
            Ok(Received::Frame) => turn.got_frame = true,
            Ok(Received::NeedsPacket) => {}
            Ok(Received::End) => turn.ended = true,
            Err(error) => turn.failed = Some(error),
        }
        turn
    }

    /// One call of a sound decoder. The frame that is there has its time in samples.
    pub fn audio(&mut self, step: Step<'_>, frame: &mut Frame, clock: &mut StreamClock, facts: &StreamFacts) -> Turn {
        let times = match step {
            Step::Packet(packet) => Some((packet.pts(), packet.duration())),
            Step::End | Step::More => None,
        };
        let mut turn = self.step(step, frame);
        let rate = self.decoder.sample_rate();
        if turn.failed.is_none() && !turn.ended && rate <= 0 {
            log::write(level::ERROR, &format!("Sample rate {rate} invalid\n"));
            turn = Turn { got_frame: false, failed: Some(AvError::INVALID_DATA), ..turn };
        }
        if !turn.got_frame {
            return turn;
        }
        let samples = frame.samples();
        self.samples += samples as u64;
        self.frames += 1;
        let length = 1_000_000 * samples as i64 / i64::from(rate);
        clock.next_pts = clock.next_pts.map(|next| next + length);
        clock.next_dts = clock.next_dts.map(|next| next + length);
        let packet_pts = times.and_then(|(pts, _)| pts);
        let (pts, base) = match frame.pts().or(packet_pts) {
            Some(pts) => (Some(pts), facts.time_base),
            None => (clock.known_dts(), MICROSECONDS),
        };
        if let Some((Some(pts), duration @ 1..)) = times
            && self.previous_pts.is_some_and(|previous| pts - previous > duration)
        {
            self.delta = DeltaState::NONE;
        }
        if let Some((pts, _)) = times {
            self.previous_pts = pts;
        }
        let sample = Rational::new(1, rate);
        let samples_in_frame = i32::try_from(samples).unwrap_or(i32::MAX);
        frame.set_pts(pts.map(|pts| rescale_delta(base, pts, sample, samples_in_frame, &mut self.delta, sample)));
        self.last_samples = samples;
        turn
    }

    /// One call of a picture decoder. The frame that is there has its time in the stream's time base.
    pub fn video(&mut self, step: Step<'_>, frame: &mut Frame, clock: &mut StreamClock, facts: &StreamFacts) -> Turn {
        let at_end = matches!(step, Step::End);
        if at_end {
            self.late_dts.push_back(clock.known_dts().map(|dts| rescale(dts, MICROSECONDS, facts.time_base)));
        }
        let mut turn = self.step(step, frame);
        if !turn.got_frame {
            return turn;
        }
        if self.top_field_first >= 0 {
            frame.set_top_field_first(self.top_field_first != 0);
        }
        self.frames += 1;
        turn.duration = frame.duration();
        let mut pts = frame.best_effort_timestamp();
        if facts.forced_rate.is_some() {
            pts = Some(self.counted);
            self.counted += 1;
        }
        if at_end && pts.is_none() {
            pts = self.late_dts.pop_front().flatten();
        }
        if let Some(pts) = pts {
            frame.set_pts(Some(pts));
            let at = rescale(pts, facts.time_base, MICROSECONDS);
            (clock.pts, clock.next_pts) = (at, Some(at));
        }
        if self.aspect.num != 0 {
            frame.set_sample_aspect_ratio(self.aspect);
        }
        turn
    }

    /// After a call for pictures: notes where the next packet is expected; returns how long this one lasts, in microseconds.
    pub fn expect(&self, duration: i64, ticks: Option<i64>, clock: &mut StreamClock, facts: &StreamFacts) -> i64 {
        let rate = self.decoder.frame_rate();
        let per_frame = i64::from(self.decoder.ticks_per_frame());
        let length = if duration != 0 {
            rescale(duration, facts.time_base, MICROSECONDS)
        } else if rate.num != 0 && rate.den != 0 && per_frame != 0 {
            let ticks = ticks.unwrap_or(per_frame);
            1_000_000 * i64::from(rate.den) * ticks / i64::from(rate.num) / per_frame
        } else {
            0
        };
        clock.next_dts = match clock.next_dts {
            Some(next) if clock.known_dts().is_some() && length != 0 => Some(next + length),
            _ => None,
        };
        length
    }

    /// Forgets everything, so that decoding can begin anew.
    pub fn flush(&mut self) {
        self.decoder.flush();
        self.drained = false;
    }
}

/// What a decoder is given.
#[derive(Clone, Copy)]
pub enum Step<'p> {
    /// A packet.
    Packet(&'p Packet),
    /// Nothing: what is left of the last one is wanted.
    More,
    /// That there are no more packets.
    End,
}
