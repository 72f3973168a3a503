//! `AVPacket`.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;

use super::error::AvError;
use super::ffi;
use super::frame::PictureType;
use super::rational::Rational;

/// A packet: the payload is reference-counted by libav, the struct itself is meant to be used again and again.
pub struct Packet(NonNull<ffi::AVPacket>);

// SAFETY: an AVPacket has no thread affinity (its buffers' counts are atomic), and this type owns it (invariant 14).
unsafe impl Send for Packet {}

/// See [`Packet::encoding_stats`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingStats {
    /// From 1 (good) to `FF_LAMBDA_MAX` (bad).
    pub quality: i32,
    /// How the picture was coded.
    pub picture_type: PictureType,
    /// The sums of the squared differences from the source, of each plane, if they were asked for (`-flags +psnr`).
    pub errors: Vec<i64>,
}

/// One element of a stream's or packet's side data.
#[derive(Clone, Debug)]
pub struct SideData {
    kind: ffi::AVPacketSideDataType,
    bytes: Vec<u8>,
}

impl SideData {
    /// A copy of each element of a C array.
    ///
    /// # Safety
    /// `elements` points to `count` valid elements, or `count` is 0.
    pub(in crate::libav) unsafe fn copies(elements: *const ffi::AVPacketSideData, count: usize) -> Vec<Self> {
        if count == 0 {
            return Vec::new();
        }
        // SAFETY: the caller's promise; each element's data is `size` bytes long (invariants 13 and 11).
        unsafe {
            let elements = std::slice::from_raw_parts(elements, count);
            let copy = |element: &ffi::AVPacketSideData| Self { kind: element.type_, bytes: bytes(element.data, element.size) };
            elements.iter().map(copy).collect()
        }
    }

    /// Which kind it is, and its bytes.
    pub(in crate::libav) fn parts(&self) -> (ffi::AVPacketSideDataType, &[u8]) {
        (self.kind, &self.bytes)
    }

    /// How the picture is to be turned (`AV_PKT_DATA_DISPLAYMATRIX`).
    pub fn is_display_matrix(&self) -> bool {
        self.kind == ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX
    }

    /// The nine numbers of a display matrix, row by row.
    pub fn display_matrix(&self) -> Option<[i32; 9]> {
        let numbers = self.bytes.chunks_exact(4).filter_map(|bytes| bytes.try_into().ok().map(i32::from_ne_bytes));
        let numbers: Vec<i32> = numbers.collect();
        self.is_display_matrix().then(|| numbers.try_into().ok()).flatten()
    }

    /// A display matrix that leaves the picture as it is (`av_display_rotation_set` with 0).
    #[must_use]
    pub fn upright(&self) -> Self {
        const ONE: i32 = 1 << 16;
        let matrix = [ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30];
        Self { kind: self.kind, bytes: matrix.iter().flat_map(|number| number.to_ne_bytes()).collect() }
    }

    /// Which bit rate and buffer the stream was coded for (`AV_PKT_DATA_CPB_PROPERTIES`).
    pub fn is_buffer_properties(&self) -> bool {
        self.kind == ffi::AVPacketSideDataType::AV_PKT_DATA_CPB_PROPERTIES
    }
}

/// # Safety
/// `data` points to `size` bytes, or `size` is 0.
unsafe fn bytes(data: *const u8, size: usize) -> Vec<u8> {
    // SAFETY: the caller's promise (invariant 13).
    if size == 0 { Vec::new() } else { unsafe { std::slice::from_raw_parts(data, size) }.to_vec() }
}

impl Packet {
    /// An empty packet.
    pub fn new() -> Self {
        // SAFETY: no preconditions; null means out of memory (invariant 14).
        let packet = NonNull::new(unsafe { ffi::av_packet_alloc() });
        Self(packet.unwrap_or_else(|| handle_alloc_error(Layout::new::<ffi::AVPacket>())))
    }

    pub(in crate::libav) fn as_ptr(&self) -> *const ffi::AVPacket {
        self.0.as_ptr()
    }

    pub(in crate::libav) fn as_mut_ptr(&mut self) -> *mut ffi::AVPacket {
        self.0.as_ptr()
    }

    fn raw(&self) -> &ffi::AVPacket {
        // SAFETY: owned and valid (invariant 10).
        unsafe { self.0.as_ref() }
    }

    fn raw_mut(&mut self) -> &mut ffi::AVPacket {
        // SAFETY: owned and valid (invariant 10).
        unsafe { self.0.as_mut() }
    }

    /// Drops the payload.
    pub fn clear(&mut self) {
        // SAFETY: owned and valid (invariant 10).
        unsafe { ffi::av_packet_unref(self.as_mut_ptr()) };
    }

