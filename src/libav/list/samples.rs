//! `-pix_fmts`, `-sample_fmts`, `-layouts`, `-colors`.

use std::ffi::{c_char, c_int, c_void};
use std::fmt::Write as _;

use super::iterate;
use super::options::name;
use crate::libav::call::string;
use crate::libav::device;
use crate::libav::ffi::{self, AVChannel, AVPixelFormat, AVSampleFormat};
use crate::libav::frame::{ChannelLayout, PixelFormat, SampleFormat};

/// Asks libswscale about a format; without it no format is supported.
fn scaler(function: &str) -> impl Fn(PixelFormat) -> bool {
    let function = device::symbol(&device::scaler(), function).ok();
    // SAFETY: both functions that are asked for take a format and return a number, in every version (invariant 9).
    let function = function
        .map(|function| unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn(AVPixelFormat) -> c_int>(function) });
    // SAFETY: looks the format up in a static table (invariant 12).
    move |format| function.is_some_and(|function| unsafe { function(format.to_raw()) } != 0)
}

pub fn pixel_formats() -> String {
    let mut text = "Pixel formats:\nI.... = Supported Input  format for conversion\n\
                    .O... = Supported Output format for conversion\n..H.. = Hardware accelerated format\n\
                    ...P. = Paletted format\n....B = Bitstream format\n\
                    FLAGS NAME            NB_COMPONENTS BITS_PER_PIXEL BIT_DEPTHS\n-----\n"
        .to_owned();
    let (input, output) = (scaler("sws_isSupportedInput"), scaler("sws_isSupportedOutput"));
    for format in PixelFormat::all() {
        let Some(descriptor) = format.descriptor() else { continue };
        let has = |flag: c_int| descriptor.flags & flag as u64 != 0;
        let marks: String = [
            (input(format), 'I'),
            (output(format), 'O'),
            (has(ffi::AV_PIX_FMT_FLAG_HWACCEL as c_int), 'H'),
            (has(ffi::AV_PIX_FMT_FLAG_PAL as c_int), 'P'),
            (has(ffi::AV_PIX_FMT_FLAG_BITSTREAM as c_int), 'B'),
        ]
        .map(|(set, letter)| if set { letter } else { '.' })
        .iter()
        .collect();
        // SAFETY: a constant of the library (invariant 12).
        let bits = unsafe { ffi::av_get_bits_per_pixel(descriptor) };
        let count = usize::from(descriptor.nb_components);
        // ffmpeg shows the first component also where there is none.
        let depths: Vec<_> = descriptor.comp.iter().take(count.max(1)).map(|component| component.depth.to_string()).collect();
        let _ = writeln!(text, "{marks} {:<16}       {count}            {bits:>3}      {}", format.name(), depths.join("-"));
    }
    text
}

pub fn sample_formats() -> String {
    let formats = (0..).map_while(SampleFormat::from_number).map(SampleFormat::to_raw);
    let line = |format| {
        let mut line = [0 as c_char; 128];
        // SAFETY: the room is as large as said, and is terminated (invariant 11).
        unsafe {
            ffi::av_get_sample_fmt_string(line.as_mut_ptr(), line.len() as c_int, format);
            string(line.as_ptr()).unwrap_or_default().into_owned() + "\n"
        }
    };
    // The first line, for no format, is the head of the table.
    std::iter::once(AVSampleFormat::AV_SAMPLE_FMT_NONE).chain(formats).map(line).collect()
}

