//! What an output says about itself: metadata, chapters, programs, dispositions, as `open_output_file` of ffmpeg 5.1 sets them.

use std::collections::BTreeMap;

use crate::error::{Error, Kind};
use crate::libav::call::token;
use crate::libav::demuxer::Demuxer;
use crate::libav::error::AvError;
use crate::libav::option::Dictionary;
use crate::libav::rational::{MICROSECONDS, rescale};
use crate::libav::stream::{Chapter, Disposition};

use super::demux::Input;
use super::mux::Output;
use super::plan::{self, MetadataMap, MetadataSpec};
use super::specifier::{self, Streams};

/// Describes `output` after it was opened.
///
/// # Errors
/// A description names something that is not there.
pub fn describe(output: &mut Output, plan: &plan::Output, inputs: &[Input]) -> Result<(), Error> {
    let mut manual = Manual::default();
    for map in &plan.map_metadata {
        manual.note(map);
        if let Some(input) = map.file.and_then(|file| inputs.get(file)) {
            copy(output, map, &input.demuxer)?;
        }
    }
    let with_chapters = |input: &&Input| !input.demuxer.chapters().is_empty();
    let chapters_from = match plan.map_chapters {
        None => inputs.iter().find(with_chapters),
        Some(index) => usize::try_from(index).ok().and_then(|index| inputs.get(index)),
    };
    if let Some(input) = chapters_from {
        let chapters = chapters(input, output, !manual.chapters);
        output.muxer.set_chapters(chapters).map_err(|error| error.about("chapters"))?;
    }
    if let (false, Some(input)) = (manual.global, inputs.first()) {
        let mut metadata = output.muxer.metadata();
        add(&mut metadata, &input.demuxer.metadata())?;
        // Untrue of the copy.
        let untrue: &[&str] = &["creation_time", "company_name", "product_name", "product_version"];
        let length: &[&str] = if plan.duration.or(plan.stop).is_some() { &["duration"] } else { &[] };
        for key in untrue.iter().chain(length) {
            metadata.remove(key);
        }
        output.muxer.set_metadata(metadata);
    }
    if !manual.streams {
        for position in 0..output.streams.len() {
            let source = output.streams[position].source;
            let from = source.and_then(|source| inputs[source.file].demuxer.stream(source.stream));
            if let Some(from) = from.map(|stream| stream.metadata()) {
                let encoded = output.streams[position].encoding.is_some();
                change_stream(output, position, |metadata| {
                    add(metadata, &from)?;
                    // Untrue of another encoder's stream.
                    if encoded {
                        metadata.remove("encoder");
                    }
                    Ok(())
                })?;
            }
        }
    }
    for (index, text) in plan.program.iter().enumerate() {
        add_program(output, index, text)?;
    }
    for entry in &plan.metadata {
        set(output, entry)?;
    }
    dispositions(output, plan, inputs)
}

/// Which of the automatic copies a `-map_metadata` switches off.
#[derive(Default)]
struct Manual {
    global: bool,
    streams: bool,
    chapters: bool,
}

impl Manual {
    fn note(&mut self, map: &MetadataMap) {
        for side in [&map.to, &map.from] {
            match side {
                MetadataSpec::Global => self.global = true,
                MetadataSpec::Stream(_) => self.streams = true,
                MetadataSpec::Chapter(_) => self.chapters = true,
                MetadataSpec::Program(_) => {}
            }
        }
    }
}

fn add(to: &mut Dictionary, from: &Dictionary) -> Result<(), Error> {
    to.add_missing(from).map_err(|error| error.about("metadata"))
}

/// An empty value takes the key away.
fn put(metadata: &mut Dictionary, key: &str, value: &str) -> Result<(), Error> {
    if value.is_empty() {
        metadata.remove(key);
        return Ok(());
    }
    metadata.set(key, value).map_err(|error| error.about(key))
}

fn missing(kind: &str, index: usize, wanted_by: &str) -> Error {
    Error::new(Kind::Usage, format!("Invalid {kind} index {index} {wanted_by}."))
}

