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
        let endpoint = members.text("token_endpoint").and_then(|endpoint| Url::parse(&endpoint).ok());
        let endpoint = endpoint.ok_or_else(|| bad("it names no token_endpoint".to_owned()))?;
        check_endpoint(client, &endpoint)?;
        return Ok(endpoint);
    }
    Err(last.unwrap_or_else(|| OauthError::Config("there is no discovery document".to_owned())))
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
