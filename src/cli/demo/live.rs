//! The live stream's time line: which segments are out, and the playlist that says so (RFC 8216).

use std::fmt::Write;
use std::time::Duration;

use super::media::Segment;

/// Segments that are there when somebody tunes in: as many as a player begins before the end.
const AT_START: usize = 3;
/// Segments that the playlist names at most; older ones can still be fetched.
const WINDOW: usize = 6;

/// A live stream that begins when it is first asked for and ends after its last segment.
pub struct Broadcast {
    segments: Vec<Segment>,
}

impl Broadcast {
    /// Nothing is on air yet.
    pub fn new(segments: Vec<Segment>) -> Self {
        Self { segments }
    }

    /// How long it goes on after it began.
    pub fn duration(&self) -> Duration {
        self.segments.iter().skip(AT_START).map(|segment| segment.duration).sum()
    }

    /// How many segments are out `elapsed` after it began: each when its last picture was made.
    fn published(&self, elapsed: Duration) -> usize {
        let mut due = Duration::ZERO;
        let later = self.segments.iter().skip(AT_START).take_while(|segment| {
            due += segment.duration;
            due <= elapsed
        });
        self.segments.len().min(AT_START + later.count())
    }

    /// The segment `number`, if it is out.
    pub fn segment(&self, number: usize, elapsed: Duration) -> Option<&Segment> {
        self.segments.get(number).filter(|_| number < self.published(elapsed))
    }

    /// The playlist of this moment.
    pub fn playlist(&self, elapsed: Duration) -> String {
        let published = self.published(elapsed);
        let first = published.saturating_sub(WINDOW);
        // RFC 8216 section 4.3.3.1: no EXTINF, rounded, may exceed it.
        let longest = self.segments.iter().map(|segment| segment.duration.as_secs_f64().round() as u64).max().unwrap_or(1);
        let mut text = format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{longest}\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
        for (number, segment) in self.segments.iter().enumerate().take(published).skip(first) {
            // Writing to a String cannot fail.
            let _ = write!(text, "#EXTINF:{:.6},\n{number}.ts\n", segment.duration.as_secs_f64());
        }
        if published == self.segments.len() {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broadcast(segments: usize) -> Broadcast {
        let segment = Segment { bytes: bytes::Bytes::from_static(b"ts"), duration: Duration::from_secs(1) };
        Broadcast::new(vec![segment; segments])
    }

    fn named(playlist: &str) -> Vec<&str> {
        playlist.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn the_window_slides_with_time_and_ends() {
        let broadcast = broadcast(10);
        assert_eq!(broadcast.duration(), Duration::from_secs(7));
        for (millis, first, names, ended) in [
            (0, 0, &["0.ts", "1.ts", "2.ts"][..], false),
            (999, 0, &["0.ts", "1.ts", "2.ts"], false),
            (1000, 0, &["0.ts", "1.ts", "2.ts", "3.ts"], false),
            (4500, 1, &["1.ts", "2.ts", "3.ts", "4.ts", "5.ts", "6.ts"], false),
            (7000, 4, &["4.ts", "5.ts", "6.ts", "7.ts", "8.ts", "9.ts"], true),
            (60_000, 4, &["4.ts", "5.ts", "6.ts", "7.ts", "8.ts", "9.ts"], true),
        ] {
            let playlist = broadcast.playlist(Duration::from_millis(millis));
            assert_eq!(named(&playlist), names, "after {millis} ms");
            assert!(playlist.contains(&format!("#EXT-X-MEDIA-SEQUENCE:{first}\n")), "{playlist}");
            assert_eq!(playlist.ends_with("#EXT-X-ENDLIST\n"), ended, "after {millis} ms");
        }
    }

    #[test]
    fn the_header_is_what_the_rfc_asks() {
        let playlist = broadcast(4).playlist(Duration::ZERO);
        assert!(playlist.starts_with("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n"), "{playlist}");
        assert!(playlist.contains("#EXTINF:1.000000,\n0.ts\n"), "{playlist}");
    }

    #[test]
    fn a_segment_can_be_had_from_when_it_is_out() {
        let broadcast = broadcast(10);
        assert!(broadcast.segment(2, Duration::ZERO).is_some());
        assert!(broadcast.segment(3, Duration::ZERO).is_none());
        assert!(broadcast.segment(0, Duration::from_secs(60)).is_some(), "also when the window has left it behind");
        assert!(broadcast.segment(10, Duration::from_secs(60)).is_none());
    }
}
