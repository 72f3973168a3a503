//! What is in a file, without running a job: format, programs, chapters, streams and packets, in ffprobe's vocabulary.

mod selection;

use std::time::Duration;

use crate::error::{Error, Kind};
use crate::libav::demuxer::{Demuxer, Opening};
use crate::libav::describe::{CHAPTERS, Describer, FORMAT, Hash, Label, PACKETS, PROGRAMS, STREAMS, Section};
use crate::libav::error::AvError;
use crate::libav::format::InputFormat;
use crate::libav::io::Access;
use crate::libav::option::{Dictionary, Lookup};
use crate::libav::packet::Packet;
use crate::pipeline::plan::Input;
use crate::redact;
use crate::shutdown::Shutdown;

pub use self::selection::Selection;

/// Takes a description piece by piece: packets come as they are read.
pub trait Sink {
    /// A list begins.
    ///
    /// # Errors
    /// Of the output.
    fn begin(&mut self, list: Label) -> std::io::Result<()>;
    /// A section, in a list or alone.
    ///
    /// # Errors
    /// Of the output.
    fn section(&mut self, section: &Section) -> std::io::Result<()>;
    /// The list ends.
    ///
    /// # Errors
    /// Of the output.
    fn end(&mut self) -> std::io::Result<()>;
}

/// What to look for in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probe {
    /// The file and its options.
    pub input: Input,
    /// A stream specifier; `None` = every stream.
    pub streams: Option<String>,
    /// The hash of libavutil that payloads are shown as: `md5`, `sha256`, …
    pub hash: Option<String>,
    /// The sections and fields that are wanted.
    pub selection: Selection,
}

impl Probe {
    /// Opens the file and tells `sink` what is wanted, in ffprobe's order: packets as they are read, programs, streams,
    /// chapters, the format. Blocks. The description for people goes to the log, as ffprobe's does.
    ///
    /// # Errors
    /// The file cannot be opened or read, no such hash, a malformed stream specifier, or `sink` fails. What could be read has
    /// been told by then; `-show_error`'s section too.
    pub fn run(&self, access: Access, stop: Shutdown, sink: &mut dyn Sink) -> Result<(), Error> {
        let result = self.describe(access, stop, sink);
        if let Err(error) = &result
            && self.selection.shows(ERROR)
        {
            let mut section = Section::new(ERROR);
            match std::error::Error::source(error).and_then(|source| source.downcast_ref::<AvError>()) {
                Some(error) => {
                    section.integer("code", error.0);
                    section.text("string", error.to_string());
                }
                None => section.text("string", error.to_string()),
            }
            sink.section(&section).map_err(unwritten)?;
        }
        result
    }

