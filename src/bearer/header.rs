//! Renders a credential into a request: header lines, a query parameter, or user-info.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;
use zeroize::Zeroizing;

use crate::clock::Now;
use crate::secret::Secret;

use super::Proof;

/// Where in a media request the token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// A header field: `name: prefix` + token. RFC 6750 section 2.1 is `Authorization: Bearer TOKEN`.
    Header {
        /// The field's name.
        name: String,
        /// What stands in front of the token, its space included.
        prefix: String,
    },
    /// A query parameter (RFC 6750 section 2.3) of this name.
    Query(String),
    /// The password of the URL's user-info, with this user name.
    UserInfo(String),
}

impl Default for Placement {
    fn default() -> Self {
        Self::Header { name: "Authorization".to_owned(), prefix: BEARER.to_owned() }
    }
}

impl Placement {
    /// The name of the header field that carries the token, if one does.
    pub fn header_name(&self) -> Option<&str> {
        self.header(false).map(|(name, _)| name)
    }

    /// Name and prefix of that field. A token that is `bound` to a key has an authentication scheme of its own.
    pub fn header(&self, bound: bool) -> Option<(&str, &str)> {
        match self {
            Self::Header { name, prefix } if bound && prefix == BEARER => Some((name, DPOP)),
            Self::Header { name, prefix } => Some((name, prefix)),
            Self::Query(_) | Self::UserInfo(_) => None,
        }
    }
}

/// The authentication scheme of RFC 6750 section 2.1.
const BEARER: &str = "Bearer ";
/// That of RFC 9449 section 7.1, for tokens that are bound to a key.
const DPOP: &str = "DPoP ";

/// A token and the header fields that go with it, checked once for what would break out of a header line.
#[derive(Clone)]
pub struct Credential {
    token: Secret,
    fields: Vec<(String, Secret)>,
    proof: Option<Arc<dyn Proof>>,
    inherited: bool,
    /// When it was asked for, and how long it lives from then on.
    life: Option<(Now, Duration)>,
}

/// Why a value cannot be put into a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A line break, NUL or other control character: sending it would inject header lines.
    #[error("{0} holds a control character (a line break, say); it was not sent")]
    ControlCharacter(String),
    /// The value is empty.
    #[error("{0} is empty")]
    Empty(String),
    /// libavformat's request buffer holds about 8 kB in all.
    #[error("{name} is {length} bytes long; libavformat sends at most {limit}")]
    TooLong {
        /// What was too long.
        name: String,
        /// Its length in bytes.
        length: usize,
        /// The most that can be sent.
        limit: usize,
    },
    /// Not a header field name (RFC 9110 section 5.1).
    #[error("`{0}` is not a header field name")]
    Name(String),
}

/// Header lines as libavformat's `headers` option takes them: each ends in CRLF (http.c repairs that only when it opens a
/// connection, and would send a request without its blank line otherwise).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderLines(Zeroizing<String>);

/// http.c's request buffer is 8 kB for the request line and all fields together.
const LONGEST_VALUE: usize = 6 * 1024;

/// A token that lives for less is dead before anybody can use it.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

impl Credential {
    /// A token with the profile's `media_headers`.
    ///
    /// # Errors
    /// [`HeaderError`] names the value that cannot be sent.
    pub fn new(token: Secret, fields: Vec<(String, Secret)>) -> Result<Self, HeaderError> {
        check("the access token", token.expose())?;
        for (name, value) in &fields {
            check_name(name)?;
            check(name, value.expose())?;
        }
        Ok(Self { token, fields, proof: None, inherited: false, life: None })
    }

    /// The same token, bound to a key.
    #[must_use]
    pub fn bound_by(self, proof: Arc<dyn Proof>) -> Self {
        Self { proof: Some(proof), ..self }
    }

    /// The same token, as somebody else got it: perhaps before the one in whose place it comes was refused.
    #[must_use]
    pub fn inherited(self) -> Self {
        Self { inherited: true, ..self }
    }

    /// The same token, which was asked for at that time and lives so long from then on.
    #[must_use]
    pub fn living(self, asked: Now, lifetime: Duration) -> Self {
        Self { life: Some((asked, lifetime)), ..self }
    }

