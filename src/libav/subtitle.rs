//! `AVSubtitle`: what a subtitle decoder makes, text or small pictures.

use std::borrow::Cow;

use super::call::string;
use super::ffi::{self, AVSubtitleType};
use super::packet::timestamp;

/// One subtitle. Its times are in milliseconds after its presentation timestamp, which is in microseconds.
pub struct Subtitle(ffi::AVSubtitle);

// SAFETY: plain memory without thread affinity, owned by this type (invariant 10).
unsafe impl Send for Subtitle {}

impl Subtitle {
    /// A subtitle that shows nothing.
    pub fn new() -> Self {
        let nothing = ffi::AVSubtitle {
            format: 0,
            start_display_time: 0,
            end_display_time: 0,
            num_rects: 0,
            rects: std::ptr::null_mut(),
            pts: ffi::AV_NOPTS_VALUE,
        };
        Self(nothing)
    }

    pub(in crate::libav) fn raw(&self) -> &ffi::AVSubtitle {
        &self.0
    }

    pub(in crate::libav) fn as_mut_ptr(&mut self) -> *mut ffi::AVSubtitle {
        &mut self.0
    }

    /// Drops what it shows.
    pub fn clear(&mut self) {
        // SAFETY: owned and valid; the call leaves zeros (invariant 10).
        unsafe { ffi::avsubtitle_free(&mut self.0) };
    }

    /// When it belongs, in microseconds.
    pub fn pts(&self) -> Option<i64> {
        timestamp(self.0.pts)
    }

    /// Begin, in milliseconds after [`pts`](Self::pts).
    pub fn start(&self) -> u32 {
        self.0.start_display_time
    }

    /// End, in milliseconds after [`pts`](Self::pts); `u32::MAX` = until the next one.
    pub fn end(&self) -> u32 {
        self.0.end_display_time
    }

    /// Sets the end.
    pub fn set_end(&mut self, end: u32) {
        self.0.end_display_time = end;
    }

    /// It consists of pictures, not of text.
    pub fn is_graphics(&self) -> bool {
        self.0.format == 0
    }

    /// Its parts; none means that the screen is cleared.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = Part<'_>> {
        let count = if self.0.rects.is_null() { 0 } else { self.0.num_rects as usize };
        // SAFETY: libavcodec keeps num_rects valid pointers there, which live as long as the subtitle (invariant 9).
        (0..count).map(|index| unsafe { Part(&**self.0.rects.add(index)) })
    }
}

impl Default for Subtitle {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Subtitle {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A part of a subtitle: a line of text, or a picture and where it goes.
#[derive(Clone, Copy)]
pub struct Part<'a>(&'a ffi::AVSubtitleRect);

/// A picture of a subtitle: one byte for each pixel, which is a place in the palette.
pub struct Bitmap<'a> {
    /// Pixels from the left edge.
    pub x: i32,
    /// Pixels from the upper edge.
    pub y: i32,
    /// Width in pixels.
    pub width: i32,
    /// Height in pixels.
    pub height: i32,
    /// The colours: alpha, red, green and blue from the highest byte to the lowest.
    pub palette: [u32; 256],
    rows: &'a ffi::AVSubtitleRect,
}

impl<'a> Bitmap<'a> {
    /// The rows of pixels, top down.
    pub fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        let (first, stride) = (self.rows.data[0], self.rows.linesize[0] as isize);
        let (width, height) = (usize::try_from(self.width).unwrap_or_default(), self.height.max(0) as isize);
        // SAFETY: libavcodec allocated `h` rows that lie `linesize` apart, at least `w` bytes each (invariant 9).
        (0..height).map(move |row| unsafe { std::slice::from_raw_parts(first.offset(row * stride), width) })
    }
}

