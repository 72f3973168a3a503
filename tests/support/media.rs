//! The media that is read: 20 s of 320x180 h264 and aac, made once by `ffmpeg`, in every shape in which it is served.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::origin::Site;

/// A way in which media comes over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The folder below [`folder`].
    name: &'static str,
    /// What `-i` names.
    pub entry: &'static str,
    /// Input options without which not everything would be read.
    pub options: &'static [&'static str],
    live: bool,
    /// Progressive files are one long response; the server ends it this often, so that there are requests to see tokens in.
    cut_every: Option<u64>,
}

const fn progressive(name: &'static str, entry: &'static str) -> Kind {
    Kind { name, entry, options: &[], live: false, cut_every: Some(150_000) }
}

const fn hls(name: &'static str) -> Kind {
    Kind { name, entry: "index.m3u8", options: &[], live: false, cut_every: None }
}

const fn dash(name: &'static str) -> Kind {
    Kind { name, entry: "index.mpd", options: &[], live: false, cut_every: None }
}

const fn live(name: &'static str) -> Kind {
    Kind { live: true, options: &["-live_start_index", "0"], ..hls(name) }
}

pub const MP4_MOOV_LAST: Kind = progressive("moov-last", "video.mp4");
pub const MP4_MOOV_FIRST: Kind = progressive("moov-first", "video.mp4");
pub const MPEGTS: Kind = progressive("mpegts", "video.ts");
pub const HLS: Kind = hls("hls");
pub const HLS_FMP4: Kind = hls("fmp4");
pub const HLS_AES: Kind = hls("aes");
pub const HLS_BYTE_RANGE: Kind = hls("byte-range");
pub const HLS_MASTER: Kind = Kind { entry: "master.m3u8", ..hls("master") };
/// Segments listed by time and named by number.
pub const DASH: Kind = dash("dash");
/// The same, named by time.
pub const DASH_TIME: Kind = dash("dash-time");
/// Segments with a URL each.
pub const DASH_LIST: Kind = dash("dash-list");
/// Segments that are counted, none of them listed.
pub const DASH_COUNTED: Kind = dash("dash-counted");
/// One file for each stream, read in ranges.
pub const DASH_SINGLE: Kind = dash("dash-single");
pub const DASH_LIVE: Kind = Kind { live: true, ..DASH_TIME };
pub const DASH_LIVE_NUMBERED: Kind = Kind { live: true, ..DASH };
pub const DASH_LIVE_COUNTED: Kind = Kind { live: true, ..DASH_COUNTED };
pub const HLS_LIVE: Kind = live("hls");
pub const HLS_LIVE_FMP4: Kind = live("fmp4");
pub const HLS_LIVE_AES: Kind = live("aes");

