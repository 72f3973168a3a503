//! Every cause for which a request fails × every kind of request × every form in which media comes: all packets arrive, or what
//! the program's policy says happens, with the counts of the summary.
//!
//! ```text
//! cargo test fault_matrix::                                              # each cause in each form, with every run of the tests
//! cargo nextest run --run-ignored only --no-capture fault_matrix::all    # each cause for each kind of request, as a table
//! RUSTFLAGS="--cfg rustix_use_libc" cargo nextest run --target-dir target/valgrind --run-ignored only fault_matrix::under_valgrind
//! ```
//!
//! The last takes an hour; with `FFAUTH_EVERY=5` it plays every fifth field.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::Protected;
use crate::support::disturbance::{Disturbance, Fault};
use crate::support::media::{self, Kind};
use crate::support::origin::{Origin, Site};
use crate::support::run::{Home, Packets, Reading, count, difference, ffmpeg_read, finish};
use crate::support::steady::attempt;
use crate::support::token_server::Tokens;

/// For `-auth_retry`, `-auth_wait` and `-rw_timeout`: a server that fails for longer fails for good.
const PATIENCE: [&str; 6] = ["-auth_retry", "3", "-auth_wait", "5", "-rw_timeout", "1500000"];

/// How a request is made, which decides what becomes of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// The playlist that the user named: by http.c, read whole before hls.c sees it.
    Playlist,
    /// The DASH manifest that the user named: looked at by http.c, read through the loopback server.
    Manifest,
    /// The file that the user named, by http.c.
    File,
    /// A later request for another part of that file, by http.c.
    Part,
    /// Playlists that a playlist names, playlists again, and keys: by our own client.
    Nested,
    /// A segment, by http.c.
    Segment,
    /// An initialization section, by http.c.
    Section,
    /// An encrypted segment, by our own client.
    Sealed,
    /// A segment through the loopback server.
    DashSegment,
    /// An initialization section through the loopback server.
    DashSection,
}

/// The columns of [`CAUSES`].
const MEANS: [Means; 10] = [
    Means::Playlist,
    Means::Manifest,
    Means::File,
    Means::Part,
    Means::Nested,
    Means::Segment,
    Means::Section,
    Means::Sealed,
    Means::DashSegment,
    Means::DashSection,
];

/// What becomes of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Every packet arrives and exit code 0: opens that were tried again, connections that were taken up again.
    Whole(u64, u64),
    /// The same, but how often it is tried again depends on when it strikes.
    Mended,
    /// One segment is missing, and told: exit code 0.
    Gap,
    /// The server said that there is more of a segment than there is, which is told: exit code 0.
    Doubt,
    /// Exit code 1 and a sentence with these words.
    Ends(&'static str),
    /// This cannot be played.
    Nothing,
}

use Outcome::{Doubt, Ends, Gap, Mended, Nothing, Whole};

