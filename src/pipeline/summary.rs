//! What ffmpeg logs about a job as a whole: the stream mapping before, the statistics after.

use crate::libav::codec::MediaType;
use crate::libav::log::{self, level};
use crate::redact;

use super::mux::{Output, OutputStream};
use super::source::Source;

/// Which stream goes where.
pub fn mapping(outputs: &[Output]) {
    let mut text = "Stream mapping:\n".to_owned();
    for output in outputs {
        for (position, stream) in output.streams.iter().enumerate() {
            let target = format!("#{}:{position}", output.index);
            match (&stream.attachment, stream.source) {
                (Some(path), _) => text += &format!("  File {path} -> Stream {target}\n"),
                (None, Some(source)) => text += &format!("  Stream #{}:{} -> {target} (copy)\n", source.file, source.stream),
                (None, None) => {}
            }
        }
    }
    log::write(level::INFO, &text);
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
        let text = "Output file is empty, nothing was encoded (check -ss / -t / -frames parameters if used)\n";
        log::write(level::WARNING, text);
    }
}

fn of_output(output: &Output) -> String {
    let index = output.index;
    let mut text = format!("Output file #{index} ({}):\n", redact::url(&output.muxer.url()));
    for (position, stream) in output.streams.iter().enumerate() {
        let (kind, packets, bytes) = (stream.media_type.name(), stream.packets, stream.bytes);
        text += &format!("  Output stream #{index}:{position} ({kind}): {packets} packets muxed ({bytes} bytes); \n");
    }
    let (packets, bytes) = output.written();
    text + &format!("  Total: {packets} packets ({bytes} bytes) muxed\n")
}