fn change_stream(
    output: &mut Output,
    position: usize,
    change: impl FnOnce(&mut Dictionary) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(mut stream) = output.muxer.stream_mut(position) else { return Ok(()) };
    let mut metadata = stream.metadata();
    let changed = change(&mut metadata);
    stream.set_metadata(metadata);
    changed
}

/// The positions of the output's streams that `specifier` names.
fn named(output: &Output, specifier: &str) -> Result<Vec<usize>, Error> {
    let mut positions = Vec::new();
    for position in 0..output.streams.len() {
        if let Some(stream) = output.muxer.stream(position)
            && output.muxer.names(stream, specifier)?
        {
            positions.push(position);
        }
    }
    Ok(positions)
}

/// One `-map_metadata`.
fn copy(output: &mut Output, map: &MetadataMap, from: &Demuxer) -> Result<(), Error> {
    const WANTED_BY: &str = "while processing metadata maps";
    let metadata = match &map.from {
        MetadataSpec::Global => from.metadata(),
        MetadataSpec::Chapter(index) => {
            let chapter = from.chapters().into_iter().nth(*index);
            chapter.ok_or_else(|| missing("chapter", *index, WANTED_BY))?.metadata
        }
        MetadataSpec::Program(index) => {
            let program = from.programs().into_iter().nth(*index);
            program.ok_or_else(|| missing("program", *index, WANTED_BY))?.metadata
        }
        MetadataSpec::Stream(specifier) => {
            let mut first = None;
            for stream in from.streams() {
                if first.is_none() && from.names(stream, specifier)? {
                    first = Some(stream.metadata());
                }
            }
            first.ok_or_else(|| Error::new(Kind::Usage, format!("Stream specifier {specifier} does not match any streams.")))?
        }
    };
    let mut result = Ok(());
    match &map.to {
        MetadataSpec::Global => {
            let mut own = output.muxer.metadata();
            add(&mut own, &metadata)?;
            output.muxer.set_metadata(own);
        }
        MetadataSpec::Stream(specifier) => {
            for position in named(output, specifier)? {
                change_stream(output, position, |own| add(own, &metadata))?;
            }
        }
        MetadataSpec::Chapter(index) => {
            if !output.muxer.change_chapter_metadata(*index, |own| result = add(own, &metadata)) {
                return Err(missing("chapter", *index, WANTED_BY));
            }
        }
        MetadataSpec::Program(index) => {
            if !output.muxer.change_program_metadata(*index, |own| result = add(own, &metadata)) {
                return Err(missing("program", *index, WANTED_BY));
            }
        }
    }
    result
}

/// One `-metadata`.
fn set(output: &mut Output, entry: &plan::Metadata) -> Result<(), Error> {
    const WANTED_BY: &str = "in metadata specifier";
    let (key, value) = (&entry.key, &entry.value);
    let mut result = Ok(());
    match &entry.to {
        MetadataSpec::Global => {
            let mut own = output.muxer.metadata();
            put(&mut own, key, value)?;
            output.muxer.set_metadata(own);
        }
        MetadataSpec::Stream(specifier) => {
            for position in named(output, specifier)? {
                match value.parse() {
                    // Once a tag, now side data of the stream.
                    Ok(degrees) if key == "rotate" => output.rotate(position, degrees),
                    _ if key == "rotate" => {}
                    _ => change_stream(output, position, |own| put(own, key, value))?,
                }
            }
        }
        MetadataSpec::Chapter(index) => {
            if !output.muxer.change_chapter_metadata(*index, |own| result = put(own, key, value)) {
                return Err(missing("chapter", *index, WANTED_BY));
            }
        }
        MetadataSpec::Program(index) => {
            if !output.muxer.change_program_metadata(*index, |own| result = put(own, key, value)) {
                return Err(missing("program", *index, WANTED_BY));
            }
        }
    }
    result
}

