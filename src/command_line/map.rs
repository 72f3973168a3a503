//! The little languages of `-map`, `-map_channel`, `-map_metadata`, `-metadata`, `-map_chapters` and `-streamid`.

use super::lower::Context;
use super::split::Given;
use super::value::{self, usage};
use crate::error::Error;
use crate::pipeline::plan::{ChannelMap, Map, Metadata, MetadataMap, MetadataSpec, Output};

/// `MAX_STREAMS` of ffmpeg's fftools.
const MAX_STREAMS: i64 = 1024;

/// `-map [-]INPUT[:SPECIFIER][?]` or `-map [LABEL]`. What follows a comma named a sync stream once and means nothing now.
///
/// # Errors
/// An input that is not there, a label without its bracket.
pub fn map(output: &mut Output, given: &Given, context: &mut Context) -> Result<(), Error> {
    let (negative, text) = match given.value.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, given.value.as_str()),
    };
    let text = text.split(',').next().unwrap_or(text);
    if let Some(label) = text.strip_prefix('[') {
        let label = label.split(']').next().unwrap_or(label).trim();
        if label.is_empty() {
            return Err(usage(format!("Invalid output link label: {text}.")));
        }
        output.maps.push(Map::Label(label.to_owned()));
        return Ok(());
    }
    let (text, optional) = match text.split_once('?') {
        Some((before, _)) => (before, true),
        None => (text, false),
    };
    let (file, specifier) = integer_prefix(text);
    let file = context.input(file).ok_or_else(|| usage(format!("Invalid input file index: {file}.")))?;
    let specifier = specifier.strip_prefix(':').unwrap_or(specifier).to_owned();
    output.maps.push(Map::Stream { negative, file, specifier, optional });
    Ok(())
}

/// `-map_channel FILE.STREAM.CHANNEL[?][:OUTFILE.OUTSTREAM]`, or -1 for a silent channel.
///
/// # Errors
/// Another form, an input that is not there. Streams and channels are looked up when the inputs are open.
pub fn map_channel(output: &mut Output, given: &Given, context: &mut Context) -> Result<(), Error> {
    let (source, target) = match given.value.split_once(':') {
        Some((source, target)) => (source, Some(target)),
        None => (given.value.as_str(), None),
    };
    let (source, optional) = match source.split_once('?') {
        Some((source, _)) => (source, true),
        None => (source, given.value.contains('?')),
    };
    let target = match target.map(|target| numbers(target.trim_end_matches('?'))) {
        None => None,
        Some(Some(pair)) => Some(<[i64; 2]>::try_from(pair).map_err(|_| channel_syntax())?),
        Some(None) => return Err(channel_syntax()),
    };
    let output_stream = target.map(|[file, stream]| (index_of(file), index_of(stream)));
    let source = match numbers(source).ok_or_else(channel_syntax)?[..] {
        [-1] => None,
        [file, stream, channel] => {
            let file = context.input(file).ok_or_else(|| usage(format!("mapchan: invalid input file index: {file}")))?;
            Some((file, index_of(stream), index_of(channel)))
        }
        _ => return Err(channel_syntax()),
    };
    output.map_channels.push(ChannelMap { source, optional, output: output_stream });
    Ok(())
}

fn channel_syntax() -> Error {
    usage("Syntax error, mapchan usage: [file.stream.channel|-1][:syncfile:syncstream]")
}

/// Whole numbers with points between them.
fn numbers(text: &str) -> Option<Vec<i64>> {
    text.split('.').map(|number| number.parse().ok()).collect()
}

