//! Which profile goes with which file, and whether it may: checked before the first request.

use url::Url;

use crate::bearer::{Placement, Scope};
use crate::config::Profile;
use crate::error::{Error, Kind};
use crate::libav::io::{check_streaming, is_streaming};
use crate::origin::{Origin, OriginPattern};
use crate::redact;

/// The scope of each profile of one file, in order.
///
/// # Errors
/// The file's protocol cannot carry a token, or none of its profiles may send one to its origin.
pub fn scopes(url: &str, profiles: &[&Profile]) -> Result<Vec<Scope>, Error> {
    let origins = origins_of(url)?;
    if profiles.len() > 1
        && let Some(profile) = profiles.iter().find(|profile| profile.origins.is_empty())
    {
        let message = format!("-auth names several profiles, so each must set `origins`; profile {} does not", profile.name);
        return Err(Error::new(Kind::Config, message));
    }
    let scopes: Vec<Scope> = profiles
        .iter()
        .map(|profile| {
            let patterns = if profile.origins.is_empty() {
                origins.iter().map(OriginPattern::exactly).collect()
            } else {
                profile.origins.clone()
            };
            Scope::new(patterns, profile.allow_http)
        })
        .collect();
    for origin in &origins {
        if !scopes.iter().any(|scope| scope.holds(origin)) {
            return Err(out_of_scope(url, origin, profiles, scopes.iter().any(|scope| scope.lists(origin))));
        }
    }
    if is_streaming(url) {
        if let Some(profile) = profiles.iter().find(|profile| profile.media_pointer.is_some()) {
            let message = format!("profile {}: media_pointer is for http and https, not for {}", profile.name, redact::url(url));
            return Err(Error::new(Kind::Config, message));
        }
        profiles.iter().try_for_each(|profile| {
            check_streaming(url, &profile.placement).map_err(|error| error.context(format!("profile {}", profile.name)))
        })?;
    } else if let Some(profile) = profiles.iter().find(|profile| matches!(profile.placement, Placement::UserInfo(_))) {
        let message = format!(
            "profile {}: placement in the user-info is for rtmp, rtsp and srt, not for {}",
            profile.name,
            redact::url(url)
        );
        return Err(Error::new(Kind::Config, message));
    }
    Ok(scopes)
}

/// The origins that a file's own URL names: one, or one for each http slave of the tee muxer.
fn origins_of(url: &str) -> Result<Vec<Origin>, Error> {
    let cannot = |reason: &str| Error::new(Kind::Usage, format!("-auth before {}: {reason}", redact::url(url)));
    let slaves: Vec<&str> = match url.split_once(':') {
        Some((scheme, _)) if ["http", "https"].iter().any(|http| scheme.eq_ignore_ascii_case(http)) => vec![url],
        _ if url.starts_with('[') || url.contains('|') && !url.starts_with("concat:") => {
            let slaves = url.split('|').map(|slave| slave.rsplit_once(']').map_or(slave, |(_, slave)| slave));
            slaves.filter(|slave| slave.starts_with("http:") || slave.starts_with("https:")).collect()
        }
        _ if is_streaming(url) => vec![url],
        Some(("concat" | "concatf" | "async" | "cache" | "subfile" | "hls+http" | "hls+https", _)) => {
            return Err(cannot("this protocol opens its URLs behind ffauth's back; give the http URL itself"));
        }
        _ => Vec::new(),
    };
    if slaves.is_empty() {
        return Err(cannot(
            "its protocol cannot carry a token; -auth goes before a file that is read or written by http, https, rtmp, rtsp or srt",
        ));
    }
    slaves
        .into_iter()
        .map(|slave| {
            let parsed = Url::parse(slave).map_err(|error| cannot(&format!("not a URL: {error}")))?;
            if !parsed.username().is_empty() || parsed.password().is_some() {
                return Err(cannot("the URL holds a user name; the token takes its place"));
            }
            Origin::of(&parsed).ok_or_else(|| cannot("the URL has no host"))
        })
        .collect()
}

fn out_of_scope(url: &str, origin: &Origin, profiles: &[&Profile], listed: bool) -> Error {
    let names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
    let names = names.join(", ");
    if listed {
        let message = format!("{}: the token of profile {names} is not sent without TLS", redact::url(url));
        return Error::new(Kind::Config, message)
            .with_hint("use https (rtmps, rtsps), or set `allow_http = true` in the profile if the network is trusted");
    }
    let message = format!("{}: {origin} is not among the origins of profile {names}", redact::url(url));
    Error::new(Kind::Config, message).with_hint(format!("add \"{origin}\" to `origins` of the profile, if it may see the token"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::env::Env;

    fn check(origins: &str, url: &str) -> Result<Vec<Scope>, Error> {
        let mut pairs = vec![("FFAUTH_X_ACCESS_TOKEN", "t")];
        if !origins.is_empty() {
            pairs.push(("FFAUTH_X_ORIGINS", origins));
        }
        let config = Config::load(None, &Env::from_pairs(pairs)).expect("a configuration");
        scopes(url, &[config.profile("x").expect("the profile")])
    }

    #[test]
    fn the_files_own_origin_is_the_default_scope() {
        let scopes = check("", "https://a.example/x.m3u8").expect("in scope");
        assert!(scopes[0].holds(&Origin::parse("https://a.example/seg").expect("an origin")));
        assert!(!scopes[0].holds(&Origin::parse("https://b.example/seg").expect("an origin")));
    }

    #[test]
    fn refused_before_any_request() {
        for (origins, url, part) in [
            ("https://b.example", "https://a.example/", "add \"https://a.example\""),
            ("", "http://a.example/", "allow_http"),
            ("", "video.mp4", "cannot carry a token"),
            ("", "pipe:0", "cannot carry a token"),
            ("", "rtmp://a.example/live", "allow_http"),
            ("", "rtmp://127.0.0.1/live", "placement"),
            ("", "rtsps://a.example/live", "placement"),
            ("", "concat:https://a.example/1|https://a.example/2", "behind"),
            ("", "https://u:p@a.example/", "user name"),
            ("", "[f=mpegts]a.ts|b.ts", "cannot carry a token"),
        ] {
            let error = check(origins, url).expect_err(url);
            let text = format!("{error} {}", error.hint().unwrap_or_default());
            assert!(text.contains(part), "{url}: {text}");
        }
    }

    #[test]
    fn each_http_slave_of_tee_is_in_scope() {
        let scopes = check("", "a.ts|[f=mpegts]https://a.example/1|[f=hls]https://b.example/2.m3u8").expect("in scope");
        assert!(scopes[0].holds(&Origin::parse("https://b.example/seg").expect("an origin")));
    }
}
