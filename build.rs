//! Checks that FFmpeg's development files are there, says in one sentence what to install if not, tells the source which
//! libavformat it is built against, and compiles the one callback that has to be C.

#![allow(clippy::print_stderr)]

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/libav/log.c");
    println!("cargo:rustc-check-cfg=cfg(libavformat_59)");
    println!("cargo:rustc-check-cfg=cfg(dash_io_open)");
    println!("cargo:rustc-check-cfg=cfg(frame_flags)");
    println!("cargo:rustc-check-cfg=cfg(constant_writes)");
    println!("cargo:rustc-check-cfg=cfg(error_bodies)");
    println!("cargo:rustc-check-cfg=cfg(end_pts)");
    let library = |name: &str, version: &str| {
        let found = pkg_config::Config::new().cargo_metadata(false).atleast_version(version).probe(name);
        found.unwrap_or_else(|_| {
            eprintln!(
                "ffauth needs FFmpeg 5.1 or later with its development files; on Debian and Ubuntu: apt-get install \
                 libavformat-dev libavcodec-dev libavfilter-dev libavutil-dev libclang-dev pkg-config gcc"
            );
            std::process::exit(1)
        })
    };
    let libavformat = library("libavformat", "59");
    let major: u32 = libavformat.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major == 59 {
        println!("cargo:rustc-cfg=libavformat_59");
    }
    // libavformat 61 (FFmpeg 7) opens DASH segments through AVFormatContext.io_open.
    if major >= 61 {
        println!("cargo:rustc-cfg=dash_io_open");
        // libavutil 59, of the same release, tells key and interlaced frames by AVFrame.flags.
        println!("cargo:rustc-cfg=frame_flags");
        // AVIOContext.write_packet must not change what it writes.
        println!("cargo:rustc-cfg=constant_writes");
        // http.c reads the head of a refusal to its end, and takes the length of its body for that of the file.
        println!("cargo:rustc-cfg=error_bodies");
    } else {
        // Until then av_stream_get_end_pts tells how far a muxer has come.
        println!("cargo:rustc-cfg=end_pts");
    }
    let linux = ["CARGO_CFG_TARGET_OS", "CARGO_CFG_TARGET_ENV"].map(|name| std::env::var(name).unwrap_or_default());
    if linux == ["linux", "gnu"] {
        // Half a megabyte of relocations that the loader reads into memory are written in a hundredth of that.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    let libavutil = library("libavutil", "57");
    cc::Build::new().file("src/libav/log.c").includes(libavutil.include_paths).compile("ffauth_log");
}
