//! Presets for authorization servers that are known by name: plain data, each value of which a profile may override.

use super::client::ClientAuth;

/// What a profile with `provider = NAME` starts from.
///
/// In URLs and parameters `{name}` stands for a value that only the user knows: `client_id`, or one of
/// [`params`](Self::params).
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name in the configuration.
    pub name: &'static str,
    /// The vendor's name for it.
    pub title: &'static str,
    /// Token endpoint.
    pub token_url: &'static str,
    /// Authorization endpoint, for vendors that have one.
    pub authorize_url: Option<&'static str>,
    /// Device authorization endpoint (RFC 8628).
    pub device_url: Option<&'static str>,
    /// Revocation endpoint (RFC 7009).
    pub revoke_url: Option<&'static str>,
    /// Where `ffauth credentials create` registers clients.
    pub credentials_url: Option<&'static str>,
    /// What `provider_params` holds.
    pub params: &'static [Param],
    /// `grant`, in the configuration's words, where the profile's own keys imply no other.
    pub grant: &'static str,
    /// Client authentication of clients that have a secret.
    pub client_auth: ClientAuth,
    /// [`Dialect::grant_type`](super::dialect::Dialect::grant_type).
    pub grant_type: Option<&'static str>,
    /// [`Dialect::scope_separator`](super::dialect::Dialect::scope_separator).
    pub scope_separator: &'static str,
    /// [`Dialect::token_params`](super::dialect::Dialect::token_params).
    pub token_params: &'static [(&'static str, &'static str)],
    /// [`Dialect::assertion_scope`](super::dialect::Dialect::assertion_scope).
    pub assertion_scope: bool,
    /// [`Dialect::assertion_claims`](super::dialect::Dialect::assertion_claims); `sub` gives way to `assertion_subject`.
    pub assertion_claims: &'static [(&'static str, &'static str)],
    /// Header fields that media requests need beside the token.
    pub media_headers: &'static [(&'static str, &'static str)],
    /// The vendor forbids plain http, so `allow_http` is refused. Loopback stays possible.
    pub https_only: bool,
    /// Keys that the user must give, for every grant but `external`.
    pub needs: &'static [&'static str],
    /// Sets of keys of which the user must give one, if there are any.
    pub needs_one_of: &'static [&'static [&'static str]],
    /// Keys that are usually wanted.
    pub wants: &'static [&'static str],
    /// What else to know before the first request.
    pub note: &'static str,
}

/// A value of `provider_params`.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What stands for it where the user gives none.
    pub default: Option<&'static str>,
    /// One that a user might give.
    pub example: &'static str,
}

const fn param(name: &'static str, example: &'static str) -> Param {
    Param { name, default: None, example }
}

/// A server that keeps to the standard.
const STANDARD: Preset = Preset {
    name: "",
    title: "",
    token_url: "",
    authorize_url: None,
    device_url: None,
    revoke_url: None,
    credentials_url: None,
    params: &[],
    grant: "client_credentials",
    client_auth: ClientAuth::Basic,
    grant_type: None,
    scope_separator: " ",
    token_params: &[],
    assertion_scope: false,
    assertion_claims: &[],
    media_headers: &[],
    https_only: false,
    needs: &["client_id"],
    needs_one_of: &[],
    wants: &[],
    note: "",
};

