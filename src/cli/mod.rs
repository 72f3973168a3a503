//! The edge: what the `ffauth` program prints, asks and returns.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod help;
mod log_file;
pub mod probe;
mod report;
mod run;
mod terminal;
mod trace;

use std::ffi::OsString;

use crate::env::Env;

/// Runs the program with these arguments (its name not included); the process's exit code.
pub fn run(args: Vec<OsString>) -> i32 {
    let args: Vec<String> = args.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let args = args.strip_prefix(&["run".to_owned()]).unwrap_or(&args);
    run::main_job(args, &Env::of_process())
}
