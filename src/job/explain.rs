//! What a person reads when there is no token.

use crate::error::Error;
use crate::oauth::OauthError;
use crate::oauth::client::Client;

/// Why `client` has no token, with the command to run where somebody has to sign in.
pub fn explain(client: &Client, error: OauthError) -> Error {
    let needs_login = error.needs_login() && client.grant.is_interactive();
    let error = Error::from(error);
    if needs_login { error.with_hint(format!("run `ffauth login {}`", client.name)) } else { error }
}
