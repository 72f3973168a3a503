//! Where a token endpoint departs from RFC 6749, as plain data.

use std::time::Duration;

use crate::secret::SecretSource;

/// Deviations of one authorization server. [`Dialect::default`] is the standard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The literal sent as `grant_type` instead of the standard one.
    pub grant_type: Option<String>,
    /// What stands between scopes; a space in RFC 6749 section 3.3.
    pub scope_separator: String,
    /// Parameters added to the token URL's query string.
    pub token_query: Vec<(String, String)>,
    /// Parameters added to the body of the token request.
    pub token_params: Vec<(String, String)>,
    /// Header fields added to the token request.
    pub token_headers: Vec<(String, SecretSource)>,
    /// The scope stands in the assertion of the grant `jwt_bearer`, not in the body (Google, DocuSign).
    pub assertion_scope: bool,
    /// Claims added to that assertion; one with an empty value is left out of it.
    pub assertion_claims: Vec<(String, String)>,
    /// The life of a token whose response names none.
    pub default_expires_in: Option<Duration>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            grant_type: None,
            scope_separator: " ".to_owned(),
            token_query: Vec::new(),
            token_params: Vec::new(),
            token_headers: Vec::new(),
            assertion_scope: false,
            assertion_claims: Vec::new(),
            default_expires_in: None,
        }
    }
}
