//! argv → groups, before any option gets a meaning (`split_commandline` in ffmpeg's cmdutils).
//!
//! Options gather until a file ends the group: `-i URL` an input's, a word without a dash an output's. Options of the whole
//! program may stand anywhere.

use super::lower::set_option_default;
use super::table::{self, Place, Row, Set};
use super::value::{Argument, usage};
use super::{OptionLookup, OptionUse, diagnose, preset};
use crate::error::Error;
use crate::pipeline::plan::AvOptions;

/// A command line whose options know their files and nothing else.
#[derive(Debug, Default)]
pub struct Groups {
    /// Options of no file, in order.
    pub global: Vec<Given>,
    /// The inputs' groups.
    pub inputs: Vec<Group>,
    /// The outputs' groups.
    pub outputs: Vec<Group>,
    /// Options after the last file.
    pub trailing: Group,
    /// Did somebody set `-debug` or `-fdebug`? ffmpeg then logs at level debug.
    pub debug: bool,
}

/// A file and the options in front of it.
#[derive(Debug, Default)]
pub struct Group {
    /// The file as typed.
    pub url: String,
    /// Options of the table.
    pub options: Vec<Given>,
    /// AVOptions of (de)muxers, protocols and codecs.
    pub av_options: AvOptions,
    /// AVOptions of libswscale.
    pub scaler: AvOptions,
    /// AVOptions of libswresample.
    pub resampler: AvOptions,
    /// AVOptions from files of encoder settings: those that stand on the command line are stronger.
    pub preset: AvOptions,
}

impl Group {
    /// Ends the group at its file.
    fn finish(&mut self, url: &str) -> Self {
        let mut group = std::mem::take(self);
        url.clone_into(&mut group.url);
        for (name, value) in std::mem::take(&mut group.preset) {
            set_option_default(&mut group.av_options, &name, &value);
        }
        group
    }
}

/// An option with its argument.
#[derive(Debug)]
pub struct Given {
    /// Its row of the table.
    pub row: &'static Row,
    /// As typed, without dashes: `c:v`, `nostdin`.
    pub option: String,
    /// The argument; `1` or `0` where the option takes none.
    pub value: String,
}

impl Given {
    /// The stream specifier, empty if there is none.
    pub fn specifier(&self) -> &str {
        self.option.split_once(':').map_or("", |(_, specifier)| specifier)
    }
}

/// Swscale options that would contradict `-s` and `-pix_fmt`.
const SCALER_GEOMETRY: &[&str] = &["srcw", "srch", "dstw", "dsth", "src_format", "dst_format"];

/// Splits `args` into groups.
///
/// # Errors
/// An option that nobody knows, or one without its argument.
pub fn split(args: &[String], lookup: &dyn OptionLookup) -> Result<Groups, Error> {
    let mut groups = Groups::default();
    let mut group = Group::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let file = match word.as_str() {
            // The next word is a file, whatever it begins with.
            "--" => words.next(),
            "-" => Some(word),
            word_or_option => (!word_or_option.starts_with('-')).then_some(word),
        };
        if let Some(file) = file {
            groups.outputs.push(group.finish(file));
            continue;
        }
        let Some(option) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|option| !option.is_empty()) else {
            continue;
        };
        let mut argument = || words.next().ok_or_else(|| usage(format!("Missing argument for option '{option}'.")));
        if option == "i" {
            groups.inputs.push(group.finish(argument()?));
            continue;
        }
        let negated = || option.strip_prefix("no").and_then(table::find).filter(|row| row.negatable());
        let given = if let Some(row) = table::find(option) {
            let value = match row.argument() {
                Argument::Flag | Argument::Switch => "1".to_owned(),
                Argument::Topic => words.next().cloned().unwrap_or_default(),
                _ => argument()?.clone(),
            };
            Given { row, option: option.to_owned(), value }
        } else if let Some(row) = negated() {
            // Before AVOptions, none of which is called so: libraries are loaded for a name that the loaded ones do not know.
            Given { row, option: option.to_owned(), value: "0".to_owned() }
        } else if let Some(found) = find_av_option(option, lookup) {
            keep(option, argument()?, found, &mut group)?;
            groups.debug |= matches!(option, "debug" | "fdebug");
            continue;
        } else {
            return Err(diagnose::unknown_option(option));
        };
        match given.row.place {
            Place::Show(_) | Place::Global(_) => groups.global.push(given),
            Place::Output(Set::Preset) => {
                preset::expand(&given, &mut group, lookup)?;
                group.options.push(given);
            }
            _ => group.options.push(given),
        }
    }
    groups.trailing = group;
    Ok(groups)
}

/// Where libav knows `option` (`opt_default` in ffmpeg's cmdutils): codec options may carry a specifier, and `v`, `a` or `s` in
/// front where `AVCodecContext` itself has them; the others stand alone.
pub(super) fn find_av_option(option: &str, lookup: &dyn OptionLookup) -> Option<OptionUse> {
    let stripped = option.split(':').next().unwrap_or(option);
    lookup.find(stripped).filter(|found| found.codec || stripped == option).or_else(|| {
        let rest = option.strip_prefix(['v', 'a', 's']).filter(|rest| !rest.is_empty())?;
        lookup.find(rest).filter(|found| found.generic_codec)
    })
}

