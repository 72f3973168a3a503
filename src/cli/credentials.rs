//! `ffauth credentials`.

use std::io::Write;

use serde_json::json;

use crate::config::Config;
use crate::env::Env;
use crate::job::Session;

use super::args::{CredentialsArgs, CredentialsCommand};
use super::exit;

/// Registers a client and shows its id and secret, this once.
///
/// # Errors
/// The profile cannot be used for that; the server refuses or cannot be reached.
pub fn run(
    args: &CredentialsArgs,
    config: Config,
    env: &Env,
    out: &mut dyn Write,
    messages: &mut dyn Write,
) -> anyhow::Result<i32> {
    let CredentialsCommand::Create { name, title, description } = &args.command;
    let runtime = super::runtime()?;
    let session = Session::on(config, env.clone(), runtime.handle().clone());
    let title = title.clone().unwrap_or_else(|| format!("ffauth {name}"));
    let registered = session.register(name, &title, description)?;
    let (id, secret) = (&registered.registration.client_id, registered.registration.client_secret.expose());
    let kept = registered.unsaved.is_none();
    if args.json {
        let shown = json!({ "client_id": id, "client_secret": secret, "store": kept.then_some(&registered.place) });
        writeln!(out, "{shown:#}")?;
    } else {
        writeln!(out, "client_id     = {}\nclient_secret = {}", json!(id), json!(secret))?;
    }
    if let Some(replaced) = &registered.replaced {
        writeln!(messages, "It takes the place of client {replaced}, which still exists at the vendor.")?;
    }
    match &registered.unsaved {
        None => {
            writeln!(messages, "Kept in {}; profile {name} works with it now. It is not shown again.", registered.place)?;
            Ok(exit::DONE)
        }
        Some(error) => {
            writeln!(messages, "error: the new client cannot be kept: {error}")?;
            writeln!(messages, "hint: put client_id and client_secret into profile {name}; they are not shown again")?;
            Ok(exit::code(error))
        }
    }
}
