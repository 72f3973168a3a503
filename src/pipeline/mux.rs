//! An output and its streams, up to the header: `open_output_file`, `new_output_stream` and `init_output_stream` of ffmpeg
//! 5.1. How packets get in is in [`write`](super::write).

mod stream;

use std::collections::VecDeque;

use crate::error::{Error, Kind};
use crate::libav::avio;
use crate::libav::codec::MediaType;
use crate::libav::copy::StreamCopy;
use crate::libav::error::AvError;
use crate::libav::log::{self, level};
use crate::libav::muxer::Muxer;
use crate::libav::option::{CodecSide, Dictionary};
use crate::libav::packet::Packet;
use crate::libav::rational::Rational;

use crate::redact;

use super::demux::Input;
use super::encode::Encoding;
use super::filter::{Graph, Wanted};
use super::metadata;
use super::option::Options;
use super::overwrite::Guard;
use super::plan::{self, Global, Micros};
use super::select::{Origin, Source, select};
use super::write::Filter;
use super::{Control, Files, OutputOutcome};
use stream::Under;

/// An output.
pub struct Output {
    /// Its position among the outputs.
    pub index: usize,
    /// The file.
    pub muxer: Muxer,
    /// Its streams.
    pub streams: Vec<OutputStream>,
    /// `-ss`.
    pub start: Option<Micros>,
    /// `-t` or what `-to` came to; `-shortest` brings it down.
    pub duration: Option<Micros>,
    /// `-fs`.
    pub limit: Option<u64>,
    /// `-shortest`.
    pub shortest: bool,
    /// The header is written: packets and a trailer may follow.
    pub started: bool,
    /// `-xerror`.
    pub exit_on_error: bool,
    /// `-debug_ts`.
    pub debug_timestamps: bool,
    /// `-async` below 0: sound gets its times from the muxer.
    pub drops_audio_times: bool,
    options: Dictionary,
}

/// Packets that wait until all streams are known and the header is written.
pub struct Queue {
    /// The packets.
    pub packets: VecDeque<Packet>,
    /// Their payload in bytes.
    pub bytes: usize,
    /// `-max_muxing_queue_size`.
    pub limit: usize,
    /// `-muxing_queue_data_threshold`.
    pub threshold: usize,
}

/// A stream of an output.
pub struct OutputStream {
    /// Where its packets come from; `None` for a file given with `-attach`.
    pub source: Option<Source>,
    /// The name of that file.
    pub attachment: Option<String>,
    /// What it carries.
    pub media_type: MediaType,
    /// How it is encoded; `None` if it is copied, or attached.
    pub encoding: Option<Box<Encoding>>,
    /// The unit of the packets on their way to the muxer.
    pub mux_base: Rational,
    /// The muxer's unit for its timestamps.
    pub time_base: Rational,
    /// The muxer knows what will come.
    pub initialized: bool,
    /// Its graph has no input left to wait for.
    pub inputs_done: bool,
    /// Packets that wait for the header.
    pub queue: Queue,
    /// Nothing more is wanted from its source.
    pub finished: bool,
    /// Nothing more may be written at all.
    pub closed: bool,
    /// Its source had nothing to read just now.
    pub waiting: bool,
    /// A packet has been copied.
    pub started: bool,
    /// `-copyinkf`.
    pub copies_initial_nonkey: bool,
    /// `-copypriorss 0`: nothing from before the start.
    pub drops_prior: bool,
    /// Packets handed to the muxer or counted out by `-frames`.
    pub frames: i64,
    /// `-frames`.
    pub max_frames: i64,
    /// The last decoding timestamp that was written.
    pub last_dts: Option<i64>,
    /// Packets written.
    pub packets: u64,
    /// Their payload in bytes.
    pub bytes: u64,
    /// Bytes of codec configuration.
    pub extradata: u64,
    /// Sum of the durations, in `time_base`.
    pub length: i64,
    /// `-bsf`.
    pub filter: Option<Filter>,
    copy: StreamCopy,
}

