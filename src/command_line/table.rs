//! One row per option: its name, its argument, the files it may stand before, and what it sets.
//!
//! The rows are those that `ffmpeg -h long` of FFmpeg 5.1 prints, and ffauth's own. Options whose effect is more than storing
//! a value name the function that reads them.

use std::fmt;

use super::lower::{self, Context};
use super::split::Given;
use super::target;
use super::value::Argument;
use super::{HelpSection, OptionHelp, Scope};
use super::{level, map, read};
use crate::error::Error;
use crate::pipeline::plan::{ComplexFilter, Global, Input, Micros, Output};

/// An option.
pub struct Row {
    /// Without its dash.
    pub name: &'static str,
    /// What stands behind the name in the help, mostly its argument.
    pub metavar: &'static str,
    /// Which files it may stand before, and what it does there.
    pub place: Place,
    /// One line of help.
    pub help: &'static str,
    /// Shown by `-h long` only.
    pub expert: bool,
    /// What it is about, where the help has sections for that.
    pub subjects: &'static [Subject],
}

/// What a section of the help is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Tokens: ffauth's own options.
    Token,
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Subtitles.
    Subtitle,
}

/// The files that an option may stand before.
pub enum Place {
    /// None: it makes the program show something and end.
    Show(Topic),
    /// None: it is about the whole program.
    Global(Set<Global>),
    /// `-i` files.
    Input(Set<Input>),
    /// Output files.
    Output(Set<Output>),
    /// Both.
    Both(Set<Input>, Set<Output>),
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The usage.
    Help,
    /// The version.
    Version,
    /// The licence.
    License,
    /// What the linked libraries have, or how they were configured.
    List,
    /// The sources of an input device.
    Sources,
    /// The sinks of an output device.
    Sinks,
}

/// What an option does to the plan of its file, or of the whole job.
pub enum Set<T> {
    /// Sets a truth value.
    Flag(fn(&mut T, bool)),
    /// Sets one that has no `-no…` form.
    Switch(fn(&mut T)),
    /// Sets a text.
    Text(fn(&mut T, String)),
    /// Sets a 32-bit number.
    Int(fn(&mut T, i32)),
    /// Sets a 64-bit number.
    Long(fn(&mut T, i64)),
    /// Sets a number.
    Float(fn(&mut T, f64)),
    /// Sets a time.
    Time(fn(&mut T, Micros)),
    /// Adds a truth value under a stream specifier.
    EachFlag(fn(&mut T, String, bool)),
    /// Adds a truth value that is given as a number, or by the `-no…` form.
    EachFlagNumber(fn(&mut T, String, bool)),
    /// Adds a text under a stream specifier.
    EachText(fn(&mut T, String, String)),
    /// Adds a 32-bit number under a stream specifier.
    EachInt(fn(&mut T, String, i32)),
    /// Adds a 64-bit number under a stream specifier.
    EachLong(fn(&mut T, String, i64)),
    /// Adds a number under a stream specifier.
    EachFloat(fn(&mut T, String, f64)),
    /// Means another option, which brings the type of its streams along: `vcodec` is `codec:v`.
    Same(&'static str),
    /// Stands for the options in a file, which `split` has put beside it.
    Preset,
    /// Takes more than storing.
    Read(fn(&mut T, &Given, &mut Context) -> Result<(), Error>),
    /// Takes more than storing, but no argument.
    ReadSwitch(fn(&mut T, &Given, &mut Context) -> Result<(), Error>),
}

impl<T> Set<T> {
    fn argument(&self) -> Argument {
        match self {
            Self::Flag(_) | Self::EachFlag(..) => Argument::Flag,
            Self::Switch(_) | Self::ReadSwitch(_) => Argument::Switch,
            Self::EachFlagNumber(..) => Argument::FlagNumber,
            Self::Text(_) | Self::EachText(..) | Self::Same(_) | Self::Preset | Self::Read(_) => Argument::Text,
            Self::Int(_) | Self::EachInt(..) => Argument::Int,
            Self::Long(_) | Self::EachLong(..) => Argument::Long,
            Self::Float(_) | Self::EachFloat(..) => Argument::Float,
            Self::Time(_) => Argument::Time,
        }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-{}", self.name)
    }
}

impl Row {
    /// How its argument is read.
    pub fn argument(&self) -> Argument {
        match &self.place {
            Place::Show(_) => Argument::Topic,
            Place::Global(set) => set.argument(),
            Place::Input(set) | Place::Both(set, _) => set.argument(),
            Place::Output(set) => set.argument(),
        }
    }

    const fn expert(mut self) -> Self {
        self.expert = true;
        self
    }

    const fn of(mut self, subjects: &'static [Subject]) -> Self {
        self.subjects = subjects;
        self
    }

    fn is_of_a_file(&self) -> bool {
        !matches!(self.place, Place::Show(_) | Place::Global(_))
    }

    fn is_of(&self, subject: Subject) -> bool {
        self.subjects.contains(&subject)
    }

    /// Without its effect.
    pub fn describe(&self) -> OptionHelp {
        OptionHelp {
            name: self.name,
            takes_argument: !matches!(self.argument(), Argument::Flag | Argument::Switch | Argument::Topic),
            metavar: self.metavar,
            scope: match self.place {
                Place::Show(_) => Scope::Show,
                Place::Global(_) => Scope::Global,
                Place::Input(_) => Scope::Input,
                Place::Output(_) => Scope::Output,
                Place::Both(..) => Scope::File,
            },
            help: self.help,
        }
    }

    /// Is there a `-no…` form?
    pub fn negatable(&self) -> bool {
        matches!(self.argument(), Argument::Flag | Argument::FlagNumber)
    }
}

/// The row of `option`, which may carry a stream specifier.
pub fn find(option: &str) -> Option<&'static Row> {
    let name = option.split(':').next().unwrap_or(option);
    ROWS.iter().find(|row| row.name == name)
}

const fn row(name: &'static str, metavar: &'static str, place: Place, help: &'static str) -> Row {
    Row { name, metavar, place, help, expert: false, subjects: &[] }
}

const fn show(name: &'static str, metavar: &'static str, topic: Topic, help: &'static str) -> Row {
    row(name, metavar, Place::Show(topic), help)
}

const fn global(name: &'static str, metavar: &'static str, set: Set<Global>, help: &'static str) -> Row {
    row(name, metavar, Place::Global(set), help)
}

const fn input(name: &'static str, metavar: &'static str, set: Set<Input>, help: &'static str) -> Row {
    row(name, metavar, Place::Input(set), help)
}

const fn output(name: &'static str, metavar: &'static str, set: Set<Output>, help: &'static str) -> Row {
    row(name, metavar, Place::Output(set), help)
}

const fn both(name: &'static str, metavar: &'static str, input: Set<Input>, output: Set<Output>, help: &'static str) -> Row {
    row(name, metavar, Place::Both(input, output), help)
}

