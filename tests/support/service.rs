//! What a service does that has ffauth in its own process.

use std::path::Path;
use std::time::{Duration, Instant};

use ffauth::{Config, Env, Input, Job, Output, Session};

use super::media::Kind;
use super::origin::Origin;
use super::run::Home;

/// Whatever is waited for is there by then.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until it is so.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The environment of a process in `home`.
pub fn env(home: &Home) -> Env {
    Env::from_pairs([("HOME", home.path("").display().to_string())])
}

/// A session with the configuration in `home`.
pub fn session(home: &Home) -> Session {
    let env = env(home);
    Session::new(Config::load(None, &env).expect("a configuration"), env)
}

/// A copy of what `origin` has of `kind` with the token of `auth`, packet by packet.
pub fn copy(origin: &Origin, kind: &Kind, auth: &str, file: &Path) -> Job {
    let input = kind.options.chunks(2).fold(Input::new(origin.url(kind.entry)).auth(auth), |input, pair| {
        input.option(pair[0].trim_start_matches('-'), pair[1])
    });
    let output = Output::new(file.display().to_string()).option("map", 0).option("c", "copy").option("f", "framemd5");
    Job::builder().flag("copyts").input(input).output(output).build().expect("a job")
}

/// The threads of this process with this name.
pub fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("threads").flatten();
    tasks.filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)).count()
}
