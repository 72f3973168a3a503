//! `AVStream`, seen through the demuxer or muxer that owns it, and what containers hold beside streams.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

use super::codec::{CodecId, MediaType, Parameters};
use super::error::AvError;
use super::ffi::{self, AVDiscard};
use super::frame::ChannelLayout;
use super::option::{Dictionary, Fake};
use super::packet::{SideData, timestamp};
use super::rational::Rational;

/// Flags of `AVStream.disposition`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disposition(pub i32);

impl Disposition {
    /// To be played unless the user chooses otherwise.
    pub const DEFAULT: Self = Self(ffi::AV_DISPOSITION_DEFAULT);
    /// A cover picture, delivered as one packet.
    pub const ATTACHED_PICTURE: Self = Self(ffi::AV_DISPOSITION_ATTACHED_PIC);

    /// All flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Reads `-disposition`'s value, `default+comment` or `+forced`, relative to this one.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` for an unknown flag.
    pub fn evaluate(self, text: &str) -> Result<Self, AvError> {
        Fake::new(stream_class()).evaluate("disposition", self.0, text).map(Self)
    }
}

fn stream_class() -> *const ffi::AVClass {
    // SAFETY: returns a constant (invariant 12).
    unsafe { ffi::av_stream_get_class() }
}

/// Which packets of a stream the demuxer may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discard(i32);

impl Discard {
    /// None.
    pub const NONE: Self = Self(AVDiscard::AVDISCARD_NONE as i32);
    /// Useless ones.
    pub const DEFAULT: Self = Self(AVDiscard::AVDISCARD_DEFAULT as i32);
    /// All.
    pub const ALL: Self = Self(AVDiscard::AVDISCARD_ALL as i32);

    /// Reads `-discard`'s value as the codec option `skip_frame` does.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)`.
    pub fn parse(text: &str) -> Result<Self, AvError> {
        // SAFETY: returns a constant (invariant 12).
        Fake::new(unsafe { ffi::avcodec_get_class() }).evaluate("skip_frame", 0, text).map(Self)
    }

    pub(in crate::libav) fn to_raw(self) -> AVDiscard {
        let all = [
            AVDiscard::AVDISCARD_NONE,
            AVDiscard::AVDISCARD_DEFAULT,
            AVDiscard::AVDISCARD_NONREF,
            AVDiscard::AVDISCARD_BIDIR,
            AVDiscard::AVDISCARD_NONINTRA,
            AVDiscard::AVDISCARD_NONKEY,
        ];
        all.into_iter().find(|discard| *discard as i32 == self.0).unwrap_or(AVDiscard::AVDISCARD_ALL)
    }
}

/// A chapter.
#[derive(Clone)]
pub struct Chapter {
    /// Its id in the container.
    pub id: i64,
    /// Unit of `start` and `end`.
    pub time_base: Rational,
    /// Begin.
    pub start: i64,
    /// End.
    pub end: i64,
    /// Title and the like.
    pub metadata: Dictionary,
}

/// A program: streams that belong together.
#[derive(Clone)]
pub struct Program {
    /// Its id.
    pub id: i32,
    /// Indices of its streams.
    pub streams: Vec<usize>,
    /// Service name and the like.
    pub metadata: Dictionary,
}

/// A stream of an open input or of an output.
#[derive(Clone, Copy)]
pub struct Stream<'a> {
    raw: NonNull<ffi::AVStream>,
    owner: PhantomData<&'a ffi::AVStream>,
}

impl<'a> Stream<'a> {
    /// # Safety
    /// `raw` is a stream of a context that is borrowed for `'a`.
    pub(in crate::libav) unsafe fn new(raw: NonNull<ffi::AVStream>) -> Self {
        Self { raw, owner: PhantomData }
    }

    pub(in crate::libav) fn as_ptr(&self) -> *mut ffi::AVStream {
        self.raw.as_ptr()
    }