/// All presets, in order of name.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "auth0",
        title: "Auth0",
        token_url: "https://{domain}/oauth/token",
        authorize_url: Some("https://{domain}/authorize"),
        device_url: Some("https://{domain}/oauth/device/code"),
        revoke_url: Some("https://{domain}/oauth/revoke"),
        params: &[param("domain", "acme.eu.auth0.com")],
        client_auth: ClientAuth::Post,
        wants: &["client_secret", "audience"],
        note: "audience names the API; without it the token is for Auth0's own",
        ..STANDARD
    },
    Preset {
        name: "brightcove",
        title: "Brightcove OAuth v4",
        token_url: "https://oauth.brightcove.com/v4/access_token",
        credentials_url: Some("https://oauth.brightcove.com/v4/client_credentials"),
        // base64 of the raw `id:secret`, as curl sends it, without RFC 6749 section 2.3.1's form-encoding.
        client_auth: ClientAuth::BasicRaw,
        needs: &["client_id", "client_secret"],
        note: "one profile per customer organization; a token lives 300 s; with bc_token, accounts and operations \
               `ffauth credentials create` gets the id and the secret",
        ..STANDARD
    },
    Preset {
        name: "cognito",
        title: "Amazon Cognito user pools",
        token_url: "https://{domain}/oauth2/token",
        authorize_url: Some("https://{domain}/oauth2/authorize"),
        revoke_url: Some("https://{domain}/oauth2/revoke"),
        params: &[param("domain", "acme.auth.eu-west-1.amazoncognito.com")],
        wants: &["client_secret", "scope"],
        note: "domain is the user pool's, its own or one of yours; client credentials need a scope of a resource server",
        ..STANDARD
    },
    Preset {
        name: "entra",
        title: "Microsoft Entra ID",
        token_url: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        authorize_url: Some("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize"),
        device_url: Some("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode"),
        params: &[param("tenant", "contoso.onmicrosoft.com")],
        client_auth: ClientAuth::Post,
        wants: &["client_secret", "scope"],
        note: "client credentials take one scope, the application's id URI followed by /.default; signing in needs offline_access \
               to stay signed in",
        ..STANDARD
    },
    Preset {
        name: "google_service_account",
        title: "Google service account",
        token_url: "https://oauth2.googleapis.com/token",
        grant: "jwt_bearer",
        client_auth: ClientAuth::None,
        assertion_scope: true,
        // Google takes `sub` for a user on whose behalf the account acts.
        assertion_claims: &[("sub", "")],
        needs: &["private_key"],
        wants: &["scope"],
        note: "private_key is the JSON document that Google hands out; assertion_subject is for domain-wide delegation",
        ..STANDARD
    },
    Preset {
        name: "keycloak",
        title: "Keycloak",
        token_url: "https://{host}/realms/{realm}/protocol/openid-connect/token",
        authorize_url: Some("https://{host}/realms/{realm}/protocol/openid-connect/auth"),
        device_url: Some("https://{host}/realms/{realm}/protocol/openid-connect/auth/device"),
        revoke_url: Some("https://{host}/realms/{realm}/protocol/openid-connect/revoke"),
        params: &[param("host", "login.example.com"), param("realm", "media")],
        wants: &["client_secret"],
        note: "host may have a port and, before Keycloak 17, ends in /auth; client credentials need a client with a service account",
        ..STANDARD
    },
    Preset {
        name: "mediaflow",
        title: "Mediaflow",
        token_url: "https://accounts.mediaflow.com/1/oauth2/token",
        authorize_url: Some("https://login.mediaflowpro.com/authorize"),
        grant: "authorization_code",
        client_auth: ClientAuth::Post,
        needs: &["client_id", "client_secret"],
        wants: &["redirect_uri"],
        note: "`ffauth login NAME` signs in; without a person: username + password, or refresh_token. Not every client id may use \
               username and password: ask Mediaflow",
        ..STANDARD
    },
    Preset {
        name: "okta",
        title: "Okta",
        token_url: "https://{domain}/oauth2/{server}/v1/token",
        authorize_url: Some("https://{domain}/oauth2/{server}/v1/authorize"),
        device_url: Some("https://{domain}/oauth2/{server}/v1/device/authorize"),
        revoke_url: Some("https://{domain}/oauth2/{server}/v1/revoke"),
        params: &[
            param("domain", "acme.okta.com"),
            Param { name: "server", default: Some("default"), example: "aus1a2b3c4d5e6f7g8h9" },
        ],
        wants: &["client_secret", "scope"],
        note: "server is the id of a custom authorization server; client credentials need one of its scopes",
        ..STANDARD
    },
    Preset {
        name: "twitch",
        title: "Twitch",
        token_url: "https://id.twitch.tv/oauth2/token",
        authorize_url: Some("https://id.twitch.tv/oauth2/authorize"),
        device_url: Some("https://id.twitch.tv/oauth2/device"),
        revoke_url: Some("https://id.twitch.tv/oauth2/revoke"),
        client_auth: ClientAuth::Post,
        // Twitch's API refuses a token that comes without the id of the client that it was given to.
        media_headers: &[("Client-Id", "{client_id}")],
        wants: &["client_secret"],
        note: "the header Client-Id goes with the token, to the same origins only",
        ..STANDARD
    },
    Preset {
        name: "xvid",
        title: "Xvid MediaHub",
        token_url: "https://api.xvid.com/v1/oauth2/token/",
        client_auth: ClientAuth::Post,
        // Singular: the server knows no `client_credentials`.
        grant_type: Some("client_credential"),
        scope_separator: ",",
        https_only: true,
        needs: &["client_id", "client_secret"],
        wants: &["scope"],
        note: "streaming and downloading need the scope mediahub_download_files; dialect.token_query = { expires_in = \"7200\" } \
               asks for a longer life",
        ..STANDARD
    },
    Preset {
        name: "zoom",
        title: "Zoom server-to-server OAuth",
        token_url: "https://zoom.us/oauth/token",
        // Zoom's name for client credentials of one account.
        grant_type: Some("account_credentials"),
        token_params: &[("account_id", "{account_id}")],
        params: &[param("account_id", "AbCdEfGhIjKlMnOpQrStUv")],
        needs: &["client_id", "client_secret"],
        note: "the scopes are those of the app in Zoom's marketplace; a token lives an hour",
        ..STANDARD
    },
];

