//! What streams did, in numbers that only grow.

use std::ops::AddAssign;

use crate::job::FileReport;

/// What all jobs of a stream did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Demuxed packets of selected streams.
    pub packets_read: u64,
    /// Their payload, in bytes.
    pub bytes_read: u64,
    /// Packets handed to muxers.
    pub packets_written: u64,
    /// Their payload, in bytes.
    pub bytes_written: u64,
    /// Holes in the media.
    pub gaps: u64,
    /// Segments that were lost, whole or in part.
    pub segments_lost: u64,
    /// HTTP requests, retries and hops included.
    pub requests: u64,
    /// Requests that a media server answered with 401.
    pub http_401: u64,
    /// Changes of token while media ran.
    pub token_swaps: u64,
    /// Connections that were taken up again.
    pub reconnects: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Inputs that were opened again.
    pub reopened: u64,
}

impl Counts {
    /// Those of one job.
    pub fn of(inputs: &[FileReport], outputs: &[FileReport]) -> Self {
        let mut counts = Self::default();
        for file in inputs {
            counts.packets_read += file.packets;
            counts.bytes_read += file.bytes;
            counts.gaps += file.gaps.len() as u64;
            counts.segments_lost += file.lost;
            counts.reopened += file.restarts;
        }
        for file in outputs {
            counts.packets_written += file.packets;
            counts.bytes_written += file.bytes;
        }
        for file in inputs.iter().chain(outputs) {
            counts.requests += file.io.requests;
            counts.http_401 += file.io.http_401;
            counts.token_swaps += file.io.token_swaps;
            counts.reconnects += file.io.reconnects;
            counts.retries += file.io.retries;
        }
        counts
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.packets_read += more.packets_read;
        self.bytes_read += more.bytes_read;
        self.packets_written += more.packets_written;
        self.bytes_written += more.bytes_written;
        self.gaps += more.gaps;
        self.segments_lost += more.segments_lost;
        self.requests += more.requests;
        self.http_401 += more.http_401;
        self.token_swaps += more.token_swaps;
        self.reconnects += more.reconnects;
        self.retries += more.retries;
        self.reopened += more.reopened;
    }
}
