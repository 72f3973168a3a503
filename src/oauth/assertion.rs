//! Assertions in the form of JWTs (RFC 7523): who the client is (section 2.2), and on whose behalf it asks (section 2.1).

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use crate::env::Env;
use crate::secret::{Secret, SecretSource};

use super::client::{Client, ClientAuth};
use super::error::OauthError;
use super::grant;
use super::jws::{self, Algorithm, Key};

/// What signs assertions, and what stands in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assertion {
    /// A private key in PEM form, or the JSON document in which Google hands one out.
    pub private_key: Option<SecretSource>,
    /// `kid` of the header.
    pub key_id: Option<String>,
    /// `alg`; `None` = what the key is for.
    pub algorithm: Option<Algorithm>,
    /// `aud`.
    pub audience: Audience,
    /// A finished assertion for the grant `jwt_bearer`, from elsewhere.
    pub given: Option<SecretSource>,
    /// `iss` of the grant's assertion; `None` = the client id.
    pub issuer: Option<String>,
    /// `sub` of the grant's assertion; `None` = as `iss`.
    pub subject: Option<String>,
}

/// The server that an assertion is meant for, in the form in which it knows itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// The URL of the token endpoint, as RFC 7523 section 3 proposes.
    #[default]
    TokenUrl,
    /// This text.
    Literal(String),
}

/// How long an assertion is good for. It is used at once, and Keycloak (26.2 on) takes none that is older than this.
const LIFE: Duration = Duration::from_secs(60);

/// The `client_assertion` of a client that authenticates with one.
///
/// # Errors
/// [`OauthError::Config`]: the key is missing or does not go with the algorithm.
pub fn of_client(client: &Client, token_url: &Url, now: SystemTime, env: &Env) -> Result<Secret, OauthError> {
    let signer = match client.client_auth {
        ClientAuth::ClientSecretJwt => {
            let secret = grant::read(client, "client_secret", client.client_secret.as_ref(), env)?;
            Signer { name: "client_secret", key: Key::Shared(secret), key_id: None, owner: None }
        }
        _ => Signer::read(client, env)?,
    };
    let id = client.client_id.clone().unwrap_or_default();
    let mut claims = claims(client, token_url, now)?;
    claims.insert("iss".to_owned(), id.clone().into());
    claims.insert("sub".to_owned(), id.into());
    signer.sign(client, &claims)
}

/// The `assertion` of the grant `jwt_bearer`: the one that was given, else one made here.
///
/// # Errors
/// [`OauthError::Config`]: neither an assertion nor a key is there, or nobody is named who issues it.
pub fn of_grant(client: &Client, token_url: &Url, now: SystemTime, env: &Env) -> Result<Secret, OauthError> {
    if client.assertion.given.is_some() {
        return grant::read(client, "assertion", client.assertion.given.as_ref(), env);
    }
    let signer = Signer::read(client, env)?;
    let issuer = client.assertion.issuer.as_ref().or(signer.owner.as_ref()).or(client.client_id.as_ref());
    let issuer = issuer.ok_or_else(|| OauthError::Config("grant jwt_bearer needs assertion_issuer".to_owned()))?;
    let mut claims = claims(client, token_url, now)?;
    claims.insert("iss".to_owned(), issuer.as_str().into());
    claims.insert("sub".to_owned(), client.assertion.subject.as_ref().unwrap_or(issuer).as_str().into());
    if client.dialect.assertion_scope && !client.scope.is_empty() {
        claims.insert("scope".to_owned(), client.scope.join(&client.dialect.scope_separator).into());
    }
    for (name, value) in &client.dialect.assertion_claims {
        if value.is_empty() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.as_str().into());
        }
    }
    signer.sign(client, &claims)
}

/// The claims that both kinds have: `aud`, `iat`, `exp`, `jti`.
fn claims(client: &Client, token_url: &Url, now: SystemTime) -> Result<Map<String, Value>, OauthError> {
    let audience = match &client.assertion.audience {
        Audience::TokenUrl => token_url.to_string(),
        Audience::Literal(audience) => audience.clone(),
    };
    let issued = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Map::from_iter([
        ("aud".to_owned(), audience.into()),
        ("iat".to_owned(), issued.as_secs().into()),
        ("exp".to_owned(), (issued + LIFE).as_secs().into()),
        ("jti".to_owned(), jws::unique().map_err(|error| OauthError::Config(format!("an assertion {error}")))?.into()),
    ]))
}

