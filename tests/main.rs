//! ffauth seen from outside: what the servers received, and the packets that came out.

mod auth_log;
mod bad_input;
mod command_line;
mod dash;
mod demo;
mod dialects;
mod faults;
mod handover;
mod layering;
mod loopback;
mod parity;
mod probe;
mod readme;
mod redaction;
mod signals;
mod support;
mod tls;
mod trivial;
mod upload;
