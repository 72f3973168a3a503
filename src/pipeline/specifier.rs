//! Options that are given per stream.
//!
//! The specifiers themselves (`v`, `a:1`, `p:ID`, `m:KEY:VALUE`, `u`, `#ID` and combinations) are libavformat's own to judge.

use std::fmt::Display;

use crate::error::{Error, Kind};
use crate::libav::demuxer::Demuxer;
use crate::libav::error::AvError;
use crate::libav::log::{self, level};
use crate::libav::muxer::Muxer;
use crate::libav::stream::Stream;

use super::plan::PerStream;

/// A file whose streams can be named.
pub trait Streams {
    /// Does `specifier` name this stream of this file?
    ///
    /// # Errors
    /// It is no stream specifier.
    fn names(&self, stream: Stream<'_>, specifier: &str) -> Result<bool, Error>;
}

impl Streams for Demuxer {
    fn names(&self, stream: Stream<'_>, specifier: &str) -> Result<bool, Error> {
        self.matches(stream, specifier).map_err(|error| invalid(specifier, error))
    }
}

impl Streams for Muxer {
    fn names(&self, stream: Stream<'_>, specifier: &str) -> Result<bool, Error> {
        self.matches(stream, specifier).map_err(|error| invalid(specifier, error))
    }
}

fn invalid(specifier: &str, error: AvError) -> Error {
    Error::new(Kind::Usage, format!("Invalid stream specifier: {specifier}.")).with_source(error)
}

/// The last of `values` whose specifier names `stream`. `names` are the option's, for the warning that others lose.
///
/// # Errors
/// Something is no stream specifier.
pub fn value<'v, T: Display>(
    names: &[&str],
    values: &'v PerStream<T>,
    file: &impl Streams,
    stream: Stream<'_>,
) -> Result<Option<&'v T>, Error> {
    let mut last = None;
    let mut matches = 0;
    for (specifier, value) in values {
        if file.names(stream, specifier)? {
            last = Some((specifier, value));
            matches += 1;
        }
    }
    if let (Some((specifier, value)), 2..) = (last, matches) {
        log::write(level::WARNING, &several(names, stream.index(), specifier, value));
    }
    Ok(last.map(|(_, value)| value))
}

fn several(names: &[&str], stream: usize, specifier: &str, value: &impl Display) -> String {
    let mut list = String::new();
    for (index, name) in names.iter().enumerate() {
        let separator = match names.len() - index {
            1 => "",
            2 => " or ",
            _ => ", ",
        };
        list.push_str(&format!("-{name}{separator}"));
    }
    let first = names.first().copied().unwrap_or_default();
    let colon = if specifier.is_empty() { "" } else { ":" };
    format!(
        "Multiple {list} options specified for stream {stream}, only the last option '-{first}{colon}{specifier} {value}' will \
         be used.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libav::codec::MediaType;
    use crate::libav::io::Access;
    use crate::libav::option::Dictionary;
    use crate::shutdown::Shutdown;

    fn muxer() -> Muxer {
        let mut muxer = Muxer::new("x.mkv", None, &mut Dictionary::new(), Access::default(), Shutdown::new()).expect("a muxer");
        for (kind, id, language) in [
            (MediaType::Video, 256, "eng"),
            (MediaType::Audio, 257, "eng"),
            (MediaType::Audio, 258, "ger"),
            (MediaType::Attachment, 9, ""),
        ] {
            let mut stream = muxer.add_stream().expect("a stream");
            stream.set_media_type(kind);
            stream.set_id(id);
            stream.set_metadata([("language", language)].into_iter().collect());
        }
        muxer.add_program(3, Dictionary::new(), &[0, 2]).expect("a program");
        muxer
    }

    #[test]
    fn every_form_names_its_streams() {
        let muxer = muxer();
        for (specifier, wanted) in [
            ("", vec![0, 1, 2, 3]),
            ("v", vec![0]),
            ("V", vec![0]),
            ("a", vec![1, 2]),
            ("a:1", vec![2]),
            ("s", vec![]),
            ("t", vec![3]),
            ("2", vec![2]),
            ("p:3", vec![0, 2]),
            ("p:3:a", vec![2]),
            ("p:3:1", vec![2]),
            ("m:language:ger", vec![2]),
            ("m:language", vec![0, 1, 2, 3]),
            ("a:m:language:eng", vec![1]),
            ("#257", vec![1]),
            ("i:0x102", vec![2]),
        ] {
            let named: Vec<usize> = (0..muxer.stream_count())
                .filter(|index| muxer.names(muxer.stream(*index).expect("in range"), specifier).expect(specifier))
                .collect();
            assert_eq!(named, wanted, "{specifier}");
        }
        assert!(muxer.names(muxer.stream(0).expect("in range"), "x").is_err());
    }

    #[test]
    fn the_last_match_wins() {
        let muxer = muxer();
        let values: PerStream<i32> = vec![(String::new(), 1), ("a".into(), 2), ("a:1".into(), 3), ("v".into(), 4)];
        let chosen = |index| value(&["frames"], &values, &muxer, muxer.stream(index).expect("in range")).expect("valid");
        assert_eq!((chosen(0), chosen(1), chosen(2), chosen(3)), (Some(&4), Some(&2), Some(&3), Some(&1)));
        assert_eq!(
            several(&["c", "codec", "vcodec"], 0, "v", &"copy"),
            "Multiple -c, -codec or -vcodec options specified for stream 0, only the last option '-c:v copy' will be used.\n"
        );
    }
}
