//! A command line in one string, taken apart as a POSIX shell does (XCU 2.2, quoting) but without its expansions: `$`, `*`, `~`,
//! `|` and `&` are ordinary characters, so that URLs need no quotes.

use crate::error::{Error, Kind};

/// The words of `text`.
///
/// # Errors
/// [`Kind::Usage`]: a quote that is not closed, or a backslash at the end.
pub fn words(text: &str) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    // `Some` within a word, which may be empty: `''`.
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\\' => match chars.next() {
                // A line that goes on.
                Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return Err(Error::new(Kind::Usage, "the command line ends in a backslash")),
            },
            '\'' | '"' => {
                let quoted = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err(Error::new(Kind::Usage, format!("the command line has a {c} that is not closed"))),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => match chars.next() {
                            Some('\n') => {}
                            Some(escaped @ ('"' | '\\' | '$' | '`')) => quoted.push(escaped),
                            Some(other) => quoted.extend(['\\', other]),
                            // The quote is missing as well.
                            None => {}
                        },
                        Some(other) => quoted.push(other),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_shells() {
        for (text, expected) in [
            ("", &[][..]),
            ("  -i  a\tb\n", &["-i", "a", "b"]),
            ("-vf 'scale=640:-1, null' x", &["-vf", "scale=640:-1, null", "x"]),
            (r#"-metadata title="a \"b\" \$c \d" y"#, &["-metadata", r#"title=a "b" $c \d"#, "y"]),
            (r"a\ b \'c\' d\\", &["a b", "'c'", r"d\"]),
            ("'' \"\" a''b", &["", "", "ab"]),
            ("-i a \\\n  out.ts", &["-i", "a", "out.ts"]),
            ("\"a\\\nb\"", &["ab"]),
            ("https://h/p?a=$b&c=*|~ #x", &["https://h/p?a=$b&c=*|~", "#x"]),
            ("müll 'ß'", &["müll", "ß"]),
        ] {
            assert_eq!(words(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_closed_is_an_error() {
        for (text, part) in [("-i 'a", "'"), ("\"a\\\"", "\""), ("a\\", "backslash"), ("\"\\", "\"")] {
            let error = words(text).expect_err(text);
            assert!(error.kind() == Kind::Usage && error.to_string().contains(part), "{error}");
        }
    }
}
