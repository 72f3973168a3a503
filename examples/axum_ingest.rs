//! A web service that records protected streams by request, with all streams in its own process.
//!
//! ```sh
//! cargo run --example axum_ingest -- studio https://media.example.com/live/ recordings/
//! curl -X PUT    http://127.0.0.1:PORT/streams/lobby      # records …/live/lobby.m3u8 into recordings/lobby-00000.ts, …
//! curl           http://127.0.0.1:PORT/streams/lobby
//! curl -X DELETE http://127.0.0.1:PORT/streams/lobby
//! ```
//!
//! It listens on loopback and asks nobody who they are: put it behind something that does. `ffauth serve` is such a service, whole.
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use axum::{Json, Router};
use ffauth::{Config, Env, Error, Input, Job, Kind, Output, RunningJob, Session};
use serde_json::{Value, json};

struct Service {
    session: Session,
    profile: String,
    source: String,
    folder: String,
    streams: Mutex<HashMap<String, Arc<RunningJob>>>,
}

impl Service {
    fn streams(&self) -> MutexGuard<'_, HashMap<String, Arc<RunningJob>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn job(&self, name: &str) -> Result<Job, Error> {
        // What comes from outside becomes part of a URL and of a path.
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(Error::new(Kind::Usage, "the name of a stream is of letters, digits and dashes"));
        }
        let output = Output::new(format!("{}/{name}-%05d.ts", self.folder));
        Job::builder()
            .input(Input::new(format!("{}{name}.m3u8", self.source)).auth(&self.profile))
            .output(output.option("c", "copy").option("f", "segment").option("segment_time", 6))
            .build()
            .map(|job| job.named(name))
    }
}

/// An error of ffauth as an answer.
struct Failed(Error);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = match self.0.kind() {
            Kind::Usage => StatusCode::BAD_REQUEST,
            Kind::LoginRequired | Kind::AuthorizationServer | Kind::MediaServer => StatusCode::BAD_GATEWAY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let (error, hint) = (self.0.to_string(), self.0.hint());
        (status, Json(json!({"error": error, "hint": hint, "retryable": self.0.is_retryable()}))).into_response()
    }
}

async fn start(State(service): State<Arc<Service>>, Path(name): Path<String>) -> Result<StatusCode, Failed> {
    let job = service.job(&name).map_err(Failed)?;
    let mut streams = service.streams();
    if streams.get(&name).is_some_and(|running| !running.is_finished()) {
        return Ok(StatusCode::OK);
    }
    let running = job.start(&service.session).map_err(Failed)?;
    streams.insert(name, Arc::new(running));
    Ok(StatusCode::CREATED)
}

async fn show(State(service): State<Arc<Service>>, Path(name): Path<String>) -> Result<Json<Value>, StatusCode> {
    let running = service.streams().get(&name).cloned().ok_or(StatusCode::NOT_FOUND)?;
    let status = running.status();
    let (packets, swaps) = status.inputs.first().map_or((0, 0), |input| (input.packets, input.io.token_swaps));
    Ok(Json(json!({
        "running": status.started && !running.is_finished(), "packets": packets, "token_swaps": swaps,
        "seconds": status.progress.and_then(|progress| progress.out_time).map(|micros| micros as f64 / 1e6),
    })))
}

async fn stop(State(service): State<Arc<Service>>, Path(name): Path<String>) -> Result<Response, StatusCode> {
    let running = service.streams().remove(&name).ok_or(StatusCode::NOT_FOUND)?;
    running.stop();
    let report = running.wait().await;
    Ok(([("content-type", "application/json")], report.summary()).into_response())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [profile, source, folder] = arguments.try_into().map_err(|_| "three arguments are wanted: PROFILE URL/ FOLDER")?;
    let env = Env::of_process();
    let session = Session::new(Config::load(None, &env)?, env);

    let service = Arc::new(Service { session, profile, source, folder, streams: Mutex::default() });
    let router = Router::new().route("/streams/{name}", put(start).get(show).delete(stop)).with_state(service);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}
