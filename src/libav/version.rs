//! The versions and the licence of the linked libraries.

use std::ffi::c_uint;

use super::call::string;
use super::ffi;

/// Name and version (major, minor, micro) of each library.
pub fn libraries() -> [(&'static str, [c_uint; 3]); 3] {
    // SAFETY: these functions only return a constant (invariant 12).
    let versions = unsafe { [ffi::avutil_version(), ffi::avcodec_version(), ffi::avformat_version()] };
    let parts = |version: c_uint| [version >> 16, (version >> 8) & 0xff, version & 0xff];
    let [util, codec, format] = versions.map(parts);
    [("libavutil", util), ("libavcodec", codec), ("libavformat", format)]
}

/// The licence of libavformat as it was built.
pub fn license() -> String {
    // SAFETY: a constant string (invariant 12).
    unsafe { string(ffi::avformat_license()) }.unwrap_or_default().into_owned()
}
