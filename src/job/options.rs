//! The AVOptions of the linked libraries, for the command line.

use crate::command_line::{OptionLookup, OptionUse};
use crate::env::Env;
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
            scaler: found.scaler,
            resampler: found.resampler,
            flags: found.flags,
        })
    }

    /// `get_preset_file` of ffmpeg's cmdutils.
    fn preset(&self, name: &str, codec: Option<&str>) -> Option<(String, String)> {
        let env = Env::of_process();
        let folders = [
            env.get("FFMPEG_DATADIR").map(str::to_owned),
            env.get("HOME").map(|home| format!("{home}/.ffmpeg")),
            Some("/usr/share/ffmpeg".to_owned()),
        ];
        folders.into_iter().flatten().find_map(|folder| {
            let own = codec.map(|codec| format!("{folder}/{codec}-{name}.ffpreset"));
            let paths = [Some(format!("{folder}/{name}.ffpreset")), own];
            paths.into_iter().flatten().find_map(|path| self.file(&path).map(|text| (path, text)))
        })
    }

    fn file(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }
}
