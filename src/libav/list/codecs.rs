//! `-codecs`, `-decoders`, `-encoders` and what `-h` says of one of them.

use std::ffi::c_int;
use std::fmt::Write as _;

use super::options::{class_and_children, name};
use super::{iterate, letter, mark};
use crate::libav::codec::{Codec, CodecId};
use crate::libav::ffi;
use crate::libav::frame::PixelFormat;

/// Which way a codec works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From packets to frames.
    Decode,
    /// From frames to packets.
    Encode,
}

impl Direction {
    /// The decoders or encoders of a codec, in libavcodec's order.
    fn of(self, id: ffi::AVCodecID) -> impl Iterator<Item = &'static ffi::AVCodec> {
        let suits = move |codec: &&ffi::AVCodec| {
            // SAFETY: a constant of the library (invariant 12).
            let is_encoder = unsafe { ffi::av_codec_is_encoder(*codec) } != 0;
            codec.id == id && is_encoder == (self == Self::Encode)
        };
        iterate(ffi::av_codec_iterate).filter(suits)
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Decode => ("Decoder", "decoders"),
            Self::Encode => ("Encoder", "encoders"),
        }
    }
}

/// All codecs, by kind and name.
fn sorted() -> Vec<&'static ffi::AVCodecDescriptor> {
    let mut last = std::ptr::null();
    let mut codecs: Vec<_> = std::iter::from_fn(|| {
        // SAFETY: descriptors are constants of the library, null behind the last (invariant 12).
        let descriptor = unsafe { ffi::avcodec_descriptor_next(last).as_ref() }?;
        last = descriptor;
        Some(descriptor)
    })
    .collect();
    codecs.sort_by_key(|codec| (codec.type_ as c_int, name(codec.name)));
    codecs
}

pub fn codecs() -> String {
    let mut text = "Codecs:\n D..... = Decoding supported\n .E.... = Encoding supported\n ..V... = Video codec\n \
                    ..A... = Audio codec\n ..S... = Subtitle codec\n ..D... = Data codec\n ..T... = Attachment codec\n \
                    ...I.. = Intra frame-only codec\n ....L. = Lossy compression\n .....S = Lossless compression\n -------\n"
        .to_owned();
    for codec in sorted() {
        let known = name(codec.name);
        if known.contains("_deprecated") {
            continue;
        }
        let id = CodecId(codec.id);
        let decodes = if Codec::decoder(id).is_some() { 'D' } else { '.' };
        let encodes = if Codec::encoder(id).is_some() { 'E' } else { '.' };
        let [intra, lossy, lossless] =
            [(ffi::AV_CODEC_PROP_INTRA_ONLY, 'I'), (ffi::AV_CODEC_PROP_LOSSY, 'L'), (ffi::AV_CODEC_PROP_LOSSLESS, 'S')]
                .map(|(flag, letter)| mark(codec.props, flag as c_int, letter));
        let (kind, long) = (letter(codec.type_), name(codec.long_name));
        let _ = write!(text, " {decodes}{encodes}{kind}{intra}{lossy}{lossless} {known:<20} {long}");
        for direction in [Direction::Decode, Direction::Encode] {
            let names: Vec<_> = direction.of(codec.id).map(|codec| name(codec.name)).collect();
            if names.iter().any(|name| *name != known) {
                let _ = write!(text, " ({}: {} )", direction.words().1, names.join(" "));
            }
        }
        text.push('\n');
    }
    text
}

pub fn implementations(direction: Direction) -> String {
    let mut text = format!(
        "{}s:\n V..... = Video\n A..... = Audio\n S..... = Subtitle\n .F.... = Frame-level multithreading\n \
         ..S... = Slice-level multithreading\n ...X.. = Codec is experimental\n ....B. = Supports draw_horiz_band\n \
         .....D = Supports direct rendering method 1\n ------\n",
        direction.words().0
    );
    for descriptor in sorted() {
        for codec in direction.of(descriptor.id) {
            let marks: String = [
                (ffi::AV_CODEC_CAP_FRAME_THREADS, 'F'),
                (ffi::AV_CODEC_CAP_SLICE_THREADS, 'S'),
                (ffi::AV_CODEC_CAP_EXPERIMENTAL, 'X'),
                (ffi::AV_CODEC_CAP_DRAW_HORIZ_BAND, 'B'),
                (ffi::AV_CODEC_CAP_DR1, 'D'),
            ]
            .iter()
            .map(|(flag, letter)| mark(codec.capabilities, *flag as c_int, *letter))
            .collect();
            let (own, long) = (name(codec.name), name(codec.long_name));
            let _ = write!(text, " {}{marks} {own:<20} {long}", letter(descriptor.type_));
            if own != name(descriptor.name) {
                let _ = write!(text, " (codec {})", name(descriptor.name));
            }
            text.push('\n');
        }
    }
    text
}

