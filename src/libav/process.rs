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

/// Has glibc's malloc give memory back that is no longer used, for a process with many inputs: what libavformat probes an input
/// with is a few large blocks (the 5 MB of `-probesize`, in mpegts.c), which malloc would keep for each thread by itself.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    {
        const BLOCK: std::ffi::c_int = 128 * 1024;
        // SAFETY: mallopt takes plain numbers (invariant 14). One that it does not know changes nothing.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, BLOCK);
            libc::mallopt(libc::M_TRIM_THRESHOLD, BLOCK);
            libc::mallopt(libc::M_ARENA_MAX, 4);
        }
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
