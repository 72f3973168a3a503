//! A canary for a secret, and one for a token: they go where they must and are seen nowhere else.

use std::time::Duration;

use crate::support::media;
use crate::support::origin::{Origin, Placement, Site};
use crate::support::run::{CONFIG, Finished, Home, start};
use crate::support::token_server::{TokenServer, Tokens};

const SECRET: &str = "canary-secret-zqx";
const TOKEN: &str = "canary-token-zqx";
/// What both have in common, and base64 of `app:canary-secret-zqx`.
const TRACES: [&str; 2] = ["canary", "YXBwOmNhbmFyeS1zZWNyZXQtenF4"];

struct Canary {
    tokens: std::sync::Arc<Tokens>,
    _token_server: TokenServer,
    origin: Origin,
    home: Home,
}

impl Canary {
    fn new(placement: Placement, profile: &str) -> Self {
        let tokens = Tokens::new(TOKEN, Duration::from_secs(2), Some(2));
        let token_server = TokenServer::start(&tokens);
        let site = Site { placement, tokens: Some(tokens.clone()), ..media::HLS.paced(Duration::from_secs(3)) };
        let origin = Origin::start(site);
        let url = token_server.url();
        let config =
            format!("[profile.p]\ntoken_url = \"{url}\"\nclient_id = \"app\"\nclient_secret = \"{SECRET}\"\n{profile}\n");
        Self { tokens, _token_server: token_server, origin, home: Home::new(&config) }
    }

    /// Runs the command line and looks at /proc/PID/cmdline meanwhile; `shows`: what it is for is to print the token.
    #[track_caller]
    fn run(&self, line: &str, shows_token: bool) -> Finished {
        let mut running = start(self.home.ffauth(line.split(' ')));
        let mut seen = Vec::new();
        while !running.ended() {
            seen.extend(std::fs::read(format!("/proc/{}/cmdline", running.id())).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(50));
        }
        let run = running.finish();
        run.expect_code(0);
        let mut shown = vec![("stderr", run.stderr.clone()), ("/proc", String::from_utf8_lossy(&seen).into_owned())];
        if shows_token {
            assert!(!run.stdout.contains(SECRET), "the secret is printed");
        } else {
            shown.push(("stdout", run.stdout.clone()));
        }
        for entry in std::fs::read_dir(self.home.path("")).expect("a folder").flatten() {
            if entry.file_type().expect("a type").is_file() {
                let bytes = std::fs::read(entry.path()).expect("a file");
                shown.push(("a file", String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        for (place, text) in &shown {
            for trace in TRACES {
                let hit = text.lines().find(|line| line.contains(trace));
                assert_eq!(hit, None, "in {place} of `{line}`");
            }
        }
        assert!(!self.tokens.all().is_empty(), "no token was ever used");
        run
    }
}

#[test]
fn the_main_job_shows_nothing() {
    let canary = Canary::new(Placement::Header, "media_headers = { X-Policy = \"canary-policy\" }");
    let url = canary.origin.url("index.m3u8");
    let line =
        format!("-nostdin -y -loglevel trace -auth_log trace -report -summary summary.json -auth p -i {url} -c copy out.ts");
    let run = canary.run(&line, false);
    assert!(run.stderr.contains("GET /index0.ts HTTP/1.1"), "the request line is not logged");
    assert!(run.stderr.contains("Authorization: Bearer ***"), "the header is not logged, masked");
    let arrived = canary.origin.mentions(&[TOKEN.to_owned()]);
    assert!(!arrived.is_empty() && arrived.iter().all(|text| text.contains("canary-policy")), "the canaries never flew");
}

/// libav logs each URL that it opens, and the request line.
#[test]
fn a_token_in_the_query_is_not_shown() {
    let canary = Canary::new(Placement::Query("access_token"), "placement = { query = \"access_token\" }");
    let url = canary.origin.url("index.m3u8?own=canary");
    let config = canary.home.path(CONFIG);
    assert!(config.exists());
    let mut command =
        canary.home.ffauth(["-nostdin", "-y", "-loglevel", "trace", "-summary", "summary.json", "-progress", "progress.txt"]);
    command.args(["-auth", "p", "-i", &url, "-c", "copy", "out.ts"]);
    let run = crate::support::run::finish(command);
    run.expect_code(0);
    assert!(run.stderr.contains("/index.m3u8?***"), "{}", run.tail());
    let summary = canary.home.summary().to_string();
    let progress = std::fs::read_to_string(canary.home.path("progress.txt")).expect("progress");
    for text in [&run.stderr, &run.stdout, &summary, &progress] {
        assert_eq!(text.lines().find(|line| line.contains("canary")), None);
    }
}

/// A playlist that was written by the job does not hold the token either.
#[test]
fn written_playlists_hold_no_token() {
    let canary = Canary::new(Placement::Query("access_token"), "placement = { query = \"access_token\" }");
    let (from, to) = (canary.origin.url("index.m3u8"), canary.origin.url("copy.m3u8"));
    let line = format!(
        "-nostdin -loglevel trace -auth p -i {from} -c copy -f hls -hls_time 2 -hls_list_size 0 -method PUT -auth p {to}"
    );
    canary.run(&line, false);
    let stored = canary.origin.stored();
    let playlist = String::from_utf8_lossy(&stored["/copy.m3u8"]).into_owned();
    assert!(playlist.contains("copy0.ts") && !playlist.contains("canary"), "{playlist}");
}

#[test]
fn probe_and_check_show_nothing() {
    let canary = Canary::new(Placement::Header, "");
    let url = canary.origin.url("index.m3u8");
    canary.run(&format!("probe -loglevel trace -show_format -show_streams -of json -auth p {url}"), false);
    canary.run(&format!("check -auth p {url}"), false);
    canary.run(&format!("check --json -auth p {url}"), false);
}

/// `token` prints the token: on stdout, once, and the secret nowhere.
#[test]
fn token_and_profiles_show_no_secret() {
    let canary = Canary::new(Placement::Header, "");
    for format in ["bare", "header", "json", "env", "curl", "exec-credential"] {
        let run = canary.run(&format!("token p --format {format}"), true);
        assert_eq!(run.stdout.matches(TOKEN).count(), 1, "{format}: {}", run.stdout);
    }
    canary.run("profiles", false);
    canary.run("profiles --json", false);
    canary.run("profiles show p", false);
    canary.run("providers", false);
}

/// Errors quote servers and configurations, but not these.
#[test]
fn errors_show_nothing() {
    let canary = Canary::new(Placement::Header, "");
    let url = canary.origin.url("missing.m3u8?sig=canary");
    let line = format!("-nostdin -loglevel trace -auth_log trace -auth p -i {url} -c copy out.ts");
    let run = canary.home.line(&line);
    run.expect_code(1);
    let bad = Home::new(&format!("[profile.p]\nclient_secrte = \"{SECRET}\"\n"));
    let typo = bad.line("token p");
    typo.expect_code(2);
    for text in [&run.stderr, &run.stdout, &typo.stderr, &typo.stdout] {
        assert_eq!(text.lines().find(|line| line.contains("canary")), None);
    }
}

/// What is stored belongs to the user alone.
#[test]
fn the_token_store_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let canary = Canary::new(Placement::Header, "");
    canary.run("token p", true);
    let folder = canary.home.path(".local/state/ffauth/tokens");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("a store").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut entries = 0;
    for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
        assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
        assert!(!entry.file_name().to_string_lossy().contains("canary"));
        assert!(!std::fs::read_to_string(entry.path()).expect("text").contains(SECRET), "the client secret is stored");
        entries += 1;
    }
    assert!(entries > 0);
}
