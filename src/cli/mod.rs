//! The edge: what the `ffauth` program prints, asks and returns.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod browser;
mod check;
mod credentials;
mod demo;
mod exit;
mod help;
mod interrupt;
#[cfg(any(feature = "relay", feature = "serve"))]
mod json_log;
mod log_file;
mod login;
mod logout;
pub mod probe;
mod process;
mod profiles;
mod providers;
#[cfg(feature = "relay")]
mod relay;
mod run;
#[cfg(feature = "serve")]
mod serve;
mod shell;
mod terminal;
mod token;
mod trace;

use std::ffi::OsString;
use std::io::{stderr, stdout};

use crate::config::Config;
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::libav::log::level;

use args::{Command, ConfigArgs};

/// Runs the program with these arguments (its name not included); the process's exit code.
pub fn run(args: Vec<OsString>) -> i32 {
    let env = Env::of_process();
    match args.first() {
        Some(word) if word == "run" => main_job(args.into_iter().skip(1), &env),
        Some(word) if args::is_subcommand(word) => subcommand(args, &env),
        Some(word) if args.len() == 1 && word == "--help" => main_job(std::iter::once("-h".into()), &env),
        _ => main_job(args, &env),
    }
}

fn main_job(args: impl IntoIterator<Item = OsString>, env: &Env) -> i32 {
    let args: Result<Vec<String>, OsString> = args.into_iter().map(OsString::into_string).collect();
    match args {
        Ok(args) => run::main_job(&args, env),
        Err(argument) => {
            eprintln!("error: the argument {argument:?} is not UTF-8 text");
            exit::FAILED
        }
    }
}

fn subcommand(args: Vec<OsString>, env: &Env) -> i32 {
    let command = match args::parse(args) {
        Ok(command) => command,
        Err(error) => {
            // clap knows where its text goes; nobody is left to tell when that is gone.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE } else { exit::DONE };
        }
    };
    match dispatch(command, env) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            let own = error.downcast_ref::<Error>();
            if let Some(hint) = own.and_then(Error::hint) {
                eprintln!("hint: {hint}");
            }
            own.map_or(exit::FAILED, exit::code)
        }
    }
}

fn dispatch(command: Command, env: &Env) -> anyhow::Result<i32> {
    let load = |config: &ConfigArgs| Config::load(config.config.as_deref(), env);
    match command {
        Command::Login(args) => {
            trace::start(level::WARNING);
            login::run(&args, load(&args.config)?, env, &mut stdout(), &mut stderr())
        }
        Command::Logout(args) => {
            trace::start(level::WARNING);
            logout::run(&args, load(&args.config)?, env, &mut stdout())
        }
        Command::Token(args) => {
            trace::start(level::WARNING);
            token::run(&args, load(&args.config)?, env, &mut stdout(), &mut stderr())
        }
        Command::Credentials(args) => {
            trace::start(level::WARNING);
            credentials::run(&args, load(&args.config)?, env, &mut stdout(), &mut stderr())
        }
        Command::Profiles(args) => {
            trace::start(level::WARNING);
            profiles::run(&args, load(&args.config)?, env, &mut stdout())
        }
        Command::Providers(args) => providers::run(&args, &mut stdout()),
        Command::Probe(args) => probe::command(&args, env),
        Command::Check(args) => check::run(&args, env, &mut stdout()),
        #[cfg(feature = "relay")]
        Command::Relay(args) => {
            trace::start_as(trace::limit(args.log), args.json);
            relay::run(&args, load(&args.config)?, env, &mut stdout())
        }
        Command::Demo(args) => demo::run(&args, &mut stdout()),
        Command::Completions(args) => shell::completions(&args, &mut stdout()),
        Command::Man(args) => shell::man(&args, &mut stdout()),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args, env, &mut stdout()),
    }
}

/// The runtime behind tokens and uploads.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(|error| Error::new(Kind::Internal, format!("the runtime cannot be started: {error}")))
}
