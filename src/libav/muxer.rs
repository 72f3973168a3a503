//! An output: `AVFormatContext` for writing.

use std::ffi::{CString, c_int};
use std::ptr::{self, NonNull};

use super::call::c_string;
use super::device;
use super::error::AvError;
use super::ffi;
use super::format::{Context, OutputFormat, unknown};
use super::io::{Access, Hook, IoCounts, is_rtsp};
use super::option::Dictionary;
use super::packet::Packet;
#[cfg(end_pts)]
use super::packet::timestamp;
use super::panic;
use super::stream::{Chapter, Stream, StreamMut};
use crate::error::Error;
use crate::shutdown::Shutdown;

/// An output: streams are added, then it is opened, then the header, packets and the trailer are written, then it is closed.
pub struct Muxer {
    context: Context,
    url: CString,
    /// How far each stream has come.
    #[cfg(not(end_pts))]
    ends: Vec<Option<i64>>,
    // After the context, so that it is dropped after it (invariant 2).
    hook: Hook,
}

// SAFETY: libavformat has no thread affinity; one thread at a time has the muxer (invariant 1).
unsafe impl Send for Muxer {}

impl Muxer {
    /// A muxer for `format`, or for what the URL's name suggests. Nothing is opened yet. `options` are those that will be
    /// given to [`open`](Self::open) and [`write_header`](Self::write_header).
    ///
    /// # Errors
    /// No such format, or options that cannot stand beside `-auth`.
    pub fn new(url: &str, format: Option<&str>, options: &mut Dictionary, access: Access, stop: Shutdown) -> Result<Self, Error> {
        let c_url = c_string(url).map_err(|error| error.about(url))?;
        let c_format = format.map(c_string).transpose().map_err(|error| error.about(url))?;
        let mut context = ptr::null_mut();
        let mut missing = Ok(());
        if let Some(format) = &c_format {
            // SAFETY: the name lives through the call; formats are constants of the library (invariants 11 and 12).
            let known = !unsafe { ffi::av_guess_format(format.as_ptr(), ptr::null(), ptr::null()) }.is_null();
            if !known {
                missing = device::load();
            }
        }
        // SAFETY: the strings live through the call, which copies them (invariant 11).
        let code = unsafe {
            let format = c_format.as_ref().map_or(ptr::null(), |format| format.as_ptr());
            ffi::avformat_alloc_output_context2(&mut context, ptr::null(), format, c_url.as_ptr())
        };
        panic::resume();
        let Some(raw) = NonNull::new(context) else {
            return Err(match format {
                Some(format) => unknown(format!("Requested output format '{format}' is not a suitable output format"), missing),
                None => AvError(code).about(url).with_hint("name the container with -f, or give the file a usual extension"),
            });
        };
        // SAFETY: the context is fresh, and is freed before the hook is dropped (invariant 2).
        match unsafe { Hook::install(context, access, options, stop) } {
            Ok(hook) => Ok(Self {
                context: Context(raw),
                url: c_url,
                #[cfg(not(end_pts))]
                ends: Vec::new(),
                hook,
            }),
            Err(error) => {
                // SAFETY: ours and not opened (invariant 10).
                unsafe { ffi::avformat_free_context(context) };
                Err(error)
            }
        }
    }

    fn as_mut_ptr(&mut self) -> *mut ffi::AVFormatContext {
        self.context.0.as_ptr()
    }

    fn raw_mut(&mut self) -> &mut ffi::AVFormatContext {
        // SAFETY: ours and valid; the borrow is exclusive (invariant 10).
        unsafe { self.context.0.as_mut() }
    }

    /// The container.
    pub fn format(&self) -> OutputFormat {
        // SAFETY: avformat_alloc_output_context2 has set the format, a constant of the library (invariant 9).
        OutputFormat::new(unsafe { &*self.context.raw().oformat })
    }

    /// As given to `new`.
    pub fn url(&self) -> String {
        self.context.url().into_owned()
    }

    /// Nothing that changes from run to run or version to version (`AVFMT_FLAG_BITEXACT`).
    pub fn set_bitexact(&mut self) {
        self.raw_mut().flags |= ffi::AVFMT_FLAG_BITEXACT;
    }

    /// A hint to the muxer, in microseconds.
    pub fn set_duration(&mut self, duration: i64) {
        self.raw_mut().duration = duration;
    }

    /// `AVFormatContext.max_delay`, in microseconds.
    pub fn set_max_delay(&mut self, delay: i32) {
        self.raw_mut().max_delay = delay;
    }

