//! What a copied stream takes over from its source before the header is written.
//!
//! The rules of `init_output_stream_streamcopy` of ffmpeg.c.

use super::codec::MediaType;
use super::error::AvError;
use super::ffi::{self, AVCodecID};
use super::muxer::Muxer;
use super::option::Dictionary;
use super::rational::Rational;
use super::stream::Stream;

/// What the user wants different from the source.
#[derive(Default)]
pub struct StreamCopy {
    /// AVOptions of the codec context: bit rate, profile and the like.
    pub options: Dictionary,
    /// `-r`, of the output or else of the input.
    pub frame_rate: Option<Rational>,
    /// `-aspect`: of the whole picture.
    pub aspect: Option<Rational>,
    /// `-metadata:s rotate=`, in degrees.
    pub rotation: Option<f64>,
    /// `-copytb`: which of the source's time bases goes on; -1 = automatic.
    pub time_base: i32,
}

impl Muxer {
    /// Makes the stream at `index` a copy of `source`.
    ///
    /// # Errors
    /// An option's value is wrong, or `AVERROR(ENOMEM)`.
    pub fn copy_stream(&mut self, index: usize, source: Stream<'_>, wanted: &mut StreamCopy) -> Result<(), AvError> {
        let format = self.format().raw();
        let parameters = source.parameters()?.with_options(&mut wanted.options)?;
        let stream = self.stream_mut(index).ok_or(AvError::from_errno(libc::EINVAL))?;
        // SAFETY: both streams belong to contexts that are borrowed here, and each has parameters (invariants 1 and 9).
        let (target, source) = unsafe { (&mut *stream.as_ptr(), &*source.as_ptr()) };
        // SAFETY: as above (invariant 10).
        let (to, from) = unsafe { (&mut *target.codecpar, &*parameters.as_ptr()) };

        // The user's tag, else the source's where the container knows it for this codec or knows none at all.
        let mut tag = to.codec_tag;
        if tag == 0 {
            let mut own = 0;
            // SAFETY: the format's tag tables are constants or null (invariant 12).
            let keep = unsafe {
                format.codec_tag.is_null()
                    || ffi::av_codec_get_id(format.codec_tag, from.codec_tag) == from.codec_id
                    || ffi::av_codec_get_tag2(format.codec_tag, from.codec_id, &mut own) == 0
            };
            if keep {
                tag = from.codec_tag;
            }
        }
        // SAFETY: both are valid (invariant 10).
        AvError::check(unsafe { ffi::avcodec_parameters_copy(to, from) })?;
        to.codec_tag = tag;

        target.avg_frame_rate = wanted.frame_rate.map_or(source.avg_frame_rate, Into::into);
        let copy_tb = match wanted.time_base {
            0 => ffi::AVTimebaseSource::AVFMT_TBCF_DECODER,
            1 => ffi::AVTimebaseSource::AVFMT_TBCF_DEMUXER,
            2 => ffi::AVTimebaseSource::AVFMT_TBCF_R_FRAMERATE,
            _ => ffi::AVTimebaseSource::AVFMT_TBCF_AUTO,
        };
        // SAFETY: the streams are valid; nothing is kept (invariant 10).
        AvError::check(unsafe { ffi::avformat_transfer_internal_stream_timing_info(format, target, source, copy_tb) })?;
        if !Rational::from(target.time_base).is_positive() {
            target.time_base = match wanted.frame_rate {
                Some(rate) => rate.inverse().into(),
                // SAFETY: a valid stream; adding zero takes common factors away (invariant 10).
                None => unsafe { ffi::av_add_q(ffi::av_stream_get_codec_timebase(target), Rational::new(0, 1).into()) },
            };
        }
        if target.duration <= 0 && source.duration > 0 {
            // SAFETY: plain arithmetic (invariant 14).
            target.duration = unsafe { ffi::av_rescale_q(source.duration, source.time_base, target.time_base) };
        }
        copy_side_data(target, source)?;
        if let Some(rotation) = wanted.rotation {
            set_rotation(target, rotation);
        }

        match MediaType::from_raw(to.codec_type) {
            MediaType::Audio => {
                // Block sizes that demuxers of other containers made up.
                let made_up = [1, 576, 1152].contains(&to.block_align) && to.codec_id == AVCodecID::AV_CODEC_ID_MP3;
                if made_up || to.codec_id == AVCodecID::AV_CODEC_ID_AC3 {
                    to.block_align = 0;
                }
            }
            MediaType::Video => {
                let aspect = match wanted.aspect {
                    Some(aspect) => aspect.times(Rational::new(to.height, to.width)).into(),
                    None if source.sample_aspect_ratio.num != 0 => source.sample_aspect_ratio,
                    None => from.sample_aspect_ratio,
                };
                to.sample_aspect_ratio = aspect;
                target.sample_aspect_ratio = aspect;
                target.avg_frame_rate = source.avg_frame_rate;
                target.r_frame_rate = source.r_frame_rate;
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(libavformat_59)]
fn copy_side_data(target: &mut ffi::AVStream, source: &ffi::AVStream) -> Result<(), AvError> {
    let count = usize::try_from(source.nb_side_data).unwrap_or_default();
    for index in 0..count {
        // SAFETY: libavformat keeps nb_side_data elements there; the new element is `size` bytes long (invariant 9).
        unsafe {
            let element = &*source.side_data.add(index);
            let data = ffi::av_stream_new_side_data(target, element.type_, element.size);
            if data.is_null() {
                return Err(AvError::from_errno(libc::ENOMEM));
            }
            std::ptr::copy_nonoverlapping(element.data, data, element.size);
        }
    }
    Ok(())
}

/// From libavformat 60 on the side data is among the parameters, which have been copied.
#[cfg(not(libavformat_59))]
fn copy_side_data(_: &mut ffi::AVStream, _: &ffi::AVStream) -> Result<(), AvError> {
    Ok(())
}

fn set_rotation(target: &mut ffi::AVStream, degrees: f64) {
    let size = 9 * size_of::<i32>();
    let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX;
    #[cfg(libavformat_59)]
    // SAFETY: a valid stream (invariant 10).
    let matrix = unsafe { ffi::av_stream_new_side_data(target, kind, size) };
    #[cfg(not(libavformat_59))]
    // SAFETY: a valid stream with parameters; libav keeps array and count in step (invariant 10).
    let matrix = unsafe {
        let parameters = &mut *target.codecpar;
        let (list, count) = (&mut parameters.coded_side_data, &mut parameters.nb_coded_side_data);
        let element = ffi::av_packet_side_data_new(list, count, kind, size, 0);
        if element.is_null() { std::ptr::null_mut() } else { (*element).data }
    };
    if !matrix.is_null() {
        // SAFETY: nine 32-bit numbers were allocated, aligned for any type (invariant 14).
        unsafe { ffi::av_display_rotation_set(matrix.cast(), -degrees) };
    }
}
