//! Tokens for rtmp, rtsp and srt: these protocols know no header of ours, so the token stands in the URL of each connect.

use url::Url;

use crate::bearer::Placement;
use crate::error::{Error, Kind};
use crate::libav::error::AvError;
use crate::libav::option::Dictionary;
use crate::redact;

use super::state::{self, State};

/// Is this a URL of one of these protocols?
pub fn is_streaming(url: &str) -> bool {
    const SCHEMES: [&str; 7] = ["rtmp", "rtmps", "rtmpt", "rtmpts", "rtsp", "rtsps", "srt"];
    url.split_once("://").is_some_and(|(scheme, _)| SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)))
}

/// Does libavformat connect to this URL by itself, with no `io_open`?
pub fn is_rtsp(url: &str) -> bool {
    is_streaming(url) && url.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("rtsp"))
}

impl State {
    /// The URL to connect to, with the newest token in it, and in `options` what verifies the server's certificate. Waits for a
    /// token if need be.
    ///
    /// # Errors
    /// No token can be had; the reason is kept for whoever asks.
    pub fn streaming_url(&self, url: &str, options: &mut Dictionary) -> Result<String, AvError> {
        let Some(bearer) = self.bearer(0).filter(|_| self.is_authenticated()) else { return Ok(url.to_owned()) };
        let published = match self.credential(0) {
            Ok(published) => published,
            Err(error) if error.kind() == Kind::Stopped => return Err(AvError::EXIT),
            Err(error) => {
                self.give_up(state::about(url, error));
                return Err(AvError::HTTP_UNAUTHORIZED);
            }
        };
        let encrypted = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "rtmps" | "rtmpts" | "rtsps"));
        if encrypted && !self.request.unverified {
            options.set("tls_verify", "1")?;
            let bundle = bearer.roots.bundle().map_err(|error| {
                self.give_up(Error::new(Kind::Config, error.to_string()));
                AvError::from_errno(libc::EIO)
            })?;
            if let Some(bundle) = bundle.filter(|_| options.get("ca_file").is_none()) {
                options.set("ca_file", &bundle.display().to_string())?;
            }
        }
        Ok(published.credential.place_in_url(&bearer.placement, url))
    }
}

/// Can a token of this placement go into `url`?
///
/// # Errors
/// A sentence that says where it can stand.
pub fn check(url: &str, placement: &Placement) -> Result<(), Error> {
    let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let places = match (scheme.as_str(), placement) {
        (_, Placement::Query(_)) => return Ok(()),
        ("srt", _) => "{ query = \"streamid\" }",
        (_, Placement::UserInfo(_)) => return Ok(()),
        _ => "{ query = \"access_token\" } or { userinfo = \"user\" }",
    };
    let message = format!("{}: {scheme} cannot carry the token where the profile puts it", redact::url(url));
    Err(Error::new(Kind::Config, message).with_hint(format!("set placement = {places} in the profile, as the server wants it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_places() {
        let (query, user) = (Placement::Query("t".to_owned()), Placement::UserInfo("me".to_owned()));
        for (url, placement, fits) in [
            ("rtmp://h/app/s", &query, true),
            ("rtmp://h/app/s", &user, true),
            ("RTSPS://h/s", &user, true),
            ("rtsp://h/s", &Placement::default(), false),
            ("srt://h:9000", &query, true),
            ("srt://h:9000", &user, false),
        ] {
            assert!(is_streaming(url), "{url}");
            assert_eq!(check(url, placement).is_ok(), fits, "{url} {placement:?}");
        }
        assert!(!is_streaming("https://h/rtmp://") && !is_streaming("rtmp:h"));
    }
}
