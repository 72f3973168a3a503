//! The source against a fake server, in virtual time.

mod outage;
mod proof;
mod sign_in;
mod stored;

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::*;
use crate::oauth::client::{Grant, test_client};
use crate::oauth::error::Endpoint;
use crate::oauth::store::{FileStore, MemoryStore};
use crate::oauth::transport::{Answer, Exchange, Request};
use crate::secret::SecretSource;

/// tokio's paused clock; how much of the time it has not counted, the two clocks say each for itself.
struct Paused {
    began: Instant,
    asleep: Arc<Mutex<Duration>>,
    set_forward: Arc<Mutex<f64>>,
}

impl Paused {
    /// A clock whose machine never sleeps and is never set.
    fn from_now() -> Self {
        Self { began: Instant::now(), asleep: Arc::default(), set_forward: Arc::default() }
    }
}

impl Clock for Paused {
    fn now(&self) -> Now {
        let boot = self.began.elapsed() + *self.asleep.lock().expect("no panic") + Duration::from_secs(1_000_000);
        let wall = boot.as_secs_f64() + *self.set_forward.lock().expect("no panic");
        Now { boot, wall: SystemTime::UNIX_EPOCH + Duration::from_secs_f64(wall) }
    }

    fn sleep(&self, duration: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A token endpoint. Tokens are `t1`, `t2`, …; refresh tokens work once if `rotating`, and a used one ends all of them.
#[derive(Default)]
struct Server {
    requests: AtomicUsize,
    expires_in: u64,
    delay: Duration,
    rotating: bool,
    family: Mutex<Option<String>>,
    reused: AtomicUsize,
    /// Failures that come first.
    failures: Mutex<VecDeque<OauthError>>,
    at: Mutex<Vec<Instant>>,
    /// The clock of all its clients begins with the first of them.
    began: OnceLock<Instant>,
    /// How long the machine has been suspended, and by how many seconds its clock has been set.
    asleep: Arc<Mutex<Duration>>,
    set_forward: Arc<Mutex<f64>>,
}

impl Transport for Server {
    fn send(&self, request: Request) -> Exchange<'_> {
        Box::pin(async move {
            let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
            self.at.lock().expect("no panic").push(Instant::now());
            tokio::time::sleep(self.delay).await;
            if let Some(failure) = self.failures.lock().expect("no panic").pop_front() {
                return Err(failure);
            }
            let answer = |status, body: String| Answer {
                status,
                content_type: Some("application/json".to_owned()),
                body: Zeroizing::new(body.into_bytes()),
                ..Answer::default()
            };
            let mut refresh = String::new();
            if self.rotating {
                let form = request.body.expect("a form").to_string();
                if form.contains("grant_type=password") {
                    *self.family.lock().expect("no panic") = None;
                }
                let sent = form.split("refresh_token=").nth(1).map(|token| token.split('&').next().expect("a part").to_owned());
                let mut family = self.family.lock().expect("no panic");
                if sent != *family {
                    self.reused.fetch_add(1, Ordering::SeqCst);
                    *family = None;
                    return Ok(answer(400, "{\"error\":\"invalid_grant\"}".to_owned()));
                }
                *family = Some(format!("r{number}"));
                refresh = format!(",\"refresh_token\":\"r{number}\"");
            }
            let body = format!(
                "{{\"access_token\":\"t{number}\",\"token_type\":\"Bearer\",\"expires_in\":{}{refresh}}}",
                self.expires_in
            );
            Ok(answer(200, body))
        })
    }
}

fn source_with(client: Client, server: &Arc<Server>, store: Arc<dyn Store>) -> Source {
    let clock = Arc::new(Paused {
        began: *server.began.get_or_init(Instant::now),
        asleep: Arc::clone(&server.asleep),
        set_forward: Arc::clone(&server.set_forward),
    });
    Source::new(client, store, Arc::clone(server) as Arc<dyn Transport>, clock, Env::default(), Handle::current())
}

fn source(server: &Arc<Server>) -> Source {
    source_with(test_client(), server, Arc::new(MemoryStore::default()))
}

fn keep_fresh(source: &Source, stop: &Shutdown) {
    let (source, stop) = (source.clone(), stop.clone());
    tokio::spawn(async move { source.keep_fresh(stop).await });
}

fn requests(server: &Server) -> usize {
    server.requests.load(Ordering::SeqCst)
}

fn down() -> OauthError {
    OauthError::Unreachable {
        endpoint: Endpoint::Token,
        url: "https://login.example/".to_owned(),
        reason: "is down".to_owned(),
        sent: false,
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_tasks_with_nothing_cached_cause_one_request() {
    let server = Arc::new(Server { expires_in: 300, delay: Duration::from_secs(1), ..Server::default() });
    let source = source(&server);
    let tasks: Vec<_> =
        (0..100).map(|_| source.clone()).map(|s| tokio::spawn(async move { s.token(Duration::ZERO).await })).collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic").expect("a token").access_token.expose(), "t1");
    }
    assert_eq!(requests(&server), 1);
    assert_eq!(source.counts(), Counts { refreshes: 1, took: Duration::from_secs(1), ..Counts::default() });
}

#[tokio::test(start_paused = true)]
async fn in_the_soft_window_nobody_waits_for_a_stalled_server() {
    let server = Arc::new(Server { expires_in: 300, ..Server::default() });
    let source = source(&server);
    source.token(Duration::ZERO).await.expect("a token");
    server.failures.lock().expect("no panic").push_back(down());
    let stop = Shutdown::new();
    keep_fresh(&source, &stop);
    tokio::time::sleep(Duration::from_secs(250)).await;
    let before = Instant::now();
    for _ in 0..100 {
        assert!(source.token(Duration::ZERO).await.is_ok());
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
    stop.request();
}

#[tokio::test(start_paused = true)]
async fn a_day_of_300_s_tokens_is_360_to_385_requests_each_ahead_of_expiry() {
    let server = Arc::new(Server { expires_in: 300, delay: Duration::from_millis(200), ..Server::default() });
    let source = source(&server);
    source.token(Duration::ZERO).await.expect("a token");
    let stop = Shutdown::new();
    keep_fresh(&source, &stop);
    for _ in 0..24 * 360 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let state = source.watch().borrow().clone();
        let left = state.token.expect("a token").remaining(&source.0.clock.now()).expect("a life");
        assert!(left > Duration::from_secs(30), "{left:?}");
    }
    stop.request();
    assert!((360..=385).contains(&requests(&server)), "{}", requests(&server));
    let at = server.at.lock().expect("no panic").clone();
    for pair in at.windows(2) {
        let age = (pair[1] - pair[0]).as_secs_f64();
        assert!((224.9..=240.5).contains(&age), "refreshed at the age of {age} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_of_2_s_causes_no_storm() {
    let server = Arc::new(Server { expires_in: 2, ..Server::default() });
    let source = source(&server);
    source.token(Duration::ZERO).await.expect("a token");
    let stop = Shutdown::new();
    keep_fresh(&source, &stop);
    tokio::time::sleep(Duration::from_secs(60)).await;
    stop.request();
    assert!((36..=42).contains(&requests(&server)), "{}", requests(&server));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_expired_on_arrival_causes_no_loop() {
    let server = Arc::new(Server { expires_in: 0, ..Server::default() });
    let source = source(&server);
    source.token(Duration::ZERO).await.expect("handed out all the same");
    let stop = Shutdown::new();
    keep_fresh(&source, &stop);
    tokio::time::sleep(Duration::from_secs(30)).await;
    stop.request();
    assert!(requests(&server) <= 32, "{}", requests(&server));
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_renewed_once_for_all_who_were_refused() {
    let server = Arc::new(Server { expires_in: 300, delay: Duration::from_millis(100), ..Server::default() });
    let source = source(&server);
    let first = source.token(Duration::ZERO).await.expect("a token");
    for _ in 0..100 {
        source.invalidate(first.generation);
    }
    let second = source.token(Duration::ZERO).await.expect("a newer token");
    assert_eq!((second.access_token.expose(), second.generation), ("t2", first.generation + 1));
    source.invalidate(first.generation);
    assert_eq!(source.token(Duration::ZERO).await.expect("still that one").generation, second.generation);
    assert_eq!(requests(&server), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_asked_ever_less_often() {
    let server = Arc::new(Server { expires_in: 300, ..Server::default() });
    server.failures.lock().expect("no panic").extend(std::iter::repeat_n(down(), 1000));
    let source = source(&server);
    let end = Instant::now() + Duration::from_secs(600);
    while Instant::now() < end {
        assert!(source.token(Duration::ZERO).await.is_err());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!((20..=90).contains(&requests(&server)), "{}", requests(&server));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_cancelled_does_not_lose_the_refresh() {
    let server = Arc::new(Server { expires_in: 300, delay: Duration::from_secs(5), ..Server::default() });
    let source = source(&server);
    assert!(tokio::time::timeout(Duration::from_secs(1), source.token(Duration::ZERO)).await.is_err());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(source.token(Duration::ZERO).await.expect("it is there").access_token.expose(), "t1");
    assert_eq!(requests(&server), 1);
}

#[tokio::test(start_paused = true)]
async fn min_valid_longer_than_a_life_asks_once_and_hands_out_what_comes() {
    let server = Arc::new(Server { expires_in: 300, ..Server::default() });
    let source = source(&server);
    source.token(Duration::ZERO).await.expect("a token");
    let token = source.token(Duration::from_secs(600)).await.expect("the best there is");
    assert_eq!((token.access_token.expose(), requests(&server)), ("t2", 2));
}

fn rotating_client() -> Client {
    Client { grant: Grant::RefreshToken, refresh_token: Some(SecretSource::Plain("r0".into())), ..test_client() }
}

#[tokio::test(start_paused = true)]
async fn sources_that_share_a_store_share_a_rotating_refresh_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let family = Mutex::new(Some("r0".to_owned()));
    let server = Arc::new(Server { expires_in: 60, rotating: true, family, ..Server::default() });
    let sources: Vec<Source> = (0..10)
        .map(|_| source_with(rotating_client(), &server, Arc::new(FileStore::new(folder.path().join("tokens")))))
        .collect();
    for _ in 0..20 {
        let tasks = sources.iter().cloned().map(|source| tokio::spawn(async move { source.token(Duration::ZERO).await }));
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("no panic").expect("a token");
        }
        tokio::time::sleep(Duration::from_secs(58)).await;
    }
    assert_eq!(server.reused.load(Ordering::SeqCst), 0);
    assert!((20..=21).contains(&requests(&server)), "{}", requests(&server));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_refresh_is_not_answered_by_sending_it_again() {
    let server =
        Arc::new(Server { expires_in: 60, rotating: true, family: Mutex::new(Some("r0".to_owned())), ..Server::default() });
    let source = source_with(rotating_client(), &server, Arc::new(MemoryStore::default()));
    let first = source.token(Duration::ZERO).await.expect("a token");
    let lost =
        OauthError::Unreachable { endpoint: Endpoint::Token, url: String::new(), reason: "broke off".to_owned(), sent: true };
    server.failures.lock().expect("no panic").push_back(lost);
    source.invalidate(first.generation);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(requests(&server), 2);
    assert!(source.token(Duration::ZERO).await.is_err());
    assert_eq!(requests(&server), 2);
    // Nothing is left to lose once the token has expired.
    tokio::time::sleep(Duration::from_secs(62)).await;
    source.token(Duration::ZERO).await.expect("the server had not seen it");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_is_refused_asks_for_a_login_and_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let server =
        Arc::new(Server { expires_in: 60, rotating: true, family: Mutex::new(Some("other".to_owned())), ..Server::default() });
    let store = Arc::new(FileStore::new(folder.path().join("tokens")));
    let source = source_with(rotating_client(), &server, store);
    let error = source.token(Duration::ZERO).await.expect_err("refused");
    assert!(error.needs_login() && !error.is_retryable(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_external_token_is_read_again_when_it_is_refused_or_rewritten() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    let write = |token: &str| {
        std::fs::write(&path, token).expect("room");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    };
    write("one");
    let client = Client { grant: Grant::External, access_token: Some(SecretSource::File(path.clone())), ..test_client() };
    let server = Arc::new(Server::default());
    let source = source_with(client, &server, Arc::new(MemoryStore::default()));
    let stop = Shutdown::new();
    let first = source.token(Duration::ZERO).await.expect("a token");
    source.invalidate(first.generation);
    let error = source.token(Duration::ZERO).await.expect_err("the same token still").to_string();
    assert!(error.contains("still gives the same one"), "{error}");
    keep_fresh(&source, &stop);
    tokio::time::sleep(Duration::from_secs(5)).await;
    write("second");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let token = source.watch().borrow().token.clone().expect("a token");
    assert_eq!((token.access_token.expose(), token.generation), ("second", 2));
    stop.request();
    assert_eq!(requests(&server), 0);
}
