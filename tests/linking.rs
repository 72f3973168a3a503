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
