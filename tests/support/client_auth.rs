//! How clients prove who they are: what the server registers, and what stands in the profile.

use serde_json::{Value, json};

use super::run::Home;
use super::tls::{Authority, Shown};

/// The client authentications that oidc-provider supports and ffauth too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    Basic,
    Post,
    None,
    ClientSecretJwt,
    PrivateKeyJwt,
    Tls,
    SelfSignedTls,
}

impl ClientAuth {
    /// Its name in a profile.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Post => "post",
            Self::None => "none",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::Tls => "tls",
            Self::SelfSignedTls => "self_signed_tls",
        }
    }

    /// Puts the keys that it needs into `home`: client metadata for the server, further lines for the profile.
    pub fn prepare(self, home: &Home, authority: &Authority) -> (Value, &'static str) {
        let files = "tls = { cert = \"cert.pem\", key = \"key.pem\" }";
        match self {
            Self::Basic => (json!({ "token_endpoint_auth_method": "client_secret_basic" }), ""),
            Self::Post => (json!({ "token_endpoint_auth_method": "client_secret_post" }), ""),
            Self::None => (json!({ "token_endpoint_auth_method": "none" }), ""),
            Self::ClientSecretJwt => (json!({ "token_endpoint_auth_method": "client_secret_jwt" }), ""),
            Self::PrivateKeyJwt => {
                let identity = Shown::self_signed("client.example");
                identity.save(home);
                let jwks = json!({ "keys": [identity.jwk()] });
                let metadata = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks });
                (metadata, "private_key = { file = \"key.pem\" }")
            }
            Self::Tls => {
                authority.identify("client.example").save(home);
                let metadata =
                    json!({ "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=client.example" });
                (metadata, files)
            }
            Self::SelfSignedTls => {
                let identity = Shown::self_signed("client.example");
                identity.save(home);
                let jwks = json!({ "keys": [identity.jwk()] });
                (json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwks }), files)
            }
        }
    }
}
