//! What the user's options say about requests, and which options each open gets because a token goes along.

use std::time::Duration;

use url::Url;

use crate::bearer::{Bearer, HeaderLines, Published};
use crate::error::{Error, Kind};
use crate::libav::error::AvError;
use crate::libav::log;
use crate::libav::option::Dictionary;
use crate::origin::Origin;
use crate::redact;
use crate::tls::ClientCertificate;

/// The options of one file that the hook honours itself.
#[derive(Default)]
pub struct RequestOptions {
    /// Lines of `-headers` that go to every origin, as in ffmpeg.
    everywhere: HeaderLines,
    /// Lines of `-headers` that stay in the file's own origin: `Cookie`, `Proxy-Authorization`.
    own_origin: HeaderLines,
    /// The file's own origin.
    origin: Option<Origin>,
    /// `-tls_verify 0` was asked for by name.
    pub unverified: bool,
    /// `-max_redirects`: hops that we follow.
    pub max_redirects: u32,
    /// What the user set of the options in `HANDED_DOWN`, and the certificates.
    chosen: Vec<(&'static str, String)>,
    /// Seconds that http.c may spend on taking up a connection again.
    reconnect_limit: u64,
}

/// http.c: give up after this many redirects unless told otherwise.
const MAX_REDIRECTS: u32 = 8;

/// Options that the user may set and that then go to every nested open too: hls.c hands on none of them.
const HANDED_DOWN: [&[&str]; 2] = [&RETRYING, &["ca_file", "cafile", "cert_file", "cert", "key_file", "key"]];

/// Options of http.c about waiting and trying again.
pub const RETRYING: [&str; 8] = [
    "reconnect",
    "reconnect_at_eof",
    "reconnect_on_network_error",
    "reconnect_on_http_error",
    "reconnect_streamed",
    "reconnect_delay_max",
    "rw_timeout",
    "timeout",
];

/// A read that brings nothing for this long is given up and taken up again, in microseconds.
const STALL: &str = "15000000";

impl RequestOptions {
    /// Takes `-headers` and what else the hook honours itself out of `options`.
    ///
    /// # Errors
    /// What cannot stand beside `-auth`.
    pub fn take(
        url: &str,
        bearers: &[&Bearer],
        wait_seconds: u64,
        options: &mut Dictionary,
        writes: bool,
    ) -> Result<Self, Error> {
        if options.get("auth_type").is_some() {
            return Err(Error::new(Kind::Usage, "-auth_type cannot stand beside -auth: the token takes its place"));
        }
        let (mut everywhere, mut own_origin) = (HeaderLines::default(), HeaderLines::default());
        for line in options.remove("headers").unwrap_or_default().split(['\r', '\n']).filter(|line| !line.trim().is_empty()) {
            let name = line.split(':').next().unwrap_or_default().trim();
            let taken =
                bearers.iter().any(|bearer| bearer.placement.header_name().is_some_and(|own| own.eq_ignore_ascii_case(name)));
            if taken || name.eq_ignore_ascii_case("authorization") {
                let message = format!("-headers holds `{name}` and -auth sends it too");
                return Err(Error::new(Kind::Usage, message).with_hint(format!("drop the `{name}` line from -headers")));
            }
            let stays = ["cookie", "proxy-authorization"].iter().any(|own| own.eq_ignore_ascii_case(name));
            if stays { own_origin.push_lines(line) } else { everywhere.push_lines(line) }
        }
        let unverified = options.get("tls_verify").is_some_and(|value| ["0", "false", "no"].contains(&value.as_str()));
        if unverified {
            let text = format!("-tls_verify 0: anybody on the way to {} can read the token\n", redact::url(url));
            log::write(log::level::WARNING, &text);
        }
        let max_redirects = match options.remove("max_redirects") {
            Some(value) => value
                .trim()
                .parse()
                .map_err(|_| Error::new(Kind::Usage, format!("-max_redirects takes a number of redirects, not `{value}`")))?,
            None => MAX_REDIRECTS,
        };
        let chosen = HANDED_DOWN.into_iter().flatten().filter_map(|name| Some((*name, options.get(name)?))).collect();
        if writes {
            Self::take_for_writing(options)?;
        }
        let origin = Origin::parse(url);
        let reconnect_limit = wait_seconds.clamp(5, 60);
        Ok(Self { everywhere, own_origin, origin, unverified, max_redirects, chosen, reconnect_limit })
    }

