//! Hardware devices, as `-init_hw_device` names them, and pictures in their memory.

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::c_int;
use std::fmt;
use std::ptr::{self, NonNull};

use super::call::{c_string, string};
use super::codec::Codec;
use super::error::AvError;
use super::ffi::{self, AVHWDeviceType};
use super::frame::{Frame, PixelFormat};
use super::option::Dictionary;
use super::{log, panic};
use crate::error::{Error, Kind};

/// `enum AVHWDeviceType`: `vaapi`, `cuda`, `qsv` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceType(AVHWDeviceType);

impl DeviceType {
    /// The type of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = c_string(name).ok()?;
        // SAFETY: the name lives through the call, which looks it up in a static table (invariants 11 and 12).
        Self::from_raw(unsafe { ffi::av_hwdevice_find_type_by_name(name.as_ptr()) })
    }

    fn from_raw(raw: AVHWDeviceType) -> Option<Self> {
        (raw != AVHWDeviceType::AV_HWDEVICE_TYPE_NONE).then_some(Self(raw))
    }

    /// Its name.
    pub fn name(self) -> String {
        // SAFETY: a constant of the library or null (invariant 12).
        unsafe { string(ffi::av_hwdevice_get_type_name(self.0)) }.unwrap_or_default().into_owned()
    }

    /// All that the linked libavutil was built with (`-hwaccels`).
    pub fn all() -> Vec<Self> {
        let mut types = Vec::new();
        let mut last = AVHWDeviceType::AV_HWDEVICE_TYPE_NONE;
        loop {
            // SAFETY: goes through a static table (invariants 12 and 14).
            last = unsafe { ffi::av_hwdevice_iterate_types(last) };
            match Self::from_raw(last) {
                Some(kind) => types.push(kind),
                None => return types,
            }
        }
    }
}

/// A counted reference to something of libav.
struct BufferRef(NonNull<ffi::AVBufferRef>);

// SAFETY: the count is atomic, and what libavutil/hwcontext.h refers to may be used by any thread (invariant 10).
unsafe impl Send for BufferRef {}
// SAFETY: as above; nothing is changed through a shared reference (invariant 10).
unsafe impl Sync for BufferRef {}

impl BufferRef {
    /// # Safety
    /// `raw` is null or a valid reference.
    unsafe fn from_shared(raw: *mut ffi::AVBufferRef) -> Option<Self> {
        // SAFETY: the caller's promise; av_buffer_ref gives a reference of our own or null (invariant 13).
        if raw.is_null() { None } else { NonNull::new(unsafe { ffi::av_buffer_ref(raw) }).map(Self) }
    }

    /// A reference for a C structure, which frees it.
    fn to_shared(&self) -> *mut ffi::AVBufferRef {
        // SAFETY: a valid reference (invariant 10).
        unsafe { ffi::av_buffer_ref(self.0.as_ptr()) }
    }
}

impl Clone for BufferRef {
    fn clone(&self) -> Self {
        // av_buffer_ref fails only where a few bytes cannot be had, as Rust's own allocations do.
        let raw = NonNull::new(self.to_shared());
        Self(raw.unwrap_or_else(|| handle_alloc_error(Layout::new::<ffi::AVBufferRef>())))
    }
}

impl Drop for BufferRef {
    fn drop(&mut self) {
        let mut raw = self.0.as_ptr();
        // SAFETY: ours, given up once (invariant 10).
        unsafe { ffi::av_buffer_unref(&mut raw) };
    }
}

/// An open device, which lives as long as somebody refers to it.
#[derive(Clone)]
pub struct Device {
    name: String,
    kind: DeviceType,
    context: BufferRef,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({}={})", self.kind.name(), self.name)
    }
}

impl Device {
    /// Opens a device of this kind (`av_hwdevice_ctx_create`): `device` is a path, a number or a display, by kind; `None` the
    /// first.
    ///
    /// # Errors
    /// libav's; where the machine has none of the kind, mostly `AVERROR(EIO)` or `AVERROR(ENODEV)`.
    pub fn create(kind: DeviceType, name: &str, device: Option<&str>, options: &Dictionary) -> Result<Self, AvError> {
        log::install();
        let device = device.map(c_string).transpose()?;
        let device = device.as_ref().map_or(ptr::null(), |device| device.as_ptr());
        let mut context = ptr::null_mut();
        // SAFETY: the strings and options live through the call, which only reads them; on success the reference is ours
        // (invariant 11).
        let code = unsafe { ffi::av_hwdevice_ctx_create(&mut context, kind.0, device, options.as_ptr().cast_mut(), 0) };
        panic::resume();
        AvError::check(code)?;
        Self::new(kind, name, context)
    }

