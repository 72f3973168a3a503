//! `-sources` and `-sinks`: what libavdevice finds plugged in.

use std::ffi::{c_char, c_int, c_void};
use std::fmt::Write as _;
use std::ptr;

use super::options::name;
use crate::error::{Error, Kind};
use crate::libav::call::{c_string, string};
use crate::libav::codec::MediaType;
use crate::libav::error::AvError;
use crate::libav::ffi::{self, AVClassCategory as Category, AVDictionary, AVInputFormat, AVMediaType, AVOutputFormat};
use crate::libav::option::Dictionary;
use crate::libav::{device, log, panic};

/// `AVDeviceInfo` of libavdevice/avdevice.h, which the bindings leave out without libavdevice.
#[repr(C)]
struct DeviceInfo {
    device_name: *mut c_char,
    device_description: *mut c_char,
    media_types: *mut AVMediaType,
    nb_media_types: c_int,
}

/// `AVDeviceInfoList`.
#[repr(C)]
struct DeviceInfoList {
    devices: *mut *mut DeviceInfo,
    nb_devices: c_int,
    default_device: c_int,
}

/// An input or output format that may be a device.
trait Format: 'static {
    /// `sources` or `sinks`.
    const WHAT: &'static str;
    /// The functions that go through the devices for sound and for pictures.
    const NEXT: [&'static str; 2];
    /// The function that asks one of them.
    const LIST: &'static str;
    fn name(&self) -> &'static str;
    fn class(&self) -> *const ffi::AVClass;
    /// Has the class one of the categories of such devices?
    fn fits(category: Category) -> bool;
}

impl Format for AVInputFormat {
    const WHAT: &'static str = "sources";
    const NEXT: [&'static str; 2] = ["av_input_audio_device_next", "av_input_video_device_next"];
    const LIST: &'static str = "avdevice_list_input_sources";

    fn name(&self) -> &'static str {
        name(self.name)
    }

    fn class(&self) -> *const ffi::AVClass {
        self.priv_class
    }

    fn fits(category: Category) -> bool {
        let inputs = [
            Category::AV_CLASS_CATEGORY_DEVICE_VIDEO_INPUT,
            Category::AV_CLASS_CATEGORY_DEVICE_AUDIO_INPUT,
            Category::AV_CLASS_CATEGORY_DEVICE_INPUT,
        ];
        inputs.contains(&category)
    }
}

impl Format for AVOutputFormat {
    const WHAT: &'static str = "sinks";
    const NEXT: [&'static str; 2] = ["av_output_audio_device_next", "av_output_video_device_next"];
    const LIST: &'static str = "avdevice_list_output_sinks";

    fn name(&self) -> &'static str {
        name(self.name)
    }

    fn class(&self) -> *const ffi::AVClass {
        self.priv_class
    }

    fn fits(category: Category) -> bool {
        let outputs = [
            Category::AV_CLASS_CATEGORY_DEVICE_VIDEO_OUTPUT,
            Category::AV_CLASS_CATEGORY_DEVICE_AUDIO_OUTPUT,
            Category::AV_CLASS_CATEGORY_DEVICE_OUTPUT,
        ];
        outputs.contains(&category)
    }
}

/// `-sources [DEVICE[,OPTION=VALUE…]]`. libav logs no more than warnings meanwhile.
///
/// # Errors
/// libavdevice is not there, or the options cannot be read.
pub fn sources(argument: Option<&str>) -> Result<String, Error> {
    list::<AVInputFormat>(argument)
}

/// `-sinks [DEVICE[,OPTION=VALUE…]]`, as [`sources`].
///
/// # Errors
/// As [`sources`].
pub fn sinks(argument: Option<&str>) -> Result<String, Error> {
    list::<AVOutputFormat>(argument)
}

