//! `-h`, `-version`, `-L`, and the banner.

use std::fmt::Write;

use crate::command_line::{self, OptionHelp, Scope};
use crate::libav::version;

const USAGE: &str = "usage: ffauth [global options] {[input options] -i URL} ... {[output options] OUTPUT} ...\n       \
    ffauth COMMAND ...    (probe, check, login, logout, token, profiles, providers, demo; `ffauth COMMAND --help`)\n";

/// Prints how to use the program; `topic` is what was typed behind `-h`.
pub fn usage(topic: Option<&str>) {
    let mut text = format!("ffmpeg that speaks OAuth\n{USAGE}\n");
    let sections: &[(&str, Scope)] = &[
        ("Show something and end:", Scope::Show),
        ("Global options:", Scope::Global),
        ("Per-file options (input and output):", Scope::File),
        ("Input options:", Scope::Input),
        ("Output options:", Scope::Output),
    ];
    for (title, scope) in sections {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{title}");
        for option in command_line::options().filter(|option| option.scope == *scope) {
            let OptionHelp { name, metavar, help, .. } = option;
            let _ = writeln!(text, "-{:<24} {help}", format!("{name} {}", metavar.unwrap_or_default()));
        }
        text.push('\n');
    }
    if topic.is_some() {
        text.push_str(
            "AVOptions of muxers, demuxers and protocols go through as they are: `man ffmpeg-formats`, `man ffmpeg-protocols`.\n",
        );
    }
    print!("{text}");
}

/// Prints the versions of ffauth and of the linked libraries.
pub fn version() {
    print!("{}", banner());
}

/// Prints the licence.
pub fn license() {
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
