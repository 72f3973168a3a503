//! Which libraries the program starts with: a stream copy must not pay for filters and devices.

use std::process::Command;

#[test]
#[cfg(target_os = "linux")]
fn filters_devices_and_scaler_are_not_loaded_at_the_start() {
    // The dynamic loader of glibc, asked to list what it would load.
    let output = Command::new(env!("CARGO_BIN_EXE_ffauth")).env("LD_TRACE_LOADED_OBJECTS", "1").output().expect("a program");
    let loaded = String::from_utf8_lossy(&output.stdout);
    assert!(loaded.contains("libavformat.so"), "{loaded}");
    for library in ["libavfilter", "libavdevice", "libswscale", "libpostproc"] {
        assert!(!loaded.contains(library), "{loaded}");
    }
}

/// Nor once it runs: options that everybody uses are known without them.
#[test]
#[cfg(target_os = "linux")]
fn a_stream_copy_loads_no_library_of_filters_and_devices() {
    let home = crate::support::run::Home::new("");
    let source = crate::support::media::MP4_MOOV_FIRST.file().display().to_string();
    let line = ["-nostdin", "-hide_banner", "-nostats", "-v", "error", "-y", "-ss", "1", "-i", &source, "-map", "0"];
    let mut command =
        home.ffauth(line.into_iter().chain(["-c", "copy", "-movflags", "+faststart", "-metadata", "title=x", "out.mp4"]));
    command.env("LD_DEBUG", "files");
    let run = crate::support::run::finish(command);
    run.expect_code(0);
    let loaded: Vec<&str> = run.stderr.lines().filter(|line| line.contains("dynamically loaded")).collect();
    assert_eq!(loaded, Vec::<&str>::new());
}
