//! `-formats`, `-muxers`, `-demuxers`, `-devices`, `-protocols`, `-dispositions`, and what `-h` says of one of them.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::fmt::Write as _;

use super::iterate;
use super::options::{class_and_children, name};
use crate::libav::call::c_string;
use crate::libav::ffi::{self, AVClassCategory as Category};
use crate::libav::{codec::CodecId, device};

/// Which formats are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Muxers and demuxers.
    Both,
    /// Muxers only.
    Muxers,
    /// Demuxers only.
    Demuxers,
}

fn is_device(class: *const ffi::AVClass) -> bool {
    // SAFETY: null or a class, which is a constant of its library (invariant 12).
    unsafe { class.as_ref() }.is_some_and(|class| {
        matches!(
            class.category,
            Category::AV_CLASS_CATEGORY_DEVICE_VIDEO_OUTPUT
                | Category::AV_CLASS_CATEGORY_DEVICE_VIDEO_INPUT
                | Category::AV_CLASS_CATEGORY_DEVICE_AUDIO_OUTPUT
                | Category::AV_CLASS_CATEGORY_DEVICE_AUDIO_INPUT
                | Category::AV_CLASS_CATEGORY_DEVICE_OUTPUT
                | Category::AV_CLASS_CATEGORY_DEVICE_INPUT
        )
    })
}

/// What one name stands for.
struct Format {
    demuxes: bool,
    muxes: bool,
    long: *const std::ffi::c_char,
}

pub fn formats(side: Side, devices_only: bool) -> String {
    // Without libavdevice there are no devices to list.
    let _ = device::load();
    let mut formats: BTreeMap<&str, Format> = BTreeMap::new();
    if side != Side::Demuxers {
        for muxer in iterate(ffi::av_muxer_iterate).filter(|muxer| !devices_only || is_device(muxer.priv_class)) {
            formats.entry(name(muxer.name)).or_insert(Format { demuxes: false, muxes: true, long: muxer.long_name });
        }
    }
    if side != Side::Muxers {
        for demuxer in iterate(ffi::av_demuxer_iterate).filter(|demuxer| !devices_only || is_device(demuxer.priv_class)) {
            let format = Format { demuxes: true, muxes: false, long: demuxer.long_name };
            formats.entry(name(demuxer.name)).and_modify(|format| format.demuxes = true).or_insert(format);
        }
    }
    let head = if devices_only { "Devices:" } else { "File formats:" };
    let mut text = format!("{head}\n D. = Demuxing supported\n .E = Muxing supported\n --\n");
    for (known, Format { demuxes, muxes, long }) in formats {
        let (demuxes, muxes) = (if demuxes { 'D' } else { ' ' }, if muxes { 'E' } else { ' ' });
        let long = if long.is_null() { " " } else { name(long) };
        let _ = writeln!(text, " {demuxes}{muxes} {known:<15} {long}");
    }
    text
}

pub fn protocols() -> String {
    let mut text = "Supported file protocols:\n".to_owned();
    for (output, head) in [(0, "Input:\n"), (1, "Output:\n")] {
        text += head;
        let mut state = std::ptr::null_mut();
        loop {
            // SAFETY: the state is only touched here; names are constants of the library, null behind the last (invariant 12).
            let protocol = unsafe { ffi::avio_enum_protocols(&mut state, output) };
            if protocol.is_null() {
                break;
            }
            let _ = writeln!(text, "  {}", name(protocol));
        }
    }
    text
}

pub fn dispositions() -> String {
    // SAFETY: looks the flag up in a static table (invariant 12).
    let names = (0..32).map(|bit| name(unsafe { ffi::av_disposition_to_string((1u32 << bit) as c_int) }));
    names.filter(|name| !name.is_empty()).map(|name| format!("{name}\n")).collect()
}

pub fn demuxer_help(wanted: Option<&str>) -> String {
    let _ = device::load();
    let wanted = wanted.unwrap_or_default();
    let c_name = c_string(wanted).unwrap_or_default();
    // SAFETY: the name lives through the call; formats are constants of the library (invariants 11 and 12).
    let Some(demuxer) = (unsafe { ffi::av_find_input_format(c_name.as_ptr()).as_ref() }) else {
        return format!("Unknown format '{wanted}'.\n");
    };
    let mut text = format!("Demuxer {} [{}]:\n", name(demuxer.name), name(demuxer.long_name));
    if !demuxer.extensions.is_null() {
        let _ = writeln!(text, "    Common extensions: {}.", name(demuxer.extensions));
    }
    class_and_children(demuxer.priv_class, ffi::AV_OPT_FLAG_DECODING_PARAM, &mut text);
    text
}

pub fn muxer_help(wanted: Option<&str>) -> String {
    let _ = device::load();
    let wanted = wanted.unwrap_or_default();
    let c_name = c_string(wanted).unwrap_or_default();
    // SAFETY: the name lives through the call, file name and type may be null; formats are constants of the library
    // (invariants 11 and 12).
    let Some(muxer) = (unsafe { ffi::av_guess_format(c_name.as_ptr(), std::ptr::null(), std::ptr::null()).as_ref() }) else {
        return format!("Unknown format '{wanted}'.\n");
    };
    let mut text = format!("Muxer {} [{}]:\n", name(muxer.name), name(muxer.long_name));
    for (what, value) in [("Common extensions", muxer.extensions), ("Mime type", muxer.mime_type)] {
        if !value.is_null() {
            let _ = writeln!(text, "    {what}: {}.", name(value));
        }
    }
    for (kind, id) in [("video", muxer.video_codec), ("audio", muxer.audio_codec), ("subtitle", muxer.subtitle_codec)] {
        if let Some(codec) = CodecId(id).descriptor().filter(|_| CodecId(id) != CodecId::NONE) {
            let _ = writeln!(text, "    Default {kind} codec: {}.", name(codec.name));
        }
    }
    class_and_children(muxer.priv_class, ffi::AV_OPT_FLAG_ENCODING_PARAM, &mut text);
    text
}

pub fn protocol_help(wanted: Option<&str>) -> String {
    let Some(wanted) = wanted else { return "No protocol name specified.\n".to_owned() };
    let c_name = c_string(wanted).unwrap_or_default();
    // SAFETY: the name lives through the call; classes are constants of the library (invariants 11 and 12).
    let class = unsafe { ffi::avio_protocol_get_class(c_name.as_ptr()) };
    if class.is_null() {
        return format!("Unknown protocol '{wanted}'.\n");
    }
    let mut text = String::new();
    class_and_children(class, ffi::AV_OPT_FLAG_DECODING_PARAM | ffi::AV_OPT_FLAG_ENCODING_PARAM, &mut text);
    text
}
