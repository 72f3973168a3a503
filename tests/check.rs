//! `ffauth check`: each step with status, time and verdict, and for every class of failure what to mend.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::support::Protected;
use crate::support::media::{HLS, MPEGTS};
use crate::support::origin::{Origin, Refusal, Site};
use crate::support::run::{CONFIG, Finished, Home, profile};
use crate::support::tls::Authority;
use crate::support::token_server::{Mood, TokenServer, Tokens};

const LIFE: Duration = Duration::from_secs(300);

fn lead(site: Site) -> Protected {
    Protected::new(Tokens::living(LIFE), site, "scope = [\"media.read\"]")
}

/// Runs the check of `url`, as JSON; the steps.
fn check(home: &Home, url: &str, code: i32) -> Vec<Value> {
    let run = home.line(&format!("check --json -auth p {url}"));
    run.expect_code(code);
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stdout));
    let steps = report["steps"].as_array().expect("steps").clone();
    for step in &steps {
        assert!(step["seconds"].is_number() && step["verdict"].is_string() && step["ok"].is_boolean(), "{step}");
        assert!(!step.to_string().contains("?token="), "{step}");
    }
    steps
}

/// The last step, which failed: its name, and parts of its verdict or of what to mend.
#[track_caller]
fn assert_fails(steps: &[Value], name: &str, status: Option<u16>, parts: &[&str]) {
    let step = steps.last().expect("a step");
    assert_eq!((step["step"].as_str(), step["ok"].as_bool()), (Some(name), Some(false)), "{steps:#?}");
    assert_eq!(step["status"].as_u64(), status.map(u64::from), "{step:#}");
    let text = format!("{} {}", step["verdict"], step["mend"]);
    for part in parts {
        assert!(text.contains(part), "{part}: {step:#}");
    }
    assert!(step["mend"].is_string(), "it says what to mend: {step:#}");
    assert!(steps[..steps.len() - 1].iter().all(|step| step["ok"] == true), "only the last step fails: {steps:#?}");
}

fn names(steps: &[Value]) -> Vec<&str> {
    steps.iter().filter_map(|step| step["step"].as_str()).collect()
}

#[test]
fn a_good_set_up_is_walked_to_the_first_packet() {
    let mut lead = lead(MPEGTS.site());
    let site = Site {
        redirects: vec![
            ("/old".to_owned(), 302, "/older?token=CANARY".to_owned()),
            ("/older".to_owned(), 307, "/video.ts".to_owned()),
        ],
        ..lead.origin.site().clone()
    };
    lead.origin = Origin::start(site);
    let steps = check(&lead.home, &lead.origin.url("old"), 0);
    assert_eq!(names(&steps), ["token", "redirect", "redirect", "media request", "first packet"]);
    let status = |index: usize| steps[index]["status"].as_u64();
    assert_eq!((status(0), status(1), status(2), status(3)), (Some(200), Some(302), Some(307), Some(206)));
    assert!(steps[1]["verdict"].as_str().expect("a text").contains("with the token of p"));
    assert!(steps[4]["verdict"].as_str().expect("a text").contains("mpegts"));
    // The same for people.
    let run: Finished = lead.home.line(&format!("check -auth p {}", lead.origin.url("old")));
    run.expect_code(0);
    assert_eq!(run.stdout.lines().filter(|line| line.starts_with("ok ")).count(), 5, "{}", run.stdout);
    assert!(!run.stdout.contains("CANARY"), "{}", run.stdout);
}

#[test]
fn discovery_is_a_step() {
    let lead = lead(HLS.site());
    let config =
        |issuer: &str| format!("[profile.p]\nissuer = \"{issuer}\"\nclient_id = \"app\"\nclient_secret = \"test-secret\"\n");
    let (issuer, url) = (lead.token_server.url_of(""), lead.token_server.url());
    lead.token_server.set(Mood::Saying(format!(
        r#"{{"issuer":"{issuer}","token_endpoint":"{url}","access_token":"unused","token_type":"Bearer"}}"#
    )));
    lead.home.write(CONFIG, &config(&issuer));
    let run = lead.home.line(&format!("check --json -auth p {}", lead.origin.url(HLS.entry)));
    let report: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!((&report["steps"][0]["step"], &report["steps"][0]["ok"]), (&"discovery".into(), &true.into()), "{report}");
    assert_eq!(report["steps"][0]["status"], 200);
    lead.token_server.set(Mood::Html);
    assert_fails(&check(&lead.home, &lead.origin.url(HLS.entry), 4), "discovery", Some(200), &["issuer", "text/html"]);
}

#[test]
fn an_endpoint_that_does_not_exist_or_listen() {
    let lead = lead(HLS.site());
    for (endpoint, part) in
        [("http://127.0.0.1:1/t", "cannot be reached"), ("https://no-such-host.invalid/t", "cannot be reached")]
    {
        lead.home.write(CONFIG, &format!("[profile.p]\ntoken_url = \"{endpoint}\"\nclient_id = \"i\"\nclient_secret = \"s\"\n"));
        assert_fails(&check(&lead.home, &lead.origin.url(HLS.entry), 4), "token", None, &[part, endpoint, "token_url"]);
    }
}

