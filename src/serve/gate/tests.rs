//! Each way in, and each that is none.

use super::*;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const TOKEN: &str = "0123456789abcdef";

fn door() -> Door {
    Door::Tcp("127.0.0.1:8460".parse().expect("an address"))
}

fn gate() -> Gate {
    Gate::new(TOKEN.into())
}

/// What comes of `METHOD PATH` with these header fields, through `door`.
fn ask(gate: &Gate, door: Door, line: &str, fields: &[(&str, &str)]) -> Result<(), Refusal> {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let method = method.parse().expect("a method");
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name: http::HeaderName = name.parse().expect("a name");
        headers.append(name, value.parse().expect("a value"));
    }
    let rules = Rules { hosts: vec!["media.example".to_owned()], open_metrics: false };
    gate.admit(&Asked { door, method: &method, path, authority: None, headers: &headers }, &rules, NOW)
}

const HOST: (&str, &str) = ("host", "127.0.0.1:8460");
const BEARER: (&str, &str) = ("authorization", "Bearer 0123456789abcdef");
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn the_bearer_opens() {
    let gate = gate();
    assert_eq!(ask(&gate, door(), "GET /api/v1/streams", &[HOST, BEARER]), Ok(()));
    assert_eq!(ask(&gate, door(), "GET /", &[HOST, ("authorization", "bearer 0123456789abcdef")]), Ok(()));
    for wrong in ["Bearer 0123456789abcdeX", "Bearer 0123456789abcde", "Bearer", "Basic 0123456789abcdef", "Bearer "] {
        assert_eq!(ask(&gate, door(), "GET /api/v1/streams", &[HOST, ("authorization", wrong)]), Err(Refusal::Bearer), "{wrong}");
    }
    for path in ["/", "/metrics", "/openapi.json", "/api/v1/streams", "/anything", "/healthz/..", "//healthz"] {
        assert_eq!(ask(&gate, door(), &format!("GET {path}"), &[HOST]), Err(Refusal::Bearer), "{path}");
    }
    assert_eq!(ask(&gate, door(), "GET /healthz", &[]), Ok(()));
    assert_eq!(ask(&gate, door(), "POST /healthz", &[HOST, JSON]), Err(Refusal::Bearer));
}

#[test]
fn a_name_that_is_not_listed_is_refused_even_with_the_bearer() {
    let gate = gate();
    for host in
        ["127.0.0.1:8460", "127.0.0.1", "localhost:8460", "LOCALHOST", "localhost:1", "media.example", "Media.Example:443"]
    {
        assert_eq!(ask(&gate, door(), "GET /", &[("host", host), BEARER]), Ok(()), "{host}");
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:8460",
        "",
        "127.0.0.2",
        "10.0.0.1",
        "a@localhost",
    ] {
        assert_eq!(ask(&gate, door(), "GET /", &[("host", host), BEARER]), Err(Refusal::Host), "{host}");
    }
    assert_eq!(ask(&gate, door(), "GET /", &[BEARER]), Err(Refusal::Host));
    assert_eq!(ask(&gate, door(), "GET /", &[HOST, ("host", "evil.example"), BEARER]), Err(Refusal::Host));
    let outside = Door::Tcp("192.0.2.1:8460".parse().expect("an address"));
    assert_eq!(ask(&gate, outside, "GET /", &[("host", "192.0.2.1:8460"), BEARER]), Ok(()));
    assert_eq!(ask(&gate, outside, "GET /", &[("host", "localhost"), BEARER]), Err(Refusal::Host));
    let six = Door::Tcp("[::1]:8460".parse().expect("an address"));
    assert_eq!(ask(&gate, six, "GET /", &[("host", "[::1]:8460"), BEARER]), Ok(()));
}

#[test]
fn a_foreign_page_is_refused() {
    let gate = gate();
    for origin in ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8460", "https://media.example"] {
        let fields = [HOST, BEARER, ("origin", origin)];
        assert_eq!(ask(&gate, door(), "GET /api/v1/streams", &fields), Err(Refusal::Origin), "{origin}");
    }
    assert_eq!(ask(&gate, door(), "GET /", &[HOST, BEARER, ("origin", "http://127.0.0.1:8460")]), Ok(()));
}

