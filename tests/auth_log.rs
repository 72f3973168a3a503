//! `-auth_log`: what ffauth itself has to say about tokens, apart from libav's log.

use std::time::Duration;

use crate::support::Protected;
use crate::support::media;
use crate::support::run::Finished;
use crate::support::token_server::{Mood, Tokens};

fn read(lead: &Protected, line: &str) -> Finished {
    let url = lead.origin.url(media::HLS.entry);
    lead.home.line(&format!("-nostdin -y -v quiet {line} -auth p -i {url} -c copy -f null -"))
}

fn lines(run: &Finished) -> Vec<&str> {
    run.stderr.lines().filter(|line| line.starts_with("[ffauth]")).collect()
}

#[test]
fn token_events_are_told_at_level_info() {
    let lead = Protected::new(Tokens::living(Duration::from_secs(2)), media::HLS.paced(Duration::from_secs(5)), "");
    let run = read(&lead, "-auth_log info");
    run.expect_code(0);
    let told = lines(&run).iter().filter(|line| line.contains("new token") && line.contains("profile=p")).count();
    assert_eq!(told as u64, lead.token_server.answered(), "{}", run.stderr);
    assert!(told >= 2, "{}", run.stderr);
}

#[test]
fn a_job_without_trouble_says_nothing() {
    let lead = Protected::new(Tokens::living(Duration::from_secs(2)), media::HLS.site(), "");
    let run = read(&lead, "");
    run.expect_code(0);
    assert_eq!(lines(&run), Vec::<&str>::new());
}

#[test]
fn trouble_is_told_unless_the_level_forbids_it() {
    for (level, told) in [("warning", true), ("quiet", false)] {
        let lead = Protected::new(Tokens::living(Duration::from_secs(2)), media::HLS.site(), "");
        lead.token_server.set(Mood::Unavailable);
        let run = read(&lead, &format!("-auth_wait 0 -auth_log {level}"));
        assert_eq!(!lines(&run).is_empty(), told, "{level}: {}", run.stderr);
    }
}
