//! libav's log and ours, one stream of lines: filtered by level, masked, handed to one sink per process.

/// Levels of `libavutil/log.h`.
pub mod level {
    /// Nothing.
    pub const QUIET: i32 = -8;
    /// Unusable from here on.
    pub const PANIC: i32 = 0;
    /// Cannot go on.
    pub const FATAL: i32 = 8;
    /// Something failed.
    pub const ERROR: i32 = 16;
    /// Something looks wrong.
    pub const WARNING: i32 = 24;
    /// The default.
    pub const INFO: i32 = 32;
    /// More of it.
    pub const VERBOSE: i32 = 40;
    /// For developers.
    pub const DEBUG: i32 = 48;
    /// Everything.
    pub const TRACE: i32 = 56;
}

/// Logs `text` (its line break included) as `av_log(NULL, level, …)` does.
pub fn write(level: i32, text: &str) {
    let _ = (level, text);
}
