//! DASH with a token: FFmpeg 5.1's demuxer opens its segments behind everybody's back, and nothing is lost all the same.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::Protected;
use crate::support::media::{self, Kind};
use crate::support::origin::{Origin, Placement, Refusal, Site};
use crate::support::run::{self, Home, Packets, Reading, count, difference, ffmpeg_read};
use crate::support::steady::steady;
use crate::support::tls::Authority;
use crate::support::token_server::{TokenServer, Tokens};

const LIFE: Duration = Duration::from_secs(2);
/// Long enough for five tokens of [`LIFE`] and more.
const LONG: Duration = Duration::from_millis(13_500);

/// What `ffmpeg` reads without any token. Most kinds hold the same packets; that of a live stream, and of segments that are named
/// by time, is the recorded one whose segments ffmpeg finds.
fn reference(kind: &Kind) -> Packets {
    let kind = if kind.is_live() || *kind == media::DASH_TIME { media::DASH } else { *kind };
    ffmpeg_read(&Home::new(""), &kind, &Origin::start(kind.site()).url(kind.entry))
}

#[track_caller]
fn assert_complete(kind: &Kind, reading: &Reading, origin: &Origin) {
    let story = || format!("{}\n{}", reading.run.tail(), origin.story());
    assert!(reading.run.code == Some(0), "ended with {:?}: {}", reading.run.code, story());
    if let Some(difference) = difference(&reference(kind), &reading.packets) {
        panic!("{difference}\n{}", story());
    }
    let input = &reading.summary["inputs"][0];
    assert_eq!(input["requests"], json!(origin.log().len()), "{input}\n{}", story());
    assert_eq!(input["segments_lost"], json!(0), "{input}\n{}", story());
    assert_eq!(input["gaps"], json!([]), "{input}\n{}", story());
}

/// Tokens that live two seconds, on a read of twelve and more: the same packets as without any token, no 401, at least five
/// tokens.
#[track_caller]
fn survives_expiry(kind: &Kind) {
    steady(|| {
        let lead = Protected::new(Tokens::living(LIFE), kind.paced(LONG), "");
        let reading = lead.home.read(kind, "p", &lead.origin.url(kind.entry), &[]);
        assert_complete(kind, &reading, &lead.origin);
        assert!(reading.took >= Duration::from_secs(12), "it took only {:?}", reading.took);
        assert_eq!(lead.origin.count(401), 0, "{}", lead.origin.story());
        let accepted = lead.origin.accepted();
        assert!(accepted.len() >= 5, "only tokens {accepted:?} were seen\n{}", lead.origin.story());
        let input = &reading.summary["inputs"][0];
        assert_eq!(input["packets"], json!(count(&reading.packets)), "{input}");
        assert_eq!(input["http_401"], json!(0), "{input}");
        assert!(input["token_swaps"].as_u64() >= Some(4), "{input}");
        assert_eq!(reading.summary["tokens"]["p"]["refreshes"], json!(lead.token_server.answered()), "{}", reading.summary);
    });
}

#[test]
fn segments_in_a_timeline_survive_expiry() {
    survives_expiry(&media::DASH);
}

/// ffmpeg leaves out as many of the first ones as `startNumber` says.
#[test]
fn segments_named_by_time_survive_expiry() {
    survives_expiry(&media::DASH_TIME);
}

#[test]
fn listed_segments_survive_expiry() {
    survives_expiry(&media::DASH_LIST);
}

#[test]
fn counted_segments_survive_expiry() {
    survives_expiry(&media::DASH_COUNTED);
}

#[test]
fn ranges_survive_expiry() {
    survives_expiry(&media::DASH_SINGLE);
}

/// The stream is read to its end, which ffmpeg never sees: it asks for more for ever.
#[test]
fn a_live_stream_survives_expiry() {
    survives_expiry(&media::DASH_LIVE);
}

/// ffmpeg takes places in the window for numbers, and plays segments twice or not at all.
#[test]
fn a_live_stream_of_numbered_segments_survives_expiry() {
    survives_expiry(&media::DASH_LIVE_NUMBERED);
}

/// ffmpeg leaves out what is not there yet.
#[test]
fn a_live_stream_of_counted_segments_survives_expiry() {
    survives_expiry(&media::DASH_LIVE_COUNTED);
}

