//! The order in which packets reach the muxers.
//!
//! In ffmpeg 5.1 one thread does everything: a frame's packets are written before the next frame is looked at. Here encoders
//! work on their own threads, but what they give is taken in the order in which they were given their tasks, and copied packets
//! wait behind encoded ones that were due before them. So the muxers see the same packets in the same order, whatever the
//! threads' speed.

use std::collections::VecDeque;

use crate::libav::packet::Packet;

/// What the muxers wait for, in order.
#[derive(Default)]
pub struct Order(VecDeque<Waiting>);

/// Something that a muxer waits for. The numbers are those of the output and of its stream.
pub enum Waiting {
    /// What comes of an encoder's next task.
    Encoded(usize, usize),
    /// A packet that is ready.
    Packet(usize, usize, Packet),
    /// The end of a copied stream: its bitstream filters give out the rest.
    End(usize, usize),
}

impl Order {
    /// Nothing is waited for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts something at the end.
    pub fn push(&mut self, waiting: Waiting) {
        self.0.push_back(waiting);
    }

    /// Puts something back at the beginning.
    pub fn push_front(&mut self, waiting: Waiting) {
        self.0.push_front(waiting);
    }

    /// Takes what is due first.
    pub fn pop(&mut self) -> Option<Waiting> {
        self.0.pop_front()
    }

    /// Nothing more will come.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
