//! Streams that go on for long: through token after token, faults of every kind, restarts and a network that is away.
//!
//! ```text
//! cargo test endurance::                                                                   # short ones, with every run of the tests
//! FFAUTH_ROTATIONS=1440 cargo nextest run --run-ignored only --no-capture endurance::rotations       # 1,440 tokens, 20 minutes
//! FFAUTH_SOAK=3600 cargo nextest run --run-ignored only --no-capture endurance::soak                 # seconds of random faults
//! FFAUTH_CUT=20 cargo nextest run --no-capture endurance::the_network_is_away                        # root, for a network namespace
//! ```

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::Protected;
use crate::support::disturbance::{Disturbance, Fault};
use crate::support::media::{self, Kind};
use crate::support::origin::{Origin, Site};
use crate::support::run::{self, Home, Packets, Running, difference, ffmpeg_read, start};
use crate::support::token_server::{Mood, Tokens};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn tell(line: &str) {
    std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes()).expect("somebody reads");
}

fn reference(kind: &Kind) -> Packets {
    let recorded = kind.recorded();
    ffmpeg_read(&Home::new(""), &recorded, &Origin::start(recorded.site()).url(kind.entry))
}

/// A read that begins again and again.
fn read_for_ever(lead: &Protected, kind: &Kind) -> Running {
    let url = lead.origin.url(kind.entry);
    let line = format!(
        "-nostdin -y -v error -rw_timeout 1500000 -stream_loop -1 -summary summary.json -auth p -i {url} -map 0 -c copy \
         -f framemd5 read.framemd5"
    );
    start(lead.home.ffauth(line.split_whitespace()))
}

/// Each stream is the same packets over and over, without one missing; returns how many rounds were read.
#[track_caller]
fn assert_seamless(lead: &Protected, expected: &Packets) -> usize {
    let got = run::packets(&lead.home.path("read.framemd5"));
    let mut rounds = usize::MAX;
    for (stream, expected) in expected {
        let got = &got[stream];
        rounds = rounds.min(got.len() / expected.len());
        let wrong =
            got.iter().zip(expected.iter().cycle()).position(|(got, expected)| (got.2, &got.3) != (expected.2, &expected.3));
        assert_eq!(wrong, None, "stream {stream}, of {} packets\n{}", got.len(), lead.origin.story());
    }
    rounds
}

/// Resident memory in KiB and open descriptors.
fn usage(id: u32) -> (u64, usize) {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    let kib = line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0);
    (kib, std::fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count))
}

/// Tokens of a second each, one after another, in one process.
fn rotate(count: u64) {
    let kind = media::HLS;
    let expected = reference(&kind);
    let site = Site { lasts: Duration::from_secs(4), ..kind.site() };
    let lead = Protected::new(Tokens::living(Duration::from_secs(1)), site, "");
    let mut running = read_for_ever(&lead, &kind);
    let mut samples = Vec::new();
    while lead.token_server.answered() < count {
        assert!(!running.ended(), "{}", running.finish().tail());
        std::thread::sleep(Duration::from_millis(500));
        samples.push((lead.token_server.answered(), usage(running.id())));
    }
    running.signal(Signal::TERM);
    // The limit of a run counts from its beginning.
    running.finish_within(Duration::MAX).expect_code(255);
    let rounds = assert_seamless(&lead, &expected);
    let input = &lead.home.summary()["inputs"][0];
    assert!(input["token_swaps"].as_u64() >= Some(count * 9 / 10), "{input}");
    assert_eq!((&input["segments_lost"], &input["gaps"]), (&0.into(), &serde_json::json!([])), "{input}");
    // Peaks of quarters: what is held for a moment does not count.
    let quarter = |number: usize| &samples[samples.len() * number / 4..samples.len() * (number + 1) / 4];
    let peak = |number| quarter(number).iter().map(|(_, (kib, _))| *kib).max().expect("a sample");
    let most = |number| quarter(number).iter().map(|(_, (_, open))| *open).max().expect("a sample");
    let growth = peak(3).saturating_sub(peak(2));
    tell(&format!(
        "{count} rotations, {rounds} rounds of {} packets, {} refused; peak memory of the quarters {:?} KiB, descriptors {:?}",
        run::count(&expected),
        lead.origin.count(401),
        [peak(0), peak(1), peak(2), peak(3)],
        [most(0), most(1), most(2), most(3)]
    ));
    assert!(growth <= (count / 4).max(256), "{growth} KiB in the last quarter");
    assert!(most(3) <= most(1), "{} descriptors, then {}", most(1), most(3));
}

#[test]
fn a_few_rotations() {
    rotate(12);
}

#[test]
#[ignore = "20 minutes"]
fn rotations() {
    rotate(setting("FFAUTH_ROTATIONS", 1440));
}

