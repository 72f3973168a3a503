//! Encoders of libavcodec: frames go in, packets come out.

use std::ffi::c_int;
use std::ptr::NonNull;

use super::call::c_string;
use super::codec::Parameters;
use super::error::AvError;
use super::frame::{Frame, PixelFormat, SampleFormat};
use super::option::Dictionary;
use super::packet::Packet;
use super::rational::Rational;
use super::{ffi, log, panic};
use crate::error::{Error, Kind};

/// What an encoder will be given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// Pictures at a constant rate, one tick of the encoder's time base each.
    Video {
        /// Width in pixels.
        width: i32,
        /// Height in pixels.
        height: i32,
        /// How the pixels lie in memory.
        format: PixelFormat,
        /// Pictures per second.
        rate: Rational,
    },
    /// Sound, one sample being one tick of the encoder's time base.
    Audio {
        /// How the samples lie in memory.
        format: SampleFormat,
        /// Samples per second.
        rate: i32,
        /// Number of channels, in the default layout for that number.
        channels: i32,
    },
}

impl Input {
    fn time_base(&self) -> Rational {
        match self {
            Self::Video { rate, .. } => rate.inverse(),
            Self::Audio { rate, .. } => Rational::new(1, *rate),
        }
    }
}

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
pub struct Encoder(NonNull<ffi::AVCodecContext>);

// SAFETY: an AVCodecContext has no thread affinity; one thread at a time has the encoder, since all calls that change it take
// `&mut`.
unsafe impl Send for Encoder {}

impl Encoder {
    /// Opens the encoder called `name` (`mpeg4`, `aac`). `global_header`: the container keeps the codec's configuration apart
    /// from the packets (`AVFMT_GLOBALHEADER`). Entries of `options` that it used are taken out.
    ///
    /// # Errors
    /// [`Kind::Usage`]: there is no such encoder, or it does not take this input or one of the options.
    pub fn open(name: &str, input: &Input, global_header: bool, options: &mut Dictionary) -> Result<Self, Error> {
        let failed = |error: AvError| {
            Error::new(Kind::Usage, format!("encoder {name} cannot be opened: {error}"))
                .with_hint(format!("`ffmpeg -h encoder={name}` shows what it takes"))
        };
        log::install();
        let c_name = c_string(name).map_err(failed)?;
        // SAFETY: the name lives through the call; encoders are constants of the library.
        let codec = unsafe { ffi::avcodec_find_encoder_by_name(c_name.as_ptr()).as_ref() };
        let codec = codec.ok_or_else(|| Error::new(Kind::Usage, format!("the linked libavcodec has no encoder {name}")))?;
        // SAFETY: a constant of the library; null means out of memory.
        let context = NonNull::new(unsafe { ffi::avcodec_alloc_context3(codec) });
        let mut encoder = Self(context.ok_or_else(|| failed(AvError::from_errno(libc::ENOMEM)))?);
        let raw = encoder.raw_mut();
        raw.time_base = input.time_base().into();
        match *input {
            Input::Video { width, height, format, rate } => {
                (raw.width, raw.height, raw.pix_fmt, raw.framerate) = (width, height, format.to_raw(), rate.into());
            }
            Input::Audio { format, rate, channels } => {
                (raw.sample_fmt, raw.sample_rate) = (format.to_raw(), rate);
                // SAFETY: the layout is a member of the context, which is ours.
                unsafe { ffi::av_channel_layout_default(&mut raw.ch_layout, channels) };
            }
        }
        if global_header {
            raw.flags |= ffi::AV_CODEC_FLAG_GLOBAL_HEADER as c_int;
        }
        // SAFETY: a context made for this codec and not opened yet; whatever the dictionary holds afterwards is ours.
        let code = unsafe { ffi::avcodec_open2(encoder.as_mut_ptr(), codec, options.as_mut_ptr()) };
        panic::resume();
        AvError::check(code).map_err(failed)?;
        Ok(encoder)
    }

    fn as_mut_ptr(&mut self) -> *mut ffi::AVCodecContext {
        self.0.as_ptr()
    }

    fn raw(&self) -> &ffi::AVCodecContext {
        // SAFETY: owned and valid.
        unsafe { self.0.as_ref() }
    }

    fn raw_mut(&mut self) -> &mut ffi::AVCodecContext {
        // SAFETY: owned and valid.
        unsafe { self.0.as_mut() }
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

    /// What the coded stream is, for a muxer.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn parameters(&self) -> Result<Parameters, AvError> {
        let parameters = Parameters::new();
        // SAFETY: both are valid; the context is only read.
        AvError::check(unsafe { ffi::avcodec_parameters_from_context(parameters.as_ptr(), self.0.as_ptr()) })?;
        Ok(parameters)
    }

