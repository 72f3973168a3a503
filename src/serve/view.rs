//! Streams and profiles as the API and the dashboard show them: JSON without secrets.

use serde_json::{Value, json};

use crate::clock::{Now, rfc3339};
use crate::command_line;
use crate::error::Kind;
use crate::job::{FileReport, TokenState};
use crate::redact;

use super::stream::{Source, Stream};

/// A stream as JSON.
pub fn stream(stream: &Stream, now: &Now) -> Value {
    let (settings, wish, standing) = (stream.settings(), stream.wish(), stream.standing());
    let counts = standing.counts();
    let job = stream.job().map(|job| job.status());
    let files = |files: &[FileReport]| {
        files
            .iter()
            .map(|file| {
                json!({
                    "url": redact::url(&file.url), "profile": file.auth, "packets": file.packets, "bytes": file.bytes,
                })
            })
            .collect::<Vec<_>>()
    };
    json!({
        "id": stream.id,
        "source": match stream.source { Source::File => "file", Source::Api => "api" },
        "run": shown(&settings.run),
        "restart": settings.restart.name(),
        "desired": if wish.running { "running" } else { "stopped" },
        "state": standing.phase().name(),
        "since": rfc3339(standing.since.wall),
        "uptime": standing.began.map(|began| now.since(&began).as_secs()),
        "next_attempt": standing.next.map(|next| rfc3339(next.wall)),
        "restarts": standing.restarts,
        "failures": standing.failures,
        "error": standing.trouble.as_ref().map(|trouble| json!({
            "message": trouble.message, "hint": trouble.hint, "kind": kind(trouble.kind), "at": rfc3339(trouble.at.wall),
        })),
        "inputs": job.as_ref().map_or_else(Vec::new, |job| files(&job.inputs)),
        "outputs": job.as_ref().map_or_else(Vec::new, |job| files(&job.outputs)),
        "packets_read": counts.packets_read,
        "bytes_read": counts.bytes_read,
        "packets_written": counts.packets_written,
        "bytes_written": counts.bytes_written,
        "gaps": counts.gaps,
        "segments_lost": counts.segments_lost,
        "reconnects": counts.reconnects + counts.retries + counts.reopened,
        "http_401": counts.http_401,
        "token_swaps": counts.token_swaps,
        "output_lag": standing.lag(now),
        "bitrate": standing.rates().last(),
        "bitrates": standing.rates().collect::<Vec<_>>(),
    })
}

/// The tokens of a profile as JSON. `state`: of one that is in use.
pub fn profile(name: &str, state: Option<&TokenState>, now: &Now) -> Value {
    let state = state.cloned().unwrap_or_default();
    json!({
        "name": name,
        "in_use": state != TokenState::default(),
        "generation": state.generation,
        "age": state.age.map(|age| age.as_secs()),
        "expires_in": state.remaining.map(|left| left.as_secs()),
        "expires_at": state.remaining.map(|left| rfc3339(now.wall + left)),
        "refreshes": state.refreshes,
        "failures": state.failures,
        "error": state.failure,
    })
}

/// A command line with everything masked that may be a secret.
fn shown(run: &str) -> String {
    let Ok(words) = command_line::words(run) else { return redact::line(run).into_owned() };
    redact::command_line(&words)
}

/// Who must act, in one word.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Usage => "usage",
        Kind::Config => "config",
        Kind::LoginRequired => "login_required",
        Kind::AuthorizationServer => "authorization_server",
        Kind::MediaServer => "media_server",
        Kind::Media => "media",
        Kind::File => "file",
        Kind::Stopped => "stopped",
        Kind::Internal => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_show_no_secret() {
        for (run, expected) in [
            ("-i https://u:p@h/a?token=x -c copy o.ts", "-i 'https://***@h/a?***' -c copy o.ts"),
            ("-headers 'X-Key: canary' -i https://h/a o.ts", "-headers 'X-Key: ***' -i https://h/a o.ts"),
            ("-passphrase canary -i 'a b' o.ts", "-passphrase '***' -i 'a b' o.ts"),
            ("-i a -metadata title=\"it's\" ''", "-i a -metadata 'title=it'\\''s' ''"),
            ("-i 'https://h/a?b", "-i 'https://h/a?***"),
        ] {
            assert_eq!(shown(run), expected);
        }
    }

    #[test]
    fn what_is_shown_reads_as_the_same_words() {
        let run = "-i 'a b' -vf \"scale=1:2, null\" o\\ p.ts";
        assert_eq!(command_line::words(&shown(run)).expect("words"), command_line::words(run).expect("words"));
    }
}
