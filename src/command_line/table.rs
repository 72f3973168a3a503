//! One row per option: its name, its argument, the files it may stand before, and what it sets.
//!
//! The rows are those that `ffmpeg -h long` of FFmpeg 5.1 prints, and ffauth's own. Options whose effect is more than storing
//! a value name the function that reads them; options that need a decoder, a filter or an encoder are kept as typed.

use std::fmt;

use super::lower::{self, Context};
use super::split::Given;
use super::target;
use super::value::Argument;
use super::{level, map, read};
use crate::error::Error;
use crate::pipeline::plan::{Global, Input, Micros, Output};

/// An option.
pub struct Row {
    /// Without its dash.
    pub name: &'static str,
    /// What stands for the argument in the help; empty if the option takes none.
    pub metavar: &'static str,
    /// Which files it may stand before, and what it does there.
    pub place: Place,
    /// One line of help.
    pub help: &'static str,
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
    /// A list of what the linked libraries have.
    Libraries,
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
    /// Takes more than storing.
    Read(fn(&mut T, &Given, &mut Context) -> Result<(), Error>),
    /// Is read by a decoder, filter or encoder; kept as typed once its argument has been checked.
    Transcoding(Argument),
    /// Cannot be honoured; the sentence says why or what to do instead.
    Unsupported(Argument, &'static str),
}

impl<T> Set<T> {
    fn argument(&self) -> Argument {
        match self {
            Self::Flag(_) | Self::EachFlag(..) => Argument::Flag,
            Self::Switch(_) => Argument::Switch,
            Self::Text(_) | Self::EachText(..) | Self::Same(_) | Self::Read(_) => Argument::Text,
            Self::Int(_) | Self::EachInt(..) => Argument::Int,
            Self::Long(_) | Self::EachLong(..) => Argument::Long,
            Self::Float(_) | Self::EachFloat(..) => Argument::Float,
            Self::Time(_) => Argument::Time,
            Self::Transcoding(argument) | Self::Unsupported(argument, _) => *argument,
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

const fn show(name: &'static str, metavar: &'static str, topic: Topic, help: &'static str) -> Row {
    Row { name, metavar, place: Place::Show(topic), help }
}

const fn global(name: &'static str, metavar: &'static str, set: Set<Global>, help: &'static str) -> Row {
    Row { name, metavar, place: Place::Global(set), help }
}

const fn input(name: &'static str, metavar: &'static str, set: Set<Input>, help: &'static str) -> Row {
    Row { name, metavar, place: Place::Input(set), help }
}

const fn output(name: &'static str, metavar: &'static str, set: Set<Output>, help: &'static str) -> Row {
    Row { name, metavar, place: Place::Output(set), help }
}

const fn both(name: &'static str, metavar: &'static str, input: Set<Input>, output: Set<Output>, help: &'static str) -> Row {
    Row { name, metavar, place: Place::Both(input, output), help }
}

use Argument as A;
use Set::*;

/// All options, in the order of `ffmpeg -h long`, ffauth's own first.
pub const ROWS: &[Row] = &[
    // ffauth's own
    both(
        "auth",
        "NAME[,NAME...]",
        Read(read::input_auth),
        Read(read::output_auth),
        "profiles whose token goes into this file's requests",
    ),
    both(
        "auth_wait",
        "SECONDS",
        Time(|i, t| i.auth.wait = Some(read::wait(t))),
        Time(|o, t| o.auth.wait = Some(read::wait(t))),
        "how long to keep trying when no token can be had",
    ),
    input(
        "auth_retry",
        "SECONDS",
        Time(|i, t| i.auth.retry = Some(read::wait(t))),
        "how long to keep trying a playlist, segment or key of a file with -auth",
    ),
    input("allow_private", "", Flag(|i, on| i.auth.allow_private = on), "let a file with -auth lead to private hosts"),
    input("on_gap", "fail|warn", Read(read::on_gap), "what parts of a file with -auth that are missing in the end mean"),
    global("auth_config", "FILE", Text(|g, v| g.auth_config = Some(v)), "config file with the profiles"),
    global("auth_log", "LEVEL", Read(level::auth_log), "log level of token events"),
    global("summary", "FILE", Text(|g, v| g.summary = Some(v)), "write a JSON report at the end"),
    // Information
    show("L", "", Topic::License, "show the licence"),
    show("h", "topic", Topic::Help, "show help"),
    show("?", "topic", Topic::Help, "show help"),
    show("help", "topic", Topic::Help, "show help"),
    show("version", "", Topic::Version, "show the version"),
    show("buildconf", "", Topic::Libraries, "show how the libraries were configured"),
    show("formats", "", Topic::Libraries, "list formats"),
    show("muxers", "", Topic::Libraries, "list muxers"),
    show("demuxers", "", Topic::Libraries, "list demuxers"),
    show("devices", "", Topic::Libraries, "list devices"),
    show("codecs", "", Topic::Libraries, "list codecs"),
    show("decoders", "", Topic::Libraries, "list decoders"),
    show("encoders", "", Topic::Libraries, "list encoders"),
    show("bsfs", "", Topic::Libraries, "list bitstream filters"),
    show("protocols", "", Topic::Libraries, "list protocols"),
    show("filters", "", Topic::Libraries, "list filters"),
    show("pix_fmts", "", Topic::Libraries, "list pixel formats"),
    show("layouts", "", Topic::Libraries, "list channel layouts"),
    show("sample_fmts", "", Topic::Libraries, "list sample formats"),
    show("dispositions", "", Topic::Libraries, "list stream dispositions"),
    show("colors", "", Topic::Libraries, "list color names"),
    show("sources", "device", Topic::Libraries, "list the sources of an input device"),
    show("sinks", "device", Topic::Libraries, "list the sinks of an output device"),
    show("hwaccels", "", Topic::Libraries, "list hardware acceleration methods"),
    // Global
    global("loglevel", "[flags+]level", Read(level::log_level), "what is logged"),
    global("v", "[flags+]level", Read(level::log_level), "what is logged"),
    global("report", "", Switch(|g| g.report = true), "write a full log into a file"),
    global("max_alloc", "bytes", Unsupported(A::Text, "the limit would hold for the whole process"), "largest block of memory"),
    global("y", "", Flag(|_, _| {}), "overwrite output files without asking"),
    global("n", "", Flag(|_, _| {}), "never overwrite output files"),
    global("ignore_unknown", "", Flag(|g, on| g.ignore_unknown = on), "leave out mapped streams of unknown type"),
    global("filter_threads", "count", Transcoding(A::Text), "threads of simple filtergraphs"),
    global("filter_complex_threads", "count", Transcoding(A::Int), "threads of complex filtergraphs"),
    global("stats", "", Flag(|g, on| g.stats = Some(on)), "print progress while running"),
    global("max_error_rate", "ratio", Float(|g, v| g.max_error_rate = v), "share of decoding errors that makes the job fail"),
    global("vol", "volume", Transcoding(A::Int), "audio volume, 256 being as it was"),
    global("cpuflags", "flags", Transcoding(A::Text), "CPU features to use"),
    global("cpucount", "count", Transcoding(A::Text), "CPU count to assume"),
    global("hide_banner", "", Flag(|g, on| g.hide_banner = on), "do not print the banner"),
    global("copy_unknown", "", Flag(|g, on| g.copy_unknown = on), "copy mapped streams of unknown type"),
    global("recast_media", "", Transcoding(A::Flag), "allow a decoder of another media type"),
    global("benchmark", "", Unsupported(A::Flag, "use the shell's `time`"), "print times and memory at the end"),
    global("benchmark_all", "", Unsupported(A::Flag, "use the shell's `time`"), "print times of each task"),
    global("progress", "url", Text(|g, v| g.progress = Some(lower::pipe(v))), "write progress for programs to read"),
    global("stdin", "", Flag(|g, on| g.stdin = on), "read commands from standard input"),
    global("timelimit", "seconds", Unsupported(A::Int, "use the shell's `ulimit -t`"), "CPU time after which to stop"),
    global("dump", "", Unsupported(A::Flag, "use `ffauth probe -show_packets`"), "print each input packet"),
    global("hex", "", Unsupported(A::Flag, "use `ffauth probe -show_packets`"), "print the payload of each input packet"),
    global("vsync", "method", Read(read::vsync), "frame rate method of all video streams"),
    global("frame_drop_threshold", "frames", Transcoding(A::Float), "when late frames are dropped"),
    global("async", "samples", Transcoding(A::Int), "stretch audio to its timestamps"),
    global("adrift_threshold", "seconds", Transcoding(A::Float), "audio drift that is put right at once"),
    global("copyts", "", Flag(|g, on| g.copy_ts = on), "keep input timestamps"),
    global("start_at_zero", "", Flag(|g, on| g.start_at_zero = on), "with -copyts, let timestamps begin at 0"),
    global("copytb", "mode", Int(|g, v| g.copy_tb = v), "which time base stream copy keeps"),
    global("dts_delta_threshold", "seconds", Float(|g, v| g.dts_delta_threshold = v), "jump that counts as a discontinuity"),
    global("dts_error_threshold", "seconds", Float(|g, v| g.dts_error_threshold = v), "jump that counts as an error"),
    global("xerror", "", Flag(|g, on| g.exit_on_error = on), "end at the first error"),
    global("abort_on", "flags", Read(read::abort_on), "conditions that make the job fail"),
    global("filter_complex", "graph", Transcoding(A::Text), "a filtergraph of several inputs or outputs"),
    global("lavfi", "graph", Transcoding(A::Text), "a filtergraph of several inputs or outputs"),
    global("filter_complex_script", "file", Transcoding(A::Text), "read such a filtergraph from a file"),
    global("auto_conversion_filters", "", Transcoding(A::Flag), "insert conversion filters where needed"),
    global("stats_period", "time", Read(read::stats_period), "how often progress is printed"),
    global("debug_ts", "", Unsupported(A::Flag, "use `ffauth probe -show_packets`"), "print timestamps on their way"),
    global("psnr", "", Transcoding(A::Flag), "compute the PSNR of encoded frames"),
    global("vstats", "", Transcoding(A::Switch), "write encoding statistics to a file"),
    global("vstats_file", "file", Transcoding(A::Text), "file of the encoding statistics"),
    global("vstats_version", "version", Transcoding(A::Int), "format of the encoding statistics"),
    global("qphist", "", Transcoding(A::Flag), "print a histogram of quantizers"),
    global(
        "sdp_file",
        "file",
        Unsupported(A::Text, "take the SDP from an RTSP server instead"),
        "write the SDP of RTP outputs to a file",
    ),
    global("vaapi_device", "device", Transcoding(A::Text), "VAAPI device"),
    global("qsv_device", "device", Transcoding(A::Text), "QSV device"),
    global("init_hw_device", "args", Transcoding(A::Text), "prepare a hardware device"),
    global("filter_hw_device", "device", Transcoding(A::Text), "hardware device of the filters"),
    // Per file
    both("f", "fmt", Text(|i, v| i.format = Some(v)), Text(|o, v| o.format = Some(v)), "format"),
    both(
        "c",
        "codec",
        EachText(|i, s, v| i.codec.push((s, v))),
        EachText(|o, s, v| o.codec.push((s, v))),
        "decoder or encoder, or copy",
    ),
    both(
        "codec",
        "codec",
        EachText(|i, s, v| i.codec.push((s, v))),
        EachText(|o, s, v| o.codec.push((s, v))),
        "decoder or encoder, or copy",
    ),
    output("pre", "preset", Transcoding(A::Text), "file of encoder settings"),
    output("map_metadata", "input[:spec]", Read(map::map_metadata), "where metadata is taken from"),
    both("t", "duration", Time(|i, t| i.duration = Some(t)), Time(|o, t| o.duration = Some(t)), "how much to read or write"),
    both("to", "time", Time(|i, t| i.stop = Some(t)), Time(|o, t| o.stop = Some(t)), "when to stop reading or writing"),
    output("fs", "bytes", Long(|o, v| o.limit_filesize = u64::try_from(v).ok()), "largest size of the file"),
    both("ss", "time", Time(|i, t| i.start = Some(t)), Time(|o, t| o.start = Some(t)), "where to start"),
    input("sseof", "time", Time(|i, t| i.start_eof = Some(t)), "where to start, counted from the end"),
    input("seek_timestamp", "0|1", Int(|i, v| i.seek_timestamp = v != 0), "-ss is a timestamp of the file"),
    output("timestamp", "time", Read(read::timestamp), "creation time"),
    output("metadata", "key=value", Read(map::metadata), "set metadata"),
    output("program", "title=...:st=...", Text(|o, v| o.program.push(v)), "add a program"),
    output("target", "type", Read(target::target), "everything for a VCD, SVCD, DVD or DV"),
    output("apad", "options", Transcoding(A::Text), "pad audio with silence"),
    output("frames", "number", EachLong(|o, s, v| o.frames.push((s, v))), "how many frames to write"),
    output("filter", "graph", Transcoding(A::Text), "filters of a stream"),
    output("filter_script", "file", Transcoding(A::Text), "read the filters of a stream from a file"),
    input("reinit_filter", "0|1", Transcoding(A::Int), "start filters anew when the input changes"),
    input("discard", "which", EachText(|i, s, v| i.discard.push((s, v))), "packets that are not demuxed"),
    output("disposition", "flags", EachText(|o, s, v| o.disposition.push((s, v))), "what a stream is for"),
    // Per file, advanced
    output("map", "[-]input[:stream][?]", Read(map::map), "which streams go into the file"),
    output("map_channel", "file.stream.channel[:file.stream]", Transcoding(A::Text), "where an audio channel goes"),
    output("map_chapters", "input", Read(map::map_chapters), "where chapters are taken from"),
    input("accurate_seek", "", Flag(|i, on| i.no_accurate_seek = !on), "drop what lies before -ss"),
    input("isync", "input", Read(read::sync_with), "input whose clock this one follows"),
    input("itsoffset", "time", Time(|i, t| i.ts_offset = t), "added to timestamps"),
    input("itsscale", "factor", EachFloat(|i, s, v| i.ts_scale.push((s, v))), "timestamps are multiplied by it"),
    output("dframes", "number", Same("frames:d"), "how many data packets to write"),
    input(
        "re",
        "",
        Flag(|i, on| {
            if on && i.readrate == 0.0 {
                i.readrate = 1.0
            }
        }),
        "read as fast as the media plays",
    ),
    input("readrate", "speed", Float(|i, v| i.readrate = v), "read at this multiple of the media's speed"),
    output("shortest", "", Flag(|o, on| o.shortest = on), "end with the shortest stream"),
    both("bitexact", "", Flag(|i, on| i.bitexact = on), Flag(|o, on| o.bitexact = on), "leave out what differs from run to run"),
    output("copyinkf", "", EachFlag(|o, s, on| o.copy_initial_nonkey.push((s, on))), "copy packets before the first key frame"),
    output("copypriorss", "0|1", EachInt(|o, s, v| o.copy_prior_start.push((s, v))), "copy packets before -ss"),
    both("tag", "fourcc", EachText(|i, s, v| i.tag.push((s, v))), EachText(|o, s, v| o.tag.push((s, v))), "codec tag"),
    output("q", "q", Transcoding(A::Float), "constant quality"),
    output("qscale", "q", Read(read::qscale), "constant quality"),
    output("profile", "profile", Read(read::profile), "encoder profile"),
    output("attach", "file", Text(|o, v| o.attach.push(v)), "attach a file"),
    input("dump_attachment", "file", EachText(|i, s, v| i.dump_attachment.push((s, v))), "write an attachment to a file"),
    input("stream_loop", "count", Int(|i, v| i.stream_loop = v.into()), "how often to repeat the input, -1 for ever"),
    input(
        "thread_queue_size",
        "packets",
        Int(|i, v| i.thread_queue_size = usize::try_from(v).ok()),
        "packets that may wait behind the demuxer",
    ),
    input("find_stream_info", "", Flag(|i, on| i.no_find_stream_info = !on), "read ahead to learn about the streams"),
    output("bits_per_raw_sample", "number", Transcoding(A::Int), "bits per sample to declare"),
    input("autorotate", "0|1", Transcoding(A::FlagNumber), "turn pictures upright"),
    output("autoscale", "0|1", Transcoding(A::FlagNumber), "scale pictures to the first one's size"),
    output("muxdelay", "seconds", Float(|o, v| o.mux_max_delay = v), "largest delay between demuxing and decoding"),
    output("muxpreload", "seconds", Float(|o, v| o.mux_preload = v), "first delay between demuxing and decoding"),
    output("time_base", "ratio", EachText(|o, s, v| o.time_base.push((s, v))), "time base that the muxer should use"),
    output("enc_time_base", "ratio", Transcoding(A::Text), "time base of the encoder"),
    output("bsf", "filters", EachText(|o, s, v| o.bsf.push((s, v))), "bitstream filters"),
    output("fpre", "file", Transcoding(A::Text), "file of encoder settings"),
    output(
        "max_muxing_queue_size",
        "packets",
        EachInt(|o, s, v| o.max_muxing_queue_size.push((s, lower::size(v)))),
        "packets that may wait for the muxer to begin",
    ),
    output(
        "muxing_queue_data_threshold",
        "bytes",
        EachInt(|o, s, v| o.muxing_queue_data_threshold.push((s, lower::size(v)))),
        "bytes below which that limit does not count",
    ),
    both("dcodec", "codec", Same("codec:d"), Same("codec:d"), "codec of data streams"),
    // Video
    output("vframes", "number", Same("frames:v"), "how many video frames to write"),
    both("r", "rate", EachText(|i, s, v| i.frame_rate.push((s, v))), EachText(|o, s, v| o.frame_rate.push((s, v))), "frame rate"),
    output("fpsmax", "rate", Transcoding(A::Text), "highest frame rate"),
    both("s", "WxH", Text(|i, v| lower::set_option(&mut i.options, "video_size", v)), Transcoding(A::Text), "picture size"),
    output("aspect", "aspect", EachText(|o, s, v| o.aspect.push((s, v))), "display aspect ratio"),
    both("vn", "", Flag(|i, on| i.disable.video = on), Flag(|o, on| o.disable.video = on), "no video"),
    both("vcodec", "codec", Same("codec:v"), Same("codec:v"), "codec of video streams"),
    output("timecode", "hh:mm:ss[:;.]ff", Read(read::timecode), "first timecode"),
    output("pass", "n", Transcoding(A::Int), "which pass of a two-pass encode this is"),
    output("vf", "graph", Transcoding(A::Text), "filters of video streams"),
    output("ab", "bitrate", Read(read::bitrate), "audio bitrate"),
    output("b", "bitrate", Read(read::bitrate), "bitrate"),
    both("dn", "", Flag(|i, on| i.disable.data = on), Flag(|o, on| o.disable.data = on), "no data"),
    // Video, advanced
    both(
        "pix_fmt",
        "format",
        Text(|i, v| lower::set_option(&mut i.options, "pixel_format", v)),
        Transcoding(A::Text),
        "pixel format",
    ),
    output("rc_override", "override", Transcoding(A::Text), "rate control of some intervals"),
    output("passlogfile", "prefix", Transcoding(A::Text), "file name of two-pass statistics"),
    output("intra_matrix", "matrix", Transcoding(A::Text), "quantizer matrix of intra blocks"),
    output("inter_matrix", "matrix", Transcoding(A::Text), "quantizer matrix of inter blocks"),
    output("chroma_intra_matrix", "matrix", Transcoding(A::Text), "quantizer matrix of chroma blocks"),
    both("top", "1|0|-1", Transcoding(A::Int), Transcoding(A::Int), "which field comes first"),
    both("vtag", "fourcc", Same("tag:v"), Same("tag:v"), "codec tag of video streams"),
    output("fps_mode", "method", Transcoding(A::Text), "frame rate method"),
    output("force_fps", "", Transcoding(A::Flag), "keep the frame rate that was asked for"),
    output("streamid", "stream:id", Read(map::stream_id), "id of a stream in the file"),
    output("force_key_frames", "times", Transcoding(A::Text), "where key frames must be"),
    input("hwaccel", "name", Transcoding(A::Text), "decode in hardware"),
    input("hwaccel_device", "device", Transcoding(A::Text), "device that decodes"),
    input("hwaccel_output_format", "format", Transcoding(A::Text), "pixel format of hardware decoding"),
    output("vbsf", "filters", Same("bsf:v"), "bitstream filters of video streams"),
    output("vpre", "preset", Transcoding(A::Text), "file of video encoder settings"),
    // Audio
    output("aframes", "number", Same("frames:a"), "how many audio frames to write"),
    output("aq", "quality", Same("q:a"), "constant quality of audio"),
    both(
        "ar",
        "rate",
        Int(|i, v| lower::set_option(&mut i.options, "sample_rate", v.to_string())),
        Transcoding(A::Int),
        "sample rate",
    ),
    both("ac", "channels", Int(|i, v| i.channels = Some(v)), Transcoding(A::Int), "number of channels"),
    both("an", "", Flag(|i, on| i.disable.audio = on), Flag(|o, on| o.disable.audio = on), "no audio"),
    both("acodec", "codec", Same("codec:a"), Same("codec:a"), "codec of audio streams"),
    output("af", "graph", Transcoding(A::Text), "filters of audio streams"),
    // Audio, advanced
    output("atag", "fourcc", Same("tag:a"), "codec tag of audio streams"),
    both("sample_fmt", "format", Transcoding(A::Text), Transcoding(A::Text), "sample format"),
    both("channel_layout", "layout", Text(|i, v| i.channel_layout = Some(v)), Transcoding(A::Text), "channel layout"),
    both("ch_layout", "layout", Text(|i, v| i.channel_layout = Some(v)), Transcoding(A::Text), "channel layout"),
    input("guess_layout_max", "channels", Transcoding(A::Int), "most channels whose layout is guessed"),
    output("absf", "filters", Same("bsf:a"), "bitstream filters of audio streams"),
    output("apre", "preset", Transcoding(A::Text), "file of audio encoder settings"),
    // Subtitles
    both("sn", "", Flag(|i, on| i.disable.subtitle = on), Flag(|o, on| o.disable.subtitle = on), "no subtitles"),
    both("scodec", "codec", Same("codec:s"), Same("codec:s"), "codec of subtitle streams"),
    output("stag", "fourcc", Same("tag:s"), "codec tag of subtitle streams"),
    input("fix_sub_duration", "", Transcoding(A::Flag), "end a subtitle where the next begins"),
    input("canvas_size", "WxH", Transcoding(A::Text), "size that subtitles were made for"),
    output("spre", "preset", Transcoding(A::Text), "file of subtitle encoder settings"),
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
        ("-vsync 0", |p| p.global.transcoding == [pair("vsync", "0")]),
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
            p.outputs[0].transcoding == [pair("q:v", "3"), pair("q:a", "4"), pair("q:a", "5")]
        }),
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
        let stores = |row: &Row| {
            !matches!(
                row.place,
                Place::Show(_)
                    | Place::Global(Transcoding(_) | Unsupported(..))
                    | Place::Input(Transcoding(_) | Unsupported(..))
                    | Place::Output(Transcoding(_) | Unsupported(..))
                    | Place::Both(Transcoding(_), Transcoding(_))
            )
        };
        let missing: Vec<&Row> = ROWS.iter().filter(|row| stores(row) && !used(row)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn options_for_decoders_filters_and_encoders_are_kept_as_typed() {
        let given = |row: &Row| match row.argument() {
            Argument::Flag | Argument::Switch => format!("-{}", row.name),
            _ => format!("-{} 1", row.name),
        };
        for row in ROWS {
            let kept = vec![pair(row.name, "1")];
            if let Place::Global(Transcoding(_)) = &row.place {
                assert_eq!(plan(&given(row)).global.transcoding, kept, "{row:?}");
            }
            if let Place::Input(Transcoding(_)) | Place::Both(Transcoding(_), _) = &row.place {
                assert_eq!(plan(&format!("{} -i x o", given(row))).inputs[0].transcoding, kept, "{row:?}");
            }
            if let Place::Output(Transcoding(_)) | Place::Both(_, Transcoding(_)) = &row.place {
                assert_eq!(plan(&format!("-i x {} o", given(row))).outputs[0].transcoding, kept, "{row:?}");
            }
        }
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
