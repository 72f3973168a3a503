//! What is asked for, and which answers are believed.

use super::*;
use crate::oauth::client::{Grant, SignIn, test_client};
use crate::oauth::dialect::Dialect;

const REDIRECT: &str = "http://127.0.0.1:8123/callback";

fn endpoints() -> Endpoints {
    Endpoints {
        token_url: Url::parse("https://login.example/t").expect("a URL"),
        authorize_url: Url::parse("https://login.example/a?tenant=7").ok(),
        device_url: None,
        revoke_url: None,
        par_url: None,
        issuer: Some("https://login.example".to_owned()),
        sends_issuer: false,
        requires_par: false,
        challenge_methods: None,
    }
}

fn begun(endpoints: &Endpoints) -> Authorization {
    Authorization::begin(&person(), endpoints, REDIRECT.to_owned()).expect("a sign-in")
}

fn person() -> Client {
    Client { grant: Grant::AuthorizationCode, client_secret: None, ..test_client() }
}

/// Reads the query of an answer whose S is the state that was sent.
fn judged(authorization: &Authorization, query: &str) -> Result<Ask, OauthError> {
    authorization.judge(&query.replace('S', authorization.state.expose()))
}

#[track_caller]
fn refused(authorization: &Authorization, query: &str, part: &str) {
    match judged(authorization, query) {
        Err(OauthError::Callback(reason)) if reason.contains(part) => {}
        other => panic!("{query}: {other:?}"),
    }
}

#[test]
fn the_request_has_everything_that_the_profile_says() {
    let client = Client {
        scope: vec!["a".to_owned(), "b c".to_owned()],
        audience: Some("aud".to_owned()),
        resource: vec!["https://r1".to_owned(), "https://r2".to_owned()],
        dialect: Dialect { scope_separator: ",".to_owned(), ..Dialect::default() },
        sign_in: SignIn { authorize_params: vec![("prompt".to_owned(), "consent".to_owned())], ..SignIn::default() },
        ..person()
    };
    let authorization = begun(&endpoints());
    let challenge = authorization.verifier.as_ref().expect("a verifier").challenge();
    let state = authorization.state.expose();
    assert_eq!(
        authorization.url(&client).as_str(),
        format!(
            "https://login.example/a?tenant=7&response_type=code&client_id=id&redirect_uri=http%3A%2F%2F127.0.0.1%3A8123%2Fcallback\
             &scope=a%2Cb+c&state={state}&code_challenge={challenge}&code_challenge_method=S256&audience=aud&resource=https%3A%2F%2Fr1\
             &resource=https%3A%2F%2Fr2&prompt=consent"
        )
    );
    assert_eq!(
        authorization.pushed_url(&client, "urn:x:1").as_str(),
        "https://login.example/a?tenant=7&client_id=id&request_uri=urn%3Ax%3A1"
    );
    assert_ne!(state, begun(&endpoints()).state.expose());
    let bound = begun(&endpoints()).bound_to(Some("thumb".to_owned()));
    assert!(bound.url(&client).as_str().contains("&dpop_jkt=thumb"));
}

#[test]
fn a_code_goes_to_the_token_endpoint_with_its_verifier() {
    let authorization = begun(&endpoints());
    let Ok(Ask::AuthorizationCode { code, redirect_uri, verifier }) =
        judged(&authorization, "code=c%2F1&state=S&session=x&session=y")
    else {
        panic!("not accepted")
    };
    assert_eq!((code.expose(), redirect_uri.as_str()), ("c/1", REDIRECT));
    assert_eq!(verifier.expect("a verifier").challenge(), authorization.verifier.expect("a verifier").challenge());
}

#[test]
fn only_the_answer_to_this_request_is_believed() {
    let authorization = begun(&endpoints());
    refused(&authorization, "code=c&state=other", "state is not");
    refused(&authorization, "code=c&state=Sx", "state is not");
    refused(&authorization, "code=c", "no state");
    refused(&authorization, "code=c&state=S&code=d", "code twice");
    refused(&authorization, "code=c&state=S&state=S", "state twice");
    refused(&authorization, "code=c&state=S&iss=https://login.example&iss=https://login.example", "iss twice");
    refused(&authorization, "state=S", "neither a code");
    refused(&authorization, "state=S&code=", "neither a code");
    refused(&authorization, "", "no state");
}

