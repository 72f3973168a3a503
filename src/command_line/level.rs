//! `-loglevel [flags+]level`: libav's log levels by name or number.

use super::lower::Context;
use super::split::Given;
use super::value::usage;
use crate::error::Error;
use crate::pipeline::plan::Global;

/// Level names in the order of ffmpeg's own list, with libav's numbers (`AV_LOG_*`).
const LEVELS: &[(&str, i32)] = &[
    ("quiet", -8),
    ("panic", 0),
    ("fatal", 8),
    ("error", 16),
    ("warning", 24),
    ("info", 32),
    ("verbose", 40),
    ("debug", 48),
    ("trace", 56),
];

/// `-debug` and `-fdebug` raise the level to this.
pub const DEBUG: i32 = 48;
/// `AV_LOG_SKIP_REPEATED`, which ffmpeg sets to begin with.
const SKIP_REPEATED: i32 = 1;
/// `AV_LOG_PRINT_LEVEL`.
const PRINT_LEVEL: i32 = 2;

/// `-loglevel`, `-v`: flags that begin with a sign change those that hold, others replace them; a level alone leaves them.
///
/// # Errors
/// A level of no such name.
pub fn log_level(global: &mut Global, given: &Given, _: &mut Context) -> Result<(), Error> {
    let held = global.log_flags.unwrap_or(SKIP_REPEATED);
    let mut flags = held;
    let mut rest = given.value.as_str();
    let mut count = 0;
    while !rest.is_empty() {
        let sign = rest.chars().next().filter(|sign| matches!(sign, '+' | '-'));
        let token = &rest[sign.map_or(0, char::len_utf8)..];
        if count == 0 && sign.is_none() {
            flags = 0;
        }
        // `repeat` shows repeated lines, so that it clears the flag that skips them.
        let (after, flag, set) = match (token.strip_prefix("repeat"), token.strip_prefix("level")) {
            (Some(after), _) => (after, SKIP_REPEATED, sign == Some('-')),
            (None, Some(after)) => (after, PRINT_LEVEL, sign != Some('-')),
            (None, None) => break,
        };
        flags = if set { flags | flag } else { flags & !flag };
        rest = after;
        count += 1;
    }
    let name = rest.strip_prefix('+').unwrap_or(rest);
    if count == 0 && name.len() == rest.len() && !rest.is_empty() {
        flags = held;
    }
    if !name.is_empty() {
        global.log_level = Some(level(name)?);
    }
    global.log_flags = Some(flags);
    Ok(())
}

/// `-auth_log`: the names of `-loglevel`, without flags.
///
/// # Errors
/// A level of no such name.
pub fn auth_log(global: &mut Global, given: &Given, _: &mut Context) -> Result<(), Error> {
    global.auth_log = Some(level(&given.value)?);
    Ok(())
}

fn level(name: &str) -> Result<i32, Error> {
    let named = LEVELS.iter().find(|(level, _)| *level == name).map(|(_, number)| *number);
    named.or_else(|| name.parse().ok()).ok_or_else(|| {
        let names: Vec<&str> = LEVELS.iter().map(|(level, _)| *level).collect();
        usage(format!("Invalid loglevel \"{name}\". Possible levels are numbers or: {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    #[test]
    fn flags_and_level_are_told_apart() {
        for (text, flags, number) in [
            ("warning", SKIP_REPEATED, Some(24)),
            ("+warning", SKIP_REPEATED, Some(24)),
            ("-8", SKIP_REPEATED, Some(-8)),
            ("repeat+level+verbose", PRINT_LEVEL, Some(40)),
            ("level+error", PRINT_LEVEL, Some(16)),
            ("+level", SKIP_REPEATED | PRINT_LEVEL, None),
            ("+repeat-level", 0, None),
            ("repeat", 0, None),
        ] {
            let mut global = Global::default();
            let row = table::find("v").expect("a row");
            let given = Given { row, option: "v".into(), value: text.into() };
            log_level(&mut global, &given, &mut Context::default()).expect(text);
            assert_eq!((global.log_flags, global.log_level), (Some(flags), number), "{text}");
        }
    }

    #[test]
    fn an_unknown_level_names_the_known_ones() {
        let message = level("loud").expect_err("no level").to_string();
        assert!(message.contains("\"loud\"") && message.contains("quiet, panic, fatal"), "{message}");
    }
}