/// A cause, how often it strikes, and the outcome for each of [`MEANS`].
type Row = (&'static str, Fault, u32, [Outcome; 10]);

const FOR_GOOD: u32 = u32::MAX;
const REFUSED: Outcome = Ends("and a new one too");
const FORBIDDEN: Outcome = Ends("403");
const MISSING: Outcome = Ends("404");
const BUSY: Outcome = Ends("503");
const RESET: Outcome = Ends("");
/// The next answer tells another length.
const CHANGED: Outcome = Ends("changed");

/// http.c asks before our own client asks for the reason, so a playlist by http.c that is refused twice costs one new attempt.
#[rustfmt::skip]
const CAUSES: &[Row] = &[
    //                                             playlist     manifest     file         part         nested       segment      section      sealed       dash segment dash section
    ("401",           Fault::Status(401),        1, [Whole(0, 0), Whole(0, 0), Whole(0, 0), Whole(0, 1), Whole(0, 0), Whole(0, 0), Whole(0, 0), Whole(0, 0), Whole(0, 0), Whole(0, 0)]),
    ("401 for good",  Fault::Status(401), FOR_GOOD, [REFUSED,     REFUSED,     REFUSED,     REFUSED,     REFUSED,     REFUSED,     REFUSED,     REFUSED,     REFUSED,     REFUSED]),
    ("403 for good",  Fault::Status(403), FOR_GOOD, [FORBIDDEN,   FORBIDDEN,   FORBIDDEN,   FORBIDDEN,   FORBIDDEN,   FORBIDDEN,   FORBIDDEN,   FORBIDDEN,   FORBIDDEN,   FORBIDDEN]),
    ("404 ahead",     Fault::Status(404),        2, [MISSING,     MISSING,     MISSING,     MISSING,     Whole(2, 0), Whole(1, 0), Whole(1, 0), Whole(1, 0), Whole(2, 0), Whole(2, 0)]),
    ("404 behind",    Fault::Status(404), FOR_GOOD, [MISSING,     MISSING,     MISSING,     MISSING,     MISSING,     Gap,         MISSING,     Gap,         Gap,         MISSING]),
    ("408",           Fault::Status(408),        2, [Whole(1, 0), Whole(1, 0), Whole(1, 0), Whole(0, 2), Whole(2, 0), Whole(1, 0), Whole(1, 0), Whole(2, 0), Whole(2, 0), Whole(2, 0)]),
    ("429 after 1 s", Fault::RetryAfter(429, 1), 2, [Whole(1, 0), Whole(1, 0), Whole(1, 0), Whole(0, 2), Whole(2, 0), Whole(1, 0), Whole(1, 0), Whole(2, 0), Whole(2, 0), Whole(2, 0)]),
    ("500",           Fault::Status(500),        2, [Whole(1, 0), Whole(1, 0), Whole(1, 0), Whole(0, 2), Whole(2, 0), Whole(1, 0), Whole(1, 0), Whole(2, 0), Whole(2, 0), Whole(2, 0)]),
    ("503",           Fault::Status(503),        2, [Whole(1, 0), Whole(1, 0), Whole(1, 0), Whole(0, 2), Whole(2, 0), Whole(1, 0), Whole(1, 0), Whole(2, 0), Whole(2, 0), Whole(2, 0)]),
    ("503 for good",  Fault::Status(503), FOR_GOOD, [BUSY,        BUSY,        BUSY,        BUSY,        BUSY,        Gap,         BUSY,        Gap,         Gap,         BUSY]),
    ("reset",         Fault::Reset,              2, [RESET,       RESET,       RESET,       Whole(0, 2), Whole(1, 0), Whole(1, 0), Whole(2, 0), Whole(1, 0), Whole(1, 0), Whole(1, 0)]),
    ("reset for good",Fault::Reset,       FOR_GOOD, [RESET,       RESET,       RESET,       RESET,       RESET,       Gap,         RESET,       Gap,         Gap,         RESET]),
    ("cut",           Fault::Cut,                2, [Whole(2, 0), Mended,      Mended,      Whole(0, 2), Whole(2, 0), Whole(0, 2), Whole(0, 2), Whole(0, 2), Whole(2, 2), Whole(2, 2)]),
    ("truncation",    Fault::Truncation,         1, [Whole(1, 0), Whole(0, 0), Whole(0, 0), Whole(0, 1), Whole(1, 0), Whole(0, 1), Whole(0, 1), Whole(0, 1), Whole(1, 1), Whole(1, 1)]),
    ("stall",         Fault::Stall,              1, [Whole(1, 0), Whole(0, 0), Whole(0, 0), Whole(0, 1), Whole(1, 0), Whole(0, 1), Whole(0, 1), Whole(0, 1), Whole(1, 1), Whole(1, 1)]),
    ("wrong length",  Fault::WrongLength,        1, [Whole(1, 0), Whole(0, 0), CHANGED,     Nothing,     Whole(1, 0), Doubt,       Doubt,       Doubt,       Doubt,       Doubt]),
];

/// A request of a form.
struct Request {
    name: &'static str,
    means: Means,
    /// End of its path.
    path: &'static str,
    /// So many requests for this path come before it.
    after: u32,
}

const fn request(name: &'static str, means: Means, path: &'static str, after: u32) -> Request {
    Request { name, means, path, after }
}

/// A form in which media comes, and its requests.
struct Form {
    name: &'static str,
    kind: Kind,
    requests: &'static [Request],
}

const VOD: Form = Form {
    name: "HLS",
    kind: media::HLS,
    requests: &[request("playlist", Means::Playlist, "index.m3u8", 0), request("segment", Means::Segment, "index4.ts", 0)],
};
const MASTER: Form = Form {
    name: "HLS with variants",
    kind: media::HLS_MASTER,
    requests: &[
        request("master", Means::Playlist, "master.m3u8", 0),
        request("playlist", Means::Nested, "stream-1.m3u8", 0),
        request("segment", Means::Segment, "stream-13.ts", 0),
    ],
};
const LIVE: Form = Form {
    name: "HLS live",
    kind: media::HLS_LIVE,
    requests: &[
        request("playlist", Means::Playlist, "index.m3u8", 0),
        request("playlist again", Means::Nested, "index.m3u8", 3),
        request("segment", Means::Segment, "index4.ts", 0),
    ],
};
const FMP4: Form = Form {
    name: "HLS fMP4",
    kind: media::HLS_FMP4,
    requests: &[
        request("playlist", Means::Playlist, "index.m3u8", 0),
        request("init", Means::Section, "init.mp4", 0),
        request("segment", Means::Segment, "index4.m4s", 0),
    ],
};
const BYTE_RANGE: Form = Form {
    name: "HLS byte ranges",
    kind: media::HLS_BYTE_RANGE,
    requests: &[request("playlist", Means::Playlist, "index.m3u8", 0), request("segment", Means::Segment, "index.ts", 3)],
};
const AES: Form = Form {
    name: "HLS AES-128",
    kind: media::HLS_AES,
    requests: &[
        request("playlist", Means::Playlist, "index.m3u8", 0),
        request("key", Means::Nested, "enc.key", 0),
        request("segment", Means::Sealed, "index4.ts", 0),
    ],
};
const DASH: Form = Form {
    name: "DASH",
    kind: media::DASH,
    requests: &[
        request("manifest", Means::Manifest, "index.mpd", 0),
        request("init", Means::DashSection, "init-stream0.m4s", 0),
        request("segment", Means::DashSegment, "chunk-stream0-00004.m4s", 0),
    ],
};
const MPEGTS: Form = Form {
    name: "MPEG-TS",
    kind: media::MPEGTS,
    // The second one is for the duration, the third for what is read.
    requests: &[request("file", Means::File, "video.ts", 0), request("rest", Means::Part, "video.ts", 2)],
};
const MP4: Form = Form {
    name: "MP4",
    kind: media::MP4_MOOV_LAST,
    requests: &[request("file", Means::File, "video.mp4", 0), request("moov", Means::Part, "video.mp4", 1)],
};
const FORMS: [&Form; 9] = [&VOD, &MASTER, &LIVE, &FMP4, &BYTE_RANGE, &AES, &DASH, &MPEGTS, &MP4];

/// One field of the matrix.
struct Cell<'a> {
    form: &'a Form,
    request: &'a Request,
    row: &'a Row,
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.form.name, self.request.name, self.row.0)
    }
}

