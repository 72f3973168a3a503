//! Options about the whole process: `-max_alloc`, `-cpuflags`, `-cpucount`, `-timelimit`, `-benchmark`.

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::clock::{Clock, Now, SystemClock};
use crate::error::{Error, Kind};
use crate::libav::log::{self, level};
use crate::libav::process::{self, Usage};
use crate::pipeline::plan::Global;

/// Puts the limits and settings of `global` in force.
///
/// # Errors
/// CPU flags that are none.
pub fn limit(global: &Global) -> Result<(), Error> {
    if let Some(bytes) = global.max_alloc {
        process::set_max_alloc(bytes);
    }
    if let Some(flags) = &global.cpu_flags {
        process::set_cpu_flags(flags).map_err(|error| {
            let text = format!("Failed to set value '{flags}' for option 'cpuflags': {error}");
            Error::new(Kind::Usage, text).with_source(error)
        })?;
    }
    if let Some(count) = global.cpu_count {
        process::set_cpu_count(count);
    }
    if let Some(seconds) = global.time_limit {
        // SIGXCPU comes at the first, which ends the job well; SIGKILL at the second.
        let limit = Rlimit { current: Some(seconds), maximum: Some(seconds + 1) };
        if let Err(error) = setrlimit(Resource::Cpu, limit) {
            log::write(level::ERROR, &format!("setrlimit: {error}\n"));
        }
    }
    Ok(())
}

/// Where `-benchmark` counts from.
pub struct Benchmark {
    began: Now,
    used: Usage,
}

impl Benchmark {
    /// Counts from now on.
    pub fn start() -> Self {
        Self { began: SystemClock.now(), used: process::usage() }
    }

    /// Logs what has been used since, as ffmpeg does.
    pub fn report(&self) {
        let (now, used) = (SystemClock.now(), process::usage());
        let user = used.user.saturating_sub(self.used.user).as_secs_f64();
        let system = used.system.saturating_sub(self.used.system).as_secs_f64();
        let real = now.boot.saturating_sub(self.began.boot).as_secs_f64();
        log::write(level::INFO, &format!("bench: utime={user:.3}s stime={system:.3}s rtime={real:.3}s\n"));
        log::write(level::INFO, &format!("bench: maxrss={}kB\n", used.peak_kilobytes));
    }
}
