//! Opens the inputs: `open_input_file`, `add_input_streams` and `apply_sync_offsets` of ffmpeg 5.1.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use crate::error::{Error, Kind};
use crate::libav::avio;
use crate::libav::codec::{Codec, MediaType, Parameters};
use crate::libav::demuxer::{Decoders, Demuxer, Opening};
use crate::libav::format::InputFormat;
use crate::libav::log::{self, level};
use crate::libav::option::{CodecSide, Dictionary};
use crate::libav::packet::SideData;
use crate::libav::rational::{MICROSECONDS, Rational, rescale};
use crate::libav::stream::{Discard, Disposition, Stream};
use crate::redact;
use crate::shutdown::Shutdown;

use super::decode::Settings;
use super::mux::codec_tag;
use super::option::Options;
use super::plan::{self, Global, Micros};
use super::specifier::{self, Streams};
use super::timestamp::{FileFacts, StreamFacts};
use super::{Files, overwrite};

/// For the segments of an HLS input: mpegts.c keeps all that it reads until there are as many bytes as `probesize` says (5 MB by
/// default, a minute of many a stream), in order to go back over it after a look at PAT and PMT, with which segments begin
/// (RFC 8216 section 3.2). So much libavformat reads at most to recognize a format (PROBE_BUF_MAX of format.c).
const SEGMENT_PROBE: &str = "probesize=1048576";

/// An open input from which nothing has been read yet.
pub struct Input {
    /// The open file.
    pub demuxer: Demuxer,
    /// Its streams; those that turn up later are left out.
    pub streams: Vec<InputStream>,
    /// `-ss`, or what `-sseof` came to.
    pub start: Option<Micros>,
    /// `-t`, or what `-to` came to.
    pub duration: Option<Micros>,
    /// Added to every timestamp: `-itsoffset` less the start.
    pub ts_offset: Micros,
    /// `-itsoffset`.
    pub own_offset: Micros,
    /// What is decoded before `-ss` is dropped.
    pub accurate_seek: bool,
    /// Breaks off whatever it is doing.
    pub session: Shutdown,
    /// Where it was opened: 0 = the URL itself, else one of the alternatives.
    pub place: usize,
}

/// A stream of an input.
pub struct InputStream {
    /// Its place on the time line depends on these.
    pub facts: StreamFacts,
    /// What it is.
    pub parameters: Parameters,
    /// Side data of the whole stream: goes along with the first packet.
    pub side_data: Vec<SideData>,
    /// What the user lets the demuxer leave out.
    pub user_discard: Discard,
    /// An output or a filtergraph wants it.
    pub used: bool,
    /// A filtergraph of several inputs or outputs wants it decoded.
    pub filtered: bool,
    /// An output wants it decoded.
    pub encoded: bool,
    /// How it is to be decoded.
    pub decoding: Settings,
    /// Shape of one pixel as the container has it.
    pub aspect: Rational,
    /// Duration, in its time base.
    pub duration: Option<i64>,
    /// The container knows when it begins.
    pub has_start: bool,
    /// What it is for.
    pub disposition: Disposition,
}

