//! `ffauth check`: a set-up tested step by step.

use std::io::Write;

use serde_json::json;

use crate::config::Config;
use crate::env::Env;
use crate::job::LinkedOptions;
use crate::job::Session;
use crate::job::check::{Step, Verdict};
use crate::libav::log::level;
use crate::shutdown::Shutdown;

use super::args::MediaArgs;
use super::exit;
use super::probe::args::{HELP, Request, parse};

/// Walks the steps and prints each with its status, time and verdict.
///
/// # Errors
/// The arguments or the configuration are wrong; standard output cannot be written.
pub fn run(args: &MediaArgs, env: &Env, out: &mut dyn Write) -> anyhow::Result<i32> {
    let words = super::probe::words(&args.arguments)?;
    let Request::Probe(request) = parse(&words, &LinkedOptions)? else {
        write!(out, "{}", HELP.replace("probe", "check"))?;
        return Ok(exit::DONE);
    };
    super::run::quiet_log(request.global.log_level.unwrap_or(level::QUIET));
    super::trace::start(request.global.auth_log.unwrap_or(level::QUIET));
    let file = args.config_file(&request.global);
    let config = Config::load(file.as_deref(), env)?;
    let runtime = super::runtime()?;
    let session = Session::on(config, env.clone(), runtime.handle().clone());
    let steps = session.check(&request.probe, &Shutdown::new());
    if args.json {
        let steps: Vec<_> = steps.iter().map(Step::to_json).collect();
        writeln!(out, "{:#}", json!({ "steps": steps }))?;
    } else {
        for step in &steps {
            let mark = match step.verdict {
                Verdict::Good => "ok",
                Verdict::Bad(_) => "FAILED",
            };
            let status = step.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            let url = step.url.as_ref().map(|url| format!("{url}: ")).unwrap_or_default();
            let url = if step.text.contains(url.trim_end_matches(": ")) { String::new() } else { url };
            writeln!(out, "{mark:<7} {:<14} {status:>4} {:>7.3} s  {url}{}", step.name, step.seconds, step.text)?;
            if let Some(mend) = &step.mend {
                writeln!(out, "{:>8}{mend}", "-> ")?;
            }
        }
    }
    runtime.shutdown_background();
    Ok(exit::worst(steps.iter().map(|step| match step.verdict {
        Verdict::Good => exit::DONE,
        Verdict::Bad(kind) => exit::code_of(kind),
    })))
}