/// A key with what is known about it.
struct Signer {
    /// The key of the configuration that it came from.
    name: &'static str,
    key: Key,
    key_id: Option<String>,
    /// Whose key it is, where that stands beside it.
    owner: Option<String>,
}

/// The members that matter of the document that Google calls a service account key.
#[derive(Deserialize)]
struct KeyDocument {
    private_key: Zeroizing<String>,
    private_key_id: Option<String>,
    client_email: Option<String>,
}

impl Signer {
    fn read(client: &Client, env: &Env) -> Result<Self, OauthError> {
        let name = "private_key";
        let text = grant::read(client, name, client.assertion.private_key.as_ref(), env)?;
        let refuse = |reason: &dyn std::fmt::Display| OauthError::Config(format!("{name} {reason}"));
        if !text.expose().trim_start().starts_with('{') {
            let key = Key::from_pem(text.expose()).map_err(|error| refuse(&error))?;
            return Ok(Self { name, key, key_id: None, owner: None });
        }
        let document: KeyDocument =
            serde_json::from_str(text.expose()).map_err(|_| refuse(&"is a JSON document without a private_key"))?;
        let key = Key::from_pem(&document.private_key).map_err(|error| refuse(&error))?;
        Ok(Self { name, key, key_id: document.private_key_id, owner: document.client_email })
    }