impl Input {
    /// Opens, probes, seeks and shows the input at `index`, in the time that it has for that. `stop` breaks it off, and is raised
    /// when the time is over.
    ///
    /// # Errors
    /// What stood in the way.
    pub fn open(index: usize, plan: &plan::Input, global: &Global, files: &dyn Files, stop: &Shutdown) -> Result<Self, Error> {
        let Some(limit) = plan.open_timeout.filter(|limit| !limit.is_zero()) else {
            return Self::open_at_leisure(index, plan, global, files, stop);
        };
        let (done, ended) = channel::<()>();
        let (opened, is_late) = thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let is_late = ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
                if is_late {
                    stop.request();
                }
                is_late
            });
            let opened = Self::open_at_leisure(index, plan, global, files, stop);
            drop(done);
            (opened, watch.join().unwrap_or(false))
        });
        if !is_late {
            return opened;
        }
        let text = format!("{}: not open within {} s (-open_timeout)", redact::url(&plan.url), limit.as_secs_f64());
        Err(Error::new(Kind::MediaServer, text).retryable(true))
    }

    fn open_at_leisure(
        index: usize,
        plan: &plan::Input,
        global: &Global,
        files: &dyn Files,
        stop: &Shutdown,
    ) -> Result<Self, Error> {
        let url = &plan.url;
        let mut options = Options::sort(&plan.options)?;
        let opening = opening(plan, &mut options.format, global)?;
        let frugal = global.among_many && options.format.get("probesize").is_none();
        let mut ours = vec![("scan_all_pmts", "1")];
        ours.extend(frugal.then_some(("seg_format_options", SEGMENT_PROBE)));
        ours.retain(|(name, _)| options.format.get(name).is_none());
        for (name, value) in &ours {
            options.format.set(name, value).map_err(|error| error.about(url))?;
        }
        let mut demuxer = Demuxer::open(url, &opening, &mut options.format, files.input(index, url)?, stop.clone())?;
        // Most demuxers do not know them.
        ours.iter().for_each(|(name, _)| drop(options.format.remove(name)));
        options.check_left_over()?;

        force_decoders(&mut demuxer, plan, global)?;
        if !plan.no_find_stream_info {
            let per_stream = demuxer.streams().map(|stream| {
                let decoder = Codec::decoder(stream.codec());
                options.for_stream(&demuxer, stream, CodecSide::Decoding, decoder)
            });
            let per_stream = per_stream.collect::<Result<Vec<_>, _>>()?;
            if let Err(error) = demuxer.find_stream_info(per_stream) {
                let text = format!("{}: could not find codec parameters", redact::url(url));
                if demuxer.stream_count() == 0 || stop.is_requested() {
                    let known = demuxer.take_failure();
                    return Err(known.unwrap_or_else(|| Error::new(Kind::Media, text).with_source(error)));
                }
                log::write(level::FATAL, &format!("{text}\n"));
            }
        }

        let start = start(plan, demuxer.duration());
        let mut timestamp = start.unwrap_or(0);
        if !plan.seek_timestamp {
            timestamp += demuxer.start_time().unwrap_or(0);
        }
        if start.is_some() {
            seek(&mut demuxer, timestamp, url);
        }
        let streams = add_streams(&mut demuxer, index, plan, &options, global)?;
        demuxer.dump(index, url);

        let file_start = if global.start_at_zero { demuxer.start_time().unwrap_or(0) } else { 0 };
        let input = Self {
            ts_offset: plan.ts_offset - if global.copy_ts { file_start } else { timestamp },
            duration: plan.duration.or_else(|| plan.stop.map(|stop| stop - plan.start.unwrap_or(0))),
            demuxer,
            streams,
            start,
            own_offset: plan.ts_offset,
            accurate_seek: !plan.no_accurate_seek,
            session: stop.clone(),
            place: 0,
        };
        let used: Vec<Dictionary> = input.streams.iter().map(|stream| stream.decoding.options.clone()).collect();
        options.check_unused(&used, CodecSide::Decoding, index, url)?;
        input.demuxer.settle();
        Ok(input)
    }

    /// Writes attachments into files, as `-dump_attachment` says.
    ///
    /// # Errors
    /// A file cannot be written, or the attachment has no name.
    pub fn dump_attachments(&self, index: usize, plan: &plan::Input, may_write: &overwrite::Guard<'_>) -> Result<(), Error> {
        for (specifier, name) in &plan.dump_attachment {
            for stream in self.demuxer.streams() {
                if !self.demuxer.names(stream, specifier)? {
                    continue;
                }
                let label = format!("#{index}:{}", stream.index());
                if stream.extradata().is_empty() {
                    log::write(level::WARNING, &format!("No extradata to dump in stream {label}.\n"));
                    continue;
                }
                let own_name = stream.metadata().get("filename").unwrap_or_default();
                let name = if name.is_empty() { &own_name } else { name };
                if name.is_empty() {
                    let text = format!("No filename specified and no 'filename' tag in stream {label}.");
                    return Err(Error::new(Kind::Usage, text));
                }
                may_write.check(name)?;
                let written = avio::Writer::open(name).and_then(|mut file| file.write_bytes(stream.extradata()));
                written.map_err(|error| error.about(name).context("Could not write attachment"))?;
            }
        }
        Ok(())
    }

    /// What the rules for timestamps need to know.
    pub fn facts(&self) -> FileFacts {
        let used = self.demuxer.streams().zip(&self.streams).filter(|(_, stream)| stream.used);
        let starts = used.filter_map(|(stream, _)| Some(rescale(stream.start_time()?, stream.time_base(), MICROSECONDS)));
        FileFacts {
            start_time: self.demuxer.start_time(),
            used_start_time: starts.min(),
            discontinuous: self.demuxer.may_be_discontinuous(),
        }
    }

    /// Lets the demuxer leave out what no output wants: streams, and programs of such streams only.
    pub fn discard_unused(&mut self) {
        for (index, stream) in self.streams.iter().enumerate() {
            if let Some(mut raw) = self.demuxer.stream_mut(index) {
                raw.set_discard(match (stream.used, stream.filtered) {
                    (false, _) => Discard::ALL,
                    (true, true) => Discard::NONE,
                    (true, false) => stream.user_discard,
                });
            }
        }
        for (index, program) in self.demuxer.programs().iter().enumerate() {
            let used = program.streams.iter().any(|stream| self.streams.get(*stream).is_some_and(|stream| stream.used));
            self.demuxer.set_program_discard(index, if used { Discard::DEFAULT } else { Discard::ALL });
        }
    }
}

