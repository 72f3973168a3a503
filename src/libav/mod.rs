//! libavformat, libavcodec and libavfilter behind safe types; the only folder where `unsafe` compiles.
//!
//! # Invariants
//!
//! Each `SAFETY` comment below this folder cites the number of the rule it stands on.
//!
//! 1. One thread at a time touches an `AVFormatContext` and the `AVIOContext`s under it.
//! 2. The hook (`io::Hook`) outlives the context whose callbacks point into it.
//! 3. An entry of the registry of live contexts goes before the `AVIOContext` that it names.
//! 4. No panic crosses into C: callbacks catch it ([`mod@panic`]), the wrapper resumes it once C has returned.
//! 5. No lock or borrow is held while calling libav: libav calls back into us on the same thread.
//! 6. Strings given to an AVOption are free of NUL; the `headers` option ends in CRLF.
//! 7. `headers` is never among the options given to `avformat_open_input`: the hook adds it per open and strips it from a
//!    top-level playlist's context, since hls.c would copy it to every segment whatever its host.
//! 8. The interrupt callback never blocks and never logs.
//! 9. Pointers that libav returns are checked for null before use, and stay valid until the call that its documentation names.
//! 10. A wrapper owns what it points to from its constructor to its `Drop`, which frees it once. What it lends (streams,
//!     dictionaries, parameters) borrows the wrapper, and libav keeps arrays and their counts in step.
//! 11. Strings and buffers given to a call live through it, terminated or with their size; libav copies, or takes a reference
//!     to, what it keeps.
//! 12. Codecs, formats, options, classes and their names are constants of the library: read, never written.
//! 13. An `unsafe fn` says in its documentation what its caller promises.
//! 14. Functions of plain numbers and of libav's own global atomics have no preconditions.
//! 15. A number from outside becomes a value of a bound enumeration only after a look whether the bindings have it.
//! 16. A filter is named by its place in its graph's list and looked up there, with its kind, for each use.
#![allow(unsafe_code)]

pub mod avio;
pub mod bsf;
pub mod call;
pub mod codec;
mod context;
pub mod copy;
pub mod decoder;
pub mod demuxer;
pub mod describe;
pub mod device;
pub mod encoder;
pub mod error;
pub mod expression;
pub mod filter;
pub mod format;
pub mod frame;
pub mod hw;
pub mod io;
pub mod list;
pub mod log;
pub mod muxer;
pub mod option;
pub mod packet;
pub mod panic;
pub mod process;
pub mod rational;
pub mod stream;
pub mod subtitle;
pub mod time;
pub mod version;

/// The raw bindings, for this folder only.
pub(in crate::libav) use ffmpeg_next::ffi;
