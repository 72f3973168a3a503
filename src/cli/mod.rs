//! The edge: what the `ffauth` program prints, asks and returns.
#![allow(clippy::print_stdout, clippy::print_stderr)]

pub mod demo;
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
    if args.first().is_some_and(|word| word == "demo") {
        return demo(args);
    }
    let args: Vec<String> = args.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let args = args.strip_prefix(&["run".to_owned()]).unwrap_or(&args);
    run::main_job(args, &Env::of_process())
}

fn demo(args: Vec<OsString>) -> i32 {
    #[derive(clap::Parser)]
    #[command(name = "ffauth demo")]
    struct Args {
        #[command(flatten)]
        demo: demo::DemoArgs,
    }
    let args = match <Args as clap::Parser>::try_parse_from(args) {
        Ok(args) => args.demo,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { 2 } else { 0 };
        }
    };
    demo::run(&args, &mut std::io::stdout().lock()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        1
    })
}
