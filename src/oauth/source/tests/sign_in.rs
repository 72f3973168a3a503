//! Signing in and out against a server that follows a script.

use super::*;
use crate::oauth::client::SignIn;
use crate::oauth::endpoints::Endpoints;
use crate::oauth::revoke::{Fate, Kind};

/// Answers in turn; `None` = the connection is lost.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Option<Answer>>>,
    /// When what was asked, and with which form.
    asked: Mutex<Vec<(Instant, String, String)>>,
}

impl Transport for Script {
    fn send(&self, request: Request) -> Exchange<'_> {
        Box::pin(async move {
            let body = request.body.map(|body| body.to_string()).unwrap_or_default();
            self.asked.lock().expect("no panic").push((Instant::now(), request.url.path().to_owned(), body));
            let next = self.answers.lock().expect("no panic").pop_front().expect("no more is asked than was written");
            next.ok_or_else(down)
        })
    }
}

fn script(answers: &[Option<(u16, &str)>]) -> Arc<Script> {
    let answers = answers.iter().map(|answer| answer.map(|(status, body)| Answer::of_test(status, body))).collect();
    Arc::new(Script { answers: Mutex::new(answers), ..Script::default() })
}

fn person() -> Client {
    let url = |text: &str| url::Url::parse(text).ok();
    let sign_in = SignIn {
        device_url: url("http://127.0.0.1:1/device"),
        revoke_url: url("http://127.0.0.1:1/revoke"),
        ..SignIn::default()
    };
    let authorize_url = url("http://127.0.0.1:1/authorize");
    Client { grant: Grant::AuthorizationCode, authorize_url, sign_in, scope: vec!["a".to_owned()], ..test_client() }
}

fn source_at(server: &Arc<Script>, store: &MemoryStore) -> Source {
    let (store, transport) = (Arc::new(store.clone()), Arc::clone(server));
    Source::new(person(), store, transport, Arc::new(Paused::from_now()), Env::default(), Handle::current())
}

fn endpoints() -> Endpoints {
    Endpoints::of(&person(), None).expect("endpoints")
}