    /// Adds a stream that says nothing yet.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn add_stream(&mut self) -> Result<StreamMut<'_>, AvError> {
        // SAFETY: a valid context; no codec is named (invariant 10).
        let raw = NonNull::new(unsafe { ffi::avformat_new_stream(self.as_mut_ptr(), ptr::null()) });
        let raw = raw.ok_or(AvError::from_errno(libc::ENOMEM))?;
        // SAFETY: the stream lives as long as the context, which is borrowed (invariant 10).
        Ok(unsafe { StreamMut::new(raw) })
    }

    /// Number of streams.
    pub fn stream_count(&self) -> usize {
        self.context.streams()
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

    /// Does `specifier` name this stream of this output?
    ///
    /// # Errors
    /// Not a stream specifier; libavformat has logged it.
    pub fn matches(&self, stream: Stream<'_>, specifier: &str) -> Result<bool, AvError> {
        self.context.matches(stream, specifier)
    }

    /// Title and the like.
    pub fn metadata(&self) -> Dictionary {
        // SAFETY: null or the context's dictionary (invariant 10).
        unsafe { Dictionary::copy_of(self.context.raw().metadata) }
    }

    /// Replaces the metadata.
    pub fn set_metadata(&mut self, metadata: Dictionary) {
        // SAFETY: the old dictionary belongs to the context; the new one is given to it (invariant 10).
        drop(unsafe { Dictionary::from_raw(std::mem::replace(&mut self.raw_mut().metadata, metadata.into_raw())) });
    }

    /// The chapters.
    pub fn chapters(&self) -> Vec<Chapter> {
        self.context.chapters()
    }

    /// Adds the chapters.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_chapters(&mut self, chapters: Vec<Chapter>) -> Result<(), AvError> {
        for chapter in chapters {
            // SAFETY: zeroed memory is an empty AVChapter; av_dynarray_add_nofree appends it to libavformat's own array or
            // leaves that as it was (invariant 10).
            unsafe {
                let raw = ffi::av_mallocz(size_of::<ffi::AVChapter>()).cast::<ffi::AVChapter>();
                if raw.is_null() {
                    return Err(AvError::from_errno(libc::ENOMEM));
                }
                *raw = ffi::AVChapter {
                    id: chapter.id,
                    time_base: chapter.time_base.into(),
                    start: chapter.start,
                    end: chapter.end,
                    metadata: chapter.metadata.into_raw(),
                };
                let context = self.raw_mut();
                let mut count = i32::try_from(context.nb_chapters).unwrap_or_default();
                let added = ffi::av_dynarray_add_nofree((&raw mut context.chapters).cast(), &mut count, raw.cast());
                if added < 0 {
                    drop(Dictionary::from_raw((*raw).metadata));
                    ffi::av_free(raw.cast());
                    return Err(AvError(added));
                }
                context.nb_chapters = u32::try_from(count).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Adds a program with an id, metadata and the indices of its streams.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn add_program(&mut self, id: i32, metadata: Dictionary, streams: &[usize]) -> Result<(), AvError> {
        // SAFETY: a valid context; the program belongs to it; indices out of range are logged and left out (invariant 10).
        unsafe {
            let Some(program) = ffi::av_new_program(self.as_mut_ptr(), id).as_mut() else {
                return Err(AvError::from_errno(libc::ENOMEM));
            };
            drop(Dictionary::from_raw(std::mem::replace(&mut program.metadata, metadata.into_raw())));
            for stream in streams {
                ffi::av_program_add_stream_index(self.as_mut_ptr(), id, u32::try_from(*stream).unwrap_or(u32::MAX));
            }
        }
        Ok(())
    }

    /// Changes the metadata of the program at `index`; `false` if there is none.
    pub fn change_program_metadata(&mut self, index: usize, change: impl FnOnce(&mut Dictionary)) -> bool {
        let context = self.raw_mut();
        if index >= usize::try_from(context.nb_programs).unwrap_or_default() {
            return false;
        }
        // SAFETY: libavformat keeps nb_programs valid pointers there (invariant 9); the dictionary is given back.
        unsafe { change_in_place(&mut (**context.programs.add(index)).metadata, change) };
        true
    }

    /// Changes the metadata of the chapter at `index`; `false` if there is none.
    pub fn change_chapter_metadata(&mut self, index: usize, change: impl FnOnce(&mut Dictionary)) -> bool {
        let context = self.raw_mut();
        if index >= usize::try_from(context.nb_chapters).unwrap_or_default() {
            return false;
        }
        // SAFETY: as above, for chapters (invariant 10).
        unsafe { change_in_place(&mut (**context.chapters.add(index)).metadata, change) };
        true
    }

    /// Opens the file or connection, unless the format does that itself. Entries of `options` that it used are taken out.
    ///
    /// # Errors
    /// What the hook or libavformat met, with the URL (masked) in front.
    pub fn open(&mut self, options: &mut Dictionary) -> Result<(), Error> {
        if self.format().opens_its_files() {
            return Ok(());
        }
        // SAFETY: the hook is on this context (invariant 2).
        let code = unsafe { self.hook.open_output(self.context.0.as_ptr(), &self.url, options) };
        panic::resume();
        self.checked(code).map(drop)
    }

    /// Writes the header. Entries of `options` that something used are taken out.
    ///
    /// # Errors
    /// What the hook or libavformat met.
    pub fn write_header(&mut self, options: &mut Dictionary) -> Result<(), Error> {
        self.hook.before_packet();
        // The rtsp muxer connects by itself.
        let connects = is_rtsp(&self.url.to_string_lossy());
        if connects {
            let placed = self.hook.placed(&self.url, options);
            self.context.set_url(&placed.map_err(|error| self.take_failure().unwrap_or_else(|| error.about(&self.url())))?);
        }
        // SAFETY: an opened context; whatever the dictionary holds afterwards is ours (invariant 10).
        let code = unsafe { ffi::avformat_write_header(self.as_mut_ptr(), options.as_mut_ptr()) };
        panic::resume();
        if connects {
            self.context.set_url(&self.url);
        }
        self.checked(code).map(drop)
    }

    /// Writes a packet, in its stream's time base, when its turn comes; the packet is empty afterwards.
    ///
    /// # Errors
    /// libavformat's; [`take_failure`](Self::take_failure) may know more.
    pub fn write(&mut self, packet: &mut Packet) -> Result<(), AvError> {
        self.hook.before_packet();
        #[cfg(not(end_pts))]
        self.note_end(packet);
        // SAFETY: an opened context whose header is written, and a valid packet, which libavformat takes over (invariant 10).
        let code = unsafe { ffi::av_interleaved_write_frame(self.as_mut_ptr(), packet.as_mut_ptr()) };
        panic::resume();
        AvError::check(code).map(drop)
    }

    /// The last timestamp of a stream that the muxer was given, with its duration.
    #[cfg(end_pts)]
    pub fn end_pts(&self, stream: usize) -> Option<i64> {
        // SAFETY: a valid stream of ours (invariant 10).
        timestamp(unsafe { ffi::av_stream_get_end_pts(self.context.stream(stream)?.as_ptr()) })
    }

    /// The last timestamp of a stream that the muxer was given, with its duration.
    #[cfg(not(end_pts))]
    pub fn end_pts(&self, stream: usize) -> Option<i64> {
        self.ends.get(stream).copied().flatten()
    }

    #[cfg(not(end_pts))]
    fn note_end(&mut self, packet: &Packet) {
        let Some(dts) = packet.dts() else { return };
        let stream = packet.stream();
        if self.ends.len() <= stream {
            self.ends.resize(stream + 1, None);
        }
        self.ends[stream] = Some(dts.saturating_add(packet.duration().max(0)));
    }

    /// Writes what is still waiting and the trailer.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_trailer(&mut self) -> Result<(), AvError> {
        self.hook.before_packet();
        // SAFETY: an opened context whose header is written (invariant 10).
        let code = unsafe { ffi::av_write_trailer(self.as_mut_ptr()) };
        panic::resume();
        AvError::check(code).map(drop)
    }

    /// Closes the file or connection; a server that does not confirm what it was sent is an error here.
    ///
    /// # Errors
    /// The first failure of flushing, closing or uploading.
    pub fn close(&mut self) -> Result<(), Error> {
        if self.format().opens_its_files() {
            return Ok(());
        }
        // SAFETY: the hook is on this context and has opened its output (invariant 2).
        let code = unsafe { self.hook.close_output(self.context.0.as_ptr()) };
        panic::resume();
        self.checked(code).map(drop)
    }

    fn checked(&self, code: i32) -> Result<i32, Error> {
        AvError::check(code).map_err(|error| self.take_failure().unwrap_or_else(|| error.about(&self.url())))
    }

    /// Where the next byte goes; `None` where the format opens its files itself.
    pub fn position(&self) -> Option<u64> {
        let pb = self.context.raw().pb;
        if pb.is_null() {
            return None;
        }
        // SAFETY: the context's own byte stream; a seek by nothing from here moves nothing (avio_tell) (invariant 10).
        u64::try_from(unsafe { ffi::avio_seek(pb, 0, libc::SEEK_CUR) }).ok()
    }

    /// Size in bytes: the file's, else what has been written.
    pub fn size(&self) -> Option<u64> {
        let pb = self.context.raw().pb;
        if pb.is_null() {
            return None;
        }
        // SAFETY: the context's own byte stream (invariant 10).
        let size = unsafe { ffi::avio_size(pb) };
        panic::resume();
        if size > 0 { u64::try_from(size).ok() } else { self.position() }
    }

    /// Logs the streams as `ffmpeg` shows them.
    pub fn dump(&self, index: usize) {
        self.context.dump(index, &self.url(), true);
    }

    /// `[mp4 @ 0x…] `, as libav begins its lines about this output.
    pub fn log_prefix(&self) -> String {
        format!("[{} @ {:p}] ", self.format().name(), self.context.0)
    }

    /// Why libavformat failed, told better than by its code; once.
    pub fn take_failure(&self) -> Option<Error> {
        self.hook.take_failure()
    }

    /// What happened on the network.
    pub fn counts(&self) -> IoCounts {
        self.hook.counts()
    }

    /// Objects that the server confirmed.
    pub fn uploads(&self) -> u64 {
        self.hook.uploads()
    }

    /// Objects that the server did not confirm, masked.
    pub fn unconfirmed(&self) -> Vec<String> {
        self.hook.unconfirmed()
    }
}

/// # Safety
/// `place` holds null or a dictionary that its owner will free.
unsafe fn change_in_place(place: &mut *mut ffi::AVDictionary, change: impl FnOnce(&mut Dictionary)) {
    // SAFETY: the caller's promise; the dictionary is ours until it is given back (invariant 13).
    let mut dictionary = unsafe { Dictionary::from_raw(std::mem::replace(place, ptr::null_mut())) };
    change(&mut dictionary);
    *place = dictionary.into_raw();
}

impl Drop for Muxer {
    fn drop(&mut self) {
        // A file whose owner failed on the way is still closed; what that says adds nothing to the failure.
        let _ = self.close();
        // SAFETY: ours, freed once (invariant 10).
        unsafe { ffi::avformat_free_context(self.as_mut_ptr()) };
    }
}

/// What a receiver of these RTP outputs, whose headers are written, needs to know (`av_sdp_create`); `None` without outputs.
///
/// # Errors
/// libavformat's.
pub fn session_description<'a>(muxers: impl Iterator<Item = &'a mut Muxer>) -> Result<Option<String>, AvError> {
    let mut contexts: Vec<*mut ffi::AVFormatContext> = muxers.map(Muxer::as_mut_ptr).collect();
    if contexts.is_empty() {
        return Ok(None);
    }
    let count = c_int::try_from(contexts.len()).unwrap_or(c_int::MAX);
    let mut text = vec![0u8; 16384];
    let size = c_int::try_from(text.len()).unwrap_or(c_int::MAX);
    // SAFETY: opened contexts, and a buffer that goes with its size (invariants 10, 11).
    AvError::check(unsafe { ffi::av_sdp_create(contexts.as_mut_ptr(), count, text.as_mut_ptr().cast(), size) })?;
    Ok(std::ffi::CStr::from_bytes_until_nul(&text).ok().map(|text| text.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::libav::rational::Rational;

    fn new(url: &str, format: Option<&str>) -> Result<Muxer, Error> {
        Muxer::new(url, format, &mut Dictionary::new(), Access::default(), Shutdown::new())
    }

    #[test]
    fn the_name_or_the_format_chooses_the_container() {
        assert_eq!(new("x.mp4", None).expect("a known extension").format().name(), "mp4");
        assert_eq!(new("x", Some("mpegts")).expect("a known format").format().name(), "mpegts");
        let error = new("x.nosuch", None).err().expect("an unknown extension");
        assert!(error.hint().is_some(), "{error}");
        assert_eq!(new("x", Some("nosuch")).err().expect("an unknown format").kind(), Kind::Usage);
    }

    #[test]
    fn chapters_programs_and_metadata_stay() {
        let mut muxer = new("x.ts", None).expect("a muxer");
        muxer.add_stream().expect("a stream");
        let title = || [("title", "One")].into_iter().collect::<Dictionary>();
        muxer.add_program(7, title(), &[0]).expect("a program");
        let chapter = Chapter { id: 1, time_base: Rational::new(1, 1000), start: 0, end: 5, metadata: title() };
        muxer.set_chapters(vec![chapter.clone(), chapter]).expect("two chapters");
        assert!(muxer.change_chapter_metadata(1, |metadata| assert_eq!(metadata.get("title").as_deref(), Some("One"))));
        assert!(!muxer.change_chapter_metadata(2, |_| unreachable!()));
        assert!(muxer.change_program_metadata(0, |metadata| metadata.set("title", "Two").expect("no NUL")));
    }
}
