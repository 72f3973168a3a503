//! Tokens for code: handed out, renewed, held by the service itself, kept in its own store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ffauth::{
    Authenticator, Bearer, BoxError, Config, Env, Event, Exit, FileIndex, HeldToken, Kind, Profile, ProfileBuilder, Secret,
    SecretSource, Session, TokenStore,
};

use crate::support::media;
use crate::support::origin::{Origin, Site};
use crate::support::run::{Home, count, ffmpeg_read, packets};
use crate::support::service::{copy, env, wait_until};
use crate::support::sign_in::{Manners, SignInServer};
use crate::support::token_server::{Mood, SECRET, TokenServer, Tokens};

/// A runtime that is none of the session's.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(work)
}

fn authenticator(profile: ProfileBuilder) -> Authenticator {
    let profile = profile.build().expect("a profile");
    let name = profile.name().to_owned();
    Session::new(Config::new([profile]), Env::default()).authenticator(&name).expect("an authenticator")
}

fn profile(server: &TokenServer) -> ProfileBuilder {
    let profile = Profile::builder("p").set("token_url", server.url()).set("client_id", "app").set("store", "memory");
    profile.secret("client_secret", SecretSource::custom("vault", || Ok(SECRET.into())))
}

/// A service that gets its tokens somewhere.
#[derive(Default)]
struct Holder {
    tokens: Option<Arc<Tokens>>,
    lives: Option<Duration>,
    given: Mutex<Vec<String>>,
    refused: Mutex<Vec<String>>,
}

impl Holder {
    fn of(tokens: &Arc<Tokens>, lives: Option<Duration>) -> Arc<Self> {
        Arc::new(Self { tokens: Some(Arc::clone(tokens)), lives, ..Self::default() })
    }
}

struct Held(Arc<Holder>);

impl Bearer for Held {
    fn token(&self) -> Result<HeldToken, BoxError> {
        let token = self.0.tokens.as_ref().expect("a service that works").issue();
        self.0.given.lock().expect("no panic").push(token.clone());
        let token = HeldToken::new(token);
        Ok(match self.0.lives {
            Some(left) => token.expires_in(left),
            None => token,
        })
    }

    fn refused(&self, token: &Secret) {
        self.0.refused.lock().expect("no panic").push(token.expose().to_owned());
    }
}

#[test]
fn many_who_want_a_token_cost_one_request() {
    let tokens = Tokens::living(Duration::from_secs(600));
    let server = TokenServer::start(&tokens);
    let authenticator = authenticator(profile(&server));
    assert_eq!(authenticator.current(), None);
    let all = std::thread::scope(|scope| {
        let ask = |_| scope.spawn(|| block_on(authenticator.clone().token()).expect("a token"));
        let asking: Vec<_> = (0..20).map(ask).collect();
        asking.into_iter().map(|asking| asking.join().expect("no panic")).collect::<Vec<_>>()
    });
    assert!(all.iter().all(|token| *token == all[0]) && all[0].secret().expose() == tokens.all()[0], "{all:?}");
    assert_eq!((server.answered(), authenticator.requests().refreshes), (1, 1));
    assert!(!format!("{all:?}").contains(&tokens.all()[0]), "a token is not shown");
    let newer = block_on(async {
        authenticator.refused(&all[0]);
        authenticator.newer_than(&all[0]).await
    });
    authenticator.refused(&all[0]);
    assert_eq!((newer.secret().expose(), server.answered()), (tokens.all()[1].as_str(), 2), "refused once, renewed once");
    assert_eq!(authenticator.renew().now().secret().expose(), tokens.all()[2]);
}

/// Short for tests that have nothing else to wait for.
trait Now<T> {
    fn now(self) -> T;
}

impl<T, F: Future<Output = Result<T, ffauth::Error>>> Now<T> for F {
    fn now(self) -> T {
        block_on(self).expect("no failure")
    }
}

