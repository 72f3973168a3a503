//! An API that names the media.

use super::rig::Rig;
use super::server::{Reply, Server};
use crate::bearer::MediaPointer;
use crate::net::{NetError, Reach, Request};

fn pointing(rig: &Rig, url: String) -> Request {
    let pointer = Some(MediaPointer::parse("/src").expect("a pointer"));
    Request { pointer, ..rig.request("GET", url) }
}

fn says(target: &str) -> Reply {
    Reply::new(200).header("Content-Type", "application/json").body(&format!("{{\"src\": \"{target}\"}}"))
}

#[test]
fn the_media_gets_the_token_only_in_scope_and_the_api_is_read_whole() {
    let foreign = Server::start(|_, _| Reply::new(206).body("x"));
    let there = foreign.url("/signed.ts?sig=1");
    let api = Server::start(move |_, _| says(&there));
    let rig = Rig::new(&[&api]);
    let request = Request { max_redirects: 0, ..pointing(&rig, api.url("/play")) };
    let resolved = rig.media.resolve(&request, &rig.stop).expect("a way");
    assert_eq!((resolved.url, resolved.status), (foreign.url("/signed.ts?sig=1"), 206));
    assert_eq!((resolved.hops[0].status, resolved.hops[0].profile.as_deref()), (200, Some("studio")));
    assert_eq!((api.log()[0].token(), api.log()[0].header("range")), (Some("Bearer secret-1"), None));
    assert_eq!((foreign.log()[0].token(), foreign.log()[0].header("range")), (None, Some("bytes=0-0")));
}

#[test]
fn an_api_behind_a_redirect_with_a_token_that_has_expired() {
    let api = Server::start(|seen, _| match (seen.target.as_str(), seen.token()) {
        ("/old", _) => Reply::redirect(302, "/play"),
        ("/play", Some("Bearer secret-1")) => Reply::new(401),
        ("/play", _) => says("/media.ts"),
        _ => Reply::new(206).body("x"),
    });
    let rig = Rig::new(&[&api]);
    let resolved = rig.media.resolve(&pointing(&rig, api.url("/old")), &rig.stop).expect("a way");
    assert_eq!(resolved.url, api.url("/media.ts"), "a path of the API's own host");
    assert_eq!(api.log().last().and_then(|seen| seen.token().map(str::to_owned)).as_deref(), Some("Bearer secret-2"));
    assert_eq!(rig.rejected(), [1]);
}

#[test]
fn what_leads_to_no_media_is_told() {
    for (answer, words) in [
        ("<html>", "not JSON"),
        ("{\"sources\": []}", "there is no `/src`; the answer is an object with sources"),
        ("{\"src\": null}", "`/src` is null"),
        ("{\"src\": \"media.ts\"}", "`/src` is `media.ts`"),
        ("{\"src\": \"file:///etc/passwd\"}", "`file` is not http"),
    ] {
        let api = Server::start(move |_, _| Reply::new(200).body(answer));
        let rig = Rig::new(&[&api]);
        let error = rig.media.resolve(&pointing(&rig, api.url("/play?key=CANARY")), &rig.stop).expect_err(answer);
        assert!(error.to_string().contains(words) && !error.to_string().contains("CANARY"), "{error}");
        assert_eq!(api.log().len(), 1);
    }
    let api = Server::start(|_, _| says("http://169.254.169.254/latest/meta-data"));
    let rig = Rig::new(&[&api]);
    let request = Request { reach: Reach::of(&api.url("/")), ..pointing(&rig, api.url("/play")) };
    let error = rig.media.resolve(&request, &rig.stop).expect_err("closer than the user went");
    assert!(matches!(error, NetError::OutOfReach { .. }), "{error}");
}
