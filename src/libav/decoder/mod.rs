//! Decoders of libavcodec: packets go in, frames or subtitles come out.

use std::ffi::c_int;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use super::codec::{Codec, Parameters};
use super::context::Context;
use super::error::AvError;
use super::ffi::{self, AVPixelFormat};
use super::frame::{ChannelLayout, Frame, PixelFormat, SampleFormat};
use super::hw::{self, Device, DeviceType};
use super::option::Dictionary;
use super::packet::Packet;
use super::rational::Rational;
use super::subtitle::Subtitle;
use super::{log, panic};

/// What [`Decoder::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The frame is filled.
    Frame,
    /// Another packet has to be sent first.
    NeedsPacket,
    /// All packets are decoded; there will be no more frames.
    End,
}

/// How a decoder is to use hardware: `-hwaccel`, `-hwaccel_output_format`.
#[derive(Clone, Debug)]
pub struct Acceleration {
    /// The kind of device whose pictures are to be chosen when libavcodec offers them.
    pub kind: DeviceType,
    /// The device; `None` where the decoder opens its own.
    pub device: Option<Device>,
    /// What the pictures are to be copied to; `None` = what the device offers first. The device's own format leaves them there.
    pub output: Option<PixelFormat>,
}

/// What [`get_format`] reads while libavcodec's threads decode.
struct State {
    kind: Option<DeviceType>,
    configs: Vec<hw::Config>,
    output: Option<PixelFormat>,
    /// The number of the device's pixel format that was chosen last; -1 = none.
    chosen: AtomicI32,
}

/// A decoder that is not open yet.
pub struct Configuration {
    context: Context,
    state: Option<Arc<State>>,
}

impl Configuration {
    /// For a stream with these parameters.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn new(codec: Codec, parameters: &Parameters) -> Result<Self, AvError> {
        let mut context = Context::new(codec);
        // SAFETY: both are valid (invariant 10).
        AvError::check(unsafe { ffi::avcodec_parameters_to_context(context.as_mut_ptr(), parameters.as_ptr()) })?;
        Ok(Self { context, state: None })
    }

    /// The unit of the packets' times, which subtitles, trimmed sound and some hardware need.
    pub fn set_packet_time_base(&mut self, time_base: Rational) {
        self.context.raw_mut().pkt_timebase = time_base.into();
    }

    /// Nothing that changes from version to version or depends on the processor (`-bitexact`).
    pub fn set_bitexact(&mut self) {
        self.context.raw_mut().flags |= ffi::AV_CODEC_FLAG_BITEXACT as c_int;
    }

    /// The size of the screen that bitmap subtitles were made for.
    pub fn set_canvas(&mut self, width: i32, height: i32) {
        let raw = self.context.raw_mut();
        (raw.width, raw.height) = (width, height);
    }

    /// The frame rate that the container names.
    pub fn set_frame_rate(&mut self, rate: Rational) {
        self.context.raw_mut().framerate = rate.into();
    }

    /// Gives channels in no order the usual order for their number, which is returned, unless there are more than `most`.
    pub fn guess_channel_layout(&mut self, most: i32) -> Option<ChannelLayout> {
        let layout = self.context.channel_layout();
        if !layout.is_unordered() || layout.channels() > most {
            return None;
        }
        let guessed = ChannelLayout::default_for(layout.channels());
        if guessed.is_unordered() {
            return None;
        }
        // SAFETY: both are valid; the context's own is replaced (invariant 10).
        let code = unsafe { ffi::av_channel_layout_copy(&mut self.context.raw_mut().ch_layout, guessed.as_ptr()) };
        AvError::check(code).ok().map(|_| guessed)
    }

    /// Gives it a device for decoders that use one by themselves.
    pub fn set_device(&mut self, device: &Device) {
        let raw = self.context.raw_mut();
        // SAFETY: null or a reference of the context's (invariant 10).
        unsafe { ffi::av_buffer_unref(&mut raw.hw_device_ctx) };
        raw.hw_device_ctx = device.to_shared();
    }

    /// Lets it decode with hardware. Pictures that come out are copied to [`Acceleration::output`].
    pub fn set_acceleration(&mut self, acceleration: &Acceleration) {
        if let Some(device) = &acceleration.device {
            self.set_device(device);
        }
        let configs = self.context.codec().hardware_configs().filter(|config| config.takes_device).collect();
        let (kind, output) = (Some(acceleration.kind), acceleration.output);
        self.state = Some(Arc::new(State { kind, configs, output, chosen: AtomicI32::new(-1) }));
    }

    /// Opens it. Entries of `options` that it used are taken out.
    ///
    /// # Errors
    /// libavcodec's; `AVERROR_EXPERIMENTAL` for a decoder that must be asked for with `-strict experimental`.
    pub fn open(mut self, options: &mut Dictionary) -> Result<Decoder, AvError> {
        if let Some(state) = &self.state {
            let raw = self.context.raw_mut();
            raw.opaque = Arc::as_ptr(state).cast_mut().cast();
            raw.get_format = Some(get_format);
            #[cfg(libavformat_59)]
            (raw.thread_safe_callbacks = 1);
        }
        self.context.open(options)?;
        Ok(Decoder { context: self.context, state: self.state })
    }
}

