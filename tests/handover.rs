//! The token is swapped while media is read, and nothing is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::support::Protected;
use crate::support::media::{self, Kind};
use crate::support::origin::{Framing, Origin, Placement, Refusal, Site};
use crate::support::run::{self, Finished, Home, Packets, Reading, count, difference, ffmpeg_read, finish, profile};
use crate::support::steady::steady;
use crate::support::token_server::{Mood, TokenServer, Tokens};

const LIFE: Duration = Duration::from_secs(2);
/// Long enough for five tokens of [`LIFE`] and more.
const LONG: Duration = Duration::from_millis(12_500);
/// Long enough for three.
const SHORT: Duration = Duration::from_secs(7);

/// What is to be read from such a server: everything there from the beginning, no token asked for, nothing in the way.
fn reference(kind: &Kind, site: &Site) -> Packets {
    let kind = kind.recorded();
    let (ranges, framing) = (site.ranges, site.framing);
    let origin = Origin::start(Site { ranges, framing, ..kind.site() });
    ffmpeg_read(&Home::new(""), &kind, &origin.url(kind.entry))
}

#[track_caller]
fn assert_complete(kind: &Kind, reading: &Reading, origin: &Origin) {
    let story = || format!("{}\n{}", reading.run.tail(), origin.story());
    assert!(reading.run.code == Some(0), "ended with {:?}: {}", reading.run.code, story());
    if let Some(difference) = difference(&reference(kind, origin.site()), &reading.packets) {
        panic!("{difference}\n{}", story());
    }
}

/// Tokens that live two seconds, on a read of twelve and more: the same packets as without any token, no 401, at least five
/// tokens. A token that is never renewed, beside it, must not get through, or nothing was shown.
#[track_caller]
fn survives_expiry(kind: &Kind) {
    steady(|| {
        let lead = Protected::new(Tokens::living(LIFE), kind.paced(LONG), "");
        let (reading, open_connections) = std::thread::scope(|scope| {
            let frozen = scope.spawn(|| {
                let frozen = Protected::new(Tokens::living(LIFE), kind.paced(LONG), "");
                frozen_read(kind, &frozen)
            });
            let open = scope.spawn(|| {
                let origin = Origin::start(Site { cut_every: None, ..kind.paced(LONG) });
                let packets = kind.is_hls().then(|| ffmpeg_read(&Home::new(""), kind, &origin.url(kind.entry)));
                (packets, origin.connections())
            });
            let reading = lead.home.read(kind, "p", &lead.origin.url(kind.entry), &[]);
            let expected = reference(kind, lead.origin.site());
            let frozen = frozen.join().expect("no panic");
            assert!(frozen.run.code != Some(0) || frozen.packets != expected, "a token that was never renewed got everything");
            let (open, connections) = open.join().expect("no panic");
            if let Some(difference) = open.and_then(|open| difference(&expected, &open)) {
                panic!("ffmpeg itself reads this otherwise at this pace: {difference}");
            }
            (reading, connections)
        });
        assert_complete(kind, &reading, &lead.origin);
        assert!(reading.took >= Duration::from_secs(12), "it took only {:?}", reading.took);
        assert_eq!(lead.origin.count(401), 0, "{}", lead.origin.story());
        let accepted = lead.origin.accepted();
        assert!(accepted.len() >= 5, "only tokens {accepted:?} were seen\n{}", lead.origin.story());
        if kind.is_hls() {
            let connections = lead.origin.connections();
            assert!(
                connections <= open_connections,
                "{connections} connections, ffmpeg {open_connections}\n{}",
                lead.origin.story()
            );
        }
        let input = &reading.summary["inputs"][0];
        assert_eq!(input["packets"], json!(count(&reading.packets)), "{input}");
        assert_eq!(input["http_401"], json!(0), "{input}");
        assert_eq!(input["auth"], json!("p"), "{input}");
        assert_eq!(input["gaps"], json!([]), "{input}");
        assert!(input["token_swaps"].as_u64() >= Some(4), "{input}");
        assert_eq!(input["requests"], json!(lead.origin.log().len()), "{input}\n{}", lead.origin.story());
        assert_eq!(reading.summary["tokens"]["p"]["refreshes"], json!(lead.token_server.answered()), "{}", reading.summary);
        assert_eq!(reading.summary["exit"], json!("eof"));
    });
}

