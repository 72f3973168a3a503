//! `ffauth relay`.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::config::Config;
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::job::Session;
use crate::relay::{Relay, Settings};
use crate::shutdown::Shutdown;

use super::args::RelayArgs;
use super::{exit, terminal};

/// How long token requests that are under way may go on after the request to stop.
const SETTLING: Duration = Duration::from_secs(2);

/// Relays until SIGINT or SIGTERM; a line of JSON says where as soon as it is ready.
///
/// # Errors
/// The configuration is wrong, an address cannot be listened at, or no profile works.
pub fn run(args: &RelayArgs, config: Config, env: &Env, out: &mut dyn Write) -> anyhow::Result<i32> {
    let stop = Shutdown::new();
    terminal::stop_on_signals(&stop)
        .map_err(|error| Error::new(Kind::Internal, format!("signals cannot be watched: {error}")))?;
    let configured = config.relay();
    let secret = configured.secret.as_ref().map(|secret| secret.read(env)).transpose();
    let settings = Settings {
        listen: if args.listen.is_empty() { configured.listen.clone() } else { args.listen.clone() },
        secret: secret.map_err(|error| Error::new(Kind::Config, format!("relay.secret: {error}")))?,
        token_endpoint: configured.token_endpoint,
    };
    // Each byte of media goes through it, and from one thread to another at a price. The players, perhaps the server too, run on
    // the same processors.
    let workers = std::thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).max(1));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Kind::Internal, format!("the runtime cannot be started: {error}")))?;
    let session = Arc::new(Session::on(config, env.clone(), runtime.handle().clone()));
    let relay = Relay::start(Arc::clone(&session), &args.profiles, settings)?;
    let listening = relay.listening();
    let mut ready = json!({ "listening": listening.first(), "relay": relay.urls() });
    if listening.len() > 1 {
        ready["listeners"] = json!(listening);
    }
    let tokens = relay.token_urls();
    if !tokens.is_empty() {
        ready["token"] = json!(tokens);
    }
    writeln!(out, "{ready}")?;
    out.flush()?;
    runtime.block_on(async {
        stop.requested().await;
        relay.stop().await;
    });
    session.settle(SETTLING);
    runtime.shutdown_background();
    Ok(exit::DONE)
}
