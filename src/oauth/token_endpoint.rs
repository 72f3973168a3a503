//! The token request and its answer, without input or output: RFC 6749 sections 3.2, 4, 5 and 6, and what servers make of it.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use url::Url;
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::env::Env;
use crate::origin::is_loopback;
use crate::redact;
use crate::secret::Secret;

use super::assertion;
use super::client::{Client, Grant};
use super::client_auth;
use super::error::{Endpoint, OauthError};
use super::grant::{self, Ask};
use super::transport::{Answer, Request};

/// What a token endpoint gave.
#[derive(Clone, Debug)]
pub struct Granted {
    /// `access_token`.
    pub access_token: Secret,
    /// `token_type`; `Bearer` if there was none.
    pub token_type: String,
    /// `expires_in`; `None` = the server did not say and the profile has no default.
    pub lifetime: Option<Duration>,
    /// `refresh_token`, only if this answer held one.
    pub refresh_token: Option<Secret>,
    /// `scope`.
    pub scope: Option<String>,
    /// What in the answer was not as the RFC has it, for one note in the log.
    pub tolerated: Vec<&'static str>,
}

/// What RFC 8693 section 3 calls an OAuth access token.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Longer lives are taken for this one: ten years.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The request that asks `token_url` for a token. Blocks: secrets are read now.
///
/// # Errors
/// [`OauthError::Config`]: an endpoint by plain http, a missing secret.
pub fn request(client: &Client, token_url: &Url, ask: &Ask, now: SystemTime, env: &Env) -> Result<Request, OauthError> {
    check_endpoint(client, token_url)?;
    let mut url = token_url.clone();
    if !client.dialect.token_query.is_empty() {
        let mut query = url.query_pairs_mut();
        for (name, value) in &client.dialect.token_query {
            query.append_pair(name, value);
        }
    }
    let mut form = form_urlencoded::Serializer::new(String::new());
    // The dialect's literal stands for the grant of the profile, not for the refresh that may follow it.
    let literal = match ask {
        Ask::Refresh(_) if client.grant != Grant::RefreshToken => None,
        Ask::DeviceCode(_) if client.grant != Grant::DeviceCode => None,
        _ => client.dialect.grant_type.as_deref(),
    };
    form.append_pair("grant_type", literal.unwrap_or_else(|| ask.grant_type()));
    match ask {
        Ask::ClientCredentials => {}
        Ask::Password { username, password } => {
            form.append_pair("username", username).append_pair("password", password.expose());
        }
        Ask::JwtBearer => {
            form.append_pair("assertion", assertion::of_grant(client, token_url, now, env)?.expose());
        }
        Ask::TokenExchange { subject_token, actor_token } => {
            let types = &client.exchange;
            let named = |kind: &Option<String>| kind.clone().unwrap_or_else(|| ACCESS_TOKEN.to_owned());
            form.append_pair("subject_token", subject_token.expose());
            form.append_pair("subject_token_type", &named(&types.subject_token_type));
            if let Some(token) = actor_token {
                form.append_pair("actor_token", token.expose());
                form.append_pair("actor_token_type", &named(&types.actor_token_type));
            }
            if let Some(kind) = &types.requested_token_type {
                form.append_pair("requested_token_type", kind);
            }
        }
        Ask::AuthorizationCode { code, redirect_uri, verifier } => {
            form.append_pair("code", code.expose()).append_pair("redirect_uri", redirect_uri);
            if let Some(verifier) = verifier {
                form.append_pair("code_verifier", verifier.secret().expose());
            }
        }
        Ask::DeviceCode(code) => {
            form.append_pair("device_code", code.expose());
        }
        Ask::Refresh(token) => {
            form.append_pair("refresh_token", token.expose());
        }
    }
    let is_signed = matches!(ask, Ask::JwtBearer) && client.dialect.assertion_scope;
    // Whoever signed in was asked for these and may have granted less, which is what the refresh token stands for.
    let is_settled = client.grant.is_interactive();
    if !client.scope.is_empty() && !is_signed && !is_settled {
        form.append_pair("scope", &client.scope.join(&client.dialect.scope_separator));
    }
    if let Some(audience) = client.audience.as_ref().filter(|_| !is_settled) {
        form.append_pair("audience", audience);
    }
    for resource in &client.resource {
        form.append_pair("resource", resource);
    }
    for (name, value) in &client.dialect.token_params {
        form.append_pair(name, value);
    }
    let mut headers: Vec<_> = client_auth::prove(client, token_url, &mut form, now, env)?.into_iter().collect();
    for (name, source) in &client.dialect.token_headers {
        let value = grant::read(client, &format!("dialect.token_headers.{name}"), Some(source), env)?;
        headers.push((name.clone(), Zeroizing::new(value.expose().to_owned())));
    }
    Ok(Request { url, headers, body: Some(Zeroizing::new(form.finish())) })
}

