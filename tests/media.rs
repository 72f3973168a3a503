//! Packets and frames in the hands of a service, and packets from its hands into an output.

use std::time::{Duration, Instant};

use ffauth::{Demuxer, Frame, Input, Kind, MediaType, Muxer, Output, Session};

use crate::support::Protected;
use crate::support::media;
use crate::support::origin::Origin;
use crate::support::run::{Home, Packets, count, ffmpeg_read, finish, packets};
use crate::support::service::{session, threads, wait_until};
use crate::support::token_server::Tokens;

fn input(origin: &Origin, kind: &media::Kind) -> Input {
    kind.options
        .chunks(2)
        .fold(Input::new(origin.url(kind.entry)).auth("p"), |input, pair| input.option(pair[0].trim_start_matches('-'), pair[1]))
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(work)
}

/// What plain ffmpeg reads of the recording.
fn recorded(home: &Home, kind: &media::Kind) -> Packets {
    ffmpeg_read(home, kind, kind.file().to_str().expect("a path"))
}

/// (dts, size) of each packet of each stream.
fn outline(packets: &Packets) -> Vec<Vec<(i64, u64)>> {
    packets.values().map(|packets| packets.iter().map(|packet| (packet.0, packet.2)).collect()).collect()
}

#[test]
fn packets_arrive_whole_while_tokens_change() {
    let kind = &media::HLS_LIVE;
    let server = Protected::new(Tokens::living(Duration::from_secs(2)), kind.paced(Duration::from_secs(5)), "");
    let mut demuxer = Demuxer::open(&session(&server.home), input(&server.origin, kind)).expect("an input");
    let kinds: Vec<MediaType> = demuxer.streams().iter().map(|stream| stream.media_type).collect();
    assert_eq!(kinds, [MediaType::Video, MediaType::Audio]);
    let (video, audio) = (&demuxer.streams()[0], &demuxer.streams()[1]);
    assert_eq!((video.codec.as_str(), video.width, video.height, video.frame_rate), ("h264", 320, 180, Some(25.0)));
    assert_eq!((audio.codec.as_str(), audio.sample_rate, audio.channels), ("aac", 44_100, 1));
    let mut seen = vec![Vec::new(); 2];
    for packet in demuxer.packets() {
        let packet = packet.expect("a packet");
        seen[packet.stream()].push((packet.dts().expect("a time"), packet.data().len() as u64));
    }
    assert_eq!(seen, outline(&recorded(&server.home, kind)), "{}", server.origin.story());
    let report = demuxer.report();
    assert_eq!(report.packets as usize, seen.iter().map(Vec::len).sum::<usize>());
    assert!(report.io.token_swaps >= 2 && report.io.http_401 == 0 && report.auth.as_deref() == Some("p"), "{report:?}");
    assert!(server.origin.accepted().len() >= 3, "{}", server.origin.story());
}

