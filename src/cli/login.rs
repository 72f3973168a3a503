//! `ffauth login`: what is printed and asked while somebody signs in. Standard output gets the URL, and a device's code, alone on
//! their lines; everything else goes to standard error.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use tokio::sync::oneshot;
use url::Url;

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Profile, StoreKind};
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::job::{Session, explain};
use crate::oauth::OauthError;
use crate::oauth::authorize::Authorization;
use crate::oauth::callback::Listener;
use crate::oauth::client::Grant;
use crate::oauth::device::DeviceCode;
use crate::oauth::endpoints::Endpoints;
use crate::oauth::grant::Ask;
use crate::oauth::redirect::Redirect;
use crate::oauth::source::Source;
use crate::secret::Secret;
use crate::shutdown::Shutdown;

use super::args::LoginArgs;
use super::browser::{Browser, Started};
use super::exit;
use super::terminal;

/// How long an answer is waited for that a person brings.
const PASTED: Duration = Duration::from_secs(600);
/// How many device codes may expire before nobody is expected any more.
const CODES: usize = 3;

/// Signs in, and keeps the tokens in the store.
///
/// # Errors
/// The profile cannot be used; nobody is there to sign in; they or the server said no.
pub fn run(args: &LoginArgs, config: Config, env: &Env, out: &mut dyn Write, say: &mut dyn Write) -> anyhow::Result<i32> {
    let profile = config.profile(&args.name)?.clone();
    check(&profile)?;
    let is_attended = std::io::stdin().is_terminal() || std::io::stderr().is_terminal();
    if !is_attended && !args.device && !args.no_browser && env.get("BROWSER").is_none() {
        let message = format!("profile {}: there is no terminal, and so nobody to sign in", profile.name);
        let hint = format!(
            "run `ffauth login {0}` on a terminal, or `ffauth login {0} --device` or `--no-browser` and pass on what is printed",
            profile.name
        );
        return Err(Error::new(Kind::LoginRequired, message).with_hint(hint).into());
    }
    let stop = Shutdown::new();
    terminal::stop_on_signals(&stop)
        .map_err(|error| Error::new(Kind::Internal, format!("signals cannot be watched: {error}")))?;
    let runtime = super::runtime()?;
    let session = Session::on(config, env.clone(), runtime.handle().clone());
    let source = session.source(&args.name)?;
    let mut person = Person { args, env, profile: &profile, source: &source, is_attended, stop, out, say };
    let signed_in = runtime.block_on(person.sign_in());
    let context = |error: Error| error.context(format!("profile {}", profile.name));
    match signed_in {
        Ok(()) => person.tell_success()?,
        Err(Failure::Oauth(error)) => return Err(context(explain(&profile.client, error)).into()),
        Err(Failure::Io(error)) => return Err(error.into()),
    }
    runtime.shutdown_background();
    Ok(exit::DONE)
}

fn check(profile: &Profile) -> Result<(), Error> {
    let refuse = |message: String, hint: String| Err(Error::new(Kind::Config, message).with_hint(hint));
    let (name, grant) = (&profile.name, profile.client.grant);
    if !grant.is_interactive() {
        return refuse(
            format!("profile {name}: with grant {} nobody has to sign in", grant.name()),
            format!("`ffauth token {name}` gets a token; for a sign-in set grant = \"authorization_code\" or \"device_code\""),
        );
    }
    if profile.store == StoreKind::Memory {
        return refuse(
            format!("profile {name}: store = \"memory\" keeps no sign-in"),
            "take store out: a file that you alone can read is the default".to_owned(),
        );
    }
    Ok(())
}

/// Whoever signs in, and how to speak with them.
struct Person<'a> {
    args: &'a LoginArgs,
    env: &'a Env,
    profile: &'a Profile,
    source: &'a Source,
    /// Somebody sits at a terminal.
    is_attended: bool,
    stop: Shutdown,
    out: &'a mut dyn Write,
    say: &'a mut dyn Write,
}

enum Failure {
    Oauth(OauthError),
    /// Nobody reads what is printed.
    Io(std::io::Error),
}

