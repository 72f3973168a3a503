//! Tokens that are bound to a key (RFC 9449): a proof with each request, for tokens and for media.

use super::*;
use crate::support::dpop::Proofs;
use crate::support::media::Kind;
use crate::support::origin::Refusal;
use crate::support::run::{Packets, difference, ffmpeg_read};

/// A token endpoint that binds tokens and a media server that wants the proofs.
struct Bound {
    tokens: Arc<Tokens>,
    at_endpoint: Arc<Proofs>,
    at_media: Arc<Proofs>,
    token_server: TokenServer,
    origin: Origin,
    home: Home,
}

impl Bound {
    /// The nonces of the media server last for so many requests; 0 = it asks for none.
    fn new(life: Duration, site: Site, nonce_lasts: u64) -> Self {
        let tokens = Tokens::living(life);
        let (at_endpoint, at_media) = (Proofs::asking_for_nonces(2), Proofs::asking_for_nonces(nonce_lasts));
        let token_server = TokenServer::binding(&tokens, &at_endpoint);
        let origin = Origin::start(Site { tokens: Some(Arc::clone(&tokens)), proofs: Some(Arc::clone(&at_media)), ..site });
        let home = Home::new(&run::profile("p", &token_server, "dpop = true"));
        Self { tokens, at_endpoint, at_media, token_server, origin, home }
    }

    /// Reads everything, and expects what stands on disk.
    #[track_caller]
    fn read(&self, kind: &Kind) {
        let reading = self.home.read(kind, "p", &self.origin.url(kind.entry), &[]);
        reading.run.expect_code(0);
        let difference = difference(&expected(kind), &reading.packets);
        assert_eq!(difference, None, "{}\n{}", reading.run.tail(), self.origin.story());
        let delivered = self.origin.log().iter().filter(|entry| entry.status < 400).count();
        assert_eq!(self.at_media.accepted(), delivered, "{}", self.origin.story());
        assert_eq!(self.at_media.keys(), self.at_endpoint.keys(), "one key for the tokens and their use");
        assert_eq!(self.at_media.keys().len(), 1);
    }
}

fn expected(kind: &Kind) -> Packets {
    let kind = &kind.recorded();
    let open = Origin::start(kind.site());
    ffmpeg_read(&Home::new(""), kind, &open.url(kind.entry))
}

#[test]
fn a_bound_token_reads_playlists_segments_keys_and_files() {
    for kind in [media::HLS, media::HLS_FMP4, media::HLS_AES, media::HLS_BYTE_RANGE, media::MP4_MOOV_LAST, media::MPEGTS] {
        let bound = Bound::new(Duration::from_secs(300), kind.site(), 0);
        bound.read(&kind);
        assert_eq!(bound.origin.count(401), 0, "{}", bound.origin.story());
    }
}

#[test]
fn a_nonce_that_changes_costs_a_request_and_no_token() {
    let bound = Bound::new(Duration::from_secs(300), media::HLS.site(), 4);
    bound.read(&media::HLS);
    assert_eq!(bound.token_server.answered(), 1);
    let refused = bound.origin.count(401);
    assert!((2..=4).contains(&refused), "{refused} of {}\n{}", bound.origin.log().len(), bound.origin.story());
}

/// Tokens that live two seconds, on a read of seven.
fn survives_expiry(kind: &Kind, site: Site) {
    let bound = Bound::new(Duration::from_secs(2), site, 0);
    bound.read(kind);
    assert!(bound.origin.accepted().len() >= 3, "{:?}", bound.origin.accepted());
    assert_eq!(bound.origin.count(401), 0, "{}", bound.origin.story());
}

#[test]
fn bound_tokens_are_swapped_between_segments() {
    survives_expiry(&media::HLS, media::HLS.paced(Duration::from_secs(7)));
}

#[test]
fn bound_tokens_are_swapped_in_a_live_stream() {
    survives_expiry(&media::HLS_LIVE, media::HLS_LIVE.paced(Duration::ZERO));
}

/// A file is one long response; where it is cut, its next request shows the token of that moment.
#[test]
fn bound_tokens_are_swapped_where_a_file_is_cut() {
    let site = Site { cut_every: Some(400_000), ..media::MPEGTS.paced(Duration::from_secs(7)) };
    survives_expiry(&media::MPEGTS, site);
}

#[test]
fn an_upload_with_a_bound_token_proves_each_object() {
    let bound = Bound::new(Duration::from_secs(300), media::HLS.site(), 3);
    let input = media::MPEGTS.file().display().to_string();
    let output = bound.origin.url("out/live.m3u8");
    let words = ["-nostdin", "-i", &input, "-c", "copy", "-auth", "p", "-f", "hls", "-method", "PUT", &output];
    run::finish(bound.home.ffauth(words)).expect_code(0);
    let stored = bound.origin.stored();
    assert!(stored.len() >= 5 && stored.contains_key("/out/live.m3u8"), "{:?}", stored.keys());
    assert_eq!((bound.token_server.answered(), bound.tokens.all().len()), (1, 1));
}

