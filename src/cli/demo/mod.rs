//! `ffauth demo`: the main job against servers of its own, and the same without new tokens beside it.
//!
//! ```text
//! media ─ encoders ─▶ programme ─ live ─▶ server 127.0.0.1 ◀── job "demo"    new tokens ──▶ demo.mp4   ─┐
//!           └ packets, as they were made      │ issuer ◀────── job "frozen"  first token ─▶ frozen.mp4 ─┤
//!                       └──────────────────── │ ──────────────────────────────── compared ──────────────┴─▶ table
//!                                             └ tokens and answers, as the server saw them ───────────────▶
//! ```
//!
//! The jobs go through the public interface from a command line on, and the oracle is the far end: what the server saw and
//! what stands in the files. The user's configuration and token store are not touched.

mod issuer;
mod live;
mod media;
mod packets;
mod server;
mod table;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::command_line::{self, Parsed};
use crate::config::Config;
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::job::{LinkedOptions, Report, Session};
use crate::libav::log::{self, level};
use crate::pipeline::plan::Plan;
use crate::pipeline::{Control, Observer, Progress};
use crate::secret::Secret;

use super::args::ConfigArgs;
use super::exit;
use super::terminal::Signals;
use issuer::{Client, Seen};
use live::Broadcast;
use media::Programme;
use packets::Packets;
use server::Server;
use table::{Findings, Ingest};

/// `ffauth demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Prints JSON
    #[arg(long)]
    pub json: bool,
    /// Keeps both recordings, demo.mp4 and frozen.mp4, in DIR
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Taken as by every subcommand, and not read: the demo has a configuration of its own.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Of the programme.
const SECONDS: u32 = 20;
const TOKEN_LIFE: Duration = Duration::from_secs(3);

