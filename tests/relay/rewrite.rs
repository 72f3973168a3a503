//! Nested requests come back through the relay, and lead nowhere else.

use std::sync::{Arc, Mutex};

use hyper::Response;

use super::*;
use crate::support::media::{self, Kind};
use crate::support::run::{count, difference, ffmpeg_read};
use crate::support::server::{Body, Server};

/// A server with the playlists, in scope; one with everything else.
struct Split {
    relayed: Relayed,
    elsewhere: Origin,
}

impl Split {
    /// `replace`: what stands in playlists in place of what; `ELSEWHERE` is the other server.
    fn new(kind: &Kind, replace: &[(&str, &str)], in_scope: bool) -> Self {
        let tokens = Tokens::living(Duration::from_secs(600));
        let wanted = in_scope.then(|| Arc::clone(&tokens));
        let elsewhere = Origin::start(Site { tokens: wanted, ..kind.site() });
        let base = elsewhere.base();
        let replace = replace.iter().map(|(from, to)| ((*from).to_owned(), to.replace("ELSEWHERE", &base))).collect();
        let protected = Protected::new(tokens, Site { replace, ..kind.site() }, "");
        let own = protected.origin.base();
        let origins = if in_scope { format!("origins = [\"{own}\", \"{base}\"]") } else { String::new() };
        protected.set_profile(&format!("base_url = \"{own}\"\n{origins}"));
        let relay = Relay::start(&protected.home, "--log info");
        Self { relayed: Relayed { caller: Caller::new(), relay, protected }, elsewhere }
    }
}

const SPLITS: [(Kind, &[(&str, &str)]); 5] = [
    (media::HLS, &[("index", "ELSEWHERE/index")]),
    (media::HLS_FMP4, &[("index", "ELSEWHERE/index"), ("init", "ELSEWHERE/init")]),
    (media::HLS_AES, &[("index", "ELSEWHERE/index"), ("enc.key", "ELSEWHERE/enc.key")]),
    (media::DASH, &[("<Period", "<BaseURL>ELSEWHERE/</BaseURL><Period")]),
    (media::DASH_TIME, &[("media=\"", "media=\"ELSEWHERE/"), ("initialization=\"", "initialization=\"ELSEWHERE/")]),
];

#[test]
fn what_is_elsewhere_and_out_of_scope_comes_without_the_token() {
    for (kind, replace) in SPLITS {
        let split = Split::new(&kind, replace, false);
        let relayed = &split.relayed;
        let read = ffmpeg_read(&relayed.protected.home, &kind, &relayed.url(kind.entry));
        let expected = ffmpeg_read(&Home::new(""), &kind, &Origin::start(kind.site()).url(kind.entry));
        assert_eq!(difference(&expected, &read), None, "{}", relayed.story());
        assert!(split.elsewhere.log().len() > 5, "{}", split.elsewhere.story());
        assert!(relayed.origin().log().iter().all(|entry| entry.path == format!("/{}", kind.entry)), "{}", relayed.story());
        assert_eq!(split.elsewhere.mentions(&relayed.protected.tokens.all()), Vec::<String>::new());
        assert!(split.elsewhere.log().iter().all(|entry| !entry.text.contains("authorization")));
    }
}

#[test]
fn what_is_elsewhere_and_in_scope_comes_with_the_token() {
    for (kind, replace) in SPLITS {
        let split = Split::new(&kind, replace, true);
        let relayed = &split.relayed;
        let read = ffmpeg_read(&relayed.protected.home, &kind, &relayed.url(kind.entry));
        assert!(count(&read) > 1000);
        assert!(!split.elsewhere.accepted().is_empty(), "{}", split.elsewhere.story());
        assert_eq!(split.elsewhere.count(401), 0, "{}", split.elsewhere.story());
    }
}

