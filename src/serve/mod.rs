//! The daemon.

pub mod fence;
