use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::time::SystemTime;

use tokio::runtime::Runtime;

use super::*;
use crate::cli::demo::media::Segment;

/// A clock that the test sets.
#[derive(Default)]
struct Hands(Mutex<Duration>);

impl Hands {
    fn turn(&self, millis: u64) {
        *self.0.lock().expect("no panic") += Duration::from_millis(millis);
    }
}

impl Clock for Hands {
    fn now(&self) -> Now {
        let boot = *self.0.lock().expect("no panic");
        Now { boot, wall: SystemTime::UNIX_EPOCH + boot }
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        unreachable!("the server never waits")
    }
}

struct Rig {
    server: Server,
    clock: Arc<Hands>,
    _runtime: Runtime,
}

impl Rig {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let clock = Arc::new(Hands::default());
        let segment = Segment { bytes: Bytes::from_static(b"one second"), duration: Duration::from_secs(1) };
        let broadcast = Broadcast::new(vec![segment; 6]);
        let life = Duration::from_secs(3);
        let server = Server::start(broadcast, life, Arc::clone(&clock) as Arc<dyn Clock>, runtime.handle()).expect("a server");
        Self { server, clock, _runtime: runtime }
    }

    /// Status, header fields in lower case, and body of the answer to `head` (without its last line breaks) and `body`.
    fn ask(&self, head: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.server.address).expect("a connection");
        let length = body.len();
        write!(stream, "{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    fn basic(&self, id: &str, secret: &str) -> String {
        format!("POST /token HTTP/1.1\r\nAuthorization: Basic {}", STANDARD.encode(format!("{id}:{secret}")))
    }

    fn token(&self) -> String {
        let (status, _, body) =
            self.ask(&self.basic(CLIENT_ID, self.server.client_secret().expose()), "grant_type=client_credentials");
        assert_eq!(status, 200, "{body}");
        let answer: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((&answer["token_type"], &answer["expires_in"]), (&"Bearer".into(), &3.into()));
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    fn get(&self, path: &str, token: &str) -> (u16, String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nAuthorization: bearer {token}"), "")
    }
}

#[test]
fn the_token_endpoint_knows_its_client_and_its_grant() {
    let rig = Rig::new();
    let secret = rig.server.client_secret().expose().to_owned();
    for (id, secret, body, status, code) in [
        (CLIENT_ID, "guessed", "grant_type=client_credentials", 401, "invalid_client"),
        ("somebody", secret.as_str(), "grant_type=client_credentials", 401, "invalid_client"),
        (CLIENT_ID, secret.as_str(), "grant_type=password", 400, "unsupported_grant_type"),
        (CLIENT_ID, secret.as_str(), "scope=all", 400, "invalid_request"),
        (CLIENT_ID, secret.as_str(), "grant_type=client_credentials&grant_type=password", 400, "invalid_request"),
    ] {
        let (answered, head, text) = rig.ask(&rig.basic(id, secret), body);
        assert_eq!((answered, text), (status, format!("{{\"error\":\"{code}\"}}")), "{id} {body}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        assert_eq!(head.contains("www-authenticate: basic"), status == 401, "{head}");
    }
    assert_eq!(rig.ask("GET /token HTTP/1.1", "").0, 405);
    assert_ne!(rig.token(), rig.token());
}

#[test]
fn media_wants_a_token_that_is_alive() {
    let rig = Rig::new();
    let (status, head, _) = rig.ask("GET /live.m3u8 HTTP/1.1", "");
    assert_eq!(status, 401);
    assert!(head.contains("www-authenticate: bearer realm=\"ffauth demo\"\r\n"), "{head}");
    let (status, head, _) = rig.get("/0.ts", "guessed");
    assert!(status == 401 && head.contains("error=\"invalid_token\""), "{head}");

    let token = rig.token();
    let (status, _, body) = rig.get("/0.ts", &token);
    assert_eq!((status, body.as_str()), (200, "one second"));
    rig.clock.turn(2999);
    assert_eq!(rig.get("/live.m3u8", &token).0, 200);
    rig.clock.turn(1);
    let (status, head, _) = rig.get("/live.m3u8", &token);
    assert!(status == 401 && head.contains("the access token expired"), "{head}");
    assert_eq!(rig.server.seen(Client::Refreshed), Seen { requests: 5, http_401: 3, tokens: 1, expired: 1 });
}

#[test]
fn the_broadcast_begins_with_the_refreshed_client() {
    let rig = Rig::new();
    let frozen = rig.server.hand_out(Client::Frozen).expect("random numbers");
    rig.get("/live.m3u8", frozen.expose());
    rig.clock.turn(2000);
    let (status, _, playlist) = rig.get("/live.m3u8", frozen.expose());
    assert!(status == 200 && !playlist.contains("3.ts"), "{playlist}");
    assert_eq!(rig.server.elapsed(), None);

    let token = rig.token();
    assert!(!rig.get("/live.m3u8", &token).2.contains("3.ts"));
    assert_eq!(rig.get("/3.ts", &token).0, 404);
    rig.clock.turn(1000);
    assert_eq!(rig.server.elapsed(), Some(Duration::from_secs(1)));
    assert!(rig.get("/live.m3u8", &token).2.contains("3.ts"));
    assert_eq!(rig.get("/3.ts", &token).0, 200);
    assert_eq!(rig.get("/nosuch", &token).0, 404);
    assert_eq!(rig.server.seen(Client::Frozen).requests, 2);
}
