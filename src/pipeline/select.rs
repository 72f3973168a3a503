//! Which streams go into an output: `-map`, or ffmpeg's choice where there is none.

use crate::error::{Error, Kind};
use crate::libav::codec::{CodecId, MediaType};
use crate::libav::format::OutputFormat;
use crate::libav::log::{self, level};
use crate::libav::stream::{Discard, Disposition, Stream};

use super::demux::Input;
use super::filter::Graph;
use super::plan::{Disable, Global, Map, Output};
use super::specifier::Streams;

/// A stream of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The input.
    pub file: usize,
    /// Its stream.
    pub stream: usize,
}

/// Where an output stream comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A stream of an input.
    Stream(Source),
    /// An output of a filtergraph: (graph, output).
    Graph(usize, usize),
}

/// The streams for `output`, in order: first the outputs of graphs that have no label, if no output has taken them before.
///
/// # Errors
/// A map that matches nothing, or something that cannot be mapped.
pub fn select(
    output: &Output,
    format: OutputFormat,
    global: &Global,
    inputs: &[Input],
    graphs: &[Graph],
) -> Result<Vec<Origin>, Error> {
    let mut origins = Vec::new();
    let mut disable = output.disable;
    for (index, graph) in graphs.iter().enumerate().filter(|(_, graph)| !graph.is_simple) {
        for (number, free) in graph.outputs.iter().enumerate().filter(|(_, free)| free.target.is_none() && free.label.is_none()) {
            match free.kind {
                MediaType::Video => disable.video = true,
                MediaType::Audio => disable.audio = true,
                _ => return Err(Error::new(Kind::Usage, "Only video and audio filters are supported currently.")),
            }
            origins.push(Origin::Graph(index, number));
        }
    }
    if output.maps.is_empty() {
        origins.extend(choose(output, disable, format, inputs).into_iter().map(Origin::Stream));
        return Ok(origins);
    }
    for origin in mapped(&output.maps, inputs, graphs)? {
        if let Origin::Stream(source) = origin {
            let kind = stream(inputs, source).media_type();
            if is_disabled(disable, kind) || (kind == MediaType::Unknown && !takes_unknown(source, global)?) {
                continue;
            }
        }
        origins.push(origin);
    }
    Ok(origins)
}

fn stream(inputs: &[Input], source: Source) -> Stream<'_> {
    // Sources are made from the streams that there are, and an input never loses one.
    inputs[source.file].demuxer.stream(source.stream).expect("a source names a stream of its input")
}

/// `opt_map`, map by map.
fn mapped(maps: &[Map], inputs: &[Input], graphs: &[Graph]) -> Result<Vec<Origin>, Error> {
    let mut sources: Vec<Origin> = Vec::new();
    // ffmpeg finds fault with a negative map only where nothing at all was mapped before it.
    let mut ever_mapped = false;
    for map in maps {
        let (negative, file, specifier, optional) = match map {
            Map::Stream { negative, file, specifier, optional } => (*negative, *file, specifier, *optional),
            Map::Label(label) => {
                let origin = labelled(label, graphs, &sources)?;
                ever_mapped = true;
                sources.push(origin);
                continue;
            }
        };
        let text = if specifier.is_empty() { file.to_string() } else { format!("{file}:{specifier}") };
        let input = inputs.get(file).ok_or_else(|| Error::new(Kind::Usage, format!("Invalid input file index: {file}.")))?;
        let mut matched = negative && ever_mapped;
        if negative {
            let mut kept = Vec::new();
            for origin in sources {
                let removed = match origin {
                    Origin::Stream(source) => source.file == file && input.demuxer.names(stream(inputs, source), specifier)?,
                    Origin::Graph(..) => false,
                };
                if !removed {
                    kept.push(origin);
                }
            }
            sources = kept;
        } else {
            let mut disabled = false;
            for (index, candidate) in input.streams.iter().enumerate() {
                let source = Source { file, stream: index };
                if !input.demuxer.names(stream(inputs, source), specifier)? {
                    continue;
                }
                if candidate.user_discard == Discard::ALL {
                    disabled = true;
                } else {
                    matched = true;
                    ever_mapped = true;
                    sources.push(Origin::Stream(source));
                }
            }
            if !matched && !optional && disabled {
                return Err(unmatched(format!("Stream map '{text}' matches disabled streams.")));
            }
        }
        if !matched && !optional {
            return Err(unmatched(format!("Stream map '{text}' matches no streams.")));
        }
        if !matched {
            log::write(level::VERBOSE, &format!("Stream map '{text}' matches no streams; ignoring.\n"));
        }
    }
    Ok(sources)
}

/// The graph output of this label that nobody has taken.
fn labelled(label: &str, graphs: &[Graph], taken: &[Origin]) -> Result<Origin, Error> {
    let outputs = graphs.iter().enumerate().flat_map(|(index, graph)| {
        graph.outputs.iter().enumerate().map(move |(number, output)| (Origin::Graph(index, number), output))
    });
    let mut free = outputs
        .filter(|(origin, output)| output.target.is_none() && output.label.as_deref() == Some(label) && !taken.contains(origin));
    free.next().map(|(origin, _)| origin).ok_or_else(|| {
        let text =
            format!("Output with label '{label}' does not exist in any defined filter graph, or was already used elsewhere.");
        Error::new(Kind::Usage, text)
    })
}

fn unmatched(text: String) -> Error {
    Error::new(Kind::Usage, text).with_hint("To ignore this, add a trailing '?' to the map.")
}

