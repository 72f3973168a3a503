//! How a request gets to the authorization server and its answer back: one exchange, no redirects, bounded in size and time.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use url::Url;
use zeroize::Zeroizing;

use crate::clock;
use crate::redact;
use crate::tls::Roots;

use super::error::{Endpoint, OauthError};

/// What is sent.
#[derive(Clone)]
pub struct Request {
    /// Where to.
    pub url: Url,
    /// Header fields beside those that HTTP itself needs.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// What to POST, a form unless the header fields say otherwise; `None` = GET.
    pub body: Option<Zeroizing<String>>,
}

/// What came back.
#[derive(Clone, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type` without parameters, in lower case.
    pub content_type: Option<String>,
    /// `Retry-After`; a date counts from the server's own.
    pub retry_after: Option<Duration>,
    /// `Date`.
    pub date: Option<SystemTime>,
    /// `DPoP-Nonce` (RFC 9449 section 8), not checked.
    pub dpop_nonce: Option<String>,
    /// The body, at most [`LARGEST_BODY`] bytes.
    pub body: Zeroizing<Vec<u8>>,
}

#[cfg(test)]
impl Answer {
    /// An answer with nothing but this status and body.
    pub(crate) fn of_test(status: u16, body: &str) -> Self {
        Self { status, body: Zeroizing::new(body.as_bytes().to_vec()), ..Self::default() }
    }
}

/// The future of one exchange.
pub type Exchange<'a> = Pin<Box<dyn Future<Output = Result<Answer, OauthError>> + Send + 'a>>;

/// Sends requests to an authorization server.
pub trait Transport: Send + Sync {
    /// One exchange.
    ///
    /// # Errors
    /// [`OauthError::Unreachable`] if no whole answer came.
    fn send(&self, request: Request) -> Exchange<'_>;
}

/// The most that is read of an answer, in bytes.
pub const LARGEST_BODY: usize = 1024 * 1024;

/// HTTP over reqwest. Nothing is set up before the first request.
pub struct HttpTransport {
    roots: Roots,
    timeout: Duration,
    client: OnceLock<Result<reqwest::Client, String>>,
}

impl HttpTransport {
    /// Trusts `roots`; gives one exchange `timeout` from the name lookup to the last byte.
    pub fn new(roots: Roots, timeout: Duration) -> Self {
        Self { roots, timeout, client: OnceLock::new() }
    }

    fn client(&self) -> Result<&reqwest::Client, OauthError> {
        let client = self.client.get_or_init(|| {
            let mut config = (*self.roots.client_config().map_err(|error| error.to_string())?).clone();
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let builder = reqwest::Client::builder()
                .tls_backend_preconfigured(config)
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("ffauth/", env!("CARGO_PKG_VERSION")))
                .timeout(self.timeout)
                // A kept connection that the server is about to close would make a lost answer out of a rotation.
                .pool_max_idle_per_host(0);
            builder.build().map_err(|error| error.without_url().to_string())
        });
        client.as_ref().map_err(|reason| OauthError::Config(format!("TLS: {reason}")))
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: Request) -> Exchange<'_> {
        Box::pin(async move {
            let client = self.client()?;
            let shown = redact::url(request.url.as_str()).into_owned();
            let mut builder = match request.body {
                Some(body) => {
                    let post = client.post(request.url).body(body.to_string());
                    let is_form = !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
                    if is_form { post.header("Content-Type", "application/x-www-form-urlencoded") } else { post }
                }
                None => client.get(request.url),
            };
            builder = builder.header("Accept", "application/json");
            for (name, value) in &request.headers {
                let mut value = http::HeaderValue::from_str(value)
                    .map_err(|_| OauthError::Config(format!("the header field {name} cannot hold this value")))?;
                value.set_sensitive(true);
                builder = builder.header(name, value);
            }
            let lost = |error: reqwest::Error| unreachable(&shown, self.timeout, &error);
            let mut response = builder.send().await.map_err(lost)?;
            let header = |name: http::HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
            let content_type = header(http::header::CONTENT_TYPE)
                .map(|value| redact::untrusted(value.split(';').next().unwrap_or_default().trim()).to_ascii_lowercase());
            let date = header(http::header::DATE).and_then(clock::http_date);
            let retry_after = header(http::header::RETRY_AFTER);
            let retry_after = retry_after.and_then(|value| match date {
                Some(date) => clock::retry_after(value, date),
                None => value.trim().parse().ok().map(Duration::from_secs),
            });
            let dpop_nonce = header(http::HeaderName::from_static("dpop-nonce")).map(str::to_owned);
            let status = response.status().as_u16();
            let mut body = Zeroizing::new(Vec::new());
            while let Some(chunk) = response.chunk().await.map_err(lost)? {
                if body.len() + chunk.len() > LARGEST_BODY {
                    let reason = format!("the answer is larger than {LARGEST_BODY} bytes");
                    return Err(OauthError::BadAnswer {
                        endpoint: Endpoint::Token,
                        url: shown,
                        status,
                        content_type,
                        reason,
                        retry_after: None,
                    });
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer { status, content_type, retry_after, date, dpop_nonce, body })
        })
    }
}

fn unreachable(shown: &str, limit: Duration, error: &reqwest::Error) -> OauthError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let reason = if error.is_timeout() {
        format!("did not answer within {} s", limit.as_secs_f64())
    } else if error.is_connect() {
        format!("cannot be reached: {}", redact::untrusted(&redact::line(&cause.to_string())))
    } else {
        format!("broke off: {}", redact::untrusted(&redact::line(&cause.to_string())))
    };
    OauthError::Unreachable { endpoint: Endpoint::Token, url: shown.to_owned(), reason, sent: !error.is_connect() }
}
