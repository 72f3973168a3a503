//! Servers that others wrote: oidc-provider gives the tokens; Apache (mod_auth_openidc) and nginx (`auth_request`) have the media.
//! Every way to a token that oidc-provider knows, with every client authentication, plays from both at the same time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client_auth::ClientAuth;
use crate::support::glewlwyd::Glewlwyd;
use crate::support::media::{self, Kind};
use crate::support::oidc_provider::{Client, OidcProvider, approve, browser};
use crate::support::python::PythonServer;
use crate::support::run::{self, Home, Packets, difference, ffmpeg_read};
use crate::support::service::wait_until;
use crate::support::steady::steady;
use crate::support::tls::Shown;
use crate::support::web::MediaServer;
use crate::support::{apache, nginx};

/// Seconds that a token lives, give or take one: oidc-provider counts whole seconds.
const LIFE: u64 = 6;
/// KiB per second for each of the two connections that read HLS at a time: it takes about 16 s.
const RATE: u64 = 50;
const KINDS: [Kind; 2] = [media::HLS, media::MP4_MOOV_LAST];

/// A client of oidc-provider, and the home in which its profile `p` stands.
struct Signed {
    provider: Arc<OidcProvider>,
    client: Client,
    home: Arc<Home>,
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
        let signed = Self { provider, client, home: Arc::new(home) };
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

    /// Apache and nginx with these media, for tokens of the server.
    fn servers(&self, kinds: &[Kind], rate: u64) -> [MediaServer; 2] {
        let (provider, authority) = (&self.provider, self.provider.authority());
        let apache = apache::start(authority, &provider.introspection_url(), kinds, rate);
        [apache, nginx::start(authority, &provider.verify_url(), kinds, rate)]
    }

    /// Plays HLS and a progressive file from both servers, at the same time from one store: every packet, with several tokens.
    #[track_caller]
    fn plays(&self) {
        let [apache, nginx] = self.servers(&KINDS, RATE);
        play(&self.home, &[&apache, &nginx]);
        assert_eq!(self.provider.count(&self.client, "grant.error"), 0, "{:?}", self.provider.events(&self.client));
        assert_eq!(self.provider.count(&self.client, "grant.revoked"), 0, "a refresh token was used twice");
    }
}

impl Signed {
    /// `ffauth logout p`: the tokens are dead at the server, and gone here.
    #[track_caller]
    fn logs_out(&self) {
        let mut token = String::new();
        steady(|| {
            token = self.home.line("token p --min-valid 3s").stdout.trim().to_owned();
            assert_eq!(self.provider.introspect(&token)["active"], true);
        });
        self.home.line("logout p").expect_code(0);
        assert_eq!(self.provider.introspect(&token)["active"], false);
        self.home.line("token p").expect_code(3);
    }
}

/// Plays [`KINDS`] from `servers` with profile `p`, all at the same time.
#[track_caller]
fn play(home: &Home, servers: &[&MediaServer]) {
    steady(|| {
        let pairs = servers.iter().flat_map(|server| KINDS.map(|kind| (*server, kind)));
        let runs = pairs.enumerate().map(|(number, (server, kind))| {
            let (url, output) = (server.entry(&kind), format!("{number}.framemd5"));
            let mut arguments = vec!["-nostdin", "-y", "-copyts", "-auth", "p", "-i", &url, "-map", "0", "-c", "copy"];
            arguments.extend(["-f", "framemd5", &output]);
            (server, kind, run::start(home.ffauth(arguments)), home.path(&output))
        });
        for (server, kind, running, output) in runs.collect::<Vec<_>>() {
            let run = running.finish();
            assert_eq!(run.code, Some(0), "{}\n{}", run.tail(), server.story());
            let expected = ffmpeg_read(home, &kind, &kind.file().display().to_string());
            assert_eq!(difference(&expected, &run::packets(&output)), None, "{}\n{}", run.tail(), server.story());
        }
        for server in servers {
            assert!(server.accepted().len() >= 3, "{} tokens only:\n{}", server.accepted().len(), server.story());
        }
    });
}

