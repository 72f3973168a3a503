//! An open input: `AVFormatContext` for reading.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use super::call::c_string;
use super::codec::{Codec, MediaType};
use super::error::AvError;
use super::format::{Context, InputFormat};
use super::io::{Access, Hook, IoCounts, Losses, is_rtsp, wait_for_name};
use super::option::Dictionary;
use super::packet::{Packet, timestamp};
use super::rational::Rational;
use super::stream::{Chapter, Discard, Program, Stream, StreamMut};
use super::{ffi, panic};
use crate::error::Error;
use crate::shutdown::Shutdown;

/// What `Demuxer::open` may be told beside AVOptions.
#[derive(Clone, Copy, Default)]
pub struct Opening {
    /// The demuxer to use instead of the one that the content suggests.
    pub format: Option<InputFormat>,
    /// Nothing that changes from run to run or version to version (`AVFMT_FLAG_BITEXACT`).
    pub bitexact: bool,
    /// Decoders that the user named, by kind of stream: they take part in probing.
    pub decoders: Decoders,
}

/// See [`Opening::decoders`].
#[derive(Clone, Copy, Default)]
pub struct Decoders {
    /// For video.
    pub video: Option<Codec>,
    /// For audio.
    pub audio: Option<Codec>,
    /// For subtitles.
    pub subtitle: Option<Codec>,
    /// For data.
    pub data: Option<Codec>,
}

/// An open input.
pub struct Demuxer {
    context: Context,
    // After the context, so that it is dropped after it (invariant 2).
    hook: Hook,
}

// SAFETY: libavformat has no thread affinity; one thread at a time has the demuxer (invariant 1).
unsafe impl Send for Demuxer {}

impl Demuxer {
    /// Opens `url` and reads its header. Entries of `options` that something used are taken out; what is left nobody knew.
    ///
    /// # Errors
    /// What the hook or libavformat met, with the URL (masked) in front.
    pub fn open(url: &str, opening: &Opening, options: &mut Dictionary, access: Access, stop: Shutdown) -> Result<Self, Error> {
        let c_url = c_string(url).map_err(|error| error.about(url))?;
        if !wait_for_name(url, &stop) {
            return Err(AvError::EXIT.about(url));
        }
        // SAFETY: no preconditions; null means out of memory (invariant 14).
        let mut context = unsafe { ffi::avformat_alloc_context() };
        let Some(raw) = NonNull::new(context) else { return Err(AvError::from_errno(libc::ENOMEM).about(url)) };
        // SAFETY: fresh from avformat_alloc_context, not opened yet; nothing else refers to it (invariant 10).
        unsafe {
            let Decoders { video, audio, subtitle, data } = opening.decoders;
            let (pointer, id) = (Codec::as_ptr, |decoder: Codec| decoder.id().0);
            let none = ffi::AVCodecID::AV_CODEC_ID_NONE;
            let raw = &mut *raw.as_ptr();
            raw.video_codec = video.map_or(ptr::null(), pointer);
            raw.audio_codec = audio.map_or(ptr::null(), pointer);
            raw.subtitle_codec = subtitle.map_or(ptr::null(), pointer);
            raw.data_codec = data.map_or(ptr::null(), pointer);
            raw.video_codec_id = video.map_or(none, id);
            raw.audio_codec_id = audio.map_or(none, id);
            raw.subtitle_codec_id = subtitle.map_or(none, id);
            raw.data_codec_id = data.map_or(none, id);
            raw.flags |= ffi::AVFMT_FLAG_NONBLOCK;
            if opening.bitexact {
                raw.flags |= ffi::AVFMT_FLAG_BITEXACT;
            }
        }
        // SAFETY: the context is fresh, and is closed before the hook is dropped (invariant 2).
        let hook = match unsafe { Hook::install(context, access, options, stop) } {
            Ok(hook) => hook,
            Err(error) => {
                // SAFETY: ours and not opened (invariant 10).
                unsafe { ffi::avformat_free_context(context) };
                return Err(error);
            }
        };
        // The rtsp demuxer connects by itself; whatever connects through the hook gets its token there.
        let placed = if is_rtsp(url) { hook.placed(&c_url, options) } else { Ok(c_url.clone()) };
        let placed = match placed {
            Ok(placed) => placed,
            Err(error) => {
                // SAFETY: ours and not opened (invariant 10).
                unsafe { ffi::avformat_free_context(context) };
                return Err(hook.take_failure().unwrap_or_else(|| error.about(url)));
            }
        };
        let format = opening.format.map_or(ptr::null(), InputFormat::as_ptr);
        // SAFETY: the context and the URL are valid; on failure libavformat frees the context (invariant 10).
        let code = unsafe { ffi::avformat_open_input(&mut context, placed.as_ptr(), format, options.as_mut_ptr()) };
        panic::resume();
        match AvError::check(code) {
            Ok(_) => {
                let context = Context(raw);
                // A URL that leads through a detour stays: the demuxer asks for it again.
                if placed != c_url {
                    context.set_url(&c_url);
                }
                Ok(Self { context, hook })
            }
            Err(error) => {
                hook.before_close_input();
                Err(hook.take_failure().unwrap_or_else(|| match error {
                    AvError::PROTOCOL_NOT_FOUND => error.about(url).with_hint(format!("Did you mean file:{url}?")),
                    error => error.about(url),
                }))
            }
        }
    }