fn is_disabled(disable: Disable, kind: MediaType) -> bool {
    match kind {
        MediaType::Video => disable.video,
        MediaType::Audio => disable.audio,
        MediaType::Subtitle => disable.subtitle,
        MediaType::Data => disable.data,
        MediaType::Attachment | MediaType::Unknown => false,
    }
}

fn takes_unknown(source: Source, global: &Global) -> Result<bool, Error> {
    if global.copy_unknown {
        return Ok(true);
    }
    let text = format!("Cannot map stream #{}:{} - unsupported type.", source.file, source.stream);
    if global.ignore_unknown {
        log::write(level::WARNING, &format!("{text}\n"));
        return Ok(false);
    }
    Err(Error::new(Kind::Usage, text).with_hint("-ignore_unknown leaves such streams out, -copy_unknown copies them"))
}

/// The best stream of each kind that the container takes.
fn choose(output: &Output, disable: Disable, format: OutputFormat, inputs: &[Input]) -> Vec<Source> {
    let takes = |kind| format.default_codec(&output.url, kind) != CodecId::NONE;
    let Disable { video, audio, subtitle, data } = disable;
    let mut sources = Vec::new();
    if !video && takes(MediaType::Video) {
        sources.extend(best_video(inputs, format.takes_pictures_only()));
    }
    if !audio && takes(MediaType::Audio) {
        sources.extend(best_audio(inputs));
    }
    if !subtitle {
        let named = output.codec.iter().any(|(specifier, _)| specifier == "s");
        sources.extend(first_subtitle(inputs, format, named));
    }
    if !data {
        let codec = format.default_codec(&output.url, MediaType::Data);
        let fits = |stream: &Stream<'_>| codec != CodecId::NONE && stream.codec() == codec;
        sources.extend(candidates(inputs, MediaType::Data).filter(|(_, stream)| fits(stream)).map(|(source, _)| source));
    }
    sources
}

/// The streams of a kind that the user has not disabled, of all inputs in order.
fn candidates(inputs: &[Input], kind: MediaType) -> impl Iterator<Item = (Source, Stream<'_>)> {
    let all = inputs.iter().enumerate().flat_map(|(file, input)| {
        let streams = input.demuxer.streams().zip(&input.streams).enumerate();
        streams.map(move |(index, (stream, own))| (Source { file, stream: index }, stream, own))
    });
    all.filter(move |(_, stream, own)| stream.media_type() == kind && own.user_discard != Discard::ALL)
        .map(|(source, stream, _)| (source, stream))
}

const HAS_PACKETS: i64 = 100_000_000;
const IS_DEFAULT: i64 = 5_000_000;

fn base_score(stream: Stream<'_>) -> i64 {
    HAS_PACKETS * i64::from(stream.has_packets()) + IS_DEFAULT * i64::from(stream.disposition().contains(Disposition::DEFAULT))
}

/// The best of each input, then the best of those, the default disposition no longer counting between inputs.
fn best(
    inputs: &[Input],
    kind: MediaType,
    score: impl Fn(Stream<'_>) -> Option<i64>,
    keeps_default: impl Fn(usize) -> bool,
) -> Option<Source> {
    let mut best: Option<(i64, Source)> = None;
    for file in 0..inputs.len() {
        let mut of_file: Option<(i64, Source)> = None;
        for (source, stream) in candidates(inputs, kind).filter(|(source, _)| source.file == file) {
            if let Some(score) = score(stream).filter(|score| *score > of_file.map_or(0, |(best, _)| best)) {
                of_file = Some((score, source));
            }
        }
        let Some((mut score, source)) = of_file else { continue };
        if !keeps_default(file) && stream(inputs, source).disposition().contains(Disposition::DEFAULT) {
            score -= IS_DEFAULT;
        }
        if score > best.map_or(0, |(best, _)| best) {
            best = Some((score, source));
        }
    }
    best.map(|(_, source)| source)
}

/// Highest resolution. Cover pictures count least, and are all that counts for a container that takes nothing else.
fn best_video(inputs: &[Input], pictures_only: bool) -> Option<Source> {
    let is_picture = |stream: Stream<'_>| stream.disposition().contains(Disposition::ATTACHED_PICTURE);
    let score = |stream: Stream<'_>| {
        let (width, height) = stream.dimensions();
        match (is_picture(stream), pictures_only) {
            (true, false) => Some(1),
            (false, true) => None,
            _ => Some(i64::from(width) * i64::from(height) + base_score(stream)),
        }
    };
    // As in ffmpeg, it is the input's last stream that decides here.
    let last_is_picture = |file: usize| inputs[file].demuxer.streams().last().is_some_and(is_picture);
    best(inputs, MediaType::Video, score, |file| !pictures_only && last_is_picture(file))
}

/// Most channels.
fn best_audio(inputs: &[Input]) -> Option<Source> {
    best(inputs, MediaType::Audio, |stream| Some(i64::from(stream.channels()) + base_score(stream)), |_| false)
}

/// The first of the kind, text or pictures, that the container's own subtitle encoder makes; any if a codec is named.
fn first_subtitle(inputs: &[Input], format: OutputFormat, named: bool) -> Option<Source> {
    let encoder = Some(format.subtitle_codec()).filter(|codec| codec.has_encoder());
    if encoder.is_none() && !named {
        return None;
    }
    let wanted = encoder.and_then(CodecId::subtitle_kind);
    let fits = |stream: Stream<'_>| match (stream.codec().subtitle_kind(), wanted) {
        _ if named => true,
        (Some(has), Some(wants)) => (has.text && wants.text) || (has.bitmap && wants.bitmap) || has.unmarked || wants.unmarked,
        _ => false,
    };
    candidates(inputs, MediaType::Subtitle).find(|(_, stream)| fits(*stream)).map(|(source, _)| source)
}
