//! `ffauth profiles`.

use std::io::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::{self, Clock, SystemClock};
use crate::config::{Config, Profile};
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::job::Session;
use crate::oauth::client::Grant;
use crate::oauth::source::Source;
use crate::oauth::store::Entry;
use crate::secret::Secret;

use super::args::{ProfilesArgs, ProfilesCommand};
use super::exit;

/// Lists the profiles and the state of their tokens, or shows one in full.
///
/// # Errors
/// The profile that was asked for cannot be used; standard output cannot be written.
pub fn run(args: &ProfilesArgs, config: Config, env: &Env, out: &mut dyn Write) -> anyhow::Result<i32> {
    let runtime = super::runtime()?;
    let session = Session::on(config, env.clone(), runtime.handle().clone());
    if let Some(ProfilesCommand::Show { name }) = &args.show {
        let profile = session.config().profile(name)?;
        let token = match session.source(name) {
            Err(error) if error.kind() == Kind::LoginRequired => json!({ "state": "unregistered", "error": error.to_string() }),
            source => state(profile, &source?)?,
        };
        let shown = json!({ "profile": describe(profile), "token": token });
        if args.json {
            writeln!(out, "{shown:#}")?;
        } else {
            for part in ["profile", "token"] {
                for (key, value) in shown[part].as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    writeln!(out, "{:<22} {value}", format!("{}{key}", if part == "token" { "token." } else { "" }))?;
                }
            }
        }
        return Ok(exit::DONE);
    }
    let names: Vec<String> = session.config().names().map(str::to_owned).collect();
    let mut codes = Vec::new();
    let mut listed = Vec::new();
    for name in &names {
        let row = session.config().profile(name).and_then(|profile| Ok((profile, session.source(name)?)));
        let row = row.map_err(anyhow::Error::from).and_then(|(profile, source)| {
            let mut row = state(profile, &source)?;
            row["name"] = json!(name);
            row["grant"] = json!(profile.client.grant.name());
            Ok(row)
        });
        match row {
            Ok(row) => listed.push(row),
            Err(error) if error.downcast_ref::<Error>().is_some_and(|error| error.kind() == Kind::LoginRequired) => {
                listed.push(json!({ "name": name, "state": "unregistered", "error": format!("{error:#}") }));
            }
            Err(error) => {
                codes.push(error.downcast_ref::<Error>().map_or(exit::FAILED, exit::code));
                listed.push(json!({ "name": name, "state": "unusable", "error": format!("{error:#}") }));
            }
        }
    }
    if args.json {
        writeln!(out, "{:#}", json!({ "profiles": listed }))?;
        return Ok(exit::worst(codes));
    }
    if listed.is_empty() {
        writeln!(out, "no profiles; `ffauth providers` shows what one needs")?;
    } else {
        writeln!(out, "{:<16} {:<20} {:<10} {:<21} {:<12} STORE", "PROFILE", "GRANT", "STATE", "EXPIRES", "FINGERPRINT")?;
    }
    for row in &listed {
        let text = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
        match row["error"].as_str() {
            Some(error) => writeln!(out, "{:<16} {:<20} {:<10} {error}", text("name"), "-", text("state"))?,
            None => writeln!(
                out,
                "{:<16} {:<20} {:<10} {:<21} {:<12} {}",
                text("name"),
                text("grant"),
                text("state"),
                text("expires_at"),
                text("fingerprint"),
                text("store")
            )?,
        }
    }
    Ok(exit::worst(codes))
}

