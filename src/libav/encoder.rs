//! Encoders of libavcodec: frames or subtitles go in, packets come out.

use std::ffi::{CStr, c_int};
use std::ptr;

use super::call::c_string;
use super::codec::{Codec, Parameters};
use super::context::Context;
use super::error::AvError;
use super::frame::{ChannelLayout, Color, Frame, PixelFormat, SampleFormat};
use super::hw::{Device, Frames};
use super::option::{Dictionary, Lookup};
use super::packet::{Packet, SideData};
use super::rational::Rational;
use super::subtitle::Subtitle;
use super::{ffi, panic};

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

/// Which field of an interlaced picture is coded, and which shown, first (`enum AVFieldOrder`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldOrder {
    /// There are no fields.
    Progressive,
    /// The upper one is coded and shown first.
    Top,
    /// The lower one is coded and shown first.
    Bottom,
    /// The upper one is coded, the lower one shown first.
    TopCodedFirst,
    /// The lower one is coded, the upper one shown first.
    BottomCodedFirst,
}

impl FieldOrder {
    fn to_raw(self) -> ffi::AVFieldOrder {
        match self {
            Self::Progressive => ffi::AVFieldOrder::AV_FIELD_PROGRESSIVE,
            Self::Top => ffi::AVFieldOrder::AV_FIELD_TT,
            Self::Bottom => ffi::AVFieldOrder::AV_FIELD_BB,
            Self::TopCodedFirst => ffi::AVFieldOrder::AV_FIELD_TB,
            Self::BottomCodedFirst => ffi::AVFieldOrder::AV_FIELD_BT,
        }
    }
}

/// A rule of `-rc_override`: how the pictures from `first` to `last` are to be coded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateOverride {
    /// First picture.
    pub first: i32,
    /// Last picture.
    pub last: i32,
    /// A fixed quantizer, or 0 and a factor.
    pub quantizer: i32,
    /// Factor on the quality.
    pub factor: f32,
}

/// `FF_QP2LAMBDA`: what a quantizer is in units of an encoder's `global_quality`.
pub const QP_TO_LAMBDA: f64 = ffi::FF_QP2LAMBDA as f64;

/// An encoder that is not open yet.
pub struct Configuration(Context);

impl Configuration {
    /// Says nothing yet of what will come.
    pub fn new(codec: Codec) -> Self {
        Self(Context::new(codec))
    }

    /// Pictures of this size and format.
    pub fn set_picture(&mut self, width: i32, height: i32, format: Option<PixelFormat>) {
        let raw = self.0.raw_mut();
        (raw.width, raw.height) = (width, height);
        if let Some(format) = format {
            raw.pix_fmt = format.to_raw();
        }
    }

