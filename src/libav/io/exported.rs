//! What demuxers ask a context for by the name of an option of http.c, answered for contexts of our own: `location`, the URL
//! behind redirects, from which hls.c resolves what a playlist names (`parse_playlist`), and `mime_type`, by which formats are
//! recognized (`av_probe_input_buffer2`).

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::offset_of;
use std::ptr;

use crate::libav::ffi;

/// The object with the options. It is the first member of what stands behind a context, and the context's only child.
#[repr(C)]
pub struct Exported {
    class: *const ffi::AVClass,
    location: *const c_char,
    mime_type: *const c_char,
    /// What the two point to.
    _texts: [Option<CString>; 2],
}

impl Exported {
    /// Answers with these; a text with a NUL in it is left out.
    pub fn new(location: &str, mime_type: Option<&str>) -> Self {
        let texts = [CString::new(location).ok(), mime_type.and_then(|kind| CString::new(kind).ok())];
        let [location, mime_type] = texts.each_ref().map(|text| text.as_deref().map_or(ptr::null(), CStr::as_ptr));
        Self { class: &raw const OPTIONS_CLASS.0, location, mime_type, _texts: texts }
    }
}

/// Makes the options of the [`Exported`] behind `context` those of the context.
///
/// # Safety
/// `context` is valid and its `opaque` points to a value whose first member is an [`Exported`], for as long as it lives.
pub unsafe fn attach(context: *mut ffi::AVIOContext) {
    // SAFETY: the caller's promise (invariant 13); libav reads through the class and writes nothing to it.
    unsafe { (*context).av_class = &raw const CONTEXT_CLASS.0 };
}

/// A constant that holds pointers to constants.
struct Constant<T>(T);

// SAFETY: read, never written, and so is what it points to (invariant 12).
unsafe impl<T> Sync for Constant<T> {}

static CONTEXT_CLASS: Constant<ffi::AVClass> =
    Constant(ffi::AVClass { child_next: Some(only_child), ..class(c"AVIOContext", ptr::null()) });

static OPTIONS_CLASS: Constant<ffi::AVClass> = Constant(class(c"ffauth", OPTIONS.0.as_ptr()));

static OPTIONS: Constant<[ffi::AVOption; 3]> = Constant([
    option(c"location", offset_of!(Exported, location)),
    option(c"mime_type", offset_of!(Exported, mime_type)),
    ffi::AVOption { name: ptr::null(), ..option(c"", 0) },
]);

const fn class(name: &'static CStr, options: *const ffi::AVOption) -> ffi::AVClass {
    // SAFETY: integers, pointers and optional functions, for all of which zero is a value: "none" (invariant 12).
    let nothing: ffi::AVClass = unsafe { std::mem::zeroed() };
    ffi::AVClass { class_name: name.as_ptr(), item_name: Some(ffi::av_default_item_name), option: options, ..nothing }
}

const fn option(name: &'static CStr, offset: usize) -> ffi::AVOption {
    ffi::AVOption {
        name: name.as_ptr(),
        help: ptr::null(),
        offset: offset as c_int,
        type_: ffi::AVOptionType::AV_OPT_TYPE_STRING,
        default_val: ffi::AVOption__bindgen_ty_1 { str_: ptr::null() },
        min: 0.0,
        max: 0.0,
        flags: ffi::AV_OPT_FLAG_EXPORT | ffi::AV_OPT_FLAG_READONLY,
        unit: ptr::null(),
    }
}

/// `AVClass.child_next` of a context.
unsafe extern "C" fn only_child(context: *mut c_void, previous: *mut c_void) -> *mut c_void {
    if !previous.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: libav calls this with the context whose class names it; what stands behind it begins with its options (the
    // promise of `attach`, invariant 13).
    unsafe { (*context.cast::<ffi::AVIOContext>()).opaque }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(context: *mut ffi::AVIOContext, name: &CStr) -> Option<String> {
        let mut value: *mut u8 = ptr::null_mut();
        // SAFETY: the context and the name live through the call; what comes is a string of libav's, freed here (invariants 9
        // and 11).
        unsafe {
            let found = ffi::av_opt_get(context.cast(), name.as_ptr(), ffi::AV_OPT_SEARCH_CHILDREN, &mut value);
            let text = (found >= 0 && !value.is_null()).then(|| CStr::from_ptr(value.cast()).to_string_lossy().into_owned());
            ffi::av_free(value.cast());
            text
        }
    }

    #[test]
    fn libav_finds_what_is_exported_and_nothing_else() {
        let exported = Exported::new("http://h/last", Some("application/vnd.apple.mpegurl"));
        // SAFETY: a context without buffer and callbacks is asked for its options only, and freed (invariants 9 and 13).
        unsafe {
            let behind = (&raw const exported).cast_mut().cast();
            let mut context = ffi::avio_alloc_context(ptr::null_mut(), 0, 0, behind, None, None, None);
            attach(context);
            assert_eq!(asked(context, c"location").as_deref(), Some("http://h/last"));
            assert_eq!(asked(context, c"mime_type").as_deref(), Some("application/vnd.apple.mpegurl"));
            assert_eq!(asked(context, c"headers"), None);
            ffi::avio_context_free(&mut context);
        }
    }
}
