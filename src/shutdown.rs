//! A request to stop, seen by threads that block in C and by async tasks alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A flag that is raised once. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<State>);

#[derive(Debug, Default)]
struct State {
    requested: AtomicBool,
    raised: Notify,
}

impl Shutdown {
    /// A flag that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything that watches this flag to stop. Idempotent.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::SeqCst);
        self.0.raised.notify_waiters();
    }

    /// Has somebody asked to stop? One atomic read: cheap enough for libav's interrupt callback.
    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    /// Completes when the flag is raised.
    pub async fn requested(&self) {
        let raised = self.0.raised.notified();
        tokio::pin!(raised);
        raised.as_mut().enable();
        if !self.is_requested() {
            raised.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiters_before_and_after_the_request_wake() {
        let stop = Shutdown::new();
        let early = tokio::spawn({
            let stop = stop.clone();
            async move { stop.requested().await }
        });
        tokio::task::yield_now().await;
        assert!(!stop.is_requested());
        stop.request();
        early.await.expect("the task ends");
        stop.requested().await;
        assert!(stop.is_requested());
    }
}
