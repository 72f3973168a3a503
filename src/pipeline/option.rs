//! Where the AVOptions of a file go, and which of them nobody took: `opt_default`, `filter_codec_opts` and the checks of
//! `open_input_file` and `open_output_file`.

use crate::error::{Error, Kind};
use crate::libav::codec::Codec;
use crate::libav::error::AvError;
use crate::libav::log::{self, level};
use crate::libav::option::{CodecSide, Dictionary, Lookup};
use crate::libav::stream::Stream;
use crate::redact;

use super::plan::AvOptions;
use super::specifier::Streams;

/// The AVOptions of one file.
#[derive(Default)]
pub struct Options {
    /// For codec contexts, stream specifiers still on.
    codec: Dictionary,
    /// For the format and the protocol.
    pub format: Dictionary,
}

impl Options {
    /// Sorts options as typed; one may be for both.
    ///
    /// # Errors
    /// A NUL in an option.
    pub fn sort(options: &AvOptions) -> Result<Self, Error> {
        let mut sorted = Self::default();
        for (name, value) in options {
            let bare = name.split(':').next().unwrap_or(name);
            let codec = Lookup.is_of_codec(bare)
                || bare.strip_prefix(['v', 'a', 's']).is_some_and(|rest| Lookup.is_of_codec_context(rest));
            let set = |dictionary: &mut Dictionary| dictionary.set(name, value).map_err(|error| error.about(name));
            if codec {
                set(&mut sorted.codec)?;
            }
            if !codec || Lookup.is_of_format(name) {
                set(&mut sorted.format)?;
            }
        }
        Ok(sorted)
    }

    /// The codec options for `stream`. A known `decoder` takes only what it or its kind of stream has; where none is known,
    /// or nothing is coded at all, everything that names the stream goes along.
    ///
    /// # Errors
    /// Something is no stream specifier.
    pub fn for_stream(
        &self,
        file: &impl Streams,
        stream: Stream<'_>,
        side: CodecSide,
        decoder: Option<Codec>,
    ) -> Result<Dictionary, Error> {
        let kind = stream.media_type();
        let prefix = match kind.name() {
            name @ ("video" | "audio" | "subtitle") => &name[..1],
            _ => "\0",
        };
        let mut options = Dictionary::new();
        for (name, value) in self.codec.pairs() {
            let (bare, specifier) = name.split_once(':').unwrap_or((&name, ""));
            if !file.names(stream, specifier)? {
                continue;
            }
            let taken = |name| Lookup.codec_takes(name, kind, side, decoder);
            let key = match bare.strip_prefix(prefix) {
                _ if decoder.is_none() || taken(bare) => bare,
                Some(rest) if Lookup.codec_takes(rest, kind, side, None) => rest,
                _ => continue,
            };
            options.set(key, &value).map_err(|error| error.about(&name))?;
        }
        Ok(options)
    }

    /// Complains about codec options that no stream took: an error for one of the wrong side, else ffmpeg's warning.
    ///
    /// # Errors
    /// A decoding option for an output or an encoding option for an input.
    pub fn check_unused(&self, used: &[Dictionary], side: CodecSide, index: usize, url: &str) -> Result<(), Error> {
        let (direction, coding, coder) = match side {
            CodecSide::Decoding => ("input", "a decoding", "decoder"),
            CodecSide::Encoding => ("output", "an encoding", "encoder"),
        };
        for (name, _) in self.codec.pairs() {
            let bare = name.split(':').next().unwrap_or(&name);
            if used.iter().any(|options| options.get(bare).is_some()) {
                continue;
            }
            let Some(found) = Lookup.find(bare).filter(|found| found.codec && !found.format) else { continue };
            let what = format!(
                "Codec AVOption {bare} ({}) specified for {direction} file #{index} ({})",
                Lookup.codec_help(bare),
                redact::url(url)
            );
            let fits = if side == CodecSide::Decoding { found.decoding } else { found.encoding };
            if !fits {
                return Err(Error::new(Kind::Usage, format!("{what} is not {coding} option.")));
            }
            // Injected by the library and not always used.
            if bare != "gop_timecode" {
                let text = format!(
                    "{what} has not been used for any stream. The most likely reason is either wrong type (e.g. a video option \
                     with no video streams) or that it is a private option of some {coder} which was not actually used for any \
                     stream.\n"
                );
                log::write(level::WARNING, &text);
            }
        }
        Ok(())
    }

    /// What opening left over of `format`: an error, unless it is a codec option too.
    ///
    /// # Errors
    /// Names the first.
    pub fn check_left_over(&self) -> Result<(), Error> {
        let left = self.format.pairs().into_iter().find(|(name, _)| self.codec.get(name).is_none());
        left.map_or(Ok(()), |(name, _)| {
            Err(Error::new(Kind::Usage, format!("Option {name} not found.")).with_source(AvError::OPTION_NOT_FOUND))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libav::codec::MediaType;
    use crate::libav::io::Access;
    use crate::libav::muxer::Muxer;
    use crate::shutdown::Shutdown;

    fn typed(pairs: &[(&str, &str)]) -> AvOptions {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn names(options: &Dictionary) -> Vec<String> {
        options.pairs().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn options_go_to_the_codec_the_format_or_both() {
        let options =
            typed(&[("b:v", "1M"), ("movflags", "faststart"), ("flags", "+bitexact"), ("vprofile", "1"), ("strict", "1")]);
        let sorted = Options::sort(&options).expect("no NUL");
        assert_eq!(names(&sorted.codec), ["b:v", "flags", "vprofile", "strict"]);
        assert_eq!(names(&sorted.format), ["movflags", "strict"]);
    }

    #[test]
    fn a_copied_stream_takes_whatever_names_it() {
        let mut muxer = Muxer::new("x.mkv", None, &mut Dictionary::new(), Access::default(), Shutdown::new()).expect("a muxer");
        muxer.add_stream().expect("a stream").set_media_type(MediaType::Video);
        let sorted = Options::sort(&typed(&[("b:v", "1M"), ("b:a", "2M"), ("g", "5")])).expect("no NUL");
        let stream = muxer.stream(0).expect("in range");
        let taken = sorted.for_stream(&muxer, stream, CodecSide::Encoding, None).expect("valid specifiers");
        assert_eq!(taken.pairs(), [("b".to_owned(), "1M".to_owned()), ("g".to_owned(), "5".to_owned())]);
        sorted.check_unused(&[taken], CodecSide::Encoding, 0, "x.mkv").expect("encoding options");
    }

    #[test]
    fn the_wrong_side_is_an_error() {
        let sorted = Options::sort(&typed(&[("g", "5")])).expect("no NUL");
        let error = sorted.check_unused(&[], CodecSide::Decoding, 0, "x.mp4").expect_err("an encoding option");
        assert!(error.to_string().contains("is not a decoding option"), "{error}");
    }
}
