//! `-filters`, `-bsfs`, and what `-h` says of one of them.

use std::ffi::c_int;
use std::fmt::Write as _;

use super::options::{class_and_children, name};
use super::{iterate, letter, mark};
use crate::error::Error;
use crate::libav::call::c_string;
use crate::libav::codec::{CodecId, MediaType};
use crate::libav::ffi;
use crate::libav::filter::{self, Library};

/// Inputs or outputs of a filter: what each is called and carries.
fn pads(library: &Library, filter: &ffi::AVFilter, output: bool) -> Vec<(&'static str, ffi::AVMediaType)> {
    let list = if output { filter.outputs } else { filter.inputs };
    // SAFETY: a filter has as many constant pads as the library counts (invariant 12).
    unsafe {
        let count = (library.avfilter_filter_pad_count)(filter, c_int::from(output));
        let pad = |pad| (name((library.avfilter_pad_get_name)(list, pad)), (library.avfilter_pad_get_type)(list, pad));
        (0..c_int::try_from(count).unwrap_or_default()).map(pad).collect()
    }
}

/// What `-filters` draws between name and description: `V->V`, `|->A`, `N->V`.
fn drawing(library: &Library, filter: &ffi::AVFilter) -> String {
    /// ffmpeg's room for it.
    const ROOM: usize = 60;
    let mut drawing = String::new();
    for (output, dynamic) in [(false, ffi::AVFILTER_FLAG_DYNAMIC_INPUTS), (true, ffi::AVFILTER_FLAG_DYNAMIC_OUTPUTS)] {
        let pads = pads(library, filter, output);
        let is_dynamic = filter.flags & dynamic as c_int != 0;
        drawing += if output { "->" } else { "" };
        drawing.extend(pads.iter().take(ROOM - drawing.len()).map(|(_, kind)| letter(*kind)));
        if pads.is_empty() {
            drawing.push(if is_dynamic { 'N' } else { '|' });
        }
    }
    drawing
}

pub fn filters() -> Result<String, Error> {
    let library = filter::library()?;
    let mut text = "Filters:\n  T.. = Timeline support\n  .S. = Slice threading\n  ..C = Command support\n  \
                    A = Audio input/output\n  V = Video input/output\n  N = Dynamic number and/or type of input/output\n  \
                    | = Source or sink filter\n"
        .to_owned();
    for filter in iterate(library.av_filter_iterate) {
        let timeline = mark(filter.flags, ffi::AVFILTER_FLAG_SUPPORT_TIMELINE as c_int, 'T');
        let slices = mark(filter.flags, ffi::AVFILTER_FLAG_SLICE_THREADS as c_int, 'S');
        let commands = if filter.process_command.is_some() { 'C' } else { '.' };
        let (known, drawing, description) = (name(filter.name), drawing(library, filter), name(filter.description));
        let _ = writeln!(text, " {timeline}{slices}{commands} {known:<17} {drawing:<10} {description}");
    }
    Ok(text)
}

pub fn help(wanted: Option<&str>) -> Result<String, Error> {
    let Some(wanted) = wanted else { return Ok("No filter name specified.\n".to_owned()) };
    let library = filter::library()?;
    let c_name = c_string(wanted).unwrap_or_default();
    // SAFETY: the name lives through the call; filters are constants of the library (invariants 11 and 12).
    let Some(filter) = (unsafe { (library.avfilter_get_by_name)(c_name.as_ptr()).as_ref() }) else {
        return Ok(format!("Unknown filter '{wanted}'.\n"));
    };
    let mut text = format!("Filter {}\n", name(filter.name));
    if !filter.description.is_null() {
        let _ = writeln!(text, "  {}", name(filter.description));
    }
    if filter.flags & ffi::AVFILTER_FLAG_SLICE_THREADS as c_int != 0 {
        text += "    slice threading supported\n";
    }
    for (output, head, dynamic, none) in [
        (false, "Inputs", ffi::AVFILTER_FLAG_DYNAMIC_INPUTS, "source"),
        (true, "Outputs", ffi::AVFILTER_FLAG_DYNAMIC_OUTPUTS, "sink"),
    ] {
        let _ = writeln!(text, "    {head}:");
        let pads = pads(library, filter, output);
        for (index, (pad, kind)) in pads.iter().enumerate() {
            let _ = writeln!(text, "       #{index}: {pad} ({})", MediaType::from_raw(*kind).name());
        }
        if filter.flags & dynamic as c_int != 0 {
            text += "        dynamic (depending on the options)\n";
        } else if pads.is_empty() {
            let _ = writeln!(text, "        none ({none} filter)");
        }
    }
    let flags = ffi::AV_OPT_FLAG_VIDEO_PARAM | ffi::AV_OPT_FLAG_FILTERING_PARAM | ffi::AV_OPT_FLAG_AUDIO_PARAM;
    class_and_children(filter.priv_class, flags, &mut text);
    if filter.flags & ffi::AVFILTER_FLAG_SUPPORT_TIMELINE as c_int != 0 {
        text += "This filter has support for timeline through the 'enable' option.\n";
    }
    Ok(text)
}

pub fn bitstream_filters() -> String {
    let names: String = iterate(ffi::av_bsf_iterate).map(|filter| format!("{}\n", name(filter.name))).collect();
    format!("Bitstream filters:\n{names}\n")
}

pub fn bitstream_filter_help(wanted: Option<&str>) -> String {
    let Some(wanted) = wanted else { return "No bitstream filter name specified.\n".to_owned() };
    let c_name = c_string(wanted).unwrap_or_default();
    // SAFETY: the name lives through the call; filters are constants of the library (invariants 11 and 12).
    let Some(filter) = (unsafe { ffi::av_bsf_get_by_name(c_name.as_ptr()).as_ref() }) else {
        return format!("Unknown bit stream filter '{wanted}'.\n");
    };
    let mut text = format!("Bit stream filter {}\n", name(filter.name));
    if !filter.codec_ids.is_null() {
        text += "    Supported codecs:";
        // SAFETY: the list is a constant that ends with AV_CODEC_ID_NONE (invariant 12).
        for id in (0..).map(|index| CodecId(unsafe { *filter.codec_ids.add(index) })).take_while(|id| *id != CodecId::NONE) {
            let _ = write!(text, " {}", id.descriptor().map_or("", |codec| name(codec.name)));
        }
        text.push('\n');
    }
    class_and_children(filter.priv_class, ffi::AV_OPT_FLAG_BSF_PARAM, &mut text);
    text
}
