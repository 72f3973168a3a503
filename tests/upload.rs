//! HTTP outputs: every object arrives as a local run would have written it, or the program says which did not.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::support::Protected;
use crate::support::disturbance::{Disturbance, Fault};
use crate::support::media;
use crate::support::origin::{Origin, Refusal, Site};
use crate::support::run::{Finished, Home, finish};
use crate::support::steady::steady;
use crate::support::token_server::Tokens;

const LIFE: Duration = Duration::from_secs(2);

/// Formats that write several objects: options and the name of the main one.
const HLS_TS: (&str, &str) = ("-f hls -hls_time 2 -hls_list_size 0", "out.m3u8");
const HLS_FMP4: (&str, &str) = ("-f hls -hls_time 2 -hls_list_size 0 -hls_segment_type fmp4", "out.m3u8");
const DASH: (&str, &str) = ("-f dash -seg_duration 2", "out.mpd");

fn source() -> String {
    media::MP4_MOOV_FIRST.file().display().to_string()
}

/// What `ffmpeg` writes to disk with these options: name, bytes.
fn local_run(options: &str, input: &str, main: &str) -> BTreeMap<String, Vec<u8>> {
    let home = Home::new("");
    std::fs::create_dir(home.path("local")).expect("a folder");
    let source = source();
    let line = format!("-v error -nostdin {input} -i {source} -c copy {options} local/{main}");
    finish(home.program("ffmpeg", line.split_whitespace())).expect_code(0);
    let files = std::fs::read_dir(home.path("local")).expect("a folder").flatten();
    files.map(|file| (format!("/{}", file.file_name().to_string_lossy()), content(&file.path()))).collect()
}

fn content(path: &Path) -> Vec<u8> {
    comparable(&path.to_string_lossy(), std::fs::read(path).expect("a file"))
}

/// A manifest names the time at which it was made; the rest of it counts.
fn comparable(name: &str, bytes: Vec<u8>) -> Vec<u8> {
    if !name.ends_with(".mpd") {
        return bytes;
    }
    let text = String::from_utf8(bytes).expect("XML");
    let lines = text.lines().filter(|line| !line.contains("availabilityStartTime") && !line.contains("publishTime"));
    lines.collect::<Vec<_>>().join("\n").into_bytes()
}

/// A server that takes uploads, and the tokens for it.
fn store(tokens: std::sync::Arc<Tokens>, site: Site) -> Protected {
    Protected::new(tokens, site, "")
}

fn send(lead: &Protected, input: &str, options: &str, main: &str) -> Finished {
    let (source, url) = (source(), lead.origin.url(main));
    lead.home.line(&format!("-nostdin -summary summary.json {input} -i {source} -c copy {options} -auth_wait 5 -auth p {url}"))
}

#[track_caller]
fn assert_arrived(lead: &Protected, run: &Finished, expected: &BTreeMap<String, Vec<u8>>) {
    assert!(run.code == Some(0), "ended with {:?}: {}\n{}", run.code, run.tail(), lead.origin.story());
    let stored = lead.origin.stored();
    let names = |objects: &BTreeMap<String, Vec<u8>>| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&stored), names(expected), "{}", lead.origin.story());
    for (name, bytes) in stored {
        let (got, wanted) = (comparable(&name, bytes), &expected[&name]);
        assert!(got == *wanted, "{name}: {} bytes arrived, {} expected, or other ones", got.len(), wanted.len());
    }
}

/// Two-second tokens on an upload in real time: every object is there and the same, and nothing was refused.
#[track_caller]
fn survives_expiry((options, main): (&str, &str)) {
    steady(|| {
        std::thread::scope(|scope| {
            for method in ["-method PUT", "-method POST", "-method PUT -http_persistent 1"] {
                scope.spawn(move || {
                    let lead = store(Tokens::living(LIFE), Site::default());
                    let options = format!("{options} {method}");
                    let run = send(&lead, "-re -t 13", &options, main);
                    let expected = local_run(&options, "-t 13", main);
                    assert_arrived(&lead, &run, &expected);
                    let word = options.split(' ').skip_while(|word| *word != "-method").nth(1).expect("a method");
                    assert!(lead.origin.log().iter().all(|entry| entry.method == word), "{}", lead.origin.story());
                    assert_eq!(lead.origin.count(401), 0, "{}", lead.origin.story());
                    assert!(lead.origin.accepted().len() >= 5, "{}", lead.origin.story());
                    let output = &lead.home.summary()["outputs"][0];
                    assert_eq!(output["uploads"], json!(lead.origin.count(201)), "{output}\n{}", lead.origin.story());
                    assert_eq!(output["uploads_unconfirmed"], json!([]), "{output}");
                    assert_eq!(output["http_401"], json!(0), "{output}");
                    assert_eq!(output["auth"], json!("p"), "{output}");
                });
            }
        });
    });
}

