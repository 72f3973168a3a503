//! Endpoints from the issuer: RFC 8414, and OpenID Connect Discovery 1.0 where that is all there is.

use url::Url;

use crate::redact;

use super::client::Client;
use super::error::{Endpoint, OauthError};
use super::token_endpoint::{Members, bad_answer, check_endpoint};
use super::transport::{Answer, Request, Transport};

/// What an authorization server says of itself (RFC 8414 section 2), as far as it is used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// `issuer`, as the server spells it.
    pub issuer: String,
    /// `token_endpoint`.
    pub token_url: Option<Url>,
    /// `authorization_endpoint`.
    pub authorize_url: Option<Url>,
    /// `device_authorization_endpoint` (RFC 8628 section 4).
    pub device_url: Option<Url>,
    /// `revocation_endpoint`.
    pub revoke_url: Option<Url>,
    /// `pushed_authorization_request_endpoint` (RFC 9126 section 5).
    pub par_url: Option<Url>,
    /// `require_pushed_authorization_requests`.
    pub requires_par: bool,
    /// `authorization_response_iss_parameter_supported` (RFC 9207 section 3).
    pub sends_issuer: bool,
    /// `code_challenge_methods_supported`; `None` = it does not say.
    pub challenge_methods: Option<Vec<String>>,
}

