use std::process::Command;
use std::sync::OnceLock;

use super::*;

/// What `ffmpeg` prints on stdout; `None` where there is no such program, or one of another release than the linked libraries.
fn ffmpeg(arguments: &[&str]) -> Option<String> {
    static IS_SAME: OnceLock<bool> = OnceLock::new();
    let run = |arguments: &[&str]| {
        let output = Command::new("ffmpeg").arg("-hide_banner").args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let is_same = *IS_SAME.get_or_init(|| {
        let [major, minor, _] = crate::libav::version::libraries()[1].2;
        // `libavcodec     59. 37.100 / 59. 37.100`
        run(&["-version"]).is_some_and(|text| text.replace(' ', "").contains(&format!("libavcodec{major}.{minor}.")))
    });
    if is_same { run(arguments) } else { None }
}

fn assert_same(ours: &str, theirs: &str, what: &str) {
    let different = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
    assert!(ours == theirs, "{what}: {different:?}, {} against {} lines", ours.lines().count(), theirs.lines().count());
}

#[test]
fn lists_are_ffmpegs() {
    for (listing, option) in Listing::ALL {
        let Some(theirs) = ffmpeg(&[&format!("-{option}")]) else { return };
        assert_same(&listing.text().expect("all libraries"), &theirs, option);
        assert_eq!(Listing::by_option(option), Some(listing));
    }
    assert_eq!(Listing::by_option("nosuch"), None);
}

#[test]
fn help_is_ffmpegs() {
    let topics = [
        "encoder=aac",
        "encoder=libx264",
        "encoder=h264",
        "encoder=pcm_s16le",
        "encoder=nosuch",
        "encoder=rl2",
        "encoder",
        "decoder=h264",
        "decoder=pcm_s24le",
        "decoder=nosuch",
        "decoder",
        "demuxer=mov",
        "demuxer=hls",
        "demuxer=nosuch",
        "muxer=mp4",
        "muxer=matroska",
        "muxer=nosuch",
        "filter=scale",
        "filter=overlay",
        "filter=testsrc",
        "filter=buffersink",
        "filter=nosuch",
        "filter",
        "bsf=h264_metadata",
        "bsf=null",
        "bsf=nosuch",
        "bsf",
        "protocol=http",
        "protocol=nosuch",
        "protocol",
    ];
    for topic in topics {
        let Some(theirs) = ffmpeg(&["-h", topic]) else { return };
        let (kind, name) = topic.split_once('=').map_or((topic, None), |(kind, name)| (kind, Some(name)));
        let ours = Topic::by_name(kind).expect("a topic").help(name).expect("all libraries");
        assert_same(&ours, &theirs, topic);
    }
    assert_eq!(Topic::by_name("full"), None);
}

#[test]
fn devices_are_ffmpegs() {
    type List = fn(Option<&str>) -> Result<String, Error>;
    for (list, option) in [(sources as List, "-sources"), (sinks as List, "-sinks")] {
        for device in ["fbdev", "v4l2", "alsa,a=b", "nosuch"] {
            let Some(theirs) = ffmpeg(&[option, device]) else { return };
            assert_same(&list(Some(device)).expect("libavdevice"), &theirs, device);
        }
        assert!(list(Some("alsa,a")).is_err(), "an option has a value");
    }
    let Some(theirs) = ffmpeg(&["-init_hw_device", "list"]) else { return };
    assert_same(&hardware_devices(), &theirs, "hardware devices");
}

#[test]
fn every_name_in_a_list_has_its_help() {
    for (kind, option) in
        [("muxer", "muxers"), ("demuxer", "demuxers"), ("filter", "filters"), ("bsf", "bsfs"), ("encoder", "encoders")]
    {
        let topic = Topic::by_name(kind).expect("a topic");
        let list = Listing::by_option(option).expect("a list").text().expect("all libraries");
        // The head ends with a line of dashes, `-filters`' with its last letter; `-bsfs` has one line.
        let ends = |line: &str| line.trim().chars().all(|letter| letter == '-') || line.contains("| = ") || option == "bsfs";
        let column = usize::from(option != "bsfs");
        let rows = list.lines().skip_while(|line| !ends(line)).skip(1);
        for name in rows.filter_map(|row| row.split_whitespace().nth(column)) {
            let name = name.split(',').next().unwrap_or_default();
            let help = topic.help(Some(name)).expect("all libraries");
            assert!(!help.starts_with("Unknown"), "{kind}={name}: {help}");
        }
    }
}

#[test]
fn the_options_of_all_libraries_are_those_of_the_long_help() {
    let Some(theirs) = ffmpeg(&["-h", "full"]) else { return };
    let ours = generic_options().expect("all libraries");
    let from = theirs.find("AVCodecContext AVOptions:").expect("the codecs' options");
    assert_same(&ours, &theirs[from..], "-h full");
}
