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

/// A filtergraph with inputs and outputs of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComplexFilter {
    /// `-filter_complex`, `-lavfi`: the description itself.
    Graph(String),
    /// `-filter_complex_script`: a file that holds it.
    Script(String),
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
    /// `-filter_complex`, `-lavfi`, `-filter_complex_script`, in order.
    pub complex_filters: Vec<ComplexFilter>,
    /// `-filter_threads`, as typed: threads of a simple filtergraph.
    pub filter_threads: Option<String>,
    /// `-filter_complex_threads`; 0 = as many as there are processors.
    pub filter_complex_threads: i32,
    /// `-auto_conversion_filters`: may a filtergraph insert conversions between its filters?
    pub auto_conversion_filters: bool,
    /// `-vsync`, as typed, for the streams without `-fps_mode`.
    pub fps_mode: Option<String>,
    /// `-frame_drop_threshold`, in frames.
    pub frame_drop_threshold: f64,
    /// `-async`: the `async` of aresample; 0 = none.
    pub audio_sync: i32,
    /// `-adrift_threshold`, in seconds: the `min_hard_comp` of aresample.
    pub audio_drift_threshold: f64,
    /// `-vol`: 256 leaves the volume as it is.
    pub volume: i32,
    /// `-recast_media`: a decoder of another media type may be forced.
    pub recast_media: bool,
    /// `-psnr`.
    pub psnr: bool,
    /// `-vstats_file`; `-vstats` gives it the name with the time of day.
    pub vstats_file: Option<String>,
    /// `-vstats_version`.
    pub vstats_version: i32,
    /// `-qphist`.
    pub qp_histogram: bool,
    /// `-cpuflags`, as typed; for the whole process.
    pub cpu_flags: Option<String>,
    /// `-cpucount`; for the whole process.
    pub cpu_count: Option<i32>,
    /// `-init_hw_device`, and what `-vaapi_device` and `-qsv_device` stand for, in order.
    pub hw_devices: Vec<String>,
    /// `-filter_hw_device`: the name of one of them.
    pub filter_hw_device: Option<String>,
    /// `-max_alloc`, in bytes: the largest block of memory; for the whole process.
    pub max_alloc: Option<usize>,
    /// `-timelimit`: seconds of CPU time; for the whole process.
    pub time_limit: Option<u64>,
    /// `-benchmark`: log the times and the memory that the job took.
    pub benchmark: bool,
    /// `-benchmark_all`: log the times that each call of a codec took.
    pub benchmark_all: bool,
    /// `-dump`: log each packet that is read.
    pub dump_packets: bool,
    /// `-hex`: with `dump_packets`, its payload too.
    pub dump_payload: bool,
    /// `-debug_ts`: log timestamps on their way.
    pub debug_timestamps: bool,
    /// `-sdp_file`: where the description of RTP outputs goes; `None` = standard output.
    pub sdp_file: Option<String>,
    /// `-auth_config`.
    pub auth_config: Option<String>,
    /// `-auth_log`, as libav's number.
    pub auth_log: Option<i32>,
    /// `-summary`.
    pub summary: Option<String>,
    /// It is one of many jobs in its process: no memory is set aside for what files hardly ever need.
    pub among_many: bool,
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
            complex_filters: Vec::new(),
            filter_threads: None,
            filter_complex_threads: 0,
            auto_conversion_filters: true,
            fps_mode: None,
            frame_drop_threshold: 0.0,
            audio_sync: 0,
            audio_drift_threshold: 0.1,
            volume: 256,
            recast_media: false,
            psnr: false,
            vstats_file: None,
            vstats_version: 2,
            qp_histogram: false,
            cpu_flags: None,
            cpu_count: None,
            hw_devices: Vec::new(),
            filter_hw_device: None,
            max_alloc: None,
            time_limit: None,
            benchmark: false,
            benchmark_all: false,
            dump_packets: false,
            dump_payload: false,
            debug_timestamps: false,
            sdp_file: None,
            auth_config: None,
            auth_log: None,
            summary: None,
            among_many: false,
        }
    }
}

/// `-auth` of one file, and the options that go with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    /// Profile names in order of preference; empty = no token.
    pub profiles: Vec<String>,
    /// How long to keep trying when no token can be had; `None` = 60 s.
    pub wait: Option<Duration>,
    /// How long to keep trying a playlist, segment or key that fails for a reason that may pass; `None` = 60 s.
    pub retry: Option<Duration>,
    /// `-allow_private`: what the file names, and its redirects, may lead to closer hosts than the file's own.
    pub allow_private: bool,
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
    /// `-open_timeout`: how long opening it may take in all; `None` = without limit.
    pub open_timeout: Option<Duration>,
    /// `-on_gap fail`: parts that are missing in the end make the job fail.
    pub fail_on_gap: bool,
    /// Whether it is opened again when it ends.
    pub ingest: Ingest,
    /// `-alternative`: where the same stream is to be had when the URL does not serve, in order of preference.
    pub alternatives: Vec<String>,
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
    /// `-autorotate`; on by default.
    pub autorotate: PerStream<bool>,
    /// `-reinit_filter`: 0 keeps a filtergraph although the parameters of its frames change.
    pub reinit_filter: PerStream<i32>,
    /// `-top`: 1 top field first, 0 bottom field first, -1 as decoded.
    pub top_field_first: PerStream<i32>,
    /// `-guess_layout_max`: the most channels for which a default layout is taken.
    pub guess_layout_max: PerStream<i32>,
    /// `-fix_sub_duration`.
    pub fix_sub_duration: PerStream<bool>,
    /// `-canvas_size`, as typed: the size that bitmap subtitles were made for.
    pub canvas_size: PerStream<String>,
    /// `-hwaccel`: `none`, `auto` or a method.
    pub hwaccel: PerStream<String>,
    /// `-hwaccel_device`.
    pub hwaccel_device: PerStream<String>,
    /// `-hwaccel_output_format`: a pixel format.
    pub hwaccel_output_format: PerStream<String>,
}

