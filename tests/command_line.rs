//! The command line against the `ffmpeg` program: the same options, arguments and scopes, the same sentences.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use ffauth::command_line::{self, OptionHelp, Parsed, Scope};
use ffauth::job::LinkedOptions;

/// ffauth's own options.
const OWN: &[&str] = &[
    "auth",
    "auth_wait",
    "auth_retry",
    "allow_private",
    "on_gap",
    "ingest_for",
    "stall_timeout",
    "max_restarts",
    "open_timeout",
    "alternative",
    "failback",
    "continue",
    "on_change",
    "disk_full",
    "auth_config",
    "auth_log",
    "summary",
];

/// What `ffmpeg` writes to stderr, in a folder of its own that holds a sound of a tenth of a second, `a.wav`.
fn ffmpeg(args: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let samples = vec![0; 1600];
    let mut wav = b"RIFF\x64\x06\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x40\x06\0\0".to_vec();
    wav.extend_from_slice(&samples);
    std::fs::write(folder.path().join("a.wav"), wav).expect("written");
    let output = Command::new("ffmpeg").args(["-hide_banner", "-nostdin"]).args(args).current_dir(&folder).output();
    String::from_utf8_lossy(&output.expect("ffmpeg is installed").stderr).into_owned()
}

fn parse(line: &str) -> Result<Parsed, ffauth::error::Error> {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    command_line::parse(&words, &LinkedOptions)
}

