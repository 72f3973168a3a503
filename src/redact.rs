//! Masks what may hold a secret in text that is shown: URLs, header lines, libav's log lines.

use std::borrow::Cow;

/// What stands where a query string was.
const QUERY: &str = "?***";
/// What stands where user-info was.
const USER_INFO: &str = "***@";

/// Response and request headers whose values cannot hold a secret; the value of every other one is masked.
const PLAIN_HEADERS: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "expect",
    "expires",
    "host",
    "icy-metadata",
    "keep-alive",
    "last-modified",
    "link",
    "location",
    "pragma",
    "range",
    "retry-after",
    "server",
    "strict-transport-security",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
];

/// `url` with its query string as `?***` and its user-info as `***@`. Works on anything that looks like a URL, also inside
/// other text and behind protocol prefixes such as `crypto+` or `concat:`.
pub fn url(url: &str) -> Cow<'_, str> {
    line(url)
}

/// A line of text with every URL and every secret-bearing header in it masked.
pub fn line(line: &str) -> Cow<'_, str> {
    if !line.contains("://") && !line.contains(": ") && !line.contains('?') {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    for part in line.split_inclusive('\n') {
        mask_header(&mask_urls(part), &mut out);
    }
    if out == line { Cow::Borrowed(line) } else { Cow::Owned(out) }
}

/// Options whose values are secrets as a whole; URLs and header lines are masked in every value.
const SECRET_OPTIONS: &[&str] = &[
    "cookies",
    "key",
    "iv",
    "passphrase",
    "password",
    "cryptokey",
    "decryption_key",
    "encryption_key",
    "hls_enc_key",
    "http_proxy",
    "rtmp_conn",
];

/// The words of an ffmpeg command line with their secrets masked, fit to be pasted into a shell.
pub fn command_line(words: &[String]) -> String {
    let mut is_secret = false;
    let shown = words.iter().map(|word| {
        let masked = if is_secret { "***".into() } else { line(word) };
        let name = |option: &str| option.trim_start_matches('-').split(':').next().unwrap_or_default().to_owned();
        is_secret = !is_secret && word.strip_prefix('-').is_some_and(|option| SECRET_OPTIONS.contains(&name(option).as_str()));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "+,-./:@_=%".contains(c);
        match !masked.is_empty() && masked.chars().all(is_plain) {
            true => masked.into_owned(),
            false => format!("'{}'", masked.replace('\'', "'\\''")),
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// Masks user-info and query of each `scheme://…`, and the query in an HTTP request line (`GET /path?query HTTP/1.1`).
fn mask_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let body = at + 3;
        out.push_str(&rest[..body]);
        let tail = &rest[body..];
        let end = tail.find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '<' | '>' | '|')).unwrap_or(tail.len());
        // One URL inside another's query goes with that query.
        let url = &tail[..end];
        let authority_end = url.find(['/', '?', '#']).unwrap_or(url.len());
        let (authority, path) = url.split_at(authority_end);
        match authority.rfind('@') {
            Some(user_info) => {
                out.push_str(USER_INFO);
                out.push_str(&authority[user_info + 1..]);
            }
            None => out.push_str(authority),
        }
        match path.find('?') {
            Some(query) => {
                out.push_str(&path[..query]);
                out.push_str(QUERY);
            }
            None => out.push_str(path),
        }
        rest = &tail[end..];
    }
    out.push_str(rest);
    mask_bare_queries(mask_request_line(&out).unwrap_or(out))
}

/// Masks `path?name=value`, the part of a URL that rtmpproto.c logs by itself.
fn mask_bare_queries(text: String) -> String {
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('?') {
        let (before, tail) = rest.split_at(at + 1);
        out.push_str(before);
        let end = tail.find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ',' | '<' | '>' | '|')).unwrap_or(tail.len());
        let name = tail[..end].split('=').next().unwrap_or_default();
        let is_name =
            name.len() < end && !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~%".contains(c));
        let follows_path = before.len() > 1 && !before[..at].ends_with(char::is_whitespace);
        if is_name && follows_path {
            out.push_str("***");
            rest = &tail[end..];
        } else {
            rest = tail;
        }
    }
    if out.is_empty() { text } else { out + rest }
}

fn mask_request_line(text: &str) -> Option<String> {
    let end = text.find(" HTTP/1.")?;
    let target = text[..end].rfind(' ')? + 1;
    let query = text[target..end].find('?')? + target;
    Some(format!("{}{QUERY}{}", &text[..query], &text[end..]))
}