    /// Gives it a frame.
    ///
    /// # Errors
    /// libavcodec's; `is_again` means that packets must be received first.
    pub fn send(&mut self, frame: &Frame) -> Result<(), AvError> {
        // SAFETY: an open encoder and a valid frame, whose buffers libavcodec takes references to.
        let code = unsafe { ffi::avcodec_send_frame(self.as_mut_ptr(), frame.as_ptr()) };
        panic::resume();
        AvError::check(code).map(drop)
    }

    /// Tells it that there are no more frames.
    ///
    /// # Errors
    /// libavcodec's.
    pub fn finish(&mut self) -> Result<(), AvError> {
        // SAFETY: an open encoder; no frame means the end.
        let code = unsafe { ffi::avcodec_send_frame(self.as_mut_ptr(), std::ptr::null()) };
        panic::resume();
        AvError::check(code).map(drop)
    }

    /// Takes the next packet, with its times in the encoder's time base and its stream 0.
    ///
    /// # Errors
    /// libavcodec's.
    pub fn receive(&mut self, packet: &mut Packet) -> Result<Received, AvError> {
        // SAFETY: an open encoder and a valid packet, which libavcodec empties first.
        let code = unsafe { ffi::avcodec_receive_packet(self.as_mut_ptr(), packet.as_mut_ptr()) };
        panic::resume();
        match AvError::check(code) {
            Ok(_) => Ok(Received::Packet),
            Err(error) if error.is_again() => Ok(Received::NeedsFrame),
            Err(AvError::EOF) => Ok(Received::End),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let mut context = self.0.as_ptr();
        // SAFETY: owned, freed once.
        unsafe { ffi::avcodec_free_context(&mut context) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libav::codec::MediaType;

    fn video(width: i32) -> Input {
        let format = PixelFormat::by_name("yuv420p").expect("a known format");
        Input::Video { width, height: 32, format, rate: Rational::new(25, 1) }
    }

    fn open(name: &str, input: &Input, options: &mut Dictionary) -> Result<Encoder, Error> {
        Encoder::open(name, input, false, options)
    }

    #[test]
    fn every_picture_comes_out_as_a_packet() {
        let mut options: Dictionary = [("g", "5"), ("bf", "2"), ("nosuch", "1")].into_iter().collect();
        let mut encoder = open("mpeg4", &video(64), &mut options).expect("an encoder");
        assert_eq!(options.pairs(), [("nosuch".to_owned(), "1".to_owned())], "what it did not know is left");
        assert_eq!(encoder.parameters().expect("memory").dimensions(), (64, 32));

        let mut picture = Frame::video(PixelFormat::by_name("yuv420p").expect("a known format"), 64, 32).expect("a picture");
        let (mut packet, mut times) = (Packet::new(), Vec::new());
        for pts in 0..12 {
            picture.rows_mut(0).expect("a plane").for_each(|row| row.fill(pts as u8 * 20));
            picture.set_pts(Some(pts));
            encoder.send(&picture).expect("room for a frame");
            while encoder.receive(&mut packet).expect("no failure") == Received::Packet {
                times.push((packet.pts().expect("a time"), packet.is_key()));
            }
        }
        encoder.finish().expect("an end");
        while encoder.receive(&mut packet).expect("no failure") == Received::Packet {
            times.push((packet.pts().expect("a time"), packet.is_key()));
        }
        assert_eq!(encoder.receive(&mut packet), Ok(Received::End));
        assert!(encoder.send(&picture).is_err(), "nothing comes after the end");
        assert!(times[0].1 && times.iter().filter(|(_, key)| *key).count() >= 2, "{times:?}");
        assert_ne!(times[1].0, 1, "B-frames are sent after what they refer to: {times:?}");
        times.sort_unstable();
        assert_eq!(times.iter().map(|(pts, _)| *pts).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn sound_is_taken_in_pieces_of_the_encoders_size() {
        let input = Input::Audio { format: SampleFormat::FLOAT_PLANAR, rate: 48_000, channels: 1 };
        let mut encoder = Encoder::open("aac", &input, true, &mut Dictionary::new()).expect("an encoder");
        assert_eq!((encoder.frame_size(), encoder.time_base()), (1024, Rational::new(1, 48_000)));
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
    fn what_cannot_be_encoded_is_said_at_once() {
        let none = open("nosuch", &video(64), &mut Dictionary::new()).err().expect("no such encoder");
        assert!(none.to_string().contains("nosuch") && none.kind() == Kind::Usage, "{none}");
        let empty = open("mpeg4", &video(0), &mut Dictionary::new()).err().expect("no width");
        assert!(empty.hint().is_some_and(|hint| hint.contains("mpeg4")), "{empty}");
        let mut wrong: Dictionary = [("b", "much")].into_iter().collect();
        assert!(open("mpeg4", &video(64), &mut wrong).is_err());
    }
}
