//! Says of an open input what ffprobe says: format, programs, chapters, streams, packets.
//!
//! The sections, keys and values are those of ffprobe 5.1 (`show_format`, `show_stream`, … in its source), so that what reads
//! its output can read ours.

mod hash;
mod section;
mod side_data;

use std::ffi::c_void;
use std::ptr;

pub use self::hash::Hash;
pub use self::section::{Item, Label, Section, Shape, Value};
use super::call::string;
use super::ffi::{self, AVMediaType::*};
use super::option::Dictionary;

/// `AV_NOPTS_VALUE`.
const NO_TIMESTAMP: i64 = i64::MIN;

/// One packet.
pub const PACKET: Label = Label::record("packet");
/// One stream.
pub const STREAM: Label = Label::record("stream");
/// The file.
pub const FORMAT: Label = Label::record("format");
/// One chapter.
pub const CHAPTER: Label = Label::record("chapter");
/// One program.
pub const PROGRAM: Label = Label::record("program");
/// Packets.
pub const PACKETS: Label = Label::array("packets");
/// Streams.
pub const STREAMS: Label = Label::array("streams");
/// Chapters.
pub const CHAPTERS: Label = Label::array("chapters");
/// Programs.
pub const PROGRAMS: Label = Label::array("programs");

const PACKET_SIDE_DATA: [Label; 2] =
    [Label::array("side_data_list").unique("packet_side_data_list"), Label::record("side_data").unique("packet_side_data")];
const STREAM_SIDE_DATA: [Label; 2] =
    [Label::array("side_data_list").unique("stream_side_data_list"), Label::record("side_data").unique("stream_side_data")];
const TAGS: Label = Label::record("tags").element("tag");

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

/// An opened decoder: some facts about a stream are only known to one. It never sees a packet.
pub(in crate::libav) struct Decoder(*mut ffi::AVCodecContext);

impl Decoder {
    /// Opens the decoder of a stream; `None` if there is none for its codec, or it does not take the stream.
    ///
    /// # Safety
    /// `stream` is a stream of an open demuxer, and rule 1 holds for it.
    pub(in crate::libav) unsafe fn open(stream: *const ffi::AVStream) -> Option<Self> {
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
        // SAFETY: owned; frees the private data with it.
        unsafe { ffi::avcodec_free_context(&mut self.0) };
    }
}

/// The file as a whole.
///
/// # Safety
/// `context` is an open demuxer, and rule 1 holds for it.
pub(in crate::libav) unsafe fn format(context: *const ffi::AVFormatContext) -> Section {
    // SAFETY: the caller's promise; names are static strings of libav or null (invariant 9).
    unsafe {
        let mut section = Section::new(FORMAT);
        let format = &*context;
        let url = string(format.url).unwrap_or_default();
        section.text("filename", crate::redact::url(&url));
        section.integer("nb_streams", format.nb_streams);
        section.integer("nb_programs", format.nb_programs);
        section.text("format_name", string((*format.iformat).name).unwrap_or_default());
        section.text_or("format_long_name", string((*format.iformat).long_name), "unknown");
        time(&mut section, "start_time", format.start_time, MICROSECONDS);
        time(&mut section, "duration", format.duration, MICROSECONDS);
        let size = if format.pb.is_null() { -1 } else { ffi::avio_size(format.pb) };
        section.text_or("size", (size >= 0).then(|| size.to_string()), "N/A");
        section.text_or("bit_rate", (format.bit_rate > 0).then(|| format.bit_rate.to_string()), "N/A");
        section.integer("probe_score", format.probe_score);
        tags(&mut section, format.metadata, "format_tags");
        section
    }
}

/// The chapters, in order.
///
/// # Safety
/// As [`format`].
pub(in crate::libav) unsafe fn chapters(context: *const ffi::AVFormatContext) -> Vec<Section> {
    // SAFETY: the caller's promise; the array has `nb_chapters` valid entries.
    let chapters = unsafe { elements((*context).chapters, (*context).nb_chapters) };
    let describe = |chapter: &*mut ffi::AVChapter| {
        // SAFETY: as above.
        let chapter = unsafe { &**chapter };
        let mut section = Section::new(CHAPTER);
        section.integer("id", chapter.id);
        section.text("time_base", ratio(chapter.time_base, '/'));
        section.integer("start", chapter.start);
        time(&mut section, "start_time", chapter.start, chapter.time_base);
        section.integer("end", chapter.end);
        time(&mut section, "end_time", chapter.end, chapter.time_base);
        // SAFETY: as above.
        unsafe { tags(&mut section, chapter.metadata, "chapter_tags") };
        section
    };
    chapters.iter().map(describe).collect()
}

