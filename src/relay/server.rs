//! The side of the callers: connections, who may ask, and what for.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::net::{NetError, Outflow};
use crate::secret::Secret;

use super::Shared;

/// More callers wait until others have gone.
const MOST_CONNECTIONS: usize = 1024;
/// Who begins a request ends its head within this time; who asks for nothing is left after it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// So much of an answer waits here for its caller, and about so much in the socket of one on this machine: what was read a
/// moment ago is still in the processor's cache when it is copied on. A caller that is slower leaves the rest with the server.
const IN_FLIGHT: usize = 256 * 1024;
/// What is done with media. Preflights of browsers are not among it.
const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE];

/// Serves until the relay is over and the last answer is out.
pub(super) async fn serve(shared: Arc<Shared>, listeners: Vec<TcpListener>) {
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(Arc::clone(&shared), listener));
    }
    while accepting.join_next().await.is_some() {}
    for upstream in shared.upstreams.values() {
        upstream.settled().await;
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shared.over.requested() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(speak(Arc::clone(&shared), stream))),
                // Out of descriptors, say: that passes when connections end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn speak(shared: Arc<Shared>, stream: TcpStream) {
    let Ok(local) = stream.local_addr() else { return };
    // What is written goes out at once; that it does not is no reason to refuse.
    let _ = stream.set_nodelay(true);
    if stream.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback()) {
        stay_on_this_machine(&stream);
    }
    let service = hyper::service::service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request, local).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(IN_FLIGHT);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // However it ends, the caller knows.
        _ = connection.as_mut() => return,
        () = shared.over.requested() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Fits a connection that no network carries. A congestion control that paces (BBR) spends more on its timers there than the
/// copying costs; `reno`, which every Linux allows everybody, just sends. Without either it works too.
fn stay_on_this_machine(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_congestion(stream, "reno");
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(stream, IN_FLIGHT);
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>, local: SocketAddr) -> Response<Body> {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
        let authority = request.uri().authority().map_or(host.as_str(), |authority| authority.as_str());
        if !self.is_called(&host, local) || !self.is_called(authority, local) {
            return plain(StatusCode::FORBIDDEN, "the relay is asked for by its address");
        }
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let (secret, rest) = target.strip_prefix('/').and_then(|target| target.split_once('/')).unwrap_or_default();
        if Secret::new(decoded(secret)) != self.secret {
            return plain(StatusCode::FORBIDDEN, "the relay serves those who know its URL");
        }
        if !METHODS.contains(request.method()) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD, PUT, POST and DELETE are handed on");
        }
        if let Some(name) = rest.strip_prefix("token/") {
            return self.token(&decoded(name.split('?').next().unwrap_or(name)), request.method()).await;
        }
        let way = rest.strip_prefix("m/").and_then(|way| way.split_once('/'));
        let found = way.and_then(|(name, way)| Some((self.upstreams.get(&decoded(name))?, way)));
        let Some((upstream, way)) = found else { return plain(StatusCode::NOT_FOUND, "there is nothing here") };
        let target = format!("{}{way}", upstream.entry());
        upstream.answer(request, &target, &host, &self.over).await
    }

    /// Is this machine called `host`? A page in a browser can be led here by a name of its own.
    fn is_called(&self, host: &str, local: SocketAddr) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
            _ => (host, Some(80)),
        };
        let address = local.ip().to_canonical();
        let named: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
        let is_local = address.is_loopback() && name.eq_ignore_ascii_case("localhost");
        let is_known = named.is_some_and(|named| named.to_canonical() == address)
            || is_local
            || self.names.iter().any(|known| known.eq_ignore_ascii_case(name));
        port == Some(local.port()) && is_known
    }

    /// A token for a program that puts it into its own requests.
    async fn token(&self, name: &str, method: &Method) -> Response<Body> {
        if !self.tokens.contains(name) {
            return plain(
                StatusCode::NOT_FOUND,
                "there is nothing here; tokens are given away with `token_endpoint = true` under [relay]",
            );
        }
        if ![Method::GET, Method::HEAD].contains(method) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "a token is got by GET");
        }
        let clock = crate::clock::SystemClock;
        match self.session.token(name).await {
            Ok(token) if token.prover.is_some() => {
                let reason = "the token is bound to a key, which only ffauth has; requests can go through the relay";
                plain(StatusCode::CONFLICT, reason)
            }
            Ok(token) => {
                tracing::info!("the token of profile {name} was given away");
                let mut response = plain(StatusCode::OK, &token.to_json(&clock.now()));
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Err(error) => {
                let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                tracing::warn!("{error}{hint}");
                plain(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}{hint}"))
            }
        }
    }
}

fn decoded(name: &str) -> String {
    percent_decode_str(name).decode_utf8_lossy().into_owned()
}

/// An answer of the relay itself.
pub(super) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::Text(Some(Bytes::from(format!("{text}\n")))));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The body of an answer.
pub(super) enum Body {
    /// Known at once.
    Text(Option<Bytes>),
    /// As it comes from the server.
    Flow {
        /// What has been looked at already.
        first: Option<Bytes>,
        rest: Outflow,
    },
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = NetError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, NetError>>> {
        match &mut *self {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Flow { first, rest } => match first.take().filter(|first| !first.is_empty()) {
                Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
                None => Pin::new(rest)
                    .poll_frame(context)
                    .map(|frame| frame.map(|frame| frame.inspect_err(|failure| tracing::warn!("{failure}")))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Flow { first, rest } => first.as_ref().is_none_or(Bytes::is_empty) && rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Flow { first, rest } => match (rest.size_hint().exact(), first) {
                (Some(rest), first) => SizeHint::with_exact(rest + first.as_ref().map_or(0, |first| first.len() as u64)),
                (None, _) => SizeHint::default(),
            },
        }
    }
}
