//! What the callbacks of one context share. They call each other through libav on one thread, so everything here is a cell
//! that is never borrowed across a call into libav (invariant 5).

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use crate::bearer::{Bearer, Published, RenewError};
use crate::env::Env;
use crate::error::{Error, Kind};
use crate::libav::log::{self, Event};
use crate::libav::option::Dictionary;
use crate::libav::{ffi, panic};
use crate::net::{self, NetError};
use crate::origin::Origin;
use crate::redact;
use crate::shutdown::Shutdown;
use crate::tls::Roots;

use super::entity::Entities;
use super::live::{self, Live, Registry};
use super::renewal::Renewals;
use super::request::RequestOptions;
use super::segments::Segments;
use super::upload::Uploads;
use super::{Access, Detour, IoCounts, file, resume};

/// A token that came after so many refusals and is refused as well will not be helped by the next one.
const FRESH_REFUSALS: u32 = 1;

type OpenCallback = unsafe extern "C" fn(
    *mut ffi::AVFormatContext,
    *mut *mut ffi::AVIOContext,
    *const std::ffi::c_char,
    c_int,
    *mut *mut ffi::AVDictionary,
) -> c_int;
type CloseCallback = unsafe extern "C" fn(*mut ffi::AVFormatContext, *mut ffi::AVIOContext) -> c_int;

/// See the module.
pub struct State {
    pub access: Access,
    pub request: RequestOptions,
    pub stop: Shutdown,
    /// The context that the hook is on; null until it is installed.
    context: Cell<*mut ffi::AVFormatContext>,
    /// libavformat's own callbacks, to which ours delegate: they check the protocol whitelist.
    pub default_open: Option<OpenCallback>,
    pub default_close: Option<CloseCallback>,
    pub live: Registry,
    /// A top-level context of ours: libav leaves it to us.
    own_top: Cell<*mut ffi::AVIOContext>,
    pub uploads: Uploads,
    /// Per profile, in the order of `access.bearers`.
    tokens: Vec<TokenState>,
    counts: Cell<IoCounts>,
    own_counters: net::Counters,
    /// For requests of our own in place of those of http.c, which keeps its own.
    pub cookies: net::Cookies,
    /// The file itself is read as it is, and where it ends is known: by its length, or by our own client.
    pub has_end: Cell<bool>,
    /// Somebody asks for the counts.
    pub settled: Cell<bool>,
    failure: RefCell<Option<Error>>,
    /// Going on would lose media: the interrupt callback ends whatever libav is doing.
    given_up: Cell<bool>,
    /// What went on after a cut is not what began.
    changed: Cell<bool>,
    /// A request was sent, and nothing has been heard against it.
    unanswered: Cell<bool>,
    /// What hls.c is at.
    pub segments: Segments,
    /// Fresh URLs for expired ones.
    pub renewals: Renewals,
    /// What http.c is reading.
    pub entities: Entities,
    /// Who sends whole files only: http.c would open in vain what it cannot read to its end.
    without_ranges: RefCell<Vec<Origin>>,
    /// The server that the demuxer asks instead.
    pub detour: OnceCell<Box<dyn Detour>>,
}

#[derive(Default)]
struct TokenState {
    /// The generation that the live contexts carry.
    seen: Cell<u64>,
    /// The newest generation that a media server refused.
    rejected: Cell<u64>,
    /// Generations refused since a request last succeeded.
    refusals: Cell<u32>,
}

thread_local! {
    /// Whose context this thread was last working on: libav's log callback is not told.
    static CURRENT: Cell<*const State> = const { Cell::new(ptr::null()) };
}

