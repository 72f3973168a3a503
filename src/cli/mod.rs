//! The edge: what the `ffauth` program prints, asks and returns.

pub mod probe;
