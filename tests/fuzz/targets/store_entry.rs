//! A token file that anything may have happened to.
#![no_main]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use ffauth::oauth::store::{FileStore, Key, Store};
use ffauth_fuzz::client;
use libfuzzer_sys::fuzz_target;

fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = PathBuf::from(format!("/dev/shm/ffauth-fuzz-{}/tokens", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        for folder in folder.ancestors().take(2) {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).expect("its mode");
        }
        folder
    })
}

fuzz_target!(|data: &[u8]| {
    let (store, key) = (FileStore::new(folder().clone()), Key::of(&client()));
    let file = PathBuf::from(store.place(&key));
    std::fs::write(&file, data).expect("room");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    let peeked = store.peek(&key);
    let mut lock = store.lock(&key, Duration::ZERO).expect("the lock");
    match lock.read().expect("readable") {
        // What can be read can be written and is the same again.
        Some(entry) => {
            assert_eq!(peeked, Ok(Some(entry.clone())));
            lock.write(&entry).expect("room");
            assert_eq!(lock.read(), Ok(Some(entry)));
        }
        None => {
            assert!(peeked.is_err());
            assert_eq!(std::fs::read(file.with_extension("bad")).expect("moved aside"), data);
        }
    }
});
