//! Everything that is known about one OAuth client before the first request: plain data.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::secret::SecretSource;
use crate::tls::ClientCertificate;

use super::assertion::Assertion;
use super::dialect::Dialect;
use super::held::Holder;

/// One registration at one authorization server, and how to ask it for tokens.
///
/// Plain data: made from the configuration (a preset, the file, the environment) and never changed afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The profile's name, for messages and for the token store.
    pub name: String,
    /// RFC 8414 issuer, the base of discovery.
    pub issuer: Option<Url>,
    /// Token endpoint (RFC 6749 section 3.2).
    pub token_url: Option<Url>,
    /// Authorization endpoint (RFC 6749 section 3.1).
    pub authorize_url: Option<Url>,
    /// How somebody signs in and out.
    pub sign_in: SignIn,
    /// `client_id`.
    pub client_id: Option<String>,
    /// `client_secret`.
    pub client_secret: Option<SecretSource>,
    /// The flow.
    pub grant: Grant,
    /// How the client proves itself at the token endpoint.
    pub client_auth: ClientAuth,
    /// Requested scopes, in the order in which they are sent.
    pub scope: Vec<String>,
    /// `audience` parameter of the token request.
    pub audience: Option<String>,
    /// `resource` parameters (RFC 8707), each sent on its own.
    pub resource: Vec<String>,
    /// Resource owner's name, for [`Grant::Password`].
    pub username: Option<String>,
    /// Resource owner's password, for [`Grant::Password`].
    pub password: Option<SecretSource>,
    /// The first refresh token, for [`Grant::RefreshToken`]; later ones come from the store.
    pub refresh_token: Option<SecretSource>,
    /// Where an agent leaves access tokens, for [`Grant::External`].
    pub access_token: Option<SecretSource>,
    /// The service that holds access tokens, for [`Grant::External`].
    pub holder: Option<Holder>,
    /// What signs assertions, for [`ClientAuth::PrivateKeyJwt`] and [`Grant::JwtBearer`].
    pub assertion: Assertion,
    /// What is exchanged, for [`Grant::TokenExchange`].
    pub exchange: TokenExchange,
    /// What TLS servers that ask for a certificate are shown (RFC 8705).
    pub certificate: Option<ClientCertificate>,
    /// Bind tokens to a key and prove its possession with each request (RFC 9449).
    pub dpop: bool,
    /// Where this server departs from the standard.
    pub dialect: Dialect,
    /// Refuse every deviation from the RFCs that is tolerated otherwise.
    pub strict: bool,
    /// Allow `http://` to hosts that are not loopback.
    pub allow_http: bool,
    /// CA certificates (PEM) beside the system's roots.
    pub ca_file: Option<PathBuf>,
    /// How long one token request may take, name lookup to last byte.
    pub timeout: Duration,
}

impl Client {
    /// Does it sign requests, with times in them that the server compares with its own clock?
    pub fn signs(&self) -> bool {
        let signed_auth = matches!(self.client_auth, ClientAuth::PrivateKeyJwt | ClientAuth::ClientSecretJwt);
        signed_auth || self.grant == Grant::JwtBearer || self.dpop
    }

    /// What of the wanted scope is not in `granted`, which separates words by spaces, commas or as the dialect has it.
    pub fn lacking<'c>(&'c self, granted: &str) -> Vec<&'c str> {
        let has: Vec<&str> = granted.split([' ', ',']).chain(granted.split(self.dialect.scope_separator.as_str())).collect();
        self.scope.iter().map(String::as_str).filter(|scope| !has.contains(scope)).collect()
    }
}

/// The ways to a token that are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// RFC 6749 section 4.4.
    ClientCredentials,
    /// RFC 6749 section 4.3.
    Password,
    /// RFC 6749 section 6, from a refresh token that was obtained elsewhere.
    RefreshToken,
    /// RFC 7523 section 2.1: an assertion about somebody.
    JwtBearer,
    /// RFC 8693: a token of one kind for one of another.
    TokenExchange,
    /// RFC 6749 section 4.1: somebody signs in with a browser, once; then the refresh token gets tokens.
    AuthorizationCode,
    /// RFC 8628: somebody signs in on another device, once.
    DeviceCode,
    /// No token endpoint: somebody else keeps a fresh access token in a file, a variable or behind a command.
    External,
}

impl Grant {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Grant::ClientCredentials => "client_credentials",
            Grant::Password => "password",
            Grant::RefreshToken => "refresh_token",
            Grant::JwtBearer => "jwt_bearer",
            Grant::TokenExchange => "token_exchange",
            Grant::AuthorizationCode => "authorization_code",
            Grant::DeviceCode => "device_code",
            Grant::External => "external",
        }
    }

    /// Does a person have to sign in before there is a token?
    pub fn is_interactive(self) -> bool {
        matches!(self, Grant::AuthorizationCode | Grant::DeviceCode)
    }
}

