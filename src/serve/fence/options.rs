//! Formats and AVOptions that streams of the API may use.

/// What the value of an option means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// A number, a flag, a word, or text that goes into a request or a file as it is.
    Harmless,
    /// The name of a muxer.
    Muxer,
    /// A file that is written.
    File,
    /// A file that is written beside the one that the option is for.
    Beside,
}

/// Demuxers that find all they need in the one file that they are given.
#[rustfmt::skip]
pub const LOCAL_INPUTS: &[&str] = &[
    "aac", "ac3", "aiff", "asf", "av1", "avi", "eac3", "flac", "flv", "h264", "hevc", "ivf", "m4v", "matroska", "mjpeg", "mov", "mp3", "mp4",
    "mpeg", "mpegts", "mpegtsraw", "mpegvideo", "mxf", "nut", "ogg", "rawvideo", "s16le", "wav", "webm", "yuv4mpegpipe",
];

/// Further ones, for the network: what they name is held to the protocols of the network.
pub const NETWORK_INPUTS: &[&str] = &["dash", "hls", "rtp", "rtsp"];

/// Muxers that write where they are told, and nothing else.
#[rustfmt::skip]
pub const OUTPUTS: &[&str] = &[
    "ac3", "adts", "aiff", "asf", "avi", "dash", "eac3", "flac", "flv", "framecrc", "framemd5", "h264", "hevc", "hls", "image2", "ipod",
    "ivf", "m4v", "matroska", "mjpeg", "mov", "mp2", "mp3", "mp4", "mpeg", "mpegts", "mpjpeg", "mxf", "null", "nut", "ogg", "opus",
    "rawvideo", "rtp", "rtp_mpegts", "rtsp", "segment", "ssegment", "stream_segment", "vob", "wav", "webm", "webvtt", "yuv4mpegpipe",
];

const FILES: &[(&str, Means)] = &[
    ("hls_segment_filename", Means::File),
    ("segment_list", Means::File),
    ("segment_format", Means::Muxer),
    ("hls_fmp4_init_filename", Means::Beside),
    ("master_pl_name", Means::Beside),
    ("init_seg_name", Means::Beside),
    ("media_seg_name", Means::Beside),
    ("hls_master_name", Means::Beside),
];

