//! Containers: what the linked libavformat can read and write, and what both contexts have in common.

use std::ffi::{CStr, c_int};
use std::ptr::NonNull;

use super::call::{c_string, string};
use super::codec::{CodecId, MediaType, format_name};
use super::device;
use super::error::AvError;
use super::ffi;
use super::stream::{Chapter, Program, Stream};
use super::{option, panic};
use crate::error::{Error, Kind};

/// A demuxer of libavformat.
#[derive(Clone, Copy)]
pub struct InputFormat(&'static ffi::AVInputFormat);

impl InputFormat {
    /// The demuxer of this name. One that libavformat does not have may be a device: libavdevice is loaded for it.
    ///
    /// # Errors
    /// Nothing has that name.
    pub fn by_name(name: &str) -> Result<Self, Error> {
        let c_name = c_string(name).map_err(|error| error.about(name))?;
        // SAFETY: the name lives through the call; formats are constants of the library (invariants 11 and 12).
        let find = || unsafe { ffi::av_find_input_format(c_name.as_ptr()).as_ref() }.map(Self);
        if let Some(format) = find() {
            return Ok(format);
        }
        let missing = device::load();
        find().ok_or_else(|| unknown(format!("Unknown input format: '{name}'"), missing))
    }

    /// Has the demuxer an option of this name?
    pub fn has_option(self, name: &str) -> bool {
        option::class_has(self.0.priv_class, name, 0)
    }

    pub(in crate::libav) fn as_ptr(self) -> *const ffi::AVInputFormat {
        self.0
    }
}

/// Why a format was not found, with what is missing if it may be a device.
pub(in crate::libav) fn unknown(message: String, missing: Result<(), String>) -> Error {
    let error = Error::new(Kind::Usage, message);
    match missing {
        Ok(()) => error,
        Err(missing) => error.with_hint(format!("if it is a device: {missing}")),
    }
}

/// A muxer of libavformat.
#[derive(Clone, Copy)]
pub struct OutputFormat(&'static ffi::AVOutputFormat);

impl OutputFormat {
    pub(in crate::libav) fn new(raw: &'static ffi::AVOutputFormat) -> Self {
        Self(raw)
    }

    pub(in crate::libav) fn raw(self) -> &'static ffi::AVOutputFormat {
        self.0
    }

    /// Its name: `mp4`, `mpegts`.
    pub fn name(self) -> String {
        format_name(self.0.name)
    }

    /// It opens its files itself, or has none (`AVFMT_NOFILE`).
    pub fn opens_its_files(self) -> bool {
        self.has(ffi::AVFMT_NOFILE)
    }

    /// Its file name must hold a number pattern (`AVFMT_NEEDNUMBER`).
    pub fn needs_number(self) -> bool {
        self.has(ffi::AVFMT_NEEDNUMBER)
    }

    /// It can do without streams (`AVFMT_NOSTREAMS`).
    pub fn needs_no_streams(self) -> bool {
        self.has(ffi::AVFMT_NOSTREAMS)
    }

    /// It has no timestamps (`AVFMT_NOTIMESTAMPS`).
    pub fn has_no_timestamps(self) -> bool {
        self.has(ffi::AVFMT_NOTIMESTAMPS)
    }

    /// The distance of its pictures may vary (`AVFMT_VARIABLE_FPS`).
    pub fn has_variable_rate(self) -> bool {
        self.has(ffi::AVFMT_VARIABLE_FPS)
    }

    /// It keeps the codec's configuration apart from the packets (`AVFMT_GLOBALHEADER`).
    pub fn wants_global_header(self) -> bool {
        self.has(ffi::AVFMT_GLOBALHEADER)
    }

    /// Equal timestamps may follow each other (`AVFMT_TS_NONSTRICT`).
    pub fn allows_equal_timestamps(self) -> bool {
        self.has(ffi::AVFMT_TS_NONSTRICT)
    }

    fn has(self, flag: c_int) -> bool {
        self.0.flags & flag != 0
    }

    /// The codec for a kind of stream in a file of this name (`av_guess_codec`).
    pub fn default_codec(self, url: &str, media_type: MediaType) -> CodecId {
        let Ok(url) = c_string(url) else { return CodecId::NONE };
        let none = std::ptr::null();
        // SAFETY: the format is a constant, the URL lives through the call, the other strings may be null (invariants 11 and 12).
        CodecId(unsafe { ffi::av_guess_codec(self.0, none, url.as_ptr(), none, media_type.to_raw()) })
    }

    /// The codec for subtitles.
    pub fn subtitle_codec(self) -> CodecId {
        CodecId(self.0.subtitle_codec)
    }

    /// Its video streams are cover pictures: avformat_query_codec says `APIC` of audio containers.
    pub fn takes_pictures_only(self) -> bool {
        // SAFETY: both are constants of the library (invariant 12).
        let answer = unsafe { ffi::avformat_query_codec(self.0, self.0.video_codec, 0) };
        answer == i32::from_le_bytes(*b"APIC")
    }
}

/// The part that a demuxer's and a muxer's context share.
///
/// Reads only; whoever has one borrows its owner.
#[derive(Clone, Copy)]
pub(in crate::libav) struct Context(pub NonNull<ffi::AVFormatContext>);

impl Context {
    pub fn raw<'a>(self) -> &'a ffi::AVFormatContext {
        // SAFETY: the owner keeps the context valid while it is borrowed (invariant 1).
        unsafe { self.0.as_ref() }
    }

    /// Gives it another URL to show and to connect to.
    pub fn set_url(self, url: &CStr) {
        // SAFETY: the context's own string, replaced by a copy; the owner's borrow is exclusive (invariants 1 and 11).
        unsafe {
            let raw = self.0.as_ptr();
            if !(*raw).url.is_null() && CStr::from_ptr((*raw).url) == url {
                return;
            }
            ffi::av_freep((&raw mut (*raw).url).cast());
            (*raw).url = ffi::av_strdup(url.as_ptr());
        }
    }

    pub fn streams(self) -> usize {
        usize::try_from(self.raw().nb_streams).unwrap_or_default()
    }

    /// The stream at `index`.
    pub fn stream(self, index: usize) -> Option<NonNull<ffi::AVStream>> {
        if index >= self.streams() {
            return None;
        }
        // SAFETY: libavformat keeps nb_streams pointers there (invariant 9).
        NonNull::new(unsafe { *self.raw().streams.add(index) })
    }

    /// Does `specifier` name this stream? libavformat logs one that it does not understand.
    pub fn matches(self, stream: Stream<'_>, specifier: &str) -> Result<bool, AvError> {
        if specifier.is_empty() {
            return Ok(true);
        }
        let specifier = c_string(specifier)?;
        // SAFETY: context and stream belong together and the specifier lives through the call; nothing is changed (invariant 11).
        let code = unsafe { ffi::avformat_match_stream_specifier(self.0.as_ptr(), stream.as_ptr(), specifier.as_ptr()) };
        AvError::check(code).map(|code| code > 0)
    }

    pub fn programs(self) -> Vec<Program> {
        let count = usize::try_from(self.raw().nb_programs).unwrap_or_default();
        let program = |index: usize| {
            // SAFETY: libavformat keeps nb_programs valid pointers, each with nb_stream_indexes indices (invariant 9).
            unsafe {
                let program = &**self.raw().programs.add(index);
                let streams = usize::try_from(program.nb_stream_indexes).unwrap_or_default();
                let streams = (0..streams).map(|at| usize::try_from(*program.stream_index.add(at)).unwrap_or_default());
                Program { id: program.id, streams: streams.collect(), metadata: option::Dictionary::copy_of(program.metadata) }
            }
        };
        (0..count).map(program).collect()
    }

    pub fn chapters(self) -> Vec<Chapter> {
        let count = usize::try_from(self.raw().nb_chapters).unwrap_or_default();
        let chapter = |index: usize| {
            // SAFETY: libavformat keeps nb_chapters valid pointers there (invariant 9).
            let raw = unsafe { &**self.raw().chapters.add(index) };
            Chapter {
                id: raw.id,
                time_base: raw.time_base.into(),
                start: raw.start,
                end: raw.end,
                // SAFETY: null or the chapter's dictionary (invariant 10).
                metadata: unsafe { option::Dictionary::copy_of(raw.metadata) },
            }
        };
        (0..count).map(chapter).collect()
    }

    pub fn url<'a>(self) -> std::borrow::Cow<'a, str> {
        // SAFETY: the context's URL is a string or null and stays while the context is borrowed (invariant 10).
        unsafe { string(self.raw().url) }.unwrap_or_default()
    }

    /// Logs the streams as `ffmpeg` shows them (`av_dump_format`).
    pub fn dump(self, index: usize, url: &str, is_output: bool) {
        let Ok(url) = c_string(url) else { return };
        let index = c_int::try_from(index).unwrap_or(c_int::MAX);
        // SAFETY: the context is valid; the URL lives through the call (invariant 11).
        unsafe { ffi::av_dump_format(self.0.as_ptr(), index, url.as_ptr(), c_int::from(is_output)) };
        panic::resume();
    }
}