impl From<OauthError> for Failure {
    fn from(error: OauthError) -> Self {
        Self::Oauth(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl Person<'_> {
    async fn sign_in(&mut self) -> Result<(), Failure> {
        let stop = self.stop.clone();
        let endpoints = tokio::select! {
            () = stop.requested() => return Err(OauthError::Stopped.into()),
            endpoints = self.source.endpoints() => endpoints?,
        };
        if self.args.device || self.profile.client.grant == Grant::DeviceCode {
            let codes = self.source.device_code(&endpoints).await?;
            return self.with_device(&endpoints, codes).await;
        }
        let own = &self.profile.client.sign_in;
        let redirect = Redirect::of(own.redirect_uri.as_deref(), own.redirect_port);
        let redirect = redirect.map_err(|error| OauthError::Config(format!("redirect_uri: {error}")))?;
        let browser = Browser::of(self.env).filter(|_| !self.args.no_browser);
        let is_headless = browser.is_none() && !self.args.no_browser;
        if is_headless && endpoints.device_url.is_some() {
            match self.source.device_code(&endpoints).await {
                Ok(codes) => return self.with_device(&endpoints, codes).await,
                // The server has a device flow, but not for this client.
                Err(error @ OauthError::Refused { .. }) => writeln!(self.say, "{error}")?,
                Err(error) => return Err(error.into()),
            }
        }
        match redirect {
            Redirect::Elsewhere(uri) => self.with_pasted_answer(&endpoints, uri, browser).await,
            Redirect::Loopback { url, addresses } => {
                let listener = Listener::bind(&url, &addresses).await?;
                self.with_listener(&endpoints, listener, browser).await
            }
        }
    }

    /// The browser brings the answer to `listener`; without a browser here, that or somebody pastes it.
    async fn with_listener(
        &mut self,
        endpoints: &Endpoints,
        mut listener: Listener,
        browser: Option<Browser>,
    ) -> Result<(), Failure> {
        let (authorization, url) = self.source.authorize(endpoints, listener.redirect_uri().to_string()).await?;
        self.show_url(&url)?;
        let mut pasted = None;
        let mut started = browser.and_then(|browser| browser.open(&url, true));
        if started.is_some() {
            writeln!(self.say, "Sign in with the browser that has been started, or open the URL above in another one here.")?;
        } else {
            pasted = self.ask_for_answer(&listener)?;
        }
        let stop = self.stop.clone();
        let (judged, arrived) = loop {
            tokio::select! {
                biased;
                () = stop.requested() => return Err(OauthError::Stopped.into()),
                arrived = listener.arrived(&SystemClock) => {
                    let arrived = arrived?;
                    break (authorization.judge(arrived.query()), Some(arrived));
                }
                Some(line) = line(&mut pasted) => break (authorization.judge_pasted(line.expose()), None),
                failure = failure(&mut started) => {
                    started = None;
                    if !self.is_attended {
                        let reason = format!("the browser could not be started: {failure}");
                        return Err(OauthError::LoginRequired(reason).into());
                    }
                    writeln!(self.say, "{failure}.")?;
                    pasted = self.ask_for_answer(&listener)?;
                }
            }
        };
        let outcome = match judged {
            Ok(ask) => self.redeem(&authorization, &ask).await,
            Err(error) => Err(error),
        };
        if let Some(arrived) = arrived {
            let reason = outcome.as_ref().err().map(ToString::to_string);
            arrived.tell(reason.as_deref().map_or(Ok(()), Err)).await;
        }
        Ok(outcome?)
    }

    /// Says what to do without a browser on this machine, and listens to standard input for the answer.
    fn ask_for_answer(&mut self, listener: &Listener) -> std::io::Result<Option<oneshot::Receiver<Secret>>> {
        let port = listener.redirect_uri().port_or_known_default().unwrap_or_default();
        writeln!(
            self.say,
            "Open the URL above in a browser and sign in. If that browser runs on another machine, run there first"
        )?;
        writeln!(self.say, "    ssh -L {port}:127.0.0.1:{port} {}", self.host())?;
        writeln!(self.say, "or paste here the URL at which it ends, although it shows an error:")?;
        Ok(self.read_line())
    }

    /// The redirect URI is not on this machine: somebody brings the answer.
    async fn with_pasted_answer(
        &mut self,
        endpoints: &Endpoints,
        redirect_uri: String,
        browser: Option<Browser>,
    ) -> Result<(), Failure> {
        let mut pasted = self.read_line();
        if pasted.is_none() {
            let reason = "the answer would be read from standard input, which holds a secret of the profile";
            return Err(OauthError::Config(reason.to_owned()).into());
        }
        let (authorization, url) = self.source.authorize(endpoints, redirect_uri).await?;
        self.show_url(&url)?;
        let is_open = browser.is_some_and(|browser| browser.open(&url, false).is_some());
        let what = if is_open {
            "Sign in with the browser that has been started"
        } else {
            "Open the URL above in a browser and sign in"
        };
        writeln!(self.say, "{what}, then paste here the URL at which it ends:")?;
        let stop = self.stop.clone();
        let line = tokio::select! {
            () = stop.requested() => return Err(OauthError::Stopped.into()),
            () = SystemClock.sleep(PASTED) => {
                let reason = format!("no answer was pasted within {} s", PASTED.as_secs());
                return Err(OauthError::LoginRequired(reason).into());
            }
            line = line(&mut pasted) => line,
        };
        let ended = || OauthError::LoginRequired("standard input ended before an answer was pasted".to_owned());
        let line = line.ok_or_else(ended)?;
        Ok(self.redeem(&authorization, &authorization.judge_pasted(line.expose())?).await?)
    }

    async fn redeem(&self, authorization: &Authorization, ask: &Ask) -> Result<(), OauthError> {
        self.source.redeem(authorization, ask).await?;
        self.check_stored()
    }

    /// A sign-in that ends with this process is none.
    fn check_stored(&self) -> Result<(), OauthError> {
        let lost = || OauthError::Store("the tokens cannot be stored, so the sign-in is lost".to_owned());
        self.source.is_stored().then_some(()).ok_or_else(lost)
    }

    async fn with_device(&mut self, endpoints: &Endpoints, codes: DeviceCode) -> Result<(), Failure> {
        let mut codes = codes;
        for left in (0..CODES).rev() {
            self.show_url(&codes.verification_url)?;
            writeln!(self.out, "{}", codes.user_code)?;
            self.out.flush()?;
            writeln!(
                self.say,
                "Open the URL above on any device, and enter or compare the code {}. It is good for {} minutes.",
                codes.user_code,
                codes.lifetime.as_secs().div_ceil(60)
            )?;
            if std::io::stderr().is_terminal() {
                self.show_picture(codes.complete_url.as_ref().unwrap_or(&codes.verification_url))?;
            }
            if self.source.await_device(endpoints, &codes, &self.stop).await?.is_some() {
                return Ok(self.check_stored()?);
            }
            if left > 0 {
                writeln!(self.say, "The code has expired; here is a new one.")?;
                codes = self.source.device_code(endpoints).await?;
            }
        }
        Err(OauthError::LoginRequired("nobody signed in before the codes expired".to_owned()).into())
    }

    fn show_url(&mut self, url: &Url) -> std::io::Result<()> {
        writeln!(self.out, "{url}")?;
        self.out.flush()
    }

    /// A QR code for a telephone's camera, black on white whatever the terminal's colours are. An address too long for one is on
    /// standard output anyway.
    fn show_picture(&mut self, url: &Url) -> std::io::Result<()> {
        let Ok(code) = QrCode::new(url.as_str()) else { return Ok(()) };
        for line in code.render::<Dense1x2>().build().lines() {
            writeln!(self.say, "\x1b[38;5;16;48;5;231m{line}\x1b[0m")?;
        }
        Ok(())
    }

    /// The next line of standard input that is not blank, unless a secret of the profile comes from there.
    fn read_line(&self) -> Option<oneshot::Receiver<Secret>> {
        if self.profile.reads_stdin() {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        // Nothing can end a read of standard input but its end, or that of the process.
        std::thread::spawn(move || {
            let lines = std::io::stdin().lock().lines().map_while(Result::ok).map(Secret::new);
            if let Some(line) = { lines }.find(|line| !line.expose().trim().is_empty()) {
                // Nobody waits for it any more, perhaps.
                let _ = sender.send(line);
            }
        });
        Some(receiver)
    }

    /// This machine as somebody reaches it by SSH.
    fn host(&self) -> String {
        let address = self.env.get("SSH_CONNECTION").and_then(|connection| connection.split(' ').nth(2)).map(str::to_owned);
        let host = address.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
        match self.env.get("USER") {
            Some(user) => format!("{user}@{host}"),
            None => host,
        }
    }

    fn tell_success(&mut self) -> std::io::Result<()> {
        let Some(token) = self.source.watch().borrow().token.clone() else { return Ok(()) };
        let life = token.remaining(&SystemClock.now()).map(|left| format!(", good for {} s", left.as_secs())).unwrap_or_default();
        writeln!(self.say, "profile {}: signed in; the token{life} is kept in {}", self.profile.name, self.source.place())?;
        match token.refresh_token {
            Some(_) => writeln!(self.say, "It is refreshed by itself from now on."),
            None => writeln!(
                self.say,
                "The server gave no refresh token: sign in again when it expires, or ask for one (often with the scope offline_access)."
            ),
        }
    }
}

/// How the browser failed, if it was started and does.
async fn failure(started: &mut Option<Started>) -> String {
    match started {
        Some(started) => started.failed().await,
        None => std::future::pending().await,
    }
}

/// The line, if one is pasted.
async fn line(pasted: &mut Option<oneshot::Receiver<Secret>>) -> Option<Secret> {
    pasted.as_mut()?.await.ok()
}
