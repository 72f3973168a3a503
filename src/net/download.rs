//! A read that survives cut connections and dead tokens: it goes on at the byte where it stood.
//!
//! With ranges it asks for the rest; without, it asks for the whole and drops what was read already. An entity that has changed
//! in between (another length, `ETag` or `Last-Modified`) is an error, never a splice.
//!
//! An answer that was handed on as it came ([`Media::forward`]) can go on so too, but by ranges only.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::StatusCode;
use http::header::HeaderMap;
use reqwest::Response;
use tokio::time::error::Elapsed;
use url::Url;

use crate::backoff;
use crate::shutdown::Shutdown;

use super::answer::{content_type, retry_after};
use super::entity::{self, Entity, read_head};
use super::error::{Cause, NetError};
use super::token::masked;
use super::{Media, Request, client, explain, hop};

/// What is taken in at a time of what has come already.
const AHEAD: usize = 256 * 1024;

/// One resource, or one part of it, read by a thread that may block or by a task.
///
/// A failure that may pass is waited out as often as [`Request::retries`] says; after another one, the next read goes on all
/// the same, at the byte where this one stopped.
pub struct Download {
    media: Media,
    request: Request,
    stop: Shutdown,
    /// Where the part begins and, if it does, ends (exclusive), in bytes of the resource.
    start: u64,
    end: Option<u64>,
    /// The next byte to deliver, counted from `start`.
    position: u64,
    entity: Entity,
    /// The rest comes as a part or not at all: nothing is read once more to be dropped.
    by_ranges: bool,
    /// Where the redirects led, last time.
    location: String,
    /// What the server called it, last time.
    content_type: Option<String>,
    body: Option<Response>,
    chunk: Bytes,
    /// What came of `body` after `chunk`.
    arrived: VecDeque<Arrival>,
    /// Attempts in a row that brought no byte.
    failures: u32,
}

/// What a wait for more of a body brings.
enum Arrival {
    Piece(Bytes),
    /// A clean end.
    End,
    Cut,
    /// Nothing, for too long.
    Silence,
}

impl Arrival {
    fn of(outcome: Result<Result<Option<Bytes>, reqwest::Error>, Elapsed>) -> Self {
        match outcome {
            Ok(Ok(Some(piece))) => Self::Piece(piece),
            Ok(Ok(None)) => Self::End,
            Ok(Err(_)) => Self::Cut,
            Err(_elapsed) => Self::Silence,
        }
    }
}

impl Download {
    /// A read that begins with the first call of [`connect`](Self::connect) or [`next`](Self::next).
    pub fn new(media: &Media, request: Request, start: u64, end: Option<u64>, stop: &Shutdown) -> Self {
        Self {
            media: media.clone(),
            request,
            stop: stop.clone(),
            start,
            end,
            position: 0,
            entity: Entity::default(),
            by_ranges: false,
            location: String::new(),
            content_type: None,
            body: None,
            chunk: Bytes::new(),
            arrived: VecDeque::new(),
            failures: 0,
        }
    }

    /// What can go on, from wherever [`seek`](Self::seek) says, with the body of an answer of this head to `request`, if it is
    /// cut; `None` if the head says too little for that.
    pub(super) fn of_rest(
        media: &Media,
        request: &Request,
        status: StatusCode,
        headers: &HeaderMap,
        stop: &Shutdown,
    ) -> Option<Self> {
        let (entity, part) = read_head(status, headers);
        let (start, end) = match part {
            None if status == StatusCode::OK && (entity.length.is_some() || entity::offers_ranges(headers)) => (0, None),
            Some(part) if part.start < part.end => (part.start, Some(part.end)),
            _ => return None,
        };
        let mut request = request.clone();
        request.headers.retain(|(name, _)| !entity::is_condition(name));
        request.headers.extend(entity::unchanged(headers));
        Some(Self { entity, by_ranges: true, ..Self::new(media, request, start, end, stop) })
    }

    /// Up to `data.len()` of the next bytes; 0 at the end. Blocks.
    ///
    /// # Errors
    /// [`NetError`] when going on has failed as often as [`Request::retries`] allows, the entity has changed, or the server
    /// refuses for good.
    pub fn read(&mut self, data: &mut [u8]) -> Result<usize, NetError> {
        if self.chunk.is_empty() && !data.is_empty() {
            self.take_in_elsewhere()?;
            let (media, stop) = (self.media.clone(), self.stop.clone());
            media.block_on(&stop, self.fill())?;
        }
        let taken = data.len().min(self.room(self.chunk.len()));
        self.chunk.copy_to_slice(&mut data[..taken]);
        self.position += taken as u64;
        Ok(taken)
    }

