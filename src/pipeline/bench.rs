//! `-benchmark_all`: what each call of a codec took. `update_benchmark` of ffmpeg 5.1.

use std::sync::Arc;

use crate::clock::{Clock, Now};
use crate::libav::log::{self, level};
use crate::libav::process::{self, Usage};

/// The stopwatch of one codec. Processor time is that of the whole process, so other codecs must rest meanwhile.
pub struct Bench {
    clock: Arc<dyn Clock>,
    /// `video 0.1`: kind, file and stream.
    place: String,
    since: (Now, Usage),
}

impl Bench {
    /// A stopwatch for a codec of stream `file`.`stream`.
    pub fn new(clock: &Arc<dyn Clock>, kind: &str, file: usize, stream: usize) -> Self {
        let since = (clock.now(), process::usage());
        Self { clock: Arc::clone(clock), place: format!("{kind} {file}.{stream}"), since }
    }

    /// A call begins.
    pub fn begin(&mut self) {
        self.since = (self.clock.now(), process::usage());
    }

    /// It is over, and if others follow the next one begins: `decode`, `encode` or `flush`.
    pub fn end(&mut self, action: &str) {
        let (now, used) = (self.clock.now(), process::usage());
        let (then, before) = self.since;
        let user = used.user.saturating_sub(before.user).as_micros();
        let system = used.system.saturating_sub(before.system).as_micros();
        let real = now.boot.saturating_sub(then.boot).as_micros();
        log::write(level::INFO, &format!("bench: {user:>8} user {system:>8} sys {real:>8} real {action}_{} \n", self.place));
        self.since = (now, used);
    }
}