#[test]
fn hls_ts_survives_expiry() {
    survives_expiry(HLS_TS);
}

#[test]
fn hls_fmp4_survives_expiry() {
    survives_expiry(HLS_FMP4);
}

#[test]
fn dash_survives_expiry() {
    survives_expiry(DASH);
}

/// Tokens that die without notice: each refused object is sent again.
#[test]
fn uploads_survive_early_death() {
    std::thread::scope(|scope| {
        for (options, main) in [HLS_TS, HLS_FMP4, DASH] {
            scope.spawn(move || {
                let lead = store(Tokens::dying_early(LIFE), Site::default());
                let options = format!("{options} -method PUT");
                let run = send(&lead, "-re -t 9", &options, main);
                assert_arrived(&lead, &run, &local_run(&options, "-t 9", main));
                let rejected = lead.origin.rejected();
                assert!(rejected.len() >= 2, "only {rejected:?} were refused\n{}", lead.origin.story());
                assert_eq!(lead.token_server.answered(), rejected.len() as u64 + 1, "{}", lead.origin.story());
            });
        }
    });
}

/// The opposite of what plain ffmpeg does with a refused upload: nothing.
#[test]
fn a_refusing_server_is_an_error_that_names_the_object() {
    let (options, main) = HLS_TS;
    let options = format!("{options} -method PUT");
    for (object, status) in [("out2.ts", 403), ("out.m3u8", 500), ("out3.ts", 401)] {
        let refusals = vec![Refusal { path: object, status, times: u32::MAX }];
        let lead = store(Tokens::dying_early(Duration::from_secs(600)), Site { refusals: refusals.clone(), ..Site::default() });
        let run = send(&lead, "", &options, main);
        run.expect_code(1);
        assert!(run.stderr.contains(object) && run.stderr.contains(&status.to_string()), "{object}: {}", run.tail());
        let summary = lead.home.summary();
        let unconfirmed = summary["outputs"][0]["uploads_unconfirmed"].to_string();
        assert!(unconfirmed.contains(object), "{summary}");
        assert_eq!(summary["exit"], json!("error"));
        assert!(summary["error"].is_string(), "{summary}");

        let open = Origin::start(Site { refusals, ..Site::default() });
        let (source, url) = (source(), open.url(main));
        let line = format!("-v error -nostdin -i {source} -c copy {options} {url}");
        finish(Home::new("").program("ffmpeg", line.split_whitespace())).expect_code(0);
    }
}

/// One refusal with 401 costs one refresh and one repetition.
#[test]
fn an_object_that_was_refused_once_is_sent_again() {
    for ((options, main), object) in [(HLS_TS, "out2.ts"), (HLS_TS, "out.m3u8"), (HLS_FMP4, "init.mp4"), (DASH, "out.mpd")] {
        let options = format!("{options} -method PUT");
        let site = Site { refusals: vec![Refusal { path: object, status: 401, times: 1 }], ..Site::default() };
        let lead = store(Tokens::dying_early(Duration::from_secs(600)), site);
        let run = send(&lead, "", &options, main);
        assert_arrived(&lead, &run, &local_run(&options, "", main));
        assert_eq!(lead.token_server.answered(), 2, "{object}\n{}", lead.origin.story());
        assert_eq!(lead.home.summary()["outputs"][0]["http_401"], json!(1));
    }
}

/// One object that is as long as the stream.
#[test]
fn a_progressive_upload_arrives() {
    steady(|| {
        for (options, method) in [
            ("-f mpegts -method PUT", "PUT"),
            ("-f mpegts -method POST", "POST"),
            ("-f mpegts", "POST"),
            ("-f mp4 -movflags frag_keyframe+empty_moov -method PUT", "PUT"),
            ("-f matroska -fflags +bitexact -live 1 -method POST", "POST"),
        ] {
            let lead = store(Tokens::living(LIFE), Site::default());
            let run = send(&lead, "-t 6", options, "stream.bin");
            assert_arrived(&lead, &run, &local_run(options, "-t 6", "stream.bin"));
            assert!(lead.origin.log().iter().all(|entry| entry.method == method), "{}", lead.origin.story());
            assert_eq!(lead.origin.count(401), 0);
        }
    });
}

/// It outlives its token by far; the server asks at its beginning only.
#[test]
fn a_progressive_upload_in_real_time_arrives() {
    let lead = store(Tokens::living(LIFE), Site::default());
    let run = send(&lead, "-re -t 8", "-f mpegts -method PUT", "stream.ts");
    assert_arrived(&lead, &run, &local_run("-f mpegts", "-t 8", "stream.ts"));
}

