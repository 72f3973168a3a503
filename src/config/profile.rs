//! One profile: an OAuth client, and how media requests carry its token.

use std::path::PathBuf;

use url::Url;

use crate::bearer::{MediaPointer, Placement};
use crate::oauth::client::Client;
use crate::oauth::registration::Plan;
use crate::oauth::store::CustomStore;
use crate::origin::OriginPattern;
use crate::secret::SecretSource;

use super::ProfileBuilder;

/// One `[profile.NAME]` after presets, defaults and the environment; or made by a [`ProfileBuilder`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// The name that `-auth` takes.
    pub(crate) name: String,
    /// The preset that it started from.
    pub(crate) provider: Option<String>,
    /// How tokens are got.
    pub(crate) client: Client,
    /// How `ffauth credentials create` gets its id and secret, where it has none of its own.
    pub(crate) registration: Option<Plan>,
    /// Which origins may see the token; empty: only the origin of the file that it is used with.
    pub(crate) origins: Vec<OriginPattern>,
    /// Where in a media request the token stands.
    pub(crate) placement: Placement,
    /// Header fields that go with the token, to the same origins only.
    pub(crate) media_headers: Vec<(String, SecretSource)>,
    /// Where in the JSON that an input's URL answers the media URL stands; `None` = that URL answers media.
    pub(crate) media_pointer: Option<MediaPointer>,
    /// The relay's upstream.
    pub(crate) base_url: Option<Url>,
    /// Where tokens are kept.
    pub(crate) store: StoreKind,
    /// The service's own place for tokens, which goes before that.
    pub(crate) own_store: Option<CustomStore>,
    /// The token may be sent over plain http to hosts that are not loopback.
    pub(crate) allow_http: bool,
    /// CA certificates (PEM) beside the system's roots, for tokens and for media.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Profile {
    /// Begins a profile that is made by code. `name`: letters, digits, `-`, `_` and `.`.
    pub fn builder(name: impl Into<String>) -> ProfileBuilder {
        ProfileBuilder::new(name.into())
    }

    /// The name that `-auth` takes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The preset that it started from.
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }

    /// The relay's upstream.
    pub fn base_url(&self) -> Option<&str> {
        self.base_url.as_ref().map(Url::as_str)
    }

    /// How its tokens are got.
    #[doc(hidden)]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Does one of its secrets come from standard input, which then is nobody else's?
    #[doc(hidden)]
    pub fn reads_stdin(&self) -> bool {
        let client = &self.client;
        let secrets = [&client.client_secret, &client.password, &client.refresh_token, &client.access_token];
        let named = client.dialect.token_headers.iter().chain(&self.media_headers).map(|(_, source)| source);
        secrets.into_iter().flatten().chain(named).any(|source| *source == SecretSource::Stdin)
    }
}

/// Where a profile's tokens are kept between runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// A file under the state directory, readable by this user only.
    File,
    /// The desktop's keyring.
    Keyring,
    /// Nowhere: they end with the process.
    Memory,
}

impl StoreKind {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            StoreKind::File => "file",
            StoreKind::Keyring => "keyring",
            StoreKind::Memory => "memory",
        }
    }
}