/// Runs both ingests and writes what they show to `out`; the process's exit code.
///
/// # Errors
/// The demo cannot be set up: no place for its files, no port, no encoder.
pub fn run(args: &DemoArgs, out: &mut dyn Write) -> anyhow::Result<i32> {
    // What the frozen run makes libav say belongs into the table, in one sentence.
    log::set_sink(Box::new(|_, _| {}));
    log::set_level(level::QUIET);
    let control = Control::default();
    let signals = Signals::watch(&control)?;
    let began = SystemClock.now();

    let folder = tempfile::Builder::new().prefix("ffauth-demo-").tempdir()?;
    let outputs = Outputs::new(args.keep.as_deref(), folder.path())?;
    let programme = Programme::make(SECONDS, folder.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let broadcast = Broadcast::new(programme.segments);
    let lasts = broadcast.duration();
    let server = Server::start(broadcast, TOKEN_LIFE, Arc::new(SystemClock), runtime.handle())?;

    let url = server.url("/live.m3u8");
    let refreshed = Command::new(&["-auth", "demo"], &url, &outputs.refreshed);
    // No new token will ever come, so that there is none to wait for.
    let frozen = Command::new(&["-auth", "frozen", "-auth_wait", "0"], &url, &outputs.frozen);
    if !args.json {
        let life = TOKEN_LIFE.as_secs();
        writeln!(out, "A live HLS stream of {SECONDS} s behind OAuth, all of it on 127.0.0.1; a token lives {life} s.\n")?;
        writeln!(out, "    {}\n", refreshed.shown(folder.path()))?;
        out.flush()?;
    }
    let plans = [refreshed.plan()?, frozen.plan()?];
    let session = {
        let env = environment(&server, &server.hand_out(Client::Frozen)?);
        Session::on(Config::load(None, &env)?, env, runtime.handle().clone())
    };
    let watcher = Watcher { server: &server, lasts, shows: std::io::stderr().is_terminal() };
    let reports = run_both(&session, &plans, &control, &watcher);
    let seen = [server.seen(Client::Refreshed), server.seen(Client::Frozen)];
    drop(session);
    drop(server);
    runtime.shutdown_background();
    if signals.any() {
        return Ok(exit::INTERRUPTED);
    }

    let ingest = |command: &Command, report: &Report, seen: Seen, output: &str| {
        // A job that failed before it wrote a header leaves nothing that can be read.
        let packets = Packets::read(output).unwrap_or_default();
        Ingest {
            command: command.shown(folder.path()),
            seen,
            written: packets.count(),
            identical: packets.found(&programme.packets),
            difference: packets.difference(&programme.packets),
            error: report.error.as_ref().map(Error::to_string),
        }
    };
    let findings = Findings {
        refreshed: ingest(&refreshed, &reports[0], seen[0], &outputs.refreshed),
        frozen: ingest(&frozen, &reports[1], seen[1], &outputs.frozen),
        expected: programme.packets.count(),
        token_life: TOKEN_LIFE,
        took: SystemClock.now().since(&began),
    };
    match args.json {
        true => writeln!(out, "{}", findings.json())?,
        false => write!(out, "{}", findings.table())?,
    }
    Ok(if findings.objection().is_none() { exit::DONE } else { exit::FAILED })
}

/// Where the two jobs write: absolute paths, which libavformat takes for nothing else.
struct Outputs {
    refreshed: String,
    frozen: String,
}

impl Outputs {
    /// In `keep`, which is made if need be, else in `folder`.
    fn new(keep: Option<&Path>, folder: &Path) -> Result<Self, Error> {
        let place = keep.unwrap_or(folder);
        let failed = |error| Error::new(Kind::File, format!("{}: {error}", place.display()));
        std::fs::create_dir_all(place).map_err(failed)?;
        let place = std::path::absolute(place).map_err(failed)?;
        let output = |name: &str| {
            let path = place.join(name);
            if path.exists() {
                let error = Error::new(Kind::Usage, format!("{} exists already", path.display()));
                return Err(error.with_hint("name another folder with --keep, or remove the file"));
            }
            let text = path.to_str().ok_or_else(|| Error::new(Kind::Usage, format!("{} is not UTF-8", path.display())));
            text.map(str::to_owned)
        };
        Ok(Self { refreshed: output("demo.mp4")?, frozen: output("frozen.mp4")? })
    }
}

/// The words after `ffauth`, as a user would type them.
struct Command(Vec<String>);

impl Command {
    fn new(auth: &[&str], url: &str, output: &str) -> Self {
        let words = [auth, &["-i", url, "-c", "copy", output]].concat();
        Self(words.into_iter().map(str::to_owned).collect())
    }

    fn plan(&self) -> Result<Plan, Error> {
        match command_line::parse(&self.0, &LinkedOptions)? {
            Parsed::Run { plan, .. } => Ok(*plan),
            Parsed::Show(_) => Err(Error::new(Kind::Internal, "the demo's command line is none")),
        }
    }

    /// Without the name of the temporary folder, which nobody would type.
    fn shown(&self, temporary: &Path) -> String {
        format!("ffauth {}", self.0.join(" ")).replace(&format!("{}/", temporary.display()), "")
    }
}

/// A user's whole configuration: two profiles in variables.
fn environment(server: &Server, frozen: &Secret) -> Env {
    let token_url = server.url("/token");
    Env::from_pairs([
        ("FFAUTH_DEMO_TOKEN_URL", token_url.as_str()),
        ("FFAUTH_DEMO_CLIENT_ID", server::CLIENT_ID),
        ("FFAUTH_DEMO_CLIENT_SECRET", server.client_secret().expose()),
        ("FFAUTH_DEMO_STORE", "memory"),
        ("FFAUTH_FROZEN_ACCESS_TOKEN", frozen.expose()),
        ("FFAUTH_FROZEN_STORE", "memory"),
    ])
}

/// Runs both jobs at the same time. The frozen one ends with the other at the latest, as it may wait for a token that never comes.
fn run_both(session: &Session, plans: &[Plan; 2], control: &Control, watcher: &Watcher<'_>) -> [Report; 2] {
    let frozen_control = Control { stop: control.stop.child(), ..control.clone() };
    std::thread::scope(|scope| {
        let frozen = scope.spawn(|| session.run(&plans[1], &frozen_control, &Silent));
        let refreshed = session.run(&plans[0], control, watcher);
        frozen_control.stop.request();
        let frozen = frozen.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        [refreshed, frozen]
    })
}

/// Nobody watches, nothing is asked.
struct Silent;

impl Observer for Silent {
    fn confirm_overwrite(&self, _: &str) -> bool {
        false
    }

    fn progress(&self, _: &Progress, _: bool) {}
}

/// Shows on a terminal how far the broadcast is.
struct Watcher<'a> {
    server: &'a Server,
    lasts: Duration,
    shows: bool,
}

impl Observer for Watcher<'_> {
    fn confirm_overwrite(&self, _: &str) -> bool {
        false
    }

    fn progress(&self, _: &Progress, last: bool) {
        if !self.shows {
            return;
        }
        if last {
            eprint!("\r\x1b[K");
        } else {
            let elapsed = self.server.elapsed().unwrap_or_default().min(self.lasts).as_secs();
            let Seen { tokens, http_401, .. } = self.server.seen(Client::Refreshed);
            eprint!("\r{elapsed} of {} s on air, {tokens} tokens used, {http_401} answers of 401 ", self.lasts.as_secs());
        }
    }
}
