//! Where it listens, which profiles it serves, and what it says when it cannot.

use rustix::process::Signal;
use serde_json::Value;

use super::*;
use crate::support::media;
use crate::support::token_server::{Mood, SECRET};

const LONG_SECRET: &str = "0123456789abcdef-._~";

/// Profiles `a` and `b` with a `base_url`, `c` without, and whatever `relay` says.
struct Setup {
    token_server: TokenServer,
    origin: Origin,
    home: Home,
}

impl Setup {
    fn new(relay: &str) -> Self {
        let tokens = Tokens::living(Duration::from_secs(600));
        let token_server = TokenServer::start(&tokens);
        let origin = Origin::start(Site { tokens: Some(tokens), folder: media::folder().to_owned(), ..Site::default() });
        let base = |folder: &str| format!("base_url = \"{}\"", origin.url(folder));
        let profiles = [("a", base("hls")), ("b", base("dash/")), ("c", String::new())];
        let profiles: String = profiles.iter().map(|(name, more)| run::profile(name, &token_server, more)).collect();
        let home = Home::new(&format!("{profiles}\n{relay}"));
        Self { token_server, origin, home }
    }
}

#[test]
fn the_ready_line_says_where_everything_is() {
    let setup = Setup::new("");
    let (relay, caller) = (Relay::start(&setup.home, ""), Caller::new());
    let urls = relay.ready["relay"].as_object().expect("an object");
    assert_eq!(urls.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(relay.url("a", ""), format!("{}/{}/m/a/", relay.root(), relay.secret()));
    assert!(relay.root().starts_with("http://127.0.0.1:") && relay.secret().len() >= 20, "{}", relay.ready);
    assert_eq!(caller.get(&relay.url("a", "index0.ts")).status, 200);
    assert_eq!(caller.get(&relay.url("b", "index.mpd")).status, 200);
    let another = Relay::start(&setup.home, "b");
    assert_eq!(another.ready["relay"].as_object().map(|urls| urls.len()), Some(1));
    assert_ne!(another.secret(), relay.secret());
}

#[test]
fn it_listens_at_several_addresses_with_a_secret_of_the_users() {
    let listen = "listen = [\"127.0.0.1:0\", \"127.0.0.2:0\", \"localhost:0\"]";
    let setup = Setup::new(&format!("[relay]\n{listen}\nsecret = {{ env = \"RELAY_SECRET\" }}\n"));
    let missing = setup.home.line("relay a");
    missing.expect_code(2);
    assert!(missing.stderr.contains("RELAY_SECRET"), "{}", missing.stderr);
    setup.home.write("secret", LONG_SECRET);
    let text = std::fs::read_to_string(setup.home.path(run::CONFIG)).expect("a file");
    setup.home.write(
        run::CONFIG,
        &text.replace("{ env = \"RELAY_SECRET\" }", &format!("{{ file = \"{}\" }}", setup.home.path("secret").display())),
    );
    let (relay, caller) = (Relay::start(&setup.home, "a"), Caller::new());
    assert_eq!(relay.secret(), LONG_SECRET);
    let listeners: Vec<&str> = relay.ready["listeners"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(listeners.len(), 3, "{}", relay.ready);
    for root in listeners {
        let url = format!("{root}/{LONG_SECRET}/m/a/");
        assert_eq!(caller.get(&format!("{url}index0.ts")).status, 200, "{root}");
        // References lead to where the caller came.
        let playlist = caller.get(&format!("{url}index.m3u8"));
        assert_eq!(playlist.status, 200);
    }
    // An option goes before the configuration.
    let other = Relay::start(&setup.home, "--listen 127.0.0.3:0 a");
    assert!(other.root().starts_with("http://127.0.0.3:") && other.ready.get("listeners").is_none(), "{}", other.ready);
}

#[test]
fn what_cannot_be_is_said_before_anything_is_served() {
    for (relay, line, code, said) in [
        ("", "relay nobody", 2, "no profile `nobody`"),
        ("", "relay c", 2, "profile c has no `base_url`"),
        ("[relay]\nsecret = \"\"\n", "relay a", 2, "is empty"),
        ("[relay]\nlisten = \"nowhere\"\n", "relay a", 2, "`nowhere` is no address"),
        ("[relay]\nlisten = []\n", "relay a", 2, "names no address"),
        ("[relay]\ntoken_endpont = true\n", "relay a", 2, "did you mean `token_endpoint`"),
        ("", "relay --listen 192.0.2.1:0 a", 2, "cannot listen at 192.0.2.1:0"),
        ("", "relay --listen nowhere a", 2, "no address such as"),
    ] {
        let run = Setup::new(relay).home.line(line);
        run.expect_code(code);
        assert!(run.stdout.is_empty() && run.stderr.contains(said), "{line}: {}", run.stderr);
    }
    let setup = Setup::new("");
    let extend = |name: &str, more: &str| {
        let text = std::fs::read_to_string(setup.home.path(run::CONFIG)).expect("a file");
        setup.home.write(run::CONFIG, &format!("{text}\n{}", run::profile(name, &setup.token_server, more)));
    };
    extend("d", &format!("base_url = \"{}\"\norigins = [\"https://other.example\"]", setup.origin.base()));
    extend("e", &format!("base_url = \"{}/?a=b\"", setup.origin.base()));
    for (line, said) in [("relay d", "not among the origins"), ("relay e", "query string")] {
        let run = setup.home.line(line);
        run.expect_code(2);
        assert!(run.stderr.contains(said), "{line}: {}", run.stderr);
    }
    // Nobody has named it, and the others work.
    let relay = Relay::start(&setup.home, "");
    assert_eq!(relay.ready["relay"].as_object().map(|urls| urls.len()), Some(2), "{}", relay.ready);
    relay.logged("profile d is left out");
    relay.logged("profile e is left out");
}

/// Any text may be the secret; it stands in the URLs as they need it.
#[test]
fn a_secret_of_any_characters_stands_in_urls() {
    let setup = Setup::new("[relay]\nsecret = \"a/b %?\"\n");
    let (relay, caller) = (Relay::start(&setup.home, "a"), Caller::new());
    relay.logged("relay.secret is shorter than 16");
    assert_eq!(relay.secret(), "a%2Fb%20%25%3F");
    assert_eq!(caller.get(&relay.url("a", "index0.ts")).status, 200);
    assert_eq!(caller.get(&relay.url("a", "index0.ts").replace("%20", "+")).status, 403);
}

#[test]
fn what_a_person_has_to_mend_ends_it_and_what_passes_does_not() {
    let setup = Setup::new("");
    setup.token_server.set(Mood::Unauthorized);
    let refused = setup.home.line("relay a");
    refused.expect_code(4);
    assert!(refused.stderr.contains("invalid_client"), "{}", refused.stderr);
    setup.token_server.set(Mood::Unavailable);
    let (relay, caller) = (Relay::start(&setup.home, "a"), Caller::new());
    relay.logged("503");
    setup.token_server.set(Mood::Well);
    assert_eq!(caller.get(&relay.url("a", "index0.ts")).status, 200, "{}", relay.log());
    let home = Home::new(
        "[profile.me]\nauthorize_url = \"http://127.0.0.1:1/a\"\ntoken_url = \"http://127.0.0.1:1/t\"\nclient_id = \"x\"\nbase_url = \"http://127.0.0.1:1/\"\n",
    );
    let run = home.line("relay");
    run.expect_code(3);
    assert!(run.stderr.contains("ffauth login me"), "{}", run.stderr);
}

#[test]
fn logs_are_json_if_that_is_wanted_and_hold_no_secret() {
    let setup = Setup::new("");
    let (mut relay, caller) = (Relay::start(&setup.home, "a --json --log debug"), Caller::new());
    assert_eq!(caller.get(&relay.url("a", "index0.ts?sig=CANARY")).status, 200);
    assert_eq!(caller.get(&relay.url("a", "none?sig=CANARY")).status, 404);
    relay.signal(Signal::TERM);
    assert_eq!(relay.ended().code(), Some(0));
    relay.logged("/hls/none?*** -> 404");
    let log = relay.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let said = |text: &str| lines.iter().any(|line| line["message"].as_str().is_some_and(|message| message.contains(text)));
    assert!(said("/hls/index0.ts?*** -> 200") && said("/hls/none?*** -> 404"), "{log}");
    assert!(lines.iter().all(|line| line["level"].is_string() && line["time"].is_string()), "{log}");
    for secret in ["CANARY", SECRET, &relay.secret()] {
        assert!(!log.contains(secret), "{log}");
    }
}
