//! Tokens that somebody else keeps fresh: in a file, a variable, or behind a command.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::Now;
use crate::env::Env;
use crate::secret::{Secret, SecretSource};

use super::client::Client;
use super::error::OauthError;
use super::grant;
use super::token_endpoint::{Granted, Members};

/// Reads the token now: bare, or an OAuth token response in JSON, whose `expires_in` counts from when the file was written and
/// whose `expires_at` (RFC 3339 or seconds since 1970) wins. Blocks.
///
/// # Errors
/// [`OauthError::Config`] if the source is missing or unreadable, [`OauthError::Stale`] if it holds no usable token now.
pub fn read(client: &Client, env: &Env, now: &Now) -> Result<Granted, OauthError> {
    let unusable = |reason: &str| OauthError::Stale(format!("access_token: {reason}"));
    let source = client.access_token.as_ref();
    let text = grant::read(client, "access_token", source, env)?;
    let text = text.expose().trim();
    if !text.starts_with('{') {
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(unusable("it holds a space or a control character, so it is no token"));
        }
        return Ok(Granted {
            access_token: Secret::new(text),
            token_type: "Bearer".to_owned(),
            lifetime: client.dialect.default_expires_in,
            refresh_token: None,
            scope: None,
            tolerated: Vec::new(),
        });
    }
    let members = Members::from_json(text).ok_or_else(|| unusable("it begins like JSON and is none"))?;
    let token =
        members.text("access_token").filter(|token| !token.is_empty()).ok_or_else(|| unusable("its JSON has no access_token"))?;
    if token.chars().any(char::is_control) {
        return Err(unusable("it holds a control character"));
    }
    let token_type = members.text("token_type").unwrap_or_else(|| "Bearer".to_owned());
    if token_type.eq_ignore_ascii_case("dpop") {
        return Err(unusable("it is bound to a key (token_type DPoP) that only the program has which got it"));
    }
    let expires_at = members.text("expires_at").and_then(|text| point(&text));
    let lifetime = match expires_at {
        Some(at) => Some(at.duration_since(now.wall).unwrap_or_default()),
        None => {
            let told = members.lifetime("expires_in", &mut Vec::new()).map_err(|reason| unusable(&reason))?;
            let age = written(source).and_then(|written| now.wall.duration_since(written).ok()).unwrap_or_default();
            told.or(client.dialect.default_expires_in).map(|life| life.saturating_sub(age))
        }
    };
    Ok(Granted {
        access_token: Secret::new(token),
        token_type,
        lifetime,
        refresh_token: None,
        scope: members.text("scope"),
        tolerated: Vec::new(),
    })
}

/// Changes when the agent writes its file again; `None` for sources that cannot be watched.
pub fn mark(client: &Client) -> Option<(u64, i64, i64, u64)> {
    let SecretSource::File(path) = client.access_token.as_ref()? else { return None };
    let metadata = path.metadata().ok()?;
    Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
}

fn written(source: Option<&SecretSource>) -> Option<SystemTime> {
    match source? {
        SecretSource::File(path) => path.metadata().ok()?.modified().ok(),
        _ => None,
    }
}

fn point(text: &str) -> Option<SystemTime> {
    match text.parse::<f64>() {
        Ok(seconds) => SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339).ok().map(SystemTime::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::{Grant, test_client};

    fn read_text(text: &str) -> Result<Granted, OauthError> {
        let access_token = Some(SecretSource::Plain(text.into()));
        let client = Client { grant: Grant::External, access_token, ..test_client() };
        let now = Now { boot: Duration::ZERO, wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) };
        read(&client, &Env::default(), &now)
    }

    #[test]
    fn a_token_is_bare_or_json() {
        for (text, token, seconds) in [
            ("abc.def\n", "abc.def", None),
            ("{\"access_token\":\"t\"}", "t", None),
            ("{\"access_token\":\"t\",\"expires_in\":60}", "t", Some(60)),
            ("{\"access_token\":\"t\",\"expires_in\":\"60\"}", "t", Some(60)),
            ("{\"access_token\":\"t\",\"expires_at\":1000030,\"expires_in\":9}", "t", Some(30)),
            ("{\"access_token\":\"t\",\"expires_at\":\"1970-01-12T13:47:10Z\"}", "t", Some(30)),
            ("{\"access_token\":\"t\",\"expires_at\":5}", "t", Some(0)),
        ] {
            let granted = read_text(text).expect(text);
            assert_eq!((granted.access_token.expose(), granted.lifetime.map(|life| life.as_secs())), (token, seconds));
        }
    }

    #[test]
    fn what_is_no_token_is_told_and_not_sent() {
        for text in
            ["two words", "a\r\nb", "{", "{}", "{\"access_token\":\"a\\nb\"}", "{\"access_token\":\"a\",\"token_type\":\"DPoP\"}"]
        {
            assert!(matches!(read_text(text), Err(OauthError::Stale(_))), "{text}");
        }
    }
}