#[test]
fn a_progressive_upload_that_is_refused_is_an_error() {
    let refusals = vec![Refusal { path: "stream.ts", status: 401, times: u32::MAX }];
    let lead = store(Tokens::dying_early(Duration::from_secs(600)), Site { refusals, ..Site::default() });
    let run = send(&lead, "-t 4", "-f mpegts -method PUT", "stream.ts");
    run.expect_code(1);
    assert!(run.stderr.contains("stream.ts") && run.stderr.contains("401"), "{}", run.tail());
    assert!(lead.origin.stored().is_empty());
}

#[test]
fn a_progressive_upload_that_was_refused_once_is_sent_again() {
    let refusals = vec![Refusal { path: "stream.ts", status: 401, times: 1 }];
    let lead = store(Tokens::dying_early(Duration::from_secs(600)), Site { refusals, ..Site::default() });
    let run = send(&lead, "-t 2", "-f mpegts -method PUT", "stream.ts");
    assert_arrived(&lead, &run, &local_run("-f mpegts", "-t 2", "stream.ts"));
}

fn moved(name: &str, target: &str) -> (String, u16, String) {
    (format!("/{name}"), 307, target.to_owned())
}

/// 307 and 308 keep method and body (RFC 9110 section 15.4.8).
#[test]
fn a_redirect_within_the_origin_is_followed_with_the_body() {
    let (options, main) = HLS_TS;
    let options = format!("{options} -method PUT");
    let mut redirects = vec![moved("out1.ts", "/elsewhere/out1.ts")];
    redirects.push(("/out2.ts".to_owned(), 308, "/elsewhere/out2.ts".to_owned()));
    let lead = store(Tokens::living(LIFE), Site { redirects, ..Site::default() });
    let run = send(&lead, "-t 7", &options, main);
    let mut expected = local_run(&options, "-t 7", main);
    for name in ["out1.ts", "out2.ts"] {
        let bytes = expected.remove(&format!("/{name}")).expect("a segment");
        expected.insert(format!("/elsewhere/{name}"), bytes);
    }
    assert_arrived(&lead, &run, &expected);
}

#[test]
fn a_redirect_to_another_host_is_an_error_and_carries_nothing() {
    let (options, main) = HLS_TS;
    let foreign = Origin::start(Site::default());
    let redirects = vec![moved("out1.ts", &foreign.url("out1.ts"))];
    let lead = store(Tokens::living(LIFE), Site { redirects, ..Site::default() });
    let run = send(&lead, "-t 7", &format!("{options} -method PUT"), main);
    run.expect_code(1);
    assert!(run.stderr.contains("out1.ts") && run.stderr.contains(&foreign.base()), "{}", run.tail());
    assert!(foreign.log().is_empty(), "{}", foreign.story());
}

/// With the other host in `origins` it is followed, token and all.
#[test]
fn a_redirect_to_a_host_in_origins_is_followed() {
    let (options, main) = HLS_TS;
    let options = format!("{options} -method PUT");
    let tokens = Tokens::living(LIFE);
    let other = Origin::start(Site { tokens: Some(tokens.clone()), ..Site::default() });
    let redirects = vec![moved("out1.ts", &other.url("out1.ts"))];
    let lead = store(tokens, Site { redirects, ..Site::default() });
    lead.set_profile(&format!("origins = [\"{}\", \"{}\"]", lead.origin.base(), other.base()));
    let run = send(&lead, "-t 7", &options, main);
    let mut expected = local_run(&options, "-t 7", main);
    let segment = expected.remove("/out1.ts").expect("a segment");
    assert_arrived(&lead, &run, &expected);
    assert_eq!(other.stored(), BTreeMap::from([("/out1.ts".to_owned(), segment)]));
}

/// Input and output with a profile each.
#[test]
fn from_one_profile_to_another() {
    steady(|| {
        let kind = media::HLS;
        let input = Protected::new(Tokens::new("reader", LIFE, Some(2)), kind.paced(Duration::from_secs(6)), "");
        let output = store(Tokens::new("writer", LIFE, Some(2)), Site::default());
        let read = std::fs::read_to_string(input.home.path(crate::support::run::CONFIG)).expect("a profile");
        let write = std::fs::read_to_string(output.home.path(crate::support::run::CONFIG)).expect("a profile");
        output.home.write(crate::support::run::CONFIG, &[read.replace("profile.p", "profile.r"), write].concat());
        let (from, to) = (input.origin.url(kind.entry), output.origin.url("out.m3u8"));
        let run = output.home.line(&format!("-nostdin -auth r -i {from} -c copy {} -method PUT -auth p {to}", HLS_TS.0));
        run.expect_code(0);
        assert_eq!(input.origin.count(401) + output.origin.count(401), 0);
        assert_eq!(input.origin.mentions(&output.tokens.all()), Vec::<String>::new());
        assert_eq!(output.origin.mentions(&input.tokens.all()), Vec::<String>::new());
        assert!(output.origin.stored().len() > 10, "{}", output.origin.story());
    });
}