#[test]
fn an_answer_of_another_server_is_refused() {
    let silent = begun(&endpoints());
    assert!(judged(&silent, "code=c&state=S").is_ok());
    assert!(judged(&silent, "code=c&state=S&iss=https%3A%2F%2Flogin.example").is_ok());
    refused(&silent, "code=c&state=S&iss=https%3A%2F%2Fevil.example", "`https://evil.example`");
    refused(&silent, "code=c&state=S&iss=https%3A%2F%2Flogin.example%2F", "issuer");
    let promising = begun(&Endpoints { sends_issuer: true, ..endpoints() });
    assert!(judged(&promising, "code=c&state=S&iss=https%3A%2F%2Flogin.example").is_ok());
    refused(&promising, "code=c&state=S", "no iss");
    let unknown = begun(&Endpoints { issuer: None, ..endpoints() });
    assert!(judged(&unknown, "code=c&state=S&iss=https%3A%2F%2Fwhoever").is_ok());
}

#[test]
fn a_refusal_has_its_reason() {
    let authorization = begun(&Endpoints { sends_issuer: true, ..endpoints() });
    for query in
        ["error=access_denied&error_description=no%1B%5B31m+way&state=S", "error=access_denied&error_description=no[31m+way"]
    {
        let error = judged(&authorization, query).expect_err("refused");
        assert_eq!(error.to_string(), "the sign-in was refused: access_denied (no[31m way)");
        assert_eq!(error.oauth_code(), Some("access_denied"));
    }
    refused(&authorization, "error=access_denied&state=other", "state is not");
}

#[test]
fn what_is_pasted_is_judged_alike() {
    let authorization = begun(&endpoints());
    let state = authorization.state.expose().to_owned();
    for line in [
        format!("{REDIRECT}?code=c&state={state}\r\n"),
        format!("  http://localhost:1/other?state={state}&code=c "),
        format!("?code=c&state={state}"),
        format!("code=c&state={state}"),
    ] {
        assert!(authorization.judge_pasted(&line).is_ok(), "{line}");
    }
    for line in ["", "c", "https://h/?code=c&state=x", "https://h/", "https://h/#code=c", "code=c"] {
        assert!(matches!(authorization.judge_pasted(line), Err(OauthError::Callback(_))), "{line}");
    }
    let oob = Authorization::begin(&person(), &endpoints(), "urn:ietf:wg:oauth:2.0:oob".to_owned()).expect("a sign-in");
    assert!(matches!(oob.judge_pasted(" 4/abc \n"), Ok(Ask::AuthorizationCode { code, .. }) if code.expose() == "4/abc"));
    assert!(oob.judge_pasted("\n").is_err());
}

#[test]
fn a_server_must_know_s256_and_be_asked_in_private() {
    let methods = |names: &[&str]| Endpoints {
        challenge_methods: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..endpoints()
    };
    let begin = |client: &Client, endpoints: &Endpoints| Authorization::begin(client, endpoints, REDIRECT.to_owned());
    assert!(begin(&person(), &methods(&["plain", "S256"])).is_ok());
    assert!(begin(&person(), &methods(&["plain"])).expect_err("no S256").to_string().contains("S256"));
    let without = Client { sign_in: SignIn { pkce: false, ..SignIn::default() }, ..person() };
    let url = begin(&without, &methods(&["plain"])).expect("a sign-in").url(&without);
    assert!(!url.as_str().contains("code_challenge"));
    let plain = Endpoints { authorize_url: Url::parse("http://login.example/a").ok(), ..endpoints() };
    assert!(begin(&person(), &plain).is_err());
    assert!(begin(&person(), &Endpoints { authorize_url: None, ..endpoints() }).is_err());
}
