//! The television norm of a `-target` that names none: that of the first input stream whose time base is one frame of it
//! (`opt_target` of ffmpeg 5.1).

use std::borrow::Cow;

use crate::error::{Error, Kind};
use crate::libav::codec::MediaType;
use crate::libav::log::{self, level};
use crate::libav::rational::Rational;

use super::demux::Input;
use super::plan::Plan;

/// Settles which of its two readings each such output has.
///
/// # Errors
/// No input tells.
pub fn settle<'p>(plan: &'p Plan, inputs: &[Input]) -> Result<Cow<'p, Plan>, Error> {
    if plan.outputs.iter().all(|output| output.ntsc.is_none()) {
        return Ok(Cow::Borrowed(plan));
    }
    let streams = inputs.iter().flat_map(|input| input.demuxer.streams());
    let mut pictures = streams.filter(|stream| stream.media_type() == MediaType::Video);
    let Some(is_pal) = pictures.find_map(|stream| is_pal(stream.time_base())) else {
        return Err(Error::new(Kind::Usage, "Could not determine norm (PAL/NTSC/NTSC-Film) for target.")
            .with_hint("put pal-, ntsc- or film- in front of the target's name"));
    };
    let mut plan = plan.clone();
    for output in &mut plan.outputs {
        if let Some(ntsc) = output.ntsc.take() {
            log::write(level::INFO, &format!("Assuming {} for target.\n", if is_pal { "PAL" } else { "NTSC" }));
            if !is_pal {
                *output = *ntsc;
            }
        }
    }
    Ok(Cow::Owned(plan))
}

/// Is this one frame of PAL (`true`) or of NTSC?
fn is_pal(time_base: Rational) -> Option<bool> {
    match i64::from(time_base.den) * 1000 / i64::from(time_base.num.max(1)) {
        25_000 => Some(true),
        29_970 | 23_976 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_the_norm() {
        for (num, den, norm) in [(1, 25, Some(true)), (1001, 30_000, Some(false)), (1001, 24_000, Some(false)), (1, 90_000, None)]
        {
            assert_eq!(is_pal(Rational::new(num, den)), norm, "{num}/{den}");
        }
    }
}