    /// Becomes another reference to the payload of `other`.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn reference(&mut self, other: &Self) -> Result<(), AvError> {
        self.clear();
        // SAFETY: both are valid, this one is empty (invariant 10).
        AvError::check(unsafe { ffi::av_packet_ref(self.as_mut_ptr(), other.0.as_ptr()) }).map(drop)
    }

    /// Takes over what `other` holds; `other` is empty afterwards.
    pub fn take(&mut self, other: &mut Self) {
        self.clear();
        // SAFETY: both are valid, this one is empty (invariant 10).
        unsafe { ffi::av_packet_move_ref(self.as_mut_ptr(), other.as_mut_ptr()) };
    }

    /// Presentation timestamp in the stream's time base.
    pub fn pts(&self) -> Option<i64> {
        timestamp(self.raw().pts)
    }

    /// Sets the presentation timestamp.
    pub fn set_pts(&mut self, pts: Option<i64>) {
        self.raw_mut().pts = pts.unwrap_or(ffi::AV_NOPTS_VALUE);
    }

    /// Decoding timestamp in the stream's time base.
    pub fn dts(&self) -> Option<i64> {
        timestamp(self.raw().dts)
    }

    /// Sets the decoding timestamp.
    pub fn set_dts(&mut self, dts: Option<i64>) {
        self.raw_mut().dts = dts.unwrap_or(ffi::AV_NOPTS_VALUE);
    }

    /// Duration in the stream's time base; 0 = unknown.
    pub fn duration(&self) -> i64 {
        self.raw().duration
    }

    /// Sets the duration.
    pub fn set_duration(&mut self, duration: i64) {
        self.raw_mut().duration = duration;
    }

    /// Which stream it belongs to.
    pub fn stream(&self) -> usize {
        usize::try_from(self.raw().stream_index).unwrap_or_default()
    }

    /// Sets the stream.
    pub fn set_stream(&mut self, index: usize) {
        self.raw_mut().stream_index = i32::try_from(index).unwrap_or(i32::MAX);
    }

    /// Bytes of payload.
    pub fn size(&self) -> usize {
        usize::try_from(self.raw().size).unwrap_or_default()
    }

    /// The payload.
    pub fn data(&self) -> &[u8] {
        let raw = self.raw();
        if raw.data.is_null() {
            return &[];
        }
        // SAFETY: a packet's data is `size` bytes long (invariant 11).
        unsafe { std::slice::from_raw_parts(raw.data, self.size()) }
    }

    /// Takes a copy of `bytes` for its payload and forgets everything else.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`, `AVERROR(EINVAL)` for a payload that is too large.
    pub fn fill(&mut self, bytes: &[u8]) -> Result<(), AvError> {
        self.clear();
        let size = i32::try_from(bytes.len()).map_err(|_| AvError::from_errno(libc::EINVAL))?;
        // SAFETY: owned, valid and empty; the new payload is as long as asked for (invariant 10).
        unsafe {
            AvError::check(ffi::av_new_packet(self.as_mut_ptr(), size))?;
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.raw().data, bytes.len());
        }
        Ok(())
    }

    /// Byte position in the input; `None` = unknown.
    pub fn position(&self) -> Option<i64> {
        Some(self.raw().pos).filter(|position| *position >= 0)
    }

    /// Decoding can start here.
    pub fn is_key(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_KEY != 0
    }

    /// Says whether decoding can start here.
    pub fn set_key(&mut self, key: bool) {
        let flags = &mut self.raw_mut().flags;
        *flags = if key { *flags | ffi::AV_PKT_FLAG_KEY } else { *flags & !ffi::AV_PKT_FLAG_KEY };
    }

    /// What a video encoder says of how it coded the picture (`AV_PKT_DATA_QUALITY_STATS`).
    pub fn encoding_stats(&self) -> Option<EncodingStats> {
        let mut size = 0;
        // SAFETY: owned and valid; the side data belongs to the packet and is `size` bytes long (invariant 9).
        let stats = unsafe {
            let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_QUALITY_STATS;
            let data = ffi::av_packet_get_side_data(self.as_ptr(), kind, &mut size);
            bytes(data, if data.is_null() { 0 } else { size })
        };
        let (head, errors) = stats.split_at_checked(8)?;
        let errors = errors.chunks_exact(8).take(usize::from(head[5]));
        Some(EncodingStats {
            quality: i32::from_le_bytes([head[0], head[1], head[2], head[3]]),
            picture_type: PictureType::from_number(head[4]),
            errors: errors.filter_map(|error| error.try_into().ok().map(i64::from_le_bytes)).collect(),
        })
    }

    /// The demuxer saw that the payload is damaged.
    pub fn is_corrupt(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_CORRUPT != 0
    }

    /// Converts all times (`av_packet_rescale_ts`).
    pub fn rescale(&mut self, from: Rational, to: Rational) {
        // SAFETY: owned and valid (invariant 10).
        unsafe { ffi::av_packet_rescale_ts(self.as_mut_ptr(), from.into(), to.into()) };
    }

    /// Adds a copy of `side_data`, unless the packet has that kind already.
    ///
    /// # Errors
    /// `AVERROR(ENOMEM)`.
    pub fn add_side_data(&mut self, side_data: &SideData) -> Result<(), AvError> {
        let (kind, bytes) = side_data.parts();
        // SAFETY: owned and valid; a size that is not wanted may be null; the new element is `bytes.len()` bytes long (invariant
        // 11).
        unsafe {
            if !ffi::av_packet_get_side_data(self.0.as_ptr(), kind, std::ptr::null_mut()).is_null() {
                return Ok(());
            }
            let data = ffi::av_packet_new_side_data(self.as_mut_ptr(), kind, bytes.len());
            if data.is_null() {
                return Err(AvError::from_errno(libc::ENOMEM));
            }
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
        }
        Ok(())
    }
}

impl Default for Packet {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        let mut packet = self.0.as_ptr();
        // SAFETY: owned, freed once (invariant 10).
        unsafe { ffi::av_packet_free(&mut packet) };
    }
}

/// `AV_NOPTS_VALUE` as `None`.
pub(in crate::libav) fn timestamp(value: i64) -> Option<i64> {
    (value != ffi::AV_NOPTS_VALUE).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_payload_move_with_the_packet() {
        let (mut a, mut b) = (Packet::new(), Packet::new());
        assert_eq!((a.pts(), a.dts(), a.size(), a.position()), (None, None, 0, None));
        a.set_pts(Some(90));
        a.set_duration(45);
        a.rescale(Rational::new(1, 90), Rational::new(1, 1000));
        b.take(&mut a);
        assert_eq!((b.pts(), b.dts(), b.duration()), (Some(1000), None, 500));
        assert_eq!(a.pts(), None);
        assert!(b.data().is_empty());
    }
}
