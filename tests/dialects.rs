//! What goes over the wire to each vendor's token endpoint, byte for byte.

use std::time::Duration;

use serde_json::json;

use crate::support::media::MPEGTS;
use crate::support::origin::Origin;
use crate::support::run::Home;
use crate::support::token_server::{Mood, TokenRequest, TokenServer, Tokens};

/// A secret with everything in it that encodings differ about.
const ODD: &str = "a+b/c=d&e%f g:ü";

struct Vendor {
    server: TokenServer,
    home: Home,
}

impl Vendor {
    /// `profile`: lines of the profile `v`; URL stands for the stand-in.
    fn new(profile: &str, answer: &str) -> Self {
        let server = TokenServer::start(&Tokens::living(Duration::from_secs(300)));
        server.set(Mood::Saying(answer.to_owned()));
        let base = server.url_of("");
        let home = Home::new(&format!("[profile.v]\n{}\n", profile.replace("URL", &base)));
        Self { server, home }
    }

    /// Runs `ffauth token v` and gives back what it printed and the only request.
    fn token(&self, more: &str) -> (String, TokenRequest) {
        let run = self.home.line(&format!("token v {more}"));
        run.expect_code(0);
        let [request] = &self.server.requests()[..] else { panic!("{:?}", self.server.requests()) };
        assert_eq!(request.method, "POST");
        assert_eq!(request.header("content-type"), "application/x-www-form-urlencoded");
        (run.stdout, request.clone())
    }
}

/// Brightcove OAuth v4: Basic of the raw pair, the grant type in the body and nothing else.
#[test]
fn brightcove() {
    let vendor = Vendor::new(
        &format!(
            "provider = \"brightcove\"\ntoken_url = \"URL/v4/access_token\"\nclient_id = \"b-id\"\nclient_secret = \"{ODD}\""
        ),
        r#"{"access_token":"ANB7xKhiUZmwltVd3f1odcHHM9VAwg02kwmLwtZwHv3SxGCOWLUf5W4G7X22PRjmR9StvFUqzpVZ1suOfyfOigdi-rnohxyEaSSuZceeLw_9OBW7fXldOG05HEgkeK3N-DBZZZyilodmjA1JWZHbgI3IU7Rmz5IPGyi-sDxHN3KlOr1BDZlLZpXPdFPwEyb6idq-z8AL-blKTSMtNI3_fz3oNBisfrHGUv5tXHoQT4B7FYcvdrap16gTOO7_wNt1zmgLJiUHvyxZgsgBchm_AhohVL-AYgcfCbCR0v7d2hgI4ag35pnZNeujDiBLfnCFcVMlqQGq8UEVZrmU9a8y4pVAGih_EImmghqmSrkxLPYZ800-vIWX-lw","token_type":"Bearer","expires_in":300}"#,
    );
    let (token, request) = vendor.token("--format json");
    let token: serde_json::Value = serde_json::from_str(&token).expect("JSON");
    assert_eq!(token["token_type"], json!("Bearer"));
    assert!((290..=300).contains(&token["expires_in"].as_u64().expect("seconds")), "{token}");
    assert_eq!(request.target, "/v4/access_token");
    assert_eq!(request.header("authorization"), format!("Basic {}", base64(&format!("b-id:{ODD}"))));
    assert_eq!(request.body, "grant_type=client_credentials");
}

/// Mediaflow: id and secret in the body, `state` is echoed.
#[test]
fn mediaflow() {
    let vendor = Vendor::new(
        &format!(
            "provider = \"mediaflow\"\ntoken_url = \"URL/1/oauth2/token\"\nclient_id = \"m-id\"\nclient_secret = \"{ODD}\"\nusername = \"someone@example.com\"\npassword = \"p&w\""
        ),
        r#"{"access_token":"m-token","refresh_token":"m-refresh","token_type":"Bearer","expires_in":3600}"#,
    );
    let (token, request) = vendor.token("--format bare");
    assert_eq!(token, "m-token\n");
    assert_eq!(request.target, "/1/oauth2/token");
    assert_eq!(request.header("authorization"), "");
    let pairs: Vec<&str> = request.pairs().into_iter().filter(|pair| !pair.starts_with("state=")).collect();
    assert_eq!(
        pairs,
        [
            "client_id=m-id",
            "client_secret=a%2Bb%2Fc%3Dd%26e%25f+g%3A%C3%BC",
            "grant_type=password",
            "password=p%26w",
            "username=someone%40example.com"
        ]
    );
    assert_eq!(vendor.server.requests().len(), 1);
}

