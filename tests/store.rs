//! The token store as many processes see it: shared, killed in the middle, full, read-only, damaged.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::family::Family;
use crate::support::run::{Finished, Home, difference, ffmpeg_read, finish, packets, profile, start};
use crate::support::token_server::{TokenServer, Tokens};
use crate::support::{Protected, media};

/// Longer than any token of these servers lives: each run is one refresh.
const REFRESH: &str = "token p --min-valid 1h";

fn tokens(home: &Home) -> PathBuf {
    home.path(".local/state/ffauth/tokens")
}

/// The only entry, parsed; a file that is not whole fails the test.
#[track_caller]
fn entry(home: &Home) -> Option<Value> {
    let entries = std::fs::read_dir(tokens(home)).ok()?.flatten().map(|file| file.path());
    let path = entries.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "json"))?;
    let text = std::fs::read_to_string(&path).expect("a file");
    let entry: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(entry["access_token"].is_string() && entry["refresh_token"].is_string(), "{text}");
    Some(entry)
}

fn endings(home: &Home) -> Vec<String> {
    let files = std::fs::read_dir(tokens(home)).expect("a folder").flatten();
    let mut endings: Vec<String> =
        files.filter_map(|file| Some(file.path().extension()?.to_string_lossy().into_owned())).collect();
    endings.sort();
    endings
}

/// What another process left in the store may have been revoked as well: it says nothing about a token that is got after that.
#[test]
fn a_stored_token_that_is_dead_too_loses_nothing() {
    let lead = Protected::new(Tokens::living(Duration::from_secs(3600)), media::HLS.paced(Duration::from_secs(5)), "");
    let url = lead.origin.url(media::HLS.entry);
    let line = format!("-nostdin -y -copyts -auth p -i {url} -map 0 -c copy -f framemd5 read.framemd5");
    let reading = start(lead.home.ffauth(line.split(' ')));
    while lead.origin.log().len() < 3 {
        std::thread::sleep(Duration::from_millis(10));
    }
    lead.home.line("token p --min-valid 2h").expect_code(0);
    lead.tokens.kill_all();
    let run = reading.finish();
    run.expect_code(0);
    let expected = ffmpeg_read(&lead.home, &media::HLS, &media::HLS.file().display().to_string());
    let read = packets(&lead.home.path("read.framemd5"));
    assert_eq!(difference(&expected, &read), None, "{}\n{}", run.tail(), lead.origin.story());
    assert_eq!((lead.origin.rejected(), lead.origin.accepted()), ([1, 2].into(), [1, 3].into()), "{}", lead.origin.story());
}

/// `faults.c`, compiled once.
fn faults() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/faults.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        let status = compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").status();
        assert!(status.expect("a C compiler").success());
        library
    })
}

/// `ffauth` with this fault in its token folder.
fn faulty(home: &Home, line: &str, fault: &str) -> Command {
    let mut command = home.ffauth(line.split(' '));
    command.env("LD_PRELOAD", faults()).env("FAULT", fault);
    command
}

/// `processes` at a time refresh one rotating token `each` times.
#[expect(clippy::print_stdout, reason = "the figures are what the long run is for")]
fn rotate(processes: usize, each: usize) {
    let family = Family::start(60, Duration::ZERO);
    let home = Home::new(&family.profile());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..processes {
            scope.spawn(|| {
                for _ in 0..each {
                    home.line(REFRESH).expect_code(0);
                }
            });
        }
    });
    let (rotations, refusals, reuses) = (family.rotations(), family.refusals(), family.reuses());
    println!("{processes} processes: {rotations} rotations, {refusals} invalid_grant, {reuses} reuses, {:?}", began.elapsed());
    assert_eq!((rotations, refusals, reuses), ((processes * each) as u64, 0, 0));
    assert_eq!(entry(&home).expect("an entry")["generation"], rotations);
}

#[test]
fn processes_share_one_rotating_refresh_token() {
    rotate(10, 4);
}

/// `cargo nextest run --test main --run-ignored only store::a_thousand --no-capture`
#[test]
#[ignore = "two minutes"]
fn a_thousand_rotations_by_ten_processes() {
    rotate(10, 100);
}

