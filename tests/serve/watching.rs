//! Metrics, logs, pictures, and what belongs beside the daemon.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::endless;
use crate::support::daemon::{Daemon, PATIENCE, SERVE, until};
use crate::support::media;
use crate::support::origin::{Origin, Site};
use crate::support::run::{Home, profile};
use crate::support::token_server::{SECRET, TokenServer, Tokens};

/// Two streams with tokens and one that fails, after all have done something.
fn busy<'h>(home: &'h Home, token_server: &TokenServer, origin: &Origin) -> Daemon<'h> {
    let name = media::HLS.file().file_name().expect("a name").to_string_lossy().into_owned();
    let mut config = SERVE.to_owned() + &profile("p", token_server, "");
    for id in ["one", "two"] {
        config += &format!("[stream.{id}]\nrun = \"-auth p -i {}/{name}?canary=query -c copy -f null -\"\n", origin.base());
    }
    config +=
        "[stream.bad]\nrun = \"-headers 'X-Canary: canary-header' -i http://canary-user:x@127.0.0.1:1/a -c copy -f null -\"\n";
    let daemon = Daemon::start(home, &config);
    for id in ["one", "two"] {
        daemon.wait_for(id, |stream| stream["packets_written"].as_u64() > Some(10));
    }
    daemon.wait_for("bad", |stream| !stream["error"].is_null());
    daemon
}

fn far_end() -> (std::sync::Arc<Tokens>, TokenServer, Origin) {
    let tokens = Tokens::new("canary", Duration::from_secs(600), Some(600));
    let token_server = TokenServer::start(&tokens);
    let folder = media::HLS.file().parent().expect("a folder").to_owned();
    let site = Site { folder, tokens: Some(tokens.clone()), live: true, lasts: Duration::from_secs(120), ..Site::default() };
    let origin = Origin::start(site);
    (tokens, token_server, origin)
}

/// Metric names in text that is not their own definition.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("ffauth_")).map(str::to_owned).collect()
}

#[test]
fn metrics_follow_the_conventions_and_hold_no_secret() {
    let (_tokens, token_server, origin) = far_end();
    let home = Home::new("");
    let daemon = busy(&home, &token_server, &origin);
    let metrics = daemon.metrics();
    let mut types = std::collections::BTreeMap::new();
    for line in metrics.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
            assert!(kind != "counter" || name.ends_with("_total"), "{name}");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = series.split('{').next().expect("a name");
            let family =
                ["_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).filter(|name| types.contains_key(*name));
            assert!(types.contains_key(family.unwrap_or(name)), "{line} has no type");
        }
    }
    let value = |series: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("no {series}:\n{metrics}"));
        line.rsplit_once(' ').and_then(|(_, value)| value.parse().ok()).expect("a number")
    };
    assert!(value("ffauth_stream_packets_total{stream=\"one\",direction=\"read\"}") > 10.0);
    assert!(value("ffauth_stream_bytes_total{stream=\"two\",direction=\"written\"}") > 1000.0);
    assert!((value("ffauth_stream_state{stream=\"one\",state=\"running\"}") - 1.0).abs() < 0.1);
    assert!(value("ffauth_stream_failures_total{stream=\"bad\"}") >= 1.0);
    assert!(value("ffauth_stream_http_requests_total{stream=\"one\"}") >= 2.0);
    assert!((value("ffauth_token_refresh_duration_seconds_count{profile=\"p\"}") - 1.0).abs() < 0.1);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs_f64();
    assert!((value("ffauth_token_expiry_timestamp_seconds{profile=\"p\"}") - now - 600.0).abs() < 120.0);
    assert!(value("process_resident_memory_bytes") > 1e6);
    // What is made for others knows no other names.
    let known: BTreeSet<String> = names(&metrics);
    for what in ["grafana", "alerts"] {
        let text = home.line(&format!("serve --print {what}")).stdout;
        let used = names(&text);
        assert!(used.len() >= 5, "{used:?}");
        let unknown: Vec<_> = used.difference(&known).filter(|name| *name != "ffauth_stream_output_lag_seconds").collect();
        assert!(unknown.is_empty(), "{what}: {unknown:?}");
    }
    let everything =
        [metrics, daemon.ask("GET", "/api/v1/streams", None).text(), daemon.ask("GET", "/api/v1/profiles", None).text()];
    for text in everything.iter().chain([&daemon.log()]) {
        assert!(!text.contains("canary") && !text.contains(SECRET) && !text.contains(&daemon.token), "{text}");
    }
    daemon.end().expect_code(0);
}