    /// Opens the device of kind `kind` that is the same piece of hardware as this one.
    ///
    /// # Errors
    /// libav's; `AVERROR(ENOSYS)` where the two kinds have nothing to do with each other.
    pub fn derive(&self, kind: DeviceType, name: &str) -> Result<Self, AvError> {
        let mut context = ptr::null_mut();
        // SAFETY: a valid device; on success the reference is ours (invariant 10).
        let code = unsafe { ffi::av_hwdevice_ctx_create_derived(&mut context, kind.0, self.context.0.as_ptr(), 0) };
        panic::resume();
        AvError::check(code)?;
        Self::new(kind, name, context)
    }

    fn new(kind: DeviceType, name: &str, context: *mut ffi::AVBufferRef) -> Result<Self, AvError> {
        let context = NonNull::new(context).ok_or(AvError::from_errno(libc::ENOMEM))?;
        Ok(Self { name: name.to_owned(), kind, context: BufferRef(context) })
    }

    /// What it was called when it was made.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its kind.
    pub fn kind(&self) -> DeviceType {
        self.kind
    }

    /// A reference for a C structure, which frees it.
    pub(in crate::libav) fn to_shared(&self) -> *mut ffi::AVBufferRef {
        self.context.to_shared()
    }
}

/// A pool of pictures in a device's memory.
#[derive(Clone)]
pub struct Frames(BufferRef);

impl Frames {
    /// # Safety
    /// `raw` is null or a valid reference to an `AVHWFramesContext`.
    pub(in crate::libav) unsafe fn from_shared(raw: *mut ffi::AVBufferRef) -> Option<Self> {
        // SAFETY: the caller's promise (invariant 13).
        unsafe { BufferRef::from_shared(raw) }.map(Self)
    }

    /// A reference for a C structure, which frees it.
    pub(in crate::libav) fn to_shared(&self) -> *mut ffi::AVBufferRef {
        self.0.to_shared()
    }

    /// For comparing and for C functions that take a reference of their own.
    pub(in crate::libav) fn as_ptr(&self) -> *mut ffi::AVBufferRef {
        self.0.0.as_ptr()
    }

    /// Both are references to the same pool.
    pub fn is_same(&self, other: &Self) -> bool {
        // SAFETY: valid references (invariant 10).
        unsafe { (*self.as_ptr()).data == (*other.as_ptr()).data }
    }
}

/// How a codec can use hardware: one `AVCodecHWConfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// What the pictures are in.
    pub format: Option<PixelFormat>,
    /// It takes a device (`AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX`).
    pub takes_device: bool,
    /// It takes pictures from a pool (`AV_CODEC_HW_CONFIG_METHOD_HW_FRAMES_CTX`).
    pub takes_frames: bool,
    /// Of this kind; `None` where it needs none.
    pub device: Option<DeviceType>,
}

impl Codec {
    /// How it can use hardware.
    pub fn hardware_configs(self) -> impl Iterator<Item = Config> {
        (0..).map_while(move |index: c_int| {
            // SAFETY: configurations are constants of the library; null behind the last (invariant 9).
            let config = unsafe { ffi::avcodec_get_hw_config(self.as_ptr(), index).as_ref() }?;
            Some(Config {
                format: PixelFormat::from_raw(config.pix_fmt),
                takes_device: config.methods & ffi::AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX as c_int != 0,
                takes_frames: config.methods & ffi::AV_CODEC_HW_CONFIG_METHOD_HW_FRAMES_CTX as c_int != 0,
                device: DeviceType::from_raw(config.device_type),
            })
        })
    }
}

/// Copies a picture out of a device's memory into `format`, or into the first format that the device offers, and keeps its
/// properties (`av_hwframe_transfer_data`).
///
/// # Errors
/// libav's.
pub fn download(picture: &Frame, format: Option<PixelFormat>) -> Result<Frame, AvError> {
    let mut copy = Frame::new();
    copy.set_pixel_format(format);
    // SAFETY: both are valid; an empty destination is allocated by the call (invariant 10).
    AvError::check(unsafe { ffi::av_hwframe_transfer_data(copy.as_mut_ptr(), picture.as_ptr(), 0) })?;
    copy.copy_properties(picture)?;
    Ok(copy)
}

/// The devices of a command line, by name.
#[derive(Clone, Debug, Default)]
pub struct Devices(Vec<Device>);

impl Devices {
    /// The device of this name.
    pub fn by_name(&self, name: &str) -> Option<&Device> {
        self.0.iter().find(|device| device.name == name)
    }

    /// The only device of this kind; `None` if there are several, as ffmpeg has it.
    pub fn by_kind(&self, kind: DeviceType) -> Option<&Device> {
        let mut devices = self.0.iter().filter(|device| device.kind == kind);
        let first = devices.next()?;
        if devices.next().is_some() { None } else { Some(first) }
    }

