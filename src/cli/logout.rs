//! `ffauth logout`.

use std::io::Write;

use crate::config::Config;
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::job::{Session, explain};
use crate::oauth::client::Grant;
use crate::oauth::revoke::Fate;

use super::args::LogoutArgs;
use super::exit;

/// Revokes the tokens at the server and forgets them here, and says which.
///
/// # Errors
/// The profile cannot be used; the store is busy or cannot be written.
pub fn run(args: &LogoutArgs, config: Config, env: &Env, out: &mut dyn Write) -> anyhow::Result<i32> {
    let name = &args.name;
    let profile = config.profile(name)?;
    if profile.client.grant == Grant::External {
        let message =
            format!("profile {name}: its tokens are kept by whoever writes access_token; there is nothing to forget here");
        return Err(Error::new(Kind::Config, message).into());
    }
    let runtime = super::runtime()?;
    let client = profile.client.clone();
    let session = Session::on(config, env.clone(), runtime.handle().clone());
    let source = session.source(name)?;
    let signed_out = runtime.block_on(source.sign_out());
    let signed_out = signed_out.map_err(|error| explain(&client, error).context(format!("profile {name}")))?;
    if !signed_out.was_known {
        writeln!(out, "profile {name}: there was no token in {}", source.place())?;
        return Ok(exit::DONE);
    }
    let mut code = exit::DONE;
    for (kind, fate) in &signed_out.fates {
        match fate {
            Fate::Revoked => writeln!(out, "profile {name}: the {kind} is revoked at the server")?,
            Fate::LivesOn => writeln!(out, "profile {name}: the server does not revoke an {kind}; it lives until it expires")?,
            Fate::Failed(error) => {
                code = exit::AUTHORIZATION_SERVER;
                writeln!(out, "profile {name}: the {kind} may still be valid at the server: {error}")?;
            }
        }
    }
    if signed_out.fates.is_empty() {
        writeln!(out, "profile {name}: the server has no revocation endpoint; the tokens live there until they expire")?;
    }
    writeln!(out, "profile {name}: forgotten here ({})", source.place())?;
    Ok(code)
}
