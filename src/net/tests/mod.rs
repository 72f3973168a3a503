//! Against servers on loopback; what counts is what the server received.

mod downloads;
mod pointers;
mod proofs;
mod redirects;
mod refusals;
mod rig;
mod server;
mod streams;
mod uploads;
