//! What a job is to do: plain data, made by `command_line` from an ffmpeg command line or by hand through the API.
//!
//! Times are in microseconds (`AV_TIME_BASE` units), as everywhere in ffmpeg. Nothing here has been opened or checked against
//! a file yet.

use std::time::Duration;

/// A time or duration in microseconds.
pub type Micros = i64;

/// A complete job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Options that belong to no file.
    pub global: Global,
    /// `-i` files in order.
    pub inputs: Vec<Input>,
    /// Output files in order.
    pub outputs: Vec<Output>,
}

/// What to do when an output file exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// Ask on a terminal, refuse without one.
    #[default]
    Ask,
    /// `-y`.
    Always,
    /// `-n`.
    Never,
}

/// Options that belong to no file.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// `-y`, `-n`.
    pub overwrite: Overwrite,
    /// `-copyts`.
    pub copy_ts: bool,
    /// `-start_at_zero`.
    pub start_at_zero: bool,
    /// `-copytb`: -1 auto, 0 decoder, 1 demuxer.
    pub copy_tb: i32,
    /// `-dts_delta_threshold`, in seconds.
    pub dts_delta_threshold: f64,
    /// `-dts_error_threshold`, in seconds.
    pub dts_error_threshold: f64,
    /// `-stats`/`-nostats`; `None` = when the log level is info or more.
    pub stats: Option<bool>,
    /// `-stats_period`.
    pub stats_period: Duration,
    /// `-progress`.
    pub progress: Option<String>,
    /// `-stdin`/`-nostdin`: may `q` and friends be read from standard input?
    pub stdin: bool,
    /// `-xerror`.
    pub exit_on_error: bool,
    /// `-max_error_rate`, 0 to 1.
    pub max_error_rate: f64,
    /// `-abort_on empty_output`, `empty_output_stream`.
    pub abort_on_empty_output: bool,
    /// See `abort_on_empty_output`.
    pub abort_on_empty_output_stream: bool,
    /// `-loglevel`, as libav's number; `None` = info.
    pub log_level: Option<i32>,
    /// Prefix flags of `-loglevel repeat+level+…`.
    pub log_flags: Option<i32>,
    /// `-hide_banner`.
    pub hide_banner: bool,
    /// `-report`: write everything that is logged to a file too.
    pub report: bool,
    /// `-ignore_unknown`: leave out mapped streams of an unknown type instead of failing.
    pub ignore_unknown: bool,
    /// `-copy_unknown`: copy mapped streams of an unknown type.
    pub copy_unknown: bool,
    /// Options that a decoder, filter or encoder reads, `filter_complex` among them: (option as typed, value).
    pub transcoding: Vec<(String, String)>,
    /// `-auth_config`.
    pub auth_config: Option<String>,
    /// `-auth_log`, as libav's number.
    pub auth_log: Option<i32>,
    /// `-summary`.
    pub summary: Option<String>,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            overwrite: Overwrite::Ask,
            copy_ts: false,
            start_at_zero: false,
            copy_tb: -1,
            dts_delta_threshold: 10.0,
            dts_error_threshold: 3600.0 * 30.0,
            stats: None,
            stats_period: Duration::from_millis(500),
            progress: None,
            stdin: true,
            exit_on_error: false,
            max_error_rate: 2.0 / 3.0,
            abort_on_empty_output: false,
            abort_on_empty_output_stream: false,
            log_level: None,
            log_flags: None,
            hide_banner: false,
            report: false,
            ignore_unknown: false,
            copy_unknown: false,
            transcoding: Vec::new(),
            auth_config: None,
            auth_log: None,
            summary: None,
        }
    }
}

/// `-auth`, `-auth_wait` and `-auth_retry` of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    /// Profile names in order of preference; empty = no token.
    pub profiles: Vec<String>,
    /// How long to keep trying when no token can be had; `None` = 60 s.
    pub wait: Option<Duration>,
    /// How long to keep trying a playlist, segment or key that fails for a reason that may pass; `None` = 60 s.
    pub retry: Option<Duration>,
}

/// Values given per stream: (stream specifier, value). `""` matches every stream; the last match wins.
pub type PerStream<T> = Vec<(String, T)>;

/// AVOptions as typed: (name, with a specifier if one was given: `b:v`; value). Looked up when the file is opened.
pub type AvOptions = Vec<(String, String)>;

/// One `-i`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Input {
    /// What was written after `-i`.
    pub url: String,
    /// Its token.
    pub auth: Auth,
    /// `-f`.
    pub format: Option<String>,
    /// Options of the demuxer, the protocol and (with a specifier) the streams.
    pub options: AvOptions,
    /// `-ss`.
    pub start: Option<Micros>,
    /// `-sseof` (negative).
    pub start_eof: Option<Micros>,
    /// `-t`.
    pub duration: Option<Micros>,
    /// `-to`.
    pub stop: Option<Micros>,
    /// `-itsoffset`.
    pub ts_offset: Micros,
    /// `-itsscale`.
    pub ts_scale: PerStream<f64>,
    /// `-readrate`; `-re` is 1. 0 = as fast as possible.
    pub readrate: f64,
    /// `-stream_loop`: times to repeat; -1 for ever.
    pub stream_loop: i64,
    /// `-seek_timestamp`.
    pub seek_timestamp: bool,
    /// `-accurate_seek`; on by default in ffmpeg, so this is its opposite.
    pub no_accurate_seek: bool,
    /// `-discard`: none, default, noref, bidir, nokey, all.
    pub discard: PerStream<String>,
    /// `-vn -an -sn -dn` before an input.
    pub disable: Disable,
    /// `-c` before an input: a decoder (or `copy`, which means nothing there).
    pub codec: PerStream<String>,
    /// `-bitexact`.
    pub bitexact: bool,
    /// `-find_stream_info`; on by default, so this is its opposite.
    pub no_find_stream_info: bool,
    /// `-thread_queue_size`, packets.
    pub thread_queue_size: Option<usize>,
    /// `-dump_attachment`: file names; empty = the name in the stream's metadata.
    pub dump_attachment: PerStream<String>,
    /// `-on_gap fail`: parts that are missing in the end make the job fail.
    pub fail_on_gap: bool,
    /// `-isync`: the input whose clock this one follows.
    pub sync_with: Option<usize>,
    /// `-r`, as typed: the frame rate of its video streams, and the demuxer's `framerate` where it has that option.
    pub frame_rate: PerStream<String>,
    /// `-ac`: the demuxer's `ch_layout` where it has that option.
    pub channels: Option<i32>,
    /// `-channel_layout`, `-ch_layout`: likewise, and stronger than `channels`.
    pub channel_layout: Option<String>,
    /// `-tag`: four characters or a number, as typed.
    pub tag: PerStream<String>,
    /// Options that only a decoder reads; stream copy has no use for them: (option as typed, value).
    pub transcoding: Vec<(String, String)>,
}

