//! The daemon.

pub mod fence;
mod gate;
mod notify;
mod state;
