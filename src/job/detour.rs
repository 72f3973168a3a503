//! The loopback server as libav's hook starts it, for demuxers that open URLs behind its back.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::Error;
use crate::libav::io::{Detour, StartDetour};
use crate::loopback::Loopback;
use crate::net::Media;

/// Starts servers that ask by `media`.
pub fn starter(media: &Media) -> StartDetour {
    let media = media.clone();
    Arc::new(move |request, retry, losses, stop| Ok(Box::new(Loopback::start(&media, request, retry, losses, stop)?)))
}

impl Detour for Loopback {
    fn url(&self) -> &str {
        self.url()
    }

    fn is_over(&self) -> bool {
        self.is_over()
    }

    fn take_failure(&self) -> Option<Error> {
        self.take_failure()
    }

    fn take_loss(&self) -> Option<Error> {
        self.take_loss()
    }

    fn reveal<'a>(&self, line: &'a str) -> Cow<'a, str> {
        self.reveal(line)
    }
}
