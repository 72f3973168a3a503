//! What a device authorization endpoint answers, and a pushed authorization request endpoint.
#![no_main]

use std::time::Duration;

use ffauth::oauth::{device, par};
use ffauth_fuzz::{answer, check_message, url};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(answer) = answer(data) else { return };
    match device::parse(&url(), &answer) {
        Ok(codes) => {
            assert!(device::Poll::new(&codes).pause() >= Duration::from_secs(5));
            assert!(!codes.user_code.chars().any(char::is_control));
        }
        Err(error) => check_message(&error),
    }
    if let Err(error) = par::parse(&url(), &answer) {
        check_message(&error);
    }
});
