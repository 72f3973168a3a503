//! Outputs that come in several files: where their numbers go on when a job begins again (`-continue`), or when its streams have
//! changed (`-on_change new_file`).
//!
//! | output | what goes on |
//! | --- | --- |
//! | segment | `segment_start_number`: behind the last file that is there |
//! | hls | the playlist: `hls_flags append_list`; without one, `start_number` behind the last segment that is there |
//! | image2 | `start_number`, likewise |
//! | one file, its name with a number pattern (`%03d`) | the name itself: the number behind the last one that is there |

use std::path::Path;

use crate::error::{Error, Kind};
use crate::libav::avio;
use crate::libav::log::{self, level};
use crate::redact;

use super::plan::{AvOptions, Output, Plan};

/// What kind of output it is, as far as numbers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbered {
    Segments,
    Hls,
    Images,
    /// The name itself has a number.
    Name,
}

/// `plan` as it is to be run now: its outputs go on behind the files that are there.
///
/// # Errors
/// An output that is to go on cannot.
pub fn go_on(plan: &Plan) -> Result<Plan, Error> {
    let mut plan = plan.clone();
    let ends = plan.outputs.iter().find(|output| !output.new_file_on_change);
    if let (Some(ends), Some(other)) = (ends, plan.outputs.iter().find(|output| output.new_file_on_change)) {
        let (ends, other) = (redact::url(&ends.url), redact::url(&other.url));
        let text = format!("-on_change new_file stands before {other} and not before {ends}");
        return Err(
            Error::new(Kind::Usage, text).with_hint("all outputs begin anew where the streams change: put it before each")
        );
    }
    for output in plan.outputs.iter_mut().filter(|output| output.continues || output.new_file_on_change) {
        let option = if output.continues { "continue" } else { "on_change new_file" };
        let cannot = |reason: &str| {
            let text = format!("-{option} before {}: {reason}", redact::url(&output.url));
            Error::new(Kind::Usage, text)
                .with_hint("-f segment and -f hls can, and a file with a number pattern such as %03d in its name")
        };
        let numbered = kind(output).ok_or_else(|| cannot("one file cannot go on"))?;
        if !avio::is_file(&output.url) {
            return Err(cannot(
                "only files on this machine can be looked at; -start_number or -segment_start_number says where to go on",
            ));
        }
        if output.new_file_on_change && numbered == Numbered::Hls && option_of(output, "hls_segment_type") == Some("fmp4") {
            return Err(cannot("the segments of both have one initialization section; -hls_segment_type mpegts needs none"));
        }
        let (url, set) = (output.url.clone(), |output: &mut Output, name: &str, value: String| {
            if option_of(output, name).is_none() {
                output.options.push((name.to_owned(), value));
            }
        });
        match numbered {
            Numbered::Segments if is_on(&output.options, "strftime") || option_of(output, "segment_wrap").is_some() => {}
            Numbered::Segments => set(output, "segment_start_number", next_number(&url).to_string()),
            Numbered::Images => set(output, "start_number", next_number(&url).max(1).to_string()),
            Numbered::Hls => {
                let flags =
                    option_of(output, "hls_flags").map_or("append_list".to_owned(), |flags| format!("{flags}+append_list"));
                output.options.retain(|(name, _)| name != "hls_flags");
                output.options.push(("hls_flags".to_owned(), flags));
                let counts_itself = is_on(&output.options, "strftime") || option_of(output, "hls_start_number_source").is_some();
                if !Path::new(path(&url)).exists() && !counts_itself {
                    let first = next_number(&segments_of(output));
                    set(output, "start_number", first.to_string());
                }
            }
            Numbered::Name => {
                let number = next_number(&url);
                output.url = with_number(&url, number).ok_or_else(|| cannot("its name has no number pattern such as %03d"))?;
                log::write(level::INFO, &format!("Writing into {}\n", output.url));
            }
        }
    }
    Ok(plan)
}

/// Can this output go on behind the files that are there?
pub fn can_go_on(output: &Output) -> bool {
    kind(output).is_some() && avio::is_file(&output.url)
}

fn kind(output: &Output) -> Option<Numbered> {
    let name = path(&output.url);
    match output.format.as_deref() {
        Some("segment" | "stream_segment" | "ssegment") => Some(Numbered::Segments),
        Some("image2") => Some(Numbered::Images),
        Some("hls") => Some(Numbered::Hls),
        None if name.ends_with(".m3u8") => Some(Numbered::Hls),
        None if [".jpg", ".jpeg", ".png"].iter().any(|end| name.ends_with(end)) => Some(Numbered::Images),
        Some("dash") => None,
        None if name.ends_with(".mpd") => None,
        _ => split(name).is_some().then_some(Numbered::Name),
    }
}

