//! One request, or several, that a server does not answer as it should.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Body as _;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE};
use tokio::sync::mpsc;

use super::origin::refuse;
use super::server::{Body, Cut, NoAnswer};

/// What happens to a request. Of an upload, a cut one is read in part, a truncated one is stored without an answer, and so is a
/// stalled one, whose connection stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A refusal.
    Status(u16),
    /// A refusal that names the seconds after which to come again.
    RetryAfter(u16, u64),
    /// The connection is reset, and there is no answer.
    Reset,
    /// There is no answer, and the connection stays.
    Silence,
    /// It is reset in the middle of the body.
    Cut,
    /// It ends in the middle of the body, as if that were all.
    Truncation,
    /// Nothing more comes behind the middle of the body.
    Stall,
    /// The answer says that the body is longer than it is.
    WrongLength,
}

/// The connection ends instead of an answer.
pub fn no_answer() -> Response<Body> {
    Response::builder().status(599).extension(NoAnswer).body(Body::from("")).expect("a response")
}

/// A fault, and which requests meet it.
#[derive(Clone, Copy, Debug)]
pub struct Disturbance {
    /// End of the path.
    pub path: &'static str,
    pub fault: Fault,
    /// So many requests are answered well before that.
    pub after: u32,
    /// So many are not.
    pub times: u32,
}

impl Disturbance {
    /// A request for `path` comes.
    pub fn meet(&mut self, path: &str) -> Option<Fault> {
        if !path.ends_with(self.path) {
            return None;
        }
        if self.after > 0 {
            self.after -= 1;
            return None;
        }
        self.times = self.times.checked_sub(1)?;
        Some(self.fault)
    }
}

impl Fault {
    /// Does the connection end with it?
    pub fn ends_connection(self) -> bool {
        !matches!(self, Self::Status(_) | Self::RetryAfter(..))
    }

    /// The answer in place of the one that there should be.
    pub fn instead(self) -> Option<Response<Body>> {
        match self {
            Self::Status(status) => Some(refuse(status)),
            Self::RetryAfter(status, seconds) => {
                let mut response = refuse(status);
                response.headers_mut().insert("retry-after", seconds.into());
                Some(response)
            }
            Self::Reset => Some(no_answer()),
            Self::Silence | Self::Cut | Self::Truncation | Self::Stall | Self::WrongLength => None,
        }
    }

    /// `response` with a body that does not end as it should.
    pub fn spoil(self, response: Response<Body>, reset: impl FnOnce() + Send + 'static) -> Response<Body> {
        let (mut head, mut body) = response.into_parts();
        let told = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let length: u64 = told.or(body.size_hint().exact()).unwrap_or(0);
        let (told, end) = if self == Self::WrongLength { (length + 1000, length) } else { (length, length / 2) };
        head.headers.insert(CONTENT_LENGTH, told.into());
        let range = head.headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()?.split_once('-'));
        if let Some((first, _)) = range.filter(|_| self == Self::WrongLength) {
            let first: u64 = first.trim_start_matches("bytes ").parse().expect("a position");
            let range = format!("bytes {first}-{}/{}", first + told - 1, first + told);
            head.headers.insert(CONTENT_RANGE, range.parse().expect("a value"));
        }
        let (slices, spoilt) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut left = usize::try_from(end).expect("a length");
            while left > 0 {
                let Some(Ok(frame)) = body.frame().await else { break };
                let Ok(mut data) = frame.into_data() else { continue };
                let part: Bytes = data.split_to(left.min(data.len()));
                left -= part.len();
                if slices.send(Ok(part)).await.is_err() {
                    return;
                }
            }
            // What was sent so far arrives before the connection ends.
            tokio::time::sleep(Duration::from_millis(30)).await;
            match self {
                Self::Stall => return slices.closed().await,
                Self::Cut => reset(),
                _ => {}
            }
            let _ = slices.send(Err(Cut)).await;
        });
        Response::from_parts(head, Body::Slices(spoilt))
    }
}