/// The channels that have a name, in the order of their numbers.
const CHANNELS: [AVChannel; 30] = [
    AVChannel::AV_CHAN_FRONT_LEFT,
    AVChannel::AV_CHAN_FRONT_RIGHT,
    AVChannel::AV_CHAN_FRONT_CENTER,
    AVChannel::AV_CHAN_LOW_FREQUENCY,
    AVChannel::AV_CHAN_BACK_LEFT,
    AVChannel::AV_CHAN_BACK_RIGHT,
    AVChannel::AV_CHAN_FRONT_LEFT_OF_CENTER,
    AVChannel::AV_CHAN_FRONT_RIGHT_OF_CENTER,
    AVChannel::AV_CHAN_BACK_CENTER,
    AVChannel::AV_CHAN_SIDE_LEFT,
    AVChannel::AV_CHAN_SIDE_RIGHT,
    AVChannel::AV_CHAN_TOP_CENTER,
    AVChannel::AV_CHAN_TOP_FRONT_LEFT,
    AVChannel::AV_CHAN_TOP_FRONT_CENTER,
    AVChannel::AV_CHAN_TOP_FRONT_RIGHT,
    AVChannel::AV_CHAN_TOP_BACK_LEFT,
    AVChannel::AV_CHAN_TOP_BACK_CENTER,
    AVChannel::AV_CHAN_TOP_BACK_RIGHT,
    AVChannel::AV_CHAN_STEREO_LEFT,
    AVChannel::AV_CHAN_STEREO_RIGHT,
    AVChannel::AV_CHAN_WIDE_LEFT,
    AVChannel::AV_CHAN_WIDE_RIGHT,
    AVChannel::AV_CHAN_SURROUND_DIRECT_LEFT,
    AVChannel::AV_CHAN_SURROUND_DIRECT_RIGHT,
    AVChannel::AV_CHAN_LOW_FREQUENCY_2,
    AVChannel::AV_CHAN_TOP_SIDE_LEFT,
    AVChannel::AV_CHAN_TOP_SIDE_RIGHT,
    AVChannel::AV_CHAN_BOTTOM_FRONT_CENTER,
    AVChannel::AV_CHAN_BOTTOM_FRONT_LEFT,
    AVChannel::AV_CHAN_BOTTOM_FRONT_RIGHT,
];

pub fn layouts() -> String {
    let written = |write: unsafe extern "C" fn(*mut c_char, usize, AVChannel) -> c_int, channel| {
        let mut name = [0 as c_char; 128];
        // SAFETY: the room is as large as said, and is terminated (invariant 11).
        unsafe {
            write(name.as_mut_ptr(), name.len(), channel);
            string(name.as_ptr()).unwrap_or_default().into_owned()
        }
    };
    let mut text = "Individual channels:\nNAME           DESCRIPTION\n".to_owned();
    for channel in CHANNELS {
        let (name, description) = (written(ffi::av_channel_name, channel), written(ffi::av_channel_description, channel));
        let _ = writeln!(text, "{name:<14} {description}");
    }
    text += "\nStandard channel layouts:\nNAME           DECOMPOSITION\n";
    for raw in iterate(ffi::av_channel_layout_standard) {
        // SAFETY: a constant of the library (invariant 12).
        let layout = unsafe { ChannelLayout::copy_of(raw) };
        // SAFETY: as above (invariant 10).
        let is_part = |channel: &AVChannel| unsafe { ffi::av_channel_layout_index_from_channel(raw, *channel) } >= 0;
        let parts: Vec<_> = CHANNELS.into_iter().filter(is_part).map(|channel| written(ffi::av_channel_name, channel)).collect();
        let _ = writeln!(text, "{:<14} {}", layout.to_string(), parts.join("+"));
    }
    text
}

pub fn colors() -> String {
    let mut text = format!("{:<32} #RRGGBB\n", "name");
    for index in 0.. {
        let mut rgb: *const u8 = std::ptr::null();
        // SAFETY: looks the number up in a static table, whose entries have three bytes; null behind the last (invariant 12).
        let (known, rgb) = unsafe {
            let known = ffi::av_get_known_color_name(index, &mut rgb);
            if known.is_null() {
                break;
            }
            (name(known), rgb.cast::<[u8; 3]>().read())
        };
        let _ = writeln!(text, "{known:<32} #{:02x}{:02x}{:02x}", rgb[0], rgb[1], rgb[2]);
    }
    text
}
