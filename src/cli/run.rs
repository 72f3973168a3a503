//! The main job: an ffmpeg command line with `-auth`.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Runtime;

use crate::command_line::{self, Parsed};
use crate::config::{Config, Profile};
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::job::{Exit, LinkedOptions, Report, Session, summary};
use crate::libav::avio;
use crate::libav::log::{self, level};
use crate::pipeline::plan::{Global, Overwrite, Plan};
use crate::pipeline::{Control, Observer, Progress};

use super::help;
use super::log_file::LogFile;
use super::process::{self, Benchmark};
use super::terminal::{Keys, Signals};

/// ffmpeg's exit codes.
mod code {
    pub const DONE: i32 = 0;
    pub const FAILED: i32 = 1;
    pub const ERROR_RATE: i32 = 69;
    pub const SIGNAL: i32 = 255;
}

/// Runs the command line `args` (the program's name not included); the process's exit code.
pub fn main_job(args: &[String], env: &Env) -> i32 {
    log_to_screen();
    log::set_flags(log::SKIP_REPEATED);
    let parsed = match command_line::parse(args, &LinkedOptions) {
        Ok(parsed) => parsed,
        Err(error) => {
            tell(&error);
            return code::FAILED;
        }
    };
    match parsed {
        Parsed::Show(what) => match help::show(&what) {
            Ok(()) => code::DONE,
            Err(error) => {
                tell(&error);
                code::FAILED
            }
        },
        Parsed::Run { plan, warnings } => {
            let finished = run(&plan, &warnings, args, env);
            log::flush();
            finished
        }
    }
}

/// How long a token request that is under way at the end of a job may take.
const SETTLING: std::time::Duration = std::time::Duration::from_secs(3);

fn run(plan: &Plan, warnings: &[String], args: &[String], env: &Env) -> i32 {
    let global = &plan.global;
    log::set_level(global.log_level.unwrap_or(level::INFO));
    if let Some(flags) = global.log_flags {
        log::set_flags(flags);
    }
    if let Err(error) = LogFile::start(global, env, args) {
        tell(&error);
        return code::FAILED;
    }
    if !global.hide_banner {
        log::write(level::INFO, &help::banner());
    }
    for warning in warnings {
        log::write(level::WARNING, &format!("{}\n", warning.trim_end()));
    }
    super::trace::start(global.auth_log.unwrap_or(level::WARNING));
    if let Err(error) = process::limit(global) {
        tell(&error);
        return code::FAILED;
    }
    let benchmark = global.benchmark.then(Benchmark::start);
    let control = Control::default();
    let signals = match Signals::watch(&control) {
        Ok(signals) => signals,
        Err(error) => {
            tell(&Error::new(Kind::Internal, format!("signals cannot be watched: {error}")));
            return code::FAILED;
        }
    };
    let mut report = match prepare(plan, env) {
        Ok((runtime, session)) => {
            let keys = reads_keys(plan, &session).then(|| Keys::watch(&control));
            let screen = match Screen::new(global) {
                Ok(screen) => screen,
                Err(error) => {
                    tell(&error);
                    return code::FAILED;
                }
            };
            let report = session.run(plan, &control, &screen);
            drop(keys);
            session.settle(SETTLING);
            drop(session);
            // What is still running there must not hold the exit up any longer.
            if let Some(runtime) = runtime {
                runtime.shutdown_background();
            }
            report
        }
        Err(error) => Report::failed(plan, error),
    };
    if report.exit == Exit::Signal && !signals.any() {
        // `q` is a wish to be done, not to be interrupted.
        report.exit = Exit::Eof;
    }
    if let Some(error) = &report.error {
        tell(error);
    }
    if let Some(benchmark) = benchmark {
        benchmark.report();
    }
    let summarized = global.summary.as_deref().map_or(Ok(()), |target| write_summary(&report, target));
    if let Err(error) = &summarized {
        tell(error);
    }
    if report.error_rate_exceeded {
        return code::ERROR_RATE;
    }
    if signals.any() {
        let text = "Exiting normally, received signal.\n";
        log::write(level::INFO, text);
        return code::SIGNAL;
    }
    match report.exit {
        Exit::Error => code::FAILED,
        Exit::Eof | Exit::Signal if summarized.is_err() => code::FAILED,
        Exit::Eof | Exit::Signal => code::DONE,
    }
}

