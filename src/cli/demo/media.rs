//! The demo's programme: a moving test picture and a tone, coded by the linked libavcodec and cut into HLS segments.

use std::f32::consts::TAU;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use crate::error::{Error, Kind};
use crate::libav::codec::Codec;
use crate::libav::encoder::{Configuration, Encoder, Received};
use crate::libav::error::AvError;
use crate::libav::frame::{ChannelLayout, Frame, PixelFormat, SampleFormat};
use crate::libav::io::Access;
use crate::libav::muxer::Muxer;
use crate::libav::packet::Packet;
use crate::libav::rational::Rational;
use crate::shutdown::Shutdown;

use super::packets::{Packets, Track};

const WIDTH: i32 = 320;
const HEIGHT: i32 = 180;
/// Pictures per second. Both a picture and 1024 samples last a whole number of MPEG-TS ticks, so that nothing is rounded.
const FRAME_RATE: i32 = 25;
const SAMPLE_RATE: i32 = 48_000;

/// One segment of the stream.
#[derive(Clone, Debug)]
pub struct Segment {
    /// MPEG-TS.
    pub bytes: Bytes,
    /// What its `#EXTINF` says.
    pub duration: Duration,
}

/// What is on air, and what each packet of it must be at the other end.
pub struct Programme {
    /// In order, about a second each.
    pub segments: Vec<Segment>,
    /// As they left the encoders.
    pub packets: Packets,
}

impl Programme {
    /// Makes `seconds` seconds of it. `folder` is where the segments stand until they are read into memory.
    ///
    /// # Errors
    /// The linked libav has no mpeg4 or aac encoder or no HLS muxer; the folder cannot be written.
    pub fn make(seconds: u32, folder: &Path) -> Result<Self, Error> {
        let playlist = folder.join("programme.m3u8");
        let packets = encode(seconds, &playlist)?;
        let segments = read_segments(&playlist)?;
        Ok(Self { segments, packets })
    }
}

fn encode(seconds: u32, playlist: &Path) -> Result<Packets, Error> {
    let failed = |error: AvError| Error::new(Kind::Media, format!("the test picture cannot be made: {error}"));
    let yuv420p = PixelFormat::by_name("yuv420p").ok_or_else(|| failed(AvError::from_errno(libc::EINVAL)))?;
    let mut pictures = Configuration::new(encoder("mpeg4")?);
    pictures.set_picture(WIDTH, HEIGHT, Some(yuv420p));
    pictures.set_frame_rate(Rational::new(FRAME_RATE, 1));
    pictures.set_time_base(Rational::new(1, FRAME_RATE));
    // A key frame each second and nowhere else, so that each segment is one second; B-frames, so that pts and dts differ.
    let mut options = [("b", "400k"), ("g", "25"), ("bf", "2"), ("sc_threshold", "1000000000")].into_iter().collect();
    let mut video = pictures.open(&mut options).map_err(failed)?;
    let mut sound = Configuration::new(encoder("aac")?);
    sound.set_sound(SampleFormat::FLOAT_PLANAR, SAMPLE_RATE, &ChannelLayout::default_for(1)).map_err(failed)?;
    sound.set_time_base(Rational::new(1, SAMPLE_RATE));
    let mut audio = sound.open(&mut [("b", "64k")].into_iter().collect()).map_err(failed)?;

    let url = playlist.to_string_lossy();
    let mut options = [("hls_time", "1"), ("hls_list_size", "0")].into_iter().collect();
    let mut muxer = Muxer::new(&url, Some("hls"), &mut options, Access::default(), Shutdown::new())?;
    // In the order of `Track`, whose number is the stream's.
    for encoder in [&video, &audio] {
        let parameters = encoder.parameters().map_err(failed)?;
        let mut stream = muxer.add_stream().map_err(failed)?;
        stream.set_time_base(encoder.time_base());
        stream.set_parameters(&parameters).map_err(failed)?;
    }
    muxer.open(&mut options)?;
    muxer.write_header(&mut options)?;
    let mut recorder = Recorder { muxer, packets: Packets::default() };

    let mut picture = Frame::video(yuv420p, WIDTH, HEIGHT).map_err(failed)?;
    let mut tone = Frame::audio(SampleFormat::FLOAT_PLANAR, SAMPLE_RATE, 1, audio.frame_size()).map_err(failed)?;
    // The packet that primes the decoder then has the time 0, as the first picture has.
    let mut sample = i64::from(audio.initial_padding());
    for number in 0..i64::from(seconds) * i64::from(FRAME_RATE) {
        draw(&mut picture, number).map_err(failed)?;
        picture.set_pts(Some(number));
        video.send(&picture).map_err(failed)?;
        recorder.take(Track::Video, &mut video).map_err(failed)?;
        while sample * i64::from(FRAME_RATE) < (number + 1) * i64::from(SAMPLE_RATE) {
            sing(&mut tone, sample).map_err(failed)?;
            tone.set_pts(Some(sample));
            sample += i64::from(audio.frame_size());
            audio.send(&tone).map_err(failed)?;
            recorder.take(Track::Audio, &mut audio).map_err(failed)?;
        }
    }
    for (track, mut encoder) in [(Track::Video, video), (Track::Audio, audio)] {
        encoder.finish().map_err(failed)?;
        recorder.take(track, &mut encoder).map_err(failed)?;
    }
    recorder.muxer.write_trailer().map_err(failed)?;
    recorder.muxer.close()?;
    Ok(recorder.packets.counted_from_first())
}

fn encoder(name: &str) -> Result<Codec, Error> {
    Codec::encoder_by_name(name).ok_or_else(|| {
        Error::new(Kind::Media, format!("the test picture cannot be made: the linked libavcodec has no encoder {name}"))
    })
}

