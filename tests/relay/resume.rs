//! A body that the server cuts in the middle reaches the caller whole, or breaks off there too.

use bytes::Bytes;
use hyper::Response;
use tokio::sync::mpsc;

use super::*;
use crate::support::media;
use crate::support::origin::Framing;
use crate::support::server::Cut;

/// A connection is cut when the body reaches a multiple of this position.
const EVERY: usize = 200_000;
const TAG: &str = "\"v1\"";

fn file() -> Vec<u8> {
    (0..900_000_u32).map(|n| (n * 7 + n / 251).to_le_bytes()[0]).collect()
}

fn field(arrived: &Arrived, name: &str) -> Option<String> {
    arrived.request.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
}

/// How a server tells what it sends, and how it ends.
#[derive(Clone, Copy)]
struct Manner {
    tag: &'static str,
    ranges: bool,
    chunked: bool,
    resets: bool,
}

const PLAIN: Manner = Manner { tag: TAG, ranges: true, chunked: false, resets: false };

/// What a web server answers to a read of [`file`], as far as it comes.
fn deliver(arrived: &Arrived, manner: Manner) -> Response<Body> {
    let content = file();
    let wanted = field(arrived, "range").filter(|_| manner.ranges);
    let wanted = wanted.filter(|_| field(arrived, "if-range").is_none_or(|tag| tag == manner.tag));
    let mut response = Response::builder().header("content-type", "video/mp2t").header("etag", manner.tag);
    let (mut start, mut end) = (0, content.len());
    if let Some(range) = wanted {
        let (first, last) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).expect("a range");
        start = first.parse().expect("a number");
        end = last.parse().map_or(end, |last: usize| last + 1);
        response = response.status(206).header("content-range", format!("bytes {start}-{}/{}", end - 1, content.len()));
    }
    if !manner.chunked {
        response = response.header("content-length", end - start);
    }
    let cut = (start / EVERY + 1) * EVERY;
    let sent = Bytes::copy_from_slice(&content[start..end.min(cut)]);
    let (reset, resets) = (arrived.resetting(), manner.resets);
    let (slices, body) = mpsc::channel(1);
    tokio::spawn(async move {
        let _ = slices.send(Ok(sent)).await;
        if cut < end {
            // What was delivered so far arrives before the connection ends.
            tokio::time::sleep(Duration::from_millis(30)).await;
            if resets {
                reset();
            }
            let _ = slices.send(Err(Cut)).await;
        }
    });
    response.body(Body::Slices(body)).expect("a response")
}

/// Where the reads after the first began, if each asked for the rest, to `last`, of the entity that came first.
fn resumed(scripted: &Scripted, last: &str) -> Vec<usize> {
    let from = |seen: &String| {
        assert!(seen.contains(&format!("if-range: {TAG}\n")) && !seen.contains("if-none-match"), "{seen}");
        let (_, range) = seen.split_once("range: bytes=").expect("a range");
        let (first, end) = range.lines().next().and_then(|range| range.split_once('-')).expect("a range");
        assert_eq!(end, last, "{seen}");
        first.parse().expect("a number")
    };
    scripted.seen().iter().skip(1).map(from).collect()
}

/// All that a caller gets, and whether that was told to be all.
fn read(scripted: &Scripted, path: &str) -> (Vec<u8>, bool) {
    let url = scripted.relay.url("p", path);
    scripted.caller.runtime.block_on(async {
        let mut answer = scripted.caller.client.get(url).send().await.expect("an answer");
        let mut body = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                ended => return (body, ended.is_ok()),
            }
        }
    })
}

#[test]
fn a_cut_body_reaches_the_caller_whole() {
    for resets in [false, true] {
        let scripted = Scripted::new(move |arrived| deliver(arrived, Manner { resets, ..PLAIN }));
        let answer = scripted.caller.get(&scripted.relay.url("p", "a.ts"));
        assert_eq!((answer.status, answer.field("content-length")), (200, Some("900000")));
        assert!(answer.body == file(), "resets: {resets}: other bytes came: {}", scripted.relay.log());
        let from = resumed(&scripted, "");
        assert!(from.len() >= 4 && from.is_sorted() && from.iter().zip(1..).all(|(from, cut)| *from <= cut * EVERY), "{from:?}");
        scripted.relay.logged("the connection was cut after");
    }
}

#[test]
fn a_cut_part_goes_on_to_its_own_end() {
    let scripted = Scripted::new(|arrived| deliver(arrived, PLAIN));
    let fields = [("range", "bytes=150000-499999"), ("if-range", TAG), ("if-none-match", "\"other\"")];
    let answer = scripted.caller.ask("GET", &scripted.relay.url("p", "a.ts"), &fields);
    assert_eq!((answer.status, answer.field("content-range")), (206, Some("bytes 150000-499999/900000")));
    assert!(answer.body == file()[150_000..500_000], "other bytes came: {}", scripted.relay.log());
    let from = resumed(&scripted, "499999");
    assert!(from.len() >= 2 && from[0] > 150_000 && from.is_sorted(), "{from:?}");
}

#[test]
fn a_body_goes_on_with_the_token_of_that_moment() {
    let kind = media::MP4_MOOV_FIRST;
    let whole = std::fs::read(kind.file()).expect("a file");
    let every = whole.len() as u64 / 4;
    for framing in [Framing::Length, Framing::Chunked] {
        let relayed = Relayed::new(Site { cut_every: Some(every), kill_on_cut: true, framing, ..kind.site() });
        let answer = relayed.caller.get(&relayed.url("video.mp4"));
        assert!(answer.status == 200 && answer.body == whole, "{framing:?}: {}", relayed.story());
        assert!(relayed.origin().count(206) >= 3 && relayed.origin().accepted().len() >= 4, "{}", relayed.story());
    }
}

/// Never a short body that looks whole, never one of two files.
#[test]
fn a_body_whose_rest_cannot_be_had_breaks_off() {
    let first = |arrived: &Arrived| field(arrived, "range").is_none();
    type Respond = Box<dyn Fn(&Arrived) -> Response<Body> + Send + Sync>;
    let cases: [(&str, usize, Respond); 4] = [
        (
            "the file changed on the server",
            2,
            Box::new(move |arrived| deliver(arrived, Manner { tag: if first(arrived) { TAG } else { "\"v2\"" }, ..PLAIN })),
        ),
        ("no part of a file", 2, Box::new(|arrived| deliver(arrived, Manner { ranges: false, ..PLAIN }))),
        (
            "410",
            2,
            Box::new(move |arrived| match first(arrived) {
                true => deliver(arrived, PLAIN),
                false => Response::builder().status(410).body("gone".into()).expect("a response"),
            }),
        ),
        // Live, say.
        ("the connection was cut", 1, Box::new(|arrived| deliver(arrived, Manner { chunked: true, ranges: false, ..PLAIN }))),
    ];
    for (reason, requests, respond) in cases {
        let scripted = Scripted::new(respond);
        let (body, whole) = read(&scripted, "a.ts");
        assert!(!whole && body.len() <= EVERY && file().starts_with(&body), "{reason}: {} bytes, {whole}", body.len());
        scripted.relay.logged(reason);
        assert_eq!(scripted.seen().len(), requests, "{reason}: {:?}", scripted.seen());
    }
}
