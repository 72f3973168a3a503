//! A filtergraph, from its description to the libavfilter graph that runs.

use std::collections::VecDeque;

use crate::error::{Error, Kind};
use crate::libav::codec::{Codec, MediaType, Parameters};
use crate::libav::filter::{self, OpenPad, Sink, Source};
use crate::libav::frame::{ChannelLayout, Frame, PixelFormat, SampleFormat};
use crate::libav::hw::Frames;
use crate::libav::rational::Rational;
use crate::libav::stream::Discard;
use crate::pipeline::demux::Input;
use crate::pipeline::plan::{Global, Micros};
use crate::pipeline::select;
use crate::pipeline::specifier::Streams;

/// A filtergraph.
pub struct Graph {
    /// Its position among the graphs.
    pub index: usize,
    /// As libavfilter reads it.
    pub description: String,
    /// Between one decoder and one encoder (`-vf`, `-af`, or nothing but conversions).
    pub is_simple: bool,
    /// `-filter_threads`, or the encoder's `threads`, of a simple graph.
    pub threads: Option<String>,
    /// Options for all scale filters of a simple graph.
    pub scaler: String,
    /// Options for all aresample filters of a simple graph.
    pub resampler: String,
    /// In the order of the description's open inputs.
    pub inputs: Vec<GraphInput>,
    /// In the order of the description's open outputs.
    pub outputs: Vec<GraphOutput>,
    /// Once the formats of all inputs are known.
    pub running: Option<Running>,
    /// It has run before: formats are kept.
    pub reconfigured: bool,
    /// No filter of it changes what the frames hold.
    pub is_metadata_only: bool,
}

/// The libavfilter graph of the moment.
pub struct Running {
    /// The graph.
    pub graph: filter::Graph,
    /// One for each input.
    pub sources: Vec<Source>,
    /// One for each output.
    pub sinks: Vec<Sink>,
}

/// What the frames of an input are.
#[derive(Clone, PartialEq)]
pub enum Format {
    /// Pictures.
    Video {
        /// Width and height.
        size: (i32, i32),
        /// How the pixels lie in memory.
        format: PixelFormat,
        /// Shape of one pixel.
        aspect: Rational,
    },
    /// Sound.
    Audio {
        /// How the samples lie in memory.
        format: SampleFormat,
        /// Samples per second.
        rate: i32,
        /// Channels.
        layout: ChannelLayout,
    },
}

impl Format {
    /// Of a frame.
    pub fn of(frame: &Frame) -> Option<Self> {
        if let Some(format) = frame.pixel_format() {
            return Some(Self::Video { size: frame.dimensions(), format, aspect: frame.sample_aspect_ratio() });
        }
        let format = frame.sample_format()?;
        Some(Self::Audio { format, rate: frame.sample_rate(), layout: frame.channel_layout() })
    }

    /// What the container says of frames that never came.
    pub fn announced(parameters: &Parameters) -> Option<Self> {
        if let Some(format) = parameters.pixel_format() {
            return Some(Self::Video { size: parameters.dimensions(), format, aspect: parameters.sample_aspect_ratio() });
        }
        let (format, layout) = (parameters.sample_format()?, parameters.channel_layout());
        Some(Self::Audio { format, rate: parameters.sample_rate(), layout })
    }

    /// Must a graph that was made for `self` be made anew for `other`? Another shape of the pixels is no reason.
    pub fn differs(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Video { size, format, .. }, Self::Video { size: other_size, format: other_format, .. }) => {
                (size, format) != (other_size, other_format)
            }
            (one, other) => one != other,
        }
    }
}

