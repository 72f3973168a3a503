//! Encoders of libavcodec: frames or subtitles go in, packets come out.

use std::ffi::{CStr, c_int};
use std::ptr;

use super::codec::{Codec, Parameters};
use super::context::Context;
use super::error::AvError;
use super::frame::{ChannelLayout, Frame};
use super::packet::{Packet, SideData};
use super::rational::Rational;
use super::subtitle::Subtitle;
use super::{ffi, panic};

pub use configuration::{Configuration, FieldOrder, QP_TO_LAMBDA, RateOverride};

mod configuration;

/// What [`Encoder::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The packet is filled.
    Packet,
    /// Another frame has to be sent first.
    NeedsFrame,
    /// All frames are encoded; there will be no more packets.
    End,
}

/// An open encoder.
///
/// ```text
/// send(frame) … receive(packet) until NeedsFrame … send(frame) …… finish() … receive(packet) until End
/// ```
pub struct Encoder {
    configuration: Configuration,
    /// Where subtitles are encoded to, once there are any.
    subtitle: Vec<u8>,
}

impl Encoder {
    fn new(configuration: Configuration) -> Self {
        Self { configuration, subtitle: Vec::new() }
    }

    fn context(&self) -> &Context {
        &self.configuration.0
    }

    fn as_mut_ptr(&mut self) -> *mut ffi::AVCodecContext {
        self.configuration.0.as_mut_ptr()
    }

    fn raw(&self) -> &ffi::AVCodecContext {
        self.context().raw()
    }

    /// What it was opened with.
    pub fn codec(&self) -> Codec {
        self.context().codec()
    }

    /// Unit of the frames' and the packets' times.
    pub fn time_base(&self) -> Rational {
        self.raw().time_base.into()
    }

    /// Samples that each frame of sound has to have, the last one excepted; 0 = any number, or pictures.
    pub fn frame_size(&self) -> i32 {
        self.raw().frame_size
    }

    /// Samples that the decoder will produce before the first one that was sent: the first packet is that much earlier.
    pub fn initial_padding(&self) -> i32 {
        self.raw().initial_padding
    }

    /// Bits per second that it aims at; 0 = none.
    pub fn bit_rate(&self) -> i64 {
        self.raw().bit_rate
    }

    /// Width and height in pixels.
    pub fn dimensions(&self) -> (i32, i32) {
        (self.raw().width, self.raw().height)
    }

    /// Samples per second.
    pub fn sample_rate(&self) -> i32 {
        self.raw().sample_rate
    }

    /// The channels.
    pub fn channel_layout(&self) -> ChannelLayout {
        self.context().channel_layout()
    }

    /// Each picture has a fixed quality (`AV_CODEC_FLAG_QSCALE`), which is [`global_quality`](Self::global_quality).
    pub fn has_fixed_quality(&self) -> bool {
        self.raw().flags as u32 & ffi::AV_CODEC_FLAG_QSCALE != 0
    }

    /// See [`Configuration::set_global_quality`].
    pub fn global_quality(&self) -> i32 {
        self.raw().global_quality
    }

    /// It notes the statistics of a first pass and does not use those of another.
    pub fn is_first_pass(&self) -> bool {
        let flags = self.raw().flags as u32;
        let (first, second) = (ffi::AV_CODEC_FLAG_PASS1, ffi::AV_CODEC_FLAG_PASS2);
        flags & (first | second) == first
    }

    /// Sets what it logs (`AVCodecContext.debug`).
    pub fn set_debug(&mut self, flags: i32) {
        self.configuration.set_debug(flags);
    }

    /// The shape of one pixel of the pictures to come: some encoders take a change.
    pub fn set_sample_aspect_ratio(&mut self, ratio: Rational) {
        self.configuration.set_sample_aspect_ratio(ratio);
    }

    /// Sums of the squared differences of all pictures so far, for the three components (`AVCodecContext.error`).
    pub fn errors(&self) -> [u64; 3] {
        let errors = self.raw().error;
        [errors[0], errors[1], errors[2]]
    }

    /// Bytes of codec configuration.
    pub fn extradata_size(&self) -> usize {
        usize::try_from(self.raw().extradata_size).unwrap_or_default()
    }

    /// Its packets tell how far they are from the source (`-flags +psnr`).
    pub fn tells_psnr(&self) -> bool {
        self.raw().flags as u32 & ffi::AV_CODEC_FLAG_PSNR != 0
    }