#[test]
fn each_line_of_the_log_is_json() {
    let (_tokens, token_server, origin) = far_end();
    let home = Home::new("");
    let daemon = busy(&home, &token_server, &origin);
    let log = daemon.log();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    for line in &lines {
        for field in ["time", "level", "target", "message"] {
            assert!(line[field].is_string(), "no {field}: {line}");
        }
    }
    let of_bad = |line: &&Value| line["stream"] == "bad" && line["level"] == "warn";
    assert!(lines.iter().any(|line| of_bad(&line)), "{log}");
    daemon.end().expect_code(0);
}

#[test]
fn changes_are_told_as_they_happen() {
    let home = Home::new("");
    let daemon = Daemon::start(&home, &format!("{SERVE}[stream.a]\nrun = \"{}\"\n", endless("-f null -")));
    let mut connection = TcpStream::connect(daemon.address()).expect("a daemon");
    connection.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let head =
        format!("GET /api/v1/events HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n", daemon.address(), daemon.token);
    connection.write_all(head.as_bytes()).expect("a request");
    let events = BufReader::new(connection).lines().map_while(Result::ok);
    let mut events = events.filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let first = events.next().expect("an event");
    assert_eq!(first["streams"][0]["id"], "a", "{first}");
    assert_eq!(daemon.add("b", "-f lavfi -i testsrc2=size=16x16 -re -f null -").status, 422, "-re is for inputs");
    assert_eq!(daemon.add("b", "-re -f lavfi -i testsrc2=size=16x16 -f null -").status, 201);
    let has = |event: &Value, good: &dyn Fn(&Value) -> bool| event["streams"].as_array().is_some_and(|all| all.iter().any(good));
    assert!(events.any(|event| has(&event, &|stream| stream["id"] == "b" && stream["state"] == "running")));
    assert_eq!(daemon.ask("DELETE", "/api/v1/streams/b", None).status, 204);
    assert!(events.any(|event| event["removed"].as_array().is_some_and(|all| all.contains(&"b".into()))));
    daemon.end().expect_code(0);
}

#[test]
fn a_running_stream_has_a_picture() {
    let home = Home::new("");
    let (_tokens, token_server, origin) = far_end();
    let daemon = busy(&home, &token_server, &origin);
    let picture = until("a key frame", || {
        let answer = daemon.ask("GET", "/api/v1/streams/one/thumbnail", None);
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(picture.field("content-type"), Some("image/jpeg"));
    assert!(picture.body.starts_with(&[0xff, 0xd8]) && picture.body.ends_with(&[0xff, 0xd9]), "{} bytes", picture.body.len());
    assert_eq!(daemon.ask("GET", "/api/v1/streams/bad/thumbnail", None).status, 404);
    daemon.end().expect_code(0);
}

#[test]
fn systemd_is_told() {
    let home = Home::new("");
    home.write("serve.toml", SERVE);
    let socket = UnixDatagram::bind(home.path("notify")).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let path = home.path("notify").display().to_string();
    // A secret of `LoadCredential=`.
    home.write("credentials/api", "a-bearer-from-systemd\n");
    home.write("serve.toml", &format!("{SERVE}token = {{ credential = \"api\" }}\n"));
    let credentials = home.path("credentials").display().to_string();
    let variables = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "200000"), ("CREDENTIALS_DIRECTORY", &credentials)];
    let mut daemon = Daemon::start_with(&home, &["--config", "serve.toml"], &variables);
    daemon.token = "a-bearer-from-systemd".to_owned();
    assert_eq!(daemon.ask("GET", "/api/v1/streams", None).status, 200);
    let hear = |wanted: &str| {
        let mut buffer = [0; 256];
        loop {
            let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{wanted} is not told: {error}"));
            if String::from_utf8_lossy(&buffer[..length]).starts_with(wanted) {
                return;
            }
        }
    };
    hear("READY=1");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    daemon.signal(Signal::HUP);
    hear("RELOADING=1\nMONOTONIC_USEC=");
    hear("READY=1");
    daemon.signal(Signal::TERM);
    hear("STOPPING=1");
    daemon.finish().expect_code(0);
}