/// The chapters of `input` that lie in the output's time, moved to its time line (`copy_chapters`).
fn chapters(input: &Input, output: &Output, with_metadata: bool) -> Vec<Chapter> {
    let mut chapters = Vec::new();
    for mut chapter in input.demuxer.chapters() {
        let to_chapter = |micros| rescale(micros, MICROSECONDS, chapter.time_base);
        let offset = to_chapter(output.start.unwrap_or(0) - input.ts_offset);
        let length = output.duration.map(to_chapter);
        if chapter.end < offset {
            continue;
        }
        if length.is_some_and(|length| chapter.start > length + offset) {
            break;
        }
        chapter.start = (chapter.start - offset).max(0);
        chapter.end -= offset;
        if let Some(length) = length {
            chapter.end = chapter.end.min(length);
        }
        if !with_metadata {
            chapter.metadata = Dictionary::new();
        }
        chapters.push(chapter);
    }
    chapters
}

/// One `-program title=One:program_num=7:st=0:st=1`.
fn add_program(output: &mut Output, index: usize, text: &str) -> Result<(), Error> {
    let mut id = i32::try_from(index + 1).unwrap_or(i32::MAX);
    let mut metadata = Dictionary::new();
    let mut streams = Vec::new();
    let mut rest = text.to_owned();
    while !rest.is_empty() {
        let (entry, after) = token(&rest, ":");
        rest = after.strip_prefix(':').unwrap_or(&after).to_owned();
        let (key, value) = token(&entry, "=");
        let Some(value) = value.strip_prefix('=') else {
            return Err(Error::new(Kind::Usage, format!("No '=' character in program string {entry}.")));
        };
        let number = || value.parse().map_err(|_| Error::new(Kind::Usage, format!("{key} in -program {text} is not a number")));
        match key.as_str() {
            "title" => metadata.set("title", value).map_err(|error| error.about(text))?,
            "program_num" => id = number()?,
            "st" => streams.push(usize::try_from(number()?).unwrap_or(usize::MAX)),
            key => return Err(Error::new(Kind::Usage, format!("Unknown program key {key}."))),
        }
    }
    output.muxer.add_program(id, metadata, &streams).map_err(|error| error.about(text))
}

/// The inputs' dispositions, then `-disposition`; without one the first stream of a kind that has several, and none that is
/// the default, becomes it (`set_dispositions`).
fn dispositions(output: &mut Output, plan: &plan::Output, inputs: &[Input]) -> Result<(), Error> {
    let mut given = Vec::new();
    let (mut counts, mut has_default) = (BTreeMap::new(), BTreeMap::new());
    for (position, stream) in output.streams.iter().enumerate() {
        let from = stream.source.and_then(|source| inputs[source.file].demuxer.stream(source.stream));
        let disposition = from.map_or_else(Disposition::default, |stream| stream.disposition());
        let kind = stream.media_type.name();
        *counts.entry(kind).or_insert(0) += 1;
        *has_default.entry(kind).or_insert(false) |= disposition.contains(Disposition::DEFAULT);
        let Some(raw) = output.muxer.stream(position) else { continue };
        given.push(specifier::value(&["disposition"], &plan.disposition, &output.muxer, raw)?);
        if let Some(mut raw) = output.muxer.stream_mut(position) {
            raw.set_disposition(disposition);
        }
    }
    let any_given = given.iter().any(Option::is_some);
    for (position, given) in given.into_iter().enumerate() {
        let kind = output.streams[position].media_type.name();
        let Some(mut stream) = output.muxer.stream_mut(position) else { continue };
        let disposition = stream.disposition();
        if let Some(text) = given {
            let changed = disposition.evaluate(text).map_err(|error: AvError| {
                let text = format!("Error setting output stream dispositions: {text}: {error}");
                Error::new(Kind::Usage, text).with_source(error)
            })?;
            stream.set_disposition(changed);
        } else if !any_given
            && counts.get(kind) >= Some(&2)
            && has_default.get(kind) == Some(&false)
            && !disposition.contains(Disposition::ATTACHED_PICTURE)
        {
            stream.set_disposition(disposition.with(Disposition::DEFAULT));
            has_default.insert(kind, true);
        }
    }
    Ok(())
}
