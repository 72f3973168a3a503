//! `ffauth serve`: many streams in one process, with an HTTP API, metrics and a dashboard.
//!
//! ```text
//! configuration file ─ reload ─▶ registry ─▶ stream (one task each) ─▶ job::Job (threads of its own)
//! state folder ─ state ─▶        ▲     │
//! HTTP ─ gate ─▶ api ─ fence ────┘     └──▶ metrics, view ─▶ page (server-sent events)
//! ```
//!
//! - [`Daemon::start`] takes the state folder, opens the door and begins the streams; [`Daemon::run`] drives it to its end.
//! - `gate`: who may ask at all. `fence`: what a stream that the API made may touch. The two are what stands between a web page or
//!   another user and this user's files and tokens.
//! - A stream's own errors stay its own: each has its task and its jobs their threads, and panics end with the job.

mod api;
mod counts;
mod door;
pub mod fence;
mod gate;
mod metrics;
mod notify;
mod page;
pub mod print;
mod registry;
mod reload;
mod state;
mod stream;
mod thumbnail;
mod view;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::clock::{Clock, Now, SystemClock};
use crate::config::{Config, Listen, Serve};
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::job::Session;

use api::Problem;
use door::open;
use fence::Fence;
use gate::{Asked, Door, Gate, Rules};
use notify::ServiceManager;
use registry::Registry;
use reload::Mark;
use state::StateDir;
use thumbnail::Thumbnails;

pub use door::Listener;

/// Where the daemon listens if nothing says otherwise.
pub const LISTEN: &str = "127.0.0.1:8460";
/// Bodies are command lines.
const LARGEST_BODY: usize = 64 * 1024;
/// How long token requests that are under way at the end may take: a refresh token that is used up must not be lost.
const SETTLING: Duration = Duration::from_secs(3);
/// How often the bitrate is measured.
const SAMPLING: Duration = Duration::from_secs(2);

/// A daemon that listens.
pub struct Daemon {
    registry: Registry,
    gate: Gate,
    rules: Mutex<Rules>,
    thumbnails: Thumbnails,
    manager: ServiceManager,
    started: Now,
    env: Env,
    /// How long the end may take.
    drain: Mutex<Duration>,
    /// `[serve]` as it was read first: what a reload cannot change.
    serve: Serve,
    file: Option<PathBuf>,
}

/// What the daemon is told while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Go on.
    None,
    /// Read the configuration again.
    Reload,
    /// Finish all outputs and end.
    End,
}

impl Daemon {
    /// Takes the state folder, listens at `listen` (else where the configuration says) and begins the streams. Tasks run on `runtime`.
    ///
    /// # Errors
    /// The state folder or the address cannot be had, or the bearer cannot be read.
    pub async fn start(
        config: Config,
        env: Env,
        listen: Option<Listen>,
        runtime: Handle,
    ) -> Result<(Arc<Self>, Listener, String), Error> {
        let serve = config.serve().clone();
        let state = StateDir::open(StateDir::path(&serve, &env)?)?;
        let gate = Gate::new(state.token(&serve, &env)?);
        let listen = match listen.or_else(|| serve.listen.clone()) {
            Some(listen) => listen,
            None => LISTEN.parse().map_err(|reason: String| Error::new(Kind::Internal, reason))?,
        };
        let (listener, address) = open(&listen).await?;
        state.note_address(&address)?;
        warn_of_openness(&config, &listener);
        let fence = fence_of(&config, state.folder(), &env);
        let file = config.file().map(Path::to_owned);
        let session = Session::new(config, env.clone());
        let daemon = Self {
            registry: Registry::new(session, fence, state, runtime)?,
            gate,
            rules: Mutex::new(rules_of(&serve)),
            thumbnails: Thumbnails::default(),
            manager: ServiceManager::of(&env),
            started: SystemClock.now(),
            env,
            drain: Mutex::new(serve.drain),
            serve,
            file,
        };
        daemon.registry.begin();
        Ok((Arc::new(daemon), listener, address))
    }

