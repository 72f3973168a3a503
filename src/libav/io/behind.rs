//! What our own HTTP client finds out for an open that http.c cannot do: where redirects and the answer of an API lead, what stands
//! for a URL that has expired, and why a server refuses.

use url::Url;

use crate::error::{Error, Kind};
use crate::libav::error::AvError;
use crate::libav::log;
use crate::net::retry::Purpose;
use crate::net::{Request, Resolved};
use crate::origin::Origin;

use super::open::{Open, Target};
use super::trouble;

impl Open<'_> {
    /// A fresh URL in place of one that has expired, once.
    pub(super) fn renew(&mut self, target: &Target) -> Result<Option<Target>, AvError> {
        if self.top || std::mem::replace(&mut self.renewed, true) {
            return Ok(None);
        }
        let Some(fresh) = self.state.renew(&target.url) else { return Ok(None) };
        self.state.count(|counts| counts.retries += 1);
        self.target(fresh).map(Some)
    }

    /// Where the API at `target` says that the media is, behind redirects.
    pub(super) fn behind_pointer(&mut self, mut target: Target) -> Result<Target, AvError> {
        let Some(media) = self.state.access.media.clone() else { return Ok(target) };
        loop {
            let request = self.state.own_request(target.url.as_str(), "GET", self.state.request.fields());
            let code = match media.resolve(&request, &self.state.stop) {
                Ok(resolved) if resolved.status < 400 => return self.led(&resolved).map(|led| led.unwrap_or(target)),
                Ok(resolved) => trouble::code_of(Some(resolved.status)),
                Err(_) if self.state.stop.is_requested() => return Err(AvError::EXIT),
                Err(failure) => return Err(self.give_up(failure.into(), AvError::from_errno(libc::EIO))),
            };
            target = self.again(target, Purpose::Top, code)?;
        }
    }

    /// Where the redirects of `target` end; `None` if it does not redirect.
    pub(super) fn behind_redirects(&mut self, target: &Target) -> Result<Option<Target>, AvError> {
        let Some(media) = &self.state.access.media else { return Ok(None) };
        let request = self.state.own_request(target.url.as_str(), "GET", self.state.request.fields());
        let resolved = match media.resolve(&request, &self.state.stop) {
            Ok(resolved) => resolved,
            Err(failure) => {
                let error = Error::from(failure);
                if self.top || error.kind() == Kind::Media || matches!(error.http_status(), Some(401 | 403)) {
                    self.state.give_up(error);
                } else {
                    log::write(log::level::ERROR, &format!("{error}\n"));
                }
                return Err(AvError::from_errno(libc::EIO));
            }
        };
        self.led(&resolved)
    }

    /// The target behind the hops of a walk; `None` if there were none.
    fn led(&mut self, resolved: &Resolved) -> Result<Option<Target>, AvError> {
        let Some(url) = Url::parse(&resolved.url).ok().filter(|_| !resolved.hops.is_empty()) else { return Ok(None) };
        self.redirected = true;
        if self.top {
            self.state.renewals.found_top(&url);
            self.state.segments.add_playlist(url.as_str());
        }
        if resolved.downgraded {
            return Ok(Some(Target { origin: Origin::of(&url), url, token: None }));
        }
        self.target(url).map(Some)
    }

    /// Asks again with our own client why `target` was refused, and gives up; a 403 that was about the token alone (RFC 6750
    /// section 3.1, `invalid_token`) has brought a new one on the way.
    pub(super) fn refused(&mut self, target: Target, code: AvError) -> Result<Target, AvError> {
        let Some(media) = &self.state.access.media else { return Err(code) };
        let request = self.state.own_request(target.url.as_str(), "GET", self.state.request.fields());
        let request = Request { renewed: code == AvError::HTTP_UNAUTHORIZED, ..request };
        let failure = media.explain(&request, &self.state.stop);
        let is_newer = self.token(&target).is_some_and(|(bearer, published)| bearer.slot.generation() > published.generation);
        if failure.answer.is_none() && is_newer && !std::mem::replace(&mut self.revived, true) {
            return self.target(target.url);
        }
        Err(self.give_up(failure.error, code))
    }

    /// Asks again with our own client for the reason that libav keeps to itself, and gives up.
    pub(super) fn explain(&self, target: &Target, code: AvError) -> AvError {
        let Some(media) = &self.state.access.media else { return code };
        let request = self.state.own_request(target.url.as_str(), "GET", self.state.request.fields());
        let request = Request { renewed: code == AvError::HTTP_UNAUTHORIZED, ..request };
        let failure = media.explain(&request, &self.state.stop);
        self.give_up(failure.error, code)
    }
}
