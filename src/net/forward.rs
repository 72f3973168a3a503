//! Requests of others, handed on: what they ask for is asked for with a live token where it may go, and what comes is handed
//! back as it comes.
//!
//! Reads follow redirects here, each hop looked at by itself. A refused token is renewed and the request sent once more, an
//! upload if what was sent of it is still held. Nothing is tried again that whoever asks could try again; but a file whose body
//! is cut in the middle goes on where it stood ([`Download`]), since whoever reads it may be a player that cannot.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use reqwest::Response;
use tokio::sync::mpsc;
use url::Url;

use crate::error::Error;
use crate::shutdown::Shutdown;

use super::answer::{self, Answer};
use super::client::{timed_out, transport};
use super::download::Download;
use super::error::{Cause, NetError};
use super::hop::{self, Trail};
use super::token::{Carried, masked};
use super::upload::feed::Feed;
use super::{Media, Request, Shared, client};

/// So much of an upload is held for sending it again.
const HELD: usize = 8 * 1024 * 1024;

/// How long an attempt listens between head and body after one that was cut short: a server that refuses by the head and resets
/// the connection cannot be heard over the writing.
const LISTEN: Duration = Duration::from_millis(500);

/// The body of an upload that somebody is writing.
pub struct Inflow(Feed);

/// Where the body of an upload is written. Dropping it without [`finish`](Self::finish) breaks the upload off.
pub struct Writer {
    queue: mpsc::Sender<Bytes>,
    feed: Feed,
}

impl Inflow {
    /// A body of `length` bytes, if that is known; one that is not is sent in chunks.
    pub fn new(length: Option<u64>) -> (Writer, Self) {
        let (queue, more) = mpsc::channel(1);
        let feed = Feed::growing(Bytes::new(), HELD, length, more);
        (Writer { queue, feed: feed.clone() }, Self(feed))
    }
}

impl Writer {
    /// Takes the next bytes; waits while the server is slower. False if nobody wants them any more.
    pub async fn write(&mut self, bytes: Bytes) -> bool {
        self.queue.send(bytes).await.is_ok()
    }

    /// Says that this was all.
    pub fn finish(self) {
        self.feed.finish();
    }
}

/// An answer whose body is still to come.
pub struct Forwarded {
    response: Response,
    carried: Carried,
    url: Url,
    renewed: bool,
    /// What goes on if the body is cut.
    rest: Option<Box<Download>>,
    shared: Arc<Shared>,
}

