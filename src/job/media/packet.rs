//! A packet of an input.

use crate::libav::packet;

use super::TimeBase;

/// A piece of coded media as the container has it. Its payload is shared, not copied.
pub struct Packet {
    pub(super) inner: packet::Packet,
    pub(super) time_base: TimeBase,
}

impl Packet {
    /// Which stream it belongs to.
    pub fn stream(&self) -> usize {
        self.inner.stream()
    }

    /// When it is shown, in its time base.
    pub fn pts(&self) -> Option<i64> {
        self.inner.pts()
    }

    /// When it is decoded, in its time base.
    pub fn dts(&self) -> Option<i64> {
        self.inner.dts()
    }

    /// How long it is shown, in its time base; 0 = unknown.
    pub fn duration(&self) -> i64 {
        self.inner.duration()
    }

    /// The unit of its times.
    pub fn time_base(&self) -> TimeBase {
        self.time_base
    }

    /// The payload.
    pub fn data(&self) -> &[u8] {
        self.inner.data()
    }

    /// Decoding can start here.
    pub fn is_key(&self) -> bool {
        self.inner.is_key()
    }

    /// The demuxer saw that the payload is damaged.
    pub fn is_corrupt(&self) -> bool {
        self.inner.is_corrupt()
    }

    /// Sets when it is shown and decoded, in its time base.
    pub fn set_times(&mut self, pts: Option<i64>, dts: Option<i64>) {
        self.inner.set_pts(pts);
        self.inner.set_dts(dts);
    }
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Packet");
        shown.field("stream", &self.stream()).field("pts", &self.pts()).field("dts", &self.dts());
        shown.field("size", &self.inner.size()).field("key", &self.is_key()).finish()
    }
}