    /// Reads on until the parameters of every stream are known (`avformat_find_stream_info`). `options` are those of the
    /// decoders that it may need, one dictionary for each stream that there is now.
    ///
    /// # Errors
    /// libavformat's; the streams that are known by then stay usable.
    pub fn find_stream_info(&mut self, options: Vec<Dictionary>) -> Result<(), AvError> {
        self.hook.before_packet();
        let streams = self.context.streams();
        let mut raw: Vec<_> = options.into_iter().map(Dictionary::into_raw).collect();
        raw.resize(streams, ptr::null_mut());
        let pointer = if raw.is_empty() { ptr::null_mut() } else { raw.as_mut_ptr() };
        // SAFETY: an open context; the array has one entry for each stream, which libav may replace (invariant 10).
        let code = unsafe { ffi::avformat_find_stream_info(self.as_mut_ptr(), pointer) };
        for entry in raw {
            // SAFETY: the entries are ours again (invariant 10).
            drop(unsafe { Dictionary::from_raw(entry) });
        }
        panic::resume();
        AvError::check(code).map(drop)
    }

    /// The context, to be read only.
    pub(in crate::libav) fn as_ptr(&self) -> *mut ffi::AVFormatContext {
        self.context.0.as_ptr()
    }

    fn as_mut_ptr(&mut self) -> *mut ffi::AVFormatContext {
        self.context.0.as_ptr()
    }

    /// Number of streams; it may grow while packets are read.
    pub fn stream_count(&self) -> usize {
        self.context.streams()
    }

