//! Clients that are known by their certificate (RFC 8705): shown to the token endpoint and to media servers that the token goes
//! to, and to nobody else.

use super::*;
use crate::support::tls::{Authority, Shown};

const HERE: &str = "127.0.0.1";

/// A token endpoint that wants the certificate, a server of playlists in scope and a server of segments out of scope that each
/// ask for one.
struct Hosts {
    token_server: TokenServer,
    playlist: Origin,
    segments: Origin,
    home: Home,
    /// Its file is the profile's `ca_file`.
    _authority: Authority,
}

impl Hosts {
    fn new(client: &Shown, client_auth: &str) -> Self {
        let ca = Authority::new("private");
        let tokens = Tokens::living(Duration::from_secs(300));
        let token_server = TokenServer::start_with(&tokens, Some(ca.certify_asking(HERE, client, false)));
        let tls = || Some(ca.certify_asking(HERE, client, true));
        let segments = Origin::start(Site { tls: tls(), ..media::HLS.site() });
        let replace = vec![("index".to_owned(), format!("{}/index", segments.base()))];
        let playlist = Origin::start(Site { tokens: Some(tokens), tls: tls(), replace, ..media::HLS.site() });
        let home = Home::new(&format!(
            "[profile.p]\ntoken_url = \"{}\"\nclient_id = \"app\"\ngrant = \"client_credentials\"\nclient_auth = \"{client_auth}\"\n\
             tls = {{ cert = \"client.crt\", key = \"client.key\" }}\nca_file = \"{}\"\n",
            token_server.url(),
            ca.file().display()
        ));
        home.write(".config/ffauth/client.crt", &client.certificate);
        home.write(".config/ffauth/client.key", &client.key);
        Self { token_server, playlist, segments, home, _authority: ca }
    }
}

#[test]
fn a_certificate_goes_where_the_token_goes_and_nowhere_else() {
    let ca = Authority::new("of clients");
    for (client, client_auth) in [
        (ca.identify("app"), "tls"),
        (Shown::self_signed("app"), "self_signed_tls_client_auth"),
        (ca.identify("app"), "tls_client_auth"),
    ] {
        let hosts = Hosts::new(&client, client_auth);
        let reading = hosts.home.read(&media::HLS, "p", &hosts.playlist.url(media::HLS.entry), &["-t", "3"]);
        reading.run.expect_code(0);
        assert!(count(&reading.packets) > 50, "{}", reading.run.tail());
        let [request] = &hosts.token_server.requests()[..] else { panic!("{:?}", hosts.token_server.requests()) };
        assert_eq!(request.certificate.as_ref(), Some(&client.wire));
        assert_eq!(request.pairs(), ["client_id=app", "grant_type=client_credentials"]);
        assert_eq!(request.header("authorization"), "");
        let shown = |origin: &Origin| {
            let log = origin.log();
            assert!(!log.is_empty());
            log.into_iter().map(|entry| entry.certificate.as_ref() == Some(&client.wire)).collect::<Vec<_>>()
        };
        assert!(shown(&hosts.playlist).into_iter().all(|shown| shown), "{}", hosts.playlist.story());
        assert!(shown(&hosts.segments).into_iter().all(|shown| !shown), "{}", hosts.segments.story());
    }
}

#[test]
fn an_upload_shows_the_certificate_too() {
    let client = Shown::self_signed("app");
    let hosts = Hosts::new(&client, "self_signed_tls");
    let input = media::MPEGTS.file().display().to_string();
    let output = hosts.playlist.url("out.ts");
    let words = ["-nostdin", "-i", &input, "-t", "1", "-c", "copy", "-auth", "p", "-f", "mpegts", "-method", "PUT", &output];
    run::finish(hosts.home.ffauth(words)).expect_code(0);
    assert!(hosts.playlist.stored().contains_key("/out.ts"));
    assert_eq!(hosts.playlist.log().last().and_then(|entry| entry.certificate.clone()), Some(client.wire));
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_before_any_request() {
    let client = Shown::self_signed("app");
    let hosts = Hosts::new(&client, "tls");
    hosts.home.write(".config/ffauth/client.key", &Shown::self_signed("another").key);
    let run = hosts.home.line("token p");
    run.expect_code(2);
    assert!(run.stderr.contains("tls.key") && run.stderr.contains("does not go with"), "{}", run.tail());
    assert!(hosts.token_server.requests().is_empty());
}

/// RFC 8705 section 5: a server may ask for certificates at endpoints of their own.
#[test]
fn the_servers_own_endpoint_for_certificates_is_found() {
    let (ca, client) = (Authority::new("private"), Shown::self_signed("app"));
    let tokens = Tokens::living(Duration::from_secs(300));
    let asking = TokenServer::start_with(&tokens, Some(ca.certify_asking(HERE, &client, false)));
    let issuer = TokenServer::start_with(&tokens, Some(ca.certify(HERE)));
    let aliases = json!({ "token_endpoint": asking.url() });
    let document = json!({ "issuer": issuer.url_of(""), "token_endpoint": issuer.url(), "mtls_endpoint_aliases": aliases });
    issuer.set(Mood::Saying(document.to_string()));
    let home = Home::new(&format!(
        "[profile.p]\nissuer = \"{}\"\nclient_id = \"app\"\ngrant = \"client_credentials\"\nclient_auth = \"self_signed_tls\"\n\
         tls = {{ cert = \"client.crt\", key = \"client.key\" }}\nca_file = \"{}\"\n",
        issuer.url_of(""),
        ca.file().display()
    ));
    home.write(".config/ffauth/client.crt", &client.certificate);
    home.write(".config/ffauth/client.key", &client.key);
    home.line("token p").expect_code(0);
    assert!(issuer.requests().iter().all(|request| request.method == "GET" && request.certificate.is_none()));
    let [request] = &asking.requests()[..] else { panic!("{:?}", asking.requests()) };
    assert_eq!(request.certificate, Some(client.wire));
}