/// Masks the value in `Name: value`, also in libav's `header='Name: value'`, unless the name is known to be harmless.
fn mask_header(text: &str, out: &mut String) {
    let Some(colon) = text.find(": ") else {
        out.push_str(text);
        return;
    };
    let name = text[..colon].rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).next().unwrap_or_default();
    let start = colon - name.len();
    let in_libav_quotes = text[..start].ends_with("header='");
    let whole_line = text[..start].trim().is_empty();
    if name.is_empty() || !(in_libav_quotes || (whole_line && is_header_name(name))) || is_plain(name) {
        out.push_str(text);
        return;
    }
    let value = &text[colon + 2..];
    let kept = value.trim_end_matches(['\r', '\n', '\'']);
    out.push_str(&text[..colon + 2]);
    // The authentication scheme helps whoever reads the log and gives nothing away.
    if let Some((scheme, _)) = kept.split_once(' ')
        && ["bearer", "basic", "dpop", "digest"].contains(&scheme.to_ascii_lowercase().as_str())
    {
        out.push_str(scheme);
        out.push(' ');
    }
    out.push_str("***");
    out.push_str(&value[kept.len()..]);
}

/// Words that begin a log line ("Stream #0:0: Video") hold spaces or are not header-like; header names are `Word-Word`.
fn is_header_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.contains('-') || ["authorization", "cookie"].contains(&lower.as_str())
}

fn is_plain(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    PLAIN_HEADERS.contains(&lower.as_str())
}

/// Text from a server made safe to show: control characters removed, at most 500 characters.
pub fn untrusted(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_user_info_are_masked_wherever_a_url_stands() {
        for (text, masked) in [
            ("https://h/p?access_token=CANARY", "https://h/p?***"),
            ("https://u:CANARY@h:1/p", "https://***@h:1/p"),
            ("https://h/p", "https://h/p"),
            ("plain.mp4", "plain.mp4"),
            ("Opening 'crypto+https://h/p?t=CANARY' for reading\n", "Opening 'crypto+https://h/p?***' for reading\n"),
            ("concat:http://a/1?x=CANARY|http://b/2?y=CANARY", "concat:http://a/1?***|http://b/2?***"),
            ("GET /p?t=CANARY HTTP/1.1\r\n", "GET /p?*** HTTP/1.1\r\n"),
            ("request: GET /p?t=CANARY HTTP/1.1\r\n", "request: GET /p?*** HTTP/1.1\r\n"),
            ("https://h?u=https://x/CANARY", "https://h?***"),
            ("path = /app/s?t=CANARY, app = app, fname = s?t=CANARY&x=1\n", "path = /app/s?***, app = app, fname = s?***\n"),
            ("really? yes=no, and a?b\n", "really? yes=no, and a?b\n"),
        ] {
            assert_eq!(line(text), masked);
        }
    }

    #[test]
    fn header_values_are_masked_unless_harmless() {
        for (text, masked) in [
            ("Authorization: Bearer CANARY\r\n", "Authorization: Bearer ***\r\n"),
            ("X-Api-Token: CANARY\r\n", "X-Api-Token: ***\r\n"),
            ("header='Set-Cookie: a=CANARY'\n", "header='Set-Cookie: ***'\n"),
            ("header='X-Echo: CANARY'\n", "header='X-Echo: ***'\n"),
            ("header='Content-Length: 12'\n", "header='Content-Length: 12'\n"),
            ("User-Agent: Lavf\r\n", "User-Agent: Lavf\r\n"),
            ("Stream #0:0: Video: h264\n", "Stream #0:0: Video: h264\n"),
            ("\u{17a}: http://h/?a=CANARY", "\u{17a}: http://h/?***"),
            ("\u{17a}X-Key: 1\n", "\u{17a}X-Key: 1\n"),
            ("  Duration: 00:00:20.00, start: 1.4\n", "  Duration: 00:00:20.00, start: 1.4\n"),
        ] {
            assert_eq!(line(text), masked);
        }
    }

    #[test]
    fn server_text_loses_control_characters_and_length() {
        assert_eq!(untrusted("a\x1b[31m\nb"), "a[31mb");
        assert_eq!(untrusted(&"x".repeat(900)).len(), 500);
    }

    #[test]
    fn the_command_line_shows_no_secrets() {
        let args = [
            "-headers",
            "Authorization: Bearer CANARY\r\n",
            "-cookies",
            "CANARY",
            "-i",
            "https://joe:CANARY@h/a?k=CANARY",
            "it's",
        ];
        let text = command_line(&args.map(str::to_owned));
        assert!(!text.contains("CANARY"), "{text}");
        assert!(text.starts_with("-headers '") && text.ends_with(r"'it'\''s'"), "{text}");
    }
}
