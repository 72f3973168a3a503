//! Builds the libavfilter graph once the formats of its inputs are known, and again when they change:
//! `configure_filtergraph` of ffmpeg 5.1.

use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::error::AvError;
use crate::libav::filter::{self, Filter, OpenPad, Sink, Source, SourceParameters};
use crate::libav::frame::PixelFormat;
use crate::libav::hw::{Device, Devices};
use crate::libav::log::{self, level};
use crate::libav::rational::Rational;
use crate::pipeline::plan::{Global, Micros};

use super::graph::{Format, Graph, GraphInput, GraphOutput, Running, Wanted, WantedAudio, WantedVideo};

/// An output pad of a filter.
type Pad = (Filter, usize);

impl Graph {
    /// Builds it, and keeps the formats that come out for the next time.
    ///
    /// # Errors
    /// libavfilter's, which has logged the reason.
    pub fn configure(&mut self, global: &Global, devices: &Devices) -> Result<(), Error> {
        self.running = None;
        let failed = |error: AvError| {
            let what = if error == AvError::FILTER_NOT_FOUND { "a filter that ffmpeg needs is missing: " } else { "" };
            Error::new(Kind::Usage, format!("filtergraph '{}': {what}{error}", self.description)).with_source(error)
        };
        let mut graph = filter::Graph::new()?;
        if self.is_simple {
            if let Some(threads) = &self.threads {
                let set = graph.set_option("threads", threads);
                if global.filter_threads.is_some() {
                    set.map_err(failed)?;
                }
            }
            if !self.scaler.is_empty() {
                graph.set_option("scale_sws_opts", &self.scaler).map_err(failed)?;
            }
            graph.set_option("aresample_swr_opts", &self.resampler).map_err(failed)?;
        } else {
            graph.set_threads(global.filter_complex_threads);
        }
        let (inputs, outputs) = graph.parse(&self.description).map_err(failed)?;
        if let Some(device) = filter_device(global, devices) {
            graph.set_device(device);
        }
        if self.is_simple && (inputs.len(), outputs.len()) != (1, 1) {
            let count = |number: usize| if number > 1 { ">1".to_owned() } else { number.to_string() };
            let text = format!(
                "Simple filtergraph '{}' was expected to have exactly 1 input and 1 output. However, it had {} input(s) and {} \
                 output(s). Please adjust, or use a complex filtergraph (-filter_complex) instead.",
                self.description,
                count(inputs.len()),
                count(outputs.len())
            );
            return Err(Error::new(Kind::Usage, text));
        }
        let (mut sources, mut sinks) = (Vec::new(), Vec::new());
        for (input, pad) in self.inputs.iter_mut().zip(&inputs) {
            sources.push(input.build(&mut graph, pad, self.index, self.reconfigured, global)?);
        }
        for (output, pad) in self.outputs.iter_mut().zip(&outputs) {
            sinks.push(output.build(&mut graph, pad).map_err(failed)?);
        }
        if !global.auto_conversion_filters {
            graph.set_auto_convert(false);
        }
        graph.configure().map_err(failed)?;
        self.is_metadata_only = graph.is_metadata_only();
        for (output, sink) in self.outputs.iter_mut().zip(&sinks) {
            output.keep(&graph, *sink);
        }
        self.reconfigured = true;
        for (input, source) in self.inputs.iter_mut().zip(&sources) {
            for mut frame in input.queue.drain(..) {
                graph.queue(*source, &mut frame).map_err(failed)?;
            }
            if input.ended {
                graph.close(*source, None).map_err(failed)?;
            }
        }
        self.running = Some(Running { graph, sources, sinks });
        Ok(())
    }
}

/// The device of the filters: the one that was named, else the last (`hw_device_setup_for_filter`).
fn filter_device<'d>(global: &Global, devices: &'d Devices) -> Option<&'d Device> {
    if let Some(name) = &global.filter_hw_device {
        return devices.by_name(name);
    }
    let last = devices.iter().next_back()?;
    let count = devices.iter().count();
    if count > 1 {
        let (name, kind) = (last.name(), last.kind().name());
        let text = format!(
            "There are {count} hardware devices. device {name} of type {kind} is picked for filters by default. Set hardware \
             device explicitly with the filter_hw_device option if device {name} is not usable for filters.\n"
        );
        log::write(level::WARNING, &text);
    }
    Some(last)
}