/// What the store knows of the profile's token.
fn state(profile: &Profile, source: &Source) -> anyhow::Result<Value> {
    if profile.client.grant == Grant::External {
        return Ok(json!({ "state": "external", "store": "none: access_token names the source" }));
    }
    let store = format!("{} ({})", profile.store.name(), source.place());
    let stored = source.stored();
    let entry = match stored {
        Ok(Some(entry)) => entry,
        Ok(None) => {
            let state = if profile.client.grant.is_interactive() { "signed out" } else { "none" };
            return Ok(json!({ "state": state, "store": store }));
        }
        Err(error) => return Ok(json!({ "state": "unknown", "store": format!("{store}: {error}") })),
    };
    let expires = entry.lifetime.and_then(|life| entry.asked.checked_add(life));
    let over = expires.is_some_and(|expires| expires <= SystemClock.now().wall);
    let state = match () {
        () if entry.rejected => "rejected",
        () if over => "expired",
        () => "valid",
    };
    Ok(json!({
        "state": state,
        "expires_at": expires.and_then(clock::rfc3339),
        "fingerprint": fingerprint(&entry),
        "scope": entry.scope,
        "refresh_token": entry.refresh_token.is_some(),
        "generation": entry.generation,
        "store": store,
    }))
}

/// Eight hexadecimal digits that tell two tokens apart and give neither away.
fn fingerprint(entry: &Entry) -> String {
    Sha256::digest(entry.access_token.expose()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn describe(profile: &Profile) -> Value {
    let client = &profile.client;
    let source = |source: &Option<crate::secret::SecretSource>| source.as_ref().map(shown);
    let url = |url: &Option<url::Url>| url.as_ref().map(|url| crate::redact::url(url.as_str()).into_owned());
    json!({
        "name": profile.name,
        "provider": profile.provider,
        "grant": client.grant.name(),
        "client_auth": client.client_auth.name(),
        "issuer": url(&client.issuer),
        "token_url": url(&client.token_url),
        "authorize_url": url(&client.authorize_url),
        "device_url": url(&client.sign_in.device_url),
        "revoke_url": url(&client.sign_in.revoke_url),
        "par_url": url(&client.sign_in.par_url),
        "redirect_uri": client.sign_in.redirect_uri,
        "client_id": client.client_id,
        "client_secret": source(&client.client_secret),
        "username": client.username,
        "password": source(&client.password),
        "refresh_token": source(&client.refresh_token),
        "access_token": source(&client.access_token),
        "private_key": source(&client.assertion.private_key),
        "key_id": client.assertion.key_id,
        "assertion": source(&client.assertion.given),
        "assertion_issuer": client.assertion.issuer,
        "assertion_subject": client.assertion.subject,
        "subject_token": source(&client.exchange.subject_token),
        "actor_token": source(&client.exchange.actor_token),
        "requested_token_type": client.exchange.requested_token_type,
        "tls": client.certificate.as_ref().map(|tls| format!("{} {}", tls.certificate.display(), tls.key.display())),
        "dpop": client.dpop.then_some(true),
        "scope": (!client.scope.is_empty()).then(|| client.scope.join(" ")),
        "audience": client.audience,
        "resource": (!client.resource.is_empty()).then(|| client.resource.join(" ")),
        "origins": (!profile.origins.is_empty()).then(|| profile.origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        "store": profile.store.name(),
        "ca_file": profile.ca_file.as_ref().map(|path| path.display().to_string()),
    })
}

/// Where a secret is, never what it is.
fn shown(source: &crate::secret::SecretSource) -> String {
    use crate::secret::SecretSource;
    match source {
        SecretSource::Plain(secret) => format!("{:?}", Secret::clone(secret)),
        SecretSource::Env(name) => format!("environment variable {name}"),
        SecretSource::File(path) => format!("file {}", path.display()),
        SecretSource::Command(words) => format!("command {}", words.first().map_or("", String::as_str)),
        SecretSource::Credential(name) => format!("systemd credential {name}"),
        SecretSource::Keyring(item) => format!("keyring item {item}"),
        SecretSource::Fd(number) => format!("file descriptor {number}"),
        SecretSource::Stdin => "standard input".to_owned(),
        SecretSource::Custom(custom) => custom.to_string(),
    }
}
