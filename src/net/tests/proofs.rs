//! Requests with a token that is bound to a key: a proof for each, and the server's nonce in it.

use std::sync::{Arc, Mutex};

use url::Url;

use super::rig::Rig;
use super::server::{Reply, Seen, Server};
use crate::bearer::{Credential, Proof};
use crate::net::{NetError, UploadMode};
use crate::secret::Secret;

/// A key whose proofs say what they were made for.
#[derive(Default)]
struct Legible {
    nonce: Mutex<String>,
}

impl Proof for Legible {
    fn prove(&self, method: &str, url: &Url, token: &Secret) -> Result<Secret, String> {
        let nonce = self.nonce.lock().expect("no panic");
        Ok(Secret::new(format!("{method} {} {} [{nonce}]", url.path(), token.expose())))
    }

    fn learn(&self, _url: &Url, nonce: &str) -> bool {
        std::mem::replace(&mut *self.nonce.lock().expect("no panic"), nonce.to_owned()) != nonce
    }
}

fn rig(servers: &[&Server]) -> Rig {
    let rig = Rig::new(servers);
    let credential = Credential::new("bound".into(), Vec::new()).expect("clean").bound_by(Arc::new(Legible::default()));
    rig.tokens.slot.publish(2, credential);
    rig
}

/// A server that wants this nonce in the proof.
fn asking_for(nonce: &'static str) -> impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static {
    move |seen, _| match seen.header("dpop") {
        Some(proof) if proof.ends_with(&format!("[{nonce}]")) => Reply::new(200).body("media"),
        _ => Reply::new(401).header("WWW-Authenticate", "DPoP error=\"use_dpop_nonce\"").header("DPoP-Nonce", nonce),
    }
}

fn proofs(server: &Server) -> Vec<String> {
    server.log().iter().map(|seen| seen.header("dpop").unwrap_or("none").to_owned()).collect()
}

#[test]
fn a_read_is_sent_again_with_the_nonce_and_the_same_token() {
    let server = Server::start(asking_for("n1"));
    let rig = rig(&[&server]);
    let request = rig.request("GET", server.url("/a.ts?x=1"));
    for _ in 0..2 {
        let mut download = rig.media.download(request.clone(), 0, None, &rig.stop).expect("open");
        assert_eq!(download.read(&mut [0; 10]).expect("media"), 5);
    }
    assert_eq!(proofs(&server), ["GET /a.ts bound []", "GET /a.ts bound [n1]", "GET /a.ts bound [n1]"]);
    assert!(server.log().iter().all(|seen| seen.token() == Some("DPoP bound")));
    assert!(rig.rejected().is_empty(), "the token was not at fault");
}

#[test]
fn an_upload_is_sent_again_with_the_nonce() {
    let server = Server::start(asking_for("n1"));
    let rig = rig(&[&server]);
    let mut upload = rig.media.upload(rig.request("PUT", server.url("/o.ts")), UploadMode::object(), &rig.stop).expect("begun");
    upload.write(b"object").expect("held");
    upload.finish().expect("confirmed");
    assert_eq!(proofs(&server), ["PUT /o.ts bound []", "PUT /o.ts bound [n1]"]);
    assert_eq!(server.log()[1].body, b"object");
    assert!(rig.rejected().is_empty());
}

#[test]
fn a_server_that_refuses_every_proof_has_refused_the_token() {
    let server = Server::start(|_, number| {
        let nonce = format!("n{number}");
        Reply::new(401).header("WWW-Authenticate", "DPoP error=\"use_dpop_nonce\"").header("DPoP-Nonce", nonce)
    });
    let rig = rig(&[&server]);
    let error = rig.media.download(rig.request("GET", server.url("/a.ts")), 0, None, &rig.stop).err().expect("refused");
    assert!(matches!(error, NetError::Answer(_)), "{error}");
    assert_eq!(rig.rejected(), [2]);
    assert!(server.log().len() <= 4, "{}", server.log().len());
}

#[test]
fn a_proof_that_is_refused_is_told_with_what_to_look_at() {
    let server = Server::start(|_, _| Reply::new(401).header("WWW-Authenticate", "DPoP error=\"invalid_dpop_proof\""));
    let rig = rig(&[&server]);
    let error = rig.media.download(rig.request("GET", server.url("/a.ts")), 0, None, &rig.stop).err().expect("refused");
    let error = crate::error::Error::from(error);
    assert!(error.to_string().contains("invalid_dpop_proof"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("clock")), "{:?}", error.hint());
}

#[test]
fn nobody_out_of_scope_sees_a_proof() {
    let foreign = Server::start(|_, _| Reply::new(200).body("media"));
    let target = foreign.url("/cdn.ts");
    let server = Server::start(move |_, _| Reply::redirect(302, target.clone()));
    let rig = rig(&[&server]);
    rig.media.download(rig.request("GET", server.url("/a.ts")), 0, None, &rig.stop).expect("open");
    assert_eq!((proofs(&server), proofs(&foreign)), (vec!["GET /a.ts bound []".to_owned()], vec!["none".to_owned()]));
}
