//! What stands between libavformat and the network: the `io_open` hook, the registry of live contexts, the token swap.
//!
//! `Demuxer` and `Muxer` own one [`Hook`] each; it is installed on every context, with or without tokens. Without tokens it
//! only answers the interrupt callback and counts requests. With tokens:
//!
//! - `open` decides per open, by origin, whether a token goes along, asks again after a 401, follows redirects itself and
//!   has certificates verified;
//! - `behind` follows redirects and the answers of APIs, and finds out why a server refuses;
//! - `live` keeps the contexts that are open and puts a newer token on them: between packets, and in the interrupt callback;
//! - `resume` reads through an `AVIOContext` of our own where libavformat's would lose media: tokens in the query, AES-128,
//!   servers without ranges;
//! - `renewal` asks for fresh URLs where signed ones have expired, `entity` looks whether what goes on is what began;
//! - `whole` reads playlists and keys to their end before hls.c sees any of them;
//! - `detour` sends dashdec.c of FFmpeg before 7 through a server on this machine, since it opens URLs behind our back;
//! - `trouble` and `segments` tell what may pass and is tried again, and keep count of what libavformat goes on without;
//! - `lookup` waits for host names, so that nobody waits in libavformat for them;
//! - `streaming` puts the token into the URLs of rtmp, rtsp and srt;
//! - `file` waits where a disk is full;
//! - `pipe` writes into a pipe without being held there by who does not read;
//! - `upload` writes through one of our own, because http.c never looks at the answer to a PUT or POST.

mod beginning;
mod behind;
mod detour;
mod entity;
mod exported;
mod file;
mod live;
mod lookup;
mod open;
mod pipe;
mod renewal;
mod request;
mod resume;
mod segments;
mod state;
mod streaming;
mod trouble;
mod upload;
mod whole;

use std::ffi::{CStr, CString, c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::bearer::{Bearers, MediaPointer};
use crate::error::Error;
use crate::net::{Media, Reach};
use crate::shutdown::Shutdown;

use super::call::c_string;
use super::error::AvError;
use super::option::Dictionary;
use super::{ffi, log};
use state::State;

pub use crate::net::Losses;
pub use detour::{Detour, StartDetour};
pub(in crate::libav) use lookup::wait_for_name;
pub(in crate::libav) use state::{log_event, reveal};
pub use streaming::{check as check_streaming, is_rtsp, is_streaming};

/// The bytes that libavformat lends to `AVIOContext.write_packet`.
#[cfg(constant_writes)]
type Lent = *const u8;
#[cfg(not(constant_writes))]
type Lent = *mut u8;

/// What one input or output may use on the network.
#[derive(Clone, Default)]
pub struct Access {
    /// The URL as given to `-i` or as output.
    pub url: String,
    /// Where in the JSON that `url` answers the URL of the media stands.
    pub pointer: Option<MediaPointer>,
    /// The tokens of `-auth`; empty = plain ffmpeg behaviour.
    pub bearers: Bearers,
    /// How long to keep trying when no token can be had.
    pub wait: Duration,
    /// How long to keep trying a nested request that fails for a reason that may pass.
    pub retry: Duration,
    /// Local files that an output writes wait for space where the disk is full, until this is raised.
    pub waits_for_space: Option<Shutdown>,
    /// Hosts that what comes from the network may lead to.
    pub reach: Reach,
    /// The HTTP client for redirects, uploads and the reason behind a failure; needed wherever there are bearers.
    pub media: Option<Media>,
    /// The job is about to end: an output no longer waits for somebody who does nothing.
    pub hurry: Shutdown,
    /// Gets the counts of opens that came to nothing: nobody is left then to ask for them.
    pub in_vain: Tally,
    /// Who serves what a demuxer opens behind the hook's back; without it such inputs are refused.
    pub detour: Option<StartDetour>,
}

/// What happened on the network for one file, for the summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IoCounts {
    /// HTTP requests sent, retries and hops included.
    pub requests: u64,
    /// Responses of 401 from the media server.
    pub http_401: u64,
    /// Connections taken up again.
    pub reconnects: u64,
    /// Changes of token after the first.
    pub token_swaps: u64,
    /// Opens that were tried again for another reason than a refused token.
    pub retries: u64,
}

impl std::ops::AddAssign for IoCounts {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.http_401 += more.http_401;
        self.reconnects += more.reconnects;
        self.token_swaps += more.token_swaps;
        self.retries += more.retries;
    }
}

/// A sum of counts; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<IoCounts>>);

impl Tally {
    /// The sum so far.
    pub fn get(&self) -> IoCounts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, counts: IoCounts) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += counts;
    }
}

/// The callbacks of one `AVFormatContext` and the state they share. Boxed: libav keeps its address.
///
/// Declared last in the structs that own a context, so that it is dropped after the context was closed (invariant 2).
pub struct Hook(Box<State>);

// SAFETY: the state belongs to whichever thread uses the context, one at a time (invariant 1).
unsafe impl Send for Hook {}