/// Each cause for each kind of upload: the object arrives all the same, after so many further requests, or the job fails and says
/// which did not.
#[test]
fn every_cause_for_every_kind_of_upload() {
    steady(|| {
        const FOR_GOOD: u32 = u32::MAX;
        const CAUSES: [(Fault, u32, Option<usize>); 15] = [
            (Fault::Status(401), 1, Some(1)),
            (Fault::Status(401), FOR_GOOD, None),
            (Fault::Status(403), FOR_GOOD, None),
            (Fault::Status(404), FOR_GOOD, None),
            (Fault::Status(408), 2, Some(2)),
            (Fault::RetryAfter(429, 1), 1, Some(1)),
            (Fault::Status(500), 2, Some(2)),
            (Fault::Status(503), 2, Some(2)),
            (Fault::Status(503), FOR_GOOD, None),
            (Fault::Reset, 2, Some(2)),
            (Fault::Reset, FOR_GOOD, None),
            (Fault::Cut, 2, Some(2)),
            (Fault::Truncation, 1, Some(1)),
            (Fault::Silence, 1, Some(1)),
            (Fault::Stall, 1, Some(1)),
        ];
        // The playlist is written after each segment.
        const UPDATES: usize = 4;
        let hls = format!("{} -method PUT", HLS_TS.0);
        let kinds = [
            (hls.as_str(), "out.m3u8", "out2.ts"),
            (&hls, "out.m3u8", "out.m3u8"),
            ("-f mpegts -method PUT", "out.ts", "out.ts"),
        ];
        std::thread::scope(|scope| {
            for (options, main, object) in kinds {
                scope.spawn(move || {
                    let expected = local_run(options, "-t 7", main);
                    for (fault, times, further) in CAUSES {
                        let disturbances = vec![Disturbance { path: object, fault, after: 0, times }];
                        let lead = store(Tokens::dying_early(Duration::from_secs(600)), Site { disturbances, ..Site::default() });
                        let run = send(&lead, "-t 7", &format!("{options} -rw_timeout 1500000"), main);
                        let output = &lead.home.summary()["outputs"][0];
                        let story = || format!("{object}, {fault:?}: {}\n{}\n{output}", run.tail(), lead.origin.story());
                        assert_eq!(output["requests"], json!(lead.origin.log().len()), "{}", story());
                        assert_eq!(output["http_401"], json!(lead.origin.count(401)), "{}", story());
                        let Some(further) = further else {
                            assert_eq!(run.code, Some(1), "{}", story());
                            assert!(output["uploads_unconfirmed"].to_string().contains(object), "{}", story());
                            assert!(run.stderr.contains(object), "{}", story());
                            continue;
                        };
                        assert_arrived(&lead, &run, &expected);
                        assert_eq!(output["uploads_unconfirmed"], json!([]), "{}", story());
                        let asked = lead.origin.log().iter().filter(|entry| entry.path.ends_with(object)).count();
                        let undisturbed = if object == "out.m3u8" { UPDATES } else { 1 };
                        assert!(asked == undisturbed + further, "{asked} requests: {}", story());
                    }
                });
            }
        });
    });
}

/// One of ten objects is refused or its connection reset, somewhere else in each round.
#[test]
fn where_one_object_of_ten_is_refused_or_reset_all_arrive() {
    let (options, main) = HLS_TS;
    let options = format!("{} -hls_flags split_by_time -method PUT", options.replace("-hls_time 2", "-hls_time 0.4"));
    let expected = local_run(&options, "", main);
    assert!(expected.len() > 40, "{} objects", expected.len());
    let faults = [Fault::Status(503), Fault::Reset, Fault::Cut, Fault::RetryAfter(429, 0), Fault::Truncation, Fault::Status(401)];
    std::thread::scope(|scope| {
        for round in 0..3_usize {
            let (options, expected) = (&options, &expected);
            scope.spawn(move || {
                let names = expected.keys().enumerate().filter(|(number, _)| number % 10 == round * 3);
                let disturbances = names.zip(faults.iter().cycle().skip(round)).map(|((_, name), fault)| Disturbance {
                    path: Box::leak(name.clone().into_boxed_str()),
                    fault: *fault,
                    after: 0,
                    times: 1,
                });
                let disturbances: Vec<Disturbance> = disturbances.collect();
                let struck = disturbances.len();
                let lead = store(Tokens::dying_early(Duration::from_secs(600)), Site { disturbances, ..Site::default() });
                let run = send(&lead, "", options, main);
                assert_arrived(&lead, &run, expected);
                let log = lead.origin.log();
                assert!(struck >= 4 && log.len() >= expected.len() + struck, "{} requests, {struck} struck", log.len());
            });
        }
    });
}
