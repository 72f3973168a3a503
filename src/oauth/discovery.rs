//! Endpoints from the issuer: RFC 8414, and OpenID Connect Discovery 1.0 where that is all there is.

use url::Url;

use crate::redact;

use super::client::Client;
use super::error::OauthError;
use super::token_endpoint::{Members, check_endpoint};
use super::transport::{Request, Transport};

/// The token endpoint that `issuer` names.
///
/// # Errors
/// No document, one of another issuer (RFC 8414 section 3.3), or an endpoint by plain http.
pub async fn token_url(client: &Client, issuer: &Url, transport: &dyn Transport) -> Result<Url, OauthError> {
    check_endpoint(client, issuer)?;
    let mut last = None;
    for url in documents(issuer) {
        let answer = match transport.send(Request { url: url.clone(), headers: Vec::new(), body: None }).await {
            Ok(answer) => answer,
            Err(error) => {
                last = Some(error);
                continue;
            }
        };
        let bad = |reason: String| OauthError::BadAnswer {
            url: redact::url(url.as_str()).into_owned(),
            status: answer.status,
            content_type: answer.content_type.clone(),
            reason,
            retry_after: answer.retry_after,
        };
        let members = std::str::from_utf8(&answer.body).ok().filter(|_| answer.status == 200).and_then(Members::from_json);
        let Some(members) = members else {
            last = Some(bad("no discovery document".to_owned()));
            continue;
        };
        let named = members.text("issuer").unwrap_or_default();
        if named.trim_end_matches('/') != issuer.as_str().trim_end_matches('/') {
            return Err(bad(format!("it is the document of issuer `{}`", redact::untrusted(&named))));
        }
        let endpoint = endpoint(client, &members, "token_endpoint").and_then(|endpoint| Url::parse(&endpoint).ok());
        let endpoint = endpoint.ok_or_else(|| bad("it names no token_endpoint".to_owned()))?;
        check_endpoint(client, &endpoint)?;
        return Ok(endpoint);
    }
    Err(last.unwrap_or_else(|| OauthError::Config("there is no discovery document".to_owned())))
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
        let urls: Vec<String> = documents(&Url::parse("https://h/tenant/").expect("a URL")).iter().map(Url::to_string).collect();
        assert_eq!(
            urls,
            ["https://h/.well-known/oauth-authorization-server/tenant", "https://h/tenant/.well-known/openid-configuration"]
        );
        assert_eq!(documents(&Url::parse("https://h").expect("a URL"))[0].path(), "/.well-known/oauth-authorization-server");
    }
}