/// Standard output of `program` with these words, in an empty folder.
fn shown(program: &str, words: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(program).arg("-hide_banner").args(words).stdin(Stdio::null()).current_dir(&folder).output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_help_has_the_options_of_ffmpeg_word_for_word() {
    for topic in [&["-h"][..], &["-h", "long"], &["-help", "no_such_topic"]] {
        let theirs = shown("ffmpeg", topic);
        let ours = shown(env!("CARGO_BIN_EXE_ffauth"), topic);
        let from = |text: &str, mark: &str| text[text.find(mark).expect(mark)..].to_owned();
        let (ours_from, theirs_from) = (from(&ours, "Print help /"), from(&theirs, "Print help /"));
        let different = ours_from.lines().zip(theirs_from.lines()).find(|(ours, theirs)| ours != theirs);
        assert_eq!(different, None, "{topic:?}");
        assert_eq!(ours_from.len(), theirs_from.len(), "{topic:?}");
        assert_eq!(ours.contains("Unknown help option"), theirs.contains("Unknown help option"), "{topic:?}");
        for option in OWN {
            assert!(ours.contains(&format!("\n-{option} ")), "{option}");
        }
    }
}

#[test]
fn what_the_libraries_have_is_listed_as_by_ffmpeg() {
    let lists = [
        "formats",
        "muxers",
        "demuxers",
        "devices",
        "codecs",
        "decoders",
        "encoders",
        "bsfs",
        "protocols",
        "filters",
        "pix_fmts",
        "layouts",
        "sample_fmts",
        "dispositions",
        "colors",
        "hwaccels",
        "buildconf",
        "sources",
        "sinks",
    ];
    let topics = [
        "encoder=libx264",
        "encoder=aac",
        "encoder=h264",
        "decoder=h264",
        "decoder=mp3",
        "demuxer=hls",
        "demuxer=mov",
        "muxer=mp4",
        "muxer=hls",
        "filter=scale",
        "filter=overlay",
        "filter=concat",
        "bsf=h264_metadata",
        "bsf=null",
        "protocol=http",
        "protocol=file",
        "encoder=nosuch",
        "decoder",
        "muxer=nosuch",
        "filter=nosuch",
        "protocol=nosuch",
        "bsf=nosuch",
    ];
    let lists = lists.map(|name| vec![format!("-{name}")]).into_iter();
    let topics = topics.map(|topic| vec!["-h".to_owned(), topic.to_owned()]).into_iter();
    let hardware = vec!["-init_hw_device".to_owned(), "list".to_owned()];
    let different = |words: &Vec<String>| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (ours, theirs) = (shown(env!("CARGO_BIN_EXE_ffauth"), &words), shown("ffmpeg", &words));
        let at = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
        (ours != theirs).then(|| format!("{words:?}: {} and {} bytes, {at:?}", ours.len(), theirs.len()))
    };
    let different: Vec<String> = lists.chain(topics).chain([hardware]).filter_map(|words| different(&words)).collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn the_full_help_and_the_version_end_as_ffmpegs() {
    let (ours, theirs) = (shown(env!("CARGO_BIN_EXE_ffauth"), &["-h", "full"]), shown("ffmpeg", &["-h", "full"]));
    let from = |text: &str| text[text.find("AVCodecContext AVOptions").expect("AVOptions")..].to_owned();
    assert_eq!(from(&ours).len(), from(&theirs).len());
    assert!(from(&ours) == from(&theirs));
    let (ours, theirs) = (shown(env!("CARGO_BIN_EXE_ffauth"), &["-version"]), shown("ffmpeg", &["-version"]));
    assert!(ours.starts_with("ffauth version "), "{ours}");
    assert_eq!(ours[ours.find("configuration: ").expect("one")..], theirs[theirs.find("configuration: ").expect("one")..]);
}

#[test]
fn each_option_takes_an_argument_and_stands_before_the_files_that_ffmpeg_says() {
    let rows: Vec<OptionHelp> =
        command_line::options().filter(|row| row.scope != Scope::Show && !OWN.contains(&row.name)).collect();
    let different = Mutex::new(Vec::new());
    let check = |row: &OptionHelp| {
        let option = format!("-{}", row.name);
        let takes_argument = ffmpeg(&[&option]).contains("Missing argument");
        let given: Vec<&str> = if takes_argument { vec![&option, "1"] } else { vec![&option] };
        let refused = |before: &[&str], after: &[&str]| {
            ffmpeg(&[before, &given, after].concat()).contains("you are trying to apply an input option to an output file")
        };
        // Every option may stand somewhere: one refused before inputs is an output's.
        let input = !refused(&[], &["-i", "nothing"]);
        let output = !input || !refused(&["-i", "a.wav"], &["-t", "0", "-f", "null", "-"]);
        let scope = match row.scope {
            Scope::Input => (true, false),
            Scope::Output => (false, true),
            Scope::Global | Scope::File | Scope::Show => (true, true),
        };
        let negated = format!("-no{}", row.name);
        let ours = parse(&negated).map_or_else(|error| !error.to_string().contains("Unrecognized option"), |_| true);
        let theirs = if takes_argument && !ours { false } else { !ffmpeg(&[&negated]).contains("Unrecognized option") };
        if takes_argument != row.takes_argument || (input, output) != scope || theirs != ours {
            different.lock().expect("no panic").push(row.name);
        }
    };
    std::thread::scope(|threads| {
        for part in rows.chunks(rows.len().div_ceil(4)) {
            threads.spawn(|| part.iter().for_each(check));
        }
    });
    assert_eq!(different.into_inner().expect("no panic"), Vec::<&str>::new());
}

/// `-dump` and `-hex` go to the log, packet by packet.
#[test]
fn packets_are_dumped_as_by_ffmpeg() {
    let folder = tempfile::tempdir().expect("a folder");
    let make = "-v error -f lavfi -i testsrc2=s=32x32:d=0.2:r=10 -f lavfi -i sine=d=0.1 -c:v mpeg4 -c:a pcm_s16le a.nut";
    let dump = "-hide_banner -nostdin -nostats -dump -hex -i a.nut -map 0 -c copy -f null -";
    let run = |program: &str, line: &str| {
        let output = Command::new(program).args(line.split(' ')).current_dir(&folder).output().expect("the program starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let packets = |line: &&str| {
            line.starts_with("stream #") || line.starts_with("0000") || line.starts_with("  ") && line.contains('=')
        };
        text.lines().filter(packets).map(str::to_owned).collect::<Vec<_>>()
    };
    run("ffmpeg", make);
    let (ours, theirs) = (run(env!("CARGO_BIN_EXE_ffauth"), dump), run("ffmpeg", dump));
    assert!(theirs.len() > 100, "{theirs:?}");
    assert_eq!(ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs), None);
    assert_eq!(ours.len(), theirs.len());
}

/// A job with only RTP outputs says what a receiver needs to know; `-sdp_file` takes it away from standard output.
#[test]
fn rtp_outputs_are_described() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = "-hide_banner -nostdin -v error -f lavfi -i sine=d=0.1 -c:a pcm_mulaw -ar 8000 -f rtp rtp://127.0.0.1:5004";
    let run = |program: &str, more: &[&str]| {
        let output = Command::new(program).args(more).args(line.split(' ')).current_dir(&folder).output();
        let output = output.expect("the program starts");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let theirs = run("ffmpeg", &[]);
    assert!(theirs.starts_with("SDP:\nv=0"), "{theirs}");
    assert_eq!(run(env!("CARGO_BIN_EXE_ffauth"), &[]), theirs);
    assert_eq!(run(env!("CARGO_BIN_EXE_ffauth"), &["-sdp_file", "a.sdp"]), "");
    let file = std::fs::read_to_string(folder.path().join("a.sdp")).expect("a file");
    assert_eq!(format!("SDP:\n{file}\n"), theirs);
}

