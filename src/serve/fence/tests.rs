//! What passes the fence and what does not, as whole command lines.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// A folder with `media/`, where streams of the API may work, and a secret beside it.
struct Place {
    folder: tempfile::TempDir,
    fence: Fence,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let media = folder.path().join("media");
        fs::create_dir_all(media.join("own")).expect("a folder");
        fs::write(folder.path().join("secret"), "x").expect("a file");
        fs::write(media.join("in.ts"), "x").expect("a file");
        symlink(folder.path().join("secret"), media.join("link.ts")).expect("a link");
        symlink(folder.path().join("nothing"), media.join("dangling.ts")).expect("a link");
        symlink(folder.path(), media.join("out")).expect("a link");
        let fence = Fence { own: vec![media.join("own")], paths: vec![media], profiles: vec!["good".to_owned()] };
        Self { folder, fence }
    }

    /// `M` stands for the folder of media, `S` for the one around it.
    fn admit(&self, line: &str) -> Result<Plan, Error> {
        let around = self.folder.path().display().to_string();
        let run = line.replace("M/", &format!("{around}/media/")).replace("S/", &format!("{around}/"));
        Ok(self.fence.job(&run)?.plan().clone())
    }
}

#[test]
fn ordinary_work_passes() {
    let place = Place::new();
    for line in [
        "-i M/in.ts -c copy M/out.mkv",
        "-i file:M/in.ts -c copy file:M/out.mkv",
        "-auth good -i https://media.example/live.m3u8 -c copy -f segment -segment_time 2 -segment_list M/l.m3u8 M/s-%05d.ts",
        "-i https://media.example/a.m3u8 -c:v libx264 -preset fast -crf 23 -g 50 -b:a 96k -vf scale=-2:360 -f hls -hls_time 4 \
         -hls_segment_filename M/s%d.ts M/live.m3u8",
        "-rtsp_transport tcp -i rtsp://camera.example/1 -c copy -f flv rtmp://live.example/app/key",
        "-f lavfi -i testsrc2=size=320x180 -t 1 -f null -",
        "-re -stream_loop -1 -i M/in.ts -c copy -auth good -f mpegts https://media.example/in",
        "-i udp://239.0.0.1:1234 -c copy -f dash -init_seg_name i.m4s M/a.mpd",
    ] {
        place.admit(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn what_inputs_name_stays_inside() {
    let place = Place::new();
    let plan = place.admit("-i M/in.ts -c copy M/out.mkv").expect("allowed");
    let option =
        |plan: &Plan, name: &str| plan.inputs[0].options.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    assert_eq!(option(&plan, "protocol_whitelist").as_deref(), Some("file"));
    let formats = option(&plan, "format_whitelist").expect("a list");
    for playlist in ["hls", "concat", "dash", "sdp", "image2", "imf", "applehttp", "webm_dash_manifest", "lavfi", "tty"] {
        assert!(!formats.split(',').any(|format| format == playlist), "{playlist}");
    }
    let plan = place.admit("-i https://media.example/a -c copy M/out.mkv").expect("allowed");
    let protocols = option(&plan, "protocol_whitelist").expect("a list");
    for local in ["file", "pipe", "concat", "subfile", "unix", "fd", "cache", "ipfs_gateway", "tee", "async"] {
        assert!(!protocols.split(',').any(|protocol| protocol == local), "{local}");
    }
}

#[test]
fn whatever_reaches_beyond_is_refused() {
    let place = Place::new();
    for line in [
        // Files.
        "-i S/secret -c copy M/o.ts",
        "-i file:S/secret -c copy M/o.ts",
        "-i M/link.ts -c copy M/o.ts",
        "-i M/out/secret -c copy M/o.ts",
        "-i M/../secret -c copy M/o.ts",
        "-i M/in.ts -c copy S/o.ts",
        "-i M/in.ts -c copy M/link.ts",
        "-i M/in.ts -c copy M/dangling.ts",
        "-i M/in.ts -c copy M/out/o.ts",
        "-i M/in.ts -c copy M/own/o.ts",
        "-i M/in.ts -c copy M/nowhere/o.ts",
        "-i M/missing.ts -c copy M/o.ts",
        "-i in.ts -c copy M/o.ts",
        // Protocols.
        "-i concat:M/in.ts|S/secret -c copy M/o.ts",
        "-i subfile,,start,0,end,9,,:S/secret -c copy M/o.ts",
        "-i pipe:0 -c copy M/o.ts",
        "-i fd:0 -c copy M/o.ts",
        "-i - -c copy M/o.ts",
        "-i unix:S/socket -c copy M/o.ts",
        "-i cache:file:S/secret -c copy M/o.ts",
        "-i async:file:S/secret -c copy M/o.ts",
        "-i crypto:S/secret -c copy M/o.ts",
        "-i data:text/plain,x -c copy M/o.ts",
        "-i hls+file:S/secret -c copy M/o.ts",
        "-i tls://media.example:1?cafile=S/secret -c copy M/o.ts",
        "-i M/in.ts -c copy -f mpegts pipe:1",
        "-i M/in.ts -c copy -f mpegts md5:S/o",
        // Formats that open others.
        "-f concat -safe 0 -i M/in.ts -c copy M/o.ts",
        "-f v4l2 -i M/in.ts -c copy M/o.ts",
        "-f tee -i M/in.ts -c copy M/o.ts",
        "-i M/in.ts -map 0 -c copy -f tee M/o.ts|S/p.ts",
        "-i M/in.ts -c copy -f fifo M/o.ts",
        "-i M/in.ts -c copy -f segment -segment_format tee M/o.ts",
        "-f lavfi -i movie=S/secret M/o.ts",
        // Options that name files, or open what is closed.
        "-protocol_whitelist file,http -i https://media.example/a -c copy M/o.ts",
        "-format_whitelist hls -i M/in.ts -c copy M/o.ts",
        "-allowed_extensions ALL -i https://media.example/a -c copy M/o.ts",
        "-enable_drefs 1 -i M/in.ts -c copy M/o.ts",
        "-ca_file S/secret -i https://media.example/a -c copy M/o.ts",
        "-i M/in.ts -c copy -f hls -hls_segment_filename S/s%d.ts M/o.m3u8",
        "-i M/in.ts -c copy -f hls -hls_segment_filename M/link.ts M/o.m3u8",
        "-i M/in.ts -c copy -f hls -hls_key_info_file S/secret M/o.m3u8",
        "-i M/in.ts -c copy -f hls -hls_fmp4_init_filename ../../x M/o.m3u8",
        "-i M/in.ts -c copy -f hls -master_pl_name ../../x M/o.m3u8",
        "-i M/in.ts -c copy -f hls -master_pl_name ../x https://media.example/o.m3u8",
        "-i M/in.ts -c copy -f segment -segment_list S/l M/o%d.ts",
        "-i M/in.ts -c:v libx264 -x264-params stats=S/x M/o.ts",
        "-i M/in.ts -c:v libx264 -x264opts stats=S/x M/o.ts",
        "-i M/in.ts -c:v libx264 -stats S/x M/o.ts",
        "-i M/in.ts -c:v libx264 -pass 1 M/o.ts",
        "-i M/in.ts -c:v libx264 -passlogfile S/x M/o.ts",
        "-i M/in.ts -vf movie=S/secret M/o.ts",
        "-i M/in.ts -filter_complex amovie=S/secret M/o.ts",
        "-i M/in.ts -filter_complex_script S/secret M/o.ts",
        "-i M/in.ts -filter_script:v S/secret M/o.ts",
        "-i M/in.ts -c:v libx264 -vpre ../../../secret M/o.ts",
        "-i M/in.ts -c:v libx264 -fpre S/secret M/o.ts",
        "-i M/in.ts -attach S/secret M/o.mkv",
        "-dump_attachment:t S/x -i M/in.ts M/o.mkv",
        "-alternative S/secret -i M/in.ts -c copy M/o.ts",
        "-alternative S/secret -i https://media.example/a -c copy M/o.ts",
        "-alternative M/in.ts -i https://media.example/a -c copy M/o.ts",
        "-progress S/x -i M/in.ts M/o.ts",
        "-report -i M/in.ts M/o.ts",
        "-vstats_file S/x -i M/in.ts M/o.ts",
        "-summary S/x -i M/in.ts -c copy M/o.ts",
        "-auth_config S/secret -i M/in.ts -c copy M/o.ts",
        "-init_hw_device vaapi=x:/dev/dri/renderD128 -i M/in.ts M/o.ts",
        // Tokens.
        "-auth other -i https://media.example/a -c copy M/o.ts",
        "-auth good,other -i https://media.example/a -c copy M/o.ts",
    ] {
        assert!(place.admit(line).is_err(), "let through: {line}");
    }
}

#[test]
fn a_refusal_names_the_key_that_would_allow_it() {
    let place = Place::new();
    for (line, part) in [
        ("-auth other -i https://media.example/a -c copy M/o.ts", "allow_profiles"),
        ("-i M/in.ts -c copy S/o.ts", "allow_paths"),
        ("-i pipe:0 -c copy M/o.ts", "allow_paths"),
    ] {
        let error = place.admit(line).expect_err(line);
        assert!(error.hint().is_some_and(|hint| hint.contains(part)), "{line}: {error}: {:?}", error.hint());
    }
}