/// An index; no stream and no channel has the one that stands for a negative number.
fn index_of(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// `-map_metadata[:OUT] INPUT[:IN]`. A negative input takes nothing and ends the automatic copy: of everything without
/// OUT, else of what OUT or IN is about.
///
/// # Errors
/// An input that is not there, a malformed specifier.
pub fn map_metadata(output: &mut Output, given: &Given, context: &mut Context) -> Result<(), Error> {
    let (index, rest) = integer_prefix(&given.value);
    let from = metadata_spec(rest.get(1..).unwrap_or_default())?;
    let to = metadata_spec(given.specifier())?;
    if index < 0 {
        let disabled = match (given.specifier(), from == to) {
            ("", _) => vec![MetadataSpec::Global, MetadataSpec::Stream(String::new()), MetadataSpec::Chapter(0)],
            (_, true) => vec![to],
            (_, false) => vec![to, from],
        };
        output.map_metadata.extend(disabled.into_iter().map(|to| MetadataMap { from: to.clone(), to, file: None }));
        return Ok(());
    }
    let file =
        context.input(index).ok_or_else(|| usage(format!("Invalid input file index {index} while processing metadata maps")))?;
    output.map_metadata.push(MetadataMap { to, file: Some(file), from });
    Ok(())
}

/// `-metadata[:SPECIFIER] KEY=VALUE`.
///
/// # Errors
/// No `=`, a malformed specifier.
pub fn metadata(output: &mut Output, given: &Given, _: &mut Context) -> Result<(), Error> {
    let (key, value) =
        given.value.split_once('=').ok_or_else(|| usage(format!("No '=' character in metadata string {}.", given.value)))?;
    let to = metadata_spec(given.specifier())?;
    output.metadata.push(Metadata { to, key: key.to_owned(), value: value.to_owned() });
    Ok(())
}

/// `-map_chapters INPUT`, a negative one for none.
///
/// # Errors
/// An input that is not there.
pub fn map_chapters(output: &mut Output, given: &Given, context: &mut Context) -> Result<(), Error> {
    let index = i64::from(value::int(&given.option, &given.value)?);
    // INT_MAX is ffmpeg's "automatic".
    output.map_chapters = match index {
        _ if index == i64::from(i32::MAX) => None,
        0.. if context.input(index).is_none() => {
            return Err(usage(format!("Invalid input file index {index} in chapter mapping.")));
        }
        0.. => Some(index),
        _ => Some(-1),
    };
    Ok(())
}

/// `-streamid STREAM:ID`; the last id of a stream counts.
///
/// # Errors
/// No colon, or numbers out of range.
pub fn stream_id(output: &mut Output, given: &Given, _: &mut Context) -> Result<(), Error> {
    let Given { option, value, .. } = given;
    let (stream, id) = value
        .split_once(':')
        .ok_or_else(|| usage(format!("Invalid value '{value}' for option '{option}', required syntax is 'index:value'")))?;
    let stream = value::whole_number(option, stream, 0, MAX_STREAMS - 1)?;
    let id = value::whole_number(option, id, 0, i32::MAX.into())?;
    output.stream_id.push((usize::try_from(stream).unwrap_or_default(), i32::try_from(id).unwrap_or_default()));
    Ok(())
}

/// `g`, `s[:SPECIFIER]`, `c[:INDEX]`, `p[:INDEX]`, or nothing, which is `g` (`parse_meta_type` in ffmpeg's fftools).
fn metadata_spec(text: &str) -> Result<MetadataSpec, Error> {
    let Some(kind) = text.chars().next() else { return Ok(MetadataSpec::Global) };
    let rest = &text[kind.len_utf8()..];
    let index = || match rest.strip_prefix(':').map(|index| integer_prefix(index).0).unwrap_or_default() {
        index @ 0.. => Ok(usize::try_from(index).unwrap_or(usize::MAX)),
        index => {
            let what = if kind == 'c' { "chapter" } else { "program" };
            Err(usage(format!("Invalid {what} index {index} in metadata specifier.")))
        }
    };
    match kind {
        'g' => Ok(MetadataSpec::Global),
        's' => match (rest, rest.strip_prefix(':')) {
            ("", _) => Ok(MetadataSpec::Stream(String::new())),
            (_, Some(specifier)) => Ok(MetadataSpec::Stream(specifier.to_owned())),
            (_, None) => Err(usage(format!("Invalid metadata specifier {rest}."))),
        },
        'c' => Ok(MetadataSpec::Chapter(index()?)),
        'p' => Ok(MetadataSpec::Program(index()?)),
        _ => Err(usage(format!("Invalid metadata type {kind}."))),
    }
}

/// C's `strtol` with base 0: decimal, `0x…` or octal; no number is 0.
fn integer_prefix(text: &str) -> (i64, &str) {
    let start = text.trim_start();
    let (negative, unsigned) = match start.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, start.strip_prefix('+').unwrap_or(start)),
    };
    let hexadecimal = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"));
    let (digits, radix) = match hexadecimal.filter(|digits| digits.starts_with(|c: char| c.is_ascii_hexdigit())) {
        Some(digits) => (digits, 16),
        None if unsigned.starts_with('0') => (unsigned, 8),
        None => (unsigned, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    if end == 0 {
        return (0, text);
    }
    let value = i64::from_str_radix(&digits[..end], radix).unwrap_or(i64::MAX);
    (if negative { -value } else { value }, &digits[end..])
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    fn given(option: &str, value: &str) -> Given {
        Given { row: table::find(option).expect(option), option: option.into(), value: value.into() }
    }

    #[test]
    fn channels_are_mapped_by_input_stream_and_channel() {
        let mapped = |text: &str| {
            let mut output = Output::default();
            map_channel(&mut output, &given("map_channel", text), &mut two_inputs()).map(|()| output.map_channels.remove(0))
        };
        let map = |source, optional, output| ChannelMap { source, optional, output };
        for (text, wanted) in [
            ("0.1.2", map(Some((0, 1, 2)), false, None)),
            ("1.0.0:0.1", map(Some((1, 0, 0)), false, Some((0, 1)))),
            ("0.0.1?", map(Some((0, 0, 1)), true, None)),
            ("-1", map(None, false, None)),
            ("-1:0.0", map(None, false, Some((0, 0)))),
        ] {
            assert_eq!(mapped(text).ok(), Some(wanted), "{text}");
        }
        for text in ["", "0.1", "a", "0.1.2:3", "0.1.2.3"] {
            assert!(mapped(text).is_err_and(|error| error.to_string().starts_with("Syntax error, mapchan")), "{text}");
        }
        assert!(mapped("2.0.0").is_err_and(|error| error.to_string() == "mapchan: invalid input file index: 2"));
    }

    fn two_inputs() -> Context {
        Context { inputs: 2, ..Context::default() }
    }

    fn stream(negative: bool, file: usize, specifier: &str, optional: bool) -> Map {
        Map::Stream { negative, file, specifier: specifier.into(), optional }
    }

    #[test]
    fn maps_name_input_specifier_and_whether_they_must_match() {
        for (text, wanted) in [
            ("0", stream(false, 0, "", false)),
            ("1:a:0", stream(false, 1, "a:0", false)),
            ("-0:m:language:ger", stream(true, 0, "m:language:ger", false)),
            ("0:s?", stream(false, 0, "s", true)),
            ("0,1:0", stream(false, 0, "", false)),
            ("0x1:v", stream(false, 1, "v", false)),
            ("v", stream(false, 0, "v", false)),
            ("[out]", Map::Label("out".into())),
        ] {
            let mut output = Output::default();
            map(&mut output, &given("map", text), &mut two_inputs()).expect(text);
            assert_eq!(output.maps, [wanted], "{text}");
        }
        let error = map(&mut Output::default(), &given("map", "2:v"), &mut two_inputs()).expect_err("two inputs");
        assert_eq!(error.to_string(), "Invalid input file index: 2.");
        assert!(map(&mut Output::default(), &given("map", "[]"), &mut two_inputs()).is_err());
    }

    #[test]
    fn metadata_maps_name_both_sides_or_end_the_copy() {
        use MetadataSpec::{Chapter, Global, Stream};
        for (option, text, wanted) in [
            ("map_metadata", "1", vec![(Global, Some(1), Global)]),
            ("map_metadata", "0:s:a:0", vec![(Global, Some(0), Stream("a:0".into()))]),
            ("map_metadata:s:v", "1:c:2", vec![(Stream("v".into()), Some(1), Chapter(2))]),
            (
                "map_metadata",
                "-1",
                vec![
                    (Global, None, Global),
                    (Stream(String::new()), None, Stream(String::new())),
                    (Chapter(0), None, Chapter(0)),
                ],
            ),
            ("map_metadata:g", "-1", vec![(Global, None, Global)]),
            ("map_metadata:s", "-1", vec![(Stream(String::new()), None, Stream(String::new())), (Global, None, Global)]),
        ] {
            let mut output = Output::default();
            map_metadata(&mut output, &given(option, text), &mut two_inputs()).expect(text);
            let wanted: Vec<_> = wanted.into_iter().map(|(to, file, from)| MetadataMap { to, file, from }).collect();
            assert_eq!(output.map_metadata, wanted, "-{option} {text}");
        }
    }

    #[test]
    fn malformed_specifiers_are_named_as_ffmpeg_names_them() {
        for (option, text, message) in [
            ("metadata", "x", "No '=' character in metadata string x."),
            ("metadata:x", "a=b", "Invalid metadata type x."),
            ("metadata:sx", "a=b", "Invalid metadata specifier x."),
            ("metadata:c:-1", "a=b", "Invalid chapter index -1 in metadata specifier."),
        ] {
            let error = metadata(&mut Output::default(), &given(option, text), &mut two_inputs()).expect_err(text);
            assert_eq!(error.to_string(), message);
        }
        let error = map_metadata(&mut Output::default(), &given("map_metadata", "3"), &mut two_inputs()).expect_err("two inputs");
        assert_eq!(error.to_string(), "Invalid input file index 3 while processing metadata maps");
    }

    #[test]
    fn chapters_and_stream_ids_are_checked() {
        let mut output = Output::default();
        for (text, wanted) in [("1", Some(1)), ("-1", Some(-1)), ("-7", Some(-1)), ("2147483647", None)] {
            map_chapters(&mut output, &given("map_chapters", text), &mut two_inputs()).expect(text);
            assert_eq!(output.map_chapters, wanted, "{text}");
        }
        assert!(map_chapters(&mut output, &given("map_chapters", "2"), &mut two_inputs()).is_err());
        stream_id(&mut output, &given("streamid", "1:0x101"), &mut two_inputs()).expect("both are numbers");
        assert_eq!(output.stream_id, [(1, 0x101)]);
        for text in ["1", "1024:1", "0:-1", "a:1"] {
            assert!(stream_id(&mut output, &given("streamid", text), &mut two_inputs()).is_err(), "{text}");
        }
    }
}