/// Mediaflow with a refresh token from elsewhere; the new one is stored and used the next time.
#[test]
fn mediaflow_refresh_token() {
    let vendor = Vendor::new(
        "provider = \"mediaflow\"\ntoken_url = \"URL/1/oauth2/token\"\nclient_id = \"m-id\"\nclient_secret = \"s\"\nrefresh_token = \"first\"",
        r#"{"access_token":"m-token","refresh_token":"second","token_type":"Bearer","expires_in":1}"#,
    );
    let (_, request) = vendor.token("");
    assert_eq!(request.pairs(), ["client_id=m-id", "client_secret=s", "grant_type=refresh_token", "refresh_token=first"]);
    std::thread::sleep(Duration::from_millis(1100));
    vendor.home.line("token v").expect_code(0);
    let second = &vendor.server.requests()[1];
    assert_eq!(second.pairs(), ["client_id=m-id", "client_secret=s", "grant_type=refresh_token", "refresh_token=second"]);
}

/// Xvid MediaHub: the singular grant type exactly once, commas between scopes, the wanted life in the query, a string back and
/// no token type.
#[test]
fn xvid() {
    let vendor = Vendor::new(
        &format!(
            "provider = \"xvid\"\ntoken_url = \"URL/v1/oauth2/token/\"\nclient_id = \"x-id\"\nclient_secret = \"{ODD}\"\nscope = [\"mediahub_read\", \"mediahub_download_files\"]\n[profile.v.dialect]\ntoken_query = {{ expires_in = \"7200\" }}"
        ),
        r#"{"access_token": "5JffwBZ_PDAg6qioaTZqHYsLqEVL2ygyKrgoAH3TRLjNxN0mEecDRodAUtjV00ti", "expires_in": "7200"}"#,
    );
    let (token, request) = vendor.token("--format json");
    let token: serde_json::Value = serde_json::from_str(&token).expect("JSON");
    assert_eq!(token["access_token"], json!("5JffwBZ_PDAg6qioaTZqHYsLqEVL2ygyKrgoAH3TRLjNxN0mEecDRodAUtjV00ti"));
    assert_eq!(token["token_type"], json!("Bearer"));
    assert!((7190..=7200).contains(&token["expires_in"].as_u64().expect("seconds")), "{token}");
    assert_eq!(request.target, "/v1/oauth2/token/?expires_in=7200");
    assert_eq!(request.header("authorization"), "");
    let scope = request.pairs().into_iter().find(|pair| pair.starts_with("scope=")).expect("a scope").to_owned();
    assert!(
        ["scope=mediahub_read%2Cmediahub_download_files", "scope=mediahub_read,mediahub_download_files"].contains(&&*scope),
        "{scope}"
    );
    let rest: Vec<&str> = request.pairs().into_iter().filter(|pair| !pair.starts_with("scope=")).collect();
    assert_eq!(rest, ["client_id=x-id", "client_secret=a%2Bb%2Fc%3Dd%26e%25f+g%3A%C3%BC", "grant_type=client_credential"]);
}

/// Nothing is asked for that the user did not ask for.
#[test]
fn xvid_sends_no_life_unless_told() {
    let vendor = Vendor::new(
        "provider = \"xvid\"\ntoken_url = \"URL/v1/oauth2/token/\"\nclient_id = \"x-id\"\nclient_secret = \"s\"\nscope = [\"mediahub_read\"]",
        r#"{"access_token": "x-token", "expires_in": "7200"}"#,
    );
    let (_, request) = vendor.token("");
    assert_eq!(request.target, "/v1/oauth2/token/");
    assert!(request.pairs().contains(&"scope=mediahub_read"), "{}", request.body);
}

/// Auth0: id and secret in the body, `audience` names the API.
#[test]
fn auth0() {
    let vendor = Vendor::new(
        "provider = \"auth0\"\nprovider_params = { domain = \"acme.eu.auth0.com\" }\ntoken_url = \"URL/oauth/token\"\nclient_id = \"a-id\"\nclient_secret = \"s\"\naudience = \"https://media.example.com/\"",
        r#"{"access_token":"a-token","expires_in":86400,"token_type":"Bearer"}"#,
    );
    let (token, request) = vendor.token("");
    assert_eq!(token, "a-token\n");
    assert_eq!((request.target.as_str(), request.header("authorization")), ("/oauth/token", ""));
    assert_eq!(
        request.pairs(),
        ["audience=https%3A%2F%2Fmedia.example.com%2F", "client_id=a-id", "client_secret=s", "grant_type=client_credentials"]
    );
}

