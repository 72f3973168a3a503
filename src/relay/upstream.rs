//! One request of a caller, asked of the profile's server, and the answer on its way back.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::RwLock;
use url::Url;

use crate::config::Profile;
use crate::error::{Error, Kind};
use crate::job::Session;
use crate::manifest::ManifestError;
use crate::net::{self, Cookies, Forwarded, Inflow, Media, NetError, Outflow, Reach, Writer};
use crate::origin::Origin;
use crate::redact;
use crate::secret::Secret;
use crate::shutdown::Shutdown;

use super::address::Ways;
use super::head;
use super::rewrite::{self, Format, Page};
use super::server::{Body, plain};
use super::ticket::Cover;

/// A playlist or manifest that is longer is none.
const LONGEST: usize = 32 * 1024 * 1024;
/// So many bytes tell what a body is.
const BEGINNING: usize = 1024;
/// How long a caller waits for a token that is being renewed.
const TOKEN_WAIT: Duration = Duration::from_secs(30);
/// A server that takes nothing of an upload for so long takes nothing more.
const STALL: Duration = Duration::from_secs(60);

/// The server of one profile.
pub(super) struct Upstream {
    media: Media,
    ways: Ways,
    /// Uploads under way hold it for reading.
    uploads: Arc<RwLock<()>>,
    /// All requests are like this one, but for URL, method and fields.
    request: net::Request,
}

impl Upstream {
    /// The server at the profile's `base_url`.
    pub(super) fn new(session: &Session, profile: &Profile, secret: &Secret) -> Result<Self, Error> {
        let url = profile.base_url.as_ref().ok_or_else(|| Error::new(Kind::Internal, "a profile without base_url"))?;
        if url.query().is_some() {
            let message = format!("profile {}: base_url has a query string, which cannot stand in front of a path", profile.name);
            return Err(Error::new(Kind::Config, message));
        }
        let no_random = |error: getrandom::Error| Error::new(Kind::Internal, format!("no random numbers: {error}"));
        let ways = Ways::new(secret, &profile.name, url).map_err(no_random)?;
        let bearers = session.bearers(ways.base().as_str(), std::slice::from_ref(&profile.name))?;
        let request = net::Request::new("GET", ways.base().as_str(), bearers, session.roots(profile));
        let request = net::Request {
            reach: Reach::of(ways.base().as_str()),
            own_origin: Origin::of(ways.base()),
            http2: true,
            wait: TOKEN_WAIT,
            cookies: Some(Cookies::default()),
            ..request
        };
        Ok(Self { media: session.media()?.clone(), ways, uploads: Arc::default(), request })
    }

    /// Completes when no upload is under way.
    pub(super) async fn settled(&self) {
        drop(self.uploads.write().await);
    }

    /// `/SECRET/m/NAME/`.
    pub(super) fn entry(&self) -> &str {
        self.ways.entry()
    }

    /// Answers `asked`, which came for `target`, path and query, to a server that the caller calls `host`.
    pub(super) async fn answer(&self, asked: Request<Incoming>, target: &str, host: &str, stop: &Shutdown) -> Response<Body> {
        let now = self.media.clock().now().wall;
        let (Some(url), Ok(seen)) = (self.ways.from(target, now), Url::parse(&format!("http://{host}{target}"))) else {
            return plain(StatusCode::FORBIDDEN, "this URL is not below base_url, and no manifest has led here lately");
        };
        let method = asked.method().clone();
        let answer = match self.forward(&url, &seen, asked, stop).await {
            Ok(answer) => answer,
            Err(failure) => {
                tracing::warn!("{method} {failure}");
                plain(status_of(&failure), &failure.to_string())
            }
        };
        tracing::info!("{method} {} -> {}", redact::url(url.as_str()), answer.status().as_u16());
        answer
    }

