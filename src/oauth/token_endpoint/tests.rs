//! Each answer that real servers give, and the bytes that each client authentication sends.

use super::*;
use crate::oauth::assertion::Assertion;
use crate::oauth::client::{ClientAuth, TokenExchange, test_client};
use crate::oauth::dialect::Dialect;
use crate::secret::SecretSource;

fn answer(status: u16, content_type: &str, body: &str) -> Answer {
    let content_type = (!content_type.is_empty()).then(|| content_type.to_owned());
    Answer { status, content_type, body: Zeroizing::new(body.as_bytes().to_vec()), ..Answer::default() }
}

fn url() -> Url {
    Url::parse("https://login.example/token").expect("a URL")
}

fn parsed(client: &Client, status: u16, content_type: &str, body: &str) -> Result<Granted, OauthError> {
    parse(client, &url(), &answer(status, content_type, body))
}

fn json(body: &str) -> Result<Granted, OauthError> {
    parsed(&test_client(), 200, "application/json", body)
}

#[test]
fn expires_in_is_a_number_or_a_string() {
    for (value, seconds) in [("3600", 3600), ("3600.0", 3600), ("\"3600\"", 3600), ("0", 0), ("-5", 0), ("\" 7 \"", 7)] {
        let granted = json(&format!("{{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"expires_in\":{value}}}")).expect(value);
        assert_eq!(granted.lifetime, Some(Duration::from_secs(seconds)), "{value}");
    }
    for value in ["18446744073709551615", "1e300"] {
        assert_eq!(
            json(&format!("{{\"access_token\":\"t\",\"expires_in\":{value}}}")).expect(value).lifetime,
            Some(LONGEST_LIFE)
        );
    }
    assert!(json("{\"access_token\":\"t\",\"expires_in\":\"soon\"}").is_err());
}

#[test]
fn an_absent_expires_in_is_the_profiles_default_or_unknown() {
    for body in [
        "{\"access_token\":\"t\"}",
        "{\"access_token\":\"t\",\"expires_in\":\"\"}",
        "{\"access_token\":\"t\",\"expires_in\":null}",
    ] {
        assert_eq!(json(body).expect(body).lifetime, None);
        let dialect = Dialect { default_expires_in: Some(Duration::from_secs(9)), ..Dialect::default() };
        let client = Client { dialect, ..test_client() };
        assert_eq!(parsed(&client, 200, "application/json", body).expect(body).lifetime, Some(Duration::from_secs(9)));
    }
}

#[test]
fn token_type_is_bearer_in_any_case_or_missing() {
    for body in ["{\"access_token\":\"t\",\"token_type\":\"bEARER\"}", "{\"access_token\":\"t\"}"] {
        assert!(json(body).expect(body).token_type.eq_ignore_ascii_case("bearer"));
    }
    let error = json("{\"access_token\":\"t\",\"token_type\":\"mac\"}").expect_err("not ours").to_string();
    assert!(error.contains("`mac`"), "{error}");
}

#[test]
fn other_forms_of_a_good_answer_are_taken_unless_strict() {
    let token = "{\"access_token\":\"t\",\"token_type\":\"Bearer\"}";
    for (status, kind, body) in [
        (201, "application/json", token.to_owned()),
        (200, "text/plain", token.to_owned()),
        (200, "", token.to_owned()),
        (200, "application/json", format!("\u{feff}{token}")),
        (200, "application/x-www-form-urlencoded", "access_token=t&token_type=bearer&expires_in=5".to_owned()),
    ] {
        let granted = parsed(&test_client(), status, kind, &body).expect(&body);
        assert_eq!(granted.access_token.expose(), "t");
        assert!(!granted.tolerated.is_empty());
        let strict = Client { strict: true, ..test_client() };
        assert!(parsed(&strict, status, kind, &body).is_err(), "{body}");
    }
    assert!(parsed(&Client { strict: true, ..test_client() }, 200, "application/json", token).is_ok());
}

#[test]
fn an_error_response_is_that_error_whatever_its_status() {
    for status in [200, 400, 401, 403] {
        let error = parsed(
            &test_client(),
            status,
            "application/json",
            "{\"error\":\"invalid_client\",\"error_description\":\"no \\u001b[31mway\"}",
        );
        let error = error.expect_err("refused");
        assert_eq!((error.oauth_code(), error.http_status()), (Some("invalid_client"), Some(status)));
        assert!(error.to_string().contains("no [31mway"), "{error}");
    }
}

