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
    /// From https to plain http, where the token would be in scope.
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
    let is_entry = *object == kind.entry;
    let replace = if is_entry { Vec::new() } else { vec![((*object).to_owned(), format!("old-{object}"))] };
    let authority = Authority::new("studio");
    let tls = (way == Way::Downgrade).then(|| authority.certify("127.0.0.1"));
    let home_origin = Origin::start(Site { tokens: Some(Arc::clone(&tokens)), redirects, replace, tls, ..kind.site() });
    let mut profile = format!("ca_file = \"{}\"\n", authority.file().display());
    if way == Way::Downgrade {
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
        Way::TenHops => Some("8 redirects"),
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
