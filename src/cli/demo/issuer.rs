//! The demo's authorization server without its HTTP: which tokens there are, whose, and until when; and what they were used for.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Now;
use crate::secret::Secret;

/// One of the two ingests that run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The one that asks for new tokens.
    Refreshed,
    /// The one that keeps its first.
    Frozen,
}

struct Token {
    value: Secret,
    client: Client,
    issued: Now,
}

/// A media request, in the log.
struct Request {
    client: Client,
    /// Number of the token, if it was accepted.
    accepted: Option<usize>,
}

/// Why a media request is refused (RFC 6750 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It had no token at all.
    NoToken,
    /// Nobody ever issued that token.
    Unknown,
    /// The token has lived its life.
    Expired,
}

/// Tokens and the log of requests.
pub struct Issuer {
    life: Duration,
    tokens: Vec<Token>,
    requests: Vec<Request>,
}

/// What the media server saw of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Media requests.
    pub requests: usize,
    /// Those that were answered with 401.
    pub http_401: usize,
    /// Different tokens that were accepted.
    pub tokens: usize,
    /// Those of them that have expired by now.
    pub expired: usize,
}

impl Issuer {
    /// Tokens will live this long.
    pub fn new(life: Duration) -> Self {
        Self { life, tokens: Vec::new(), requests: Vec::new() }
    }

    /// How long tokens live.
    pub fn life(&self) -> Duration {
        self.life
    }

    /// A new token.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn issue(&mut self, client: Client, now: &Now) -> Result<Secret, getrandom::Error> {
        let value = random()?;
        self.tokens.push(Token { value: value.clone(), client, issued: *now });
        Ok(value)
    }

    /// Judges a media request that carried `token`, and notes it. The client is told along with the verdict; what cannot be told
    /// from a token counts against the one that must never be refused.
    pub fn judge(&mut self, token: Option<&Secret>, now: &Now) -> (Client, Result<(), Refusal>) {
        let known = token.and_then(|given| self.tokens.iter().position(|token| token.value == *given));
        let verdict = match known.map(|number| (number, &self.tokens[number])) {
            Some((number, token)) if now.since(&token.issued) < self.life => Ok(number),
            Some(_) => Err(Refusal::Expired),
            None if token.is_some() => Err(Refusal::Unknown),
            None => Err(Refusal::NoToken),
        };
        let client = known.map_or(Client::Refreshed, |number| self.tokens[number].client);
        self.requests.push(Request { client, accepted: verdict.ok() });
        (client, verdict.map(drop))
    }

    /// What has been seen of `client`.
    pub fn seen(&self, client: Client, now: &Now) -> Seen {
        let requests = || self.requests.iter().filter(|request| request.client == client);
        let accepted: BTreeSet<usize> = requests().filter_map(|request| request.accepted).collect();
        let expired = accepted.iter().filter(|number| now.since(&self.tokens[**number].issued) >= self.life);
        Seen {
            requests: requests().count(),
            http_401: requests().filter(|request| request.accepted.is_none()).count(),
            tokens: accepted.len(),
            expired: expired.count(),
        }
    }
}

/// 192 random bits in hexadecimal digits.
///
/// # Errors
/// The operating system gives none.
pub fn random() -> Result<Secret, getrandom::Error> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes)?;
    Ok(Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn at(seconds: u64) -> Now {
        let boot = Duration::from_secs(seconds);
        Now { boot, wall: SystemTime::UNIX_EPOCH + boot }
    }

    #[test]
    fn a_token_is_good_for_its_life_and_not_longer() {
        let mut issuer = Issuer::new(Duration::from_secs(3));
        let token = issuer.issue(Client::Frozen, &at(10)).expect("random numbers");
        assert_eq!(issuer.judge(Some(&token), &at(10)), (Client::Frozen, Ok(())));
        assert_eq!(issuer.judge(Some(&token), &at(12)), (Client::Frozen, Ok(())));
        assert_eq!(issuer.judge(Some(&token), &at(13)), (Client::Frozen, Err(Refusal::Expired)));
        assert_eq!(issuer.judge(Some(&"guessed".into()), &at(12)), (Client::Refreshed, Err(Refusal::Unknown)));
        assert_eq!(issuer.judge(None, &at(12)), (Client::Refreshed, Err(Refusal::NoToken)));
    }

    #[test]
    fn each_clients_requests_are_counted_apart() {
        let mut issuer = Issuer::new(Duration::from_secs(3));
        let frozen = issuer.issue(Client::Frozen, &at(0)).expect("random numbers");
        let first = issuer.issue(Client::Refreshed, &at(0)).expect("random numbers");
        for (token, time, accepted) in [(&frozen, 1, true), (&first, 1, true), (&first, 2, true)] {
            assert_eq!(issuer.judge(Some(token), &at(time)).1.is_ok(), accepted);
        }
        let second = issuer.issue(Client::Refreshed, &at(2)).expect("random numbers");
        issuer.issue(Client::Refreshed, &at(4)).expect("random numbers");
        for (token, time, accepted) in [(&second, 4, true), (&frozen, 4, false)] {
            assert_eq!(issuer.judge(Some(token), &at(time)).1.is_ok(), accepted);
        }
        assert_eq!(issuer.seen(Client::Frozen, &at(4)), Seen { requests: 2, http_401: 1, tokens: 1, expired: 1 });
        assert_eq!(issuer.seen(Client::Refreshed, &at(4)), Seen { requests: 3, http_401: 0, tokens: 2, expired: 1 });
    }
}
