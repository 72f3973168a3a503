//! Against servers on loopback; what counts is what the server received.

mod redirects;
mod refusals;
mod rig;
mod server;
mod streams;
mod uploads;