/// One token, from an agent that never brings another.
fn frozen_read(kind: &Kind, server: &Protected) -> Reading {
    let home = Home::new("[profile.frozen]\naccess_token = { file = \"token.txt\" }\n");
    home.write(".config/ffauth/token.txt", &server.tokens.issue());
    home.read(kind, "frozen", &server.origin.url(kind.entry), &["-auth_wait", "0"])
}

#[test]
fn mp4_with_moov_last_survives_expiry() {
    survives_expiry(&media::MP4_MOOV_LAST);
}

#[test]
fn mp4_with_moov_first_survives_expiry() {
    survives_expiry(&media::MP4_MOOV_FIRST);
}

#[test]
fn mpegts_survives_expiry() {
    survives_expiry(&media::MPEGTS);
}

#[test]
fn hls_survives_expiry() {
    survives_expiry(&media::HLS);
}

#[test]
fn hls_live_survives_expiry() {
    survives_expiry(&media::HLS_LIVE);
}

#[test]
fn hls_live_fmp4_survives_expiry() {
    survives_expiry(&media::HLS_LIVE_FMP4);
}

#[test]
fn hls_aes_survives_expiry() {
    survives_expiry(&media::HLS_AES);
}

#[test]
fn hls_byte_range_survives_expiry() {
    survives_expiry(&media::HLS_BYTE_RANGE);
}

#[test]
fn hls_master_with_separate_audio_survives_expiry() {
    survives_expiry(&media::HLS_MASTER);
}

/// What this program is for: ffmpeg with a token in `-headers` loses media and says that all went well.
#[test]
fn ffmpeg_with_a_static_header_loses_media_and_exits_with_0() {
    let kind = media::HLS;
    let lead = Protected::new(Tokens::living(LIFE), kind.paced(SHORT), "");
    let header = format!("Authorization: Bearer {}\r\n", lead.tokens.issue());
    let url = lead.origin.url(kind.entry);
    let run = finish(lead.home.program("ffmpeg", ["-v", "error", "-headers", &header, "-i", &url, "-c", "copy", "out.ts"]));
    run.expect_code(0);
    assert!(lead.origin.count(401) > 0, "{}", lead.origin.story());
}

/// The server ends tokens before their time and tells nobody: the same packets, and one token request for each token that was
/// refused, however many requests found out.
#[track_caller]
fn survives_early_death(kind: &Kind) {
    steady(|| {
        let lead = Protected::new(Tokens::dying_early(LIFE), kind.paced(LONG), "");
        let reading = lead.home.read(kind, "p", &lead.origin.url(kind.entry), &[]);
        assert_complete(kind, &reading, &lead.origin);
        lead.assert_one_refresh_for_each_refused_token(&reading);
    });
}

#[test]
fn mp4_with_moov_last_survives_early_death() {
    survives_early_death(&media::MP4_MOOV_LAST);
}

#[test]
fn mp4_with_moov_first_survives_early_death() {
    survives_early_death(&media::MP4_MOOV_FIRST);
}

#[test]
fn mpegts_survives_early_death() {
    survives_early_death(&media::MPEGTS);
}

#[test]
fn hls_survives_early_death() {
    survives_early_death(&media::HLS);
}

#[test]
fn hls_live_survives_early_death() {
    survives_early_death(&media::HLS_LIVE);
}

#[test]
fn hls_live_fmp4_survives_early_death() {
    survives_early_death(&media::HLS_LIVE_FMP4);
}

#[test]
fn hls_live_aes_survives_early_death() {
    survives_early_death(&media::HLS_LIVE_AES);
}

#[test]
fn hls_byte_range_survives_early_death() {
    survives_early_death(&media::HLS_BYTE_RANGE);
}

#[test]
fn hls_master_with_separate_audio_survives_early_death() {
    survives_early_death(&media::HLS_MASTER);
}

/// Two inputs with one profile: a token that both find refused is replaced once.
#[test]
fn two_inputs_share_one_refresh() {
    let kind = media::HLS;
    let lead = Protected::new(Tokens::dying_early(LIFE), kind.paced(SHORT), "");
    let url = lead.origin.url(kind.entry);
    let input = format!("-auth p -i {url}");
    let run = lead.home.line(&format!("-y -nostdin -copyts {input} {input} -map 0 -map 1 -c copy -f framemd5 both.framemd5"));
    run.expect_code(0);
    let both = run::packets(&lead.home.path("both.framemd5"));
    let expected = reference(&kind, lead.origin.site());
    for (stream, packets) in &expected {
        assert_eq!(both.get(stream), Some(packets), "the first input's stream {stream}");
        assert_eq!(both.get(&(stream + expected.len() as u32)), Some(packets), "the second input's stream {stream}");
    }
    let rejected = lead.origin.rejected();
    assert!(rejected.len() >= 3, "only tokens {rejected:?} were refused\n{}", lead.origin.story());
    assert_eq!(lead.token_server.answered(), rejected.len() as u64 + 1, "{rejected:?}\n{}", lead.origin.story());
}

