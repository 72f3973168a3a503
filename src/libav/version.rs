//! The versions, the configuration and the licence of the FFmpeg libraries.

use std::ffi::{c_uint, c_void};

use super::call::string;
use super::{device, ffi};

/// Major, minor, micro.
pub type Version = [c_uint; 3];

/// Name and version of each library that the program is linked with: as it was built against, and as it is.
pub fn libraries() -> [(&'static str, Version, Version); 3] {
    // SAFETY: these functions only return a constant (invariant 12).
    let versions = unsafe { [ffi::avutil_version(), ffi::avcodec_version(), ffi::avformat_version()] };
    let [util, codec, format] = versions.map(parts);
    let built = [
        [ffi::LIBAVUTIL_VERSION_MAJOR, ffi::LIBAVUTIL_VERSION_MINOR, ffi::LIBAVUTIL_VERSION_MICRO],
        [ffi::LIBAVCODEC_VERSION_MAJOR, ffi::LIBAVCODEC_VERSION_MINOR, ffi::LIBAVCODEC_VERSION_MICRO],
        [ffi::LIBAVFORMAT_VERSION_MAJOR, ffi::LIBAVFORMAT_VERSION_MINOR, ffi::LIBAVFORMAT_VERSION_MICRO],
    ];
    let built = built.map(|version| version.map(i32::cast_unsigned));
    [("libavutil", built[0], util), ("libavcodec", built[1], codec), ("libavformat", built[2], format)]
}

/// Name and version of the libraries that are loaded when something needs them, as far as they are installed.
pub fn loaded_libraries() -> Vec<(&'static str, Version)> {
    // SAFETY: return numbers (invariant 14).
    let (format, codec) = unsafe { (ffi::avformat_version() >> 16, ffi::avcodec_version() >> 16) };
    // Their major versions have counted on with libavformat's, except that FFmpeg 7 left libswresample at 5.
    let resampler = if codec >= 61 { codec - 56 } else { codec - 55 };
    [
        ("libavdevice", format, "avdevice_version"),
        ("libavfilter", format - 51, "avfilter_version"),
        ("libswscale", format - 53, "swscale_version"),
        ("libswresample", resampler, "swresample_version"),
        ("libpostproc", format - 3, "postproc_version"),
    ]
    .into_iter()
    .filter_map(|(library, major, function)| {
        let function = device::symbol(&format!("{library}.so.{major}"), function).ok()?;
        // SAFETY: each library's version function takes nothing and returns a number, in every version (invariant 14).
        let version = unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_uint>(function)() };
        Some((library, parts(version)))
    })
    .collect()
}

fn parts(version: c_uint) -> Version {
    [version >> 16, (version >> 8) & 0xff, version & 0xff]
}

/// How libavutil was configured; one build configures all libraries alike.
pub fn configuration() -> String {
    // SAFETY: a constant string (invariant 12).
    unsafe { string(ffi::avutil_configuration()) }.unwrap_or_default().into_owned()
}

/// libavcodec as it names itself in files: `Lavc59.37.100` (`LIBAVCODEC_IDENT`).
pub fn codec_ident() -> String {
    let [_, (_, _, [major, minor, micro]), ..] = libraries();
    format!("Lavc{major}.{minor}.{micro}")
}

/// The licence of libavformat as it was built.
pub fn license() -> String {
    // SAFETY: a constant string (invariant 12).
    unsafe { string(ffi::avformat_license()) }.unwrap_or_default().into_owned()
}