/// Refuses an endpoint that would show the secret to the network.
///
/// # Errors
/// [`OauthError::Config`].
pub fn check_endpoint(client: &Client, url: &Url) -> Result<(), OauthError> {
    let confidential = url.scheme() == "https" || url.host_str().is_some_and(is_loopback) || client.allow_http;
    if matches!(url.scheme(), "http" | "https") && confidential {
        return Ok(());
    }
    let shown = redact::url(url.as_str()).into_owned();
    let reason = "it must be https (http is for loopback, or with allow_http = true)";
    Err(OauthError::Config(format!("the endpoint {shown}: {reason}")))
}

/// What `answer` of the token endpoint means for `client`.
///
/// # Errors
/// [`OauthError::Refused`] for an OAuth error response, [`OauthError::BadAnswer`] for what is no token response. Neither holds
/// the body.
pub fn parse(client: &Client, token_url: &Url, answer: &Answer) -> Result<Granted, OauthError> {
    let mut tolerated = Vec::new();
    let members = accepted(Endpoint::Token, token_url, answer, &mut tolerated)?;
    let bad = |reason: String| bad_answer(Endpoint::Token, token_url, answer, reason);
    let members = members.ok_or_else(|| bad("neither JSON nor a form".to_owned()))?;
    let granted = granted(client, &members, &mut tolerated).map_err(bad)?;
    if answer.status != 200 {
        tolerated.push("a status other than 200");
    }
    if client.strict && !tolerated.is_empty() {
        return Err(bad(format!("strict = true does not take {}", tolerated.join(", "))));
    }
    Ok(Granted { tolerated, ..granted })
}

/// The members of an answer that is no refusal; `None` if it has none. Error responses are alike (RFC 6749 section 5.2) at every
/// endpoint at which a client proves itself.
pub(super) fn accepted(
    endpoint: Endpoint,
    url: &Url,
    answer: &Answer,
    tolerated: &mut Vec<&'static str>,
) -> Result<Option<Members>, OauthError> {
    let bad = |reason: &str| bad_answer(endpoint, url, answer, reason.to_owned());
    if (300..400).contains(&answer.status) {
        return Err(bad("it redirects, and the secret is not sent again"));
    }
    let members = Members::read(answer, tolerated);
    let code = members.as_ref().and_then(|members| members.text("error"));
    if code.is_none() && (200..300).contains(&answer.status) {
        return Ok(members);
    }
    // Some servers refuse with no body at all: the status says it then.
    let is_plain_refusal = matches!(answer.status, 400 | 401 | 403) && (members.is_some() || answer.body.is_empty());
    let description = members.as_ref().and_then(|members| members.text("error_description"));
    Err(match code {
        None if !is_plain_refusal => bad("not an OAuth error response"),
        code => OauthError::Refused {
            endpoint,
            url: redact::url(url.as_str()).into_owned(),
            status: answer.status,
            code: code.map_or_else(|| format!("status {}", answer.status), |code| redact::untrusted(&code)),
            description: description.map(|text| redact::untrusted(&text)),
            retry_after: answer.retry_after,
        },
    })
}

/// The error that `answer` of `endpoint` is none.
pub(super) fn bad_answer(endpoint: Endpoint, url: &Url, answer: &Answer, reason: String) -> OauthError {
    OauthError::BadAnswer {
        endpoint,
        url: redact::url(url.as_str()).into_owned(),
        status: answer.status,
        content_type: answer.content_type.clone(),
        reason,
        retry_after: answer.retry_after,
    }
}

