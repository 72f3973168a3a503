//! What is wrong with a command line, said so that it can be mended: unknown and misplaced options, and the rules for `-auth`.

use super::split::{Given, Group};
use super::table;
use super::value::usage;
use crate::error::Error;
use crate::pipeline::plan::{Auth, AvOptions, Plan};
use crate::redact;

/// Protocols whose requests have a place for a token: a header field, a query, or user-info.
const CARRIERS: &[&str] = &["http", "https", "rtmp", "rtmps", "rtmpt", "rtmpts", "rtmpe", "rtmpte", "rtsp", "rtsps", "srt"];

/// An option that neither the table nor libav knows.
pub fn unknown_option(option: &str) -> Error {
    let error = usage(format!("Unrecognized option '{option}'."));
    let name = option.split(':').next().unwrap_or(option);
    match nearest(name) {
        Some(near) => error.with_hint(format!("did you mean -{near}?")),
        None => error,
    }
}

/// The option of the table that is one or two slips away from `name`; short names only forgive one.
fn nearest(name: &str) -> Option<&'static str> {
    let allowed = if name.len() < 5 { 1 } else { 2 };
    let distances = table::ROWS.iter().map(|row| (distance(name, row.name), row.name));
    distances.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut least = (row[j] + usize::from(a != b)).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

/// An input's option before an output or the reverse.
pub fn misplaced(given: &Given, kind: &str, file: &str) -> Error {
    usage(format!(
        "Option {} ({}) cannot be applied to {kind} {file} -- you are trying to apply an input option to an output file or vice \
         versa. Move this option before the file it belongs to.",
        given.option, given.row.help
    ))
}

/// ffmpeg only warns of options after the last file; a token that goes nowhere is an error.
///
/// # Errors
/// There is an `-auth` among them.
pub fn trailing(group: &Group) -> Result<(), Error> {
    match group.options.iter().find(|given| given.row.name == "auth") {
        Some(given) => {
            Err(usage(format!("Trailing option(s) found in the command: -auth {} stands after the last file", given.value))
                .with_hint("move it before the -i or the output that needs the token"))
        }
        None => Ok(()),
    }
}

/// Checks what no single option can see.
///
/// # Errors
/// No files at all; `-auth` where a token cannot go or where another credential is given already.
pub fn check(plan: &Plan) -> Result<(), Error> {
    if plan.inputs.is_empty() && plan.outputs.is_empty() {
        return Err(usage("At least one input and one output file must be specified").with_hint(
            "ffauth [options] [[infile options] -i infile]... {[outfile options] outfile}...; `ffauth -h` says more",
        ));
    }
    for input in &plan.inputs {
        let lists_urls = input.format.as_deref() == Some("concat") || extension_is(&input.url, "ffconcat");
        check_auth(&input.url, &input.auth, &input.options, lists_urls)?;
    }
    for output in &plan.outputs {
        check_auth(&output.url, &output.auth, &output.options, false)?;
    }
    Ok(())
}

/// The rules for `-auth` before a file. tee and `concat:` are one URL here that holds several; one of them must take a token.
fn check_auth(url: &str, auth: &Auth, options: &AvOptions, lists_urls: bool) -> Result<(), Error> {
    if auth.profiles.is_empty() {
        return Ok(());
    }
    let names = auth.profiles.join(",");
    let shown = redact::url(url);
    let carries = |scheme: &str| CARRIERS.iter().any(|carrier| scheme.eq_ignore_ascii_case(carrier));
    if !lists_urls && !urls(url).any(|(scheme, _)| carries(scheme)) {
        return Err(usage(format!("-auth {names} stands before {shown}, whose protocol carries no token")).with_hint(
            "a token can go into http, https, rtmp, rtsp and srt URLs; take -auth away or move it before such a file",
        ));
    }
    if urls(url).any(|(scheme, authority)| carries(scheme) && authority.contains('@')) {
        return Err(usage(format!("{shown} names a user, and -auth {names} is given too"))
            .with_hint("drop the user-info from the URL, or drop -auth"));
    }
    let option = |name: &str| options.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    if option("auth_type").is_some() {
        return Err(usage(format!("-auth_type and -auth {names} are both given for {shown}")).with_hint("drop -auth_type"));
    }
    let authorization = |line: &str| line.split(':').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("authorization"));
    if option("headers").is_some_and(|headers| headers.lines().any(authorization)) {
        return Err(usage(format!("-headers has an Authorization line, and -auth {names} is given too for {shown}"))
            .with_hint("drop the Authorization line from -headers: the profile's token takes its place"));
    }
    Ok(())
}

