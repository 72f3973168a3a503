//! `-report` and FFREPORT: everything that is logged goes to a file too, masked as on the screen.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::clock::{Clock, SystemClock};
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::libav::log::{self, level};
use crate::pipeline::plan::Global;
use crate::redact;

/// The file of a report and the level that goes into it.
pub struct LogFile {
    path: String,
    level: i32,
}

impl LogFile {
    /// Begins a report if `-report` or FFREPORT asks for one.
    ///
    /// # Errors
    /// The file cannot be made, or FFREPORT holds what is no option of a report.
    pub fn start(global: &Global, env: &Env, args: &[String]) -> Result<(), Error> {
        let asked = env.get("FFREPORT");
        if !global.report && asked.is_none() {
            return Ok(());
        }
        let report = Self::of(asked.unwrap_or_default())?;
        let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&report.path);
        let file = opened.map_err(|error| Error::new(Kind::File, format!("report {}: {error}", report.path)))?;
        let screen = log::level();
        log::set_sink(sink(file, screen, report.level));
        // libav drops what is above its level before anybody can look at it.
        log::set_level(screen.max(report.level));
        let now = OffsetDateTime::from(SystemClock.now().wall);
        let time = now.format(format_description!("[year]-[month]-[day] at [hour]:[minute]:[second]")).unwrap_or_default();
        log::write(level::INFO, &format!("ffauth started on {time}\nReport written to \"{}\"\n", report.path));
        log::write(level::INFO, &format!("Log level: {}\n", report.level));
        log::write(level::DEBUG, &format!("Command line:\nffauth {}\n", redact::command_line(args)));
        Ok(())
    }

    /// FFREPORT: `file=NAME:level=NUMBER`; `%p` in the name is the program, `%t` the time, `%%` a percent sign.
    fn of(options: &str) -> Result<Self, Error> {
        let mut report = Self { path: expand("%p-%t.log"), level: level::DEBUG };
        for option in options.split(':').filter(|option| option.contains('=')) {
            match option.split_once('=') {
                Some(("file", name)) => report.path = expand(name),
                Some(("level", number)) => {
                    report.level =
                        number.parse().map_err(|_| Error::new(Kind::Usage, format!("FFREPORT: `{number}` is no level")))?;
                }
                _ => return Err(Error::new(Kind::Usage, format!("FFREPORT: `{option}` is neither file= nor level="))),
            }
        }
        Ok(report)
    }
}

fn expand(name: &str) -> String {
    let now = OffsetDateTime::from(SystemClock.now().wall);
    let time = now.format(format_description!("[year][month][day]-[hour][minute][second]")).unwrap_or_default();
    name.replace("%p", "ffauth").replace("%t", &time).replace("%%", "%")
}

fn sink(file: File, screen: i32, in_file: i32) -> log::Sink {
    Box::new(move |level, text| {
        // A full disk or a closed terminal is no reason to end the job.
        if level <= screen {
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
        if level <= in_file {
            let _ = (&file).write_all(text.as_bytes());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ffreport_names_file_and_level() {
        let report = LogFile::of("file=a%%b.log:level=32").expect("understood");
        assert_eq!((report.path.as_str(), report.level), ("a%b.log", 32));
        assert!(LogFile::of("").expect("the default").path.starts_with("ffauth-20"));
        assert!(LogFile::of("level=x").is_err());
    }
}
