//! The API under a schema tester that others wrote.

use super::endless;
use crate::support::daemon::{Daemon, SERVE};
use crate::support::run::{self, Home};

/// Schemathesis makes requests of the API's document, good ones and bad ones, and compares the answers with it: no 5xx, no other
/// status, type or shape than described, nothing without the bearer.
#[test]
#[ignore = "needs Schemathesis 4: pip install schemathesis, then cargo test serve::fuzz -- --ignored"]
fn the_api_withstands_a_schema_tester() {
    let home = Home::new("");
    let daemon = Daemon::start(&home, &format!("{SERVE}[stream.lobby]\nrun = \"{}\"\n", endless("-f null -")));
    // Events never end; a thumbnail of nothing waits for one.
    let arguments = [
        "run",
        "document.json",
        "--url",
        &format!("http://{}", daemon.address()),
        "--header",
        &format!("Authorization: Bearer {}", daemon.token),
        "--exclude-path",
        "/api/v1/events",
        "--max-examples",
        "60",
        "--workers",
        "2",
        "--checks",
        "all",
        // What a command line may say is in no schema: some that are good for the schema are refused.
        "--exclude-checks",
        "positive_data_acceptance",
        "--request-timeout",
        "20",
        "--suppress-health-check",
        "all",
        "--no-color",
    ];
    home.write("document.json", &daemon.ask("GET", "/openapi.json", None).text());
    let tester = run::finish(home.program("schemathesis", arguments));
    assert_eq!(tester.code, Some(0), "{}\n{}", tester.stdout, tester.stderr);
    assert_eq!(daemon.wait_for_state("lobby", "running")["source"], "file");
    daemon.end().expect_code(0);
}