    fn describe(&self, access: Access, stop: Shutdown, sink: &mut dyn Sink) -> Result<(), Error> {
        let hash = self.hash.as_deref().map(|name| {
            Hash::new(name).map_err(|_| {
                Error::new(Kind::Usage, format!("Unknown hash algorithm '{name}'")).with_hint(format!("known: {}", Hash::names()))
            })
        });
        let hash = hash.transpose()?;
        let mut demuxer = self.open(access, stop.clone())?;
        let selected = (0..demuxer.stream_count())
            .map(|index| match (demuxer.stream(index), &self.streams) {
                (Some(stream), Some(specifier)) => demuxer.matches(stream, specifier),
                (stream, _) => Ok(stream.is_some()),
            })
            .collect::<Result<Vec<bool>, AvError>>()
            .map_err(|error| error.about(self.streams.as_deref().unwrap_or_default()))?;
        let is_selected = |index: usize| selected.get(index) == Some(&true);
        let mut describer = Describer::new(&demuxer, hash);

        let mut read = Ok(());
        if self.selection.shows(PACKETS) {
            sink.begin(PACKETS).map_err(unwritten)?;
            let mut packet = Packet::new();
            loop {
                match demuxer.read(&mut packet) {
                    Ok(true) if is_selected(packet.stream()) => {
                        if let Some(section) = describer.packet(&demuxer, &packet) {
                            sink.section(&section).map_err(unwritten)?;
                        }
                    }
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) if error.is_again() && !stop.is_requested() => std::thread::sleep(NOTHING_YET),
                    Err(error) => {
                        read = Err(error.about(&self.input.url));
                        break;
                    }
                }
            }
            sink.end().map_err(unwritten)?;
            // libavformat takes some failures for the end of the file.
            if let Some(failure) = demuxer.take_failure() {
                read = Err(failure);
            }
        }
        if self.selection.shows(PROGRAMS) {
            sink.begin(PROGRAMS).map_err(unwritten)?;
            for (mut program, streams) in describer.programs(&demuxer) {
                let mut list = Section::new(STREAMS.unique("program_streams"));
                for index in streams.into_iter().filter(|index| is_selected(*index)) {
                    describer.stream(&demuxer, index, true).into_iter().for_each(|stream| list.nest(stream));
                }
                program.nest(list);
                sink.section(&program).map_err(unwritten)?;
            }
            sink.end().map_err(unwritten)?;
        }
        if self.selection.shows(STREAMS) {
            sink.begin(STREAMS).map_err(unwritten)?;
            for index in (0..selected.len()).filter(|index| is_selected(*index)) {
                if let Some(stream) = describer.stream(&demuxer, index, false) {
                    sink.section(&stream).map_err(unwritten)?;
                }
            }
            sink.end().map_err(unwritten)?;
        }
        if self.selection.shows(CHAPTERS) {
            sink.begin(CHAPTERS).map_err(unwritten)?;
            describer.chapters(&demuxer).iter().try_for_each(|chapter| sink.section(chapter)).map_err(unwritten)?;
            sink.end().map_err(unwritten)?;
        }
        if self.selection.shows(FORMAT) {
            sink.section(&describer.format(&demuxer)).map_err(unwritten)?;
        }
        read
    }

    /// Opens the input and reads on until its streams are known.
    pub(super) fn open(&self, access: Access, stop: Shutdown) -> Result<Demuxer, Error> {
        let Input { url, format, options, bitexact, no_find_stream_info, .. } = &self.input;
        let is_for_format = |name: &str| Lookup.find(name).is_some_and(|found| found.format);
        let (for_format, for_codecs): (Vec<_>, Vec<_>) = options.iter().partition(|(name, _)| is_for_format(name));
        let mut for_format: Dictionary = for_format.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // Programs may begin after the first one's table; ffprobe looks for them all.
        let all_programs = for_format.get("scan_all_pmts").is_none();
        if all_programs {
            for_format.set("scan_all_pmts", "1").map_err(|error| error.about(url))?;
        }
        let format = format.as_deref().map(InputFormat::by_name).transpose()?;
        let opening = Opening { format, bitexact: *bitexact, ..Opening::default() };
        let mut demuxer = Demuxer::open(url, &opening, &mut for_format, access, stop)?;
        if all_programs {
            for_format.remove("scan_all_pmts");
        }
        if let Some((name, _)) = for_format.pairs().first() {
            return Err(Error::new(Kind::Usage, format!("Option {name} not found.")));
        }
        if !no_find_stream_info {
            let codec_options = demuxer
                .streams()
                .map(|stream| {
                    let mut dictionary = Dictionary::new();
                    for (name, value) in &for_codecs {
                        let (name, specifier) = name.split_once(':').unwrap_or((name, ""));
                        if demuxer.matches(stream, specifier)? {
                            dictionary.set(name, value)?;
                        }
                    }
                    Ok(dictionary)
                })
                .collect::<Result<Vec<Dictionary>, AvError>>()
                .map_err(|error| error.about(url))?;
            let found = demuxer.find_stream_info(codec_options);
            found.map_err(|error| demuxer.take_failure().unwrap_or_else(|| error.about(url)))?;
        }
        demuxer.dump(0, &redact::url(url));
        Ok(demuxer)
    }
}

/// How long to wait before asking a demuxer again that has nothing yet.
const NOTHING_YET: Duration = Duration::from_millis(10);

/// The section of `-show_error`.
pub const ERROR: Label = Label::record("error");

/// The output could not be written.
pub fn unwritten(error: std::io::Error) -> Error {
    Error::new(Kind::File, format!("the description could not be written: {error}")).with_source(error)
}
