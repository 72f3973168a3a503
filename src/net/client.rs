//! One HTTP client per set of roots, and how a request is put together.

use std::error::Error as _;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response};
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use url::Url;

use crate::origin::Origin;
use crate::redact;
use crate::shutdown::Shutdown;
use crate::tls::{Roots, TlsError};

use super::error::{Cause, NetError};
use super::token::{Carried, masked};
use super::{Request, Shared, hop};

/// Idle connections are kept this long; a server that closes them sooner costs one resend.
const IDLE: Duration = Duration::from_secs(60);
/// libavformat's MAX_URL_SIZE (internal.h): a longer URL could not be opened.
const LONGEST_URL: usize = 4096;

/// Fields that frame or steer the message and are ours; `Expect` hangs on servers that ignore it.
const OURS: [HeaderName; 6] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::EXPECT, header::RANGE, header::TRANSFER_ENCODING, header::UPGRADE];
/// The user's fields that stay in the file's own origin; `Host` would be wrong elsewhere.
const OWN_ORIGIN_ONLY: [HeaderName; 4] = [header::AUTHORIZATION, header::COOKIE, header::HOST, header::PROXY_AUTHORIZATION];

/// The clients made so far. One lives as long as its roots.
#[derive(Default)]
pub(super) struct Clients {
    entries: Mutex<Vec<Entry>>,
    /// For plain http on a system without any certificate.
    nobody: OnceLock<Result<Arc<ClientConfig>, TlsError>>,
}

/// How connections are made, beside whom they trust.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Manner {
    verify: bool,
    http2: bool,
    /// The time for the TCP and TLS handshakes.
    connect: Duration,
}

struct Entry {
    roots: Weak<ClientConfig>,
    manner: Manner,
    client: Client,
}

