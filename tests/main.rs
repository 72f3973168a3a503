//! ffauth seen from outside: what the servers received, and the packets that came out.

mod command_line;
mod parity;
mod probe;
