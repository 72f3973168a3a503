//! `[stream.NAME]` and `[serve]`: what the daemon runs, and who may tell it what.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::secret::SecretSource;

use super::document::Setting;
use super::error::ConfigError;
use super::key::{self, Key};
use super::nearest::nearest;
use super::secret;

/// One `[stream.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// An ffmpeg command line without the program's name, to be split like a POSIX shell does.
    pub run: String,
    /// What happens when it ends.
    pub restart: Restart,
}

/// What happens when a stream ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// It begins again, however it ended.
    Always,
    /// It begins again after a failure.
    #[default]
    OnFailure,
    /// Nothing.
    Never,
}

impl Restart {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Always, Self::OnFailure, Self::Never];

    /// The word in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnFailure => "on_failure",
            Self::Never => "never",
        }
    }

    /// The policy of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|restart| restart.name() == name)
    }
}

/// `[serve]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serve {
    /// Where the API, the metrics and the dashboard are; `None` = the default.
    pub listen: Option<Listen>,
    /// The bearer of the API; `None` = a random one, kept in the state folder.
    pub token: Option<SecretSource>,
    /// Where the daemon keeps what must survive it; `None` = below the user's state folder.
    pub state_dir: Option<PathBuf>,
    /// Folders in which streams made by the API may read and write.
    pub allow_paths: Vec<PathBuf>,
    /// Profiles that streams made by the API may name.
    pub allow_profiles: Vec<String>,
    /// Names, beside the address that it listens at, under which browsers and programs may ask for it.
    pub hosts: Vec<String>,
    /// `/metrics` needs no bearer.
    pub open_metrics: bool,
    /// How long the streams may take to finish their outputs when the daemon ends.
    pub drain: Duration,
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            listen: None,
            token: None,
            state_dir: None,
            allow_paths: Vec::new(),
            allow_profiles: Vec::new(),
            hosts: Vec::new(),
            open_metrics: false,
            drain: Duration::from_secs(20),
        }
    }
}

/// An address to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `127.0.0.1:8460`, `[::1]:8460`, `localhost:8460`; port 0 = any free one.
    Tcp(SocketAddr),
    /// `unix:/run/ffauth.sock`.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err("unix: needs the path of a socket".to_owned())
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let address = numeric.as_deref().unwrap_or(text).parse();
        address.map(Self::Tcp).map_err(|_| format!("`{text}` is no address such as 127.0.0.1:8460 or unix:/run/ffauth.sock"))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A name that can stand in a path of the API, in a label of a metric and in the name of a file.
pub(crate) fn is_stream_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&name.len()) && name.chars().all(plain) && !name.starts_with(['.', '-'])
}

type Given<'t> = [(&'static Key, Setting<'t>)];

fn find<'s, 't>(given: &'s Given<'t>, name: &str) -> Option<&'s Setting<'t>> {
    given.iter().find(|(key, _)| key.name == name).map(|(_, setting)| setting)
}

fn text<'s>(given: &'s Given<'_>, name: &str) -> Option<&'s str> {
    find(given, name)?.value.get_ref().as_str()
}

fn list(given: &Given<'_>, name: &str) -> Vec<String> {
    let Some(value) = find(given, name).map(|setting| setting.value.get_ref()) else { return Vec::new() };
    match value.as_str() {
        Some(text) => text.split_whitespace().map(str::to_owned).collect(),
        None => value.as_array().into_iter().flatten().filter_map(|item| item.get_ref().as_str()).map(str::to_owned).collect(),
    }
}

/// Puts the stream `name` among `streams`. `missing`: the error that a key is not there.
pub(super) fn stream(
    name: &str,
    given: &Given<'_>,
    streams: &mut BTreeMap<String, Stream>,
    wrong: impl Fn(&str, String) -> ConfigError,
) -> Result<(), ConfigError> {
    if !is_stream_name(name) {
        let reason = format!(
            "`{}` cannot be the name of a stream: up to 64 letters, digits, `-`, `_` and `.`, beginning with a letter or digit",
            name.escape_debug()
        );
        return Err(wrong("stream", reason));
    }
    let Some(run) = text(given, "run").filter(|run| !run.trim().is_empty()) else {
        return Err(wrong("run", format!("is missing; it is what stands behind `ffauth` on a command line, for stream {name}")));
    };
    let restart = match find(given, "restart") {
        None => Restart::default(),
        Some(setting) => {
            let word = setting.value.get_ref().as_str().unwrap_or_default();
            Restart::of_name(word).ok_or_else(|| {
                let meant = nearest(word, Restart::ALL.iter().map(|restart| restart.name()));
                let meant = meant.map(|word| format!(" (did you mean `{word}`?)")).unwrap_or_default();
                setting.refuse("restart", format!("must be \"always\", \"on_failure\" or \"never\"{meant}"))
            })?
        }
    };
    streams.insert(name.to_owned(), Stream { run: run.to_owned(), restart });
    Ok(())
}

/// Reads `[serve]`.
pub(super) fn serve(given: &Given<'_>) -> Result<Serve, ConfigError> {
    let standard = Serve::default();
    let listen = match find(given, "listen") {
        None => None,
        Some(setting) => {
            let listen = setting.value.get_ref().as_str().unwrap_or_default().parse();
            let listen = listen.map_err(|reason: String| setting.refuse("listen", reason))?;
            Some(match listen {
                Listen::Unix(path) => Listen::Unix(setting.path(&path.to_string_lossy())),
                tcp => tcp,
            })
        }
    };
    let allow_paths =
        find(given, "allow_paths").map(|setting| list(given, "allow_paths").iter().map(|path| setting.path(path)).collect());
    if let Some(setting) = find(given, "hosts")
        && let Some(host) = list(given, "hosts").iter().find(|host| host.contains(['/', '*', '@']) || host.is_empty())
    {
        return Err(setting.refuse("hosts", format!("`{}` is not the name of a host", host.escape_debug())));
    }
    let drain = find(given, "drain").and_then(|setting| key::number(setting.value.get_ref())).map(Duration::from_secs);
    Ok(Serve {
        listen,
        token: find(given, "token").map(|setting| secret::source(setting, "token", &setting.value)).transpose()?,
        state_dir: find(given, "state_dir").and_then(|setting| Some(setting.path(setting.value.get_ref().as_str()?))),
        allow_paths: allow_paths.unwrap_or_default(),
        allow_profiles: list(given, "allow_profiles"),
        hosts: list(given, "hosts").iter().map(|host| host.to_ascii_lowercase()).collect(),
        open_metrics: find(given, "open_metrics")
            .and_then(|setting| setting.value.get_ref().as_bool())
            .unwrap_or(standard.open_metrics),
        drain: drain.unwrap_or(standard.drain),
    })
}