/// The server ends tokens before their time and tells nobody: the same packets, and one token request for each refused token.
#[track_caller]
fn survives_early_death(kind: &Kind) {
    let lead = Protected::new(Tokens::dying_early(LIFE), kind.paced(LONG), "");
    let reading = lead.home.read(kind, "p", &lead.origin.url(kind.entry), &[]);
    assert_complete(kind, &reading, &lead.origin);
    lead.assert_one_refresh_for_each_refused_token(&reading);
}

#[test]
fn segments_in_a_timeline_survive_early_death() {
    survives_early_death(&media::DASH);
}

#[test]
fn a_live_stream_survives_early_death() {
    survives_early_death(&media::DASH_LIVE);
}

/// Connections end in mid-body, and at that moment every token is dead.
#[test]
fn cuts_with_dead_tokens() {
    for (kind, ranges) in [(media::DASH, true), (media::DASH, false), (media::DASH_SINGLE, true)] {
        let lasts = Duration::from_secs(4);
        let site = Site { cut_every: Some(60_000), kill_on_cut: true, lasts, ranges, ..kind.site() };
        let lead = Protected::new(Tokens::dying_early(Duration::from_secs(600)), site, "");
        let reading = lead.home.read(&kind, "p", &lead.origin.url(kind.entry), &[]);
        assert_complete(&kind, &reading, &lead.origin);
        let rejected = lead.origin.rejected();
        assert!(rejected.len() >= 5, "only tokens {rejected:?} were refused\n{}", lead.origin.story());
        assert!(reading.summary["inputs"][0]["reconnects"].as_u64() >= Some(5), "{}", reading.summary);
    }
}

const PERIOD: &str = "<Period id=\"0\" start=\"PT0.0S\">";

fn replaced(from: &str, to: String) -> Vec<(String, String)> {
    vec![(from.to_owned(), to)]
}

/// Tokens that live longer than any of these tests.
fn lasting() -> std::sync::Arc<Tokens> {
    Tokens::living(Duration::from_secs(600))
}

/// Some of the media is on another host. It arrives; that host sees no token unless the profile lists it.
#[track_caller]
fn foreign(kind: &Kind, replace: impl Fn(&Origin) -> Vec<(String, String)>, redirect: &str, listed: bool) {
    let foreign = Origin::start(kind.site());
    let redirects = vec![(format!("/{redirect}"), 302, foreign.url(redirect))];
    let site = Site { replace: replace(&foreign), redirects, ..kind.site() };
    let lead = Protected::new(lasting(), site, "");
    if listed {
        lead.set_profile(&format!("origins = [\"{}\", \"{}\"]", lead.origin.base(), foreign.base()));
    }
    let reading = lead.home.read(kind, "p", &lead.origin.url(kind.entry), &[]);
    let story = || format!("{}\n{}\n{}", reading.run.tail(), lead.origin.story(), foreign.story());
    assert_eq!(reading.run.code, Some(0), "{}", story());
    assert_eq!(difference(&reference(kind), &reading.packets), None, "{}", story());
    assert!(!foreign.log().is_empty(), "the other host was never asked\n{}", story());
    let mut secrets = lead.tokens.all();
    if listed {
        assert_eq!(foreign.mentions(&secrets).len(), foreign.log().len(), "{}", story());
    } else {
        secrets.push("authorization".to_owned());
        assert_eq!(foreign.mentions(&secrets), Vec::<String>::new(), "{}", story());
    }
    assert_eq!(lead.origin.mentions(&lead.tokens.all()).len(), lead.origin.log().len(), "{}", story());
}

#[test]
fn a_foreign_base_gets_no_token() {
    let base = |foreign: &Origin| replaced(PERIOD, format!("<BaseURL>{}/</BaseURL>{PERIOD}", foreign.base()));
    foreign(&media::DASH, base, "", false);
    foreign(&media::DASH, base, "", true);
    foreign(&media::DASH_LIVE, base, "", false);
}

