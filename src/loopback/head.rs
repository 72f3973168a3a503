//! The head of a request, and that of its answer (RFC 9112), as far as http.c speaks it.

use std::fmt::Write;

/// Longer heads are not read.
pub(super) const LONGEST: usize = 16 * 1024;
const FIELDS: usize = 64;

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The request target as it came.
    pub(super) target: String,
    /// The `Host` field.
    pub(super) host: String,
    /// `HEAD`: no body.
    pub(super) bodiless: bool,
    /// The first byte and the end (exclusive) of the part that is wanted.
    pub(super) range: Option<(u64, Option<u64>)>,
    /// The connection may be used again.
    pub(super) keeps: bool,
}

/// The request was none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads the head at the beginning of `buffer`, and says how long it is; `None` if it is not complete.
pub(super) fn parse(buffer: &[u8]) -> Result<Option<(Head, usize)>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buffer.len() < LONGEST => return Ok(None),
        _ => return Err(Malformed),
    };
    let field = |name: &str| {
        let found = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        found.and_then(|field| std::str::from_utf8(field.value).ok()).unwrap_or_default()
    };
    let bodiless = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err(Malformed),
    };
    if !field("content-length").is_empty() || !field("transfer-encoding").is_empty() {
        return Err(Malformed);
    }
    let head = Head {
        target: request.path.unwrap_or_default().to_owned(),
        host: field("host").to_owned(),
        bodiless,
        range: range(field("range")),
        keeps: request.version == Some(1) && !field("connection").eq_ignore_ascii_case("close"),
    };
    Ok(Some((head, length)))
}

/// `bytes=A-` and `bytes=A-B` (RFC 9110 section 14.1.2); what else there is may be ignored, and http.c sends none of it.
fn range(field: &str) -> Option<(u64, Option<u64>)> {
    let (first, last) = field.strip_prefix("bytes=")?.split_once('-')?;
    let end = if last.is_empty() { None } else { Some(last.parse::<u64>().ok()?.checked_add(1)?) };
    Some((first.parse().ok()?, end))
}

/// The head of an answer.
pub(super) struct Answer {
    text: String,
}

impl Answer {
    /// An answer with this status.
    pub(super) fn new(status: u16) -> Self {
        let words = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Refused");
        Self { text: format!("HTTP/1.1 {status} {words}\r\n") }
    }

    /// Adds a field. The value is ours, or one that the HTTP library took for a field's.
    pub(super) fn field(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        // A string takes everything.
        let _ = write!(self.text, "{name}: {value}\r\n");
        self
    }

    /// The text as it is sent.
    pub(super) fn end(mut self, keeps: bool) -> String {
        self.text.push_str(if keeps { "\r\n" } else { "Connection: close\r\n\r\n" });
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_http_c_sends_is_understood() {
        let text = "GET /s/https/h/x?y HTTP/1.1\r\nUser-Agent: Lavf\r\nRange: bytes=5-9\r\nConnection: close\r\nHost: 127.0.0.1:1\r\n\r\nmore";
        let (head, length) = parse(text.as_bytes()).expect("a request").expect("a whole one");
        assert_eq!(length, text.len() - 4);
        assert_eq!((head.target.as_str(), head.host.as_str()), ("/s/https/h/x?y", "127.0.0.1:1"));
        assert_eq!((head.range, head.keeps, head.bodiless), (Some((5, Some(10))), false, false));
        for end in 0..length {
            assert_eq!(parse(&text.as_bytes()[..end]), Ok(None), "the first {end} bytes");
        }
    }

    #[test]
    fn what_is_no_read_is_refused() {
        for text in [
            "POST / HTTP/1.1\r\n\r\n",
            "CONNECT h:443 HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
            "\u{16}\u{3}\u{1}",
            "GET / HTTP/1.1\r\nA b\r\n\r\n",
        ] {
            assert_eq!(parse(text.as_bytes()), Err(Malformed), "{text:?}");
        }
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(LONGEST));
        assert_eq!(parse(endless.as_bytes()), Err(Malformed));
    }

    #[test]
    fn ranges_begin_somewhere() {
        assert_eq!(range("bytes=0-"), Some((0, None)));
        assert_eq!(range("bytes=7-7"), Some((7, Some(8))));
        for text in ["", "bytes=-5", "bytes=a-", "bytes=1-2,3-4", "items=0-", "bytes=0-18446744073709551615"] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn an_answer_ends_with_an_empty_line() {
        assert_eq!(Answer::new(404).field("Content-Length", 0).end(true), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(Answer::new(599).end(false), "HTTP/1.1 599 Refused\r\nConnection: close\r\n\r\n");
    }
}