impl<'a> Part<'a> {
    /// The picture, if it is one.
    pub fn bitmap(self) -> Option<Bitmap<'a>> {
        let raw = self.0;
        if raw.type_ != AVSubtitleType::SUBTITLE_BITMAP || raw.data[0].is_null() || raw.data[1].is_null() {
            return None;
        }
        // SAFETY: the second plane of a bitmap is its palette, AVPALETTE_SIZE bytes long (invariant 9).
        let palette = unsafe { raw.data[1].cast::<[u32; 256]>().read_unaligned() };
        Some(Bitmap { x: raw.x, y: raw.y, width: raw.w, height: raw.h, palette, rows: raw })
    }

    /// The plain text, if it is that.
    pub fn text(self) -> Option<Cow<'a, str>> {
        // SAFETY: null or a string that lives as long as the subtitle (invariant 11).
        unsafe { string(self.0.text) }
    }

    /// The line of an ASS script, if it is that.
    pub fn ass(self) -> Option<Cow<'a, str>> {
        // SAFETY: as above (invariant 11).
        unsafe { string(self.0.ass) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libav::codec::{Codec, CodecId, Parameters};
    use crate::libav::decoder;
    use crate::libav::encoder;
    use crate::libav::option::Dictionary;
    use crate::libav::packet::Packet;
    use crate::libav::rational::{MICROSECONDS, Rational};

    fn decoder(codec: &str) -> decoder::Decoder {
        let mut parameters = Parameters::new();
        parameters.set_codec(CodecId::by_name(codec).expect("a codec"));
        let codec = Codec::decoder(parameters.codec()).expect("a decoder");
        let mut configuration = decoder::Configuration::new(codec, &parameters).expect("memory");
        configuration.set_packet_time_base(Rational::new(1, 1000));
        configuration.open(&mut Dictionary::new()).expect("a decoder")
    }

    fn encoder(codec: &str, header: Option<&[u8]>) -> encoder::Encoder {
        let mut configuration = encoder::Configuration::new(Codec::encoder_by_name(codec).expect("an encoder"));
        configuration.set_time_base(MICROSECONDS);
        configuration.set_picture(64, 32, None);
        if let Some(header) = header {
            configuration.set_subtitle_header(header).expect("memory");
        }
        configuration.open(&mut Dictionary::new()).expect("an encoder")
    }

    #[test]
    fn text_is_decoded_to_ass_and_encoded_again() {
        let mut decoder = decoder("subrip");
        let (mut packet, mut subtitle) = (Packet::new(), Subtitle::new());
        packet.fill(b"Hello <i>there</i>").expect("memory");
        packet.set_pts(Some(1500));
        packet.set_duration(2000);
        assert_eq!(decoder.decode_subtitle(&packet, &mut subtitle), Ok(true));
        assert_eq!((subtitle.pts(), subtitle.start(), subtitle.end()), (Some(1_500_000), 0, 2000));
        assert!(!subtitle.is_graphics());
        let lines: Vec<_> = subtitle.parts().filter_map(|part| part.ass().map(|line| line.into_owned())).collect();
        assert!(lines.len() == 1 && lines[0].contains(r"Hello {\i1}there{\i0}"), "{lines:?}");
        assert!(subtitle.parts().all(|part| part.bitmap().is_none() && part.text().is_none()));
        assert!(decoder.subtitle_header().is_some_and(|header| header.starts_with(b"[Script Info]")));

        let mut encoder = encoder("webvtt", decoder.subtitle_header());
        let mut coded = Packet::new();
        encoder.encode_subtitle(&subtitle, subtitle.pts(), subtitle.end(), false, &mut coded).expect("text");
        assert_eq!(String::from_utf8_lossy(coded.data()), "Hello <i>there</i>");
        assert_eq!((coded.pts(), coded.duration()), (None, 0), "its times are its owner's to set");
        packet.clear();
        assert_eq!(decoder.decode_subtitle(&packet, &mut subtitle), Ok(false));
        assert_eq!((subtitle.parts().len(), subtitle.pts()), (0, None), "nothing is left of the one before");
    }

    #[test]
    fn pictures_survive_a_coding() {
        // A DVB subtitle needs a page, which is no easy thing to write down; XSUB's packet is a header and runs of pixels.
        let mut packet = Packet::new();
        let mut bytes = b"[00:00:01.000-00:00:02.000]".to_vec();
        for number in [4u16, 2, 0, 0, 0, 0, 1] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        // Four colours of three bytes, then for each field a row: runs of 4 pixels of colour 1 and of colour 2.
        bytes.extend_from_slice(&[0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 0b0001_0001, 0b0001_0010, 0, 0, 0, 0, 0, 0, 0, 0]);
        packet.fill(&bytes).expect("memory");
        packet.set_pts(Some(0));
        let mut subtitle = Subtitle::new();
        assert_eq!(decoder("xsub").decode_subtitle(&packet, &mut subtitle), Ok(true));
        assert!(subtitle.is_graphics());
        let bitmap = subtitle.parts().next().and_then(Part::bitmap).expect("a picture");
        assert_eq!((bitmap.width, bitmap.height, bitmap.rows().count()), (4, 2, 2));
        assert_eq!(bitmap.palette[1] & 0xff_ffff, 0xff_0000, "the second colour is red");
        let mut coded = Packet::new();
        let mut encoder = encoder("dvbsub", None);
        encoder.encode_subtitle(&subtitle, Some(0), 1000, false, &mut coded).expect("a picture");
        let shown = coded.size();
        encoder.encode_subtitle(&subtitle, Some(0), 1000, true, &mut coded).expect("an empty page");
        assert!(shown > coded.size() && coded.size() > 0, "{shown} against {}", coded.size());
    }
}
