//! The AVOptions of the linked libraries, for the command line.

use crate::command_line::{OptionLookup, OptionUse};
use crate::libav::option::Lookup;

/// Looks options up in the FFmpeg libraries that ffauth is linked with.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkedOptions;

impl OptionLookup for LinkedOptions {
    fn find(&self, name: &str) -> Option<OptionUse> {
        let found = Lookup.find(name)?;
        Some(OptionUse {
            format: found.format,
            codec: found.codec,
            generic_codec: found.generic_codec,
            encoding: found.encoding,
            decoding: found.decoding,
            scaler_or_resampler: found.scaler_or_resampler,
            flags: found.flags,
        })
    }
}
