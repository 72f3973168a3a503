//! Somebody signs in on their phone; from then on the tokens are refreshed.
//!
//! ```sh
//! cargo run --example device_login -- studio
//! ```
#![allow(clippy::print_stdout, reason = "it is a program")]

use ffauth::{Config, Env, Error, Kind, Session};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let profile = std::env::args().nth(1).ok_or_else(|| Error::new(Kind::Usage, "the name of a profile is wanted"))?;
    let env = Env::of_process();
    let authenticator = Session::new(Config::load(None, &env)?, env).authenticator(&profile)?;

    let token = match authenticator.token().await {
        Ok(token) => token,
        Err(error) if error.kind() == Kind::LoginRequired => {
            let signed_in = authenticator.sign_in_on_device(|prompt| {
                let minutes = prompt.valid_for.as_secs() / 60;
                println!("open {} and enter {} (good for {minutes} minutes)", prompt.url, prompt.user_code);
            });
            signed_in.await?
        }
        Err(error) => return Err(error),
    };
    let left = token.expires_at().and_then(|end| end.duration_since(std::time::SystemTime::now()).ok());
    match left {
        Some(left) => println!("signed in; the token lives {} s more", left.as_secs()),
        None => println!("signed in"),
    }
    Ok(())
}
