//! How a request to the authorization server proves which client sent it: RFC 6749 section 2.3, RFC 7523, RFC 8705.

use std::time::SystemTime;

use base64::Engine;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::env::Env;

use super::assertion;
use super::client::{Client, ClientAuth};
use super::error::OauthError;
use super::grant;
use super::token_endpoint::check_endpoint;
use super::transport::Request;

/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Adds to a request what proves its client: parameters to `form`, or a header field, which is returned. `token_url` is the
/// audience of assertions, whichever endpoint the request goes to. Blocks: secrets are read now.
///
/// # Errors
/// [`OauthError::Config`]: a secret or key is missing or does not fit.
pub fn prove(
    client: &Client,
    token_url: &Url,
    form: &mut Serializer<'_, String>,
    now: SystemTime,
    env: &Env,
) -> Result<Option<(String, Zeroizing<String>)>, OauthError> {
    let id = client.client_id.as_deref();
    let secret = || grant::read(client, "client_secret", client.client_secret.as_ref(), env);
    match client.client_auth {
        // With a certificate the connection is the proof; the id says whose certificate is to be looked for (RFC 8705
        // section 2).
        ClientAuth::None | ClientAuth::Tls | ClientAuth::SelfSignedTls => {
            if let Some(id) = id {
                form.append_pair("client_id", id);
            }
        }
        ClientAuth::Post => {
            form.append_pair("client_id", id.unwrap_or_default()).append_pair("client_secret", secret()?.expose());
        }
        ClientAuth::Basic | ClientAuth::BasicRaw => {
            let (id, secret) = (id.unwrap_or_default(), secret()?);
            let pair = Zeroizing::new(if client.client_auth == ClientAuth::BasicRaw {
                format!("{id}:{}", secret.expose())
            } else {
                // RFC 6749 section 2.3.1: each part is form-encoded first.
                let encode = |part: &str| byte_serialize(part.as_bytes()).collect::<String>();
                format!("{}:{}", encode(id), encode(secret.expose()))
            });
            let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair.as_bytes()));
            return Ok(Some(("Authorization".to_owned(), Zeroizing::new(value))));
        }
        ClientAuth::PrivateKeyJwt | ClientAuth::ClientSecretJwt => {
            let assertion = assertion::of_client(client, token_url, now, env)?;
            form.append_pair("client_id", id.unwrap_or_default());
            form.append_pair("client_assertion_type", ASSERTION_TYPE).append_pair("client_assertion", assertion.expose());
        }
    }
    Ok(None)
}

/// A form of these parameters for another endpoint than the token endpoint, with what proves its client. Blocks: secrets are read
/// now.
///
/// # Errors
/// [`OauthError::Config`]: an endpoint by plain http, or as [`prove`].
pub fn request<'p>(
    client: &Client,
    url: &Url,
    token_url: &Url,
    parameters: impl IntoIterator<Item = (&'p str, &'p str)>,
    now: SystemTime,
    env: &Env,
) -> Result<Request, OauthError> {
    check_endpoint(client, url)?;
    let mut form = Serializer::new(String::new());
    form.extend_pairs(parameters);
    let headers = prove(client, token_url, &mut form, now, env)?.into_iter().collect();
    Ok(Request { url: url.clone(), headers, body: Some(Zeroizing::new(form.finish())) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::oauth::assertion::Assertion;
    use crate::oauth::client::test_client;
    use crate::oauth::jws::Algorithm;
    use crate::oauth::jws::tests::{private_key, verified, verified_by_secret};
    use crate::secret::SecretSource;

    fn client(client_auth: ClientAuth) -> Client {
        let client_secret = Some(SecretSource::Plain("s:/+ü".into()));
        Client { client_auth, client_id: Some("my app".to_owned()), client_secret, ..test_client() }
    }

    fn proof(client: &Client) -> (Option<String>, String) {
        let url = Url::parse("https://login.example/token").expect("a URL");
        let mut form = Serializer::new(String::new());
        let field = prove(client, &url, &mut form, SystemTime::UNIX_EPOCH, &Env::default()).expect("a proof");
        let value = field.map(|(name, value)| {
            assert_eq!(name, "Authorization");
            let text = base64::engine::general_purpose::STANDARD.decode(value.strip_prefix("Basic ").expect("basic"));
            String::from_utf8(text.expect("base64")).expect("text")
        });
        (value, form.finish())
    }

    #[test]
    fn a_secret_stands_in_the_header_or_the_body() {
        assert_eq!(proof(&client(ClientAuth::Basic)), (Some("my+app:s%3A%2F%2B%C3%BC".to_owned()), String::new()));
        assert_eq!(proof(&client(ClientAuth::BasicRaw)), (Some("my app:s:/+ü".to_owned()), String::new()));
        let body = "client_id=my+app&client_secret=s%3A%2F%2B%C3%BC".to_owned();
        assert_eq!(proof(&client(ClientAuth::Post)), (None, body));
    }

    #[test]
    fn without_a_secret_the_id_alone_is_sent() {
        for client_auth in [ClientAuth::None, ClientAuth::Tls, ClientAuth::SelfSignedTls] {
            assert_eq!(proof(&client(client_auth)), (None, "client_id=my+app".to_owned()));
        }
    }

    #[test]
    fn an_assertion_stands_in_the_body_with_its_type() {
        let pem = private_key(Algorithm::Es256);
        let assertion = Assertion { private_key: Some(SecretSource::Plain(pem.as_str().into())), ..Assertion::default() };
        for client_auth in [ClientAuth::PrivateKeyJwt, ClientAuth::ClientSecretJwt] {
            let client = Client { assertion: assertion.clone(), ..client(client_auth) };
            let (header, body) = proof(&client);
            assert_eq!(header, None);
            let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
            assert_eq!(
                form.keys().map(String::as_str).collect::<Vec<_>>(),
                ["client_assertion", "client_assertion_type", "client_id"]
            );
            assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            let token = &form["client_assertion"];
            let (_, claims) = match client_auth {
                ClientAuth::PrivateKeyJwt => verified(token, Algorithm::Es256, &pem),
                _ => verified_by_secret(token, Algorithm::Hs256, "s:/+ü"),
            };
            assert_eq!(claims["iss"], "my app");
        }
    }
}