/// The profiles, if the command line names any; a job without them needs no configuration and no runtime.
fn prepare(plan: &Plan, env: &Env) -> Result<(Option<Runtime>, Session), Error> {
    let auths = plan.inputs.iter().map(|input| &input.auth).chain(plan.outputs.iter().map(|output| &output.auth));
    if auths.into_iter().all(|auth| auth.profiles.is_empty()) {
        return Ok((None, Session::default()));
    }
    let config = Config::load(plan.global.auth_config.as_deref().map(Path::new), env)?;
    if reads_stdin(plan)
        && let Some(name) = secret_on_stdin(plan, &config)
    {
        let message = format!("profile {name}: standard input is an input of this job, so no secret can come from there");
        return Err(Error::new(Kind::Config, message).with_hint("use { fd = 3 } with `3< FILE`, or { file = … }, { env = … }"));
    }
    let runtime = super::runtime()?;
    let session = Session::on(config, env.clone(), runtime.handle().clone());
    Ok((Some(runtime), session))
}

/// `-summary`; `-` is standard output.
fn write_summary(report: &Report, target: &str) -> Result<(), Error> {
    if target != "-" {
        return summary::write(report, target);
    }
    let written = writeln!(std::io::stdout(), "{}", report.to_json());
    written.map_err(|error| Error::new(Kind::File, format!("-summary -: {error}")))
}

/// ffmpeg reads keys unless told not to, or unless standard input is media; or, here, a secret.
fn reads_keys(plan: &Plan, session: &Session) -> bool {
    plan.global.stdin && !reads_stdin(plan) && secret_on_stdin(plan, session.config()).is_none()
}

/// Is standard input media?
fn reads_stdin(plan: &Plan) -> bool {
    plan.inputs.iter().any(|input| matches!(input.url.as_str(), "-" | "pipe:" | "pipe:0" | "/dev/stdin"))
}

/// The profile in use that takes a secret from standard input.
fn secret_on_stdin<'p>(plan: &'p Plan, config: &Config) -> Option<&'p str> {
    let auths = plan.inputs.iter().map(|input| &input.auth).chain(plan.outputs.iter().map(|output| &output.auth));
    let names = auths.flat_map(|auth| &auth.profiles).map(String::as_str);
    names.into_iter().find(|name| config.profile(name).is_ok_and(Profile::reads_stdin))
}

/// Prints an error and, if there is one, what to do about it.
pub fn tell(error: &Error) {
    log::write(level::FATAL, &format!("error: {}\n", error.to_string().trim_end()));
    if let Some(hint) = error.hint() {
        log::write(level::FATAL, &format!("hint: {hint}\n"));
    }
}

/// What a running job shows and asks.
struct Screen {
    statistics: bool,
    overwrite: Overwrite,
    asks: bool,
    progress: Mutex<Option<avio::Writer>>,
}

impl Screen {
    fn new(global: &Global) -> Result<Self, Error> {
        let progress = match &global.progress {
            Some(url) => {
                let target = if url == "-" { "pipe:" } else { url };
                let opened = avio::Writer::open(target);
                Some(opened.map_err(|error| Error::new(Kind::File, format!("-progress {}: {error}", crate::redact::url(url))))?)
            }
            None => None,
        };
        Ok(Self {
            statistics: global.stats.unwrap_or_else(|| log::level() >= level::INFO),
            overwrite: global.overwrite,
            asks: global.stdin && std::io::stdin().is_terminal(),
            progress: Mutex::new(progress),
        })
    }
}

impl Observer for Screen {
    fn session_description(&self, text: &str) {
        // As for every line: nobody is left to tell.
        let _ = std::io::stdout().write_all(format!("SDP:\n{text}\n").as_bytes());
    }

    fn confirm_overwrite(&self, path: &str) -> bool {
        if self.overwrite != Overwrite::Ask || !self.asks {
            return self.overwrite == Overwrite::Always;
        }
        log::flush();
        let mut answer = String::new();
        let asked = write!(std::io::stderr(), "File '{path}' already exists. Overwrite? [y/N] ");
        asked.is_ok() && std::io::stdin().read_line(&mut answer).is_ok() && answer.trim_start().starts_with(['y', 'Y'])
    }

    fn progress(&self, progress: &Progress, last: bool) {
        if self.statistics {
            log::flush();
            // As for every line: nobody is left to tell.
            let _ = std::io::stderr().write_all(progress.line(last).as_bytes());
        } else if last {
            // ffmpeg's -nostats is for what comes before.
            log::write(level::INFO, &progress.line(last));
        }
        let mut target = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = target.as_mut()
            && let Err(error) = writer.write(&progress.block(last))
        {
            log::write(level::ERROR, &format!("-progress: {error}\n"));
            *target = None;
        }
    }
}

/// For the subcommands that open media: the same lines at the same place as in the main job, up to the level `at`.
pub fn quiet_log(at: i32) {
    log_to_screen();
    log::set_level(at);
}

fn log_to_screen() {
    log::set_sink(Box::new(|_, text| {
        // Nobody is left to tell when standard error is gone.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }));
}