impl Output {
    /// Chooses the streams of the output at `index` and prepares a muxer for them. Nothing is opened for writing.
    ///
    /// # Errors
    /// No such container, nothing to map, or a stream that would have to be encoded.
    pub fn new(
        index: usize,
        plan: &plan::Plan,
        files: &dyn Files,
        inputs: &mut [Input],
        graphs: &mut Vec<Graph>,
        number: usize,
        control: &Control,
    ) -> Result<Self, Error> {
        let output = &plan.outputs[index];
        let mut options = Options::sort(&output.options)?;
        let format = output.format.as_deref();
        if output.waits_for_space && !avio::is_file(&output.url) {
            let text =
                format!("-disk_full wait before {}: only a file on this machine can wait for space", redact::url(&output.url));
            return Err(Error::new(Kind::Usage, text));
        }
        let mut access = files.output(index)?;
        access.waits_for_space = output.waits_for_space.then(|| control.stop.clone());
        let mut muxer = Muxer::new(&output.url, format, &mut options.format, access, control.abort.clone())?;
        if output.bitexact {
            muxer.set_bitexact();
        }
        let duration = output.duration.or_else(|| output.stop.map(|stop| stop - output.start.unwrap_or(0)));
        if let Some(duration) = duration {
            muxer.set_duration(duration);
        }
        let mut created = Self {
            index,
            muxer,
            streams: Vec::new(),
            start: output.start,
            duration,
            limit: output.limit_filesize,
            shortest: output.shortest,
            started: false,
            exit_on_error: plan.global.exit_on_error,
            debug_timestamps: plan.global.debug_timestamps,
            drops_audio_times: plan.global.audio_sync < 0,
            options: Dictionary::new(),
        };
        let mut under = Under { plan: output, global: &plan.global, options: &options, inputs, graphs, number };
        for origin in select(output, created.muxer.format(), under.global, under.inputs, under.graphs)? {
            let kind = match origin {
                Origin::Stream(source) => under.inputs[source.file].streams[source.stream].facts.media_type,
                Origin::Graph(graph, number) => under.graphs[graph].outputs[number].kind,
            };
            created.add_stream(&mut under, Some(origin), kind)?;
        }
        for path in &output.attach {
            created.attach(&mut under, path)?;
        }
        created.pad_with_video(graphs);
        if created.streams.is_empty() && !created.muxer.format().needs_no_streams() {
            created.muxer.dump(index);
            return Err(Error::new(Kind::Usage, format!("Output file #{index} does not contain any stream")));
        }
        let taken = |stream: &OutputStream| match &stream.encoding {
            Some(encoding) => encoding.options.clone(),
            None => stream.copy.options.clone(),
        };
        let used: Vec<Dictionary> = created.streams.iter().map(taken).collect();
        options.check_unused(&used, CodecSide::Encoding, index, &output.url)?;
        created.options = options.format;
        Ok(created)
    }

    /// `-apad` has an effect only where `-shortest` ends with a video stream.
    fn pad_with_video(&self, graphs: &mut [Graph]) {
        let pads = self.shortest && self.streams.iter().any(|stream| stream.media_type == MediaType::Video);
        if pads {
            return;
        }
        for graph in graphs {
            for output in &mut graph.outputs {
                if let (Some((file, _)), Wanted::Audio(wanted)) = (output.target, &mut output.wanted)
                    && file == self.index
                {
                    wanted.pad = None;
                }
            }
        }
    }

