//! The same stream-copy command line through `ffmpeg` and through `ffauth`: same exit class, same streams, metadata, chapters
//! and packets in every file that either writes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

/// Name of the row, then the command line; paths are relative to the run's own folder, which
/// holds links to the sources.
const LINES: &[(&str, &str)] = &[
    ("mp4 to mp4", "-i av.mp4 -c copy out.mp4"),
    ("mp4 to mkv", "-i av.mp4 -c copy out.mkv"),
    ("mp4 to ts", "-i av.mp4 -c copy out.ts"),
    ("mp4 to mov", "-i av.mp4 -c copy out.mov"),
    ("mp4 to flv", "-i av.mp4 -c copy out.flv"),
    ("mp4 to avi", "-i av.mp4 -c copy out.avi"),
    ("mp4 to nut", "-i av.mp4 -c copy out.nut"),
    ("mkv to mp4", "-i all.mkv -map 0:v -map 0:a -c copy out.mp4"),
    ("mkv, everything", "-i all.mkv -map 0 -c copy out.mkv"),
    ("mkv, automatic selection", "-i all.mkv -c copy out.mkv"),
    ("ts to mp4", "-i av.ts -c copy out.mp4"),
    ("ts to ts", "-i av.ts -c copy out.ts"),
    ("ts to mkv", "-i av.ts -c copy out.mkv"),
    ("mov to mp4", "-i av.mov -c copy out.mp4"),
    ("wav to wav", "-i a.wav -c copy out.wav"),
    ("flac to flac", "-i a.flac -c copy out.flac"),
    ("flac to mkv", "-i a.flac -c copy out.mka"),
    ("mp3 to mp3", "-i a.mp3 -c copy out.mp3"),
    ("mp3 to mkv", "-i a.mp3 -c copy out.mka"),
    ("adts to mp4 takes aac_adtstoasc by itself", "-i a.aac -c copy out.m4a"),
    ("ogg to ogg", "-i a.ogg -c copy out.ogg"),
    ("srt to mkv", "-i av.mp4 -i s.srt -map 0 -map 1 -c copy out.mkv"),
    ("raw h264 out", "-i av.mp4 -map 0:v -c copy out.h264"),
    ("audio only", "-i av.mp4 -vn -c copy out.m4a"),
    ("video only", "-i av.mp4 -an -c copy out.mp4"),
    ("map by type and index", "-i all.mkv -map 0:a:1 -map 0:v:0 -c copy out.mkv"),
    ("negative map", "-i all.mkv -map 0 -map -0:s -map -0:t -c copy out.mkv"),
    ("optional map", "-i av.mp4 -map 0:v -map 0:s? -c copy out.mp4"),
    ("map by metadata", "-i all.mkv -map 0:m:language:ger -c copy out.mkv"),
    ("map from two inputs", "-i av.mp4 -i a.mp3 -map 0:v -map 1:a -c copy out.mkv"),
    ("three inputs", "-i av.mp4 -i a.mp3 -i av.ts -map 2:v -map 1:a -map 0:a -c copy out.mkv"),
    ("impossible map", "-i av.mp4 -map 0:s -c copy out.mp4"),
    ("no such input", "-i nothing.mp4 -c copy out.mp4"),
    ("input -ss", "-ss 3 -i av.mp4 -c copy out.mp4"),
    ("input -ss -t", "-ss 2.5 -t 3 -i av.mp4 -c copy out.mkv"),
    ("input -ss -to", "-ss 2 -to 6 -i av.mkv -c copy out.mkv"),
    ("output -ss", "-i av.mp4 -ss 3 -c copy out.mp4"),
    ("output -t", "-i av.mp4 -t 4 -c copy out.mp4"),
    ("output -to", "-i av.mp4 -to 00:00:05 -c copy out.ts"),
    ("output -ss -to", "-i av.ts -ss 2 -to 5 -c copy out.mkv"),
    ("-sseof", "-sseof -3 -i av.mp4 -c copy out.mp4"),
    ("-itsoffset", "-i av.mp4 -itsoffset 1.5 -i a.mp3 -map 0:v -map 1:a -c copy out.mkv"),
    ("-itsscale", "-itsscale 2 -i av.mp4 -c copy out.mkv"),
    ("-copyts", "-copyts -i av.ts -c copy out.ts"),
    ("-copyts -ss", "-copyts -ss 3 -i av.ts -c copy out.mkv"),
    ("-copyts -start_at_zero", "-copyts -start_at_zero -ss 3 -i av.ts -c copy out.mkv"),
    ("-stream_loop", "-stream_loop 2 -i av.mp4 -c copy out.mkv"),
    ("-stream_loop -t", "-stream_loop -1 -t 25 -i av.ts -c copy out.ts"),
    ("-frames", "-i av.mp4 -frames:v 40 -c copy out.mp4"),
    ("-vframes", "-i av.mp4 -an -vframes 7 -c copy out.mkv"),
    ("-fs", "-i av.mp4 -fs 100k -c copy out.ts"),
    ("-shortest", "-i av.mp4 -i short.mp3 -map 0:v -map 1:a -shortest -c copy out.mkv"),
    ("metadata", "-i av.mp4 -metadata title=New -metadata:s:a:0 language=fre -metadata comment= -c copy out.mkv"),
    ("-map_metadata -1", "-i all.mkv -map_metadata -1 -c copy out.mkv"),
    ("-map_metadata from stream", "-i all.mkv -map 0:v -map_metadata 0:s:a:0 -c copy out.mkv"),
    ("-map_chapters -1", "-i all.mkv -map_chapters -1 -c copy out.mkv"),
    ("chapters with -ss", "-ss 4 -i all.mkv -c copy out.mkv"),
    ("disposition", "-i all.mkv -map 0:a -c copy -disposition:a:0 0 -disposition:a:1 default+comment out.mkv"),
    ("tag", "-i av.mp4 -map 0:v -c copy -tag:v avc3 out.mp4"),
    ("aspect", "-i av.mp4 -map 0:v -c copy -aspect 4:3 out.mkv"),
    ("-r with copy", "-i av.mp4 -map 0:v -c copy -r 50 out.mkv"),
    ("bsf", "-i av.mp4 -map 0:v -c copy -bsf:v h264_mp4toannexb out.h264"),
    ("bsf chain with options", "-i av.mp4 -c copy -bsf:v h264_metadata=level=4.1,h264_mp4toannexb out.ts"),
    ("bsf setts", "-i av.mp4 -map 0:v -c copy -bsf:v setts=ts=TS+1000 out.mkv"),
    ("unknown bsf", "-i av.mp4 -c copy -bsf:v no_such_filter out.mp4"),
    ("attach", "-i av.mp4 -attach s.srt -metadata:s:t mimetype=text/plain -c copy out.mkv"),
    ("dump attachment", "-dump_attachment:t:0 dumped.txt -i all.mkv -map 0:v -c copy out.mkv"),
    ("several outputs", "-i av.mp4 -map 0:v -c copy v.mp4 -map 0:a -c copy a.m4a"),
    ("per-stream copy", "-i av.mp4 -c:v copy -c:a copy out.mkv"),
    ("-vcodec copy -acodec copy", "-i av.mp4 -vcodec copy -acodec copy out.mkv"),
    ("movflags", "-i av.mp4 -c copy -movflags +faststart out.mp4"),
    ("fragmented mp4", "-i av.mp4 -c copy -movflags frag_keyframe+empty_moov out.mp4"),
    ("bitexact", "-i av.mp4 -c copy -fflags +bitexact -flags +bitexact out.mkv"),
    ("segment muxer", "-i av.mp4 -c copy -f segment -segment_time 2 -segment_list list.csv seg-%03d.ts"),
    ("hls muxer", "-i av.mp4 -c copy -f hls -hls_time 2 -hls_list_size 0 out.m3u8"),
    ("hls fmp4", "-i av.mp4 -c copy -f hls -hls_time 2 -hls_list_size 0 -hls_segment_type fmp4 out.m3u8"),
    ("dash muxer", "-i av.mp4 -c copy -f dash -seg_duration 2 out.mpd"),
    ("tee muxer", "-i av.mp4 -map 0 -c copy -f tee tee-a.mkv|[f=mpegts]tee-b.ts"),
    ("concat demuxer", "-f concat -i list.ffconcat -c copy out.mkv"),
    ("concat protocol", "-i concat:av.ts|av.ts -c copy out.ts"),
    ("hls demuxer", "-i vod.m3u8 -c copy out.mp4"),
    ("framemd5", "-i av.mp4 -map 0 -c copy -f framemd5 out.framemd5"),
    ("framecrc", "-i all.mkv -map 0 -c copy -f framecrc out.framecrc"),
    ("hash", "-i av.mp4 -map 0 -c copy -f hash out.hash"),
    ("streamhash", "-i av.mp4 -map 0 -c copy -f streamhash out.streamhash"),
    ("null", "-i av.mp4 -c copy -f null -"),
    ("forced input format", "-f mpegts -i av.ts -c copy out.mkv"),
    ("wrong input format", "-f flac -i av.ts -c copy out.mkv"),
    ("unknown output format", "-i av.mp4 -c copy out.nosuch"),
    ("unknown option", "-i av.mp4 -c copy -no_such_option 1 out.mp4"),
    ("codec that the container does not take", "-i av.mp4 -c copy out.wav"),
    ("streamid", "-i av.mp4 -c copy -streamid 0:0x101 -streamid 1:0x102 out.ts"),
    ("program", "-i av.mp4 -map 0 -c copy -program title=One:st=0:st=1 out.ts"),
    ("avoid_negative_ts", "-ss 3 -i av.mp4 -c copy -avoid_negative_ts make_zero out.mkv"),
    ("no overwrite", "-n -i av.mp4 -c copy exists.mp4"),
    ("discard input stream", "-discard:a all -i av.mp4 -map 0:v -c copy out.mkv"),
    ("genpts", "-fflags +genpts -i av.avi -c copy out.mkv"),
    ("copyinkf", "-ss 1.3 -i av.ts -c copy -copyinkf out.ts"),
    ("muxdelay", "-i av.mp4 -c copy -muxdelay 0 -muxpreload 0 out.ts"),
    ("timestamp", "-i av.mp4 -c copy -timestamp 2020-01-01T00:00:00Z out.mp4"),
    ("data and unknown streams", "-i av.mp4 -dn -c copy out.mkv"),
    ("picture attached to audio", "-i cover.m4a -map 0 -c copy out.m4a"),
];

