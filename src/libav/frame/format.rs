//! How pixels and samples lie in memory.

use std::ffi::c_int;

use crate::libav::call::{c_string, string};
use crate::libav::error::AvError;
use crate::libav::ffi::{self, AVPixelFormat, AVSampleFormat};

/// `enum AVPixelFormat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PixelFormat(AVPixelFormat);

impl PixelFormat {
    /// 32 bits for each pixel, alpha, red, green and blue from the highest byte of a native integer to its lowest.
    pub const RGB32: Self =
        Self(if cfg!(target_endian = "little") { AVPixelFormat::AV_PIX_FMT_BGRA } else { AVPixelFormat::AV_PIX_FMT_ARGB });

    /// The format of this name: `yuv420p`.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = c_string(name).ok()?;
        // SAFETY: the name lives through the call, which looks it up in a static table (invariants 11 and 12).
        Self::from_raw(unsafe { ffi::av_get_pix_fmt(name.as_ptr()) })
    }

    /// The format of this number, which is `AVFrame.format` or `AVCodecParameters.format`.
    pub fn from_number(number: c_int) -> Option<Self> {
        if !(0..AVPixelFormat::AV_PIX_FMT_NB as c_int).contains(&number) {
            return None;
        }
        // SAFETY: the bindings have every number from 0 to AV_PIX_FMT_NB (invariant 15).
        Self::from_raw(unsafe { std::mem::transmute::<c_int, AVPixelFormat>(number) })
    }

    pub(in crate::libav) fn from_raw(raw: AVPixelFormat) -> Option<Self> {
        (raw != AVPixelFormat::AV_PIX_FMT_NONE).then_some(Self(raw))
    }

    pub(in crate::libav) fn to_raw(self) -> AVPixelFormat {
        self.0
    }

    /// Its number.
    pub fn number(self) -> c_int {
        self.0 as c_int
    }

    /// Its name.
    pub fn name(self) -> String {
        // SAFETY: the name is a constant of the library or null (invariant 12).
        unsafe { string(ffi::av_get_pix_fmt_name(self.0)) }.unwrap_or_default().into_owned()
    }

    /// All that the linked libavutil has, in its order.
    pub fn all() -> Vec<Self> {
        (0..AVPixelFormat::AV_PIX_FMT_NB as c_int)
            .filter_map(Self::from_number)
            .filter(|format| format.descriptor().is_some())
            .collect()
    }

    pub(in crate::libav) fn descriptor(self) -> Option<&'static ffi::AVPixFmtDescriptor> {
        // SAFETY: descriptors are constants of the library; null for a format without one (invariant 9).
        unsafe { ffi::av_pix_fmt_desc_get(self.0).as_ref() }
    }

    fn has(self, flag: u32) -> bool {
        self.descriptor().is_some_and(|descriptor| descriptor.flags & u64::from(flag) != 0)
    }

    /// The pixels are in a device's memory (`AV_PIX_FMT_FLAG_HWACCEL`).
    pub fn is_hardware(self) -> bool {
        self.has(ffi::AV_PIX_FMT_FLAG_HWACCEL as u32)
    }

    /// It has an alpha component, or a palette whose colours have one.
    pub fn has_alpha(self) -> bool {
        self.has(ffi::AV_PIX_FMT_FLAG_ALPHA as u32)
    }

    /// Components of a pixel; an even number is what ffmpeg takes for "with alpha".
    pub fn components(self) -> usize {
        self.descriptor().map_or(0, |descriptor| usize::from(descriptor.nb_components))
    }

    /// Bits of the first component.
    pub fn depth(self) -> i32 {
        self.descriptor().map_or(0, |descriptor| descriptor.comp[0].depth)
    }

    /// Which of `candidates` loses least of `self` (`av_find_best_pix_fmt_of_2`, one after the other).
    pub fn nearest(self, candidates: &[Self], keep_alpha: bool) -> Option<Self> {
        let mut best = AVPixelFormat::AV_PIX_FMT_NONE;
        for candidate in candidates {
            // SAFETY: looks formats up in static tables; a loss that is not wanted may be null (invariant 12).
            best = unsafe {
                ffi::av_find_best_pix_fmt_of_2(best, candidate.0, self.0, c_int::from(keep_alpha), std::ptr::null_mut())
            };
        }
        Self::from_raw(best)
    }
}

/// Width and height of `WxH` or of a name such as `hd720` (`av_parse_video_size`).
///
/// # Errors
/// `AVERROR(EINVAL)`.
pub fn parse_size(text: &str) -> Result<(i32, i32), AvError> {
    let text = c_string(text)?;
    let (mut width, mut height) = (0, 0);
    // SAFETY: the text lives through the call (invariant 11).
    AvError::check(unsafe { ffi::av_parse_video_size(&mut width, &mut height, text.as_ptr()) })?;
    Ok((width, height))
}