/// Puts each input that has `-isync` on the clock of the one it names.
pub fn synchronize(inputs: &mut [Input], plans: &[plan::Input], global: &Global) -> Result<(), Error> {
    for (index, plan) in plans.iter().enumerate() {
        let Some(other) = plan.sync_with.filter(|other| *other != index && *other < inputs.len()) else { continue };
        if global.copy_ts && !global.start_at_zero {
            return Err(Error::new(Kind::Usage, "Use of -isync requires that start_at_zero be set if copyts is set."));
        }
        if plans[other].sync_with.is_some_and(|third| third != other) {
            let text = format!("-isync for input {index} references a resynced input {other}. Sync not set.\n");
            log::write(level::ERROR, &text);
            continue;
        }
        let (own, theirs) = (&inputs[index], &inputs[other]);
        let real = own.demuxer.start_time_realtime().zip(theirs.demuxer.start_time_realtime());
        let Some((own_start, their_start)) = real.or_else(|| own.demuxer.start_time().zip(theirs.demuxer.start_time())) else {
            let text = format!("Unable to identify start times for Inputs #{index} and {other} both. No sync adjustment made.\n");
            log::write(level::INFO, &text);
            continue;
        };
        let seeks = if global.copy_ts { 0 } else { own.start.unwrap_or(0) - theirs.start.unwrap_or(0) };
        let adjustment = own_start - their_start + seeks + plans[other].ts_offset;
        inputs[index].ts_offset += adjustment;
        log::write(
            level::INFO,
            &format!("Adjusted ts offset for Input #{index} by {adjustment} us to sync with Input #{other}.\n"),
        );
    }
    Ok(())
}

/// What avformat_open_input is told: format, named decoders, and options that have a name of their own on the command line.
fn opening(plan: &plan::Input, options: &mut Dictionary, global: &Global) -> Result<Opening, Error> {
    let format = plan.format.as_deref().map(InputFormat::by_name).transpose()?;
    let has = |name: &str| format.is_some_and(|format| format.has_option(name));
    let mut set = |name: &str, value: &str| options.set(name, value).map_err(|error| error.about(name));
    if let Some(channels) = plan.channels.filter(|_| has("ch_layout")) {
        set("ch_layout", &format!("{channels}C"))?;
    }
    if let Some(layout) = plan.channel_layout.as_deref().filter(|_| has("ch_layout")) {
        set("ch_layout", layout)?;
    }
    if let Some((_, rate)) = plan.frame_rate.last().filter(|_| has("framerate")) {
        set("framerate", rate)?;
    }
    let decoder = |specifier: &str, media_type: MediaType| -> Result<Option<Codec>, Error> {
        let named = plan.codec.iter().rev().find(|(given, _)| given == specifier);
        named.map(|(_, name)| decoder(name, media_type, global)).transpose()
    };
    let decoders = Decoders {
        video: decoder("v", MediaType::Video)?,
        audio: decoder("a", MediaType::Audio)?,
        subtitle: decoder("s", MediaType::Subtitle)?,
        data: decoder("d", MediaType::Data)?,
    };
    Ok(Opening { format, bitexact: plan.bitexact, decoders })
}

fn decoder(name: &str, media_type: MediaType, global: &Global) -> Result<Codec, Error> {
    let decoder = Codec::decoder_by_name(name).ok_or_else(|| Error::new(Kind::Usage, format!("Unknown decoder '{name}'")))?;
    if decoder.media_type() == media_type || global.recast_media {
        Ok(decoder)
    } else {
        Err(Error::new(Kind::Usage, format!("Invalid decoder type '{name}'")))
    }
}

/// `-c` before an input decides what its streams are taken for.
fn force_decoders(demuxer: &mut Demuxer, plan: &plan::Input, global: &Global) -> Result<(), Error> {
    for index in 0..demuxer.stream_count() {
        let Some(stream) = demuxer.stream(index) else { continue };
        let Some(codec) = forced_decoder(demuxer, stream, plan, global)? else { continue };
        if let Some(mut stream) = demuxer.stream_mut(index) {
            if codec.media_type() != stream.media_type() {
                stream.set_media_type(codec.media_type());
            }
            stream.set_codec(codec.id());
        }
    }
    Ok(())
}

/// The decoder that the user named for a stream.
fn forced_decoder(demuxer: &Demuxer, stream: Stream<'_>, plan: &plan::Input, global: &Global) -> Result<Option<Codec>, Error> {
    let name = specifier::value(&["c", "codec", "acodec", "vcodec", "scodec", "dcodec"], &plan.codec, demuxer, stream)?;
    name.map(|name| decoder(name, stream.media_type(), global)).transpose()
}