/// Scheme and authority of each URL in `text`, without protocols that wrap it (`crypto+https`, `concat:http`).
fn urls(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.match_indices("://").map(|(at, separator)| {
        let (before, after) = (&text[..at], &text[at + separator.len()..]);
        let scheme = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or(before);
        (scheme, after.split(['/', '?', '#', '|']).next().unwrap_or(after))
    })
}

fn extension_is(url: &str, extension: &str) -> bool {
    url.rsplit_once('.').is_some_and(|(_, found)| found.eq_ignore_ascii_case(extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::plan::{Input, Output};

    fn auth() -> Auth {
        Auth { profiles: vec!["cam".into()], ..Auth::default() }
    }

    fn input(url: &str, options: &[(&str, &str)]) -> Result<(), Error> {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        check(&Plan { inputs: vec![Input { url: url.into(), auth: auth(), options, ..Input::default() }], ..Plan::default() })
    }

    fn output(url: &str) -> Result<(), Error> {
        check(&Plan { outputs: vec![Output { url: url.into(), auth: auth(), ..Output::default() }], ..Plan::default() })
    }

    #[test]
    fn a_token_goes_only_where_the_protocol_has_a_place_for_it() {
        for url in [
            "https://a/b.m3u8",
            "HTTP://a/b",
            "crypto+https://a/b",
            "cache:http://a/b",
            "concat:http://a/1.ts|http://a/2.ts",
            "rtmps://a/live",
            "rtsp://a/1",
            "srt://a:9000",
            "list.ffconcat",
        ] {
            assert!(input(url, &[]).is_ok(), "{url}");
        }
        for url in ["a.mp4", "file:a.mp4", "pipe:", "/dev/video0", "udp://239.0.0.1:1234", "data:text/plain,x"] {
            let error = input(url, &[]).expect_err(url);
            assert!(error.to_string().contains("carries no token"), "{error}");
        }
        assert!(output("[f=hls]https://a/b.m3u8|local.mp4").is_ok());
        assert!(output("a.mp4|b.mp4").is_err());
        assert!(output("https://a/b.m3u8|ftp://joe:pw@c/d").is_ok());
    }

    #[test]
    fn a_second_credential_is_an_error_that_does_not_show_it() {
        let error = input("https://joe:secret@a/b?key=hidden", &[]).expect_err("user-info");
        assert!(error.to_string().starts_with("https://***@a/b?*** names a user"), "{error}");
        assert!(input("https://a/b", &[("auth_type", "basic")]).is_err());
        let error = input("https://a/b", &[("headers", "X-A: 1\r\nauthorization: Bearer secret\r\n")]).expect_err("a header");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(input("https://a/b", &[("headers", "X-Authorization: 1\r\nCookie: a\r\n")]).is_ok());
    }

    #[test]
    fn a_path_may_have_an_at_sign() {
        assert!(input("https://a/@joe/live", &[]).is_ok());
    }

    #[test]
    fn a_slip_is_met_with_the_nearest_option() {
        assert_eq!(unknown_option("sohrtest").hint(), Some("did you mean -shortest?"));
        assert_eq!(unknown_option("metdata:s:a:0").hint(), Some("did you mean -metadata?"));
        assert_eq!(unknown_option("no_such_option").hint(), None);
        assert_eq!((distance("abc", "acb"), distance("", "ab"), distance("kitten", "sitting")), (1, 2, 3));
    }

    #[test]
    fn nothing_to_do_is_an_error() {
        assert!(check(&Plan::default()).is_err());
    }
}
