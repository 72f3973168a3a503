//! Playlists and manifests on their way through the relay.
#![no_main]

use std::time::SystemTime;

use ffauth::relay::Ways;
use ffauth::relay::rewrite::{Format, Page, rewrite};
use ffauth::secret::Secret;
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let url = |text: &str| Url::parse(text).expect("a URL");
    let ways = Ways::new(&Secret::new("S"), "p", &url("https://h/v1/")).expect("random numbers");
    let asked = url("http://127.0.0.1:81/S/m/p/live/index");
    let from = url(if choice & 2 == 0 { "https://h/v1/live/index" } else { "https://edge/x/y" });
    let page = Page { asked: &asked, from: &from, ways: &ways, clean: &|url| url, now: SystemTime::UNIX_EPOCH };
    let format = if choice & 1 == 0 { Format::Hls } else { Format::Dash };
    let Ok(text) = rewrite(format, body, &page) else { return };
    if format == Format::Dash {
        assert!(rewrite(format, text.as_bytes(), &page).is_ok(), "{text}");
        return;
    }
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#') && !line.contains("{$")) {
        let Ok(leads) = asked.join(line) else { continue };
        assert!(!matches!(leads.scheme(), "http" | "https") || leads.origin() == asked.origin(), "{line}");
    }
});
