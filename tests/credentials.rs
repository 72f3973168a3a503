//! `ffauth credentials create`: what goes to the registration endpoint, and a profile that works with what comes back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::run::{Finished, Home};
use crate::support::token_server::{Mood, TokenServer, Tokens};

/// A home with Brightcove's preset pointed at a stand-in.
fn brightcove(more: &str) -> (TokenServer, Home) {
    let server = TokenServer::start(&Tokens::living(Duration::from_secs(300)));
    let base = server.url_of("");
    let home = Home::new(&format!(
        "[profile.bc]\nprovider = \"brightcove\"\ntoken_url = \"{base}/v4/access_token\"\ncredentials_url = \"{base}/v4/client_credentials\"\n\
         bc_token = \"bc-CANARY\"\naccounts = [\"1234567890\", \"perform-account:77\"]\noperations = [\"video-cloud/video/read\", \"video-cloud/analytics/read\"]\n{more}\n"
    ));
    (server, home)
}

fn register(server: &TokenServer, home: &Home, line: &str) -> Finished {
    server.set(Mood::Saying(r#"{"client_id":"new-id","client_secret":"new/secret+1","name":"x"}"#.to_owned()));
    let run = home.line(line);
    server.set(Mood::Well);
    run
}

#[test]
fn the_request_is_brightcoves_and_the_profile_works_with_the_answer() {
    let (server, home) = brightcove("");
    // Before: login required, with the command to run.
    let before = home.line("token bc");
    before.expect_code(3);
    assert!(before.stderr.contains("ffauth credentials create bc"), "{}", before.tail());
    let listed = home.line("profiles");
    assert!(listed.code == Some(0) && listed.stdout.contains("unregistered"), "{}", listed.stdout);
    let shown = home.line("profiles show bc");
    assert!(shown.code == Some(0) && shown.stdout.contains("unregistered"), "{}", shown.tail());

    let run = register(&server, &home, "credentials create bc --name Lobby --description d");
    run.expect_code(0);
    assert_eq!(run.stdout, "client_id     = \"new-id\"\nclient_secret = \"new/secret+1\"\n");
    assert!(run.stderr.contains(".local/state/ffauth/tokens") && !run.stderr.contains("secret+1"), "{}", run.stderr);
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v4/client_credentials"));
    assert_eq!(request.header("authorization"), "BC_TOKEN bc-CANARY");
    assert_eq!(request.header("content-type"), "application/json");
    let operations = ["video-cloud/video/read", "video-cloud/analytics/read"];
    let scope = |kind: &str, id: u64| json!({ "identity": { "type": kind, "account-id": id }, "operations": operations });
    assert_eq!(
        serde_json::from_str::<Value>(&request.body).expect("JSON"),
        json!({
            "type": "credential",
            "maximum_scope": [scope("video-cloud-account", 1_234_567_890), scope("perform-account", 77)],
            "name": "Lobby",
            "description": "d",
        })
    );

    // After: no further editing.
    home.line("token bc").expect_code(0);
    let token = &server.requests()[1];
    // base64("new-id:new/secret+1"), raw.
    assert_eq!(token.header("authorization"), "Basic bmV3LWlkOm5ldy9zZWNyZXQrMQ==");
    for line in ["profiles", "profiles show bc", "profiles --json", "token bc --format json"] {
        let run = home.line(line);
        run.expect_code(0);
        assert!(!run.stdout.contains("secret+1") && !run.stdout.contains("CANARY"), "{line}: {}", run.stdout);
    }
}

#[test]
fn a_second_registration_says_which_client_it_replaces() {
    let (server, home) = brightcove("");
    register(&server, &home, "credentials create bc").expect_code(0);
    let run = register(&server, &home, "credentials create bc --json");
    run.expect_code(0);
    let shown: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!((&shown["client_id"], &shown["client_secret"]), (&json!("new-id"), &json!("new/secret+1")));
    assert!(run.stderr.contains("takes the place of client new-id"), "{}", run.stderr);
}

#[test]
fn what_is_missing_or_refused_is_said() {
    let (server, home) = brightcove("store = \"memory\"");
    home.line("credentials create bc").expect_code(2);
    assert!(server.requests().is_empty());
    let (server, home) = brightcove("");
    server.set(Mood::Unauthorized);
    let run = home.line("credentials create bc");
    run.expect_code(4);
    assert!(run.stderr.contains("registration endpoint") && run.stderr.contains("bc_token"), "{}", run.tail());
    let plain = Home::new("[profile.x]\ntoken_url = \"https://h.example/t\"\nclient_id = \"i\"\nclient_secret = \"s\"\n");
    let run = plain.line("credentials create x");
    run.expect_code(2);
    assert!(run.stderr.contains("bc_token"), "{}", run.tail());
    plain.line("credentials create nobody").expect_code(2);
    plain.line("credentials").expect_code(2);
}
