//! What the options say of the graph before an encoder: its description, conversions, frame rate and channels.

use std::fs;

use crate::error::{Error, Kind};
use crate::libav::codec::{Codec, MediaType};
use crate::libav::frame::ChannelLayout;
use crate::libav::log::{self, level};
use crate::libav::option::Dictionary;
use crate::libav::stream::Discard;
use crate::pipeline::plan;
use crate::pipeline::select::Source;
use crate::pipeline::sync::Method;

use super::settings::{Context, usage};

/// The options of libswscale for an output, ffmpeg's default first.
pub fn scaler_options(plan: &plan::Output) -> Dictionary {
    let mut options: Dictionary = [("flags", "bicubic")].into_iter().collect();
    for (name, value) in &plan.scaler_options {
        // A NUL cannot have come from an argument vector.
        let _ = options.set(name, value);
    }
    options
}

/// The options of libswresample for an encoder of an output.
pub fn resampler_options(plan: &plan::Output, codec: Codec) -> Dictionary {
    let mut options = Dictionary::new();
    for (name, value) in &plan.resampler_options {
        // As above.
        let _ = options.set(name, value);
    }
    if codec.id().exact_bits_per_sample() == 24 {
        // As above.
        let _ = options.set("output_sample_bits", "24");
    }
    options
}

/// Options as libavfilter reads them: `a=1:b=2`.
pub fn joined(options: &Dictionary) -> String {
    let pairs: Vec<String> = options.pairs().iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(":")
}

/// The description of a stream's filtergraph, and whether the user gave it (`get_ost_filters`).
///
/// # Errors
/// Both forms stand for one stream, or a file cannot be read.
pub fn filters(context: &Context<'_>, nothing: &str) -> Result<(String, bool), Error> {
    let script = context.value(&["filter_script"], &context.plan.filter_scripts)?;
    let filters = context.value(&["filter", "af", "vf"], &context.plan.filters)?;
    match (script, filters) {
        (Some(_), Some(_)) => Err(usage(format!("Both -filter and -filter_script set for output stream {}.", context.name()))),
        (Some(path), None) => {
            let text = fs::read_to_string(path)
                .map_err(|error| Error::new(Kind::File, format!("Error opening file {path}: {error}.")).with_source(error))?;
            Ok((text, true))
        }
        (None, Some(text)) => Ok((text.clone(), true)),
        (None, None) => Ok((nothing.to_owned(), false)),
    }
}

/// `-fps_mode`, `-vsync`, or what suits the container.
///
/// # Errors
/// No such method.
pub fn fps_method(context: &Context<'_>, vsync: Option<Method>) -> Result<Method, Error> {
    let own = match context.value(&["fps_mode"], &context.plan.fps_mode)? {
        Some(text) => Method::parse(text)
            .ok_or_else(|| usage(format!("Invalid value {text} specified for fps_mode of {}.", context.name())))?,
        None => vsync,
    };
    if let Some(method) = own {
        return Ok(method);
    }
    let format = context.muxer.format();
    let mut method = match (format.name().as_str(), format.has_variable_rate(), format.has_no_timestamps()) {
        ("avi", ..) => Method::Variable,
        (_, true, true) => Method::Passthrough,
        (_, true, false) => Method::Variable,
        (_, false, _) => Method::Constant,
    };
    if method == Method::Constant {
        let alone = context.source.is_some_and(|source| {
            let input = &context.inputs[source.file];
            input.streams.len() == 1 && input.own_offset == 0
        });
        if alone || context.global.copy_ts {
            method = Method::ConstantFromFirst;
        }
    }
    Ok(method)
}

/// `-map_channel` as arguments of the filter pan.
///
/// # Errors
/// A channel is not there.
pub fn pan(context: &Context<'_>) -> Result<Option<String>, Error> {
    let mut channels = Vec::new();
    for map in &context.plan.map_channels {
        if map.output.is_some_and(|output| output != (context.file, context.stream.index())) {
            continue;
        }
        let Some((file, stream, channel)) = map.source else {
            channels.push(None);
            continue;
        };
        let invalid = |what: String| usage(format!("mapchan: {what}"));
        let input = context.inputs.get(file).ok_or_else(|| invalid(format!("invalid input file index: {file}")))?;
        let own = input.streams.get(stream);
        let own = own.ok_or_else(|| invalid(format!("invalid input file stream index #{file}.{stream}")))?;
        if own.facts.media_type != MediaType::Audio {
            return Err(invalid(format!("stream #{file}.{stream} is not an audio stream.")));
        }
        let count = usize::try_from(own.parameters.channel_layout().channels()).unwrap_or_default();
        if channel >= count || own.user_discard == Discard::ALL {
            let text = format!("invalid audio channel #{file}.{stream}.{channel}");
            if !map.optional {
                return Err(invalid(text).with_hint("To ignore this, add a trailing '?' to the map_channel."));
            }
            log::write(level::VERBOSE, &format!("mapchan: {text}\n"));
        }
        match context.source {
            None => {
                let (file, stream) = (context.file, context.stream.index());
                let text = format!("Cannot determine input stream for channel mapping {file}.{stream}\n");
                log::write(level::FATAL, &text);
            }
            Some(source) if source == (Source { file, stream }) => channels.push(Some(channel)),
            Some(_) => {}
        }
    }
    if channels.is_empty() {
        return Ok(None);
    }
    let count = i32::try_from(channels.len()).unwrap_or(i32::MAX);
    let mut arguments = ChannelLayout::default_for(count).to_string();
    for (to, from) in channels.iter().enumerate() {
        if let Some(from) = from {
            arguments += &format!("|c{to}=c{from}");
        }
    }
    Ok(Some(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scaler_is_bicubic_unless_told_otherwise() {
        let mut plan = plan::Output::default();
        assert_eq!(joined(&scaler_options(&plan)), "flags=bicubic");
        plan.scaler_options = vec![("flags".into(), "neighbor".into()), ("param0".into(), "1".into())];
        assert_eq!(joined(&scaler_options(&plan)), "flags=neighbor:param0=1");
    }
}