impl Cell<'_> {
    fn expected(&self) -> Outcome {
        let column = MEANS.iter().position(|means| *means == self.request.means).expect("a column");
        match (self.row.3[column], self.form.name, self.row.1) {
            // A part ends where the playlist says, whatever the server says of the whole.
            (Doubt, "HLS byte ranges", _) => Whole(0, 0),
            // All parts are in one file.
            (Gap, "HLS byte ranges", _) => Nothing,
            (outcome, ..) => outcome,
        }
    }

    /// Plays it. What is not as expected, in words.
    fn play(&self, undisturbed: &Packets) -> Result<String, String> {
        let (Cell { form, request, .. }, (_, fault, times, _)) = (self, *self.row);
        let kind = &form.kind;
        let disturbances = vec![Disturbance { path: request.path, fault, after: request.after, times }];
        let lead = Protected::new(Tokens::dying_early(Duration::from_secs(600)), Site { disturbances, ..kind.site() }, "");
        let reading = lead.home.read(kind, "p", &lead.origin.url(kind.entry), &PATIENCE);
        let seen = Seen::new(&reading, undisturbed);
        let expected = self.expected();
        let mut faults: Vec<String> = Vec::new();
        let mut check = |right: bool, what: &str| {
            if !right {
                faults.push(what.to_owned());
            }
        };
        match expected {
            Whole(retries, reconnects) => {
                check(seen.code == Some(0), "exit code");
                check(seen.difference.is_none(), "packets");
                check((seen.retries, seen.reconnects) == (retries, reconnects), "retries and reconnects");
                check((seen.lost, seen.gaps) == (0, 0), "losses");
            }
            Mended => {
                check(seen.code == Some(0), "exit code");
                check(seen.difference.is_none(), "packets");
                check((seen.lost, seen.gaps) == (0, 0), "losses");
            }
            Gap => {
                check(seen.code == Some(0), "exit code");
                check(seen.lost == 1 && seen.gaps > 0, "losses");
                check(seen.is_hole, "packets");
            }
            Doubt => {
                check(seen.code == Some(0), "exit code");
                check((seen.lost, seen.gaps) == (1, 0), "losses");
                check(seen.missing <= 1, "packets");
            }
            Ends(words) => {
                check(seen.code == Some(1), "exit code");
                check(reading.run.stderr.contains(words) && reading.run.stderr.contains(request.path), "message");
                check(reading.summary["exit"] == "error", "summary");
            }
            Nothing => unreachable!("{self} cannot be played"),
        }
        check(seen.http_401 == lead.origin.count(401) as u64, "http_401");
        // A refused URL is looked up again where it was named, which may find that the token there is refused as well.
        let renewed = match (fault, times) {
            (Fault::Status(401), 1) => 1..=1,
            (Fault::Status(401), _) => 1..=3,
            _ => 0..=0,
        };
        check(renewed.contains(&(lead.token_server.answered() - 1)), "token requests");
        // What is sent on a connection that is about to end is not heard.
        let (log, ends) =
            (lead.origin.log().len() as u64, expected == Doubt || matches!(expected, Ends(_)) || fault.ends_connection());
        check(if ends { (log..=log + 2).contains(&seen.requests) } else { seen.requests == log }, "requests");
        let told = format!("{seen}, {} of {log} requests counted", seen.requests);
        match faults.is_empty() {
            true => Ok(told),
            false => Err(format!(
                "{self}: {} not as expected: {expected:?}\n  {told}, {} tokens\n{}\n{}\n{}",
                faults.join(", "),
                lead.token_server.answered(),
                reading.run.tail(),
                lead.origin.story(),
                reading.summary["inputs"][0]
            )),
        }
    }
}

