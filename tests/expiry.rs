//! URLs that are good for a while only: what named them is asked again, and the read goes on at its byte.

use std::sync::Arc;
use std::time::Duration;

use hyper::Response;

use crate::support::cdn::{Api, Cdn, Reply, Rules};
use crate::support::media::{self, Kind};
use crate::support::origin::Origin;
use crate::support::run::{self, Home, Reading, difference, ffmpeg_read};
use crate::support::server::{Body, Server};
use crate::support::token_server::{TokenServer, Tokens, Verdict};

/// Signatures that serve for ever, bodies that come whole.
fn rules(kind: &Kind) -> Rules {
    let folder = kind.file().parent().expect("a folder").to_owned();
    Rules { folder, free: "", serves: u32::MAX, stillborn: 0, breaks: usize::MAX, refusal: 403, changes_after: usize::MAX }
}

struct Read {
    reading: Reading,
    cdn: Cdn,
    home: Home,
}

/// Reads `entry` of an API that behaves like `api`. `profile`: further lines of the profile.
fn read(kind: &Kind, rules: Rules, api: Api, entry: &str, profile: &str, more: &[&str]) -> Read {
    let tokens = Tokens::living(Duration::from_secs(600));
    let token_server = TokenServer::start(&tokens);
    let cdn = Cdn::start(rules, &tokens, api);
    let home = Home::new(&run::profile("p", &token_server, profile));
    let reading = home.read(kind, "p", &cdn.api.url(entry), more);
    Read { reading, cdn, home }
}

impl Read {
    fn story(&self) -> String {
        format!("{}\n{}", self.reading.run.tail(), self.cdn.story())
    }

    /// Every packet has come, nothing is told to be lost, and the signed URLs saw no token.
    #[track_caller]
    fn assert_complete(&self, kind: &Kind) {
        assert_eq!(self.reading.run.code, Some(0), "{}", self.story());
        let recorded = kind.recorded();
        let expected = ffmpeg_read(&self.home, &recorded, &Origin::start(recorded.site()).url(kind.entry));
        assert_eq!(difference(&expected, &self.reading.packets), None, "{}", self.story());
        let input = &self.reading.summary["inputs"][0];
        assert_eq!((input["segments_lost"].as_u64(), input["gaps"].as_array().map(Vec::len)), (Some(0), Some(0)), "{input}");
        assert!(self.cdn.requests().iter().all(|seen| seen.authorization.is_none()), "a token left: {}", self.story());
        let text = format!("{}{}", self.reading.run.stderr, self.reading.summary);
        assert!(!text.contains("signature="), "a signature is shown: {text}");
    }

    #[track_caller]
    fn assert_fails(&self, words: &[&str]) {
        assert_eq!(self.reading.run.code, Some(1), "{}", self.story());
        for word in words {
            assert!(self.reading.run.stderr.contains(word), "no {word:?}: {}", self.story());
        }
    }
}

fn json(path: &str, sign: &dyn Fn(&str) -> String) -> Reply {
    let text = format!("{{\"sources\": [{{\"type\": \"x\", \"src\": \"{}\"}}]}}", sign(path));
    Reply::Text("application/json", text)
}

const POINTER: &str = "media_pointer = \"/sources/0/src\"";

/// A playlist of the kind with each name in it signed.
fn sign_all(kind: &Kind, name: &str, sign: &dyn Fn(&str) -> String) -> String {
    let text = std::fs::read_to_string(kind.file().with_file_name(name)).expect("a playlist");
    let line = |line: &str| match line.split_once("URI=\"") {
        Some((before, rest)) if line.starts_with('#') => {
            let (name, after) = rest.split_once('"').expect("a quoted name");
            format!("{before}URI=\"{}\"{after}\n", sign(name))
        }
        _ if line.starts_with('#') || line.is_empty() => format!("{line}\n"),
        _ => format!("{}\n", sign(line)),
    };
    text.lines().map(line).collect()
}

