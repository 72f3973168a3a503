//! The proxy that the environment names, between us and hosts that only it knows.

use std::sync::{Arc, Mutex};

use hyper::Response;
use hyper::header::AUTHORIZATION;

use crate::support::media;
use crate::support::run::{Home, count, finish, packets};
use crate::support::server::{Body, Server};

/// Two hosts whose names nobody but the proxy can resolve: `login.invalid` gives tokens, `media.invalid` wants them.
fn proxy(asked: Arc<Mutex<Vec<String>>>) -> Server {
    let content = std::fs::read(media::MPEGTS.file()).expect("media");
    Server::start(
        None,
        Arc::new(move |arrived| {
            let request = arrived.request;
            // http.c names the port even where it is the scheme's own.
            let url = request.uri().to_string().replace(".invalid:80/", ".invalid/");
            asked.lock().expect("no panic").push(format!("{} {url}", request.method()));
            let knows = request.headers().get(AUTHORIZATION).is_some_and(|value| value == "Bearer one");
            let (status, body) = match url.as_str() {
                "http://login.invalid/token" => {
                    (200, br#"{"access_token":"one","token_type":"Bearer","expires_in":300}"#.to_vec())
                }
                _ if !knows => (401, Vec::new()),
                "http://media.invalid/a.m3u8" => {
                    (200, b"#EXTM3U\n#EXT-X-TARGETDURATION:20\n#EXTINF:20,\na.ts\n#EXT-X-ENDLIST\n".to_vec())
                }
                "http://media.invalid/a.ts" => (200, content.clone()),
                _ => (404, Vec::new()),
            };
            Box::pin(async move { Response::builder().status(status).body(Body::from(body)).expect("a response") })
        }),
    )
}

#[test]
fn tokens_and_media_go_through_it() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let proxy = proxy(Arc::clone(&asked));
    let home = Home::new(
        "[profile.p]\ntoken_url = \"http://login.invalid/token\"\nallow_http = true\nclient_id = \"a\"\nclient_secret = \"b\"\n",
    );
    for url in ["http://media.invalid/a.m3u8", "http://media.invalid/a.ts"] {
        let arguments = ["-nostdin", "-y", "-auth", "p", "-i", url, "-c", "copy", "-f", "framemd5", "o.md5"];
        let mut command = home.ffauth(arguments);
        command.env("http_proxy", proxy.url(""));
        let run = finish(command);
        run.expect_code(0);
        assert_eq!(count(&packets(&home.path("o.md5"))), 1363, "{}", run.tail());
    }
    let asked = asked.lock().expect("no panic");
    for expected in ["POST http://login.invalid/token", "GET http://media.invalid/a.m3u8", "GET http://media.invalid/a.ts"] {
        assert!(asked.iter().any(|asked| asked == expected), "{expected}: {asked:?}");
    }
}

/// Hosts in `no_proxy` are asked without it; these have no address.
#[test]
fn hosts_in_no_proxy_are_asked_directly() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let proxy = proxy(Arc::clone(&asked));
    let home = Home::new("[profile.p]\naccess_token = { env = \"ONE\" }\nallow_http = true\n");
    let arguments = ["-nostdin", "-y", "-auth", "p", "-i", "http://media.invalid/a.ts", "-c", "copy", "-f", "null", "-"];
    let mut command = home.ffauth(arguments);
    command.env("http_proxy", proxy.url("")).env("no_proxy", "login.example,.invalid").env("ONE", "one");
    let run = finish(command);
    run.expect_code(1);
    assert!(run.stderr.contains("media.invalid"), "{}", run.tail());
    assert_eq!(*asked.lock().expect("no panic"), Vec::<String>::new());
}