    fn sign(&self, client: &Client, claims: &Map<String, Value>) -> Result<Secret, OauthError> {
        let refuse = |error: jws::JwsError| OauthError::Config(format!("{} {error}", self.name));
        // Of a client secret and a private key in one profile, the configured algorithm is for the one that it fits.
        let is_shared = matches!(self.key, Key::Shared(_));
        let configured = client.assertion.algorithm.filter(|algorithm| algorithm.is_symmetric() == is_shared);
        let algorithm = configured.or_else(|| self.key.algorithm());
        let algorithm = algorithm.ok_or_else(|| refuse(jws::JwsError::Unusable))?;
        let mut header = Map::from_iter([("typ".to_owned(), "JWT".into())]);
        if let Some(id) = client.assertion.key_id.as_ref().or(self.key_id.as_ref()) {
            header.insert("kid".to_owned(), id.as_str().into());
        }
        jws::sign(&self.key, algorithm, header, claims).map_err(refuse)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oauth::client::{Grant, test_client};
    use crate::oauth::dialect::Dialect;
    use crate::oauth::jws::tests::{private_key, verified, verified_by_secret};

    fn url() -> Url {
        Url::parse("https://login.example/token").expect("a URL")
    }

    fn at() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_900)
    }

    fn with_key(pem: &str, assertion: Assertion) -> Client {
        let private_key = Some(SecretSource::Plain(pem.into()));
        let assertion = Assertion { private_key, ..assertion };
        Client { client_auth: ClientAuth::PrivateKeyJwt, grant: Grant::JwtBearer, assertion, ..test_client() }
    }

    #[test]
    fn a_client_assertion_has_the_claims_of_rfc_7523_and_is_used_once() {
        let pem = private_key(Algorithm::Rs256);
        let client = with_key(&pem, Assertion { key_id: Some("k7".to_owned()), ..Assertion::default() });
        let made = || of_client(&client, &url(), at(), &Env::default()).expect("an assertion");
        let (header, mut claims) = verified(made().expose(), Algorithm::Rs256, &pem);
        assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "k7"}));
        let id = claims.as_object_mut().and_then(|claims| claims.remove("jti")).expect("a jti");
        assert_eq!(
            claims,
            json!({
                "iss": "id", "sub": "id", "aud": "https://login.example/token", "iat": 1_700_000_000, "exp": 1_700_000_060,
            })
        );
        assert!(id.as_str().is_some_and(|id| id.len() == 22));
        assert_ne!(verified(made().expose(), Algorithm::Rs256, &pem).1["jti"], id);
    }

    #[test]
    fn algorithm_and_audience_are_the_profiles() {
        let pem = private_key(Algorithm::Rs256);
        let assertion = Assertion {
            algorithm: Some(Algorithm::Ps384),
            audience: Audience::Literal("https://login.example".to_owned()),
            ..Assertion::default()
        };
        let token = of_client(&with_key(&pem, assertion), &url(), at(), &Env::default()).expect("an assertion");
        assert_eq!(verified(token.expose(), Algorithm::Ps384, &pem).1["aud"], json!("https://login.example"));
    }

    #[test]
    fn a_client_secret_signs_with_hmac() {
        let client = Client { client_auth: ClientAuth::ClientSecretJwt, ..test_client() };
        let token = of_client(&client, &url(), at(), &Env::default()).expect("an assertion");
        assert_eq!(verified_by_secret(token.expose(), Algorithm::Hs256, "secret").1["sub"], json!("id"));
    }

    #[test]
    fn a_grant_assertion_speaks_for_its_subject() {
        let pem = private_key(Algorithm::Es256);
        let named = Assertion { issuer: Some("me".to_owned()), subject: Some("user".to_owned()), ..Assertion::default() };
        for (assertion, issuer, subject) in [(named, "me", "user"), (Assertion::default(), "id", "id")] {
            let client = Client { scope: vec!["a".to_owned()], ..with_key(&pem, assertion) };
            let token = of_grant(&client, &url(), at(), &Env::default()).expect("an assertion");
            let (_, claims) = verified(token.expose(), Algorithm::Es256, &pem);
            assert_eq!((&claims["iss"], &claims["sub"]), (&json!(issuer), &json!(subject)));
            assert_eq!(claims.get("scope"), None);
        }
    }

    /// Google: issuer and key id stand in its key document, the scope in the assertion, and `sub` only with delegation.
    #[test]
    fn a_dialect_says_which_claims_the_grants_assertion_has() {
        let pem = private_key(Algorithm::Rs256);
        let document = json!({
            "type": "service_account", "private_key_id": "k1", "private_key": pem, "client_email": "robot@project.example",
        });
        let dialect = Dialect {
            assertion_scope: true,
            assertion_claims: [("sub", ""), ("box_sub_type", "enterprise")].map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
            ..Dialect::default()
        };
        let scope = vec!["a".to_owned(), "b".to_owned()];
        let client = Client { dialect, scope, client_id: None, ..with_key(&document.to_string(), Assertion::default()) };
        let token = of_grant(&client, &url(), at(), &Env::default()).expect("an assertion");
        let (header, claims) = verified(token.expose(), Algorithm::Rs256, &pem);
        assert_eq!(header["kid"], json!("k1"));
        assert_eq!((&claims["iss"], &claims["scope"]), (&json!("robot@project.example"), &json!("a b")));
        assert_eq!((claims.get("sub"), &claims["box_sub_type"]), (None, &json!("enterprise")));
    }

    #[test]
    fn an_assertion_from_elsewhere_is_sent_as_it_is() {
        let assertion = Assertion { given: Some(SecretSource::Plain("a.b.c".into())), ..Assertion::default() };
        let client = Client { assertion, ..test_client() };
        assert_eq!(of_grant(&client, &url(), at(), &Env::default()).expect("an assertion").expose(), "a.b.c");
    }

    #[test]
    fn a_key_that_does_not_fit_is_told_by_the_name_of_its_key() {
        let assertion = Assertion { algorithm: Some(Algorithm::Es384), ..Assertion::default() };
        for (pem, said) in [
            (private_key(Algorithm::Es256), "private_key is a P-256 key, and ES384 needs a P-384 key"),
            ("CANARY".to_owned(), "private_key holds no private key in PEM form"),
            ("{\"x\":\"CANARY\"}".to_owned(), "private_key is a JSON document without a private_key"),
        ] {
            let error = of_client(&with_key(&pem, assertion.clone()), &url(), at(), &Env::default()).expect_err(said);
            assert!(error.to_string().starts_with(said) && !error.to_string().contains("CANARY"), "{error}");
        }
    }
}
