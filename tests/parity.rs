//! The same command line through `ffmpeg` and through `ffauth`: same exit code, same standard output, and in every file that
//! either writes the same streams, metadata, chapters and packets.
//!
//! The result is a table of the groups; `FFAUTH_PARITY=TEXT` runs only the rows with TEXT in their group, name or line, and
//! says of each how it went.

#[path = "parity/lines.rs"]
mod lines;
#[path = "parity/scripts.rs"]
mod scripts;
#[path = "parity/told.rs"]
mod told;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lines::GROUPS;
use scripts::SCRIPTS;

/// Rows whose result is known to differ, with the reason.
const DIFFERENT: &[(&str, &str)] = &[];

/// No line takes longer with either program; one that does is ended and differs.
const LIMIT: Duration = Duration::from_secs(60);

/// One row of the table.
struct Row {
    group: &'static str,
    name: &'static str,
    line: &'static str,
}

#[test]
fn command_lines_do_what_they_do_with_ffmpeg() {
    let wanted = std::env::var("FFAUTH_PARITY").unwrap_or_default();
    let groups = || GROUPS.iter().chain([&("scripts", SCRIPTS)]);
    let all = groups().flat_map(|(group, rows)| rows.iter().map(|(name, line)| Row { group, name, line }));
    let rows: Vec<Row> = all.filter(|row| [row.group, row.name, row.line].iter().any(|text| text.contains(&wanted))).collect();
    let sources = sources();
    let next = AtomicUsize::new(0);
    let differences = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) + 1 {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // x264 on several threads does not give the same bits each time, with either program.
                    let once = || compare(sources.path(), row.line);
                    if let Err(difference) = once().or_else(|_| once()).or_else(|_| once()) {
                        differences.lock().expect("no panic").insert((row.group, row.name), (row.line, difference));
                    }
                }
            });
        }
    });
    let mut differences = differences.into_inner().expect("no panic");
    let mut report = String::new();
    for (group, _) in groups() {
        let count = rows.iter().filter(|row| row.group == *group).count();
        let different = differences.keys().filter(|(of, _)| of == group).count();
        if count > 0 {
            report += &format!("{group:<28} {:>4} of {count:>4} the same\n", count - different);
        }
    }
    let same = rows.len() - differences.len();
    report += &format!("{:<28} {same:>4} of {:>4} the same: {:.1} %", "all", rows.len(), 100.0 * same as f64 / rows.len() as f64);
    #[allow(clippy::print_stdout, reason = "the table is what the lane is for")]
    {
        println!("{report}");
    }
    for (name, reason) in DIFFERENT {
        let before = differences.len();
        differences.retain(|(_, different), _| different != name);
        assert!(before > differences.len() || !wanted.is_empty(), "`{name}` is the same now; it was excused because {reason}");
    }
    let list = differences.iter().map(|((group, name), (line, why))| format!("  {group}: {name}: {line}\n      {why}"));
    let list: Vec<String> = list.collect();
    assert!(list.is_empty(), "{report}\n{} lines differ:\n{}", list.len(), list.join("\n"));
}

fn compare(sources: &Path, line: &str) -> Result<(), String> {
    let theirs = run(sources, "ffmpeg", line)?;
    let ours = run(sources, env!("CARGO_BIN_EXE_ffauth"), line)?;
    if theirs.output.status.code() != ours.output.status.code() {
        let stderr = String::from_utf8_lossy(&ours.output.stderr).into_owned();
        let last: Vec<&str> = stderr.lines().rev().take(2).collect();
        return Err(format!("ffmpeg ended with {}, ffauth with {}: {last:?}", theirs.output.status, ours.output.status));
    }
    let (a, b) = (theirs.files(), ours.files());
    if a != b {
        return Err(format!("ffmpeg wrote {a:?}, ffauth {b:?}"));
    }
    if theirs.output.stdout != ours.output.stdout {
        let (a, b) = (&theirs.output.stdout, &ours.output.stdout);
        let at = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
        return Err(format!("standard output: {} and {} bytes, the first difference at {at}", a.len(), b.len()));
    }
    // What a failed job leaves behind is unfinished with ffmpeg, and finished with ffauth.
    if !theirs.output.status.success() {
        return Ok(());
    }
    for file in a {
        let paths = [theirs.dir.path().join(&file), ours.dir.path().join(&file)];
        if std::fs::read(&paths[0]).ok() == std::fs::read(&paths[1]).ok() {
            continue;
        }
        let [x, y] = paths.each_ref().map(|path| facts(path));
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
    /// What was written: everything that is not a link to a source, and not empty (what a failed job has only opened).
    fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = std::fs::read_dir(self.dir.path())
            .expect("the run's folder")
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
            .filter(|entry| entry.metadata().is_ok_and(|facts| facts.len() > 0))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        files.sort();
        files
    }
}

