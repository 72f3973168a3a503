//! What an input must be again after it was opened again: the outputs have headers that say what their streams are.

use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::demuxer::Demuxer;
use crate::libav::rational::Rational;

/// What a stream is, as far as headers tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    media_type: MediaType,
    codec: &'static str,
    time_base: (i32, i32),
    dimensions: (i32, i32),
    sample_rate: i32,
    channels: i32,
    extradata: Vec<u8>,
}

impl Shape {
    /// The streams of `demuxer`.
    pub fn of(demuxer: &Demuxer) -> Vec<Self> {
        let shape = |stream: crate::libav::stream::Stream<'_>| {
            let Rational { num, den } = stream.time_base();
            Self {
                media_type: stream.media_type(),
                codec: stream.codec().name(),
                time_base: (num, den),
                dimensions: stream.dimensions(),
                sample_rate: stream.parameters().map_or(0, |parameters| parameters.sample_rate()),
                channels: stream.channels(),
                extradata: stream.extradata().to_vec(),
            }
        };
        demuxer.streams().map(shape).collect()
    }
}

/// Checks that the streams of the input at `url` (masked) are `now` what they were `before`. What is unknown fits.
///
/// # Errors
/// A sentence that names the first difference.
pub fn compare(before: &[Shape], now: &[Shape], url: &str) -> Result<(), Error> {
    let error = |text: String| {
        Error::new(Kind::Media, format!("{url}: opened again, {text}: the outputs cannot take that"))
            .with_hint("start again with another output, or have the stream transcoded before")
    };
    if before.len() != now.len() {
        return Err(error(format!("the input has {} streams instead of {}", now.len(), before.len())));
    }
    for (index, (before, now)) in before.iter().zip(now).enumerate() {
        if let Some((what, was, is)) = difference(before, now) {
            return Err(error(format!("stream {index} has another {what} ({is} instead of {was})")));
        }
    }
    Ok(())
}

/// (what, as it was, as it is)
fn difference(before: &Shape, now: &Shape) -> Option<(&'static str, String, String)> {
    let pair = |(a, b): (i32, i32), sign| if (a, b) == (0, 0) { String::new() } else { format!("{a}{sign}{b}") };
    let number = |number: i32| if number == 0 { String::new() } else { number.to_string() };
    let size = |bytes: &[u8]| if bytes.is_empty() { String::new() } else { format!("{} bytes", bytes.len()) };
    let values = |shape: &Shape| {
        [
            ("type", shape.media_type.name().to_owned()),
            ("codec", shape.codec.to_owned()),
            ("time base", pair(shape.time_base, '/')),
            ("picture size", pair(shape.dimensions, 'x')),
            ("sample rate", number(shape.sample_rate)),
            ("number of channels", number(shape.channels)),
        ]
    };
    let known = |text: &str| !text.is_empty();
    let differing = values(before).into_iter().zip(values(now)).find(|((_, was), (_, is))| known(was) && known(is) && was != is);
    if let Some(((what, was), (_, is))) = differing {
        return Some((what, was, is));
    }
    let (was, is) = (size(&before.extradata), size(&now.extradata));
    (known(&was) && known(&is) && before.extradata != now.extradata).then_some(("codec configuration", was, is))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video() -> Shape {
        Shape {
            media_type: MediaType::Video,
            codec: "h264",
            time_base: (1, 90_000),
            dimensions: (320, 180),
            sample_rate: 0,
            channels: 0,
            extradata: vec![1, 2],
        }
    }

    #[test]
    fn the_first_difference_is_named() {
        let before = [video()];
        assert!(compare(&before, &before, "u").is_ok());
        let unknown = Shape { extradata: Vec::new(), dimensions: (0, 0), ..video() };
        assert!(compare(&before, &[unknown], "u").is_ok());
        for (now, words) in [
            (vec![], "0 streams instead of 1"),
            (vec![Shape { codec: "hevc", ..video() }], "stream 0 has another codec (hevc instead of h264)"),
            (vec![Shape { dimensions: (640, 360), ..video() }], "picture size (640x360 instead of 320x180)"),
            (vec![Shape { extradata: vec![1, 3], ..video() }], "another codec configuration"),
        ] {
            let error = compare(&before, &now, "u").expect_err(words);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
