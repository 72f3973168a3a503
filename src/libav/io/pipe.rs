//! Outputs into a pipe whose other end somebody may have left unread: libavformat's own (file.c) waits there in `write`, and no
//! interrupt callback is asked meanwhile.

use std::ffi::{c_int, c_void};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::ptr;
use std::time::Duration;

use crate::libav::error::AvError;
use crate::libav::{ffi, panic};

use super::state::State;

/// What stands behind one of our contexts.
struct Pipe {
    /// A description of our own of the same pipe, which does not block.
    file: File,
    /// The state of the hook that opened it (invariant 2).
    state: *const State,
}

const BUFFER: usize = 32 * 1024;

/// How often a write that waits for a reader looks whether it is to go on.
const LOOK: Duration = Duration::from_millis(50);

/// Who ends waits so long for somebody to read what is left.
const GRACE: Duration = Duration::from_millis(300);

/// Opens `url` where it names a pipe of this process; `None` leaves it to libavformat.
pub fn open(state: &State, url: &str) -> Option<*mut ffi::AVIOContext> {
    let number = url.strip_prefix("pipe:")?;
    let descriptor: u32 = if number.is_empty() { 1 } else { number.parse().ok()? };
    let path = format!("/proc/self/fd/{descriptor}");
    if !std::fs::metadata(&path).ok()?.file_type().is_fifo() {
        return None;
    }
    let file = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    let pipe = Box::into_raw(Box::new(Pipe { file, state }));
    // SAFETY: the buffer comes from av_malloc, as avio_alloc_context asks; the pipe is freed by `close` alone (invariant 10).
    unsafe {
        let buffer = ffi::av_malloc(BUFFER);
        let context = ffi::avio_alloc_context(buffer.cast(), BUFFER as c_int, 1, pipe.cast(), None, Some(write_packet), None);
        if context.is_null() {
            ffi::av_free(buffer);
            drop(Box::from_raw(pipe));
            return None;
        }
        (*context).seekable = 0;
        Some(context)
    }
}

/// Is this one of ours?
///
/// # Safety
/// `context` is a valid AVIOContext.
pub unsafe fn is_ours(context: *mut ffi::AVIOContext) -> bool {
    // SAFETY: the caller's promise (invariant 13).
    unsafe { (*context).write_packet }.is_some_and(|write| ptr::fn_addr_eq(write, write_packet as WritePacket))
}

type WritePacket = unsafe extern "C" fn(*mut c_void, *mut u8, c_int) -> c_int;

/// Flushes and frees the context; the code of the first failure.
///
/// # Safety
/// `context` is one of ours and is not used afterwards.
pub unsafe fn close(context: *mut ffi::AVIOContext) -> c_int {
    // SAFETY: the caller's promise; the opaque pointer is the Pipe of `open`, taken back here once (invariant 13).
    unsafe {
        ffi::avio_flush(context);
        let error = (*context).error;
        drop(Box::from_raw((*context).opaque.cast::<Pipe>()));
        ffi::av_freep((&raw mut (*context).buffer).cast());
        let mut context = context;
        ffi::avio_context_free(&mut context);
        error
    }
}

unsafe extern "C" fn write_packet(opaque: *mut c_void, data: *mut u8, size: c_int) -> c_int {
    panic::contain(AvError::from_errno(libc::EIO).0, || {
        // SAFETY: the Pipe of `open`; libav calls on one thread (invariant 1) and lends `size` bytes for the call.
        let (pipe, mut data) =
            unsafe { (&mut *opaque.cast::<Pipe>(), std::slice::from_raw_parts(data, usize::try_from(size).unwrap_or(0))) };
        while !data.is_empty() {
            match pipe.file.write(data) {
                Ok(written) => data = &data[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !pipe.wait() {
                        return AvError::EXIT.0;
                    }
                }
                Err(error) => return AvError::from_errno(error.raw_os_error().unwrap_or(libc::EIO)).0,
            }
        }
        size
    })
}

impl Pipe {
    /// Waits until somebody has read; false if it is to wait no longer.
    fn wait(&self) -> bool {
        // SAFETY: the hook outlives the contexts that it opened (invariant 2).
        let state = unsafe { &*self.state };
        let mut waited = Duration::ZERO;
        loop {
            let mut ready = libc::pollfd { fd: self.file.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
            // SAFETY: one pollfd that lives through the call (invariant 11).
            let found = unsafe { libc::poll(&mut ready, 1, c_int::try_from(LOOK.as_millis()).unwrap_or(0)) };
            if found > 0 {
                return true;
            }
            waited += LOOK;
            if state.stop.is_requested() || (state.access.hurry.is_requested() && waited >= GRACE) {
                return false;
            }
        }
    }
}
