//! The exit codes of the subcommands; the main job has ffmpeg's.

use crate::error::{Error, Kind};

/// Done.
pub const DONE: i32 = 0;
/// Any failure that has no code of its own.
pub const FAILED: i32 = 1;
/// Wrong usage or configuration.
pub const USAGE: i32 = 2;
/// Somebody has to sign in.
pub const LOGIN_REQUIRED: i32 = 3;
/// The authorization server refused or cannot be reached.
pub const AUTHORIZATION_SERVER: i32 = 4;
/// Interrupted by a signal.
pub const INTERRUPTED: i32 = 130;

/// The code for `error`.
pub fn code(error: &Error) -> i32 {
    code_of(error.kind())
}

/// The code for an error of this kind.
pub fn code_of(kind: Kind) -> i32 {
    match kind {
        Kind::Usage | Kind::Config => USAGE,
        Kind::LoginRequired => LOGIN_REQUIRED,
        Kind::AuthorizationServer => AUTHORIZATION_SERVER,
        Kind::Stopped => INTERRUPTED,
        Kind::MediaServer | Kind::Media | Kind::File | Kind::Internal => FAILED,
    }
}

/// The code where several apply: 2 before 3 before 4 before 1.
pub fn worst(codes: impl IntoIterator<Item = i32>) -> i32 {
    let rank =
        |code: &i32| [INTERRUPTED, USAGE, LOGIN_REQUIRED, AUTHORIZATION_SERVER, FAILED].iter().position(|known| known == code);
    codes.into_iter().filter(|code| *code != DONE).min_by_key(|code| rank(code).unwrap_or(usize::MAX)).unwrap_or(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_code() {
        for (kind, expected) in [
            (Kind::Usage, 2),
            (Kind::Config, 2),
            (Kind::LoginRequired, 3),
            (Kind::AuthorizationServer, 4),
            (Kind::MediaServer, 1),
            (Kind::Media, 1),
            (Kind::File, 1),
            (Kind::Internal, 1),
            (Kind::Stopped, 130),
        ] {
            assert_eq!(code(&Error::new(kind, "")), expected, "{kind:?}");
        }
    }

    #[test]
    fn the_gravest_code_wins() {
        assert_eq!(worst([1, 4, 0]), 4);
        assert_eq!(worst([4, 3, 2]), 2);
        assert_eq!(worst([0, 0]), 0);
        assert_eq!(worst([]), 0);
    }
}