/// Kills `runs` processes each at another moment of its life; the number of logins that were needed because of it.
#[expect(clippy::print_stdout, reason = "the figures are what the long run is for")]
fn kill_at_random(runs: u32) -> u32 {
    // An answer that takes its time makes it likely that the process dies while it waits for it.
    let family = Family::start(1, Duration::from_millis(15));
    let home = Home::new(&family.profile());
    let mut logins = 0;
    let began = Instant::now();
    home.line("token p").expect_code(0);
    let alone = began.elapsed();
    for run in 0..runs {
        let mut child = home.ffauth(["token", "p", "--min-valid", "1h"]).spawn().expect("the program starts");
        // Golden-ratio steps: every part of its life is met evenly.
        let moment = (f64::from(run) * 0.618_034).fract();
        std::thread::sleep(alone.mul_f64(moment * 1.1));
        child.kill().expect("a child");
        let status = child.wait().expect("a child");
        assert!(status.signal() == Some(9) || status.code().is_some_and(|code| [0, 4].contains(&code)), "{status}");
        entry(&home).expect("an entry, whole");
        if run % 4 == 3 {
            // Past the life of any token, so that one in doubt is settled.
            std::thread::sleep(Duration::from_millis(1100));
            let after = home.line("token p");
            if after.code == Some(3) {
                assert!(after.stderr.contains("the refresh token is not accepted any more"), "{}", after.tail());
                logins += 1;
                family.sign_in();
                home.write(crate::support::run::CONFIG, &family.profile());
                home.line("token p").expect_code(0);
            } else {
                after.expect_code(0);
            }
        }
    }
    println!("{runs} kills: {} rotations, {} reuses, {logins} logins needed", family.rotations(), family.reuses());
    assert!(family.reuses() <= u64::from(logins), "{} reuses, {logins} logins", family.reuses());
    logins
}

#[test]
fn a_killed_process_leaves_a_whole_entry_and_costs_one_login_at_most() {
    kill_at_random(8);
}

/// `cargo nextest run --test main --run-ignored only store::two_hundred --no-capture`
#[test]
#[ignore = "two minutes"]
fn two_hundred_kills_at_random_moments() {
    kill_at_random(200);
}

/// Each step of a write is the last one once. A refresh writes twice: the mark that the refresh token is being used, and the
/// new entry.
#[test]
fn killed_before_each_step_of_a_write_the_entry_is_whole_and_its_token_still_works() {
    let steps = [
        "open:1", "open:2", "open:3", "write:1", "write:2", "write:3", "fsync:1", "fsync:2", "fsync:3", "fsync:4", "rename:1",
        "rename:2",
    ];
    std::thread::scope(|scope| {
        for step in steps {
            scope.spawn(move || {
                let family = Family::start(4, Duration::ZERO);
                let home = Home::new(&family.profile());
                home.line("token p").expect_code(0);
                let mut child = faulty(&home, REFRESH, &format!("{step}:kill")).spawn().expect("the program starts");
                let status = child.wait().expect("a child");
                assert_eq!(status.signal(), Some(9), "{step}: there is no such step");
                let kept = entry(&home).expect("an entry, whole");
                let used = family.rotations() > 1;
                let saved = kept["refresh_token"] == format!("r-{}", family.rotations());
                // Before anything is asked the entry says what it knows.
                assert!(
                    saved || kept["uncertain"] == true,
                    "{step}: the server gave a new token that the entry does not suspect"
                );
                let next = home.line("token p");
                assert_eq!((next.code, family.reuses()), (Some(0), 0), "{step}: {}", next.tail());
                std::thread::sleep(Duration::from_millis(4100));
                let later = home.line("token p");
                let expected = if used && !saved { 3 } else { 0 };
                assert_eq!(later.code, Some(expected), "{step}: {}", later.tail());
                assert!(!endings(&home).contains(&"tmp".to_owned()), "{step}: {:?}", endings(&home));
            });
        }
    });
}

/// The token is printed, the warning says why it is lost, and what was stored stays.
#[track_caller]
fn expect_from_memory(home: &Home, run: &Finished, why: &str) {
    run.expect_code(0);
    assert!(run.stderr.contains("kept in memory only") && run.stderr.contains(why), "{}", run.tail());
    assert_eq!(run.stderr.matches("kept in memory only").count(), 1, "{}", run.tail());
    assert!(entry(home).is_none_or(|entry| entry["generation"] == 1));
}

#[test]
fn a_full_disk_is_a_warning_and_the_token_is_used_from_memory() {
    for fault in ["write:0:28", "fsync:0:5", "rename:0:28"] {
        let family = Family::start(60, Duration::ZERO);
        let home = Home::new(&family.profile());
        home.line("token p").expect_code(0);
        let run = finish(faulty(&home, REFRESH, fault));
        assert_eq!(run.stdout, "a-2\n");
        expect_from_memory(&home, &run, if fault.ends_with("28") { "No space left" } else { "Input/output error" });
    }
}

#[test]
fn a_read_only_disk_can_be_read_and_is_a_warning() {
    let family = Family::start(60, Duration::ZERO);
    let home = Home::new(&family.profile());
    home.line("token p").expect_code(0);
    // The stored token is as good as ever.
    let run = finish(faulty(&home, "token p", "open:0:30"));
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), "a-1\n", ""));
    // So is the stored refresh token.
    let run = finish(faulty(&home, REFRESH, "open:0:30"));
    assert_eq!(run.stdout, "a-2\n");
    expect_from_memory(&home, &run, "Read-only file system");
    assert_eq!(family.refusals(), 0);
}

