//! x
mod address;
mod manifest;