const CODES: &str = r#"{"device_code":"d1","user_code":"U","verification_uri":"https://h/go","expires_in":300,"interval":1}"#;
const TOKEN: &str = r#"{"access_token":"t1","token_type":"Bearer","expires_in":60,"refresh_token":"r1"}"#;
const PENDING: Option<(u16, &str)> = Some((400, r#"{"error":"authorization_pending"}"#));
const SLOW_DOWN: Option<(u16, &str)> = Some((400, r#"{"error":"slow_down"}"#));

/// The seconds between two questions, the first counted from when the codes came.
fn pauses(server: &Script) -> Vec<u64> {
    let asked = server.asked.lock().expect("no panic");
    asked.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_device_is_asked_about_as_often_as_the_server_likes() {
    let server = script(&[Some((200, CODES)), PENDING, SLOW_DOWN, PENDING, None, None, PENDING, SLOW_DOWN, Some((200, TOKEN))]);
    let source = source_at(&server, &MemoryStore::default());
    let codes = source.device_code(&endpoints()).await.expect("codes");
    let token = source.await_device(&endpoints(), &codes, &Shutdown::new()).await.expect("no refusal").expect("in time");
    assert_eq!(token.access_token.expose(), "t1");
    assert_eq!(pauses(&server), [5, 5, 10, 10, 20, 40, 10, 15]);
    let asked = server.asked.lock().expect("no panic");
    assert_eq!(asked[0].2, "client_id=id&scope=a");
    assert_eq!(asked[1].2, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=d1");
    assert!(source.is_stored());
}

#[tokio::test(start_paused = true)]
async fn codes_expire_when_the_server_or_their_life_says_so() {
    let server = script(&[Some((200, CODES)), PENDING, Some((400, r#"{"error":"expired_token"}"#))]);
    let source = source_at(&server, &MemoryStore::default());
    let codes = source.device_code(&endpoints()).await.expect("codes");
    assert!(source.await_device(&endpoints(), &codes, &Shutdown::new()).await.expect("no refusal").is_none());
    let server = script(&[[Some((200, CODES))].as_slice(), &[PENDING; 60]].concat());
    let source = source_at(&server, &MemoryStore::default());
    let codes = source.device_code(&endpoints()).await.expect("codes");
    let began = Instant::now();
    assert!(source.await_device(&endpoints(), &codes, &Shutdown::new()).await.expect("no refusal").is_none());
    assert_eq!(began.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn who_says_no_on_the_device_or_stops_here_is_not_waited_for() {
    let server = script(&[Some((200, CODES)), Some((400, r#"{"error":"access_denied","error_description":"no"}"#))]);
    let source = source_at(&server, &MemoryStore::default());
    let codes = source.device_code(&endpoints()).await.expect("codes");
    let denied = source.await_device(&endpoints(), &codes, &Shutdown::new()).await.expect_err("refused");
    assert_eq!(denied, OauthError::Denied { code: "access_denied".to_owned(), description: Some("no".to_owned()) });
    let stop = Shutdown::new();
    stop.request();
    assert_eq!(source.await_device(&endpoints(), &codes, &stop).await.expect_err("stopped"), OauthError::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_code_is_exchanged_and_what_comes_is_refreshed() {
    let second = r#"{"access_token":"t2","token_type":"Bearer","expires_in":60}"#;
    let server = script(&[Some((200, TOKEN)), Some((200, second)), Some((400, r#"{"error":"invalid_grant"}"#))]);
    let store = MemoryStore::default();
    let source = source_at(&server, &store);
    assert!(source.token(Duration::ZERO).await.expect_err("nobody is signed in").needs_login());
    let (authorization, url) = source.authorize(&endpoints(), "http://127.0.0.1:7/callback".to_owned()).await.expect("begun");
    let state = url.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
    let ask = authorization.judge(&format!("code=c1&state={state}")).expect("an answer");
    let token = source.redeem(&authorization, &ask).await.expect("a token");
    assert_eq!((token.access_token.expose(), token.generation), ("t1", 1));
    // Whoever waits for a token has it, and another process finds it.
    assert_eq!(source.token(Duration::ZERO).await.expect("a token").access_token.expose(), "t1");
    let other = source_at(&server, &store);
    assert_eq!(other.token(Duration::ZERO).await.expect("a token").access_token.expose(), "t1");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(source.token(Duration::ZERO).await.expect("a token").access_token.expose(), "t2");
    let form = server.asked.lock().expect("no panic")[1].2.clone();
    assert_eq!(form, "grant_type=refresh_token&refresh_token=r1", "what was granted is not asked for again");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let error = source.token(Duration::ZERO).await.expect_err("refused");
    assert!(error.needs_login() && error.to_string().contains("sign in again"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_code_is_bound_to_the_key_that_its_token_will_be_bound_to() {
    let server = script(&[Some((200, r#"{"access_token":"t1","token_type":"DPoP","expires_in":60}"#))]);
    let client = Client { dpop: true, ..person() };
    let (store, transport) = (Arc::new(MemoryStore::default()), Arc::clone(&server));
    let source = Source::new(client, store, transport, Arc::new(Paused::from_now()), Env::default(), Handle::current());
    let (authorization, url) = source.authorize(&endpoints(), "http://127.0.0.1:7/callback".to_owned()).await.expect("begun");
    let sent = |name: &str| url.query_pairs().find(|(known, _)| known == name).expect("sent").1.into_owned();
    let ask = authorization.judge(&format!("code=c1&state={}", sent("state"))).expect("an answer");
    let token = source.redeem(&authorization, &ask).await.expect("a token");
    assert_eq!(token.prover.as_ref().map(|prover| prover.thumbprint()), Some(sent("dpop_jkt")));
}

#[tokio::test(start_paused = true)]
async fn signing_out_forgets_whatever_the_server_does() {
    let unsupported = Some((400, r#"{"error":"unsupported_token_type"}"#));
    for (answers, expected) in [
        ([Some((200, "")), Some((200, ""))], [Some(Fate::Revoked), Some(Fate::Revoked)]),
        ([Some((200, "")), unsupported], [Some(Fate::Revoked), Some(Fate::LivesOn)]),
        ([None, Some((503, "down"))], [None, None]),
    ] {
        let server = script(&[&[Some((200, CODES)), Some((200, TOKEN))], answers.as_slice()].concat());
        let store = MemoryStore::default();
        let source = source_at(&server, &store);
        let codes = source.device_code(&endpoints()).await.expect("codes");
        source.await_device(&endpoints(), &codes, &Shutdown::new()).await.expect("no refusal").expect("in time");
        let signed_out = source.sign_out().await.expect("the store works");
        let kinds: Vec<Kind> = signed_out.fates.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [Kind::Refresh, Kind::Access]);
        for ((_, fate), expected) in signed_out.fates.iter().zip(expected) {
            match expected {
                Some(expected) => assert_eq!(*fate, expected),
                None => assert!(matches!(fate, Fate::Failed(_)), "{fate:?}"),
            }
        }
        let asked: Vec<String> = server.asked.lock().expect("no panic").iter().map(|(_, path, _)| path.clone()).collect();
        assert_eq!(asked[2..], ["/revoke", "/revoke"]);
        assert!(source.token(Duration::ZERO).await.expect_err("nobody is signed in").needs_login());
        assert!(!source.sign_out().await.expect("the store works").was_known);
    }
}
