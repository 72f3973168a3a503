//! One stream: its codec parameters, its decoder's, its place in the file.

use std::ffi::c_void;
use std::ptr;

use super::super::call::string;
use super::super::ffi::{self, AVMediaType::*};
use super::STREAM;
use super::fields::{elements, known, ratio, side_data, tags, time};
use super::hash::Hash;
use super::section::{Label, Section};

const SIDE_DATA: [Label; 2] =
    [Label::array("side_data_list").unique("stream_side_data_list"), Label::record("side_data").unique("stream_side_data")];

/// A stream's disposition flags by name.
const DISPOSITIONS: &[(&str, i32)] = &[
    ("default", ffi::AV_DISPOSITION_DEFAULT),
    ("dub", ffi::AV_DISPOSITION_DUB),
    ("original", ffi::AV_DISPOSITION_ORIGINAL),
    ("comment", ffi::AV_DISPOSITION_COMMENT),
    ("lyrics", ffi::AV_DISPOSITION_LYRICS),
    ("karaoke", ffi::AV_DISPOSITION_KARAOKE),
    ("forced", ffi::AV_DISPOSITION_FORCED),
    ("hearing_impaired", ffi::AV_DISPOSITION_HEARING_IMPAIRED),
    ("visual_impaired", ffi::AV_DISPOSITION_VISUAL_IMPAIRED),
    ("clean_effects", ffi::AV_DISPOSITION_CLEAN_EFFECTS),
    ("attached_pic", ffi::AV_DISPOSITION_ATTACHED_PIC),
    ("timed_thumbnails", ffi::AV_DISPOSITION_TIMED_THUMBNAILS),
    ("captions", ffi::AV_DISPOSITION_CAPTIONS),
    ("descriptions", ffi::AV_DISPOSITION_DESCRIPTIONS),
    ("metadata", ffi::AV_DISPOSITION_METADATA),
    ("dependent", ffi::AV_DISPOSITION_DEPENDENT),
    ("still_image", ffi::AV_DISPOSITION_STILL_IMAGE),
];

/// What is known of a stream besides itself.
pub struct Known<'a> {
    /// Its decoder.
    pub decoder: Option<&'a Decoder>,
    /// Packets read so far.
    pub packets: u64,
    /// How payloads are shown.
    pub hash: Option<&'a mut Hash>,
    /// Described within a program: its nested sections have other unique names, as in ffprobe.
    pub in_program: bool,
}

/// An opened decoder: some facts about a stream are only known to one. It never sees a packet.
pub struct Decoder(*mut ffi::AVCodecContext);