/// What `ffmpeg` is asked for, one command a line, in folders that stand before the colon. Tests depend on all of it.
const RECIPE: &str = "\
moov-last: -f lavfi -i testsrc2=size=320x180:rate=25:duration=20 -f lavfi -i sine=frequency=440:duration=20 -c:v libx264 -preset veryfast -g 50 -keyint_min 50 -sc_threshold 0 -bf 2 -b:v 500k -c:a aac -b:a 96k video.mp4
moov-first: -i ../moov-last/video.mp4 -c copy -movflags +faststart video.mp4
mpegts: -i ../moov-last/video.mp4 -c copy video.ts
hls: -i ../moov-last/video.mp4 -c copy -f hls -hls_time 2 -hls_list_size 0 -hls_playlist_type vod index.m3u8
fmp4: -i ../moov-last/video.mp4 -c copy -f hls -hls_time 2 -hls_list_size 0 -hls_playlist_type vod -hls_segment_type fmp4 index.m3u8
aes: -i ../moov-last/video.mp4 -c copy -f hls -hls_time 2 -hls_list_size 0 -hls_playlist_type vod -hls_key_info_file key.info index.m3u8
byte-range: -i ../moov-last/video.mp4 -c copy -f hls -hls_time 2 -hls_list_size 0 -hls_playlist_type vod -hls_flags single_file index.m3u8
dash: -i ../moov-last/video.mp4 -c copy -f dash -seg_duration 2 index.mpd
dash-time: -i ../moov-last/video.mp4 -c copy -f dash -seg_duration 2 -media_seg_name chunk-$RepresentationID$-$Time$.m4s index.mpd
dash-list: -i ../moov-last/video.mp4 -c copy -f dash -seg_duration 2 -use_template 0 -use_timeline 0 index.mpd
dash-counted: -i ../moov-last/video.mp4 -c copy -f dash -seg_duration 2 -use_timeline 0 index.mpd
dash-single: -i ../moov-last/video.mp4 -c copy -f dash -seg_duration 2 -single_file 1 -use_timeline 0 index.mpd
low: -i ../moov-last/video.mp4 -map 0:v -c:v libx264 -preset veryfast -g 50 -keyint_min 50 -sc_threshold 0 -b:v 250k video.mp4
master: -i ../moov-last/video.mp4 -i ../low/video.mp4 -map 0:v -map 1:v -map 0:a -c copy -f hls -hls_time 2 -hls_list_size 0 -hls_playlist_type vod -master_pl_name master.m3u8 -var_stream_map v:0,agroup:sound~v:1,agroup:sound~a:0,agroup:sound,default:yes stream-%v.m3u8";

impl Kind {
    /// A fast, open server of it.
    pub fn site(&self) -> Site {
        Site { folder: folder().join(self.name), live: self.live, ..Site::default() }
    }

    /// A server that takes `lasts` for it. A live stream takes the time that it takes, 14 s, and delivers each segment at a
    /// pace at which it is on time.
    pub fn paced(&self, lasts: Duration) -> Site {
        let lasts = if self.live { Duration::from_secs(6) } else { lasts };
        Site { lasts, cut_every: self.cut_every, ..self.site() }
    }

    /// The same packets, all there from the beginning.
    pub fn recorded(&self) -> Self {
        Self { live: false, ..*self }
    }

    /// True for what is shown as if it were being made.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// The folder below [`folder`].
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The file on disk.
    pub fn file(&self) -> PathBuf {
        folder().join(self.name).join(self.entry)
    }

    /// True for a playlist and its segments.
    pub fn is_hls(&self) -> bool {
        self.cut_every.is_none()
    }
}

/// The folder with one folder for each kind. Made once for each build folder, whatever number of processes asks at the same time.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let mut hash = DefaultHasher::new();
        RECIPE.hash(&mut hash);
        let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = base.join(format!("media-{:016x}", hash.finish()));
        let lock = std::fs::File::create(base.join("media.lock")).expect("a lock file");
        lock.lock().expect("a lock");
        if !folder.exists() {
            let new = tempfile::tempdir_in(base).expect("a folder");
            RECIPE.lines().for_each(|line| cook(new.path(), line));
            std::fs::rename(new.keep(), &folder).expect("a finished folder");
        }
        folder
    })
}

fn cook(folder: &Path, line: &str) {
    let (name, arguments) = line.split_once(": ").expect("a folder and a command");
    let folder = folder.join(name);
    std::fs::create_dir(&folder).expect("a folder");
    if name == "aes" {
        std::fs::write(folder.join("enc.key"), b"sixteen bytes...").expect("a key");
        std::fs::write(folder.join("key.info"), "enc.key\nenc.key\n").expect("a description of the key");
    }
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin"]).args(arguments.split(' ').map(|word| word.replace('~', " "))).current_dir(&folder);
    let output = command.output().expect("ffmpeg starts");
    assert!(output.status.success(), "ffmpeg {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    if name == "dash-time" {
        // The muxer names the first segment by its time before the encoder's delay was taken off, unlike the manifest.
        std::fs::rename(folder.join("chunk-1--1024.m4s"), folder.join("chunk-1-0.m4s")).expect("the first segment of sound");
    }
}
