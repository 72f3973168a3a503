//! A new stream of an output, copied or encoded: `new_output_stream`, `choose_encoder` and `init_output_filter` of ffmpeg 5.1.

use std::collections::VecDeque;

use crate::error::{Error, Kind};
use crate::libav::bsf::BitstreamFilter;
use crate::libav::codec::{Codec, MediaType};
use crate::libav::copy::StreamCopy;
use crate::libav::error::AvError;
use crate::libav::log::{self, level};
use crate::libav::option::CodecSide;
use crate::libav::rational::{MICROSECONDS, Rational};
use crate::pipeline::demux::Input;
use crate::pipeline::encode::{self, Encoding};
use crate::pipeline::filter::{Graph, GraphInput, GraphOutput};
use crate::pipeline::option::Options;
use crate::pipeline::plan::{self, Global};
use crate::pipeline::select::Origin;
use crate::pipeline::specifier;
use crate::pipeline::write::Filter;

use super::{Output, OutputStream, Queue, codec_tag, invalid};

/// What a new stream of an output goes by.
pub struct Under<'a> {
    /// The options of the output.
    pub plan: &'a plan::Output,
    /// The options of the job.
    pub global: &'a Global,
    /// Its AVOptions, sorted.
    pub options: &'a Options,
    /// The inputs.
    pub inputs: &'a mut [Input],
    /// The graphs, to which simple ones are added.
    pub graphs: &'a mut Vec<Graph>,
    /// How many streams stand before the output's first one.
    pub number: usize,
}

impl Output {
    /// Adds a stream from `origin`; without one it is a file that is attached.
    ///
    /// # Errors
    /// An option cannot be read, or there is no such encoder.
    pub fn add_stream(&mut self, under: &mut Under<'_>, origin: Option<Origin>, media_type: MediaType) -> Result<(), Error> {
        let plan = under.plan;
        let position = self.streams.len();
        let mut new = self.muxer.add_stream().map_err(|error| error.about(&plan.url))?;
        new.set_media_type(media_type);
        if let Some((_, id)) = plan.stream_id.iter().rev().find(|(index, _)| *index == position) {
            new.set_id(*id);
        }
        let source = match origin {
            Some(Origin::Stream(source)) => Some(source),
            _ => None,
        };
        let coded = matches!(media_type, MediaType::Video | MediaType::Audio | MediaType::Subtitle);
        let codec = if coded && origin.is_some() { self.choose_encoder(under, position, media_type)? } else { None };
        let (encoding, copy) = match codec {
            Some(codec) => (Some(self.encoding(under, origin, position, codec)?), StreamCopy::default()),
            None => (None, self.copying(under, origin, position)?),
        };
        let muxer = &self.muxer;
        let stream = muxer.stream(position).ok_or_else(|| AvError::from_errno(libc::ENOMEM).about(&plan.url))?;
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
        if media_type != MediaType::Video && plan.frames.iter().any(|(specifier, _)| specifier.is_empty()) {
            log::write(level::WARNING, "Applying unspecific -frames to non video streams, maybe you meant -vframes ?\n");
        }
        let prior = specifier::value(&["copypriorss"], &plan.copy_prior_start, muxer, stream)?;
        let nonkey = specifier::value(&["copyinkf"], &plan.copy_initial_nonkey, muxer, stream)?;
        let limit = specifier::value(&["max_muxing_queue_size"], &plan.max_muxing_queue_size, muxer, stream)?;
        let threshold = specifier::value(&["muxing_queue_data_threshold"], &plan.muxing_queue_data_threshold, muxer, stream)?;
        let filter = match specifier::value(&["bsf", "absf", "vbsf"], &plan.bsf, muxer, stream)? {
            Some(chain) if !chain.is_empty() => Some(BitstreamFilter::parse(chain).map_err(|error| {
                let text = format!("Error parsing bitstream filter sequence '{chain}': {error}");
                Error::new(Kind::Usage, text).with_source(error)
            })?),
            _ => None,
        };
        let tag = specifier::value(&["tag", "atag", "vtag", "stag"], &plan.tag, muxer, stream)?;
        if let Some(source) = source {
            let input = &mut under.inputs[source.file].streams[source.stream];
            input.used = true;
            input.encoded |= encoding.is_some();
        }
        self.streams.push(OutputStream {
            source,
            attachment: None,
            media_type,
            encoding: encoding.map(Box::new),
            mux_base: MICROSECONDS,
            time_base: MICROSECONDS,
            initialized: false,
            inputs_done: false,
            queue: Queue {
                packets: VecDeque::new(),
                bytes: 0,
                limit: limit.copied().unwrap_or(128),
                threshold: threshold.copied().unwrap_or(50 * 1024 * 1024),
            },
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
            copy,
        });
        if let (Some(tag), Some(mut stream)) = (tag, self.muxer.stream_mut(position)) {
            stream.set_codec_tag(codec_tag(tag));
        }
        if let (Some(base), Some(mut stream)) = (time_base, self.muxer.stream_mut(position)) {
            stream.set_time_base(base);
        }
        Ok(())
    }