#[test]
fn a_refusal_without_a_body_goes_by_its_status() {
    for status in [400, 401, 403] {
        let error = parsed(&test_client(), status, "", "").expect_err("refused");
        assert_eq!((error.oauth_code(), error.http_status(), error.is_retryable()), (None, Some(status), false));
    }
}

#[test]
fn what_is_no_token_response_is_told_without_its_body() {
    for (status, body) in [
        (200, "<html>CANARY</html>"),
        (400, "<html>CANARY</html>"),
        (500, "CANARY"),
        (200, "[]"),
        (302, ""),
        (200, "{\"x\":\"CANARY\"}"),
    ] {
        let error = parsed(&test_client(), status, "text/html", body).expect_err(body);
        assert!(error.to_string().contains(&status.to_string()) && error.to_string().contains("text/html"), "{error}");
        assert!(!error.to_string().contains("CANARY"));
        assert_eq!(error.is_retryable(), status == 500);
    }
}

#[test]
fn a_token_with_a_control_character_is_not_used() {
    for body in ["{\"access_token\":\"a\\r\\nX: y\"}", "{\"access_token\":\"t\",\"refresh_token\":\"a\\u0000\"}"] {
        assert!(json(body).expect_err(body).to_string().contains("control character"));
    }
    assert!(json("{\"access_token\":\"\"}").is_err());
}

fn sent(client: &Client, ask: &Ask) -> (Request, String) {
    let request = request(client, &url(), ask, SystemTime::UNIX_EPOCH, &Env::default()).expect("a request");
    let body = request.body.clone().expect("a form").to_string();
    (request, body)
}