#[test]
fn what_is_printed_can_be_used() {
    let home = Home::new("");
    let grafana: Value = serde_json::from_str(&home.line("serve --print grafana").stdout).expect("JSON");
    assert!(grafana["panels"].as_array().is_some_and(|panels| panels.len() > 10));
    let unit = home.line("serve --print unit").stdout;
    for line in ["Type=notify", "WatchdogSec=", "ExecReload=/bin/kill -HUP $MAINPID", "LoadCredential="] {
        assert!(unit.contains(line), "{line}");
    }
    // The sample names every key of the daemon's tables, and starts as it stands.
    let config = home.line("serve --print config").stdout;
    home.write("studio.secret", "x");
    for key in ["listen", "token", "state_dir", "allow_paths", "allow_profiles", "hosts", "open_metrics", "drain"] {
        assert!(config.lines().any(|line| line.trim_start_matches('#').split_whitespace().next() == Some(key)), "{key}");
    }
    let commented: String = config
        .lines()
        .map(|line| match line.strip_prefix('#').filter(|rest| rest.contains(" = ") && !rest.starts_with(' ')) {
            Some(setting) => format!("{setting}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    home.write("all.toml", &commented);
    home.line("profiles --config all.toml").expect_code(0);
    home.write("serve.toml", &config);
    let daemon = Daemon::start_with(&home, &["--config", "serve.toml", "--listen", "127.0.0.1:0"], &[]);
    assert_eq!(daemon.stream("lobby")["restart"], "on_failure");
    daemon.end().expect_code(0);
}

/// The document names what there is, and everything that there is.
#[test]
fn the_api_is_as_its_document_says() {
    let home = Home::new("");
    let daemon = Daemon::start(&home, &format!("{SERVE}[stream.a]\nrun = \"{}\"\n", endless("-f null -")));
    let document = daemon.ask("GET", "/openapi.json", None).json();
    let paths = document["paths"].as_object().expect("paths");
    for (path, item) in paths {
        for method in item.as_object().expect("methods").keys().filter(|key| *key != "parameters") {
            if path == "/api/v1/events" {
                continue;
            }
            let answer = daemon.ask(&method.to_uppercase(), &path.replace("{id}", "nothing"), None);
            let described = &item[method]["responses"][answer.status.to_string()];
            assert!(described.is_object(), "{method} {path} answers {}: {}", answer.status, answer.text());
        }
    }
    let stream = daemon.wait_for_state("a", "running");
    let schema = &document["components"]["schemas"]["Stream"];
    let described: BTreeSet<&String> = schema["properties"].as_object().expect("properties").keys().collect();
    assert_eq!(described, stream.as_object().expect("an object").keys().collect());
    let states: Vec<&str> =
        schema["properties"]["state"]["enum"].as_array().expect("words").iter().filter_map(Value::as_str).collect();
    assert!(states.iter().all(|state| daemon.metrics().contains(&format!("state=\"{state}\""))), "{states:?}");
    for (method, path, body, status) in [
        ("POST", "/api/v1/streams", "", 400),
        ("POST", "/api/v1/streams", "{", 400),
        ("POST", "/api/v1/streams", "[]", 400),
        ("POST", "/api/v1/streams", "{\"id\":\"x\"}", 400),
        ("POST", "/api/v1/streams", "{\"id\":\"x\",\"run\":\"-f lavfi -i testsrc2 -f null -\",\"more\":1}", 400),
        ("POST", "/api/v1/streams", "{\"id\":\"a/b\",\"run\":\"-f lavfi -i testsrc2 -f null -\"}", 422),
        ("POST", "/api/v1/streams", "{\"id\":\"a\",\"run\":\"-f lavfi -i testsrc2 -f null -\"}", 409),
        ("POST", "/api/v1/streams/a/start", "[null]", 400),
        ("POST", "/api/v1/streams/a/start", "{\"x\":1}", 400),
        ("POST", "/api/v1/streams/a/start", "{}", 200),
        ("PATCH", "/api/v1/streams/a", "{}", 405),
        ("GET", "/api/v1/nothing", "", 404),
    ] {
        let bearer = format!("Bearer {}", daemon.token);
        let fields = [("host", daemon.address()), ("authorization", &bearer), ("content-type", "application/json")];
        let answer = daemon.raw(&format!("{method} {path}"), &fields, body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
        assert!(status == 200 || answer.json()["error"].is_string(), "{}", answer.text());
    }
    let large = serde_json::json!({ "id": "x", "run": "x".repeat(70_000) });
    assert_eq!(daemon.ask("POST", "/api/v1/streams", Some(&large)).status, 413);
    daemon.end().expect_code(0);
}
