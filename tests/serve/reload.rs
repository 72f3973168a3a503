//! A new configuration while streams run.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::endless;
use crate::support::daemon::{Daemon, SERVE, until};
use crate::support::media;
use crate::support::origin::{Origin, Site};
use crate::support::run::{Home, profile};
use crate::support::token_server::{TokenServer, Tokens};

fn stream(id: &str, more: &str) -> String {
    format!("[stream.{id}]\nrun = \"{}\"\n", endless(&format!("{more} -f null -")))
}

/// Puts a file in the place of the configuration, as an editor does.
fn replace(home: &Home, config: &str) {
    home.write("serve.toml.new", config);
    std::fs::rename(home.path("serve.toml.new"), home.path("serve.toml")).expect("the same disk");
}

#[test]
fn only_what_has_changed_is_touched() {
    let home = Home::new("");
    let config = |streams: &[String]| SERVE.to_owned() + &streams.concat();
    let daemon = Daemon::start(&home, &config(&[stream("same", ""), stream("other", ""), stream("removed", "")]));
    let since = |id: &str| daemon.wait_for_state(id, "running")["since"].clone();
    let began = |stream: &Value| (stream["restarts"].clone(), stream["since"].clone());
    daemon.wait_for_state("removed", "running");
    since("other");
    let same = daemon.wait_for_state("same", "running");
    replace(&home, &config(&[stream("same", ""), stream("other", "-an"), stream("added", "")]));
    daemon.wait_for("other", |stream| stream["restarts"] == 1 && stream["state"] == "running");
    until("the new stream", || (daemon.ask("GET", "/api/v1/streams/added", None).status == 200).then_some(()));
    daemon.wait_for_state("added", "running");
    assert_eq!(daemon.ask("GET", "/api/v1/streams/removed", None).status, 404);
    assert_eq!(began(&daemon.stream("same")), began(&same));

    // One that cannot be used changes nothing.
    replace(&home, "[stream.same]\nrnu = \"x\"\n");
    until("the error is logged", || daemon.log().contains("the configuration stays as it was").then_some(()));
    assert!(daemon.log().contains("did you mean `run`"), "{}", daemon.log());
    assert_eq!(began(&daemon.stream("same")), began(&same));

    // A signal does not wait for the file to be looked at; the policy alone is no reason to begin again.
    replace(&home, &config(&[stream("same", "") + "restart = \"always\"\n", stream("other", "-an")]));
    daemon.signal(Signal::HUP);
    daemon.wait_for("same", |stream| stream["restart"] == "always");
    assert_eq!(daemon.ask("GET", "/api/v1/streams/added", None).status, 404);
    assert_eq!(began(&daemon.stream("same")), began(&same));
    daemon.end().expect_code(0);
}

#[test]
fn a_changed_profile_restarts_its_streams_alone() {
    let tokens = Tokens::living(Duration::from_secs(600));
    let (first, second) = (TokenServer::start(&tokens), TokenServer::start(&tokens));
    let folder = media::HLS.file().parent().expect("a folder").to_owned();
    let name = media::HLS.file().file_name().expect("a name").to_string_lossy().into_owned();
    let site = Site { folder, tokens: Some(tokens.clone()), live: true, lasts: Duration::from_secs(120), ..Site::default() };
    let origin = Origin::start(site);
    let home = Home::new("");
    let config = |server: &TokenServer| {
        let mut text =
            SERVE.to_owned() + &profile("a", &first, "store = \"memory\"") + &profile("b", server, "store = \"memory\"");
        for id in ["a", "b"] {
            text += &format!("[stream.{id}]\nrun = \"-auth {id} -i {}/{name} -c copy -f null -\"\n", origin.base());
        }
        text
    };
    let daemon = Daemon::start(&home, &config(&first));
    for id in ["a", "b"] {
        daemon.wait_for(id, |stream| stream["state"] == "running" && stream["packets_read"].as_u64() > Some(0));
    }
    assert_eq!(first.answered(), 2);
    replace(&home, &config(&second));
    daemon.wait_for("b", |stream| stream["restarts"] == 1 && stream["state"] == "running");
    assert_eq!((first.answered(), second.answered()), (2, 1), "token requests");
    assert_eq!(daemon.stream("a")["restarts"], 0);
    daemon.end().expect_code(0);
}

#[test]
fn what_the_fence_shuts_out_ends() {
    let home = Home::new("");
    let daemon = Daemon::start(&home, SERVE);
    assert_eq!(daemon.add("inside", &endless("-f segment -segment_time 1 media/o-%03d.ts")).status, 201);
    daemon.wait_for_state("inside", "running");
    std::fs::create_dir(home.path("elsewhere")).expect("a folder");
    replace(&home, &SERVE.replace("\"media\"", "\"elsewhere\""));
    let stream = daemon.wait_for_state("inside", "failed");
    assert!(stream["error"]["hint"].as_str().is_some_and(|hint| hint.contains("allow_paths")), "{stream:#}");
    daemon.end().expect_code(0);
}