    fn raw(&self) -> &'a ffi::AVStream {
        // SAFETY: the promise given to `new` (invariant 13).
        unsafe { self.raw.as_ref() }
    }

    fn codecpar(&self) -> &'a ffi::AVCodecParameters {
        // SAFETY: libavformat allocates the parameters of each stream (invariant 10).
        unsafe { &*self.raw().codecpar }
    }

    /// Position among the streams.
    pub fn index(&self) -> usize {
        usize::try_from(self.raw().index).unwrap_or_default()
    }

    /// Id in the container (PID, track number).
    pub fn id(&self) -> i32 {
        self.raw().id
    }

    /// Unit of its timestamps.
    pub fn time_base(&self) -> Rational {
        self.raw().time_base.into()
    }

    /// First timestamp, if known.
    pub fn start_time(&self) -> Option<i64> {
        timestamp(self.raw().start_time)
    }

    /// Duration, if known.
    pub fn duration(&self) -> Option<i64> {
        timestamp(self.raw().duration)
    }

    /// Number of frames; 0 = unknown.
    pub fn frames(&self) -> i64 {
        self.raw().nb_frames
    }

    /// What it carries.
    pub fn media_type(&self) -> MediaType {
        MediaType::from_raw(self.codecpar().codec_type)
    }

    /// Its codec.
    pub fn codec(&self) -> CodecId {
        CodecId(self.codecpar().codec_id)
    }

    /// Width and height in pixels.
    pub fn dimensions(&self) -> (i32, i32) {
        (self.codecpar().width, self.codecpar().height)
    }

    /// Audio channels.
    pub fn channels(&self) -> i32 {
        self.codecpar().ch_layout.nb_channels
    }

    /// A copy of its parameters.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn parameters(&self) -> Result<Parameters, AvError> {
        // SAFETY: the stream's parameters are valid (invariant 10).
        unsafe { Parameters::copy_of(self.codecpar()) }
    }

    /// Bytes of codec configuration; an attachment's whole content.
    pub fn extradata(&self) -> &'a [u8] {
        let parameters = self.codecpar();
        match usize::try_from(parameters.extradata_size) {
            // SAFETY: libav's extradata is extradata_size bytes long (invariant 11).
            Ok(size @ 1..) if !parameters.extradata.is_null() => unsafe {
                std::slice::from_raw_parts(parameters.extradata, size)
            },
            _ => &[],
        }
    }

    /// Shape of one pixel as the container has it; 0/1 = unknown.
    pub fn sample_aspect_ratio(&self) -> Rational {
        self.raw().sample_aspect_ratio.into()
    }

    /// Average frames per second; 0/0 = unknown.
    pub fn average_frame_rate(&self) -> Rational {
        self.raw().avg_frame_rate.into()
    }

    /// Lowest frame rate that all its timestamps fit; 0/0 = unknown.
    pub fn real_frame_rate(&self) -> Rational {
        self.raw().r_frame_rate.into()
    }

    /// Flags.
    pub fn disposition(&self) -> Disposition {
        Disposition(self.raw().disposition)
    }

    /// Language, title and the like.
    pub fn metadata(&self) -> Dictionary {
        // SAFETY: null or the stream's dictionary (invariant 10).
        unsafe { Dictionary::copy_of(self.raw().metadata) }
    }

    /// Bits after which its timestamps begin again.
    pub fn timestamp_bits(&self) -> u32 {
        u32::try_from(self.raw().pts_wrap_bits).unwrap_or(64)
    }

    /// Packets have been seen since the container was opened (`AVSTREAM_EVENT_FLAG_NEW_PACKETS`).
    pub fn has_packets(&self) -> bool {
        self.raw().event_flags & ffi::AVSTREAM_EVENT_FLAG_NEW_PACKETS != 0
    }

    /// Side data that holds for the whole stream.
    pub fn side_data(&self) -> Vec<SideData> {
        #[cfg(libavformat_59)]
        let (elements, count) = (self.raw().side_data, self.raw().nb_side_data);
        #[cfg(not(libavformat_59))]
        let (elements, count) = (self.codecpar().coded_side_data, self.codecpar().nb_coded_side_data);
        // SAFETY: libav keeps pointer and count in step (invariant 10).
        unsafe { SideData::copies(elements, usize::try_from(count).unwrap_or_default()) }
    }
}

/// A stream that may be changed.
pub struct StreamMut<'a>(Stream<'a>, PhantomData<&'a mut ffi::AVStream>);

impl<'a> Deref for StreamMut<'a> {
    type Target = Stream<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl StreamMut<'_> {
    /// # Safety
    /// As [`Stream::new`], and nothing else refers to the stream meanwhile.
    pub(in crate::libav) unsafe fn new(raw: NonNull<ffi::AVStream>) -> Self {
        // SAFETY: the caller's promise (invariant 13).
        Self(unsafe { Stream::new(raw) }, PhantomData)
    }

    fn raw_mut(&mut self) -> &mut ffi::AVStream {
        // SAFETY: the promise given to `new` (invariant 13).
        unsafe { &mut *self.as_ptr() }
    }

    fn codecpar_mut(&mut self) -> &mut ffi::AVCodecParameters {
        // SAFETY: libavformat allocates the parameters of each stream (invariant 10).
        unsafe { &mut *self.raw_mut().codecpar }
    }

    /// Sets the id.
    pub fn set_id(&mut self, id: i32) {
        self.raw_mut().id = id;
    }

    /// Sets the time base; for a muxer a hint.
    pub fn set_time_base(&mut self, time_base: Rational) {
        self.raw_mut().time_base = time_base.into();
    }

