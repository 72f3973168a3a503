//! A recorded DASH presentation of two-second segments, shown as if it were being made.

use std::path::Path;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How much of it is there when the stream begins.
const LEAD: Duration = Duration::from_secs(6);
const SEGMENT: Duration = Duration::from_secs(2);
/// Segments that a manifest lists at most.
const WINDOW: usize = 7;

/// How many segments of each stream are there `elapsed` after the beginning.
fn there(elapsed: Duration) -> usize {
    ((elapsed + LEAD).as_secs_f64() / SEGMENT.as_secs_f64()) as usize
}

/// Has this segment been made already? Its place is that of the last number in its name among those of its stream.
pub fn is_there(file: &Path, elapsed: Duration) -> bool {
    let split = |path: &Path| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        let number: u64 = name[stem.len()..].parse().expect("a number");
        (stem, number)
    };
    let (stem, number) = split(file);
    if stem.contains("init") {
        return true;
    }
    let all = std::fs::read_dir(file.parent().expect("a folder")).expect("a folder").flatten().map(|entry| entry.path());
    let segments = all.filter(|path| path.extension().is_some_and(|end| end == "m4s")).map(|path| split(&path));
    segments.filter(|(other, before)| *other == stem && *before < number).count() < there(elapsed)
}

/// The manifest as it was `elapsed` after the stream began; once everything is there it says so.
pub fn manifest(text: &str, elapsed: Duration) -> String {
    let there = there(elapsed);
    if there > 11 {
        return text.to_owned();
    }
    let begun = OffsetDateTime::from(SystemTime::now() - elapsed - LEAD).replace_nanosecond(0).expect("a time");
    let begun = begun.format(&Rfc3339).expect("a date");
    let dynamic = format!(
        "type=\"dynamic\" availabilityStartTime=\"{begun}\" minimumUpdatePeriod=\"PT2S\" suggestedPresentationDelay=\"PT{0}S\" timeShiftBufferDepth=\"PT{0}S\"",
        LEAD.as_secs()
    );
    let mut out = String::new();
    let mut timeline: Vec<(i64, i64)> = Vec::new();
    for line in text.lines() {
        let number = |name: &str| line.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?.parse::<i64>().ok();
        if line.trim_start().starts_with("<S ") {
            let mut start = number("t").unwrap_or_else(|| timeline.last().map_or(0, |(start, length)| start + length));
            let length = number("d").expect("a duration");
            for _ in 0..=number("r").unwrap_or(0) {
                timeline.push((start, length));
                start += length;
            }
            continue;
        }
        if line.contains("</SegmentTimeline>") {
            let end = there.min(timeline.len());
            for (start, length) in &timeline[end.saturating_sub(WINDOW)..end] {
                out.push_str(&format!("<S t=\"{start}\" d=\"{length}\"/>\n"));
            }
            timeline.clear();
        }
        let line = line.replace("type=\"static\"", &dynamic);
        // Named by time, and not counted: the window has no first number.
        let line = if line.contains("$Time$") { line.replace(" startNumber=\"1\"", "") } else { line };
        if !line.contains("mediaPresentationDuration") {
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}