    async fn forward(
        &self,
        url: &Url,
        seen: &Url,
        asked: Request<Incoming>,
        stop: &Shutdown,
    ) -> Result<Response<Body>, NetError> {
        let (asked, body) = asked.into_parts();
        let reads = [Method::GET, Method::HEAD].contains(&asked.method);
        let whole = reads && by_name(url).is_some();
        let mut request = net::Request {
            url: url.to_string(),
            method: asked.method.to_string(),
            headers: head::of_request(&asked.headers, whole),
            ..self.request.clone()
        };
        request.headers.push(("accept-encoding".to_owned(), "identity".to_owned()));
        if !reads {
            let answer = self.send(request, &asked, body, stop).await?;
            return Ok(self.hand_on(answer, seen));
        }
        let range = asked.headers.get(header::RANGE).filter(|_| !whole);
        let mut answer = self.ask(&request, range, stop).await?;
        if range.is_some() && answer.status() == StatusCode::PARTIAL_CONTENT && by_type(&answer).is_some() && !is_all(&answer) {
            // A part of a manifest cannot be rewritten, and any request may be answered with the whole.
            request.headers = head::of_request(&asked.headers, true);
            answer = self.ask(&request, None, stop).await?;
        }
        let format = by_type(&answer).or_else(|| by_name(answer.url())).or_else(|| by_name(url));
        if asked.method == Method::HEAD {
            let mut response = self.hand_on(answer, seen);
            if format.is_some() && response.status().is_success() {
                // A GET would bring another body.
                head::forget_body(response.headers_mut());
                *response.status_mut() = StatusCode::OK;
            }
            return Ok(response);
        }
        let is_whole = answer.status() == StatusCode::OK || is_all(&answer);
        if is_whole && (format.is_some() || is_vague(&answer)) {
            return self.rewrite(answer, format, seen).await;
        }
        Ok(self.hand_on(answer, seen))
    }

    async fn ask(&self, request: &net::Request, range: Option<&HeaderValue>, stop: &Shutdown) -> Result<Forwarded, NetError> {
        let answer = self.media.forward(request, range, None, stop).await?;
        if let Some(error) = answer.refusal(request) {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            tracing::warn!("{error}{hint}");
        }
        Ok(answer)
    }

    /// Hands an upload on while it is being written. What has been written to its end goes on without its caller:
    /// libavformat, say, waits for no answer (http.c, `http_shutdown`).
    async fn send(
        &self,
        request: net::Request,
        asked: &http::request::Parts,
        body: Incoming,
        stop: &Shutdown,
    ) -> Result<Forwarded, NetError> {
        let length = asked.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_none() && !asked.headers.contains_key(header::TRANSFER_ENCODING) {
            return self.media.forward(&request, None, None, stop).await;
        }
        let (media, stop, busy) = (self.media.clone(), stop.clone(), Arc::clone(&self.uploads).read_owned().await);
        let sending = tokio::spawn(async move {
            let _busy = busy;
            let (writer, inflow) = Inflow::new(length);
            tokio::select! {
                answer = media.forward(&request, None, Some(&inflow), &stop) => answer,
                never = write(body, writer) => match never {},
            }
        });
        sending.await.unwrap_or_else(|error| Err(NetError::Internal(format!("the upload ended early: {error}"))))
    }

    /// The answer as it came, but for what is none of the caller's business.
    fn hand_on(&self, answer: Forwarded, seen: &Url) -> Response<Body> {
        let mut response = self.head(&answer, seen);
        *response.body_mut() = Body::Flow { first: None, rest: answer.into_body().0 };
        response
    }

    fn head(&self, answer: &Forwarded, seen: &Url) -> Response<Body> {
        let mut response = Response::new(Body::Text(None));
        *response.status_mut() = answer.status();
        *response.headers_mut() = head::of_answer(answer.headers(), |value| answer.is_secret_in(value));
        let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
        let target = location.and_then(|location| answer.url().join(location).ok());
        if let Some(target) = target.filter(|target| matches!(target.scheme(), "http" | "https")) {
            let way = self.ways.to(&answer.without_token(target), Cover::Whole, self.media.clock().now().wall);
            let location = format!("{}{way}", &seen[..url::Position::BeforePath]);
            response.headers_mut().extend(HeaderValue::from_str(&location).ok().map(|location| (header::LOCATION, location)));
        }
        response
    }

