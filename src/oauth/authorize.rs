//! The authorization request and what may come back for it, without input or output: RFC 6749 section 4.1, RFC 7636, RFC 8707,
//! RFC 9207.

use std::collections::BTreeMap;

use url::{Url, form_urlencoded};

use crate::redact;
use crate::secret::Secret;

use super::client::Client;
use super::endpoints::Endpoints;
use super::error::OauthError;
use super::grant::Ask;
use super::pkce::{self, Verifier};
use super::token_endpoint::check_endpoint;

/// A sign-in that has begun: what was sent, and by what its answer is known. Good for one answer.
#[derive(Clone, Debug)]
pub struct Authorization {
    authorize_url: Url,
    /// Where the code is exchanged: at the server that was asked for it, whatever is discovered meanwhile.
    token_url: Url,
    redirect_uri: String,
    /// 256 random bits that come back with the answer (RFC 6749 section 10.12).
    state: Secret,
    verifier: Option<Verifier>,
    dpop_key: Option<String>,
    issuer: Option<String>,
    requires_issuer: bool,
}

impl Authorization {
    /// Begins a sign-in of `client` whose answer comes to `redirect_uri`.
    ///
    /// # Errors
    /// [`OauthError::Config`]: nothing names the authorization endpoint, it is plain http, or it knows no S256.
    pub fn begin(client: &Client, endpoints: &Endpoints, redirect_uri: String) -> Result<Self, OauthError> {
        let authorize_url = endpoints.authorize_url.clone().ok_or_else(|| {
            OauthError::Config("neither authorize_url nor the discovery document names an authorization endpoint".to_owned())
        })?;
        check_endpoint(client, &authorize_url)?;
        check_endpoint(client, &endpoints.token_url)?;
        let knows_s256 = endpoints.challenge_methods.as_ref().is_none_or(|known| known.iter().any(|name| name == pkce::METHOD));
        if client.sign_in.pkce && !knows_s256 {
            let reason = "the server knows code challenges, but not S256 (code_challenge_methods_supported); a client with a secret can \
                          do without (pkce = false)";
            return Err(OauthError::Config(reason.to_owned()));
        }
        Ok(Self {
            authorize_url,
            token_url: endpoints.token_url.clone(),
            redirect_uri,
            state: pkce::random()?,
            verifier: if client.sign_in.pkce { Some(Verifier::generate()?) } else { None },
            dpop_key: None,
            issuer: endpoints.issuer.clone(),
            requires_issuer: endpoints.sends_issuer,
        })
    }

    /// Binds the code to the DPoP key with this thumbprint: nobody else can exchange it (RFC 9449 section 10).
    #[must_use]
    pub fn bound_to(self, thumbprint: Option<String>) -> Self {
        Self { dpop_key: thumbprint, ..self }
    }

    /// What is asked for (RFC 6749 section 4.1.1), in the order in which it is sent.
    pub fn parameters(&self, client: &Client) -> Vec<(String, String)> {
        let mut parameters = vec![("response_type", "code".to_owned())];
        parameters.extend(client.client_id.clone().map(|id| ("client_id", id)));
        parameters.push(("redirect_uri", self.redirect_uri.clone()));
        if !client.scope.is_empty() {
            parameters.push(("scope", client.scope.join(&client.dialect.scope_separator)));
        }
        parameters.push(("state", self.state.expose().to_owned()));
        if let Some(verifier) = &self.verifier {
            parameters.push(("code_challenge", verifier.challenge()));
            parameters.push(("code_challenge_method", pkce::METHOD.to_owned()));
        }
        parameters.extend(self.dpop_key.clone().map(|thumbprint| ("dpop_jkt", thumbprint)));
        parameters.extend(client.audience.clone().map(|audience| ("audience", audience)));
        parameters.extend(client.resource.iter().map(|resource| ("resource", resource.clone())));
        let own = parameters.into_iter().map(|(name, value)| (name.to_owned(), value));
        own.chain(client.sign_in.authorize_params.iter().cloned()).collect()
    }