    /// Does its refusal say nothing about the next one? Somebody else got it, or its life is over by now: on a machine that
    /// stood still, or slept, a request may come too late. What does not live for a second says nothing of the kind, or the
    /// next one would follow at once, and so on.
    pub fn is_doubtful(&self, now: &Now) -> bool {
        let is_over = |(asked, lifetime): &(Now, Duration)| *lifetime >= SHORTEST_LIFE && now.since(asked) >= *lifetime;
        self.inherited || self.life.as_ref().is_some_and(is_over)
    }

    /// The key that it is bound to: requests with the header lines of this credential alone will be refused.
    pub fn proof(&self) -> Option<&Arc<dyn Proof>> {
        self.proof.as_ref()
    }

    /// The token itself.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The header lines for a request to an origin in scope.
    pub fn header_lines(&self, placement: &Placement) -> HeaderLines {
        let mut lines = HeaderLines::default();
        if let Some((name, prefix)) = placement.header(self.proof.is_some()) {
            lines.push(name, &Zeroizing::new(format!("{prefix}{}", self.token.expose())));
        }
        for (name, value) in &self.fields {
            lines.push(name, value.expose());
        }
        lines
    }

    /// `url` with the token in it, for the placements that put it there; unchanged otherwise. A parameter or user-info that
    /// is there already is replaced.
    pub fn place_in_url(&self, placement: &Placement, url: &str) -> String {
        match placement {
            Placement::Header { .. } => url.to_owned(),
            Placement::Query(parameter) => with_query_parameter(url, parameter, self.token.expose()),
            Placement::UserInfo(user) => with_user_info(url, user, self.token.expose()),
        }
    }
}

/// The characters of RFC 3986 `unreserved`; everything else in a parameter is percent-encoded.
const PARAMETER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Sets `parameter` in the query of `url` and leaves every other byte of the URL as it is: signed URLs break otherwise.
fn with_query_parameter(url: &str, parameter: &str, value: &str) -> String {
    let (url, fragment) = url.split_once('#').map_or((url, None), |(url, fragment)| (url, Some(fragment)));
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let name = utf8_percent_encode(parameter, PARAMETER).to_string();
    let kept = query.split('&').filter(|pair| {
        let key = pair.split_once('=').map_or(*pair, |(key, _)| key);
        !key.is_empty() && key != name && key != parameter
    });
    let mut pairs: Vec<String> = kept.map(str::to_owned).collect();
    pairs.push(format!("{name}={}", utf8_percent_encode(value, PARAMETER)));
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{path}?{}{fragment}", pairs.join("&"))
}

/// Sets the user-info; a URL that cannot have one stays as it is.
fn with_user_info(url: &str, user: &str, password: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
    match parsed.set_username(user).and_then(|()| parsed.set_password(Some(password))) {
        Ok(()) => parsed.into(),
        Err(()) => url.to_owned(),
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Credential").field("fields", &names).field("bound", &self.proof.is_some()).finish_non_exhaustive()
    }
}

impl HeaderLines {
    /// Adds one field. The value must have been checked.
    fn push(&mut self, name: &str, value: &str) {
        self.0.push_str(name);
        self.0.push_str(": ");
        self.0.push_str(value);
        self.0.push_str("\r\n");
    }

    /// Adds the lines of a user's `-headers`, repaired as http.c does: with the final CRLF.
    pub fn push_lines(&mut self, lines: &str) {
        for line in lines.split(['\r', '\n']).filter(|line| !line.trim().is_empty()) {
            self.0.push_str(line);
            self.0.push_str("\r\n");
        }
    }

    /// The text for the `headers` option.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True if there is no line.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name and value of each line.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split("\r\n").filter_map(|line| line.split_once(':')).map(|(name, value)| (name.trim(), value.trim()))
    }
}

impl std::fmt::Debug for HeaderLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.fields().map(|(name, _)| name)).finish()
    }
}

