//! Servers that are away or lie, and clocks that jump.

use super::*;

fn away(server: &Server, failures: usize, failure: &OauthError) {
    server.failures.lock().expect("no panic").extend(std::iter::repeat_n(failure.clone(), failures));
}

fn back(server: &Server) {
    server.failures.lock().expect("no panic").clear();
}

/// Seconds between the requests so far.
fn pauses(server: &Server) -> Vec<f64> {
    server.at.lock().expect("no panic").windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_for_the_second_half_of_a_life_is_not_noticed() {
    let server = Arc::new(Server { expires_in: 300, ..Server::default() });
    let source = source(&server);
    source.token(Duration::ZERO).await.expect("a token");
    let stop = Shutdown::new();
    keep_fresh(&source, &stop);
    tokio::time::sleep(Duration::from_secs(150)).await;
    away(&server, 1000, &down());
    for _ in 0..74 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        source.token(Duration::ZERO).await.expect("a token that is alive");
    }
    assert!(requests(&server) > 3, "it is asked again and again: {}", requests(&server));
    back(&server);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(source.token(Duration::ZERO).await.expect("a new token").generation, 2);
    stop.request();
}

#[tokio::test(start_paused = true)]
async fn down_past_expiry_is_an_error_until_it_is_back() {
    let server = Arc::new(Server { expires_in: 60, ..Server::default() });
    let source = source(&server);
    source.token(Duration::ZERO).await.expect("a token");
    let stop = Shutdown::new();
    keep_fresh(&source, &stop);
    away(&server, 1000, &down());
    tokio::time::sleep(Duration::from_secs(59)).await;
    source.token(Duration::ZERO).await.expect("alive for a second more");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(source.token(Duration::ZERO).await.expect_err("expired").is_retryable());
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(pauses(&server).iter().skip(1).all(|pause| *pause <= 30.1), "{:?}", pauses(&server));
    back(&server);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(source.watch().borrow().failure.is_none());
    source.token(Duration::ZERO).await.expect("nobody had to ask for it");
    stop.request();
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_and_zero_is_no_invitation() {
    for (asked, least) in [(17, 17.0), (0, 0.0)] {
        let server = Arc::new(Server { expires_in: 60, ..Server::default() });
        let busy = OauthError::Refused {
            endpoint: Endpoint::Token,
            url: String::new(),
            status: 503,
            code: "temporarily_unavailable".to_owned(),
            description: None,
            retry_after: Some(Duration::from_secs(asked)),
        };
        let source = source(&server);
        source.token(Duration::ZERO).await.expect("a token");
        away(&server, 1000, &busy);
        let stop = Shutdown::new();
        keep_fresh(&source, &stop);
        tokio::time::sleep(Duration::from_secs(300)).await;
        stop.request();
        let pauses = pauses(&server);
        assert!(pauses.iter().skip(1).all(|pause| *pause >= least), "{pauses:?}");
        assert!((8..=60).contains(&pauses.len()), "{pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_token_that_is_refused_while_the_server_is_down_is_replaced_when_it_is_back() {
    let server = Arc::new(Server { expires_in: 3600, ..Server::default() });
    let source = source(&server);
    let first = source.token(Duration::ZERO).await.expect("a token");
    let stop = Shutdown::new();
    keep_fresh(&source, &stop);
    away(&server, 1000, &down());
    source.invalidate(first.generation);
    tokio::time::sleep(Duration::from_secs(45)).await;
    assert!(source.token(Duration::ZERO).await.is_err(), "a refused token is not handed out");
    assert!(requests(&server) > 4, "{}", requests(&server));
    back(&server);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(source.token(Duration::ZERO).await.expect("a new one").generation, first.generation + 1);
    stop.request();
}

/// A server whose tokens die at 30 s and promise an hour: two refusals teach it, then nobody is refused for a long time.
#[tokio::test(start_paused = true)]
async fn an_expires_in_that_lies_is_learned() {
    let server = Arc::new(Server { expires_in: 3600, ..Server::default() });
    let source = source(&server);
    let stop = Shutdown::new();
    source.token(Duration::ZERO).await.expect("a token");
    keep_fresh(&source, &stop);
    let mut refusals = 0;
    // Somebody uses the token every 4 s for an hour.
    for _ in 0..900 {
        let token = source.token(Duration::ZERO).await.expect("a token");
        if token.age(&source.0.clock.now()) >= Duration::from_secs(30) {
            refusals += 1;
            source.invalidate(token.generation);
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    stop.request();
    assert!((2..=10).contains(&refusals), "{refusals}");
    assert!(requests(&server) <= 160, "{}", requests(&server));
}

#[tokio::test(start_paused = true)]
async fn after_a_suspend_the_token_is_renewed_with_no_one_asking() {
    let server = Arc::new(Server { expires_in: 300, ..Server::default() });
    let source = source(&server);
    source.token(Duration::ZERO).await.expect("a token");
    let stop = Shutdown::new();
    keep_fresh(&source, &stop);
    tokio::time::sleep(Duration::from_secs(20)).await;
    *server.asleep.lock().expect("no panic") += Duration::from_secs(3600);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!((requests(&server), source.watch().borrow().token.as_ref().map(|token| token.generation)), (2, Some(2)));
    stop.request();
}

/// Set forward, the wall clock decides; set back, the boot clock: the shorter life of the two.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_keeps_no_dead_token_and_causes_no_storm() {
    let server = Arc::new(Server { expires_in: 300, ..Server::default() });
    let source = source(&server);
    let stop = Shutdown::new();
    source.token(Duration::ZERO).await.expect("a token");
    keep_fresh(&source, &stop);
    *server.set_forward.lock().expect("no panic") = 86_400.0;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(requests(&server), 2);
    *server.set_forward.lock().expect("no panic") = -86_400.0;
    // The soft point is 225 to 240 s after the second request, which was sent within the 11 s.
    tokio::time::sleep(Duration::from_secs(210)).await;
    assert_eq!(requests(&server), 2);
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(requests(&server), 3);
    stop.request();
}
