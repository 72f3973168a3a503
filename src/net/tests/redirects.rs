//! The way to the last URL.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use super::rig::{Rig, TestClock, private_ca};
use super::server::{Reply, Server};
use crate::bearer::Placement;
use crate::clock::{Clock, SystemClock};
use crate::net::{NetError, RedirectFault};
use crate::origin::Origin;

fn media() -> Reply {
    Reply::new(206).header("Content-Type", "video/mp2t").body("x")
}

#[test]
fn every_kind_of_redirect_is_followed_and_a_foreign_origin_gets_no_token_and_no_cookie() {
    for status in [301, 302, 303, 307, 308] {
        let foreign = Server::start(|_, _| media());
        let there = foreign.url("/signed.ts?sig=1");
        let own = Server::start(move |_, _| Reply::redirect(status, there.clone()));
        let rig = Rig::new(&[&own]);
        let mut request = rig.request("GET", own.url("/a.ts"));
        request.headers = ["Cookie", "Proxy-Authorization", "X-Mine"].map(|name| (name.to_owned(), "v".to_owned())).to_vec();
        let resolved = rig.media.resolve(&request, &rig.stop).expect("a way");

        assert_eq!(resolved.url, foreign.url("/signed.ts?sig=1"));
        assert_eq!((resolved.status, resolved.content_type.as_deref()), (206, Some("video/mp2t")));
        assert_eq!((resolved.hops[0].status, resolved.hops[0].profile.as_deref()), (status, Some("studio")));
        let (first, second) = (&own.log()[0], &foreign.log()[0]);
        assert_eq!((first.method.as_str(), first.header("range")), ("GET", Some("bytes=0-0")));
        assert_eq!((first.token(), first.header("cookie")), (Some("Bearer secret-1"), Some("v")));
        assert_eq!((second.token(), second.header("cookie"), second.header("proxy-authorization")), (None, None, None));
        assert_eq!((second.target.as_str(), second.header("x-mine")), ("/signed.ts?sig=1", Some("v")));
        assert_eq!(request.counters.get().requests, 2);
    }
}

#[test]
fn an_origin_in_scope_gets_the_token_again_after_a_hop_outside() {
    let last = Server::start(|_, _| media());
    let there = last.url("/b.ts");
    let outside = Server::start(move |_, _| Reply::redirect(302, there.clone()));
    let out = outside.url("/");
    let own = Server::start(move |_, _| Reply::redirect(302, out.clone()));
    let rig = Rig::new(&[&own, &last]);
    let request = rig.request("GET", own.url("/a.ts"));
    rig.media.resolve(&request, &rig.stop).expect("a way");
    assert_eq!(outside.log()[0].token(), None);
    assert_eq!(last.log()[0].token(), Some("Bearer secret-1"));
}

#[test]
fn a_nested_request_takes_the_users_cookie_to_the_files_own_origin_only() {
    let (own, other) = (Server::start(|_, _| media()), Server::start(|_, _| media()));
    let rig = Rig::new(&[&own, &other]);
    for (server, cookie) in [(&own, Some("c=1")), (&other, None)] {
        let mut request = rig.request("GET", server.url("/seg.ts"));
        request.headers = vec![("Cookie".to_owned(), "c=1".to_owned())];
        request.own_origin = Origin::parse(&own.url("/"));
        rig.media.resolve(&request, &rig.stop).expect("an answer");
        assert_eq!(server.log()[0].header("cookie"), cookie);
    }
}

#[test]
fn plain_http_behind_https_never_gets_the_token() {
    let plain = Server::start(|_, _| media());
    let (config, roots, _file) = private_ca();
    let there = plain.url("/b.ts");
    let secure = Server::tls(config, move |_, _| Reply::redirect(302, there.clone()));
    let rig = Rig::with(&[&secure, &plain], Placement::default(), roots);
    let request = rig.request("GET", secure.url("/a.ts"));
    let resolved = rig.media.resolve(&request, &rig.stop).expect("a way");
    assert!(resolved.downgraded);
    assert_eq!(secure.log()[0].token(), Some("Bearer secret-1"));
    assert_eq!(plain.log()[0].token(), None);
}

#[test]
fn circles_and_long_chains_end_with_an_error() {
    let circle = Server::start(|seen, _| Reply::redirect(302, if seen.target == "/a" { "/b" } else { "/a" }));
    let rig = Rig::new(&[&circle]);
    let error = rig.media.resolve(&rig.request("GET", circle.url("/a")), &rig.stop).expect_err("a circle");
    assert!(matches!(error, NetError::Redirect { fault: RedirectFault::Loop(_), .. }), "{error}");
    assert_eq!(circle.log().len(), 2);

    let chain = Server::start(|_, number| Reply::redirect(302, format!("/{number}")));
    let rig = Rig::new(&[&chain]);
    let error = rig.media.resolve(&rig.request("GET", chain.url("/a")), &rig.stop).expect_err("too long");
    assert!(matches!(error, NetError::Redirect { fault: RedirectFault::TooMany(8), .. }), "{error}");
    assert_eq!(chain.log().len(), 9);

    let mut none = rig.request("GET", chain.url("/c"));
    none.max_redirects = 0;
    assert!(rig.media.resolve(&none, &rig.stop).is_err());
}

