//! Cargo, run by a test: in the folder and the profile that the test itself was built in.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder with what was built.
pub fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder")
}

/// Where the programs of this build are.
pub fn programs() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_ffauth")).parent().expect("a folder").to_owned()
}

/// `cargo COMMAND` without network; `folder` is where it works.
pub fn cargo(command: &str, folder: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.args([command, "--offline"]).current_dir(folder).env("CARGO_TARGET_DIR", target()).stdin(Stdio::null());
    if command == "build" && programs().ends_with("release") {
        cargo.arg("--release");
    }
    cargo
}

/// What it printed.
#[track_caller]
pub fn run(mut cargo: Command) -> String {
    let output = cargo.output().expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{cargo:?} ended with {}:\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("text")
}