fn start(plan: &plan::Input, duration: Option<Micros>) -> Option<Micros> {
    let url = redact::url(&plan.url);
    match (plan.start, plan.start_eof, duration) {
        (Some(start), _, _) => Some(start),
        (None, None, _) => None,
        (None, Some(_), None) => {
            log::write(level::WARNING, &format!("Cannot use -sseof, duration of {url} not known\n"));
            None
        }
        (None, Some(before_end), Some(duration)) if before_end + duration < 0 => {
            log::write(level::WARNING, &format!("-sseof value seeks to before start of file {url}; ignored\n"));
            None
        }
        (None, Some(before_end), Some(duration)) => Some(before_end + duration),
    }
}

/// Containers that seek by decoding time may land behind the wanted frame where frames are reordered: aim a little earlier.
fn seek(demuxer: &mut Demuxer, timestamp: Micros, url: &str) {
    let reordered = |stream: Stream<'_>| stream.parameters().is_ok_and(|parameters| parameters.video_delay() != 0);
    let early = !demuxer.seeks_to_pts() && demuxer.streams().any(reordered);
    let target = if early { timestamp - 3 * Micros::from(MICROSECONDS.den) / 23 } else { timestamp };
    if demuxer.seek(target).is_err() {
        let seconds = timestamp as f64 / f64::from(MICROSECONDS.den);
        log::write(level::WARNING, &format!("{}: could not seek to position {seconds:.3}\n", redact::url(url)));
    }
}

fn add_streams(
    demuxer: &mut Demuxer,
    file: usize,
    plan: &plan::Input,
    options: &Options,
    global: &Global,
) -> Result<Vec<InputStream>, Error> {
    let mut streams = Vec::new();
    for index in 0..demuxer.stream_count() {
        let Some(stream) = demuxer.stream(index) else { continue };
        let tag = specifier::value(&["tag", "atag", "vtag", "stag"], &plan.tag, demuxer, stream)?;
        if let (Some(tag), Some(mut stream)) = (tag, demuxer.stream_mut(index)) {
            stream.set_codec_tag(codec_tag(tag));
        }
        let Some(stream) = demuxer.stream(index) else { continue };
        let scale = specifier::value(&["itsscale"], &plan.ts_scale, demuxer, stream)?;
        let rate = match specifier::value(&["r"], &plan.frame_rate, demuxer, stream)? {
            Some(rate) if stream.media_type() == MediaType::Video => Some(
                Rational::parse_rate(rate).map_err(|_| Error::new(Kind::Usage, format!("Error parsing framerate {rate}.")))?,
            ),
            _ => None,
        };
        let disabled = match stream.media_type() {
            MediaType::Video => plan.disable.video,
            MediaType::Audio => plan.disable.audio,
            MediaType::Subtitle => plan.disable.subtitle,
            MediaType::Data => plan.disable.data,
            MediaType::Attachment | MediaType::Unknown => false,
        };
        let user_discard = match specifier::value(&["discard"], &plan.discard, demuxer, stream)? {
            Some(text) => Discard::parse(text).map_err(|_| Error::new(Kind::Usage, format!("Error parsing discard {text}.")))?,
            None if disabled => Discard::ALL,
            None => Discard::NONE,
        };
        let forced = forced_decoder(demuxer, stream, plan, global)?;
        let codec = forced.or_else(|| Codec::decoder(stream.codec()));
        let own = options.for_stream(demuxer, stream, CodecSide::Decoding, codec)?;
        let decoding = Settings::read(demuxer, stream, plan, codec, own)?;
        if stream.media_type() == MediaType::Audio
            && let Some(layout) = decoding.guess_layout(file, stream).map_err(|error| error.about(&plan.url))?
            && let Some(mut stream) = demuxer.stream_mut(index)
        {
            stream.set_channel_layout(&layout).map_err(|error| error.about(&plan.url))?;
        }
        let Some(stream) = demuxer.stream(index) else { continue };
        let parameters = stream.parameters().map_err(|error| error.about(&plan.url))?;
        streams.push(InputStream {
            facts: StreamFacts {
                media_type: stream.media_type(),
                time_base: stream.time_base(),
                wrap_bits: stream.timestamp_bits(),
                scale: scale.copied().unwrap_or(1.0),
                forced_rate: rate,
                average_rate: stream.average_frame_rate(),
                video_delay: parameters.video_delay(),
                sample_rate: parameters.sample_rate(),
                frame_size: parameters.frame_size(),
            },
            parameters,
            side_data: stream.side_data(),
            user_discard,
            used: false,
            filtered: false,
            encoded: false,
            decoding,
            aspect: stream.sample_aspect_ratio(),
            duration: stream.duration(),
            has_start: stream.start_time().is_some(),
            disposition: stream.disposition(),
        });
    }
    Ok(streams)
}
