use super::*;
use crate::libav::frame::{ChannelLayout, Frame, PixelFormat, SampleFormat};
use crate::libav::rational::Rational;

fn pictures(width: i32, height: i32) -> (PixelFormat, SourceParameters) {
    let format = PixelFormat::by_name("yuv420p").expect("a known format");
    let parameters = SourceParameters::Video {
        width,
        height,
        format,
        time_base: Rational::new(1, 25),
        sample_aspect_ratio: Rational::new(0, 0),
        frame_rate: Rational::new(25, 1),
        hardware_frames: None,
    };
    (format, parameters)
}

/// A graph with one source and one sink around `description`.
fn simple(description: &str, parameters: &SourceParameters) -> (Graph, Source, Sink) {
    let mut graph = Graph::new().expect("libavfilter");
    let (inputs, outputs) = graph.parse(description).expect("a graph");
    let ([input], [output]) = (&inputs[..], &outputs[..]) else { panic!("{inputs:?} {outputs:?}") };
    let source = graph.add_source("in", parameters).expect("a source");
    graph.link((source.filter(), 0), (input.filter, input.pad)).expect("a link");
    let sink = graph.add_sink("out", output.media_type).expect("a sink");
    graph.link((output.filter, output.pad), (sink.filter(), 0)).expect("a link");
    graph.configure().expect("formats that fit");
    (graph, source, sink)
}

#[test]
fn pictures_go_through_a_graph() {
    let (format, parameters) = pictures(64, 32);
    let (mut graph, source, sink) = simple("scale=32:16,format=rgb24,fps=50", &parameters);
    assert_eq!((graph.dimensions(sink), graph.media_type(sink)), ((32, 16), MediaType::Video));
    assert_eq!((graph.time_base(sink), graph.frame_rate(sink)), (Rational::new(1, 50), Rational::new(50, 1)));
    assert_eq!(graph.pixel_format(sink).map(PixelFormat::name).as_deref(), Some("rgb24"));
    assert_eq!((graph.sample_format(sink), graph.hardware_frames(sink).is_none()), (None, true));
    assert!(!graph.is_metadata_only());

    let (mut picture, mut out, mut times) = (Frame::new(), Frame::new(), Vec::new());
    assert_eq!(graph.receive(sink, &mut out, true), Ok(Received::Again));
    assert_eq!(graph.failed_requests(source), 1);
    for pts in 0..3 {
        picture.take(&mut Frame::video(format, 64, 32).expect("a picture"));
        picture.set_pts(Some(pts));
        graph.send(source, &mut picture).expect("a way through");
        assert!(!picture.has_data(), "the graph has it");
        while graph.receive(sink, &mut out, false) == Ok(Received::Frame) {
            times.push(out.pts().expect("a time"));
        }
    }
    graph.close(source, Some(3)).expect("an end");
    assert!(graph.send(source, &mut Frame::video(format, 64, 32).expect("a picture")).is_err(), "it was closed");
    while graph.request_oldest() == Ok(Received::Frame) {
        while graph.receive(sink, &mut out, false) == Ok(Received::Frame) {
            times.push(out.pts().expect("a time"));
        }
    }
    assert_eq!(times, (0..6).collect::<Vec<_>>());
    assert_eq!(graph.receive(sink, &mut out, true), Ok(Received::End));
    assert_eq!(graph.request_oldest(), Ok(Received::End));
}

#[test]
fn a_frame_that_is_kept_can_be_sent_twice() {
    let (format, parameters) = pictures(16, 16);
    let mut graph = Graph::new().expect("libavfilter");
    let (inputs, outputs) = graph.parse("[a][b]hstack[c]").expect("a graph");
    let labels = |pads: &[OpenPad]| pads.iter().filter_map(|pad| pad.label.clone()).collect::<Vec<_>>();
    assert_eq!((labels(&inputs), labels(&outputs)), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]));
    assert_eq!((inputs[0].description.as_str(), outputs[0].description.as_str()), ("hstack", "hstack:default"));
    assert_eq!((inputs[1].pad, inputs[1].media_type), (1, MediaType::Video));
    let sources: Vec<_> = inputs
        .iter()
        .map(|input| {
            let source = graph.add_source(&input.pad.to_string(), &parameters).expect("a source");
            graph.link((source.filter(), 0), (input.filter, input.pad)).expect("a link");
            source
        })
        .collect();
    let sink = graph.add_sink("out", MediaType::Video).expect("a sink");
    graph.link((outputs[0].filter, outputs[0].pad), (sink.filter(), 0)).expect("a link");
    graph.configure().expect("formats that fit");
    let mut picture = Frame::video(format, 16, 16).expect("a picture");
    picture.set_pts(Some(0));
    graph.send_copy(sources[0], &picture).expect("a way in");
    graph.queue(sources[1], &mut picture).expect("room at the source");
    for source in &sources {
        graph.close(*source, None).expect("an end");
    }
    let mut out = Frame::new();
    assert_eq!(graph.receive(sink, &mut out, true), Ok(Received::Frame));
    assert_eq!(out.dimensions(), (32, 16));
    assert!(graph.dump().contains("Parsed_hstack_0"));
}

