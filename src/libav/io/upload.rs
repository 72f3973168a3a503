//! Outputs: an `AVIOContext` whose bytes go through [`net::Upload`], because http.c pretends that every PUT and POST succeeded.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::ptr;

use crate::error::Error;
use crate::libav::error::AvError;
use crate::libav::option::Dictionary;
use crate::libav::{ffi, log, panic};
use crate::net::{self, UploadMode};
use crate::redact;

use super::Lent;
use super::request::RETRYING;
use super::state::State;
use super::trouble;

/// What became of the objects of one output.
#[derive(Default)]
pub struct Uploads {
    confirmed: Cell<u64>,
    unconfirmed: RefCell<Vec<String>>,
}

impl Uploads {
    /// How many objects the server confirmed.
    pub fn confirmed(&self) -> u64 {
        self.confirmed.get()
    }

    /// The objects that were not confirmed, nor written again with success since; masked.
    pub fn unconfirmed(&self) -> Vec<String> {
        self.unconfirmed.borrow().clone()
    }

    fn confirm(&self, url: &str) {
        self.confirmed.set(self.confirmed.get() + 1);
        self.unconfirmed.borrow_mut().retain(|unconfirmed| unconfirmed != url);
    }

    fn miss(&self, url: &str) {
        let mut unconfirmed = self.unconfirmed.borrow_mut();
        if !unconfirmed.iter().any(|known| known == url) {
            unconfirmed.push(url.to_owned());
        }
    }
}

/// What stands behind one of our write contexts.
struct Writer {
    upload: Option<net::Upload>,
    /// Masked.
    url: String,
    method: String,
    /// The state of the hook that opened it (invariant 2).
    state: *const State,
    failed: Option<AvError>,
}

const BUFFER: usize = 64 * 1024;

/// Opens `url` for writing and consumes the HTTP options among `options`.
pub fn open(state: &State, url: &str, top: bool, options: &mut Dictionary) -> Result<*mut ffi::AVIOContext, AvError> {
    let method = options.remove("method").unwrap_or_else(|| "POST".to_owned());
    // A file of its own has no length that anybody knows; what a muxer opens beside it is an object that is soon complete.
    let mode = if top { UploadMode::stream() } else { UploadMode::object() };
    let mut headers = state.request.fields();
    for (option, name) in
        [("content_type", "Content-Type"), ("user_agent", "User-Agent"), ("referer", "Referer"), ("cookies", "Cookie")]
    {
        if let Some(value) = options.remove(option)
            && !value.is_empty()
        {
            headers.push((name.to_owned(), value));
        }
    }
    for http_only in HTTP_OPTIONS.iter().chain(&RETRYING) {
        options.remove(http_only);
    }
    let Some(media) = &state.access.media else { return Err(AvError::from_errno(libc::EINVAL)) };
    let request = state.own_request(url, &method, headers);
    let upload = match media.upload(request, mode, &state.stop) {
        Ok(upload) => upload,
        Err(error) => return Err(state.refuse_upload(&redact::url(url), Error::from(error))),
    };
    let url = redact::url(url).into_owned();
    // ffmpeg says so at the same level.
    log::write(log::level::VERBOSE, &format!("Opening '{url}' for writing\n"));
    let writer = Box::into_raw(Box::new(Writer { upload: Some(upload), url, method, state, failed: None }));
    // SAFETY: the buffer comes from av_malloc, as avio_alloc_context asks; the writer is freed by `close` alone (invariant 10).
    unsafe {
        let buffer = ffi::av_malloc(BUFFER);
        let context = ffi::avio_alloc_context(buffer.cast(), BUFFER as c_int, 1, writer.cast(), None, Some(write_packet), None);
        if context.is_null() {
            ffi::av_free(buffer);
            drop(Box::from_raw(writer));
            return Err(AvError::from_errno(libc::ENOMEM));
        }
        (*context).seekable = 0;
        Ok(context)
    }
}

/// Options of http.c, tcp.c and tls.c that mean nothing to our writer, or that it honours by itself.
const HTTP_OPTIONS: &[&str] = &[
    "headers",
    "chunked_post",
    "multiple_requests",
    "send_expect_100",
    "http_persistent",
    "auth_type",
    "tls_verify",
    "seekable",
    "icy",
];

/// Is this one of ours?
///
/// # Safety
/// `context` is a valid AVIOContext.
pub unsafe fn is_ours(context: *mut ffi::AVIOContext) -> bool {
    // SAFETY: the caller's promise (invariant 13).
    unsafe { (*context).write_packet }.is_some_and(|write| ptr::fn_addr_eq(write, write_packet as WritePacket))
}

type WritePacket = unsafe extern "C" fn(*mut c_void, Lent, c_int) -> c_int;

/// Flushes, waits for the server's answer and frees the context. The code of the first failure.
///
/// # Safety
/// `context` is one of ours and is not used afterwards.
pub unsafe fn close(context: *mut ffi::AVIOContext) -> c_int {
    // SAFETY: the caller's promise; the opaque pointer is the Writer of `open`, taken back here once (invariant 13).
    let mut writer = unsafe {
        ffi::avio_flush(context);
        let writer = Box::from_raw((*context).opaque.cast::<Writer>());
        ffi::av_freep((&raw mut (*context).buffer).cast());
        let mut context = context;
        ffi::avio_context_free(&mut context);
        writer
    };
    // SAFETY: the hook outlives the contexts that it opened (invariant 2).
    let state = unsafe { &*writer.state };
    state.make_current();
    let Some(upload) = writer.upload.take() else { return writer.failed.map_or(0, |error| error.0) };
    match upload.finish() {
        Ok(_) => {
            state.uploads.confirm(&writer.url);
            0
        }
        Err(failure) => {
            // What a server does not want to delete is not media that was lost.
            if writer.method == "DELETE" {
                log::write(log::level::WARNING, &format!("{}: not deleted: {}\n", writer.url, Error::from(failure)));
                return 0;
            }
            state.refuse_upload(&writer.url, Error::from(failure)).0
        }
    }
}

impl State {
    /// Notes an object that did not arrive.
    fn refuse_upload(&self, url: &str, error: Error) -> AvError {
        let code = trouble::code_of(error.http_status());
        log::write(log::level::ERROR, &format!("{error}\n"));
        self.uploads.miss(url);
        self.note_failure(error);
        code
    }
}

unsafe extern "C" fn write_packet(opaque: *mut c_void, data: Lent, size: c_int) -> c_int {
    panic::contain(AvError::from_errno(libc::EIO).0, || {
        // SAFETY: the Writer of `open`; libav calls on one thread (invariant 1) and lends `size` bytes for the call.
        let (writer, data) =
            unsafe { (&mut *opaque.cast::<Writer>(), std::slice::from_raw_parts(data, usize::try_from(size).unwrap_or(0))) };
        if let Some(error) = writer.failed {
            return error.0;
        }
        let Some(upload) = &mut writer.upload else { return AvError::from_errno(libc::EIO).0 };
        match upload.write(data) {
            Ok(()) => size,
            Err(failure) => {
                // SAFETY: the hook outlives the contexts that it opened (invariant 2).
                let state = unsafe { &*writer.state };
                writer.upload = None;
                let code = state.refuse_upload(&writer.url, Error::from(failure));
                writer.failed = Some(code);
                code.0
            }
        }
    })
}
