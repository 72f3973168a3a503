//! Pushed authorization requests (RFC 9126), without input or output: the request goes to the server directly, and the browser
//! carries no more than a reference to it.

use std::time::SystemTime;

use url::Url;

use crate::env::Env;

use super::authorize::Authorization;
use super::client::{Client, Par};
use super::client_auth;
use super::endpoints::Endpoints;
use super::error::{Endpoint, OauthError};
use super::token_endpoint::{accepted, bad_answer};
use super::transport::{Answer, Request};

/// Where the request is to be pushed to; `None` = it goes through the browser.
///
/// # Errors
/// [`OauthError::Config`]: profile and server do not agree.
pub fn endpoint<'e>(client: &Client, endpoints: &'e Endpoints) -> Result<Option<&'e Url>, OauthError> {
    match (client.sign_in.par, &endpoints.par_url) {
        (Par::Never, _) if endpoints.requires_par => Err(OauthError::Config(
            "the server takes pushed authorization requests only (require_pushed_authorization_requests); take par = false out"
                .to_owned(),
        )),
        (Par::Never, _) => Ok(None),
        (Par::Auto | Par::Always, Some(url)) => Ok(Some(url)),
        (Par::Auto, None) if !endpoints.requires_par => Ok(None),
        (Par::Auto | Par::Always, None) => Err(OauthError::Config(
            "the authorization request is to be pushed, but neither par_url nor the discovery document says where".to_owned(),
        )),
    }
}

/// The request that pushes `authorization` to `par_url` (RFC 9126 section 2.1). Blocks: secrets are read now.
///
/// # Errors
/// As [`client_auth::request`].
pub fn request(
    client: &Client,
    par_url: &Url,
    authorization: &Authorization,
    now: SystemTime,
    env: &Env,
) -> Result<Request, OauthError> {
    let parameters = authorization.parameters(client);
    // What proves the client brings its id where it stands in the body; it must not stand there twice.
    let pairs = parameters.iter().filter(|(name, _)| name != "client_id" || !client.client_auth.sends_id());
    let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str()));
    client_auth::request(client, par_url, authorization.token_url(), pairs, now, env)
}

/// The `request_uri` in an answer (RFC 9126 section 2.2).
///
/// # Errors
/// A refusal, or no answer of that kind.
pub fn parse(par_url: &Url, answer: &Answer) -> Result<String, OauthError> {
    let members = accepted(Endpoint::Par, par_url, answer, &mut Vec::new())?;
    let uri = members.and_then(|members| members.text("request_uri")).filter(|uri| !uri.is_empty());
    uri.ok_or_else(|| bad_answer(Endpoint::Par, par_url, answer, "it has no request_uri".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::{ClientAuth, SignIn, test_client};

    fn endpoints(par: bool, requires_par: bool) -> Endpoints {
        let url = |path: &str| Url::parse("https://login.example/").and_then(|url| url.join(path)).expect("a URL");
        Endpoints {
            token_url: url("t"),
            authorize_url: Some(url("a")),
            device_url: None,
            revoke_url: None,
            par_url: par.then(|| url("p")),
            issuer: None,
            sends_issuer: false,
            requires_par,
            challenge_methods: None,
        }
    }

    #[test]
    fn a_request_is_pushed_where_the_server_offers_it_unless_the_profile_says_no() {
        for (par, offered, required, pushed) in [
            (Par::Auto, true, false, Some(true)),
            (Par::Auto, true, true, Some(true)),
            (Par::Auto, false, false, Some(false)),
            (Par::Auto, false, true, None),
            (Par::Always, true, false, Some(true)),
            (Par::Always, false, false, None),
            (Par::Never, true, false, Some(false)),
            (Par::Never, true, true, None),
        ] {
            let client = Client { sign_in: SignIn { par, ..SignIn::default() }, ..test_client() };
            let endpoints = endpoints(offered, required);
            let found = endpoint(&client, &endpoints).map(|url| url.is_some());
            assert_eq!(found.ok(), pushed, "{par:?} {offered} {required}");
        }
    }

    #[test]
    fn it_holds_what_the_browser_would_have_carried_and_the_proof_of_the_client() {
        let endpoints = endpoints(true, false);
        for (client_auth, ids, header) in [
            (ClientAuth::Basic, 1, true),
            (ClientAuth::Post, 1, false),
            (ClientAuth::None, 1, false),
            (ClientAuth::Tls, 1, false),
        ] {
            let client = Client { client_auth, ..test_client() };
            let authorization = Authorization::begin(&client, &endpoints, "http://127.0.0.1/cb".to_owned()).expect("begun");
            let url = endpoints.par_url.as_ref().expect("a URL");
            let sent = request(&client, url, &authorization, SystemTime::UNIX_EPOCH, &Env::default()).expect("a request");
            let body = sent.body.expect("a form");
            assert_eq!(body.matches("client_id=id").count(), ids, "{client_auth:?}");
            assert_eq!(!sent.headers.is_empty(), header, "{client_auth:?}");
            assert!(body.contains("response_type=code") && body.contains("code_challenge="), "{client_auth:?}");
        }
    }

    #[test]
    fn the_answer_is_a_reference_or_a_reason() {
        let url = Url::parse("https://login.example/p").expect("a URL");
        let answer = |status: u16, body: &str| parse(&url, &Answer::of_test(status, body));
        assert_eq!(answer(201, "{\"request_uri\":\"urn:x:1\",\"expires_in\":60}"), Ok("urn:x:1".to_owned()));
        for (status, body) in [(201, "{}"), (201, "{\"request_uri\":\"\"}"), (200, "<html>"), (500, "CANARY")] {
            let error = answer(status, body).expect_err(body).to_string();
            assert!(error.starts_with("the pushed authorization request endpoint https://login.example/p"), "{error}");
        }
        let error =
            answer(400, "{\"error\":\"invalid_request\",\"error_description\":\"no such redirect_uri\"}").expect_err("no");
        assert!(error.to_string().ends_with("refused: invalid_request (no such redirect_uri)"), "{error}");
    }
}