/// Connections end in mid-body, and at that moment every token is dead.
#[track_caller]
fn survives_cuts(kind: &Kind, site: Site) {
    let site = Site { cut_every: Some(120_000), kill_on_cut: true, lasts: Duration::from_secs(4), ..site };
    let lead = Protected::new(Tokens::dying_early(Duration::from_secs(600)), site, "");
    let reading = lead.home.read(kind, "p", &lead.origin.url(kind.entry), &[]);
    assert_complete(kind, &reading, &lead.origin);
    let rejected = lead.origin.rejected();
    assert!(rejected.len() >= 5, "only tokens {rejected:?} were refused\n{}", lead.origin.story());
}

#[test]
fn cuts_with_dead_tokens_mp4_with_moov_last() {
    survives_cuts(&media::MP4_MOOV_LAST, media::MP4_MOOV_LAST.site());
}

#[test]
fn cuts_with_dead_tokens_mpegts() {
    survives_cuts(&media::MPEGTS, media::MPEGTS.site());
}

#[test]
fn cuts_with_dead_tokens_hls() {
    survives_cuts(&media::HLS, media::HLS.site());
}

#[test]
fn cuts_with_dead_tokens_hls_live() {
    survives_cuts(&media::HLS_LIVE, media::HLS_LIVE.site());
}

#[test]
fn cuts_with_dead_tokens_hls_fmp4() {
    survives_cuts(&media::HLS_FMP4, media::HLS_FMP4.site());
}

#[test]
fn cuts_with_dead_tokens_hls_aes() {
    survives_cuts(&media::HLS_AES, media::HLS_AES.site());
}

#[test]
fn cuts_with_dead_tokens_hls_byte_range() {
    survives_cuts(&media::HLS_BYTE_RANGE, media::HLS_BYTE_RANGE.site());
}

#[test]
fn cuts_with_dead_tokens_chunked() {
    survives_cuts(&media::MPEGTS, Site { framing: Framing::Chunked, ..media::MPEGTS.site() });
    survives_cuts(&media::HLS, Site { framing: Framing::Chunked, ..media::HLS.site() });
}

/// Without ranges what was read already has to be read again and thrown away.
#[test]
fn cuts_with_dead_tokens_without_ranges() {
    std::thread::scope(|scope| {
        for kind in [media::MPEGTS, media::MP4_MOOV_FIRST, media::HLS] {
            scope.spawn(move || survives_cuts(&kind, Site { ranges: false, ..kind.site() }));
        }
    });
}

/// Bodies whose end is told by the end of the connection, and servers that know no ranges, left alone.
#[test]
fn other_servers_are_read_as_well() {
    steady(|| {
        std::thread::scope(|scope| {
            for framing in [Framing::Length, Framing::Chunked, Framing::Close] {
                for kind in [media::MPEGTS, media::MP4_MOOV_FIRST, media::HLS, media::HLS_AES] {
                    scope.spawn(move || {
                        let site = Site { ranges: false, framing, lasts: Duration::from_secs(3), ..kind.site() };
                        let lead = Protected::new(Tokens::living(LIFE), site, "");
                        let reading = lead.home.read(&kind, "p", &lead.origin.url(kind.entry), &[]);
                        assert_complete(&kind, &reading, &lead.origin);
                        assert_eq!(lead.origin.count(401), 0, "{}", lead.origin.story());
                    });
                }
            }
        });
    });
}

/// That a server has no ranges is learnt once.
#[test]
fn segments_of_a_server_without_ranges_are_asked_for_once() {
    let kind = media::HLS;
    let lead = Protected::new(Tokens::living(Duration::from_secs(600)), Site { ranges: false, ..kind.site() }, "");
    let reading = lead.home.read(&kind, "p", &lead.origin.url(kind.entry), &[]);
    assert_complete(&kind, &reading, &lead.origin);
    let asked: Vec<_> = lead.origin.log().into_iter().map(|seen| seen.path).filter(|path| path.ends_with(".ts")).collect();
    let segments = asked.iter().collect::<BTreeSet<_>>().len();
    assert!(segments > 1 && asked.len() == segments + 1, "{}", lead.origin.story());
}