#[test]
fn failures_say_what_the_server_said() {
    let server = TokenServer::start(&Tokens::living(Duration::from_secs(600)));
    server.set(Mood::Unauthorized);
    let error = block_on(authenticator(profile(&server)).token()).expect_err("refused");
    assert_eq!(
        (error.kind(), error.http_status(), error.oauth_error()),
        (Kind::AuthorizationServer, Some(401), Some("invalid_client"))
    );
    assert!(!error.is_retryable() && error.to_string().starts_with("profile p: "), "{error}");
    server.set(Mood::Unavailable);
    let error = authenticator(profile(&server)).token_blocking().expect_err("not there");
    assert!(error.is_retryable() && error.http_status() == Some(503), "{error}");
    let sealed = profile(&server).secret("password", SecretSource::custom("safe", || panic!("jammed"))).set("username", "u");
    let error = authenticator(sealed.set("grant", "password")).token_blocking().expect_err("no password");
    assert!(error.kind() == Kind::Config && error.to_string().contains("safe: it has panicked: jammed"), "{error}");
}

/// What the service holds is renewed ahead of expiry: nothing is refused, and nothing is lost.
#[test]
fn a_service_that_holds_its_tokens_is_asked_in_time() {
    let (kind, life) = (&media::HLS_LIVE, Duration::from_secs(2));
    let tokens = Tokens::living(life);
    let origin = Origin::start(Site { tokens: Some(Arc::clone(&tokens)), ..kind.paced(Duration::from_secs(5)) });
    let holder = Holder::of(&tokens, Some(life));
    let profile = Profile::builder("held").bearer(Held(Arc::clone(&holder))).build().expect("a profile");
    let session = Session::new(Config::new([profile]), Env::default());
    let home = Home::new("");
    let file = home.path("out.framemd5");
    let report = copy(&origin, kind, "held", &file).run(&session).expect("a job");
    assert!(report.error.is_none(), "{:?}\n{}", report.error, origin.story());
    let expected = ffmpeg_read(&home, kind, kind.file().to_str().expect("a path"));
    assert_eq!(count(&packets(&file)), count(&expected));
    assert_eq!((origin.count(401), holder.refused.lock().expect("no panic").len()), (0, 0), "{}", origin.story());
    assert!(origin.accepted().len() >= 3 && report.inputs[0].io.token_swaps >= 2, "{}", origin.story());
    // The last one may have been given as the job ended.
    let given = holder.given.lock().expect("no panic").len() as u64;
    assert!((given - 1..=given).contains(&report.tokens["held"].refreshes), "{} of {given}", report.tokens["held"].refreshes);
}

/// Tokens of unknown life: pushed by the service, and one that is refused is told to it.
#[test]
fn a_service_may_push_a_token_and_hears_what_was_refused() {
    let kind = &media::HLS_LIVE;
    let tokens = Tokens::new("held", Duration::from_secs(600), None);
    let origin = Origin::start(Site { tokens: Some(Arc::clone(&tokens)), ..kind.paced(Duration::from_secs(600)) });
    let holder = Holder::of(&tokens, None);
    let profile = Profile::builder("held").bearer(Held(Arc::clone(&holder))).build().expect("a profile");
    let session = Session::new(Config::new([profile]), Env::default());
    let home = Home::new("");
    let running = copy(&origin, kind, "held", &home.path("out.framemd5")).start(&session).expect("a job");
    let mut events = running.events();
    wait_until("the first token is used", || origin.accepted().contains(&1));
    let pushed = session.authenticator("held").expect("an authenticator").renew().now();
    assert_eq!(pushed.generation(), 2);
    wait_until("the second is used", || origin.accepted().contains(&2));
    tokens.kill_all();
    wait_until("the third is used", || origin.accepted().contains(&3));
    running.stop();
    let report = running.wait_blocking();
    assert!(report.error.is_none() && report.exit == Exit::Signal, "{:?}", report.error);
    let given = holder.given.lock().expect("no panic").clone();
    assert_eq!((given.len(), &holder.refused.lock().expect("no panic")[..]), (3, &given[1..2]), "{}", origin.story());
    let seen: Vec<Event> = std::iter::from_fn(|| events.next_blocking()).collect();
    let count = |event| seen.iter().filter(|seen| **seen == event).count();
    assert_eq!(count(Event::TokenSwapped(FileIndex::Input(0))), 2, "{seen:?}");
    // Two requests may have been under way with the second one.
    assert!(matches!(count(Event::TokenRefused(FileIndex::Input(0))), 1 | 2), "{seen:?}");
}