/// The programs, each with the indices of its streams, whose descriptions belong after its tags.
///
/// # Safety
/// As [`format`].
pub(in crate::libav) unsafe fn programs(context: *const ffi::AVFormatContext) -> Vec<(Section, Vec<usize>)> {
    // SAFETY: the caller's promise; the array has `nb_programs` valid entries.
    let programs = unsafe { elements((*context).programs, (*context).nb_programs) };
    let describe = |program: &*mut ffi::AVProgram| {
        // SAFETY: as above.
        let program = unsafe { &**program };
        let mut section = Section::new(PROGRAM);
        section.integer("program_id", program.id);
        section.integer("program_num", program.program_num);
        section.integer("nb_streams", program.nb_stream_indexes);
        section.integer("pmt_pid", program.pmt_pid);
        section.integer("pcr_pid", program.pcr_pid);
        // SAFETY: as above; the array of indices has `nb_stream_indexes` entries.
        let streams = unsafe {
            tags(&mut section, program.metadata, "program_tags");
            elements(program.stream_index, program.nb_stream_indexes)
        };
        (section, streams.iter().map(|index| *index as usize).collect())
    };
    programs.iter().map(describe).collect()
}

/// A packet of `stream`.
///
/// # Safety
/// Both are valid, and rule 1 holds for them.
pub(in crate::libav) unsafe fn packet(packet: *const ffi::AVPacket, stream: *const ffi::AVStream, hash: Option<&mut Hash>) -> Section {
    // SAFETY: the caller's promise; data and side data have the sizes that stand beside them.
    unsafe {
        let (packet, stream) = (&*packet, &*stream);
        let mut section = Section::new(PACKET);
        section.text_or("codec_type", string(ffi::av_get_media_type_string((*stream.codecpar).codec_type)), "unknown");
        section.integer("stream_index", packet.stream_index);
        for (key, timestamp) in [("pts", packet.pts), ("dts", packet.dts)] {
            section.integer_or_na(key, known(timestamp));
            time(&mut section, &format!("{key}_time"), timestamp, stream.time_base);
        }
        section.integer_or_na("duration", (packet.duration != 0).then_some(packet.duration));
        let duration = if packet.duration == 0 { NO_TIMESTAMP } else { packet.duration };
        time(&mut section, "duration_time", duration, stream.time_base);
        section.text("size", packet.size.to_string());
        section.text_or("pos", (packet.pos != -1).then(|| packet.pos.to_string()), "N/A");
        let flag = |flag, letter| if packet.flags & flag != 0 { letter } else { '_' };
        section.text("flags", String::from_iter([flag(ffi::AV_PKT_FLAG_KEY, 'K'), flag(ffi::AV_PKT_FLAG_DISCARD, 'D')]));
        let all = elements(packet.side_data, u32::try_from(packet.side_data_elems).unwrap_or(0));
        if let Some(strings) = all.iter().find(|data| data.type_ == ffi::AVPacketSideDataType::AV_PKT_DATA_STRINGS_METADATA) {
            let mut metadata = ptr::null_mut();
            if ffi::av_packet_unpack_dictionary(strings.data, strings.size, &mut metadata) >= 0 {
                let metadata = Dictionary::from_raw(metadata);
                tags(&mut section, metadata.as_ptr(), "packet_tags");
            }
        }
        side_data(&mut section, all, stream, PACKET_SIDE_DATA);
        if let Some(hash) = hash {
            section.text("data_hash", hash.of(elements(packet.data, u32::try_from(packet.size).unwrap_or(0))));
        }
        section
    }
}

/// A stream of `context`. In a program its nested sections have other unique names, as in ffprobe.
///
/// # Safety
/// As [`format`]; `stream` is one of its streams and `decoder` was opened for it.
pub(in crate::libav) unsafe fn stream(
    context: *mut ffi::AVFormatContext,
    stream: *mut ffi::AVStream,
    decoder: Option<&Decoder>,
    hash: Option<&mut Hash>,
    in_program: bool,
) -> Section {
    // SAFETY: the caller's promise; libav's names are static strings or null (invariant 9).
    unsafe {
        let (facts, par) = (&*stream, &*(*stream).codecpar);
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
        section.missing("nb_read_packets", "N/A");
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
        side_data(&mut section, all, facts, STREAM_SIDE_DATA);
        section
    }
}

