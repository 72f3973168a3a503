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
