//! What follows when an input that is kept going has ended: a pure function.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::error::{Error, Kind};
use crate::libav::error::AvError;
use crate::pipeline::plan::Ingest;

/// How an input ended, or why it could not be opened again.
#[derive(Debug)]
pub enum End {
    /// The end of the file, which for a stream that must not end is none.
    Finished,
    /// No packet came for `-stall_timeout`.
    Stalled,
    /// It broke off, or did not open.
    Failed(Error),
}

/// Where the input stands.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// What is left of `-ingest_for`.
    pub left: Duration,
    /// How often it was tried to open it again.
    pub attempts: u32,
    /// How many of these attempts in a row came to nothing lasting.
    pub in_vain: u32,
    /// It has never been open.
    pub is_first: bool,
}

/// What follows.
#[derive(Debug)]
pub enum Verdict {
    /// It is opened again after this pause.
    Again(Duration),
    /// It was kept going for as long as was asked.
    Over,
    /// No waiting mends it here.
    Refused(Error),
    /// It was tried often enough: the job fails.
    GiveUp(Error),
}

/// A session with packets for so long makes the next pause a short one again.
pub const GOOD: Duration = Duration::from_secs(60);

const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), limit: Duration::from_secs(30) };

/// Judges the `end` of the input at `url` (masked). `random` is uniform in 0..1.
pub fn judge(end: End, situation: Situation, limits: &Ingest, url: &str, random: f64) -> Verdict {
    if situation.left.is_zero() {
        return Verdict::Over;
    }
    let end = match end {
        End::Failed(error) if !may_pass(&error, situation.is_first) => return Verdict::Refused(error),
        end => end,
    };
    if limits.max_restarts.is_some_and(|most| situation.attempts >= most) {
        let tries = situation.attempts;
        let text = format!("{url}: {}, and it was tried {tries} times to open it again (-max_restarts)", cause(&end, limits));
        return Verdict::GiveUp(Error::new(Kind::MediaServer, text));
    }
    Verdict::Again(pause(situation, random))
}

/// The pause before the next attempt.
pub fn pause(situation: Situation, random: f64) -> Duration {
    BACKOFF.delay(situation.in_vain, random).min(situation.left)
}

/// The end in words.
pub fn cause(end: &End, limits: &Ingest) -> String {
    match end {
        End::Finished => "the stream ended".to_owned(),
        End::Stalled => format!("no packet came for {} s", stall_timeout(limits).as_secs_f64()),
        End::Failed(error) => format!("the stream failed ({error})"),
    }
}

/// `-stall_timeout`.
pub fn stall_timeout(limits: &Ingest) -> Duration {
    limits.stall_timeout.unwrap_or(Duration::from_secs(30))
}

/// `-failback`; `None` = never.
pub fn failback(limits: &Ingest) -> Option<Duration> {
    Some(limits.failback.unwrap_or(Duration::from_secs(30))).filter(|every| !every.is_zero())
}

/// May the failure pass by itself? A server that has been there may be missing its files while it starts again; what was never
/// there is a wrong URL.
fn may_pass(error: &Error, is_first: bool) -> bool {
    match (error.http_status(), error.kind()) {
        (Some(404 | 410), _) => !is_first,
        (Some(408 | 425 | 429 | 500..), _) => true,
        (Some(400..), _) => false,
        (_, Kind::MediaServer) => !is_first || error.is_retryable(),
        // What libavformat says of a server's answer, not what we say of it.
        (_, Kind::Media | Kind::File) => !is_first && is_libavs(error),
        _ => false,
    }
}

fn is_libavs(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<AvError>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SITUATION: Situation = Situation { left: Duration::from_secs(600), attempts: 0, in_vain: 0, is_first: false };
    const LIMITS: Ingest =
        Ingest { keep_for: Some(Duration::from_secs(600)), stall_timeout: None, max_restarts: None, failback: None };

    fn pause(end: End, situation: Situation) -> Option<Duration> {
        match judge(end, situation, &LIMITS, "http://h/", 1.0) {
            Verdict::Again(pause) => Some(pause),
            Verdict::Over | Verdict::Refused(_) | Verdict::GiveUp(_) => None,
        }
    }

    fn failure(code: AvError) -> End {
        End::Failed(code.about("http://h/"))
    }

    #[test]
    fn each_end_is_followed_by_a_pause_that_grows() {
        for end in [End::Finished, End::Stalled, failure(AvError::HTTP_SERVER_ERROR), failure(AvError::INVALID_DATA)] {
            assert_eq!(pause(end, SITUATION), Some(SECOND));
        }
        let pauses = (0..7).map(|in_vain| pause(End::Finished, Situation { in_vain, ..SITUATION }).expect("a pause").as_secs());
        assert_eq!(pauses.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn no_pause_is_longer_than_what_is_left() {
        let left = SECOND / 4;
        assert_eq!(pause(End::Finished, Situation { left, ..SITUATION }), Some(left));
        let over = judge(failure(AvError::HTTP_FORBIDDEN), Situation { left: Duration::ZERO, ..SITUATION }, &LIMITS, "", 0.0);
        assert!(matches!(over, Verdict::Over), "{over:?}");
    }

    #[test]
    fn what_no_waiting_mends_ends_the_job() {
        for code in [AvError::HTTP_UNAUTHORIZED, AvError::HTTP_FORBIDDEN, AvError::HTTP_BAD_REQUEST, AvError::PROTOCOL_NOT_FOUND]
        {
            assert_eq!(pause(failure(code), SITUATION), None, "{code}");
        }
        for kind in [Kind::Usage, Kind::Config, Kind::LoginRequired, Kind::AuthorizationServer, Kind::Media, Kind::Internal] {
            assert_eq!(pause(End::Failed(Error::new(kind, "")), SITUATION), None, "{kind:?}");
        }
    }

    #[test]
    fn what_was_never_there_is_not_waited_for() {
        let first = Situation { is_first: true, ..SITUATION };
        assert_eq!(pause(failure(AvError::HTTP_NOT_FOUND), SITUATION), Some(SECOND));
        assert_eq!(pause(failure(AvError::HTTP_NOT_FOUND), first), None);
        assert_eq!(pause(failure(AvError::INVALID_DATA), first), None);
        assert_eq!(pause(failure(AvError::from_errno(libc::ECONNREFUSED)), first), Some(SECOND));
    }

    #[test]
    fn a_limit_of_restarts_is_an_error_that_names_it() {
        let limits = Ingest { max_restarts: Some(2), ..LIMITS };
        let after = |attempts| judge(End::Stalled, Situation { attempts, ..SITUATION }, &limits, "http://h/", 0.0);
        assert!(matches!(after(1), Verdict::Again(_)));
        let Verdict::GiveUp(error) = after(2) else { panic!("it goes on") };
        assert!(error.to_string().contains("no packet came for 30 s") && error.to_string().contains("-max_restarts"), "{error}");
    }
}