#[test]
fn changes_need_json() {
    let gate = gate();
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "application/jsonp", ""] {
        let fields = [HOST, BEARER, ("content-type", kind)];
        assert_eq!(ask(&gate, door(), "POST /api/v1/streams", &fields), Err(Refusal::ContentType), "{kind}");
    }
    for kind in ["application/json", "Application/JSON; charset=utf-8"] {
        assert_eq!(ask(&gate, door(), "POST /api/v1/streams", &[HOST, BEARER, ("content-type", kind)]), Ok(()));
    }
    // No body and a header that no page can send.
    assert_eq!(ask(&gate, door(), "DELETE /api/v1/streams/a", &[HOST, BEARER]), Ok(()));
    assert_eq!(ask(&gate, door(), "POST /api/v1/streams/a/stop", &[HOST, BEARER, ("content-length", "0")]), Ok(()));
    assert_eq!(ask(&gate, door(), "POST /x", &[HOST, BEARER, ("content-length", "2")]), Err(Refusal::ContentType));
    assert_eq!(ask(&gate, door(), "POST /x", &[HOST, BEARER, ("transfer-encoding", "chunked")]), Err(Refusal::ContentType));
    // The socket lets its owner in, and their browser's forms not.
    assert_eq!(ask(&gate, Door::Unix, "DELETE /api/v1/streams/a", &[("host", "localhost")]), Err(Refusal::ContentType));
    assert_eq!(ask(&gate, Door::Unix, "DELETE /api/v1/streams/a", &[("host", "localhost"), JSON]), Ok(()));
    assert_eq!(ask(&gate, Door::Unix, "GET /", &[("host", "evil.example")]), Err(Refusal::Host));
}

#[test]
fn a_link_signs_in_once() {
    let gate = gate();
    let code = gate.code(NOW).expect("a code");
    let cookie = gate.redeem(&code, NOW).expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert_eq!(gate.redeem(&code, NOW), None);
    let value = cookie.split(';').next().expect("a pair");
    assert_eq!(ask(&gate, door(), "GET /", &[HOST, ("cookie", &format!("a=b; {value}"))]), Ok(()));
    assert_eq!(ask(&gate, door(), "POST /x", &[HOST, ("cookie", value)]), Err(Refusal::ContentType));
    assert_eq!(ask(&gate, door(), "POST /x", &[HOST, ("cookie", value), JSON]), Ok(()));
    // Another bearer, another purpose, another time.
    let other = Gate::new("another bearer, as long".into());
    assert_eq!(ask(&other, door(), "GET /", &[HOST, ("cookie", value)]), Err(Refusal::Bearer));
    let as_cookie = format!("{COOKIE}={}", gate.code(NOW).expect("a code"));
    assert_eq!(ask(&gate, door(), "GET /", &[HOST, ("cookie", &as_cookie)]), Err(Refusal::Bearer));
    assert_eq!(gate.redeem(&gate.code(NOW).expect("a code"), NOW + LINK_LIFE), None);
    for code in ["", "x", "x.1.y", "..", &format!("{code}x")] {
        assert_eq!(gate.redeem(code, NOW), None, "{code}");
    }
}

#[test]
fn metrics_are_open_only_if_told() {
    let gate = gate();
    let headers: HeaderMap = [(header::HOST, "localhost".parse().expect("a value"))].into_iter().collect();
    for open_metrics in [false, true] {
        let rules = Rules { open_metrics, ..Rules::default() };
        let ask = |path: &str| {
            gate.admit(&Asked { door: door(), method: &Method::GET, path, authority: None, headers: &headers }, &rules, NOW)
                .is_ok()
        };
        assert_eq!((ask("/metrics"), ask("/api/v1/streams")), (open_metrics, false));
    }
}
