//! The token proxy of several programs.

use super::*;
use crate::support::token_server::Mood;

/// `[relay]` with tokens given away, in a home with the profile `p`, which has no `base_url`.
fn home(token_server: &TokenServer, profile: &str) -> Home {
    Home::new(&format!("{}\n[relay]\ntoken_endpoint = true\n", run::profile("p", token_server, profile)))
}

#[test]
fn who_knows_the_secret_gets_the_token_of_the_moment() {
    let tokens = Tokens::living(Duration::from_secs(300));
    let token_server = TokenServer::start(&tokens);
    let home = home(&token_server, "scope = [\"media.read\"]");
    let (relay, caller) = (Relay::start(&home, ""), Caller::new());
    let url = relay.ready["token"]["p"].as_str().expect("a URL").to_owned();
    for _ in 0..3 {
        let answer = caller.get(&url);
        assert_eq!(
            (answer.status, answer.field("content-type"), answer.field("cache-control")),
            (200, Some("application/json"), Some("no-store"))
        );
        let token: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(token["access_token"], tokens.all()[0], "{token}");
        assert!(
            token["expires_in"].as_u64().is_some_and(|left| (290..=300).contains(&left)) && token["token_type"] == "Bearer",
            "{token}"
        );
    }
    assert_eq!(token_server.answered(), 1);
    assert_eq!(caller.ask("POST", &url, &[]).status, 405);
    assert_eq!(caller.ask("HEAD", &url, &[]).body.len(), 0);
    for (url, status) in [
        (url.replace(&relay.secret(), "AAAAAAAAAAAAAAAAAAAAAA"), 403),
        (format!("{url}x"), 404),
        (format!("{}/token/p", relay.root()), 403),
    ] {
        let answer = caller.get(&url);
        assert!(answer.status == status && !answer.text().contains(&tokens.all()[0]), "{answer:?}");
    }
    assert_eq!(caller.ask("GET", &url, &[("host", "evil.example")]).status, 403);
    assert!(!relay.log().contains(&tokens.all()[0]));
}

#[test]
fn tokens_are_given_away_only_if_that_is_configured() {
    let relayed = Relayed::new(Site::default());
    assert_eq!(relayed.relay.ready.get("token"), None);
    let answer = relayed.caller.get(&format!("{}/{}/token/p", relayed.relay.root(), relayed.relay.secret()));
    assert!(answer.status == 404 && answer.text().contains("token_endpoint"), "{answer:?}");
}

#[test]
fn no_token_is_an_error_with_its_reason() {
    let tokens = Tokens::living(Duration::from_secs(300));
    let token_server = TokenServer::start(&tokens);
    token_server.set(Mood::Unauthorized);
    let home = home(&token_server, "");
    let (relay, caller) = (Relay::start(&home, ""), Caller::new());
    let answer = caller.get(relay.ready["token"]["p"].as_str().expect("a URL"));
    assert!(answer.status == 503 && answer.text().contains("invalid_client"), "{answer:?}");
}