#[test]
fn a_redirect_to_a_file_is_refused() {
    let server = Server::start(|_, _| Reply::redirect(302, "file:///etc/passwd"));
    let rig = Rig::new(&[&server]);
    let error = rig.media.resolve(&rig.request("GET", server.url("/a?token=secret-9")), &rig.stop).expect_err("refused");
    assert!(error.to_string().contains("`file`") && !error.to_string().contains("secret"), "{error}");
}

#[test]
fn a_401_on_the_way_is_answered_by_one_new_token() {
    let server = Server::start(|seen, _| match (seen.target.as_str(), seen.token()) {
        ("/a", _) => Reply::redirect(302, "/b"),
        (_, Some("Bearer secret-2")) => media(),
        _ => Reply::new(401),
    });
    let rig = Rig::new(&[&server]);
    let request = rig.request("GET", server.url("/a"));
    assert_eq!(rig.media.resolve(&request, &rig.stop).expect("a way").status, 206);
    let tokens: Vec<_> = server.log().iter().map(|seen| seen.token().map(str::to_owned)).collect();
    assert_eq!(tokens, ["Bearer secret-1", "Bearer secret-1", "Bearer secret-2"].map(|token| Some(token.to_owned())));
    assert_eq!(rig.rejected(), [1]);
    let counts = request.counters.get();
    assert_eq!((counts.requests, counts.http_401, counts.retries), (3, 1, 1));
}

/// It may have been got, and have died, before the first one was refused.
#[test]
fn a_refused_token_of_another_process_is_not_the_last() {
    let server = Server::start(|seen, _| if seen.token() == Some("Bearer secret-3") { media() } else { Reply::new(401) });
    let rig = Rig::new(&[&server]);
    rig.tokens.inherited.store(2, Ordering::SeqCst);
    assert_eq!(rig.media.resolve(&rig.request("GET", server.url("/a")), &rig.stop).expect("a way").status, 206);
    assert_eq!((server.log().len(), rig.rejected()), (3, vec![1, 2]));
}

/// Requests take as long as tokens live, on a machine that stands still, say. In the end one is faster.
#[test]
fn a_token_that_died_on_its_way_is_not_the_last() {
    const LIFE: Duration = Duration::from_secs(2);
    let clock: Arc<OnceLock<Arc<TestClock>>> = Arc::default();
    let clock_of = Arc::clone(&clock);
    let server = Server::start(move |seen, _| {
        if seen.token() == Some("Bearer secret-4") {
            return media();
        }
        *clock_of.get().expect("a clock").passed.lock().expect("no panic") += LIFE;
        Reply::new(401)
    });
    let rig = Rig::new(&[&server]);
    *rig.tokens.life.lock().expect("no panic") = Some(LIFE);
    clock.set(Arc::clone(&rig.clock)).unwrap_or_else(|_| unreachable!("it is set once"));
    assert_eq!(rig.media.resolve(&rig.request("GET", server.url("/a")), &rig.stop).expect("a way").status, 206);
    assert_eq!((server.log().len(), rig.rejected()), (4, vec![1, 2, 3]));
}

#[test]
fn a_second_401_is_the_answer() {
    let server = Server::start(|_, _| Reply::new(401));
    let rig = Rig::new(&[&server]);
    assert_eq!(rig.media.resolve(&rig.request("GET", server.url("/a")), &rig.stop).expect("an answer").status, 401);
    assert_eq!((server.log().len(), rig.rejected()), (2, vec![1]));
}

#[test]
fn a_redirect_is_asked_for_again_when_its_own_lifetime_is_over() {
    let server = Server::start(|seen, _| match seen.target.as_str() {
        "/permanent" => Reply::redirect(301, "/x"),
        "/minute" => Reply::redirect(302, "/x").header("Cache-Control", "max-age=60"),
        "/moment" => Reply::redirect(302, "/x"),
        _ => media(),
    });
    let rig = Rig::new(&[&server]);
    let asked = |path: &str| {
        let before = server.log().iter().filter(|seen| seen.target == path).count();
        rig.media.resolve(&rig.request("GET", server.url(path)), &rig.stop).expect("a way");
        server.log().iter().filter(|seen| seen.target == path).count() - before
    };
    assert_eq!(["/permanent", "/minute", "/moment"].map(asked), [1, 1, 1]);
    assert_eq!(["/permanent", "/minute", "/moment"].map(asked), [0, 0, 1]);
    *rig.clock.passed.lock().expect("no panic") = Duration::from_secs(61);
    assert_eq!(["/permanent", "/minute", "/moment"].map(asked), [0, 1, 1]);
    rig.media.forget(&server.url("/permanent"));
    assert_eq!(asked("/permanent"), 1);
}