/// The metadata of a client with which people sign in.
fn signing_in() -> Value {
    json!({
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        "redirect_uris": ["http://127.0.0.1/callback"],
        "response_types": ["code"],
        "application_type": "native",
    })
}

fn client_credentials(auth: ClientAuth) {
    Signed::up(
        auth,
        &json!({ "grant_types": ["client_credentials"] }),
        "grant = \"client_credentials\"\nscope = [\"media.read\"]",
    )
    .plays();
}

fn refresh_token(auth: ClientAuth) {
    let signed = Signed::up(auth, &signing_in(), "grant = \"refresh_token\"\nrefresh_token = { file = \"first\" }");
    signed.home.write(".config/ffauth/first", &signed.provider.grant(&signed.client));
    signed.plays();
}

const SCOPE: &str = "scope = [\"openid\", \"offline_access\", \"media.read\"]";

/// Somebody signs in with a browser, and out again.
fn authorization_code(auth: ClientAuth) {
    // Without `prompt=consent` the server drops offline_access in silence (OpenID Connect Core 1.0 section 11).
    let lines = format!("grant = \"authorization_code\"\n{SCOPE}\nauthorize_params = {{ prompt = \"consent\" }}");
    let signed = Signed::up(auth, &signing_in(), &lines);
    login_with_browser(&signed.home, signed.provider.door());
    signed.plays();
    signed.logs_out();
}

/// The same with a pushed authorization request (RFC 9126), without which this client gets nothing.
fn pushed_authorization_code(auth: ClientAuth) {
    let mut metadata = signing_in();
    metadata["require_pushed_authorization_requests"] = true.into();
    let lines = format!("grant = \"authorization_code\"\n{SCOPE}\nauthorize_params = {{ prompt = \"consent\" }}");
    let signed = Signed::up(auth, &metadata, &lines);
    login_with_browser(&signed.home, signed.provider.door());
    assert_eq!(signed.provider.count(&signed.client, "pushed_authorization_request.success"), 1);
    signed.plays();
    signed.logs_out();
}

/// Somebody signs in on another device.
fn device_code(auth: ClientAuth) {
    let signed = Signed::up(auth, &signing_in(), &format!("grant = \"device_code\"\n{SCOPE}"));
    login_with_device(&signed.home, signed.provider.door());
    signed.plays();
    signed.logs_out();
}

/// `ffauth login p`, with a browser behind which somebody says yes.
#[track_caller]
fn login_with_browser(home: &Home, door: &str) {
    let mut command = home.ffauth(["login", "p"]);
    command.env("BROWSER", browser(home, door, "yes"));
    run::finish(command).expect_code(0);
}

/// `ffauth login p --device`: somebody reads the URL and the code that it prints, and takes them to a browser.
#[track_caller]
fn login_with_device(home: &Home, door: &str) {
    let mut command = home.ffauth(["login", "p", "--device"]);
    let printed = home.path("printed");
    command.stdout(std::fs::File::create(&printed).expect("a file"));
    let mut login = run::start(command);
    let (url, code) = loop {
        let text = std::fs::read_to_string(&printed).expect("a file");
        if let [url, code] = text.lines().collect::<Vec<_>>()[..]
            && text.ends_with('\n')
        {
            break (url.to_owned(), code.to_owned());
        }
        assert!(!login.ended(), "{}", login.finish().stderr);
        std::thread::sleep(Duration::from_millis(50));
    };
    approve(door, &url, &code, "yes");
    login.finish().expect_code(0);
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
    authorization_code: basic Basic, post Post, none None, client_secret_jwt ClientSecretJwt, private_key_jwt PrivateKeyJwt, tls Tls,
        self_signed_tls SelfSignedTls;
    pushed_authorization_code: basic Basic, post Post, none None, client_secret_jwt ClientSecretJwt, private_key_jwt PrivateKeyJwt,
        tls Tls, self_signed_tls SelfSignedTls;
    device_code: basic Basic, post Post, none None, client_secret_jwt ClientSecretJwt, private_key_jwt PrivateKeyJwt, tls Tls,
        self_signed_tls SelfSignedTls;
    refresh_token: basic Basic, post Post, none None, client_secret_jwt ClientSecretJwt, private_key_jwt PrivateKeyJwt, tls Tls,
        self_signed_tls SelfSignedTls;
}