impl GraphInput {
    fn build(
        &mut self,
        graph: &mut filter::Graph,
        pad: &OpenPad,
        index: usize,
        reconfigured: bool,
        global: &Global,
    ) -> Result<Source, Error> {
        let failed = |error: AvError| error.about("filtergraph");
        let (file, stream) = (self.source.file, self.source.stream);
        let wrong = |text: &str| Err(Error::new(Kind::Usage, text));
        let (source, last) = match (pad.media_type, self.format.clone()) {
            (MediaType::Video, Some(Format::Video { size, format, aspect })) => {
                let parameters = SourceParameters::Video {
                    width: size.0,
                    height: size.1,
                    format,
                    time_base: self.time_base,
                    sample_aspect_ratio: aspect,
                    frame_rate: self.frame_rate,
                    hardware_frames: self.hardware_frames.clone(),
                };
                let source = graph.add_source(&format!("graph {index} input from stream {file}:{stream}"), &parameters);
                let source = source.map_err(failed)?;
                let mut last = (source.filter(), 0);
                if self.autorotate && !format.is_hardware() {
                    self.turn(graph, &mut last).map_err(failed)?;
                }
                (source, trim(graph, last, MediaType::Video, self.trim, &format!("trim_in_{file}_{stream}")).map_err(failed)?)
            }
            (MediaType::Audio, Some(Format::Audio { format, rate, layout })) => {
                let parameters = SourceParameters::Audio { format, rate, layout, time_base: Rational::new(1, rate) };
                let source = graph.add_source(&format!("graph_{index}_in_{file}_{stream}"), &parameters).map_err(failed)?;
                let mut last = (source.filter(), 0);
                let mut insert = |last: &mut Pad, option: &str, kind: &str, arguments: &str| {
                    forwarded(option, kind, arguments);
                    append(graph, last, kind, &format!("graph_{index}_{kind}_in_{file}_{stream}"), Some(arguments))
                };
                if global.audio_sync > 0 {
                    let mut arguments = format!("async={}", global.audio_sync);
                    if global.audio_drift_threshold != 0.1 {
                        arguments += &format!(":min_hard_comp={:.6}", global.audio_drift_threshold);
                    }
                    if !reconfigured {
                        arguments += ":first_pts=0";
                    }
                    insert(&mut last, "-async", "aresample", &arguments).map_err(failed)?;
                }
                if global.volume != 256 {
                    let text = "-vol has been deprecated. Use the volume audio filter instead.\n";
                    log::write(level::WARNING, text);
                    insert(&mut last, "-vol", "volume", &format!("{:.6}", f64::from(global.volume) / 256.0)).map_err(failed)?;
                }
                let name = format!("trim for input stream {file}:{stream}");
                (source, trim(graph, last, MediaType::Audio, self.trim, &name).map_err(failed)?)
            }
            (MediaType::Video, Some(_)) => return wrong("Cannot connect video filter to audio input"),
            (MediaType::Audio, Some(_)) => return wrong("Cannot connect audio filter to non audio input"),
            _ => return wrong("the format of a filtergraph's input is not known"),
        };
        graph.link(last, (pad.filter, pad.pad)).map_err(failed)?;
        Ok(source)
    }

    /// Filters that turn pictures upright as the display matrix says.
    fn turn(&self, graph: &mut filter::Graph, last: &mut Pad) -> Result<(), AvError> {
        let Some(matrix) = self.frame_matrix.or(self.stream_matrix) else { return Ok(()) };
        let theta = rotation(&matrix);
        let mut insert = |kind: &str, arguments: Option<&str>| append(graph, last, kind, kind, arguments);
        if (theta - 90.0).abs() < 1.0 {
            insert("transpose", Some(if matrix[3] > 0 { "cclock_flip" } else { "clock" }))
        } else if (theta - 180.0).abs() < 1.0 {
            if matrix[0] < 0 {
                insert("hflip", None)?;
            }
            if matrix[4] < 0 { insert("vflip", None) } else { Ok(()) }
        } else if (theta - 270.0).abs() < 1.0 {
            insert("transpose", Some(if matrix[3] < 0 { "clock_flip" } else { "cclock" }))
        } else if theta.abs() > 1.0 {
            insert("rotate", Some(&format!("{theta:.6}*PI/180")))
        } else if matrix[4] < 0 {
            insert("vflip", None)
        } else {
            Ok(())
        }
    }
}