#[test]
fn frames_are_decoded_in_order() {
    let kind = &media::HLS;
    let server = Protected::new(Tokens::living(Duration::from_secs(60)), kind.site(), "");
    let mut demuxer = Demuxer::open(&session(&server.home), input(&server.origin, kind)).expect("an input");
    let (mut pictures, mut samples, mut last) = (0, 0, f64::MIN);
    for frame in demuxer.frames().expect("decoders") {
        let frame = frame.expect("a frame");
        match &frame {
            Frame::Video(picture) => {
                let now = frame.seconds().expect("a time");
                assert!(now > last, "{now} after {last}");
                last = now;
                pictures += 1;
                assert_eq!((picture.width(), picture.height(), picture.pixel_format().as_str()), (320, 180, "yuv420p"));
                let sizes =
                    [0, 1, 3].map(|plane| (picture.rows(plane).count(), picture.rows(plane).next().map_or(0, <[u8]>::len)));
                assert_eq!(sizes, [(180, 320), (90, 160), (0, 0)]);
                assert!(picture.rows(0).any(|row| row.iter().any(|pixel| *pixel != row[0])), "there is something to be seen");
            }
            Frame::Audio(sound) => {
                assert_eq!((sound.sample_rate(), sound.channels(), sound.sample_format().as_str()), (44_100, 1, "fltp"));
                assert_eq!((sound.plane(0).map(<[u8]>::len), sound.plane(1)), (Some(sound.samples() * 4), None));
                samples += sound.samples();
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pictures, 500);
    assert!((860_000..900_000).contains(&samples), "{samples}");
}

#[test]
fn only_what_is_selected_is_read() {
    let kind = &media::HLS;
    let server = Protected::new(Tokens::living(Duration::from_secs(60)), kind.site(), "");
    let mut demuxer = Demuxer::open(&session(&server.home), input(&server.origin, kind)).expect("an input");
    demuxer.select(|stream| stream.media_type == MediaType::Audio);
    assert!(demuxer.packets().all(|packet| packet.expect("a packet").stream() == 1));
    let expected = recorded(&server.home, kind);
    assert_eq!(demuxer.report().packets, expected[&1].len() as u64);
}

#[test]
fn an_async_stream_ends_soon_when_it_is_dropped() {
    let kind = &media::HLS_LIVE;
    let server = Protected::new(Tokens::living(Duration::from_secs(60)), kind.paced(Duration::from_secs(600)), "");
    let session = session(&server.home);
    block_on(async {
        let demuxer = Demuxer::open_async(&session, input(&server.origin, kind)).await.expect("an input");
        let stop = demuxer.stop_handle();
        let mut frames = demuxer.into_frames().expect("decoders");
        for _ in 0..20 {
            frames.next().await.expect("more").expect("a frame");
        }
        assert_eq!(threads("ffauth-frames"), 1);
        let began = Instant::now();
        stop.stop();
        let end = loop {
            if let Err(error) = frames.next().await.expect("an end that says why") {
                break error;
            }
        };
        assert!(end.kind() == Kind::Stopped && began.elapsed() < Duration::from_millis(500), "{end} after {:?}", began.elapsed());
        assert!(frames.next().await.is_none());

        let demuxer = Demuxer::open_async(&session, input(&server.origin, kind)).await.expect("an input");
        let mut packets = demuxer.into_packets().expect("a thread");
        packets.next().await.expect("more").expect("a packet");
        drop(packets);
    });
    wait_until("the threads are gone", || threads("ffauth-frames") + threads("ffauth-packets") == 0);
}

#[test]
fn opening_may_be_cancelled() {
    // Takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/x.ts", silent.local_addr().expect("an address"));
    let session = Session::default();
    block_on(async {
        let opening = Demuxer::open_async(&session, Input::new(&url));
        assert!(tokio::time::timeout(Duration::from_millis(100), opening).await.is_err());
    });
    wait_until("the thread is gone", || threads("ffauth-open") == 0);
}

#[test]
fn packets_are_uploaded_with_a_token_and_confirmed() {
    let kind = &media::HLS;
    let server = Protected::new(Tokens::living(Duration::from_secs(60)), kind.site(), "");
    let session = session(&server.home);
    let mut demuxer = Demuxer::open(&session, input(&server.origin, kind)).expect("an input");
    let output = Output::new(server.origin.url("copy.ts")).auth("p").option("method", "PUT").option("f", "mpegts");
    let mut muxer = Muxer::create(&session, output, &demuxer).expect("an output");
    while let Some(packet) = demuxer.read().expect("a packet or the end") {
        muxer.write(packet).expect("room");
    }
    let report = muxer.finish().expect("confirmed");
    assert_eq!((report.packets, report.uploads, report.unconfirmed.len()), (demuxer.report().packets, 1, 0), "{report:?}");
    let stored = server.origin.stored();
    let file = server.home.path("copy.ts");
    std::fs::write(&file, stored.values().next().expect("an object")).expect("room");
    let arguments =
        ["-v", "error", "-nostdin", "-i", file.to_str().expect("a path"), "-c", "copy", "-f", "framemd5", "copy.framemd5"];
    finish(server.home.program("ffmpeg", arguments)).expect_code(0);
    assert_eq!(count(&packets(&server.home.path("copy.framemd5"))), count(&recorded(&server.home, kind)));
}

#[test]
fn a_file_is_written_as_the_container_wants_it() {
    let home = Home::new("");
    let session = Session::default();
    let source = media::MPEGTS.file().display().to_string();
    let target = home.path("copy.mp4").display().to_string();
    let copy = |output: Output| {
        let mut demuxer = Demuxer::open(&session, Input::new(&source)).expect("an input");
        let mut muxer = Muxer::create(&session, output, &demuxer)?;
        for packet in demuxer.packets() {
            muxer.write(packet.expect("a packet")).expect("room");
        }
        muxer.finish()
    };
    let report = copy(Output::new(&target).option("movflags", "faststart")).expect("a file");
    let arguments = ["-v", "error", "-nostdin", "-i", &target, "-map", "0", "-c", "copy", "-f", "framemd5", "copy.framemd5"];
    finish(home.program("ffmpeg", arguments)).expect_code(0);
    assert_eq!(count(&packets(&home.path("copy.framemd5"))) as u64, report.packets);
    assert_eq!(copy(Output::new(&target)).expect_err("it exists").kind(), Kind::File);
    copy(Output::new(&target).flag("y")).expect("overwritten");
}

#[test]
fn what_only_a_job_honours_is_refused() {
    let session = Session::default();
    let file = media::MPEGTS.file().display().to_string();
    for input in [
        Input::new(&file).option("t", 5),
        Input::new(&file).flag("re"),
        Input::new(&file).option("ingest_for", 5),
        Input::new(&file).option("nosuchoption", 5),
        Input::new(&file).flag("benchmark"),
    ] {
        let error = Demuxer::open(&session, input.clone()).expect_err("refused");
        assert_eq!(error.kind(), Kind::Usage, "{input:?}: {error}");
    }
    let demuxer = Demuxer::open(&session, Input::new(&file).option("ss", 5)).expect("an input");
    for output in [
        Output::new("x.ts").option("c", "copy"),
        Output::new("x.ts").option("metadata", "a=b"),
        Output::new("x.ts").option("nosuchoption", 1),
    ] {
        let error = Muxer::create(&session, output.clone(), &demuxer).expect_err("refused");
        assert_eq!(error.kind(), Kind::Usage, "{output:?}: {error}");
    }
    let missing = Demuxer::open(&session, Input::new("/nowhere/x.ts")).expect_err("no such file");
    assert_eq!(missing.kind(), Kind::File, "{missing}");
    let unknown = Demuxer::open(&session, Input::new("https://h.example/x").auth("nobody")).expect_err("no such profile");
    assert_eq!(unknown.kind(), Kind::Config, "{unknown}");
}
