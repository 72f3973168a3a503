//! A service that gets its tokens somewhere itself: no authorization server is asked. Here another process keeps one in a file.
//!
//! ```sh
//! cargo run --example token_source -- token.txt -auth agent -i https://media.example.com/live.m3u8 -c copy out.mkv
//! ```
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ffauth::{Authenticator, Bearer, BoxError, Config, Env, Error, Event, HeldToken, Job, Kind, Profile, Secret, Session};

/// Whoever holds the tokens: a cache, a vault, a client of some internal service.
struct Agent {
    file: PathBuf,
}

impl Bearer for Agent {
    fn token(&self) -> Result<HeldToken, BoxError> {
        // One whose end is known says so, and is asked for the next one in time: `.expires_in(left)`.
        Ok(HeldToken::new(std::fs::read_to_string(&self.file)?.trim()))
    }

    fn refused(&self, _token: &Secret) {
        println!("the media server does not take the token any more");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let file = PathBuf::from(arguments.next().ok_or_else(|| Error::new(Kind::Usage, "a file with a token is wanted"))?);

    let profile = Profile::builder("agent").bearer(Agent { file: file.clone() }).build()?;
    let session = Session::new(Config::new([profile]), Env::of_process());
    let running = Job::from_args(arguments)?.start(&session)?;

    let mut events = running.events();
    let authenticator = session.authenticator("agent")?;
    tokio::select! {
        () = push_new_tokens(&authenticator, file) => {}
        () = async {
            while let Some(event) = events.next().await {
                if !matches!(event, Event::Progress(_)) {
                    println!("{event:?}");
                }
            }
        } => {}
    }
    match &running.wait().await.error {
        Some(error) => Err(Error::new(error.kind(), error.to_string())),
        None => Ok(()),
    }
}

/// A new token need not wait until the old one is refused.
async fn push_new_tokens(authenticator: &Authenticator, file: PathBuf) {
    let changed = || file.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut seen = changed();
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if std::mem::replace(&mut seen, changed()) != seen
            && let Err(error) = authenticator.renew().await
        {
            println!("{error}");
        }
    }
}
