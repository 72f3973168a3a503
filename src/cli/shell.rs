//! `ffauth completions` and `ffauth man`: what a package installs beside the program, made from the subcommands' definitions
//! and the option table.

use std::io::Write;

use anyhow::Context;
use clap::Command;

use crate::command_line::{self, OptionHelp, Scope};

use super::args::{self, CompletionsArgs, ManArgs};
use super::exit;

/// Prints the completion script of a shell.
///
/// # Errors
/// Standard output cannot be written.
pub fn completions(args: &CompletionsArgs, out: &mut dyn Write) -> anyhow::Result<i32> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::definition(), "ffauth", &mut script);
    out.write_all(&script)?;
    Ok(exit::DONE)
}

/// Prints the man page of the program, or of one subcommand, as roff.
///
/// # Errors
/// There is no such subcommand, or standard output cannot be written.
pub fn man(args: &ManArgs, out: &mut dyn Write) -> anyhow::Result<i32> {
    let program = args::definition();
    let Some(word) = &args.command else {
        let page = clap_mangen::Man::new(program);
        page.render_title(out)?;
        page.render_name_section(out)?;
        write!(out, "{SYNOPSIS}")?;
        options(out)?;
        page.render_subcommands_section(out)?;
        write!(out, "{REST}")?;
        return Ok(exit::DONE);
    };
    let command: Option<Command> = program.get_subcommands().find(|command| command.get_name() == word).cloned();
    let command = command.with_context(|| format!("there is no subcommand `{word}`; `ffauth --help` lists them"))?;
    let title = format!("ffauth-{word}");
    clap_mangen::Man::new(command.display_name(&title)).title(title).render(out)?;
    Ok(exit::DONE)
}

/// ffauth's own options; ffmpeg's have their own manual.
fn options(out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, ".SH OPTIONS\nThose of \\fBffmpeg\\fR(1), and:")?;
    // ffauth's own come first in the table, before those that show something.
    for OptionHelp { name, metavar, help, .. } in command_line::options().take_while(|option| option.scope != Scope::Show) {
        writeln!(out, ".TP\n\\fB\\-{name}\\fR \\fI{metavar}\\fR\n{help}")?;
    }
    Ok(())
}

const SYNOPSIS: &str = "\
.SH SYNOPSIS
\\fBffauth\\fR [\\fIglobal options\\fR] {[\\fIinput options\\fR] \\-i \\fIURL\\fR} ... {[\\fIoutput options\\fR] \\fIOUTPUT\\fR} ...
.br
\\fBffauth\\fR \\fICOMMAND\\fR ...
.SH DESCRIPTION
Does what the same \\fBffmpeg\\fR command line does, and gives each file behind \\fB\\-auth\\fR \\fIPROFILE\\fR an OAuth 2.0 token that is
refreshed ahead of its expiry and swapped while the media runs.
";

const REST: &str = "\
.SH FILES
.TP
\\fI~/.config/ffauth/config.toml\\fR
The profiles.
.TP
\\fI~/.local/state/ffauth/tokens/\\fR
The tokens, readable by their owner only.
.SH ENVIRONMENT
.TP
\\fBFFAUTH_CONFIG\\fR, \\fBFFAUTH_STATE\\fR
Other places for the two.
.TP
\\fBFFAUTH_\\fR\\fIPROFILE\\fR\\fB_\\fR\\fIKEY\\fR
Stands for a key of a profile.
.SH EXIT STATUS
The main job: 0 done, 1 error, 69 too many decoding errors, 123 more than three signals, 255 ended by a signal with the outputs closed.
Other commands: 0 done, 2 wrong usage or configuration, 3 sign-in required, 4 the authorization server refused or cannot be reached,
1 any other failure, 130 interrupted.
.SH SEE ALSO
\\fBffmpeg\\fR(1), \\fBffprobe\\fR(1)
";