impl Clients {
    fn get(&self, roots: &Roots, manner: Manner, scheme: &str) -> Result<Client, NetError> {
        let config = match roots.client_config() {
            Ok(config) => config,
            Err(TlsError::NoRoots) if scheme == "http" => self.nobody.get_or_init(trusting_nobody).clone()?,
            Err(error) => return Err(error.into()),
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = entries.iter().filter(|entry| entry.manner == manner);
        let known = { alike }.find(|entry| std::ptr::eq(entry.roots.as_ptr(), &*config));
        if let Some(entry) = known {
            return Ok(entry.client.clone());
        }
        entries.retain(|entry| entry.roots.strong_count() > 0);
        let client = build((*config).clone(), manner)?;
        entries.push(Entry { roots: Arc::downgrade(&config), manner, client: client.clone() });
        Ok(client)
    }
}

fn build(mut config: ClientConfig, manner: Manner) -> Result<Client, NetError> {
    if !manner.verify {
        let provider = Arc::clone(config.crypto_provider());
        config.dangerous().set_certificate_verifier(Arc::new(AnyCertificate(provider)));
    }
    let builder = if manner.http2 {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Client::builder()
    } else {
        // As libavformat speaks it.
        Client::builder().http1_only()
    };
    // Redirects are followed hop by hop by us. The proxy of the environment is obeyed.
    let client = builder
        .tls_backend_preconfigured(config)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(manner.connect)
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("ffauth/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map_err(|error| NetError::Internal(format!("the HTTP client cannot be set up: {}", error.without_url())))
}

fn trusting_nobody() -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| TlsError::Setup(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
}

/// `-tls_verify 0`: takes any certificate, but still wants the handshake signed with its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The http(s) URL in `text`, without its fragment, which is never sent.
pub(super) fn parse(text: &str) -> Result<Url, NetError> {
    let refuse = |reason: String| NetError::Url { url: redact::url(text).into_owned(), reason };
    let mut url = Url::parse(text).map_err(|error| refuse(format!("not a URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse(format!("`{}` is not http or https", url.scheme())));
    }
    if url.as_str().len() > LONGEST_URL {
        return Err(refuse(format!("the URL is longer than the {LONGEST_URL} bytes that libavformat takes")));
    }
    url.set_fragment(None);
    Ok(url)
}

impl Shared {
    /// A request for `url` under the rules of `request`, with the newest credential of that moment, and that credential.
    /// `downgraded`: an earlier hop was https.
    pub(super) async fn prepare(
        &self,
        request: &Request,
        url: &Url,
        downgraded: bool,
        stop: &Shutdown,
    ) -> Result<(RequestBuilder, Carried), NetError> {
        let unfit = |reason: String| NetError::Url { url: masked(url), reason };
        let method = Method::from_bytes(request.method.to_ascii_uppercase().as_bytes());
        let method = method.map_err(|_| unfit(format!("`{}` is not an HTTP method", request.method)))?;
        let mut carried = Carried::choose(&request.bearers, url, downgraded, request.wait, stop).await?;
        let (placed, fields) = carried.place(url);
        let mut target = Url::parse(&placed).map_err(|error| unfit(format!("not a URL ({error})")))?;
        if fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            // User-info would become a second Authorization.
            let (_, _) = (target.set_username(""), target.set_password(None));
        }
        // Who gets no token is not shown the certificate either.
        let roots = carried.bearer().map_or_else(|| request.roots.anonymous(), |bearer| bearer.roots.clone());
        let scheme = target.scheme().to_owned();
        let proof = carried.proof(method.as_str(), &target)?;
        let manner = Manner { verify: request.tls_verify, http2: request.http2, connect: request.connect };
        let mut builder = self.clients.get(&roots, manner, &scheme)?.request(method, target);

        let own = match &request.own_origin {
            Some(origin) => Some(origin.clone()),
            None => Origin::parse(&request.url),
        };
        let at_home = own.is_some() && own == Origin::of(url);
        let mut cookies = request.cookies.as_ref().and_then(|cookies| cookies.field(url, self.clock.now().wall));
        for (name, value) in &request.headers {
            let field = HeaderName::from_bytes(name.trim().as_bytes());
            let field = field.map_err(|_| unfit(format!("`{}` is not a header field name", redact::untrusted(name))))?;
            let stays = OWN_ORIGIN_ONLY.contains(&field) && !at_home;
            let is_proof = proof.is_some() && field == "dpop";
            if OURS.contains(&field)
                || stays
                || is_proof
                || fields.iter().any(|(ours, _)| field == ours.to_ascii_lowercase().as_str())
            {
                continue;
            }
            if let Some(cookies) = cookies.as_mut().filter(|_| field == header::COOKIE) {
                *cookies = format!("{}; {cookies}", value.trim());
                continue;
            }
            if OWN_ORIGIN_ONLY.contains(&field) && field != header::HOST {
                carried.also_secret(value.trim());
            }
            builder = builder.header(&field, sensitive(value.trim()).ok_or_else(|| unfit(unsendable(name)))?);
        }
        if let Some(cookies) = cookies {
            carried.also_secret(&cookies);
            builder = builder.header(header::COOKIE, sensitive(&cookies).ok_or_else(|| unfit(unsendable("Cookie")))?);
        }
        if let Some(proof) = &proof {
            builder = builder.header("DPoP", sensitive(proof).ok_or_else(|| unfit(unsendable("DPoP")))?);
        }
        for (name, value) in &fields {
            builder = builder.header(name.as_str(), sensitive(value).ok_or_else(|| unfit(unsendable(name)))?);
        }
        Ok((builder, carried))
    }

    /// Sends a request without a body and waits for the head of its answer. A kept connection that the server has closed
    /// meanwhile looks like a cut: such a request is sent once more, and so is one whose proof lacked the server's nonce.
    pub(super) async fn ask(
        &self,
        request: &Request,
        url: &Url,
        range: Option<&str>,
        downgraded: bool,
        stop: &Shutdown,
    ) -> Result<(Response, Carried), NetError> {
        let (mut again, mut has_nonce) = (false, false);
        loop {
            let (builder, carried) = self.prepare(request, url, downgraded, stop).await?;
            request.counters.request();
            let builder = match range {
                Some(range) => builder.header(header::RANGE, range),
                None => builder,
            };
            let answer = tokio::time::timeout(request.timeout, builder.send()).await;
            match answer {
                Ok(Ok(response)) => {
                    if let Some(cookies) = &request.cookies {
                        cookies.take(url, response.headers(), self.clock.now().wall);
                    }
                    if response.status() == http::StatusCode::UNAUTHORIZED {
                        request.counters.refused();
                    }
                    if carried.wants_nonce(url, response.status(), response.headers()) && !has_nonce {
                        has_nonce = true;
                        request.counters.retry();
                        hop::drain(response).await;
                        continue;
                    }
                    return Ok((response, carried));
                }
                Ok(Err(error)) => {
                    let failure = transport(url, error);
                    if again || !matches!(failure, NetError::Transport { cause: Cause::Cut, .. }) {
                        return Err(failure);
                    }
                    again = true;
                    request.counters.retry();
                }
                Err(_elapsed) => return Err(timed_out(url)),
            }
        }
    }
}

/// A value that HTTP libraries do not print.
fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn unsendable(name: &str) -> String {
    format!("the value of the header field `{}` holds a line break or another control character", redact::untrusted(name))
}

/// The failure of a server that stands still.
pub(super) fn timed_out(url: &Url) -> NetError {
    NetError::Transport { url: masked(url), cause: Cause::Timeout, detail: String::new() }
}

/// Sorts out why no answer came.
pub(super) fn transport(url: &Url, error: reqwest::Error) -> NetError {
    let error = error.without_url();
    let mut cause = match () {
        () if error.is_timeout() => Cause::Timeout,
        () if error.is_connect() => Cause::Unreachable,
        () => Cause::Cut,
    };
    let mut detail = String::new();
    let mut link: Option<&(dyn std::error::Error + 'static)> = error.source();
    while let Some(current) = link {
        let text = current.to_string();
        if text == "dns error" {
            cause = Cause::Dns;
        } else if text.starts_with("invalid HTTP") {
            cause = Cause::Protocol;
        }
        link = current.source();
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            cause = match io.kind() {
                ErrorKind::ConnectionRefused => Cause::Refused,
                ErrorKind::TimedOut => Cause::Timeout,
                ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Cause::Unreachable,
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof => {
                    Cause::Cut
                }
                _ => cause,
            };
            // `source` of an io::Error leaves out the error that it wraps.
            link = io.get_ref().map(|inner| inner as _).or(link);
        }
        match current.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(_)) => cause = Cause::Certificate,
            Some(_) => cause = Cause::TlsProtocol,
            None => {}
        }
        detail = text;
    }
    // The sentence says these already.
    if matches!(cause, Cause::Refused | Cause::Timeout | Cause::Cut) {
        detail.clear();
    }
    NetError::Transport { url: masked(url), cause, detail: redact::untrusted(&redact::line(&detail)) }
}
