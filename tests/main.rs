//! ffauth seen from outside: what the servers received, and the packets that came out.

mod auth_log;
mod bad_input;
mod command_line;
mod demo;
mod dialects;
mod faults;
mod handover;
mod layering;
mod linking;
mod mutated;
mod parity;
mod probe;
mod readme;
mod redaction;
mod signals;
mod support;
mod tls;
mod transcode;
mod trivial;
mod upload;