/// The key is kept with the token: the next run uses both.
#[test]
fn the_next_run_has_the_same_key() {
    let bound = Bound::new(Duration::from_secs(300), media::HLS.site(), 0);
    bound.read(&media::HLS);
    bound.read(&media::HLS);
    assert_eq!(bound.token_server.answered(), 1);
}

/// A server that binds nothing is told apart.
#[test]
fn a_token_that_is_not_bound_is_refused_where_one_was_asked_for() {
    let setup = Setup::new();
    let run = setup.home("client_id = \"app\"\nclient_secret = \"s\"\ndpop = true").line("token p");
    run.expect_code(4);
    assert!(run.stderr.contains("dpop = true"), "{}", run.tail());
}

/// Waiting helps as it does with other tokens, and what waiting does not bring is told.
#[test]
fn a_segment_that_is_refused_for_a_while_is_waited_for() {
    for kind in [media::HLS, media::HLS_AES] {
        for status in [503, 404] {
            let refusals = vec![Refusal { path: "index4.ts", status, times: 5 }];
            Bound::new(Duration::from_secs(300), Site { refusals, ..kind.site() }, 0).read(&kind);
        }
    }
    let refusals = vec![Refusal { path: "index4.ts", status: 404, times: u32::MAX }];
    let bound = Bound::new(Duration::from_secs(300), Site { refusals, ..media::HLS.site() }, 0);
    let reading = bound.home.read(&media::HLS, "p", &bound.origin.url(media::HLS.entry), &[]);
    reading.run.expect_code(0);
    assert_eq!(reading.summary["inputs"][0]["segments_lost"], json!(1), "{}", reading.summary);
    assert!(
        reading.run.stderr.contains("index4.ts") && reading.run.stderr.contains("1 segment was lost"),
        "{}",
        reading.run.tail()
    );
}

/// What a playlist names is relative to where it was found.
#[test]
fn a_playlist_behind_a_redirect_is_read_from_where_it_is() {
    let redirects = vec![("/start.m3u8".to_owned(), 302, "/hls/index.m3u8".to_owned())];
    let site = Site { folder: media::folder().to_owned(), redirects, ..media::HLS.site() };
    let bound = Bound::new(Duration::from_secs(300), site, 0);
    let reading = bound.home.read(&media::HLS, "p", &bound.origin.url("start.m3u8"), &[]);
    reading.run.expect_code(0);
    assert_eq!(difference(&expected(&media::HLS), &reading.packets), None, "{}", bound.origin.story());
}

/// Another tool gets the right scheme, and is told that it will not do.
#[test]
fn a_bound_token_is_printed_with_its_scheme_and_a_warning() {
    let bound = Bound::new(Duration::from_secs(300), Site::default(), 0);
    let run = bound.home.line("token p --format header");
    run.expect_code(0);
    assert_eq!(run.stdout, format!("Authorization: DPoP {}\n", bound.tokens.all()[0]));
    assert!(run.stderr.contains("bound to a key"), "{}", run.stderr);
    let shown = bound.home.line("profiles show p --json");
    shown.expect_code(0);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(shown["profile"]["dpop"], json!(true), "{shown}");
}

/// Keys, assertions and proofs are seen nowhere, whatever is logged.
#[test]
fn nothing_that_proves_is_shown() {
    let bound = Bound::new(Duration::from_secs(300), media::HLS.site(), 4);
    let key = openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "");
    bound.home.write(".config/ffauth/key.pem", &key);
    bound.home.write(
        run::CONFIG,
        &format!(
            "[profile.p]\ntoken_url = \"{}\"\nclient_id = \"app\"\ngrant = \"client_credentials\"\ndpop = true\n\
             client_auth = \"private_key_jwt\"\nprivate_key = {{ file = \"key.pem\" }}\n",
            bound.token_server.url()
        ),
    );
    let url = bound.origin.url(media::HLS.entry);
    let words = ["-nostdin", "-loglevel", "trace", "-auth_log", "trace", "-report", "-summary", "summary.json", "-auth", "p"];
    let job = run::finish(bound.home.ffauth(words.into_iter().chain(["-i", &url, "-c", "copy", "out.ts"])));
    job.expect_code(0);
    let mut secrets: Vec<String> = key.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect();
    secrets.extend(bound.tokens.all());
    // What every JWT begins with: `{"`.
    secrets.push("eyJ".to_owned());
    let check = bound.home.line(&format!("check -auth p {url}"));
    check.expect_code(0);
    let shown = bound.home.line("profiles show p");
    shown.expect_code(0);
    let mut texts = vec![job.stderr, job.stdout, check.stdout, check.stderr, shown.stdout];
    let files = std::fs::read_dir(bound.home.path("")).expect("a folder").flatten().filter(|entry| entry.path().is_file());
    texts.extend(files.map(|entry| String::from_utf8_lossy(&std::fs::read(entry.path()).expect("a file")).into_owned()));
    assert!(bound.token_server.requests().iter().any(|request| request.body.contains("eyJ")), "nothing was proved");
    for text in &texts {
        let hit = text.lines().find(|line| secrets.iter().any(|secret| line.contains(secret)));
        assert_eq!(hit, None);
    }
}