/// The sections of the help (`show_help_default` in ffmpeg), ours first.
pub fn help() -> Vec<HelpSection> {
    type Belongs = fn(&Row) -> bool;
    const SECTIONS: &[(&str, bool, Belongs)] = &[
        ("Token options:", false, |row| row.is_of(Subject::Token)),
        ("Print help / information / capabilities:", false, |row| matches!(row.place, Place::Show(_))),
        ("Global options (affect whole program instead of just one file):", false, |row| {
            matches!(row.place, Place::Global(_)) && !row.expert && !row.is_of(Subject::Token)
        }),
        ("Advanced global options:", true, |row| matches!(row.place, Place::Global(_)) && row.expert),
        ("Per-file main options:", false, |row| row.is_of_a_file() && !row.expert && row.subjects.is_empty()),
        ("Advanced per-file options:", true, |row| row.is_of_a_file() && row.expert && row.subjects.is_empty()),
        ("Video options:", false, |row| !row.expert && row.is_of(Subject::Video)),
        ("Advanced Video options:", true, |row| row.expert && row.is_of(Subject::Video)),
        ("Audio options:", false, |row| !row.expert && row.is_of(Subject::Audio)),
        ("Advanced Audio options:", true, |row| row.expert && row.is_of(Subject::Audio)),
        ("Subtitle options:", false, |row| row.is_of(Subject::Subtitle)),
    ];
    let section = |(title, advanced, belongs): &(&'static str, bool, Belongs)| HelpSection {
        title,
        advanced: *advanced,
        options: ROWS.iter().filter(|row| belongs(row)).map(Row::describe).collect(),
    };
    SECTIONS.iter().map(section).collect()
}

const TOKEN: &[Subject] = &[Subject::Token];
const VIDEO: &[Subject] = &[Subject::Video];
const AUDIO: &[Subject] = &[Subject::Audio];
const SUBTITLE: &[Subject] = &[Subject::Subtitle];
const VIDEO_AND_SUBTITLE: &[Subject] = &[Subject::Video, Subject::Subtitle];

use Set::*;

