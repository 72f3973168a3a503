//! What the demo found: as a table, as JSON, and whether it proves what it is there to prove.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::issuer::Seen;

/// Tokens that have to expire while the ingest runs.
const EXPIRIES: usize = 6;

/// What became of one ingest.
#[derive(Clone, Debug, Default)]
pub struct Ingest {
    /// As a user would type it.
    pub command: String,
    /// What the media server saw.
    pub seen: Seen,
    /// Packets in the file.
    pub written: usize,
    /// Those of them that are the source's.
    pub identical: usize,
    /// Where the file first differs from the source.
    pub difference: Option<String>,
    /// What the job said.
    pub error: Option<String>,
}

/// Both ingests.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The one with new tokens.
    pub refreshed: Ingest,
    /// The one with the first token only.
    pub frozen: Ingest,
    /// Packets that were on air.
    pub expected: usize,
    /// How long tokens lived.
    pub token_life: Duration,
    /// How long it all took.
    pub took: Duration,
}

impl Findings {
    /// Why it proves nothing, or the opposite; `None` if all is well.
    pub fn objection(&self) -> Option<String> {
        let Self { refreshed, frozen, expected, .. } = self;
        if let Some(error) = &refreshed.error {
            return Some(format!("the ingest with refreshed tokens failed: {error}"));
        }
        if let Some(difference) = &refreshed.difference {
            return Some(format!("the ingest with refreshed tokens is not the source: {difference}"));
        }
        if refreshed.written != *expected || refreshed.identical != *expected {
            return Some(format!("{} of {expected} packets are missing", expected - refreshed.identical.min(*expected)));
        }
        if refreshed.seen.expired < EXPIRIES {
            return Some(format!(
                "only {} tokens expired meanwhile; it takes {EXPIRIES} to show anything",
                refreshed.seen.expired
            ));
        }
        if frozen.difference.is_none() {
            return Some("the frozen token lost nothing, so the stream was not protected and this shows nothing".to_owned());
        }
        None
    }

    /// For people.
    pub fn table(&self) -> String {
        let Self { refreshed, frozen, expected, .. } = self;
        let mut text = format!("{:26}{:>14}{:>14}\n", "", "refreshed", "frozen token");
        for (name, refreshed, frozen) in [
            ("tokens used", refreshed.seen.tokens, frozen.seen.tokens),
            ("expired meanwhile", refreshed.seen.expired, frozen.seen.expired),
            ("answers of 401", refreshed.seen.http_401, frozen.seen.http_401),
            ("packets expected", *expected, *expected),
            ("packets written", refreshed.written, frozen.written),
            ("packets identical", refreshed.identical, frozen.identical),
        ] {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:26}{refreshed:>14}{frozen:>14}");
        }
        text.push('\n');
        let _ = match self.objection() {
            None => writeln!(text, "refreshed:    every packet arrived (stream, pts, dts, size, SHA-256)."),
            Some(objection) => writeln!(text, "FAILED:       {}.", objection.trim_end_matches('.')),
        };
        let lost = expected - frozen.identical.min(*expected);
        let said = frozen.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        let _ = writeln!(text, "frozen token: {lost} packets lost{}.", said.trim_end_matches('.'));
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let ingest = |ingest: &Ingest| {
            json!({
                "command": ingest.command,
                "requests": ingest.seen.requests,
                "tokens": ingest.seen.tokens,
                "tokens_expired": ingest.seen.expired,
                "http_401": ingest.seen.http_401,
                "packets_expected": self.expected,
                "packets_written": ingest.written,
                "packets_identical": ingest.identical,
                "difference": ingest.difference,
                "error": ingest.error,
            })
        };
        let objection = self.objection();
        json!({
            "passed": objection.is_none(),
            "objection": objection,
            "token_life": self.token_life.as_secs_f64(),
            "seconds": (self.took.as_secs_f64() * 10.0).round() / 10.0,
            "refreshed": ingest(&self.refreshed),
            "frozen": ingest(&self.frozen),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Findings {
        let refreshed = Ingest {
            command: "ffauth -auth demo -i http://127.0.0.1:1/live.m3u8 -c copy demo.mp4".to_owned(),
            seen: Seen { requests: 40, http_401: 0, tokens: 8, expired: 7 },
            written: 1438,
            identical: 1438,
            ..Ingest::default()
        };
        let frozen = Ingest {
            seen: Seen { requests: 9, http_401: 2, tokens: 1, expired: 1 },
            written: 300,
            identical: 300,
            difference: Some("video: the packets from number 100 on are missing".to_owned()),
            error: Some("the token expired.".to_owned()),
            ..Ingest::default()
        };
        let (token_life, took) = (Duration::from_secs(3), Duration::from_millis(18_749));
        Findings { refreshed, frozen, expected: 1438, token_life, took }
    }

    #[test]
    fn the_table_stands_in_columns() {
        assert_eq!(
            findings().table(),
            "                               refreshed  frozen token
tokens used                            8             1
expired meanwhile                      7             1
answers of 401                         0             2
packets expected                    1438          1438
packets written                     1438           300
packets identical                   1438           300

refreshed:    every packet arrived (stream, pts, dts, size, SHA-256).
frozen token: 1138 packets lost: the token expired.
"
        );
    }

    #[test]
    fn json_has_the_same_facts() {
        let json = findings().json();
        assert_eq!((&json["passed"], &json["objection"], &json["seconds"]), (&true.into(), &Value::Null, &18.7.into()));
        assert_eq!(json["refreshed"]["packets_identical"], 1438);
        assert_eq!(json["frozen"]["http_401"], 2);
        assert_eq!(json["frozen"]["error"], "the token expired.");
    }

    #[test]
    fn whatever_falls_short_is_an_objection() {
        assert_eq!(findings().objection(), None);
        let with = |change: fn(&mut Findings)| {
            let mut findings = findings();
            change(&mut findings);
            let objection = findings.objection().expect("an objection");
            assert!(findings.table().contains("FAILED:") && findings.json()["passed"] == false, "{objection}");
            objection
        };
        assert!(with(|findings| findings.refreshed.error = Some("no route".to_owned())).contains("no route"));
        assert!(with(|findings| findings.refreshed.difference = Some("audio packet 3".to_owned())).contains("audio packet 3"));
        assert!(with(|findings| findings.refreshed.identical = 1437).contains("1 of 1438"));
        assert!(with(|findings| findings.refreshed.seen.expired = 5).contains("only 5"));
        assert!(with(|findings| findings.frozen.difference = None).contains("lost nothing"));
    }
}