    /// What the browser opens.
    pub fn url(&self, client: &Client) -> Url {
        let mut url = self.authorize_url.clone();
        url.query_pairs_mut().extend_pairs(self.parameters(client));
        url
    }

    /// What the browser opens after the request was pushed (RFC 9126 section 4).
    pub fn pushed_url(&self, client: &Client, request_uri: &str) -> Url {
        let mut url = self.authorize_url.clone();
        let id = client.client_id.iter().map(|id| ("client_id", id.as_str()));
        url.query_pairs_mut().extend_pairs(id.chain([("request_uri", request_uri)]));
        url
    }

    /// Where the answer comes.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Where the code is exchanged.
    pub fn token_url(&self) -> &Url {
        &self.token_url
    }

    /// What to ask the token endpoint, to judge by the query string that came to the redirect URI (RFC 6749 section 4.1.2).
    ///
    /// # Errors
    /// [`OauthError::Denied`] if it says no; [`OauthError::Callback`] if it is the answer to another request (`state`), of another
    /// server (`iss`), or none at all.
    pub fn judge(&self, query: &str) -> Result<Ask, OauthError> {
        let refuse = |reason: String| Err(OauthError::Callback(reason));
        let mut answer = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let known = ["code", "state", "iss", "error", "error_description"].contains(&name.as_ref());
            // RFC 6749 section 3.1: no parameter twice, so that nobody can choose which of two is believed.
            if known && answer.insert(name.clone(), Secret::new(value)).is_some() {
                return refuse(format!("it has the parameter {name} twice"));
            }
        }
        let shown = |name: &str| answer.get(name).map(|value| redact::untrusted(value.expose()));
        // Some servers leave the state out when they say no. Nothing is gained by whoever forges that.
        let is_bare_refusal = answer.contains_key("error") && !answer.contains_key("state");
        match answer.get("state") {
            Some(state) if *state == self.state => {}
            Some(_) => return refuse("its state is not the one that was sent".to_owned()),
            None if is_bare_refusal => {}
            None => return refuse("it has no state".to_owned()),
        }
        match (answer.get("iss"), &self.issuer) {
            // RFC 9207 section 2.4: the answer of another server, to which this one's code would be betrayed.
            (Some(sent), Some(issuer)) if sent.expose() != issuer => {
                let sent = shown("iss").unwrap_or_default();
                return refuse(format!("it comes from issuer `{sent}` and not from `{issuer}`"));
            }
            (None, _) if self.requires_issuer && !answer.contains_key("error") => {
                return refuse("it has no iss, which this server promises to send (RFC 9207)".to_owned());
            }
            _ => {}
        }
        if let Some(code) = shown("error") {
            return Err(OauthError::Denied { code, description: shown("error_description") });
        }
        match answer.get("code") {
            Some(code) if !code.is_empty() => Ok(self.ask(code.clone())),
            _ => refuse("it has neither a code nor an error".to_owned()),
        }
    }

    /// The same for a line that somebody pasted: the URL at which the browser ended, or its query. Where the server shows no URL
    /// but only a code (`urn:ietf:wg:oauth:2.0:oob`), the code.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub fn judge_pasted(&self, line: &str) -> Result<Ask, OauthError> {
        let line = line.trim();
        if self.redirect_uri.starts_with("urn:") && !line.contains(['=', '?', '&']) && !line.is_empty() {
            return Ok(self.ask(Secret::new(line)));
        }
        let query = match Url::parse(line) {
            Ok(url) => Secret::new(url.query().unwrap_or_default()),
            Err(_) => Secret::new(line.trim_start_matches('?')),
        };
        self.judge(query.expose())
    }

    fn ask(&self, code: Secret) -> Ask {
        Ask::AuthorizationCode { code, redirect_uri: self.redirect_uri.clone(), verifier: self.verifier.clone() }
    }
}

#[cfg(test)]
mod tests;
