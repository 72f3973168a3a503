//! The keys about what proves a client and what is exchanged for a token: assertions, subject tokens, certificates.

use crate::bearer::Placement;
use crate::oauth::assertion::{Assertion, Audience};
use crate::oauth::client::{Client, ClientAuth, Grant, TokenExchange};
use crate::oauth::jws::Algorithm;
use crate::tls::ClientCertificate;

use super::error::ConfigError;
use super::settings::Settings;

/// RFC 8693 section 3: what the words for token types stand for.
const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:";
const TOKEN_TYPES: [&str; 6] = ["access_token", "refresh_token", "id_token", "saml1", "saml2", "jwt"];

impl Settings<'_> {
    pub(super) fn assertion(&self) -> Result<Assertion, ConfigError> {
        let algorithm = match self.text("assertion_alg") {
            Some(word) => {
                let known = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == word);
                let names = Algorithm::ALL.into_iter().map(Algorithm::name);
                Some(known.ok_or_else(|| self.unknown_word("assertion_alg", &word, names))?)
            }
            None => None,
        };
        let audience = match (self.text("assertion_audience").as_deref(), self.text("issuer")) {
            (None | Some("token_url"), _) => Audience::TokenUrl,
            // As it is written: servers compare this text, and URLs lose their form.
            (Some("issuer"), Some(issuer)) => Audience::Literal(issuer),
            (Some("issuer"), None) => return Err(self.refuse("assertion_audience", "\"issuer\" needs the key issuer")),
            (Some(""), _) => {
                return Err(
                    self.refuse("assertion_audience", "must be \"token_url\", \"issuer\" or what the server calls itself")
                );
            }
            (Some(literal), _) => Audience::Literal(literal.to_owned()),
        };
        Ok(Assertion {
            private_key: self.secret("private_key")?,
            key_id: self.text("key_id"),
            algorithm,
            audience,
            given: self.secret("assertion")?,
            issuer: self.text("assertion_issuer"),
            subject: self.text("assertion_subject"),
        })
    }

    pub(super) fn exchange(&self) -> Result<TokenExchange, ConfigError> {
        Ok(TokenExchange {
            subject_token: self.secret("subject_token")?,
            subject_token_type: self.token_type("subject_token_type")?,
            actor_token: self.secret("actor_token")?,
            actor_token_type: self.token_type("actor_token_type")?,
            requested_token_type: self.token_type("requested_token_type")?,
        })
    }

    /// A URI, or one of the words for those that RFC 8693 section 3 names.
    fn token_type(&self, key: &'static str) -> Result<Option<String>, ConfigError> {
        match self.text(key) {
            Some(word) if TOKEN_TYPES.contains(&word.as_str()) => Ok(Some(format!("{TOKEN_TYPE}{word}"))),
            Some(uri) if uri.contains(':') => Ok(Some(uri)),
            Some(word) => Err(self.unknown_word(key, &word, TOKEN_TYPES.into_iter())),
            None => Ok(None),
        }
    }

    pub(super) fn certificate(&self) -> Result<Option<ClientCertificate>, ConfigError> {
        let Some(setting) = self.by_key.get("tls") else { return Ok(None) };
        let entries = self.map("tls");
        let path = |part: &str| {
            let named = entries.iter().find(|(name, path)| name == part && !path.is_empty());
            named.map(|(_, path)| setting.path(path))
        };
        match (path("cert"), path("key"), entries.len()) {
            (Some(certificate), Some(key), 2) => Ok(Some(ClientCertificate { certificate, key })),
            _ => Err(setting.refuse("tls", "must be { cert = \"FILE\", key = \"FILE\" }, both in PEM form")),
        }
    }

    /// Refuses a key that would change nothing, so that nobody takes a client for better proved than it is.
    pub(super) fn check_proof(&self, client: &Client, placement: &Placement) -> Result<(), ConfigError> {
        let makes_grant = client.grant == Grant::JwtBearer && client.assertion.given.is_none();
        let uses_key = makes_grant || client.client_auth == ClientAuth::PrivateKeyJwt;
        let signs = uses_key || client.client_auth == ClientAuth::ClientSecretJwt;
        let exchanges = client.grant == Grant::TokenExchange;
        let key = "set client_auth = \"private_key_jwt\" or grant = \"jwt_bearer\", or leave it out";
        let signature = "set client_auth = \"private_key_jwt\" or \"client_secret_jwt\", or leave it out";
        let made = "it is about assertions that are made here: grant = \"jwt_bearer\" with private_key";
        let exchange = "set grant = \"token_exchange\", or leave it out";
        for (key, has_effect, instead) in [
            ("private_key", uses_key, key),
            ("key_id", signs, signature),
            ("assertion_alg", signs, signature),
            ("assertion_audience", signs, signature),
            ("assertion", client.grant == Grant::JwtBearer, "set grant = \"jwt_bearer\", or leave it out"),
            ("assertion_issuer", makes_grant, made),
            ("assertion_subject", makes_grant, made),
            ("dialect.assertion_scope", makes_grant, made),
            ("dialect.assertion_claims", makes_grant, made),
            ("subject_token", exchanges, exchange),
            ("subject_token_type", exchanges, exchange),
            ("actor_token", exchanges, exchange),
            ("actor_token_type", client.exchange.actor_token.is_some(), "give the actor_token, or leave it out"),
            ("requested_token_type", exchanges, exchange),
        ] {
            if !has_effect && self.by_key.contains_key(key) {
                let (grant, client_auth) = (client.grant.name(), client.client_auth.name());
                let reason = format!("{key} has no effect with grant = \"{grant}\" and client_auth = \"{client_auth}\"");
                return Err(self.incomplete(reason, instead));
            }
        }
        if client.dpop && placement.header_name().is_none() {
            return Err(self.refuse("placement", "with dpop = true the token stands in a header field (RFC 9449 section 7.1)"));
        }
        if client.dpop && client.grant == Grant::External {
            let reason = "dpop has no effect with grant = \"external\"";
            return Err(self.incomplete(reason, "leave it out; only the program that gets a token can have it bound to a key"));
        }
        match client.assertion.algorithm {
            Some(algorithm) if algorithm.is_symmetric() && client.client_auth != ClientAuth::ClientSecretJwt => Err(self.refuse(
                "assertion_alg",
                format!(
                    "{} is made with a client secret (client_auth = \"client_secret_jwt\"), not with a private key",
                    algorithm.name()
                ),
            )),
            Some(algorithm) if !algorithm.is_symmetric() && !uses_key => Err(self.refuse(
                "assertion_alg",
                format!(
                    "{} is made with a private key (client_auth = \"private_key_jwt\"), not with a client secret",
                    algorithm.name()
                ),
            )),
            _ => Ok(()),
        }
    }
}