#[test]
fn a_ticket_is_good_for_its_own_url_only() {
    let split = Split::new(&media::HLS, &[("index", "ELSEWHERE/index")], false);
    let caller = &split.relayed.caller;
    let playlist = caller.get(&split.relayed.url("index.m3u8"));
    assert_eq!((playlist.status, playlist.field("content-type")), (200, Some("application/vnd.apple.mpegurl")));
    let text = playlist.text();
    let segments: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(segments.iter().all(|segment| segment.starts_with(&split.relayed.url(".via/"))), "{text}");
    assert_eq!(caller.get(segments[0]).status, 200);
    let asked = split.elsewhere.log().len();
    let other = split.elsewhere.base().replace("127.0.0.1", "127.0.0.2");
    for forged in [
        segments[0].replace("index0.ts", "index1.ts"),
        segments[0].replace("index0.ts", "index0.ts?x"),
        segments[0].replace(&split.elsewhere.base()["http://".len()..], &other["http://".len()..]),
        segments[0].replace("/http/", "/https/"),
        segments[0].replace("/.via/", "/.via/f"),
        split.relayed.url(&format!(".via/x/http/{}/index0.ts", &split.elsewhere.base()["http://".len()..])),
    ] {
        assert_ne!(forged, segments[0]);
        assert_eq!(caller.get(&forged).status, 403, "{forged}");
    }
    assert_eq!(split.elsewhere.log().len(), asked, "{}", split.elsewhere.story());
}

/// A playlist of the internet or of this machine does not lead into a network that its author has no business in.
#[test]
fn private_targets_are_not_asked() {
    let split = Split::new(
        &media::HLS,
        &[("index0.ts", "http://10.0.0.1/index0.ts"), ("index1.ts", "http://169.254.169.254/latest")],
        false,
    );
    let text = split.relayed.caller.get(&split.relayed.url("index.m3u8")).text();
    let segments: Vec<&str> = text.lines().filter(|line| line.contains("/.via/")).collect();
    assert_eq!(segments.len(), 2, "{text}");
    for segment in segments {
        let answer = split.relayed.caller.get(segment);
        assert!(answer.status == 403 && answer.text().contains("it is not asked"), "{answer:?}");
    }
}

#[test]
fn redirects_are_followed_and_references_start_where_they_lead() {
    let elsewhere = Origin::start(Site { folder: media::folder().to_owned(), ..Site::default() });
    let redirects = vec![
        ("/start.m3u8".to_owned(), 302, elsewhere.url("hls/index.m3u8")),
        ("/start.mpd".to_owned(), 302, elsewhere.url("dash/index.mpd")),
        ("/loop".to_owned(), 302, "/loop".to_owned()),
        ("/file".to_owned(), 302, "file:///etc/passwd".to_owned()),
    ];
    let relayed = Relayed::new(Site { redirects, ..media::HLS.site() });
    for (kind, start) in [(media::HLS, "start.m3u8"), (media::DASH, "start.mpd")] {
        let read = ffmpeg_read(&relayed.protected.home, &kind, &relayed.url(start));
        let expected = ffmpeg_read(&Home::new(""), &kind, &Origin::start(kind.site()).url(kind.entry));
        assert_eq!(difference(&expected, &read), None, "{}", relayed.story());
    }
    assert_eq!(elsewhere.mentions(&relayed.protected.tokens.all()), Vec::<String>::new());
    for path in ["loop", "file"] {
        assert_eq!(relayed.caller.get(&relayed.url(path)).status, 502, "{path}");
    }
    // An upload is not repeated by the relay; whoever sends it may do that, through the relay.
    let redirects = vec![("/in".to_owned(), 307, elsewhere.url("up")), ("/here".to_owned(), 308, "/there?x".to_owned())];
    let relayed = Relayed::new(Site { redirects, ..Site::default() });
    let moved = relayed.caller.send("PUT", &relayed.url("in"), &[], Some("x".into()));
    let location = moved.field("location").expect("a location");
    assert!(moved.status == 307 && location.starts_with(&relayed.url(".via/")), "{moved:?}");
    assert_eq!(relayed.caller.send("PUT", location, &[], Some("x".into())).status, 201);
    assert!(elsewhere.stored().contains_key("/up"));
    let moved = relayed.caller.send("PUT", &relayed.url("here"), &[], Some("x".into()));
    assert_eq!((moved.status, moved.field("location")), (308, Some(relayed.url("there?x").as_str())));
}

