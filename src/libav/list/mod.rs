//! What the linked libraries can do, as text that is ffmpeg's to the byte.

use std::ffi::c_int;
use std::fmt::Write as _;

use super::call::string;
use super::ffi;
use super::hw::DeviceType;
use crate::error::Error;

pub use devices::{sinks, sources};
pub use help::{Topic, generic_options};

mod codecs;
mod devices;
mod filters;
mod formats;
mod help;
mod options;
mod samples;

/// A list that one of ffmpeg's options prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// `-formats`
    Formats,
    /// `-muxers`
    Muxers,
    /// `-demuxers`
    Demuxers,
    /// `-devices`
    Devices,
    /// `-codecs`
    Codecs,
    /// `-decoders`
    Decoders,
    /// `-encoders`
    Encoders,
    /// `-bsfs`
    BitstreamFilters,
    /// `-protocols`
    Protocols,
    /// `-filters`
    Filters,
    /// `-pix_fmts`
    PixelFormats,
    /// `-layouts`
    Layouts,
    /// `-sample_fmts`
    SampleFormats,
    /// `-dispositions`
    Dispositions,
    /// `-colors`
    Colors,
    /// `-hwaccels`
    HardwareAccelerations,
    /// `-buildconf`
    BuildConfiguration,
}

impl Listing {
    /// All of them, each with its option.
    pub const ALL: [(Self, &'static str); 17] = [
        (Self::Formats, "formats"),
        (Self::Muxers, "muxers"),
        (Self::Demuxers, "demuxers"),
        (Self::Devices, "devices"),
        (Self::Codecs, "codecs"),
        (Self::Decoders, "decoders"),
        (Self::Encoders, "encoders"),
        (Self::BitstreamFilters, "bsfs"),
        (Self::Protocols, "protocols"),
        (Self::Filters, "filters"),
        (Self::PixelFormats, "pix_fmts"),
        (Self::Layouts, "layouts"),
        (Self::SampleFormats, "sample_fmts"),
        (Self::Dispositions, "dispositions"),
        (Self::Colors, "colors"),
        (Self::HardwareAccelerations, "hwaccels"),
        (Self::BuildConfiguration, "buildconf"),
    ];

    /// The list that the option `name` prints.
    pub fn by_option(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, option)| *option == name).map(|(listing, _)| *listing)
    }

    /// The text.
    ///
    /// # Errors
    /// A library that is loaded for it is not there; the error says what to install.
    pub fn text(self) -> Result<String, Error> {
        Ok(match self {
            Self::Formats => formats::formats(formats::Side::Both, false),
            Self::Muxers => formats::formats(formats::Side::Muxers, false),
            Self::Demuxers => formats::formats(formats::Side::Demuxers, false),
            Self::Devices => formats::formats(formats::Side::Both, true),
            Self::Codecs => codecs::codecs(),
            Self::Decoders => codecs::implementations(codecs::Direction::Decode),
            Self::Encoders => codecs::implementations(codecs::Direction::Encode),
            Self::BitstreamFilters => filters::bitstream_filters(),
            Self::Protocols => formats::protocols(),
            Self::Filters => filters::filters()?,
            Self::PixelFormats => samples::pixel_formats(),
            Self::Layouts => samples::layouts(),
            Self::SampleFormats => samples::sample_formats(),
            Self::Dispositions => formats::dispositions(),
            Self::Colors => samples::colors(),
            Self::HardwareAccelerations => hardware("Hardware acceleration methods"),
            Self::BuildConfiguration => build_configuration(),
        })
    }
}

/// What `-init_hw_device list` prints.
pub fn hardware_devices() -> String {
    hardware("Supported hardware device types")
}

fn hardware(head: &str) -> String {
    let names = DeviceType::all().into_iter().map(|kind| kind.name() + "\n");
    format!("{head}:\n{}\n", names.collect::<String>())
}

/// Each option of `configure` on a line of its own.
fn build_configuration() -> String {
    // SAFETY: a constant string (invariant 12).
    let configuration = unsafe { string(ffi::avutil_configuration()) }.unwrap_or_default();
    let mut text = "\n  configuration:\n".to_owned();
    // `--pkg-config-flags='pkg-config --static'` is one option.
    let configuration = configuration.replace(" --", "~--").replace("pkg-config~", "pkg-config ");
    for option in configuration.split('~').filter(|option| !option.is_empty()) {
        let _ = writeln!(text, "    {option}");
    }
    text
}

/// The letter of a kind of stream.
fn letter(media_type: ffi::AVMediaType) -> char {
    match media_type {
        ffi::AVMediaType::AVMEDIA_TYPE_VIDEO => 'V',
        ffi::AVMediaType::AVMEDIA_TYPE_AUDIO => 'A',
        ffi::AVMediaType::AVMEDIA_TYPE_DATA => 'D',
        ffi::AVMediaType::AVMEDIA_TYPE_SUBTITLE => 'S',
        ffi::AVMediaType::AVMEDIA_TYPE_ATTACHMENT => 'T',
        _ => '?',
    }
}

/// The elements of one of libav's iterators, which keep their place in a pointer.
fn iterate<T: 'static>(next: unsafe extern "C" fn(*mut *mut std::ffi::c_void) -> *const T) -> impl Iterator<Item = &'static T> {
    let mut state = std::ptr::null_mut();
    // SAFETY: the state is only touched here; what is returned is a constant of the library, null at the end (invariant 12).
    std::iter::from_fn(move || unsafe { next(&mut state).as_ref() })
}

/// `letter` if `flag` is among `flags`, else a dot.
fn mark(flags: c_int, flag: c_int, letter: char) -> char {
    if flags & flag != 0 { letter } else { '.' }
}

#[cfg(test)]
mod tests;