/// An input of a graph.
pub struct GraphInput {
    /// The stream whose decoded frames go in.
    pub source: select::Source,
    /// What that stream carries: subtitles are drawn for a graph of pictures.
    pub kind: MediaType,
    /// As the stream mapping shows it.
    pub name: String,
    /// Unit of the frames' times, if they are pictures.
    pub time_base: Rational,
    /// Pictures per second: `-r`, or what container and codec say.
    pub frame_rate: Rational,
    /// Turn pictures upright.
    pub autorotate: bool,
    /// How the container says that pictures are to be turned.
    pub stream_matrix: Option<[i32; 9]>,
    /// How the last frame said so.
    pub frame_matrix: Option<[i32; 9]>,
    /// A change of the frames' format makes the graph anew (`-reinit_filter`).
    pub reinit: bool,
    /// Where the input's `-ss` and `-t` cut: start, length.
    pub trim: (Option<Micros>, Option<Micros>),
    /// What the frames are, once known.
    pub format: Option<Format>,
    /// What the container says they are.
    pub announced: Option<Format>,
    /// The pool of device memory that they are in.
    pub hardware_frames: Option<Frames>,
    /// Frames that wait for the other inputs' formats.
    pub queue: VecDeque<Frame>,
    /// There will be no more.
    pub ended: bool,
}

/// An output of a graph.
pub struct GraphOutput {
    /// What it carries.
    pub kind: MediaType,
    /// As the stream mapping shows it.
    pub name: String,
    /// What stood in brackets.
    pub label: Option<String>,
    /// The output stream that takes it: (output, stream).
    pub target: Option<(usize, usize)>,
    /// What the encoder takes.
    pub wanted: Wanted,
    /// Where the output's `-ss` and `-t` cut: start, length.
    pub trim: (Option<Micros>, Option<Micros>),
}

/// What an encoder takes of a graph.
pub enum Wanted {
    /// Not decided yet.
    Nothing,
    /// Pictures.
    Video(Box<WantedVideo>),
    /// Sound.
    Audio(Box<WantedAudio>),
}

/// See [`Wanted::Video`].
pub struct WantedVideo {
    /// `-s`, and later what came out first; 0 = any.
    pub size: (i32, i32),
    /// `-autoscale`: scale to that size.
    pub autoscale: bool,
    /// Options of that scaler: `:key=value` for each.
    pub scaler: String,
    /// `-pix_fmt`, and later what came out first.
    pub format: Option<PixelFormat>,
    /// `-pix_fmt +`: no conversion is allowed.
    pub keep_format: bool,
    /// The encoder.
    pub codec: Codec,
    /// Only formats that a decoder may expect of the codec (`-strict` above unofficial).
    pub compliant: bool,
}

/// See [`Wanted::Audio`].
pub struct WantedAudio {
    /// Sample format: the one to be, else those of the encoder.
    pub formats: Option<Vec<SampleFormat>>,
    /// Sample rate, likewise.
    pub rates: Option<Vec<i32>>,
    /// Channel layout, likewise.
    pub layouts: Option<Vec<ChannelLayout>>,
    /// `-map_channel` as the arguments of pan.
    pub pan: Option<String>,
    /// `-apad` where it applies.
    pub pad: Option<String>,
}

impl Graph {
    /// A graph between one stream and one encoder.
    pub fn simple(index: usize, input: GraphInput, output: GraphOutput, description: String) -> Self {
        Self {
            index,
            description,
            is_simple: true,
            threads: None,
            scaler: String::new(),
            resampler: String::new(),
            inputs: vec![input],
            outputs: vec![output],
            running: None,
            reconfigured: false,
            is_metadata_only: false,
        }
    }

    /// A graph with inputs and outputs of its own (`init_complex_filtergraph`): its inputs are looked up among the streams, its
    /// outputs wait for the output files.
    ///
    /// # Errors
    /// libavfilter does not understand it, or an input names no stream.
    pub fn complex(index: usize, description: String, inputs: &mut [Input], global: &Global) -> Result<Self, Error> {
        let mut probe = filter::Graph::new()?;
        probe.set_threads(1);
        let failed = |error| Error::new(Kind::Usage, format!("Error initializing complex filters: {error}")).with_source(error);
        let (open_inputs, open_outputs) = probe.parse(&description).map_err(failed)?;
        let mut graph = Self {
            index,
            description,
            is_simple: false,
            threads: None,
            scaler: String::new(),
            resampler: String::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            running: None,
            reconfigured: false,
            is_metadata_only: false,
        };
        for pad in open_inputs {
            let source = named_stream(&pad, &graph.description, inputs)?;
            let stream = &mut inputs[source.file].streams[source.stream];
            stream.used = true;
            stream.filtered = true;
            let input = GraphInput::new(source, pad.description, &inputs[source.file], global);
            graph.inputs.push(input);
        }
        for pad in open_outputs {
            graph.outputs.push(GraphOutput {
                kind: pad.media_type,
                name: pad.description,
                label: pad.label,
                target: None,
                wanted: Wanted::Nothing,
                trim: (None, None),
            });
        }
        Ok(graph)
    }

