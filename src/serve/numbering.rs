//! Where a stream that begins again goes on counting, so that it overwrites nothing that it has written before.
//!
//! `segment` begins at 0 and `hls` with an empty playlist, as they do in ffmpeg; whoever restarts ffmpeg has to count for it.

use std::fs;
use std::path::Path;

use crate::pipeline::plan::{AvOptions, Output, Plan};

/// Sets the outputs of `plan` on to follow what is there already. What the user says about numbers is left as it is.
pub fn carry_on(plan: &mut Plan) {
    for output in &mut plan.outputs {
        match output.format.as_deref() {
            Some("segment" | "ssegment" | "stream_segment") => carry_on_segments(output),
            Some("hls") => carry_on_playlist(output),
            None if output.url.ends_with(".m3u8") => carry_on_playlist(output),
            _ => {}
        }
    }
}

fn carry_on_segments(output: &mut Output) {
    let has_own_numbers =
        ["segment_start_number", "segment_wrap", "strftime"].iter().any(|name| find(&output.options, name).is_some());
    if has_own_numbers || is_elsewhere(&output.url) {
        return;
    }
    if let Some(last) = last_number(&output.url) {
        output.options.push(("segment_start_number".to_owned(), (last + 1).to_string()));
    }
}

/// `append_list` of hlsenc.c reads the playlist and goes on behind it, with a discontinuity. It reads the playlist by its own
/// means, which is why files with tokens do without.
fn carry_on_playlist(output: &mut Output) {
    let has_own_numbers = ["start_number", "hls_start_number_source"].iter().any(|name| find(&output.options, name).is_some());
    if has_own_numbers || is_elsewhere(&output.url) || !output.auth.profiles.is_empty() || !local(&output.url).is_file() {
        return;
    }
    match output.options.iter_mut().find(|(name, _)| name == "hls_flags") {
        Some((_, flags)) if flags.contains("append_list") => {}
        Some((_, flags)) => flags.push_str("+append_list"),
        None => output.options.push(("hls_flags".to_owned(), "append_list".to_owned())),
    }
}

fn find<'o>(options: &'o AvOptions, name: &str) -> Option<&'o str> {
    options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
}

fn is_elsewhere(url: &str) -> bool {
    url.contains("://") || url.starts_with("pipe:")
}

fn local(url: &str) -> &Path {
    Path::new(url.strip_prefix("file:").unwrap_or(url))
}

/// The highest number among the files that the template stands for (`av_get_frame_filename`: `%d`, `%05d`).
fn last_number(template: &str) -> Option<u64> {
    let path = local(template);
    let name = path.file_name()?.to_str()?;
    let (before, rest) = name.split_once('%')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    let after = rest[digits..].strip_prefix('d').filter(|after| !after.contains('%'))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let numbers = names.filter_map(|name| {
        let number = name.strip_prefix(before)?.strip_suffix(after)?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())?
    });
    numbers.max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Job;

    fn options(line: &str) -> AvOptions {
        let mut job = Job::parse(line).expect(line);
        carry_on(job.plan_mut());
        job.plan().outputs[0].options.clone()
    }

    #[test]
    fn segments_are_numbered_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let here = folder.path().display();
        let start = |line: &str| find(&options(line), "segment_start_number").map(str::to_owned);
        let line = format!("-i a -c copy -f segment {here}/cam-%05d.ts");
        assert_eq!(start(&line), None);
        for name in ["cam-00000.ts", "cam-00041.ts", "cam-00007.ts", "cam-x.ts", "cam-99999.mp4", "other-00100.ts"] {
            fs::write(folder.path().join(name), "").expect("a file");
        }
        assert_eq!(start(&line).as_deref(), Some("42"));
        assert_eq!(start(&format!("-i a -c copy -f segment -segment_start_number 3 {here}/cam-%05d.ts")).as_deref(), Some("3"));
        assert_eq!(start(&format!("-i a -c copy -f segment -segment_wrap 9 {here}/cam-%05d.ts")), None);
        assert_eq!(start(&format!("-i a -c copy -f segment {here}/%Y-%d.ts")), None);
    }

    #[test]
    fn playlists_are_gone_on_with() {
        let folder = tempfile::tempdir().expect("a folder");
        let playlist = folder.path().join("live.m3u8");
        let flags = |line: &str| find(&options(line), "hls_flags").map(str::to_owned);
        let line = format!("-i a -c copy -hls_flags delete_segments {}", playlist.display());
        assert_eq!(flags(&line).as_deref(), Some("delete_segments"));
        fs::write(&playlist, "").expect("a file");
        assert_eq!(flags(&line).as_deref(), Some("delete_segments+append_list"));
        assert_eq!(flags(&format!("-i a -c copy -f hls {}", playlist.display())).as_deref(), Some("append_list"));
        assert_eq!(flags("-i a -c copy -f hls -method PUT http://h/live.m3u8"), None);
        assert_eq!(flags(&format!("-i a -c copy -start_number 5 {}", playlist.display())), None);
    }
}
