//! What the targets share: a client, answers made of bytes, and what must hold for every message.
//!
//! `cargo +nightly fuzz run --fuzz-dir tests/fuzz TARGET -- -max_total_time=600`

use ffauth::config::Config;
use ffauth::env::Env;
use ffauth::oauth::OauthError;
use ffauth::oauth::client::Client;
use ffauth::oauth::transport::Answer;
use url::Url;
use zeroize::Zeroizing;

/// A client with a scope, a sign-in and a server that is asked over https.
pub fn client() -> Client {
    let env = Env::from_pairs([
        ("FFAUTH_P_TOKEN_URL", "https://login.example/token"),
        ("FFAUTH_P_AUTHORIZE_URL", "https://login.example/authorize"),
        ("FFAUTH_P_CLIENT_ID", "id"),
        ("FFAUTH_P_CLIENT_SECRET", "CANARY"),
        ("FFAUTH_P_SCOPE", "a b"),
    ]);
    Config::load(None, &env).expect("a configuration").profile("p").expect("a profile").client().clone()
}

/// Some endpoint.
pub fn url() -> Url {
    Url::parse("https://login.example/x").expect("a URL")
}

/// An answer: the first byte chooses status and content type, the rest is the body.
pub fn answer(data: &[u8]) -> Option<Answer> {
    const KINDS: [Option<&str>; 4] = [Some("application/json"), Some("text/html"), Some("application/x-www-form-urlencoded"), None];
    const STATUSES: [u16; 8] = [200, 201, 302, 400, 401, 403, 500, 503];
    let (choice, body) = data.split_first()?;
    Some(Answer {
        status: STATUSES[usize::from(choice & 7)],
        content_type: KINDS[usize::from(choice >> 3 & 3)].map(str::to_owned),
        body: Zeroizing::new(body.to_vec()),
        ..Answer::default()
    })
}

/// A message can be printed, is of bounded length, and gives no secret away.
pub fn check_message(error: &OauthError) {
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(text.len() < 8 * 1024, "{} bytes", text.len());
        assert!(!text.contains("CANARY"), "{text}");
    }
    assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
}