    /// The answer with every reference in it leading back here, if it is a playlist or manifest: `format`, or what its
    /// beginning says.
    async fn rewrite(&self, answer: Forwarded, format: Option<Format>, seen: &Url) -> Result<Response<Body>, NetError> {
        let mut response = self.head(&answer, seen);
        let from = answer.url().clone();
        let coded = answer.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        let (mut rest, without_token) = answer.into_body();
        let first = beginning(&mut rest).await?;
        let Some(format) = by_content(&first).or(format.filter(|_| coded)) else {
            *response.body_mut() = Body::Flow { first: Some(first), rest };
            return Ok(response);
        };
        let refuse = |reason: String| NetError::Unreadable { url: redact::url(from.as_str()).into_owned(), reason };
        if coded {
            return Err(refuse("it is compressed, though nobody asked for that".to_owned()));
        }
        let mut body = BytesMut::from(&first[..]);
        let rest = Limited::new(rest, LONGEST).collect().await;
        let rest = rest.map_err(|error| refuse(format!("the playlist or manifest did not come whole: {error}")))?;
        body.extend_from_slice(&rest.to_bytes());
        let page = Page { asked: seen, from: &from, ways: &self.ways, clean: &without_token, now: self.media.clock().now().wall };
        let text = match rewrite::rewrite(format, &body, &page) {
            Ok(text) => Bytes::from(text),
            // XML of another kind.
            Err(ManifestError::Other(_)) => body.freeze(),
            Err(error) => return Err(refuse(error.to_string())),
        };
        *response.status_mut() = StatusCode::OK;
        head::forget_body(response.headers_mut());
        response.headers_mut().insert(header::CONTENT_LENGTH, text.len().into());
        *response.body_mut() = Body::Text(Some(text));
        Ok(response)
    }
}

/// Writes what the caller sends, as fast as the server takes it; then waits for ever.
async fn write(mut body: Incoming, mut writer: Writer) -> Infallible {
    let whole = loop {
        let data = match body.frame().await {
            None => break true,
            Some(Ok(frame)) => frame.into_data(),
            Some(Err(_gone)) => break false,
        };
        let Ok(data) = data else { continue };
        if !matches!(tokio::time::timeout(STALL, writer.write(data)).await, Ok(true)) {
            break false;
        }
    };
    if whole {
        writer.finish();
    } else {
        drop(writer);
    }
    std::future::pending().await
}

/// What the caller is told where there is no answer to hand on.
fn status_of(failure: &NetError) -> StatusCode {
    match failure {
        NetError::OutOfReach { .. } => StatusCode::FORBIDDEN,
        NetError::Url { .. } => StatusCode::BAD_REQUEST,
        NetError::Stopped | NetError::Token { .. } => StatusCode::SERVICE_UNAVAILABLE,
        NetError::Transport { cause: net::Cause::Timeout, .. } => StatusCode::GATEWAY_TIMEOUT,
        NetError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// What the name at the end of the path says.
fn by_name(url: &Url) -> Option<Format> {
    let (_, extension) = url.path().rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "m3u8" | "m3u" => Some(Format::Hls),
        "mpd" => Some(Format::Dash),
        _ => None,
    }
}

/// What the server calls it.
fn by_type(answer: &Forwarded) -> Option<Format> {
    match answer.content_type()?.as_str() {
        "application/vnd.apple.mpegurl" | "application/x-mpegurl" | "audio/mpegurl" | "audio/x-mpegurl" => Some(Format::Hls),
        "application/dash+xml" | "video/vnd.mpeg.dash.mpd" => Some(Format::Dash),
        _ => None,
    }
}

/// Does the server not say whether it is media or text?
fn is_vague(answer: &Forwarded) -> bool {
    let Some(content_type) = answer.content_type() else { return true };
    content_type.starts_with("text/")
        || ["application/octet-stream", "binary/octet-stream", "application/xml"].contains(&content_type.as_str())
}

/// What the beginning of a body says.
fn by_content(start: &[u8]) -> Option<Format> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    if start.starts_with(b"#EXTM3U") {
        return Some(Format::Hls);
    }
    let names_root = |window: &[u8]| window.eq_ignore_ascii_case(b"<MPD") || window.eq_ignore_ascii_case(b":MPD");
    (start.starts_with(b"<") && start.windows(4).any(names_root)).then_some(Format::Dash)
}

/// Is the part that came the whole?
fn is_all(answer: &Forwarded) -> bool {
    let range = answer.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok()).unwrap_or_default();
    let part = range.strip_prefix("bytes ").and_then(|range| range.split_once('/'));
    let part = part.and_then(|(part, length)| Some((part.strip_prefix("0-")?.parse::<u64>().ok()?, length.parse::<u64>().ok()?)));
    answer.status() == StatusCode::PARTIAL_CONTENT && part.is_some_and(|(last, length)| last.checked_add(1) == Some(length))
}

/// As much of a body as tells what it is.
async fn beginning(body: &mut Outflow) -> Result<Bytes, NetError> {
    let mut start = BytesMut::new();
    while start.len() < BEGINNING {
        let Some(frame) = body.frame().await else { break };
        if let Ok(data) = frame?.into_data() {
            if start.is_empty() && data.len() >= BEGINNING {
                return Ok(data);
            }
            start.extend_from_slice(&data);
        }
    }
    Ok(start.freeze())
}