/// Something fails, anywhere, as soon as the last fault is over, and what may pass is waited for.
fn suffer(time: Duration) {
    const FAULTS: [Fault; 11] = [
        Fault::Status(401),
        Fault::Status(404),
        Fault::Status(408),
        Fault::Status(500),
        Fault::Status(503),
        Fault::RetryAfter(429, 1),
        Fault::Reset,
        Fault::Cut,
        Fault::Truncation,
        Fault::Stall,
        Fault::Silence,
    ];
    const PATHS: [&str; 10] = ["0.ts", "1.ts", "2.ts", "3.ts", "4.ts", "5.ts", "6.ts", "7.ts", "8.ts", "9.ts"];
    let kind = media::HLS;
    let expected = reference(&kind);
    let site = Site { lasts: Duration::from_secs(4), ..kind.site() };
    let lead = Protected::new(Tokens::living(Duration::from_secs(2)), site, "");
    let mut running = read_for_ever(&lead, &kind);
    let (began, mut random, mut samples, mut struck) = (Instant::now(), 0x9e37_79b9_7f4a_7c15_u64, Vec::new(), 0);
    let mut draw = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random >> 33).expect("31 bits") % limit
    };
    while began.elapsed() < time {
        assert!(!running.ended(), "{}\n{}", running.finish().tail(), lead.origin.story());
        std::thread::sleep(Duration::from_millis(1000));
        samples.push(usage(running.id()));
        if !lead.origin.is_done() {
            continue;
        }
        struck += 1;
        match draw(20) {
            0 => lead.tokens.kill_all(),
            1 => {
                lead.token_server.set(Mood::Unavailable);
                std::thread::sleep(Duration::from_secs(3));
                lead.token_server.set(Mood::Well);
            }
            _ => {
                let (path, fault) = (PATHS[draw(PATHS.len())], FAULTS[draw(FAULTS.len())]);
                lead.origin.disturb(Disturbance { path, fault, after: 0, times: 1 });
            }
        }
    }
    running.signal(Signal::TERM);
    let run = running.finish_within(Duration::MAX);
    run.expect_code(255);
    let rounds = assert_seamless(&lead, &expected);
    let input = &lead.home.summary()["inputs"][0];
    assert_eq!((&input["segments_lost"], &input["gaps"]), (&0.into(), &serde_json::json!([])), "{input}\n{}", run.tail());
    let half = samples.len() / 2;
    let peak =
        |samples: &[(u64, usize)]| (samples.iter().map(|sample| sample.0).max(), samples.iter().map(|sample| sample.1).max());
    let (first, last) = (peak(&samples[..half]), peak(&samples[half..]));
    tell(&format!(
        "{struck} faults in {time:?}, {rounds} rounds; peak memory (KiB) and descriptors {first:?}, then {last:?}; {input}"
    ));
}

#[test]
#[ignore = "an hour, or FFAUTH_SOAK seconds"]
fn soak() {
    suffer(Duration::from_secs(setting("FFAUTH_SOAK", 3600)));
}

/// Its port is closed for three seconds in the middle.
#[test]
fn the_origin_is_started_again() {
    std::thread::scope(|scope| {
        for kind in [media::HLS, media::HLS_LIVE, media::HLS_AES] {
            scope.spawn(move || {
                let tokens = Tokens::living(Duration::from_secs(2));
                let site = Site { tokens: Some(tokens.clone()), ..kind.paced(Duration::from_secs(6)) };
                let lead = Protected::new(tokens, Site::default(), "");
                let origin = Origin::start(site.clone());
                let url = origin.url(kind.entry);
                let port = url.split([':', '/']).nth(4).and_then(|port| port.parse().ok()).expect("a port");
                lead.set_profile("");
                let running = lead.home.start_read(&kind, "p", &url, &[]);
                while origin.log().len() < 6 {
                    std::thread::sleep(Duration::from_millis(20));
                }
                drop(origin);
                std::thread::sleep(Duration::from_secs(3));
                let origin = Origin::start_on(port, site);
                let reading = lead.home.finish_read(running);
                let story = || format!("{}\n{}", reading.run.stderr.replace('\r', "\n"), origin.story());
                assert_eq!(reading.run.code, Some(0), "{}", story());
                assert_eq!(difference(&reference(&kind), &reading.packets), None, "{}", story());
                assert_eq!(reading.summary["inputs"][0]["segments_lost"], 0, "{}", story());
            });
        }
    });
}

/// Servers and client are in a network namespace whose only link goes down.
#[test]
fn the_network_is_away() {
    const INSIDE: &str = "FFAUTH_INSIDE";
    let program = std::env::current_exe().expect("a program");
    let cut = Duration::from_secs(setting("FFAUTH_CUT", 4));
    if std::env::var_os(INSIDE).is_none() {
        let allowed = Command::new("unshare").args(["-n", "ip", "link", "set", "lo", "up"]).stderr(Stdio::null()).status();
        if !allowed.is_ok_and(|status| status.success()) {
            tell("skipped: a network namespace needs root");
            return;
        }
        media::folder();
        let name = "endurance::the_network_is_away";
        let output =
            Command::new("unshare").arg("-n").arg(program).args([name, "--exact", "--nocapture"]).env(INSIDE, "1").output();
        let output = output.expect("a program");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        return;
    }
    let link = |state: &str| assert!(Command::new("ip").args(["link", "set", "lo", state]).status().expect("ip").success());
    link("up");
    let kinds = [media::HLS, media::HLS_LIVE, media::MP4_MOOV_LAST, media::DASH];
    let leads = kinds.map(|kind| {
        let site = Site { cut_every: None, ..kind.paced(Duration::from_secs(10)) };
        let lead = Protected::new(Tokens::living(Duration::from_secs(600)), site, "");
        let running = lead.home.start_read(&kind, "p", &lead.origin.url(kind.entry), &["-rw_timeout", "2000000"]);
        (kind, lead, running)
    });
    while leads.iter().any(|(_, lead, _)| lead.origin.log().len() < 3) {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(1));
    link("down");
    std::thread::sleep(cut);
    link("up");
    for (kind, lead, running) in leads {
        let reading = lead.home.finish_read(running);
        let story = || format!("{}: {}\n{}", kind.name(), reading.run.tail(), lead.origin.story());
        assert_eq!(reading.run.code, Some(0), "{}", story());
        assert_eq!(difference(&reference(&kind), &reading.packets), None, "{}", story());
        assert_eq!(reading.summary["inputs"][0]["gaps"], serde_json::json!([]), "{}", story());
    }
}