impl State {
    pub fn new(
        access: Access,
        options: &mut Dictionary,
        writes: bool,
        (default_open, default_close): (Option<OpenCallback>, Option<CloseCallback>),
        stop: Shutdown,
    ) -> Result<Self, Error> {
        let bearers: Vec<&Bearer> = access.bearers.iter().collect();
        let request = if bearers.is_empty() {
            RequestOptions::default()
        } else {
            RequestOptions::take(&access.url, &bearers, access.wait.as_secs(), options, writes)?
        };
        let tokens = bearers.iter().map(|_| TokenState::default()).collect();
        Ok(Self {
            access,
            request,
            stop,
            context: Cell::new(ptr::null_mut()),
            default_open,
            default_close,
            live: Registry::default(),
            own_top: Cell::new(ptr::null_mut()),
            uploads: Uploads::default(),
            tokens,
            counts: Cell::default(),
            own_counters: net::Counters::default(),
            cookies: net::Cookies::default(),
            has_end: Cell::new(false),
            settled: Cell::new(writes),
            failure: RefCell::default(),
            given_up: Cell::new(false),
            changed: Cell::new(false),
            unanswered: Cell::new(false),
            segments: Segments::default(),
            renewals: Renewals::default(),
            entities: Entities::default(),
            without_ranges: RefCell::default(),
            detour: OnceCell::new(),
        })
    }

    /// The hook is now on this context.
    pub fn attach(&self, context: *mut ffi::AVFormatContext) {
        self.context.set(context);
        self.make_current();
    }

    /// Frees `context` when the format context is gone.
    pub fn keep_top(&self, context: *mut ffi::AVIOContext) {
        self.own_top.set(context);
        self.has_end.set(!context.is_null());
    }

    /// Has avformat_open_input come as far as the demuxer's read_header? It allocates `priv_data` just before.
    fn header_is_being_read(&self) -> bool {
        let context = self.context.get();
        // SAFETY: the context is valid as long as its callbacks are called (invariant 2).
        !context.is_null() && !unsafe { (*context).priv_data }.is_null()
    }

    /// `io_open` has something to do.
    pub fn is_hooked(&self) -> bool {
        self.is_authenticated() || self.access.waits_for_space.is_some()
    }