/// oidc-provider floors the time at which a token was issued: one that should live 3 s lives 2 to 3 s, which costs a 401 now and then.
/// Tokens that live longer than the second that is in doubt are renewed in time.
#[test]
fn nothing_is_refused_where_tokens_live_a_little_longer() {
    let metadata = json!({ "grant_types": ["client_credentials"], "access_token_life": 10 });
    let signed = Signed::up(ClientAuth::Basic, &metadata, "scope = [\"media.read\"]\ngrant = \"client_credentials\"");
    let [apache, nginx] = signed.servers(&KINDS, 32);
    play(&signed.home, &[&apache, &nginx]);
    for server in [&apache, &nginx] {
        assert_eq!(server.count(401), 0, "{}", server.story());
    }
}

/// Each is away for three seconds, in the middle of a body.
#[test]
fn media_servers_that_are_started_again_are_waited_for() {
    let metadata = json!({ "grant_types": ["client_credentials"], "access_token_life": 5 });
    let signed = Signed::up(ClientAuth::Basic, &metadata, "scope = [\"media.read\"]\ngrant = \"client_credentials\"");
    let servers = signed.servers(&KINDS, RATE);
    std::thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| {
                let segments =
                    || server.log().iter().filter(|access| access.path.ends_with(".ts") && access.status < 400).count();
                wait_until("segments are read", || segments() >= 3);
                server.restart(Duration::from_secs(3));
            });
        }
        play(&signed.home, &servers.each_ref());
    });
}

/// A playlist that grows while it is read, at the pace of its pictures.
#[test]
fn a_live_stream_plays_from_apache_and_nginx() {
    let metadata = json!({ "grant_types": ["client_credentials"] });
    let signed = Signed::up(ClientAuth::Post, &metadata, "scope = [\"media.read\"]\ngrant = \"client_credentials\"");
    let servers = signed.servers(&[], 0);
    let source = media::MP4_MOOV_LAST.file().display().to_string();
    let runs = servers.each_ref().map(|server| {
        std::fs::create_dir(server.path("media/hls")).expect("a folder");
        let playlist = server.path("media/hls/index.m3u8");
        let line = format!(
            "-v error -nostdin -re -t 14 -i {source} -c copy -f hls -hls_time 2 -hls_playlist_type event {}",
            playlist.display()
        );
        let writer = run::start(signed.home.program("ffmpeg", line.split(' ')));
        while !playlist.exists() {
            std::thread::sleep(Duration::from_millis(50));
        }
        let output = format!("{}.framemd5", server.program());
        let url = server.entry(&media::HLS);
        let line = format!("-nostdin -y -copyts -live_start_index 0 -auth p -i {url} -map 0 -c copy -f framemd5 {output}");
        (writer, run::start(signed.home.ffauth(line.split(' '))), signed.home.path(&output))
    });
    for (server, (writer, reader, output)) in servers.iter().zip(runs) {
        writer.finish().expect_code(0);
        let run = reader.finish();
        assert_eq!(run.code, Some(0), "{}\n{}", run.tail(), server.story());
        let written = server.path("media/hls/index.m3u8").display().to_string();
        let difference = difference(&packets_of(&signed.home, &written), &run::packets(&output));
        assert_eq!(difference, None, "{}\n{}", run.tail(), server.story());
        assert!(server.accepted().len() >= 2, "{}", server.story());
    }
}

