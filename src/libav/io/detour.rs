//! The way around a demuxer that opens URLs behind the hook's back: dashdec.c before FFmpeg 7 (`open_url`, `parse_manifest`) gets
//! a URL that leads through a server on this machine, and never knows another one.

use std::borrow::Cow;
use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Kind};
use crate::libav::call::{c_string, string};
use crate::libav::error::AvError;
use crate::libav::ffi;
use crate::libav::option;
use crate::net::{Losses, Request};
use crate::redact;
use crate::shutdown::Shutdown;

use super::beginning::Beginning;
use super::open::Open;
use super::request::RETRYING;

/// A server for one input; ends when it is dropped.
pub trait Detour: Send + Sync {
    /// What stands for the URL of the request that it was started with.
    fn url(&self) -> &str;
    /// Is it of no use to go on? Never waits.
    fn is_over(&self) -> bool;
    /// Why, unless the stream has ended; once.
    fn take_failure(&self) -> Option<Error>;
    /// Why the part that was lost last did not come; once.
    fn take_loss(&self) -> Option<Error>;
    /// `line` with the real URLs in place of those that lead through the server.
    fn reveal<'a>(&self, line: &'a str) -> Cow<'a, str>;
}

/// Starts a server for what the request asks for; the time is that for which failures that may pass are tried again.
pub type StartDetour = Arc<dyn Fn(Request, Duration, Losses, &Shutdown) -> Result<Box<dyn Detour>, Error> + Send + Sync>;

/// http.c takes a proxy that does not begin with `http://` for none, and this one before that of the environment. It is handed
/// down to segments (`ffio_copy_url_options`), as an empty one would not be.
const NO_PROXY: &str = "none";

/// What leads through the server needs no more, and nothing else may be asked for: a reference that we did not turn, say.
const PROTOCOLS: &str = "http,tcp";

impl Open<'_> {
    /// What `context`, which is open, begins with. A manifest may begin with a long comment: what its server or the user says
    /// counts too.
    pub(super) fn beginning(&self, context: *mut ffi::AVIOContext) -> Beginning {
        // SAFETY: a live context of this thread. The format context is valid during its own callback, and its format, if one was
        // asked for, a constant; the string that av_opt_get gives is ours to free (invariants 1, 10 and 12).
        unsafe {
            let found = Beginning::of(context);
            if found != Beginning::Media || !self.top {
                return found;
            }
            let format = (*self.context).iformat;
            let is_asked_for = !format.is_null() && CStr::from_ptr((*format).name) == c"dash";
            let mut content_type = std::ptr::null_mut();
            let flags = ffi::AV_OPT_SEARCH_CHILDREN;
            let code = ffi::av_opt_get(context.cast(), c"mime_type".as_ptr(), flags, &mut content_type);
            let is_named =
                code >= 0 && string(content_type.cast()).is_some_and(|text| text.to_ascii_lowercase().contains("dash+xml"));
            ffi::av_free(content_type.cast());
            if is_asked_for || is_named { Beginning::DashManifest } else { found }
        }
    }

    /// Opens the file through a server on this machine, and has the demuxer find everything else there too.
    pub(super) fn detour(&mut self) -> Result<(), AvError> {
        let url = self.state.access.url.clone();
        let Some(start) = &self.state.access.detour else {
            let message =
                "the DASH demuxer of the linked FFmpeg opens segments behind ffauth's back, and nothing leads it elsewhere";
            let error = Error::new(Kind::Media, format!("{}: {message}", redact::url(&url)));
            return Err(self.give_up(error, AvError::from_errno(libc::ENOSYS)));
        };
        let mut request = self.state.own_request(&url, "GET", self.state.request.fields());
        for (option, name) in [("user_agent", "User-Agent"), ("referer", "Referer")] {
            if let Some(value) = self.options.remove(option).filter(|value| !value.is_empty()) {
                request.headers.push((name.to_owned(), value));
            }
        }
        let losses = self.state.segments.losses.clone();
        let way = match start(request, self.state.access.retry, losses, &self.state.stop) {
            Ok(way) => way,
            Err(error) => return Err(self.give_up(error, AvError::from_errno(libc::EIO))),
        };
        let way = self.state.detour.get_or_init(|| way);
        for name in self.used.drain(..) {
            self.options.remove(&name);
        }
        RETRYING.iter().for_each(|name| drop(self.options.remove(name)));
        let mut options = self.options.clone();
        options.set("http_proxy", NO_PROXY)?;
        let url = c_string(way.url())?;
        // SAFETY: the format context is valid during its own callback; av_strdup copies, and the context frees its URL
        // (invariants 1, 10 and 11).
        unsafe {
            option::set(self.context.cast(), "protocol_whitelist", Some(PROTOCOLS))?;
            let copy = ffi::av_strdup(url.as_ptr());
            if copy.is_null() {
                return Err(AvError::from_errno(libc::ENOMEM));
            }
            ffi::av_free(std::mem::replace(&mut (*self.context).url, copy).cast());
        }
        let before = self.options.pairs();
        self.default_open(&url, &mut options)?;
        before.iter().filter(|(name, _)| options.get(name).is_none()).for_each(|(name, _)| drop(self.options.remove(name)));
        Ok(())
    }
}
