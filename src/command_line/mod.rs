//! ffmpeg's command line, turned into a [`Plan`].
//!
//! ```text
//! argv ── split ──▶ groups: global, one per input, one per output     no option has a meaning yet
//!          table    one row per option: its argument, its scope, what it sets
//! groups ─ lower ─▶ Plan, warnings                                    value: numbers and times as ffmpeg reads them
//!                                                                     map: `-map`, `-metadata` and their kin
//! Plan ── diagnose ▶ Plan | Error                                     rules that no single option can see
//! ```
//!
//! The reference is the `ffmpeg` program of FFmpeg 5.1: the same options, scopes, abbreviations and messages. An option that
//! is in no row of the table is looked up as an AVOption through [`OptionLookup`], which keeps this module free of libav; one
//! found nowhere is an error. No file is opened and nothing is printed here: warnings are returned as text.

mod diagnose;
mod level;
mod lower;
mod map;
mod preset;
mod read;
mod split;
mod table;
mod target;
mod value;
mod words;

use std::time::SystemTime;

use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::pipeline::plan::Plan;

pub use words::words;

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// To run a job.
    Run {
        /// The job. One without outputs opens and describes its inputs, then fails, as ffmpeg does.
        plan: Box<Plan>,
        /// What ffmpeg would have logged at level warning while it read the options, in order.
        warnings: Vec<String>,
    },
    /// To be told something.
    Show(Show),
}

/// What the options that end the program show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Show {
    /// `-h [TOPIC]`, `-?`, `-help`: the usage; the topic as typed (`long`, `full`, `muxer=hls`).
    Help(Option<String>),
    /// `-version`.
    Version,
    /// `-L`.
    License,
    /// `-formats`, `-codecs`, `-buildconf` and their like: the name of the option.
    List(&'static str),
    /// `-sources [DEVICE[,OPTIONS]]`.
    Sources(Option<String>),
    /// `-sinks [DEVICE[,OPTIONS]]`.
    Sinks(Option<String>),
    /// `-init_hw_device list`.
    HardwareDevices,
}

/// Where libav knows an option of this name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptionUse {
    /// `AVFormatContext`, a muxer, a demuxer or a protocol has it.
    pub format: bool,
    /// `AVCodecContext` or an encoder's or decoder's private part has it.
    pub codec: bool,
    /// `AVCodecContext` itself has it, so that `v`, `a` or `s` may stand in front of the name (`-vflags`).
    pub generic_codec: bool,
    /// The codec option is for encoders.
    pub encoding: bool,
    /// The codec option is for decoders.
    pub decoding: bool,
    /// libswscale has it.
    pub scaler: bool,
    /// libswresample has it.
    pub resampler: bool,
    /// A set of flags: values that begin with `+` or `-` add to those given before.
    pub flags: bool,
}

/// The AVOptions that exist. `libav::option` answers from the linked libraries; tests from a list.
pub trait OptionLookup {
    /// Where the option `name` (without a stream specifier) exists; `None` = nowhere.
    fn find(&self, name: &str) -> Option<OptionUse>;

    /// The file of encoder settings that `-vpre NAME` and its like mean: its path and its text. `codec`: the encoder that was
    /// named before, if any.
    fn preset(&self, name: &str, codec: Option<&str>) -> Option<(String, String)> {
        let _ = (name, codec);
        None
    }

    /// The text of a file that an option names (`-fpre`).
    fn file(&self, path: &str) -> Option<String> {
        let _ = path;
        None
    }
}

/// One line of help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionHelp {
    /// The option without its dash.
    pub name: &'static str,
    /// Does it take an argument?
    pub takes_argument: bool,
    /// What stands behind the name, mostly for its argument; may be empty.
    pub metavar: &'static str,
    /// Which files it may stand before.
    pub scope: Scope,
    /// What it does.
    pub help: &'static str,
}

/// A section of the help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpSection {
    /// Its heading.
    pub title: &'static str,
    /// Shown by `-h long` only.
    pub advanced: bool,
    /// Its options; one may stand in several sections.
    pub options: Vec<OptionHelp>,
}

/// Which files an option may stand before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// None: the program shows something and ends.
    Show,
    /// None: it holds for the whole program.
    Global,
    /// Inputs.
    Input,
    /// Outputs.
    Output,
    /// Either.
    File,
}

/// All options that are no AVOptions, ffauth's own first.
pub fn options() -> impl Iterator<Item = OptionHelp> {
    table::ROWS.iter().map(table::Row::describe)
}

/// The options as the help shows them, section by section.
pub fn help() -> Vec<HelpSection> {
    table::help()
}

/// Reads an ffmpeg command line, the program's name not included.
///
/// # Errors
/// [`Kind::Usage`](crate::error::Kind::Usage) with ffmpeg's own sentence where it has one: an unknown or misplaced option, a value that is
/// none, an option that ffauth cannot honour, `-auth` where no token can go.
pub fn parse(args: &[String], options: &dyn OptionLookup) -> Result<Parsed, Error> {
    parse_at(args, options, SystemClock.now().wall)
}

/// [`parse`] at a time of the caller's choosing: what `-timestamp now` means.
///
/// # Errors
/// As [`parse`].
pub fn parse_at(args: &[String], options: &dyn OptionLookup, now: SystemTime) -> Result<Parsed, Error> {
    let groups = split::split(args, options)?;
    match lower::lower(groups, now)? {
        Parsed::Run { plan, warnings } => {
            diagnose::check(&plan)?;
            Ok(Parsed::Run { plan, warnings })
        }
        show => Ok(show),
    }
}
