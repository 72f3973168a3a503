//! What an issuer says of itself.
#![no_main]

use ffauth::oauth::discovery;
use ffauth::oauth::endpoints::Endpoints;
use ffauth_fuzz::{answer, check_message, client};
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|data: &[u8]| {
    let Some(answer) = answer(data) else { return };
    let issuer = Url::parse("https://login.example").expect("a URL");
    let document = issuer.join("/.well-known/openid-configuration").expect("a URL");
    let client = client();
    match discovery::parse(&client, &issuer, &document, &answer) {
        Ok(Some(metadata)) => {
            assert!(discovery::is_same_issuer(&issuer, &metadata.issuer));
            if let Err(error) = Endpoints::of(&client, Some(metadata)) {
                check_message(&error);
            }
        }
        Ok(None) => {}
        Err(error) => check_message(&error),
    }
});
