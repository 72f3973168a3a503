//! `-h`, `-version`, `-L`, and the banner.

use std::fmt::Write;

use crate::command_line::{self, OptionHelp, Show};
use crate::error::{Error, Kind};
use crate::libav::list::{self, Listing, Topic};
use crate::libav::version;

const NAME: &str = concat!("ffauth version ", env!("CARGO_PKG_VERSION"), ", ffmpeg that speaks OAuth\n");

const USAGE: &str = "\
ffmpeg that speaks OAuth
usage: ffauth [options] [[infile options] -i infile]... {[outfile options] outfile}...
       ffauth COMMAND ...    (probe, check, login, logout, token, profiles, providers, demo, ...; `ffauth --help`)

Getting help:
    -h      -- print basic options
    -h long -- print more options
    -h full -- print all options (including all format and codec specific options, very long)
    -h type=name -- print all options for the named decoder/encoder/demuxer/muxer/filter/bsf/protocol
    See man ffmpeg for detailed description of the options.

";

/// Prints what was asked for.
///
/// # Errors
/// A library that is loaded for it is missing.
pub fn show(what: &Show) -> Result<(), Error> {
    let text = match what {
        Show::Help(topic) => help(topic.as_deref().unwrap_or_default())?,
        Show::Version => version_text(),
        Show::License => license(),
        Show::List(option) => match Listing::by_option(option) {
            Some(listing) => listing.text()?,
            None => return Err(Error::new(Kind::Internal, format!("nothing lists -{option}"))),
        },
        Show::Sources(device) => list::sources(device.as_deref())?,
        Show::Sinks(device) => list::sinks(device.as_deref())?,
        Show::HardwareDevices => list::hardware_devices(),
    };
    print!("{text}");
    Ok(())
}

/// `-h TOPIC`: everything about one codec, format, filter or protocol, or how to use the program (`show_help` of ffmpeg).
fn help(topic: &str) -> Result<String, Error> {
    let (kind, name) = match topic.split_once('=') {
        Some((kind, name)) => (kind, Some(name)),
        None => (topic, None),
    };
    if let Some(topic) = Topic::by_name(kind) {
        return topic.help(name);
    }
    let mut text = usage(kind);
    if kind == "full" {
        text.push_str(&list::generic_options()?);
    }
    Ok(text)
}

/// How to use the program; `topic` is what was typed behind `-h` (`show_help_default` of ffmpeg).
fn usage(topic: &str) -> String {
    let mut text = String::new();
    let advanced = matches!(topic, "long" | "full");
    if !advanced && !topic.is_empty() {
        text = format!("Unknown help option '{topic}'.\n");
    }
    text.push_str(USAGE);
    for section in command_line::help().iter().filter(|section| advanced || !section.advanced) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", section.title);
        for OptionHelp { name, metavar, help, .. } in &section.options {
            let _ = writeln!(text, "-{:<17}  {help}", format!("{name} {metavar}").trim_end());
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

fn license() -> String {
    format!(
        "ffauth is free software under the MIT licence or the Apache licence, version 2.0, at your choice.\n\
         The FFmpeg libraries that it is linked with: {}\n",
        version::license()
    )
}

/// What the program says of itself when it starts.
pub fn banner() -> String {
    let mut text = NAME.to_owned();
    for (library, _, linked) in version::libraries() {
        let _ = writeln!(text, "  {library:<14} {}", numbers(linked));
    }
    text
}

/// `-version`: behind our name what ffmpeg says of its libraries.
fn version_text() -> String {
    let mut text = format!("{NAME}configuration: {}\n", version::configuration());
    let loaded = version::loaded_libraries().into_iter().map(|(library, version)| (library, version, version));
    for (library, built, linked) in version::libraries().into_iter().chain(loaded) {
        let _ = writeln!(text, "{library:<14} {} / {}", numbers(built), numbers(linked));
    }
    text
}

fn numbers([major, minor, micro]: version::Version) -> String {
    format!("{major:>2}.{minor:>3}.{micro:>3}")
}