fn list<F: Format>(argument: Option<&str>) -> Result<String, Error> {
    device::load().map_err(|error| Error::new(Kind::Usage, error))?;
    let (wanted, options) = argument.map_or(("", ""), |argument| argument.split_once(',').unwrap_or((argument, "")));
    let mut options = if options.is_empty() { Ok(Dictionary::new()) } else { Dictionary::parse(options, "=", ":") }
        .map_err(|error| error.about(argument.unwrap_or_default()))?;
    let mut text = String::new();
    if argument.is_none() {
        text += "\nDevice name is not provided.\nYou can pass devicename[,opt1=val1[,opt2=val2...]] as an argument.\n\n";
    }
    let level = log::level();
    log::set_level(log::level::WARNING);
    let listed = F::NEXT.iter().zip([true, false]).try_for_each(|(next, is_sound)| {
        let next = device::function(next)?;
        // SAFETY: the function takes a format or null and returns the next one, in every version (invariant 9).
        let next = unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const F) -> *const F>(next) };
        let mut format: *const F = ptr::null();
        // SAFETY: formats are constants of the library, null behind the last (invariant 12).
        while let Some(device) = unsafe { next(format).as_ref() } {
            format = device;
            // ffmpeg leaves lavfi out where it goes through the devices for sound, and only there.
            let is_lavfi = is_sound && device.name() == "lavfi";
            if !is_lavfi && (argument.is_none() || matches(wanted, device.name())) {
                ask(device, &mut options, &mut text)?;
            }
        }
        Ok(())
    });
    log::set_level(level);
    listed.map_err(|error: String| Error::new(Kind::Usage, error))?;
    Ok(text)
}

/// Is `wanted` one of the names, which stand between commas?
fn matches(wanted: &str, names: &str) -> bool {
    let (Ok(wanted), Ok(names)) = (c_string(wanted), c_string(names)) else { return false };
    // SAFETY: both strings live through the call (invariant 11).
    unsafe { ffi::av_match_name(wanted.as_ptr(), names.as_ptr()) != 0 }
}

fn ask<F: Format>(format: &'static F, options: &mut Dictionary, text: &mut String) -> Result<(), String> {
    type List<F> = unsafe extern "C" fn(*const F, *const c_char, *mut AVDictionary, *mut *mut DeviceInfoList) -> c_int;
    // SAFETY: null or a class, which is a constant of its library (invariant 12).
    if !unsafe { format.class().as_ref() }.is_some_and(|class| F::fits(class.category)) {
        return Ok(());
    }
    let _ = writeln!(text, "Auto-detected {} for {}:", F::WHAT, format.name());
    let (list, free) = (device::function(F::LIST)?, device::function("avdevice_free_list_devices")?);
    let mut found: *mut DeviceInfoList = ptr::null_mut();
    // SAFETY: the functions have these types in every version of libavdevice; options are only read; the list is null or ours
    // to free, with as many devices and media types as it says (invariants 9 and 11).
    unsafe {
        let list = std::mem::transmute::<*mut c_void, List<F>>(list);
        let free = std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut *mut DeviceInfoList)>(free);
        let code = list(format, ptr::null(), *options.as_mut_ptr(), &mut found);
        panic::resume();
        match (AvError::check(code), found.as_ref()) {
            (Err(error), _) => {
                let _ = writeln!(text, "Cannot list {}: {error}", F::WHAT);
            }
            (Ok(_), Some(found)) => {
                for index in 0..found.nb_devices {
                    let device = &**found.devices.add(usize::try_from(index).unwrap_or_default());
                    describe(device, index == found.default_device, text);
                }
            }
            (Ok(_), None) => (),
        }
        free(&mut found);
    }
    Ok(())
}

fn describe(device: &DeviceInfo, is_default: bool, text: &mut String) {
    let count = usize::try_from(device.nb_media_types).unwrap_or_default();
    // SAFETY: a device of a list of libavdevice, whose strings are valid, with as many media types as it says (invariant 9).
    let (name, description, kinds) = unsafe {
        let kinds = (0..count).map(|index| MediaType::from_raw(*device.media_types.add(index)).name());
        let kinds: Vec<_> = kinds.collect();
        (string(device.device_name).unwrap_or_default(), string(device.device_description).unwrap_or_default(), kinds.join(", "))
    };
    let (mark, kinds) = (if is_default { '*' } else { ' ' }, if kinds.is_empty() { "none" } else { &kinds });
    let _ = writeln!(text, "{mark} {name} [{description}] ({kinds})");
}
