//! One profile: an OAuth client, and how media requests carry its token.

use std::path::PathBuf;

use url::Url;

use crate::bearer::Placement;
use crate::oauth::client::Client;
use crate::oauth::registration::Plan;
use crate::origin::OriginPattern;
use crate::secret::SecretSource;

/// One `[profile.NAME]` after presets, defaults and the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name that `-auth` takes.
    pub name: String,
    /// The preset that it started from.
    pub provider: Option<String>,
    /// How tokens are got.
    pub client: Client,
    /// How `ffauth credentials create` gets its id and secret, where it has none of its own.
    pub registration: Option<Plan>,
    /// Which origins may see the token; empty: only the origin of the file that it is used with.
    pub origins: Vec<OriginPattern>,
    /// Where in a media request the token stands.
    pub placement: Placement,
    /// Header fields that go with the token, to the same origins only.
    pub media_headers: Vec<(String, SecretSource)>,
    /// The relay's upstream.
    pub base_url: Option<Url>,
    /// Where tokens are kept.
    pub store: StoreKind,
    /// The token may be sent over plain http to hosts that are not loopback.
    pub allow_http: bool,
    /// CA certificates (PEM) beside the system's roots, for tokens and for media.
    pub ca_file: Option<PathBuf>,
}

impl Profile {
    /// Does one of its secrets come from standard input, which then is nobody else's?
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