    /// The next bytes, as many as have come together; `None` at the end.
    ///
    /// # Errors
    /// As [`read`](Self::read), without [`NetError::Stopped`]: a task that is not to go on is dropped.
    pub async fn next(&mut self) -> Result<Option<Bytes>, NetError> {
        self.fill().await?;
        let taken = self.room(self.chunk.len());
        let bytes = std::mem::take(&mut self.chunk).split_to(taken);
        self.position += taken as u64;
        Ok((!bytes.is_empty()).then_some(bytes))
    }

    /// Has the first answer come, or another one after a cut.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn connect(&mut self) -> Result<(), NetError> {
        while self.body.is_none() {
            self.connect_or_wait().await?;
        }
        Ok(())
    }

    /// Is there nothing of a body to deliver, while there is more of it to come?
    fn is_empty(&self) -> bool {
        self.chunk.is_empty() && self.arrived.is_empty() && !is_whole(self.size(), self.position)
    }

    /// Waits for more of the body, and takes in what has come by then.
    pub(super) async fn take_in(&mut self) {
        let is_empty = self.is_empty();
        if let Some(body) = self.body.as_mut().filter(|_| is_empty) {
            arrivals(body, self.request.timeout, &mut self.arrived).await;
        }
    }

    /// As [`take_in`](Self::take_in), but on the runtime.
    fn take_in_elsewhere(&mut self) -> Result<(), NetError> {
        let is_empty = self.is_empty();
        if let Some(mut body) = self.body.take_if(|_| is_empty) {
            let (mut arrived, timeout) = (std::mem::take(&mut self.arrived), self.request.timeout);
            let (body, arrived) = self.media.run(&self.stop, async move {
                arrivals(&mut body, timeout, &mut arrived).await;
                Ok((body, arrived))
            })?;
            (self.body, self.arrived) = (Some(body), arrived);
        }
        Ok(())
    }

    /// Makes sure of a byte in `chunk`, unless this is the end.
    async fn fill(&mut self) -> Result<(), NetError> {
        while self.chunk.is_empty() {
            if is_whole(self.size(), self.position) {
                return Ok(());
            }
            let Some(body) = &mut self.body else {
                self.connect_or_wait().await?;
                continue;
            };
            let arrival = match self.arrived.pop_front() {
                Some(arrival) => arrival,
                None => Arrival::of(tokio::time::timeout(self.request.timeout, body.chunk()).await),
            };
            match arrival {
                Arrival::Piece(piece) => {
                    self.chunk = piece;
                    self.failures = 0;
                }
                // A clean end of a body whose length nobody told.
                Arrival::End if self.size().is_none() => return Ok(()),
                Arrival::End | Arrival::Cut => self.cut(Cause::Cut).await?,
                Arrival::Silence => self.cut(Cause::Timeout).await?,
            }
        }
        Ok(())
    }

    /// How many of `count` bytes belong to the part.
    fn room(&self, count: usize) -> usize {
        let left = self.size().map_or(u64::MAX, |size| size.saturating_sub(self.position));
        count.min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    /// The next [`read`](Self::read) begins at `position`, counted from the start of the part.
    pub fn seek(&mut self, position: u64) {
        if position != self.position {
            self.position = position;
            self.disconnect();
        }
    }

    /// The rest comes from `url`, which stands for the same entity.
    pub fn relocate(&mut self, url: &str) {
        url.clone_into(&mut self.request.url);
        self.disconnect();
    }

    /// The next byte comes from another answer.
    fn disconnect(&mut self) {
        self.body = None;
        self.chunk.clear();
        self.arrived.clear();
    }

    /// The next byte to be read, counted from the start of the part.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes of the part, if they are known.
    pub fn size(&self) -> Option<u64> {
        let end = match (self.end, self.entity.length) {
            (Some(end), Some(length)) => Some(end.min(length)),
            (end, length) => end.or(length),
        };
        end.map(|end| end.saturating_sub(self.start))
    }

    /// Bytes of the whole resource, if they are known.
    pub fn length(&self) -> Option<u64> {
        self.entity.length
    }

    /// The URL that the last answer came from, behind redirects, without a token; not masked.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The media type of the last answer, without parameters, in lower case.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Does the server honour ranges, so that going to another byte costs one request and no more?
    pub fn has_ranges(&self) -> bool {
        self.entity.ranges
    }

    /// The connection is gone: the next round opens another, unless that has failed too often.
    async fn cut(&mut self, cause: Cause) -> Result<(), NetError> {
        self.disconnect();
        let url = client::parse(&self.request.url)?;
        self.failed(NetError::Transport { url: masked(&url), cause, detail: String::new() }, None).await
    }

    /// One request for what is left; a failure that may pass is waited out instead.
    async fn connect_or_wait(&mut self) -> Result<(), NetError> {
        let from = self.start + self.position;
        let range = match self.end {
            Some(end) => format!("bytes={from}-{}", end.saturating_sub(1)),
            None => format!("bytes={from}-"),
        };
        let shared = &*self.media.0;
        let end = match hop::walk(shared, &self.request, &range, &self.stop).await {
            Ok(end) => end,
            Err(error) if error.is_retryable() => return self.refused(error, None).await,
            Err(error) => return Err(error),
        };
        let status = end.response.status();
        if !status.is_success() {
            let after = retry_after(end.response.headers(), shared.clock.now().wall);
            let token = end.carried.describe(&self.request.bearers, &end.url, end.renewed);
            let attempts = self.failures + 1;
            let error = explain::refusal(shared, &self.request, &end.url, end.response, &end.carried, token, attempts).await;
            return if error.is_retryable() { self.refused(error, after).await } else { Err(error) };
        }
        let (found, part) = read_head(status, end.response.headers());
        if self.entity != Entity::default() && found.differs_from(&self.entity) {
            return Err(changed(&end.url));
        }
        self.entity = Entity { ranges: part.is_some() || self.entity.ranges, ..found };
        self.location = end.url.to_string();
        self.content_type = content_type(end.response.headers());
        let mut body = end.response;
        match part {
            Some(part) if part.start == from => self.chunk = Bytes::new(),
            Some(_) => return Err(changed(&client::parse(&self.location)?)),
            None if self.by_ranges && from > 0 => return Err(NetError::NoRanges { url: masked(&end.url) }),
            None => match skip(&mut body, from, self.request.timeout).await {
                Some(rest) => self.chunk = rest,
                None => return self.cut(Cause::Cut).await,
            },
        }
        if self.position > 0 {
            self.request.counters.resume();
        }
        self.body = Some(body);
        Ok(())
    }

    /// As [`failed`](Self::failed), for a request that brought nothing.
    async fn refused(&mut self, error: NetError, after: Option<Duration>) -> Result<(), NetError> {
        self.failed(error, after).await?;
        self.request.counters.wait();
        Ok(())
    }

    /// Counts one more failure in a row and waits before the next attempt.
    async fn failed(&mut self, error: NetError, after: Option<Duration>) -> Result<(), NetError> {
        if self.failures >= self.request.retries {
            return Err(error);
        }
        let wait = after.unwrap_or_else(|| self.request.backoff.delay(self.failures, backoff::random()));
        if wait > self.request.wait {
            return Err(error);
        }
        self.failures += 1;
        self.request.counters.retry();
        self.media.0.clock.sleep(wait).await;
        Ok(())
    }
}

