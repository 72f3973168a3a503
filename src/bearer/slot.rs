//! The latest credential, for readers that must not wait.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::Credential;

/// Holds the newest credential of one profile. Reading is wait-free, so libav's interrupt callback may do it.
#[derive(Default)]
pub struct Slot(ArcSwapOption<Published>);

/// A credential and its place in the order of credentials.
pub struct Published {
    /// Counts up from 1; a higher number is a newer credential.
    pub generation: u64,
    /// What requests carry.
    pub credential: Credential,
}

impl Slot {
    /// An empty slot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the credential, unless the slot holds that generation or a newer one already.
    pub fn publish(&self, generation: u64, credential: Credential) {
        let next = Arc::new(Published { generation, credential });
        self.0.rcu(|current| match current {
            Some(current) if current.generation >= generation => Some(Arc::clone(current)),
            _ => Some(Arc::clone(&next)),
        });
    }

    /// The newest credential; `None` before the first one.
    pub fn latest(&self) -> Option<Arc<Published>> {
        self.0.load_full()
    }

    /// The newest generation; 0 before the first one.
    pub fn generation(&self) -> u64 {
        self.0.load().as_ref().map_or(0, |published| published.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn an_older_generation_never_replaces_a_newer_one() {
        let slot = Slot::new();
        assert_eq!(slot.generation(), 0);
        let credential = |token: &str| Credential::new(Secret::new(token), Vec::new()).expect("a clean token");
        slot.publish(2, credential("two"));
        slot.publish(1, credential("one"));
        assert_eq!(slot.generation(), 2);
        assert_eq!(slot.latest().expect("a credential").credential.token().expose(), "two");
    }
}