    /// The encoder of a stream; `None` = it is copied (`choose_encoder`).
    fn choose_encoder(&mut self, under: &Under<'_>, position: usize, kind: MediaType) -> Result<Option<Codec>, Error> {
        let muxer = &self.muxer;
        let stream = muxer.stream(position).ok_or_else(|| AvError::from_errno(libc::ENOMEM).about(&under.plan.url))?;
        let names = ["c", "codec", "acodec", "vcodec", "scodec", "dcodec"];
        let codec = match specifier::value(&names, &under.plan.codec, muxer, stream)?.map(String::as_str) {
            Some("copy") => return Ok(None),
            Some(name) => {
                let codec = Codec::encoder_by_name(name);
                let codec = codec.ok_or_else(|| Error::new(Kind::Usage, format!("Unknown encoder '{name}'")))?;
                if codec.media_type() != kind && !under.global.recast_media {
                    return Err(Error::new(Kind::Usage, format!("Invalid encoder type '{name}'")));
                }
                codec
            }
            None => {
                let id = muxer.format().default_codec(&under.plan.url, kind);
                Codec::encoder(id).ok_or_else(|| {
                    let text = format!(
                        "Automatic encoder selection failed for output stream #{}:{position}. Default encoder for format {} \
                         (codec {}) is probably disabled. Please choose an encoder manually.",
                        self.index,
                        muxer.format().name(),
                        id.name()
                    );
                    Error::new(Kind::Usage, text)
                })?
            }
        };
        if let Some(mut stream) = self.muxer.stream_mut(position) {
            stream.set_codec(codec.id());
        }
        Ok(Some(codec))
    }

    /// The encoding of a stream, with the graph that its frames come from.
    fn encoding(
        &mut self,
        under: &mut Under<'_>,
        origin: Option<Origin>,
        position: usize,
        codec: Codec,
    ) -> Result<Encoding, Error> {
        let (plan, muxer) = (under.plan, &self.muxer);
        let stream = muxer.stream(position).ok_or_else(|| AvError::from_errno(libc::ENOMEM).about(&plan.url))?;
        let own = under.options.for_stream(muxer, stream, CodecSide::Encoding, Some(codec))?;
        let source = match origin {
            Some(Origin::Stream(source)) => Some(source),
            _ => None,
        };
        let number = under.number + position;
        let (inputs, global, file) = (&*under.inputs, under.global, self.index);
        let context = encode::Context { plan, global, muxer, stream, file, number, source, inputs };
        let (mut encoding, wanted, description) = Encoding::new(&context, codec, own)?;
        let trim = (self.start, self.duration);
        match origin {
            Some(Origin::Graph(graph, number)) => {
                let given = encoding.video.as_ref().is_some_and(|video| video.has_filters)
                    || (encoding.video.is_none() && description != "anull");
                if given {
                    let text = format!(
                        "Filtergraph '{description}' was specified through the -vf/-af/-filter option for output stream \
                         {file}:{position}, which is fed from a complex filtergraph."
                    );
                    let hint = "-vf/-af/-filter and -filter_complex cannot be used together for the same stream.";
                    return Err(Error::new(Kind::Usage, text).with_hint(hint));
                }
                let output = &mut under.graphs[graph].outputs[number];
                (output.target, output.wanted, output.trim) = (Some((file, position)), wanted, trim);
                encoding.graph = Some((graph, number));
            }
            Some(Origin::Stream(source)) if codec.media_type() != MediaType::Subtitle => {
                let index = under.graphs.len();
                let input = GraphInput::new(source, String::new(), &under.inputs[source.file], under.global);
                let target = Some((file, position));
                let kind = codec.media_type();
                let output = GraphOutput { kind, name: String::new(), label: None, target, wanted, trim };
                let mut graph = Graph::simple(index, input, output, description);
                graph.threads = under.global.filter_threads.clone().or_else(|| encoding.options.get("threads"));
                graph.scaler = encode::joined(&encode::scaler_options(plan));
                graph.resampler = encode::joined(&encode::resampler_options(plan, codec));
                under.graphs.push(graph);
                encoding.graph = Some((index, 0));
            }
            _ => {}
        }
        Ok(encoding)
    }

    /// What a copied stream takes over from its source.
    fn copying(&self, under: &Under<'_>, origin: Option<Origin>, position: usize) -> Result<StreamCopy, Error> {
        let (plan, muxer) = (under.plan, &self.muxer);
        let stream = muxer.stream(position).ok_or_else(|| AvError::from_errno(libc::ENOMEM).about(&plan.url))?;
        let (kind, name) = (stream.media_type(), stream.media_type().name());
        if let Some(Origin::Graph(..)) = origin {
            let text = format!(
                "Streamcopy requested for output stream {}:{position}, which is fed from a complex filtergraph.",
                self.index
            );
            return Err(Error::new(Kind::Usage, text).with_hint("Filtering and streamcopy cannot be used together."));
        }
        if matches!(kind, MediaType::Video | MediaType::Audio) {
            let filters = specifier::value(&["filter", "af", "vf"], &plan.filters, muxer, stream)?;
            let script = specifier::value(&["filter_script"], &plan.filter_scripts, muxer, stream)?;
            let what = if filters.is_some() { "Filtergraph" } else { "Filtergraph script" };
            if let Some(value) = filters.or(script) {
                let text = format!(
                    "{what} '{value}' was defined for {name} output stream {}:{position} but codec copy was selected.",
                    self.index
                );
                return Err(Error::new(Kind::Usage, text).with_hint("Filtering and streamcopy cannot be used together."));
            }
        }
        if kind == MediaType::Audio && under.global.volume != 256 {
            let text = "-acodec copy and -vol are incompatible (frames are not decoded)";
            return Err(Error::new(Kind::Usage, text));
        }
        let video = kind == MediaType::Video;
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
        let options = under.options.for_stream(muxer, stream, CodecSide::Encoding, None)?;
        Ok(StreamCopy { options, frame_rate: rate, aspect, ..StreamCopy::default() })
    }
}