/// Rows whose result is known to differ, with the reason.
const DIFFERENT: &[(&str, &str)] = &[];

#[test]
fn stream_copy_equals_ffmpeg() {
    let sources = sources();
    let mut failures = BTreeMap::new();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let found = std::sync::Mutex::new(&mut failures);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((name, line)) = LINES.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    if let Err(difference) = compare(sources.path(), line) {
                        found.lock().expect("no panic").insert(*name, format!("{line}\n      {difference}"));
                    }
                }
            });
        }
    });
    for (name, reason) in DIFFERENT {
        assert!(failures.remove(name).is_some(), "`{name}` is the same now; it was excused because {reason}");
    }
    let report: Vec<String> = failures.iter().map(|(name, why)| format!("  {name}: {why}")).collect();
    assert!(report.is_empty(), "{} of {} lines differ:\n{}", report.len(), LINES.len(), report.join("\n"));
}

fn compare(sources: &Path, line: &str) -> Result<(), String> {
    let theirs = run(sources, "ffmpeg", line);
    let ours = run(sources, env!("CARGO_BIN_EXE_ffauth"), line);
    if theirs.output.status.success() != ours.output.status.success() {
        let last = String::from_utf8_lossy(&ours.output.stderr).lines().last().unwrap_or_default().to_owned();
        return Err(format!("ffmpeg ended with {}, ffauth with {}: {last}", theirs.output.status, ours.output.status));
    }
    let (a, b) = (theirs.files(), ours.files());
    if a != b {
        return Err(format!("ffmpeg wrote {a:?}, ffauth {b:?}"));
    }
    if !theirs.output.status.success() {
        return Ok(());
    }
    for file in a {
        let (x, y) = (facts(&theirs.dir.path().join(&file)), facts(&ours.dir.path().join(&file)));
        if x != y {
            let differing = x.lines().zip(y.lines()).find(|(x, y)| x != y);
            let lines = (x.lines().count(), y.lines().count());
            return Err(format!("{file}: {lines:?} lines of facts; first difference (ffmpeg, ffauth): {differing:?}"));
        }
    }
    Ok(())
}

