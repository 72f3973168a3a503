//! libavfilter, loaded on the first filtergraph and not before: a stream copy does without it and the dozens of libraries
//! that it brings.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

use crate::error::{Error, Kind};
use crate::libav::device::symbol;
use crate::libav::ffi::{
    self, AVBufferRef, AVBufferSrcParameters, AVChannelLayout, AVClass, AVDictionary, AVFilter, AVFilterContext, AVFilterGraph,
    AVFilterInOut, AVFilterPad, AVFrame, AVMediaType, AVRational,
};

/// Declares a table of C functions that is filled by name. That each has the type that the bindings give it is checked when
/// this is compiled; nothing refers to the functions themselves, so that the program is not linked to them.
macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions of libavfilter that are used.
        pub struct Library {
            $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        $(const _: unsafe extern "C" fn($($argument),*) $(-> $result)? = ffi::$name;)*

        impl Library {
            fn load(library: &str) -> Result<Self, String> {
                Ok(Self {
                    $($name: {
                        let function = symbol(library, stringify!($name))?;
                        // SAFETY: the library has the major version that the bindings were made for, and they give the function
                        // this type (invariant 9).
                        unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(function) }
                    },)*
                })
            }
        }
    };
}

functions! {
    avfilter_version: fn() -> c_uint;
    avfilter_get_class: fn() -> *const AVClass;
    avfilter_get_by_name: fn(*const c_char) -> *const AVFilter;
    av_filter_iterate: fn(*mut *mut c_void) -> *const AVFilter;
    avfilter_filter_pad_count: fn(*const AVFilter, c_int) -> c_uint;
    avfilter_pad_get_name: fn(*const AVFilterPad, c_int) -> *const c_char;
    avfilter_pad_get_type: fn(*const AVFilterPad, c_int) -> AVMediaType;
    avfilter_graph_alloc: fn() -> *mut AVFilterGraph;
    avfilter_graph_free: fn(*mut *mut AVFilterGraph);
    avfilter_graph_alloc_filter: fn(*mut AVFilterGraph, *const AVFilter, *const c_char) -> *mut AVFilterContext;
    avfilter_init_str: fn(*mut AVFilterContext, *const c_char) -> c_int;
    avfilter_init_dict: fn(*mut AVFilterContext, *mut *mut AVDictionary) -> c_int;
    avfilter_free: fn(*mut AVFilterContext);
    avfilter_link: fn(*mut AVFilterContext, c_uint, *mut AVFilterContext, c_uint) -> c_int;
    avfilter_inout_free: fn(*mut *mut AVFilterInOut);
    avfilter_graph_parse2: fn(*mut AVFilterGraph, *const c_char, *mut *mut AVFilterInOut, *mut *mut AVFilterInOut) -> c_int;
    avfilter_graph_set_auto_convert: fn(*mut AVFilterGraph, c_uint);
    avfilter_graph_config: fn(*mut AVFilterGraph, *mut c_void) -> c_int;
    avfilter_graph_request_oldest: fn(*mut AVFilterGraph) -> c_int;
    avfilter_graph_send_command:
        fn(*mut AVFilterGraph, *const c_char, *const c_char, *const c_char, *mut c_char, c_int, c_int) -> c_int;
    avfilter_graph_queue_command: fn(*mut AVFilterGraph, *const c_char, *const c_char, *const c_char, c_int, f64) -> c_int;
    avfilter_graph_dump: fn(*mut AVFilterGraph, *const c_char) -> *mut c_char;
    av_buffersrc_parameters_alloc: fn() -> *mut AVBufferSrcParameters;
    av_buffersrc_parameters_set: fn(*mut AVFilterContext, *mut AVBufferSrcParameters) -> c_int;
    av_buffersrc_add_frame_flags: fn(*mut AVFilterContext, *mut AVFrame, c_int) -> c_int;
    av_buffersrc_close: fn(*mut AVFilterContext, i64, c_uint) -> c_int;
    av_buffersrc_get_nb_failed_requests: fn(*mut AVFilterContext) -> c_uint;
    av_buffersink_get_frame_flags: fn(*mut AVFilterContext, *mut AVFrame, c_int) -> c_int;
    av_buffersink_set_frame_size: fn(*mut AVFilterContext, c_uint);
    av_buffersink_get_type: fn(*const AVFilterContext) -> AVMediaType;
    av_buffersink_get_time_base: fn(*const AVFilterContext) -> AVRational;
    av_buffersink_get_format: fn(*const AVFilterContext) -> c_int;
    av_buffersink_get_frame_rate: fn(*const AVFilterContext) -> AVRational;
    av_buffersink_get_w: fn(*const AVFilterContext) -> c_int;
    av_buffersink_get_h: fn(*const AVFilterContext) -> c_int;
    av_buffersink_get_sample_aspect_ratio: fn(*const AVFilterContext) -> AVRational;
    av_buffersink_get_ch_layout: fn(*const AVFilterContext, *mut AVChannelLayout) -> c_int;
    av_buffersink_get_sample_rate: fn(*const AVFilterContext) -> c_int;
    av_buffersink_get_hw_frames_ctx: fn(*const AVFilterContext) -> *mut AVBufferRef;
}

/// The four kinds of filter that frames go in and come out by.
#[derive(Clone, Copy)]
pub struct Ends {
    pub sources: [*const AVFilter; 2],
    pub sinks: [*const AVFilter; 2],
}

impl Library {
    /// Looks the four up, which takes longer than is good for each frame.
    pub fn ends(&self) -> Ends {
        // SAFETY: the names live through the calls; filters are constants of the library (invariants 11 and 12).
        let find = |name: &std::ffi::CStr| unsafe { (self.avfilter_get_by_name)(name.as_ptr()) };
        Ends { sources: [c"buffer", c"abuffer"].map(find), sinks: [c"buffersink", c"abuffersink"].map(find) }
    }
}

/// libavfilter, loaded once for the life of the process.
///
/// # Errors
/// A sentence that says what to install.
pub fn library() -> Result<&'static Library, Error> {
    static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
    let loaded = LIBRARY.get_or_init(|| {
        crate::libav::log::install();
        let library = Library::load(&format!("libavfilter.so.{MAJOR}"))?;
        // SAFETY: returns a number (invariant 14).
        let version = unsafe { (library.avfilter_version)() } >> 16;
        if version == MAJOR { Ok(library) } else { Err(format!("it has version {version}")) }
    });
    loaded.as_ref().map_err(|error| {
        Error::new(Kind::Usage, format!("libavfilter.so.{MAJOR} could not be loaded ({error})"))
            .with_hint(format!("filters need libavfilter{MAJOR}; install that package"))
    })
}

/// The major version of libavfilter that the bindings describe, after which its file is named.
const MAJOR: u32 = ffi::LIBAVFILTER_VERSION_MAJOR as u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_and_of_the_version_of_the_bindings() {
        library().expect("libavfilter");
    }
}
