//! The dashboard as a person uses it, in a browser.

use std::path::Path;

use serde_json::Value;

use super::endless;
use crate::support::browser::Browser;
use crate::support::daemon::{Daemon, SERVE};
use crate::support::run::Home;

/// Adds a stream, watches it and stops it; the pictures of it stand in the build folder.
#[test]
#[ignore = "needs Chromium, 360 MB: apt-get install chromium, then cargo test serve::dashboard -- --ignored"]
fn a_stream_is_added_watched_and_stopped() {
    let home = Home::new("");
    let bad = "[stream.broken]\nrun = \"-i media/nothing.ts -c copy media/o.ts\"\n";
    let config = format!("{SERVE}[stream.lobby]\nrun = \"{}\"\n{bad}", endless("-f segment -segment_time 1 media/lobby-%03d.ts"));
    let daemon = Daemon::start(&home, &config);
    let link = home.line("serve --config serve.toml --print sign-in");
    let mut page = Browser::open(link.stdout.trim_end());
    page.wait_for("document.querySelectorAll('.stream').length === 2");
    let card = |id: &str| format!("document.querySelector('.stream[data-id=\"{id}\"]')");

    page.value("document.getElementById('add').click()");
    page.wait_for("document.getElementById('dialog').open");
    let fill = |id: &str, value: &str| format!("document.getElementById('{id}').value = {}", Value::from(value));
    // One that is refused says so where it was typed.
    page.value(&fill("new-id", "camera"));
    page.value(&fill("new-run", "-i /etc/passwd -c copy media/x.ts"));
    page.value("document.getElementById('create').click()");
    page.wait_for("document.getElementById('form-error').textContent.includes('allow_paths')");
    page.value(&fill("new-run", &endless("-f hls -hls_time 1 media/camera.m3u8")));
    page.value("document.getElementById('create').click()");
    page.wait_for("!document.getElementById('dialog').open");

    let camera = card("camera");
    page.wait_for(&format!("{camera}?.querySelector('.state').textContent === 'running'"));
    page.wait_for(&format!("({camera}.querySelector('.graph .line').getAttribute('d') || '').length > 20"));
    page.wait_for(&format!("{camera}.querySelector('img').src.startsWith('data:image/jpeg')"));
    page.wait_for(&format!("!{}.querySelector('.error').hidden", card("broken")));
    page.wait_for(&format!("{}.querySelector('img').src.startsWith('data:image/jpeg')", card("lobby")));
    page.photograph(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard.png"));

    // On a phone nothing sticks out, and everything that can be used has a name.
    page.size(390, 844, true);
    page.wait_for("document.documentElement.scrollWidth <= 390");
    page.photograph(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard-phone.png"));
    let unnamed: Vec<_> = page.names().into_iter().filter(|(_, name)| name.is_empty()).collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");

    page.value(&format!("{camera}.querySelector('.stop').click()"));
    page.wait_for(&format!("{camera}.querySelector('.state').textContent === 'stopped'"));
    assert_eq!(daemon.stream("camera")["desired"], "stopped");
    page.value("window.confirm = () => true");
    page.value(&format!("{camera}.querySelector('.remove').click()"));
    page.wait_for(&format!("{camera} === null"));
    assert!(!page.value("document.documentElement.outerHTML").to_string().contains(&daemon.token));
    let expected = |error: &String| error.contains("422") || error.contains("thumbnail");
    let errors: Vec<_> = page.errors.iter().filter(|error| !expected(error)).collect();
    assert!(errors.is_empty(), "{errors:?}");
    daemon.end().expect_code(0);
}
