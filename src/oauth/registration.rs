//! Registration of client credentials the way Brightcove has it (OAuth API v4, `/v4/client_credentials`): somebody who is signed
//! in lets ffauth have an id and a secret of its own.

use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use crate::env::Env;
use crate::redact;
use crate::secret::{Secret, SecretSource};

use super::error::{Endpoint, OauthError};
use super::store::Registration;
use super::transport::{Answer, Request, Transport};

/// What is registered, and where: plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The endpoint.
    pub url: Url,
    /// The token of whoever registers, sent as `Authorization: BC_TOKEN …`.
    pub token: SecretSource,
    /// Account ids, of Video Cloud unless `TYPE:` stands in front.
    pub accounts: Vec<String>,
    /// What the client may do in each of them.
    pub operations: Vec<String>,
}

/// The type of an account that names none.
const VIDEO_CLOUD: &str = "video-cloud-account";

impl Plan {
    /// The request that registers a client called `name`. Blocks: the token is read now.
    ///
    /// # Errors
    /// [`OauthError::Config`]: something is missing.
    pub fn request(&self, name: &str, description: &str, env: &Env) -> Result<Request, OauthError> {
        for (key, list) in [("accounts", &self.accounts), ("operations", &self.operations)] {
            if list.is_empty() {
                return Err(OauthError::Config(format!("{key} is missing: it says what the new client may do, and where")));
            }
        }
        let token = self.token.read(env).map_err(|error| OauthError::Config(format!("bc_token: {error}")))?;
        let scope: Vec<Value> = self.accounts.iter().map(|account| self.scope_in(account)).collect();
        let body = json!({ "type": "credential", "maximum_scope": scope, "name": name, "description": description });
        let header = |name: &str, value: String| (name.to_owned(), Zeroizing::new(value));
        Ok(Request {
            url: self.url.clone(),
            headers: vec![
                header("Authorization", format!("BC_TOKEN {}", token.expose())),
                header("Content-Type", "application/json".to_owned()),
            ],
            body: Some(Zeroizing::new(body.to_string())),
        })
    }

    fn scope_in(&self, account: &str) -> Value {
        let (kind, id) = account.split_once(':').unwrap_or((VIDEO_CLOUD, account));
        // Ids are numbers in Brightcove's examples.
        let id = id.parse::<u64>().map_or_else(|_| json!(id), |number| json!(number));
        json!({ "identity": { "type": kind, "account-id": id }, "operations": self.operations })
    }

    /// Registers a client.
    ///
    /// # Errors
    /// As [`request`](Self::request); the server refuses or cannot be reached.
    pub async fn register(
        &self,
        name: &str,
        description: &str,
        transport: &dyn Transport,
        env: &Env,
    ) -> Result<Registration, OauthError> {
        let request = self.request(name, description, env)?;
        let answer = transport.send(request).await.map_err(|error| error.at(Endpoint::Registration))?;
        parse(&self.url, &answer)
    }
}

/// What the answer of a registration endpoint means.
///
/// # Errors
/// [`OauthError::Refused`] with the server's own code, [`OauthError::BadAnswer`] for what is no registration. Neither holds the
/// body.
pub fn parse(url: &Url, answer: &Answer) -> Result<Registration, OauthError> {
    let url = redact::url(url.as_str()).into_owned();
    let content: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let member = |name: &str| content.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if (200..300).contains(&answer.status)
        && let (Some(id), Some(secret)) = (member("client_id"), member("client_secret"))
        && ![id, secret].iter().any(|text| text.chars().any(char::is_control))
    {
        return Ok(Registration { client_id: id.to_owned(), client_secret: Secret::new(secret) });
    }
    // Brightcove lists its errors: [{"error_code":"UNAUTHORIZED","message":"…"}].
    let first = content.get(0).unwrap_or(&content);
    let text = |names: [&str; 2]| names.iter().find_map(|name| first.get(*name)?.as_str()).map(redact::untrusted);
    match text(["error_code", "error"]) {
        Some(code) => Err(OauthError::Refused {
            endpoint: Endpoint::Registration,
            url,
            status: answer.status,
            code,
            description: text(["message", "error_description"]),
            retry_after: answer.retry_after,
        }),
        None => Err(OauthError::BadAnswer {
            endpoint: Endpoint::Registration,
            url,
            status: answer.status,
            content_type: answer.content_type.clone(),
            reason: "it holds no client_id and client_secret".to_owned(),
            retry_after: answer.retry_after,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(accounts: &[&str]) -> Plan {
        Plan {
            url: Url::parse("https://h/v4/client_credentials").expect("a URL"),
            token: SecretSource::Plain("BC".into()),
            accounts: accounts.iter().map(|account| (*account).to_owned()).collect(),
            operations: vec!["video-cloud/video/read".to_owned()],
        }
    }

    #[test]
    fn the_request_is_brightcoves() {
        let request = plan(&["123", "perform-account:x1"]).request("n", "d", &Env::default()).expect("complete");
        let body: Value = serde_json::from_str(&request.body.expect("a body")).expect("JSON");
        let scope = |kind: &str, id: Value| json!({ "identity": { "type": kind, "account-id": id }, "operations": ["video-cloud/video/read"] });
        let scopes = [scope("video-cloud-account", json!(123)), scope("perform-account", json!("x1"))];
        assert_eq!(body, json!({ "type": "credential", "maximum_scope": scopes, "name": "n", "description": "d" }));
        assert!(plan(&[]).request("n", "d", &Env::default()).is_err());
    }

    #[test]
    fn the_answer_is_a_client_or_says_why_not() {
        let parsed = |status, body: &str| {
            let answer = Answer { status, body: Zeroizing::new(body.as_bytes().to_vec()), ..Answer::default() };
            parse(&plan(&[]).url, &answer)
        };
        let registration = parsed(201, r#"{"client_id":"i","client_secret":"CANARY"}"#).expect("a client");
        assert_eq!((registration.client_id.as_str(), registration.client_secret.expose()), ("i", "CANARY"));
        let refused = parsed(401, r#"[{"error_code":"UNAUTHORIZED","message":"Permission denied."}]"#).expect_err("refused");
        assert_eq!(refused.oauth_code(), Some("UNAUTHORIZED"));
        assert!(refused.to_string().contains("registration endpoint") && refused.to_string().contains("Permission denied."));
        for (status, body) in
            [(200, "{}"), (200, "<html>CANARY"), (500, ""), (200, r#"{"client_id":"a\nb","client_secret":"CANARY"}"#)]
        {
            let error = parsed(status, body).expect_err(body);
            assert!(matches!(error, OauthError::BadAnswer { .. }) && !error.to_string().contains("CANARY"), "{error}");
        }
    }
}
