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
    for time in 1.. {
        let (result, longest) = watched(&mut test);
        let Err(panic) = result else { return };
        if longest < STANDSTILL || time == TIMES {
            resume_unwind(panic);
        }
    }
}

/// What came of `test`, and for how long the machine stood still at most.
fn watched(test: impl FnMut()) -> (std::thread::Result<()>, Duration) {
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
        let result = catch_unwind(AssertUnwindSafe(test));
        ended.store(true, Ordering::Relaxed);
        (result, watch.join().expect("no panic"))
    })
}
