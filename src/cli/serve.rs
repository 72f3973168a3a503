//! `ffauth serve`.

use std::io::Write;

use serde_json::json;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::Config;
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::libav::log;
use crate::libav::process::share_heaps;
use crate::serve::{Daemon, Signal, print, sign_in_link};

use super::args::{Print, ServeArgs};
use super::{exit, json_log, trace};

/// Runs the daemon to its end, or prints what belongs to it.
///
/// # Errors
/// It cannot start, or its socket fails.
pub fn run(args: &ServeArgs, env: &Env, out: &mut dyn Write) -> anyhow::Result<i32> {
    let load = || Config::load(args.config.config.as_deref(), env);
    let text = match args.print {
        None => return serve(args, load()?, env, out),
        Some(Print::Unit) => print::UNIT.to_owned(),
        Some(Print::Grafana) => print::GRAFANA.to_owned(),
        Some(Print::Alerts) => print::ALERTS.to_owned(),
        Some(Print::Config) => print::CONFIG.to_owned(),
        Some(Print::SignIn) => format!("{}\n", sign_in_link(&load()?, env, args.listen.as_ref())?),
    };
    out.write_all(text.as_bytes())?;
    Ok(exit::DONE)
}

fn serve(args: &ServeArgs, config: Config, env: &Env, out: &mut dyn Write) -> anyhow::Result<i32> {
    share_heaps();
    json_log::start(trace::limit(args.log));
    // libav's lines that belong to no stream.
    log::set_sink(Box::new(|level, text| log::trace(level, text.trim_end())));
    log::set_level(log::level::WARNING);
    let config = beside_its_file(config, env)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Kind::Internal, format!("the runtime cannot be started: {error}")))?;
    let ended = runtime.block_on(async {
        let (told, signals) = watch::channel(Signal::None);
        watch_signals(told)?;
        let handle = runtime.handle().clone();
        let (daemon, listener, address) = Daemon::start(config, env.clone(), args.listen.clone(), handle).await?;
        let ready = json!({ "listening": address, "token_file": daemon.token_file() });
        writeln!(out, "{ready}")
            .and_then(|()| out.flush())
            .map_err(|error| Error::new(Kind::File, format!("standard output: {error}")))?;
        tracing::info!(target: "ffauth::serve", address, "ready; `ffauth serve --print sign-in` prints a link to the dashboard");
        daemon.run(listener, signals, args.exit_when_idle).await
    });
    runtime.shutdown_background();
    Ok(if ended? { exit::FAILED } else { exit::DONE })
}

/// Relative paths of streams start at the configuration file, so that is where the daemon works.
fn beside_its_file(config: Config, env: &Env) -> Result<Config, Error> {
    let Some(file) = config.file() else { return Ok(config) };
    let failed = |error: std::io::Error| Error::new(Kind::Config, format!("{}: {error}", file.display()));
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    let folder = folder.canonicalize().map_err(failed)?;
    // Through its folder, not through the file, which may be a link that is changed to point elsewhere.
    let file = folder.join(file.file_name().unwrap_or_default());
    rustix::process::chdir(&folder).map_err(|error| failed(error.into()))?;
    Config::load(Some(&file), env)
}

/// SIGHUP reloads; the first SIGINT or SIGTERM ends the daemon well, the second one at once.
fn watch_signals(told: watch::Sender<Signal>) -> Result<(), Error> {
    let listen = |kind| signal(kind).map_err(|error| Error::new(Kind::Internal, format!("signals cannot be watched: {error}")));
    let (mut hangup, mut interrupt, mut terminate) =
        (listen(SignalKind::hangup())?, listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = hangup.recv() => drop(told.send(Signal::Reload)),
                _ = interrupt.recv() => end(&told),
                _ = terminate.recv() => end(&told),
            }
        }
    });
    Ok(())
}

fn end(told: &watch::Sender<Signal>) {
    if told.send_replace(Signal::End) == Signal::End {
        std::process::exit(exit::INTERRUPTED);
    }
}