impl Media {
    /// Sends `request`, whose `headers` are those of whoever asks, with `range` and `body`, and gives back the answer: for GET
    /// and HEAD that behind all redirects.
    ///
    /// # Errors
    /// [`NetError`] if no answer can be had: refusals are answers.
    pub async fn forward(
        &self,
        request: &Request,
        range: Option<&HeaderValue>,
        body: Option<&Inflow>,
        stop: &Shutdown,
    ) -> Result<Forwarded, NetError> {
        let shared = &self.0;
        let follows = body.is_none() && ["GET", "HEAD"].contains(&request.method.as_str());
        let mut trail = Trail::new(client::parse(&request.url)?);
        let (mut renewed, mut has_nonce, mut was_cut, mut restarted) = (false, false, false, false);
        let mut pause = Duration::ZERO;
        loop {
            if follows && trail.follow_remembered(shared, request)? {
                continue;
            }
            request.reach.judge(shared, &trail.url, &request.bearers).await?;
            let replayable = || body.is_none_or(|body| body.0.withdraw());
            let (response, carried) = match send(shared, request, &trail, range, body.zip(Some(pause)), stop).await {
                Ok(answer) => answer,
                // A kept connection that the server has closed meanwhile looks like a cut. Nothing is done twice: a POST whose
                // body did not get through has not been taken.
                Err(Unanswered { failure: NetError::Transport { cause: Cause::Cut, .. }, cut_short })
                    if !was_cut && (cut_short || request.method != "POST") && replayable() =>
                {
                    was_cut = true;
                    pause = if cut_short { LISTEN } else { Duration::ZERO };
                    request.counters.retry();
                    continue;
                }
                Err(unanswered) => return Err(unanswered.failure),
            };
            let status = response.status();
            pause = Duration::ZERO;
            if carried.wants_nonce(&trail.url, status, response.headers()) && !has_nonce && replayable() {
                has_nonce = true;
                request.counters.retry();
                hop::drain(response).await;
                continue;
            }
            if follows && hop::is_redirect(status.as_u16()) {
                let target = carried.without_token(hop::target(&trail.url, response.headers())?);
                trail.remember(shared, request, status.as_u16(), response.headers(), &target);
                hop::drain(response).await;
                trail.follow(request, target, status.as_u16(), false)?;
                continue;
            }
            if carried.wants_another(status, response.headers(), renewed, &*shared.clock) && replayable() {
                renewed = true;
                hop::drain(response).await;
                carried.renew(&trail.url, request.wait, stop).await?;
                request.counters.retry();
                continue;
            }
            if follows && !restarted && trail.is_stale(status.as_u16()) {
                restarted = true;
                hop::drain(response).await;
                shared.hops.forget(&client::parse(&request.url)?);
                trail = Trail::new(client::parse(&request.url)?);
                request.counters.retry();
                continue;
            }
            let is_read = follows && request.method == "GET";
            let rest =
                is_read.then(|| Download::of_rest(self, request, status, response.headers(), stop)).flatten().map(Box::new);
            return Ok(Forwarded { response, carried, url: trail.url, renewed, rest, shared: Arc::clone(shared) });
        }
    }
}

/// No answer came.
struct Unanswered {
    failure: NetError,
    /// The connection was cut while the body was on its way.
    cut_short: bool,
}

impl From<NetError> for Unanswered {
    fn from(failure: NetError) -> Self {
        Self { failure, cut_short: false }
    }
}

/// Sends the request once and waits for the head of its answer. A body comes with the pause to make before it.
async fn send(
    shared: &Shared,
    request: &Request,
    trail: &Trail,
    range: Option<&HeaderValue>,
    body: Option<(&Inflow, Duration)>,
    stop: &Shutdown,
) -> Result<(Response, Carried), Unanswered> {
    let (mut builder, carried) = shared.prepare(request, &trail.url, trail.downgraded, stop).await?;
    if let Some(range) = range {
        builder = builder.header(header::RANGE, range);
    }
    request.counters.request();
    let in_time = |answer: Result<_, _>| answer.map_err(|_elapsed| timed_out(&trail.url));
    let (answer, cut_short) = match body {
        None => (in_time(tokio::time::timeout(request.timeout, builder.send()).await)?, false),
        Some((Inflow(feed), pause)) => {
            let Some((body, mut end)) = feed.begin(pause) else {
                return Err(NetError::Internal("an upload was to be sent again without its beginning".to_owned()).into());
            };
            if let Some(length) = feed.length() {
                builder = builder.header(header::CONTENT_LENGTH, length);
            }
            let mut sending = std::pin::pin!(builder.body(reqwest::Body::wrap(body)).send());
            // How long the body takes is up to whoever writes it.
            tokio::select! {
                biased;
                answer = &mut sending => (answer, end.try_recv().is_err()),
                ended = &mut end => (in_time(tokio::time::timeout(request.timeout, sending).await)?, ended.is_err()),
            }
        }
    };
    let response = answer.map_err(|error| Unanswered { failure: transport(&trail.url, error), cut_short })?;
    if let Some(cookies) = &request.cookies {
        cookies.take(&trail.url, response.headers(), shared.clock.now().wall);
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        request.counters.refused();
    }
    Ok((response, carried))
}