/// Runs the parts of `line` until one fails; standard output is that of the last one.
fn run(sources: &Path, program: &str, line: &str) -> Result<Run, String> {
    let dir = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(sources).expect("the sources").flatten() {
        std::os::unix::fs::symlink(entry.path(), dir.path().join(entry.file_name())).expect("a link");
    }
    std::fs::write(dir.path().join("exists.mp4"), "here already").expect("a file");
    let mut last = None;
    for part in line.split(" && ") {
        let (part, input) = part.split_once(" < ").map_or((part, None), |(part, input)| (part, Some(input)));
        let mut command = Command::new(program);
        command.args(["-hide_banner", "-loglevel", "error"]);
        if !part.starts_with("-n ") {
            command.arg("-y");
        }
        match input {
            Some(file) => command.stdin(File::open(sources.join(file)).expect("a source")),
            None => command.arg("-nostdin").stdin(Stdio::null()),
        };
        let output = finish(command.args(words(part)).current_dir(dir.path()), program, part)?;
        let failed = !output.status.success();
        last = Some(output);
        if failed {
            break;
        }
    }
    Ok(Run { dir, output: last.expect("a line has a part") })
}

/// Waits for a program, not for ever. Its output goes through files, so that none fills a pipe.
fn finish(command: &mut Command, program: &str, line: &str) -> Result<Output, String> {
    let (mut stdout, mut stderr) = (tempfile::tempfile().expect("a file"), tempfile::tempfile().expect("a file"));
    command.stdout(stdout.try_clone().expect("a file")).stderr(stderr.try_clone().expect("a file"));
    let mut child = command.spawn().expect("the program starts");
    let began = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None if began.elapsed() > LIMIT => {
                child.kill().and_then(|()| child.wait()).expect("it ends");
                return Err(format!("{program} takes more than {LIMIT:?} for {line}"));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let read = |file: &mut File| {
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("a readable file");
        bytes
    };
    Ok(Output { status, stdout: read(&mut stdout), stderr: read(&mut stderr) })
}

/// Splits at spaces outside of double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => words.last_mut().expect("never empty").push(letter),
        }
    }
    words
}

