//! The configuration file, and a variable of the environment.
#![no_main]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use ffauth::config::Config;
use ffauth::env::Env;
use libfuzzer_sys::fuzz_target;

/// One file for each process, in memory.
fn file() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let folder = PathBuf::from(format!("/dev/shm/ffauth-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("its mode");
        let file = folder.join("config.toml");
        std::fs::write(&file, "").expect("room");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode");
        file
    })
}

fn check(config: Result<Config, ffauth::error::Error>) {
    let errors = match &config {
        Ok(config) => config.names().filter_map(|name| config.profile(name).err()).collect(),
        Err(_) => Vec::new(),
    };
    for error in config.as_ref().err().into_iter().chain(&errors) {
        assert!(!error.to_string().is_empty());
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    std::fs::write(file(), text).expect("room");
    check(Config::load(Some(file()), &Env::default()));
    if let Some((name, value)) = text.split_once('=') {
        check(Config::load(None, &Env::from_pairs([(format!("FFAUTH_{name}"), value.to_owned())])));
    }
});
