//! SIGINT and SIGTERM in the subcommands that wait for a server.

use std::future::Future;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::runtime::Runtime;

use crate::error::{Error, Kind};
use crate::shutdown::Shutdown;

use super::exit;

/// Drives `work` to its end, or until a signal comes; a second signal ends the process.
///
/// # Errors
/// [`Kind::Stopped`] after a signal; [`Kind::Internal`] if signals cannot be watched.
pub fn unless_interrupted<T>(runtime: &Runtime, work: impl Future<Output = T>) -> Result<T, Error> {
    let interrupted = Shutdown::new();
    let signals = Signals::new([SIGINT, SIGTERM]);
    let mut signals = signals.map_err(|error| Error::new(Kind::Internal, format!("signals cannot be watched: {error}")))?;
    let (handle, raised) = (signals.handle(), interrupted.clone());
    std::thread::spawn(move || {
        for (earlier, _) in signals.forever().enumerate() {
            if earlier > 0 {
                std::process::exit(exit::INTERRUPTED);
            }
            raised.request();
        }
    });
    let outcome = runtime.block_on(async {
        tokio::select! {
            done = work => Ok(done),
            () = interrupted.requested() => Err(Error::new(Kind::Stopped, "interrupted")),
        }
    });
    handle.close();
    outcome
}