    /// The two fields of a picture are coded apart (`-flags +ildct`, `+ilme`).
    pub fn is_interlaced(&self) -> bool {
        let flags = ffi::AV_CODEC_FLAG_INTERLACED_DCT | ffi::AV_CODEC_FLAG_INTERLACED_ME;
        self.raw().flags as u32 & flags != 0
    }

    /// What the coded stream is, for a muxer.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn parameters(&self) -> Result<Parameters, AvError> {
        let parameters = Parameters::new();
        // SAFETY: both are valid; the context is only read (invariant 10).
        AvError::check(unsafe { ffi::avcodec_parameters_from_context(parameters.as_ptr(), self.context().as_ptr()) })?;
        Ok(parameters)
    }

    /// What it says of the stream as a whole (`coded_side_data`), for a muxer.
    pub fn side_data(&self) -> Vec<SideData> {
        let count = usize::try_from(self.raw().nb_coded_side_data).unwrap_or_default();
        // SAFETY: libavcodec keeps pointer and count in step (invariant 9).
        unsafe { SideData::copies(self.raw().coded_side_data, count) }
    }

    /// What the first of two passes noted since the last packet: to be asked for after each packet and at the end.
    pub fn statistics(&self) -> Option<&CStr> {
        let statistics = self.raw().stats_out;
        // SAFETY: null or a string that stays until the encoder is used again, which takes `&mut` (invariant 9).
        (!statistics.is_null()).then(|| unsafe { CStr::from_ptr(statistics) })
    }

    /// Gives it a frame.
    ///
    /// # Errors
    /// libavcodec's; `is_again` means that packets must be received first.
    pub fn send(&mut self, frame: &Frame) -> Result<(), AvError> {
        // SAFETY: an open encoder and a valid frame, whose buffers libavcodec takes references to (invariant 10).
        let code = unsafe { ffi::avcodec_send_frame(self.as_mut_ptr(), frame.as_ptr()) };
        panic::resume();
        AvError::check(code).map(drop)
    }

    /// Tells it that there are no more frames.
    ///
    /// # Errors
    /// libavcodec's.
    pub fn finish(&mut self) -> Result<(), AvError> {
        // SAFETY: an open encoder; no frame means the end (invariant 10).
        let code = unsafe { ffi::avcodec_send_frame(self.as_mut_ptr(), ptr::null()) };
        panic::resume();
        AvError::check(code).map(drop)
    }

    /// Takes the next packet, with its times in the encoder's time base and its stream 0.
    ///
    /// # Errors
    /// libavcodec's.
    pub fn receive(&mut self, packet: &mut Packet) -> Result<Received, AvError> {
        // SAFETY: an open encoder and a valid packet, which libavcodec empties first (invariant 10).
        let code = unsafe { ffi::avcodec_receive_packet(self.as_mut_ptr(), packet.as_mut_ptr()) };
        panic::resume();
        match AvError::check(code) {
            Ok(_) => Ok(Received::Packet),
            Err(error) if error.is_again() => Ok(Received::NeedsFrame),
            Err(AvError::EOF) => Ok(Received::End),
            Err(error) => Err(error),
        }
    }

    /// Encodes a subtitle into `packet`, as if it began at `pts` (microseconds) and were to be seen for `duration`
    /// milliseconds. `cleared`: what is coded is that its place is empty again. `packet` gets no times.
    ///
    /// # Errors
    /// libavcodec's.
    pub fn encode_subtitle(
        &mut self,
        subtitle: &Subtitle,
        pts: Option<i64>,
        duration: u32,
        cleared: bool,
        packet: &mut Packet,
    ) -> Result<(), AvError> {
        /// As much as ffmpeg gives it.
        const ROOM: usize = 1024 * 1024;
        self.subtitle.resize(ROOM, 0);
        let mut shown = *subtitle.raw();
        shown.pts = pts.unwrap_or(ffi::AV_NOPTS_VALUE);
        (shown.start_display_time, shown.end_display_time) = (0, duration);
        if cleared {
            shown.num_rects = 0;
        }
        let (room, size) = (self.subtitle.as_mut_ptr(), ROOM as c_int);
        // SAFETY: an open subtitle encoder, a buffer of that size, and a subtitle that is only read (invariant 11).
        let code = unsafe { ffi::avcodec_encode_subtitle(self.as_mut_ptr(), room, size, &shown) };
        panic::resume();
        let size = usize::try_from(AvError::check(code)?).unwrap_or_default();
        packet.fill(&self.subtitle[..size])
    }
}

#[cfg(test)]
mod tests;
