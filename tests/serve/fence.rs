//! What a stream that the API made cannot reach, tried for real.

use std::time::Duration;

use crate::support::daemon::{Daemon, SERVE};
use crate::support::media;
use crate::support::origin::{Origin, Site};
use crate::support::run::{Home, profile};
use crate::support::token_server::{TokenServer, Tokens};

#[test]
fn what_lies_outside_is_refused_before_anything_is_opened() {
    let home = Home::new("");
    home.write("secret.ts", "canary");
    let daemon = Daemon::start(&home, SERVE);
    let outside = home.path("secret.ts").display().to_string();
    for run in [
        format!("-i {outside} -c copy media/o.ts"),
        "-i media/../secret.ts -c copy media/o.ts".to_owned(),
        format!("-f lavfi -i testsrc2 -t 1 -y {outside}"),
        format!("-f lavfi -i movie={outside} media/o.ts"),
        format!("-f lavfi -i testsrc2 -vf subtitles={outside} media/o.ts"),
        "-auth p -i https://media.example/a -c copy media/o.ts".to_owned(),
        "-f lavfi -i testsrc2 -f null - -report".to_owned(),
        "-version".to_owned(),
        "'".to_owned(),
        String::new(),
    ] {
        let answer = daemon.add("x", &run);
        assert_eq!(answer.status, 422, "{run}: {}", answer.text());
        assert!(!answer.text().contains("canary"), "{}", answer.text());
    }
    assert_eq!(daemon.add("inside", "-f lavfi -i testsrc2=size=16x16 -t 0.2 -y media/o.ts").status, 201);
    daemon.wait_for_state("inside", "done");
    assert!(home.path("media/o.ts").exists());
    daemon.end().expect_code(0);
    assert_eq!(std::fs::read_to_string(home.path("secret.ts")).expect("the file"), "canary");
}

/// A playlist is only text: what it names is read by libavformat, not by the command line.
#[test]
fn a_playlist_leads_nowhere_else() {
    let home = Home::new("");
    let secret = home.path("secret.ts");
    std::fs::copy(media::MP4_MOOV_FIRST.file(), &secret).expect("a file");
    let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{}\n#EXT-X-ENDLIST\n", secret.display());
    home.write("media/local.m3u8", &playlist);
    home.write("media/local.ts", &format!("ffconcat version 1.0\nfile '{}'\n", secret.display()));
    home.write("site/remote.m3u8", &playlist);
    let origin = Origin::start(Site { folder: home.path("site"), ..Site::default() });
    let daemon = Daemon::start(&home, SERVE);
    for (id, input) in [
        ("m3u8", "media/local.m3u8".to_owned()),
        ("concat", "media/local.ts".to_owned()),
        ("remote", format!("{}/remote.m3u8", origin.base())),
    ] {
        let added = daemon.ask(
            "PUT",
            &format!("/api/v1/streams/{id}"),
            Some(&serde_json::json!({ "run": format!("-i {input} -c copy -y media/{id}.mkv"), "restart": "never" })),
        );
        assert_eq!(added.status, 201, "{}", added.text());
        let stream = daemon.wait_for(id, |stream| ["failed", "done"].iter().any(|state| stream["state"] == *state));
        assert_eq!((&stream["state"], &stream["packets_read"]), (&"failed".into(), &0.into()), "{stream:#}");
    }
    daemon.end().expect_code(0);
}

/// The lists of protocols and formats that the fence adds leave ordinary work alone, with a token and without.
#[test]
fn ordinary_playlists_and_files_are_read() {
    let tokens = Tokens::living(Duration::from_secs(600));
    let token_server = TokenServer::start(&tokens);
    let folder = media::HLS.file().parent().expect("a folder").to_owned();
    let name = media::HLS.file().file_name().expect("a name").to_string_lossy().into_owned();
    let protected = Origin::start(Site { folder: folder.clone(), tokens: Some(tokens.clone()), ..Site::default() });
    let open = Origin::start(Site { folder, ..Site::default() });
    let home = Home::new("");
    let config = profile("p", &token_server, "") + SERVE + "allow_profiles = [\"p\"]\n";
    std::fs::create_dir(home.path("media")).expect("a folder");
    std::fs::copy(media::MP4_MOOV_FIRST.file(), home.path("media/in.mp4")).expect("a file");
    let daemon = Daemon::start(&home, &config);
    for (id, input) in [
        ("token", format!("-auth p -i {}/{name}", protected.base())),
        ("plain", format!("-i {}/{name}", open.base())),
        ("file", "-i media/in.mp4".to_owned()),
    ] {
        let added = daemon.add(id, &format!("{input} -c copy -y media/{id}.mkv"));
        assert_eq!(added.status, 201, "{}", added.text());
        let stream = daemon.wait_for_state(id, "done");
        assert!(stream["packets_written"].as_u64() > Some(100), "{stream:#}");
    }
    daemon.end().expect_code(0);
}
