//! Which origins may see a token.

use std::sync::Arc;

use crate::origin::{Origin, OriginPattern};

/// A list of origin patterns; a request whose origin matches none goes without the token.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    patterns: Arc<[OriginPattern]>,
    allow_http: bool,
}

impl Scope {
    /// The origins under `patterns`. Plain http to a host that is not loopback stays outside unless `allow_http`, whatever
    /// the patterns say.
    pub fn new(patterns: impl IntoIterator<Item = OriginPattern>, allow_http: bool) -> Self {
        Self { patterns: patterns.into_iter().collect(), allow_http }
    }

    /// May the token be sent to `origin`?
    pub fn holds(&self, origin: &Origin) -> bool {
        (self.allow_http || origin.is_confidential()) && self.lists(origin)
    }

    /// The list, as the profile has it.
    pub fn patterns(&self) -> &[OriginPattern] {
        &self.patterns
    }

    /// Is `origin` in the list, whether or not its scheme protects the token?
    pub fn lists(&self, origin: &Origin) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_needs_leave() {
        let pattern: OriginPattern = "http://a.example".parse().expect("a pattern");
        let origin = Origin::parse("http://a.example/x").expect("an origin");
        assert!(!Scope::new([pattern.clone()], false).holds(&origin));
        assert!(Scope::new([pattern.clone()], false).lists(&origin));
        assert!(Scope::new([pattern], true).holds(&origin));
    }
}