/// `enum AVSampleFormat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SampleFormat(AVSampleFormat);

impl SampleFormat {
    /// 32-bit floating point from -1 to 1, one plane for each channel (`fltp`).
    pub const FLOAT_PLANAR: Self = Self(AVSampleFormat::AV_SAMPLE_FMT_FLTP);

    /// The format of this name: `fltp`, `s16`.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = c_string(name).ok()?;
        // SAFETY: the name lives through the call, which looks it up in a static table (invariants 11 and 12).
        Self::from_raw(unsafe { ffi::av_get_sample_fmt(name.as_ptr()) })
    }

    /// The format of this number, which is `AVFrame.format` or `AVCodecParameters.format`.
    pub fn from_number(number: c_int) -> Option<Self> {
        if !(0..AVSampleFormat::AV_SAMPLE_FMT_NB as c_int).contains(&number) {
            return None;
        }
        // SAFETY: the bindings have every number from 0 to AV_SAMPLE_FMT_NB (invariant 15).
        Self::from_raw(unsafe { std::mem::transmute::<c_int, AVSampleFormat>(number) })
    }

    pub(in crate::libav) fn from_raw(raw: AVSampleFormat) -> Option<Self> {
        (raw != AVSampleFormat::AV_SAMPLE_FMT_NONE).then_some(Self(raw))
    }

    pub(in crate::libav) fn to_raw(self) -> AVSampleFormat {
        self.0
    }

    /// Its number.
    pub fn number(self) -> c_int {
        self.0 as c_int
    }

    /// Its name.
    pub fn name(self) -> String {
        // SAFETY: the name is a constant of the library or null (invariant 12).
        unsafe { string(ffi::av_get_sample_fmt_name(self.0)) }.unwrap_or_default().into_owned()
    }

    /// Bytes of one sample.
    pub fn bytes(self) -> i32 {
        // SAFETY: looks the format up in a static table (invariant 12).
        unsafe { ffi::av_get_bytes_per_sample(self.0) }
    }

    /// Each channel lies apart.
    pub fn is_planar(self) -> bool {
        // SAFETY: as above (invariant 12).
        unsafe { ffi::av_sample_fmt_is_planar(self.0) != 0 }
    }
}

/// Which channels there are and in what order (`AVChannelLayout`).
pub struct ChannelLayout(ffi::AVChannelLayout);

// SAFETY: plain memory without thread affinity, owned by this type (invariant 10).
unsafe impl Send for ChannelLayout {}
// SAFETY: nothing changes it behind a shared reference (invariant 10).
unsafe impl Sync for ChannelLayout {}

impl ChannelLayout {
    /// The usual layout of so many channels; without one, so many channels in no order.
    pub fn default_for(channels: i32) -> Self {
        let mut layout = Self::empty();
        // SAFETY: the layout is ours and empty (invariant 10).
        unsafe { ffi::av_channel_layout_default(&mut layout.0, channels) };
        layout
    }

    /// The layout of this description (`av_channel_layout_from_string`): `stereo`, `5.1`, `FL+FR`, `6C`, `0x3f`.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)`.
    pub fn parse(text: &str) -> Result<Self, AvError> {
        let text = c_string(text)?;
        let mut layout = Self::empty();
        // SAFETY: the layout is ours and empty; the text lives through the call (invariant 11).
        AvError::check(unsafe { ffi::av_channel_layout_from_string(&mut layout.0, text.as_ptr()) })?;
        Ok(layout)
    }

    /// The layout of the channels that these bits stand for.
    ///
    /// # Errors
    /// `AVERROR(EINVAL)` for no bit.
    pub fn from_mask(mask: u64) -> Result<Self, AvError> {
        let mut layout = Self::empty();
        // SAFETY: the layout is ours and empty (invariant 10).
        AvError::check(unsafe { ffi::av_channel_layout_from_mask(&mut layout.0, mask) })?;
        Ok(layout)
    }

    fn empty() -> Self {
        // SAFETY: an AVChannelLayout of zeros is an empty one, as libavutil/channel_layout.h says (invariant 10).
        Self(unsafe { std::mem::zeroed() })
    }

    /// # Safety
    /// `raw` is a valid layout.
    pub(in crate::libav) unsafe fn copy_of(raw: *const ffi::AVChannelLayout) -> Self {
        let mut copy = Self::empty();
        // SAFETY: the caller's promise; the copy is ours and empty, and stays so if memory runs out (invariant 13).
        unsafe { ffi::av_channel_layout_copy(&mut copy.0, raw) };
        copy
    }

