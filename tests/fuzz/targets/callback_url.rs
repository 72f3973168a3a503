//! What comes to the loopback listener, and what somebody pastes.
#![no_main]

use ffauth::oauth::authorize::Authorization;
use ffauth::oauth::callback;
use ffauth::oauth::endpoints::Endpoints;
use ffauth::oauth::redirect::Redirect;
use ffauth_fuzz::{check_message, client};
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|data: &[u8]| {
    let redirect = Url::parse("http://127.0.0.1:8000/callback").expect("a URL");
    let heard = callback::query(data, &redirect);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = Redirect::of(Some(text), 0);
    let client = client();
    let endpoints = Endpoints::of(&client, None).expect("endpoints");
    let authorization = Authorization::begin(&client, &endpoints, redirect.to_string()).expect("a request");
    let query = heard.as_ref().map_or(text, |query| query.expose());
    // Nobody guesses a state of this run.
    for outcome in [authorization.judge(query), authorization.judge_pasted(text)] {
        check_message(&outcome.expect_err("a forged callback"));
    }
});
