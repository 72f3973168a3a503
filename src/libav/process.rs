//! Settings of libavutil that hold for the whole process, and what the process has used up.

use std::mem::MaybeUninit;
use std::time::Duration;

use super::call::c_string;
use super::error::AvError;
use super::ffi;

/// The largest block of memory that libav may ask for (`av_max_alloc`).
pub fn set_max_alloc(bytes: usize) {
    // SAFETY: libavutil keeps it in an atomic (invariant 14).
    unsafe { ffi::av_max_alloc(bytes) };
}

/// Which features of the processor libav uses: a flags expression over those that it has (`-sse+mmx`, `all`, `0`).
///
/// # Errors
/// The expression is none, which libavutil logs too.
pub fn set_cpu_flags(flags: &str) -> Result<(), AvError> {
    let text = c_string(flags)?;
    // SAFETY: the string lives through the call, the number is ours (invariants 11, 14).
    unsafe {
        let mut flags = ffi::av_get_cpu_flags().cast_unsigned();
        AvError::check(ffi::av_parse_cpu_caps(&mut flags, text.as_ptr()))?;
        ffi::av_force_cpu_flags(flags.cast_signed());
    }
    Ok(())
}

/// How many processors libav counts on; below 1 = those that are there.
pub fn set_cpu_count(count: i32) {
    // SAFETY: libavutil keeps it in an atomic (invariant 14).
    unsafe { ffi::av_cpu_force_count(count) };
}

/// Has a few heaps serve all threads of a process that has many: glibc would give eight times as many threads as there are processors
/// one of their own, each with holes that no other thread fills. To be called before there are threads.
pub fn share_heaps() {
    #[cfg(target_env = "gnu")]
    {
        // More threads than this never ask for memory at the same time.
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let heaps = std::ffi::c_int::try_from(2 * processors).unwrap_or(std::ffi::c_int::MAX);
        // SAFETY: mallopt takes plain numbers (invariant 14). A setting that it does not know changes nothing.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, heaps) };
    }
}

/// Gives back what malloc has kept of memory that is no longer used: to open an input takes far more than to read it.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no preconditions (invariant 14).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Lets the system wake this thread, and those that it starts, up to 10 ms late where they wait for a time, together with others. A live
/// input mostly waits: hls.c looks every 100 ms whether its playlist is to be read again, and to be woken alone each time is
/// a good part of what a stream costs.
pub fn wake_together() {
    #[cfg(target_os = "linux")]
    // SAFETY: a plain number of nanoseconds about the calling thread (invariant 14).
    unsafe {
        const LATE: std::ffi::c_ulong = 10_000_000;
        libc::prctl(libc::PR_SET_TIMERSLACK, LATE);
    }
}

/// What the process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of its own code.
    pub user: Duration,
    /// CPU time of the system on its behalf.
    pub system: Duration,
    /// Most memory at one time, in kB.
    pub peak_kilobytes: i64,
}

/// [`Usage`] by `getrusage`.
pub fn usage() -> Usage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the structure is ours and of plain numbers, for which zero is a value (invariant 11).
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    Usage { user: time(usage.ru_utime), system: time(usage.ru_stime), peak_kilobytes: usage.ru_maxrss }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_used_memory() {
        assert!(usage().peak_kilobytes > 1000);
    }

    #[test]
    fn cpu_flags_are_an_expression() {
        assert!(set_cpu_flags("nosuchfeature").is_err());
        set_cpu_flags("all").expect("all that it has");
        set_cpu_count(0);
    }
}
