//! What a source makes of its store: of what others left there, and of a place that fails.

use super::*;
use crate::oauth::store::{Locked, Registration};

/// A store that can be read and not written, like a full disk.
struct Full(MemoryStore);

struct FullLock(Box<dyn Locked>);

fn no_room() -> StoreError {
    StoreError::Unusable { place: "/full".to_owned(), reason: "no space left on device".to_owned() }
}

impl Store for Full {
    fn lock(&self, key: &Key, limit: Duration) -> Result<Box<dyn Locked>, StoreError> {
        Ok(Box::new(FullLock(self.0.lock(key, limit)?)))
    }

    fn peek(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.0.peek(key)
    }

    fn registration(&self, key: &Key) -> Result<Option<Registration>, StoreError> {
        self.0.registration(key)
    }

    fn register(&self, _: &Key, _: &Registration) -> Result<(), StoreError> {
        Err(no_room())
    }

    fn place(&self, key: &Key) -> String {
        self.0.place(key)
    }
}

impl Locked for FullLock {
    fn read(&mut self) -> Result<Option<Entry>, StoreError> {
        self.0.read()
    }

    fn write(&mut self, _: &Entry) -> Result<(), StoreError> {
        Err(no_room())
    }

    fn remove(&mut self) -> Result<(), StoreError> {
        Err(no_room())
    }
}

fn rotating(first: &str) -> Arc<Server> {
    Arc::new(Server { expires_in: 60, rotating: true, family: Mutex::new(Some(first.to_owned())), ..Server::default() })
}

fn fail_once(server: &Server, failure: OauthError) {
    server.failures.lock().expect("no panic").push_back(failure);
}

fn lost() -> OauthError {
    OauthError::Unreachable { endpoint: Endpoint::Token, url: String::new(), reason: "broke off".to_owned(), sent: true }
}

/// The entry of a client as somebody else would write it.
fn write(store: &dyn Store, client: &Client, change: impl FnOnce(&mut Entry)) {
    let mut lock = store.lock(&Key::of(client), Duration::ZERO).expect("the lock");
    let mut entry = lock.read().expect("readable").expect("an entry");
    entry.generation += 1;
    change(&mut entry);
    lock.write(&entry).expect("room");
}

