//! Certificates: checked on every connection that may carry a token, by the roots that the profile and the system name.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::support::media::{self, Kind};
use crate::support::origin::{Origin, Site};
use crate::support::run::{self, Finished, Home, count, difference, ffmpeg_read, finish};
use crate::support::steady::steady;
use crate::support::tls::Authority;
use crate::support::token_server::{TokenServer, Tokens};

const LIFE: Duration = Duration::from_secs(2);
const HERE: &str = "127.0.0.1";

/// A token endpoint, a server of playlists and a server of segments, each with a certificate of its own.
struct Hosts {
    tokens: Arc<Tokens>,
    token_server: TokenServer,
    playlist: Origin,
    segments: Origin,
    home: Home,
    kind: Kind,
}

impl Hosts {
    fn new(
        kind: Kind,
        token_tls: Arc<rustls::ServerConfig>,
        playlist_tls: Arc<rustls::ServerConfig>,
        segment_tls: Arc<rustls::ServerConfig>,
    ) -> Self {
        let tokens = Tokens::living(LIFE);
        let token_server = TokenServer::start_with(&tokens, Some(token_tls));
        let lasts = Duration::from_secs(5);
        let segments = Origin::start(Site { tokens: Some(tokens.clone()), tls: Some(segment_tls), lasts, ..kind.site() });
        let replace = vec![("index".to_owned(), format!("{}/index", segments.base()))];
        let playlist = Origin::start(Site { tokens: Some(tokens.clone()), tls: Some(playlist_tls), replace, ..kind.site() });
        Self { tokens, token_server, playlist, segments, home: Home::new(""), kind }
    }

    /// Reads it all. `ca_file`: the profile's; `system`: the value of `SSL_CERT_FILE`.
    fn read(&self, ca_file: Option<&Authority>, system: Option<&Authority>, more: &[&str]) -> Finished {
        let mut lines = format!("origins = [\"{}\", \"{}\"]", self.playlist.base(), self.segments.base());
        if let Some(authority) = ca_file {
            lines.push_str(&format!("\nca_file = \"{}\"", authority.file().display()));
        }
        self.home.write(run::CONFIG, &run::profile("p", &self.token_server, &lines));
        let url = self.playlist.url(self.kind.entry);
        let mut arguments = vec!["-nostdin", "-y", "-copyts"];
        arguments.extend(more);
        arguments.extend([
            "-auth_wait",
            "1",
            "-auth",
            "p",
            "-i",
            &url,
            "-map",
            "0",
            "-c",
            "copy",
            "-f",
            "framemd5",
            "read.framemd5",
        ]);
        let mut command: Command = self.home.ffauth(arguments);
        if let Some(authority) = system {
            command.env("SSL_CERT_FILE", authority.file());
        }
        finish(command)
    }

    #[track_caller]
    fn assert_complete(&self, run: &Finished) {
        run.expect_code(0);
        let expected = ffmpeg_read(&self.home, &self.kind, &self.kind.file().display().to_string());
        let got = run::packets(&self.home.path("read.framemd5"));
        assert_eq!(difference(&expected, &got), None, "{}\n{}", run.tail(), self.segments.story());
        assert_eq!(self.playlist.count(401) + self.segments.count(401), 0, "{}", self.segments.story());
    }
}

#[test]
fn a_private_ca_serves_tokens_playlist_and_segments() {
    let ca = Authority::new("private");
    for kind in [media::HLS, media::HLS_FMP4] {
        let hosts = Hosts::new(kind, ca.certify(HERE), ca.certify(HERE), ca.certify(HERE));
        hosts.assert_complete(&hosts.read(Some(&ca), None, &[]));
        assert!(hosts.segments.accepted().len() >= 2, "{}", hosts.segments.story());
    }
}

#[test]
fn a_private_ca_serves_a_progressive_file() {
    steady(|| {
        let ca = Authority::new("private");
        let kind = media::MPEGTS;
        let tokens = Tokens::living(LIFE);
        let token_server = TokenServer::start_with(&tokens, Some(ca.certify(HERE)));
        let origin =
            Origin::start(Site { tokens: Some(tokens), tls: Some(ca.certify(HERE)), ..kind.paced(Duration::from_secs(6)) });
        let home = Home::new(&run::profile("p", &token_server, &format!("ca_file = \"{}\"", ca.file().display())));
        let reading = home.read(&kind, "p", &origin.url(kind.entry), &[]);
        reading.run.expect_code(0);
        let expected = ffmpeg_read(&home, &kind, &kind.file().display().to_string());
        assert_eq!(difference(&expected, &reading.packets), None, "{}", origin.story());
        assert_eq!(origin.count(401), 0, "{}", origin.story());
    });
}

