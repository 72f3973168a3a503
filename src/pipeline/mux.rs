//! An output and its streams, up to the header: `open_output_file`, `new_output_stream` and `init_output_stream` of ffmpeg
//! 5.1. How packets get in is in [`write`](super::write).

use crate::error::{Error, Kind};
use crate::libav::avio;
use crate::libav::bsf::BitstreamFilter;
use crate::libav::codec::MediaType;
use crate::libav::copy::StreamCopy;
use crate::libav::error::AvError;
use crate::libav::log::{self, level};
use crate::libav::muxer::Muxer;
use crate::libav::option::{CodecSide, Dictionary};
use crate::libav::rational::{MICROSECONDS, Rational};

use super::demux::Input;
use super::metadata;
use super::option::Options;
use super::overwrite::Guard;
use super::plan::{self, Global, Micros};
use super::refuse;
use super::select::{Source, select};
use super::specifier;
use super::write::Filter;
use super::{Control, Files, OutputOutcome};

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
    options: Dictionary,
}

/// A stream of an output.
pub struct OutputStream {
    /// Where its packets come from; `None` for a file given with `-attach`.
    pub source: Option<Source>,
    /// The name of that file.
    pub attachment: Option<String>,
    /// What it carries.
    pub media_type: MediaType,
    /// The muxer's unit for its timestamps.
    pub time_base: Rational,
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
        control: &Control,
    ) -> Result<Self, Error> {
        let output = &plan.outputs[index];
        let mut options = Options::sort(&output.options)?;
        let format = output.format.as_deref();
        let access = files.output(index)?;
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
            options: Dictionary::new(),
        };
        for source in select(output, created.muxer.format(), &plan.global, inputs)? {
            let input = &mut inputs[source.file].streams[source.stream];
            input.used = true;
            created.add_stream(output, &options, Some(source), input.facts.media_type)?;
        }
        refuse::filters(output, &created)?;
        for path in &output.attach {
            created.attach(output, &options, path)?;
        }
        if created.streams.is_empty() && !created.muxer.format().needs_no_streams() {
            created.muxer.dump(index);
            return Err(Error::new(Kind::Usage, format!("Output file #{index} does not contain any stream")));
        }
        let used: Vec<Dictionary> = created.streams.iter().map(|stream| stream.copy.options.clone()).collect();
        options.check_unused(&used, CodecSide::Encoding, index, &output.url)?;
        created.options = options.format;
        Ok(created)
    }

    fn add_stream(
        &mut self,
        plan: &plan::Output,
        options: &Options,
        source: Option<Source>,
        media_type: MediaType,
    ) -> Result<(), Error> {
        let position = self.streams.len();
        let mut new = self.muxer.add_stream().map_err(|error| error.about(&plan.url))?;
        new.set_media_type(media_type);
        if let Some((_, id)) = plan.stream_id.iter().rev().find(|(index, _)| *index == position) {
            new.set_id(*id);
        }
        let muxer = &self.muxer;
        let stream = muxer.stream(position).ok_or_else(|| AvError::from_errno(libc::ENOMEM).about(&plan.url))?;
        let coded = matches!(media_type, MediaType::Video | MediaType::Audio | MediaType::Subtitle);
        if let (true, Some(source)) = (coded, source) {
            let names = ["c", "codec", "acodec", "vcodec", "scodec", "dcodec"];
            let codec = specifier::value(&names, &plan.codec, muxer, stream)?;
            refuse::codec(codec.map(String::as_str), self.index, plan, source, media_type)?;
        }
        let video = media_type == MediaType::Video;
        let rate = match specifier::value(&["r"], &plan.frame_rate, muxer, stream)? {
            Some(rate) if video => Some(Rational::parse_rate(rate).map_err(|_| invalid("framerate value", rate))?),
            _ => None,
        };
        let aspect = match specifier::value(&["aspect"], &plan.aspect, muxer, stream)? {
            Some(aspect) if video => Some(
                Rational::parse_ratio(aspect, 255)
                    .ok()
                    .filter(|aspect| aspect.is_positive())
                    .ok_or_else(|| invalid("aspect ratio", aspect))?,
            ),
            _ => None,
        };
        let time_base = match specifier::value(&["time_base"], &plan.time_base, muxer, stream)? {
            Some(base) => Some(
                Rational::parse_ratio(base, i32::MAX)
                    .ok()
                    .filter(|base| base.is_positive())
                    .ok_or_else(|| invalid("time base", base))?,
            ),
            None => None,
        };
        let frames = specifier::value(&["frames", "aframes", "vframes", "dframes"], &plan.frames, muxer, stream)?;
        if !video && plan.frames.iter().any(|(specifier, _)| specifier.is_empty()) {
            log::write(level::WARNING, "Applying unspecific -frames to non video streams, maybe you meant -vframes ?\n");
        }
        let prior = specifier::value(&["copypriorss"], &plan.copy_prior_start, muxer, stream)?;
        let nonkey = specifier::value(&["copyinkf"], &plan.copy_initial_nonkey, muxer, stream)?;
        let filter = match specifier::value(&["bsf", "absf", "vbsf"], &plan.bsf, muxer, stream)? {
            Some(chain) if !chain.is_empty() => Some(BitstreamFilter::parse(chain).map_err(|error| {
                let text = format!("Error parsing bitstream filter sequence '{chain}': {error}");
                Error::new(Kind::Usage, text).with_source(error)
            })?),
            _ => None,
        };
        let tag = specifier::value(&["tag", "atag", "vtag", "stag"], &plan.tag, muxer, stream)?;
        self.streams.push(OutputStream {
            source,
            attachment: None,
            media_type,
            time_base: MICROSECONDS,
            // Attachments are in the header: no packets.
            finished: media_type == MediaType::Attachment,
            closed: false,
            waiting: false,
            started: false,
            copies_initial_nonkey: nonkey.copied().unwrap_or(false),
            drops_prior: prior == Some(&0),
            frames: 0,
            max_frames: frames.copied().unwrap_or(i64::MAX),
            last_dts: None,
            packets: 0,
            bytes: 0,
            extradata: 0,
            length: 0,
            filter: filter.map(Filter::new),
            copy: StreamCopy {
                options: options.for_stream(muxer, stream, CodecSide::Encoding, None)?,
                frame_rate: rate,
                aspect,
                ..StreamCopy::default()
            },
        });
        if let (Some(tag), Some(mut stream)) = (tag, self.muxer.stream_mut(position)) {
            stream.set_codec_tag(codec_tag(tag));
        }
        if let (Some(base), Some(mut stream)) = (time_base, self.muxer.stream_mut(position)) {
            stream.set_time_base(base);
        }
        Ok(())
    }

    /// `-attach`: the file becomes a stream.
    fn attach(&mut self, plan: &plan::Output, options: &Options, path: &str) -> Result<(), Error> {
        let content = avio::read(path).map_err(|error| error.about(path).context("Could not open attachment file"))?;
        self.add_stream(plan, options, None, MediaType::Attachment)?;
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

    /// Takes the parameters over from the inputs and writes the header.
    ///
    /// # Errors
    /// A bitstream filter or the muxer does not take a stream.
    pub fn start(&mut self, inputs: &[Input]) -> Result<(), Error> {
        for (position, stream) in self.streams.iter_mut().enumerate() {
            let Some(source) = stream.source else { continue };
            let input = &inputs[source.file];
            let Some(from) = input.demuxer.stream(source.stream) else { continue };
            stream.copy.frame_rate = stream.copy.frame_rate.or(input.streams[source.stream].facts.forced_rate);
            if stream.copy.aspect.is_some() {
                log::write(level::WARNING, "Overriding aspect ratio with stream copy may produce invalid files\n");
            }
            let failed = |error: AvError| error.about(&format!("output stream #{}:{position}", self.index));
            self.muxer.copy_stream(position, from, &mut stream.copy).map_err(failed)?;
            if let Some(parameters) = self.muxer.stream(position).and_then(|stream| stream.parameters().ok()) {
                stream.extradata = parameters.extradata_size() as u64;
            }
            if let (Some(filter), Some(mut to)) = (&mut stream.filter, self.muxer.stream_mut(position)) {
                filter.chain.prepare(&mut to).map_err(|error| {
                    failed(error).context(format!("Error initializing bitstream filter: {}", filter.chain.name()))
                })?;
            }
        }
        self.muxer.write_header(&mut self.options).map_err(|error| {
            error.context(format!("Could not write header for output file #{} (incorrect codec parameters ?)", self.index))
        })?;
        self.started = true;
        self.muxer.dump(self.index);
        for (position, stream) in self.streams.iter_mut().enumerate() {
            if let Some(time_base) = self.muxer.stream(position).map(|stream| stream.time_base()) {
                stream.time_base = time_base;
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
