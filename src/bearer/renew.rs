//! How a sender of media requests asks for a newer credential.

use std::time::Duration;

use crate::shutdown::Shutdown;

/// The way back from the media server's 401 to the authorization server.
///
/// Called from libav's threads, so neither call may touch libav.
pub trait Renew: Send + Sync {
    /// The media server refused the credential of `generation`. Returns at once and does nothing if a newer one exists;
    /// otherwise a refresh begins. Safe to call from libav's interrupt callback.
    fn rejected(&self, generation: u64);

    /// Waits until a credential newer than `generation` is published, at most `limit`.
    ///
    /// # Errors
    /// [`RenewError`] says why there is none: the refresh failed for good, the time is over, or somebody asked to stop.
    fn wait_newer(&self, generation: u64, limit: Duration, stop: &Shutdown) -> Result<(), RenewError>;
}

/// Why there is no newer credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewError {
    /// The authorization server (or the agent) will give none.
    #[error("{0}")]
    Refused(String),
    /// The time was over first.
    #[error("no new token within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
}
