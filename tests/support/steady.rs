//! Tests whose figures hold only where the machine answers in time.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longer than this between two looks, and requests that were sent in time arrive with tokens that have died meanwhile.
const STANDSTILL: Duration = Duration::from_millis(100);
const TIMES: usize = 3;

/// Runs `test`; runs it again if it failed and the machine stood still meanwhile. A failure on a machine that went on is a
/// failure.
#[track_caller]
pub fn steady(mut test: impl FnMut()) {
    if let Err(panic) = attempt(|| catch_unwind(AssertUnwindSafe(&mut test))) {
        resume_unwind(panic);
    }
}

/// The same for a test that says what is wrong.
pub fn attempt<T, E>(mut test: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let mut time = 1;
    loop {
        let (result, longest) = watched(&mut test);
        if result.is_ok() || longest < STANDSTILL || time == TIMES {
            return result;
        }
        time += 1;
    }
}

/// What `test` returns, and for how long the machine stood still at most.
fn watched<T>(test: impl FnOnce() -> T) -> (T, Duration) {
    const TICK: Duration = Duration::from_millis(10);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !ended.load(Ordering::Relaxed) {
                let before = Instant::now();
                std::thread::sleep(TICK);
                longest = longest.max(before.elapsed().saturating_sub(TICK));
            }
            longest
        });
        // Were it to panic here, the watch would never end.
        let result = catch_unwind(AssertUnwindSafe(test));
        ended.store(true, Ordering::Relaxed);
        let longest = watch.join().expect("no panic");
        (result.unwrap_or_else(|panic| resume_unwind(panic)), longest)
    })
}
