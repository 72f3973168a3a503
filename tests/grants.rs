//! Every grant with every client authentication: what reaches the token endpoint, and that the token plays protected media.

mod binding;
mod certificate;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::support::media;
use crate::support::origin::{Origin, Site};
use crate::support::run::{self, Home, count};
use crate::support::token_server::{Mood, TokenRequest, TokenServer, Tokens};

const SECRET: &str = "s+/=& %ü, long enough for HMAC";

/// One client authentication: the lines of the profile.
const CLIENT_AUTHS: [(&str, &str); 6] = [
    ("basic", "client_secret = \"SECRET\""),
    ("basic_raw", "client_secret = \"SECRET\""),
    ("post", "client_secret = \"SECRET\""),
    ("none", ""),
    ("private_key_jwt", "private_key = { file = \"key.pem\" }\nkey_id = \"k1\""),
    ("client_secret_jwt", "client_secret = \"SECRET\""),
];

/// A token endpoint, a media server and a key.
struct Setup {
    token_server: TokenServer,
    origin: Origin,
    key: String,
}

impl Setup {
    fn new() -> Self {
        let tokens = Tokens::living(Duration::from_secs(300));
        let token_server = TokenServer::start(&tokens);
        let origin = Origin::start(Site { tokens: Some(tokens), ..media::HLS.site() });
        Self { token_server, origin, key: openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "") }
    }

    /// A home whose profile `p` has these lines.
    fn home(&self, lines: &str) -> Home {
        let lines = lines.replace("SECRET", SECRET);
        let home = Home::new(&format!("[profile.p]\ntoken_url = \"{}\"\n{lines}\n", self.token_server.url()));
        home.write(".config/ffauth/key.pem", &self.key);
        home
    }

    /// Plays a second of media with profile `p` and gives back the request that got the token.
    #[track_caller]
    fn play(&self, home: &Home) -> TokenRequest {
        let before = self.token_server.requests().len();
        let reading = home.read(&media::HLS, "p", &self.origin.url(media::HLS.entry), &["-t", "1"]);
        reading.run.expect_code(0);
        assert!(count(&reading.packets) > 20, "{}", reading.run.tail());
        let newest = self.origin.log().into_iter().rev().find_map(|entry| entry.generation);
        assert_eq!((newest, self.origin.count(401)), (Some(self.token_server.answered()), 0), "{}", self.origin.story());
        let requests = self.token_server.requests();
        assert_eq!(requests.len(), before + 1, "one request for one token");
        requests[before].clone()
    }

    /// The grant in these lines with every client authentication; `form`: what it sends, without its assertion.
    fn each_client_auth(&self, lines: &str, form: &[(&str, &str)]) {
        for (client_auth, more) in CLIENT_AUTHS {
            // The key of the grant's own assertion may be the client's too.
            let more: Vec<&str> = more.lines().filter(|line| !lines.contains(line)).collect();
            let more = more.join("\n");
            let home = self.home(&format!("client_id = \"my app\"\nclient_auth = \"{client_auth}\"\n{lines}\n{more}"));
            let request = self.play(&home);
            let mut sent = request.form();
            self.check_proof(client_auth, &request, &mut sent);
            if let Some(assertion) = sent.remove("assertion").filter(|assertion| assertion != "a.b.c") {
                let claims = self.signed(&assertion);
                assert_eq!((&claims["iss"], &claims["sub"]), (&json!("robot"), &json!("user")));
                self.check_times(&claims);
            }
            let text = |text: &str| if text == "KEY" { self.key.trim_end().to_owned() } else { text.to_owned() };
            let expected: BTreeMap<String, String> = form.iter().map(|(name, value)| (text(name), text(value))).collect();
            assert_eq!(sent, expected, "{client_auth}");
        }
    }

    /// Takes the proof of the client out of `sent` and looks at it.
    fn check_proof(&self, client_auth: &str, request: &TokenRequest, sent: &mut BTreeMap<String, String>) {
        let basic = request.header("authorization").strip_prefix("Basic ").map(from_base64);
        let id = sent.remove("client_id");
        match client_auth {
            "basic" => {
                assert_eq!(basic.as_deref(), Some("my+app:s%2B%2F%3D%26+%25%C3%BC%2C+long+enough+for+HMAC"));
            }
            "basic_raw" => assert_eq!(basic, Some(format!("my app:{SECRET}"))),
            "post" => assert_eq!(sent.remove("client_secret").as_deref(), Some(SECRET)),
            "none" => {}
            _ => {
                let kind = sent.remove("client_assertion_type");
                assert_eq!(kind.as_deref(), Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
                let assertion = sent.remove("client_assertion").expect("an assertion");
                let claims = match client_auth {
                    "private_key_jwt" => self.signed(&assertion),
                    _ => decoded(&assertion, Algorithm::HS256, &DecodingKey::from_secret(SECRET.as_bytes())),
                };
                assert_eq!((&claims["iss"], &claims["sub"]), (&json!("my app"), &json!("my app")));
                self.check_times(&claims);
            }
        }
        let in_header = client_auth.starts_with("basic");
        assert_eq!((in_header, id.as_deref()), (basic.is_some(), (!in_header).then_some("my app")), "{client_auth}");
    }

    /// The claims of an assertion that our key signed.
    fn signed(&self, assertion: &str) -> Value {
        let public = openssl("pkey -pubout", &self.key);
        decoded(assertion, Algorithm::ES256, &DecodingKey::from_ec_pem(public.as_bytes()).expect("a public key"))
    }

    /// RFC 7523 section 3: meant for this server, for a short time, once.
    fn check_times(&self, claims: &Value) {
        assert_eq!(claims["aud"], json!(self.token_server.url()));
        let seconds = |name: &str| claims[name].as_u64().expect("seconds");
        assert!((1..=300).contains(&(seconds("exp") - seconds("iat"))), "{claims}");
        assert!(claims["jti"].as_str().is_some_and(|id| id.len() >= 16), "{claims}");
    }
}

