//! Whether what http.c goes on with, after it has taken up a connection again, is still the same entity. http.c never looks: it
//! asks for the rest, and takes whatever comes. It logs each header field of an answer before it delivers the first byte.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// What is known of the entities behind the connections, by the address of the `URLContext`.
#[derive(Default)]
pub struct Entities(RefCell<BTreeMap<usize, Entity>>);

#[derive(Default)]
struct Entity {
    /// The next request goes on where this one broke off.
    goes_on: bool,
    /// The last request did.
    went_on: bool,
    /// The answer is a refusal: what it tells is about its own body.
    is_refused: bool,
    /// Values of the fields in [`TELLING`], as the answer so far has told them.
    told: [Option<String>; 3],
}

/// Fields that stay the same as long as the entity does (RFC 9110 sections 8.8 and 14.4). Of the last one the length counts.
const TELLING: [&str; 3] = ["etag", "last-modified", "content-range"];

impl Entities {
    /// The connection of `protocol` will be taken up again.
    pub fn resume(&self, protocol: usize) {
        self.0.borrow_mut().entry(protocol).or_default().goes_on = true;
    }

    /// A request is sent. `same`: it is for the entity that was asked for before on this connection.
    pub fn ask(&self, protocol: usize, same: bool) {
        let mut entities = self.0.borrow_mut();
        let entity = entities.entry(protocol).or_default();
        entity.is_refused = false;
        entity.went_on = std::mem::take(&mut entity.goes_on);
        if !entity.went_on && !same {
            entity.told = Default::default();
        }
    }

    /// Does the request that was sent last go on where another one broke off?
    pub fn went_on(&self, protocol: usize) -> bool {
        self.0.borrow().get(&protocol).is_some_and(|entity| entity.went_on)
    }

    /// The answer has this line in its head. True if it is about another entity.
    pub fn hear(&self, protocol: usize, line: &str) -> bool {
        if line.starts_with("HTTP/") {
            let status = line.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
            let mut entities = self.0.borrow_mut();
            entities.entry(protocol).or_default().is_refused = status.is_some_and(|status| status >= 400);
            return false;
        }
        let Some((name, value)) = line.split_once(':') else { return false };
        let Some(index) = TELLING.iter().position(|telling| name.trim().eq_ignore_ascii_case(telling)) else { return false };
        let value = value.trim();
        let value = match index {
            // Apache calls a tag weak as long as the file is younger than a second.
            0 => value.trim_start_matches("W/"),
            2 => value.rsplit('/').next().unwrap_or(value),
            _ => value,
        };
        // A length that the server does not know.
        if value.is_empty() || value == "*" {
            return false;
        }
        let mut entities = self.0.borrow_mut();
        let entity = entities.entry(protocol).or_default();
        !entity.is_refused && entity.told[index].get_or_insert_with(|| value.to_owned()) != value
    }

    /// The connection is closed.
    pub fn forget(&self, protocol: usize) {
        self.0.borrow_mut().remove(&protocol);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_before_a_connection_broke_must_be_told_again() {
        let entities = Entities::default();
        entities.ask(1, false);
        for line in ["ETag: \"a\"", "Content-Range: bytes 0-99/100", "Server: x", "HTTP/1.1 206 Partial Content"] {
            assert!(!entities.hear(1, line), "{line}");
        }
        entities.resume(1);
        assert!(!entities.went_on(1));
        entities.ask(1, false);
        assert!(entities.went_on(1) && !entities.went_on(2));
        assert!(!entities.hear(1, "etag: \"a\"") && !entities.hear(1, "Content-Range: bytes 50-99/100"));
        assert!(!entities.hear(1, "Content-Range: bytes 50-99/*"));
        entities.hear(1, "HTTP/1.1 503 Service Unavailable");
        assert!(!entities.hear(1, "ETag: \"error-page\""));
        entities.hear(1, "HTTP/1.1 206 Partial Content");
        assert!(entities.hear(1, "Content-Range: bytes 50-119/120"));
        assert!(!entities.hear(1, "ETag: W/\"a\""));
        assert!(entities.hear(1, "ETag: \"b\""));
    }

    #[test]
    fn the_next_request_on_a_connection_may_be_for_something_else() {
        let entities = Entities::default();
        entities.ask(1, false);
        assert!(!entities.hear(1, "ETag: \"a\""));
        entities.ask(1, false);
        assert!(!entities.hear(1, "ETag: \"b\""));
        entities.ask(1, true);
        assert!(entities.hear(1, "ETag: \"c\""));
    }
}