    /// Are the formats of all inputs known? Subtitles have none.
    pub fn knows_its_inputs(&self) -> bool {
        self.inputs.iter().all(|input| input.format.is_some() || input.kind == MediaType::Subtitle)
    }
}

/// The stream that an open input of a description names, or the first one that nobody uses (`init_input_filter`).
fn named_stream(pad: &OpenPad, description: &str, inputs: &[Input]) -> Result<select::Source, Error> {
    let error = |text: String| Error::new(Kind::Usage, text);
    if !matches!(pad.media_type, MediaType::Video | MediaType::Audio) {
        return Err(error("Only video and audio filters supported currently.".to_owned()));
    }
    let Some(label) = &pad.label else {
        let streams = inputs.iter().enumerate().flat_map(|(file, input)| {
            input.streams.iter().enumerate().map(move |(stream, own)| (select::Source { file, stream }, own))
        });
        let free = streams.filter(|(_, own)| own.user_discard != Discard::ALL && !own.used);
        let mut fitting = free.filter(|(_, own)| own.facts.media_type == pad.media_type);
        return fitting.next().map(|(source, _)| source).ok_or_else(|| {
            let text = format!("Cannot find a matching stream for unlabeled input pad {} on filter {}", pad.pad, pad.filter_name);
            error(text)
        });
    };
    let digits = label.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(label.len());
    let (file, rest) = label.split_at(digits);
    let file: i64 = if file.is_empty() { 0 } else { file.parse().unwrap_or(i64::MAX) };
    let found = usize::try_from(file).ok().and_then(|file| Some((file, inputs.get(file)?)));
    let Some((file, input)) = found.filter(|_| !label.starts_with('-')) else {
        return Err(error(format!("Invalid file index {file} in filtergraph description {description}.")));
    };
    let specifier = rest.strip_prefix(':').unwrap_or(rest);
    for (index, stream) in input.demuxer.streams().enumerate().take(input.streams.len()) {
        let kind = stream.media_type();
        let fits = kind == pad.media_type || (kind == MediaType::Subtitle && pad.media_type == MediaType::Video);
        if !fits || !input.demuxer.names(stream, specifier)? {
            continue;
        }
        if input.streams[index].user_discard == Discard::ALL {
            let text =
                format!("Stream specifier '{rest}' in filtergraph description {description} matches a disabled input stream.");
            return Err(error(text));
        }
        return Ok(select::Source { file, stream: index });
    }
    Err(error(format!("Stream specifier '{rest}' in filtergraph description {description} matches no streams.")))
}

impl GraphInput {
    /// The input of a graph that takes a stream of `input`.
    pub fn new(source: select::Source, name: String, input: &Input, global: &Global) -> Self {
        let stream = &input.streams[source.stream];
        let facts = &stream.facts;
        let mut offset = 0;
        if global.copy_ts {
            let file_start = if global.start_at_zero { 0 } else { input.demuxer.start_time().unwrap_or(0) };
            offset = input.start.unwrap_or(0) + file_start;
        }
        Self {
            source,
            kind: facts.media_type,
            name,
            time_base: facts.forced_rate.map_or(facts.time_base, Rational::inverse),
            frame_rate: facts.forced_rate.unwrap_or_else(|| input.demuxer.guess_frame_rate(source.stream)),
            autorotate: stream.decoding.autorotate,
            stream_matrix: stream.side_data.iter().find_map(|side_data| side_data.display_matrix()),
            frame_matrix: None,
            reinit: stream.decoding.reinit_filter,
            trim: (input.start.filter(|_| input.accurate_seek).map(|_| offset), input.duration),
            format: None,
            announced: Format::announced(&stream.parameters),
            hardware_frames: None,
            queue: VecDeque::new(),
            ended: false,
        }
    }
}
