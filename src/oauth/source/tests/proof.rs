//! Tokens that are bound to a key, and tokens that are got for somebody.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::*;
use crate::oauth::client::TokenExchange;

/// A token endpoint that answers as it was told, in turn, and keeps what it was sent.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<Request>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), seen: Mutex::default() })
    }

    /// The claims of the proof in each request.
    fn proofs(&self) -> Vec<Value> {
        let seen = self.seen.lock().expect("no panic");
        let proof = |request: &Request| request.headers.iter().find(|(name, _)| name == "DPoP").map(|(_, value)| value.clone());
        let claims = seen.iter().filter_map(proof).map(|proof| part(&proof, 1));
        claims.collect()
    }

    /// The public key in the first proof.
    fn key(&self) -> Value {
        let seen = self.seen.lock().expect("no panic");
        let (_, proof) = seen[0].headers.iter().find(|(name, _)| name == "DPoP").expect("a proof");
        part(proof, 0)["jwk"].clone()
    }

    fn forms(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").iter().map(|request| request.body.clone().expect("a form").to_string()).collect()
    }
}

impl Transport for Script {
    fn send(&self, request: Request) -> Exchange<'_> {
        self.seen.lock().expect("no panic").push(request);
        let answer = self.answers.lock().expect("no panic").pop_front().expect("an answer is left");
        Box::pin(async move { Ok(answer) })
    }
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("a part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

fn answer(status: u16, nonce: Option<&str>, body: &str) -> Answer {
    Answer {
        status,
        content_type: Some("application/json".to_owned()),
        dpop_nonce: nonce.map(str::to_owned),
        body: Zeroizing::new(body.as_bytes().to_vec()),
        ..Answer::default()
    }
}

fn bound(token: &str, nonce: Option<&str>) -> Answer {
    let body =
        format!("{{\"access_token\":\"{token}\",\"token_type\":\"DPoP\",\"expires_in\":300,\"refresh_token\":\"for-{token}\"}}");
    answer(200, nonce, &body)
}

const WANTS_NONCE: &str = "{\"error\":\"use_dpop_nonce\"}";

fn source_at(client: Client, server: &Arc<Script>, store: &MemoryStore) -> Source {
    let (store, transport) = (Arc::new(store.clone()), Arc::clone(server));
    Source::new(client, store, transport, Arc::new(Paused::from_now()), Env::default(), Handle::current())
}

fn binding() -> Client {
    let (username, password) = (Some("u".to_owned()), Some(SecretSource::Plain("p".into())));
    Client { dpop: true, grant: Grant::Password, username, password, ..test_client() }
}

#[tokio::test(start_paused = true)]
async fn a_nonce_is_repeated_once_asked_for_and_with_every_proof_from_then_on() {
    let server = Script::new([answer(400, Some("n1"), WANTS_NONCE), bound("t1", Some("n2")), bound("t2", None)]);
    let source = source_at(binding(), &server, &MemoryStore::default());
    let token = source.token(Duration::ZERO).await.expect("a token");
    assert!(token.prover.is_some());
    source.invalidate(token.generation);
    source.token(Duration::ZERO).await.expect("another");
    let proofs = server.proofs();
    let nonces: Vec<&Value> = proofs.iter().map(|claims| &claims["nonce"]).collect();
    assert_eq!(nonces, [&Value::Null, &"n1".into(), &"n2".into()]);
    for claims in &proofs {
        assert_eq!((&claims["htm"], &claims["htu"]), (&"POST".into(), &"http://127.0.0.1:1/token".into()));
    }
    assert_eq!(server.forms()[2], "grant_type=refresh_token&refresh_token=for-t1");
    assert_eq!(source.counts(), Counts { refreshes: 2, ..Counts::default() });
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_never_content_with_a_nonce_is_asked_twice_and_no_more() {
    let server = Script::new([answer(400, Some("n1"), WANTS_NONCE), answer(400, Some("n2"), WANTS_NONCE)]);
    let error = source_at(binding(), &server, &MemoryStore::default()).token(Duration::ZERO).await.expect_err("refused");
    assert_eq!((error.oauth_code(), server.forms().len()), (Some("use_dpop_nonce"), 2));
    let server = Script::new([answer(400, None, WANTS_NONCE)]);
    assert!(source_at(binding(), &server, &MemoryStore::default()).token(Duration::ZERO).await.is_err());
}

/// A bound refresh token is of no use with another key.
#[tokio::test(start_paused = true)]
async fn the_key_outlives_the_process_with_the_tokens_that_are_bound_to_it() {
    let store = MemoryStore::default();
    let first = Script::new([bound("t1", None)]);
    source_at(binding(), &first, &store).token(Duration::ZERO).await.expect("a token");
    let second = Script::new([bound("t2", None)]);
    let source = source_at(binding(), &second, &store);
    let adopted = source.token(Duration::ZERO).await.expect("the stored token");
    assert_eq!(adopted.access_token.expose(), "t1");
    assert_eq!(adopted.prover.as_ref().expect("its key").thumbprint().len(), 43);
    source.invalidate(adopted.generation);
    source.token(Duration::ZERO).await.expect("a token");
    assert_eq!(second.forms(), ["grant_type=refresh_token&refresh_token=for-t1"]);
    assert_eq!(second.key(), first.key());
    let unbound = Script::new([answer(200, None, "{\"access_token\":\"b\",\"token_type\":\"Bearer\"}")]);
    let token =
        source_at(Client { dpop: false, ..binding() }, &unbound, &store).token(Duration::ZERO).await.expect("a token of its own");
    assert_eq!((token.access_token.expose(), token.prover.is_none()), ("b", true));
}

/// `FFAUTH_X_SUBJECT_TOKEN` of another user must not find the token of the one before.
#[tokio::test(start_paused = true)]
async fn a_token_that_was_got_for_somebody_is_given_to_nobody_else() {
    let store = MemoryStore::default();
    let of = |user: &str| Client {
        grant: Grant::TokenExchange,
        exchange: TokenExchange { subject_token: Some(SecretSource::Plain(user.into())), ..TokenExchange::default() },
        ..test_client()
    };
    let issued = |token: &str| {
        let body = format!(
            "{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":300,\"refresh_token\":\"r-{token}\"}}"
        );
        answer(200, None, &body)
    };
    for (user, token, is_asked) in [("ann", "for-ann", true), ("ann", "for-ann", false), ("bob", "for-bob", true)] {
        let server = Script::new([issued(token)]);
        let got = source_at(of(user), &server, &store).token(Duration::ZERO).await.expect("a token");
        assert_eq!((got.access_token.expose(), server.forms().len()), (token, usize::from(is_asked)));
        if let [form] = &server.forms()[..] {
            assert!(form.contains(&format!("subject_token={user}")), "no refresh token of somebody else: {form}");
        }
    }
}

/// A refresh token of another user that is configured in the place of the first one's; it may also be taken away.
#[tokio::test(start_paused = true)]
async fn a_refresh_token_of_another_user_does_not_find_the_tokens_of_the_one_before() {
    let store = MemoryStore::default();
    let of = |user: Option<&str>| Client {
        grant: Grant::RefreshToken,
        refresh_token: user.map(|user| SecretSource::Plain(user.into())),
        ..test_client()
    };
    let steps = [(Some("ann"), "ann"), (Some("ann"), ""), (None, ""), (Some("bob"), "bob"), (Some("bob"), ""), (None, "")];
    for (step, (user, sent)) in steps.into_iter().enumerate() {
        let body = format!(
            "{{\"access_token\":\"t{step}\",\"token_type\":\"Bearer\",\"expires_in\":300,\"refresh_token\":\"r{step}\"}}"
        );
        let server = Script::new([answer(200, None, &body)]);
        source_at(of(user), &server, &store).token(Duration::ZERO).await.expect("a token");
        let expected: Vec<String> = [sent]
            .into_iter()
            .filter(|sent| !sent.is_empty())
            .map(|sent| format!("grant_type=refresh_token&refresh_token={sent}"))
            .collect();
        assert_eq!(server.forms(), expected, "step {step}");
    }
}