fn granted(client: &Client, members: &Members, tolerated: &mut Vec<&'static str>) -> Result<Granted, String> {
    let token = |name: &str| -> Result<Option<Secret>, String> {
        match members.text(name).filter(|token| !token.is_empty()) {
            Some(token) if token.chars().any(char::is_control) => {
                Err(format!("{name} holds a control character; it was not used"))
            }
            token => Ok(token.map(Secret::new)),
        }
    };
    let access_token = token("access_token")?.ok_or("it has no access_token")?;
    let token_type = token_type(client, members, tolerated)?;
    // What was sent as `state` comes back, where the server knows it (Mediaflow).
    let sent = client.dialect.token_params.iter().find(|(name, _)| name == "state").map(|(_, value)| value);
    if let (Some(sent), Some(echoed)) = (sent, members.text("state"))
        && *sent != echoed
    {
        return Err("its state is not the one that was sent".to_owned());
    }
    Ok(Granted {
        access_token,
        token_type,
        lifetime: members.lifetime("expires_in", tolerated)?.or(client.dialect.default_expires_in),
        refresh_token: token("refresh_token")?,
        scope: members.text("scope"),
        tolerated: Vec::new(),
    })
}

fn token_type(client: &Client, members: &Members, tolerated: &mut Vec<&'static str>) -> Result<String, String> {
    let issued = members.text("issued_token_type").filter(|_| client.grant == Grant::TokenExchange);
    if let (Some(issued), Some(requested)) = (&issued, &client.exchange.requested_token_type)
        && issued != requested
    {
        tolerated.push("an issued_token_type other than the requested one");
    }
    let kind = members.text("token_type").filter(|kind| !kind.is_empty()).unwrap_or_else(|| {
        tolerated.push("a missing token_type");
        "Bearer".to_owned()
    });
    match kind.to_ascii_lowercase().as_str() {
        "bearer" if client.dpop => {
            Err("its token is not bound to our key although dpop = true; leave that out if the server binds none".to_owned())
        }
        "dpop" if !client.dpop => Err("token_type is `DPoP`, a token bound to a key; set dpop = true".to_owned()),
        "bearer" | "dpop" => Ok(kind),
        // RFC 8693 section 2.2.1: something else than an access token. Who asked for it by name knows what it is for.
        "n_a" if client.grant == Grant::TokenExchange && client.exchange.requested_token_type.is_some() => Ok(kind),
        "n_a" if client.grant == Grant::TokenExchange => Err(format!(
            "what it issued is `{}` and no access token; set requested_token_type if that is what is wanted",
            redact::untrusted(&issued.unwrap_or_default())
        )),
        _ => Err(format!("token_type is `{}`; only Bearer and DPoP are understood", redact::untrusted(&kind))),
    }
}

/// The members of a token response, whatever its form.
pub(super) struct Members(serde_json::Map<String, Value>);

impl Members {
    /// JSON, else a form (`application/x-www-form-urlencoded`, as some old servers answer).
    fn read(answer: &Answer, tolerated: &mut Vec<&'static str>) -> Option<Self> {
        let text = std::str::from_utf8(&answer.body).ok()?;
        let bare = text.trim_start_matches('\u{feff}').trim();
        if bare.len() < text.trim().len() {
            tolerated.push("a byte order mark");
        }
        if let Some(members) = Self::from_json(bare) {
            if answer.content_type.as_deref() != Some("application/json") {
                tolerated.push("a content type other than application/json");
            }
            return Some(members);
        }
        let form: serde_json::Map<String, Value> = form_urlencoded::parse(bare.as_bytes())
            .map(|(name, value)| (name.into_owned(), Value::from(value.as_ref())))
            .collect();
        let known = ["access_token", "error"].iter().any(|name| form.contains_key(*name));
        known.then(|| {
            tolerated.push("a form instead of JSON");
            Self(form)
        })
    }

    /// The members of a JSON object.
    pub(super) fn from_json(text: &str) -> Option<Self> {
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Some(Self(members)),
            _ => None,
        }
    }

    /// A string member; a number is taken as written, a list of strings (for `scope`) joined.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Array(items) => Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
            _ => None,
        }
    }

    /// A member that is `true`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A list of strings.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        Some(self.0.get(name)?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// An object as a member.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        self.0.get(name)?.as_object().cloned().map(Self)
    }

    /// Seconds as a number or a string; absent and "" are unknown, 0 and less are over already.
    pub(super) fn lifetime(&self, name: &str, tolerated: &mut Vec<&'static str>) -> Result<Option<Duration>, String> {
        let seconds = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => {
                tolerated.push("expires_in as a string");
                text.trim().parse().ok()
            }
            Some(_) => None,
        };
        let seconds = seconds.filter(|seconds: &f64| seconds.is_finite()).ok_or_else(|| format!("its {name} is not a number"))?;
        Ok(Some(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST_LIFE).min(LONGEST_LIFE)))
    }
}

#[cfg(test)]
mod tests;
