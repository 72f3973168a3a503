//! `/api/v1`: what programs and the dashboard ask and tell, as JSON. `assets/openapi.json` describes it; a test compares the two.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::clock::{Clock, SystemClock};
use crate::config::{Restart, Stream as Settings};
use crate::redact;

use super::registry::Failure;
use super::stream::Stream;
use super::{Daemon, view};

/// The routes below `/api/v1`.
pub fn routes() -> Router<Arc<Daemon>> {
    Router::new()
        .route("/streams", get(list).post(add))
        .route("/streams/{id}", get(show).put(put).delete(remove))
        .route("/streams/{id}/start", post(start))
        .route("/streams/{id}/stop", post(stop))
        .route("/streams/{id}/restart", post(restart))
        .route("/streams/{id}/thumbnail", get(super::page::thumbnail))
        .route("/profiles", get(profiles))
        .route("/events", get(super::page::events))
}

/// The body of a request, if it could be read.
type Given = Result<Bytes, BytesRejection>;

/// A body of `POST /streams`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewStream {
    id: String,
    run: String,
    #[serde(default)]
    restart: Policy,
    #[serde(default = "yes")]
    start: bool,
}

/// A body of `PUT /streams/ID`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    run: String,
    #[serde(default)]
    restart: Policy,
    #[serde(default = "yes")]
    start: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Policy {
    Always,
    #[default]
    OnFailure,
    Never,
}

fn yes() -> bool {
    true
}

fn settings(run: String, restart: Policy) -> Settings {
    let restart = match restart {
        Policy::Always => Restart::Always,
        Policy::OnFailure => Restart::OnFailure,
        Policy::Never => Restart::Never,
    };
    Settings { run, restart }
}

async fn list(State(daemon): State<Arc<Daemon>>) -> Json<Value> {
    let now = SystemClock.now();
    let streams: Vec<Value> = daemon.registry.all().iter().map(|stream| view::stream(stream, &now)).collect();
    Json(json!({ "streams": streams }))
}

async fn add(State(daemon): State<Arc<Daemon>>, body: Given) -> Result<Response, Problem> {
    let new: NewStream = parse(body)?;
    let stream = daemon.registry.add(&new.id, settings(new.run, new.restart), new.start)?;
    let place = format!("/api/v1/streams/{}", stream.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], shown(&stream)).into_response())
}

async fn show(State(daemon): State<Arc<Daemon>>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(shown(&*daemon.registry.get(&id)?))
}

async fn put(State(daemon): State<Arc<Daemon>>, Path(id): Path<String>, body: Given) -> Result<Response, Problem> {
    let Change { run, restart, start } = parse(body)?;
    let settings = settings(run, restart);
    match daemon.registry.change(&id, settings.clone()) {
        Ok(_) => {
            let stream = daemon.registry.command(&id, |stream| if start { stream.start() } else { stream.stop() })?;
            Ok(shown(&stream).into_response())
        }
        Err(Failure::Unknown) => {
            let stream = daemon.registry.add(&id, settings, start)?;
            Ok((StatusCode::CREATED, shown(&stream)).into_response())
        }
        Err(failure) => Err(failure.into()),
    }
}

async fn remove(State(daemon): State<Arc<Daemon>>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    daemon.registry.remove(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn start(State(daemon): State<Arc<Daemon>>, Path(id): Path<String>, body: Given) -> Result<Json<Value>, Problem> {
    nothing(body)?;
    Ok(shown(&*daemon.registry.command(&id, Stream::start)?))
}

async fn stop(State(daemon): State<Arc<Daemon>>, Path(id): Path<String>, body: Given) -> Result<Json<Value>, Problem> {
    nothing(body)?;
    Ok(shown(&*daemon.registry.command(&id, Stream::stop)?))
}

async fn restart(State(daemon): State<Arc<Daemon>>, Path(id): Path<String>, body: Given) -> Result<Json<Value>, Problem> {
    nothing(body)?;
    Ok(shown(&*daemon.registry.command(&id, Stream::restart)?))
}

async fn profiles(State(daemon): State<Arc<Daemon>>) -> Json<Value> {
    Json(json!({ "profiles": daemon.profiles() }))
}

fn shown(stream: &Stream) -> Json<Value> {
    Json(view::stream(stream, &SystemClock.now()))
}

/// Commands have no body; that of a client which always sends one is `{}`.
fn nothing(body: Given) -> Result<(), Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    match body {
        Ok(body) if body.is_empty() => Ok(()),
        body => parse::<Nothing>(body).map(|Nothing {}| ()),
    }
}

fn parse<T: DeserializeOwned>(body: Given) -> Result<T, Problem> {
    let body = body.map_err(|rejection| Problem::new(rejection.status(), "the body cannot be read, or is too large"))?;
    serde_json::from_slice(&body).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body: {error}")))
}

/// An answer that something cannot be done, as `{"error": …, "hint": …}`.
pub struct Problem {
    status: StatusCode,
    message: String,
    hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), hint: None }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let (status, error) = match failure {
            Failure::Unknown => return Self::new(StatusCode::NOT_FOUND, "there is no stream of this name"),
            Failure::Conflict(message) => return Self::new(StatusCode::CONFLICT, message),
            Failure::Invalid(error) => (StatusCode::UNPROCESSABLE_ENTITY, error),
            Failure::Unsaved(error) => (StatusCode::INSUFFICIENT_STORAGE, error.context("done, but not saved")),
        };
        let masked = |text: &str| redact::line(text.trim_end()).into_owned();
        Self { status, message: masked(&error.to_string()), hint: error.hint().map(masked) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.message, "hint": self.hint }))).into_response()
    }
}