#[test]
fn sound_comes_out_in_the_size_that_is_asked_for() {
    let layout = ChannelLayout::default_for(2);
    let (format, time_base) = (SampleFormat::FLOAT_PLANAR, Rational::new(1, 48_000));
    let parameters = SourceParameters::Audio { format, rate: 48_000, layout: layout.clone(), time_base };
    let (mut graph, source, sink) = simple("aresample=44100,aformat=s16:44100:mono", &parameters);
    assert_eq!((graph.sample_rate(sink), graph.channel_layout(sink).to_string()), (44_100, "mono".to_owned()));
    assert_eq!(graph.sample_format(sink), SampleFormat::by_name("s16"));
    graph.set_frame_size(sink, 441);
    let mut sound = Frame::audio(format, 48_000, 2, 4800).expect("a piece of sound");
    sound.set_pts(Some(0));
    graph.send(source, &mut sound).expect("a way through");
    graph.close(source, None).expect("an end");
    let (mut out, mut sizes) = (Frame::new(), Vec::new());
    while graph.receive(sink, &mut out, true) == Ok(Received::Frame) {
        sizes.push(out.samples());
    }
    assert_eq!(sizes, [441; 10]);

    let layout = ChannelLayout::parse("3C").expect("a layout");
    let parameters = SourceParameters::Audio { format, rate: 48_000, layout, time_base };
    let mut graph = Graph::new().expect("libavfilter");
    let source = graph.add_source("in", &parameters).expect("a source");
    let sink = graph.add_sound_sink("out").expect("a sink");
    graph.link((source.filter(), 0), (sink.filter(), 0)).expect("a link");
    graph.configure().expect("formats that fit");
    assert!(graph.channel_layout(sink).is_unordered() && graph.is_metadata_only());
}

#[test]
fn options_and_commands_reach_the_filters() {
    let (_, parameters) = pictures(64, 32);
    let mut graph = Graph::new().expect("libavfilter");
    graph.set_option("scale_sws_opts", "flags=bicubic").expect("an option");
    graph.set_option("aresample_swr_opts", "").expect("an option");
    graph.set_option("threads", "2").expect("an option");
    assert_eq!(graph.set_option("nosuch", "1"), Err(AvError::OPTION_NOT_FOUND));
    graph.set_threads(1);
    let source = graph.add_source("in", &parameters).expect("a source");
    let mut options: Dictionary = [("durationi", "1000000"), ("nosuch", "1")].into_iter().collect();
    let trim = graph.add_with("trim", "trim_in", &mut options).expect("a filter");
    assert_eq!(options.pairs(), [("nosuch".to_owned(), "1".to_owned())], "what it did not know is left");
    let hue = graph.add("hue", "colour", Some("s=1")).expect("a filter");
    let sink = graph.add_sink("out", MediaType::Video).expect("a sink");
    graph.link((source.filter(), 0), (trim, 0)).expect("a link");
    graph.link((trim, 0), (hue, 0)).expect("a link");
    graph.link((hue, 0), (sink.filter(), 0)).expect("a link");
    assert!(graph.link((hue, 0), (sink.filter(), 0)).is_err() && graph.link((hue, 7), (trim, 0)).is_err());
    graph.configure().expect("formats that fit");
    assert_eq!(graph.send_command("colour", "s", "0", true), Ok(String::new()));
    assert_eq!(graph.send_command("all", "nosuch", "0", false), Err(AvError::from_errno(libc::ENOSYS)));
    graph.queue_command("hue", "s", "2", false, 0.5).expect("room");
}

#[test]
fn conversion_can_be_forbidden() {
    let (_, parameters) = pictures(64, 32);
    let mut graph = Graph::new().expect("libavfilter");
    graph.set_auto_convert(false);
    let source = graph.add_source("in", &parameters).expect("a source");
    let format = graph.add("format", "format", Some("rgb24")).expect("a filter");
    let sink = graph.add_sink("out", MediaType::Video).expect("a sink");
    graph.link((source.filter(), 0), (format, 0)).expect("a link");
    graph.link((format, 0), (sink.filter(), 0)).expect("a link");
    assert!(graph.configure().is_err());
}

#[test]
fn a_handle_that_means_something_else_is_refused() {
    let (_, parameters) = pictures(64, 32);
    let (_, _, sink) = simple("null", &parameters);
    let mut other = Graph::new().expect("libavfilter");
    assert!(other.receive(sink, &mut Frame::new(), true).is_err());
    let source = other.add_source("in", &parameters).expect("a source");
    other.add("null", "a", None).expect("a filter");
    other.add("null", "b", None).expect("a filter");
    assert!(other.receive(sink, &mut Frame::new(), true).is_err(), "that place has another filter");
    assert_eq!((other.dimensions(sink), other.media_type(sink)), ((0, 0), MediaType::Unknown));
    let unlinked = other.add_sink("out", MediaType::Video).expect("a sink");
    assert!(other.receive(unlinked, &mut Frame::new(), true).is_err());
    assert!(other.add("nosuch", "c", None) == Err(AvError::FILTER_NOT_FOUND) && other.parse("nosuch").is_err());
    assert_eq!(other.failed_requests(source), 0);
}