#[test]
fn a_panic_in_the_service_fails_its_own_job_only() {
    let kind = &media::HLS;
    let tokens = Tokens::new("held", Duration::from_secs(600), None);
    let origin = Origin::start(Site { tokens: Some(Arc::clone(&tokens)), ..kind.site() });
    let good = Profile::builder("good").bearer(Held(Holder::of(&tokens, None))).build().expect("a profile");
    let bad = Profile::builder("bad").bearer(Held(Arc::default())).build().expect("a profile");
    let session = Session::new(Config::new([good, bad]), Env::default());
    let home = Home::new("");
    let start = |auth: &str| {
        let job = copy(&origin, kind, auth, &home.path(&format!("{auth}.framemd5")));
        job.start(&session).expect("a job")
    };
    let (good, bad) = (start("good"), start("bad"));
    bad.stop();
    assert!(good.wait_blocking().error.is_none(), "{}", origin.story());
    assert_eq!(
        bad.wait_blocking().error.as_ref().map(ffauth::Error::kind),
        Some(Kind::Stopped),
        "it waits for a token and can be stopped"
    );
    let error = session.authenticator("bad").expect("an authenticator").token_blocking().expect_err("it panics");
    assert!(error.to_string().contains("it has panicked: a service that works"), "{error}");
}

#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<BTreeMap<String, Secret>>>);

impl TokenStore for Shelf {
    fn load(&self, name: &str) -> Result<Option<Secret>, BoxError> {
        Ok(self.0.lock().expect("no panic").get(name).cloned())
    }

    fn save(&self, name: &str, record: &Secret) -> Result<(), BoxError> {
        self.0.lock().expect("no panic").insert(name.to_owned(), record.clone());
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), BoxError> {
        self.0.lock().expect("no panic").remove(name);
        Ok(())
    }
}

#[test]
fn tokens_are_kept_in_the_services_own_store() {
    let tokens = Tokens::living(Duration::from_secs(600));
    let server = TokenServer::start(&tokens);
    let shelf = Shelf::default();
    let first = authenticator(profile(&server).store(shelf.clone())).token_blocking().expect("a token");
    let again = authenticator(profile(&server).store(shelf.clone())).token_blocking().expect("the same token");
    assert_eq!((first, server.answered()), (again, 1));
    let kept = shelf.0.lock().expect("no panic");
    assert!(kept.len() == 1 && kept.keys().all(|name| name.starts_with("p-")), "{kept:?}");
}

#[test]
fn somebody_signs_in_on_another_device() {
    let server = SignInServer::start(Manners { has_device: true, ..Manners::default() });
    let home = Home::new(&server.profile(""));
    let session = Session::new(Config::load(None, &env(&home)).expect("a configuration"), env(&home));
    let authenticator = session.authenticator("p").expect("an authenticator");
    let error = block_on(authenticator.token()).expect_err("nobody has signed in");
    assert_eq!(error.kind(), Kind::LoginRequired, "{error}");
    let mut shown = Vec::new();
    let token = authenticator.sign_in_on_device(|prompt| shown.push(prompt.clone())).now();
    assert_eq!(shown.len(), 1);
    assert!(!shown[0].user_code.is_empty() && shown[0].url.starts_with("http"), "{shown:?}");
    assert_eq!(block_on(authenticator.token()).expect("a token"), token);
    block_on(authenticator.sign_out()).expect("signed out");
    assert_eq!(server.seen("/revoke").len(), 2);
    assert_eq!(block_on(authenticator.token()).expect_err("signed out").kind(), Kind::LoginRequired);
    server.set(|manners| manners.has_device = false);
    let error = block_on(authenticator.sign_in_on_device(|_| ())).expect_err("no such sign-in");
    assert!(error.to_string().contains("no device flow"), "{error}");
}
