//! What a file begins with, where that decides how it is read.

use std::ffi::c_int;

use crate::libav::ffi;

/// What an open has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// RFC 8216.
    Playlist,
    /// ISO/IEC 23009-1.
    DashManifest,
    /// Anything else.
    Media,
}

impl Beginning {
    /// What the first bytes say. They stay in the buffer.
    ///
    /// # Safety
    /// `context` is open for reading, at its start, and of this thread.
    pub unsafe fn of(context: *mut ffi::AVIOContext) -> Self {
        let mut start = [0_u8; 1024];
        // SAFETY: the caller's promise (invariant 13); what is read fits, and going back over it stays within its buffer.
        let read = unsafe {
            let at = ffi::avio_seek(context, 0, libc::SEEK_CUR);
            let read = ffi::avio_read_partial(context, start.as_mut_ptr(), start.len() as c_int);
            if read > 0 {
                ffi::avio_seek(context, at, libc::SEEK_SET);
            }
            usize::try_from(read).unwrap_or(0)
        };
        Self::in_bytes(&start[..read])
    }

    fn in_bytes(start: &[u8]) -> Self {
        if start.starts_with(b"#EXTM3U") {
            Self::Playlist
        } else if start.windows(4).any(|tag| tag.eq_ignore_ascii_case(b"<MPD")) {
            Self::DashManifest
        } else {
            Self::Media
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn playlists_and_manifests_are_known_by_their_first_bytes() {
        for (start, beginning) in [
            (&b"#EXTM3U\n#EXT-X-VERSION:3"[..], Beginning::Playlist),
            (b"<?xml version=\"1.0\"?>\n<MPD xmlns=\"\">", Beginning::DashManifest),
            (b"\x47\x40\x00", Beginning::Media),
            (b"", Beginning::Media),
        ] {
            assert_eq!(Beginning::in_bytes(start), beginning);
        }
    }
}