fn video(section: &mut Section, par: &ffi::AVCodecParameters, decoder: Option<&ffi::AVCodecContext>, sample_aspect: ffi::AVRational) {
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
        // SAFETY: two valid out pointers.
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
    // the option functions need. The text is ours to free.
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

/// Adds metadata as a section of its own, unless there is none at all.
///
/// # Safety
/// `metadata` is null or a valid dictionary.
unsafe fn tags(section: &mut Section, metadata: *const ffi::AVDictionary, unique: &'static str) {
    if metadata.is_null() {
        return;
    }
    let mut tags = Section::new(TAGS.unique(unique));
    // SAFETY: the caller's promise.
    for (key, value) in unsafe { Dictionary::copy_of(metadata) }.pairs() {
        tags.text(&key, value);
    }
    section.nest(tags);
}

/// Adds side data as a list, if there is any.
///
/// # Safety
/// Each entry's data has the size beside it.
unsafe fn side_data(section: &mut Section, all: &[ffi::AVPacketSideData], stream: &ffi::AVStream, [list, one]: [Label; 2]) {
    if all.is_empty() {
        return;
    }
    let mut entries = Section::new(list);
    for data in all {
        let mut entry = Section::new(one);
        // SAFETY: the name is a static string or null (invariant 9); the caller's promise; a stream has parameters.
        let (name, bytes, par) = unsafe {
            let bytes = if data.data.is_null() { &[][..] } else { std::slice::from_raw_parts(data.data, data.size) };
            (string(ffi::av_packet_side_data_name(data.type_)), bytes, &*stream.codecpar)
        };
        entry.text("side_data_type", name.unwrap_or("unknown".into()));
        side_data::describe(&mut entry, data.type_, bytes, (par.width, par.height));
        entries.nest(entry);
    }
    section.nest(entries);
}

const MICROSECONDS: ffi::AVRational = ffi::AVRational { num: 1, den: 1_000_000 };

/// Seconds with six digits after the point.
fn time(section: &mut Section, key: &str, timestamp: i64, base: ffi::AVRational) {
    let seconds = |timestamp: i64| format!("{:.6}", timestamp as f64 * (f64::from(base.num) / f64::from(base.den)));
    section.text_or(key, known(timestamp).map(seconds), "N/A");
}

fn known(timestamp: i64) -> Option<i64> {
    (timestamp != NO_TIMESTAMP).then_some(timestamp)
}

fn ratio(ratio: ffi::AVRational, separator: char) -> String {
    format!("{}{separator}{}", ratio.num, ratio.den)
}

/// `av_fourcc2str`.
fn fourcc(tag: u32) -> String {
    let printable = |byte: u8| byte.is_ascii_alphanumeric() || b" .-_".contains(&byte);
    let letter = |byte: u8| if printable(byte) { char::from(byte).to_string() } else { format!("[{byte}]") };
    tag.to_le_bytes().into_iter().map(letter).collect()
}

fn pixel_format(format: i32) -> ffi::AVPixelFormat {
    // SAFETY: libavformat stores one of this enum's values in a video stream's `format`, -1 for none included.
    unsafe { std::mem::transmute::<i32, ffi::AVPixelFormat>(format) }
}

fn sample_format(format: i32) -> ffi::AVSampleFormat {
    // SAFETY: libavformat stores one of this enum's values in an audio stream's `format`, -1 for none included.
    unsafe { std::mem::transmute::<i32, ffi::AVSampleFormat>(format) }
}

/// A C array as a slice.
///
/// # Safety
/// `first` is null or points to `count` values that stay as they are for `'a`.
unsafe fn elements<'a, T>(first: *const T, count: u32) -> &'a [T] {
    // SAFETY: the caller's promise.
    if first.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(first, count as usize) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_of_four_letters_shows_other_bytes_as_numbers() {
        assert_eq!(fourcc(u32::from_le_bytes(*b"avc1")), "avc1");
        assert_eq!(fourcc(27), "[27][0][0][0]");
    }

    #[test]
    fn times_have_six_digits_and_may_be_unknown() {
        let mut section = Section::new(FORMAT);
        time(&mut section, "a", -2048, ffi::AVRational { num: 1, den: 10240 });
        time(&mut section, "b", NO_TIMESTAMP, MICROSECONDS);
        assert_eq!(section.get("a"), Some(&Value::Text("-0.200000".to_owned())));
        assert_eq!(section.get("b"), Some(&Value::Missing("N/A")));
    }
}
