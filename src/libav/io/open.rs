//! The `io_open` and `io_close2` callbacks: whether a token goes along with an open, and what happens when the server refuses.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int};
use std::sync::Arc;

use url::Url;

use crate::backoff;
use crate::bearer::{Bearer, Placement, Published};
use crate::clock::Now;
use crate::error::{Error, Kind};
use crate::libav::call::c_string;
use crate::libav::error::AvError;
use crate::libav::option::{self, Dictionary};
use crate::libav::{ffi, log, panic};
use crate::net::retry::{self, Purpose, Trouble};
use crate::net::{Answer, Failure, NetError};
use crate::origin::Origin;
use crate::redact;

use super::beginning::Beginning;
use super::live::{self, Live};
use super::request::RETRYING;
use super::state::State;
use super::streaming::is_streaming;
use super::whole::Miss;
use super::{file, resume, state, trouble, upload, whole};

/// `AVFormatContext.io_open`.
pub unsafe extern "C" fn io_open(
    context: *mut ffi::AVFormatContext,
    pb: *mut *mut ffi::AVIOContext,
    url: *const c_char,
    flags: c_int,
    options: *mut *mut ffi::AVDictionary,
) -> c_int {
    panic::contain(AvError::from_errno(libc::EIO).0, || {
        // SAFETY: `opaque` is the State of the hook on this context or on the one that it was copied from (invariant 2); libav
        // gives valid pointers, `options` may be null.
        let (state, url, given) = unsafe {
            let given = if options.is_null() { std::ptr::null() } else { (*options).cast_const() };
            (&*(*context).opaque.cast::<State>(), CStr::from_ptr(url), Dictionary::copy_of(given))
        };
        state.make_current();
        let Ok(url) = url.to_str() else { return AvError::from_errno(libc::EINVAL).0 };
        // SAFETY: as above; `pb` is the member that libav wants filled (invariant 10).
        let top = unsafe { std::ptr::eq(pb, &raw mut (*context).pb) };
        let mut open = Open {
            state,
            context,
            pb,
            flags,
            top,
            options: given,
            used: Vec::new(),
            playlist: None,
            failing: None,
            redirected: false,
            renewed: false,
            revived: false,
        };
        let result = if flags & ffi::AVIO_FLAG_WRITE != 0 { open.write(url) } else { open.read(url) };
        if !options.is_null() {
            // SAFETY: the dictionary is libav's to replace; ours is given away (invariant 10).
            unsafe { ffi::av_dict_free(options) };
            // SAFETY: as above (invariant 10).
            unsafe { *options = open.options.into_raw() };
        }
        result.map_or_else(|error| error.0, |()| 0)
    })
}

/// `AVFormatContext.io_close2`.
pub unsafe extern "C" fn io_close2(context: *mut ffi::AVFormatContext, pb: *mut ffi::AVIOContext) -> c_int {
    panic::contain(AvError::from_errno(libc::EIO).0, || {
        // SAFETY: as in io_open; `pb` came from there and is not used afterwards (invariant 1).
        unsafe {
            let state = &*(*context).opaque.cast::<State>();
            state.make_current();
            state.note_broken();
            if let Some(live) = state.live.forget(pb) {
                state.entities.forget(live.protocol.addr());
            }
            if file::is_ours(pb) {
                file::close(pb)
            } else if upload::is_ours(pb) {
                upload::close(pb)
            } else if resume::is_ours(pb) {
                resume::close(pb);
                0
            } else if whole::is_ours(pb) {
                whole::close(context, pb);
                0
            } else {
                state.default_close.map_or(0, |close| close(context, pb))
            }
        }
    })
}

/// One call of `io_open`.
pub(super) struct Open<'a> {
    pub(super) state: &'a State,
    pub(super) context: *mut ffi::AVFormatContext,
    pub(super) pb: *mut *mut ffi::AVIOContext,
    flags: c_int,
    /// This is the file itself, not something that it names.
    pub(super) top: bool,
    /// What libav gave; what is left over goes back.
    pub(super) options: Dictionary,
    /// Those of them that http.c has used.
    pub(super) used: Vec<String>,
    /// The hls.c playlist whose segment it is.
    playlist: Option<i32>,
    /// When it failed first, for a reason that may pass, and how often since.
    failing: Option<(Now, u32)>,
    /// What is opened is not what was named.
    pub(super) redirected: bool,
    /// A fresh URL has been asked for.
    pub(super) renewed: bool,
    /// A refusal has brought another token.
    pub(super) revived: bool,
}

