//! Servers that others wrote: oidc-provider gives the tokens; Apache (mod_auth_openidc) and nginx (`auth_request`) have the media.
//! Every way to a token that oidc-provider knows, with every client authentication, plays from both at the same time.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::client_auth::ClientAuth;
use crate::support::media::{self, Kind};
use crate::support::oidc_provider::{Client, OidcProvider};
use crate::support::run::{self, Home, difference, ffmpeg_read};
use crate::support::{apache, nginx};

/// Seconds that a token lives, give or take one: oidc-provider counts whole seconds.
const LIFE: u64 = 3;
/// KiB per second: HLS takes about 9 s.
const RATE: u64 = 180;
const KINDS: [Kind; 2] = [media::HLS, media::MP4_MOOV_LAST];

/// A client of oidc-provider, and the home in which its profile `p` stands.
struct Signed {
    provider: Arc<OidcProvider>,
    client: Client,
    home: Home,
}

impl Signed {
    /// `metadata`: what else is registered. `lines`: what else stands in the profile.
    fn up(auth: ClientAuth, metadata: &Value, lines: &str) -> Self {
        let provider = OidcProvider::shared();
        let home = Home::new("");
        let (mut registered, proof) = auth.prepare(&home, provider.authority());
        let fields = registered.as_object_mut().expect("an object");
        fields.insert("access_token_life".to_owned(), LIFE.into());
        fields.extend(metadata.as_object().expect("an object").clone());
        let client = provider.register(&registered);
        let signed = Self { provider, client, home };
        signed.set_profile(&format!("client_auth = \"{}\"\n{proof}\n{lines}", auth.name()));
        signed
    }

    fn set_profile(&self, lines: &str) {
        let Client { id, secret } = &self.client;
        let (issuer, ca) = (self.provider.issuer(), self.provider.authority().file().display());
        let secret = if secret.is_empty() { String::new() } else { format!("client_secret = \"{secret}\"\n") };
        let text = format!("[profile.p]\nissuer = \"{issuer}\"\nca_file = \"{ca}\"\nclient_id = \"{id}\"\n{secret}{lines}\n");
        self.home.write(run::CONFIG, &text);
    }

    /// Plays HLS and a progressive file from both servers, at the same time from one store: every packet, with several tokens.
    #[track_caller]
    fn plays(&self) {
        let apache = apache::start(&self.provider, &KINDS, RATE);
        let nginx = nginx::start(self.provider.authority(), &self.provider.verify_url(), &KINDS, RATE);
        let starts = [("apache", &apache), ("nginx", &nginx)].map(|(name, server)| {
            let runs = KINDS.map(|kind| {
                let output = format!("{name}-{}.framemd5", kind.name());
                let url = server.entry(&kind);
                let mut arguments = vec!["-nostdin", "-y", "-copyts", "-auth", "p", "-i", &url, "-map", "0", "-c", "copy"];
                arguments.extend(["-f", "framemd5", &output]);
                (kind, run::start(self.home.ffauth(arguments)), self.home.path(&output))
            });
            (server, runs)
        });
        for (server, runs) in starts {
            for (kind, running, output) in runs {
                let run = running.finish();
                assert_eq!(run.code, Some(0), "{}\n{}", run.tail(), server.story());
                let expected = ffmpeg_read(&self.home, &kind, &kind.file().display().to_string());
                assert_eq!(difference(&expected, &run::packets(&output)), None, "{}\n{}", run.tail(), server.story());
            }
            assert!(server.accepted().len() >= 3, "{} tokens only:\n{}", server.accepted().len(), server.story());
        }
        assert_eq!(self.provider.count(&self.client, "grant.error"), 0, "{:?}", self.provider.events(&self.client));
    }
}

fn client_credentials(auth: ClientAuth) {
    Signed::up(auth, &json!({ "grant_types": ["client_credentials"] }), "grant = \"client_credentials\"\nscope = [\"media.read\"]").plays();
}

fn refresh_token(auth: ClientAuth) {
    let metadata = json!({
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": ["http://127.0.0.1/callback"],
        "response_types": ["code"],
        "application_type": "native",
    });
    let signed = Signed::up(auth, &metadata, "grant = \"refresh_token\"\nrefresh_token = { file = \"first\" }");
    signed.home.write(".config/ffauth/first", &signed.provider.grant(&signed.client));
    signed.plays();
    assert_eq!(signed.provider.count(&signed.client, "grant.revoked"), 0, "a refresh token was used twice");
}

/// One test for each way and each client authentication.
macro_rules! ways {
    ($($way:ident: $($name:ident $auth:ident),+;)+) => {$(
        mod $way {
            use super::ClientAuth;
            $(#[test] fn $name() { super::$way(ClientAuth::$auth); })+
        }
    )+};
}

ways! {
    client_credentials: basic Basic, post Post, client_secret_jwt ClientSecretJwt, private_key_jwt PrivateKeyJwt, tls Tls,
        self_signed_tls SelfSignedTls;
    refresh_token: basic Basic, post Post, none None, client_secret_jwt ClientSecretJwt, private_key_jwt PrivateKeyJwt, tls Tls,
        self_signed_tls SelfSignedTls;
}
