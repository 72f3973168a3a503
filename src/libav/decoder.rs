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
mod tests {
    use super::*;
    use crate::libav::codec::CodecId;
    use crate::libav::encoder;

    /// Twelve pictures of mpeg4 with B-frames, as packets, and what they are.
    fn pictures() -> (Parameters, Vec<Packet>) {
        let mut configuration = encoder::Configuration::new(Codec::encoder_by_name("mpeg4").expect("an encoder"));
        let yuv420p = PixelFormat::by_name("yuv420p").expect("a known format");
        configuration.set_picture(64, 32, Some(yuv420p));
        configuration.set_time_base(Rational::new(1, 25));
        configuration.set_global_header();
        let mut encoder = configuration.open(&mut [("bf", "2")].into_iter().collect()).expect("an encoder");
        let (mut packets, mut picture) = (Vec::new(), Frame::video(yuv420p, 64, 32).expect("a picture"));
        for pts in 0..=12 {
            picture.rows_mut(0).expect("a plane").for_each(|row| row.fill(pts as u8 * 20));
            picture.set_pts(Some(pts));
            if pts < 12 { encoder.send(&picture) } else { encoder.finish() }.expect("room");
            let mut packet = Packet::new();
            while encoder.receive(&mut packet).expect("no failure") == encoder::Received::Packet {
                packets.push(std::mem::take(&mut packet));
            }
        }
        (encoder.parameters().expect("memory"), packets)
    }

    fn configuration(parameters: &Parameters) -> Configuration {
        Configuration::new(Codec::decoder(parameters.codec()).expect("a decoder"), parameters).expect("memory")
    }

    fn drain(decoder: &mut Decoder, frames: &mut Vec<Frame>) -> Received {
        loop {
            let mut frame = Frame::new();
            match decoder.receive(&mut frame).expect("no failure") {
                Received::Frame => frames.push(frame),
                end => return end,
            }
        }
    }

    #[test]
    fn every_packet_comes_out_as_a_frame_in_order() {
        let (parameters, packets) = pictures();
        let mut configuration = configuration(&parameters);
        configuration.set_packet_time_base(Rational::new(1, 25));
        configuration.set_frame_rate(Rational::new(25, 1));
        let mut options: Dictionary = [("threads", "1"), ("nosuch", "1")].into_iter().collect();
        let mut decoder = configuration.open(&mut options).expect("a decoder");
        assert_eq!(options.pairs(), [("nosuch".to_owned(), "1".to_owned())], "what it did not know is left");
        for round in 0..2 {
            let mut frames = Vec::new();
            for packet in &packets {
                decoder.send(Some(packet)).expect("room for a packet");
                assert_eq!(drain(&mut decoder, &mut frames), Received::NeedsPacket);
            }
            decoder.send(None).expect("an end");
            assert_eq!(drain(&mut decoder, &mut frames), Received::End);
            let times: Vec<_> = frames.iter().map(|frame| frame.best_effort_timestamp().expect("a time")).collect();
            assert_eq!(times, (0..12).collect::<Vec<_>>(), "round {round}");
            assert!(frames[0].is_key() && !frames[1].is_key());
            assert!(frames.iter().all(|frame| frame.dimensions() == (64, 32) && !frame.has_decode_errors()));
            let brightness = |frame: &Frame| frame.rows(0).expect("a plane").next().map(|row| row[0]).expect("a row");
            assert!(frames.iter().enumerate().all(|(at, frame)| brightness(frame).abs_diff(at as u8 * 20) < 8));
            decoder.flush();
        }
        assert_eq!((decoder.video_delay(), decoder.dimensions(), decoder.codec().id().name()), (1, (64, 32), "mpeg4"));
        assert_eq!(decoder.pixel_format().map(PixelFormat::name).as_deref(), Some("yuv420p"));
        assert!(decoder.frame_rate().num > 0 && decoder.ticks_per_frame() == 1 && !decoder.has_closed_captions());
    }

    #[test]
    fn what_is_no_picture_is_an_error() {
        let (parameters, _) = pictures();
        let mut decoder = configuration(&parameters).open(&mut [("err_detect", "explode")].into_iter().collect()).expect("one");
        let mut packet = Packet::new();
        packet.fill(&[0; 40]).expect("memory");
        let sent = decoder.send(Some(&packet));
        assert!(sent.is_err() || decoder.receive(&mut Frame::new()).is_err());
    }

    #[test]
    fn hardware_that_is_not_offered_leaves_pictures_in_memory() {
        let (parameters, packets) = pictures();
        let Some(kind) = DeviceType::by_name("vaapi") else { return };
        let mut configuration = configuration(&parameters);
        configuration.set_acceleration(&Acceleration { kind, device: None, output: None });
        let mut decoder = configuration.open(&mut Dictionary::new()).expect("a decoder");
        let mut frames = Vec::new();
        for packet in &packets {
            // Without a device libavcodec drops vaapi from its offer, or fails to set it up and offers the rest.
            decoder.send(Some(packet)).expect("room for a packet");
            drain(&mut decoder, &mut frames);
        }
        assert!(frames.iter().all(|frame| frame.pixel_format().is_some_and(|format| !format.is_hardware())));
    }

    #[test]
    fn channels_in_no_order_are_guessed_up_to_a_number() {
        let mut parameters = Parameters::new();
        parameters.set_codec(CodecId::by_name("pcm_s16le").expect("a codec"));
        parameters.set_sound(8000, &ChannelLayout::parse("6C").expect("a layout")).expect("memory");
        let mut configuration = configuration(&parameters);
        assert_eq!(configuration.guess_channel_layout(5), None);
        assert_eq!(configuration.guess_channel_layout(6).map(|layout| layout.to_string()).as_deref(), Some("5.1"));
        assert_eq!(configuration.guess_channel_layout(6), None, "it has one now");
        let mut decoder = configuration.open(&mut Dictionary::new()).expect("a decoder");
        let mut packet = Packet::new();
        packet.fill(&[0; 120]).expect("memory");
        decoder.send(Some(&packet)).expect("room for a packet");
        let mut frame = Frame::new();
        assert_eq!(decoder.receive(&mut frame), Ok(Received::Frame));
        assert_eq!((frame.samples(), frame.channel_layout(), decoder.sample_rate()), (10, decoder.channel_layout(), 8000));
        assert_eq!(decoder.sample_format(), SampleFormat::by_name("s16"));
    }
}
