//! Filtergraphs of libavfilter.
//!
//! ```text
//! parse("scale=640:-1,fps=25") → open inputs and outputs
//! add_source … link … open input      open output … link … add_sink      configure
//! send(source, frame) … receive(sink, frame) until Again … close(source) … receive(sink, frame) until End
//! ```

use std::ffi::{c_int, c_uint};
use std::ptr::{self, NonNull};

use super::call::{c_string, string};
use super::codec::MediaType;
use super::error::AvError;
use super::ffi;
use super::hw::Device;
use super::option::{self, Dictionary};
use super::panic;
use crate::error::Error;

pub(in crate::libav) use library::{Library, library};
pub use sink::{Received, Sink};
pub use source::{Source, SourceParameters};

mod library;
mod sink;
mod source;

/// A filter of a graph: its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Filter(usize);

/// An input or output of a graph that nothing is linked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPad {
    /// What stands in brackets: the `0:v` of `[0:v]`.
    pub label: Option<String>,
    /// Whose input or output it is.
    pub filter: Filter,
    /// Which of them.
    pub pad: usize,
    /// What goes through it.
    pub media_type: MediaType,
    /// As ffmpeg names it: `scale:default`, and only `overlay` if the filter has several.
    pub description: String,
    /// The filter's name in the graph: `Parsed_scale_0`.
    pub filter_name: String,
}

/// A graph of filters.
pub struct Graph {
    raw: NonNull<ffi::AVFilterGraph>,
    library: &'static Library,
    ends: library::Ends,
}

// SAFETY: a graph has no thread affinity; all calls that change it take `&mut` (invariant 10).
unsafe impl Send for Graph {}

impl Graph {
    /// An empty graph.
    ///
    /// # Errors
    /// libavfilter is not there; the error says what to install.
    pub fn new() -> Result<Self, Error> {
        let library = library()?;
        // SAFETY: no preconditions; null means out of memory (invariant 14).
        let raw = NonNull::new(unsafe { (library.avfilter_graph_alloc)() });
        let raw = raw.ok_or_else(|| AvError::from_errno(libc::ENOMEM).about("filtergraph"))?;
        Ok(Self { raw, library, ends: library.ends() })
    }

    fn as_ptr(&self) -> *mut ffi::AVFilterGraph {
        self.raw.as_ptr()
    }

    /// Sets an option of the graph: `threads`, `thread_type`, `scale_sws_opts`, `aresample_swr_opts`.
    ///
    /// # Errors
    /// There is no such option, or it does not take the value.
    pub fn set_option(&mut self, name: &str, value: &str) -> Result<(), AvError> {
        // SAFETY: a graph begins with its class (invariant 10).
        unsafe { option::set(self.as_ptr().cast(), name, Some(value)) }
    }

    /// How many threads the filters that are added from now on may use; 0 = as many as there are processors.
    pub fn set_threads(&mut self, threads: i32) {
        // SAFETY: a valid graph (invariant 10).
        unsafe { (*self.as_ptr()).nb_threads = threads };
    }

    /// May filters be inserted where formats do not fit? To be said before [`configure`](Self::configure).
    pub fn set_auto_convert(&mut self, allowed: bool) {
        // AVFILTER_AUTO_CONVERT_ALL and AVFILTER_AUTO_CONVERT_NONE.
        let flags = if allowed { 0 } else { c_uint::MAX };
        // SAFETY: a valid graph (invariant 10).
        unsafe { (self.library.avfilter_graph_set_auto_convert)(self.as_ptr(), flags) };
    }

    /// Adds what a description says, and tells what is left open (`avfilter_graph_parse2`).
    ///
    /// # Errors
    /// libavfilter's, which has logged the reason.
    pub fn parse(&mut self, description: &str) -> Result<(Vec<OpenPad>, Vec<OpenPad>), AvError> {
        let description = c_string(description)?;
        let (mut inputs, mut outputs) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the text lives through the call; both lists are ours, also after a failure, when they are null (invariant 11).
        let code =
            unsafe { (self.library.avfilter_graph_parse2)(self.as_ptr(), description.as_ptr(), &mut inputs, &mut outputs) };
        panic::resume();
        let pads = (self.open_pads(inputs, true), self.open_pads(outputs, false));
        // SAFETY: as above; freed once (invariant 11).
        unsafe {
            (self.library.avfilter_inout_free)(&mut inputs);
            (self.library.avfilter_inout_free)(&mut outputs);
        }
        AvError::check(code).map(|_| pads)
    }