impl Decoder {
    /// Opens the decoder of a stream; `None` if there is none for its codec, or it does not take the stream.
    ///
    /// # Safety
    /// `stream` is a stream of an open demuxer, and rule 1 holds for it.
    pub unsafe fn open(stream: *const ffi::AVStream) -> Option<Self> {
        // SAFETY: the stream and its parameters are valid by the caller's promise; each pointer that libav returns is
        // checked (invariant 9); the context is freed on drop.
        unsafe {
            let codec = ffi::avcodec_find_decoder((*(*stream).codecpar).codec_id);
            if codec.is_null() {
                return None;
            }
            let context = ffi::avcodec_alloc_context3(codec);
            if context.is_null() {
                return None;
            }
            let decoder = Self(context);
            (*context).pkt_timebase = (*stream).time_base;
            (*context).framerate = (*stream).avg_frame_rate;
            let copied = ffi::avcodec_parameters_to_context(context, (*stream).codecpar);
            (copied >= 0 && ffi::avcodec_open2(context, codec, ptr::null_mut()) >= 0).then_some(decoder)
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: owned; frees the private data with it (invariant 10).
        unsafe { ffi::avcodec_free_context(&mut self.0) };
    }
}

/// A stream of `context` (`show_stream` in ffprobe).
///
/// # Safety
/// As [`super::describe_format`]; `stream` is one of its streams and the decoder was opened for it.
pub unsafe fn describe(context: *mut ffi::AVFormatContext, stream: *mut ffi::AVStream, known_of_it: Known<'_>) -> Section {
    // SAFETY: the caller's promise; libav's names are static strings or null (invariant 9).
    unsafe {
        let (facts, par) = (&*stream, &*(*stream).codecpar);
        let Known { decoder, packets, hash, in_program } = known_of_it;
        let decoder = decoder.map(|decoder| &*decoder.0);
        let mut section = Section::new(if in_program { STREAM.unique("program_stream") } else { STREAM });
        section.integer("index", facts.index);
        let descriptor = ffi::avcodec_descriptor_get(par.codec_id);
        let descriptor = (!descriptor.is_null()).then(|| &*descriptor);
        section.text_or("codec_name", descriptor.and_then(|codec| string(codec.name)), "unknown");
        match descriptor {
            Some(codec) => section.text("codec_long_name", string(codec.long_name).unwrap_or("unknown".into())),
            None => section.missing("codec_long_name", "unknown"),
        }
        let profile = string(ffi::avcodec_profile_name(par.codec_id, par.profile)).map(|profile| profile.into_owned());
        let number = (par.profile != ffi::FF_PROFILE_UNKNOWN).then(|| par.profile.to_string());
        section.text_or("profile", profile.or(number), "unknown");
        section.text_or("codec_type", string(ffi::av_get_media_type_string(par.codec_type)), "unknown");
        section.text("codec_tag_string", fourcc(par.codec_tag));
        section.text("codec_tag", format!("0x{:04x}", par.codec_tag));
        match par.codec_type {
            AVMEDIA_TYPE_VIDEO => {
                let sample_aspect = ffi::av_guess_sample_aspect_ratio(context, stream, ptr::null_mut());
                video(&mut section, par, decoder, sample_aspect);
            }
            AVMEDIA_TYPE_AUDIO => audio(&mut section, par),
            AVMEDIA_TYPE_SUBTITLE => {
                section.integer_or_na("width", (par.width != 0).then_some(par.width));
                section.integer_or_na("height", (par.height != 0).then_some(par.height));
            }
            _ => {}
        }
        if let Some(decoder) = decoder {
            exported(&mut section, decoder);
        }
        let shows_ids = (*(*context).iformat).flags & ffi::AVFMT_SHOW_IDS != 0;
        section.text_or("id", shows_ids.then(|| format!("0x{:x}", facts.id)), "N/A");
        section.text("r_frame_rate", ratio(facts.r_frame_rate, '/'));
        section.text("avg_frame_rate", ratio(facts.avg_frame_rate, '/'));
        section.text("time_base", ratio(facts.time_base, '/'));
        section.integer_or_na("start_pts", known(facts.start_time));
        time(&mut section, "start_time", facts.start_time, facts.time_base);
        section.integer_or_na("duration_ts", known(facts.duration));
        time(&mut section, "duration", facts.duration, facts.time_base);
        let positive = |number: i64| (number > 0).then(|| number.to_string());
        section.text_or("bit_rate", positive(par.bit_rate), "N/A");
        section.text_or("max_bit_rate", decoder.and_then(|decoder| positive(decoder.rc_max_rate)), "N/A");
        section.text_or("bits_per_raw_sample", decoder.and_then(|decoder| positive(decoder.bits_per_raw_sample.into())), "N/A");
        section.text_or("nb_frames", (facts.nb_frames != 0).then(|| facts.nb_frames.to_string()), "N/A");
        section.missing("nb_read_frames", "N/A");
        section.text_or("nb_read_packets", (packets != 0).then(|| packets.to_string()), "N/A");
        if par.extradata_size > 0 {
            section.integer("extradata_size", par.extradata_size);
            if let Some(hash) = hash {
                section.text("extradata_hash", hash.of(elements(par.extradata, par.extradata_size.unsigned_abs())));
            }
        }
        let disposition = Label::record("disposition");
        let unique = if in_program { "program_stream_disposition" } else { "stream_disposition" };
        let mut dispositions = Section::new(disposition.unique(unique));
        for (name, flag) in DISPOSITIONS {
            dispositions.integer(name, facts.disposition & flag != 0);
        }
        section.nest(dispositions);
        tags(&mut section, facts.metadata, if in_program { "program_stream_tags" } else { "stream_tags" });
        #[cfg(libavformat_59)]
        let all = elements(facts.side_data, u32::try_from(facts.nb_side_data).unwrap_or(0));
        #[cfg(not(libavformat_59))]
        let all = elements(par.coded_side_data, u32::try_from(par.nb_coded_side_data).unwrap_or(0));
        side_data(&mut section, all, facts, SIDE_DATA);
        section
    }
}

fn video(
    section: &mut Section,
    par: &ffi::AVCodecParameters,
    decoder: Option<&ffi::AVCodecContext>,
    sample_aspect: ffi::AVRational,
) {
    section.integer("width", par.width);
    section.integer("height", par.height);
    if let Some(decoder) = decoder {
        let property = |flag: i32| i64::from(decoder.properties & flag.cast_unsigned() != 0);
        section.integer("coded_width", decoder.coded_width);
        section.integer("coded_height", decoder.coded_height);
        section.integer("closed_captions", property(ffi::FF_CODEC_PROPERTY_CLOSED_CAPTIONS));
        section.integer("film_grain", property(ffi::FF_CODEC_PROPERTY_FILM_GRAIN));
    }
    section.integer("has_b_frames", par.video_delay);
    if sample_aspect.num == 0 {
        section.missing("sample_aspect_ratio", "N/A");
        section.missing("display_aspect_ratio", "N/A");
    } else {
        section.text("sample_aspect_ratio", ratio(sample_aspect, ':'));
        let mut display = ffi::AVRational { num: 0, den: 1 };
        let width = i64::from(par.width) * i64::from(sample_aspect.num);
        let height = i64::from(par.height) * i64::from(sample_aspect.den);
        // SAFETY: two valid out pointers (invariant 10).
        unsafe { ffi::av_reduce(&mut display.num, &mut display.den, width, height, 1024 * 1024) };
        section.text("display_aspect_ratio", ratio(display, ':'));
    }
    // SAFETY: each function takes any value of its enum and returns a static string or null (invariant 9).
    unsafe {
        section.text_or("pix_fmt", string(ffi::av_get_pix_fmt_name(pixel_format(par.format))), "unknown");
        section.integer("level", par.level);
        let named = |name| string(name).filter(|name| name != "unknown" && name != "unspecified");
        section.text_or("color_range", named(ffi::av_color_range_name(par.color_range)), "unknown");
        section.text_or("color_space", named(ffi::av_color_space_name(par.color_space)), "unknown");
        section.text_or("color_transfer", named(ffi::av_color_transfer_name(par.color_trc)), "unknown");
        section.text_or("color_primaries", named(ffi::av_color_primaries_name(par.color_primaries)), "unknown");
        section.text_or("chroma_location", named(ffi::av_chroma_location_name(par.chroma_location)), "unspecified");
    }
    let order = match par.field_order {
        ffi::AVFieldOrder::AV_FIELD_PROGRESSIVE => Some("progressive"),
        ffi::AVFieldOrder::AV_FIELD_TT => Some("tt"),
        ffi::AVFieldOrder::AV_FIELD_BB => Some("bb"),
        ffi::AVFieldOrder::AV_FIELD_TB => Some("tb"),
        ffi::AVFieldOrder::AV_FIELD_BT => Some("bt"),
        _ => None,
    };
    section.text_or("field_order", order, "unknown");
    if let Some(decoder) = decoder {
        section.integer("refs", decoder.refs);
    }
}

fn audio(section: &mut Section, par: &ffi::AVCodecParameters) {
    // SAFETY: the name is a static string or null (invariant 9); av_channel_layout_describe terminates what it writes into
    // a buffer of the size given.
    unsafe {
        section.text_or("sample_fmt", string(ffi::av_get_sample_fmt_name(sample_format(par.format))), "unknown");
        section.text("sample_rate", par.sample_rate.to_string());
        section.integer("channels", par.ch_layout.nb_channels);
        let mut layout = [0; 128];
        let described = par.ch_layout.order != ffi::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC
            && ffi::av_channel_layout_describe(&par.ch_layout, layout.as_mut_ptr(), layout.len()) >= 0;
        section.text_or("channel_layout", described.then(|| string(layout.as_ptr())).flatten(), "unknown");
        section.integer("bits_per_sample", ffi::av_get_bits_per_sample(par.codec_id));
    }
}

/// What a decoder tells through options of its private part (`is_avc` of h264).
fn exported(section: &mut Section, decoder: &ffi::AVCodecContext) {
    // SAFETY: an open decoder's codec is valid; where that has a class, `priv_data` begins with a pointer to it, which is what
    // the option functions need. The text is ours to free (invariant 10).
    unsafe {
        if (*decoder.codec).priv_class.is_null() {
            return;
        }
        let object = decoder.priv_data.cast::<c_void>();
        let mut option = ffi::av_opt_next(object, ptr::null());
        while !option.is_null() {
            let mut value: *mut u8 = ptr::null_mut();
            if (*option).flags & ffi::AV_OPT_FLAG_EXPORT != 0 && ffi::av_opt_get(object, (*option).name, 0, &mut value) >= 0 {
                let key = string((*option).name).unwrap_or_default();
                section.text(&key, string(value.cast()).unwrap_or_default());
                ffi::av_free(value.cast());
            }
            option = ffi::av_opt_next(object, option);
        }
    }
}

/// `av_fourcc2str`.
fn fourcc(tag: u32) -> String {
    let printable = |byte: u8| byte.is_ascii_alphanumeric() || b" .-_".contains(&byte);
    let letter = |byte: u8| if printable(byte) { char::from(byte).to_string() } else { format!("[{byte}]") };
    tag.to_le_bytes().into_iter().map(letter).collect()
}

fn pixel_format(format: i32) -> ffi::AVPixelFormat {
    // SAFETY: libavformat stores one of this enum's values in a video stream's `format`, -1 for none included (invariant 10).
    unsafe { std::mem::transmute::<i32, ffi::AVPixelFormat>(format) }
}

fn sample_format(format: i32) -> ffi::AVSampleFormat {
    // SAFETY: libavformat stores one of this enum's values in an audio stream's `format`, -1 for none included (invariant 10).
    unsafe { std::mem::transmute::<i32, ffi::AVSampleFormat>(format) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_of_four_letters_shows_other_bytes_as_numbers() {
        assert_eq!(fourcc(u32::from_le_bytes(*b"avc1")), "avc1");
        assert_eq!(fourcc(27), "[27][0][0][0]");
    }
}