/// `audience` and each `resource` (RFC 8707) go with every grant, in the order of the profile.
#[test]
fn each_grant_on_the_wire() {
    let both = "&audience=aud&resource=https%3A%2F%2Fr1&resource=https%3A%2F%2Fr2&client_id=id";
    let exchange = TokenExchange {
        subject_token_type: Some("urn:ietf:params:oauth:token-type:jwt".to_owned()),
        requested_token_type: Some("urn:x:y".to_owned()),
        ..TokenExchange::default()
    };
    let assertion = Assertion { given: Some(SecretSource::Plain("a.b.c".into())), ..Assertion::default() };
    let client = Client {
        client_auth: ClientAuth::None,
        scope: vec!["a".to_owned(), "b".to_owned()],
        audience: Some("aud".to_owned()),
        resource: vec!["https://r1".to_owned(), "https://r2".to_owned()],
        assertion,
        exchange,
        ..test_client()
    };
    let subject = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=s%2Ft\
                   &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt";
    let exchanged = |actor_token| Ask::TokenExchange { subject_token: "s/t".into(), actor_token };
    for (ask, form) in [
        (Ask::ClientCredentials, "grant_type=client_credentials".to_owned()),
        (
            Ask::Password { username: "u".to_owned(), password: "p".into() },
            "grant_type=password&username=u&password=p".to_owned(),
        ),
        (Ask::Refresh("r".into()), "grant_type=refresh_token&refresh_token=r".to_owned()),
        (Ask::JwtBearer, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c".to_owned()),
        (exchanged(None), format!("{subject}&requested_token_type=urn%3Ax%3Ay")),
        (
            exchanged(Some("a".into())),
            format!(
                "{subject}&actor_token=a&actor_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
                 &requested_token_type=urn%3Ax%3Ay"
            ),
        ),
    ] {
        assert_eq!(sent(&client, &ask).1, format!("{form}&scope=a+b{both}"));
    }
    // Google reads the scope in the assertion, and refuses one in the body.
    let dialect = Dialect { assertion_scope: true, ..Dialect::default() };
    let client = Client { dialect, ..client };
    assert!(!sent(&client, &Ask::JwtBearer).1.contains("scope"));
    assert!(sent(&client, &Ask::Refresh("r".into())).1.contains("scope=a+b"));
}

#[test]
fn the_proof_of_the_client_stands_beside_the_dialects_header_fields() {
    let dialect = Dialect { token_headers: vec![("X-Tenant".to_owned(), SecretSource::Plain("t".into()))], ..Dialect::default() };
    let (request, body) = sent(&Client { dialect, ..test_client() }, &Ask::ClientCredentials);
    let fields: Vec<(&str, &str)> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(fields, [("Authorization", "Basic aWQ6c2VjcmV0"), ("X-Tenant", "t")]);
    assert_eq!(body, "grant_type=client_credentials");
}

/// RFC 8693 section 2.2.1: what is issued need not be an access token.
#[test]
fn what_a_token_exchange_issues_is_taken_if_it_is_what_was_wanted() {
    let issued = "{\"access_token\":\"t\",\"token_type\":\"N_A\",\"issued_token_type\":\"urn:x:saml\"}";
    let wanting = |kind: Option<&str>| Client {
        grant: Grant::TokenExchange,
        exchange: TokenExchange { requested_token_type: kind.map(str::to_owned), ..TokenExchange::default() },
        ..test_client()
    };
    let granted = parsed(&wanting(Some("urn:x:saml")), 200, "application/json", issued).expect("what was wanted");
    assert_eq!((granted.token_type.as_str(), granted.tolerated.len()), ("N_A", 0));
    let other = parsed(&wanting(Some("urn:x:other")), 200, "application/json", issued).expect("tolerated");
    assert_eq!(other.tolerated, ["an issued_token_type other than the requested one"]);
    let strict = Client { strict: true, ..wanting(Some("urn:x:other")) };
    assert!(parsed(&strict, 200, "application/json", issued).is_err());
    let error = parsed(&wanting(None), 200, "application/json", issued).expect_err("no access token").to_string();
    assert!(error.contains("`urn:x:saml`") && error.contains("requested_token_type"), "{error}");
    assert!(json("{\"access_token\":\"t\",\"token_type\":\"N_A\"}").is_err());
}

#[test]
fn a_bound_token_is_taken_where_one_was_asked_for_and_only_there() {
    let binding = Client { dpop: true, ..test_client() };
    let token = |kind: &str| format!("{{\"access_token\":\"t\"{kind}}}");
    let granted = parsed(&binding, 200, "application/json", &token(",\"token_type\":\"dpop\"")).expect("a bound token");
    assert_eq!(granted.token_type, "dpop");
    for unbound in [token(",\"token_type\":\"Bearer\""), token("")] {
        let error = parsed(&binding, 200, "application/json", &unbound).expect_err("not bound").to_string();
        assert!(error.contains("dpop = true"), "{error}");
    }
    let error = json(&token(",\"token_type\":\"DPoP\"")).expect_err("bound").to_string();
    assert!(error.contains("set dpop = true"), "{error}");
}

#[test]
fn a_dialect_changes_what_it_names_and_nothing_else() {
    let dialect = Dialect {
        grant_type: Some("client_credential".to_owned()),
        scope_separator: ",".to_owned(),
        token_query: vec![("expires_in".to_owned(), "7200".to_owned())],
        token_params: vec![("state".to_owned(), "s1".to_owned())],
        token_headers: vec![("X-Tenant".to_owned(), SecretSource::Plain("t".into()))],
        ..Dialect::default()
    };
    let client = Client {
        dialect,
        client_auth: ClientAuth::None,
        client_id: None,
        scope: vec!["a".to_owned(), "b".to_owned()],
        audience: Some("aud".to_owned()),
        resource: vec!["https://r1".to_owned(), "https://r2".to_owned()],
        ..test_client()
    };
    let (request, body) = sent(&client, &Ask::ClientCredentials);
    assert_eq!(request.url.as_str(), "https://login.example/token?expires_in=7200");
    assert_eq!(request.headers[0].0, "X-Tenant");
    assert_eq!(
        body,
        "grant_type=client_credential&scope=a%2Cb&audience=aud&resource=https%3A%2F%2Fr1&resource=https%3A%2F%2Fr2&state=s1"
    );
    let echoed = "{\"access_token\":\"t\",\"state\":\"other\"}";
    assert!(parsed(&client, 200, "application/json", echoed).is_err());
}

#[test]
fn endpoints_by_plain_http_are_refused_unless_loopback_or_allowed() {
    let to = |client: &Client, url: &str| check_endpoint(client, &Url::parse(url).expect(url));
    assert!(to(&test_client(), "http://login.example/token").is_err());
    assert!(to(&test_client(), "ftp://login.example/token").is_err());
    assert!(to(&test_client(), "http://127.0.0.1:8/token").is_ok());
    assert!(to(&Client { allow_http: true, ..test_client() }, "http://login.example/token").is_ok());
}
