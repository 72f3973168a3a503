//! ffauth seen from outside: what the servers received, and the packets that came out.

mod auth_log;
mod bad_input;
mod command_line;
mod credentials;
mod demo;
mod dialects;
mod faults;
mod grants;
mod handover;
mod layering;
mod linking;
mod outage;
mod parity;
mod probe;
mod readme;
mod redaction;
mod signals;
mod store;
mod streaming;
mod support;
mod tls;
mod token;
mod trivial;
mod upload;