#[test]
fn foreign_templates_and_segments_get_no_token() {
    foreign(&media::DASH, |foreign| replaced("media=\"", format!("media=\"{}/", foreign.base())), "", false);
    foreign(&media::DASH, |foreign| replaced("initialization=\"", format!("initialization=\"{}/", foreign.base())), "", false);
    foreign(&media::DASH_LIST, |foreign| replaced("sourceURL=\"", format!("sourceURL=\"{}/", foreign.base())), "", false);
    let segment = "chunk-stream0-00004.m4s";
    foreign(&media::DASH_LIST, |foreign| replaced(segment, foreign.url(segment)), "", false);
    let files = |foreign: &Origin| replaced("<BaseURL>", format!("<BaseURL>{}/", foreign.base()));
    foreign(&media::DASH_SINGLE, files, "", false);
}

#[test]
fn a_redirect_to_another_host_carries_no_token() {
    foreign(&media::DASH, |_| Vec::new(), "chunk-stream1-00003.m4s", false);
    foreign(&media::DASH, |_| Vec::new(), "chunk-stream1-00003.m4s", true);
}

/// What a manifest names is where the manifest is.
#[test]
fn a_redirected_manifest_takes_its_segments_from_the_new_place() {
    for kind in [media::DASH, media::DASH_LIVE] {
        let foreign = Origin::start(kind.site());
        let redirects = vec![("/old/name.mpd".to_owned(), 302, foreign.url(kind.entry))];
        let lead = Protected::new(lasting(), Site { redirects, ..kind.site() }, "");
        let reading = lead.home.read(&kind, "p", &lead.origin.url("old/name.mpd"), &[]);
        let story = || format!("{}\n{}\n{}", reading.run.tail(), lead.origin.story(), foreign.story());
        assert_eq!(reading.run.code, Some(0), "{}", story());
        assert_eq!(difference(&reference(&kind), &reading.packets), None, "{}", story());
        assert_eq!(foreign.mentions(&lead.tokens.all()), Vec::<String>::new(), "{}", story());
    }
}

/// References from the root of the host.
#[test]
fn references_from_the_root() {
    for kind in [media::DASH, media::DASH_LIST] {
        let lead = Protected::new(lasting(), Site { replace: replaced("media=\"", "media=\"/".to_owned()), ..kind.site() }, "");
        let reading = lead.home.read(&kind, "p", &lead.origin.url(kind.entry), &[]);
        assert_complete(&kind, &reading, &lead.origin);
    }
}

/// The certificates that the profile names are those of manifest and segments, and no others will do.
#[test]
fn https_with_the_authority_of_the_profile() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("theirs"));
    let kind = media::DASH;
    let tokens = lasting();
    let token_server = TokenServer::start(&tokens);
    let site = Site { tokens: Some(tokens.clone()), tls: Some(authority.certify("127.0.0.1")), ..kind.site() };
    let segments = Origin::start(site.clone());
    let replace = replaced(PERIOD, format!("<BaseURL>{}/</BaseURL>{PERIOD}", segments.base()));
    let manifest = Origin::start(Site { replace, ..site });
    let home = Home::new("");
    let read = |authority: &Authority| {
        let origins = format!("origins = [\"{}\", \"{}\"]", manifest.base(), segments.base());
        let lines = format!("{origins}\nca_file = \"{}\"", authority.file().display());
        home.write(run::CONFIG, &run::profile("p", &token_server, &lines));
        home.read(&kind, "p", &manifest.url(kind.entry), &["-auth_wait", "1", "-auth_retry", "1"])
    };
    let reading = read(&authority);
    let story = || format!("{}\n{}\n{}", reading.run.tail(), manifest.story(), segments.story());
    assert_eq!(reading.run.code, Some(0), "{}", story());
    assert_eq!(difference(&reference(&kind), &reading.packets), None, "{}", story());
    assert_eq!(segments.mentions(&tokens.all()).len(), segments.log().len(), "{}", story());
    let asked = segments.log().len();
    read(&stranger).run.expect_code(1);
    assert_eq!(segments.log().len(), asked);
}