#[test]
fn an_api_names_the_media_and_is_asked_again_when_its_url_expires() {
    let kind = media::MPEGTS;
    // One request finds out what it is, one reads; then a signature is used up.
    let rules = Rules { serves: 3, breaks: 200_000, ..rules(&kind) };
    let read = read(&kind, rules, |_, _, sign| json("video.ts", sign), "/play", POINTER, &[]);
    read.assert_complete(&kind);
    let calls = read.cdn.calls();
    assert!(calls.len() > 3 && calls.iter().all(|call| call.range.is_none()), "{}", read.story());
    let ranges: Vec<_> = read.cdn.requests().into_iter().filter_map(|seen| seen.range).collect();
    assert!(ranges.contains(&"bytes=200000-".to_owned()), "{}", read.story());
}

#[test]
fn an_api_names_a_playlist_that_the_token_goes_to_only_in_scope() {
    let kind = media::HLS;
    let api: Api = |path, _, sign| match path {
        "/play" => Reply::Text("application/json", "{\"sources\": [{\"src\": \"/live/index.m3u8\"}]}".to_owned()),
        _ => Reply::Text("application/vnd.apple.mpegurl", sign_all(&media::HLS, "index.m3u8", sign)),
    };
    let read = read(&kind, rules(&kind), api, "/play", POINTER, &[]);
    read.assert_complete(&kind);
    assert!(read.cdn.calls().iter().all(|call| call.authorization.is_some()), "{}", read.story());
}

#[test]
fn what_an_api_answers_wrongly_is_told() {
    let kind = media::HLS;
    let answers: [(Api, &[&str]); 5] = [
        (|_, _, _| Reply::Text("text/html", "<html>".to_owned()), &["not JSON"]),
        (|_, _, _| Reply::Text("application/json", "{\"sources\": []}".to_owned()), &["/sources/0/src", "an array of 0"]),
        (|_, _, _| Reply::Text("application/json", "{\"sources\": [{\"src\": 7}]}".to_owned()), &["no URL", "a number"]),
        (
            |_, _, _| Reply::Text("application/json", "{\"sources\": [{\"src\": \"file:///etc/passwd\"}]}".to_owned()),
            &["`file` is not http"],
        ),
        (
            |_, _, _| Reply::Text("application/json", "{\"sources\": [{\"src\": \"http://169.254.169.254/x\"}]}".to_owned()),
            &["169.254.169.254", "link-local", "-allow_private"],
        ),
    ];
    for (api, words) in answers {
        read(&kind, rules(&kind), api, "/play", POINTER, &[]).assert_fails(words);
    }
}

#[test]
fn a_check_shows_the_api_and_what_it_named() {
    let kind = media::HLS;
    let tokens = Tokens::living(Duration::from_secs(600));
    let token_server = TokenServer::start(&tokens);
    let cdn = Cdn::start(Rules { free: ".ts", ..rules(&kind) }, &tokens, |_, _, sign| json("index.m3u8", sign));
    let home = Home::new(&run::profile("p", &token_server, POINTER));
    let run = home.line(&format!("check -auth p --json {}", cdn.api.url("/play")));
    run.expect_code(0);
    let steps: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    let steps = steps["steps"].as_array().or(steps.as_array()).cloned().unwrap_or_default();
    let names: Vec<&str> = steps.iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(names, ["token", "media_pointer", "media request", "first packet"], "{}", run.stdout);
    assert!(!run.stdout.contains("signature="), "{}", run.stdout);
}

#[test]
fn an_api_that_refuses_the_token_is_named() {
    let kind = media::HLS;
    let other = Tokens::living(Duration::from_secs(600));
    let token_server = TokenServer::start(&Tokens::living(Duration::from_secs(600)));
    let cdn = Cdn::start(rules(&kind), &Arc::clone(&other), |_, _, sign| json("index.m3u8", sign));
    let home = Home::new(&run::profile("p", &token_server, POINTER));
    let reading = home.read(&kind, "p", &cdn.api.url("/play"), &[]);
    assert_eq!(reading.run.code, Some(1), "{}", reading.run.tail());
    assert!(reading.run.stderr.contains("/play") && reading.run.stderr.contains("401"), "{}", reading.run.tail());
}