/// The token stands in the query of every request, or in a header field of the vendor's own.
#[track_caller]
fn placed(kind: &Kind, placement: Placement, profile: &str) {
    steady(|| {
        let site = Site { placement, ..kind.paced(SHORT) };
        let lead = Protected::new(Tokens::living(LIFE), site, profile);
        let url = lead.origin.url(&format!("{}?quality=high", kind.entry));
        let reading = lead.home.read(kind, "p", &url, &[]);
        assert_complete(kind, &reading, &lead.origin);
        assert_eq!(lead.origin.count(401), 0, "{}", lead.origin.story());
        assert!(lead.origin.accepted().len() >= 3, "{}", lead.origin.story());
        for entry in lead.origin.log() {
            assert!(!entry.text.contains("authorization:"), "{}", entry.text);
            if entry.path.ends_with(kind.entry) {
                assert!(entry.text.contains("quality=high"), "the user's own query is lost: {}", entry.text);
            }
        }
        let shown = format!("{}{}{}", reading.run.stdout, reading.run.stderr, reading.summary);
        for token in lead.tokens.all() {
            assert!(!shown.contains(&token), "a token is shown:\n{shown}");
        }
    });
}

const QUERY: &str = "placement = { query = \"access_token\" }";

#[test]
fn query_mp4_with_moov_last() {
    placed(&media::MP4_MOOV_LAST, Placement::Query("access_token"), QUERY);
}

#[test]
fn query_mpegts() {
    placed(&media::MPEGTS, Placement::Query("access_token"), QUERY);
}

#[test]
fn query_hls() {
    placed(&media::HLS, Placement::Query("access_token"), QUERY);
}

#[test]
fn query_hls_live() {
    placed(&media::HLS_LIVE, Placement::Query("access_token"), QUERY);
}

#[test]
fn query_hls_live_fmp4() {
    placed(&media::HLS_LIVE_FMP4, Placement::Query("access_token"), QUERY);
}

#[test]
fn query_hls_aes() {
    placed(&media::HLS_AES, Placement::Query("access_token"), QUERY);
}

#[test]
fn query_hls_byte_range() {
    placed(&media::HLS_BYTE_RANGE, Placement::Query("access_token"), QUERY);
}

#[test]
fn query_hls_master_with_separate_audio() {
    placed(&media::HLS_MASTER, Placement::Query("access_token"), QUERY);
}

#[test]
fn a_header_field_of_the_vendors_own() {
    let profile = "placement = { header = \"X-Api-Token\", prefix = \"\" }";
    placed(&media::HLS, Placement::Field("x-api-token"), profile);
}

/// Some of the media is on another host. It arrives; that host sees no token and none of the profile's `media_headers`.
#[track_caller]
fn foreign(kind: &Kind, replace: &str, redirects: &[&str], profile: &str) -> Origin {
    let foreign = Origin::start(kind.site());
    let site = Site {
        replace: if replace.is_empty() { Vec::new() } else { vec![(replace.to_owned(), foreign.url(replace))] },
        redirects: redirects.iter().map(|path| (format!("/{path}"), 302, foreign.url(path))).collect(),
        ..kind.site()
    };
    let lead = Protected::new(Tokens::living(LIFE), site, "");
    let profile = profile.replace("FOREIGN", &foreign.base()).replace("HOME", &lead.origin.base());
    lead.set_profile(&format!("{profile}\nmedia_headers = {{ X-Policy = \"canary-policy\" }}"));
    let reading = lead.home.read(kind, "p", &lead.origin.url(kind.entry), &[]);
    assert_complete(kind, &reading, &lead.origin);
    assert!(!foreign.log().is_empty(), "the other host was never asked");
    assert!(lead.origin.log().iter().all(|entry| entry.text.contains("x-policy: canary-policy")), "{}", lead.origin.story());
    if profile.is_empty() {
        let mut secrets = lead.tokens.all();
        secrets.extend(["authorization".to_owned(), "canary-policy".to_owned()]);
        assert_eq!(foreign.mentions(&secrets), Vec::<String>::new());
    } else {
        assert_eq!(foreign.mentions(&lead.tokens.all()).len(), foreign.log().len(), "{}", foreign.story());
    }
    foreign
}

#[test]
fn a_foreign_segment_gets_no_token() {
    foreign(&media::HLS, "index4.ts", &[], "");
}

