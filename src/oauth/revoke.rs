//! Token revocation (RFC 7009), without input or output.

use std::fmt;
use std::time::SystemTime;

use url::Url;

use crate::env::Env;
use crate::secret::Secret;

use super::client::Client;
use super::client_auth;
use super::error::{Endpoint, OauthError};
use super::token_endpoint::accepted;
use super::transport::{Answer, Request};

/// Which token it is (RFC 7009 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Revoked first: it could get new ones.
    Refresh,
    /// The token that media requests carried.
    Access,
}

impl Kind {
    fn hint(self) -> &'static str {
        match self {
            Self::Refresh => "refresh_token",
            Self::Access => "access_token",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refresh => "refresh token",
            Self::Access => "access token",
        })
    }
}

/// What became of one token at the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is of no use any more.
    Revoked,
    /// The server does not revoke tokens of this kind (`unsupported_token_type`): it lives until it expires.
    LivesOn,
    /// Nobody knows.
    Failed(OauthError),
}

/// The request that revokes `token`. Blocks: secrets are read now.
///
/// # Errors
/// As [`client_auth::request`].
pub fn request(
    client: &Client,
    revoke_url: &Url,
    token_url: &Url,
    (kind, token): (Kind, &Secret),
    now: SystemTime,
    env: &Env,
) -> Result<Request, OauthError> {
    let pairs = [("token", token.expose()), ("token_type_hint", kind.hint())];
    client_auth::request(client, revoke_url, token_url, pairs, now, env)
}

/// What an answer says (RFC 7009 section 2.2): any success will do, its body is not looked at.
pub fn parse(revoke_url: &Url, answer: &Answer) -> Fate {
    match accepted(Endpoint::Revocation, revoke_url, answer, &mut Vec::new()) {
        Ok(_) => Fate::Revoked,
        Err(error) if error.oauth_code() == Some("unsupported_token_type") => Fate::LivesOn,
        Err(error) => Fate::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::test_client;

    #[test]
    fn the_request_names_the_token_and_proves_the_client() {
        let url = |path: &str| Url::parse(path).expect(path);
        let (revoke_url, token_url) = (url("https://login.example/r"), url("https://login.example/t"));
        let token = (Kind::Refresh, &Secret::new("a/b"));
        let sent = request(&test_client(), &revoke_url, &token_url, token, SystemTime::UNIX_EPOCH, &Env::default());
        let sent = sent.expect("a request");
        assert_eq!(sent.body.expect("a form").as_str(), "token=a%2Fb&token_type_hint=refresh_token");
        assert_eq!((sent.url, sent.headers.len()), (revoke_url, 1));
        let plain = url("http://login.example/r");
        assert!(request(&test_client(), &plain, &token_url, token, SystemTime::UNIX_EPOCH, &Env::default()).is_err());
    }

    #[test]
    fn any_success_will_do_and_a_refusal_is_told() {
        let url = Url::parse("https://login.example/r").expect("a URL");
        let fate = |status: u16, body: &str| parse(&url, &Answer::of_test(status, body));
        for (status, body) in [(200, ""), (200, "OK"), (204, ""), (200, "{}")] {
            assert_eq!(fate(status, body), Fate::Revoked, "{body}");
        }
        assert_eq!(fate(400, "{\"error\":\"unsupported_token_type\"}"), Fate::LivesOn);
        for (status, body) in [(503, ""), (401, ""), (400, "{\"error\":\"invalid_client\"}"), (302, "")] {
            assert!(matches!(fate(status, body), Fate::Failed(_)), "{status}");
        }
    }
}
