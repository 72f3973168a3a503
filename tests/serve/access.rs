//! Who gets in, and who does not.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::endless;
use crate::support::daemon::{Daemon, SERVE, ask_socket};
use crate::support::run::{self, Home};

#[test]
fn nothing_is_told_without_the_bearer() {
    let home = Home::new("");
    let daemon = Daemon::start(&home, &format!("{SERVE}[stream.lobby]\nrun = \"{}\"\n", endless("-f null -")));
    let host = ("host", daemon.address());
    for (line, fields) in [
        ("GET /", vec![host]),
        ("GET /api/v1/streams", vec![host]),
        ("GET /api/v1/streams/lobby", vec![host]),
        ("GET /api/v1/streams/lobby/thumbnail", vec![host]),
        ("GET /api/v1/events", vec![host]),
        ("GET /api/v1/profiles", vec![host]),
        ("GET /metrics", vec![host]),
        ("GET /openapi.json", vec![host]),
        ("GET /nothing", vec![host]),
        ("POST /api/v1/streams/lobby/stop", vec![host, ("content-type", "application/json")]),
        ("DELETE /api/v1/streams/lobby", vec![host, ("content-type", "application/json")]),
        ("GET /api/v1/streams", vec![host, ("authorization", "Bearer wrong")]),
        ("GET /api/v1/streams", vec![host, ("cookie", "ffauth=.9999999999.AAAA")]),
    ] {
        let answer = daemon.raw(line, &fields, "");
        assert_eq!(answer.status, 401, "{line}");
        assert!(answer.field("www-authenticate").is_some() && !answer.text().contains("lobby"), "{}", answer.text());
    }
    assert_eq!(daemon.raw("GET /healthz", &[("host", "whatever")], "").status, 200);
    assert_ne!(daemon.stream("lobby")["desired"], "stopped");
    daemon.end().expect_code(0);
}

#[test]
fn a_page_from_elsewhere_can_do_nothing() {
    let home = Home::new("");
    let daemon = Daemon::start(&home, SERVE);
    let bearer = format!("Bearer {}", daemon.token);
    let own = ("authorization", bearer.as_str());
    let body = json!({ "id": "x", "run": "-f lavfi -i testsrc2 -f null -" }).to_string();
    // A name that was rebound to 127.0.0.1; a form of another site; a script of another port.
    for (fields, status) in [
        (vec![("host", "evil.example"), own, ("content-type", "application/json")], 421),
        (vec![("host", daemon.address()), own, ("content-type", "text/plain")], 415),
        (vec![("host", daemon.address()), own, ("content-type", "application/x-www-form-urlencoded")], 415),
        (vec![("host", daemon.address()), own, ("content-type", "application/json"), ("origin", "http://evil.example")], 403),
        (vec![("host", daemon.address()), own, ("content-type", "application/json"), ("origin", "http://127.0.0.1:1")], 403),
        (vec![("host", daemon.address()), own, ("content-type", "application/json"), ("origin", "null")], 403),
    ] {
        let answer = daemon.raw("POST /api/v1/streams", &fields, &body);
        assert_eq!(answer.status, status, "{fields:?}");
        assert!(answer.field("access-control-allow-origin").is_none());
    }
    // What a browser asks before it sends such a thing.
    let asked = [("host", daemon.address()), ("origin", "http://evil.example"), ("access-control-request-method", "POST")];
    assert_eq!(daemon.raw("OPTIONS /api/v1/streams", &asked, "").status, 403);
    assert_eq!(daemon.ask("GET", "/api/v1/streams", None).json(), json!({ "streams": [] }));
    daemon.end().expect_code(0);
}

#[test]
fn a_link_signs_a_browser_in_once() {
    let home = Home::new("");
    let daemon = Daemon::start(&home, SERVE);
    let printed = home.line("serve --config serve.toml --print sign-in");
    printed.expect_code(0);
    let path = printed.stdout.trim_end().strip_prefix(&format!("http://{}", daemon.address())).expect("a link").to_owned();
    let host = ("host", daemon.address());
    let answer = daemon.raw(&format!("GET {path}"), &[host], "");
    assert_eq!(answer.status, 200);
    let cookie = answer.field("set-cookie").expect("a cookie");
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{cookie}");
    assert_eq!(daemon.raw(&format!("GET {path}"), &[host], "").status, 403);
    let cookie = ("cookie", cookie.split(';').next().expect("a pair"));
    let page = daemon.raw("GET /", &[host, cookie], "");
    assert_eq!(page.status, 200);
    let policy = page.field("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = page.text();
    assert!(
        !text.contains(&daemon.token) && !text.contains("http://") && !text.contains("https://m.") && !text.contains("style=")
    );
    // The cookie alone changes nothing unless the request could only come from the page.
    assert_eq!(daemon.raw("POST /api/v1/streams/x/stop", &[host, cookie], "").status, 415);
    let json = ("content-type", "application/json");
    assert_eq!(daemon.raw("POST /api/v1/streams/x/stop", &[host, cookie, json], "").status, 404);
    assert_eq!(
        daemon.raw("POST /api/v1/streams/x/stop", &[host, cookie, json, ("origin", "http://evil.example")], "").status,
        403
    );
    daemon.end().expect_code(0);
}

#[test]
fn the_bearer_and_the_socket_are_their_owners_alone() {
    let home = Home::new("");
    let daemon = Daemon::start(&home, SERVE);
    let mode = |name: &str| std::fs::metadata(home.path(name)).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("state"), mode("state/api_token"), daemon.token.len()), (0o700, 0o600, 43));
    daemon.end().expect_code(0);

    let socket = home.path("s");
    let daemon = Daemon::start(&home, &SERVE.replace("127.0.0.1:0", "unix:s"));
    assert_eq!(daemon.ready["listening"], format!("unix:{}", socket.canonicalize().expect("a socket").display()));
    assert_eq!(mode("s"), 0o600);
    let host = ("host", "localhost");
    assert_eq!(ask_socket(&socket, "GET /api/v1/streams", &[host], "").json(), json!({ "streams": [] }));
    assert_eq!(ask_socket(&socket, "GET /api/v1/streams", &[("host", "evil.example")], "").status, 421);
    assert_eq!(ask_socket(&socket, "POST /api/v1/streams/x/stop", &[host], "").status, 415);
    // Another user of this machine.
    let asked =
        "curl -s --max-time 10 --unix-socket s http://localhost/api/v1/streams && exit 9; cat state/api_token && exit 9; exit 0";
    let other = ["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", asked];
    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(home.path(""), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        run::finish(home.program("setpriv", other)).expect_code(0);
    }
    // What a killed daemon leaves behind is not in the way of the next one.
    daemon.kill();
    let daemon = Daemon::start_with(&home, &["--config", "serve.toml"], &[]);
    daemon.end().expect_code(0);
}

#[test]
fn the_bearer_of_the_configuration_counts() {
    let home = Home::new("");
    home.write("api.secret", "a bearer of my own, quite long\n".replace(' ', "-").as_str());
    let mut daemon = Daemon::start(&home, &format!("{SERVE}token = {{ file = \"api.secret\" }}\nopen_metrics = true\n"));
    assert_eq!(daemon.ready["token_file"], serde_json::Value::Null);
    assert_eq!(daemon.ask("GET", "/api/v1/streams", None).status, 401);
    assert_eq!(daemon.raw("GET /metrics", &[("host", daemon.address())], "").status, 200);
    daemon.token = "a-bearer-of-my-own,-quite-long".to_owned();
    assert_eq!(daemon.ask("GET", "/api/v1/streams", None).status, 200);
    daemon.end().expect_code(0);
}