/// Reads `kind` from a server that refuses one object.
fn refused(kind: &Kind, (path, status, times): (&'static str, u16, u32), more: &[&str]) -> (Reading, Protected) {
    let refusals = vec![Refusal { path, status, times }];
    let lead = Protected::new(lasting(), Site { refusals, ..kind.site() }, "");
    (lead.home.read(kind, "p", &lead.origin.url(kind.entry), more), lead)
}

#[test]
fn what_is_refused_for_a_while_arrives() {
    for (kind, path) in [
        (media::DASH, "index.mpd"),
        (media::DASH, "init-stream1.m4s"),
        (media::DASH, "chunk-stream0-00004.m4s"),
        (media::DASH_SINGLE, "index-stream0.mp4"),
        (media::DASH_LIVE, "chunk-0-102400.m4s"),
    ] {
        let (reading, lead) = refused(&kind, (path, 503, 2), &[]);
        assert_complete(&kind, &reading, &lead.origin);
        assert_eq!(lead.origin.count(503), 2, "{path}: {}", lead.origin.story());
        assert!(reading.summary["inputs"][0]["retries"].as_u64() >= Some(1), "{}", reading.summary);
    }
}

/// A live read during which the manifest is refused from its fifth request on.
fn refused_live_manifest(times: u32, more: &[&str]) -> (Reading, Protected) {
    let kind = media::DASH_LIVE;
    let lead = Protected::new(lasting(), kind.site(), "");
    let mut running = lead.home.start_read(&kind, "p", &lead.origin.url(kind.entry), more);
    while lead.origin.log().iter().filter(|entry| entry.path.ends_with(".mpd")).count() < 4 && !running.ended() {
        std::thread::sleep(Duration::from_millis(20));
    }
    lead.origin.refuse(Refusal { path: "index.mpd", status: 503, times });
    (lead.home.finish_read(running), lead)
}

#[test]
fn a_live_manifest_that_is_refused_for_a_while() {
    let (reading, lead) = refused_live_manifest(3, &[]);
    assert_complete(&media::DASH_LIVE, &reading, &lead.origin);
    assert_eq!(lead.origin.count(503), 3, "{}", lead.origin.story());
}

/// dashdec.c would go on with the old one for ever.
#[test]
fn a_live_manifest_that_stays_away_is_an_error() {
    let (reading, lead) = refused_live_manifest(u32::MAX, &["-auth_retry", "1"]);
    reading.run.expect_code(1);
    let stderr = &reading.run.stderr;
    assert!(stderr.contains(&lead.origin.url("index.mpd")) && stderr.contains("503"), "{}", reading.run.tail());
}

/// The hole is told with its place and length; whether it fails the job is the user's choice.
#[test]
fn a_segment_that_never_comes_is_a_gap() {
    for (kind, path) in [
        (media::DASH, "chunk-stream0-00004.m4s"),
        (media::DASH_COUNTED, "chunk-stream0-00004.m4s"),
        (media::DASH_LIVE, "chunk-0-76800.m4s"),
    ] {
        for (policy, code) in [(&[][..], 0), (&["-on_gap", "fail"][..], 1)] {
            let (reading, lead) = refused(&kind, (path, 404, u32::MAX), policy);
            let story = || format!("{}\n{}", reading.run.tail(), lead.origin.story());
            assert_eq!(reading.run.code, Some(code), "{}", story());
            let input = &reading.summary["inputs"][0];
            assert_eq!(input["segments_lost"], 1, "{input}\n{}", story());
            let gaps = input["gaps"].as_array().expect("gaps");
            assert_eq!(gaps.len(), 1, "in the stream of the segment: {input}\n{}", story());
            let number = |key: &str| gaps[0][key].as_f64().expect("seconds");
            assert!((number("to") - number("from") - 2.0).abs() < 0.3, "{input}");
            assert!(reading.run.stderr.contains(&lead.origin.url(path)), "{}", story());
        }
    }
}

/// ffmpeg leaves these out, or takes them for the end, and exits with 0. There is no storm of requests either.
#[test]
fn what_stays_refused_ends_the_job() {
    for (kind, path, status) in [
        (media::DASH, "chunk-stream0-00005.m4s", 401),
        (media::DASH, "chunk-stream1-00005.m4s", 403),
        (media::DASH, "init-stream1.m4s", 404),
        (media::DASH, "index.mpd", 401),
        (media::DASH_LIVE, "chunk-0-102400.m4s", 401),
    ] {
        let (reading, lead) = refused(&kind, (path, status, u32::MAX), &["-auth_wait", "3", "-auth_retry", "1"]);
        let story = || format!("{}\n{}", reading.run.tail(), lead.origin.story());
        assert_eq!(reading.run.code, Some(1), "{path} {status}: {}", story());
        assert!(reading.run.stderr.contains(&lead.origin.url(path)), "{path} {status}: {}", story());
        let requests = lead.origin.log().iter().filter(|entry| entry.path.ends_with(path)).count();
        assert!(requests <= 6, "{path} {status}: asked for {requests} times\n{}", story());
        assert!(lead.token_server.answered() <= 3, "{} token requests", lead.token_server.answered());
    }
}

/// A segment on a host that is not in `origins` and wants a token all the same.
#[test]
fn a_foreign_host_that_wants_a_token_is_named() {
    let kind = media::DASH;
    let tokens = lasting();
    let foreign = Origin::start(Site { tokens: Some(tokens.clone()), ..kind.site() });
    let replace = replaced(PERIOD, format!("<BaseURL>{}/</BaseURL>{PERIOD}", foreign.base()));
    let lead = Protected::new(tokens, Site { replace, ..kind.site() }, "");
    let reading = lead.home.read(&kind, "p", &lead.origin.url(kind.entry), &[]);
    reading.run.expect_code(1);
    assert!(reading.run.stderr.contains(&foreign.base()) && reading.run.stderr.contains("origins"), "{}", reading.run.tail());
}

/// A manifest is written by somebody else: it may not make us ask other protocols, or hosts that are closer than its own.
#[test]
fn a_manifest_leads_nowhere_it_should_not() {
    let kind = media::DASH;
    let secret = Home::new("");
    let file = secret.write("secret.mp4", "nobody may read this");
    let near = "http://10.0.0.1/".to_owned();
    for base in
        [near, format!("file://{}", file.display()), "crypto+http://127.0.0.1:9/".to_owned(), "ftp://127.0.0.1/".to_owned()]
    {
        let replace = replaced(PERIOD, format!("<BaseURL>{base}</BaseURL>{PERIOD}"));
        let lead = Protected::new(lasting(), Site { replace, ..kind.site() }, "");
        let reading = lead.home.read(&kind, "p", &lead.origin.url(kind.entry), &[]);
        assert_eq!(reading.run.code, Some(1), "{base}: {}\n{}", reading.run.tail(), lead.origin.story());
        assert_eq!(count(&reading.packets), 0, "{base}");
    }
}

/// Other places for the token than the Authorization field.
#[test]
fn tokens_in_the_query_and_in_fields_of_the_vendors_own() {
    for (placement, profile) in [
        (Placement::Query("access_token"), "placement = { query = \"access_token\" }"),
        (Placement::Field("x-api-token"), "placement = { header = \"X-Api-Token\", prefix = \"\" }"),
    ] {
        let kind = media::DASH;
        let lead = Protected::new(lasting(), Site { placement, ..kind.site() }, profile);
        let reading = lead.home.read(&kind, "p", &lead.origin.url("index.mpd?quality=a/b"), &[]);
        assert_complete(&kind, &reading, &lead.origin);
        let manifests: Vec<_> = lead.origin.log().into_iter().filter(|entry| entry.path.ends_with(".mpd")).collect();
        assert!(manifests.iter().all(|entry| entry.text.contains("quality=a/b")), "{}", lead.origin.story());
    }
}

/// Waiting for a server, at the live edge or in the middle of a body: whoever wants to stop is not kept waiting.
#[test]
fn stopping_takes_no_time() {
    let busy = vec![Refusal { path: "chunk-stream0-00004.m4s", status: 503, times: u32::MAX }];
    for (site, kind) in [
        (Site { refusals: busy, ..media::DASH.site() }, media::DASH),
        (media::DASH_LIVE.site(), media::DASH_LIVE),
        (media::DASH_LIVE_COUNTED.site(), media::DASH_LIVE_COUNTED),
        (Site { lasts: Duration::from_secs(60), ..media::DASH.site() }, media::DASH),
    ] {
        let lead = Protected::new(lasting(), site, "");
        let running = lead.home.start_read(&kind, "p", &lead.origin.url(kind.entry), &[]);
        std::thread::sleep(Duration::from_secs(4));
        let asked = Instant::now();
        running.signal(rustix::process::Signal::TERM);
        let reading = lead.home.finish_read(running);
        let took = asked.elapsed();
        assert_eq!(reading.run.code, Some(255), "{kind:?}: {}", reading.run.tail());
        assert!(took < Duration::from_millis(500), "{kind:?}: it took {took:?}");
    }
}

/// libavformat's requests to this machine go past a proxy, ours go through it.
#[test]
fn the_proxy_of_the_environment_is_for_requests_that_leave() {
    let kind = media::DASH;
    let lead = Protected::new(lasting(), kind.site(), "");
    let url = lead.origin.url(kind.entry);
    // The token endpoint is not behind that proxy.
    lead.home.line("token p").expect_code(0);
    for no_proxy in ["", "example.com", "127.0.0.1"] {
        let asked = lead.origin.log().len();
        let arguments =
            ["-nostdin", "-y", "-copyts", "-auth", "p", "-i", &url, "-map", "0", "-c", "copy", "-f", "framemd5", "o.md5"];
        let mut command = lead.home.ffauth(arguments);
        // The origin takes requests in the form for proxies too (RFC 9112 section 3.2.2).
        command.env("http_proxy", lead.origin.base()).env("no_proxy", no_proxy);
        let run = run::finish(command);
        run.expect_code(0);
        assert_eq!(difference(&reference(&kind), &run::packets(&lead.home.path("o.md5"))), None, "{}", run.tail());
        let log = lead.origin.log();
        assert!(log[asked..].iter().all(|entry| !entry.path.contains("/http/")), "{}", lead.origin.story());
        let through = log[asked..].iter().filter(|entry| entry.text.starts_with("GET http://")).count();
        assert_eq!(through > 0, no_proxy != "127.0.0.1", "{}", lead.origin.story());
    }
}

/// Whatever is shown names the real URLs, and neither a token nor the way through the server on this machine.
#[test]
fn nothing_of_the_detour_is_shown() {
    let kind = media::DASH;
    let refusals = vec![Refusal { path: "chunk-stream0-00004.m4s", status: 404, times: u32::MAX }];
    let lead = Protected::new(lasting(), Site { refusals, ..kind.site() }, "");
    let url = lead.origin.url("index.mpd?canary=1");
    let reading = lead.home.read(&kind, "p", &url, &["-loglevel", "trace", "-auth_log", "trace", "-report"]);
    reading.run.expect_code(0);
    let report = std::fs::read_dir(lead.home.path(""))
        .expect("a folder")
        .flatten()
        .find(|e| e.file_name().to_string_lossy().ends_with(".log"));
    let report = std::fs::read_to_string(report.expect("a report").path()).expect("text");
    let real = lead.origin.url("chunk-stream0-00003.m4s");
    assert!(reading.run.stderr.contains(&real), "{}", reading.run.tail());
    assert!(reading.run.stderr.contains(&format!("from '{}'", lead.origin.url("index.mpd?***"))), "{}", reading.run.tail());
    assert_eq!(reading.summary["inputs"][0]["url"], json!(lead.origin.url("index.mpd?***")));
    let host = lead.origin.base().replace("://", "/");
    for text in [&reading.run.stderr, &reading.run.stdout, &reading.summary.to_string(), &report] {
        for trace in lead.tokens.all().iter().map(String::as_str).chain([host.as_str(), "canary"]) {
            // The command line at the head of a report is the user's own.
            let hit = text.lines().find(|line| line.contains(trace) && !line.contains("-auth p -i"));
            assert_eq!(hit, None, "{trace}");
        }
    }
}

#[test]
fn probe_and_check_read_it_too() {
    let kind = media::DASH;
    let lead = Protected::new(lasting(), kind.site(), "");
    let url = lead.origin.url(kind.entry);
    let run = lead.home.line(&format!("probe -v error -show_format -show_streams -of json -auth p {url}"));
    run.expect_code(0);
    let probed: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(probed["format"]["filename"], json!(url));
    assert_eq!((&probed["format"]["format_name"], probed["streams"].as_array().map(Vec::len)), (&json!("dash"), Some(2)));
    lead.home.line(&format!("check -auth p {url}")).expect_code(0);
    assert_eq!(lead.origin.count(401), 0, "{}", lead.origin.story());
}