/// Everything that a reader of the file sees: container, streams, chapters, then every packet with a hash of its data. Text
/// files that are no media: their bytes.
fn facts(file: &Path) -> String {
    let name = file.file_name().expect("a name").to_string_lossy();
    const TEXTS: [&str; 17] = [
        ".m3u8",
        ".csv",
        ".mpd",
        ".framemd5",
        ".framecrc",
        ".hash",
        ".streamhash",
        ".txt",
        ".srt",
        ".ass",
        ".vtt",
        ".ttml",
        ".lrc",
        ".log",
        ".mbtree",
        ".raw",
        "exists.mp4",
    ];
    if TEXTS.iter().any(|end| name.ends_with(end)) {
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
    // What is decoded and encoded: small and short.
    ffmpeg(
        "-f lavfi -i testsrc2=size=160x90:rate=25:duration=2 -f lavfi -i sine=duration=2 -c:v libx264 -preset veryfast -g 20 -bf 2 -c:a aac v.mp4",
    );
    std::fs::copy(dir.path().join("v.mp4"), dir.path().join("link.mp4")).expect("a copy");
    ffmpeg(
        "-f lavfi -i testsrc2=size=160x90:rate=25:duration=3 -vf select=mod(n\\,7)*mod(n\\,11) -fps_mode vfr -c:v mpeg4 vfr.mkv",
    );
    ffmpeg("-f lavfi -i sine=300:duration=3 -f lavfi -i sine=500:duration=3 -filter_complex amerge -c:a pcm_s16le stereo.wav");
    ffmpeg("-i v.mp4 -c copy -metadata:s:v rotate=90 rotated.mp4");
    ffmpeg("-f lavfi -i testsrc2=size=160x90:rate=25:duration=1 -c:v mpeg2video -f mpegts part1.ts");
    ffmpeg("-f lavfi -i testsrc2=size=96x64:rate=25:duration=1 -c:v mpeg2video -f mpegts part2.ts");
    ffmpeg("-i concat:part1.ts|part2.ts -c copy -f mpegts change.ts");
    ffmpeg("-f lavfi -i testsrc2=size=64x48:rate=3:duration=1 img%d.png");
    ffmpeg("-f lavfi -i testsrc2=size=64x48:rate=5:duration=1 anim.gif");
    ffmpeg(
        "-f lavfi -i nullsrc=s=16x16:r=5:d=2 -vf geq=lum=128+100*sin(X*Y+N*7):cb=128:cr=128,format=gray -f rawvideo noise.raw",
    );
    ffmpeg("-i s.srt -c:s mov_text st.mp4");
    ffmpeg("-i s.srt st.ass");
    ffmpeg("-i s.srt st.vtt");
    std::fs::write(dir.path().join("latin.srt"), b"1\n00:00:01,000 --> 00:00:02,000\nGr\xfc\xdfe\n\n").expect("a file");
    write("graph.txt", "[0:v]scale=80:-2,\nhflip[o]\n");
    write("chain.txt", "scale=80:-2,vflip\n");
    write("empty.mp4", "");
    std::fs::write(dir.path().join("pgs.sup"), bitmap_subtitles()).expect("a file");
    damage(dir.path());
    dir
}

/// Bitmap subtitles (PGS): a box from 0.5 s to 1.5 s.
fn bitmap_subtitles() -> Vec<u8> {
    let (width, height) = (60u16, 20u16);
    let mut file = Vec::new();
    let mut segment = |time: u32, kind: u8, payload: &[u8]| {
        file.extend_from_slice(b"PG");
        file.extend_from_slice(&time.to_be_bytes());
        file.extend_from_slice(&[0; 4]);
        file.push(kind);
        file.extend_from_slice(&u16::try_from(payload.len()).expect("a short segment").to_be_bytes());
        file.extend_from_slice(payload);
    };
    let window = [[1, 0].as_slice(), &[0, 10, 0, 10], &width.to_be_bytes(), &height.to_be_bytes()].concat();
    let line = [0, 0x80 | 60, 1, 0, 0];
    let picture = [&width.to_be_bytes()[..], &height.to_be_bytes(), &line.repeat(height.into())].concat();
    let size = u32::try_from(picture.len()).expect("a small picture").to_be_bytes();
    let object = [&[0, 0, 0, 0xc0][..], &size[1..], &picture].concat();
    let presentation = [0, 160, 0, 90, 0x10];
    segment(45_000, 0x16, &[&presentation[..], &[0, 0, 0x80, 0, 0, 1], &[0, 0, 0, 0, 0, 10, 0, 10]].concat());
    segment(45_000, 0x17, &window);
    segment(45_000, 0x14, &[0, 0, 1, 180, 90, 60, 255]);
    segment(45_000, 0x15, &object);
    segment(45_000, 0x80, &[]);
    segment(135_000, 0x16, &[&presentation[..], &[0, 1, 0, 0, 0, 0]].concat());
    segment(135_000, 0x17, &window);
    segment(135_000, 0x80, &[]);
    file
}

/// Files that are cut off or have holes.
fn damage(dir: &Path) {
    let read = |name: &str| std::fs::read(dir.join(name)).expect("a source");
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.join(name), bytes).expect("a file");
    let whole = read("av.ts");
    write("cut.mp4", &read("v.mp4")[..9000]);
    let mut holes = whole;
    for at in (20_000..holes.len()).step_by(7919) {
        holes[at] ^= 0x55;
    }
    write("broken.ts", &holes);
}
