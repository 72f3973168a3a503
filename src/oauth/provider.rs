//! Presets for authorization servers that are known by name: plain data, each value of which a profile may override.

use super::client::ClientAuth;

/// What a profile with `provider = NAME` starts from.
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
    /// `grant`, in the configuration's words, where the profile's own keys imply no other.
    pub grant: &'static str,
    /// Client authentication.
    pub client_auth: ClientAuth,
    /// [`Dialect::grant_type`](super::dialect::Dialect::grant_type).
    pub grant_type: Option<&'static str>,
    /// [`Dialect::scope_separator`](super::dialect::Dialect::scope_separator).
    pub scope_separator: &'static str,
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

/// All presets, in order of name.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "brightcove",
        title: "Brightcove OAuth v4",
        token_url: "https://oauth.brightcove.com/v4/access_token",
        authorize_url: None,
        grant: "client_credentials",
        // base64 of the raw `id:secret`, as curl sends it, without RFC 6749 section 2.3.1's form-encoding.
        client_auth: ClientAuth::BasicRaw,
        grant_type: None,
        scope_separator: " ",
        https_only: false,
        needs: &["client_id", "client_secret"],
        needs_one_of: &[],
        wants: &[],
        note: "one profile per customer organization; a token lives 300 s",
    },
    Preset {
        name: "mediaflow",
        title: "Mediaflow",
        token_url: "https://accounts.mediaflow.com/1/oauth2/token",
        authorize_url: Some("https://login.mediaflowpro.com/authorize"),
        grant: "authorization_code",
        client_auth: ClientAuth::Post,
        grant_type: None,
        scope_separator: " ",
        https_only: false,
        needs: &["client_id", "client_secret"],
        needs_one_of: &[],
        wants: &["redirect_uri"],
        note: "`ffauth login NAME` signs in; without a person: username + password, or refresh_token. Not every client id may use \
               username and password: ask Mediaflow",
    },
    Preset {
        name: "xvid",
        title: "Xvid MediaHub",
        token_url: "https://api.xvid.com/v1/oauth2/token/",
        authorize_url: None,
        grant: "client_credentials",
        client_auth: ClientAuth::Post,
        // Singular: the server knows no `client_credentials`.
        grant_type: Some("client_credential"),
        scope_separator: ",",
        https_only: true,
        needs: &["client_id", "client_secret"],
        needs_one_of: &[],
        wants: &["scope"],
        note: "streaming and downloading need the scope mediahub_download_files; dialect.token_query = { expires_in = \"7200\" } \
               asks for a longer life",
    },
];

/// The preset called `name`.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
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
            for url in [Some(preset.token_url), preset.authorize_url].into_iter().flatten() {
                assert_eq!(url::Url::parse(url).expect(url).scheme(), "https", "{url}");
            }
        }
    }
}