/// By how many degrees, from 0 to 360, pictures with this display matrix are to be turned clockwise (`get_rotation`).
pub fn rotation(matrix: &[i32; 9]) -> f64 {
    let fixed = |number: i32| f64::from(number) / f64::from(1 << 16);
    let scale = (fixed(matrix[0]).hypot(fixed(matrix[3])), fixed(matrix[1]).hypot(fixed(matrix[4])));
    let degrees = if scale.0 == 0.0 || scale.1 == 0.0 {
        f64::NAN
    } else {
        -(fixed(matrix[1]) / scale.1).atan2(fixed(matrix[0]) / scale.0).to_degrees()
    };
    let theta = -degrees.round();
    let theta = theta - 360.0 * (theta / 360.0 + 0.9 / 360.0).floor();
    if (theta - 90.0 * (theta / 90.0).round()).abs() > 2.0 {
        let text = "Odd rotation angle.\nIf you want to help, upload a sample of this file to \
                    https://streams.videolan.org/upload/ and contact the ffmpeg-devel mailing list. (ffmpeg-devel@ffmpeg.org)\n";
        log::write(level::WARNING, text);
    }
    theta
}

impl GraphOutput {
    fn build(&mut self, graph: &mut filter::Graph, pad: &OpenPad) -> Result<Sink, AvError> {
        let (file, stream) = self.target.unwrap_or_default();
        let name = format!("out_{file}_{stream}");
        let last = (pad.filter, pad.pad);
        let (sink, last) = match &self.wanted {
            Wanted::Video(wanted) => {
                let sink = graph.add_sink(&name, MediaType::Video)?;
                let last = wanted.build(graph, last, (file, stream))?;
                (sink, trim(graph, last, MediaType::Video, self.trim, &format!("trim_out_{file}_{stream}"))?)
            }
            Wanted::Audio(wanted) => {
                let sink = graph.add_sound_sink(&name)?;
                let last = wanted.build(graph, last, (file, stream))?;
                (sink, trim(graph, last, MediaType::Audio, self.trim, &format!("trim for output stream {file}:{stream}"))?)
            }
            Wanted::Nothing => return Err(AvError::from_errno(libc::EINVAL)),
        };
        graph.link(last, (sink.filter(), 0))?;
        Ok(sink)
    }

    /// What came out is what shall come out from now on.
    fn keep(&mut self, graph: &filter::Graph, sink: Sink) {
        match &mut self.wanted {
            Wanted::Video(wanted) => wanted.size = graph.dimensions(sink),
            Wanted::Audio(wanted) => {
                wanted.formats = graph.sample_format(sink).map(|format| vec![format]);
                wanted.rates = Some(vec![graph.sample_rate(sink)]);
                wanted.layouts = Some(vec![graph.channel_layout(sink)]).filter(|layouts| layouts[0].is_valid());
            }
            Wanted::Nothing => {}
        }
    }
}

impl WantedVideo {
    fn build(&self, graph: &mut filter::Graph, mut last: Pad, (file, stream): (usize, usize)) -> Result<Pad, AvError> {
        let (width, height) = self.size;
        if (width != 0 || height != 0) && self.autoscale {
            let arguments = format!("{width}:{height}{}", self.scaler);
            append(graph, &mut last, "scale", &format!("scaler_out_{file}_{stream}"), Some(&arguments))?;
        }
        if self.keep_format {
            graph.set_auto_convert(false);
        }
        let formats = self.formats();
        if !formats.is_empty() {
            let names: Vec<String> = formats.iter().map(|format| format.name()).collect();
            append(graph, &mut last, "format", "format", Some(&names.join("|")))?;
        }
        Ok(last)
    }

