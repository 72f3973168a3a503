//! Heads of requests and answers on their way through: what is about one connection, about this relay, or none of the other
//! side's business stays here (RFC 9110 section 7.6).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// About one connection.
const HOP_BY_HOP: [&str; 9] =
    ["connection", "http2-settings", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"];

/// What a caller says to the relay, not to the server: credentials of its own, and what would show the relay's URLs. Codings
/// are not asked for, since playlists must be read here and media are compressed already.
const OF_CALLERS: [&str; 14] = [
    "accept-encoding",
    "authorization",
    "content-length",
    "cookie",
    "dpop",
    "forwarded",
    "host",
    "origin",
    "proxy-authorization",
    "range",
    "referer",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// What the server says to the relay, not to its callers.
const OF_SERVERS: [&str; 21] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
    "alt-svc",
    "authentication-info",
    "clear-site-data",
    "content-location",
    "dpop-nonce",
    "link",
    "location",
    "proxy-authenticate",
    "proxy-authentication-info",
    "refresh",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "www-authenticate",
];

/// What depends on the bytes of a body that is rewritten.
const OF_BODIES: [HeaderName; 6] = [
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ETAG,
    header::LAST_MODIFIED,
];

/// Asks for a part of a body, or for none if it is known.
const CONDITIONS: [HeaderName; 5] =
    [header::IF_MATCH, header::IF_MODIFIED_SINCE, header::IF_NONE_MATCH, header::IF_RANGE, header::IF_UNMODIFIED_SINCE];

/// The fields of a caller's request that are handed on. `whole`: the answer is to be whole and new.
pub(super) fn of_request(fields: &HeaderMap, whole: bool) -> Vec<(String, String)> {
    let named = named(fields);
    let stays = |name: &HeaderName| {
        let dropped = [&HOP_BY_HOP[..], &OF_CALLERS].iter().any(|names| names.contains(&name.as_str()));
        let asks_for_less = whole && CONDITIONS.contains(name);
        !dropped && !asks_for_less && !named.contains(name.as_str())
    };
    let kept = fields.iter().filter(|(name, _)| stays(name));
    kept.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect()
}

/// The fields of an answer that are handed on. `is_secret` says which values hold a secret.
pub(super) fn of_answer(fields: &HeaderMap, is_secret: impl Fn(&str) -> bool) -> HeaderMap {
    let named = named(fields);
    let stays = |name: &HeaderName, value: &HeaderValue| {
        let dropped = [&HOP_BY_HOP[..], &OF_SERVERS].iter().any(|names| names.contains(&name.as_str()));
        !dropped && !named.contains(name.as_str()) && !is_secret(&String::from_utf8_lossy(value.as_bytes()))
    };
    let mut kept = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields.iter().filter(|(name, value)| stays(name, value)) {
        kept.append(name, value.clone());
    }
    // URLs of the relay hold its secret.
    kept.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    kept
}

/// Takes away what is no longer right once the body is rewritten.
pub(super) fn forget_body(fields: &mut HeaderMap) {
    for name in &OF_BODIES {
        fields.remove(name);
    }
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// The fields that `Connection` names, which are about the connection too.
fn named(fields: &HeaderMap) -> std::collections::HashSet<String> {
    let values = fields.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_a_caller_says_to_the_relay_stays_there() {
        let asked = fields(&[
            ("host", "127.0.0.1:1"),
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("referer", "http://127.0.0.1:1/SECRET/"),
            ("user-agent", "player"),
            ("if-none-match", "\"a\""),
            ("icy-metadata", "1"),
        ]);
        let names = |whole| of_request(&asked, whole).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(false), ["user-agent", "if-none-match", "icy-metadata"]);
        assert_eq!(names(true), ["user-agent", "icy-metadata"]);
    }

    #[test]
    fn what_the_server_says_to_the_relay_stays_there() {
        let answered = fields(&[
            ("connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=b"),
            ("www-authenticate", "Bearer"),
            ("access-control-allow-origin", "*"),
            ("x-echo", "was CANARY"),
            ("content-type", "video/mp2t"),
            ("etag", "\"a\""),
        ]);
        let mut kept = of_answer(&answered, |value| value.contains("CANARY"));
        let names = |fields: &HeaderMap| fields.keys().map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&kept), ["content-type", "etag", "referrer-policy"]);
        forget_body(&mut kept);
        assert_eq!(names(&kept), ["content-type", "referrer-policy", "cache-control"]);
    }
}
