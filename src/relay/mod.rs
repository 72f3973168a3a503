//! A loopback HTTP relay for players and programs that know no OAuth.

mod address;
pub mod rewrite;
mod ticket;

pub use address::Ways;