/// `AVCodecContext.get_format`: the wanted device's format, else the first one that is in memory.
unsafe extern "C" fn get_format(context: *mut ffi::AVCodecContext, formats: *const AVPixelFormat) -> AVPixelFormat {
    panic::contain(AVPixelFormat::AV_PIX_FMT_NONE, || {
        // SAFETY: `open` put a State there, which the decoder holds as long as the context and which is never changed but for an
        // atomic; the list ends with AV_PIX_FMT_NONE (invariant 9).
        let (state, offered) = unsafe {
            let offered = (0..).map_while(|index| PixelFormat::from_raw(*formats.add(index)));
            (&*(*context).opaque.cast::<State>().cast_const(), offered)
        };
        for format in offered {
            let suits = |config: &hw::Config| config.format == Some(format) && config.device == state.kind;
            if format.is_hardware() && state.configs.iter().any(suits) {
                state.chosen.store(format.number(), Ordering::Relaxed);
                return format.to_raw();
            }
            if !format.is_hardware() {
                return format.to_raw();
            }
        }
        AVPixelFormat::AV_PIX_FMT_NONE
    })
}

/// An open decoder.
///
/// ```text
/// send(packet) … receive(frame) until NeedsPacket … send(packet) …… send(None) … receive(frame) until End
/// ```
pub struct Decoder {
    context: Context,
    /// Behind [`Context`], which points into it: fields are dropped in order.
    state: Option<Arc<State>>,
}

impl Decoder {
    /// What it was opened with.
    pub fn codec(&self) -> Codec {
        self.context.codec()
    }

    /// Gives it a packet; `None` says that there are no more.
    ///
    /// # Errors
    /// libavcodec's; `is_again` means that frames must be received first.
    pub fn send(&mut self, packet: Option<&Packet>) -> Result<(), AvError> {
        let packet = packet.map_or(ptr::null(), Packet::as_ptr);
        // SAFETY: an open decoder; the packet is valid, or null for the end (invariant 10).
        let code = unsafe { ffi::avcodec_send_packet(self.context.as_mut_ptr(), packet) };
        panic::resume();
        AvError::check(code).map(drop)
    }

    /// Takes the next frame.
    ///
    /// # Errors
    /// libavcodec's.
    pub fn receive(&mut self, frame: &mut Frame) -> Result<Received, AvError> {
        // SAFETY: an open decoder and a valid frame, which libavcodec empties first (invariant 10).
        let code = unsafe { ffi::avcodec_receive_frame(self.context.as_mut_ptr(), frame.as_mut_ptr()) };
        panic::resume();
        match AvError::check(code) {
            Ok(_) => self.fetch(frame).map(|()| Received::Frame),
            Err(error) if error.is_again() => Ok(Received::NeedsPacket),
            Err(AvError::EOF) => Ok(Received::End),
            Err(error) => Err(error),
        }
    }