/// A server of one document, whatever it is asked for.
fn document(content_type: &'static str, text: &'static str, profile: &str) -> (Server, Arc<Mutex<Vec<String>>>, Home, Relay) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Server::start(
        None,
        Arc::new(move |arrived| {
            log.lock().expect("no panic").push(arrived.request.uri().to_string());
            let part = arrived.request.headers().contains_key("range");
            let query = arrived.request.uri().query().unwrap_or_default();
            let body = text.replace("QUERY", query);
            let response = Response::builder().header("content-type", content_type).header("etag", "\"1\"");
            let response = match part && content_type != "text/plain" {
                true => response
                    .status(206)
                    .header("content-range", format!("bytes 0-{}/{}", 9, body.len()))
                    .body(Body::from(body[..10].to_owned())),
                false => response.body(Body::from(body)),
            };
            Box::pin(async move { response.expect("a response") })
        }),
    );
    let home =
        Home::new(&format!("[profile.p]\naccess_token = \"canary-token\"\nbase_url = \"{}\"\n{profile}\n", server.url("/")));
    let relay = Relay::start(&home, "");
    (server, seen, home, relay)
}

#[test]
fn playlists_are_known_by_name_by_type_and_by_content() {
    let caller = Caller::new();
    for (content_type, path) in [
        ("video/mp2t", "a.m3u8"),
        ("Application/X-MpegURL; charset=utf-8", "a"),
        ("text/plain", "a"),
        ("application/octet-stream", "a"),
    ] {
        let (_server, _seen, _home, relay) = document(content_type, "#EXTM3U\n#EXTINF:2,\nhttps://cdn.example/a.ts\n", "");
        let answer = caller.get(&relay.url("p", path));
        assert!(
            answer.text().contains("/.via/") && answer.text().ends_with("/https/cdn.example/a.ts\n"),
            "{content_type} {answer:?}"
        );
        assert_eq!((answer.field("etag"), answer.field("cache-control")), (None, Some("no-store")));
        assert_eq!(answer.field("content-length"), Some(answer.body.len().to_string().as_str()));
        let head = caller.ask("HEAD", &relay.url("p", path), &[]);
        assert_eq!(head.status, 200);
    }
    let (_server, _seen, _home, relay) = document("video/mp2t", "#EXTM3U\nhttps://cdn.example/a.ts\n", "");
    assert_eq!(caller.get(&relay.url("p", "a.ts")).text(), "#EXTM3U\nhttps://cdn.example/a.ts\n");
    let (_server, _seen, _home, relay) = document("application/dash+xml", "<!DOCTYPE MPD []><MPD></MPD>", "");
    let answer = caller.get(&relay.url("p", "a.mpd"));
    assert!(answer.status == 502 && answer.text().contains("document type"), "{answer:?}");
}

/// A part of a playlist could not be rewritten: who asks for one gets the whole.
#[test]
fn a_playlist_comes_whole() {
    let caller = Caller::new();
    for path in ["a.m3u8", "a"] {
        let (_server, _seen, _home, relay) = document("application/x-mpegurl", "#EXTM3U\nhttps://cdn.example/a.ts\n", "");
        let answer = caller.ask("GET", &relay.url("p", path), &[("range", "bytes=0-9")]);
        assert!(answer.status == 200 && answer.text().ends_with("/https/cdn.example/a.ts\n"), "{answer:?}");
        assert_eq!(answer.field("content-range"), None);
    }
}

/// A server that puts the token of the request into its playlist does not get it to the player, nor to another server.
#[test]
fn a_token_that_the_server_echoes_goes_nowhere() {
    let text = "#EXTM3U\n#EXTINF:2,\na.ts?x=1&QUERY\n#EXTINF:2,\nhttp://127.0.0.2:9/b.ts?QUERY\n";
    let (_server, seen, _home, relay) = document("application/x-mpegurl", text, "placement = { query = \"t\" }");
    let caller = Caller::new();
    let text = caller.get(&relay.url("p", "a.m3u8")).text();
    assert_eq!(*seen.lock().expect("no panic"), ["/a.m3u8?t=canary-token"]);
    assert!(
        !text.contains("canary-token") && text.contains("/a.ts?x=1\n") && text.ends_with("/http/127.0.0.2:9/b.ts\n"),
        "{text}"
    );
}
