//! Says of an open input what ffprobe says: format, programs, chapters, streams, packets.
//!
//! The sections, keys and values are those of ffprobe 5.1 (`show_format`, `show_stream`, … in its source), so that what reads
//! its output can read ours.

mod fields;
mod hash;
mod section;
mod side_data;
mod stream;

use std::ptr;

use self::fields::{MICROSECONDS, NO_TIMESTAMP, elements, known, ratio, side_data, tags, time};
use self::stream::{Decoder, Known};

pub use self::hash::Hash;
pub use self::section::{Item, Label, Section, Shape, Value};
use super::call::string;
use super::demuxer::Demuxer;
use super::ffi;
use super::option::Dictionary;
use super::packet::Packet;

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

const SIDE_DATA: [Label; 2] =
    [Label::array("side_data_list").unique("packet_side_data_list"), Label::record("side_data").unique("packet_side_data")];

/// Describes one open input. Holds a decoder for each stream there was when it was made; streams that turn up later are left
/// out, as in ffprobe.
pub struct Describer {
    decoders: Vec<Option<Decoder>>,
    packets: Vec<u64>,
    hash: Option<Hash>,
}

impl Describer {
    /// Opens the decoders; payloads are shown as `hash`, if there is one.
    pub fn new(demuxer: &Demuxer, hash: Option<Hash>) -> Self {
        // SAFETY: the demuxer is open, and borrowed by this thread (invariant 1).
        let decoders: Vec<_> = unsafe { streams(demuxer.as_ptr()).iter().map(|stream| Decoder::open(*stream)).collect() };
        Self { packets: vec![0; decoders.len()], decoders, hash }
    }

    /// A packet that was just read; `None` for one of a stream that turned up later.
    pub fn packet(&mut self, demuxer: &Demuxer, packet: &Packet) -> Option<Section> {
        *self.packets.get_mut(packet.stream())? += 1;
        // SAFETY: an open demuxer on this thread (invariant 1); the packet is valid.
        unsafe {
            let stream = streams(demuxer.as_ptr()).get(packet.stream())?;
            Some(describe_packet(packet.as_ptr(), *stream, self.hash.as_mut()))
        }
    }

    /// The stream of this index.
    pub fn stream(&mut self, demuxer: &Demuxer, index: usize, in_program: bool) -> Option<Section> {
        let decoder = self.decoders.get(index)?.as_ref();
        let known = Known { decoder, packets: self.packets[index], hash: self.hash.as_mut(), in_program };
        // SAFETY: an open demuxer on this thread (invariant 1); the decoder was opened for the stream of this index.
        unsafe { Some(stream::describe(demuxer.as_ptr(), *streams(demuxer.as_ptr()).get(index)?, known)) }
    }

    /// The programs, each with the indices of its streams, whose descriptions belong after its tags.
    pub fn programs(&self, demuxer: &Demuxer) -> Vec<(Section, Vec<usize>)> {
        // SAFETY: an open demuxer on this thread (invariant 1).
        unsafe { describe_programs(demuxer.as_ptr()) }
    }

    /// The chapters, in order.
    pub fn chapters(&self, demuxer: &Demuxer) -> Vec<Section> {
        // SAFETY: an open demuxer on this thread (invariant 1).
        unsafe { describe_chapters(demuxer.as_ptr()) }
    }

    /// The file as a whole.
    pub fn format(&self, demuxer: &Demuxer) -> Section {
        // SAFETY: an open demuxer on this thread (invariant 1).
        unsafe { describe_format(demuxer.as_ptr(), &demuxer.url()) }
    }
}

/// The streams of `context`.
///
/// # Safety
/// As [`describe_format`].
unsafe fn streams<'a>(context: *const ffi::AVFormatContext) -> &'a [*mut ffi::AVStream] {
    // SAFETY: the caller's promise (invariant 1); the array has `nb_streams` valid entries.
    unsafe { elements((*context).streams, (*context).nb_streams) }
}

/// The file as a whole.
///
/// # Safety
/// `context` is an open demuxer, and rule 1 holds for it.
unsafe fn describe_format(context: *const ffi::AVFormatContext, url: &str) -> Section {
    // SAFETY: the caller's promise; names are static strings of libav or null (invariant 9).
    unsafe {
        let mut section = Section::new(FORMAT);
        let format = &*context;
        section.text("filename", crate::redact::url(url));
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
/// As [`describe_format`].
unsafe fn describe_chapters(context: *const ffi::AVFormatContext) -> Vec<Section> {
    // SAFETY: the caller's promise (invariant 1); the array has `nb_chapters` valid entries.
    let chapters = unsafe { elements((*context).chapters, (*context).nb_chapters) };
    let describe = |chapter: &*mut ffi::AVChapter| {
        // SAFETY: as above (invariant 9).
        let chapter = unsafe { &**chapter };
        let mut section = Section::new(CHAPTER);
        section.integer("id", chapter.id);
        section.text("time_base", ratio(chapter.time_base, '/'));
        section.integer("start", chapter.start);
        time(&mut section, "start_time", chapter.start, chapter.time_base);
        section.integer("end", chapter.end);
        time(&mut section, "end_time", chapter.end, chapter.time_base);
        // SAFETY: as above (invariant 9).
        unsafe { tags(&mut section, chapter.metadata, "chapter_tags") };
        section
    };
    chapters.iter().map(describe).collect()
}

/// The programs, each with the indices of its streams, whose descriptions belong after its tags.
///
/// # Safety
/// As [`describe_format`].
unsafe fn describe_programs(context: *const ffi::AVFormatContext) -> Vec<(Section, Vec<usize>)> {
    // SAFETY: the caller's promise (invariant 1); the array has `nb_programs` valid entries.
    let programs = unsafe { elements((*context).programs, (*context).nb_programs) };
    let describe = |program: &*mut ffi::AVProgram| {
        // SAFETY: as above (invariant 9).
        let program = unsafe { &**program };
        let mut section = Section::new(PROGRAM);
        section.integer("program_id", program.id);
        section.integer("program_num", program.program_num);
        section.integer("nb_streams", program.nb_stream_indexes);
        section.integer("pmt_pid", program.pmt_pid);
        section.integer("pcr_pid", program.pcr_pid);
        // SAFETY: as above (invariant 9); the array of indices has `nb_stream_indexes` entries.
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
unsafe fn describe_packet(packet: *const ffi::AVPacket, stream: *const ffi::AVStream, hash: Option<&mut Hash>) -> Section {
    // SAFETY: the caller's promise; data and side data have the sizes that stand beside them (invariant 13).
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
        side_data(&mut section, all, stream, SIDE_DATA);
        if let Some(hash) = hash {
            section.text("data_hash", hash.of(elements(packet.data, u32::try_from(packet.size).unwrap_or(0))));
        }
        section
    }
}