#[test]
fn a_foreign_segment_of_a_live_stream_gets_no_token() {
    foreign(&media::HLS_LIVE, "index4.ts", &[], "");
}

#[test]
fn a_foreign_key_gets_no_token() {
    foreign(&media::HLS_AES, "enc.key", &[], "");
}

#[test]
fn a_foreign_init_section_gets_no_token() {
    foreign(&media::HLS_FMP4, "init.mp4", &[], "");
}

#[test]
fn a_foreign_audio_playlist_gets_no_token() {
    foreign(&media::HLS_MASTER, "stream-2.m3u8", &[], "");
}

#[test]
fn a_redirect_to_another_host_carries_no_token() {
    foreign(&media::HLS, "", &["index2.ts", "index7.ts"], "");
    foreign(&media::MP4_MOOV_LAST, "", &["video.mp4"], "");
    foreign(&media::MPEGTS, "", &["video.ts"], "");
}

#[test]
fn a_redirected_playlist_takes_its_segments_from_the_new_place() {
    let other = foreign(&media::HLS, "", &["index.m3u8"], "");
    assert!(other.log().len() > 10, "{}", other.story());
}

/// The counter-proof: with the other host in `origins` it does get the token.
#[test]
fn another_host_in_origins_gets_the_token() {
    let profile = "origins = [\"HOME\", \"FOREIGN\"]";
    foreign(&media::HLS, "index4.ts", &[], profile);
    foreign(&media::HLS_AES, "enc.key", &[], profile);
    foreign(&media::HLS, "", &["index2.ts"], profile);
    foreign(&media::MPEGTS, "", &["video.ts"], profile);
}

/// Away and back again: each hop is judged by its own origin.
#[test]
fn a_redirect_chain_is_judged_hop_by_hop() {
    let kind = media::MPEGTS;
    let tokens = Tokens::living(LIFE);
    let home_origin = Origin::start(Site { tokens: Some(tokens.clone()), ..kind.site() });
    let between =
        Origin::start(Site { redirects: vec![("/video.ts".to_owned(), 307, home_origin.url("video.ts"))], ..kind.site() });
    let redirects = vec![("/video.ts".to_owned(), 302, between.url("video.ts"))];
    let first = Origin::start(Site { tokens: Some(tokens.clone()), redirects, ..kind.site() });
    let token_server = TokenServer::start(&tokens);
    let origins = format!("origins = [\"{}\", \"{}\"]", first.base(), home_origin.base());
    let home = Home::new(&profile("p", &token_server, &origins));
    let reading = home.read(&kind, "p", &first.url(kind.entry), &[]);
    assert_complete(&kind, &reading, &home_origin);
    assert_eq!(between.mentions(&tokens.all()), Vec::<String>::new());
    assert!(!between.log().is_empty() && first.count(401) == 0 && home_origin.count(401) == 0);
}

/// A redirect within the origin, met again and again: segments and playlist.
#[test]
fn a_redirect_within_the_origin_keeps_the_token() {
    steady(|| {
        let kind = media::HLS;
        let moved = |name: &str| (format!("/old-{name}"), 302, name.to_owned());
        let site = Site {
            replace: vec![
                ("index3.ts".to_owned(), "old-index3.ts".to_owned()),
                ("index6.ts".to_owned(), "old-index6.ts".to_owned()),
            ],
            redirects: vec![moved("index.m3u8"), moved("index3.ts"), moved("index6.ts")],
            ..kind.paced(SHORT)
        };
        let lead = Protected::new(Tokens::living(LIFE), site, "");
        let reading = lead.home.read(&kind, "p", &lead.origin.url("old-index.m3u8"), &[]);
        assert_complete(&kind, &reading, &lead.origin);
        assert_eq!(lead.origin.count(401), 0, "{}", lead.origin.story());
    });
}

/// A segment on a host that is not in `origins` and wants a token all the same: an error that says what to add, no silent gap.
#[test]
fn a_foreign_host_that_wants_a_token_is_named() {
    let kind = media::HLS;
    let tokens = Tokens::living(LIFE);
    let foreign = Origin::start(Site { tokens: Some(tokens.clone()), ..kind.site() });
    let site = Site { replace: vec![("index4.ts".to_owned(), foreign.url("index4.ts"))], ..kind.site() };
    let lead = Protected::new(tokens, site, "");
    let reading = lead.home.read(&kind, "p", &lead.origin.url(kind.entry), &[]);
    reading.run.expect_code(1);
    assert!(reading.run.stderr.contains(&foreign.base()) && reading.run.stderr.contains("origins"), "{}", reading.run.tail());
}