/// What a run left behind.
struct Seen {
    code: Option<i32>,
    difference: Option<String>,
    /// Packets that did not come.
    missing: usize,
    /// Nothing but the packets of one segment is missing.
    is_hole: bool,
    retries: u64,
    reconnects: u64,
    lost: u64,
    gaps: usize,
    http_401: u64,
    requests: u64,
}

impl Seen {
    fn new(reading: &Reading, undisturbed: &Packets) -> Self {
        let input = &reading.summary["inputs"][0];
        let number =
            |key: &str| input[key].as_u64().unwrap_or_else(|| panic!("{key}: {}\n{}", reading.summary, reading.run.tail()));
        let mut holes = undisturbed.iter().map(|(stream, packets)| {
            let got: BTreeSet<_> = reading.packets.get(stream).into_iter().flatten().collect();
            let missing: Vec<usize> = (0..packets.len()).filter(|at| !got.contains(&packets[*at])).collect();
            let joined = missing.windows(2).all(|pair| pair[1] == pair[0] + 1);
            joined && got.len() + missing.len() == packets.len() && missing.len() <= 90
        });
        let is_hole = holes.all(|hole| hole) && reading.packets != *undisturbed;
        Self {
            code: reading.run.code,
            difference: difference(undisturbed, &reading.packets),
            missing: count(undisturbed).saturating_sub(count(&reading.packets)),
            is_hole,
            retries: number("retries"),
            reconnects: number("reconnects"),
            lost: number("segments_lost"),
            gaps: input["gaps"].as_array().map_or(0, Vec::len),
            http_401: number("http_401"),
            requests: number("requests"),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packets = match (&self.difference, self.missing) {
            (None, _) => "all packets".to_owned(),
            (Some(_), missing) => format!("{missing} packets missing"),
        };
        let Self { code, retries, reconnects, lost, gaps, .. } = self;
        let code = code.map_or("none".to_owned(), |code| code.to_string());
        write!(f, "exit {code}, {packets}, {retries} retries, {reconnects} reconnects, {lost} lost, {gaps} gaps")
    }
}

/// Plays these fields of `forms`, as many at a time as `threads`; a line for each.
fn play(forms: &[&Form], threads: usize, wanted: impl Fn(usize, usize, &Form) -> bool) -> Vec<String> {
    let undisturbed: Vec<Packets> = forms.iter().map(|form| reference(&form.kind)).collect();
    let mut cells = Vec::new();
    for (form, undisturbed) in forms.iter().zip(&undisturbed) {
        for (number, row) in CAUSES.iter().enumerate() {
            for (which, request) in form.requests.iter().enumerate() {
                let cell = Cell { form, request, row };
                if wanted(number, which, form) && cell.expected() != Nothing {
                    cells.push((cell, undisturbed));
                }
            }
        }
    }
    let (next, lines, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((cell, undisturbed)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // A machine that is busy for a second makes a stall of its own, and that a try more.
                    match attempt(|| cell.play(undisturbed)) {
                        Ok(line) => lines.lock().expect("no panic").push(format!("{cell}: {line}")),
                        Err(fault) => faults.lock().expect("no panic").push(fault),
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no panic");
    assert!(faults.is_empty(), "{} of {}:\n\n{}", faults.len(), cells.len(), faults.join("\n\n"));
    lines.into_inner().expect("no panic")
}

/// What plain ffmpeg reads where nothing is in the way.
fn reference(kind: &Kind) -> Packets {
    let recorded = kind.recorded();
    ffmpeg_read(&Home::new(""), &recorded, &Origin::start(recorded.site()).url(kind.entry))
}

/// Each cause once in each form, for one of its requests after another.
fn each_cause(form: &Form, threads: usize) {
    play(&[form], threads, |number, which, form| number % form.requests.len() == which);
}

#[test]
fn hls() {
    each_cause(&VOD, 3);
}

#[test]
fn hls_with_variants() {
    each_cause(&MASTER, 3);
}

/// It takes the time that it takes, and little else.
#[test]
fn hls_live() {
    each_cause(&LIVE, CAUSES.len());
}

#[test]
fn hls_fmp4() {
    each_cause(&FMP4, 3);
}

#[test]
fn hls_byte_ranges() {
    each_cause(&BYTE_RANGE, 3);
}

#[test]
fn hls_aes() {
    each_cause(&AES, 3);
}

#[test]
fn dash() {
    each_cause(&DASH, 3);
}

#[test]
fn progressive() {
    each_cause(&MPEGTS, 3);
    each_cause(&MP4, 3);
}

/// Nested transfers that fail, in a libavformat in which mpv saw a crash or a leak behind its own hook (FFmpeg PR 23082): nothing is
/// lost for good, and no memory is used that is not the program's.
#[test]
#[ignore = "takes minutes, and valgrind"]
fn under_valgrind() {
    let options = [
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=definite",
        "--errors-for-leak-kinds=definite",
        "--undef-value-errors=no",
        "--num-callers=30",
        env!("CARGO_BIN_EXE_ffauth"),
    ];
    let forms: Vec<&Form> = FORMS.into_iter().filter(|form| !form.kind.is_live()).collect();
    let cells: Vec<(&Form, &Request, &Row)> = forms
        .iter()
        .flat_map(|form| form.requests.iter().flat_map(move |request| CAUSES.iter().map(move |row| (*form, request, row))))
        .step_by(std::env::var("FFAUTH_EVERY").map_or(1, |every| every.parse().expect("a number")))
        .collect();
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((form, request, row)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (cause, fault, times, _) = **row;
                    let disturbances = vec![Disturbance { path: request.path, fault, after: request.after, times }];
                    let site = Site { disturbances, ..form.kind.site() };
                    let lead = Protected::new(Tokens::dying_early(Duration::from_secs(600)), site, "");
                    let url = lead.origin.url(form.kind.entry);
                    let line =
                        ["-nostdin", "-v", "error", "-auth", "p", "-i", &url, "-map", "0", "-c", "copy", "-f", "null", "-"];
                    let all = options.iter().chain(&line[..3]).chain(&PATIENCE).chain(&line[3..]);
                    let run = finish(lead.home.program("valgrind", all));
                    if !matches!(run.code, Some(0 | 1)) {
                        let text = format!("{}, {}, {cause}: {:?}\n{}", form.name, request.name, run.code, run.tail());
                        faults.lock().expect("no panic").push(text);
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no panic");
    assert!(faults.is_empty(), "{} of {}:\n\n{}", faults.len(), cells.len(), faults.join("\n\n"));
}

#[test]
#[ignore = "the whole matrix, several minutes"]
fn all() {
    let mut lines = play(&FORMS, 6, |_, _, _| true);
    lines.sort();
    let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).expect("somebody reads");
}