#[test]
fn a_store_that_cannot_be_made_is_a_warning() {
    let family = Family::start(60, Duration::ZERO);
    let home = Home::new(&family.profile());
    home.write(".local/state/ffauth", "a file in the place of the folder");
    let run = home.line("token p");
    expect_from_memory(&home, &run, ".local/state/ffauth/tokens");
}

#[test]
fn a_damaged_or_future_entry_is_moved_aside_and_said() {
    for (content, why) in [("{\"version\":1,\"access", "is damaged"), ("{\"version\":9}", "is of version 9"), ("", "is damaged")]
    {
        let family = Family::start(60, Duration::ZERO);
        let home = Home::new(&family.profile());
        home.line("token p").expect_code(0);
        let file = std::fs::read_dir(tokens(&home)).expect("a folder").flatten().map(|file| file.path());
        let file = file.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "json")).expect("an entry");
        std::fs::write(&file, content).expect("room");
        let listed = home.line("profiles");
        assert!(listed.stdout.contains(why), "{}", listed.stdout);
        let run = home.line("token p");
        assert!(run.stderr.contains(why) && run.stderr.contains(".bad"), "{}", run.tail());
        assert_eq!(std::fs::read_to_string(file.with_extension("bad")).expect("moved aside"), content);
    }
}

#[test]
fn a_state_folder_that_others_can_change_is_refused_with_the_command_that_mends_it() {
    let family = Family::start(60, Duration::ZERO);
    let home = Home::new(&family.profile());
    home.line("token p").expect_code(0);
    for folder in [tokens(&home), home.path(".local/state/ffauth")] {
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o770)).expect("its mode");
        let run = home.line(REFRESH);
        run.expect_code(2);
        assert!(run.stderr.contains("group or others can write"), "{}", run.tail());
        assert!(run.stderr.contains(&format!("chmod go-w {}", folder.display())), "{}", run.tail());
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("its mode");
    }
    assert_eq!(family.rotations(), 1);
}

/// `cargo nextest run --test main --run-ignored only store::whoever_waits`
#[test]
#[ignore = "half a minute"]
fn whoever_waits_for_the_lock_too_long_is_told_who_holds_it() {
    let family = Family::start(60, Duration::ZERO);
    let home = Home::new(&family.profile());
    home.line("token p").expect_code(0);
    let lock = std::fs::read_dir(tokens(&home)).expect("a folder").flatten().map(|file| file.path());
    let lock = lock.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "lock")).expect("a lock file");
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(&lock).expect("the lock file");
    file.lock().expect("the lock");
    std::io::Write::write_all(&mut file, format!("{}\n", std::process::id()).as_bytes()).expect("room");
    let began = Instant::now();
    let run = start(home.ffauth(REFRESH.split(' ')));
    // Meanwhile a listing waits for nobody.
    let listed = home.line("profiles");
    assert!(began.elapsed() < Duration::from_secs(10) && listed.stdout.contains("valid"), "{}", listed.stdout);
    let run = run.finish();
    run.expect_code(1);
    assert!(run.stderr.contains(&format!("pid {}", std::process::id())), "{}", run.tail());
    assert!(began.elapsed() > Duration::from_secs(20), "{:?}", began.elapsed());
}

/// Without a daemon, or without the feature, the keyring is a clear sentence within its 3 s, and the token works all the same.
#[test]
fn a_keyring_that_is_not_there_is_a_clear_sentence() {
    let why = if cfg!(feature = "keyring") { "no Secret Service answers" } else { "built without the feature `keyring`" };
    let server = TokenServer::start(&Tokens::living(Duration::from_secs(60)));
    let home = Home::new(&profile("p", &server, "store = \"keyring\""));
    let run = home.line("token p");
    run.expect_code(0);
    assert!(run.stderr.contains("kept in memory only") && run.stderr.contains(why), "{}", run.tail());
    // A refresh token that works once is not sent while nobody knows whether it is the newest.
    let family = Family::start(60, Duration::ZERO);
    let home = Home::new(&format!("{}store = \"keyring\"\n", family.profile()));
    let run = home.line("token p");
    assert_eq!((run.code, family.rotations()), (Some(1), 0), "{}", run.tail());
    assert!(run.stderr.contains(why), "{}", run.tail());
    home.write(crate::support::run::CONFIG, &family.profile().replace("\"s\"", "{ keyring = \"secret-of-p\" }"));
    let run = home.line(REFRESH);
    run.expect_code(2);
    assert!(run.stderr.contains("client_secret: keyring ffauth/secret-of-p") && run.stderr.contains(why), "{}", run.tail());
}