/// The claims of a JWT whose signature is genuine and whose time has not run out.
fn decoded(token: &str, algorithm: Algorithm, key: &DecodingKey) -> Value {
    let mut rules = Validation::new(algorithm);
    rules.validate_aud = false;
    jsonwebtoken::decode::<Value>(token, key, &rules).expect("a genuine assertion").claims
}

fn from_base64(text: &str) -> String {
    use base64::Engine;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).expect("base64")).expect("text")
}

/// What `openssl` prints for these words.
fn openssl(words: &str, input: &str) -> String {
    let mut command = Command::new("openssl");
    let piped = command.args(words.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = piped.spawn().expect("openssl");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("a reader");
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success(), "openssl {words}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn client_credentials_with_every_client_authentication() {
    Setup::new().each_client_auth(
        "grant = \"client_credentials\"\nscope = [\"a\", \"b\"]",
        &[("grant_type", "client_credentials"), ("scope", "a b")],
    );
}

#[test]
fn password_with_every_client_authentication() {
    Setup::new().each_client_auth(
        "username = \"someone\"\npassword = \"p&w\"",
        &[("grant_type", "password"), ("username", "someone"), ("password", "p&w")],
    );
}

#[test]
fn refresh_token_with_every_client_authentication() {
    Setup::new().each_client_auth(
        "refresh_token = \"r/1\"\naudience = \"aud\"",
        &[("grant_type", "refresh_token"), ("refresh_token", "r/1"), ("audience", "aud")],
    );
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

#[test]
fn an_assertion_made_here_with_every_client_authentication() {
    Setup::new().each_client_auth(
        "grant = \"jwt_bearer\"\nprivate_key = { file = \"key.pem\" }\nassertion_issuer = \"robot\"\nassertion_subject = \"user\"",
        &[("grant_type", JWT_BEARER)],
    );
}

#[test]
fn an_assertion_from_elsewhere_with_every_client_authentication() {
    Setup::new().each_client_auth("assertion = \"a.b.c\"", &[("grant_type", JWT_BEARER)]);
}

#[test]
fn token_exchange_with_every_client_authentication() {
    let kind = |name: &str| format!("urn:ietf:params:oauth:token-type:{name}");
    Setup::new().each_client_auth(
        "subject_token = { file = \"key.pem\" }\nsubject_token_type = \"jwt\"\nactor_token = \"actor\"\n\
         requested_token_type = \"access_token\"\nresource = [\"https://media.example.com/\"]\naudience = \"aud\"",
        &[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", "KEY"),
            ("subject_token_type", &kind("jwt")),
            ("actor_token", "actor"),
            ("actor_token_type", &kind("access_token")),
            ("requested_token_type", &kind("access_token")),
            ("resource", "https://media.example.com/"),
            ("audience", "aud"),
        ],
    );
}

/// Google: the key document says who signs, the scope stands in the assertion, nothing else is sent.
#[test]
fn a_google_service_account_needs_its_key_document_and_a_scope() {
    let setup = Setup::new();
    let home = setup.home(
        "grant = \"jwt_bearer\"\nprivate_key = { file = \"account.json\" }\nscope = [\"https://a.example/auth/read\"]\n\
         [profile.p.dialect]\nassertion_scope = true\nassertion_claims = { sub = \"\" }",
    );
    let document = json!({ "private_key": setup.key, "private_key_id": "k9", "client_email": "robot@project.example" });
    home.write(".config/ffauth/account.json", &document.to_string());
    let request = setup.play(&home);
    let mut form = request.form();
    let claims = setup.signed(&form.remove("assertion").expect("an assertion"));
    assert_eq!(form, BTreeMap::from([("grant_type".to_owned(), JWT_BEARER.to_owned())]));
    assert_eq!((&claims["iss"], claims.get("sub")), (&json!("robot@project.example"), None));
    assert_eq!(claims["scope"], json!("https://a.example/auth/read"));
}

/// RFC 8707: one parameter for each resource, with each grant.
#[test]
fn several_resources_are_sent_one_by_one() {
    let setup = Setup::new();
    let resources =
        "client_secret = \"SECRET\"\nclient_id = \"app\"\nresource = [\"https://r.example/1\", \"https://r.example/2\"]\n";
    for grant in [
        "grant = \"client_credentials\"",
        "username = \"u\"\npassword = \"p\"",
        "refresh_token = \"r\"",
        "assertion = \"a.b.c\"",
        "subject_token = \"s\"",
    ] {
        let request = setup.play(&setup.home(&format!("{resources}{grant}")));
        let sent: Vec<&str> = request.pairs().into_iter().filter(|pair| pair.starts_with("resource=")).collect();
        assert_eq!(sent, ["resource=https%3A%2F%2Fr.example%2F1", "resource=https%3A%2F%2Fr.example%2F2"], "{grant}");
    }
}

/// A token of another kind is taken by whoever asked for it, and by nobody else.
#[test]
fn what_a_token_exchange_issues_is_said_where_it_is_no_access_token() {
    let setup = Setup::new();
    let issued = r#"{"access_token":"ticket","token_type":"N_A","issued_token_type":"urn:x:ticket","expires_in":60}"#;
    setup.token_server.set(Mood::Saying(issued.to_owned()));
    let wanted = setup.home("subject_token = \"s\"\nrequested_token_type = \"urn:x:ticket\"").line("token p");
    wanted.expect_code(0);
    assert_eq!(wanted.stdout, "ticket\n");
    let unwanted = setup.home("subject_token = \"s\"").line("token p");
    unwanted.expect_code(4);
    assert!(unwanted.stderr.contains("urn:x:ticket") && unwanted.stderr.contains("requested_token_type"), "{}", unwanted.tail());
}

/// Nothing is sent where the proof cannot be made, and the key is named without its text.
#[test]
fn a_key_that_does_not_fit_is_an_error_before_any_request() {
    let setup = Setup::new();
    let home = |more: &str| {
        setup.home(&format!(
            "client_id = \"app\"\ngrant = \"client_credentials\"\nclient_auth = \"private_key_jwt\"\nprivate_key = {{ file = \"key.pem\" }}\n{more}"
        ))
    };
    let mismatched = home("assertion_alg = \"RS256\"").line("token p");
    mismatched.expect_code(2);
    assert!(mismatched.stderr.contains("private_key is a P-256 key, and RS256 needs an RSA key"), "{}", mismatched.tail());
    let other = home("");
    other.write(".config/ffauth/key.pem", "CANARY");
    let no_key = other.line("token p");
    no_key.expect_code(2);
    assert!(no_key.stderr.contains("private_key holds no private key") && !no_key.stderr.contains("CANARY"), "{}", no_key.tail());
    assert!(setup.token_server.requests().is_empty());
}
