//! The requests behind those of libavformat: each with a live token, tried again where that helps, its failure told to whoever
//! runs the job. dashdec.c goes on without whatever it does not get.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use url::Url;

use crate::backoff;
use crate::clock::Now;
use crate::error::{Error, Kind};
use crate::net::retry::{self, Purpose, Trouble};
use crate::net::{Download, NetError, Request};
use crate::redact;

use super::Shared;
use super::manifest;
use super::watch::{Missing, Watch};

/// A manifest that is longer is none.
const LONGEST_MANIFEST: usize = 32 * 1024 * 1024;
/// The pause between two attempts at a segment that is not there yet.
const PAUSE: Duration = Duration::from_millis(500);
/// For how long a segment of a live stream may be on its way, and how long a manifest may bring no news.
const EDGE: Duration = Duration::from_secs(10);

/// The attempts at one object.
pub(super) struct Trial<'a> {
    shared: &'a Shared,
    purpose: Purpose,
    /// An object that is not there may come within this time.
    missing: Duration,
    /// When it failed first since it last brought something, and how often since.
    failing: Option<(Now, u32)>,
    /// Its URL has been renewed since then.
    renewed: bool,
}

impl<'a> Trial<'a> {
    pub(super) fn new(shared: &'a Shared, purpose: Purpose, missing: Duration) -> Self {
        Self { shared, purpose, missing, failing: None, renewed: false }
    }

    /// Something came.
    pub(super) fn succeed(&mut self) {
        (self.failing, self.renewed) = (None, false);
    }

    /// Goes on with a fresh URL for `asked`, the segment that dashdec.c asked for as `url`, if that has expired.
    pub(super) async fn renew(&mut self, failure: &NetError, url: &str, asked: &mut String, download: &mut Download) -> bool {
        if !failure.is_expiry() || std::mem::replace(&mut self.renewed, true) {
            return false;
        }
        let Some(fresh) = self.shared.renew(url, asked).await else { return false };
        download.relocate(&fresh);
        *asked = fresh;
        true
    }

    /// Waits before another attempt; false if none would help.
    pub(super) async fn again(&mut self, failure: &NetError) -> bool {
        let Shared { media, retry: limit, .. } = self.shared;
        let patience = match Trouble::of(failure) {
            Trouble::Missing => self.missing.min(*limit),
            trouble => retry::patience(self.purpose, trouble, *limit),
        };
        let after = match failure {
            NetError::Answer(answer) => answer.retry_after,
            _ => None,
        };
        // What is still to come is looked for at an even pace.
        let is_missing = Trouble::of(failure) == Trouble::Missing;
        let after = after.or_else(|| is_missing.then_some(PAUSE));
        let now = media.clock().now();
        let (since, attempt) = *self.failing.get_or_insert((now, 0));
        let Some(wait) = retry::wait(attempt, now.since(&since), patience, after, backoff::random()) else { return false };
        if attempt == 0 && !is_missing {
            tracing::warn!("{failure}; trying again for up to {} s", patience.as_secs());
        }
        self.failing = Some((since, attempt + 1));
        self.shared.request.counters.wait();
        media.clock().sleep(wait).await;
        true
    }
}

impl Shared {
    /// A read of `url` under the rules of the file.
    pub(super) fn download(&self, url: &str, start: u64, end: Option<u64>) -> Download {
        // Only the manifest is behind an API.
        let pointer = self.request.pointer.clone().filter(|_| url == self.request.url);
        let (url, method) = (url.to_owned(), "GET".to_owned());
        let request = Request { url, pointer, method, retries: 0, ..self.request.clone() };
        Download::new(&self.media, request, start, end, &self.over)
    }

    /// `url` is about to be asked for. What the server calls it, and how long it is waited for if it is not there; `None` if it
    /// must not be there. In a live
    /// stream dashdec.c asks for what is still to come: where segments are listed, it finds its place by the next manifest; where
    /// they are counted, it would go on without this one. In a recorded one it asks for what is listed or, where they are
    /// counted, for one behind the last.
    pub(super) async fn look_up(&self, url: &str) -> Option<(String, Duration)> {
        let mut watch = self.watch.lock().await;
        watch.asked();
        if watch.is_unlisted(url) {
            watch.missed();
            if watch.is_over() {
                self.verdict.end();
            }
            return None;
        }
        let listed = retry::patience(Purpose::Segment, Trouble::Missing, self.retry);
        let patience = match (watch.live, watch.listed) {
            (true, false) => EDGE,
            (true, true) if !watch.names_times() => Duration::ZERO,
            (_, true) => listed,
            (false, false) => Duration::ZERO,
        };
        Some((watch.named(url).into_owned(), patience))
    }

