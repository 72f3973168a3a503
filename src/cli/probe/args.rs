//! The arguments of `ffauth probe`: ffprobe's own, and those of the file, which are read as ffmpeg's.

use crate::command_line::{self, OptionLookup, Parsed};
use crate::error::{Error, Kind};
use crate::job::probe::{ERROR, Probe, Selection};
use crate::libav::describe::{CHAPTERS, FORMAT, Label, PACKETS, PROGRAMS, STREAMS};
use crate::pipeline::plan::Global;

use super::writer::{Escape, Style};

/// What was typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Arguments {
    /// What to show of which file.
    pub probe: Probe,
    /// How it is shown.
    pub style: Style,
    /// Log level, config file.
    pub global: Global,
    /// What ffmpeg would warn of.
    pub warnings: Vec<String>,
}

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// To look into a file.
    Probe(Box<Arguments>),
    /// To be told how.
    Help,
}

/// Options of ffmpeg's table that ffprobe has too, and ffauth's own.
const SHARED: &[&str] = &[
    "f",
    "v",
    "loglevel",
    "hide_banner",
    "report",
    "cpuflags",
    "cpucount",
    "find_stream_info",
    "auth",
    "auth_wait",
    "auth_retry",
    "allow_private",
    "auth_config",
    "auth_log",
];

/// Options that choose a section.
const SHOW: &[(&str, Label)] = &[
    ("show_format", FORMAT),
    ("show_streams", STREAMS),
    ("show_packets", PACKETS),
    ("show_chapters", CHAPTERS),
    ("show_programs", PROGRAMS),
    ("show_error", ERROR),
];

/// The text of `ffauth probe --help`.
pub const HELP: &str = "\
usage: ffauth probe [-auth NAME] [options] [-i] URL

  -auth NAME[,NAME...]    profiles whose token goes into the requests
  -auth_wait SECONDS      how long to keep trying when no token can be had
  --config FILE           config file with the profiles
  -show_format            the file as a whole
  -show_streams           its streams
  -show_packets           every packet
  -show_chapters          chapters
  -show_programs          programs
  -show_error             the error, if the file cannot be opened
  -show_entries LIST      single fields: SECTION=KEY,KEY:SECTION
  -show_data_hash HASH    a hash of each payload (md5, sha256, ...)
  -select_streams SPEC    only the streams that match
  -of FORMAT              default, compact, csv or json, with ffprobe's options (json=c=1)
  --json                  -of json
  -f FORMAT               the file's format
  -v LEVEL                what is logged

Other options are AVOptions of the demuxer and the protocol.
";

/// Reads the arguments after `ffauth probe`.
///
/// # Errors
/// An option that neither ffprobe nor libav has, a value that is none, no file or two.
pub fn parse(args: &[String], lookup: &dyn OptionLookup) -> Result<Request, Error> {
    let mut selection = Selection::default();
    let (mut style, mut streams, mut hash, mut url) = (Style::Default { no_key: false, no_wrappers: false }, None, None, None);
    // What is left for ffmpeg's reader, the file last: in ffprobe every option is about the one file, wherever it stands.
    let mut rest = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let option = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|option| !option.is_empty());
        let mut argument = || {
            words.next().cloned().ok_or_else(|| usage(format!("Missing argument for option '{}'.", option.unwrap_or_default())))
        };
        match option {
            Some("help" | "h" | "?") => return Ok(Request::Help),
            Some("json") => style = Style::Json { compact: false },
            Some("of" | "print_format") => style = parse_style(&argument()?)?,
            Some("show_entries") => selection.show_entries(&argument()?)?,
            Some("show_data_hash") => hash = Some(argument()?),
            Some("select_streams") => streams = Some(argument()?),
            Some("config") => rest.extend(["-auth_config".to_owned(), argument()?]),
            Some("i") => set_once(&mut url, argument()?)?,
            None => set_once(&mut url, word.clone())?,
            Some(option) => match SHOW.iter().find(|(name, _)| *name == option) {
                Some((_, label)) => selection.show(*label),
                None => {
                    rest.push(format!("-{option}"));
                    if takes_argument(option)? {
                        rest.push(argument()?);
                    }
                }
            },
        }
    }
    let url =
        url.ok_or_else(|| usage("You have to specify one input file.").with_hint("`ffauth probe --help` shows the options"))?;
    rest.extend(["-i".to_owned(), url]);
    match command_line::parse(&rest, lookup)? {
        Parsed::Run { mut plan, warnings } if plan.inputs.len() == 1 => {
            let input = plan.inputs.remove(0);
            let probe = Probe { input, streams, hash, selection };
            Ok(Request::Probe(Box::new(Arguments { probe, style, global: plan.global, warnings })))
        }
        _ => Ok(Request::Help),
    }
}

/// Does an argument follow `option`? It does for AVOptions.
fn takes_argument(option: &str) -> Result<bool, Error> {
    let name = option.split(':').next().unwrap_or(option);
    let plain = name.strip_prefix("no").unwrap_or(name);
    let row = |name: &str| command_line::options().find(|row| row.name == name);
    match row(name) {
        Some(row) if SHARED.contains(&name) => Ok(row.takes_argument),
        Some(_) => Err(usage(format!("Unrecognized option '{option}'.")).with_hint("`ffauth probe --help` shows the options")),
        None => Ok(!(SHARED.contains(&plain) && row(plain).is_some_and(|row| !row.takes_argument))),
    }
}

