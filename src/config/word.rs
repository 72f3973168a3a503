//! The words that stand as values, with what each means or what to use instead of it in this version.

use crate::oauth::client::{ClientAuth, Grant};

use super::profile::StoreKind;

/// A word of the configuration: with what it means, or what to use instead.
pub(super) type Word<T> = (&'static str, Result<T, &'static str>);

pub(super) const GRANTS: &[Word<Grant>] = &[
    ("client_credentials", Ok(Grant::ClientCredentials)),
    ("password", Ok(Grant::Password)),
    ("refresh_token", Ok(Grant::RefreshToken)),
    ("external", Ok(Grant::External)),
    ("authorization_code", Ok(Grant::AuthorizationCode)),
    ("device_code", Ok(Grant::DeviceCode)),
    ("token_exchange", Ok(Grant::TokenExchange)),
    ("jwt_bearer", Ok(Grant::JwtBearer)),
];

/// The names of RFC 7591 section 2 (`token_endpoint_auth_method`) are synonyms.
pub(super) const CLIENT_AUTHS: &[Word<ClientAuth>] = &[
    ("basic", Ok(ClientAuth::Basic)),
    ("client_secret_basic", Ok(ClientAuth::Basic)),
    ("basic_raw", Ok(ClientAuth::BasicRaw)),
    ("post", Ok(ClientAuth::Post)),
    ("client_secret_post", Ok(ClientAuth::Post)),
    ("none", Ok(ClientAuth::None)),
    ("private_key_jwt", Ok(ClientAuth::PrivateKeyJwt)),
    ("client_secret_jwt", Ok(ClientAuth::ClientSecretJwt)),
    ("tls", Ok(ClientAuth::Tls)),
    ("tls_client_auth", Ok(ClientAuth::Tls)),
    ("self_signed_tls", Ok(ClientAuth::SelfSignedTls)),
    ("self_signed_tls_client_auth", Ok(ClientAuth::SelfSignedTls)),
];

pub(super) const STORES: &[Word<StoreKind>] =
    &[("file", Ok(StoreKind::File)), ("memory", Ok(StoreKind::Memory)), ("keyring", Ok(StoreKind::Keyring))];

/// Keys that by themselves say which grant is meant.
pub(super) const IMPLIED: &[(&str, Grant)] = &[
    ("username", Grant::Password),
    ("refresh_token", Grant::RefreshToken),
    ("access_token", Grant::External),
    ("assertion", Grant::JwtBearer),
    ("subject_token", Grant::TokenExchange),
];

/// Keys that would change what is sent if this version knew how. Those of `ffauth credentials` are not among them: the grants
/// above need none of those.
pub(super) const LATER: &[(&str, &str)] = &[("media_pointer", "read the media URL from the JSON yourself and give that to -i")];

/// The meaning of a word of [`GRANTS`].
pub(super) fn grant(word: &str) -> Option<Grant> {
    GRANTS.iter().find(|(known, _)| *known == word).and_then(|(_, meaning)| meaning.ok())
}
