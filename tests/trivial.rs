//! A token in a file and nothing else.

use std::time::Duration;

use crate::support::media;
use crate::support::origin::{Origin, Site};
use crate::support::run::{Home, difference, ffmpeg_read, finish, start};
use crate::support::token_server::Tokens;

/// The second command of the README, with no configuration at all.
#[test]
fn a_token_in_a_file_is_enough() {
    let kind = media::MP4_MOOV_FIRST;
    let tokens = Tokens::living(Duration::from_secs(600));
    let origin = Origin::start(Site { tokens: Some(tokens.clone()), ..kind.site() });
    let home = Home::new("");
    home.write("token.txt", &format!("{}\n", tokens.issue()));
    let mut command = home.ffauth(["-auth", "x", "-i", &origin.url(kind.entry), "-c", "copy", "out.mp4"]);
    command.env("FFAUTH_X_ACCESS_TOKEN_FILE", "token.txt");
    finish(command).expect_code(0);
    let got = ffmpeg_read(&home, &kind, &home.path("out.mp4").display().to_string());
    let expected = ffmpeg_read(&home, &kind, &kind.file().display().to_string());
    assert_eq!(difference(&expected, &got), None);
    assert_eq!(origin.count(401), 0, "{}", origin.story());
}

/// Somebody else keeps the file fresh: each new token is used from then on.
#[test]
fn a_file_that_an_agent_rewrites_is_followed() {
    let kind = media::HLS;
    let tokens = Tokens::living(Duration::from_secs(2));
    let origin = Origin::start(Site { tokens: Some(tokens.clone()), ..kind.paced(Duration::from_secs(8)) });
    let home = Home::new("");
    let renew = || {
        home.write("next.txt", &tokens.issue());
        std::fs::rename(home.path("next.txt"), home.path("token.txt")).expect("the same folder");
    };
    renew();
    let url = origin.url(kind.entry);
    let line = ["-copyts", "-auth", "x", "-i", &url, "-map", "0", "-c", "copy", "-f", "framemd5", "read.framemd5"];
    let mut command = home.ffauth(line);
    command.env("FFAUTH_X_ACCESS_TOKEN_FILE", "token.txt");
    let mut running = start(command);
    while !running.ended() {
        std::thread::sleep(Duration::from_millis(1000));
        renew();
    }
    running.finish().expect_code(0);
    let expected = ffmpeg_read(&home, &kind, &kind.file().display().to_string());
    let got = crate::support::run::packets(&home.path("read.framemd5"));
    assert_eq!(difference(&expected, &got), None, "{}", origin.story());
    assert!(origin.accepted().len() >= 3, "{}", origin.story());
}
