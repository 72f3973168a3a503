//! Servers that others wrote: oidc-provider gives the tokens; Apache (mod_auth_openidc) and nginx (`auth_request`) have the media.

use serde_json::json;

use crate::support::media;
use crate::support::oidc_provider::{Client, OidcProvider};
use crate::support::run::{Home, difference, ffmpeg_read};
use crate::support::web::MediaServer;
use crate::support::{apache, nginx};

/// What `client` writes into its profile.
fn profile(provider: &OidcProvider, client: &Client, more: &str) -> String {
    let (url, ca) = (provider.token_url(), provider.authority().file().display().to_string());
    let secret = if client.secret.is_empty() { String::new() } else { format!("client_secret = \"{}\"\n", client.secret) };
    format!("[profile.p]\ntoken_url = \"{url}\"\nclient_id = \"{}\"\n{secret}ca_file = \"{ca}\"\n{more}\n", client.id)
}

/// Reads HLS and a progressive file from `server`: every packet, and no refused request.
fn plays(home: &Home, server: &MediaServer, tokens: usize) {
    for kind in [media::HLS, media::MP4_MOOV_LAST] {
        let reading = home.read(&kind, "p", &server.entry(&kind), &[]);
        assert_eq!(reading.run.code, Some(0), "{}\n{}", reading.run.tail(), server.story());
        let expected = ffmpeg_read(home, &kind, &kind.file().display().to_string());
        assert_eq!(difference(&expected, &reading.packets), None, "{}\n{}", reading.run.tail(), server.story());
    }
    assert_eq!(server.count(401), 0, "{}", server.story());
    assert!(server.accepted().len() >= tokens, "{} tokens only:\n{}", server.accepted().len(), server.story());
}

#[test]
fn client_credentials_play_media_from_apache_and_nginx_across_short_tokens() {
    let provider = OidcProvider::shared();
    for method in ["basic", "post"] {
        let client = provider.register(&json!({
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": format!("client_secret_{method}"),
            "access_token_life": 3,
        }));
        let more = format!("client_auth = \"{method}\"\nscope = [\"media.read\"]");
        let home = Home::new(&profile(&provider, &client, &more));
        let kinds = [media::HLS, media::MP4_MOOV_LAST];
        plays(&home, &apache::start(&provider, &kinds, 150), 3);
        plays(&home, &nginx::start(provider.authority(), &provider.verify_url(), &kinds, 150), 3);
    }
}