/// Segments and playlists go up by PUT, to nginx's and Apache's WebDAV.
#[test]
fn hls_is_uploaded_to_apache_and_nginx() {
    let metadata = json!({ "grant_types": ["client_credentials"] });
    let signed = Signed::up(ClientAuth::Basic, &metadata, "scope = [\"media.read\"]\ngrant = \"client_credentials\"");
    let servers = signed.servers(&[], 0);
    let source = media::MP4_MOOV_LAST.file().display().to_string();
    let line = |input: &str, output: &str| {
        format!("-nostdin -y {input} -t 12 -i {source} -c copy -f hls -hls_time 2 -hls_list_size 0 {output}")
    };
    let runs = servers.each_ref().map(|server| {
        let line = line("-re", &format!("-method PUT -auth p {}", server.url("upload/out.m3u8")));
        run::start(signed.home.ffauth(line.split(' ')))
    });
    run::finish(signed.home.program("ffmpeg", line("-v error", "local.m3u8").split(' ').filter(|word| !word.is_empty())))
        .expect_code(0);
    let expected = packets_of(&signed.home, "local.m3u8");
    for (server, run) in servers.iter().zip(runs.map(run::Running::finish)) {
        assert_eq!(run.code, Some(0), "{}\n{}", run.tail(), server.story());
        let stored = server.path("upload/out.m3u8").display().to_string();
        assert_eq!(difference(&expected, &packets_of(&signed.home, &stored)), None, "{}\n{}", run.tail(), server.story());
        assert!(server.accepted().len() >= 2, "{}", server.story());
    }
}

/// What `ffmpeg` reads from a playlist on disk.
fn packets_of(home: &Home, playlist: &str) -> Packets {
    let line = format!("-v error -nostdin -y -copyts -i {playlist} -map 0 -c copy -f framemd5 stored.framemd5");
    run::finish(home.program("ffmpeg", line.split(' '))).expect_code(0);
    run::packets(&home.path("stored.framemd5"))
}

/// Tokens that are bound to a key: nginx asks for a proof of it with every request, and takes none twice (RFC 9449). The token
/// endpoint asks for a nonce.
#[track_caller]
fn plays_bound(auth: ClientAuth, metadata: Value, lines: &str, login: impl Fn(&Home, &str)) {
    let mut metadata = metadata;
    metadata["dpop_bound_access_tokens"] = true.into();
    let signed = Signed::up(auth, &metadata, &format!("dpop = true\n{lines}"));
    login(&signed.home, signed.provider.door());
    let nginx = nginx::start(signed.provider.authority(), &signed.provider.verify_url(), &KINDS, RATE);
    play(&signed.home, &[&nginx]);
    assert!(nginx.log().iter().all(|access| access.authorization.starts_with("DPoP ")), "{}", nginx.story());
}

#[test]
fn client_credentials_bound_by_dpop_play_from_nginx() {
    let lines = "scope = [\"media.read\"]\ngrant = \"client_credentials\"";
    plays_bound(ClientAuth::Basic, json!({ "grant_types": ["client_credentials"] }), lines, |_, _| ());
}

/// The refresh tokens of a public client are bound as well.
#[test]
fn a_sign_in_bound_by_dpop_plays_from_nginx() {
    let lines = format!("grant = \"authorization_code\"\n{SCOPE}\nauthorize_params = {{ prompt = \"consent\" }}");
    plays_bound(ClientAuth::None, signing_in(), &lines, login_with_browser);
}

#[test]
fn a_sign_in_on_another_device_bound_by_dpop_plays_from_nginx() {
    plays_bound(ClientAuth::None, signing_in(), &format!("grant = \"device_code\"\n{SCOPE}"), login_with_device);
}

