//! Tokens that a service holds itself: it is asked, no authorization server is.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{BoxError, contained};
use crate::secret::Secret;

use super::error::OauthError;
use super::token_endpoint::Granted;

/// A service that holds the tokens of one profile: it got them somewhere, and renews them.
///
/// It is asked when the first file with the profile is opened, ahead of each token's expiry, after a media server has refused
/// a token, and when [`Authenticator::renew`](crate::Authenticator::renew) says that there is another one; by one thread at a
/// time, which may block. A panic is an error of that call and harms nothing else.
pub trait Bearer: Send + Sync {
    /// The newest token.
    ///
    /// # Errors
    /// Why there is none now; it is asked again later. Must not hold the token.
    fn token(&self) -> Result<HeldToken, BoxError>;

    /// The media server refused this token; called before it is asked for another.
    fn refused(&self, token: &Secret) {
        let _ = token;
    }
}

/// A token that somebody else got.
#[derive(Clone, Debug)]
pub struct HeldToken {
    token: Secret,
    expires_in: Option<Duration>,
}

impl HeldToken {
    /// A token that lives until it is refused.
    pub fn new(token: impl Into<Secret>) -> Self {
        Self { token: token.into(), expires_in: None }
    }

    /// The same with what is left of its life, ahead of whose end the next one is asked for.
    #[must_use]
    pub fn expires_in(self, left: Duration) -> Self {
        Self { expires_in: Some(left), ..self }
    }
}

/// Whoever holds the tokens of a client.
#[derive(Clone)]
pub struct Holder(Arc<dyn Bearer>);

/// Two are the same if they are one.
impl PartialEq for Holder {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Holder {}

impl Holder {
    /// `bearer` holds them.
    pub fn new(bearer: impl Bearer + 'static) -> Self {
        Self(Arc::new(bearer))
    }

    /// Asks for the newest token; `refused` is one that it need not give again. Blocks.
    ///
    /// # Errors
    /// [`OauthError::Stale`]: there is none now.
    pub fn read(&self, refused: Option<&Secret>) -> Result<Granted, OauthError> {
        let asked = contained(|| {
            refused.into_iter().for_each(|token| self.0.refused(token));
            self.0.token()
        });
        let held = asked.map_err(|error| OauthError::Stale(format!("the service that holds the token gives none: {error}")))?;
        if held.token.expose().chars().any(char::is_control) || held.token.is_empty() {
            return Err(OauthError::Stale("the service that holds the token gives one that cannot be sent".to_owned()));
        }
        Ok(Granted {
            access_token: held.token,
            token_type: "Bearer".to_owned(),
            lifetime: held.expires_in,
            refresh_token: None,
            scope: None,
            tolerated: Vec::new(),
        })
    }
}

impl std::fmt::Debug for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Holder")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Gives these in turn, and takes down what was refused.
    struct Shelf(Mutex<Vec<&'static str>>, Mutex<Vec<String>>);

    impl Bearer for Arc<Shelf> {
        fn token(&self) -> Result<HeldToken, BoxError> {
            let token = self.0.lock().expect("no panic").pop().expect("a token on the shelf");
            Ok(HeldToken::new(token).expires_in(Duration::from_secs(9)))
        }

        fn refused(&self, token: &Secret) {
            self.1.lock().expect("no panic").push(token.expose().to_owned());
        }
    }

    #[test]
    fn the_service_is_told_what_was_refused_and_may_panic() {
        let shelf = Arc::new(Shelf(Mutex::new(vec!["bad\r\n", "two"]), Mutex::default()));
        let holder = Holder::new(Arc::clone(&shelf));
        let granted = holder.read(Some(&"one".into())).expect("a token");
        assert_eq!((granted.access_token.expose(), granted.lifetime), ("two", Some(Duration::from_secs(9))));
        assert_eq!(*shelf.1.lock().expect("no panic"), ["one"]);
        for part in ["cannot be sent", "a token on the shelf"] {
            let error = holder.read(None).expect_err(part);
            assert!(matches!(&error, OauthError::Stale(text) if text.contains(part)), "{error}");
        }
    }
}