/// All options: ffauth's own, then ffmpeg's with its words, in the order in which `ffmpeg -h long` prints them.
pub const ROWS: &[Row] = &[
    // ffauth's own
    both(
        "auth",
        "NAME[,NAME...]",
        Read(read::input_auth),
        Read(read::output_auth),
        "profiles whose token goes into this file's requests",
    )
    .of(TOKEN),
    both(
        "auth_wait",
        "SECONDS",
        Time(|i, t| i.auth.wait = Some(read::wait(t))),
        Time(|o, t| o.auth.wait = Some(read::wait(t))),
        "how long to keep trying when no token can be had",
    )
    .of(TOKEN),
    input(
        "auth_retry",
        "SECONDS",
        Time(|i, t| i.auth.retry = Some(read::wait(t))),
        "how long to keep trying a playlist, segment or key of a file with -auth",
    )
    .of(TOKEN),
    input("allow_private", "", Flag(|i, on| i.auth.allow_private = on), "let a file with -auth lead to private hosts").of(TOKEN),
    input("on_gap", "fail|warn", Read(read::on_gap), "what parts of a file with -auth that are missing in the end mean")
        .of(TOKEN),
    input(
        "open_timeout",
        "SECONDS",
        Time(|i, t| i.open_timeout = Some(read::wait(t))),
        "how long opening this file may take in all, name lookup, redirects, retries and probing included (no limit)",
    )
    .of(TOKEN),
    input(
        "ingest_for",
        "DURATION",
        Time(|i, t| i.ingest.keep_for = Some(read::wait(t))),
        "keep this file going for so long: where it ends, it is opened again",
    )
    .of(TOKEN),
    input(
        "stall_timeout",
        "SECONDS",
        Time(|i, t| i.ingest.stall_timeout = Some(read::wait(t))),
        "with -ingest_for: so long without a packet is an end (30)",
    )
    .of(TOKEN),
    input("max_restarts", "N", Read(read::max_restarts), "with -ingest_for: how often to try to open it again (no limit)")
        .of(TOKEN),
    input(
        "alternative",
        "URL",
        Text(|i, v| i.alternatives.push(v)),
        "with -ingest_for: where the same stream is to be had when this file does not serve; may be repeated",
    )
    .of(TOKEN),
    input(
        "failback",
        "SECONDS",
        Time(|i, t| i.ingest.failback = Some(read::wait(t))),
        "with -alternative: how often this file is tried again while an alternative serves (30; 0 = never)",
    )
    .of(TOKEN),
    output("continue", "", Flag(|o, on| o.continues = on), "go on numbering behind the files that are there (segment, hls, a %d in the name)")
        .of(TOKEN),
    output(
        "on_change",
        "fail|new_file",
        Read(read::on_change),
        "what an input of -ingest_for that comes back with other streams means",
    )
    .of(TOKEN),
    output("disk_full", "fail|wait", Read(read::disk_full), "what a full disk means: an error, or waiting for space").of(TOKEN),
    global("auth_config", "FILE", Text(|g, v| g.auth_config = Some(v)), "config file with the profiles").of(TOKEN),
    global("auth_log", "LEVEL", Read(level::auth_log), "log level of token events").of(TOKEN),
    global("summary", "FILE", Text(|g, v| g.summary = Some(v)), "write a JSON report at the end").of(TOKEN),
    // Information
    show("L", "", Topic::License, "show license"),
    show("h", "topic", Topic::Help, "show help"),
    show("?", "topic", Topic::Help, "show help"),
    show("help", "topic", Topic::Help, "show help"),
    show("-help", "topic", Topic::Help, "show help"),
    show("version", "", Topic::Version, "show version"),
    show("buildconf", "", Topic::List, "show build configuration"),
    show("formats", "", Topic::List, "show available formats"),
    show("muxers", "", Topic::List, "show available muxers"),
    show("demuxers", "", Topic::List, "show available demuxers"),
    show("devices", "", Topic::List, "show available devices"),
    show("codecs", "", Topic::List, "show available codecs"),
    show("decoders", "", Topic::List, "show available decoders"),
    show("encoders", "", Topic::List, "show available encoders"),
    show("bsfs", "", Topic::List, "show available bit stream filters"),
    show("protocols", "", Topic::List, "show available protocols"),
    show("filters", "", Topic::List, "show available filters"),
    show("pix_fmts", "", Topic::List, "show available pixel formats"),
    show("layouts", "", Topic::List, "show standard channel layouts"),
    show("sample_fmts", "", Topic::List, "show available audio sample formats"),
    show("dispositions", "", Topic::List, "show available stream dispositions"),
    show("colors", "", Topic::List, "show available color names"),
    show("sources", "device", Topic::Sources, "list sources of the input device"),
    show("sinks", "device", Topic::Sinks, "list sinks of the output device"),
    show("hwaccels", "", Topic::List, "show available HW acceleration methods"),
    // Global
    global("loglevel", "loglevel", Read(level::log_level), "set logging level"),
    global("v", "loglevel", Read(level::log_level), "set logging level"),
    global("report", "", Switch(|g| g.report = true), "generate a report"),
    global("max_alloc", "bytes", Read(read::max_alloc), "set maximum size of a single allocated block"),
    global("y", "", Flag(|_, _| {}), "overwrite output files"),
    global("n", "", Flag(|_, _| {}), "never overwrite output files"),
    global("ignore_unknown", "", Flag(|g, on| g.ignore_unknown = on), "Ignore unknown stream types"),
    global("filter_threads", "", Text(|g, v| g.filter_threads = Some(v)), "number of non-complex filter threads"),
    global("filter_complex_threads", "", Int(|g, v| g.filter_complex_threads = v), "number of threads for -filter_complex"),
    global("stats", "", Flag(|g, on| g.stats = Some(on)), "print progress report during encoding"),
    global("max_error_rate", "maximum error rate", Float(|g, v| g.max_error_rate = v), "ratio of decoding errors (0.0: no errors, 1.0: 100% errors) above which ffmpeg returns an error instead of success."),
    global("cpuflags", "flags", Text(|g, v| g.cpu_flags = Some(v)), "force specific cpu flags").expert(),
    global("cpucount", "count", Int(|g, v| g.cpu_count = Some(v)), "force specific cpu count").expert(),
    global("hide_banner", "hide_banner", Flag(|g, on| g.hide_banner = on), "do not show program banner").expert(),
    global("copy_unknown", "", Flag(|g, on| g.copy_unknown = on), "Copy unknown stream types").expert(),
    global("recast_media", "", Flag(|g, on| g.recast_media = on), "allow recasting stream type in order to force a decoder of different media type").expert(),
    global("benchmark", "", Flag(|g, on| g.benchmark = on), "add timings for benchmarking").expert(),
    global("benchmark_all", "", Flag(|g, on| g.benchmark_all = on), "add timings for each task").expert(),
    global("progress", "url", Text(|g, v| g.progress = Some(lower::pipe(v))), "write program-readable progress information").expert(),
    global("stdin", "", Flag(|g, on| g.stdin = on), "enable or disable interaction on standard input").expert(),
    global("timelimit", "limit", Read(read::time_limit), "set max runtime in seconds in CPU user time").expert(),
    global("dump", "", Flag(|g, on| g.dump_packets = on), "dump each input packet").expert(),
    global("hex", "", Flag(|g, on| g.dump_payload = on), "when dumping packets, also dump the payload").expert(),
    global("vsync", "", Read(read::vsync), "set video sync method globally; deprecated, use -fps_mode").expert(),
    global("frame_drop_threshold", "", Float(|g, v| g.frame_drop_threshold = v), " frame drop threshold").expert(),
    global("async", "", Int(|g, v| g.audio_sync = v), "audio sync method").expert(),
    global("adrift_threshold", "threshold", Float(|g, v| g.audio_drift_threshold = v), "audio drift threshold").expert(),
    global("copyts", "", Flag(|g, on| g.copy_ts = on), "copy timestamps").expert(),
    global("start_at_zero", "", Flag(|g, on| g.start_at_zero = on), "shift input timestamps to start at 0 when using copyts").expert(),
    global("copytb", "mode", Int(|g, v| g.copy_tb = v), "copy input stream time base when stream copying").expert(),
    global("dts_delta_threshold", "threshold", Float(|g, v| g.dts_delta_threshold = v), "timestamp discontinuity delta threshold").expert(),
    global("dts_error_threshold", "threshold", Float(|g, v| g.dts_error_threshold = v), "timestamp error delta threshold").expert(),
    global("xerror", "error", Flag(|g, on| g.exit_on_error = on), "exit on error").expert(),
    global("abort_on", "flags", Read(read::abort_on), "abort on the specified condition flags").expert(),
    global("filter_complex", "graph_description", Text(|g, v| g.complex_filters.push(ComplexFilter::Graph(v))), "create a complex filtergraph").expert(),
    global("lavfi", "graph_description", Text(|g, v| g.complex_filters.push(ComplexFilter::Graph(v))), "create a complex filtergraph").expert(),
    global("filter_complex_script", "filename", Text(|g, v| g.complex_filters.push(ComplexFilter::Script(v))), "read complex filtergraph description from a file").expert(),
    global("auto_conversion_filters", "", Flag(|g, on| g.auto_conversion_filters = on), "enable automatic conversion filters globally").expert(),
    global("stats_period", "time", Read(read::stats_period), "set the period at which ffmpeg updates stats and -progress output").expert(),
    global("debug_ts", "", Flag(|g, on| g.debug_timestamps = on), "print timestamp debugging info").expert(),
    // Per file
    both("f", "fmt", Text(|i, v| i.format = Some(v)), Text(|o, v| o.format = Some(v)), "force format"),
    both("c", "codec",
        EachText(|i, s, v| i.codec.push((s, v))),
        EachText(|o, s, v| o.codec.push((s, v))),
        "codec name",
    ),
    both("codec", "codec",
        EachText(|i, s, v| i.codec.push((s, v))),
        EachText(|o, s, v| o.codec.push((s, v))),
        "codec name",
    ),
    output("pre", "preset", EachText(|o, s, v| o.preset.push((s, v))), "preset name"),
    output("map_metadata", "outfile[,metadata]:infile[,metadata]", Read(map::map_metadata), "set metadata information of outfile from infile"),
    both("t", "duration", Time(|i, t| i.duration = Some(t)), Time(|o, t| o.duration = Some(t)), "record or transcode \"duration\" seconds of audio/video"),
    both("to", "time_stop", Time(|i, t| i.stop = Some(t)), Time(|o, t| o.stop = Some(t)), "record or transcode stop time"),
    output("fs", "limit_size", Long(|o, v| o.limit_filesize = u64::try_from(v).ok()), "set the limit file size in bytes"),
    both("ss", "time_off", Time(|i, t| i.start = Some(t)), Time(|o, t| o.start = Some(t)), "set the start time offset"),
    input("sseof", "time_off", Time(|i, t| i.start_eof = Some(t)), "set the start time offset relative to EOF"),
    input("seek_timestamp", "", Int(|i, v| i.seek_timestamp = v != 0), "enable/disable seeking by timestamp with -ss"),
    output("timestamp", "time", Read(read::timestamp), "set the recording timestamp ('now' to set the current time)"),
    output("metadata", "string=string", Read(map::metadata), "add metadata"),
    output("program", "title=string:st=number...", Text(|o, v| o.program.push(v)), "add program with specified streams"),
    output("target", "type", Read(target::target), "specify target file type (\"vcd\", \"svcd\", \"dvd\", \"dv\" or \"dv50\" with optional prefixes \"pal-\", \"ntsc-\" or \"film-\")"),
    output("apad", "", EachText(|o, s, v| o.audio_pad.push((s, v))), "audio pad"),
    output("frames", "number", EachLong(|o, s, v| o.frames.push((s, v))), "set the number of frames to output"),
    output("filter", "filter_graph", EachText(|o, s, v| o.filters.push((s, v))), "set stream filtergraph"),
    output("filter_script", "filename", EachText(|o, s, v| o.filter_scripts.push((s, v))), "read stream filtergraph description from a file"),
    input("reinit_filter", "", EachInt(|i, s, v| i.reinit_filter.push((s, v))), "reinit filtergraph on input parameter changes"),
    input("discard", "", EachText(|i, s, v| i.discard.push((s, v))), "discard"),
    output("disposition", "", EachText(|o, s, v| o.disposition.push((s, v))), "disposition"),
    // Per file, advanced
    output("map", "[-]input_file_id[:stream_specifier][,sync_file_id[:stream_specifier]]", Read(map::map), "set input stream mapping").expert(),
    output("map_channel", "file.stream.channel[:syncfile.syncstream]", Read(map::map_channel), "map an audio channel from one stream to another").expert(),
    output("map_chapters", "input_file_index", Read(map::map_chapters), "set chapters mapping").expert(),
    input("accurate_seek", "", Flag(|i, on| i.no_accurate_seek = !on), "enable/disable accurate seeking with -ss").expert(),
    input("isync", "sync ref", Read(read::sync_with), "Indicate the input index for sync reference").expert(),
    input("itsoffset", "time_off", Time(|i, t| i.ts_offset = t), "set the input ts offset").expert(),
    input("itsscale", "scale", EachFloat(|i, s, v| i.ts_scale.push((s, v))), "set the input ts scale").expert(),
    output("dframes", "number", Same("frames:d"), "set the number of data frames to output").expert(),
    input("re", "",
        Flag(|i, on| {
            if on && i.readrate == 0.0 {
                i.readrate = 1.0
            }
        }),
        "read input at native frame rate; equivalent to -readrate 1",
    ).expert(),
    input("readrate", "speed", Float(|i, v| i.readrate = v), "read input at specified rate").expert(),
    output("shortest", "", Flag(|o, on| o.shortest = on), "finish encoding within shortest input").expert(),
    both("bitexact", "", Flag(|i, on| i.bitexact = on), Flag(|o, on| o.bitexact = on), "bitexact mode").expert(),
    output("copyinkf", "", EachFlag(|o, s, on| o.copy_initial_nonkey.push((s, on))), "copy initial non-keyframes").expert(),
    output("copypriorss", "", EachInt(|o, s, v| o.copy_prior_start.push((s, v))), "copy or discard frames before start time").expert(),
    both("tag", "fourcc/tag", EachText(|i, s, v| i.tag.push((s, v))), EachText(|o, s, v| o.tag.push((s, v))), "force codec tag/fourcc").expert(),
    output("q", "q", EachFloat(|o, s, v| o.quality.push((s, v))), "use fixed quality scale (VBR)").expert(),
    output("qscale", "q", Read(read::qscale), "use fixed quality scale (VBR)").expert(),
    output("profile", "profile", Read(read::profile), "set profile").expert(),
    output("attach", "filename", Text(|o, v| o.attach.push(v)), "add an attachment to the output file").expert(),
    input("dump_attachment", "filename", EachText(|i, s, v| i.dump_attachment.push((s, v))), "extract an attachment into a file").expert(),
    input("stream_loop", "loop count", Int(|i, v| i.stream_loop = v.into()), "set number of times input stream shall be looped").expert(),
    input("thread_queue_size", "",
        Int(|i, v| i.thread_queue_size = usize::try_from(v).ok()),
        "set the maximum number of queued packets from the demuxer",
    ).expert(),
    input("find_stream_info", "", Flag(|i, on| i.no_find_stream_info = !on), "read and decode the streams to fill missing information with heuristics").expert(),
    output("bits_per_raw_sample", "number", EachInt(|o, s, v| o.bits_per_raw_sample.push((s, v))), "set the number of bits per raw sample").expert(),
    input("autorotate", "", EachFlagNumber(|i, s, on| i.autorotate.push((s, on))), "automatically insert correct rotate filters").expert(),
    output("autoscale", "", EachFlagNumber(|o, s, on| o.autoscale.push((s, on))), "automatically insert a scale filter at the end of the filter graph").expert(),
    output("muxdelay", "seconds", Float(|o, v| o.mux_max_delay = v), "set the maximum demux-decode delay").expert(),
    output("muxpreload", "seconds", Float(|o, v| o.mux_preload = v), "set the initial demux-decode delay").expert(),
    output("time_base", "ratio", EachText(|o, s, v| o.time_base.push((s, v))), "set the desired time base hint for output stream (1:24, 1:48000 or 0.04166, 2.0833e-5)").expert(),
    output("enc_time_base", "ratio", EachText(|o, s, v| o.encoder_time_base.push((s, v))), "set the desired time base for the encoder (1:24, 1:48000 or 0.04166, 2.0833e-5). two special values are defined - 0 = use frame rate (video) or sample rate (audio),-1 = match source time base").expert(),
    output("bsf", "bitstream_filters", EachText(|o, s, v| o.bsf.push((s, v))), "A comma-separated list of bitstream filters").expert(),
    output("fpre", "filename", Preset, "set options from indicated preset file").expert(),
    output("max_muxing_queue_size", "packets",
        EachInt(|o, s, v| o.max_muxing_queue_size.push((s, lower::size(v)))),
        "maximum number of packets that can be buffered while waiting for all streams to initialize",
    ).expert(),
    output("muxing_queue_data_threshold", "bytes",
        EachInt(|o, s, v| o.muxing_queue_data_threshold.push((s, lower::size(v)))),
        "set the threshold after which max_muxing_queue_size is taken into account",
    ).expert(),
    both("dcodec", "codec", Same("codec:d"), Same("codec:d"), "force data codec ('copy' to copy stream)").expert(),
    // Video
    output("vframes", "number", Same("frames:v"), "set the number of video frames to output").of(VIDEO),
    both("r", "rate", EachText(|i, s, v| i.frame_rate.push((s, v))), EachText(|o, s, v| o.frame_rate.push((s, v))), "set frame rate (Hz value, fraction or abbreviation)").of(VIDEO),
    output("fpsmax", "rate", EachText(|o, s, v| o.frame_rate_max.push((s, v))), "set max frame rate (Hz value, fraction or abbreviation)").of(VIDEO),
    both("s", "size", Text(|i, v| lower::set_option(&mut i.options, "video_size", v)), EachText(|o, s, v| o.size.push((s, v))), "set frame size (WxH or abbreviation)").of(VIDEO_AND_SUBTITLE),
    output("aspect", "aspect", EachText(|o, s, v| o.aspect.push((s, v))), "set aspect ratio (4:3, 16:9 or 1.3333, 1.7777)").of(VIDEO),
    both("vn", "", Flag(|i, on| i.disable.video = on), Flag(|o, on| o.disable.video = on), "disable video").of(VIDEO),
    both("vcodec", "codec", Same("codec:v"), Same("codec:v"), "force video codec ('copy' to copy stream)").of(VIDEO),
    output("timecode", "hh:mm:ss[:;.]ff", Read(read::timecode), "set initial TimeCode value.").of(VIDEO),
    output("pass", "n", EachInt(|o, s, v| o.pass.push((s, v))), "select the pass number (1 to 3)").of(VIDEO),
    output("vf", "filter_graph", Same("filter:v"), "set video filters").of(VIDEO),
    output("ab", "bitrate", Read(read::bitrate), "audio bitrate (please use -b:a)").of(VIDEO),
    output("b", "bitrate", Read(read::bitrate), "video bitrate (please use -b:v)").of(VIDEO),
    both("dn", "", Flag(|i, on| i.disable.data = on), Flag(|o, on| o.disable.data = on), "disable data").of(VIDEO),
    // Video, advanced
    both("pix_fmt", "format",
        Text(|i, v| lower::set_option(&mut i.options, "pixel_format", v)),
        EachText(|o, s, v| o.pixel_format.push((s, v))),
        "set pixel format",
    ).expert().of(VIDEO),
    output("rc_override", "override", EachText(|o, s, v| o.rc_override.push((s, v))), "rate control override for specific intervals").expert().of(VIDEO),
    output("passlogfile", "prefix", EachText(|o, s, v| o.pass_log.push((s, v))), "select two pass log file name prefix").expert().of(VIDEO),
    global("psnr", "", Flag(|g, on| g.psnr = on), "calculate PSNR of compressed frames").expert().of(VIDEO),
    global("vstats", "", ReadSwitch(read::vstats), "dump video coding statistics to file").expert().of(VIDEO),
    global("vstats_file", "file", Text(|g, v| g.vstats_file = Some(v)), "dump video coding statistics to file").expert().of(VIDEO),
    global("vstats_version", "", Int(|g, v| g.vstats_version = v), "Version of the vstats format to use.").expert().of(VIDEO),
    output("intra_matrix", "matrix", EachText(|o, s, v| o.intra_matrix.push((s, v))), "specify intra matrix coeffs").expert().of(VIDEO),
    output("inter_matrix", "matrix", EachText(|o, s, v| o.inter_matrix.push((s, v))), "specify inter matrix coeffs").expert().of(VIDEO),
    output("chroma_intra_matrix", "matrix", EachText(|o, s, v| o.chroma_intra_matrix.push((s, v))), "specify intra matrix coeffs").expert().of(VIDEO),
    both("top", "", EachInt(|i, s, v| i.top_field_first.push((s, v))), EachInt(|o, s, v| o.top_field_first.push((s, v))), "top=1/bottom=0/auto=-1 field first").expert().of(VIDEO),
    both("vtag", "fourcc/tag", Same("tag:v"), Same("tag:v"), "force video tag/fourcc").expert().of(VIDEO),
    global("qphist", "", Flag(|g, on| g.qp_histogram = on), "show QP histogram").expert().of(VIDEO),
    output("fps_mode", "", EachText(|o, s, v| o.fps_mode.push((s, v))), "set framerate mode for matching video streams; overrides vsync").expert().of(VIDEO),
    output("force_fps", "", EachFlag(|o, s, on| o.force_frame_rate.push((s, on))), "force the selected framerate, disable the best supported framerate selection").expert().of(VIDEO),
    output("streamid", "streamIndex:value", Read(map::stream_id), "set the value of an outfile streamid").expert().of(VIDEO),
    output("force_key_frames", "timestamps", EachText(|o, s, v| o.force_key_frames.push((s, v))), "force key frames at specified timestamps").expert().of(VIDEO),
    input("hwaccel", "hwaccel name", EachText(|i, s, v| i.hwaccel.push((s, v))), "use HW accelerated decoding").expert().of(VIDEO),
    input("hwaccel_device", "devicename", EachText(|i, s, v| i.hwaccel_device.push((s, v))), "select a device for HW acceleration").expert().of(VIDEO),
    input("hwaccel_output_format", "format", EachText(|i, s, v| i.hwaccel_output_format.push((s, v))), "select output format used with HW accelerated decoding").expert().of(VIDEO),
    output("vbsf", "video bitstream_filters", Same("bsf:v"), "deprecated").expert().of(VIDEO),
    output("vpre", "preset", Preset, "set the video options to the indicated preset").expert().of(VIDEO),
    // Audio
    output("aframes", "number", Same("frames:a"), "set the number of audio frames to output").of(AUDIO),
    output("aq", "quality", Same("q:a"), "set audio quality (codec-specific)").of(AUDIO),
    both("ar", "rate",
        Int(|i, v| lower::set_option(&mut i.options, "sample_rate", v.to_string())),
        EachInt(|o, s, v| o.sample_rate.push((s, v))),
        "set audio sampling rate (in Hz)",
    ).of(AUDIO),
    both("ac", "channels", Int(|i, v| i.channels = Some(v)), EachInt(|o, s, v| o.channels.push((s, v))), "set number of audio channels").of(AUDIO),
    both("an", "", Flag(|i, on| i.disable.audio = on), Flag(|o, on| o.disable.audio = on), "disable audio").of(AUDIO),
    both("acodec", "codec", Same("codec:a"), Same("codec:a"), "force audio codec ('copy' to copy stream)").of(AUDIO),
    global("vol", "volume", Int(|g, v| g.volume = v), "change audio volume (256=normal)").of(AUDIO),
    output("af", "filter_graph", Same("filter:a"), "set audio filters").of(AUDIO),
    // Audio, advanced
    output("atag", "fourcc/tag", Same("tag:a"), "force audio tag/fourcc").expert().of(AUDIO),
    both("sample_fmt", "format", Read(read::input_sample_format), EachText(|o, s, v| o.sample_format.push((s, v))), "set sample format").expert().of(AUDIO),
    both("channel_layout", "layout", Text(|i, v| i.channel_layout = Some(v)), EachText(|o, s, v| o.channel_layout.push((s, v))), "set channel layout").expert().of(AUDIO),
    both("ch_layout", "layout", Text(|i, v| i.channel_layout = Some(v)), EachText(|o, s, v| o.channel_layout.push((s, v))), "set channel layout").expert().of(AUDIO),
    input("guess_layout_max", "", EachInt(|i, s, v| i.guess_layout_max.push((s, v))), "set the maximum number of channels to try to guess the channel layout").expert().of(AUDIO),
    output("absf", "audio bitstream_filters", Same("bsf:a"), "deprecated").expert().of(AUDIO),
    output("apre", "preset", Preset, "set the audio options to the indicated preset").expert().of(AUDIO),
    // Subtitles
    both("sn", "", Flag(|i, on| i.disable.subtitle = on), Flag(|o, on| o.disable.subtitle = on), "disable subtitle").of(SUBTITLE),
    both("scodec", "codec", Same("codec:s"), Same("codec:s"), "force subtitle codec ('copy' to copy stream)").of(SUBTITLE),
    output("stag", "fourcc/tag", Same("tag:s"), "force subtitle tag/fourcc").expert().of(SUBTITLE),
    input("fix_sub_duration", "", EachFlag(|i, s, on| i.fix_sub_duration.push((s, on))), "fix subtitles duration").expert().of(SUBTITLE),
    input("canvas_size", "size", EachText(|i, s, v| i.canvas_size.push((s, v))), "set canvas size (WxH or abbreviation)").of(SUBTITLE),
    output("spre", "preset", Preset, "set the subtitle options to the indicated preset").expert().of(SUBTITLE),
    // Devices and SDP
    global("sdp_file", "file",
        Text(|g, v| g.sdp_file = Some(v)),
        "specify a file in which to print sdp information",
    ).expert(),
    global("vaapi_device", "device", Text(|g, v| g.hw_devices.push(format!("vaapi:{v}"))), "set VAAPI hardware device (DRM path or X11 display name)").expert(),
    global("qsv_device", "device", Text(|g, v| g.hw_devices.push(format!("qsv=__qsv_device:hw_any,child_device={v}"))), "set QSV hardware device (DirectX adapter index, DRM path or X11 display name)").expert(),
    global("init_hw_device", "args", Text(|g, v| g.hw_devices.push(v)), "initialise hardware device").expert(),
    global("filter_hw_device", "device", Read(read::filter_hw_device), "set hardware device used when filtering").expert(),
];

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::split::{Groups, split};
    use super::super::{OptionLookup, OptionUse, Parsed};
    use super::*;
    use crate::pipeline::plan::{Map, Overwrite, Plan};

    struct Nothing;

    impl OptionLookup for Nothing {
        fn find(&self, _: &str) -> Option<OptionUse> {
            None
        }
    }

    fn plan(line: &str) -> Plan {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let groups: Groups = split(&words, &Nothing).expect(line);
        match super::super::lower::lower(groups, SystemTime::UNIX_EPOCH).expect(line) {
            Parsed::Run { plan, .. } => *plan,
            Parsed::Show(show) => panic!("{line}: {show:?}"),
        }
    }

    fn pair(option: &str, value: &str) -> (String, String) {
        (option.to_owned(), value.to_owned())
    }

    type Holds = fn(&Plan) -> bool;

    /// A use of each option that stores something, and where it must be found.
    const USES: &[(&str, Holds)] = &[
        ("-auth a,b -i x o", |p| p.inputs[0].auth.profiles == ["a", "b"] && p.outputs[0].auth.profiles.is_empty()),
        ("-i x -auth a o", |p| p.outputs[0].auth.profiles == ["a"]),
        ("-auth_wait 1.5 -i x o", |p| p.inputs[0].auth.wait == Some(Duration::from_millis(1500))),
        ("-auth_retry 2 -i x o", |p| p.inputs[0].auth.retry == Some(Duration::from_secs(2))),
        ("-allow_private -i x o", |p| p.inputs[0].auth.allow_private),
        ("-on_gap fail -i x o", |p| p.inputs[0].fail_on_gap),
        ("-on_gap fail -on_gap warn -i x o", |p| !p.inputs[0].fail_on_gap),
        ("-ingest_for 1:00:00 -i x o", |p| p.inputs[0].ingest.keep_for == Some(Duration::from_secs(3600))),
        ("-ingest_for 5 -stall_timeout 2.5 -i x o", |p| p.inputs[0].ingest.stall_timeout == Some(Duration::from_millis(2500))),
        ("-open_timeout 2.5 -i x o", |p| p.inputs[0].open_timeout == Some(Duration::from_millis(2500))),
        ("-ingest_for 5 -alternative y -alternative z -i x o", |p| p.inputs[0].alternatives == ["y", "z"]),
        ("-ingest_for 5 -alternative y -failback 0 -i x o", |p| p.inputs[0].ingest.failback == Some(Duration::ZERO)),
        ("-i x -continue o", |p| p.outputs[0].continues),
        ("-ingest_for 5 -i x -on_change new_file o", |p| p.outputs[0].new_file_on_change),
        ("-i x -disk_full wait o", |p| p.outputs[0].waits_for_space),
        ("-ingest_for 5 -max_restarts 3 -i x o", |p| p.inputs[0].ingest.max_restarts == Some(3)),
        ("-i x -auth_wait 0 o", |p| p.outputs[0].auth.wait == Some(Duration::ZERO)),
        ("-auth_config c", |p| p.global.auth_config.as_deref() == Some("c")),
        ("-auth_log debug", |p| p.global.auth_log == Some(48)),
        ("-summary -", |p| p.global.summary.as_deref() == Some("-")),
        ("-loglevel error", |p| p.global.log_level == Some(16)),
        ("-v 40", |p| p.global.log_level == Some(40)),
        ("-report", |p| p.global.report),
        ("-y", |p| p.global.overwrite == Overwrite::Always),
        ("-n", |p| p.global.overwrite == Overwrite::Never),
        ("-noy", |p| p.global.overwrite == Overwrite::Ask),
        ("-ignore_unknown", |p| p.global.ignore_unknown),
        ("-copy_unknown", |p| p.global.copy_unknown),
        ("-stats", |p| p.global.stats == Some(true)),
        ("-nostats", |p| p.global.stats == Some(false)),
        ("-max_error_rate 0.5", |p| p.global.max_error_rate == 0.5),
        ("-hide_banner", |p| p.global.hide_banner),
        ("-progress -", |p| p.global.progress.as_deref() == Some("pipe:")),
        ("-nostdin", |p| !p.global.stdin),
        ("-stdin -i pipe:0 o", |p| !p.global.stdin),
        ("-vsync 0", |p| p.global.fps_mode.as_deref() == Some("passthrough")),
        ("-vsync VFR", |p| p.global.fps_mode.as_deref() == Some("vfr")),
        ("-vsync -1", |p| p.global.fps_mode.as_deref() == Some("auto")),
        ("-max_alloc 1000", |p| p.global.max_alloc == Some(1000)),
        ("-filter_threads 2 -filter_complex_threads 3", |p| {
            p.global.filter_threads.as_deref() == Some("2") && p.global.filter_complex_threads == 3
        }),
        ("-cpuflags -sse+mmx -cpucount 2", |p| {
            p.global.cpu_flags.as_deref() == Some("-sse+mmx") && p.global.cpu_count == Some(2)
        }),
        ("-recast_media -psnr -qphist -benchmark -benchmark_all", |p| {
            let global = &p.global;
            global.recast_media && global.psnr && global.qp_histogram && global.benchmark && global.benchmark_all
        }),
        ("-timelimit 10", |p| p.global.time_limit == Some(10)),
        ("-dump -hex -debug_ts", |p| p.global.dump_packets && p.global.dump_payload && p.global.debug_timestamps),
        ("-frame_drop_threshold 1.1 -async 1 -adrift_threshold 0.2 -vol 128", |p| {
            let global = &p.global;
            (global.frame_drop_threshold, global.audio_drift_threshold) == (1.1, 0.2)
                && (global.audio_sync, global.volume) == (1, 128)
        }),
        ("-filter_complex a -lavfi b -filter_complex_script c", |p| {
            let graph = |text: &str| ComplexFilter::Graph(text.to_owned());
            p.global.complex_filters == [graph("a"), graph("b"), ComplexFilter::Script("c".into())]
        }),
        ("-noauto_conversion_filters", |p| !p.global.auto_conversion_filters),
        ("-auto_conversion_filters", |p| p.global.auto_conversion_filters),
        ("-vstats -vstats_version 1", |p| {
            p.global.vstats_file.as_deref() == Some("vstats_000000.log") && p.global.vstats_version == 1
        }),
        ("-vstats_file v.log", |p| p.global.vstats_file.as_deref() == Some("v.log")),
        ("-sdp_file s.sdp", |p| p.global.sdp_file.as_deref() == Some("s.sdp")),
        ("-vaapi_device /dev/dri/renderD128 -qsv_device 0 -init_hw_device cuda=c", |p| {
            p.global.hw_devices == ["vaapi:/dev/dri/renderD128", "qsv=__qsv_device:hw_any,child_device=0", "cuda=c"]
        }),
        ("-filter_hw_device c", |p| p.global.filter_hw_device.as_deref() == Some("c")),
        ("-i x -pre a -apad whole_dur=5 o", |p| {
            p.outputs[0].preset == [pair("", "a")] && p.outputs[0].audio_pad == [pair("", "whole_dur=5")]
        }),
        ("-i x -vf a -af b -filter:v:1 c -filter_script:a d o", |p| {
            p.outputs[0].filters == [pair("v", "a"), pair("a", "b"), pair("v:1", "c")]
                && p.outputs[0].filter_scripts == [pair("a", "d")]
        }),
        ("-reinit_filter 0 -autorotate 0 -noautorotate:1 -i x o", |p| {
            p.inputs[0].reinit_filter == [(String::new(), 0)]
                && p.inputs[0].autorotate == [(String::new(), false), ("1".into(), false)]
        }),
        ("-i x -autoscale 1 -noautoscale o", |p| p.outputs[0].autoscale.iter().map(|(_, on)| *on).eq([true, false])),
        ("-top 1 -i x -top:v 0 o", |p| {
            p.inputs[0].top_field_first == [(String::new(), 1)] && p.outputs[0].top_field_first == [("v".into(), 0)]
        }),
        ("-guess_layout_max 2 -fix_sub_duration -canvas_size 720x576 -i x o", |p| {
            let input = &p.inputs[0];
            input.guess_layout_max[0].1 == 2 && input.fix_sub_duration[0].1 && input.canvas_size == [pair("", "720x576")]
        }),
        ("-hwaccel:v auto -hwaccel_device d -hwaccel_output_format cuda -i x o", |p| {
            let input = &p.inputs[0];
            (&input.hwaccel[0], &input.hwaccel_device[0], &input.hwaccel_output_format[0])
                == (&pair("v", "auto"), &pair("", "d"), &pair("", "cuda"))
        }),
        ("-i x -map_channel 0.0.1 o", |p| p.outputs[0].map_channels[0].source == Some((0, 0, 1))),
        ("-i x -bits_per_raw_sample 10 -enc_time_base -1 -fpsmax 30 -pass 2 -passlogfile log o", |p| {
            let output = &p.outputs[0];
            output.bits_per_raw_sample[0].1 == 10
                && (&output.encoder_time_base[0], &output.frame_rate_max[0]) == (&pair("", "-1"), &pair("", "30"))
                && (output.pass[0].1, &output.pass_log[0]) == (2, &pair("", "log"))
        }),
        ("-i x -s:v 64x48 -pix_fmt +gray -sample_fmt s16 -ar 8000 -ac:a:0 1 -channel_layout mono -ch_layout stereo o", |p| {
            let output = &p.outputs[0];
            (&output.size[0], &output.pixel_format[0]) == (&pair("v", "64x48"), &pair("", "+gray"))
                && output.sample_format == [pair("", "s16")]
                && (output.sample_rate[0].1, &output.channels[0]) == (8000, &("a:0".into(), 1))
                && output.channel_layout == [pair("", "mono"), pair("", "stereo")]
        }),
        ("-i x -rc_override 0,5,2 -intra_matrix 1 -inter_matrix 2 -chroma_intra_matrix 3 o", |p| {
            let output = &p.outputs[0];
            [&output.rc_override, &output.intra_matrix, &output.inter_matrix, &output.chroma_intra_matrix]
                .iter()
                .map(|values| values[0].1.as_str())
                .eq(["0,5,2", "1", "2", "3"])
        }),
        ("-i x -fps_mode:v cfr -force_fps -force_key_frames expr:gte(t,1) o", |p| {
            let output = &p.outputs[0];
            output.fps_mode == [pair("v", "cfr")]
                && output.force_frame_rate[0].1
                && output.force_key_frames == [pair("", "expr:gte(t,1)")]
        }),
        ("-sample_fmt s16 -i x o", |p| p.inputs[0].options.is_empty()),
        ("-copyts", |p| p.global.copy_ts),
        ("-start_at_zero", |p| p.global.start_at_zero),
        ("-copytb 1", |p| p.global.copy_tb == 1),
        ("-dts_delta_threshold 3", |p| p.global.dts_delta_threshold == 3.0),
        ("-dts_error_threshold 4", |p| p.global.dts_error_threshold == 4.0),
        ("-xerror", |p| p.global.exit_on_error),
        ("-abort_on empty_output+empty_output_stream-empty_output", |p| {
            !p.global.abort_on_empty_output && p.global.abort_on_empty_output_stream
        }),
        ("-stats_period 0.1", |p| p.global.stats_period == Duration::from_millis(100)),
        ("-f flv -i x o", |p| p.inputs[0].format.as_deref() == Some("flv") && p.outputs[0].format.is_none()),
        ("-i x -f a -f b o", |p| p.outputs[0].format.as_deref() == Some("b")),
        ("-c:v h264 -i x o", |p| p.inputs[0].codec == [pair("v", "h264")]),
        ("-i x -c copy -codec:a:1 aac -vcodec copy -acodec mp2 -scodec srt -dcodec copy o", |p| {
            let codecs = [("", "copy"), ("a:1", "aac"), ("v", "copy"), ("a", "mp2"), ("s", "srt"), ("d", "copy")];
            p.outputs[0].codec == codecs.map(|(specifier, codec)| pair(specifier, codec))
        }),
        ("-vcodec h264 -acodec aac -scodec srt -dcodec copy -i x o", |p| p.inputs[0].codec.len() == 4),
        ("-i x -map_metadata 0:s:0 o", |p| p.outputs[0].map_metadata.len() == 1),
        ("-t 3 -i x o", |p| p.inputs[0].duration == Some(3_000_000)),
        ("-i x -t 4 o", |p| p.outputs[0].duration == Some(4_000_000)),
        ("-to 3 -i x -to 4 o", |p| (p.inputs[0].stop, p.outputs[0].stop) == (Some(3_000_000), Some(4_000_000))),
        ("-i x -fs 1M o", |p| p.outputs[0].limit_filesize == Some(1_000_000)),
        ("-ss 1:00 -i x -ss 2 o", |p| (p.inputs[0].start, p.outputs[0].start) == (Some(60_000_000), Some(2_000_000))),
        ("-sseof -3 -i x o", |p| p.inputs[0].start_eof == Some(-3_000_000)),
        ("-seek_timestamp 1 -i x o", |p| p.inputs[0].seek_timestamp),
        ("-i x -timestamp 2020-01-01T00:00:00Z o", |p| p.outputs[0].metadata[0].value == "2020-01-01T00:00:00+0000"),
        ("-i x -metadata title=a=b o", |p| {
            (&*p.outputs[0].metadata[0].key, &*p.outputs[0].metadata[0].value) == ("title", "a=b")
        }),
        ("-i x -program title=A:st=0 -program st=1 o", |p| p.outputs[0].program == ["title=A:st=0", "st=1"]),
        ("-i x -target pal-dvd o", |p| p.outputs[0].format.as_deref() == Some("dvd")),
        ("-i x -frames:v 5 -vframes 6 -aframes 7 -dframes 8 o", |p| {
            p.outputs[0].frames == [("v".into(), 5), ("v".into(), 6), ("a".into(), 7), ("d".into(), 8)]
        }),
        ("-discard:a all -i x o", |p| p.inputs[0].discard == [pair("a", "all")]),
        ("-i x -disposition:a:0 0 o", |p| p.outputs[0].disposition == [pair("a:0", "0")]),
        ("-i x -map 0:v -map -0:v:1 o", |p| matches!(p.outputs[0].maps[1], Map::Stream { negative: true, .. })),
        ("-i x -map_chapters -1 o", |p| p.outputs[0].map_chapters == Some(-1)),
        ("-noaccurate_seek -i x o", |p| p.inputs[0].no_accurate_seek),
        ("-isync 0 -i x o", |p| p.inputs[0].sync_with == Some(0)),
        ("-itsoffset -1.5 -i x o", |p| p.inputs[0].ts_offset == -1_500_000),
        ("-itsscale:v 2 -i x o", |p| p.inputs[0].ts_scale == [("v".into(), 2.0)]),
        ("-re -i x o", |p| p.inputs[0].readrate == 1.0),
        ("-readrate 2 -i x -i y o", |p| (p.inputs[0].readrate, p.inputs[1].readrate) == (2.0, 0.0)),
        ("-i x -shortest o", |p| p.outputs[0].shortest),
        ("-bitexact -i x o", |p| p.inputs[0].bitexact && !p.outputs[0].bitexact),
        ("-i x -bitexact o", |p| p.outputs[0].bitexact),
        ("-i x -copyinkf o", |p| p.outputs[0].copy_initial_nonkey == [(String::new(), true)]),
        ("-i x -nocopyinkf:v o", |p| p.outputs[0].copy_initial_nonkey == [("v".into(), false)]),
        ("-i x -copypriorss 1 o", |p| p.outputs[0].copy_prior_start == [(String::new(), 1)]),
        ("-tag:v a -vtag b -i x o", |p| p.inputs[0].tag == [pair("v", "a"), pair("v", "b")]),
        ("-i x -tag a -vtag b -atag c -stag d o", |p| {
            p.outputs[0].tag == [pair("", "a"), pair("v", "b"), pair("a", "c"), pair("s", "d")]
        }),
        ("-i x -qscale 3 -qscale:a 4 -aq 5 o", |p| {
            p.outputs[0].quality == [("v".into(), 3.0), ("a".into(), 4.0), ("a".into(), 5.0)]
        }),
        ("-i x -q 6 -q:v:1 7 o", |p| p.outputs[0].quality == [(String::new(), 6.0), ("v:1".into(), 7.0)]),
        ("-i x -profile:v high -profile main o", |p| p.outputs[0].options == [pair("profile:v", "main")]),
        ("-i x -attach a -attach b o", |p| p.outputs[0].attach == ["a", "b"]),
        ("-dump_attachment:t:0 a -i x o", |p| p.inputs[0].dump_attachment == [pair("t:0", "a")]),
        ("-stream_loop -1 -i x o", |p| p.inputs[0].stream_loop == -1),
        ("-thread_queue_size 64 -i x o", |p| p.inputs[0].thread_queue_size == Some(64)),
        ("-nofind_stream_info -i x -i y -find_stream_info -i z o", |p| {
            p.inputs.iter().map(|input| input.no_find_stream_info).eq([true, true, false])
        }),
        ("-i x -muxdelay 0 o -muxpreload 0.5 p", |p| {
            (p.outputs[0].mux_max_delay, p.outputs[1].mux_max_delay, p.outputs[1].mux_preload) == (0.0, 0.7, 0.5)
        }),
        ("-i x -time_base 1:24 o", |p| p.outputs[0].time_base == [pair("", "1:24")]),
        ("-i x -bsf:v a -vbsf b -absf c o", |p| p.outputs[0].bsf == [pair("v", "a"), pair("v", "b"), pair("a", "c")]),
        ("-i x -max_muxing_queue_size 9 o", |p| p.outputs[0].max_muxing_queue_size == [(String::new(), 9)]),
        ("-i x -muxing_queue_data_threshold 9 o", |p| p.outputs[0].muxing_queue_data_threshold == [(String::new(), 9)]),
        ("-r 25 -i x -r:v 50 o", |p| p.inputs[0].frame_rate == [pair("", "25")] && p.outputs[0].frame_rate == [pair("v", "50")]),
        ("-s 64x48 -pix_fmt gray -ar 8000 -i x o", |p| {
            p.inputs[0].options == [pair("video_size", "64x48"), pair("pixel_format", "gray"), pair("sample_rate", "8000")]
        }),
        ("-ac 2 -channel_layout mono -ch_layout stereo -i x o", |p| {
            p.inputs[0].channels == Some(2) && p.inputs[0].channel_layout.as_deref() == Some("stereo")
        }),
        ("-i x -aspect 4:3 o", |p| p.outputs[0].aspect == [pair("", "4:3")]),
        ("-vn -sn -i x -an -dn o", |p| {
            let (input, output) = (p.inputs[0].disable, p.outputs[0].disable);
            input.video && input.subtitle && !input.audio && output.audio && output.data && !output.video
        }),
        ("-an -dn -i x -vn -sn o", |p| p.inputs[0].disable.audio && p.outputs[0].disable.subtitle),
        ("-i x -timecode 01:00:00:00 o", |p| {
            p.outputs[0].metadata[0].key == "timecode" && p.outputs[0].options == [pair("gop_timecode", "01:00:00:00")]
        }),
        ("-i x -b:v 1M -ab 64k o", |p| p.outputs[0].options == [pair("b:v", "1M"), pair("b:a", "64k")]),
        ("-i x -streamid 0:33 o", |p| p.outputs[0].stream_id == [(0, 33)]),
    ];

    #[test]
    fn each_option_sets_what_its_row_says() {
        for (line, holds) in USES {
            assert!(holds(&plan(line)), "{line}: {:#?}", plan(line));
        }
    }

    #[test]
    fn each_option_that_stores_something_has_a_use_above() {
        let words: Vec<&str> = USES.iter().flat_map(|(line, _)| line.split_whitespace()).collect();
        let used = |row: &Row| {
            words.iter().filter_map(|word| word.strip_prefix('-')).any(|option| {
                let name = option.split(':').next().unwrap_or(option);
                name == row.name || (row.negatable() && name.strip_prefix("no") == Some(row.name))
            })
        };
        let stores = |row: &Row| !matches!(row.place, Place::Show(_) | Place::Output(Preset));
        let missing: Vec<&Row> = ROWS.iter().filter(|row| stores(row) && !used(row)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn names_are_unique_and_aliases_end_at_a_row_of_the_same_place() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(!ROWS[..index].iter().any(|before| before.name == row.name), "{row:?} stands twice");
            let others = match &row.place {
                Place::Input(Same(other)) | Place::Output(Same(other)) => vec![*other],
                Place::Both(Same(one), Same(other)) => vec![*one, *other],
                _ => vec![],
            };
            for other in others {
                let target = find(other).map(|row| &row.place);
                assert!(matches!(target, Some(Place::Both(..) | Place::Output(_))), "{row:?} means {other}");
            }
        }
    }
}