/// RFC 8705 section 3: the token is worth nothing without the certificate.
#[test]
fn tokens_bound_to_a_certificate_play_from_nginx() {
    let metadata = json!({ "grant_types": ["client_credentials"], "tls_client_certificate_bound_access_tokens": true });
    for auth in [ClientAuth::Tls, ClientAuth::SelfSignedTls] {
        let signed = Signed::up(auth, &metadata, "scope = [\"media.read\"]\ngrant = \"client_credentials\"");
        let nginx = nginx::start(signed.provider.authority(), &signed.provider.verify_url(), &KINDS, RATE);
        play(&signed.home, &[&nginx]);
        let header = signed.home.line("token p --format header --min-valid 2s").stdout;
        let url = nginx.entry(&media::HLS);
        let thief = signed.home.program("curl", ["-sSkfo", "stolen", "-H", header.trim(), &url]);
        assert!(run::finish(thief).stderr.contains("401"), "{}", nginx.story());
    }
}

#[test]
fn a_person_who_refuses_ends_the_sign_in_at_once() {
    let lines = format!("grant = \"authorization_code\"\n{SCOPE}\nauthorize_params = {{ prompt = \"consent\" }}");
    let signed = Signed::up(ClientAuth::None, &signing_in(), &lines);
    let mut command = signed.home.ffauth(["login", "p"]);
    command.env("BROWSER", browser(&signed.home, signed.provider.door(), "no"));
    let run = run::finish(command);
    assert!(run.stderr.contains("access_denied"), "{}", run.stderr);
    run.expect_code(4);
    signed.home.line("token p").expect_code(3);
}

/// RFC 8707.
#[test]
fn a_token_is_for_the_resource_that_the_profile_names() {
    let lines = "scope = [\"media.read\"]\ngrant = \"client_credentials\"\nresource = [\"https://media.example/\"]";
    let signed = Signed::up(ClientAuth::Basic, &json!({ "grant_types": ["client_credentials"] }), lines);
    let run = signed.home.line("token p");
    run.expect_code(0);
    let claims = signed.provider.introspect(run.stdout.trim());
    assert_eq!((&claims["active"], &claims["aud"]), (&json!(true), &json!("https://media.example/")));
}

/// Apache says 401 and nothing more, nginx 403 and what is missing. No new token would help.
#[test]
fn a_missing_scope_is_an_error_and_no_storm_of_requests() {
    let metadata = json!({ "grant_types": ["client_credentials"] });
    let signed = Signed::up(ClientAuth::Basic, &metadata, "scope = [\"openid\"]\ngrant = \"client_credentials\"");
    let [apache, nginx] = signed.servers(&[media::HLS], 0);
    for (server, status) in [(&apache, "401"), (&nginx, "insufficient_scope")] {
        let run = signed.home.line(&format!("-nostdin -y -auth p -i {} -c copy -f null -", server.entry(&media::HLS)));
        run.expect_code(1);
        assert!(run.stderr.contains(status), "{}", run.stderr);
        assert!(server.log().len() <= 6, "{}", server.story());
    }
    let renewed = signed.provider.count(&signed.client, "grant.success");
    assert!(renewed <= 3, "{renewed} tokens");
}

/// Why all this is needed.
#[test]
fn ffmpeg_with_a_fixed_header_loses_most_and_ends_well() {
    steady(|| {
        let metadata = json!({ "grant_types": ["client_credentials"], "access_token_life": 6 });
        let signed = Signed::up(ClientAuth::Basic, &metadata, "scope = [\"media.read\"]\ngrant = \"client_credentials\"");
        let expected = ffmpeg_read(&signed.home, &media::HLS, &media::HLS.file().display().to_string());
        for server in signed.servers(&[media::HLS], 40) {
            let header = signed.home.line("token p --format header --min-valid 5s").stdout;
            let url = server.entry(&media::HLS);
            let arguments = ["-v", "error", "-nostdin", "-y", "-headers", header.trim(), "-i", &url, "-map", "0", "-c", "copy"];
            let run =
                run::finish(signed.home.program("ffmpeg", arguments.into_iter().chain(["-f", "framemd5", "lossy.framemd5"])));
            run.expect_code(0);
            let (all, got) = (run::count(&expected), run::count(&run::packets(&signed.home.path("lossy.framemd5"))));
            assert!(got < all / 2, "{got} of {all} packets\n{}", server.story());
        }
    });
}

