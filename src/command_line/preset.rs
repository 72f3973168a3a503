//! `-vpre`, `-apre`, `-spre` and `-fpre`: files of encoder settings, one `key=value` a line (`opt_preset` of ffmpeg).

use super::OptionLookup;
use super::split::{Given, Group, find_av_option};
use super::table;
use super::value::usage;
use crate::error::Error;

/// Puts what the file says into `group`: codecs as options of their own, all else as AVOptions that yield to the command line's.
///
/// # Errors
/// There is no such file, or it holds what is no option.
pub fn expand(given: &Given, group: &mut Group, lookup: &dyn OptionLookup) -> Result<(), Error> {
    let name = given.value.as_str();
    let found = match given.row.name {
        "fpre" => lookup.file(name).map(|text| (name.to_owned(), text)),
        row => lookup.preset(name, codec_of(group, &row[..1])),
    };
    let Some((path, text)) = found else {
        return Err(match name.starts_with("libx264-lossless") {
            true => usage("Please use -preset <speed> -qp 0"),
            false => usage(format!("File for preset '{name}' not found")),
        });
    };
    for line in text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.split_once('=').ok_or_else(|| usage(format!("{path}: Invalid syntax: '{line}'")))?;
        let codec = ["acodec", "vcodec", "scodec", "dcodec"].contains(&key).then(|| table::find(key)).flatten();
        match codec {
            Some(row) => group.options.push(Given { row, option: key.to_owned(), value: value.to_owned() }),
            None if find_av_option(key, lookup).is_some() => group.preset.push((key.to_owned(), value.to_owned())),
            None => {
                let text = format!("{path}: Invalid option or argument: '{line}', parsed as '{key}' = '{value}'");
                return Err(usage(text));
            }
        }
    }
    Ok(())
}

/// The codec that was named so far for streams of this type.
fn codec_of<'a>(group: &'a Group, kind: &str) -> Option<&'a str> {
    let names_it = |given: &&Given| match given.row.name {
        "c" | "codec" => given.specifier() == kind,
        name => name.strip_suffix("codec") == Some(kind),
    };
    group.options.iter().rev().find(names_it).map(|given| given.value.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::OptionUse;
    use super::super::split::split;
    use super::*;

    struct Files;

    impl OptionLookup for Files {
        fn find(&self, name: &str) -> Option<OptionUse> {
            let codec = OptionUse { codec: true, encoding: true, ..OptionUse::default() };
            ["crf", "g", "b"].contains(&name).then_some(codec)
        }

        fn preset(&self, name: &str, codec: Option<&str>) -> Option<(String, String)> {
            match (name, codec) {
                ("slow", Some("libvpx")) => Some(("libvpx-slow".into(), "# slow\nvcodec=libvpx\ncrf=10\r\ng=120\n\n".into())),
                ("bad", _) => Some(("bad".into(), "nosuch=1\n".into())),
                _ => None,
            }
        }

        fn file(&self, path: &str) -> Option<String> {
            (path == "my.ffpreset").then(|| "b=1M\nnonsense\n".to_owned())
        }
    }

    fn expanded(line: &str) -> Result<Group, Error> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        split(&words, &Files).map(|mut groups| groups.outputs.remove(0))
    }

    #[test]
    fn the_command_line_is_stronger_than_the_file() {
        let group = expanded("-i x -vcodec libvpx -vpre slow -g 50 o").expect("a preset");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(group.av_options, [pair("g", "50"), pair("crf", "10")]);
        let names: Vec<&str> = group.options.iter().map(|given| given.row.name).collect();
        assert_eq!(names, ["vcodec", "vcodec", "vpre"]);
    }

    #[test]
    fn what_is_no_preset_is_named() {
        for (line, message) in [
            ("-i x -vpre slow o", "File for preset 'slow' not found"),
            ("-i x -vpre libx264-lossless_fast o", "Please use -preset <speed> -qp 0"),
            ("-i x -vpre bad o", "bad: Invalid option or argument: 'nosuch=1', parsed as 'nosuch' = '1'"),
            ("-i x -fpre my.ffpreset o", "my.ffpreset: Invalid syntax: 'nonsense'"),
        ] {
            assert_eq!(expanded(line).expect_err(line).to_string(), message, "{line}");
        }
    }
}
