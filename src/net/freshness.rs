//! How long a redirect may be remembered (RFC 9111), and the memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderMap, HeaderName, SET_COOKIE, VARY};

use url::Url;

use crate::clock::{self, Now};

/// A permanent redirect that names no lifetime (RFC 9111 section 4.2.2 leaves it to us).
const PERMANENT: Duration = Duration::from_secs(24 * 3600);
/// The most redirects remembered; the one that would end first makes room.
const CAPACITY: usize = 1024;

/// Redirects that need not be asked for again.
#[derive(Default)]
pub(super) struct HopCache(Mutex<HashMap<Key, Entry>>);

/// One profile never profits from an answer that another one's token brought.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) method: String,
    pub(super) url: Url,
    pub(super) profile: Option<String>,
}

#[derive(Clone)]
struct Entry {
    status: u16,
    target: Url,
    stored: Now,
    lifetime: Duration,
}

impl HopCache {
    /// Is none remembered? Most servers redirect nobody.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Status and target of a remembered redirect that is still fresh.
    pub(super) fn get(&self, key: &Key, now: &Now) -> Option<(u16, Url)> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(key)?;
        if now.since(&entry.stored) < entry.lifetime {
            return Some((entry.status, entry.target.clone()));
        }
        entries.remove(key);
        None
    }

    /// Remembers a redirect for its lifetime.
    pub(super) fn put(&self, key: Key, status: u16, target: Url, lifetime: Duration, now: Now) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= CAPACITY && !entries.contains_key(&key) {
            let left = |entry: &Entry| entry.lifetime.saturating_sub(now.since(&entry.stored));
            let first = entries.iter().min_by_key(|(_, entry)| left(entry)).map(|(key, _)| key.clone());
            first.map(|key| entries.remove(&key));
        }
        entries.insert(key, Entry { status, target, stored: now, lifetime });
    }

    /// Forgets where `url` leads, and where that leads.
    pub(super) fn forget(&self, url: &Url) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stale = vec![url.clone()];
        while let Some(url) = stale.pop() {
            entries.retain(|key, entry| {
                let kept = key.url != url;
                if !kept {
                    stale.push(entry.target.clone());
                }
                kept
            });
        }
    }
}

/// How long the redirect with this head may be remembered by one user agent; `None` = not at all.
pub(super) fn lifetime(status: u16, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // What depends on cookies or on this very token, or sets state on the way, is asked for each time.
    if headers.contains_key(SET_COOKIE) {
        return None;
    }
    let varies = |field: &str| ["*", "cookie", "authorization"].contains(&field.trim().to_ascii_lowercase().as_str());
    if headers.get_all(VARY).iter().any(|value| value.to_str().map_or(true, |fields| fields.split(',').any(varies))) {
        return None;
    }
    let mut max_age = None;
    for value in headers.get_all(CACHE_CONTROL) {
        for directive in value.to_str().ok()?.split(',') {
            let directive = directive.trim().to_ascii_lowercase();
            let (name, argument) = directive.split_once('=').unwrap_or((&directive, ""));
            match name {
                "no-store" | "no-cache" => return None,
                // A value that cannot be read counts as stale (RFC 9111 section 4.2.1).
                "max-age" => max_age = Some(Duration::from_secs(argument.trim_matches('"').parse().unwrap_or(0))),
                _ => {}
            }
        }
    }
    let explicit = max_age.or_else(|| {
        let expires = clock::http_date(text(&EXPIRES)?).unwrap_or(SystemTime::UNIX_EPOCH);
        let sent = text(&DATE).and_then(clock::http_date).unwrap_or(now);
        Some(expires.duration_since(sent).unwrap_or_default())
    });
    let lifetime = explicit.or_else(|| matches!(status, 301 | 308).then_some(PERMANENT))?;
    let age = text(&AGE).and_then(|age| age.trim().parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
    let left = lifetime.saturating_sub(age);
    (!left.is_zero()).then_some(left)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn of(status: u16, fields: &[(&'static str, &'static str)]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("a value"));
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        lifetime(status, &headers, now).map(|lifetime| lifetime.as_secs())
    }

    #[test]
    fn a_redirect_is_remembered_for_the_lifetime_it_names() {
        assert_eq!(of(302, &[]), None);
        assert_eq!(of(307, &[("cache-control", "private, max-age=60")]), Some(60));
        assert_eq!(of(302, &[("cache-control", "max-age=60"), ("age", "50")]), Some(10));
        assert_eq!(of(302, &[("cache-control", "max-age=60"), ("age", "60")]), None);
        assert_eq!(of(301, &[]), Some(24 * 3600));
        assert_eq!(of(308, &[("cache-control", "max-age=5")]), Some(5));
        assert_eq!(of(308, &[("cache-control", "max-age=never")]), None);
        assert_eq!(of(302, &[("expires", "Sun, 06 Nov 1994 08:50:37 GMT")]), Some(60));
        assert_eq!(of(301, &[("expires", "0")]), None);
    }

    #[test]
    fn a_redirect_that_is_not_the_same_for_every_request_is_not_remembered() {
        assert_eq!(of(301, &[("cache-control", "no-store")]), None);
        assert_eq!(of(301, &[("cache-control", "max-age=9, no-cache")]), None);
        assert_eq!(of(301, &[("vary", "accept, Authorization")]), None);
        assert_eq!(of(301, &[("vary", "accept-encoding")]), Some(24 * 3600));
        assert_eq!(of(301, &[("set-cookie", "a=b")]), None);
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_chains() {
        let url = |path: &str| Url::parse("http://h/").expect("a URL").join(path).expect(path);
        let key = |path: &str| Key { method: "GET".to_owned(), url: url(path), profile: None };
        let now = Now { boot: Duration::from_secs(5), wall: SystemTime::UNIX_EPOCH };
        let later = |seconds: u64| Now { boot: Duration::from_secs(5 + seconds), wall: SystemTime::UNIX_EPOCH };
        let cache = HopCache::default();
        for n in 0..CAPACITY + 10 {
            cache.put(key(&n.to_string()), 301, url("t"), Duration::from_secs(10 + n as u64), now);
        }
        assert_eq!(cache.0.lock().expect("not poisoned").len(), CAPACITY);
        assert_eq!(cache.get(&key("9"), &now), None);
        assert!(cache.get(&key("11"), &now).is_some());
        assert_eq!(cache.get(&key("11"), &later(30)), None);

        cache.put(key("a"), 301, url("b"), PERMANENT, now);
        cache.put(key("b"), 308, url("a"), PERMANENT, now);
        cache.forget(&url("a"));
        assert_eq!((cache.get(&key("a"), &now), cache.get(&key("b"), &now)), (None, None));
    }
}