/// A command typed while it runs reaches the filter.
#[test]
fn filters_take_commands_from_the_keyboard() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ffauth"))
        .args(["-hide_banner", "-re", "-f", "lavfi", "-i", "color=s=32x32:d=30", "-vf", "drawbox@b=c=red"])
        .args(["-progress", "pipe:1", "-stats_period", "0.1", "-f", "null", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut keyboard = child.stdin.take().expect("a pipe");
    let mut progress = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let mut one_more_frame = || progress.find(|line| line.starts_with("frame=") && line != "frame=0").expect("it runs");
    one_more_frame();
    keyboard.write_all(b"Cdrawbox@b -1 color blue\n").expect("somebody reads");
    // The next block may be on its way already.
    (0..5).for_each(|_| drop(one_more_frame()));
    keyboard.write_all(b"q").expect("somebody reads");
    drop(progress);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("Command reply for stream 0: ret:0"), "{text}");
}

#[test]
fn errors_are_ffmpegs_sentences() {
    for line in [
        "-i",
        "-i a.wav -t",
        "-i a.wav -foo o.wav",
        "-i a.wav -no_such_option 1 o.wav",
        "-i a.wav -noss o.wav",
        "-i a.wav -movflags:v x o.wav",
        "-i a.wav -hls_tiem 3 o.wav",
        "-i a.wav -srcw 3 o.wav",
        "-y -n -i a.wav o.wav",
        "-t .5 -i a.wav -f null -",
        "-t 12345:00:00 -i a.wav -f null -",
        "-ss x -i a.wav -f null -",
        "-i a.wav -ss 2 -to 1 -f null -",
        "-sseof 1 -i a.wav -f null -",
        "-readrate -1 -i a.wav -f null -",
        "-isync 3 -i a.wav -f null -",
        "-copyts -i a.wav -isync 0 -i a.wav -f null -",
        "-i a.wav -ac x -f null -",
        "-i a.wav -max_muxing_queue_size 1.5 -f null -",
        "-i a.wav -max_muxing_queue_size 1e10 -f null -",
        "-i a.wav -vframes a -f null -",
        "-i a.wav -map 1 -f null -",
        "-i a.wav -map_chapters 1 -f null -",
        "-i a.wav -map_metadata 3 -f null -",
        "-i a.wav -metadata x -f null -",
        "-i a.wav -metadata:x a=b -f null -",
        "-i a.wav -metadata:sx a=b -f null -",
        "-i a.wav -streamid 1 -f null -",
        "-i a.wav -streamid 1024:1 -f null -",
        "-i a.wav -timestamp 2020-01-01 -f null -",
        "-i a.wav -timestamp x -f null -",
        "-i a.wav -target pal-x -f null -",
        "-stats_period 0 -i a.wav -f null -",
        "-stats_period x -i a.wav -f null -",
        "-abort_on x -i a.wav -f null -",
    ] {
        let ours = parse(line).expect_err(line).to_string();
        let theirs = ffmpeg(&line.split(' ').collect::<Vec<_>>());
        assert!(theirs.contains(&ours), "{line}\nours:   {ours}\ntheirs: {theirs}");
    }
}

#[test]
fn warnings_are_ffmpegs_sentences() {
    for (line, count) in [
        ("-t 1 -to 2 -i a.wav -to 2 -t 1 -f null -", 2),
        ("-ss 0.01 -sseof -1 -i a.wav -f null -", 1),
        ("-re -readrate 2 -i a.wav -f null -", 1),
        ("-vsync 1 -i a.wav -f null -", 2),
        ("-vsync cfr -i a.wav -f null -", 1),
        ("-i a.wav -qscale 3 -profile 1 -b 64k -f null -", 3),
        ("-i a.wav -timestamp 2020-01-01T00:00:00Z -f null -", 1),
        ("-i a.wav -f null - -t 1", 1),
    ] {
        let Ok(Parsed::Run { warnings, .. }) = parse(line) else { panic!("{line}") };
        assert_eq!(warnings.len(), count, "{line}: {warnings:?}");
        let theirs = ffmpeg(&line.split(' ').collect::<Vec<_>>());
        for ours in warnings {
            assert!(theirs.contains(&ours), "{line}\nours:   {ours}\ntheirs: {theirs}");
        }
    }
}
