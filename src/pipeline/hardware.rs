//! Hardware devices: `-init_hw_device`, `-hwaccel` and what follows from them for decoders and encoders. `ffmpeg_hw.c` of
//! ffmpeg 5.1.

use crate::error::{Error, Kind};
use crate::libav::codec::Codec;
use crate::libav::decoder::{Acceleration, Configuration};
use crate::libav::demuxer::Demuxer;
use crate::libav::encoder;
use crate::libav::error::AvError;
use crate::libav::frame::PixelFormat;
use crate::libav::hw::{Device, DeviceType, Devices, Frames};
use crate::libav::log::{self, level};
use crate::libav::stream::Stream;

use super::plan::{self, Global};
use super::specifier;

/// Makes the devices that the command line asks for.
///
/// # Errors
/// A definition says nothing, or the machine has no such device.
pub fn devices(global: &Global) -> Result<Devices, Error> {
    let mut devices = Devices::default();
    for definition in &global.hw_devices {
        devices.init(definition)?;
    }
    match &global.filter_hw_device {
        Some(name) if devices.by_name(name).is_none() => {
            Err(Error::new(Kind::Usage, format!("Invalid filter device {name}.")).with_hint("name it with -init_hw_device"))
        }
        _ => Ok(devices),
    }
}

/// How a stream is to be decoded.
#[derive(Clone, Debug, Default)]
pub struct Decoding {
    method: Method,
    device: Option<String>,
    output: Option<PixelFormat>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Method {
    #[default]
    None,
    Auto,
    Kind(DeviceType),
}

impl Decoding {
    /// `-hwaccel`, `-hwaccel_device` and `-hwaccel_output_format` of a stream.
    ///
    /// # Errors
    /// No such method or format.
    pub fn read(demuxer: &Demuxer, stream: Stream<'_>, plan: &plan::Input) -> Result<Self, Error> {
        let method = specifier::value(&["hwaccel"], &plan.hwaccel, demuxer, stream)?;
        let output = specifier::value(&["hwaccel_output_format"], &plan.hwaccel_output_format, demuxer, stream)?;
        let device = specifier::value(&["hwaccel_device"], &plan.hwaccel_device, demuxer, stream)?;
        let format = match (output, method.map(String::as_str)) {
            (Some(name), _) => {
                let format = PixelFormat::by_name(name);
                if format.is_none() {
                    log::write(level::FATAL, &format!("Unrecognised hwaccel output format: {name}\n"));
                }
                format
            }
            (None, Some(method @ ("cuvid" | "qsv"))) => {
                let format = if method == "qsv" { "qsv" } else { "cuda" };
                let text = format!(
                    "WARNING: defaulting hwaccel_output_format to {format} for compatibility with old commandlines. This \
                     behaviour is DEPRECATED and will be removed in the future. Please explicitly set \
                     \"-hwaccel_output_format {format}\".\n"
                );
                log::write(level::WARNING, &text);
                PixelFormat::by_name(format)
            }
            (None, _) => None,
        };
        let method = match method.map(String::as_str) {
            None | Some("none") => Method::None,
            Some("auto") => Method::Auto,
            Some(name) => {
                let known = if matches!(name, "nvdec" | "cuvid") { "cuda" } else { name };
                let kind = DeviceType::by_name(known).ok_or_else(|| {
                    let all: Vec<String> = DeviceType::all().into_iter().map(DeviceType::name).collect();
                    Error::new(Kind::Usage, format!("Unrecognized hwaccel: {name}."))
                        .with_hint(format!("Supported hwaccels: {}", all.join(" ")))
                })?;
                Method::Kind(kind)
            }
        };
        Ok(Self { method, device: device.cloned(), output: format })
    }

    /// Gives a decoder its device (`hw_device_setup_for_decode`).
    ///
    /// # Errors
    /// The method that was asked for by name has no device here.
    pub fn set_up(&self, configuration: &mut Configuration, codec: Codec, devices: &mut Devices) -> Result<(), AvError> {
        let kind = match self.method {
            Method::None => {
                let suits = |config: crate::libav::hw::Config| config.device.and_then(|kind| devices.by_kind(kind));
                if let Some(device) = codec.hardware_configs().filter(|config| config.takes_device).find_map(suits) {
                    configuration.set_device(device);
                }
                return Ok(());
            }
            Method::Kind(kind) => kind,
            Method::Auto => match self.choose(codec, devices) {
                Some(kind) => kind,
                None => {
                    log::write(level::INFO, "Auto hwaccel disabled: no device found.\n");
                    return Ok(());
                }
            },
        };
        let device = self.device(kind, devices).inspect_err(|_| {
            let (kind, codec) = (kind.name(), codec.name());
            let text = format!("No device available for decoder: device type {kind} needed for codec {codec}.\n");
            log::write(level::ERROR, &text);
        })?;
        configuration.set_acceleration(&Acceleration { kind, device: Some(device), output: self.output });
        Ok(())
    }

    /// The first kind of device that the decoder can use and that is there.
    fn choose(&self, codec: Codec, devices: &mut Devices) -> Option<DeviceType> {
        let kinds: Vec<DeviceType> = codec.hardware_configs().filter_map(|config| config.device).collect();
        if let Some(kind) = kinds.iter().find(|kind| devices.by_kind(**kind).is_some()) {
            return Some(*kind);
        }
        kinds.into_iter().find(|kind| self.device(*kind, devices).is_ok())
    }

    fn device(&self, kind: DeviceType, devices: &mut Devices) -> Result<Device, AvError> {
        let named = self.device.as_deref().and_then(|name| devices.by_name(name));
        if let Some(device) = named.or(devices.by_kind(kind).filter(|_| self.device.is_none())) {
            return if device.kind() == kind { Ok(device.clone()) } else { Err(AvError::from_errno(libc::EINVAL)) };
        }
        let definition = match &self.device {
            Some(name) => format!("{}:{name}", kind.name()),
            None => kind.name(),
        };
        devices.init(&definition).cloned().map_err(|error| {
            log::write(level::ERROR, &format!("{error}\n"));
            AvError::from_errno(libc::ENODEV)
        })
    }
}

/// Gives an encoder the pool that its pictures come from, or a device (`hw_device_setup_for_encode`).
pub fn set_up_encoder(
    configuration: &mut encoder::Configuration,
    codec: Codec,
    format: Option<PixelFormat>,
    frames: Option<&Frames>,
    devices: &Devices,
) {
    let mut device = None;
    for config in codec.hardware_configs() {
        if let Some(frames) = frames
            && format.is_some_and(PixelFormat::is_hardware)
            && config.takes_frames
            && (config.format.is_none() || config.format == format)
        {
            configuration.set_hardware_frames(frames);
            return;
        }
        if device.is_none() && config.takes_device {
            device = config.device.and_then(|kind| devices.by_kind(kind));
        }
    }
    if let Some(device) = device {
        configuration.set_device(device);
    }
}
