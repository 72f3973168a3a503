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
    global("benchmark", "", Flag(|g, on| g.benchmark = on), "print times and memory at the end"),
    global("benchmark_all", "", Unsupported(A::Flag, "use -benchmark for the totals"), "print times of each task"),
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
