//! Reads that go on where they stood.

use super::rig::Rig;
use super::server::{Reply, Seen, Server};
use crate::net::{Download, NetError};

fn text(length: usize) -> String {
    (0..length).map(|n| char::from(b'a' + (n % 23) as u8)).collect()
}

/// The part of `text` that the request asks for.
fn part(seen: &Seen, text: &str) -> Reply {
    let range = seen.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-')).expect("a range");
    let first: usize = range.0.parse().expect("a number");
    let end = range.1.parse().map_or(text.len(), |last: usize| last + 1);
    Reply::new(206).header("Content-Range", format!("bytes {first}-{}/{}", end - 1, text.len())).body(&text[first..end])
}

fn read_all(download: &mut Download) -> Result<String, NetError> {
    let (mut all, mut piece) = (Vec::new(), [0; 1000]);
    loop {
        match download.read(&mut piece)? {
            0 => return Ok(String::from_utf8(all).expect("text")),
            read => all.extend_from_slice(&piece[..read]),
        }
    }
}

#[test]
fn a_cut_read_goes_on_at_its_byte_with_the_newest_token() {
    let server = Server::start(|seen, _| {
        let accepted = ["Bearer secret-1", "Bearer secret-2"].iter().any(|token| seen.token() == Some(token));
        if accepted { part(seen, &text(50_000)).truncate(20_000) } else { Reply::new(401) }
    });
    let rig = Rig::new(&[&server]);
    let mut download = rig.media.download(rig.request("GET", server.url("/a.ts")), 0, None, &rig.stop).expect("open");
    assert_eq!(download.size(), Some(50_000));
    rig.tokens.publish(2);
    assert_eq!(read_all(&mut download).expect("all of it"), text(50_000));
    let asked: Vec<_> = server
        .log()
        .iter()
        .map(|seen| (seen.header("range").map(str::to_owned), seen.token() == Some("Bearer secret-2")))
        .collect();
    let range = |from: usize, fresh| (Some(format!("bytes={from}-")), fresh);
    assert_eq!(asked, [range(0, false), range(20_000, true), range(40_000, true)]);
}

#[test]
fn without_ranges_the_beginning_is_read_again_and_dropped() {
    let server = Server::start(|_, number| {
        let whole = Reply::new(200).body(&text(50_000));
        if number < 2 { whole.truncate(20_000 * (number + 1)) } else { whole }
    });
    let rig = Rig::new(&[&server]);
    let mut download = rig.media.download(rig.request("GET", server.url("/a.ts")), 0, None, &rig.stop).expect("open");
    assert_eq!(read_all(&mut download).expect("all of it"), text(50_000));
    assert_eq!(server.log().len(), 3);
}

#[test]
fn a_part_is_read_to_its_end_and_no_further() {
    let server = Server::start(|seen, _| part(seen, &text(50_000)));
    let rig = Rig::new(&[&server]);
    let mut download = rig.media.download(rig.request("GET", server.url("/a.ts")), 1000, Some(3000), &rig.stop).expect("open");
    assert_eq!(read_all(&mut download).expect("all of it"), text(50_000)[1000..3000]);
    download.seek(500);
    assert_eq!(read_all(&mut download).expect("the rest"), text(50_000)[1500..3000]);
    assert_eq!(server.log()[0].header("range"), Some("bytes=1000-2999"));
}

#[test]
fn a_file_that_changed_meanwhile_is_told_and_never_spliced() {
    let server = Server::start(|seen, number| part(seen, &text(50_000 + number)).truncate(20_000));
    let rig = Rig::new(&[&server]);
    let mut download = rig.media.download(rig.request("GET", server.url("/a.ts")), 0, None, &rig.stop).expect("open");
    let error = read_all(&mut download).expect_err("another file");
    assert!(matches!(error, NetError::Changed { .. }), "{error}");
}

#[test]
fn what_is_fetched_comes_whole_or_is_known_to_be_longer() {
    let server = Server::start(|seen, number| part(seen, &text(500_000)).truncate(if number == 0 { 100_000 } else { 500_000 }));
    let rig = Rig::new(&[&server]);
    let fetch = |limit| rig.media.fetch(rig.request("GET", server.url("/a.m3u8")), limit, &rig.stop).expect("an answer");
    let fetched = fetch(500_000);
    assert_eq!(String::from_utf8(fetched.bytes).expect("text"), text(500_000));
    assert_eq!(fetched.location, server.url("/a.m3u8"));
    let cut_off = fetch(1000).bytes.len();
    assert!((1001..500_000).contains(&cut_off), "{cut_off}");
}

#[test]
fn a_read_that_waits_for_a_silent_server_ends_when_somebody_asks_to_stop() {
    let server = Server::start(|_, _| Reply::new(200).silent());
    let rig = Rig::new(&[&server]);
    let error = std::thread::scope(|scope| {
        let reading = scope.spawn(|| rig.media.fetch(rig.request("GET", server.url("/a.m3u8")), 1000, &rig.stop));
        while server.log().is_empty() {
            std::thread::yield_now();
        }
        rig.stop.request();
        reading.join().expect("no panic").expect_err("stopped")
    });
    assert!(matches!(error, NetError::Stopped), "{error}");
}