struct Run {
    dir: tempfile::TempDir,
    output: Output,
}

impl Run {
    /// What was written: everything that is not a link to a source.
    fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = std::fs::read_dir(self.dir.path())
            .expect("the run's folder")
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        files.sort();
        files
    }
}

fn run(sources: &Path, program: &str, line: &str) -> Run {
    let dir = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(sources).expect("the sources").flatten() {
        std::os::unix::fs::symlink(entry.path(), dir.path().join(entry.file_name())).expect("a link");
    }
    std::fs::write(dir.path().join("exists.mp4"), "here already").expect("a file");
    let mut command = Command::new(program);
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error"]);
    if !line.starts_with("-n ") {
        command.arg("-y");
    }
    let output = command.args(line.split(' ')).current_dir(dir.path()).output().expect("the program starts");
    Run { dir, output }
}

/// Everything that a reader of the file sees: container, streams, chapters, then every packet with a hash of its data. Text
/// files that are no media: their bytes.
fn facts(file: &Path) -> String {
    let name = file.file_name().expect("a name").to_string_lossy();
    if [".m3u8", ".csv", ".mpd", ".framemd5", ".framecrc", ".hash", ".streamhash", ".txt", "exists.mp4"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        let text = String::from_utf8_lossy(&std::fs::read(file).expect("a readable file")).into_owned();
        // Manifests name the time at which they were made.
        return text
            .lines()
            .filter(|line| !line.contains("availabilityStartTime") && !line.contains("publishTime"))
            .collect::<Vec<_>>()
            .join("\n");
    }
    let mut command = Command::new("ffprobe");
    command.args([
        "-v",
        "error",
        "-of",
        "compact",
        "-show_format",
        "-show_streams",
        "-show_chapters",
        "-show_packets",
        "-show_data_hash",
        "md5",
    ]);
    let output = command.arg("-i").arg(file).output().expect("ffprobe starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let path = file.display().to_string();
    text.replace(&path, "FILE")
}

/// One folder with every source file, made by `ffmpeg` once per run.
fn sources() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let ffmpeg = |line: &str| {
        let output =
            Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(line.split(' ')).current_dir(dir.path()).output();
        let output = output.expect("ffmpeg starts");
        assert!(output.status.success(), "ffmpeg {line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a file");
    write("s.srt", "1\n00:00:01,000 --> 00:00:02,000\nOne\n\n2\n00:00:04,000 --> 00:00:06,500\nTwo\n");
    write(
        "chapters.txt",
        ";FFMETADATA1\ntitle=Source\nartist=Somebody\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=4000\ntitle=First\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=4000\nEND=9000\ntitle=Second\n",
    );
    write("list.ffconcat", "ffconcat version 1.0\nfile av.mp4\nfile av.mp4\n");
    ffmpeg(
        "-f lavfi -i testsrc2=size=320x180:rate=25:duration=10 -f lavfi -i sine=duration=10 -c:v libx264 -preset veryfast -g 50 -bf 2 -c:a aac -metadata title=Source -metadata:s:a:0 language=eng av.mp4",
    );
    ffmpeg("-i av.mp4 -c copy av.ts");
    ffmpeg("-i av.mp4 -c copy av.mov");
    ffmpeg("-i av.mp4 -c copy av.mkv");
    ffmpeg("-f lavfi -i testsrc2=size=320x180:rate=25:duration=5 -c:v mpeg4 -bf 2 av.avi");
    for (name, codec) in
        [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.aac", "aac"), ("a.ogg", "libvorbis")]
    {
        ffmpeg(&format!("-f lavfi -i sine=frequency=300:duration=8 -c:a {codec} -metadata title=Tone {name}"));
    }
    ffmpeg("-i a.mp3 -t 3 -c copy short.mp3");
    ffmpeg(
        "-i av.mp4 -i a.mp3 -i s.srt -i chapters.txt -map 0:v -map 0:a -map 1:a -map 2 -map_metadata 3 -map_chapters 3 -metadata:s:a:1 language=ger -attach chapters.txt -metadata:s:t mimetype=text/plain -c copy all.mkv",
    );
    ffmpeg("-i av.mp4 -frames:v 1 -c:v mjpeg -pix_fmt yuvj420p cover.jpg");
    ffmpeg("-i av.mp4 -i cover.jpg -map 0:a -map 1 -c copy -disposition:v attached_pic cover.m4a");
    ffmpeg("-i av.mp4 -c copy -f hls -hls_time 2 -hls_list_size 0 vod.m3u8");
    dir
}
