//! What survives the daemon.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use super::endless;
use crate::support::daemon::{Daemon, SERVE, until};
use crate::support::run::Home;

fn segments(folder: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.ends_with(".ts")).collect()
}

#[test]
fn after_a_kill_streams_and_numbers_go_on() {
    let home = Home::new("");
    let config = format!("{SERVE}[stream.file]\nrun = \"{}\"\n", endless("-f hls -hls_time 1 -hls_list_size 0 media/file.m3u8"));
    let daemon = Daemon::start(&home, &config);
    let added = daemon.add("recorded", &endless("-f segment -segment_time 1 media/cam-%05d.ts"));
    assert_eq!((added.status, added.field("location")), (201, Some("/api/v1/streams/recorded")), "{}", added.text());
    let silent = json!({ "id": "silent", "run": endless("-f null -"), "start": false, "restart": "always" });
    assert_eq!(daemon.ask("POST", "/api/v1/streams", Some(&silent)).status, 201);
    let media = home.path("media");
    until("three segments", || (segments(&media).iter().filter(|name| name.starts_with("cam-")).count() >= 3).then_some(()));
    let sizes = |name: &str| std::fs::read(media.join(name)).expect("a segment");
    let first = sizes("cam-00000.ts");
    daemon.kill();
    let before = segments(&media);

    let daemon = Daemon::start_with(&home, &["--config", "serve.toml"], &[]);
    daemon.wait_for("recorded", |stream| stream["packets_written"].as_u64() > Some(15));
    let silent = daemon.stream("silent");
    assert_eq!(
        (&silent["state"], &silent["desired"], &silent["restart"]),
        (&"stopped".into(), &"stopped".into(), &"always".into())
    );
    until("further segments", || (segments(&media).difference(&before).count() >= 2).then_some(()));
    assert_eq!(sizes("cam-00000.ts"), first, "a segment from before was written over");
    daemon.wait_for("file", |stream| stream["packets_written"].as_u64() > Some(15));
    daemon.end().expect_code(0);
    let playlist = std::fs::read_to_string(home.path("media/file.m3u8")).expect("a playlist");
    assert!(playlist.contains("file0.ts") && playlist.contains("#EXT-X-DISCONTINUITY"), "{playlist}");
    let listed: Vec<&str> = playlist.lines().filter(|line| line.ends_with(".ts")).collect();
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len(), "{playlist}");
}

#[test]
fn what_was_wished_last_is_remembered() {
    let home = Home::new("");
    let config = format!("{SERVE}[stream.file]\nrun = \"{}\"\n", endless("-f null -"));
    let daemon = Daemon::start(&home, &config);
    daemon.wait_for_state("file", "running");
    assert_eq!(daemon.ask("POST", "/api/v1/streams/file/stop", None).json()["desired"], "stopped");
    daemon.wait_for_state("file", "stopped");
    for (id, run) in
        [("kept", "-f lavfi -i testsrc2=size=16x16 -f null -"), ("gone", "-f lavfi -i testsrc2=size=16x16 -f null -")]
    {
        assert_eq!(daemon.add(id, run).status, 201);
    }
    assert_eq!(daemon.ask("DELETE", "/api/v1/streams/gone", None).status, 204);
    assert_eq!(daemon.ask("GET", "/api/v1/streams/gone", None).status, 404);
    let change = json!({ "run": "-re -f lavfi -i testsrc2=size=32x32 -f null -", "restart": "never" });
    let changed = daemon.ask("PUT", "/api/v1/streams/kept", Some(&change)).json();
    assert_eq!((&changed["restart"], &changed["run"]), (&"never".into(), &change["run"]), "{changed:#}");
    // The file has the last word about its own.
    for (method, path) in [("DELETE", "/api/v1/streams/file"), ("PUT", "/api/v1/streams/file")] {
        assert_eq!(daemon.ask(method, path, Some(&change)).status, 409);
    }
    daemon.end().expect_code(0);

    let daemon = Daemon::start_with(&home, &["--config", "serve.toml"], &[]);
    assert_eq!(daemon.stream("file")["state"], "stopped");
    assert_eq!(daemon.wait_for_state("kept", "running")["run"], change["run"]);
    assert_eq!(daemon.ask("GET", "/api/v1/streams/gone", None).status, 404);
    daemon.end().expect_code(0);
}