#[test]
fn an_api_names_a_dash_manifest() {
    let kind = media::DASH;
    let rules = Rules { free: ".m4s", ..rules(&kind) };
    let read = read(&kind, rules, |_, _, sign| json("index.mpd", sign), "/play", POINTER, &[]);
    read.assert_complete(&kind);
}

/// The window moves on with each request; a signature serves two of them.
#[test]
fn a_live_playlist_whose_url_expires_is_asked_for_anew() {
    let folder = media::HLS.file().parent().expect("a folder").to_owned();
    let home = tempfile::tempdir().expect("a folder");
    for file in std::fs::read_dir(folder).expect("a folder").flatten() {
        std::fs::copy(file.path(), home.path().join(file.file_name())).expect("a copy");
    }
    // Ten segments, shown from the first four on.
    let text = std::fs::read_to_string(home.path().join("index.m3u8")).expect("a playlist");
    std::fs::write(home.path().join("index.m3u8"), text.replace("#EXT-X-ENDLIST\n", "").replace("VOD", "EVENT")).expect("a file");
    let kind = media::HLS;
    let rules = Rules { folder: home.path().to_owned(), free: ".ts", serves: 2, refusal: 410, ..rules(&kind) };
    let tokens = Tokens::living(Duration::from_secs(600));
    let token_server = TokenServer::start(&tokens);
    let cdn = Cdn::start(rules, &tokens, |_, _, sign| json("index.m3u8", sign));
    let user = Home::new(&run::profile("p", &token_server, POINTER));
    let mut running = user.start_read(&kind, "p", &cdn.api.url("/play"), &["-live_start_index", "0"]);
    let playlists = || cdn.requests().iter().filter(|seen| seen.path.ends_with(".m3u8") && seen.status < 400).count();
    while playlists() < 5 && !running.ended() {
        std::thread::sleep(Duration::from_millis(20));
    }
    // At once: the server may be reading it.
    std::fs::write(home.path().join("new.m3u8"), text).expect("a file");
    std::fs::rename(home.path().join("new.m3u8"), home.path().join("index.m3u8")).expect("a file");
    let reading = user.finish_read(running);
    let story = || format!("{}\n{}", reading.run.tail(), cdn.story());
    assert_eq!(reading.run.code, Some(0), "{}", story());
    let recorded = Origin::start(kind.site());
    let expected = ffmpeg_read(&user, &kind, &recorded.url(kind.entry));
    assert_eq!(difference(&expected, &reading.packets), None, "{}", story());
    assert!(cdn.refused() >= 1 && cdn.calls().len() >= 3, "{}", story());
}

#[test]
fn a_redirect_to_a_signed_url_is_asked_for_again_at_the_byte() {
    for refusal in [401, 403, 410] {
        let kind = media::MP4_MOOV_LAST;
        let rules = Rules { serves: 3, breaks: 200_000, refusal, ..rules(&kind) };
        let read = read(&kind, rules, |_, _, sign| Reply::Moved(sign("video.mp4")), "/video.mp4", "", &[]);
        read.assert_complete(&kind);
        assert!(read.cdn.calls().len() > 2, "{}", read.story());
    }
}

fn playlist(path: &str, _calls: usize, sign: &dyn Fn(&str) -> String) -> Reply {
    let kind = if path.contains("aes") {
        media::HLS_AES
    } else if path.contains("fmp4") {
        media::HLS_FMP4
    } else {
        media::HLS
    };
    Reply::Text("application/vnd.apple.mpegurl", sign_all(&kind, "index.m3u8", sign))
}

/// The signatures of the first reading are dead at once: each segment, section and key is found in a later one.
#[test]
fn segments_sections_and_keys_whose_urls_have_expired_are_looked_up_again() {
    for (kind, entry) in [(media::HLS, "/hls.m3u8"), (media::HLS_FMP4, "/fmp4.m3u8"), (media::HLS_AES, "/aes.m3u8")] {
        for refusal in [403, 410] {
            let rules = Rules { stillborn: 10, refusal, ..rules(&kind) };
            let read = read(&kind, rules, playlist, entry, "", &[]);
            read.assert_complete(&kind);
            assert!(read.cdn.refused() >= 1, "nothing was shown: {}", read.story());
        }
    }
}