    /// All, in the order in which they were made.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Device> {
        self.0.iter()
    }

    fn free_name(&self, kind: DeviceType) -> Result<String, AvError> {
        let name = |number| format!("{}{number}", kind.name());
        (0..1000).map(name).find(|name| self.by_name(name).is_none()).ok_or(AvError::from_errno(libc::ENOMEM))
    }

    /// Makes the device that `-init_hw_device` names: `type[=name][:device[,key=value…]]`, or `type[=name]@source` for the
    /// device that is the same hardware as `source`.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a definition that says nothing; the device's own failure, with the kind that was asked for.
    pub fn init(&mut self, definition: &str) -> Result<&Device, Error> {
        let invalid = |what: &str| {
            Error::new(Kind::Usage, format!("Invalid device specification \"{definition}\": {what}"))
                .with_hint("it is written type[=name][:device[,key=value...]] or type[=name]@source")
        };
        let end = definition.find([':', '=', '@']).unwrap_or(definition.len());
        let (kind, rest) = definition.split_at(end);
        let kind = DeviceType::by_name(kind).ok_or_else(|| invalid("unknown device type"))?;
        let (name, rest) = match rest.strip_prefix('=') {
            Some(rest) => {
                let (name, rest) = rest.split_at(rest.find([':', '@', ',']).unwrap_or(rest.len()));
                if self.by_name(name).is_some() {
                    return Err(invalid("named device already exists"));
                }
                (name.to_owned(), rest)
            }
            None => (self.free_name(kind).map_err(|error| error.about("-init_hw_device"))?, rest),
        };
        let device = if let Some(source) = rest.strip_prefix('@') {
            let source = self.by_name(source).ok_or_else(|| invalid("invalid source device name"))?;
            source.derive(kind, &name)
        } else if let Some(rest) = rest.strip_prefix(':') {
            let (device, options) = rest.split_once(',').unwrap_or((rest, ""));
            let options = Dictionary::parse(options, "=", ",").map_err(|_| invalid("failed to parse options"))?;
            Device::create(kind, &name, Some(device).filter(|device| !device.is_empty()), &options)
        } else if let Some(options) = rest.strip_prefix(',') {
            let options = Dictionary::parse(options, "=", ",").map_err(|_| invalid("failed to parse options"))?;
            Device::create(kind, &name, None, &options)
        } else if rest.is_empty() {
            Device::create(kind, &name, None, &Dictionary::new())
        } else {
            return Err(invalid("parse error"));
        };
        let device = device.map_err(|error| {
            Error::new(Kind::File, format!("Device creation failed: {}: {error}", kind.name()))
                .with_hint(format!("is there a {} device in this machine, and may this user open it?", kind.name()))
                .with_source(error)
        })?;
        self.0.push(device);
        self.0.last().ok_or_else(|| invalid("no device"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names() {
        let all = DeviceType::all();
        assert!(all.iter().all(|kind| DeviceType::by_name(&kind.name()) == Some(*kind)), "{all:?}");
        assert_eq!(DeviceType::by_name("nosuch"), None);
    }

    #[test]
    fn a_definition_that_says_nothing_is_refused() {
        let mut devices = Devices::default();
        let refused = devices.init("nosuch=gpu").expect_err("no such kind");
        assert!(refused.kind() == Kind::Usage && refused.to_string().contains("nosuch=gpu"), "{refused}");
        if let Some(kind) = DeviceType::all().first() {
            let refused = devices.init(&format!("{}=gpu@other", kind.name())).expect_err("no such source");
            assert!(refused.to_string().contains("source"), "{refused}");
        }
    }

    #[test]
    fn a_machine_without_the_device_says_so() {
        let mut devices = Devices::default();
        let Some(vaapi) = DeviceType::by_name("vaapi") else { return };
        let missing = devices.init("vaapi=gpu:/no/such/device").expect_err("no such device");
        assert!(missing.to_string().contains("vaapi") && missing.hint().is_some(), "{missing}");
        assert!(devices.by_name("gpu").is_none() && devices.by_kind(vaapi).is_none());
    }

    #[test]
    fn codecs_name_the_hardware_that_they_can_use() {
        let Some(vaapi) = DeviceType::by_name("vaapi") else { return };
        let h264 = Codec::decoder_by_name("h264").expect("a decoder");
        assert!(h264.hardware_configs().any(|config| config.device == Some(vaapi) && config.takes_device));
        let aac = Codec::decoder_by_name("aac").expect("a decoder");
        assert_eq!(aac.hardware_configs().count(), 0);
    }
}
