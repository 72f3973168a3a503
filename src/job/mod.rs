//! Where OAuth meets media: profiles and a plan become a running job.
//!
//! [`Session`] holds the profiles and one token feed for each that is in use; [`Session::run`] does what a
//! [`Plan`](crate::pipeline::plan::Plan) says. Everything below it knows either tokens or media, never both.

mod access;
pub mod check;
mod detour;
mod explain;
mod feed;
mod options;
pub mod probe;
mod registration;
mod report;
mod session;

pub use explain::explain;
pub use options::LinkedOptions;
pub use registration::Registered;
pub use report::{Exit, FileReport, Report, TokenReport};
pub use session::Session;
