//! Where redirects lead, for every kind of request: the media comes as it should, and no foreign origin ever sees a token.

use std::sync::Arc;
use std::time::Duration;

use crate::support::media::{self, Kind};
use crate::support::origin::{Origin, Site};
use crate::support::run::{self, Home, Packets, difference, ffmpeg_read};
use crate::support::tls::Authority;
use crate::support::token_server::{TokenServer, Tokens};

/// Where a redirect leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    SameOrigin,
    OtherPort,
    OtherHost,
    /// From https to plain http, in scope by its name.
    Downgrade,
    Loop,
    /// Eight are followed unless told otherwise (http.c).
    TenHops,
    TenHopsAllowed,
    /// To a store that takes its own signature in the query and nothing else.
    Presigned,
}

const WAYS: [Way; 8] = [
    Way::SameOrigin,
    Way::OtherPort,
    Way::OtherHost,
    Way::Downgrade,
    Way::Loop,
    Way::TenHops,
    Way::TenHopsAllowed,
    Way::Presigned,
];

/// What is redirected: the object, and what becomes of the job where it does not come.
struct Request {
    name: &'static str,
    kind: Kind,
    object: &'static str,
    /// The job ends; else it goes on without a segment.
    needed: bool,
}

const REQUESTS: [Request; 6] = [
    Request { name: "playlist", kind: media::HLS, object: "index.m3u8", needed: true },
    Request { name: "file", kind: media::MP4_MOOV_LAST, object: "video.mp4", needed: true },
    Request { name: "manifest", kind: media::DASH, object: "index.mpd", needed: true },
    Request { name: "nested playlist", kind: media::HLS_MASTER, object: "stream-1.m3u8", needed: true },
    Request { name: "segment", kind: media::HLS, object: "index4.ts", needed: false },
    Request { name: "key", kind: media::HLS_AES, object: "enc.key", needed: true },
];

/// What is there to be read.
fn reference(kind: &Kind) -> Packets {
    ffmpeg_read(&Home::new(""), kind, &Origin::start(kind.site()).url(kind.entry))
}

/// Redirects from `old-OBJECT` on, in `hops` steps within the origin, to `target`.
fn chain(object: &str, hops: usize, target: &str) -> Vec<(String, u16, String)> {
    let step = |number: usize| if number == 0 { format!("/old-{object}") } else { format!("/old{number}-{object}") };
    let next = |number: usize| if number + 1 == hops { target.to_owned() } else { step(number + 1) };
    let statuses = [302, 301, 307, 308, 303];
    (0..hops).map(|number| (step(number), statuses[number % statuses.len()], next(number))).collect()
}

fn leads(way: Way, request: &Request, expected: &Packets) {
    let Request { kind, object, .. } = request;
    let case = format!("{way:?}, {}", request.name);
    let tokens = Tokens::living(Duration::from_secs(600));
    let token_server = TokenServer::start(&tokens);
    let foreign = Origin::start(kind.site());
    let abroad = foreign.url(object);
    let redirects = match way {
        Way::SameOrigin => chain(object, 1, &format!("/{object}")),
        Way::OtherPort | Way::Downgrade => chain(object, 1, &abroad),
        Way::OtherHost => chain(object, 1, &abroad.replace("127.0.0.1", "localhost")),
        Way::Loop => chain(object, 3, &format!("/old-{object}")),
        Way::TenHops | Way::TenHopsAllowed => chain(object, 10, &format!("/{object}")),
        Way::Presigned => chain(object, 1, &format!("{abroad}?X-Amz-Signature=0123abcd&X-Amz-Expires=60")),
    };
    let has_more = matches!(request.name, "playlist" | "manifest" | "nested playlist");
    let is_entry = *object == kind.entry;
    let replace = if is_entry { Vec::new() } else { vec![((*object).to_owned(), format!("old-{object}"))] };
    let authority = Authority::new("studio");
    let tls = (way == Way::Downgrade).then(|| authority.certify("127.0.0.1"));
    let home_origin = Origin::start(Site { tokens: Some(Arc::clone(&tokens)), redirects, replace, tls, ..kind.site() });
    let mut profile = format!("ca_file = \"{}\"\n", authority.file().display());
    // What a playlist from there names is in scope by the user's own word then.
    if way == Way::Downgrade && !has_more {
        profile += &format!("origins = [\"{}\", \"{}\"]", home_origin.base(), foreign.base());
    }
    let home = Home::new(&run::profile("p", &token_server, &profile));
    let options: &[&str] = if way == Way::TenHopsAllowed { &["-max_redirects", "10"] } else { &["-auth_retry", "1"] };
    let entry = if is_entry { format!("old-{object}") } else { kind.entry.to_owned() };
    let reading = home.read(kind, "p", &home_origin.url(&entry), options);
    let story = || format!("{case}: {}\n{}abroad:\n{}", reading.run.tail(), home_origin.story(), foreign.story());

    assert_eq!(foreign.mentions(&tokens.all()), Vec::<String>::new(), "{}", story());
    assert!(foreign.log().iter().all(|entry| !entry.text.contains("authorization")), "{}", story());
    let goes_abroad = matches!(way, Way::OtherPort | Way::OtherHost | Way::Downgrade | Way::Presigned);
    assert_eq!(foreign.log().iter().any(|entry| entry.path.ends_with(object)), goes_abroad, "{}", story());
    assert_eq!(home_origin.count(401), 0, "{}", story());
    let input = &reading.summary["inputs"][0];
    let fault = match way {
        Way::Loop => Some("circle"),
        Way::TenHops => Some("more than 8 times"),
        _ => None,
    };
    let Some(fault) = fault else {
        assert_eq!(reading.run.code, Some(0), "{}", story());
        assert_eq!(difference(expected, &reading.packets), None, "{}", story());
        let requests = home_origin.log().len() + foreign.log().len();
        assert_eq!(input["requests"], requests, "{}", story());
        return;
    };
    assert!(reading.run.stderr.contains(fault) && reading.run.stderr.contains(object), "{}", story());
    assert_eq!(reading.run.code, Some(if request.needed { 1 } else { 0 }), "{}", story());
    if !request.needed {
        assert_eq!((&input["segments_lost"], input["gaps"].as_array().map(Vec::len)), (&1.into(), Some(2)), "{}", story());
    }
}