    fn open_pads(&self, mut list: *const ffi::AVFilterInOut, is_input: bool) -> Vec<OpenPad> {
        let mut pads = Vec::new();
        // SAFETY: a list of libavfilter's, whose filters are in this graph; names are strings or null (invariant 9).
        while let Some(open) = unsafe { list.as_ref() } {
            list = open.next;
            // SAFETY: as above; a filter has as many pads as it says (invariant 9).
            let pad = unsafe {
                let Some(filter) = self.position(open.filter_ctx) else { continue };
                let context = &*open.filter_ctx;
                let (all, count) =
                    if is_input { (context.input_pads, context.nb_inputs) } else { (context.output_pads, context.nb_outputs) };
                let kind = string((*context.filter).name).unwrap_or_default();
                let name = string((self.library.avfilter_pad_get_name)(all, open.pad_idx)).unwrap_or_default();
                OpenPad {
                    label: string(open.name).map(|label| label.into_owned()),
                    filter,
                    pad: usize::try_from(open.pad_idx).unwrap_or_default(),
                    media_type: MediaType::from_raw((self.library.avfilter_pad_get_type)(all, open.pad_idx)),
                    description: if count > 1 { kind.into_owned() } else { format!("{kind}:{name}") },
                    filter_name: string(context.name).unwrap_or_default().into_owned(),
                }
            };
            pads.push(pad);
        }
        pads
    }

    fn contexts(&self) -> &[*mut ffi::AVFilterContext] {
        // SAFETY: libavfilter keeps nb_filters valid pointers there (invariant 9).
        unsafe {
            let graph = self.raw.as_ref();
            if graph.nb_filters == 0 { &[] } else { std::slice::from_raw_parts(graph.filters, graph.nb_filters as usize) }
        }
    }

    fn position(&self, context: *const ffi::AVFilterContext) -> Option<Filter> {
        self.contexts().iter().position(|other| ptr::eq(*other, context)).map(Filter)
    }

    /// The filter at this place (invariant 16).
    fn context(&self, filter: Filter) -> Result<*mut ffi::AVFilterContext, AvError> {
        self.contexts().get(filter.0).copied().ok_or(AvError::from_errno(libc::EINVAL))
    }

    /// Adds the filter `kind` under `name`, with arguments as they stand after `kind=` in a description.
    ///
    /// # Errors
    /// [`AvError::FILTER_NOT_FOUND`]; libavfilter's, which has logged the reason.
    pub fn add(&mut self, kind: &str, name: &str, arguments: Option<&str>) -> Result<Filter, AvError> {
        let arguments = arguments.map(c_string).transpose()?;
        let arguments = arguments.as_ref().map_or(ptr::null(), |arguments| arguments.as_ptr());
        let initialize = self.library.avfilter_init_str;
        // SAFETY: a new filter; the arguments live through the call (invariant 10).
        self.insert(kind, name, |filter| unsafe { initialize(filter, arguments) })
    }

