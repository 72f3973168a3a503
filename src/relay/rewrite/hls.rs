//! Playlists (RFC 8216 and its successor): lines that are URIs, and attributes of tags that hold one.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Base, Page};
use crate::relay::ticket::Cover;

/// The playlist `text` with its references replaced.
pub(super) fn rewrite(text: &str, page: &Page<'_>) -> String {
    let base = page.base();
    let mut variables = HashMap::new();
    let mut rewritten = String::with_capacity(text.len() * 2);
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_end_matches(['\r', '\n']);
        let end = &whole[line.len()..];
        if let Some(definition) = line.strip_prefix("#EXT-X-DEFINE:") {
            define(definition, page, &mut variables);
            rewritten.push_str(line);
        } else if line.starts_with("#EXT") {
            tag(line, &mut rewritten, |reference| replace(page, &base, &variables, reference));
        } else if line.starts_with('#') || line.trim().is_empty() {
            rewritten.push_str(line);
        } else {
            rewritten.push_str(&replace(page, &base, &variables, line.trim()).map_or(Cow::Borrowed(line), Cow::Owned));
        }
        rewritten.push_str(end);
    }
    rewritten
}

fn replace(page: &Page<'_>, base: &Base, variables: &HashMap<String, String>, reference: &str) -> Option<String> {
    page.replace(base, &fill(reference, variables)?, Cover::Whole)
}

/// Copies a tag, with the attributes in it replaced that hold a URI.
fn tag(line: &str, out: &mut String, replace: impl Fn(&str) -> Option<String>) {
    let mut copied = 0;
    for (name, value) in attributes(line, line.find(':').map_or(line.len(), |colon| colon + 1)) {
        // `URI`; `SERVER-URI` of EXT-X-CONTENT-STEERING; `X-ASSET-URI` and `X-ASSET-LIST` of an interstitial's EXT-X-DATERANGE.
        let holds = name == "URI" || name.ends_with("-URI") || name == "X-ASSET-LIST";
        let reference = &line[value.clone()];
        if let Some(new) = Some(reference).filter(|reference| holds && !reference.is_empty()).and_then(&replace) {
            out.push_str(&line[copied..value.start]);
            out.push_str(&new);
            copied = value.end;
        }
    }
    out.push_str(&line[copied..]);
}

/// Names of the attributes in `line` from byte `at` on, and where their values are, quotes aside (RFC 8216 section 4.2).
fn attributes(line: &str, at: usize) -> impl Iterator<Item = (&str, std::ops::Range<usize>)> {
    let mut at = at;
    std::iter::from_fn(move || {
        let equals = at + line.get(at..)?.find('=')?;
        let name = line[at..equals].trim_start_matches(',').trim();
        let start = equals + 1;
        let value = match line[start..].strip_prefix('"') {
            Some(quoted) => start + 1..start + 1 + quoted.find('"').unwrap_or(quoted.len()),
            None => start..start + line[start..].find(',').unwrap_or(line.len() - start),
        };
        at = line[value.end..].find(',').map_or(line.len(), |comma| value.end + comma + 1);
        Some((name, value))
    })
}

/// EXT-X-DEFINE: a variable with its value, or one whose value is in the query of the playlist's URL.
fn define(definition: &str, page: &Page<'_>, variables: &mut HashMap<String, String>) {
    let of = |wanted: &str| {
        let found = attributes(definition, 0).find(|(name, _)| *name == wanted);
        found.map(|(_, value)| definition[value].to_owned())
    };
    if let (Some(name), Some(value)) = (of("NAME"), of("VALUE")) {
        variables.insert(name, value);
    } else if let Some(name) = of("QUERYPARAM")
        && let Some((_, value)) = page.asked.query_pairs().find(|(known, _)| *known == name)
    {
        variables.insert(name, value.into_owned());
    }
}

/// `text` with its variables (`{$name}`) filled in; `None` if one is not known here.
fn fill<'a>(text: &'a str, variables: &HashMap<String, String>) -> Option<Cow<'a, str>> {
    if !text.contains("{$") {
        return Some(Cow::Borrowed(text));
    }
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{$") {
        let (name, after) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(variables.get(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Some(Cow::Owned(filled))
}
