//! From open files to a running job: decoders are opened, and everyone is told who works for whom. `transcode_init` of ffmpeg
//! 5.1.

use crate::error::Error;
use crate::libav::codec::MediaType;
use crate::libav::hw::Devices;
use crate::libav::packet::Packet;

use super::bench::Bench;
use super::decode::Decoding;
use super::demux::Input;
use super::encode::{Order, StatsFile};
use super::filter::Graph;
use super::ingest::Opener;
use super::keys::Asked;
use super::mux::{Output, OutputStream};
use super::plan::Plan;
use super::scheduler::Job;
use super::source::Source;
use super::sync::Counts;
use super::transcode::DecodeCounts;
use super::{Control, Ended, Observer, Outcome, Standing, summary};

/// Everything that a job works with once its files are open.
pub struct Prepared {
    /// The inputs, not read yet.
    pub inputs: Vec<Input>,
    /// The outputs, not written yet.
    pub outputs: Vec<Output>,
    /// The graphs, complex ones first.
    pub graphs: Vec<Graph>,
    /// The hardware devices.
    pub devices: Devices,
}

/// Transcodes and copies until the end.
pub fn run(plan: &Plan, control: &Control, observer: &dyn Observer, opener: &Opener<'_, '_>, prepared: Prepared) -> Outcome {
    let Prepared { mut inputs, outputs, graphs, devices } = prepared;
    let concurrent =
        !(plan.global.benchmark_all || plan.global.debug_timestamps) && is_order_fixed(&outputs, &graphs, inputs.len());
    let now = control.clock.now();
    let mut job = Job {
        global: &plan.global,
        control,
        observer,
        sources: Vec::new(),
        outputs,
        graphs,
        devices,
        concurrent,
        order: Order::default(),
        counts: Counts::new(plan.global.dts_error_threshold),
        decoded: DecodeCounts::default(),
        stats_file: plan.global.vstats_file.clone().map(|path| StatsFile::new(path, plan.global.vstats_version)),
        began: now,
        reported: None,
        asked: Asked::default(),
        copy_ts_origin: None,
        quantizers: [0; 52],
        copy: Packet::new(),
        error: None,
        goes_on_in_new_files: plan.outputs.iter().all(|output| output.new_file_on_change),
        changed: false,
    };
    let decoders = open_decoders(&mut inputs, &mut job.devices).unwrap_or_else(|error| {
        job.fail(error);
        Vec::new()
    });
    if job.error.is_none()
        && let Err(error) = job.start_copies(&inputs)
    {
        job.fail(error);
    }
    for input in &mut inputs {
        input.discard_unused();
    }
    for (index, input) in inputs.into_iter().enumerate() {
        match Source::new(index, input, opener, control) {
            Ok(mut source) => {
                source.first_stream = job.sources.iter().map(|source| source.streams.len()).sum();
                job.sources.push(source);
            }
            Err(error) => {
                job.fail(error);
                break;
            }
        }
    }
    for (file, stream, mut decoding) in decoders {
        if plan.global.benchmark_all {
            let kind = decoding.decoder.codec().media_type().name();
            decoding.bench = Some(Bench::new(&control.clock, kind, file, stream));
        }
        if let Some(source) = job.sources.get_mut(file) {
            source.streams[stream].decoding = Some(Box::new(decoding));
        }
    }
    job.connect();
    if job.error.is_none()
        && let Err(error) = job.start_subtitles()
    {
        job.fail(error);
    }
    summary::mapping(&job);
    let mut ended = if control.stop.is_requested() { Ended::Stopped } else { Ended::Eof };
    if job.error.is_none() {
        ended = job.work();
        job.finish();
    }
    Outcome {
        inputs: job.inputs(),
        outputs: job.outputs(),
        ended,
        error_rate_exceeded: job.error.is_none() && job.decoded.exceed(plan.global.max_error_rate),
        error: job.error,
        changed: job.changed,
    }
}