/// The forms in which a manifest names what it is about.
const MANIFESTS: [Kind; 5] = [media::DASH, media::DASH_TIME, media::DASH_COUNTED, media::DASH_LIST, media::DASH_SINGLE];

/// The manifest of the kind whose number is the path, with each reference in it signed.
fn manifest(path: &str, _calls: usize, sign: &dyn Fn(&str) -> String) -> Reply {
    let number: usize = path.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect(path);
    let mut rest = std::fs::read_to_string(MANIFESTS[number].file()).expect("a manifest");
    for (before, after) in [("media=\"", '"'), ("sourceURL=\"", '"'), ("initialization=\"", '"'), ("<BaseURL>", '<')] {
        let mut signed = String::new();
        while let Some((head, tail)) = rest.split_once(before) {
            let (reference, tail) = tail.split_once(after).expect("its end");
            signed.push_str(&format!("{head}{before}{}{after}", sign(reference)));
            rest = tail.to_owned();
        }
        rest = signed + &rest;
    }
    Reply::Text("application/dash+xml", rest)
}

/// dashdec.c reads the manifest of a recording once. A signature serves four requests, and each that is longer than 60 kB takes
/// more than one.
#[test]
fn segments_of_a_manifest_whose_urls_have_expired_are_looked_up_in_it_again() {
    std::thread::scope(|scope| {
        for (number, kind) in MANIFESTS.iter().enumerate() {
            scope.spawn(move || {
                for refusal in [401, 403, 410] {
                    // Where each segment has a signature of its own, some of those that are read first are dead at once.
                    let stillborn = if *kind == media::DASH_LIST { 30 } else { 0 };
                    let rules = Rules { serves: 4, stillborn, breaks: 60_000, refusal, ..rules(kind) };
                    let read = read(kind, rules, manifest, &format!("/{number}.mpd"), "", &[]);
                    // Of segments that are named by time ffmpeg itself leaves out the first.
                    read.assert_complete(if *kind == media::DASH_TIME { &media::DASH } else { kind });
                    assert!(read.cdn.refused() >= 1 && read.cdn.calls().len() >= 3, "nothing was shown: {}", read.story());
                    let ranges: Vec<_> = read.cdn.requests().into_iter().filter_map(|seen| seen.range).collect();
                    assert!(ranges.iter().any(|range| !range.starts_with("bytes=0-")), "{}", read.story());
                }
            });
        }
    });
}

/// In the middle of a segment.
#[test]
fn a_segment_whose_url_expires_while_it_is_read_goes_on_at_its_byte() {
    let kind = media::HLS;
    let rules = Rules { serves: 1, breaks: 60_000, ..rules(&kind) };
    let read = read(&kind, rules, playlist, "/hls.m3u8", "", &[]);
    read.assert_complete(&kind);
    let ranges: Vec<_> = read.cdn.requests().into_iter().filter_map(|seen| seen.range).collect();
    assert!(ranges.contains(&"bytes=60000-".to_owned()), "{}", read.story());
}

#[test]
fn the_playlists_of_a_master_that_have_expired_are_looked_up_in_it_again() {
    let kind = media::HLS_MASTER;
    let api: Api = |_, _, sign| Reply::Text("application/vnd.apple.mpegurl", sign_all(&media::HLS_MASTER, "master.m3u8", sign));
    let rules = Rules { stillborn: 3, ..rules(&kind) };
    // The segments that the playlists name are on the same server, where they need signatures too: only what is refused is shown.
    let read = read(&kind, rules, api, "/master.m3u8", "", &["-t", "0.1"]);
    let got = read.cdn.requests();
    let playlists = got.iter().filter(|seen| seen.path.ends_with(".m3u8"));
    let (good, bad): (Vec<_>, Vec<_>) = playlists.partition(|seen| seen.status < 400);
    assert!(good.len() >= 3 && bad.len() >= 3, "{}", read.story());
}