    /// The streams that are known.
    pub fn streams(&self) -> impl Iterator<Item = Stream<'_>> {
        (0..self.stream_count()).filter_map(|index| self.stream(index))
    }

    /// The stream at `index`.
    pub fn stream(&self, index: usize) -> Option<Stream<'_>> {
        // SAFETY: the streams live as long as the context, which is borrowed (invariant 10).
        self.context.stream(index).map(|raw| unsafe { Stream::new(raw) })
    }

    /// The stream at `index`, to be changed.
    pub fn stream_mut(&mut self, index: usize) -> Option<StreamMut<'_>> {
        // SAFETY: as in `stream`; the borrow is exclusive (invariant 10).
        self.context.stream(index).map(|raw| unsafe { StreamMut::new(raw) })
    }

    /// Does `specifier` name this stream of this input?
    ///
    /// # Errors
    /// Not a stream specifier; libavformat has logged it.
    pub fn matches(&self, stream: Stream<'_>, specifier: &str) -> Result<bool, AvError> {
        self.context.matches(stream, specifier)
    }

    /// As given to `open`.
    pub fn url(&self) -> String {
        self.hook.given_url().map_or_else(|| self.context.url().into_owned(), str::to_owned)
    }

    /// The demuxer's name: `mov,mp4,m4a,3gp,3g2,mj2`.
    pub fn format_name(&self) -> String {
        super::codec::format_name(self.input_format().name)
    }

    /// The demuxer in words.
    pub fn format_long_name(&self) -> String {
        super::codec::format_name(self.input_format().long_name)
    }

    fn input_format(&self) -> &'static ffi::AVInputFormat {
        // SAFETY: an open input has a format, which is a constant of the library (invariant 9).
        unsafe { &*self.context.raw().iformat }
    }

    fn has_flag(&self, flag: c_int) -> bool {
        self.input_format().flags & flag != 0
    }

    /// Timestamps may jump (`AVFMT_TS_DISCONT`).
    pub fn may_be_discontinuous(&self) -> bool {
        self.has_flag(ffi::AVFMT_TS_DISCONT)
    }

    /// Seeking goes by presentation time (`AVFMT_SEEK_TO_PTS`).
    pub fn seeks_to_pts(&self) -> bool {
        self.has_flag(ffi::AVFMT_SEEK_TO_PTS)
    }

    /// The demuxer opens what it reads itself (`AVFMT_NOFILE`).
    pub fn opens_its_files(&self) -> bool {
        self.has_flag(ffi::AVFMT_NOFILE)
    }

    /// Can its bytes be read from any position? `None` where the demuxer has no byte stream.
    pub fn is_seekable(&self) -> Option<bool> {
        let pb = self.context.raw().pb;
        // SAFETY: null or the context's own byte stream (invariant 10).
        (!pb.is_null()).then(|| unsafe { (*pb).seekable } != 0)
    }

    /// First timestamp of all streams, in microseconds.
    pub fn start_time(&self) -> Option<i64> {
        timestamp(self.context.raw().start_time)
    }

    /// Wall-clock time of the first timestamp, in microseconds.
    pub fn start_time_realtime(&self) -> Option<i64> {
        timestamp(self.context.raw().start_time_realtime)
    }

    /// Duration in microseconds.
    pub fn duration(&self) -> Option<i64> {
        timestamp(self.context.raw().duration).filter(|duration| *duration > 0)
    }

    /// Total bit rate in bits per second; 0 = unknown.
    pub fn bit_rate(&self) -> i64 {
        self.context.raw().bit_rate
    }

    /// How sure libavformat was of the format, up to 100.
    pub fn probe_score(&self) -> i32 {
        self.context.raw().probe_score
    }

    /// Size in bytes, where it is known.
    pub fn size(&self) -> Option<u64> {
        let pb = self.context.raw().pb;
        // SAFETY: avio_size takes null, and otherwise asks the protocol (invariant 14).
        let size = unsafe { ffi::avio_size(pb) };
        panic::resume();
        u64::try_from(size).ok()
    }

    /// Title and the like.
    pub fn metadata(&self) -> Dictionary {
        // SAFETY: null or the context's dictionary (invariant 10).
        unsafe { Dictionary::copy_of(self.context.raw().metadata) }
    }

    /// The chapters.
    pub fn chapters(&self) -> Vec<Chapter> {
        self.context.chapters()
    }

    /// The programs.
    pub fn programs(&self) -> Vec<Program> {
        self.context.programs()
    }

    /// Sets what the demuxer may leave out of the program at `index`.
    pub fn set_program_discard(&mut self, index: usize, discard: Discard) {
        if index < usize::try_from(self.context.raw().nb_programs).unwrap_or_default() {
            // SAFETY: libavformat keeps nb_programs valid pointers there (invariant 9); the borrow is exclusive.
            unsafe { (**self.context.raw().programs.add(index)).discard = discard.to_raw() };
        }
    }

    /// Logs the streams as `ffmpeg` shows them.
    pub fn dump(&self, index: usize, url: &str) {
        self.context.dump(index, url, false);
    }

    /// Goes to the last position at or before `timestamp` microseconds from which all streams can be decoded.
    ///
    /// # Errors
    /// libavformat's.
    pub fn seek(&mut self, timestamp: i64) -> Result<(), AvError> {
        self.hook.before_packet();
        // SAFETY: an open context (invariant 10).
        let code = unsafe { ffi::avformat_seek_file(self.as_mut_ptr(), -1, i64::MIN, timestamp, timestamp, 0) };
        panic::resume();
        AvError::check(code).map(drop)
    }

    /// Reads the next packet; `false` at the end. [`take_failure`](Self::take_failure) knows whether that end is one.
    ///
    /// # Errors
    /// libavformat's; `is_again` means "nothing yet".
    pub fn read(&mut self, packet: &mut Packet) -> Result<bool, AvError> {
        self.hook.before_packet();
        packet.clear();
        // SAFETY: an open context and a valid, empty packet (invariant 10).
        let code = unsafe { ffi::av_read_frame(self.as_mut_ptr(), packet.as_mut_ptr()) };
        panic::resume();
        match AvError::check(code) {
            // What came may have parts of both.
            Ok(_) if self.hook.has_changed() => Err(AvError::EXIT),
            Ok(_) => Ok(true),
            Err(AvError::EOF) => {
                self.hook.at_end();
                Ok(false)
            }
            Err(error) if error.is_again() => Err(error),
            Err(error) => {
                self.hook.at_end();
                Err(error)
            }
        }
    }

    /// Ticks of a video packet that names no duration: one, and one more for each repeated field that its parser saw; `None`
    /// without a parser.
    pub fn packet_ticks(&self, stream: usize) -> Option<i64> {
        let stream = self.stream(stream).filter(|stream| stream.media_type() == MediaType::Video)?;
        // SAFETY: the stream is valid; its parser is null or valid until the next read (invariant 10).
        let parser = unsafe { ffi::av_stream_get_parser(stream.as_ptr()).as_ref() };
        parser.map(|parser| i64::from(parser.repeat_pict) + 1)
    }

    /// The frame rate of the stream at `index` from what container and codec say (`av_guess_frame_rate`); 0/1 = unknown.
    pub fn guess_frame_rate(&self, index: usize) -> Rational {
        let Some(stream) = self.stream(index) else { return Rational::new(0, 1) };
        // SAFETY: context and stream belong together and are only read; no frame may be null (invariant 10).
        unsafe { ffi::av_guess_frame_rate(self.as_ptr(), stream.as_ptr(), ptr::null_mut()) }.into()
    }

    /// `[mov,mp4,m4a,3gp,3g2,mj2 @ 0x…] `, as libav begins its lines about this input.
    pub fn log_prefix(&self) -> String {
        format!("[{} @ {:p}] ", self.format_name(), self.context.0)
    }

    /// Why libavformat failed, or took a failure for the end, told better than by its code; once.
    pub fn take_failure(&self) -> Option<Error> {
        self.hook.take_failure()
    }

    /// The input will be read, and its counts asked for; see [`Access::in_vain`].
    pub fn settle(&self) {
        self.hook.settle();
    }

    /// What happened on the network.
    pub fn counts(&self) -> IoCounts {
        self.hook.counts()
    }

    /// What it went on without; alive while another thread reads.
    pub fn losses(&self) -> Losses {
        self.hook.losses()
    }
}

impl Drop for Demuxer {
    fn drop(&mut self) {
        self.hook.before_close_input();
        let mut context = self.as_mut_ptr();
        // SAFETY: ours, closed once (invariant 10).
        unsafe { ffi::avformat_close_input(&mut context) };
    }
}