/// How long an input is kept going: where it ends before that, it is opened again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingest {
    /// `-ingest_for`; `None` = its end is the end.
    pub keep_for: Option<Duration>,
    /// `-stall_timeout`: so long without a packet is an end.
    pub stall_timeout: Option<Duration>,
    /// `-max_restarts`: attempts to open it again, failed ones included; `None` = without limit.
    pub max_restarts: Option<u32>,
    /// `-failback`: how often the first URL is tried while an alternative serves; zero = never, `None` = every 30 s.
    pub failback: Option<Duration>,
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

/// `-map_channel`: one channel of an output's audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelMap {
    /// Input index, stream index, channel; `None` = a silent channel.
    pub source: Option<(usize, usize, usize)>,
    /// A trailing `?`: no such stream is no error.
    pub optional: bool,
    /// Output index and stream index that it is for; `None` = the next one in order.
    pub output: Option<(usize, usize)>,
}

/// One output file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// What was written.
    pub url: String,
    /// Its token.
    pub auth: Auth,
    /// The same with NTSC's rate and size where `-target` names no norm, so that the inputs decide; what stands beside it is
    /// for PAL.
    pub ntsc: Option<Box<Output>>,
    /// `-f`.
    pub format: Option<String>,
    /// Options of the muxer, the protocol, the encoders and (with a specifier) the streams.
    pub options: AvOptions,
    /// `-continue`: numbers and playlists go on where the files that are there end.
    pub continues: bool,
    /// `-on_change new_file`: where an input comes back with other streams, it goes on in another file.
    pub new_file_on_change: bool,
    /// `-disk_full wait`: where there is no space left, it waits until there is.
    pub waits_for_space: bool,
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
    /// `-filter`, `-vf`, `-af`: the description of a simple filtergraph.
    pub filters: PerStream<String>,
    /// `-filter_script`: a file that holds it.
    pub filter_scripts: PerStream<String>,
    /// Options of libswscale, for the scale filters of this file's graphs, `sws_flags` among them.
    pub scaler_options: AvOptions,
    /// Options of libswresample, for the aresample filters of this file's graphs.
    pub resampler_options: AvOptions,
    /// `-s`, as typed.
    pub size: PerStream<String>,
    /// `-pix_fmt`, as typed; a leading `+` forbids another choice.
    pub pixel_format: PerStream<String>,
    /// `-sample_fmt`, as typed.
    pub sample_format: PerStream<String>,
    /// `-ar`.
    pub sample_rate: PerStream<i32>,
    /// `-ac`.
    pub channels: PerStream<i32>,
    /// `-channel_layout`, `-ch_layout`, as typed.
    pub channel_layout: PerStream<String>,
    /// `-q`, `-qscale`.
    pub quality: PerStream<f64>,
    /// `-fps_mode`, as typed.
    pub fps_mode: PerStream<String>,
    /// `-fpsmax`, as typed.
    pub frame_rate_max: PerStream<String>,
    /// `-force_fps`: keep `-r` although the encoder supports other rates.
    pub force_frame_rate: PerStream<bool>,
    /// `-force_key_frames`, as typed.
    pub force_key_frames: PerStream<String>,
    /// `-pass`: 1, 2 or 3.
    pub pass: PerStream<i32>,
    /// `-passlogfile`: prefix of the statistics' file name.
    pub pass_log: PerStream<String>,
    /// `-rc_override`, as typed.
    pub rc_override: PerStream<String>,
    /// `-intra_matrix`, as typed: 64 numbers.
    pub intra_matrix: PerStream<String>,
    /// `-inter_matrix`, likewise.
    pub inter_matrix: PerStream<String>,
    /// `-chroma_intra_matrix`, likewise.
    pub chroma_intra_matrix: PerStream<String>,
    /// `-top`: 1 top field first, 0 bottom field first, -1 as it comes.
    pub top_field_first: PerStream<i32>,
    /// `-bits_per_raw_sample`.
    pub bits_per_raw_sample: PerStream<i32>,
    /// `-enc_time_base`, as typed: 0 = from the rate, -1 = the source's.
    pub encoder_time_base: PerStream<String>,
    /// `-autoscale`; on by default.
    pub autoscale: PerStream<bool>,
    /// `-apad`: arguments of the filter.
    pub audio_pad: PerStream<String>,
    /// `-pre`: name of a file of encoder settings.
    pub preset: PerStream<String>,
    /// `-map_channel`, in order.
    pub map_channels: Vec<ChannelMap>,
}