    /// For C functions that read.
    pub(in crate::libav) fn as_ptr(&self) -> *const ffi::AVChannelLayout {
        &self.0
    }

    /// For C functions that replace it.
    pub(in crate::libav) fn as_mut_ptr(&mut self) -> *mut ffi::AVChannelLayout {
        &mut self.0
    }

    /// How many.
    pub fn channels(&self) -> i32 {
        self.0.nb_channels
    }

    /// There are channels, and what is said of them makes sense (`av_channel_layout_check`).
    pub fn is_valid(&self) -> bool {
        // SAFETY: a valid layout, which is read (invariant 10).
        unsafe { ffi::av_channel_layout_check(&self.0) != 0 }
    }

    /// Only their number is known.
    pub fn is_unordered(&self) -> bool {
        self.0.order == ffi::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC
    }
}

/// As libavutil describes it: `stereo`, `5.1(side)`, `6 channels`.
impl std::fmt::Display for ChannelLayout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = [0 as std::ffi::c_char; 256];
        // SAFETY: the buffer is as long as said, and terminated after a description that fits or is cut off (invariant 11).
        let text = unsafe {
            if ffi::av_channel_layout_describe(&self.0, text.as_mut_ptr(), text.len()) < 0 {
                return Ok(());
            }
            string(text.as_ptr())
        };
        f.write_str(&text.unwrap_or_default())
    }
}

impl std::fmt::Debug for ChannelLayout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChannelLayout({self})")
    }
}

impl PartialEq for ChannelLayout {
    fn eq(&self, other: &Self) -> bool {
        // SAFETY: both are valid and only read (invariant 10).
        unsafe { ffi::av_channel_layout_compare(&self.0, &other.0) == 0 }
    }
}

impl Eq for ChannelLayout {}

impl Clone for ChannelLayout {
    fn clone(&self) -> Self {
        // SAFETY: valid (invariant 10).
        unsafe { Self::copy_of(&self.0) }
    }
}

impl Default for ChannelLayout {
    fn default() -> Self {
        Self::empty()
    }
}

impl Drop for ChannelLayout {
    fn drop(&mut self) {
        // SAFETY: ours; freed once (invariant 10).
        unsafe { ffi::av_channel_layout_uninit(&mut self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_names_and_numbers() {
        let all = PixelFormat::all();
        assert!(all.len() > 190, "{}", all.len());
        for format in all {
            assert_eq!(PixelFormat::from_number(format.number()), Some(format));
            assert_eq!(PixelFormat::by_name(&format.name()), Some(format));
        }
        assert_eq!((PixelFormat::from_number(-1), PixelFormat::from_number(100_000)), (None, None));
        let s16p = SampleFormat::by_name("s16p").expect("a known format");
        assert_eq!((s16p.name().as_str(), s16p.bytes(), s16p.is_planar()), ("s16p", 2, true));
        assert_eq!((SampleFormat::from_number(s16p.number()), SampleFormat::from_number(99)), (Some(s16p), None));
        assert_eq!(PixelFormat::by_name("nosuch"), None);
        assert_eq!(SampleFormat::by_name("nosuch"), None);
    }

    #[test]
    fn the_nearest_format_loses_least() {
        let [rgb24, yuv420p, yuv444p, gray, vaapi] =
            ["rgb24", "yuv420p", "yuv444p", "gray", "vaapi"].map(|name| PixelFormat::by_name(name).expect("a known format"));
        assert_eq!(rgb24.nearest(&[gray, yuv420p, yuv444p], false), Some(yuv444p));
        assert_eq!(rgb24.nearest(&[], false), None);
        assert!(vaapi.is_hardware() && !rgb24.is_hardware());
        assert!(PixelFormat::RGB32.has_alpha() && !rgb24.has_alpha());
        assert_eq!((rgb24.components(), rgb24.depth()), (3, 8));
    }

    #[test]
    fn layouts_are_described_as_they_are_parsed() {
        for text in ["mono", "stereo", "5.1(side)", "6 channels"] {
            assert_eq!(ChannelLayout::parse(&text.replace(" channels", "C")).expect("a layout").to_string(), text);
        }
        let stereo = ChannelLayout::default_for(2);
        assert_eq!((stereo.channels(), stereo.is_unordered(), &stereo.clone()), (2, false, &stereo));
        assert_eq!(ChannelLayout::from_mask(3).expect("a layout"), stereo);
        assert!(ChannelLayout::parse("2C").expect("a layout").is_unordered());
        assert!(ChannelLayout::parse("nosuch").is_err() && !ChannelLayout::default().is_valid());
    }
}
