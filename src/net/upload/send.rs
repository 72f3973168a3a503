//! Sends one upload: attempts, and the verdict on each.

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use reqwest::Response;
use url::Url;

use crate::backoff;
use crate::net::client::{timed_out, transport};
use crate::net::error::{Cause, NetError, RedirectFault};
use crate::net::explain::refusal;
use crate::net::hop::{self, Trail};
use crate::net::token::{Carried, masked};
use crate::net::{Media, Request, Shared, client};
use crate::origin::Origin;
use crate::shutdown::Shutdown;

use super::Confirmed;
use super::feed::Feed;

/// The attempts at one upload.
pub(super) struct Attempts {
    shared: Arc<Shared>,
    request: Request,
    feed: Feed,
    stop: Shutdown,
    /// Requests sent so far.
    sent: u32,
    /// Waits before sending again so far.
    retries: u32,
    /// The token was refused once already.
    renewed: bool,
    /// The proof lacked the server's nonce once already.
    has_nonce: bool,
    /// A connection was cut once already.
    cut: bool,
    /// The last connection was cut while the body was on its way.
    cut_short: bool,
}

/// How long an attempt listens between head and body after one that was cut short. A server that refuses by the head and
/// resets the connection cannot be heard over the writing; this is `Expect: 100-continue` without the field, on which some
/// servers hang.
const LISTEN: Duration = Duration::from_millis(500);

/// Who ends waits so long for a server that stands still.
const GRACE: Duration = Duration::from_millis(300);

/// Completes when the job is about to end and the server has neither taken anything nor answered for a while.
async fn lapse(hurry: &Shutdown, feed: &Feed) {
    const TICK: Duration = Duration::from_millis(50);
    hurry.requested().await;
    let (mut seen, mut quiet) = (feed.pulse().0, Duration::ZERO);
    while quiet < GRACE {
        tokio::time::sleep(TICK).await;
        let (reads, hungry) = feed.pulse();
        quiet = if hungry || reads != seen { Duration::ZERO } else { quiet + TICK };
        seen = reads;
    }
}

/// What an answer means for the upload.
enum Verdict {
    Confirmed(Confirmed),
    Again,
    Failed(NetError),
}

impl Attempts {
    pub(super) fn new(media: &Media, request: Request, feed: Feed, stop: Shutdown) -> Self {
        Self {
            shared: Arc::clone(&media.0),
            request,
            feed,
            stop,
            sent: 0,
            retries: 0,
            renewed: false,
            has_nonce: false,
            cut: false,
            cut_short: false,
        }
    }

    /// Sends until the server confirms or there is no use in going on.
    pub(super) async fn run(mut self) -> Result<Confirmed, NetError> {
        let stop = self.stop.clone();
        let (url, hurry, feed) = (client::parse(&self.request.url)?, self.request.hurry.clone(), self.feed.clone());
        tokio::select! {
            biased;
            () = stop.requested() => Err(NetError::Stopped),
            result = self.attempts() => result,
            () = lapse(&hurry, &feed) => Err(timed_out(&url)),
        }
    }

    async fn attempts(&mut self) -> Result<Confirmed, NetError> {
        let mut trail = Trail::new(client::parse(&self.request.url)?);
        loop {
            while trail.follow_remembered(&self.shared, &self.request)? {
                self.check_target(&trail)?;
            }
            let verdict = match self.attempt(&trail).await {
                Ok((response, carried)) => self.judge(&mut trail, response, carried).await?,
                Err(failure) => Verdict::Failed(failure),
            };
            match verdict {
                Verdict::Confirmed(confirmed) => return Ok(confirmed),
                Verdict::Again => {}
                Verdict::Failed(failure) => self.pause(failure).await?,
            }
        }
    }

    /// Sends the body once and waits for the head of the answer.
    async fn attempt(&mut self, trail: &Trail) -> Result<(Response, Carried), NetError> {
        let prepared = self.shared.prepare(&self.request, &trail.url, trail.downgraded, &self.stop).await?;
        let (mut builder, carried) = prepared;
        let pause = if std::mem::take(&mut self.cut_short) { LISTEN.min(self.request.timeout / 2) } else { Duration::ZERO };
        let Some((body, mut end)) = self.feed.begin(pause) else {
            return Err(NetError::Internal("an upload was to be sent again without its beginning".to_owned()));
        };
        if let Some(length) = self.feed.length() {
            builder = builder.header(CONTENT_LENGTH, length);
        }
        self.sent += 1;
        self.request.counters.request();
        let answer = self.watch(&trail.url, builder.body(reqwest::Body::wrap(body)).send()).await?;
        let response = answer.map_err(|error| {
            self.cut_short = end.try_recv().is_err();
            transport(&trail.url, error)
        })?;
        if response.status() == http::StatusCode::UNAUTHORIZED {
            self.request.counters.refused();
        }
        // Some servers greet a stream with 200 and then read it: it is theirs only once all of it has been sent.
        if response.status().is_success() && self.watch(&trail.url, end).await?.is_err() {
            let detail = format!("the server answered {} and then cut the upload short", response.status().as_u16());
            return Err(NetError::Transport { url: masked(&trail.url), cause: Cause::Cut, detail });
        }
        Ok((response, carried))
    }

