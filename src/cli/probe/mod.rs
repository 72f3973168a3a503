//! `ffauth probe`: what ffprobe shows of a file that needs a token.

pub mod args;
mod writer;

use std::ffi::OsString;
use std::io::{self, Write};

use self::args::{Arguments, Request};
use self::writer::Writer;
use super::args::MediaArgs;
use super::exit;
use crate::config::Config;
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::job::probe::{Selection, Sink, unwritten};
use crate::job::{LinkedOptions, Session};
use crate::libav::describe::{Label, Section};
use crate::libav::io::Access;
use crate::libav::log::{self, level};
use crate::shutdown::Shutdown;

/// `ffauth probe` with these arguments; the exit code.
///
/// # Errors
/// The arguments or the configuration are wrong, or the file cannot be opened or read.
pub fn command(args: &MediaArgs, env: &Env) -> anyhow::Result<i32> {
    let mut words = words(&args.arguments)?;
    if args.json {
        words.insert(0, "--json".to_owned());
    }
    let Request::Probe(request) = args::parse(&words, &LinkedOptions)? else {
        print!("{}", args::HELP);
        return Ok(exit::DONE);
    };
    super::run::quiet_log(request.global.log_level.unwrap_or(level::INFO));
    if let Some(flags) = request.global.log_flags {
        log::set_flags(flags);
    }
    for warning in &request.warnings {
        log::write(level::WARNING, &format!("{}\n", warning.trim_end()));
    }
    super::trace::start(request.global.auth_log.unwrap_or(level::WARNING));
    let auth = &request.probe.input.auth;
    let url = &request.probe.input.url;
    let stop = Shutdown::new();
    let probed = if auth.profiles.is_empty() {
        let session = Session::default();
        run(&request, session.access(url, auth, &stop)?, stop, io::stdout().lock())
    } else {
        let file = args.config_file(&request.global);
        let config = Config::load(file.as_deref(), env)?;
        let runtime = super::runtime()?;
        let session = Session::on(config, env.clone(), runtime.handle().clone());
        let probed = session.access(url, auth, &stop).and_then(|access| run(&request, access, stop, io::stdout().lock()));
        drop(session);
        runtime.shutdown_background();
        probed
    };
    log::flush();
    match probed {
        Ok(()) => Ok(exit::DONE),
        // As ffprobe: what went wrong is 1, whatever it was.
        Err(error) => {
            super::run::tell(&error);
            Ok(exit::FAILED)
        }
    }
}

/// The arguments as text.
pub(super) fn words(arguments: &[OsString]) -> Result<Vec<String>, Error> {
    let text = |word: &OsString| {
        let word = word.to_str().map(str::to_owned);
        word.ok_or_else(|| Error::new(Kind::Usage, "an argument is not UTF-8 text"))
    };
    arguments.iter().map(text).collect()
}

/// Probes the file and writes what was asked for to `out`. Blocks; the document is complete even after an error, as ffprobe's.
///
/// # Errors
/// The file cannot be opened or read, or `out` fails.
pub fn run(request: &Arguments, access: Access, stop: Shutdown, out: impl Write) -> Result<(), Error> {
    let writer = Writer::new(out, request.style).map_err(unwritten)?;
    let mut sink = Selected { writer, selection: &request.probe.selection };
    let result = request.probe.run(access, stop, &mut sink);
    sink.writer.finish().map_err(unwritten)?;
    result
}

/// Writes the selected fields.
struct Selected<'a, W: Write> {
    writer: Writer<W>,
    selection: &'a Selection,
}

impl<W: Write> Sink for Selected<'_, W> {
    fn begin(&mut self, list: Label) -> io::Result<()> {
        self.writer.begin(list)
    }

    fn section(&mut self, section: &Section) -> io::Result<()> {
        self.writer.section(section, self.selection)
    }

    fn end(&mut self) -> io::Result<()> {
        self.writer.end()
    }
}