/// Cognito, Keycloak and Okta keep to the standard: Basic of the form-encoded pair, scopes separated by spaces.
#[test]
fn cognito_keycloak_and_okta() {
    for (provider, params, target) in [
        ("cognito", "domain = \"acme.auth.eu-west-1.amazoncognito.com\"", "/oauth2/token"),
        ("keycloak", "host = \"login.example.com\", realm = \"media\"", "/realms/media/protocol/openid-connect/token"),
        ("okta", "domain = \"acme.okta.com\"", "/oauth2/default/v1/token"),
    ] {
        let vendor = Vendor::new(
            &format!(
                "provider = \"{provider}\"\nprovider_params = {{ {params} }}\ntoken_url = \"URL{target}\"\nclient_id = \"my id\"\nclient_secret = \"{ODD}\"\nscope = [\"media/read\", \"media/write\"]"
            ),
            r#"{"access_token":"c-token","expires_in":3600,"token_type":"Bearer","scope":"media/read media/write"}"#,
        );
        let (token, request) = vendor.token("");
        assert_eq!((token.as_str(), request.target.as_str()), ("c-token\n", target));
        assert_eq!(request.header("authorization"), format!("Basic {}", base64("my+id:a%2Bb%2Fc%3Dd%26e%25f+g%3A%C3%BC")));
        assert_eq!(request.pairs(), ["grant_type=client_credentials", "scope=media%2Fread+media%2Fwrite"], "{provider}");
    }
}

/// Microsoft Entra ID: id and secret in the body, `/.default` as the scope, `ext_expires_in` in the answer.
#[test]
fn entra() {
    let vendor = Vendor::new(
        "provider = \"entra\"\nprovider_params = { tenant = \"contoso.onmicrosoft.com\" }\ntoken_url = \"URL/contoso.onmicrosoft.com/oauth2/v2.0/token\"\nclient_id = \"e-id\"\nclient_secret = \"s\"\nscope = [\"api://media/.default\"]",
        r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"e-token"}"#,
    );
    let (token, request) = vendor.token("");
    assert_eq!((token.as_str(), request.header("authorization")), ("e-token\n", ""));
    assert_eq!(
        request.pairs(),
        ["client_id=e-id", "client_secret=s", "grant_type=client_credentials", "scope=api%3A%2F%2Fmedia%2F.default"]
    );
}