/// The document of `issuer`.
///
/// # Errors
/// There is none, or it is one of another issuer (RFC 8414 section 3.3).
pub async fn fetch(client: &Client, issuer: &Url, transport: &dyn Transport) -> Result<Metadata, OauthError> {
    check_endpoint(client, issuer)?;
    let mut last = OauthError::Config("there is no discovery document".to_owned());
    for url in documents(issuer) {
        let answer = match transport.send(Request { url: url.clone(), headers: Vec::new(), body: None }).await {
            Ok(answer) => answer,
            Err(error) => {
                last = error.at(Endpoint::Discovery);
                continue;
            }
        };
        match parse(client, issuer, &url, &answer) {
            Ok(Some(metadata)) => return Ok(metadata),
            Ok(None) => last = bad_answer(Endpoint::Discovery, &url, &answer, "no discovery document".to_owned()),
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// What `answer`, from `url`, says about the server of `issuer`; `None` if it is no such document.
///
/// # Errors
/// It is the document of another issuer.
pub fn parse(client: &Client, issuer: &Url, url: &Url, answer: &Answer) -> Result<Option<Metadata>, OauthError> {
    let members = std::str::from_utf8(&answer.body).ok().filter(|_| answer.status == 200).and_then(Members::from_json);
    let Some(members) = members else { return Ok(None) };
    let named = members.text("issuer").unwrap_or_default();
    if !is_same_issuer(issuer, &named) {
        let reason = format!("it is the document of issuer `{}`", redact::untrusted(&named));
        return Err(bad_answer(Endpoint::Discovery, url, answer, reason));
    }
    let endpoint = |name: &str| Url::parse(&endpoint(client, &members, name)?).ok();
    Ok(Some(Metadata {
        token_url: endpoint("token_endpoint"),
        authorize_url: endpoint("authorization_endpoint"),
        device_url: endpoint("device_authorization_endpoint"),
        revoke_url: endpoint("revocation_endpoint"),
        par_url: endpoint("pushed_authorization_request_endpoint"),
        requires_par: members.flag("require_pushed_authorization_requests"),
        sends_issuer: members.flag("authorization_response_iss_parameter_supported"),
        challenge_methods: members.list("code_challenge_methods_supported"),
        issuer: named,
    }))
}

/// Is `named` the issuer of the profile, character by character? The slash after a bare host may be written or not: the two
/// are one URL.
pub fn is_same_issuer(issuer: &Url, named: &str) -> bool {
    named == issuer.as_str() || issuer.path() == "/" && issuer.as_str().strip_suffix('/') == Some(named)
}

/// The endpoint `name`. A client with a certificate goes to its alias, where the server asks for one (RFC 8705 section 5).
fn endpoint(client: &Client, members: &Members, name: &str) -> Option<String> {
    let aliases = client.certificate.as_ref().and_then(|_| members.object("mtls_endpoint_aliases"));
    aliases.and_then(|aliases| aliases.text(name)).or_else(|| members.text(name))
}

/// RFC 8414 section 3.1 puts the well-known part in front of the issuer's path, OpenID Connect behind it.
fn documents(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    vec![at(format!("/.well-known/oauth-authorization-server{path}")), at(format!("{path}/.well-known/openid-configuration"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::test_client;
    use crate::tls::ClientCertificate;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    fn parsed(issuer: &str, status: u16, body: &str) -> Result<Option<Metadata>, OauthError> {
        let answer = Answer::of_test(status, body);
        parse(&test_client(), &url(issuer), &url("https://h/.well-known/x"), &answer)
    }

    #[test]
    fn the_document_says_where_everything_is() {
        let text = r#"{"issuer":"https://h","authorization_endpoint":"https://h/a","token_endpoint":"https://h/t",
            "device_authorization_endpoint":"https://h/d","revocation_endpoint":"https://h/r","pushed_authorization_request_endpoint":
            "https://h/p","require_pushed_authorization_requests":true,"authorization_response_iss_parameter_supported":true,
            "code_challenge_methods_supported":["plain","S256"]}"#;
        let metadata = parsed("https://h", 200, text).expect("good").expect("a document");
        let urls = [metadata.authorize_url, metadata.token_url, metadata.device_url, metadata.revoke_url, metadata.par_url];
        assert_eq!(
            urls.map(|url| url.map(String::from)),
            ["a", "t", "d", "r", "p"].map(|path| Some(format!("https://h/{path}")))
        );
        assert!(metadata.requires_par && metadata.sends_issuer);
        assert_eq!(metadata.challenge_methods, Some(vec!["plain".to_owned(), "S256".to_owned()]));
        let bare = parsed("https://h", 200, r#"{"issuer":"https://h"}"#).expect("good").expect("a document");
        assert!(bare.token_url.is_none() && !bare.requires_par && !bare.sends_issuer && bare.challenge_methods.is_none());
    }

    #[test]
    fn what_is_no_document_is_looked_for_elsewhere() {
        for (status, body) in [(404, r#"{"issuer":"https://h"}"#), (200, "<html>"), (200, "[]"), (200, "")] {
            assert_eq!(parsed("https://h", status, body), Ok(None), "{body}");
        }
        let odd = parsed("https://h", 200, r#"{"issuer":"https://h","token_endpoint":"nowhere","revocation_endpoint":7}"#);
        assert!(odd.expect("good").expect("a document").token_url.is_none());
    }

    #[test]
    fn the_issuer_is_compared_exactly() {
        for (issuer, named, same) in [
            ("https://h", "https://h", true),
            ("https://h", "https://h/", true),
            ("https://h/", "https://h", true),
            ("https://h/tenant", "https://h/tenant", true),
            ("https://h/tenant", "https://h/tenant/", false),
            ("https://h/tenant/", "https://h/tenant", false),
            ("https://h", "https://H", false),
            ("https://h", "https://h.evil", false),
            ("https://h", "http://h", false),
            ("https://h", "", false),
        ] {
            let document = format!("{{\"issuer\":\"{named}\"}}");
            assert_eq!(parsed(issuer, 200, &document).is_ok(), same, "{issuer} and {named}");
        }
        let error = parsed("https://h", 200, r#"{"issuer":"https://evil"}"#).expect_err("another's").to_string();
        assert!(error.starts_with("the discovery document https://h/") && error.contains("`https://evil`"), "{error}");
    }

    #[test]
    fn a_client_with_a_certificate_goes_where_it_is_asked_for() {
        let document = r#"{"token_endpoint":"https://h/t","mtls_endpoint_aliases":{"token_endpoint":"https://mtls.h/t"}}"#;
        let certificate = Some(ClientCertificate { certificate: "c".into(), key: "k".into() });
        for (text, certificate, url) in [
            (document, certificate.clone(), "https://mtls.h/t"),
            (document, None, "https://h/t"),
            (r#"{"token_endpoint":"https://h/t","mtls_endpoint_aliases":{}}"#, certificate.clone(), "https://h/t"),
            (r#"{"token_endpoint":"https://h/t"}"#, certificate, "https://h/t"),
        ] {
            let client = Client { certificate, ..test_client() };
            let members = Members::from_json(text).expect("an object");
            assert_eq!(endpoint(&client, &members, "token_endpoint").as_deref(), Some(url));
        }
    }

    #[test]
    fn both_well_known_places_are_asked() {
        let urls: Vec<String> = documents(&url("https://h/tenant/")).iter().map(Url::to_string).collect();
        assert_eq!(
            urls,
            ["https://h/.well-known/oauth-authorization-server/tenant", "https://h/tenant/.well-known/openid-configuration"]
        );
        assert_eq!(documents(&url("https://h"))[0].path(), "/.well-known/oauth-authorization-server");
    }
}
