//! What ffmpeg logs about a job as a whole: the stream mapping before, the statistics after.

use crate::libav::codec::{Codec, MediaType};
use crate::libav::log::{self, level};
use crate::redact;

use super::filter::Graph;
use super::mux::{Output, OutputStream};
use super::scheduler::Job;
use super::source::Source;

/// Which stream goes where.
pub fn mapping(job: &Job<'_>) {
    let mut text = "Stream mapping:\n".to_owned();
    let several = job.graphs.len() > 1;
    let number = |graph: &Graph| if several { format!(" (graph {})", graph.index) } else { String::new() };
    for (file, source) in job.sources.iter().enumerate() {
        for (index, stream) in source.streams.iter().enumerate() {
            let Some(decoding) = &stream.decoding else { continue };
            for (graph, input) in decoding.feeds.iter().filter(|(graph, _)| !job.graphs[*graph].is_simple) {
                let (graph, decoder) = (&job.graphs[*graph], decoding.decoder.codec().name());
                let name = &graph.inputs[*input].name;
                text += &format!("  Stream #{file}:{index} ({decoder}) -> {name}{}\n", number(graph));
            }
        }
    }
    for output in &job.outputs {
        for (position, stream) in output.streams.iter().enumerate() {
            let target = format!("#{}:{position}", output.index);
            let from_graph = stream.encoding.as_ref().and_then(|encoding| {
                let (graph, number) = encoding.graph?;
                Some((encoding.codec, &job.graphs[graph], number)).filter(|(_, graph, _)| !graph.is_simple)
            });
            if let Some(path) = &stream.attachment {
                text += &format!("  File {path} -> Stream {target}\n");
            } else if let Some((codec, graph, output)) = from_graph {
                let name = &graph.outputs[output].name;
                text += &format!("  {name}{} -> Stream {target} ({})\n", number(graph), codec.name());
            } else if let Some(source) = stream.source {
                let how = match &stream.encoding {
                    None => "copy".to_owned(),
                    Some(encoding) => {
                        let decoding = job.sources.get(source.file).and_then(|file| file.streams.get(source.stream));
                        let decoder = decoding.and_then(|stream| stream.input.decoding.codec);
                        let decoder = decoder.map_or_else(|| "? (?)".to_owned(), both_names);
                        format!("{decoder} -> {}", both_names(encoding.codec))
                    }
                };
                text += &format!("  Stream #{}:{} -> {target} ({how})\n", source.file, source.stream);
            }
        }
    }
    log::write(level::INFO, &text);
}

/// `h264 (libx264)`; a codec that is called like its format is `native`.
fn both_names(codec: Codec) -> String {
    let (format, own) = (codec.id().name(), codec.name());
    format!("{format} ({})", if own == format { "native" } else { &own })
}

/// Bytes by kind and by stream. `size` is that of the first output.
pub fn statistics(sources: &[Source], outputs: &[Output], size: Option<u64>) {
    let streams = || outputs.iter().flat_map(|output| &output.streams);
    let sum =
        |wanted: fn(&OutputStream) -> bool| streams().filter(|stream| wanted(stream)).map(|stream| stream.bytes).sum::<u64>();
    let video = sum(|stream| stream.media_type == MediaType::Video);
    let audio = sum(|stream| stream.media_type == MediaType::Audio);
    let subtitle = sum(|stream| stream.media_type == MediaType::Subtitle);
    let data = sum(|_| true);
    let extra: u64 = streams().map(|stream| stream.extradata).sum();
    let overhead = match size {
        Some(size) if data > 0 && size >= data => format!("{:.6}%", (100.0 * (size - data) as f64 / data as f64) as f32),
        _ => "unknown".to_owned(),
    };
    let kb = |bytes: u64| format!("{:.0}kB", bytes as f64 / 1024.0);
    let text = format!(
        "video:{} audio:{} subtitle:{} other streams:{} global headers:{} muxing overhead: {overhead}\n",
        kb(video),
        kb(audio),
        kb(subtitle),
        kb(data - video - audio - subtitle),
        kb(extra)
    );
    log::write(level::INFO, &text);
    for source in sources {
        log::write(level::VERBOSE, &source.statistics());
    }
    for output in outputs {
        log::write(level::VERBOSE, &of_output(output));
    }
    if data + extra == 0 {
        let first_pass = |stream: &OutputStream| stream.encoding.as_ref().is_some_and(|encoding| encoding.facts.is_first_pass);
        let hint = if streams().all(first_pass) { "" } else { "(check -ss / -t / -frames parameters if used)" };
        log::write(level::WARNING, &format!("Output file is empty, nothing was encoded {hint}\n"));
    }
}

fn of_output(output: &Output) -> String {
    let index = output.index;
    let mut text = format!("Output file #{index} ({}):\n", redact::url(&output.muxer.url()));
    for (position, stream) in output.streams.iter().enumerate() {
        let (kind, packets, bytes) = (stream.media_type.name(), stream.packets, stream.bytes);
        text += &format!("  Output stream #{index}:{position} ({kind}): ");
        if let Some(encoding) = &stream.encoding {
            text += &format!("{} frames encoded", encoding.frames);
            if stream.media_type == MediaType::Audio {
                text += &format!(" ({} samples)", encoding.samples);
            }
            text += "; ";
        }
        text += &format!("{packets} packets muxed ({bytes} bytes); \n");
    }
    let (packets, bytes) = output.written();
    text + &format!("  Total: {packets} packets ({bytes} bytes) muxed\n")
}