    /// As [`add`](Self::add), with options by name. Entries that the filter used are taken out.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_with(&mut self, kind: &str, name: &str, options: &mut Dictionary) -> Result<Filter, AvError> {
        let initialize = self.library.avfilter_init_dict;
        // SAFETY: a new filter and a valid dictionary (invariant 10).
        self.insert(kind, name, |filter| unsafe { initialize(filter, options.as_mut_ptr()) })
    }

    fn insert(
        &mut self,
        kind: &str,
        name: &str,
        initialize: impl FnOnce(*mut ffi::AVFilterContext) -> c_int,
    ) -> Result<Filter, AvError> {
        let (kind, name) = (c_string(kind)?, c_string(name)?);
        // SAFETY: the strings live through the calls; filters are constants of the library; the graph owns what is made, and a
        // filter that cannot be set up leaves it again before anybody knows its place (invariant 16).
        unsafe {
            let kind = (self.library.avfilter_get_by_name)(kind.as_ptr());
            if kind.is_null() {
                return Err(AvError::FILTER_NOT_FOUND);
            }
            let filter = (self.library.avfilter_graph_alloc_filter)(self.as_ptr(), kind, name.as_ptr());
            if filter.is_null() {
                return Err(AvError::from_errno(libc::ENOMEM));
            }
            let code = initialize(filter);
            panic::resume();
            if let Err(error) = AvError::check(code) {
                (self.library.avfilter_free)(filter);
                return Err(error);
            }
            self.position(filter).ok_or(AvError::from_errno(libc::EINVAL))
        }
    }

    /// Links an output of one filter to an input of another.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` if there is no such pad or it is linked already, or if the two carry different things.
    pub fn link(&mut self, from: (Filter, usize), to: (Filter, usize)) -> Result<(), AvError> {
        let (source, destination) = (self.context(from.0)?, self.context(to.0)?);
        let pad = |pad: usize| c_uint::try_from(pad).unwrap_or(c_uint::MAX);
        // SAFETY: two filters of this graph; libavfilter checks the pads' numbers (invariant 16).
        AvError::check(unsafe { (self.library.avfilter_link)(source, pad(from.1), destination, pad(to.1)) }).map(drop)
    }

    /// Gives all filters so far the device that those which need one shall use.
    pub fn set_device(&mut self, device: &Device) {
        for filter in self.contexts() {
            // SAFETY: filters of this graph, each with null or a reference of its own (invariant 10).
            unsafe {
                ffi::av_buffer_unref(&mut (**filter).hw_device_ctx);
                (**filter).hw_device_ctx = device.to_shared();
            }
        }
    }

    /// Checks all links and settles formats and sizes (`avfilter_graph_config`).
    ///
    /// # Errors
    /// libavfilter's, which has logged the reason.
    pub fn configure(&mut self) -> Result<(), AvError> {
        // SAFETY: a valid graph (invariant 10).
        let code = unsafe { (self.library.avfilter_graph_config)(self.as_ptr(), ptr::null_mut()) };
        panic::resume();
        AvError::check(code).map(drop)
    }

    /// No filter but sources and sinks changes the data (`AVFILTER_FLAG_METADATA_ONLY`).
    pub fn is_metadata_only(&self) -> bool {
        self.contexts().iter().all(|filter| {
            // SAFETY: a filter of this graph, whose kind is a constant of the library (invariant 9).
            let (context, kind) = unsafe { (&**filter, &*(**filter).filter) };
            // SAFETY: as above (invariant 9).
            let name = unsafe { string(kind.name) }.unwrap_or_default();
            let is_source = context.nb_inputs == 0 && ["buffer", "abuffer"].contains(&&*name);
            kind.flags & ffi::AVFILTER_FLAG_METADATA_ONLY != 0 || context.nb_outputs == 0 || is_source
        })
    }

    /// Asks the sink that is furthest behind for a frame (`avfilter_graph_request_oldest`): [`Received::Frame`] if one is there
    /// now, [`Received::Again`] if a source has to be sent some, [`Received::End`] if there will be none at any sink.
    ///
    /// # Errors
    /// libavfilter's.
    pub fn request_oldest(&mut self) -> Result<Received, AvError> {
        // SAFETY: a configured graph (invariant 10).
        let code = unsafe { (self.library.avfilter_graph_request_oldest)(self.as_ptr()) };
        panic::resume();
        Received::from_code(code)
    }

    /// Sends a command to the filters called `target` (or of that kind, or `all`), and returns what they answer. `one`: only
    /// to the first that knows the command.
    ///
    /// # Errors
    /// `AVERROR(ENOSYS)` if none knows it.
    pub fn send_command(&mut self, target: &str, command: &str, argument: &str, one: bool) -> Result<String, AvError> {
        let (target, command, argument) = (c_string(target)?, c_string(command)?, c_string(argument)?);
        let flags = if one { ffi::AVFILTER_CMD_FLAG_ONE } else { 0 };
        let mut answer = [0 as std::ffi::c_char; 4096];
        let (room, size) = (answer.as_mut_ptr(), answer.len() as c_int);
        // SAFETY: the strings live through the call; the answer is terminated within its room (invariant 11).
        let code = unsafe {
            let (target, command, argument) = (target.as_ptr(), command.as_ptr(), argument.as_ptr());
            (self.library.avfilter_graph_send_command)(self.as_ptr(), target, command, argument, room, size, flags)
        };
        panic::resume();
        // SAFETY: as above (invariant 11).
        AvError::check(code).map(|_| unsafe { string(answer.as_ptr()) }.unwrap_or_default().into_owned())
    }

    /// As [`send_command`](Self::send_command), when the frames reach `seconds`.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn queue_command(&mut self, target: &str, command: &str, argument: &str, one: bool, seconds: f64) -> Result<(), AvError> {
        let (target, command, argument) = (c_string(target)?, c_string(command)?, c_string(argument)?);
        let flags = if one { ffi::AVFILTER_CMD_FLAG_ONE } else { 0 };
        // SAFETY: the strings live through the call, which copies them (invariant 11).
        let code = unsafe {
            let (target, command, argument) = (target.as_ptr(), command.as_ptr(), argument.as_ptr());
            (self.library.avfilter_graph_queue_command)(self.as_ptr(), target, command, argument, flags, seconds)
        };
        AvError::check(code).map(drop)
    }

    /// The graph as a drawing (`avfilter_graph_dump`).
    pub fn dump(&self) -> String {
        // SAFETY: a valid graph, which is read; the text is ours to free (invariant 10).
        unsafe {
            let text = (self.library.avfilter_graph_dump)(self.as_ptr(), ptr::null());
            let dump = string(text).unwrap_or_default().into_owned();
            ffi::av_free(text.cast());
            dump
        }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let mut raw = self.as_ptr();
        // SAFETY: owned, freed once (invariant 10).
        unsafe { (self.library.avfilter_graph_free)(&mut raw) };
    }
}

#[cfg(test)]
mod tests;
