//! What is wrong is named, with what to do about it; what was written before stays playable.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::Protected;
use crate::support::media;
use crate::support::origin::{Origin, Refusal, Site};
use crate::support::run::{CONFIG, Finished, Home, finish, profile, start};
use crate::support::server::closed_port;
use crate::support::token_server::{Mood, SECRET, TokenServer, Tokens};

/// Fails unless the program ended with `code` and named all of `words` on stderr.
#[track_caller]
fn says(run: &Finished, code: i32, words: &[&str]) {
    run.expect_code(code);
    let stderr = run.stderr.replace('`', "");
    for word in words {
        assert!(stderr.contains(word), "`{word}` is not in:\n{}", run.tail());
    }
    assert!(!run.stderr.contains(SECRET) && !run.stderr.contains("panicked"), "{}", run.tail());
}

fn lead() -> Protected {
    Protected::new(Tokens::living(Duration::from_secs(600)), media::MPEGTS.site(), "")
}

/// Reads the file of [`lead`].
fn read(lead: &Protected, more: &str) -> Finished {
    let url = lead.origin.url("video.ts");
    lead.home.line(&format!("-nostdin -y {more} -auth p -i {url} -c copy out.ts"))
}

/// Packets that can be read from what was written.
#[track_caller]
fn playable(home: &Home, file: &str) -> usize {
    let probe = ["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts", "-of", "csv=p=0", file];
    let run = finish(home.program("ffprobe", probe));
    run.expect_code(0);
    run.stdout.lines().count()
}

#[test]
fn an_unknown_profile() {
    let server = TokenServer::start(&Tokens::living(Duration::from_secs(600)));
    let home = Home::new(&[profile("studio", &server, ""), profile("archive", &server, "")].concat());
    says(&home.line("-auth studoi -i http://127.0.0.1:9/x.ts -c copy out.ts"), 1, &["studoi", "studio"]);
    says(&home.line("token studoi"), 2, &["studoi", "studio"]);
    let nothing = Home::new("");
    says(&nothing.line("-auth x -i http://127.0.0.1:9/x.ts -c copy out.ts"), 1, &["profile x", "config.toml"]);
}

#[test]
fn a_missing_secret() {
    let lead = lead();
    for (source, word) in [
        ("{ env = \"NO_SUCH_SECRET\" }", "NO_SUCH_SECRET"),
        ("{ file = \"no-such.secret\" }", "no-such.secret"),
        ("{ command = [\"no-such-program\"] }", "no-such-program"),
        ("{ command = [\"false\"] }", "false"),
        ("{ credential = \"no-such-credential\" }", "no-such-credential"),
    ] {
        let config =
            format!("[profile.p]\ntoken_url = \"{}\"\nclient_id = \"app\"\nclient_secret = {source}\n", lead.token_server.url());
        lead.home.write(CONFIG, &config);
        let began = Instant::now();
        says(&read(&lead, ""), 1, &["client_secret", word]);
        assert!(began.elapsed() < Duration::from_secs(15), "{source}: {:?}", began.elapsed());
    }
    assert!(lead.origin.log().is_empty() && lead.token_server.requests().is_empty());
}

#[test]
fn files_that_others_can_read_or_change() {
    let lead = lead();
    let chmod = |path: &str, mode| {
        std::fs::set_permissions(lead.home.path(path), Permissions::from_mode(mode)).expect("permissions");
    };
    chmod(CONFIG, 0o644);
    says(&read(&lead, ""), 1, &["config.toml", "client_secret", "chmod"]);
    let config = format!(
        "[profile.p]\ntoken_url = \"{}\"\nclient_id = \"app\"\nclient_secret = {{ file = \"app.secret\" }}\n",
        lead.token_server.url()
    );
    lead.home.write(CONFIG, &config);
    lead.home.write(".config/ffauth/app.secret", SECRET);
    for mode in [0o644, 0o640, 0o666] {
        chmod(".config/ffauth/app.secret", mode);
        says(&read(&lead, ""), 1, &["app.secret"]);
    }
    chmod(".config/ffauth/app.secret", 0o600);
    chmod(CONFIG, 0o622);
    says(&read(&lead, ""), 1, &["config.toml"]);
    assert!(lead.token_server.requests().is_empty());
    chmod(CONFIG, 0o644);
    says(&read(&lead, ""), 0, &[]);
}

#[test]
fn an_unknown_key() {
    let lead = lead();
    lead.set_profile("scoep = [\"a\"]");
    says(&read(&lead, ""), 1, &["config.toml", "scoep", "scope", "5"]);
    says(&lead.home.line("token p"), 2, &["scoep", "scope"]);
    lead.home.write(CONFIG, "[profile.p\n");
    says(&read(&lead, ""), 1, &["config.toml", "1"]);
}

