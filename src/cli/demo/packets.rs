//! The packets of the programme, and whether they are all there again in a file.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::demuxer::{Demuxer, Opening};
use crate::libav::io::Access;
use crate::libav::option::Dictionary;
use crate::libav::packet::Packet;
use crate::libav::rational::{Rational, rescale};
use crate::shutdown::Shutdown;

/// Unit of all times here: MPEG-TS's.
const TICKS: Rational = Rational::new(1, 90_000);

/// One of the programme's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// What makes a packet that packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// In [`TICKS`].
    pts: i64,
    /// In [`TICKS`].
    dts: i64,
    size: usize,
    /// SHA-256 of the payload.
    hash: [u8; 32],
}

/// The packets of both tracks, each in the order of decoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    video: Vec<Mark>,
    audio: Vec<Mark>,
}

impl Packets {
    /// Reads all packets of a file; their times count from the first.
    ///
    /// # Errors
    /// The file cannot be read to its end.
    pub fn read(file: &str) -> Result<Self, Error> {
        let options = &mut Dictionary::new();
        let mut demuxer = Demuxer::open(file, &Opening::default(), options, Access::default(), Shutdown::new())?;
        let mut packets = Self::default();
        let mut packet = Packet::new();
        while demuxer.read(&mut packet).map_err(|error| error.about(file))? {
            let Some(stream) = demuxer.stream(packet.stream()) else { continue };
            let track = match stream.media_type() {
                MediaType::Video => Track::Video,
                MediaType::Audio => Track::Audio,
                other => return Err(Error::new(Kind::Media, format!("{file}: a stream of {}", other.name()))),
            };
            packets.add(track, &packet, stream.time_base());
        }
        Ok(packets.counted_from_first())
    }

    /// Notes a packet whose times are in `time_base`.
    pub fn add(&mut self, track: Track, packet: &Packet, time_base: Rational) {
        let ticks = |time: Option<i64>| rescale(time.unwrap_or_default(), time_base, TICKS);
        let mark = Mark {
            pts: ticks(packet.pts()),
            dts: ticks(packet.dts()),
            size: packet.size(),
            hash: Sha256::digest(packet.data()).into(),
        };
        match track {
            Track::Video => self.video.push(mark),
            Track::Audio => self.audio.push(mark),
        }
    }

    /// The same packets with times that count from the earliest presentation, whichever track has it: a container may move
    /// all times together, but no stream against another and no packet within its stream.
    #[must_use]
    pub fn counted_from_first(mut self) -> Self {
        let first = self.video.iter().chain(&self.audio).map(|mark| mark.pts).min().unwrap_or_default();
        for mark in self.video.iter_mut().chain(&mut self.audio) {
            (mark.pts, mark.dts) = (mark.pts - first, mark.dts - first);
        }
        self
    }

    /// The packets of one track.
    pub fn of(&self, track: Track) -> &[Mark] {
        match track {
            Track::Video => &self.video,
            Track::Audio => &self.audio,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.video.len() + self.audio.len()
    }

    /// How many packets of `expected` are here, wherever.
    pub fn found(&self, expected: &Self) -> usize {
        let in_track = |track: Track| {
            let mut left: HashMap<&Mark, usize> = HashMap::new();
            for mark in self.of(track) {
                *left.entry(mark).or_default() += 1;
            }
            let found = expected.of(track).iter().filter(|mark| match left.get_mut(mark) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    true
                }
                _ => false,
            });
            found.count()
        };
        in_track(Track::Video) + in_track(Track::Audio)
    }

    /// Where these first differ from what was expected, in words; `None` if they are the same packets in the same order.
    pub fn difference(&self, expected: &Self) -> Option<String> {
        [Track::Video, Track::Audio].into_iter().find_map(|track| {
            let (here, there) = (self.of(track), expected.of(track));
            let at = here.iter().zip(there).position(|(here, there)| here != there);
            let name = if track == Track::Video { "video" } else { "audio" };
            match (at, here.len(), there.len()) {
                (Some(at), ..) => Some(format!("{name} packet {at}: expected {}, got {}", there[at].words(), here[at].words())),
                (None, here, there) if here < there => Some(format!("{name}: the packets from number {here} on are missing")),
                (None, here, there) if here > there => Some(format!("{name}: {} packets too many", here - there)),
                _ => None,
            }
        })
    }
}

impl Mark {
    fn words(&self) -> String {
        let [a, b, c, d, ..] = self.hash;
        format!("pts {} dts {} of {} bytes ({a:02x}{b:02x}{c:02x}{d:02x})", self.pts, self.dts, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(pts: i64, size: usize) -> Mark {
        Mark { pts, dts: pts, size, hash: [size as u8; 32] }
    }

    /// `video` and `audio` packets, ten ticks apart from `first` on.
    fn packets(first: i64, video: i64, audio: i64) -> Packets {
        let marks = |count: i64| (0..count).map(|number| mark(first + 10 * number, 1 + number as usize)).collect();
        Packets { video: marks(video), audio: marks(audio) }
    }

    #[test]
    fn times_count_from_the_first_packet() {
        assert_eq!(packets(126_000, 3, 3).counted_from_first(), packets(0, 3, 3));
        let late = Packets { audio: packets(5, 0, 3).audio, ..packets(0, 3, 0) };
        assert_ne!(late.counted_from_first(), packets(0, 3, 3), "one stream was moved against the other");
    }

    #[test]
    fn the_first_difference_is_told() {
        let expected = packets(0, 3, 3);
        assert_eq!(expected.difference(&expected), None);
        let told = |got: &Packets| got.difference(&expected).expect("a difference");
        assert_eq!(told(&packets(0, 2, 3)), "video: the packets from number 2 on are missing");
        assert_eq!(told(&packets(0, 3, 5)), "audio: 2 packets too many");
        let mut altered = expected.clone();
        altered.audio[1].size = 99;
        assert!(
            told(&altered).starts_with("audio packet 1: expected pts 10 dts 10 of 2 bytes (02020202), got"),
            "{}",
            told(&altered)
        );
    }

    #[test]
    fn packets_are_found_once_each() {
        let expected = packets(0, 4, 4);
        assert_eq!(expected.found(&expected), 8);
        assert_eq!(packets(0, 4, 1).found(&expected), 5);
        let mut gap = expected.clone();
        gap.video.remove(1);
        assert_eq!(gap.found(&expected), 7, "those behind a gap count");
        gap.video = vec![gap.video[0].clone(); 4];
        assert_eq!(gap.found(&expected), 5, "a duplicate does not");
    }
}
