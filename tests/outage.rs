//! The authorization server is away when a stream needs it.

use std::time::{Duration, Instant};

use crate::support::Protected;
use crate::support::media::{self, Kind};
use crate::support::origin::Origin;
use crate::support::run::{Home, Reading, difference, ffmpeg_read};
use crate::support::token_server::{Mood, Tokens};

/// How long a read takes, unless tokens live for seconds only.
const LASTS: Duration = Duration::from_secs(6);

/// Reads `kind` with tokens of `life`, while `story` happens to the servers.
fn read(kind: &Kind, life: Duration, wait: &str, story: impl FnOnce(&Protected) + Send) -> (Protected, Reading, Duration) {
    // A life of seconds is to end while the media is read.
    let lasts = if life < Duration::from_secs(60) { life * 5 / 4 } else { LASTS };
    let lead = Protected::new(Tokens::living(life), kind.paced(lasts), "");
    let began = Instant::now();
    let reading = std::thread::scope(|scope| {
        scope.spawn(|| story(&lead));
        lead.home.read(kind, "p", &lead.origin.url(kind.entry), &["-auth_wait", wait])
    });
    (lead, reading, began.elapsed())
}

#[track_caller]
fn assert_complete(kind: &Kind, lead: &Protected, reading: &Reading) {
    reading.run.expect_code(0);
    let kind = kind.recorded();
    let origin = Origin::start(kind.site());
    let expected = ffmpeg_read(&Home::new(""), &kind, &origin.url(kind.entry));
    if let Some(difference) = difference(&expected, &reading.packets) {
        panic!("{difference}\n{}\n{}", reading.run.tail(), lead.origin.story());
    }
}

/// 401 on a token that should be good, and nobody there to give another: it is asked for until `-auth_wait` is over.
fn refused_while_away(kind: &Kind) {
    let (lead, reading, _) = read(kind, Duration::from_secs(3600), "20", |lead| {
        std::thread::sleep(Duration::from_millis(1500));
        lead.token_server.set(Mood::Unavailable);
        lead.tokens.kill_all();
        std::thread::sleep(Duration::from_secs(5));
        lead.token_server.set(Mood::Well);
    });
    assert_complete(kind, &lead, &reading);
    let requests = lead.token_server.requests().len();
    assert!((3..=40).contains(&requests), "{requests} token requests");
    assert!(reading.run.stderr.matches("no new token").count() <= 1, "one warning, not one for each try: {}", reading.run.tail());
}

#[test]
fn a_refused_token_is_replaced_when_the_server_is_back_hls() {
    refused_while_away(&media::HLS);
}

#[test]
fn a_refused_token_is_replaced_when_the_server_is_back_mp4() {
    refused_while_away(&media::MP4_MOOV_LAST);
}

#[test]
fn a_refused_token_is_replaced_when_the_server_is_back_mpegts() {
    refused_while_away(&media::MPEGTS);
}

#[test]
fn a_refused_token_is_replaced_when_the_server_is_back_live() {
    refused_while_away(&media::HLS_LIVE);
}

/// Down for the second half of a token's life: nothing is refused, nothing is missing.
#[test]
fn an_outage_that_ends_before_expiry_is_not_noticed() {
    let kind = &media::HLS;
    let (lead, reading, _) = read(kind, Duration::from_secs(10), "0", |lead| {
        std::thread::sleep(Duration::from_secs(5));
        lead.token_server.set(Mood::Unavailable);
        // The soft point is 7.5 to 8 s after the token came.
        std::thread::sleep(Duration::from_millis(3200));
        lead.token_server.set(Mood::Well);
    });
    assert_complete(kind, &lead, &reading);
    assert!(lead.origin.rejected().is_empty(), "{}", lead.origin.story());
}

/// Down for longer than `-auth_wait`: the job fails when that is over, and says why.
#[test]
fn an_outage_longer_than_auth_wait_ends_the_job() {
    let kind = &media::HLS;
    let (lead, reading, took) = read(kind, Duration::from_secs(3600), "3", |lead| {
        std::thread::sleep(Duration::from_millis(1500));
        lead.token_server.set(Mood::Unavailable);
        lead.tokens.kill_all();
    });
    reading.run.expect_code(1);
    assert!((4..=9).contains(&took.as_secs()), "{took:?}: {}", reading.run.tail());
    for part in ["profile p", &lead.token_server.url(), "503"] {
        assert!(reading.run.stderr.contains(part), "{part}: {}", reading.run.tail());
    }
}
