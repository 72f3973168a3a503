//! An HTTP/1.1 server on loopback, with a thread and a runtime of its own; it stops when it is dropped and passes on its panics.

use std::collections::VecDeque;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use bytes::Bytes;
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// One request as it arrived.
pub struct Arrived {
    /// Number of the TCP connection, from 1.
    pub connection: u64,
    /// The certificate that the client showed.
    pub certificate: Option<Vec<u8>>,
    /// Method, target, header fields and body.
    pub request: Request<Incoming>,
    socket: Arc<OwnedFd>,
}

impl Arrived {
    /// What makes the end of the connection a reset, once it is called.
    pub fn resetting(&self) -> impl FnOnce() + Send + use<> {
        let socket = Arc::clone(&self.socket);
        move || {
            let socket = std::net::TcpStream::from(socket.try_clone().expect("a descriptor"));
            let socket = TcpStream::from_std(socket).expect("a socket that can be polled");
            socket.set_zero_linger().expect("a connection");
        }
    }
}

/// An extension of a response: the connection ends in its place.
#[derive(Clone, Copy, Debug)]
pub struct NoAnswer;

/// What a server does with a request.
pub type Respond = Arc<dyn Fn(Arrived) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> + Send + Sync>;

/// A server that listens on a free port of 127.0.0.1 until it is dropped.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    connections: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(tls: Option<Arc<rustls::ServerConfig>>, respond: Respond) -> Self {
        Self::start_on(0, tls, respond)
    }

    /// On this port; 0 = a free one.
    pub fn start_on(port: u16, tls: Option<Arc<rustls::ServerConfig>>, respond: Respond) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a port on loopback");
        listener.set_nonblocking(true).expect("a socket that can be polled");
        let address = listener.local_addr().expect("an address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let connections = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let count = Arc::clone(&connections);
        let thread = std::thread::Builder::new().name(format!("server {address}")).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, tls, respond, count, stopped));
        });
        Self { address, scheme, connections, stop: Some(stop), thread: Some(thread.expect("a thread")) }
    }

    /// `http://127.0.0.1:PORT` followed by `path`.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// TCP connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Without a receiver the thread has ended already, by a panic.
        let _ = self.stop.take().expect("dropped once").send(());
        let ended = self.thread.take().expect("dropped once").join();
        if ended.is_err() && !std::thread::panicking() {
            panic!("the test server at {} panicked", self.address);
        }
    }
}

async fn serve(
    listener: std::net::TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    respond: Respond,
    connections: Arc<AtomicU64>,
    mut stopped: oneshot::Receiver<()>,
) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let tls = tls.map(tokio_rustls::TlsAcceptor::from);
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(ended) = open.join_next() => ended.expect("no panic while a request is answered"),
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let socket = Arc::new(stream.as_fd().try_clone_to_owned().expect("a descriptor"));
                let connection = connections.fetch_add(1, Ordering::Relaxed) + 1;
                let respond = Arc::clone(&respond);
                let tls = tls.clone();
                open.spawn(async move {
                    match tls {
                        None => speak(stream, socket, connection, None, respond).await,
                        Some(tls) => {
                            // A client that does not trust the certificate ends the handshake; it has sent no request.
                            if let Ok(stream) = tls.accept(stream).await {
                                let shown = stream.get_ref().1.peer_certificates().and_then(|shown| shown.first());
                                let shown = shown.map(|certificate| certificate.to_vec());
                                speak(stream, socket, connection, shown, respond).await;
                            }
                        }
                    }
                });
            }
        }
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    socket: Arc<OwnedFd>,
    connection: u64,
    certificate: Option<Vec<u8>>,
    respond: Respond,
) {
    let service = hyper::service::service_fn(|request| {
        let socket = Arc::clone(&socket);
        let answer = respond(Arrived { connection, certificate: certificate.clone(), request, socket });
        async move {
            let answer = answer.await;
            if answer.extensions().get::<NoAnswer>().is_some() { Err(Cut) } else { Ok(answer) }
        }
    });
    // Connections that are cut, by the client or on purpose, end with an error.
    let _ = hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(TokioIo::new(stream), service).await;
}

/// A body: known at once, or delivered slice by slice by somebody else.
pub enum Body {
    Whole(VecDeque<Bytes>),
    Slices(mpsc::Receiver<Result<Bytes, Cut>>),
}

/// The connection ends here, in the middle of the body.
#[derive(Debug)]
pub struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

impl<B: Into<Bytes>> From<B> for Body {
    fn from(whole: B) -> Self {
        let whole = whole.into();
        Self::Whole(if whole.is_empty() { VecDeque::new() } else { VecDeque::from([whole]) })
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut *self {
            Self::Whole(parts) => Poll::Ready(parts.pop_front().map(|part| Ok(Frame::data(part)))),
            Self::Slices(slices) => slices.poll_recv(context).map(|slice| slice.map(|slice| slice.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(parts) if parts.is_empty())
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(parts) => hyper::body::SizeHint::with_exact(parts.iter().map(|part| part.len() as u64).sum()),
            Self::Slices(_) => hyper::body::SizeHint::default(),
        }
    }
}

/// A port of loopback on which nobody listens.
pub fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
    listener.local_addr().expect("an address").port()
}
