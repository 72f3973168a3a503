use super::*;
use crate::libav::codec::MediaType;
use crate::libav::filter;
use crate::libav::frame::{Color, PictureType, PixelFormat, SampleFormat};
use crate::libav::option::Dictionary;

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

#[test]
fn a_test_picture_is_coded_bit_for_bit_as_ffmpeg_codes_it() {
    const SOURCE: &str = "testsrc2=duration=1:size=96x64:rate=25,scale=64:48,format=yuv420p";
    let folder = tempfile::tempdir().expect("a folder");
    let theirs = folder.path().join("theirs.m4v");
    let arguments = "-nostdin -v error -filter_complex_threads 1 -filter_complex".split(' ').chain([SOURCE]);
    let arguments = arguments.chain("-threads 1 -c:v mpeg4 -b:v 300k -bf 2 -flags +bitexact -f m4v".split(' '));
    let Ok(run) = std::process::Command::new("ffmpeg").args(arguments).arg(&theirs).status() else { return };
    assert!(run.success());

    let mut graph = filter::Graph::new().expect("libavfilter");
    let (inputs, outputs) = graph.parse(SOURCE).expect("a graph");
    assert!(inputs.is_empty());
    let sink = graph.add_sink("out", outputs[0].media_type).expect("a sink");
    graph.link((outputs[0].filter, outputs[0].pad), (sink.filter(), 0)).expect("a link");
    graph.configure().expect("formats that fit");
    let mut pictures = configuration("mpeg4");
    let (width, height) = graph.dimensions(sink);
    pictures.set_picture(width, height, graph.pixel_format(sink));
    pictures.set_sample_aspect_ratio(graph.sample_aspect_ratio(sink));
    pictures.set_frame_rate(graph.frame_rate(sink));
    pictures.set_time_base(graph.frame_rate(sink).inverse());
    let options = [("threads", "1"), ("b", "300k"), ("bf", "2"), ("flags", "+bitexact")];
    let mut encoder = pictures.open(&mut options.into_iter().collect()).expect("an encoder");
    let (mut ours, mut frame, mut packet) = (Vec::new(), Frame::new(), Packet::new());
    loop {
        let received = graph.receive(sink, &mut frame, true).expect("no failure");
        match received {
            filter::Received::Frame => {
                frame.set_picture_type(PictureType::NONE);
                encoder.send(&frame).expect("room for a frame");
            }
            _ => encoder.finish().expect("an end"),
        }
        while encoder.receive(&mut packet).expect("no failure") == Received::Packet {
            ours.extend_from_slice(packet.data());
        }
        if received != filter::Received::Frame {
            break;
        }
    }
    let theirs = std::fs::read(theirs).expect("a file");
    assert!(!ours.is_empty() && ours == theirs, "{} against {} bytes", ours.len(), theirs.len());
}