/// Media that stays refused with a fresh token is lost because of authentication: exit 1 and the object named, where ffmpeg
/// would skip it and exit with 0. There is one refresh, not a storm.
#[test]
fn a_segment_that_stays_refused_is_an_error() {
    let kind = media::HLS;
    let refusals = vec![Refusal { path: "index5.ts", status: 401, times: u32::MAX }];
    let lead = Protected::new(Tokens::dying_early(Duration::from_secs(600)), Site { refusals, ..kind.site() }, "");
    let reading = lead.home.read(&kind, "p", &lead.origin.url(kind.entry), &["-auth_wait", "3"]);
    reading.run.expect_code(1);
    let stderr = &reading.run.stderr;
    assert!(stderr.contains("index5.ts") && stderr.contains("401") && stderr.contains("invalid_token"), "{}", reading.run.tail());
    assert!(lead.token_server.answered() <= 3, "{} token requests", lead.token_server.answered());
}

/// 403 is no matter of freshness: no refresh.
#[test]
fn a_403_is_an_error_without_a_refresh() {
    let kind = media::HLS;
    let refusals = vec![Refusal { path: "index.m3u8", status: 403, times: u32::MAX }];
    let lead = Protected::new(Tokens::dying_early(Duration::from_secs(600)), Site { refusals, ..kind.site() }, "");
    let reading = lead.home.read(&kind, "p", &lead.origin.url(kind.entry), &[]);
    reading.run.expect_code(1);
    assert!(reading.run.stderr.contains("403"), "{}", reading.run.tail());
    assert_eq!(lead.token_server.answered(), 1);
}

/// The token endpoint is away for longer than a token lives; the read waits for it.
#[test]
fn an_outage_longer_than_a_token_is_waited_out() {
    std::thread::scope(|scope| {
        for kind in [media::HLS, media::HLS_LIVE, media::MPEGTS] {
            scope.spawn(move || {
                let lead = Protected::new(Tokens::living(LIFE), kind.paced(SHORT), "");
                let reading = std::thread::scope(|scope| {
                    scope.spawn(|| {
                        std::thread::sleep(Duration::from_secs(2));
                        lead.token_server.set(Mood::Unavailable);
                        std::thread::sleep(Duration::from_secs(5));
                        lead.token_server.set(Mood::Well);
                    });
                    lead.home.read(&kind, "p", &lead.origin.url(kind.entry), &[])
                });
                assert_complete(&kind, &reading, &lead.origin);
            });
        }
    });
}

/// `-auth a,b`: playlist and segments on two hosts, each with its own authorization server; each host sees only its own tokens.
#[test]
fn each_request_gets_the_profile_of_its_origin() {
    steady(|| {
        let kind = media::HLS;
        let (a, b) = (Tokens::new("alpha", LIFE, Some(2)), Tokens::new("beta", LIFE, Some(2)));
        let (a_server, b_server) = (TokenServer::start(&a), TokenServer::start(&b));
        let segments = Origin::start(Site { tokens: Some(b.clone()), ..kind.paced(SHORT) });
        let replace = vec![("index".to_owned(), format!("{}/index", segments.base()))];
        let playlist = Origin::start(Site { tokens: Some(a.clone()), replace, ..kind.site() });
        let config = [
            profile("a", &a_server, &format!("origins = [\"{}\"]", playlist.base())),
            profile("b", &b_server, &format!("origins = [\"{}\"]", segments.base())),
        ];
        let home = Home::new(&config.concat());
        let reading = home.read(&kind, "a,b", &playlist.url(kind.entry), &[]);
        assert_complete(&kind, &reading, &segments);
        assert_eq!(playlist.count(401) + segments.count(401), 0);
        assert_eq!(playlist.mentions(&b.all()), Vec::<String>::new());
        assert_eq!(segments.mentions(&a.all()), Vec::<String>::new());
    });
}

/// Several names without `origins` cannot be told apart.
#[test]
fn several_profiles_must_say_their_origins() {
    let server = TokenServer::start(&Tokens::living(LIFE));
    let home = Home::new(&[profile("a", &server, ""), profile("b", &server, "")].concat());
    let run: Finished = home.line("-auth a,b -i http://127.0.0.1:9/index.m3u8 -c copy out.ts");
    run.expect_code(1);
    assert!(run.stderr.contains("origins"), "{}", run.tail());
    assert!(server.requests().is_empty());
}