#[test]
fn every_way_for_every_kind_of_request() {
    std::thread::scope(|scope| {
        for request in &REQUESTS {
            scope.spawn(move || {
                let expected = reference(&request.kind);
                WAYS.into_iter().for_each(|way| leads(way, request, &expected));
            });
        }
    });
}

/// What in a playlist or manifest leads where it must not: the form, what stands there now, by redirect or by name.
const PLACES: [(&str, Kind, &str, bool); 6] = [
    ("a segment", media::HLS, "index4.ts", false),
    ("a redirected segment", media::HLS, "index4.ts", true),
    ("a key", media::HLS_AES, "enc.key", false),
    ("an initialization section", media::HLS_FMP4, "init.mp4", false),
    ("a playlist", media::HLS_MASTER, "stream-1.m3u8", false),
    ("a DASH section", media::DASH, "init-stream$RepresentationID$.m4s", false),
];

/// Nothing that a playlist, a manifest or a redirect names is fetched unless it is http(s) to a host that is no closer than that
/// of the user's own URL, and each refusal is told. The user's URL is on this machine here, or on the internet, behind a proxy.
#[test]
fn nothing_out_of_reach_is_fetched() {
    let trap = Origin::start(media::HLS.site());
    let port = trap.base().rsplit(':').next().expect("a port").to_owned();
    let local = media::HLS.file().with_file_name("index4.ts").display().to_string();
    let schemes =
        [format!("file://{local}"), format!("concat:{local}"), "ftp://127.0.0.1/x.ts".to_owned(), "nosuch:x.ts".to_owned()];
    let closer = ["http://169.254.169.254/x.ts", "http://10.1.2.3/x.ts", "http://[fe80::1]/x.ts"].map(str::to_owned);
    let loopback = ["127.0.0.1", "localhost", "127.9.9.9", "[::1]", "2130706433", "[::ffff:127.0.0.1]"];
    let loopback = loopback.map(|host| format!("http://{host}:{port}/index4.ts"));
    std::thread::scope(|scope| {
        for (place, kind, object, redirected) in PLACES {
            let (schemes, closer, loopback, trap) = (&schemes, &closer, &loopback, &trap);
            scope.spawn(move || {
                for target in schemes.iter().chain(closer) {
                    refuses(place, &kind, object, redirected, target, false);
                }
                for target in loopback {
                    refuses(place, &kind, object, redirected, target, true);
                }
                assert_eq!(trap.connections(), 0, "{place}: {}", trap.story());
            });
        }
    });
}

fn refuses(place: &str, kind: &Kind, object: &str, redirected: bool, target: &str, public: bool) {
    let target_in_place = match target.starts_with("http") && kind.entry.ends_with(".mpd") {
        true => target.replace("x.ts", object).replace("index4.ts", object),
        false => target.to_owned(),
    };
    let site = match redirected {
        true => Site { redirects: vec![(format!("/{object}"), 302, target.to_owned())], ..kind.site() },
        false => Site { replace: vec![(object.to_owned(), target_in_place)], ..kind.site() },
    };
    let lead = crate::support::Protected::new(Tokens::living(Duration::from_secs(600)), site, "allow_http = true");
    let url = if public { format!("http://media.test/{}", kind.entry) } else { lead.origin.url(kind.entry) };
    let mut command = lead.home.ffauth(["-nostdin", "-y", "-auth_retry", "0", "-auth", "p", "-i", &url, "-c", "copy", "out.ts"]);
    if public {
        command.env("http_proxy", lead.origin.base()).env("no_proxy", "127.0.0.1,localhost,[::1],::1");
    }
    let run = run::finish(command);
    let story = format!("{place} at {target}: {}\n{}", run.tail(), lead.origin.story());
    // A redirect of one segment by a confused server costs that segment.
    let goes_on = redirected && !target.starts_with("http");
    assert_eq!(run.code, Some(if goes_on { 0 } else { 1 }), "{story}");
    let ours = ["may name http and https only", "only http and https are followed", "-allow_private"];
    // What hls.c and dashdec.c do not even ask for.
    let libavs = ["Unable to open key file", "initialization section that cannot be read", "Invalid data found"];
    let told: Vec<&str> = if target.starts_with("http") { vec!["-allow_private"] } else { [&ours[..], &libavs[..]].concat() };
    assert!(told.iter().any(|words| run.stderr.contains(words)), "{story}");
}