    /// Uploads keep their connections themselves, and two features of the muxers read behind our back.
    fn take_for_writing(options: &mut Dictionary) -> Result<(), Error> {
        for name in ["http_persistent", "multiple_requests", "send_expect_100"] {
            options.remove(name);
        }
        let has = |option: &str, flag: &str| options.get(option).is_some_and(|value| value.contains(flag));
        if has("hls_flags", "append_list") {
            let message = "-hls_flags append_list cannot read the old playlist from a server that asks for a token";
            return Err(Error::new(Kind::Usage, message).with_hint("use -start_number to go on numbering"));
        }
        if options.get("single_file").is_some_and(|value| value != "0" && value != "false") {
            return Err(Error::new(Kind::Usage, "-single_file writes behind ffauth's back; it cannot stand beside -auth"));
        }
        Ok(())
    }

    /// The header lines of a request to `origin`.
    pub fn header_lines(&self, origin: Option<&Origin>, token: Option<(&Bearer, &Published)>) -> HeaderLines {
        let mut lines = HeaderLines::default();
        lines.push_lines(self.everywhere.expose());
        if origin.is_some() && origin == self.origin.as_ref() {
            lines.push_lines(self.own_origin.expose());
        }
        if let Some((bearer, published)) = token {
            lines.push_lines(published.credential.header_lines(&bearer.placement).expose());
        }
        lines
    }

    /// How long our own HTTP client may take to connect, and how long it may be kept waiting for the next byte; `None` = as long as
    /// it sees fit. As in libavformat, `timeout` is about both (tcp.c) and `rw_timeout` about the latter (avio.c).
    pub fn timeouts(&self) -> (Option<Duration>, Option<Duration>) {
        let micros = |option: &str| {
            let (_, value) = self.chosen.iter().find(|(name, _)| *name == option)?;
            value.parse().ok().filter(|time| *time > 0).map(Duration::from_micros)
        };
        (micros("timeout"), micros("rw_timeout").or_else(|| micros("timeout")))
    }

    /// The user's lines alone, for our own HTTP client, which adds the token itself.
    pub fn fields(&self) -> Vec<(String, String)> {
        let lines = self.header_lines(self.origin.as_ref(), None);
        lines.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Adds to the options of one open what a token needs: see the numbered list in the crate's notes on libavformat.
    ///
    /// # Errors
    /// A value with a NUL in it.
    pub fn apply(
        &self,
        url: &Url,
        ca_bundle: Option<&str>,
        certificate: Option<&ClientCertificate>,
        headers: &HeaderLines,
        options: &mut Dictionary,
    ) -> Result<(), AvError> {
        for (name, value) in &self.chosen {
            options.set_default(name, value)?;
        }
        options.remove("headers");
        if !headers.is_empty() {
            options.set("headers", headers.expose())?;
        }
        // A 401 is an error at the status line then; without it http.c takes it for success and, at an offset, for EPERM.
        options.set("auth_type", "basic")?;
        // Hops are ours: http.c would send the header to whatever a redirect names.
        options.set("max_redirects", "0")?;
        options.set_default("reconnect", "1")?;
        options.set_default("reconnect_delay_max", &self.reconnect_limit.to_string())?;
        // hls.c hands its own down as "0".
        if options.get("rw_timeout").is_none_or(|value| value == "0") && options.get("timeout").is_none() {
            options.set("rw_timeout", STALL)?;
        }
        // A certificate of the user's own goes first; GnuTLS shows it to servers that ask (tls_gnutls.c, tls_open).
        if let Some(certificate) = certificate.filter(|_| url.scheme() == "https")
            && ["cert_file", "cert"].iter().all(|name| options.get(name).is_none())
        {
            options.set("cert_file", &certificate.certificate.display().to_string())?;
            options.set("key_file", &certificate.key.display().to_string())?;
        }
        if url.scheme() == "https" && !self.unverified {
            options.set("tls_verify", "1")?;
            if let Some(bundle) = ca_bundle
                && options.get("ca_file").is_none()
                && options.get("cafile").is_none()
            {
                options.set("ca_file", bundle)?;
            }
        }
        Ok(())
    }
}