/// An option's last value.
fn option_of<'a>(output: &'a Output, name: &str) -> Option<&'a str> {
    output.options.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn is_on(options: &AvOptions, name: &str) -> bool {
    options.iter().rev().find(|(known, _)| known == name).is_some_and(|(_, value)| !["0", "false"].contains(&value.as_str()))
}

/// How hlsenc.c names its segments (`hls_init`).
fn segments_of(output: &Output) -> String {
    if let Some(given) = option_of(output, "hls_segment_filename") {
        return given.to_owned();
    }
    let end = if option_of(output, "hls_segment_type") == Some("fmp4") { "m4s" } else { "ts" };
    let stem = output.url.rsplit_once('.').map_or(output.url.as_str(), |(stem, _)| stem);
    format!("{stem}%d.{end}")
}

fn path(url: &str) -> &str {
    url.strip_prefix("file:").unwrap_or(url)
}

/// What stands before and after the one number pattern of a name, and its digits (`av_get_frame_filename`).
fn split(name: &str) -> Option<(&str, usize, &str)> {
    let (before, rest) = name.split_once('%')?;
    let (digits, after) = rest.split_once('d')?;
    let digits = if digits.is_empty() { 1 } else { digits.parse().ok().filter(|_| digits.starts_with('0'))? };
    (!after.contains('%')).then_some((before, digits, after))
}

fn with_number(url: &str, number: u64) -> Option<String> {
    let (before, digits, after) = split(url)?;
    Some(format!("{before}{number:0digits$}{after}"))
}

/// The number behind the highest one among the files that the pattern names; 0 where there is none.
fn next_number(url: &str) -> u64 {
    let Some((before, _, after)) = split(path(url)) else { return 0 };
    let (folder, before) =
        before.rsplit_once('/').map_or((".", before), |(folder, name)| (if folder.is_empty() { "/" } else { folder }, name));
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let numbers = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let number = name.to_str()?.strip_prefix(before)?.strip_suffix(after)?;
        number.parse::<u64>().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    numbers.max().map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(url: &str, format: Option<&str>, options: &[(&str, &str)]) -> Output {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Output { url: url.to_owned(), format: format.map(str::to_owned), options, continues: true, ..Output::default() }
    }

    fn continued(output: Output) -> Result<Output, String> {
        let plan = Plan { outputs: vec![output], ..Plan::default() };
        go_on(&plan).map(|mut plan| plan.outputs.remove(0)).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_go_on_behind_the_files_that_are_there() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["cam-0007.ts", "cam-0012.ts", "cam-x.ts", "cam-99.mkv", "live3.ts", "f-041.mkv"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        let at = |name: &str| folder.path().join(name).display().to_string();
        let segments = continued(output(&at("cam-%04d.ts"), Some("segment"), &[])).expect("segments");
        assert_eq!(option_of(&segments, "segment_start_number"), Some("13"));
        let own = continued(output(&at("cam-%04d.ts"), Some("segment"), &[("segment_start_number", "5")])).expect("segments");
        assert_eq!(option_of(&own, "segment_start_number"), Some("5"));
        let hls = continued(output(&at("live.m3u8"), None, &[("hls_flags", "delete_segments")])).expect("a playlist");
        assert_eq!(
            (option_of(&hls, "hls_flags"), option_of(&hls, "start_number")),
            (Some("delete_segments+append_list"), Some("4"))
        );
        assert_eq!(continued(output(&at("f-%03d.mkv"), None, &[])).expect("a file").url, at("f-042.mkv"));
        assert_eq!(continued(output(&at("g-%03d.mkv"), None, &[])).expect("a file").url, at("g-000.mkv"));
    }

    #[test]
    fn what_cannot_go_on_says_so() {
        for (url, format, words) in [
            ("out.mkv", None, "one file cannot go on"),
            ("out.mpd", None, "one file cannot go on"),
            ("http://127.0.0.1:9/live.m3u8", Some("hls"), "only files on this machine"),
        ] {
            let error = continued(output(url, format, &[])).expect_err(url);
            assert!(error.contains(words) && error.contains("-continue"), "{error}");
        }
        let fmp4 =
            Output { continues: false, new_file_on_change: true, ..output("a.m3u8", None, &[("hls_segment_type", "fmp4")]) };
        let lonely = [true, false].map(|new_file_on_change| Output { new_file_on_change, ..output("f-%d.ts", None, &[]) });
        let error = go_on(&Plan { outputs: lonely.into(), ..Plan::default() }).expect_err("one of two");
        assert!(error.to_string().contains("and not before"), "{error}");
        assert!(continued(fmp4).expect_err("one section for two").contains("initialization section"));
    }
}