/// May encoders run behind? Not where what is read next, or how much, depends on the packets they give: with several inputs,
/// `-fs`, `-shortest`, and `-frames` of sound. Nor with graphs that have sources of their own, or several outputs one of which
/// may end the others: which of them works next depends on packets, too.
fn is_order_fixed(outputs: &[Output], graphs: &[Graph], inputs: usize) -> bool {
    let streams = || outputs.iter().flat_map(|output| &output.streams);
    let limited = |stream: &OutputStream| stream.max_frames != i64::MAX;
    let counts_packets = streams().any(|stream| stream.media_type != MediaType::Video && limited(stream));
    let is_complex = graphs.iter().any(|graph| !graph.is_simple);
    let free = graphs.iter().any(|graph| graph.inputs.is_empty()) || (is_complex && streams().any(limited));
    let ends_by_packets = outputs.iter().any(|output| output.limit.is_some() || output.shortest);
    inputs <= 1 && !counts_packets && !free && !ends_by_packets
}

/// Opens the decoders that outputs and graphs ask for: (input, stream, decoder).
fn open_decoders(inputs: &mut [Input], devices: &mut Devices) -> Result<Vec<(usize, usize, Decoding)>, Error> {
    let mut decoders = Vec::new();
    for (file, input) in inputs.iter_mut().enumerate() {
        for (index, stream) in input.streams.iter_mut().enumerate() {
            if stream.encoded || stream.filtered {
                decoders.push((file, index, Decoding::open(stream, &format!("#{file}:{index}"), devices)?));
            }
        }
    }
    Ok(decoders)
}

impl Job<'_> {
    /// Copied and attached streams are known from the start; so are files without streams.
    pub(super) fn start_copies(&mut self, inputs: &[super::demux::Input]) -> Result<(), Error> {
        for output in &mut self.outputs {
            for position in 0..output.streams.len() {
                if output.streams[position].encoding.is_none() {
                    output.start_copy(position, inputs).map_err(|error| {
                        error.context(format!("Error initializing output stream {}:{position}", output.index))
                    })?;
                }
            }
        }
        for output in &mut self.outputs {
            if output.streams.is_empty() {
                output.write_header()?;
            }
        }
        Ok(())
    }

    /// Encoders of subtitles need nothing but their decoder.
    pub(super) fn start_subtitles(&mut self) -> Result<(), Error> {
        for file in 0..self.outputs.len() {
            for position in 0..self.outputs[file].streams.len() {
                let stream = &self.outputs[file].streams[position];
                if stream.encoding.is_some() && stream.media_type == MediaType::Subtitle {
                    self.open_encoder(file, position, None)?;
                }
            }
        }
        Ok(())
    }

    /// Tells each stream of the inputs who copies it and which graphs take its frames.
    pub(super) fn connect(&mut self) {
        for (index, graph) in self.graphs.iter().enumerate() {
            for (number, input) in graph.inputs.iter().enumerate() {
                let source = self.sources.get_mut(input.source.file);
                let stream = source.and_then(|source| source.streams.get_mut(input.source.stream));
                if let Some(decoding) = stream.and_then(|stream| stream.decoding.as_mut()) {
                    decoding.feeds.push((index, number));
                }
            }
            // An output of a graph with one input counts as that input's.
            if let [input] = &graph.inputs[..] {
                for (file, position) in graph.outputs.iter().filter_map(|output| output.target) {
                    self.outputs[file].streams[position].source.get_or_insert(input.source);
                }
            }
        }
        for (file, output) in self.outputs.iter().enumerate() {
            for (position, stream) in output.streams.iter().enumerate() {
                let ends_with_it = stream.encoding.is_none() || stream.media_type == MediaType::Subtitle;
                if let Some(source) = stream.source.filter(|_| ends_with_it)
                    && let Some(from) = self.sources.get_mut(source.file)
                {
                    from.streams[source.stream].targets.push((file, position));
                }
            }
        }
    }
}
