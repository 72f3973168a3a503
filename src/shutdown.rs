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
    /// One that raises this one too.
    parent: Option<Shutdown>,
}

impl Shutdown {
    /// A flag that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that is raised with this one, and can be raised by itself.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(Arc::new(State { parent: Some(self.clone()), ..State::default() }))
    }

    /// Asks everything that watches this flag to stop. Idempotent.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::SeqCst);
        self.0.raised.notify_waiters();
    }

    /// Has somebody asked to stop? An atomic read or two: cheap enough for libav's interrupt callback.
    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst) || self.0.parent.as_ref().is_some_and(Self::is_requested)
    }

    /// Completes when the flag is raised.
    pub async fn requested(&self) {
        let raised = self.0.raised.notified();
        tokio::pin!(raised);
        raised.as_mut().enable();
        if self.is_requested() {
            return;
        }
        match &self.0.parent {
            None => raised.await,
            Some(parent) => tokio::select! {
                () = raised => {}
                () = Box::pin(parent.requested()) => {}
            },
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

    #[tokio::test]
    async fn a_child_is_raised_with_its_parent_but_not_the_other_way() {
        let stop = Shutdown::new();
        let (one, other) = (stop.child(), stop.child());
        one.request();
        one.requested().await;
        assert!(one.is_requested() && !stop.is_requested() && !other.is_requested());
        let waiting = tokio::spawn({
            let other = other.clone();
            async move { other.requested().await }
        });
        tokio::task::yield_now().await;
        stop.request();
        waiting.await.expect("the task ends");
        assert!(other.is_requested());
    }
}
