//! The dashboard: files that are compiled in, and what keeps them live.
//!
//! Nothing is loaded from elsewhere, and the policy ([`POLICY`]) lets no script or style run that is not one of these files.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::clock::{Clock, SystemClock};

use super::api::Problem;
use super::{Daemon, view};

/// Content-Security-Policy of every answer.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                          base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("assets/dashboard.html");
const STYLE: &str = include_str!("assets/dashboard.css");
const SCRIPT: &str = include_str!("assets/dashboard.js");
const ICON: &str = include_str!("assets/icon.svg");
const API: &str = include_str!("assets/openapi.json");

/// How often watchers are told what has changed.
const PERIOD: Duration = Duration::from_secs(2);
/// Changes of phase are told sooner, together with what else happens in this time.
const SOON: Duration = Duration::from_millis(150);

fn file(kind: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], content).into_response()
}

/// `/`.
pub async fn dashboard() -> Response {
    file("text/html; charset=utf-8", PAGE)
}

/// `/dashboard.css`.
pub async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

/// `/dashboard.js`.
pub async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

/// `/icon.svg`.
pub async fn icon() -> Response {
    file("image/svg+xml", ICON)
}

/// `/openapi.json`.
pub async fn openapi() -> Response {
    file("application/json", API)
}

/// `/sign-in?code=…`: the cookie for a code that is good. A page, not a redirect: what a redirect leads to from another site
/// goes without a cookie of `SameSite=Strict`.
pub async fn sign_in(State(daemon): State<Arc<Daemon>>, RawQuery(query): RawQuery) -> Response {
    let code = query.as_deref().and_then(|query| query.strip_prefix("code=")).unwrap_or_default();
    let page = |title: &str, text: &str, head: &str| {
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">{head}\
             <link rel=\"stylesheet\" href=\"/dashboard.css\"><title>{title}</title><main class=\"note\"><h1>{title}</h1><p>{text}</p></main></html>"
        )
    };
    let html = [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
    match daemon.gate.redeem(code, SystemClock.now().wall) {
        Some(cookie) => {
            let head = "<meta http-equiv=\"refresh\" content=\"0;url=/\">";
            let page = page("Signed in", "<a href=\"/\">To the dashboard</a>", head);
            ([(header::SET_COOKIE, cookie)], html, page).into_response()
        }
        None => {
            let text = "A link works once, for ten minutes. <code>ffauth serve --print sign-in</code> prints a new one.";
            (StatusCode::FORBIDDEN, html, page("This link does not work any more", text, "")).into_response()
        }
    }
}

/// `/api/v1/streams/ID/thumbnail`: a recent picture of its video, as JPEG.
pub async fn thumbnail(State(daemon): State<Arc<Daemon>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let stream = daemon.registry.get(&id)?;
    match daemon.thumbnails.of(&stream).await {
        Some(picture) => Ok(([(header::CONTENT_TYPE, "image/jpeg")], picture).into_response()),
        None => Err(Problem::new(StatusCode::NOT_FOUND, "there is no picture of this stream now")),
    }
}

/// `/api/v1/events`: what changes, as server-sent events. The first holds everything.
pub async fn events(State(daemon): State<Arc<Daemon>>) -> Response {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(tell(daemon, sender));
    let kind = HeaderValue::from_static("text/event-stream");
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(Told(receiver))).into_response()
}

/// Tells until nobody listens any more.
async fn tell(daemon: Arc<Daemon>, to: mpsc::Sender<Bytes>) {
    let mut changes = daemon.registry.changes();
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    loop {
        changes.borrow_and_update();
        let now = SystemClock.now();
        let current: BTreeMap<String, Value> =
            daemon.registry.all().iter().map(|stream| (stream.id.clone(), view::stream(stream, &now))).collect();
        let changed: Vec<&Value> =
            current.iter().filter(|(id, value)| known.get(*id) != Some(value)).map(|(_, value)| value).collect();
        let removed: Vec<&String> = known.keys().filter(|id| !current.contains_key(*id)).collect();
        let event = json!({ "streams": changed, "removed": removed, "profiles": daemon.profiles() });
        if to.send(Bytes::from(format!("data: {event}\n\n"))).await.is_err() {
            return;
        }
        known = current;
        tokio::select! {
            () = SystemClock.sleep(PERIOD) => {}
            () = to.closed() => return,
            changed = changes.changed() => match changed {
                Ok(()) => SystemClock.sleep(SOON).await,
                Err(_) => return,
            },
        }
    }
}

/// The events as the body of an answer.
struct Told(mpsc::Receiver<Bytes>);

impl Stream for Told {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}