    /// The pixel formats to choose from; none = any (`choose_pix_fmts`).
    fn formats(&self) -> Vec<PixelFormat> {
        let offered = self.codec.pixel_formats().map(|formats| match self.codec.name().as_str() {
            "mjpeg" if self.compliant => {
                ["yuvj420p", "yuvj422p", "yuvj444p"].iter().filter_map(|name| PixelFormat::by_name(name)).collect()
            }
            _ => formats,
        });
        match (self.format, offered) {
            (Some(format), _) if self.keep_format => vec![format],
            (None, _) if self.keep_format => Vec::new(),
            (Some(format), Some(offered)) if !offered.contains(&format) => {
                let nearest = format.nearest(&offered, format.components().is_multiple_of(2));
                if let Some(nearest) = nearest {
                    let text = format!(
                        "Incompatible pixel format '{}' for codec '{}', auto-selecting format '{}'\n",
                        format.name(),
                        self.codec.name(),
                        nearest.name()
                    );
                    log::write(level::WARNING, &text);
                }
                nearest.into_iter().collect()
            }
            (Some(format), _) => vec![format],
            (None, offered) => offered.unwrap_or_default(),
        }
    }
}

impl WantedAudio {
    fn build(&self, graph: &mut filter::Graph, mut last: Pad, (file, stream): (usize, usize)) -> Result<Pad, AvError> {
        if let Some(arguments) = &self.pan {
            forwarded("-map_channel", "pan", arguments);
            append(graph, &mut last, "pan", "pan", Some(arguments))?;
        }
        let mut arguments = String::new();
        let mut add = |name: &str, values: Vec<String>| {
            if !values.is_empty() {
                arguments += &format!("{name}={}:", values.join("|"));
            }
        };
        add("sample_fmts", self.formats.iter().flatten().map(|format| format.name()).collect());
        add("sample_rates", self.rates.iter().flatten().map(ToString::to_string).collect());
        add("channel_layouts", self.layouts.iter().flatten().map(ToString::to_string).collect());
        if !arguments.is_empty() {
            append(graph, &mut last, "aformat", &format!("format_out_{file}_{stream}"), Some(&arguments))?;
        }
        if let Some(arguments) = &self.pad {
            forwarded("-apad", "apad", arguments);
            append(graph, &mut last, "apad", "apad", Some(arguments))?;
        }
        Ok(last)
    }
}

fn forwarded(option: &str, filter: &str, arguments: &str) {
    log::write(level::INFO, &format!("{option} is forwarded to lavfi similarly to -af {filter}={arguments}.\n"));
}

/// Adds a filter behind `last`.
fn append(graph: &mut filter::Graph, last: &mut Pad, kind: &str, name: &str, arguments: Option<&str>) -> Result<(), AvError> {
    let filter = graph.add(kind, name, arguments)?;
    graph.link(*last, (filter, 0))?;
    *last = (filter, 0);
    Ok(())
}

/// Cuts: nothing before the start, and no more than the length (`insert_trim`).
fn trim(
    graph: &mut filter::Graph,
    last: Pad,
    kind: MediaType,
    (start, length): (Option<Micros>, Option<Micros>),
    name: &str,
) -> Result<Pad, AvError> {
    if start.is_none() && length.is_none() {
        return Ok(last);
    }
    let options = [("durationi", length), ("starti", start)];
    let values: Vec<(&str, String)> =
        options.iter().filter_map(|(name, value)| Some((*name, format!("{}us", value.as_ref()?)))).collect();
    let mut options = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let filter = graph.add_with(if kind == MediaType::Video { "trim" } else { "atrim" }, name, &mut options)?;
    graph.link(last, (filter, 0))?;
    Ok((filter, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i32 = 1 << 16;

    #[test]
    fn display_matrices_are_turned_by_quarters() {
        for (matrix, degrees) in [
            ([ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30], 0.0),
            ([0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30], 90.0),
            ([-ONE, 0, 0, 0, -ONE, 0, 0, 0, 1 << 30], 180.0),
            ([0, -ONE, 0, ONE, 0, 0, 0, 0, 1 << 30], 270.0),
        ] {
            assert_eq!(rotation(&matrix), degrees);
        }
    }
}
