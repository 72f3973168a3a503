//! `-h TOPIC=NAME` and the options of all libraries at the end of `-h full`.

use std::ffi::c_int;

use super::codecs::{self, Direction};
use super::options::class_and_children;
use super::{filters, formats};
use crate::error::Error;
use crate::libav::{device, ffi, filter};

/// What `-h` can be asked about by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A decoder, or all for a codec.
    Decoder,
    /// An encoder, or all for a codec.
    Encoder,
    /// A demuxer.
    Demuxer,
    /// A muxer.
    Muxer,
    /// A filter.
    Filter,
    /// A bitstream filter.
    BitstreamFilter,
    /// A protocol.
    Protocol,
}

impl Topic {
    /// The topic that stands before `=`.
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "decoder" => Self::Decoder,
            "encoder" => Self::Encoder,
            "demuxer" => Self::Demuxer,
            "muxer" => Self::Muxer,
            "filter" => Self::Filter,
            "bsf" => Self::BitstreamFilter,
            "protocol" => Self::Protocol,
            _ => return None,
        })
    }

    /// What there is to say, also of a name that nothing has: ffmpeg writes that to stdout too, and ends with success.
    ///
    /// # Errors
    /// A library that is loaded for it is not there; the error says what to install.
    pub fn help(self, name: Option<&str>) -> Result<String, Error> {
        Ok(match self {
            Self::Decoder => codecs::help(Direction::Decode, name),
            Self::Encoder => codecs::help(Direction::Encode, name),
            Self::Demuxer => formats::demuxer_help(name),
            Self::Muxer => formats::muxer_help(name),
            Self::Filter => filters::help(name)?,
            Self::BitstreamFilter => filters::bitstream_filter_help(name),
            Self::Protocol => formats::protocol_help(name),
        })
    }
}

/// The options that codecs, formats, scaler, resampler, filters and bitstream filters have, in the order of `-h full`.
///
/// # Errors
/// libavfilter is not there; the error says what to install.
pub fn generic_options() -> Result<String, Error> {
    let _ = device::load();
    let library = filter::library()?;
    let both = ffi::AV_OPT_FLAG_ENCODING_PARAM | ffi::AV_OPT_FLAG_DECODING_PARAM;
    let filtering = ffi::AV_OPT_FLAG_VIDEO_PARAM | ffi::AV_OPT_FLAG_AUDIO_PARAM | ffi::AV_OPT_FLAG_FILTERING_PARAM;
    // SAFETY: return constants (invariant 12).
    let (codec, format, graph, bitstream) =
        unsafe { (ffi::avcodec_get_class(), ffi::avformat_get_class(), (library.avfilter_get_class)(), ffi::av_bsf_get_class()) };
    let mut text = String::new();
    let mut add = |class: *const ffi::AVClass, flags: c_int| class_and_children(class, flags, &mut text);
    add(codec, both);
    add(format, both);
    add(device::scaler_class().unwrap_or(std::ptr::null()), both);
    add(device::resampler_class().unwrap_or(std::ptr::null()), ffi::AV_OPT_FLAG_AUDIO_PARAM);
    add(graph, filtering);
    add(bitstream, ffi::AV_OPT_FLAG_VIDEO_PARAM | ffi::AV_OPT_FLAG_AUDIO_PARAM | ffi::AV_OPT_FLAG_BSF_PARAM);
    Ok(text)
}