    /// The URL in a fresh manifest of the segment that dashdec.c asked for as `url`, and that was refused as `stale`; `None` if
    /// there is no other one.
    pub(super) async fn renew(&self, url: &str, stale: &str) -> Option<String> {
        let mut watch = self.watch.lock().await;
        // Another segment may have seen to it meanwhile.
        if watch.named(url) == stale
            && let Err(error) = self.look(&mut watch).await
        {
            tracing::warn!("{error}");
            return None;
        }
        let fresh = watch.named(url).into_owned();
        if fresh == stale {
            return None;
        }
        tracing::info!("{}: no longer valid; the manifest that named it was read again", redact::url(stale));
        Some(fresh)
    }

    /// The manifest as dashdec.c is to see it. Where dashdec.c waits for news, they are waited for here.
    ///
    /// # Errors
    /// Without it the job cannot go on.
    pub(super) async fn manifest(&self) -> Result<String, Error> {
        let mut watch = self.watch.lock().await;
        let clock = self.media.clock();
        let (began, waiting) = (clock.now(), watch.is_waiting());
        loop {
            if let Some(fetched) = watch.fetched {
                let left = watch.pause().saturating_sub(clock.now().since(&fetched));
                if waiting {
                    clock.sleep(left).await;
                } else if !left.is_zero() || !watch.live {
                    break;
                }
            }
            let news = self.look(&mut watch).await?;
            if news || !waiting || clock.now().since(&began) > EDGE {
                break;
            }
        }
        watch.told();
        Ok(watch.text.clone())
    }

    /// Fetches the manifest; true if it is not the one that came before.
    async fn look(&self, watch: &mut Watch) -> Result<bool, Error> {
        // libavformat has seen it just before the first time, so there is a server that can be waited for.
        let (body, url) = self.fetch_manifest().await?;
        let shown = redact::url(&url);
        let parsed = Url::parse(&self.request.url).ok().zip(Url::parse(&url).ok());
        let Some((asked, from)) = parsed else { return Err(Error::new(Kind::Usage, format!("{shown}: not a URL"))) };
        let manifest = manifest::rewrite(&body, &asked, &from, &self.address)
            .map_err(|error| Error::new(Kind::Media, format!("{shown}: {error}")))?;
        Ok(watch.take(body, manifest, self.media.clock().now()))
    }

    /// Will the segment that failed not come any more, since the live stream has ended? Where segments are counted, dashdec.c
    /// never asks for the manifest again.
    pub(super) async fn comes_no_more(&self, failure: &NetError) -> bool {
        let mut watch = self.watch.lock().await;
        if Trouble::of(failure) != Trouble::Missing || !watch.live || watch.listed {
            return false;
        }
        let age = watch.fetched.map(|fetched| self.media.clock().now().since(&fetched));
        if age.is_none_or(|age| age >= watch.pause())
            && let Err(error) = self.look(&mut watch).await
        {
            self.verdict.fail(error);
        }
        watch.is_over()
    }

    /// The body of the manifest, and where it came from.
    async fn fetch_manifest(&self) -> Result<(Vec<u8>, String), Error> {
        let mut download = self.download(&self.request.url, 0, None);
        let purpose = Purpose::Playlist;
        let mut trial = Trial::new(self, purpose, retry::patience(purpose, Trouble::Missing, self.retry));
        let mut body = Vec::new();
        loop {
            match download.next().await {
                Ok(Some(bytes)) if body.len() + bytes.len() > LONGEST_MANIFEST => {
                    let url = redact::url(&self.request.url);
                    return Err(Error::new(Kind::Media, format!("{url}: no DASH manifest is longer than 32 MiB")));
                }
                Ok(Some(bytes)) => {
                    trial.succeed();
                    body.extend_from_slice(&bytes);
                }
                Ok(None) => return Ok((body, download.location().to_owned())),
                // Another one may have been published in between.
                Err(NetError::Changed { .. }) => {
                    body.clear();
                    download = self.download(&self.request.url, 0, None);
                }
                Err(failure) if trial.again(&failure).await => {}
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// A segment does not come. What that means, and the status for dashdec.c.
    pub(super) async fn fail(&self, url: &str, failure: NetError) -> u16 {
        let is_missing = Trouble::of(&failure) == Trouble::Missing;
        let error = Error::from(failure);
        let status = error.http_status();
        if is_missing {
            let mut watch = self.watch.lock().await;
            watch.missed();
            if watch.is_over() {
                self.verdict.end();
                return 404;
            }
            if watch.live || !watch.listed {
                self.lock_missing().miss(url);
                self.verdict.lose(error);
                return 404;
            }
        }
        let refused = matches!(status, Some(401 | 403));
        let is_ours = matches!(error.kind(), Kind::AuthorizationServer | Kind::Config | Kind::Internal | Kind::Media);
        if refused || is_ours {
            self.verdict.fail(error);
        } else {
            tracing::error!("{error}; going on without it");
            self.losses.add(1);
            self.verdict.lose(error);
        }
        status.unwrap_or(502)
    }

    /// A segment is there.
    pub(super) fn deliver(&self, url: &str) {
        if let Some(lost) = self.lock_missing().deliver(url) {
            tracing::error!("{}: not found; going on without it", redact::url(&lost));
            self.losses.add(1);
        }
    }

    fn lock_missing(&self) -> MutexGuard<'_, Missing> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