#[test]
fn a_url_that_is_refused_for_another_reason_is_an_error() {
    let kind = media::HLS;
    let rules = Rules { stillborn: u32::MAX, ..rules(&kind) };
    let read = read(&kind, rules, playlist, "/hls.m3u8", "", &[]);
    read.assert_fails(&["index0.ts", "403"]);
    assert!(!read.reading.run.stderr.contains("signature="), "{}", read.story());
}

/// Another tag, and the same length. Read by libavformat itself, and by our own reader behind a redirect.
#[test]
fn a_file_that_changes_while_it_is_read_is_told_and_not_spliced() {
    let kind = media::MPEGTS;
    let api: Api = |_, _, sign| Reply::Moved(sign("video.ts"));
    let changing = |changes_after| Rules { breaks: 200_000, changes_after, free: ".ts", ..rules(&kind) };
    // Two requests find out what it is.
    let behind_redirect = read(&kind, changing(3), api, "/video.ts", "", &[]);
    behind_redirect.assert_fails(&["video.ts", "the file changed on the server while it was being read"]);
    let cdn = Cdn::start(changing(1), &Tokens::living(Duration::from_secs(600)), api);
    let token_server = TokenServer::start(&Tokens::living(Duration::from_secs(600)));
    let home = Home::new(&run::profile("p", &token_server, ""));
    let reading = home.read(&kind, "p", &format!("{}/video.ts", cdn.edge()), &[]);
    let story = || format!("{}\n{}", reading.run.tail(), cdn.story());
    assert_eq!(reading.run.code, Some(1), "{}", story());
    assert!(reading.run.stderr.contains("the file changed on the server"), "{}", story());
    for read in [&reading, &behind_redirect.reading] {
        let expected = ffmpeg_read(&home, &kind, kind.file().to_str().expect("a path"));
        for (stream, packets) in &read.packets {
            // The last one before the cut lacks its end.
            let whole = &packets[..packets.len().saturating_sub(1)];
            assert!(!whole.is_empty() && expected[stream].starts_with(whole), "stream {stream}: {}", read.run.tail());
        }
    }
}

/// Some servers say 403 where RFC 6750 section 3.1 has 401; `invalid_token` tells what they mean.
#[test]
fn a_403_that_names_the_token_brings_a_new_one() {
    let tokens = Tokens::living(Duration::from_secs(600));
    let token_server = TokenServer::start(&tokens);
    let (checked, folder) = (Arc::clone(&tokens), media::HLS.file().parent().expect("a folder").to_owned());
    let server = Server::start(
        None,
        Arc::new(move |arrived| {
            let header = arrived.request.headers().get("authorization").and_then(|value| value.to_str().ok());
            let token = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
            let path = arrived.request.uri().path().trim_start_matches('/').to_owned();
            let number = match checked.check(token) {
                Verdict::Alive(number) => number,
                _ => 0,
            };
            // The first token is one too little from the fourth segment on.
            let response = if number < 2 && path == "index4.ts" {
                let challenge = "Bearer error=\"invalid_token\", error_description=\"expired\"";
                Response::builder().status(403).header("www-authenticate", challenge).body(Body::from("no"))
            } else {
                Response::builder().body(Body::from(std::fs::read(folder.join(path)).expect("a file")))
            };
            Box::pin(async move { response.expect("a response") })
        }),
    );
    let home = Home::new(&run::profile("p", &token_server, ""));
    let reading = home.read(&media::HLS, "p", &server.url("/index.m3u8"), &[]);
    assert_eq!(reading.run.code, Some(0), "{}", reading.run.tail());
    let expected = ffmpeg_read(&home, &media::HLS, media::HLS.file().to_str().expect("a path"));
    assert_eq!(difference(&expected, &reading.packets), None, "{}", reading.run.tail());
    assert_eq!(token_server.answered(), 2);
}