/// Plays from both servers with the tokens of `server` and the profile `lines`.
#[track_caller]
fn plays_with(server: &PythonServer, home: &Home, lines: &str) {
    let (url, ca) = (server.token_url(), server.authority().file().display());
    home.write(run::CONFIG, &format!("[profile.p]\ntoken_url = \"{url}\"\nca_file = \"{ca}\"\nclient_id = \"app\"\n{lines}\n"));
    let apache = apache::start(server.authority(), &server.introspection_url(), &KINDS, RATE);
    let nginx = nginx::start(server.authority(), &server.verify_url(), &KINDS, RATE);
    play(home, &[&apache, &nginx]);
    assert!(server.answers().iter().all(|status| *status == 200), "{:?}", server.answers());
}

#[test]
fn assertions_of_the_jwt_bearer_grant_play_with_tokens_of_authlib() {
    let home = Home::new("");
    let lines = "grant = \"jwt_bearer\"\nprivate_key = { file = \"key.pem\" }\nassertion_subject = \"somebody\"\nscope = [\"media.read\"]";
    plays_with(&PythonServer::authlib(&client_key(&home)), &home, lines);
}

#[test]
fn a_client_with_a_private_key_plays_with_tokens_of_authlib() {
    let home = Home::new("");
    let lines = "client_auth = \"private_key_jwt\"\ngrant = \"client_credentials\"\nprivate_key = { file = \"key.pem\" }\nscope = [\"media.read\"]";
    plays_with(&PythonServer::authlib(&client_key(&home)), &home, lines);
}

/// The subject token is another program's, which has a fresh one whenever it is asked.
#[test]
fn exchanged_tokens_play_with_tokens_of_idpyoidc() {
    let server = PythonServer::idpyoidc();
    let command = format!("subject_token = {{ command = [\"curl\", \"--silent\", \"--fail\", \"{}\"] }}", server.subject_url());
    let lines = format!(
        "grant = \"token_exchange\"\nclient_secret = \"app-secret\"\n{command}\naudience = \"media\"\nscope = [\"media.read\"]"
    );
    plays_with(&server, &Home::new(""), &lines);
}

/// glewlwyd, and a home with a profile for it. It writes `token_type` in lower case, takes a secret only as it is, and lets a client
/// introspect no tokens but its own, which leaves Apache out.
fn at_glewlwyd(lines: &str) -> (Glewlwyd, Home) {
    let (server, home) = (Glewlwyd::start(), Home::new(""));
    let urls = [("token", "token"), ("authorize", "auth"), ("device", "device_authorization/"), ("revoke", "revoke/")];
    let urls = urls.map(|(key, path)| format!("{key}_url = \"{}\"\n", server.endpoint(path))).concat();
    let client = "client_id = \"app\"\nclient_secret = \"odd +/%2F=\"\nclient_auth = \"basic_raw\"\nscope = [\"media.read\"]";
    let (ca, port) = (server.authority().file().display(), server.redirect_port());
    let lines = lines.replace("PORT", &port.to_string());
    home.write(run::CONFIG, &format!("[profile.p]\n{urls}ca_file = \"{ca}\"\n{client}\n{lines}\n"));
    (server, home)
}

#[track_caller]
fn plays_at_glewlwyd(server: &Glewlwyd, home: &Home) {
    play(home, &[&nginx::start(server.authority(), &server.verify_url(), &KINDS, RATE)]);
}