impl Forwarded {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The fields of its head, as they came.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The URL that it came from, behind redirects, without a token; not masked.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Its media type in lower case, without parameters.
    pub fn content_type(&self) -> Option<String> {
        answer::content_type(self.headers())
    }

    /// `url`, which the server gave, without the query parameters in which it has put the token.
    pub fn without_token(&self, url: Url) -> Url {
        self.carried.without_token(url)
    }

    /// Does `text` of the server hold the token, or another secret of the request?
    pub fn is_secret_in(&self, text: &str) -> bool {
        self.carried.is_in(text)
    }

    /// What a refusal of 401 or 403 means and what to do about it, for the operator.
    pub fn refusal(&self, request: &Request) -> Option<Error> {
        matches!(self.status().as_u16(), 401 | 403).then(|| {
            let token = self.carried.describe(&request.bearers, &self.url, self.renewed);
            let mut answer = Answer::of(&self.shared, &request.method, &self.url, &self.response, token);
            let challenge = &mut answer.challenge;
            for part in [&mut challenge.error, &mut challenge.description, &mut challenge.scope].into_iter().flatten() {
                *part = self.carried.clean(part);
            }
            NetError::Answer(Box::new(answer)).into()
        })
    }

    /// The body, read as fast as it is taken, and what takes the token out of the URLs in it
    /// ([`without_token`](Self::without_token)).
    pub fn into_body(self) -> (Outflow, impl Fn(Url) -> Url + Send + Sync) {
        let Self { response, carried, url, rest, .. } = self;
        let flow = Flow::First { body: http::Response::from(response).into_body(), rest };
        (Outflow { flow, url, position: 0 }, move |url| carried.without_token(url))
    }
}

/// The body of an answer; whole, or it ends with an error.
pub struct Outflow {
    flow: Flow,
    url: Url,
    /// The bytes that were handed on.
    position: u64,
}

enum Flow {
    /// What came with the head.
    First {
        body: reqwest::Body,
        rest: Option<Box<Download>>,
    },
    /// What comes after a cut.
    Rest(Next),
    Over,
}

/// The next bytes, and who reads on.
type Next = Pin<Box<dyn Future<Output = (Box<Download>, Result<Option<Bytes>, NetError>)> + Send>>;

impl Flow {
    fn on(mut rest: Box<Download>) -> Self {
        Self::Rest(Box::pin(async move {
            let bytes = rest.next().await;
            (rest, bytes)
        }))
    }
}

impl Body for Outflow {
    type Data = Bytes;
    type Error = NetError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, NetError>>> {
        loop {
            match &mut self.flow {
                Flow::First { body, rest } => match ready!(Pin::new(body).poll_frame(context)) {
                    Some(Ok(frame)) => {
                        self.position += frame.data_ref().map_or(0, |data| data.len() as u64);
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Some(Err(_)) => {
                        let Some(mut rest) = rest.take() else {
                            self.flow = Flow::Over;
                            let cut = NetError::Transport { url: masked(&self.url), cause: Cause::Cut, detail: String::new() };
                            return Poll::Ready(Some(Err(cut)));
                        };
                        tracing::info!("{}: the connection was cut after {} bytes; going on", masked(&self.url), self.position);
                        rest.seek(self.position);
                        self.flow = Flow::on(rest);
                    }
                    None => return Poll::Ready(None),
                },
                Flow::Rest(next) => {
                    let (rest, bytes) = ready!(next.as_mut().poll(context));
                    self.flow = if matches!(bytes, Ok(Some(_))) { Flow::on(rest) } else { Flow::Over };
                    return Poll::Ready(bytes.transpose().map(|bytes| bytes.map(Frame::data)));
                }
                Flow::Over => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.flow {
            Flow::First { body, .. } => body.is_end_stream(),
            Flow::Rest(_) => false,
            Flow::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.flow {
            Flow::First { body, .. } => body.size_hint(),
            Flow::Rest(_) => SizeHint::default(),
            Flow::Over => SizeHint::with_exact(0),
        }
    }
}
