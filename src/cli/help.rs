//! `-h`, `-version`, `-L`, and the banner.

use std::fmt::Write;

use crate::command_line::{self, OptionHelp, Show};
use crate::error::{Error, Kind};
use crate::libav::version;

const USAGE: &str = "\
ffmpeg that speaks OAuth
usage: ffauth [options] [[infile options] -i infile]... {[outfile options] outfile}...
       ffauth COMMAND ...    (probe, check, token, profiles, providers, demo; `ffauth COMMAND --help`)

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
/// The libraries cannot be asked.
pub fn show(what: &Show) -> Result<(), Error> {
    match what {
        Show::Help(topic) => print!("{}", usage(topic.as_deref().unwrap_or_default())),
        Show::Version => print!("{}", banner()),
        Show::License => license(),
        Show::Configuration | Show::List(_) | Show::Sources(_) | Show::Sinks(_) | Show::HardwareDevices => {
            return Err(Error::new(Kind::Usage, "ffauth does not list what the libraries have")
                .with_hint("`ffmpeg` with the same option shows the same libraries"));
        }
    }
    Ok(())
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

fn license() {
    println!(
        "ffauth is free software under the MIT licence or the Apache licence, version 2.0, at your choice.\n\
         The FFmpeg libraries that it is linked with: {}",
        version::license()
    );
}

/// What the program says of itself when it starts.
pub fn banner() -> String {
    let mut text = format!("ffauth version {}, ffmpeg that speaks OAuth\n", env!("CARGO_PKG_VERSION"));
    for (library, linked) in version::libraries() {
        let [major, minor, micro] = linked;
        let _ = writeln!(text, "  {library:<14} {major:>3}.{minor:>3}.{micro:>3}");
    }
    text
}