/// Whatever the token endpoint does, the error names it, comes in time, and the media server is not asked.
#[test]
fn a_token_endpoint_that_does_not_do_its_work() {
    let elsewhere = Origin::start(Site::default());
    let cases: &[(Mood, &[&str])] = &[
        (Mood::Unavailable, &["503"]),
        (Mood::Slow(Duration::from_secs(60)), &[]),
        (Mood::Html, &["text/html"]),
        (Mood::Unauthorized, &["invalid_client", "the secret of app is not right"]),
        (Mood::Truncated, &[]),
        (Mood::Huge, &[]),
        (Mood::Redirecting(elsewhere.url("token")), &["redirect"]),
        (Mood::Saying("{}".to_owned()), &["access_token"]),
        (Mood::Saying(r#"{"access_token":"t","token_type":"mac"}"#.to_owned()), &["mac"]),
        (Mood::Saying(r#"{"error":"invalid_scope"}"#.to_owned()), &["invalid_scope"]),
        (
            Mood::Saying(r#"{"access_token":"t\r\nX-Evil: 1","token_type":"Bearer","expires_in":60}"#.to_owned()),
            &["control character"],
        ),
    ];
    std::thread::scope(|scope| {
        for (mood, words) in cases {
            scope.spawn(move || {
                let lead = lead();
                lead.token_server.set(mood.clone());
                let began = Instant::now();
                let run = read(&lead, "-auth_wait 1");
                assert!(began.elapsed() < Duration::from_secs(12), "{mood:?}: {:?}", began.elapsed());
                let url = lead.token_server.url();
                says(&run, 1, &[&["profile p", &url], *words].concat());
                assert!(!run.stderr.contains("Sign in") && !run.stderr.contains("half"), "the body is quoted: {}", run.tail());
                assert!(lead.origin.log().is_empty(), "{mood:?}: {}", lead.origin.story());
                says(&lead.home.line("token p"), 4, &["profile p"]);
            });
        }
    });
    assert!(elsewhere.log().is_empty(), "the secret went elsewhere");
}

#[test]
fn a_token_endpoint_that_is_down() {
    let lead = lead();
    let url = format!("http://127.0.0.1:{}/token", closed_port());
    lead.home.write(CONFIG, &format!("[profile.p]\ntoken_url = \"{url}\"\nclient_id = \"app\"\nclient_secret = \"{SECRET}\"\n"));
    says(&read(&lead, "-auth_wait 0"), 1, &["profile p", &url]);
    says(&lead.home.line("token p"), 4, &["profile p", &url]);
}

/// A refusal that cannot pass by itself ends the job at once, whatever `-auth_wait` says.
#[test]
fn a_wrong_secret_is_not_tried_again_and_again() {
    let lead = lead();
    lead.token_server.set(Mood::Unauthorized);
    let began = Instant::now();
    says(&read(&lead, ""), 1, &["invalid_client"]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(lead.token_server.requests().len(), 1);
}

/// The media server refuses the first request, with a fresh token too: profile, place, status and what the server says.
#[test]
fn a_media_server_that_refuses_the_token() {
    let refusals = vec![Refusal { path: "video.ts", status: 401, times: u32::MAX }];
    let site = Site { refusals, ..media::MPEGTS.site() };
    let lead = Protected::new(Tokens::living(Duration::from_secs(600)), site, "");
    let url = lead.origin.url("video.ts");
    says(&read(&lead, "-auth_wait 2"), 1, &["profile p", &url, "401", "invalid_token", "it has expired"]);
    assert!(lead.token_server.requests().len() <= 3, "{} token requests", lead.token_server.requests().len());
}

#[test]
fn an_unknown_option() {
    let lead = lead();
    says(&read(&lead, "-no_such_thing 1"), 1, &["no_such_thing"]);
    says(&read(&lead, "-auth_wiat 1"), 1, &["auth_wiat"]);
    says(&lead.home.line("tokn p"), 1, &["tokn"]);
    says(&lead.home.line("token p --fromat bare"), 2, &["--fromat"]);
    assert!(lead.token_server.requests().is_empty() && lead.origin.log().is_empty());
}

/// The options are the ones that ffmpeg refuses in the same places.
#[test]
fn an_option_for_the_wrong_side() {
    let lead = lead();
    let url = lead.origin.url("video.ts");
    says(&lead.home.line(&format!("-auth p -i {url} -c copy -re out.ts")), 1, &["re", "out.ts"]);
    says(&lead.home.line(&format!("-map 0 -auth p -i {url} -c copy out.ts")), 1, &["map", "video.ts"]);
    assert!(lead.origin.log().is_empty(), "{}", lead.origin.story());
}

#[test]
fn a_token_for_what_cannot_carry_one() {
    let lead = lead();
    let source = media::MPEGTS.file().display().to_string();
    says(&lead.home.line(&format!("-auth p -i {source} -c copy out.ts")), 1, &["-auth", "video.ts"]);
    says(&lead.home.line(&format!("-i {source} -c copy -auth p out.ts")), 1, &["-auth", "out.ts"]);
    says(&lead.home.line(&format!("-i {source} -c copy -f mpegts -auth p -")), 1, &["-auth"]);
    let url = lead.origin.url("video.ts");
    let trailing = lead.home.line(&format!("-i {source} -c copy -y out.ts -auth p"));
    assert!(trailing.stderr.contains("Trailing option"), "{}", trailing.tail());
    says(&lead.home.line(&format!("-auth p -i hls+{url} -c copy out.ts")), 1, &["hls+http"]);
    assert!(lead.token_server.requests().is_empty() && lead.origin.log().is_empty());
}

/// Two `Authorization` lines would be sent, and the wrong one might win.
#[test]
fn what_cannot_stand_beside_a_token() {
    let lead = lead();
    let url = lead.origin.url("video.ts");
    let run =
        finish(lead.home.ffauth(["-headers", "authorization: Bearer old\r\n", "-auth", "p", "-i", &url, "-c", "copy", "out.ts"]));
    says(&run, 1, &["Authorization", "-headers", "-auth"]);
    assert!(!run.stderr.contains("old"), "{}", run.tail());
    says(&read(&lead, "-auth_type basic"), 1, &["auth_type"]);
    let with_user = url.replace("http://", "http://someone:secretly@");
    let run = lead.home.line(&format!("-auth p -i {with_user} -c copy out.ts"));
    run.expect_code(1);
    assert!(!run.stderr.contains("secretly"), "{}", run.tail());
    assert!(lead.origin.log().is_empty(), "{}", lead.origin.story());
}

#[test]
fn other_headers_go_through() {
    let lead = lead();
    let url = lead.origin.url("video.ts");
    let run = finish(lead.home.ffauth(["-headers", "X-Own: mine\r\n", "-auth", "p", "-i", &url, "-c", "copy", "out.ts"]));
    says(&run, 0, &[]);
    assert!(lead.origin.log().iter().all(|entry| entry.text.contains("x-own: mine")), "{:?}", lead.origin.log());
}

/// Before any request: neither the token endpoint nor the host is asked.
#[test]
fn a_url_out_of_scope() {
    let lead = lead();
    lead.set_profile("origins = [\"https://media.example.com\"]");
    says(&read(&lead, ""), 1, &[&lead.origin.base(), "origins"]);
    lead.set_profile("");
    says(
        &lead.home.line("-auth p -i http://media.example.com/x.ts -c copy out.ts"),
        1,
        &["http://media.example.com", "allow_http"],
    );
    for pattern in ["https://*", "https://*.co.uk", "media.example.com"] {
        lead.set_profile(&format!("origins = [\"{pattern}\"]"));
        says(&read(&lead, ""), 1, &["origins", pattern]);
    }
    assert!(lead.token_server.requests().is_empty() && lead.origin.log().is_empty());
}

#[test]
fn a_missing_input() {
    let lead = lead();
    says(&lead.home.line("-i nothing.ts -c copy out.ts"), 1, &["nothing.ts: No such file or directory"]);
    let url = lead.origin.url("nothing.ts");
    says(&lead.home.line(&format!("-auth p -i {url} -c copy out.ts")), 1, &[&url, "404"]);
    let closed = format!("http://127.0.0.1:{}/x.ts", closed_port());
    says(&lead.home.line(&format!("-auth p -i {closed} -c copy out.ts")), 1, &[&closed, "refused"]);
    assert!(!lead.home.path("out.ts").exists());
}

#[test]
fn an_output_that_cannot_be_written() {
    let lead = lead();
    let url = lead.origin.url("video.ts");
    says(&lead.home.line(&format!("-y -auth p -i {url} -c copy no/such/folder/out.ts")), 1, &["no/such/folder/out.ts"]);
    std::fs::write(lead.home.path("there.ts"), "precious").expect("a file");
    says(&lead.home.line(&format!("-n -auth p -i {url} -c copy there.ts")), 1, &["there.ts", "already exists"]);
    assert_eq!(std::fs::read(lead.home.path("there.ts")).expect("a file"), b"precious");
}

#[test]
fn a_full_disk() {
    let lead = lead();
    let url = lead.origin.url("video.ts");
    says(
        &lead.home.line(&format!("-y -auth p -i {url} -c copy -f mpegts /dev/full")),
        1,
        &["/dev/full", "No space left on device"],
    );
}

/// On a file system of 600 kB, where the user may make one: what had room is playable.
#[test]
fn a_disk_that_fills_up() {
    let lead = lead();
    let small = lead.home.path("small");
    std::fs::create_dir(&small).expect("a folder");
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=600k", "tmpfs"]).arg(&small).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        return;
    }
    let url = lead.origin.url("video.ts");
    let run = lead.home.line(&format!("-y -auth p -i {url} -c copy small/out.ts"));
    let packets = playable(&lead.home, "small/out.ts");
    let unmounted = Command::new("umount").arg(&small).status().expect("umount starts");
    assert!(unmounted.success());
    says(&run, 1, &["small/out.ts", "No space left on device"]);
    assert!(packets > 50, "{packets} packets");
}

/// A playlist from the network must not read this machine's files into the output.
#[test]
fn a_playlist_that_names_local_files() {
    let kind = media::HLS;
    let local = kind.file().with_file_name("index4.ts").display().to_string();
    for target in [format!("file://{local}"), format!("file:{local}")] {
        let site = Site { replace: vec![("index4.ts".to_owned(), target.clone())], ..kind.site() };
        let lead = Protected::new(Tokens::living(Duration::from_secs(600)), site, "");
        let url = lead.origin.url(kind.entry);
        let run = lead.home.line(&format!("-nostdin -y -auth p -i {url} -c copy out.ts"));
        says(&run, 1, &[&target]);
        assert!(playable(&lead.home, "out.ts") > 0);
    }
}

/// Whoever writes a playlist or a redirect must not get at services of this machine's network through us.
#[test]
fn a_playlist_that_leads_into_a_private_network() {
    let kind = media::HLS;
    for (host, place) in [("10.1.2.3", "private network"), ("169.254.169.254", "link-local"), ("[fd00::7]", "private network")] {
        let target = format!("http://{host}/latest/meta-data/index4.ts");
        let listed = Site { replace: vec![("index4.ts".to_owned(), target.clone())], ..kind.site() };
        let redirected = Site { redirects: vec![("/index4.ts".to_owned(), 302, target.clone())], ..kind.site() };
        for site in [listed, redirected] {
            let lead = Protected::new(Tokens::living(Duration::from_secs(600)), site, "");
            let url = lead.origin.url(kind.entry);
            let began = Instant::now();
            let run = lead.home.line(&format!("-nostdin -y -auth p -i {url} -c copy out.ts"));
            says(&run, 1, &[&target, place, "-allow_private"]);
            assert!(began.elapsed() < Duration::from_secs(5), "it was asked after all");
            assert!(playable(&lead.home, "out.ts") > 0);
        }
    }
}

/// hls.c does not ask anybody about such a segment: it goes on without it, and would end with exit code 0.
#[test]
fn a_playlist_that_names_another_protocol() {
    let kind = media::HLS;
    let local = kind.file().with_file_name("index4.ts").display().to_string();
    for target in [format!("concat:{local}"), "nosuch:index4.ts".to_owned()] {
        let site = Site { replace: vec![("index4.ts".to_owned(), target)], ..kind.site() };
        let lead = Protected::new(Tokens::living(Duration::from_secs(600)), site, "");
        let url = lead.origin.url(kind.entry);
        let run = lead.home.line(&format!("-nostdin -y -auth p -i {url} -c copy out.ts"));
        says(&run, 1, &["index.m3u8: the address of segment 4 is refused"]);
        assert!(playable(&lead.home, "out.ts") > 0);
    }
}

/// Tokens cannot be renewed any more in the middle: an error, and the file is closed properly.
#[test]
fn what_was_written_before_an_error_is_playable() {
    let kind = media::HLS;
    let lead = Protected::new(Tokens::living(Duration::from_secs(2)), kind.paced(Duration::from_secs(12)), "");
    let url = lead.origin.url(kind.entry);
    let line = ["-nostdin", "-auth_wait", "2", "-summary", "summary.json", "-auth", "p", "-i", &url, "-c", "copy", "out.mp4"];
    let running = start(lead.home.ffauth(line));
    let began = Instant::now();
    while lead.origin.log().len() < 5 {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not read:\n{}", lead.origin.story());
        std::thread::sleep(Duration::from_millis(50));
    }
    lead.token_server.set(Mood::Unauthorized);
    let run = running.finish();
    says(&run, 1, &["profile p", "invalid_client"]);
    let packets = playable(&lead.home, "out.mp4");
    assert!((50..500).contains(&packets), "{packets} video packets");
    let summary = lead.home.summary();
    assert!(summary["error"].is_string() && summary["exit"] == "error", "{summary}");
    assert!(summary["tokens"]["p"]["failures"].as_u64() >= Some(1), "{summary}");
}
