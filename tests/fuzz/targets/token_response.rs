//! What a token endpoint answers, and what an agent leaves in `access_token`.
#![no_main]

use ffauth::clock::{Clock, SystemClock};
use ffauth::env::Env;
use ffauth::oauth::client::{Client, Grant};
use ffauth::oauth::{external, registration, revoke, token_endpoint};
use ffauth::secret::SecretSource;
use ffauth_fuzz::{answer, check_message, client, url};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(answer) = answer(data) else { return };
    let client = client();
    match token_endpoint::parse(&client, &url(), &answer) {
        Ok(granted) => {
            for token in [Some(&granted.access_token), granted.refresh_token.as_ref()].into_iter().flatten() {
                assert!(!token.is_empty() && !token.expose().chars().any(char::is_control));
            }
            assert!((200..300).contains(&answer.status));
        }
        Err(error) => check_message(&error),
    }
    if let Err(error) = registration::parse(&url(), &answer) {
        check_message(&error);
    }
    let _ = revoke::parse(&url(), &answer);
    if let Ok(text) = std::str::from_utf8(&answer.body)
        && !text.is_empty()
    {
        let client = Client { grant: Grant::External, access_token: Some(SecretSource::Plain(text.into())), ..client };
        match external::read(&client, &Env::default(), &SystemClock.now()) {
            Ok(granted) => assert!(!granted.access_token.expose().chars().any(char::is_control)),
            Err(error) => check_message(&error),
        }
    }
});