/// `-vn -an -sn -dn`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disable {
    /// `-vn`.
    pub video: bool,
    /// `-an`.
    pub audio: bool,
    /// `-sn`.
    pub subtitle: bool,
    /// `-dn`.
    pub data: bool,
}

/// One `-map`.
#[derive(Clone, Debug, PartialEq)]
pub enum Map {
    /// `[-]FILE[:SPECIFIER][?]`.
    Stream {
        /// Takes away instead of adding.
        negative: bool,
        /// Input index.
        file: usize,
        /// Stream specifier; `""` = every stream.
        specifier: String,
        /// A trailing `?`: no match is no error.
        optional: bool,
    },
    /// `[LABEL]` of a complex filtergraph.
    Label(String),
}

/// Where `-map_metadata` takes from or gives to.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataSpec {
    /// `g`.
    Global,
    /// `s[:SPECIFIER]`.
    Stream(String),
    /// `c[:INDEX]`.
    Chapter(usize),
    /// `p[:INDEX]`.
    Program(usize),
}

/// `-map_metadata[:OUT] IN[:SPEC]`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataMap {
    /// What in the output.
    pub to: MetadataSpec,
    /// The input; `None` = -1: disable the automatic copy.
    pub file: Option<usize>,
    /// What in that input.
    pub from: MetadataSpec,
}

/// `-metadata[:SPEC] key=value`; an empty value deletes the key.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    /// What it belongs to.
    pub to: MetadataSpec,
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
}

/// One output file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// What was written.
    pub url: String,
    /// Its token.
    pub auth: Auth,
    /// `-f`.
    pub format: Option<String>,
    /// Options of the muxer, the protocol, the encoders and (with a specifier) the streams.
    pub options: AvOptions,
    /// `-map`; empty = automatic selection.
    pub maps: Vec<Map>,
    /// `-c`, `-vcodec`, …: encoder names or `copy`.
    pub codec: PerStream<String>,
    /// `-vn -an -sn -dn`.
    pub disable: Disable,
    /// `-ss`.
    pub start: Option<Micros>,
    /// `-t`.
    pub duration: Option<Micros>,
    /// `-to`.
    pub stop: Option<Micros>,
    /// `-fs`, bytes.
    pub limit_filesize: Option<u64>,
    /// `-shortest`.
    pub shortest: bool,
    /// `-frames`, `-vframes`, `-aframes`, `-dframes`.
    pub frames: PerStream<i64>,
    /// `-bsf`: bitstream filter chains as typed.
    pub bsf: PerStream<String>,
    /// `-tag`: four characters or a number, as typed.
    pub tag: PerStream<String>,
    /// `-disposition`, as typed.
    pub disposition: PerStream<String>,
    /// `-aspect`, as typed.
    pub aspect: PerStream<String>,
    /// `-r`, as typed; for stream copy it sets the stream's frame rate.
    pub frame_rate: PerStream<String>,
    /// `-copyinkf`: copy packets before the first key frame.
    pub copy_initial_nonkey: PerStream<bool>,
    /// `-copypriorss`.
    pub copy_prior_start: PerStream<i32>,
    /// `-time_base`, as typed.
    pub time_base: PerStream<String>,
    /// `-metadata`.
    pub metadata: Vec<Metadata>,
    /// `-map_metadata`.
    pub map_metadata: Vec<MetadataMap>,
    /// `-map_chapters`: the input; `None` = automatic, `Some(-1)` = none.
    pub map_chapters: Option<i64>,
    /// `-attach` files.
    pub attach: Vec<String>,
    /// `-program` specifications, as typed.
    pub program: Vec<String>,
    /// `-streamid` pairs (output stream index, id).
    pub stream_id: Vec<(usize, i32)>,
    /// `-muxdelay`, seconds.
    pub mux_max_delay: f64,
    /// `-muxpreload`, seconds.
    pub mux_preload: f64,
    /// `-max_muxing_queue_size`, packets.
    pub max_muxing_queue_size: PerStream<usize>,
    /// `-muxing_queue_data_threshold`, bytes below which `max_muxing_queue_size` does not count.
    pub muxing_queue_data_threshold: PerStream<usize>,
    /// `-bitexact`.
    pub bitexact: bool,
    /// Options that need a decoder, filter or encoder: (option as typed, value). Kept so that the refusal can name them.
    pub transcoding: Vec<(String, String)>,
}