/// A Google service account: the JSON document that Google hands out is the key; the scope stands in the assertion, which has no
/// `sub`; nothing else is sent.
#[test]
fn google_service_account() {
    let key = rcgen::KeyPair::generate().expect("a key");
    let document = json!({
        "type": "service_account",
        "private_key_id": "k1",
        "private_key": key.serialize_pem(),
        "client_email": "media@project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    let vendor = Vendor::new(
        "provider = \"google_service_account\"\ntoken_url = \"URL/token\"\nassertion_alg = \"ES256\"\nprivate_key = { file = \"key.json\" }\nscope = [\"https://www.googleapis.com/auth/devstorage.read_only\"]",
        r#"{"access_token":"ya29.c","expires_in":3599,"token_type":"Bearer"}"#,
    );
    vendor.home.write(".config/ffauth/key.json", &document.to_string());
    let (token, request) = vendor.token("");
    assert_eq!(token, "ya29.c\n");
    let pairs = request.pairs();
    let [assertion, grant_type] = pairs.as_slice() else { panic!("{pairs:?}") };
    assert_eq!(*grant_type, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer");
    let part = |index: usize| -> serde_json::Value {
        use base64::Engine;
        let jwt = assertion.strip_prefix("assertion=").expect("an assertion");
        let part = jwt.split('.').nth(index).expect("three parts");
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).expect("base64");
        serde_json::from_slice(&text).expect("JSON")
    };
    assert_eq!(part(0)["kid"], json!("k1"));
    let claims = part(1);
    assert_eq!(claims["iss"], json!("media@project.iam.gserviceaccount.com"));
    assert_eq!(claims["scope"], json!("https://www.googleapis.com/auth/devstorage.read_only"));
    assert_eq!(claims["aud"], json!(vendor.server.url_of("/token")));
    assert_eq!(claims.get("sub"), None);
}

/// Zoom's client credentials of one account.
#[test]
fn zoom() {
    let vendor = Vendor::new(
        "provider = \"zoom\"\nprovider_params = { account_id = \"AbC_d-1\" }\ntoken_url = \"URL/oauth/token\"\nclient_id = \"z-id\"\nclient_secret = \"s\"",
        r#"{"access_token":"z-token","token_type":"bearer","expires_in":3599,"scope":"recording:read:admin","api_url":"https://api.zoom.us"}"#,
    );
    let (token, request) = vendor.token("");
    assert_eq!(token, "z-token\n");
    assert_eq!(request.header("authorization"), format!("Basic {}", base64("z-id:s")));
    assert_eq!(request.pairs(), ["account_id=AbC_d-1", "grant_type=account_credentials"]);
}

/// Twitch: `scope` comes back as a list, and media requests carry the client's id beside the token.
#[test]
fn twitch() {
    let vendor = Vendor::new(
        "provider = \"twitch\"\ntoken_url = \"URL/oauth2/token\"\nclient_id = \"t-id\"\nclient_secret = \"s\"",
        r#"{"access_token":"t-token","expires_in":5011271,"token_type":"bearer","scope":["channel:read:subscriptions"]}"#,
    );
    let (token, request) = vendor.token("");
    assert_eq!(token, "t-token\n");
    assert_eq!(request.pairs(), ["client_id=t-id", "client_secret=s", "grant_type=client_credentials"]);
    let media = Origin::start(MPEGTS.site());
    let run = vendor.home.line(&format!("-nostdin -auth v -i {} -c copy -f null -", media.url(MPEGTS.entry)));
    run.expect_code(0);
    for entry in media.log() {
        assert!(entry.text.contains("client-id: t-id\n"), "{}", entry.text);
        assert!(entry.text.contains("authorization: Bearer t-token\n"), "{}", entry.text);
    }
}

/// What only the user knows stands in provider_params; without it the error says which, and shows an example.
#[test]
fn a_template_without_its_value_says_what_is_missing() {
    for (provider, missing) in [("auth0", "domain"), ("entra", "tenant"), ("keycloak", "host"), ("zoom", "account_id")] {
        let home = Home::new(&format!("[profile.v]\nprovider = \"{provider}\"\nclient_id = \"i\"\nclient_secret = \"s\"\n"));
        let run = home.line("token v");
        run.expect_code(2);
        for part in [format!("needs provider_params.{missing}"), format!("provider_params = {{ {missing} = \"")] {
            assert!(run.stderr.contains(&part), "{part}: {}", run.stderr);
        }
    }
}

/// The standard: each part of the pair form-encoded before base64 (RFC 6749 section 2.3.1), scopes separated by spaces.
#[test]
fn a_generic_server() {
    let vendor = Vendor::new(
        &format!(
            "token_url = \"URL/token?tenant=a%20b\"\nclient_id = \"my id\"\nclient_secret = \"{ODD}\"\nscope = [\"media.read\", \"media.write\"]\naudience = \"https://media.example.com/\""
        ),
        r#"{"access_token":"g-token","token_type":"bearer","expires_in":60.0}"#,
    );
    let (token, request) = vendor.token("--format header");
    assert_eq!(token, "Authorization: Bearer g-token\n");
    assert_eq!(request.target, "/token?tenant=a%20b");
    let pair = "my+id:a%2Bb%2Fc%3Dd%26e%25f+g%3A%C3%BC";
    assert_eq!(request.header("authorization"), format!("Basic {}", base64(pair)));
    assert_eq!(
        request.pairs(),
        ["audience=https%3A%2F%2Fmedia.example.com%2F", "grant_type=client_credentials", "scope=media.read+media.write"]
    );
}

/// What a preset does can be written in the configuration for a vendor that nobody has heard of.
#[test]
fn a_vendor_that_nobody_has_heard_of() {
    let vendor = Vendor::new(
        "token_url = \"URL/oauth\"\nclient_id = \"id\"\nclient_secret = \"s\"\nclient_auth = \"post\"\nscope = [\"a\", \"b\"]\n[profile.v.dialect]\ngrant_type = \"machine\"\nscope_separator = \";\"\ntoken_query = { v = \"2\" }\ntoken_params = { tenant = \"t 1\" }\ntoken_headers = { \"X-Tenant\" = \"acme\" }\ndefault_expires_in = 120",
        r#"{"access_token":"n-token"}"#,
    );
    let (token, request) = vendor.token("--format json");
    let token: serde_json::Value = serde_json::from_str(&token).expect("JSON");
    assert!((110..=120).contains(&token["expires_in"].as_u64().expect("seconds")), "{token}");
    assert_eq!(request.target, "/oauth?v=2");
    assert_eq!(request.header("x-tenant"), "acme");
    assert_eq!(request.pairs(), ["client_id=id", "client_secret=s", "grant_type=machine", "scope=a%3Bb", "tenant=t+1"]);
}

/// The token is kept: the second call asks nobody.
#[test]
fn a_cached_token_costs_no_request() {
    let vendor = Vendor::new(
        "token_url = \"URL/token\"\nclient_id = \"id\"\nclient_secret = \"s\"",
        r#"{"access_token":"kept","token_type":"Bearer","expires_in":3600}"#,
    );
    let (first, _) = vendor.token("");
    let (second, _) = vendor.token("");
    assert_eq!((first.as_str(), second.as_str()), ("kept\n", "kept\n"));
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
