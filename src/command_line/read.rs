//! Options that take more than storing a value, one function each.

use std::time::Duration;

use time::OffsetDateTime;

use super::lower::{Context, set_option};
use super::split::Given;
use super::value::{self, usage};
use crate::error::Error;
use crate::pipeline::plan::{Auth, Global, Input, Metadata, MetadataSpec, Micros, Output};

/// `-auth` of an input.
///
/// # Errors
/// As [`profiles`].
pub fn input_auth(input: &mut Input, given: &Given, context: &mut Context) -> Result<(), Error> {
    profiles(&mut input.auth, given, context)
}

/// `-auth` of an output.
///
/// # Errors
/// As [`profiles`].
pub fn output_auth(output: &mut Output, given: &Given, context: &mut Context) -> Result<(), Error> {
    profiles(&mut output.auth, given, context)
}

/// `-on_gap`.
///
/// # Errors
/// Another word than `fail` and `warn`.
pub fn on_gap(input: &mut Input, given: &Given, _context: &mut Context) -> Result<(), Error> {
    input.fail_on_gap = match given.value.as_str() {
        "fail" => true,
        "warn" => false,
        other => return Err(usage(format!("-on_gap takes fail or warn, not {other:?}"))),
    };
    Ok(())
}

/// `-on_change`.
///
/// # Errors
/// Another word.
pub fn on_change(output: &mut Output, given: &Given, _context: &mut Context) -> Result<(), Error> {
    output.new_file_on_change = match given.value.as_str() {
        "new_file" => true,
        "fail" => false,
        other => return Err(usage(format!("-on_change takes fail or new_file, not {other:?}"))),
    };
    Ok(())
}

/// `-disk_full`.
///
/// # Errors
/// Another word.
pub fn disk_full(output: &mut Output, given: &Given, _context: &mut Context) -> Result<(), Error> {
    output.waits_for_space = match given.value.as_str() {
        "wait" => true,
        "fail" => false,
        other => return Err(usage(format!("-disk_full takes fail or wait, not {other:?}"))),
    };
    Ok(())
}

/// `-max_restarts`.
///
/// # Errors
/// Not a number of times.
pub fn max_restarts(input: &mut Input, given: &Given, _context: &mut Context) -> Result<(), Error> {
    let times = given.value.parse();
    input.ingest.max_restarts =
        Some(times.map_err(|_| usage(format!("-max_restarts takes a number of times, not {:?}", given.value)))?);
    Ok(())
}

/// `NAME[,NAME…]`.
///
/// # Errors
/// An empty name.
fn profiles(auth: &mut Auth, given: &Given, context: &mut Context) -> Result<(), Error> {
    let names: Vec<String> = given.value.split(',').map(|name| name.trim().to_owned()).collect();
    if names.iter().any(String::is_empty) {
        return Err(usage(format!("-auth {:?} lacks a profile's name", given.value)).with_hint("-auth NAME or -auth NAME,NAME"));
    }
    if !auth.profiles.is_empty() {
        context.warnings.push(format!(
            "Multiple -auth options specified for {}, only the last option '-auth {}' will be used.",
            context.file, given.value
        ));
    }
    auth.profiles = names;
    Ok(())
}

/// A duration that is not negative.
pub fn wait(time: Micros) -> Duration {
    Duration::from_micros(u64::try_from(time).unwrap_or(0))
}

/// `-abort_on [+|-]FLAG…`. Flags with a sign change the ones before.
///
/// # Errors
/// A flag of another name.
pub fn abort_on(global: &mut Global, given: &Given, _: &mut Context) -> Result<(), Error> {
    let (mut rest, mut on) = (given.value.as_str(), true);
    if !rest.starts_with(['+', '-']) {
        (global.abort_on_empty_output, global.abort_on_empty_output_stream) = (false, false);
    }
    while !rest.is_empty() {
        if let Some(unsigned) = rest.strip_prefix(['+', '-']) {
            on = rest.starts_with('+');
            rest = unsigned;
        }
        let (flag, after) = rest.split_at(rest.find(['+', '-']).unwrap_or(rest.len()));
        match flag {
            "empty_output" => global.abort_on_empty_output = on,
            "empty_output_stream" => global.abort_on_empty_output_stream = on,
            _ => {
                return Err(usage(format!("Failed to set value '{}' for option 'abort_on': Invalid argument", given.value))
                    .with_hint("empty_output or empty_output_stream"));
            }
        }
        rest = after;
    }
    Ok(())
}

/// `-stats_period TIME`.
///
/// # Errors
/// A time that is not positive.
pub fn stats_period(global: &mut Global, given: &Given, _: &mut Context) -> Result<(), Error> {
    match value::duration(&given.option, &given.value)? {
        period @ 1.. => global.stats_period = wait(period),
        _ => return Err(usage(format!("stats_period {} must be positive.", given.value))),
    }
    Ok(())
}

/// `-vsync METHOD`: the frame rate method of all video streams.
///
/// # Errors
/// An unknown method.
pub fn vsync(global: &mut Global, given: &Given, context: &mut Context) -> Result<(), Error> {
    context.warnings.push("-vsync is deprecated. Use -fps_mode".to_owned());
    let named = ["cfr", "vfr", "passthrough", "drop"].iter().find(|method| method.eq_ignore_ascii_case(&given.value));
    let method = match named {
        Some(method) => *method,
        None => {
            let method = value::whole_number("vsync", &given.value, -1, 2)?;
            context
                .warnings
                .push("Passing a number to -vsync is deprecated, use a string argument as described in the manual.".to_owned());
            match method {
                0 => "passthrough",
                1 => "cfr",
                2 => "vfr",
                _ => "auto",
            }
        }
    };
    global.fps_mode = Some(method.to_owned());
    Ok(())
}

