//! libavdevice, loaded when something asks for a device and not before (it brings 80 libraries with it), and the other
//! libraries that are not linked but asked by name.

use std::ffi::c_void;
use std::sync::OnceLock;

use super::call::string;
use super::{ffi, panic};

/// Makes the formats of libavdevice known to libavformat, once.
///
/// # Errors
/// A sentence that says what to install.
pub fn load() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(register).clone()
}

fn register() -> Result<(), String> {
    let register = function("avdevice_register_all")?;
    // SAFETY: avdevice_register_all takes and returns nothing in every version (invariant 14).
    let register: unsafe extern "C" fn() = unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn()>(register) };
    // SAFETY: registering is thread-safe and idempotent; the library stays loaded for the life of the process (invariant 14).
    unsafe { register() };
    panic::resume();
    Ok(())
}

/// The address of a function of libavdevice.
///
/// # Errors
/// A sentence that says what to install.
pub(in crate::libav) fn function(name: &str) -> Result<*mut c_void, String> {
    // SAFETY: returns a number (invariant 14).
    let version = unsafe { ffi::avformat_version() } >> 16;
    // libavdevice's major version has been libavformat's since FFmpeg 5.0; the file is named after it.
    let library = format!("libavdevice.so.{version}");
    symbol(&library, name)
        .map_err(|error| format!("devices need {library}, which could not be loaded ({error}); install libavdevice{version}"))
}

/// The file of libswscale, which is not linked.
pub(in crate::libav) fn scaler() -> String {
    // SAFETY: returns a number (invariant 14).
    let format = unsafe { ffi::avformat_version() } >> 16;
    // FFmpeg 5 has libavformat 59 and libswscale 6; they have counted on together.
    format!("libswscale.so.{}", format - 53)
}

/// The options of libswscale; `None` where it is missing.
pub(in crate::libav) fn scaler_class() -> Option<*const ffi::AVClass> {
    class(&scaler(), "sws_get_class")
}

/// The options of libswresample, which is only linked behind libavcodec; `None` where it is missing.
pub(in crate::libav) fn resampler_class() -> Option<*const ffi::AVClass> {
    // SAFETY: returns a number (invariant 14).
    let codec = unsafe { ffi::avcodec_version() } >> 16;
    // FFmpeg 5 has libavcodec 59 and libswresample 4; they have counted on together, but FFmpeg 7 left libswresample at 5.
    let major = if codec >= 61 { codec - 56 } else { codec - 55 };
    class(&format!("libswresample.so.{major}"), "swr_get_class")
}

fn class(library: &str, function: &str) -> Option<*const ffi::AVClass> {
    let function = symbol(library, function).ok()?;
    // SAFETY: both functions take nothing and return a constant class, in every version (invariant 12).
    unsafe {
        let function = std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *const ffi::AVClass>(function);
        Some(function())
    }
}

/// The address of `name` in a shared library that is loaded and never unloaded.
pub(in crate::libav) fn symbol(library: &str, name: &str) -> Result<*mut c_void, String> {
    let (Ok(library), Ok(name)) = (super::call::c_string(library), super::call::c_string(name)) else {
        return Err("a NUL in a name".to_owned());
    };
    // SAFETY: both strings live through the calls; dlerror's text is read before the next call of the dl family (invariant 11).
    unsafe {
        let handle = libc::dlopen(library.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        let address = if handle.is_null() { handle } else { libc::dlsym(handle, name.as_ptr()) };
        if address.is_null() {
            return Err(string(libc::dlerror()).unwrap_or_default().into_owned());
        }
        Ok(address)
    }
}