impl Hook {
    /// Puts the callbacks on a context fresh from `avformat_alloc_context` / `avformat_alloc_output_context2`, and takes from
    /// `options`, which are to be given to `avformat_open_input`, `avformat_write_header` or
    /// [`open_output`](Self::open_output) afterwards, what the hook itself honours (invariant 7).
    ///
    /// # Errors
    /// An option that cannot stand beside `-auth`.
    ///
    /// # Safety
    /// `context` is valid, not yet opened, and the hook outlives it (invariant 2).
    pub(in crate::libav) unsafe fn install(
        context: *mut ffi::AVFormatContext,
        access: Access,
        options: &mut Dictionary,
        stop: Shutdown,
    ) -> Result<Self, Error> {
        log::install();
        // SAFETY: the caller's promise (invariant 13).
        let (writes, callbacks) = unsafe { (!(*context).oformat.is_null(), ((*context).io_open, (*context).io_close2)) };
        let state = Box::new(State::new(access, options, writes, callbacks, stop)?);
        let opaque: *mut c_void = std::ptr::from_ref(&*state).cast_mut().cast();
        // SAFETY: the caller's promise; the box does not move (invariant 13).
        unsafe {
            (*context).interrupt_callback = ffi::AVIOInterruptCB { callback: Some(state::interrupted), opaque };
            if state.is_hooked() {
                (*context).opaque = opaque;
                (*context).io_open = Some(open::io_open);
                (*context).io_close2 = Some(open::io_close2);
            }
        }
        state.attach(context);
        Ok(Self(state))
    }

    /// To be called before each read or write of a packet, on the thread that does it: puts a newer token on the live
    /// contexts.
    pub fn before_packet(&self) {
        self.0.make_current();
        self.0.swap_tokens();
    }

    /// To be called just before `avformat_close_input`: the top-level context is freed there without `io_close2`.
    pub fn before_close_input(&self) {
        self.0.make_current();
        self.0.live.forget_top();
    }

    /// Opens the top-level `AVIOContext` of an output (`AVFMT_NOFILE` is not set) and stores it in `(*context).pb`; entries
    /// that were used are removed from `options`, as by `avio_open2`.
    ///
    /// # Safety
    /// `context` is the one the hook was installed on.
    pub(in crate::libav) unsafe fn open_output(
        &self,
        context: *mut ffi::AVFormatContext,
        url: &CStr,
        options: &mut Dictionary,
    ) -> c_int {
        self.0.make_current();
        let text = url.to_string_lossy();
        if self.0.is_authenticated() && state::is_http(&text) || self.0.waits_for_space(&text).is_some() {
            // SAFETY: the caller's promise; io_open gets what libavformat would give it (invariants 13 and 1).
            return unsafe {
                open::io_open(context, &mut (*context).pb, url.as_ptr(), ffi::AVIO_FLAG_WRITE, options.as_mut_ptr())
            };
        }
        if let Some(pipe) = pipe::open(&self.0, &url.to_string_lossy()) {
            // An option of libavformat's own.
            options.remove("blocksize");
            // SAFETY: the caller's promise (invariant 1).
            unsafe { (*context).pb = pipe };
            return 0;
        }
        let placed = match self.placed(url, options) {
            Ok(placed) => placed,
            Err(error) => return error.0,
        };
        // SAFETY: the context is valid; avio_open2 copies what it needs (invariants 1 and 11).
        unsafe {
            ffi::avio_open2(
                &mut (*context).pb,
                placed.as_ptr(),
                ffi::AVIO_FLAG_WRITE,
                &(*context).interrupt_callback,
                options.as_mut_ptr(),
            )
        }
    }

    /// `url` as it is to be opened: rtmp, rtsp and srt carry the token in it. `options` then hold what verifies the server.
    pub(in crate::libav) fn placed(&self, url: &CStr, options: &mut Dictionary) -> Result<CString, AvError> {
        match url.to_str() {
            Ok(text) if is_streaming(text) => c_string(&self.0.streaming_url(text, options)?),
            _ => Ok(url.to_owned()),
        }
    }

    /// Flushes and closes what [`open_output`](Self::open_output) opened; the code of the first failure, uploads included.
    ///
    /// # Safety
    /// As [`open_output`](Self::open_output), after the trailer.
    pub(in crate::libav) unsafe fn close_output(&self, context: *mut ffi::AVFormatContext) -> c_int {
        self.0.make_current();
        // SAFETY: pb came from open_output; io_close2 tells ours from libavformat's own (invariant 10).
        unsafe {
            let pb = std::mem::replace(&mut (*context).pb, std::ptr::null_mut());
            if pb.is_null() {
                0
            } else if pipe::is_ours(pb) {
                pipe::close(pb)
            } else if self.0.is_hooked() {
                open::io_close2(context, pb)
            } else {
                ffi::avio_close(pb)
            }
        }
    }

    /// A sentence that explains the last failure better than libav's code does, once. Also to be asked at the end of the
    /// file: libavformat takes some failures for the end.
    pub fn take_failure(&self) -> Option<Error> {
        self.0.take_failure()
    }

    /// The URL as it was given, where the context has another one.
    pub fn given_url(&self) -> Option<&str> {
        self.0.detour.get().map(|_| self.0.access.url.as_str())
    }

    /// The input is open, with all that belongs to it: what happened is asked for from now on.
    pub fn settle(&self) {
        self.0.settled.set(true);
    }

    /// What the input went on without; alive as long as anybody looks.
    pub fn losses(&self) -> Losses {
        self.0.segments.losses.clone()
    }

    /// Is what came last of another entity than what came before?
    pub fn has_changed(&self) -> bool {
        self.0.has_changed()
    }

    /// The input has ended, or failed: whatever failed last will not come any more.
    pub fn at_end(&self) {
        self.0.make_current();
        self.0.note_end();
        // What was broken off because somebody asked to stop is not lost.
        if !self.0.stop.is_requested() {
            self.0.note_broken();
            self.0.segments.end();
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> IoCounts {
        self.0.counts()
    }

    /// Objects that the server did not confirm (outputs), masked URLs.
    pub fn unconfirmed(&self) -> Vec<String> {
        self.0.uploads.unconfirmed()
    }

    /// Objects that the server confirmed (outputs).
    pub fn uploads(&self) -> u64 {
        self.0.uploads.confirmed()
    }
}