    /// Answers and supervises until `signals` says that it is to end, or, with `exit_when_idle`, until no stream is left to run.
    /// True if a stream has failed then.
    ///
    /// # Errors
    /// The listening socket fails.
    pub async fn run(
        self: Arc<Self>,
        listener: Listener,
        mut signals: watch::Receiver<Signal>,
        exit_when_idle: bool,
    ) -> Result<bool, Error> {
        self.manager.ready();
        let answering = Arc::clone(&self).answer(listener);
        let reloading = self.reload_on_change(signals.clone());
        let ended = async {
            let idle = async {
                match exit_when_idle {
                    true => self.registry.idle().await,
                    false => std::future::pending().await,
                }
            };
            let told = async { drop(signals.wait_for(|signal| *signal == Signal::End).await) };
            let failed = tokio::select! {
                failed = idle => failed,
                () = told => false,
            };
            let drain = *self.drain.lock().unwrap_or_else(PoisonError::into_inner);
            self.manager.stopping(drain + Duration::from_secs(5));
            self.registry.drain(drain).await;
            let session = self.registry.shared().session();
            // Whatever goes wrong there, the end is not held up any longer.
            let _ = tokio::task::spawn_blocking(move || session.settle(SETTLING)).await;
            failed
        };
        tokio::select! {
            failed = ended => Ok(failed),
            answered = answering => answered.map(|()| false),
            () = reloading => Ok(false),
            () = self.manager.keep_watchdog() => Ok(false),
            () = self.tell_status() => Ok(false),
            () = self.registry.sample(SAMPLING) => Ok(false),
        }
    }