/// How somebody signs in, for [`Grant::AuthorizationCode`] and [`Grant::DeviceCode`], and out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Device authorization endpoint (RFC 8628 section 3.1).
    pub device_url: Option<Url>,
    /// Revocation endpoint (RFC 7009).
    pub revoke_url: Option<Url>,
    /// Pushed authorization request endpoint (RFC 9126).
    pub par_url: Option<Url>,
    /// `redirect_uri`, as it is registered; `None` = `http://127.0.0.1:PORT/callback`.
    pub redirect_uri: Option<String>,
    /// The port of a loopback redirect URI that names none; 0 = any.
    pub redirect_port: u16,
    /// Parameters added to the authorization request.
    pub authorize_params: Vec<(String, String)>,
    /// Send a code challenge (RFC 7636).
    pub pkce: bool,
    /// Push the authorization request to the server first (RFC 9126).
    pub par: Par,
}

impl Default for SignIn {
    fn default() -> Self {
        Self {
            device_url: None,
            revoke_url: None,
            par_url: None,
            redirect_uri: None,
            redirect_port: 0,
            authorize_params: Vec::new(),
            pkce: true,
            par: Par::default(),
        }
    }
}

/// When authorization requests are pushed (RFC 9126).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Par {
    /// Where there is an endpoint for it.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a token exchange gives and wants (RFC 8693 section 2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenExchange {
    /// `subject_token`: on whose behalf the request is made.
    pub subject_token: Option<SecretSource>,
    /// `subject_token_type`, a URI; `None` = an access token.
    pub subject_token_type: Option<String>,
    /// `actor_token`: who acts.
    pub actor_token: Option<SecretSource>,
    /// `actor_token_type`, a URI; `None` = an access token.
    pub actor_token_type: Option<String>,
    /// `requested_token_type`, a URI; `None` = the server's choice.
    pub requested_token_type: Option<String>,
}

/// Client authentication at the token endpoint (RFC 6749 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// `client_secret_basic`: each part form-encoded, then base64 (RFC 6749 section 2.3.1).
    Basic,
    /// `Authorization: Basic` of the raw `id:secret`, as curl sends it; some servers know only this.
    BasicRaw,
    /// `client_secret_post`: id and secret in the body.
    Post,
    /// A public client: `client_id` in the body, no secret.
    None,
    /// A JWT that the client's private key signed (RFC 7523 section 2.2).
    PrivateKeyJwt,
    /// A JWT that is authenticated with the client secret (RFC 7523 section 2.2).
    ClientSecretJwt,
    /// A certificate that an authority vouches for, shown in the TLS handshake (RFC 8705 section 2.1).
    Tls,
    /// A certificate that is registered itself (RFC 8705 section 2.2).
    SelfSignedTls,
}

impl ClientAuth {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            ClientAuth::Basic => "basic",
            ClientAuth::BasicRaw => "basic_raw",
            ClientAuth::Post => "post",
            ClientAuth::None => "none",
            ClientAuth::PrivateKeyJwt => "private_key_jwt",
            ClientAuth::ClientSecretJwt => "client_secret_jwt",
            ClientAuth::Tls => "tls",
            ClientAuth::SelfSignedTls => "self_signed_tls",
        }
    }

    /// Does `client_id` stand in the body of a request?
    pub fn sends_id(self) -> bool {
        !matches!(self, ClientAuth::Basic | ClientAuth::BasicRaw)
    }
}

/// A client for tests: client_credentials at a loopback endpoint.
#[cfg(test)]
pub(crate) fn test_client() -> Client {
    Client {
        name: "test".to_owned(),
        issuer: None,
        token_url: Url::parse("http://127.0.0.1:1/token").ok(),
        authorize_url: None,
        sign_in: SignIn::default(),
        client_id: Some("id".to_owned()),
        client_secret: Some(SecretSource::Plain("secret".into())),
        grant: Grant::ClientCredentials,
        client_auth: ClientAuth::Basic,
        scope: Vec::new(),
        audience: None,
        resource: Vec::new(),
        username: None,
        password: None,
        refresh_token: None,
        access_token: None,
        holder: None,
        assertion: Assertion::default(),
        exchange: TokenExchange::default(),
        certificate: None,
        dpop: false,
        dialect: Dialect::default(),
        strict: false,
        allow_http: false,
        ca_file: None,
        timeout: Duration::from_secs(10),
    }
}