/// The preset called `name`.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// `template` with the value of each `{name}` in it.
///
/// # Errors
/// The first name that has no value.
pub fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, &str> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, tail)| Some((before, tail.split_once('}')?)))
    {
        filled.push_str(before);
        filled.push_str(&value(name).ok_or(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightcove_sends_the_raw_id_and_secret() {
        let preset = preset("brightcove").expect("a preset");
        assert_eq!(preset.client_auth, ClientAuth::BasicRaw);
        assert_eq!(preset.token_url, "https://oauth.brightcove.com/v4/access_token");
    }

    #[test]
    fn mediaflow_sends_id_and_secret_in_the_body() {
        let preset = preset("mediaflow").expect("a preset");
        assert_eq!(preset.client_auth, ClientAuth::Post);
        assert_eq!(preset.token_url, "https://accounts.mediaflow.com/1/oauth2/token");
    }

    #[test]
    fn xvid_has_a_slash_a_singular_and_commas() {
        let preset = preset("xvid").expect("a preset");
        assert!(preset.token_url.ends_with("/token/"));
        assert_eq!(preset.grant_type, Some("client_credential"));
        assert_eq!(preset.scope_separator, ",");
        assert!(preset.https_only);
    }

    #[test]
    fn every_endpoint_is_an_https_url() {
        for preset in PRESETS {
            let value = |name: &str| {
                let param = preset.params.iter().find(|param| param.name == name).expect("a value that the user is asked for");
                Some(param.example.to_owned())
            };
            let more = [preset.authorize_url, preset.device_url, preset.revoke_url, preset.credentials_url];
            for template in std::iter::once(preset.token_url).chain(more.into_iter().flatten()) {
                let url = fill(template, value).expect("every value");
                assert_eq!(url::Url::parse(&url).expect(template).scheme(), "https", "{url}");
                assert!(!url.contains(['{', '}']), "{url}");
            }
        }
    }

    #[test]
    fn templates_are_filled_or_say_what_is_missing() {
        let value = |name: &str| (name == "tenant").then(|| "contoso".to_owned());
        assert_eq!(fill("https://h/{tenant}/token", value).as_deref(), Ok("https://h/contoso/token"));
        assert_eq!(fill("{tenant}{tenant}", value).as_deref(), Ok("contosocontoso"));
        assert_eq!(fill("https://h/token", value).as_deref(), Ok("https://h/token"));
        assert_eq!(fill("https://{host}/{tenant}", value), Err("host"));
        assert_eq!(fill("a{b", value).as_deref(), Ok("a{b"));
    }

    #[test]
    fn presets_are_in_order_of_name() {
        assert!(PRESETS.is_sorted_by_key(|preset| preset.name));
    }
}