    /// Waits for `work` as long as the server takes data; the writer's own silence does not count.
    async fn watch<T>(&self, url: &Url, work: impl Future<Output = T>) -> Result<T, NetError> {
        /// The limit is looked at this often within itself.
        const TICKS: u32 = 4;
        tokio::pin!(work);
        let tick = (self.request.timeout / TICKS).max(Duration::from_millis(10));
        let (mut seen, mut quiet) = (0, 0);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return Ok(result),
                () = tokio::time::sleep(tick) => {}
            }
            let (reads, hungry) = self.feed.pulse();
            quiet = if hungry || reads != seen { 0 } else { quiet + 1 };
            seen = reads;
            if quiet >= TICKS {
                return Err(timed_out(url));
            }
        }
    }

    /// Reads what the server says to the attempt.
    async fn judge(&mut self, trail: &mut Trail, response: Response, carried: Carried) -> Result<Verdict, NetError> {
        let status = response.status().as_u16();
        let wants_nonce = carried.wants_nonce(&trail.url, response.status(), response.headers());
        // An object that is gone needs no deletion.
        if response.status().is_success() || (self.request.method.eq_ignore_ascii_case("DELETE") && matches!(status, 404 | 410)) {
            hop::drain(response).await;
            return Ok(Verdict::Confirmed(Confirmed { status, url: masked(&trail.url) }));
        }
        let replayable = self.feed.withdraw();
        if wants_nonce && replayable && !std::mem::replace(&mut self.has_nonce, true) {
            hop::drain(response).await;
            self.request.counters.retry();
            return Ok(Verdict::Again);
        }
        let redirect = match hop::is_redirect(status) {
            true => Some(hop::target(&trail.url, response.headers())?),
            false => None,
        };
        if let Some(target) = redirect.filter(|_| replayable) {
            if !matches!(status, 307 | 308) {
                let fault = RedirectFault::UploadMethod { status, target: masked(&target) };
                return Err(NetError::Redirect { url: masked(&trail.url), fault });
            }
            trail.remember(&self.shared, &self.request, status, response.headers(), &target);
            hop::drain(response).await;
            trail.follow(&self.request, target, status, false)?;
            self.check_target(trail)?;
            return Ok(Verdict::Again);
        }
        let renewable = carried.wants_another(response.status(), response.headers(), self.renewed, &*self.shared.clock);
        let token = carried.describe(&self.request.bearers, &trail.url, self.renewed);
        let failure = refusal(&self.shared, &self.request, &trail.url, response, &carried, token, self.sent).await;
        if !replayable && (renewable || hop::is_redirect(status)) {
            return Err(NetError::NotReplayable { failure: Box::new(failure), held: self.feed.limit() });
        }
        if !renewable && replayable && trail.is_stale(status) {
            *trail = Trail::new(client::parse(&self.request.url)?);
            self.shared.hops.forget(&trail.url);
            self.request.counters.retry();
            return Ok(Verdict::Again);
        }
        if !renewable {
            return Ok(Verdict::Failed(failure));
        }
        self.renewed = true;
        carried.renew(&trail.url, self.request.wait, &self.stop).await?;
        self.request.counters.retry();
        Ok(Verdict::Again)
    }

    /// An upload goes to origins in scope, and without a profile to the file's own; nowhere else.
    fn check_target(&self, trail: &Trail) -> Result<(), NetError> {
        let origin = Origin::of(&trail.url);
        let own = self.request.own_origin.clone().or_else(|| Origin::parse(&self.request.url));
        let exposed = trail.downgraded && trail.url.scheme() == "http";
        if !exposed && (self.request.bearers.for_url(&trail.url).is_some() || (origin.is_some() && origin == own)) {
            return Ok(());
        }
        let origin = origin.map(|origin| origin.to_string()).unwrap_or_default();
        let url = trail.hops.last().map_or_else(|| masked(&trail.url), |hop| hop.url.clone());
        Err(NetError::Redirect { url, fault: RedirectFault::ForeignUpload(origin) })
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// `failure`, if there is to be no other attempt.
    async fn pause(&mut self, failure: NetError) -> Result<(), NetError> {
        let replayable = self.feed.withdraw();
        let asked = match &failure {
            NetError::Transport { .. } => None,
            NetError::Answer(answer) => answer.retry_after,
            _ => return Err(failure),
        };
        if !failure.is_retryable() {
            return Err(failure);
        }
        if !replayable {
            return Err(NetError::NotReplayable { failure: Box::new(failure), held: self.feed.limit() });
        }
        // A kept connection that the server has closed meanwhile looks like a cut: the first one costs neither time nor a
        // retry.
        let cut = matches!(failure, NetError::Transport { cause: Cause::Cut, .. });
        if cut && !std::mem::replace(&mut self.cut, true) {
            self.request.counters.retry();
            return Ok(());
        }
        if self.retries >= self.request.retries || asked.is_some_and(|asked| asked > self.request.wait) {
            return Err(failure);
        }
        let pause = self.request.backoff.delay(self.retries, backoff::random()).max(asked.unwrap_or_default());
        self.retries += 1;
        tracing::warn!(%failure, ?pause, "the upload will be sent again");
        self.shared.clock.sleep(pause).await;
        self.request.counters.retry();
        Ok(())
    }
}
