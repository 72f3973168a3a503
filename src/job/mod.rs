//! Where OAuth meets media: profiles and a plan become a running job.

pub mod probe;