/// Takes packets from encoders, notes them, and muxes them.
struct Recorder {
    muxer: Muxer,
    packets: Packets,
}

impl Recorder {
    /// Takes what `encoder` has ready.
    fn take(&mut self, track: Track, encoder: &mut Encoder) -> Result<(), AvError> {
        let index = track as usize;
        let from = encoder.time_base();
        let to = self.muxer.stream(index).map_or(from, |stream| stream.time_base());
        let mut packet = Packet::new();
        while encoder.receive(&mut packet)? == Received::Packet {
            self.packets.add(track, &packet, from);
            if track == Track::Video {
                // The pictures name no duration, so the encoder knows none.
                packet.set_duration(1);
            }
            packet.set_stream(index);
            packet.rescale(from, to);
            self.muxer.write(&mut packet)?;
        }
        Ok(())
    }
}

/// Colour bars; a band wanders across them, and a box goes round.
fn draw(picture: &mut Frame, number: i64) -> Result<(), AvError> {
    // White, yellow, cyan, green, magenta, red, blue, black at 75 %: (Y, Cb, Cr) of ITU-R BT.601.
    const BARS: [[u8; 3]; 8] = [
        [180, 128, 128],
        [162, 44, 142],
        [131, 156, 44],
        [112, 72, 58],
        [84, 184, 198],
        [65, 100, 212],
        [35, 212, 114],
        [16, 128, 128],
    ];
    const BAND: usize = 12;
    const BOX: usize = 24;
    let number = usize::try_from(number).unwrap_or_default();
    let bounce = |step: usize, room: usize| if (step / room).is_multiple_of(2) { step % room } else { room - step % room };
    let (left, top) = (bounce(number * 3, WIDTH as usize - BOX), bounce(number * 2, HEIGHT as usize - BOX));
    for plane in 0..3 {
        for (y, row) in picture.rows_mut(plane)?.enumerate() {
            let width = row.len() / BARS.len();
            for (bar, colour) in row.chunks_mut(width).zip(BARS) {
                bar.fill(colour[plane]);
            }
            if plane == 0 {
                let band = (number * 4 + y) % (row.len() - BAND);
                row[band..band + BAND].fill(100);
                if (top..top + BOX).contains(&y) {
                    row[left..left + BOX].fill(235);
                }
            }
        }
    }
    Ok(())
}

/// A tone of 440 Hz, an octave higher for a tenth of each second.
fn sing(tone: &mut Frame, first: i64) -> Result<(), AvError> {
    let rate = i64::from(SAMPLE_RATE);
    for (index, sample) in (first..).zip(tone.channel_mut(0)?) {
        let within = index % rate;
        let pitch = if within < rate / 10 { 880.0 } else { 440.0 };
        *sample = 0.25 * (TAU * pitch * within as f32 / rate as f32).sin();
    }
    Ok(())
}

/// Reads the segments that a playlist of libavformat names.
fn read_segments(playlist: &Path) -> Result<Vec<Segment>, Error> {
    let failed = |path: &Path, reason: String| Error::new(Kind::File, format!("{}: {reason}", path.display()));
    let text = std::fs::read_to_string(playlist).map_err(|error| failed(playlist, error.to_string()))?;
    let mut segments = Vec::new();
    let mut duration = None;
    for line in text.lines() {
        if let Some(seconds) = line.strip_prefix("#EXTINF:") {
            duration = seconds.trim_end_matches(',').parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        } else if !line.starts_with('#') {
            let path = playlist.with_file_name(line);
            let bytes = std::fs::read(&path).map_err(|error| failed(&path, error.to_string()))?;
            let duration = duration.take().ok_or_else(|| failed(playlist, format!("{line} has no #EXTINF")))?;
            segments.push(Segment { bytes: bytes.into(), duration });
        }
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_is_a_segment_and_no_packet_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let programme = Programme::make(3, folder.path()).expect("a programme");
        assert_eq!(programme.segments.len(), 3);
        for segment in &programme.segments {
            assert!(segment.bytes.len() > 10_000 && segment.bytes.len().is_multiple_of(188), "{} bytes", segment.bytes.len());
            assert!(segment.duration.abs_diff(Duration::from_secs(1)) < Duration::from_millis(100), "{:?}", segment.duration);
        }
        assert_eq!(programme.packets.of(Track::Video).len(), 75);
        assert!((140..145).contains(&programme.packets.of(Track::Audio).len()));
    }

    #[test]
    fn a_remux_of_the_segments_has_the_same_packets() {
        let folder = tempfile::tempdir().expect("a folder");
        let programme = Programme::make(2, folder.path()).expect("a programme");
        let joined = folder.path().join("joined.ts");
        std::fs::write(&joined, programme.segments.iter().flat_map(|segment| segment.bytes.to_vec()).collect::<Vec<_>>())
            .expect("a file");
        let remuxed = folder.path().join("remuxed.mp4");
        let words = ["-i", &joined.to_string_lossy(), "-c", "copy", &remuxed.to_string_lossy()];
        let words: Vec<String> = words.map(str::to_owned).into();
        let parsed = crate::command_line::parse(&words, &crate::job::LinkedOptions).expect("a command line");
        let crate::command_line::Parsed::Run { plan, .. } = parsed else { panic!("{parsed:?}") };
        let report = crate::job::Session::default().run(&plan, &Default::default(), &super::super::Silent);
        assert!(report.error.is_none(), "{:?}", report.error);
        let written = Packets::read(&remuxed.to_string_lossy()).expect("an mp4");
        assert_eq!(written.difference(&programme.packets), None);
    }
}