    /// Tells the service manager how many streams run, for ever.
    async fn tell_status(&self) {
        let mut changes = self.registry.changes();
        loop {
            changes.borrow_and_update();
            let all = self.registry.all();
            let running = all.iter().filter(|stream| !stream.standing().phase().is_idle()).count();
            self.manager.status(&format!("{running} of {} streams run", all.len()));
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Reads the configuration again, for ever, when it changes or somebody says so.
    async fn reload_on_change(&self, mut signals: watch::Receiver<Signal>) {
        let mut mark = self.file.as_deref().and_then(Mark::of);
        loop {
            let changed = async {
                match &self.file {
                    Some(file) => reload::changed(file, mark).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                now = changed => mark = now,
                told = signals.changed() => {
                    if told.is_err() {
                        return std::future::pending().await;
                    }
                    if *signals.borrow_and_update() != Signal::Reload {
                        continue;
                    }
                    mark = self.file.as_deref().and_then(Mark::of);
                }
            }
            self.reload();
        }
    }

    /// A configuration that cannot be used changes nothing.
    fn reload(&self) {
        self.manager.reloading();
        match Config::load(self.file.as_deref(), &self.env) {
            Ok(config) => {
                let serve = config.serve();
                if (&serve.listen, &serve.token, &serve.state_dir)
                    != (&self.serve.listen, &self.serve.token, &self.serve.state_dir)
                {
                    tracing::warn!(target: "ffauth::serve", "listen, token and state_dir of [serve] count from the next start on");
                }
                *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules_of(serve);
                *self.drain.lock().unwrap_or_else(PoisonError::into_inner) = serve.drain;
                let fence = fence_of(&config, self.registry.state().folder(), &self.env);
                self.registry.reload(config, fence);
            }
            Err(error) => {
                tracing::error!(target: "ffauth::serve", hint = error.hint(), "the configuration stays as it was: {error}");
            }
        }
        self.manager.ready();
    }

    /// The path of the bearer, if the daemon made it itself.
    pub fn token_file(&self) -> Option<PathBuf> {
        self.serve.token.is_none().then(|| self.registry.state().token_path())
    }

    fn profiles(&self) -> Vec<Value> {
        let (session, now) = (self.registry.shared().session(), SystemClock.now());
        let states = session.token_states();
        session.config().names().map(|name| view::profile(name, states.get(name), &now)).collect()
    }

    async fn answer(self: Arc<Self>, listener: Listener) -> Result<(), Error> {
        let routes = Router::new()
            .route("/", get(page::dashboard))
            .route("/dashboard.css", get(page::style))
            .route("/dashboard.js", get(page::script))
            .route("/icon.svg", get(page::icon))
            .route("/sign-in", get(page::sign_in))
            .route("/openapi.json", get(page::openapi))
            .route("/metrics", get(metrics))
            .route("/healthz", get(healthz))
            .nest("/api/v1", api::routes())
            .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here"))
            .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method"))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .layer(middleware::from_fn_with_state(Arc::clone(&self), guard))
            .with_state(self);
        let service = routes.into_make_service_with_connect_info::<Door>();
        let served = match listener {
            Listener::Tcp(listener) => axum::serve(listener, service).await,
            Listener::Unix(listener) => axum::serve(listener, service).await,
        };
        served.map_err(|error| Error::new(Kind::Internal, format!("the listening socket failed: {error}")))
    }
}

/// Every request goes through the gate, and every answer says what browsers may do with it.
async fn guard(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(door): ConnectInfo<Door>,
    request: Request,
    next: Next,
) -> Response {
    let verdict = {
        let rules = daemon.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Asked {
            door,
            method: request.method(),
            path: request.uri().path(),
            authority: request.uri().authority().map(http::uri::Authority::as_str),
            headers: request.headers(),
        };
        daemon.gate.admit(&asked, &rules, SystemClock.now().wall)
    };
    let mut response = match verdict {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::debug!(target: "ffauth::serve", path = request.uri().path(), "refused: {refusal}");
            let mut response = Problem::new(refusal.status(), refusal.to_string()).into_response();
            if refusal.status() == StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, page::POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn metrics(State(daemon): State<Arc<Daemon>>) -> Response {
    let text = metrics::render(&daemon.registry, &daemon.started, &SystemClock.now());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn healthz() -> &'static str {
    "ok\n"
}

fn rules_of(serve: &Serve) -> Rules {
    Rules { hosts: serve.hosts.clone(), open_metrics: serve.open_metrics }
}

fn fence_of(config: &Config, state: &Path, env: &Env) -> Fence {
    let serve = config.serve();
    let tokens = env.state_dir().map(|folder| folder.join("tokens"));
    let mut own = state::files(state);
    own.extend([tokens, config.file().map(Path::to_owned)].into_iter().flatten());
    Fence { paths: serve.allow_paths.clone(), profiles: serve.allow_profiles.clone(), own }
}

/// What an operator may not have meant.
fn warn_of_openness(config: &Config, listener: &Listener) {
    if let Listener::Tcp(listener) = listener
        && listener.local_addr().is_ok_and(|address| !address.ip().is_loopback())
    {
        tracing::warn!(target: "ffauth::serve", "the API listens beyond this machine without TLS: put a proxy with TLS in front");
    }
    for name in &config.serve().allow_profiles {
        if config.profile(name).is_ok_and(|profile| profile.origins.is_empty()) {
            tracing::warn!(
                target: "ffauth::serve",
                profile = name,
                "whoever has the bearer can send this profile's token to any server: set `origins` in it"
            );
        }
    }
}

/// A link that signs a browser in once, at the daemon of this configuration.
///
/// # Errors
/// There has been no daemon, or its bearer cannot be read.
pub fn sign_in_link(config: &Config, env: &Env, listen: Option<&Listen>) -> Result<String, Error> {
    let folder = StateDir::path(config.serve(), env)?;
    let token = state::token_of(&folder, config.serve(), env)?.ok_or_else(|| {
        Error::new(Kind::Config, format!("{}: no daemon has run here yet", folder.display()))
            .with_hint("start `ffauth serve` first")
    })?;
    let code = Gate::new(token).code(SystemClock.now().wall)?;
    let address = match listen {
        Some(listen) => format!("http://{listen}"),
        None => state::address_of(&folder).unwrap_or_else(|| format!("http://{LISTEN}")),
    };
    if address.contains("unix:") {
        return Err(Error::new(Kind::Usage, "the daemon listens at a unix socket, which browsers cannot open")
            .with_hint("let it listen at a loopback address too behind a proxy, or use curl --unix-socket"));
    }
    Ok(format!("{address}/sign-in?code={code}"))
}
