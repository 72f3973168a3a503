//! `ffauth token NAME`.

use std::io::Write;
use std::time::Duration;

use serde_json::json;
use zeroize::Zeroizing;

use crate::bearer::Placement;
use crate::clock::{self, Clock, Now, SystemClock};
use crate::config::Config;
use crate::env::Env;
use crate::job::{Session, explain};
use crate::oauth::token::Token;

use super::args::{Format, TokenArgs};
use super::exit;
use super::interrupt::unless_interrupted;

/// How long an interrupted token request may go on.
const SETTLING: Duration = Duration::from_secs(2);

/// Gets a token, from the store if a good one is there, and prints it.
///
/// # Errors
/// The profile cannot be used, or the authorization server gives no token.
pub fn run(args: &TokenArgs, config: Config, env: &Env, out: &mut dyn Write, warnings: &mut dyn Write) -> anyhow::Result<i32> {
    let format = if args.json { Format::Json } else { args.format };
    let wanted = args.min_valid.unwrap_or_default();
    let placement = config.profile(&args.name)?.placement.clone();
    let runtime = super::runtime()?;
    let session = Session::on(config, env.clone(), runtime.handle().clone());
    let source = session.source(&args.name)?;
    let token = unless_interrupted(&runtime, source.token(wanted));
    if token.is_err() {
        // A refresh token on its way must not be lost, nor must whoever pressed the keys wait for long.
        let _ = runtime.block_on(async { tokio::time::timeout(SETTLING, source.settled()).await });
    }
    runtime.shutdown_background();
    let token = token?.map_err(|error| explain(source.client(), error).context(format!("profile {}", args.name)))?;
    let now = SystemClock.now();
    if let Some(left) = token.remaining(&now).filter(|left| *left < wanted) {
        let (left, wanted) = (left.as_secs(), wanted.as_secs());
        writeln!(
            warnings,
            "warning: profile {}: the token lives {left} s more, less than the {wanted} s of --min-valid",
            args.name
        )?;
    }
    if token.prover.is_some() {
        let text =
            "the token is bound to a key (dpop = true): no request with it is taken without a proof, which only ffauth can make";
        writeln!(warnings, "warning: profile {}: {text}", args.name)?;
    }
    let text = render(&token, format, &placement, env, &now)?;
    writeln!(out, "{}", *text)?;
    Ok(exit::DONE)
}

fn render(token: &Token, format: Format, placement: &Placement, env: &Env, now: &Now) -> anyhow::Result<Zeroizing<String>> {
    let secret = token.access_token.expose();
    // Tokens that go into a URL are not in a header of their own there; other tools still need one.
    let (name, prefix) = placement.header(token.prover.is_some()).unwrap_or(("Authorization", "Bearer "));
    let text = match format {
        Format::Bare => secret.to_owned(),
        Format::Header => format!("{name}: {prefix}{secret}"),
        Format::Curl => format!("header = \"{}\"", escape_for_curl(&Zeroizing::new(format!("{name}: {prefix}{secret}")))),
        Format::Env => format!("FFAUTH_TOKEN={}", *quote_for_shell(secret)),
        Format::Json => return Ok(token.to_json(now)),
        Format::ExecCredential => {
            let mut status = json!({ "token": secret });
            if let Some(expires_at) = token.expires_at().and_then(clock::rfc3339) {
                status["expirationTimestamp"] = json!(expires_at);
            }
            serde_json::to_string(&json!({ "apiVersion": exec_version(env), "kind": "ExecCredential", "status": status }))?
        }
    };
    Ok(Zeroizing::new(text))
}

/// Inside double quotes curl's configuration knows `\\` and `\"`.
fn escape_for_curl(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// As it is when it is made of RFC 6750's `b64token` characters, else in single quotes.
fn quote_for_shell(text: &str) -> Zeroizing<String> {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-._+/=".contains(c));
    Zeroizing::new(if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) })
}

/// A plugin answers in the version in which kubectl asks, which it says in KUBERNETES_EXEC_INFO.
fn exec_version(env: &Env) -> String {
    let asked = env.get("KUBERNETES_EXEC_INFO").and_then(|info| serde_json::from_str::<serde_json::Value>(info).ok());
    let version = asked.as_ref().and_then(|info| info.get("apiVersion")?.as_str());
    version.unwrap_or("client.authentication.k8s.io/v1").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_only_where_a_shell_or_curl_needs_it() {
        assert_eq!(*quote_for_shell("a.b-c_d+/="), "a.b-c_d+/=");
        assert_eq!(*quote_for_shell("a'b c"), "'a'\\''b c'");
        assert_eq!(escape_for_curl("a\"b\\c"), "a\\\"b\\\\c");
    }

    #[test]
    fn kubectl_is_answered_in_its_own_version() {
        assert_eq!(exec_version(&Env::default()), "client.authentication.k8s.io/v1");
        let info = r#"{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential"}"#;
        assert_eq!(exec_version(&Env::from_pairs([("KUBERNETES_EXEC_INFO", info)])), "client.authentication.k8s.io/v1beta1");
    }
}