/// `SSL_CERT_FILE` is the system's list in these tests: with it alone, everything under it verifies.
#[test]
fn ssl_cert_file_is_obeyed_for_tokens_and_media() {
    let ca = Authority::new("system");
    let hosts = Hosts::new(media::HLS, ca.certify(HERE), ca.certify(HERE), ca.certify(HERE));
    hosts.assert_complete(&hosts.read(None, Some(&ca), &[]));
}

/// The profile's `ca_file` stands beside the system's roots, in libavformat too, where a `ca_file` replaces them.
#[test]
fn a_host_under_a_system_root_still_verifies_beside_a_private_ca() {
    let (system, private) = (Authority::new("system"), Authority::new("private"));
    let hosts = Hosts::new(media::HLS, system.certify(HERE), system.certify(HERE), private.certify(HERE));
    hosts.assert_complete(&hosts.read(Some(&private), Some(&system), &[]));
    let hosts = Hosts::new(media::HLS, private.certify(HERE), private.certify(HERE), system.certify(HERE));
    hosts.assert_complete(&hosts.read(Some(&private), Some(&system), &[]));
}

/// The playlist's host is who it says; the segments' is not. Plain ffmpeg 5.1 sends it the token.
#[test]
fn a_segment_host_with_a_wrong_certificate_gets_nothing() {
    let (ca, stranger) = (Authority::new("private"), Authority::new("stranger"));
    for wrong in [stranger.certify(HERE), ca.certify("media.example.com")] {
        let hosts = Hosts::new(media::HLS, ca.certify(HERE), ca.certify(HERE), wrong);
        let run = hosts.read(Some(&ca), None, &[]);
        run.expect_code(1);
        let stderr = run.stderr.to_lowercase();
        assert!(stderr.contains("certificate") && run.stderr.contains(&hosts.segments.base()), "{}", run.tail());
        assert!(hosts.segments.connections() > 0, "it was never tried");
        assert!(hosts.segments.log().is_empty(), "{}", hosts.segments.story());
        assert_eq!(count(&run::packets(&hosts.home.path("read.framemd5"))), 0);
    }
}

#[test]
fn a_playlist_host_with_a_wrong_certificate_gets_nothing() {
    let (ca, stranger) = (Authority::new("private"), Authority::new("stranger"));
    let hosts = Hosts::new(media::HLS, ca.certify(HERE), stranger.certify(HERE), ca.certify(HERE));
    let run = hosts.read(Some(&ca), None, &[]);
    run.expect_code(1);
    assert!(run.stderr.to_lowercase().contains("certificate") && run.stderr.contains(&hosts.playlist.base()), "{}", run.tail());
    assert!(hosts.playlist.log().is_empty(), "{}", hosts.playlist.story());
}

#[test]
fn a_token_endpoint_with_a_wrong_certificate_gets_no_secret() {
    let (ca, stranger) = (Authority::new("private"), Authority::new("stranger"));
    let hosts = Hosts::new(media::HLS, stranger.certify(HERE), ca.certify(HERE), ca.certify(HERE));
    let run = hosts.read(Some(&ca), None, &[]);
    run.expect_code(1);
    assert!(
        run.stderr.to_lowercase().contains("certificate") && run.stderr.contains(&hosts.token_server.url()),
        "{}",
        run.tail()
    );
    assert!(hosts.token_server.requests().is_empty());
    assert!(hosts.playlist.mentions(&hosts.tokens.all()).is_empty());
}

/// Verification can be turned off by name only, for media, and says so.
#[test]
fn verification_is_turned_off_by_name_only() {
    let (ca, stranger) = (Authority::new("private"), Authority::new("stranger"));
    let hosts = Hosts::new(media::HLS, ca.certify(HERE), stranger.certify(HERE), stranger.certify(HERE));
    let run = hosts.read(Some(&ca), None, &["-tls_verify", "0"]);
    hosts.assert_complete(&run);
    assert!(run.stderr.contains("tls_verify"), "{}", run.tail());
}