    /// Copies a picture of the device's to where it was asked to be.
    fn fetch(&self, frame: &mut Frame) -> Result<(), AvError> {
        let Some(state) = &self.state else { return Ok(()) };
        let format = frame.pixel_format();
        let is_devices = format.is_some_and(|format| format.number() == state.chosen.load(Ordering::Relaxed));
        if is_devices && format != state.output {
            let mut copy = hw::download(frame, state.output).inspect_err(|error| {
                log::write(log::level::ERROR, &format!("Failed to transfer data to output frame: {error}\n"))
            })?;
            frame.take(&mut copy);
        }
        Ok(())
    }

    /// Decodes a packet of subtitles; `true` if there is one now. An empty packet asks for what is left at the end.
    ///
    /// # Errors
    /// libavcodec's.
    pub fn decode_subtitle(&mut self, packet: &Packet, subtitle: &mut Subtitle) -> Result<bool, AvError> {
        subtitle.clear();
        let mut found: c_int = 0;
        // SAFETY: an open subtitle decoder, an empty subtitle and a valid packet, which is only read (invariant 10).
        let code = unsafe {
            let packet = packet.as_ptr().cast_mut();
            ffi::avcodec_decode_subtitle2(self.context.as_mut_ptr(), subtitle.as_mut_ptr(), &mut found, packet)
        };
        panic::resume();
        AvError::check(code).map(|_| found != 0)
    }

    /// Forgets what it holds, so that decoding can begin at another place, or after the end.
    pub fn flush(&mut self) {
        // SAFETY: an open decoder (invariant 10).
        unsafe { ffi::avcodec_flush_buffers(self.context.as_mut_ptr()) };
        panic::resume();
    }

    /// Sets what it logs (`AVCodecContext.debug`).
    pub fn set_debug(&mut self, flags: i32) {
        self.context.raw_mut().debug = flags;
    }

    /// Frames by which the output lags behind the input because pictures come in another order (`has_b_frames`).
    pub fn video_delay(&self) -> i32 {
        self.context.raw().has_b_frames
    }

    /// Frames per second that the codec's headers name; 0/1 = unknown.
    pub fn frame_rate(&self) -> Rational {
        self.context.raw().framerate.into()
    }

    /// Ticks of the time base that a frame lasts: 2 for H.264 and MPEG-2, which count fields.
    pub fn ticks_per_frame(&self) -> i32 {
        self.context.raw().ticks_per_frame
    }

    /// Samples per second.
    pub fn sample_rate(&self) -> i32 {
        self.context.raw().sample_rate
    }

    /// The channels.
    pub fn channel_layout(&self) -> ChannelLayout {
        self.context.channel_layout()
    }

    /// Width and height in pixels.
    pub fn dimensions(&self) -> (i32, i32) {
        (self.context.raw().width, self.context.raw().height)
    }

    /// How the pixels lie in memory, as far as is known.
    pub fn pixel_format(&self) -> Option<PixelFormat> {
        self.context.pixel_format()
    }

    /// How the samples lie in memory, as far as is known.
    pub fn sample_format(&self) -> Option<SampleFormat> {
        self.context.sample_format()
    }

    /// Bits of each sample, or component of a pixel, that mean something; 0 = unknown.
    pub fn bits_per_raw_sample(&self) -> i32 {
        self.context.raw().bits_per_raw_sample
    }

    /// Closed captions were met (`FF_CODEC_PROPERTY_CLOSED_CAPTIONS`).
    pub fn has_closed_captions(&self) -> bool {
        self.context.raw().properties & ffi::FF_CODEC_PROPERTY_CLOSED_CAPTIONS as u32 != 0
    }

    /// The head of the ASS script that its text subtitles belong to.
    pub fn subtitle_header(&self) -> Option<&[u8]> {
        self.context.subtitle_header()
    }
}

#[cfg(test)]
mod tests;