    /// Sound of this format, rate and layout.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_sound(&mut self, format: SampleFormat, rate: i32, layout: &ChannelLayout) -> Result<(), AvError> {
        let raw = self.0.raw_mut();
        (raw.sample_fmt, raw.sample_rate) = (format.to_raw(), rate);
        // SAFETY: both are valid; the context's own is replaced (invariant 10).
        AvError::check(unsafe { ffi::av_channel_layout_copy(&mut raw.ch_layout, layout.as_ptr()) }).map(drop)
    }

    /// The unit of the frames' and packets' times.
    pub fn set_time_base(&mut self, time_base: Rational) {
        self.0.raw_mut().time_base = time_base.into();
    }

    /// Pictures per second, where that is constant.
    pub fn set_frame_rate(&mut self, rate: Rational) {
        self.0.raw_mut().framerate = rate.into();
    }

    /// Shape of one pixel.
    pub fn set_sample_aspect_ratio(&mut self, ratio: Rational) {
        self.0.raw_mut().sample_aspect_ratio = ratio.into();
    }

    /// Bits of each sample, or component of a pixel, that mean something.
    pub fn set_bits_per_raw_sample(&mut self, bits: i32) {
        self.0.raw_mut().bits_per_raw_sample = bits;
    }

    /// What the colours mean.
    pub fn set_color(&mut self, color: Color) {
        let raw = self.0.as_mut_ptr();
        // SAFETY: the fields are C enumerations, each as large as an int; encoders know that a number may be foreign to them
        // (invariant 15).
        unsafe {
            (&raw mut (*raw).color_range).cast::<c_int>().write(color.range);
            (&raw mut (*raw).color_primaries).cast::<c_int>().write(color.primaries);
            (&raw mut (*raw).color_trc).cast::<c_int>().write(color.transfer);
            (&raw mut (*raw).colorspace).cast::<c_int>().write(color.matrix);
            (&raw mut (*raw).chroma_sample_location).cast::<c_int>().write(color.chroma_location);
        }
    }

    /// Which field comes first.
    pub fn set_field_order(&mut self, order: FieldOrder) {
        self.0.raw_mut().field_order = order.to_raw();
    }

    /// The four-character code.
    pub fn set_codec_tag(&mut self, tag: u32) {
        self.0.raw_mut().codec_tag = tag;
    }

    /// Nothing that changes from run to run or version to version (`-bitexact`).
    pub fn set_bitexact(&mut self) {
        self.add_flags(ffi::AV_CODEC_FLAG_BITEXACT as u32);
    }

    /// Its packets shall tell how far they are from the source (`-psnr`).
    pub fn set_psnr(&mut self) {
        self.add_flags(ffi::AV_CODEC_FLAG_PSNR as u32);
    }

    /// Sets the flags of `-pass 1` and `-pass 2` where the encoder keeps its statistics itself.
    pub fn set_second_pass_flag(&mut self) {
        self.add_flags(ffi::AV_CODEC_FLAG_PASS2 as u32);
    }

    /// Will it leave out what changes from run to run, once it is opened with these `options`?
    pub fn is_bitexact_with(&self, options: &Dictionary) -> bool {
        let flags = i64::from(self.0.raw().flags);
        let flags = options.get("flags").and_then(|text| Lookup.codec_value("flags", flags, &text)).unwrap_or(flags);
        flags & i64::from(ffi::AV_CODEC_FLAG_BITEXACT) != 0
    }

    /// Sets flags of `AVCodecContext.flags`.
    fn add_flags(&mut self, flags: u32) {
        self.0.raw_mut().flags |= flags as c_int;
    }

    /// The container keeps the codec's configuration apart from the packets (`AVFMT_GLOBALHEADER`).
    pub fn set_global_header(&mut self) {
        self.add_flags(ffi::AV_CODEC_FLAG_GLOBAL_HEADER);
    }

    /// A fixed quality (`-q`): a quantizer times [`QP_TO_LAMBDA`].
    pub fn set_global_quality(&mut self, quality: i32) {
        self.add_flags(ffi::AV_CODEC_FLAG_QSCALE);
        self.0.raw_mut().global_quality = quality;
    }

    /// Notes statistics, which [`Encoder::statistics`] gives out (`-pass 1`).
    pub fn set_first_pass(&mut self) {
        self.add_flags(ffi::AV_CODEC_FLAG_PASS1);
    }

    /// Uses the statistics of a first pass (`-pass 2`).
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` for a NUL, `AVERROR(ENOMEM)`.
    pub fn set_second_pass(&mut self, statistics: &str) -> Result<(), AvError> {
        self.add_flags(ffi::AV_CODEC_FLAG_PASS2);
        replace(
            &mut self.0.raw_mut().stats_in,
            &c_string(statistics)?.to_bytes_with_nul().iter().map(|byte| *byte as std::ffi::c_char).collect::<Vec<_>>(),
        )
    }

    /// The quantizer matrix of blocks that are coded by themselves.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_intra_matrix(&mut self, matrix: &[u16; 64]) -> Result<(), AvError> {
        replace(&mut self.0.raw_mut().intra_matrix, matrix)
    }

    /// As [`set_intra_matrix`](Self::set_intra_matrix), for the blocks of colour.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_chroma_intra_matrix(&mut self, matrix: &[u16; 64]) -> Result<(), AvError> {
        replace(&mut self.0.raw_mut().chroma_intra_matrix, matrix)
    }

    /// The quantizer matrix of blocks that are coded from other pictures.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_inter_matrix(&mut self, matrix: &[u16; 64]) -> Result<(), AvError> {
        replace(&mut self.0.raw_mut().inter_matrix, matrix)
    }

    /// Rules for stretches of pictures.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_rate_overrides(&mut self, rules: &[RateOverride]) -> Result<(), AvError> {
        let rules: Vec<_> = rules
            .iter()
            .map(|rule| ffi::RcOverride {
                start_frame: rule.first,
                end_frame: rule.last,
                qscale: rule.quantizer,
                quality_factor: rule.factor,
            })
            .collect();
        let raw = self.0.raw_mut();
        replace(&mut raw.rc_override, &rules)?;
        raw.rc_override_count = c_int::try_from(rules.len()).unwrap_or(0);
        Ok(())
    }

    /// The head of the ASS script that the subtitles belong to.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn set_subtitle_header(&mut self, header: &[u8]) -> Result<(), AvError> {
        // libavcodec's ASS code takes it for a C string.
        let terminated: Vec<u8> = header.iter().copied().chain([0]).collect();
        let raw = self.0.raw_mut();
        replace(&mut raw.subtitle_header, &terminated)?;
        raw.subtitle_header_size = c_int::try_from(header.len()).unwrap_or(0);
        Ok(())
    }

    /// The pictures come from this pool of device memory.
    pub fn set_hardware_frames(&mut self, frames: &Frames) {
        let raw = self.0.raw_mut();
        // SAFETY: null or a reference of the context's (invariant 10).
        unsafe { ffi::av_buffer_unref(&mut raw.hw_frames_ctx) };
        raw.hw_frames_ctx = frames.to_shared();
    }

    /// The device to encode with.
    pub fn set_device(&mut self, device: &Device) {
        let raw = self.0.raw_mut();
        // SAFETY: as above (invariant 10).
        unsafe { ffi::av_buffer_unref(&mut raw.hw_device_ctx) };
        raw.hw_device_ctx = device.to_shared();
    }

    /// Opens it. Entries of `options` that it used are taken out.
    ///
    /// # Errors
    /// libavcodec's; `AVERROR_EXPERIMENTAL` for an encoder that must be asked for with `-strict experimental`.
    pub fn open(mut self, options: &mut Dictionary) -> Result<Encoder, AvError> {
        self.0.open(options)?;
        Ok(Encoder { configuration: self, subtitle: Vec::new() })
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // SAFETY: ours alone by avcodec.h, null or allocated with av_strdup (invariant 10).
        unsafe { ffi::av_freep((&raw mut self.0.raw_mut().stats_in).cast()) };
    }
}

/// Puts a copy of `elements`, in memory that libav may free, in place of what stands in `field`.
fn replace<T: Copy>(field: &mut *mut T, elements: &[T]) -> Result<(), AvError> {
    // SAFETY: the old one is null or libav's; as many bytes are read as the slice is long (invariant 10).
    unsafe {
        ffi::av_freep(ptr::from_mut(field).cast());
        *field = ffi::av_memdup(elements.as_ptr().cast(), size_of_val(elements)).cast();
    }
    if field.is_null() { Err(AvError::from_errno(libc::ENOMEM)) } else { Ok(()) }
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
        let (first, second) = (ffi::AV_CODEC_FLAG_PASS1 as u32, ffi::AV_CODEC_FLAG_PASS2 as u32);
        flags & (first | second) == first
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
mod tests {
    use super::*;
    use crate::libav::codec::MediaType;
    use crate::libav::frame::PictureType;

    fn configuration(name: &str) -> Configuration {
        Configuration::new(Codec::encoder_by_name(name).expect("an encoder"))
    }

    fn yuv420p() -> PixelFormat {
        PixelFormat::by_name("yuv420p").expect("a known format")
    }

    fn video(name: &str, width: i32) -> Configuration {
        let mut configuration = configuration(name);
        configuration.set_picture(width, 32, Some(yuv420p()));
        configuration.set_time_base(Rational::new(1, 25));
        configuration.set_frame_rate(Rational::new(25, 1));
        configuration
    }

    /// Encodes `count` pictures, each different from the one before, and looks at every packet.
    fn encode(encoder: &mut Encoder, count: i64, mut look: impl FnMut(&Encoder, &Packet)) {
        let (width, height) = encoder.dimensions();
        let mut picture = Frame::video(yuv420p(), width, height).expect("a picture");
        let mut packet = Packet::new();
        for pts in 0..=count {
            if pts < count {
                for (y, row) in picture.rows_mut(0).expect("a plane").enumerate() {
                    row.iter_mut().enumerate().for_each(|(x, pixel)| *pixel = (x * x + 3 * y * y + 4 * pts as usize) as u8);
                }
                picture.set_pts(Some(pts));
                picture.set_quality(encoder.global_quality());
                encoder.send(&picture).expect("room for a frame");
            } else {
                encoder.finish().expect("an end");
            }
            while encoder.receive(&mut packet).expect("no failure") == Received::Packet {
                look(encoder, &packet);
            }
        }
        assert_eq!(encoder.receive(&mut packet), Ok(Received::End));
        assert!(encoder.send(&picture).is_err(), "nothing comes after the end");
    }

    #[test]
    fn every_picture_comes_out_as_a_packet() {
        let mut options: Dictionary = [("g", "5"), ("bf", "2"), ("nosuch", "1")].into_iter().collect();
        let mut encoder = video("mpeg4", 64).open(&mut options).expect("an encoder");
        assert_eq!(options.pairs(), [("nosuch".to_owned(), "1".to_owned())], "what it did not know is left");
        assert_eq!((encoder.parameters().expect("memory").dimensions(), encoder.codec().id().name()), ((64, 32), "mpeg4"));
        let mut times = Vec::new();
        encode(&mut encoder, 12, |_, packet| times.push((packet.pts().expect("a time"), packet.is_key())));
        assert!(times[0].1 && times.iter().filter(|(_, key)| *key).count() >= 2, "{times:?}");
        assert_ne!(times[1].0, 1, "B-frames are sent after what they refer to: {times:?}");
        times.sort_unstable();
        assert_eq!(times.iter().map(|(pts, _)| *pts).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn sound_is_taken_in_pieces_of_the_encoders_size() {
        let mut sound = configuration("aac");
        sound.set_sound(SampleFormat::FLOAT_PLANAR, 48_000, &ChannelLayout::default_for(1)).expect("memory");
        sound.set_time_base(Rational::new(1, 48_000));
        sound.set_global_header();
        let mut encoder = sound.open(&mut Dictionary::new()).expect("an encoder");
        assert_eq!((encoder.frame_size(), encoder.time_base()), (1024, Rational::new(1, 48_000)));
        assert_eq!((encoder.sample_rate(), encoder.channel_layout().to_string().as_str()), (48_000, "mono"));
        let parameters = encoder.parameters().expect("memory");
        assert_eq!((parameters.media_type(), parameters.sample_rate()), (MediaType::Audio, 48_000));
        assert!(parameters.extradata_size() > 0, "the configuration stands apart");
        let mut sound = Frame::audio(SampleFormat::FLOAT_PLANAR, 48_000, 1, 1024).expect("a piece of sound");
        sound.set_pts(Some(0));
        encoder.send(&sound).expect("room for a frame");
        encoder.finish().expect("an end");
        let mut packet = Packet::new();
        assert_eq!(encoder.receive(&mut packet), Ok(Received::Packet));
        assert_eq!(packet.pts(), Some(-i64::from(encoder.initial_padding())));
    }

    #[test]
    fn a_fixed_quality_is_told_with_each_packet() {
        let mut pictures = video("mpeg4", 64);
        pictures.set_global_quality((3.0 * QP_TO_LAMBDA) as i32);
        let mut encoder =
            pictures.open(&mut [("flags", "+psnr"), ("sc_threshold", "1000000000")].into_iter().collect()).expect("an encoder");
        assert!(encoder.has_fixed_quality() && encoder.tells_psnr() && !encoder.is_interlaced());
        let mut stats = Vec::new();
        encode(&mut encoder, 3, |_, packet| stats.push(packet.encoding_stats().expect("stats")));
        assert_eq!(stats.len(), 3);
        assert_eq!((stats[0].picture_type, stats[1].picture_type), (PictureType::I, PictureType::P));
        assert!(stats.iter().all(|stats| stats.quality == 354 && stats.errors.len() >= 3), "{stats:?}");
    }

    #[test]
    fn a_second_pass_uses_what_the_first_one_noted() {
        let mut first = video("mpeg4", 64);
        first.set_first_pass();
        let mut notes = String::new();
        let mut encoder = first.open(&mut [("b", "400k")].into_iter().collect()).expect("an encoder");
        encode(&mut encoder, 10, |encoder, _| notes += &encoder.statistics().expect("statistics").to_string_lossy());
        assert_eq!(notes.lines().count(), 10, "{notes}");
        let mut second = video("mpeg4", 64);
        second.set_second_pass(&notes).expect("memory");
        let mut count = 0;
        let mut encoder = second.open(&mut [("b", "400k")].into_iter().collect()).expect("an encoder");
        encode(&mut encoder, 10, |_, _| count += 1);
        assert_eq!(count, 10);
    }

    #[test]
    fn matrices_and_overrides_change_what_is_coded() {
        let coded = |change: &dyn Fn(&mut Configuration)| {
            let mut pictures = video("mpeg2video", 64);
            change(&mut pictures);
            let mut bytes = Vec::new();
            let mut encoder = pictures.open(&mut [("flags", "+bitexact")].into_iter().collect()).expect("an encoder");
            encode(&mut encoder, 3, |_, packet| bytes.extend_from_slice(packet.data()));
            bytes
        };
        let plain = coded(&|_| ());
        assert_eq!(plain, coded(&|_| ()));
        let mut matrix = [16; 64];
        matrix[0] = 8;
        assert_ne!(plain, coded(&|pictures| pictures.set_intra_matrix(&matrix).expect("memory")));
        assert_ne!(plain, coded(&|pictures| pictures.set_inter_matrix(&[18; 64]).expect("memory")));
        assert_ne!(plain, coded(&|pictures| pictures.set_sample_aspect_ratio(Rational::new(8, 9))));
        let rule = RateOverride { first: 0, last: 2, quantizer: 31, factor: 1.0 };
        assert_ne!(plain, coded(&|pictures| pictures.set_rate_overrides(&[rule]).expect("memory")));
    }

    #[test]
    fn fields_and_colours_are_noted_for_the_muxer() {
        let mut pictures = video("mpeg4", 64);
        pictures.set_field_order(FieldOrder::TopCodedFirst);
        let color = Color { range: 1, primaries: 5, transfer: 6, matrix: 5, chroma_location: 1 };
        pictures.set_color(color);
        pictures.set_codec_tag(0x3447_504d);
        pictures.set_bits_per_raw_sample(8);
        let encoder = pictures.open(&mut Dictionary::new()).expect("an encoder");
        let raw = encoder.raw();
        assert_eq!((raw.field_order, raw.codec_tag), (ffi::AVFieldOrder::AV_FIELD_TB, 0x3447_504d));
        assert_eq!((raw.color_range as i32, raw.color_trc as i32, raw.bits_per_raw_sample), (1, 6, 8));
    }

    #[test]
    fn what_cannot_be_encoded_is_said_at_once() {
        assert!(video("mpeg4", 0).open(&mut Dictionary::new()).is_err());
        assert!(video("mpeg4", 64).open(&mut [("b", "much")].into_iter().collect()).is_err());
    }
}