/// `-h decoder=NAME`, `-h encoder=NAME`: one of that name, else all for the codec of that name.
pub fn help(direction: Direction, wanted: Option<&str>) -> String {
    let Some(wanted) = wanted else { return "No codec name specified.\n".to_owned() };
    let named = match direction {
        Direction::Decode => Codec::decoder_by_name(wanted),
        Direction::Encode => Codec::encoder_by_name(wanted),
    };
    if let Some(codec) = named.filter(|codec| codec.name() == wanted) {
        return describe(codec, direction);
    }
    let Some(id) = CodecId::by_name(wanted) else { return format!("Codec '{wanted}' is not recognized by FFmpeg.\n") };
    let text: String = direction.of(id.0).map(|codec| describe(Codec::from_raw(codec), direction)).collect();
    if text.is_empty() {
        return format!(
            "Codec '{wanted}' is known to FFmpeg, but no {} for it are available. FFmpeg might need to be recompiled with \
             additional external libraries.\n",
            direction.words().1
        );
    }
    text
}

fn describe(codec: Codec, direction: Direction) -> String {
    let raw = codec.raw();
    let mut text = format!("{} {} [{}]:\n    General capabilities: ", direction.words().0, codec.name(), name(raw.long_name));
    let threads = [ffi::AV_CODEC_CAP_FRAME_THREADS, ffi::AV_CODEC_CAP_SLICE_THREADS, ffi::AV_CODEC_CAP_OTHER_THREADS];
    for (flag, word) in [
        (ffi::AV_CODEC_CAP_DRAW_HORIZ_BAND, "horizband "),
        (ffi::AV_CODEC_CAP_DR1, "dr1 "),
        (ffi::AV_CODEC_CAP_DELAY, "delay "),
        (ffi::AV_CODEC_CAP_SMALL_LAST_FRAME, "small "),
        (ffi::AV_CODEC_CAP_SUBFRAMES, "subframes "),
        (ffi::AV_CODEC_CAP_EXPERIMENTAL, "exp "),
        (ffi::AV_CODEC_CAP_CHANNEL_CONF, "chconf "),
        (ffi::AV_CODEC_CAP_PARAM_CHANGE, "paramchange "),
        (ffi::AV_CODEC_CAP_VARIABLE_FRAME_SIZE, "variable "),
        (threads[0] | threads[1] | threads[2], "threads "),
        (ffi::AV_CODEC_CAP_AVOID_PROBING, "avoidprobe "),
        (ffi::AV_CODEC_CAP_HARDWARE, "hardware "),
        (ffi::AV_CODEC_CAP_HYBRID, "hybrid "),
    ] {
        if codec.has(flag) {
            text += word;
        }
    }
    text += if raw.capabilities == 0 { "none\n" } else { "\n" };
    if matches!(raw.type_, ffi::AVMediaType::AVMEDIA_TYPE_VIDEO | ffi::AVMediaType::AVMEDIA_TYPE_AUDIO) {
        let how = match threads.map(|flag| codec.has(flag)) {
            [true, true, false] => "frame and slice",
            [true, false, false] => "frame",
            [false, true, false] => "slice",
            [false, false, true] => "other",
            _ => "none",
        };
        let _ = writeln!(text, "    Threading capabilities: {how}");
    }
    let devices: String =
        codec.hardware_configs().map(|config| config.device.map_or("(null)".to_owned(), |kind| kind.name()) + " ").collect();
    if !devices.is_empty() {
        let _ = writeln!(text, "    Supported hardware devices: {devices}");
    }
    let supported = |what: &str, list: Option<Vec<String>>| {
        list.map(|list| format!("    Supported {what}:{}\n", list.iter().map(|item| format!(" {item}")).collect::<String>()))
    };
    let strings = |list: Vec<i32>| list.iter().map(ToString::to_string).collect();
    text.extend(supported("framerates", codec.frame_rates().map(|list| list.iter().map(ToString::to_string).collect())));
    text.extend(supported("pixel formats", codec.pixel_formats().map(|list| list.into_iter().map(PixelFormat::name).collect())));
    text.extend(supported("sample rates", codec.sample_rates().map(strings)));
    text.extend(supported("sample formats", codec.sample_formats().map(|list| list.iter().map(|item| item.name()).collect())));
    text.extend(supported("channel layouts", codec.channel_layouts().map(|list| list.iter().map(ToString::to_string).collect())));
    class_and_children(codec.private_class(), ffi::AV_OPT_FLAG_ENCODING_PARAM | ffi::AV_OPT_FLAG_DECODING_PARAM, &mut text);
    text
}