/// Is nothing left of a part of `size` bytes at `position`?
fn is_whole(size: Option<u64>, position: u64) -> bool {
    size.is_some_and(|size| position >= size)
}

/// Waits for more of `body`, and takes what else has come by then, about [`AHEAD`] bytes at most.
async fn arrivals(body: &mut Response, timeout: Duration, arrived: &mut VecDeque<Arrival>) {
    let mut next = Some(Arrival::of(tokio::time::timeout(timeout, body.chunk()).await));
    let mut length = 0;
    while let Some(arrival) = next.take() {
        let is_piece = match &arrival {
            Arrival::Piece(piece) => {
                length += piece.len();
                length < AHEAD
            }
            _ => false,
        };
        arrived.push_back(arrival);
        if is_piece {
            next = at_once(body).await;
        }
    }
}

/// What of `body` is here already. hyper reads a connection in a task of its own, when somebody has asked.
async fn at_once(body: &mut Response) -> Option<Arrival> {
    for _ in 0..2 {
        let mut chunk = pin!(body.chunk());
        if let Poll::Ready(outcome) = poll_fn(|context| Poll::Ready(chunk.as_mut().poll(context))).await {
            return Some(Arrival::of(Ok(outcome)));
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Drops the first `count` bytes; what of the chunk that holds the next one is left, or `None` if the body ends before.
async fn skip(body: &mut Response, count: u64, timeout: Duration) -> Option<Bytes> {
    let mut left = count;
    while left > 0 {
        let Ok(Ok(Some(mut chunk))) = tokio::time::timeout(timeout, body.chunk()).await else { return None };
        let dropped = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        chunk.advance(dropped);
        left -= dropped as u64;
        if !chunk.is_empty() {
            return Some(chunk);
        }
    }
    Some(Bytes::new())
}

fn changed(url: &Url) -> NetError {
    NetError::Changed { url: masked(url) }
}
