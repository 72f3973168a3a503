//! A server of one stream that never ends by itself: no length, no ranges, and whoever connects gets what comes from now on. It
//! cuts, ends, holds back and refuses as a test wants it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::AUTHORIZATION;
use hyper::{Response, Version};
use tokio::sync::mpsc;

use super::server::{Body, Cut, Server};
use super::token_server::{Tokens, Verdict};

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// In the middle of the body.
    Cut,
    /// As if the stream had ended.
    End,
    /// It does not: nothing more comes.
    Stall,
    /// It is cut, and for so long there is nothing to be had.
    Down(Duration),
    /// It is cut, and what comes next is the beginning again.
    Restart,
}

/// What is sent, and how.
#[derive(Clone)]
pub struct Stream {
    pub content: Bytes,
    /// How long all of it takes.
    pub lasts: Duration,
    /// Positions at which something happens, once each, in order.
    pub faults: Vec<(usize, Fault)>,
    /// Who connects again gets so many bytes once more.
    pub repeats: usize,
    /// So many bytes are sent while nobody listens, after each fault.
    pub skips: usize,
    pub tokens: Option<Arc<Tokens>>,
}

/// A running server.
pub struct Edge {
    server: Server,
    state: Arc<Mutex<State>>,
}

struct State {
    /// How far it has come.
    position: usize,
    faults: Vec<(usize, Fault)>,
    down_until: Option<Instant>,
    /// The status of each answer.
    answers: Vec<u16>,
}

impl Edge {
    pub fn start(stream: Stream) -> Self {
        let faults = stream.faults.iter().rev().copied().collect();
        let state = Arc::new(Mutex::new(State { position: 0, faults, down_until: None, answers: Vec::new() }));
        let shared = Arc::clone(&state);
        let server = Server::start(
            None,
            Arc::new(move |arrived| {
                let (stream, state) = (stream.clone(), Arc::clone(&shared));
                let header = arrived.request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
                let token = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
                Box::pin(async move { respond(&stream, &state, &token) })
            }),
        );
        Self { server, state }
    }

    pub fn url(&self) -> String {
        self.server.url("/live.ts")
    }

    /// The status of each answer so far.
    pub fn answers(&self) -> Vec<u16> {
        self.state.lock().expect("no panic in the test server").answers.clone()
    }
}

fn respond(stream: &Stream, state: &Arc<Mutex<State>>, token: &str) -> Response<Body> {
    let mut now = state.lock().expect("no panic in the test server");
    let alive = stream.tokens.as_ref().is_none_or(|tokens| matches!(tokens.check(token), Verdict::Alive(_)));
    let status = match now.down_until {
        _ if !alive => 401,
        Some(until) if Instant::now() < until => 503,
        _ => 200,
    };
    let again = now.answers.contains(&200);
    now.answers.push(status);
    if status != 200 {
        return Response::builder().status(status).body(Body::from("no")).expect("a response");
    }
    let from = if again { now.position.saturating_sub(stream.repeats) / 188 * 188 } else { 0 };
    let (slices, body) = mpsc::channel(1);
    tokio::spawn(send(stream.clone(), Arc::clone(state), from, slices));
    Response::builder()
        .version(Version::HTTP_10)
        .header("content-type", "video/mp2t")
        .body(Body::Slices(body))
        .expect("a response")
}

async fn send(stream: Stream, state: Arc<Mutex<State>>, from: usize, slices: mpsc::Sender<Result<Bytes, Cut>>) {
    const SLICE: usize = 4096;
    let mut at = from;
    loop {
        let (position, fault) = {
            let now = state.lock().expect("no panic in the test server");
            (now.position, now.faults.last().copied())
        };
        let end = fault.map_or(stream.content.len(), |(end, _)| end);
        if at >= end {
            // What was sent so far arrives before the connection ends.
            tokio::time::sleep(Duration::from_millis(30)).await;
            let Some((_, fault)) = fault else { return slices.closed().await };
            {
                let mut now = state.lock().expect("no panic in the test server");
                now.faults.pop();
                now.position = if fault == Fault::Restart { 0 } else { now.position + stream.skips };
                if let Fault::Down(time) = fault {
                    now.down_until = Some(Instant::now() + time);
                }
            }
            match fault {
                Fault::End => {}
                Fault::Stall => slices.closed().await,
                Fault::Cut | Fault::Down(_) | Fault::Restart => drop(slices.send(Err(Cut)).await),
            }
            return;
        }
        let next = (at + SLICE).min(end);
        if next > position {
            tokio::time::sleep(stream.lasts.mul_f64((next - position.max(at)) as f64 / stream.content.len() as f64)).await;
        }
        if slices.send(Ok(stream.content.slice(at..next))).await.is_err() {
            return;
        }
        at = next;
        let mut now = state.lock().expect("no panic in the test server");
        now.position = now.position.max(at);
    }
}