#[tokio::test(start_paused = true)]
async fn rotation_goes_on_in_memory_where_nothing_can_be_stored() {
    let server = rotating("r0");
    let stored = MemoryStore::default();
    source_with(rotating_client(), &server, Arc::new(stored.clone())).token(Duration::ZERO).await.expect("a token");
    tokio::time::sleep(Duration::from_secs(58)).await;
    let source = source_with(rotating_client(), &server, Arc::new(Full(stored)));
    for _ in 0..20 {
        source.token(Duration::ZERO).await.expect("a token");
        tokio::time::sleep(Duration::from_secs(58)).await;
    }
    assert_eq!((server.reused.load(Ordering::SeqCst), requests(&server)), (0, 21));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_known_to_the_next_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = || Arc::new(FileStore::new(folder.path().join("tokens")));
    let server = rotating("r0");
    let first = source_with(rotating_client(), &server, store());
    let token = first.token(Duration::ZERO).await.expect("a token");
    fail_once(&server, lost());
    first.invalidate(token.generation);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(requests(&server), 2);
    // The next one lives on the stored token, then sends the refresh token once more: nothing is left to lose.
    let second = source_with(rotating_client(), &server, store());
    assert_eq!(second.token(Duration::ZERO).await.expect("the stored one").access_token.expose(), "t1");
    tokio::time::sleep(Duration::from_secs(55)).await;
    assert_eq!(second.token(Duration::ZERO).await.expect("alive still").access_token.expose(), "t1");
    assert_eq!(requests(&server), 2);
    tokio::time::sleep(Duration::from_secs(35)).await;
    assert_eq!(second.token(Duration::ZERO).await.expect("a new one").access_token.expose(), "t3");
    assert_eq!(server.reused.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_password_is_the_way_back_from_a_lost_answer() {
    let client = Client {
        grant: Grant::Password,
        username: Some("someone".to_owned()),
        password: Some(SecretSource::Plain("p".into())),
        ..test_client()
    };
    let server = rotating("none yet");
    *server.family.lock().expect("no panic") = None;
    let source = source_with(client, &server, Arc::new(MemoryStore::default()));
    let token = source.token(Duration::ZERO).await.expect("a token");
    fail_once(&server, lost());
    source.invalidate(token.generation);
    let token = source.token(Duration::ZERO).await.expect("by password");
    // Refresh token r1 went out once, in the request whose answer was lost.
    assert_eq!((token.access_token.expose(), requests(&server)), ("t3", 3));
    assert_eq!(server.reused.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_refresh_token_is_not_sent_while_a_later_one_is_in_doubt() {
    let server = rotating("r0");
    let source = source_with(rotating_client(), &server, Arc::new(MemoryStore::default()));
    let token = source.token(Duration::ZERO).await.expect("a token");
    for _ in 0..3 {
        fail_once(&server, lost());
    }
    source.invalidate(token.generation);
    tokio::time::sleep(Duration::from_secs(300)).await;
    while source.token(Duration::ZERO).await.is_err() {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(server.reused.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_refresh_token_is_never_sent_again_and_a_login_elsewhere_is_noticed() {
    let server = rotating("r0");
    let store = MemoryStore::default();
    let source = source_with(rotating_client(), &server, Arc::new(store.clone()));
    source.token(Duration::ZERO).await.expect("a token");
    *server.family.lock().expect("no panic") = Some("r9".to_owned());
    let stop = Shutdown::new();
    keep_fresh(&source, &stop);
    tokio::time::sleep(Duration::from_secs(600)).await;
    // The kept one, once. The configured one is its ancestor.
    assert_eq!(requests(&server), 2);
    assert!(source.token(Duration::ZERO).await.expect_err("refused").needs_login());
    let kept = store.peek(&Key::of(&rotating_client())).expect("readable").expect("never deleted");
    assert!(kept.rejected && kept.refresh_token.is_some());

    *server.family.lock().expect("no panic") = Some("r9".to_owned());
    write(&store, &rotating_client(), |entry| {
        entry.refresh_token = Some("r9".into());
        entry.rejected = false;
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    source.token(Duration::ZERO).await.expect("signed in again");
    stop.request();
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_is_new_in_the_configuration_is_the_way_back() {
    let server = rotating("r0");
    let store = Arc::new(MemoryStore::default());
    source_with(rotating_client(), &server, store.clone()).token(Duration::ZERO).await.expect("a token");
    *server.family.lock().expect("no panic") = Some("new".to_owned());
    tokio::time::sleep(Duration::from_secs(60)).await;
    *server.family.lock().expect("no panic") = None;
    assert!(source_with(rotating_client(), &server, store.clone()).token(Duration::ZERO).await.is_err());
    *server.family.lock().expect("no panic") = Some("new".to_owned());
    let client = Client { refresh_token: Some(SecretSource::Plain("new".into())), ..rotating_client() };
    let token = source_with(client, &server, store).token(Duration::ZERO).await.expect("a token");
    assert_eq!((token.access_token.expose(), requests(&server)), ("t3", 3));
}

#[tokio::test(start_paused = true)]
async fn the_token_that_another_process_got_is_adopted() {
    let server = Arc::new(Server { expires_in: 60, ..Server::default() });
    let store = MemoryStore::default();
    let (one, two) =
        (source_with(test_client(), &server, Arc::new(store.clone())), source_with(test_client(), &server, Arc::new(store)));
    let first = one.token(Duration::ZERO).await.expect("a token");
    assert_eq!(two.token(Duration::ZERO).await.expect("the same").access_token, first.access_token);
    for source in [&one, &two] {
        source.invalidate(first.generation);
        assert_eq!(source.token(Duration::ZERO).await.expect("a newer one").access_token.expose(), "t2");
    }
    assert_eq!(requests(&server), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_stored_token_is_used_while_the_server_is_down() {
    let server = Arc::new(Server { expires_in: 60, ..Server::default() });
    let store = MemoryStore::default();
    source_with(test_client(), &server, Arc::new(store.clone())).token(Duration::ZERO).await.expect("a token");
    tokio::time::sleep(Duration::from_secs(57)).await;
    server.failures.lock().expect("no panic").extend(std::iter::repeat_n(down(), 100));
    let source = source_with(test_client(), &server, Arc::new(store));
    assert_eq!(source.token(Duration::ZERO).await.expect("3 s are left").access_token.expose(), "t1");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(source.token(Duration::ZERO).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_token_from_the_future_is_not_trusted_to_be_alive() {
    let server = Arc::new(Server { expires_in: 60, ..Server::default() });
    let store = MemoryStore::default();
    source_with(test_client(), &server, Arc::new(store.clone())).token(Duration::ZERO).await.expect("a token");
    for (ahead, requests_so_far) in [(2, 1), (3600, 2)] {
        write(&store, &test_client(), |entry| entry.asked += Duration::from_secs(ahead));
        let source = source_with(test_client(), &server, Arc::new(store.clone()));
        source.token(Duration::ZERO).await.expect("a token");
        assert_eq!(requests(&server), requests_so_far, "{ahead} s ahead");
    }
}