    /// The path of a local file that is to wait for space, and until when.
    pub fn waits_for_space<'a>(&'a self, url: &'a str) -> Option<(&'a str, &'a Shutdown)> {
        Some((file::path(url)?, self.access.waits_for_space.as_ref()?))
    }

    /// The file has `-auth`.
    pub fn is_authenticated(&self) -> bool {
        !self.access.bearers.is_empty()
    }

    /// From here on this thread's log events are about this context.
    pub fn make_current(&self) {
        CURRENT.set(self);
    }

    /// The profile at `index` of `access.bearers`.
    pub fn bearer(&self, index: usize) -> Option<&Bearer> {
        self.access.bearers.iter().nth(index)
    }

    /// The newest credential of a profile that no media server has refused; waits for one as long as `-auth_wait` says.
    pub fn credential(&self, index: usize) -> Result<Arc<Published>, Error> {
        let (Some(bearer), Some(token)) = (self.bearer(index), self.tokens.get(index)) else {
            return Err(Error::new(Kind::Internal, "no such profile"));
        };
        loop {
            let rejected = token.rejected.get();
            match bearer.slot.latest() {
                Some(published) if published.generation > rejected => return Ok(published),
                _ => bearer.renew.wait_newer(rejected, self.access.wait, &self.stop).map_err(|error| no_token(bearer, &error))?,
            }
        }
    }

    /// A media server answered 401 to this generation.
    pub fn reject(&self, index: usize, generation: u64) {
        if let (Some(bearer), Some(token)) = (self.bearer(index), self.tokens.get(index)) {
            if generation > token.rejected.get() {
                token.rejected.set(generation);
                token.refusals.set(token.refusals.get() + 1);
            }
            bearer.renew.rejected(generation);
        }
    }

    /// After a 401 to this credential: may another token help? Not if one that was fresh after a refusal is refused too.
    pub fn may_renew(&self, index: usize, refused: &Published) -> bool {
        let Some(token) = self.tokens.get(index) else { return false };
        let is_known = refused.generation <= token.rejected.get();
        let now = self.access.media.as_ref().map(|media| media.clock().now());
        let is_doubtful = now.is_some_and(|now| refused.credential.is_doubtful(&now));
        is_known || token.refusals.get() < FRESH_REFUSALS || is_doubtful
    }

    /// The token that came after a refused one is refused too.
    fn refused_again(&self, index: usize) {
        let name = self.bearer(index).map_or("", |bearer| &bearer.name);
        let url = redact::url(&self.access.url);
        let text = format!("{url}: the server refused the token of profile `{name}`, and a new one too (401 Unauthorized)");
        self.give_up(Error::new(Kind::MediaServer, text).with_http_status(401));
    }

    /// Puts a newer token on the live contexts, if there is one.
    pub fn swap_tokens(&self) {
        for (index, (bearer, token)) in self.access.bearers.iter().zip(&self.tokens).enumerate() {
            let generation = bearer.slot.generation();
            let seen = token.seen.replace(generation);
            if generation == seen {
                continue;
            }
            if seen != 0 {
                self.count(|counts| counts.token_swaps += 1);
            }
            if let Some(published) = bearer.slot.latest() {
                for live in self.live.outdated(index, published.generation) {
                    let lines = self.request.header_lines(live.origin.as_ref(), Some((bearer, &published)));
                    // SAFETY: registered contexts are live and of this thread (invariants 1 and 3).
                    unsafe { live::set_headers(live.context, Some(&lines)) };
                }
            }
        }
    }

    /// Gives a top-level playlist its `headers` back: hls.c copies them before it reads on.
    fn restore_stripped(&self) {
        for live in self.live.unstrip() {
            let token = live.bearer.and_then(|index| Some((self.bearer(index)?, self.bearer(index)?.slot.latest()?)));
            let token = token.as_ref().map(|(bearer, published)| (*bearer, &**published));
            let lines = self.request.header_lines(live.origin.as_ref(), token);
            // SAFETY: as in swap_tokens (invariant 1).
            unsafe { live::set_headers(live.context, Some(&lines)) };
        }
    }

    /// Counts the bodies that broke off and could not be taken up again: hls.c takes them for complete.
    pub fn note_broken(&self) {
        self.segments.lose(self.live.newly_broken() as u64);
    }

    /// The file itself was read to what libavformat calls its end. If its connection broke off and could not be taken up again,
    /// that is none.
    pub fn note_end(&self) {
        let context = self.context.get();
        if !self.has_end.get() || self.stop.is_requested() || self.has_given_up() || context.is_null() {
            return;
        }
        // SAFETY: the context is valid as long as the hook's owner uses it, its pb too if there is one (invariants 1 and 2).
        let error = unsafe {
            let pb = (*context).pb;
            if pb.is_null() { None } else { live::take_error(pb) }
        };
        let (Some(error), Some(media)) = (error, &self.access.media) else { return };
        let url = redact::url(&self.access.url);
        let failure = media.explain(&self.own_request(&self.access.url, "GET", self.request.fields()), &self.stop);
        self.note_failure(match failure.answer {
            Some(_) => failure.error,
            None => {
                let text = format!("{url}: the connection broke off and could not be taken up again ({error})");
                Error::new(Kind::MediaServer, text).retryable(true)
            }
        });
    }

    /// The server at `origin` has sent a file that cannot be asked for in parts.
    pub fn note_without_ranges(&self, origin: Option<&Origin>) {
        if let Some(origin) = origin.filter(|origin| !self.is_without_ranges(Some(origin))) {
            self.without_ranges.borrow_mut().push(origin.clone());
        }
    }

    /// Has it, before?
    pub fn is_without_ranges(&self, origin: Option<&Origin>) -> bool {
        origin.is_some_and(|origin| self.without_ranges.borrow().contains(origin))
    }

    /// Keeps the first failure for whoever asks, and goes on.
    pub fn note_failure(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    /// Keeps the failure and ends whatever libav is doing.
    pub fn give_up(&self, error: Error) {
        self.note_failure(error);
        self.given_up.set(true);
    }

    /// Has something failed that ends the job?
    pub fn has_given_up(&self) -> bool {
        self.given_up.get()
    }

    /// See [`Hook::has_changed`](super::Hook::has_changed).
    pub fn has_changed(&self) -> bool {
        self.changed.get()
    }

    pub fn take_failure(&self) -> Option<Error> {
        let own = self.failure.borrow_mut().take();
        own.or_else(|| self.detour.get()?.take_failure())
    }

    pub fn count(&self, change: impl FnOnce(&mut IoCounts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// A request of our own HTTP client about this file.
    pub fn own_request(&self, url: &str, method: &str, headers: Vec<(String, String)>) -> net::Request {
        let bearers = self.access.bearers.clone();
        let roots = bearers.iter().next().map_or_else(|| Roots::new(&Env::default(), None), |bearer| bearer.roots.clone());
        let request = net::Request::new(method, url, bearers, roots);
        let (connect, stall) = self.request.timeouts();
        net::Request {
            connect: connect.unwrap_or(request.connect),
            timeout: stall.unwrap_or(request.timeout),
            headers,
            pointer: self.access.pointer.clone().filter(|_| url == self.access.url && method == "GET"),
            reach: self.access.reach.clone(),
            hurry: self.access.hurry.clone(),
            own_origin: Origin::parse(&self.access.url),
            tls_verify: !self.request.unverified,
            wait: self.access.wait,
            max_redirects: self.request.max_redirects,
            counters: self.own_counters.clone(),
            ..request
        }
    }

    /// What libav and our own HTTP client did for this file.
    pub fn counts(&self) -> IoCounts {
        let (counts, own) = (self.counts.get(), self.own_counters.get());
        IoCounts {
            requests: counts.requests + own.requests,
            http_401: counts.http_401 + own.http_401,
            reconnects: counts.reconnects + own.resumed,
            retries: counts.retries + own.waits,
            ..counts
        }
    }

    /// A body was cut, and what is left of it was refused. From libavformat 61 on http.c takes the length of the refusal's body for
    /// that of the file, and what it has for all of it.
    fn refused_midway(&self, live: &Live, status: i64) {
        if !cfg!(error_bodies) || !self.entities.went_on(live.protocol.addr()) {
            return;
        }
        let text = format!("{}: the server refused to go on ({status})", redact::url(&live.url));
        if live.top {
            self.note_failure(Error::new(Kind::MediaServer, text));
        } else {
            log::write(log::level::ERROR, &format!("{text}\n"));
            self.segments.lose(1);
        }
    }

    fn on_event(&self, protocol: *mut c_void, event: Event<'_>) {
        match event {
            Event::DashSectionFailed if self.is_authenticated() && !self.stop.is_requested() => {
                let reason = self.detour.get().and_then(|detour| {
                    let lost = || Some(detour.take_loss()?.context("an initialization section does not come"));
                    detour.take_failure().or_else(lost)
                });
                let reason = reason.unwrap_or_else(|| {
                    let url = redact::url(&self.access.url);
                    Error::new(Kind::MediaServer, format!("{url}: a stream has an initialization section that cannot be read"))
                });
                self.give_up(reason);
            }
            // Those to a server of our own, which counts its own.
            _ if self.detour.get().is_some() => {}
            Event::Request => {
                let same = self.live.of_protocol(protocol).is_some_and(|live| live.top && !live.playlist_itself);
                self.entities.ask(protocol.addr(), same);
                self.live.sends(protocol);
                if let Some(live) = self.live.of_protocol(protocol).filter(|live| cfg!(error_bodies) && !live.top) {
                    // Where a body was cut, it would take the refusal for the end; the next one is asked for by io_open again.
                    // SAFETY: registered contexts are live and of this thread; http.c does not look at the option now
                    // (invariants 1 and 3).
                    unsafe { live::set_retries(live.context, self.entities.went_on(protocol.addr())) };
                }
                self.count(|counts| counts.requests += 1);
                // The one before was answered well: http.c logs no success.
                if self.unanswered.replace(true) {
                    self.tokens.iter().for_each(|token| token.refusals.set(0));
                }
            }
            Event::Reconnect => {
                self.entities.resume(protocol.addr());
                self.count(|counts| counts.reconnects += 1);
            }
            Event::Header(line) if self.is_authenticated() && self.entities.hear(protocol.addr(), line) => {
                self.changed.set(true);
                let url = self.live.of_protocol(protocol).map_or_else(|| self.access.url.clone(), |live| live.url);
                self.give_up(NetError::Changed { url: redact::url(&url).into_owned() }.into());
            }
            Event::Header(_) => {}
            Event::HttpError(401) => {
                self.unanswered.set(false);
                self.count(|counts| counts.http_401 += 1);
                // A context that is still being opened is not in the registry: io_open sees its 401 itself.
                if let Some(live) = self.live.of_protocol(protocol)
                    && let Some(index) = live.bearer
                {
                    let sent = self.bearer(index).and_then(|bearer| bearer.slot.latest());
                    let sent = sent.filter(|published| published.generation == live.sent);
                    // A cut segment is gone on with as long as http.c has patience; what it belongs to is asked for by io_open.
                    if !live.top || sent.is_none_or(|sent| self.may_renew(index, &sent)) {
                        self.reject(index, live.sent);
                        return;
                    }
                    // SAFETY: registered contexts are live and of this thread; http.c does not hold the option now
                    // (invariants 1 and 3).
                    unsafe { live::set_retries(live.context, false) };
                    self.refused_midway(&live, 401);
                    self.refused_again(index);
                }
            }
            Event::HttpError(status) => {
                self.unanswered.set(false);
                if let Some(live) = self.live.of_protocol(protocol).filter(|_| !live::is_retried(status)) {
                    self.refused_midway(&live, status);
                }
            }
            _ if !self.is_authenticated() => {}
            Event::SegmentAsked(playlist, url, offset) => {
                self.note_broken();
                self.segments.ask(playlist, url, offset);
            }
            // hls.c looks at the scheme before it asks io_open, and drops what it does not like: `concat:`, say.
            Event::SegmentFailed(playlist, number) if !self.segments.failed(playlist) => {
                let url = redact::url(&self.access.url);
                let reason = "what comes from the network may name http and https only";
                self.give_up(Error::new(Kind::Media, format!("{url}: the address of segment {number} is refused: {reason}")));
            }
            Event::SegmentFailed(..) | Event::DashSectionFailed => {}
            Event::SectionFailed(playlist) => {
                let url = redact::url(&self.access.url);
                let message = format!("{url}: playlist {playlist} has an initialization section that cannot be read");
                self.give_up(Error::new(Kind::MediaServer, message));
            }
            Event::SegmentsExpired(count) => self.segments.lose(u64::try_from(count).unwrap_or(0)),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if !self.settled.get() {
            self.access.in_vain.add(self.counts());
        }
        let own_top = self.own_top.get();
        if !own_top.is_null() {
            // SAFETY: from resume::open; the format context that used it is closed (invariant 2).
            unsafe { resume::close(own_top) };
        }
        if ptr::eq(CURRENT.get(), self) {
            CURRENT.set(ptr::null());
        }
    }
}

/// Why a request could not get a token.
pub fn no_token(bearer: &Bearer, error: &RenewError) -> Error {
    let kind = if *error == RenewError::Stopped { Kind::Stopped } else { Kind::AuthorizationServer };
    Error::new(kind, format!("profile {}: {error}", bearer.name))
}

/// `http:` or `https:`.
pub fn is_http(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| ["http", "https"].iter().any(|http| scheme.eq_ignore_ascii_case(http)))
}

/// A failure that libav met while it worked on this URL, told with the URL.
pub fn about(url: &str, error: Error) -> Error {
    error.context(redact::url(url))
}

pub(in crate::libav) fn log_event(protocol: *mut c_void, event: Event<'_>) {
    let current = CURRENT.get();
    if !current.is_null() {
        // SAFETY: a State takes itself out of CURRENT of its own thread when it is dropped, and it is used, and dropped, by
        // the thread that uses its context (invariants 1 and 2).
        unsafe { &*current }.on_event(protocol, event);
    }
}

/// `line` of libav's log as it may be shown: with the URLs that the user knows.
pub(in crate::libav) fn reveal(line: &str) -> Cow<'_, str> {
    let current = CURRENT.get();
    if current.is_null() {
        return Cow::Borrowed(line);
    }
    // SAFETY: as in log_event (invariants 1 and 2).
    let detour = unsafe { &*current }.detour.get();
    detour.map_or(Cow::Borrowed(line), |detour| detour.reveal(line))
}

pub unsafe extern "C" fn interrupted(opaque: *mut c_void) -> c_int {
    panic::contain(1, || {
        // SAFETY: `opaque` is the State of a Hook that outlives the context (invariant 2); shared access only.
        let state = unsafe { &*opaque.cast::<State>() };
        state.make_current();
        let is_over = state.given_up.get() || state.detour.get().is_some_and(|detour| detour.is_over());
        if state.stop.is_requested() || is_over || panic::is_pending() {
            return 1;
        }
        if state.is_authenticated() {
            state.swap_tokens();
            if state.live.has_stripped() && state.header_is_being_read() {
                state.restore_stripped();
            }
        }
        0
    })
}