#[test]
fn what_the_token_endpoint_refuses_or_garbles() {
    let lead = lead(HLS.site());
    let url = lead.origin.url(HLS.entry);
    lead.token_server.set(Mood::Html);
    assert_fails(&check(&lead.home, &url, 4), "token", Some(200), &["text/html", "token_url"]);
    lead.token_server.set(Mood::Unauthorized);
    assert_fails(&check(&lead.home, &url, 4), "token", Some(401), &["invalid_client", "client_secret"]);
    lead.token_server.set(Mood::Refusing(400, r#"{"error":"invalid_scope","error_description":"no such scope"}"#.to_owned()));
    assert_fails(&check(&lead.home, &url, 4), "token", Some(400), &["invalid_scope", "no such scope", "`scope`"]);
    lead.token_server.set(Mood::Redirecting("https://elsewhere.example/".to_owned()));
    assert_fails(&check(&lead.home, &url, 4), "token", Some(307), &["redirects"]);
    assert!(lead.origin.log().is_empty(), "nothing is asked of the media server without a token");
}

#[test]
fn a_scope_that_was_not_granted_is_said_though_the_token_works() {
    let lead = lead(MPEGTS.site());
    let token = lead.tokens.issue();
    lead.token_server
        .set(Mood::Saying(format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":300,"scope":"other"}}"#)));
    let steps = check(&lead.home, &lead.origin.url(MPEGTS.entry), 0);
    assert!(steps[0]["verdict"].as_str().expect("a text").contains("without the scope media.read"), "{:#}", steps[0]);
    assert!(steps[0]["mend"].as_str().expect("a text").contains("`scope`"), "{:#}", steps[0]);
}

#[test]
fn a_login_that_is_needed_is_3() {
    let family = crate::support::family::Family::start(300, Duration::ZERO);
    let home = Home::new(&family.profile());
    family.sign_in();
    let steps = check(&home, "http://127.0.0.1:1/x", 3);
    assert_eq!(names(&steps), ["token"]);
    assert!(steps[0]["verdict"].as_str().expect("a text").contains("not accepted any more"), "{:#}", steps[0]);
}

#[test]
fn media_that_refuses_the_token() {
    for (status, parts) in [(401, &["401", "profile `p`", "invalid_token"][..]), (403, &["403"]), (404, &["404"])] {
        let refusals = vec![Refusal { path: "video.ts", status, times: u32::MAX }];
        let lead = lead(Site { refusals, ..MPEGTS.site() });
        assert_fails(&check(&lead.home, &lead.origin.url(MPEGTS.entry), 1), "media request", Some(status), parts);
    }
}

#[test]
fn redirects_that_lead_nowhere() {
    let redirects = vec![
        ("/a".to_owned(), 302, "/b".to_owned()),
        ("/b".to_owned(), 302, "/a".to_owned()),
        ("/c".to_owned(), 302, "ftp://h/x".to_owned()),
    ];
    let lead = lead(Site { redirects, ..MPEGTS.site() });
    let steps = check(&lead.home, &lead.origin.url("a"), 1);
    assert_eq!(names(&steps), ["token", "redirect", "media request"]);
    assert_fails(&steps, "media request", None, &["circle"]);
    assert_fails(&check(&lead.home, &lead.origin.url("c"), 1), "media request", None, &["ftp"]);
}

#[test]
fn a_media_host_that_does_not_exist_or_listen_and_one_out_of_scope() {
    let lead = lead(MPEGTS.site());
    assert_fails(&check(&lead.home, "http://127.0.0.1:1/x.ts", 1), "media request", None, &["127.0.0.1:1"]);
    assert_fails(&check(&lead.home, "https://no-such-host.invalid/x.ts", 1), "media request", None, &["no-such-host"]);
    lead.set_profile("origins = [\"https://media.example\"]");
    assert_fails(&check(&lead.home, &lead.origin.url(MPEGTS.entry), 2), "scope", None, &["origins"]);
}

#[test]
fn certificates_that_nobody_knows() {
    let authority = Authority::new("check");
    let tokens = Tokens::living(LIFE);
    let server = TokenServer::start_with(&tokens, Some(authority.certify("127.0.0.1")));
    let home = Home::new(&profile("p", &server, ""));
    assert_fails(&check(&home, "http://127.0.0.1:1/x", 4), "token", None, &["certificate"]);
    let lead = lead(MPEGTS.site());
    let origin = Origin::start(Site {
        tokens: Some(Arc::clone(&lead.tokens)),
        tls: Some(authority.certify("127.0.0.1")),
        ..MPEGTS.site()
    });
    assert_fails(&check(&lead.home, &origin.url(MPEGTS.entry), 1), "media request", None, &["certificate", "ca_file"]);
}

#[test]
fn a_file_that_is_no_media() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("page.html"), "<!doctype html><html><body>Sign in</body></html>").expect("room");
    std::fs::write(folder.path().join("noise.bin"), [0x55; 4096]).expect("room");
    std::fs::write(folder.path().join("empty"), "").expect("room");
    let lead = lead(Site { folder: folder.path().to_owned(), ..Site::default() });
    for path in ["page.html", "noise.bin"] {
        let steps = check(&lead.home, &lead.origin.url(path), 1);
        assert_fails(&steps, "first packet", steps.last().expect("a step")["status"].as_u64().map(|status| status as u16), &[]);
    }
    assert_fails(&check(&lead.home, &lead.origin.url("empty"), 1), "media request", Some(416), &["empty"]);
}
