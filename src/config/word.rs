//! The words that stand as values, with what each means.

use crate::oauth::client::{ClientAuth, Grant};

use super::profile::StoreKind;

/// A word of the configuration with what it means.
pub(super) type Word<T> = (&'static str, T);

pub(super) const GRANTS: &[Word<Grant>] = &[
    ("client_credentials", Grant::ClientCredentials),
    ("password", Grant::Password),
    ("refresh_token", Grant::RefreshToken),
    ("external", Grant::External),
    ("authorization_code", Grant::AuthorizationCode),
    ("device_code", Grant::DeviceCode),
    ("token_exchange", Grant::TokenExchange),
    ("jwt_bearer", Grant::JwtBearer),
];

/// The names of RFC 7591 section 2 (`token_endpoint_auth_method`) are synonyms.
pub(super) const CLIENT_AUTHS: &[Word<ClientAuth>] = &[
    ("basic", ClientAuth::Basic),
    ("client_secret_basic", ClientAuth::Basic),
    ("basic_raw", ClientAuth::BasicRaw),
    ("post", ClientAuth::Post),
    ("client_secret_post", ClientAuth::Post),
    ("none", ClientAuth::None),
    ("private_key_jwt", ClientAuth::PrivateKeyJwt),
    ("client_secret_jwt", ClientAuth::ClientSecretJwt),
    ("tls", ClientAuth::Tls),
    ("tls_client_auth", ClientAuth::Tls),
    ("self_signed_tls", ClientAuth::SelfSignedTls),
    ("self_signed_tls_client_auth", ClientAuth::SelfSignedTls),
];

pub(super) const STORES: &[Word<StoreKind>] =
    &[("file", StoreKind::File), ("memory", StoreKind::Memory), ("keyring", StoreKind::Keyring)];

/// Keys that by themselves say which grant is meant.
pub(super) const IMPLIED: &[(&str, Grant)] = &[
    ("username", Grant::Password),
    ("refresh_token", Grant::RefreshToken),
    ("access_token", Grant::External),
    ("assertion", Grant::JwtBearer),
    ("subject_token", Grant::TokenExchange),
];

/// The meaning of a word of [`GRANTS`].
pub(super) fn grant(word: &str) -> Option<Grant> {
    GRANTS.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning)
}