/// What http.c has opened.
enum Found {
    Good,
    /// It can be read by a context of ours only.
    Unfit,
    /// The answer broke off before anybody could look at it, or is a playlist that breaks off in the middle.
    Broken,
}

/// Who gets what: one destination of an open.
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) origin: Option<Origin>,
    /// The profile whose token goes along, and the token.
    pub(super) token: Option<(usize, Arc<Published>)>,
}

impl Open<'_> {
    fn write(&mut self, url: &str) -> Result<(), AvError> {
        let context = match self.state.waits_for_space(url) {
            Some((path, stop)) => file::open(path, stop)?,
            None if state::is_http(url) && self.state.is_authenticated() => {
                upload::open(self.state, url, self.top, &mut self.options)?
            }
            None => return self.delegate(url),
        };
        // SAFETY: libav wants its context here (invariant 1).
        unsafe { *self.pb = context };
        Ok(())
    }

    fn read(&mut self, url: &str) -> Result<(), AvError> {
        // A muxer that looks at what it has written.
        if !self.state.is_authenticated() {
            return self.delegate(url);
        }
        if let Some(detour) = self.state.detour.get() {
            let is_ours = matches!(detour.reveal(url), Cow::Owned(_));
            return if is_ours { self.delegate(url) } else { Err(AvError::from_errno(libc::EACCES)) };
        }
        let cipher = url.strip_prefix("crypto+").or_else(|| url.strip_prefix("crypto:"));
        let address = cipher.unwrap_or(url);
        match address.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref() {
            Some("http" | "https") => {}
            _ if self.top && is_streaming(url) => {
                let placed = self.state.streaming_url(url, &mut self.options)?;
                return self.delegate(&placed);
            }
            _ if self.top => return self.delegate(url),
            Some("data") => return self.delegate(url),
            _ => {
                let message = format!("names {}: what comes from the network may name http and https only", redact::url(url));
                return Err(self.give_up(Error::new(Kind::Media, message), AvError::from_errno(libc::EACCES)));
            }
        }
        let Ok(parsed) = Url::parse(address) else { return self.delegate(url) };
        // What ended the job is told already, and nothing more is lost by it.
        if self.state.has_given_up() {
            return Err(AvError::EXIT);
        }
        let segments = &self.state.segments;
        let (purpose, playlist) = segments.purpose(address, self.top, |playlist| self.state.live.is_being_read(playlist));
        self.playlist = playlist;
        let now = self.state.access.media.as_ref().map(|media| media.clock().now());
        let ahead = playlist.zip(now).filter(|_| purpose == Purpose::NextSegment);
        let early = ahead.is_some_and(|(playlist, now)| segments.is_held_back(playlist, address, &now));
        let result = if early { Err(AvError::HTTP_NOT_FOUND) } else { self.read_url(parsed, cipher.is_some(), purpose) };
        match (&result, purpose) {
            (Err(_), Purpose::Segment) => segments.fail(address),
            (Err(_), Purpose::NextSegment) => {
                segments.fail(address);
                if let (false, Some((playlist, now))) = (early, ahead) {
                    segments.hold_back(playlist, address, now);
                    self.state.count(|counts| counts.retries += 1);
                }
            }
            (Err(code), Purpose::Playlist | Purpose::Key) if !self.state.stop.is_requested() => {
                self.state.give_up(Error::new(Kind::MediaServer, format!("{}: {code}", redact::url(address))));
            }
            _ => {}
        }
        result
    }

    /// Opens `url` with the token that belongs there, as often as it takes.
    fn read_url(&mut self, url: Url, encrypted: bool, purpose: Purpose) -> Result<(), AvError> {
        if let Some(media) = &self.state.access.media {
            match media.judge(&self.state.own_request(url.as_str(), "GET", Vec::new()), &self.state.stop) {
                Ok(()) => {}
                Err(NetError::Stopped) => return Err(AvError::EXIT),
                Err(failure) => return Err(self.give_up(failure.into(), AvError::from_errno(libc::EACCES))),
            }
        }
        let mut given = if self.top { url } else { self.state.renewals.latest(&url).unwrap_or(url) };
        let mut target = self.target(given.clone())?;
        if self.wants_whole(purpose) {
            loop {
                match self.read_whole(target.url.as_str(), purpose) {
                    Ok(()) => return Ok(()),
                    Err(_) if self.state.stop.is_requested() => return Err(AvError::EXIT),
                    Err(Miss { trouble, code, failure }) => {
                        let expired = failure.answer.as_ref().is_some_and(Answer::is_expiry);
                        target = match if expired { self.renew(&target)? } else { None } {
                            Some(fresh) => fresh,
                            None => self.retry(target, purpose, (trouble, code), Some(*failure))?,
                        };
                    }
                }
            }
        }
        if self.options.get("end_offset").is_some_and(|end| end != "0") {
            self.forbid_prefetch();
        }
        // http.c sends the same header lines with every request, and a bound token needs a proof of its own in each.
        let bound = self.token(&target).is_some_and(|(_, published)| published.credential.proof().is_some());
        let is_segment = matches!(purpose, Purpose::Segment | Purpose::NextSegment);
        // Signed, in all likelihood: http.c would end with the signature.
        let signed = is_segment && target.token.is_none() && target.url.query().is_some();
        let without_ranges = is_segment && self.state.is_without_ranges(target.origin.as_ref());
        if encrypted || bound || signed || without_ranges {
            return self.read_ourselves(target, purpose);
        }
        loop {
            if self.top && self.state.access.pointer.is_some() && !self.redirected {
                target = self.behind_pointer(target)?;
            }
            let code = match self.attempt(&target) {
                Ok(()) => match self.opened(&target)? {
                    Found::Good => return Ok(()),
                    Found::Unfit => {
                        let given = self.target(given)?;
                        return self.read_ourselves(given, purpose);
                    }
                    Found::Broken => {
                        let text = format!("{}: the answer broke off in the middle", redact::url(target.url.as_str()));
                        let error = Error::new(Kind::MediaServer, text).retryable(true);
                        let failure = Failure { error, answer: None, retry_after: None };
                        let trouble = (Trouble::Busy, AvError::from_errno(libc::EIO));
                        target = self.retry(target, purpose, trouble, Some(failure))?;
                        continue;
                    }
                },
                Err(code) => code,
            };
            if self.state.stop.is_requested() {
                return Err(AvError::EXIT);
            }
            match (code, &target.token) {
                (AvError::HTTP_UNAUTHORIZED, Some((index, published))) if self.state.may_renew(*index, published) => {
                    self.state.reject(*index, published.generation);
                    target = self.target(target.url)?;
                }
                (AvError::HTTP_UNAUTHORIZED, Some(_)) => target = self.refused(target, code)?,
                (AvError::HTTP_UNAUTHORIZED | AvError::HTTP_FORBIDDEN, _) => match self.renew(&target)? {
                    Some(fresh) => (given, target) = (fresh.url.clone(), fresh),
                    None => target = self.refused(target, code)?,
                },
                // http.c answers a redirect with EIO when it must not follow; a lost connection looks the same.
                (code, _) if code == AvError::from_errno(libc::EIO) && !self.redirected => {
                    match self.behind_redirects(&target)? {
                        Some(next) => target = next,
                        None => target = self.again(target, purpose, code)?,
                    }
                }
                // What redirects may lead elsewhere by now.
                (code, _) if self.redirected => {
                    self.again(target, purpose, code)?;
                    self.redirected = false;
                    target = self.target(given.clone())?;
                }
                // A server without ranges answers an offset with the whole.
                (code, _) if code == AvError::from_errno(libc::EPERM) && self.options.get("offset").is_some() => {
                    return self.read_ourselves(target, purpose);
                }
                (code, _) => target = self.again(target, purpose, code)?,
            }
        }
    }

    /// Opens `target` with our own client, which sees to tokens, nonces and redirects, as often as it takes.
    fn read_ourselves(&mut self, mut target: Target, purpose: Purpose) -> Result<(), AvError> {
        loop {
            let failure = match self.resume(&target) {
                Ok(()) => return self.check_format(),
                Err(resume::Failure::Own(code)) => return Err(code),
                Err(resume::Failure::Net(failure)) => failure,
            };
            if failure.is_expiry()
                && !self.state.stop.is_requested()
                && let Some(fresh) = self.renew(&target)?
            {
                target = fresh;
                continue;
            }
            let (code, _) = self.state.refuse(failure.into());
            if self.state.stop.is_requested() || self.state.has_given_up() {
                return Err(code);
            }
            target = self.again(target, purpose, code)?;
        }
    }

    /// Waits before another attempt, where one may help; else tells what is lost. libavformat goes on without a segment, which is
    /// counted, but takes a playlist that cannot be read again for the end, and plays on with a key of zeros.
    pub(super) fn again(&mut self, target: Target, purpose: Purpose, code: AvError) -> Result<Target, AvError> {
        let Some(media) = self.state.access.media.clone() else { return Err(code) };
        if purpose == Purpose::NextSegment {
            return Err(code);
        }
        // Only the answer tells what the server wants.
        let asks = matches!(code, AvError::HTTP_OTHER_4XX | AvError::HTTP_SERVER_ERROR | AvError::HTTP_NOT_FOUND);
        let request = self.state.own_request(target.url.as_str(), "GET", self.state.request.fields());
        let failure = asks.then(|| media.explain(&request, &self.state.stop));
        let status = failure.as_ref().and_then(|failure| failure.answer.as_ref()).map(|answer| answer.status);
        if status == Some(410)
            && let Some(fresh) = self.renew(&target)?
        {
            return Ok(fresh);
        }
        self.retry(target, purpose, (trouble::behind(code, status), code), failure)
    }

    /// As [`again`](Self::again), where it is known what went wrong.
    fn retry(
        &mut self,
        target: Target,
        purpose: Purpose,
        (trouble, code): (Trouble, AvError),
        failure: Option<Failure>,
    ) -> Result<Target, AvError> {
        let Some(media) = self.state.access.media.clone() else { return Err(code) };
        let patience = retry::patience(purpose, trouble, self.state.access.retry);
        let now = media.clock().now();
        let (since, attempt) = *self.failing.get_or_insert((now, 0));
        let after = failure.as_ref().and_then(|failure| failure.retry_after);
        let url = redact::url(target.url.as_str()).into_owned();
        let reason = failure.as_ref().map_or_else(|| format!("{url}: {code}"), |failure| failure.error.to_string());
        if let Some(wait) = retry::wait(attempt, now.since(&since), patience, after, backoff::random()) {
            if attempt == 0 {
                let text = format!("{reason}; trying again for up to {} s\n", patience.as_secs());
                log::write(log::level::WARNING, &text);
            }
            self.failing = Some((since, attempt + 1));
            self.state.count(|counts| counts.retries += 1);
            media.pause(wait, &self.state.stop).map_err(|_| AvError::EXIT)?;
            return self.target(target.url);
        }
        if purpose == Purpose::Segment {
            log::write(log::level::ERROR, &format!("{reason}; going on without it\n"));
            return Err(code);
        }
        Err(match failure {
            Some(failure) => self.give_up(failure.error, code),
            None => self.explain(&target, code),
        })
    }

    /// libavformat's own open, untouched.
    fn delegate(&mut self, url: &str) -> Result<(), AvError> {
        let mut options = std::mem::take(&mut self.options);
        let result = self.default_open(&c_string(url)?, &mut options);
        self.options = options;
        result
    }

    /// libavformat's own open, with these options; those that something used are taken out.
    pub(super) fn default_open(&self, url: &CStr, options: &mut Dictionary) -> Result<(), AvError> {
        let open = self.state.default_open.ok_or(AvError::from_errno(libc::EINVAL))?;
        // SAFETY: context and pb are what libav gave to us; no borrow is held (invariant 5).
        AvError::check(unsafe { open(self.context, self.pb, url.as_ptr(), self.flags, options.as_mut_ptr()) }).map(drop)
    }

    /// Which token goes to `url`. Waits for one if need be.
    pub(super) fn target(&self, url: Url) -> Result<Target, AvError> {
        let origin = Origin::of(&url);
        let in_scope =
            origin.as_ref().and_then(|origin| self.state.access.bearers.iter().position(|bearer| bearer.scope.holds(origin)));
        // User-info in the URL of a segment is the server's own affair; http.c would send both.
        let index = in_scope.filter(|_| url.username().is_empty() && url.password().is_none());
        let token = match index.map(|index| self.state.credential(index).map(|published| (index, published))) {
            Some(Ok(token)) => Some(token),
            Some(Err(error)) if error.kind() == Kind::Stopped => return Err(AvError::EXIT),
            Some(Err(error)) => {
                return Err(self.give_up(state::about(url.as_str(), error), AvError::HTTP_UNAUTHORIZED));
            }
            None => None,
        };
        Ok(Target { url, origin, token })
    }

    /// One open by http.c.
    fn attempt(&mut self, target: &Target) -> Result<(), AvError> {
        let token = self.token(target);
        let headers = self.state.request.header_lines(target.origin.as_ref(), token);
        let bundle = match self.ca_bundle(token.map(|(bearer, _)| bearer)) {
            Ok(bundle) => bundle,
            Err(error) => return Err(self.give_up(error, AvError::from_errno(libc::EIO))),
        };
        let mut options = self.options.clone();
        let certificate = token.and_then(|(bearer, _)| bearer.roots.certificate());
        self.state.request.apply(&target.url, bundle.as_deref(), certificate, &headers, &mut options)?;
        let url = c_string(&self.placed(target))?;
        self.default_open(&url, &mut options)?;
        self.used = self.options.pairs().into_iter().map(|(name, _)| name).filter(|name| options.get(name).is_none()).collect();
        Ok(())
    }

    /// The context is open: registers it, or closes it.
    fn opened(&mut self, target: &Target) -> Result<Found, AvError> {
        // SAFETY: a successful open has filled `pb` with a native context of this thread (invariants 1 and 9).
        let (context, seekable, size) = unsafe {
            let context = *self.pb;
            (context, (*context).seekable != 0, ffi::avio_size(context))
        };
        let in_query = self.token(target).is_some_and(|(bearer, _)| !matches!(bearer.placement, Placement::Header { .. }));
        let looked_at = self.top || in_query || !seekable;
        let beginning = if looked_at { self.beginning(context) } else { Beginning::Media };
        // SAFETY: as above (invariant 1).
        if looked_at && unsafe { live::take_error(context) }.is_some() {
            self.close_native(context);
            return Ok(Found::Broken);
        }
        if beginning == Beginning::DashManifest && self.top && !cfg!(dash_io_open) {
            self.close_native(context);
            return self.detour().map(|()| Found::Good);
        }
        if in_query && !self.top {
            self.forbid_keepalive();
        }
        // Without ranges http.c cannot take up a connection again. A file of its own without a length may be endless.
        let without_ranges = !seekable && (!self.top || size > 0);
        // What a redirect or an API named may be another URL by the time that the connection is lost.
        if beginning == Beginning::Media && (in_query || without_ranges || self.redirected) {
            if without_ranges {
                self.state.note_without_ranges(target.origin.as_ref());
            }
            self.close_native(context);
            return Ok(Found::Unfit);
        }
        // SAFETY: as above; nothing but its beginning was read, which is still in the buffer (invariant 1).
        if self.top && beginning == Beginning::Playlist && !unsafe { whole::has_all(context) } {
            self.close_native(context);
            return Ok(Found::Broken);
        }
        for name in std::mem::take(&mut self.used) {
            self.options.remove(&name);
        }
        let stripped = self.top && beginning == Beginning::Playlist;
        // SAFETY: the context is live and of this thread; its protocol has both options (http.c) (invariant 1).
        unsafe {
            // For seeks. Only now: as an option of the open, http.c would ask again with the same token. Not for what hls.c
            // keeps alive: a 401 comes back to io_open there, which need not wait as http.c does.
            if self.top && beginning == Beginning::Media {
                live::set_retries(context, true);
                self.state.has_end.set(size > 0);
                let _ = option::set(context.cast(), "reconnect_on_network_error", Some("1"));
            }
            if stripped {
                live::set_headers(context, None);
            }
            self.state.live.add(Live {
                context,
                protocol: (*context).opaque,
                bearer: target.token.as_ref().map(|(index, _)| *index),
                origin: target.origin.clone(),
                url: target.url.to_string(),
                playlist_itself: stripped,
                generation: target.token.as_ref().map_or(0, |(_, published)| published.generation),
                sent: target.token.as_ref().map_or(0, |(_, published)| published.generation),
                top: self.top,
                playlist: self.playlist,
                broken: false,
                stripped,
            });
        }
        Ok(Found::Good)
    }

    /// Looks at what [`resume`](Self::resume) opened for what must be read another way.
    fn check_format(&mut self) -> Result<(), AvError> {
        // SAFETY: a successful open has filled `pb` with a context of this thread (invariants 1 and 9).
        let context = unsafe { *self.pb };
        if !self.top || cfg!(dash_io_open) || self.beginning(context) != Beginning::DashManifest {
            return Ok(());
        }
        // SAFETY: the context is ours and nobody has seen it yet (invariant 10).
        unsafe {
            *self.pb = std::ptr::null_mut();
            (*self.context).flags &= !ffi::AVFMT_FLAG_CUSTOM_IO;
            self.state.keep_top(std::ptr::null_mut());
            resume::close(context);
        }
        self.detour()
    }

    /// Closes what [`attempt`](Self::attempt) opened.
    fn close_native(&self, context: *mut ffi::AVIOContext) {
        // SAFETY: the context was opened just now and is registered nowhere; libav must not find it any more (invariant 1).
        unsafe {
            *self.pb = std::ptr::null_mut();
            if let Some(close) = self.state.default_close {
                close(self.context, context);
            }
        }
    }

    /// Reads `target` through an `AVIOContext` of our own.
    fn resume(&mut self, target: &Target) -> Result<(), resume::Failure> {
        self.forbid_keepalive();
        let mut options = self.options.clone();
        let context = resume::open(self.state, &target.url, !self.top, &mut options)?;
        // Our own client goes by them; nobody else would take them out.
        for name in RETRYING.iter().chain(&["user_agent", "referer", "tls_verify"]) {
            options.remove(name);
        }
        self.options = options;
        // SAFETY: libav wants its context here. avio_close would take ours for a native one, so a top-level one is marked, as
        // `avformat_open_input` itself would have, had it been there from the start (invariant 1).
        unsafe {
            *self.pb = context;
            if self.top {
                (*self.context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
                self.state.keep_top(context);
            }
        }
        Ok(())
    }

    /// Parts of one file are not asked for ahead of their turn: hls.c forgets then how far it has read the current one
    /// (`open_input`), reads on behind its end, and http.c connects again and again for what is not there.
    fn forbid_prefetch(&self) {
        // SAFETY: as in forbid_keepalive; other demuxers have no such option (invariant 1).
        let _ = unsafe { option::set(self.context.cast(), "http_multiple", Some("0")) };
    }

    /// hls.c would send its next request on the connection of the one before: without the token, where that stands in the
    /// URL, and it asserts that the context is a native one. It reads this option at each use; other demuxers have none.
    fn forbid_keepalive(&self) {
        // SAFETY: the context is valid during its own callback (invariant 1).
        let _ = unsafe { option::set(self.context.cast(), "http_persistent", Some("0")) };
    }

    pub(super) fn token<'a>(&'a self, target: &'a Target) -> Option<(&'a Bearer, &'a Published)> {
        let (index, published) = target.token.as_ref()?;
        Some((self.state.bearer(*index)?, published))
    }

    fn placed(&self, target: &Target) -> String {
        match self.token(target) {
            Some((bearer, published)) => published.credential.place_in_url(&bearer.placement, target.url.as_str()),
            None => target.url.to_string(),
        }
    }

    /// The roots of the profile whose token goes along; on an open without one, those of the file's first profile.
    fn ca_bundle(&self, bearer: Option<&Bearer>) -> Result<Option<String>, Error> {
        let Some(bearer) = bearer.or_else(|| self.state.access.bearers.iter().next()) else { return Ok(None) };
        let bundle = bearer.roots.bundle().map_err(|error| Error::new(Kind::Config, error.to_string()))?;
        Ok(bundle.map(|path| path.display().to_string()))
    }

    pub(super) fn give_up(&self, error: Error, code: AvError) -> AvError {
        self.state.give_up(error);
        code
    }
}