fn set_once(url: &mut Option<String>, given: String) -> Result<(), Error> {
    match url {
        Some(before) => {
            let (given, before) = (crate::redact::url(&given), crate::redact::url(before));
            Err(usage(format!("Argument '{given}' provided as input filename, but '{before}' was already specified.")))
        }
        None => {
            *url = Some(given);
            Ok(())
        }
    }
}

/// `FORMAT[=OPTION=VALUE[:…]]`.
fn parse_style(text: &str) -> Result<Style, Error> {
    let (name, options) = text.split_once('=').unwrap_or((text, ""));
    let mut style = match name {
        "default" => Style::Default { no_key: false, no_wrappers: false },
        "compact" => Style::Compact { separator: '|', no_key: false, print_section: true, escape: Escape::C },
        "csv" => Style::Compact { separator: ',', no_key: true, print_section: true, escape: Escape::Csv },
        "json" => Style::Json { compact: false },
        _ => {
            return Err(usage(format!("Unknown output format with name '{name}'")).with_hint("default, compact, csv or json"));
        }
    };
    for option in options.split(':').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let invalid = || usage(format!("Failed to set option '{key}' with value '{value}' provided to writer context"));
        let on = || match value {
            "1" | "true" | "y" | "yes" | "enable" | "enabled" | "on" => Ok(true),
            "0" | "false" | "n" | "no" | "disable" | "disabled" | "off" => Ok(false),
            _ => Err(invalid()),
        };
        match (&mut style, key) {
            (Style::Default { no_key, .. } | Style::Compact { no_key, .. }, "nk" | "nokey") => *no_key = on()?,
            (Style::Default { no_wrappers, .. }, "nw" | "noprint_wrappers") => *no_wrappers = on()?,
            (Style::Compact { print_section, .. }, "p" | "print_section") => *print_section = on()?,
            (Style::Compact { separator, .. }, "s" | "item_sep") => {
                let mut characters = value.chars();
                *separator = characters.next().filter(|_| characters.next().is_none()).ok_or_else(invalid)?;
            }
            (Style::Compact { escape, .. }, "e" | "escape") => {
                *escape = match value {
                    "c" => Escape::C,
                    "csv" => Escape::Csv,
                    "none" => Escape::None,
                    _ => return Err(invalid()),
                }
            }
            (Style::Json { compact }, "c" | "compact") => *compact = on()?,
            _ => return Err(invalid()),
        }
    }
    Ok(style)
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(Kind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_line::OptionUse;

    struct Known;

    impl OptionLookup for Known {
        fn find(&self, name: &str) -> Option<OptionUse> {
            matches!(name, "headers" | "probesize").then_some(OptionUse { format: true, ..OptionUse::default() })
        }
    }

    fn parsed(line: &str) -> Result<Request, Error> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words, &Known)
    }

    fn arguments(line: &str) -> Arguments {
        match parsed(line).expect(line) {
            Request::Probe(arguments) => *arguments,
            Request::Help => panic!("{line}"),
        }
    }

    #[test]
    fn options_are_about_the_one_file_wherever_they_stand() {
        let arguments = arguments("-v error https://host/x -show_format -auth cam -probesize 99 --config c.toml");
        assert_eq!(arguments.probe.input.url, "https://host/x");
        assert_eq!(arguments.probe.input.auth.profiles, ["cam"]);
        assert_eq!(arguments.probe.input.options, [("probesize".to_owned(), "99".to_owned())]);
        assert_eq!((arguments.global.log_level, arguments.global.auth_config.as_deref()), (Some(16), Some("c.toml")));
        assert!(arguments.probe.selection.shows(FORMAT) && !arguments.probe.selection.shows(STREAMS));
    }

    #[test]
    fn formats_take_ffprobes_options() {
        let style = |text: &str| arguments(&format!("-of {text} x")).style;
        assert_eq!(style("default=nw=1:nokey=1"), Style::Default { no_key: true, no_wrappers: true });
        assert_eq!(
            style("csv=p=0:s=;"),
            Style::Compact { separator: ';', no_key: true, print_section: false, escape: Escape::Csv }
        );
        assert_eq!(style("json=c=1"), Style::Json { compact: true });
        assert_eq!(arguments("x --json").style, Style::Json { compact: false });
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for (line, message) in [
            ("", "You have to specify one input file."),
            ("a b", "Argument 'b' provided as input filename, but 'a' was already specified."),
            ("-of xml a", "Unknown output format with name 'xml'"),
            ("-of json=x=1 a", "Failed to set option 'x' with value '1' provided to writer context"),
            ("-show_entries stuff a", "No match for section 'stuff'"),
            ("-c copy a", "Unrecognized option 'c'."),
            ("-foo 1 a", "Unrecognized option 'foo'."),
            ("a -of", "Missing argument for option 'of'."),
        ] {
            assert_eq!(parsed(line).expect_err(line).to_string(), message, "{line}");
        }
        assert!(parsed("-auth cam file.mp4").is_err(), "a token for a file");
        assert_eq!(parsed("--help").expect("help"), Request::Help);
    }
}