/// Numbers, flags, words and texts. Absent on purpose, among others: `safe`, `enable_drefs`, `use_absolute_path`,
/// `allowed_extensions`, `protocol_whitelist`, `format_whitelist` (they open what is closed), `cert_file`, `key_file`, `ca_file`,
/// `hls_key_info_file`, `hls_enc_key_url`, `x264-params`, `x265-params`, `stats` (they name files), `http_proxy`, `var_stream_map`
/// (names in it become parts of paths), `segment_format_options`, `hls_ts_options`, `format_opts` (options inside options), `listen`.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    // Requests and connections.
    "auth_type", "buffer_size", "chunked_post", "connect_timeout", "content_type", "cookies", "fifo_size", "headers", "http_multiple",
    "http_persistent", "http_seekable", "http_user_agent", "ignore_io_errors", "latency", "localport", "max_redirects", "max_reload",
    "method", "mode", "multiple_requests", "offset", "overrun_nonfatal", "passphrase", "payload_size", "pbkeylen", "peerlatency",
    "pkt_size", "rcvlatency", "reconnect", "reconnect_at_eof", "reconnect_delay_max", "reconnect_on_http_error",
    "reconnect_on_network_error", "reconnect_streamed", "referer", "reorder_queue_size", "reuse", "rtmp_app", "rtmp_buffer",
    "rtmp_conn", "rtmp_flashver", "rtmp_live", "rtmp_pageurl", "rtmp_playpath", "rtmp_subscribe", "rtmp_swfurl", "rtmp_tcurl",
    "rtsp_flags", "rtsp_transport", "rw_timeout", "seekable", "send_expect_100", "srt_streamid", "stimeout", "streamid", "timeout",
    "tls_verify", "transtype", "ttl", "user_agent", "verify",
    // Reading.
    "allowed_media_types", "analyzeduration", "avioflags", "channels", "ch_layout", "correct_ts_overflow", "cryptokey", "err_detect",
    "fflags", "formatprobesize", "fpsprobesize", "framerate", "ignore_editlist", "ignore_loop", "live_start_index", "loop",
    "m3u8_hold_counters", "max_delay", "max_probe_packets", "max_streams", "max_ts_probe", "pixel_format", "prefer_x_start",
    "probesize", "resync_size", "sample_rate", "scan_all_pmts", "seek2any", "seg_max_retry", "skip_changes", "skip_clear", "skip_frame",
    "skip_idct", "skip_loop_filter", "skip_estimate_duration_from_pts", "start_number_range", "usetoc", "video_size",
    // Writing.
    "adaptation_sets", "atomic_writing", "avoid_negative_ts", "brand", "break_non_keyframes", "cluster_size_limit",
    "cluster_time_limit", "cues_to_front", "dash", "dash_segment_type", "default_mode", "extra_window_size", "flush_packets",
    "flvflags", "frag_duration", "frag_interleave", "frag_size", "frag_type", "fragment_index", "frame_pts", "global_sidx",
    "hls_allow_cache", "hls_base_url", "hls_delete_threshold", "hls_flags", "hls_fmp4_init_resend", "hls_init_time", "hls_list_size",
    "hls_playlist", "hls_playlist_type", "hls_segment_size", "hls_segment_type", "hls_start_number_source", "hls_time", "id3v2_version",
    "increment_tc", "individual_header_trailer", "initial_offset", "ldash", "lhls", "live", "master_pl_publish_rate",
    "max_interleave_delta", "max_segment_size", "min_frag_duration", "min_seg_duration", "moov_size", "movflags",
    "mpegts_copyts", "mpegts_flags", "mpegts_m2ts_mode", "mpegts_original_network_id", "mpegts_pmt_start_pid", "mpegts_service_id",
    "mpegts_service_type", "mpegts_start_pid", "mpegts_transport_stream_id", "muxrate", "omit_video_pes_length", "packetsize",
    "pat_period", "pcr_period", "pes_payload_size", "remove_at_exit", "reserve_index_space", "reset_timestamps", "rtpflags", "sdt_period",
    "seg_duration", "segment_atclocktime", "segment_clocktime_offset", "segment_clocktime_wrap_duration", "segment_frames",
    "segment_list_entry_prefix", "segment_list_flags", "segment_list_size", "segment_list_type", "segment_start_number",
    "segment_time", "segment_time_delta", "segment_times", "segment_wrap", "segment_wrap_number", "single_file", "ssrc", "start_number",
    "streaming", "strftime", "strftime_mkdir", "tables_version", "update", "update_period", "use_editlist", "use_localtime",
    "use_localtime_mkdir", "use_template", "use_timeline", "video_track_timescale", "window_size", "write_bext",
    "write_header_trailer", "write_prft", "write_tmcd", "write_xing", "xing",
    // Decoding and encoding.
    "8x8dct", "a53cc", "ac", "abr", "application", "aq-mode", "aq-strength", "aq_mode", "ar", "b", "b-bias", "b-pyramid",
    "b_strategy", "bf", "bframes", "bidir_refine", "bits_per_coded_sample", "bitrate", "bluray-compat", "bufsize", "bt", "channel_layout",
    "chroma_sample_location", "chromaoffset", "cmp", "coder", "color_primaries", "color_range", "color_trc", "colorspace",
    "compression_level", "context", "cplxblur", "cpu-used", "cq", "crf", "crf_max", "cutoff", "dc", "deadline", "deblock", "direct-pred",
    "ec", "error-resilient", "fast-pskip", "fec", "field_order", "flags", "flags2", "forced-idr", "frame_duration", "g", "idct",
    "intra-refresh", "keyint_min", "lag-in-frames", "level", "lowres", "mapping_family", "max_b_frames", "maxrate", "mbd", "me_method",
    "me_range", "minrate", "mixed-refs", "motion-est", "nal-hrd", "noise_reduction", "packet_loss", "partitions", "pix_fmt", "pred", "preset",
    "profile", "psy", "psy-rd", "qblur", "qcomp", "qdiff", "qmax", "qmin", "qp", "quality", "rc", "rc-lookahead", "rc_init_occupancy",
    "rc_max_vbv_use", "rc_min_vbv_use", "refs", "row-mt", "sample_fmt", "sc_threshold", "slices", "slice-max-size", "speed",
    "static-thresh", "strict", "subq", "sug", "sws_flags", "thread_type", "threads", "tile-columns", "tile-rows", "tier", "timecode",
    "trellis", "tune", "udu_sei", "usage", "vbr", "wpredp", "weightb", "weightp", "xerror",
];

/// What the option of this name, without a stream specifier, means; `None` = not for streams of the API.
pub fn find(name: &str) -> Option<Means> {
    let file = FILES.iter().find(|(file, _)| *file == name).map(|(_, means)| *means);
    file.or_else(|| HARMLESS.contains(&name).then_some(Means::Harmless))
}
