//! Every cause of a failed request, for every kind of request, in every form in which media comes.

use std::time::Duration;

use crate::support::Protected;
use crate::support::disturbance::{Disturbance, Fault};
use crate::support::media::{self, Kind};
use crate::support::origin::{Origin, Site};
use crate::support::run::{Home, count, difference, ffmpeg_read};
use crate::support::token_server::Tokens;

struct Request {
    form: &'static str,
    kind: Kind,
    name: &'static str,
    path: &'static str,
    after: u32,
}

fn requests() -> Vec<Request> {
    let mut all = Vec::new();
    for (form, kind, requests) in [
        ("vod", media::HLS, &[("playlist", "index.m3u8", 0), ("segment", "index4.ts", 0)][..]),
        (
            "master",
            media::HLS_MASTER,
            &[("master", "master.m3u8", 0), ("playlist", "stream-1.m3u8", 0), ("segment", "stream-13.ts", 0)],
        ),
        ("live", media::HLS_LIVE, &[("top", "index.m3u8", 0), ("reload", "index.m3u8", 3), ("segment", "index4.ts", 0)]),
        ("fmp4", media::HLS_FMP4, &[("playlist", "index.m3u8", 0), ("init", "init.mp4", 0), ("segment", "index4.m4s", 0)]),
        ("byte-range", media::HLS_BYTE_RANGE, &[("playlist", "index.m3u8", 0), ("segment", "index.ts", 3)]),
        ("aes", media::HLS_AES, &[("playlist", "index.m3u8", 0), ("key", "enc.key", 0), ("segment", "index4.ts", 0)]),
        (
            "dash",
            media::DASH,
            &[("manifest", "index.mpd", 0), ("init", "init-stream0.m4s", 0), ("segment", "chunk-stream0-00004.m4s", 0)],
        ),
        ("mpegts", media::MPEGTS, &[("file", "video.ts", 0)]),
        ("mp4", media::MP4_MOOV_LAST, &[("file", "video.mp4", 0), ("seek", "video.mp4", 1)]),
    ] {
        for (name, path, after) in requests {
            all.push(Request { form, kind, name, path, after: *after });
        }
    }
    all
}

const CAUSES: &[(&str, Fault, u32)] = &[
    ("401", Fault::Status(401), 1),
    ("401 for good", Fault::Status(401), u32::MAX),
    ("403", Fault::Status(403), 1),
    ("404 ahead", Fault::Status(404), 2),
    ("404 for good", Fault::Status(404), u32::MAX),
    ("408", Fault::Status(408), 2),
    ("429 after 1 s", Fault::RetryAfter(429, 1), 2),
    ("500", Fault::Status(500), 2),
    ("503", Fault::Status(503), 2),
    ("503 for good", Fault::Status(503), u32::MAX),
    ("reset", Fault::Reset, 2),
    ("reset for good", Fault::Reset, u32::MAX),
    ("cut", Fault::Cut, 2),
    ("truncation", Fault::Truncation, 1),
    ("stall", Fault::Stall, 1),
    ("wrong length", Fault::WrongLength, 1),
];

#[test]
#[ignore = "explore"]
fn explore() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let cells: Vec<(Request, usize)> = requests().into_iter().map(|r| (r, 0)).collect();
    let work: Vec<(usize, usize)> = (0..cells.len()).flat_map(|r| (0..CAUSES.len()).map(move |c| (r, c))).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some((r, c)) = work.get(at) else { return };
                    let request = &cells[*r].0;
                    let (cause, fault, times) = CAUSES[*c];
                    let id = format!("{} {} {}", request.form, request.name, cause);
                    if !id.contains(&only) {
                        continue;
                    }
                    println!("{id}: {}", one(request, fault, times));
                }
            });
        }
    });
}

fn one(request: &Request, fault: Fault, times: u32) -> String {
    let kind = &request.kind;
    let disturbances = vec![Disturbance { path: request.path, fault, after: request.after, times }];
    let lead = Protected::new(Tokens::dying_early(Duration::from_secs(600)), Site { disturbances, ..kind.site() }, "");
    let options = ["-auth_retry", "4", "-auth_wait", "5", "-rw_timeout", "1500000"];
    let reading = lead.home.read(kind, "p", &lead.origin.url(kind.entry), &options);
    let recorded = kind.recorded();
    let expected = ffmpeg_read(&Home::new(""), &recorded, &Origin::start(recorded.site()).url(kind.entry));
    let same = difference(&expected, &reading.packets)
        .map_or("same".to_owned(), |_| format!("{}/{}", count(&reading.packets), count(&expected)));
    let input = &reading.summary["inputs"][0];
    let requests = input["requests"].as_u64().unwrap_or(0);
    let logged = lead.origin.log().len() as u64;
    let text = format!(
        "code {:?} {same} retries {} reconnects {} 401 {}/{} lost {} gaps {} requests {}/{} tokens {} in {:.1}",
        reading.run.code,
        input["retries"],
        input["reconnects"],
        input["http_401"],
        lead.origin.count(401),
        input["segments_lost"],
        input["gaps"].as_array().map_or(0, Vec::len),
        requests,
        logged,
        lead.token_server.answered(),
        reading.took.as_secs_f64()
    );
    if std::env::var("ONLY").is_ok_and(|o| o.len() > 12) {
        format!("{text}\n{}\n{}\n{:#}", reading.run.tail(), lead.origin.story(), reading.summary)
    } else {
        text
    }
}