    /// Sets the average frame rate.
    pub fn set_average_frame_rate(&mut self, rate: Rational) {
        self.raw_mut().avg_frame_rate = rate.into();
    }

    /// Sets the shape of one pixel.
    pub fn set_sample_aspect_ratio(&mut self, ratio: Rational) {
        self.raw_mut().sample_aspect_ratio = ratio.into();
    }

    /// Sets the duration; for a muxer a hint.
    pub fn set_duration(&mut self, duration: i64) {
        self.raw_mut().duration = duration;
    }

    /// Sets the frames by which the decoder's output lags behind, which a demuxer's guesses at timestamps go by.
    pub fn set_video_delay(&mut self, frames: i32) {
        self.codecpar_mut().video_delay = frames;
    }

    /// Says what the channels are.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_channel_layout(&mut self, layout: &ChannelLayout) -> Result<(), AvError> {
        // SAFETY: both are valid; the parameters' own is replaced (invariant 10).
        AvError::check(unsafe { ffi::av_channel_layout_copy(&mut self.codecpar_mut().ch_layout, layout.as_ptr()) }).map(drop)
    }

    /// Adds side data that holds for the whole stream, or replaces that of the same kind.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn add_side_data(&mut self, side_data: &SideData) -> Result<(), AvError> {
        let (kind, bytes) = side_data.parts();
        #[cfg(libavformat_59)]
        // SAFETY: a valid stream (invariant 10).
        let data = unsafe { ffi::av_stream_new_side_data(self.as_ptr(), kind, bytes.len()) };
        #[cfg(not(libavformat_59))]
        // SAFETY: valid parameters; libav keeps array and count in step (invariant 10).
        let data = unsafe {
            let parameters = self.codecpar_mut();
            let (list, count) = (&mut parameters.coded_side_data, &mut parameters.nb_coded_side_data);
            let element = ffi::av_packet_side_data_new(list, count, kind, bytes.len(), 0);
            if element.is_null() { std::ptr::null_mut() } else { (*element).data }
        };
        if data.is_null() {
            return Err(AvError::from_errno(libc::ENOMEM));
        }
        // SAFETY: the new element is as long as the old one (invariant 11).
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len()) };
        Ok(())
    }

    /// Sets what the stream carries, before anything else is known of it.
    pub fn set_media_type(&mut self, media_type: MediaType) {
        self.codecpar_mut().codec_type = media_type.to_raw();
    }

    /// Sets the codec.
    pub fn set_codec(&mut self, codec: CodecId) {
        self.codecpar_mut().codec_id = codec.0;
    }

    /// Sets the four-character code.
    pub fn set_codec_tag(&mut self, tag: u32) {
        self.codecpar_mut().codec_tag = tag;
    }

    /// Sets all parameters.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_parameters(&mut self, parameters: &Parameters) -> Result<(), AvError> {
        // SAFETY: both are valid (invariant 10).
        AvError::check(unsafe { ffi::avcodec_parameters_copy(self.codecpar_mut(), parameters.as_ptr()) }).map(drop)
    }

    /// Sets the codec configuration, or an attachment's content.
    ///
    /// # Errors
    /// Too large, or `AVERROR(ENOMEM)`.
    pub fn set_extradata(&mut self, bytes: &[u8]) -> Result<(), AvError> {
        let padding = usize::try_from(ffi::AV_INPUT_BUFFER_PADDING_SIZE).unwrap_or_default();
        let size = c_int::try_from(bytes.len() + padding).map_err(|_| AvError::from_errno(libc::EFBIG))?;
        let parameters = self.codecpar_mut();
        // SAFETY: the old extradata is libav's or null; the new one is padded with zeros, as libav asks (invariant 10).
        unsafe {
            let data = ffi::av_mallocz(bytes.len() + padding).cast::<u8>();
            if data.is_null() {
                return Err(AvError::from_errno(libc::ENOMEM));
            }
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
            ffi::av_free(parameters.extradata.cast());
            parameters.extradata = data;
        }
        parameters.extradata_size = size - ffi::AV_INPUT_BUFFER_PADDING_SIZE;
        Ok(())
    }

    /// Sets the flags.
    pub fn set_disposition(&mut self, disposition: Disposition) {
        self.raw_mut().disposition = disposition.0;
    }

    /// Sets what the demuxer may leave out.
    pub fn set_discard(&mut self, discard: Discard) {
        self.raw_mut().discard = discard.to_raw();
    }

    /// Replaces the metadata.
    pub fn set_metadata(&mut self, metadata: Dictionary) {
        // SAFETY: the old dictionary belongs to the stream; the new one is given to it (invariant 10).
        drop(unsafe { Dictionary::from_raw(std::mem::replace(&mut self.raw_mut().metadata, metadata.into_raw())) });
    }
}