/// `-max_alloc BYTES`.
///
/// # Errors
/// Not a number.
pub fn max_alloc(global: &mut Global, given: &Given, _: &mut Context) -> Result<(), Error> {
    let bytes = given.value.parse().map_err(|_| usage(format!("Invalid max_alloc \"{}\".", given.value)))?;
    global.max_alloc = Some(bytes);
    Ok(())
}

/// `-timelimit SECONDS` of CPU time.
///
/// # Errors
/// Not a whole number of seconds.
pub fn time_limit(global: &mut Global, given: &Given, _: &mut Context) -> Result<(), Error> {
    let seconds = value::whole_number(&given.option, &given.value, 0, i32::MAX.into())?;
    global.time_limit = u64::try_from(seconds).ok();
    Ok(())
}

/// `-vstats`: statistics go to a file named after the time of day (of UTC: nothing below reads the environment).
///
/// # Errors
/// Never; the signature is the table's.
pub fn vstats(global: &mut Global, _: &Given, context: &mut Context) -> Result<(), Error> {
    let (hour, minute, second) = OffsetDateTime::from(context.now).to_hms();
    global.vstats_file = Some(format!("vstats_{hour:02}{minute:02}{second:02}.log"));
    Ok(())
}

/// `-filter_hw_device NAME`.
///
/// # Errors
/// Given twice.
pub fn filter_hw_device(global: &mut Global, given: &Given, _: &mut Context) -> Result<(), Error> {
    if global.filter_hw_device.is_some() {
        return Err(usage("Only one filter device can be used."));
    }
    global.filter_hw_device = Some(given.value.clone());
    Ok(())
}

/// `-sample_fmt` of an input, which ffmpeg takes and forgets: demuxers tell the format themselves.
///
/// # Errors
/// Never; the signature is the table's.
pub fn input_sample_format(_: &mut Input, _: &Given, context: &mut Context) -> Result<(), Error> {
    context.warnings.push(format!("-sample_fmt means nothing before an input; it is not used for {}.", context.file));
    Ok(())
}

/// `-isync INPUT`, -1 for none.
///
/// # Errors
/// Not a number, or one below -1.
pub fn sync_with(input: &mut Input, given: &Given, _: &mut Context) -> Result<(), Error> {
    input.sync_with = match value::int(&given.option, &given.value)? {
        -1 => None,
        other => Some(usize::try_from(other).map_err(|_| usage(format!("-isync {other} names no input")))?),
    };
    Ok(())
}

/// `-timestamp TIME`: the `creation_time` of the file.
///
/// # Errors
/// Not a date.
pub fn timestamp(output: &mut Output, given: &Given, context: &mut Context) -> Result<(), Error> {
    let seconds = value::date(&given.option, &given.value, context.now)?;
    let time = OffsetDateTime::from_unix_timestamp(seconds)
        .map_err(|_| usage(format!("Invalid date specification for {}: {}", given.option, given.value)))?;
    let (hour, minute, second) = time.to_hms();
    let text = format!("{}T{hour:02}:{minute:02}:{second:02}+0000", time.date());
    output.metadata.push(Metadata { to: MetadataSpec::Global, key: "creation_time".to_owned(), value: text });
    context.warnings.push(format!("{} is deprecated, set the 'creation_time' metadata tag instead.", given.option));
    Ok(())
}

/// `-timecode`: metadata for the muxer, an option for the encoder.
///
/// # Errors
/// Never; the signature is the table's.
pub fn timecode(output: &mut Output, given: &Given, _: &mut Context) -> Result<(), Error> {
    output.metadata.push(Metadata { to: MetadataSpec::Global, key: "timecode".to_owned(), value: given.value.clone() });
    set_option(&mut output.options, "gop_timecode", given.value.clone());
    Ok(())
}

/// `-qscale[:SPECIFIER]`, the old name of `-q`.
///
/// # Errors
/// Not a number.
pub fn qscale(output: &mut Output, given: &Given, context: &mut Context) -> Result<(), Error> {
    let option = match given.specifier() {
        "" => {
            context.warnings.push("Please use -q:a or -q:v, -qscale is ambiguous".to_owned());
            "q:v".to_owned()
        }
        specifier => format!("q:{specifier}"),
    };
    let quality = value::number(&option, &given.value)?;
    let specifier = option.split_once(':').map_or("", |(_, specifier)| specifier);
    output.quality.push((specifier.to_owned(), quality));
    Ok(())
}

/// `-profile[:SPECIFIER]`.
///
/// # Errors
/// Never; the signature is the table's.
pub fn profile(output: &mut Output, given: &Given, context: &mut Context) -> Result<(), Error> {
    let name = match given.specifier() {
        "" => {
            context.warnings.push("Please use -profile:a or -profile:v, -profile is ambiguous".to_owned());
            "profile:v"
        }
        _ => &given.option,
    };
    set_option(&mut output.options, name, given.value.clone());
    Ok(())
}

/// `-b[:SPECIFIER]`, `-ab`.
///
/// # Errors
/// Never; the signature is the table's.
pub fn bitrate(output: &mut Output, given: &Given, context: &mut Context) -> Result<(), Error> {
    let name = match given.option.as_str() {
        "ab" => "b:a",
        "b" => {
            context.warnings.push("Please use -b:a or -b:v, -b is ambiguous".to_owned());
            "b:v"
        }
        other => other,
    };
    set_option(&mut output.options, name, given.value.clone());
    Ok(())
}