#[test]
fn a_remembered_target_that_no_longer_serves_is_left_for_the_url_it_came_from() {
    for status in [401, 403, 404, 410] {
        let server = Server::start(move |seen, number| match seen.target.as_str() {
            "/a" => Reply::redirect(302, format!("/signed-{number}")).header("Cache-Control", "max-age=600"),
            "/signed-0" if number > 1 => Reply::new(status),
            _ => media(),
        });
        let rig = Rig::new(&[]);
        let mut request = rig.request("GET", server.url("/a"));
        request.bearers = crate::bearer::Bearers::default();
        let path = |url: &str| url.rsplit('/').next().map(str::to_owned);
        let resolved = rig.media.resolve(&request, &rig.stop).expect("a way");
        assert_eq!(path(&resolved.url).as_deref(), Some("signed-0"));
        let resolved = rig.media.resolve(&request, &rig.stop).expect("a way");
        assert_eq!((path(&resolved.url).as_deref(), resolved.status), (Some("signed-3"), 206));
    }
}

#[test]
fn hops_share_a_kept_connection() {
    let server = Server::start(|seen, _| if seen.target == "/a" { Reply::redirect(302, "/b") } else { media() });
    let rig = Rig::new(&[&server]);
    for _ in 0..3 {
        rig.media.resolve(&rig.request("GET", server.url("/a")), &rig.stop).expect("a way");
    }
    assert_eq!(server.log().len(), 6);
    // On a busy machine a connection may come back to the pool too late for the very next request.
    assert!(server.log().iter().all(|seen| seen.connection <= 1));
}

#[test]
fn the_first_token_is_waited_for() {
    let server = Server::start(|_, _| media());
    let rig = Rig::new(&[&server]);
    let empty = Rig::new(&[&server]);
    // A profile that has no token yet.
    let slot = Arc::new(crate::bearer::Slot::new());
    let mut bearer = empty.bearers.iter().next().expect("one").clone();
    bearer.slot = Arc::clone(&slot);
    bearer.renew = Arc::new(Late(Arc::clone(&slot)));
    let mut request = rig.request("GET", server.url("/a"));
    request.bearers = crate::bearer::Bearers::new([bearer]);
    request.wait = Duration::from_millis(50);
    let error = rig.media.resolve(&request, &rig.stop).expect_err("none came");
    assert!(matches!(error, NetError::Token { .. }) && error.to_string().contains("profile `studio`"), "{error}");
    assert!(server.log().is_empty());

    request.wait = Duration::from_secs(30);
    let (result, took) = rig.stopped_during(|| rig.media.resolve(&request, &rig.stop));
    assert!(matches!(result, Err(NetError::Stopped)) && took < Duration::from_millis(500), "{took:?}");

    let publisher = thread::spawn({
        let tokens = Arc::clone(&rig.tokens);
        move || {
            thread::sleep(Duration::from_millis(50));
            slot.publish(1, tokens.slot.latest().expect("a token").credential.clone());
        }
    });
    rig.media.resolve(&request, &crate::shutdown::Shutdown::new()).expect("an answer");
    publisher.join().expect("no panic");
    assert_eq!(server.log()[0].token(), Some("Bearer secret-1"));
}

/// Waits for somebody else to publish.
struct Late(Arc<crate::bearer::Slot>);

impl crate::bearer::Renew for Late {
    fn rejected(&self, _: u64) {}

    fn wait_newer(
        &self,
        generation: u64,
        limit: Duration,
        stop: &crate::shutdown::Shutdown,
    ) -> Result<(), crate::bearer::RenewError> {
        let start = SystemClock.now();
        while self.0.generation() <= generation {
            if stop.is_requested() {
                return Err(crate::bearer::RenewError::Stopped);
            }
            if SystemClock.now().since(&start) > limit {
                return Err(crate::bearer::RenewError::TimedOut(limit));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

#[test]
fn a_silent_server_is_left_within_half_a_second_of_the_request_to_stop() {
    let server = Server::start(|_, _| Reply::new(200).silent());
    let rig = Rig::new(&[&server]);
    let request = rig.request("GET", server.url("/a"));
    let (result, took) = rig.stopped_during(|| rig.media.resolve(&request, &rig.stop));
    assert!(matches!(result, Err(NetError::Stopped)), "{result:?}");
    assert!(took < Duration::from_millis(500), "{took:?}");
}