/// RFC 6749 section 2.3.1 has the parts form-encoded first. oidc-provider takes them no other way, glewlwyd every other way.
#[test]
fn an_odd_secret_is_encoded_unless_the_profile_says_raw() {
    let provider = OidcProvider::shared();
    let (ca, url) = (provider.authority().file().display(), provider.issuer());
    let profile =
        format!("[profile.p]\nissuer = \"{url}\"\nca_file = \"{ca}\"\nclient_id = \"odd:app\"\nclient_secret = \"odd +/%2F=\"");
    for (client_auth, code) in [("basic", 0), ("basic_raw", 4)] {
        let home = Home::new(&format!("{profile}\ngrant = \"client_credentials\"\nclient_auth = \"{client_auth}\""));
        home.line("token p").expect_code(code);
    }
    let (_server, home) = at_glewlwyd("grant = \"client_credentials\"");
    home.line("token p").expect_code(0);
    let text = std::fs::read_to_string(home.path(run::CONFIG)).expect("a profile");
    home.write(run::CONFIG, &text.replace("basic_raw", "basic"));
    std::fs::remove_dir_all(home.path(".local/state")).expect("a store");
    home.line("token p").expect_code(4);
}

#[test]
fn client_credentials_play_with_tokens_of_glewlwyd() {
    let (server, home) = at_glewlwyd("grant = \"client_credentials\"");
    plays_at_glewlwyd(&server, &home);
}

/// Its answer names the issuer, and a refresh token is good once.
#[test]
fn a_sign_in_with_a_browser_plays_with_tokens_of_glewlwyd() {
    let (server, home) = at_glewlwyd("grant = \"authorization_code\"\nredirect_port = PORT");
    login_with_browser(&home, server.door());
    plays_at_glewlwyd(&server, &home);
    home.line("logout p").expect_code(0);
    home.line("token p").expect_code(3);
}

/// It says `slow_down` to whoever asks sooner than its interval.
#[test]
fn a_sign_in_on_another_device_plays_with_tokens_of_glewlwyd() {
    let (server, home) = at_glewlwyd("grant = \"device_code\"");
    login_with_device(&home, server.door());
    plays_at_glewlwyd(&server, &home);
}

/// Puts the client's `key.pem` beside the configuration in `home`.
fn client_key(home: &Home) -> Shown {
    let client = Shown::self_signed("client.example");
    client.save(home);
    client
}

/// One rotating refresh token, `processes` programs at a time of which each renews it, and a server that ends it all when a used one
/// comes again.
fn rotate(processes: usize, rotations: usize) -> Signed {
    let lines = "grant = \"refresh_token\"\nrefresh_token = { file = \"first\" }";
    let signed = Signed::up(ClientAuth::Basic, &signing_in(), lines);
    signed.home.write(".config/ffauth/first", &signed.provider.grant(&signed.client));
    let crowd: Vec<_> = (0..processes)
        .map(|_| {
            let home = Arc::clone(&signed.home);
            std::thread::spawn(move || {
                for _ in 0..rotations / processes {
                    home.line("token p --min-valid 1h").expect_code(0);
                }
            })
        })
        .collect();
    crowd.into_iter().for_each(|thread| thread.join().expect("tokens"));
    let events = signed.provider.events(&signed.client);
    let renewed = events.iter().filter(|(event, ..)| event == "grant.success").count();
    assert_eq!((renewed, events.len()), (rotations, rotations), "{:?}", events.last());
    signed
}

#[test]
fn processes_rotate_one_refresh_token_and_none_comes_twice() {
    let signed = rotate(5, 20);
    // The server would have seen it: here is the first token again.
    std::fs::remove_dir_all(signed.home.path(".local/state")).expect("a store");
    signed.home.line("token p").expect_code(3);
    assert_eq!(signed.provider.count(&signed.client, "grant.revoked"), 1, "{:?}", signed.provider.events(&signed.client));
}

#[test]
#[ignore = "takes minutes"]
fn ten_processes_rotate_one_refresh_token_a_thousand_times() {
    rotate(10, 1000);
}
