//! Checks that FFmpeg's development files are there, says in one sentence what to install if not, and tells the source which
//! libavformat it is built against.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(libavformat_59)");
    println!("cargo:rustc-check-cfg=cfg(dash_io_open)");
    let libavformat = pkg_config::Config::new().cargo_metadata(false).atleast_version("59").probe("libavformat");
    let libavformat = libavformat.unwrap_or_else(|_| {
        eprintln!(
            "ffauth needs FFmpeg 5.1 or later with its development files; on Debian and Ubuntu: apt-get install \
             libavformat-dev libavcodec-dev libavutil-dev libclang-dev pkg-config"
        );
        std::process::exit(1)
    });
    let major: u32 = libavformat.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major == 59 {
        println!("cargo:rustc-cfg=libavformat_59");
    }
    // libavformat 61 (FFmpeg 7) opens DASH segments through AVFormatContext.io_open.
    if major >= 61 {
        println!("cargo:rustc-cfg=dash_io_open");
    }
}