/// Adds an AVOption to `group`. The last value counts; those of flags that begin with a sign add up.
fn keep(option: &str, value: &str, found: OptionUse, group: &mut Group) -> Result<(), Error> {
    let of_file = found.format || found.codec;
    if !of_file && SCALER_GEOMETRY.contains(&option) {
        return Err(usage(
            "Directly using swscale dimensions/format options is not supported, please use the -s or -pix_fmt options",
        ));
    }
    let options = match of_file {
        true => &mut group.av_options,
        false if found.scaler => &mut group.scaler,
        false => &mut group.resampler,
    };
    match options.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(option)) {
        Some((_, before)) if found.flags && value.starts_with(['+', '-']) => before.push_str(value),
        Some((_, before)) => value.clone_into(before),
        None => options.push((option.to_owned(), value.to_owned())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known;

    impl OptionLookup for Known {
        fn find(&self, name: &str) -> Option<OptionUse> {
            let nowhere = OptionUse::default();
            Some(match name {
                "movflags" => OptionUse { format: true, flags: true, ..nowhere },
                "headers" | "fdebug" => OptionUse { format: true, ..nowhere },
                "flags" => OptionUse { codec: true, generic_codec: true, flags: true, ..nowhere },
                "crf" => OptionUse { codec: true, encoding: true, ..nowhere },
                "sws_dither" | "srcw" => OptionUse { scaler: true, ..nowhere },
                "dither_scale" => OptionUse { resampler: true, ..nowhere },
                _ => return None,
            })
        }
    }

    fn groups(line: &str) -> Groups {
        split(&words(line), &Known).expect(line)
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn names(options: &[Given]) -> Vec<&str> {
        options.iter().map(|given| given.option.as_str()).collect()
    }

    #[test]
    fn options_belong_to_the_next_file_and_global_ones_to_none() {
        let groups = groups("-ss 1 -y -i a -t 2 -i b -c:v copy -nostdin o1 -vn o2 -shortest");
        assert_eq!(names(&groups.global), ["y", "nostdin"]);
        assert_eq!(groups.global[1].value, "0");
        assert_eq!(groups.inputs.iter().map(|group| group.url.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(names(&groups.inputs[0].options), ["ss"]);
        assert_eq!(names(&groups.inputs[1].options), ["t"]);
        assert_eq!(names(&groups.outputs[0].options), ["c:v"]);
        assert_eq!(groups.outputs[0].options[0].specifier(), "v");
        assert_eq!(names(&groups.outputs[1].options), ["vn"]);
        assert_eq!(names(&groups.trailing.options), ["shortest"]);
    }

    #[test]
    fn two_dashes_are_one_and_alone_they_quote_a_file() {
        let groups = groups("--ss 1 -i - -- -o.mkv -");
        assert_eq!(names(&groups.inputs[0].options), ["ss"]);
        assert_eq!(groups.inputs[0].url, "-");
        assert_eq!(groups.outputs[0].url, "-o.mkv");
        assert_eq!(groups.outputs[1].url, "-");
    }

    #[test]
    fn av_options_go_with_the_file_and_flags_add_up() {
        let groups =
            groups("-headers x -i a -movflags +faststart -movflags +frag_keyframe -crf:v:0 20 -vflags +bitexact -crf:v:0 21 o");
        assert_eq!(groups.inputs[0].av_options, [("headers".to_owned(), "x".to_owned())]);
        let pairs: Vec<(&str, &str)> =
            groups.outputs[0].av_options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("movflags", "+faststart+frag_keyframe"), ("crf:v:0", "21"), ("vflags", "+bitexact")]);
        assert!(groups.outputs[0].scaler.is_empty());
    }

    #[test]
    fn scaler_options_are_kept_apart_and_debug_is_noticed() {
        let groups = groups("-fdebug ts -i a -sws_dither none -dither_scale 2 o");
        assert!(groups.debug);
        assert_eq!(groups.outputs[0].scaler, [("sws_dither".to_owned(), "none".to_owned())]);
        assert_eq!(groups.outputs[0].resampler, [("dither_scale".to_owned(), "2".to_owned())]);
        assert!(groups.outputs[0].av_options.is_empty());
    }

    #[test]
    fn what_cannot_be_split_is_an_error() {
        for (line, message) in [
            ("-i", "Missing argument for option 'i'."),
            ("-i a -t", "Missing argument for option 't'."),
            ("-i a -movflags", "Missing argument for option 'movflags'."),
            ("-i a -foo bar o", "Unrecognized option 'foo'."),
            ("-i a -movflags:v 1 o", "Unrecognized option 'movflags:v'."),
            ("-i a -noss o", "Unrecognized option 'noss'."),
            ("-i a -noreport o", "Unrecognized option 'noreport'."),
            (
                "-i a -srcw 3 o",
                "Directly using swscale dimensions/format options is not supported, please use the -s or -pix_fmt options",
            ),
        ] {
            assert_eq!(split(&words(line), &Known).expect_err(line).to_string(), message);
        }
    }
}