    /// `-attach`: the file becomes a stream.
    fn attach(&mut self, under: &mut Under<'_>, path: &str) -> Result<(), Error> {
        let content = avio::read(path).map_err(|error| error.about(path).context("Could not open attachment file"))?;
        self.add_stream(under, None, MediaType::Attachment)?;
        let position = self.streams.len() - 1;
        self.streams[position].attachment = Some(path.to_owned());
        let name = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path);
        if let Some(mut stream) = self.muxer.stream_mut(position) {
            stream.set_extradata(&content).map_err(|error| error.about(path))?;
            stream.set_metadata([("filename", name)].into_iter().collect());
        }
        Ok(())
    }

    /// May the file be written, and can the container work with its name?
    ///
    /// # Errors
    /// It exists and must stay, or it lacks a number pattern.
    pub fn check_name(&self, may_write: &Guard<'_>) -> Result<(), Error> {
        let (url, format) = (self.muxer.url(), self.muxer.format());
        let numbered = avio::has_number_pattern(&url);
        if format.needs_number() && !numbered {
            let error = AvError::from_errno(libc::EINVAL).about(&url);
            return Err(error.with_hint("the name needs a number pattern such as %03d"));
        }
        if !format.opens_its_files() || (format.name() == "image2" && !numbered) {
            may_write.check(&url)?;
        }
        Ok(())
    }

    /// Packets written, and their payload in bytes.
    pub fn written(&self) -> (u64, u64) {
        self.streams.iter().fold((0, 0), |(packets, bytes), stream| (packets + stream.packets, bytes + stream.bytes))
    }

    /// What it took.
    pub fn outcome(&self) -> OutputOutcome {
        let (packets, bytes) = self.written();
        let muxer = &self.muxer;
        OutputOutcome { packets, bytes, io: muxer.counts(), uploads: muxer.uploads(), unconfirmed: muxer.unconfirmed() }
    }

    /// Opens the file and describes it: metadata, chapters, programs, dispositions.
    ///
    /// # Errors
    /// It cannot be opened, or a description names something that is not there.
    pub fn open(&mut self, plan: &plan::Output, global: &Global, inputs: &[Input]) -> Result<(), Error> {
        self.muxer.open(&mut self.options)?;
        if plan.mux_preload != 0.0 {
            let preload = (plan.mux_preload * 1e6) as i64;
            self.options.set("preload", &preload.to_string()).map_err(|error| error.about("muxpreload"))?;
        }
        self.muxer.set_max_delay((plan.mux_max_delay * 1e6) as i32);
        for stream in &mut self.streams {
            stream.copy.time_base = global.copy_tb;
        }
        metadata::describe(self, plan, inputs)
    }

    /// Turns the picture of a video stream (`-metadata:s rotate=`).
    pub fn rotate(&mut self, stream: usize, degrees: f64) {
        self.streams[stream].copy.rotation = Some(degrees);
    }

    /// The value of an option that is given to the muxer.
    pub fn format_option(&self, name: &str) -> Option<String> {
        self.options.get(name)
    }

    /// Prepares a stream that is copied, or attached: what it is goes over from its input.
    ///
    /// # Errors
    /// As [`initialized`](Self::initialized), or an option's value is wrong.
    pub fn start_copy(&mut self, position: usize, inputs: &[Input]) -> Result<(), Error> {
        let stream = &mut self.streams[position];
        let from = stream.source.and_then(|source| {
            let input = &inputs[source.file];
            Some((input.demuxer.stream(source.stream)?, &input.streams[source.stream].facts))
        });
        if let Some((from, facts)) = from {
            stream.copy.frame_rate = stream.copy.frame_rate.or(facts.forced_rate);
            if stream.copy.aspect.is_some() {
                log::write(level::WARNING, "Overriding aspect ratio with stream copy may produce invalid files\n");
            }
            stream.mux_base = facts.time_base;
            let copied = self.muxer.copy_stream(position, from, &mut stream.copy);
            copied.map_err(|error| error.about(&format!("output stream #{}:{position}", self.index)))?;
            if let Some(parameters) = self.muxer.stream(position).and_then(|stream| stream.parameters().ok()) {
                stream.extradata = parameters.extradata_size() as u64;
            }
        }
        self.initialized(position)
    }

    /// The muxer has been told what a stream is: its bitstream filters are prepared, and once that holds for all streams the
    /// header is written, and what waited for it.
    ///
    /// # Errors
    /// A bitstream filter or the muxer does not take a stream.
    pub fn initialized(&mut self, position: usize) -> Result<(), Error> {
        let stream = &mut self.streams[position];
        if let (Some(filter), Some(mut to)) = (&mut stream.filter, self.muxer.stream_mut(position)) {
            filter.chain.prepare(&mut to).map_err(|error| {
                let name = format!("output stream #{}:{position}", self.index);
                error.about(&name).context(format!("Error initializing bitstream filter: {}", filter.chain.name()))
            })?;
        }
        stream.initialized = true;
        if self.streams.iter().all(|stream| stream.initialized) { self.write_header() } else { Ok(()) }
    }

    /// Writes the header and the packets that waited for it (`of_check_init`).
    ///
    /// # Errors
    /// The muxer does not take a stream, or cannot write.
    pub fn write_header(&mut self) -> Result<(), Error> {
        self.muxer.write_header(&mut self.options).map_err(|error| {
            error.context(format!("Could not write header for output file #{} (incorrect codec parameters ?)", self.index))
        })?;
        self.started = true;
        self.muxer.dump(self.index);
        for position in 0..self.streams.len() {
            let Some(time_base) = self.muxer.stream(position).map(|stream| stream.time_base()) else { continue };
            let stream = &mut self.streams[position];
            stream.time_base = time_base;
            // A finer unit, unless packets in another one are there already.
            if stream.queue.packets.is_empty() {
                stream.mux_base = time_base;
            }
        }
        for position in 0..self.streams.len() {
            while let Some(mut packet) = self.streams[position].queue.packets.pop_front() {
                self.mux_counted(position, &mut packet)?;
            }
        }
        Ok(())
    }
}

fn invalid(what: &str, text: &str) -> Error {
    Error::new(Kind::Usage, format!("Invalid {what}: {text}"))
}

/// `-tag`: a number, or up to four characters.
pub fn codec_tag(text: &str) -> u32 {
    let (digits, radix) = match text {
        _ if text.starts_with("0x") || text.starts_with("0X") => (&text[2..], 16),
        _ if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        _ => (text, 10),
    };
    u32::from_str_radix(digits, radix).unwrap_or_else(|_| {
        let mut code = [0; 4];
        for (to, from) in code.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        u32::from_le_bytes(code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_numbers_or_characters() {
        for (text, tag) in [
            ("avc3", u32::from_le_bytes(*b"avc3")),
            ("0x1b", 27),
            ("27", 27),
            ("033", 27),
            ("ab", u32::from_le_bytes([b'a', b'b', 0, 0])),
            ("12ab", u32::from_le_bytes(*b"12ab")),
            ("0", 0),
        ] {
            assert_eq!(codec_tag(text), tag, "{text}");
        }
    }
}
