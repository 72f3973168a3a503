//! DASH with a token: FFmpeg 5.1's demuxer opens its segments behind everybody's back, and nothing is lost all the same.

use std::time::Duration;

use serde_json::json;

use crate::support::Protected;
use crate::support::media::{self, Kind};
use crate::support::origin::{Origin, Site};
use crate::support::run::{Home, Packets, Reading, count, difference, ffmpeg_read};
use crate::support::token_server::Tokens;

const LIFE: Duration = Duration::from_secs(2);
/// Long enough for five tokens of [`LIFE`] and more.
const LONG: Duration = Duration::from_millis(12_500);

/// What `ffmpeg` reads without any token. All kinds hold the same packets; that of a live stream is the recorded one whose
/// segments ffmpeg finds.
fn reference(kind: &Kind) -> Packets {
    let kind = if kind.is_live() { media::DASH } else { *kind };
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
}

#[test]
fn segments_in_a_timeline_survive_expiry() {
    survives_expiry(&media::DASH);
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
    let rejected = lead.origin.rejected();
    assert!(rejected.len() >= 3, "only tokens {rejected:?} were refused: nothing was shown\n{}", lead.origin.story());
    let requests = lead.token_server.answered();
    assert_eq!(requests, rejected.len() as u64 + 1, "token requests; refused were {rejected:?}\n{}", lead.origin.story());
    assert_eq!(reading.summary["inputs"][0]["http_401"], json!(lead.origin.count(401)), "{}", lead.origin.story());
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
