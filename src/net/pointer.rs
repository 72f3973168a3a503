//! The media URL in the JSON that an API answers.
//!
//! The way from the API to the media is one more hop: who may see the token and which hosts may be asked is judged anew there.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use url::Url;

use crate::bearer::MediaPointer;
use crate::redact;

use super::client;
use super::error::{NetError, PointerFault};
use super::token::masked;

/// An answer that is longer is no description of media.
const LONGEST: usize = 4 * 1024 * 1024;

/// Where the answer of `from` says that the media is.
pub(super) async fn target(response: Response, pointer: &MediaPointer, from: &Url, timeout: Duration) -> Result<Url, NetError> {
    let refuse = |fault| NetError::Pointer { url: masked(from), fault };
    let body = body(response, from, timeout).await?;
    let document: Value = serde_json::from_slice(&body).map_err(|_| refuse(PointerFault::NotJson))?;
    let Some(found) = pointer.find(&document) else {
        let (reached, there) = pointer.reach(&document);
        let reached = if reached.is_empty() { "the answer".to_owned() } else { format!("`{reached}`") };
        return Err(refuse(PointerFault::Nowhere { pointer: pointer.to_string(), reached, there: describe(there) }));
    };
    let not_a_url = |found: String| refuse(PointerFault::NotAUrl { pointer: pointer.to_string(), found });
    let Some(text) = found.as_str() else { return Err(not_a_url(describe(found))) };
    let url = match Url::parse(text) {
        // A path of the API's own host.
        Err(url::ParseError::RelativeUrlWithoutBase) if text.starts_with('/') => from.join(text).ok(),
        parsed => parsed.ok(),
    };
    let url = url.ok_or_else(|| not_a_url(format!("`{}`", redact::untrusted(&redact::url(text)))))?;
    client::parse(url.as_str())
}

async fn body(mut response: Response, from: &Url, timeout: Duration) -> Result<Vec<u8>, NetError> {
    let mut body = Vec::new();
    loop {
        match tokio::time::timeout(timeout, response.chunk()).await {
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() > LONGEST => {
                return Err(NetError::Pointer { url: masked(from), fault: PointerFault::NotJson });
            }
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None)) => return Ok(body),
            Ok(Err(error)) => return Err(client::transport(from, error)),
            Err(_elapsed) => return Err(client::timed_out(from)),
        }
    }
}

/// What a value is, without what stands in it beyond names.
fn describe(value: &Value) -> String {
    const SHOWN: usize = 12;
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(members) if members.is_empty() => "an empty object".to_owned(),
        Value::Object(members) => {
            let names: Vec<String> = members.keys().take(SHOWN).map(|name| redact::untrusted(name)).collect();
            let more = if members.len() > SHOWN { ", …" } else { "" };
            format!("an object with {}{more}", names.join(", "))
        }
    }
}