fn check(name: &str, value: &str) -> Result<(), HeaderError> {
    if value.is_empty() {
        return Err(HeaderError::Empty(name.to_owned()));
    }
    if value.chars().any(char::is_control) {
        return Err(HeaderError::ControlCharacter(name.to_owned()));
    }
    if value.len() > LONGEST_VALUE {
        return Err(HeaderError::TooLong { name: name.to_owned(), length: value.len(), limit: LONGEST_VALUE });
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), HeaderError> {
    http::HeaderName::from_bytes(name.as_bytes()).map(drop).map_err(|_| HeaderError::Name(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn credential(token: &str) -> Credential {
        Credential::new(Secret::new(token), vec![("X-Policy".to_owned(), Secret::new("p"))]).expect("a clean token")
    }

    #[test]
    fn what_was_refused_after_its_life_or_came_from_elsewhere_proves_nothing() {
        let at = |seconds| Now { boot: Duration::from_secs(seconds), wall: SystemTime::UNIX_EPOCH };
        let token = || Credential::new(Secret::new("t"), Vec::new()).expect("clean");
        let living = |seconds| token().living(at(10), Duration::from_secs(seconds));
        assert!(!token().is_doubtful(&at(1_000_000)) && token().inherited().is_doubtful(&at(0)));
        assert!(!living(2).is_doubtful(&at(11)) && living(2).is_doubtful(&at(12)));
        assert!(!living(0).is_doubtful(&at(20)), "it never lived");
    }

    #[test]
    fn each_line_ends_in_crlf() {
        let lines = credential("T").header_lines(&Placement::default());
        assert_eq!(lines.expose(), "Authorization: Bearer T\r\nX-Policy: p\r\n");
        let bare = Placement::Header { name: "X-Api-Token".to_owned(), prefix: String::new() };
        assert_eq!(credential("T").header_lines(&bare).expose(), "X-Api-Token: T\r\nX-Policy: p\r\n");
        assert_eq!(credential("T").header_lines(&Placement::Query("t".to_owned())).expose(), "X-Policy: p\r\n");
        let mut lines = HeaderLines::default();
        lines.push_lines("A: 1\r\nB: 2\r\r\n\n");
        assert_eq!(lines.expose(), "A: 1\r\nB: 2\r\n");
    }

    #[test]
    fn a_bound_token_has_a_scheme_of_its_own() {
        struct Nobody;
        impl Proof for Nobody {
            fn prove(&self, _: &str, _: &Url, _: &Secret) -> Result<Secret, String> {
                Err("no key".to_owned())
            }
            fn learn(&self, _: &Url, _: &str) -> bool {
                false
            }
        }
        let bound = credential("T").bound_by(Arc::new(Nobody));
        assert_eq!(bound.header_lines(&Placement::default()).expose(), "Authorization: DPoP T\r\nX-Policy: p\r\n");
        let own = Placement::Header { name: "X-Api-Token".to_owned(), prefix: "T=".to_owned() };
        assert_eq!(bound.header_lines(&own).expose(), "X-Api-Token: T=T\r\nX-Policy: p\r\n");
    }

    #[test]
    fn header_injection_is_refused() {
        for token in ["a\r\nX: y", "a\nb", "a\0b", "a\rb", "", "a\x7fb"] {
            assert!(Credential::new(Secret::new(token), Vec::new()).is_err(), "{token:?}");
        }
        assert!(Credential::new(Secret::new("x".repeat(7000)), Vec::new()).is_err());
        assert!(Credential::new(Secret::new("t"), vec![("X:".to_owned(), Secret::new("v"))]).is_err());
        assert!(Credential::new(Secret::new("t"), vec![("X".to_owned(), Secret::new("v\r\n"))]).is_err());
    }

    #[test]
    fn a_query_parameter_is_replaced_and_the_rest_left_alone() {
        let place = |url: &str| credential("n/w").place_in_url(&Placement::Query("access_token".to_owned()), url);
        assert_eq!(place("http://h/p"), "http://h/p?access_token=n%2Fw");
        assert_eq!(place("http://h/p?a=%2f&access_token=old&b"), "http://h/p?a=%2f&b&access_token=n%2Fw");
        assert_eq!(place("http://h/p?a=1#f"), "http://h/p?a=1&access_token=n%2Fw#f");
    }

    #[test]
    fn user_info() {
        let placed = credential("T").place_in_url(&Placement::UserInfo("me".to_owned()), "rtsp://h/p");
        assert_eq!(placed, "rtsp://me:T@h/p");
    }

    #[test]
    fn nothing_prints_a_value() {
        let lines = credential("CANARY").header_lines(&Placement::default());
        assert!(!format!("{:?} {lines:?}", credential("CANARY")).contains("CANARY"));
    }
}
