//! Profiles from a TOML file and the environment; from the file also what the daemon is to run.
//!
//! Precedence: environment, file, preset, built-in default. A wrong value or an unknown key in the file is an error at once,
//! with file, line and key. What is missing in one profile matters to whoever uses that profile; so does every fault
//! of a variable, since an environment is shared by many programs.

mod builder;
mod daemon;
mod document;
mod environment;
mod error;
mod key;
mod nearest;
mod permission;
mod preset;
mod profile;
mod proof;
mod relay;
mod resolve;
mod secret;
mod settings;
mod sign_in;
mod word;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::env::Env;
use crate::error::{Error, Kind};

use document::Document;
use error::{ConfigError, Place};
use key::Key;
use nearest::nearest;

pub use builder::{ProfileBuilder, Value};
#[cfg(feature = "serve")]
pub(crate) use daemon::is_stream_name;
pub use daemon::{Listen, Restart, Serve, Stream};
pub use profile::{Profile, StoreKind};
pub use relay::Relay;

/// Profiles by name: all that a configuration file and the environment name, or those that code made.
#[derive(Clone, Debug, Default)]
pub struct Config {
    file: Option<PathBuf>,
    profiles: BTreeMap<String, Result<Profile, ConfigError>>,
    /// Profiles that no file names; theirs are the names of variables in lower case.
    only_in_environment: BTreeSet<String>,
    streams: BTreeMap<String, Stream>,
    serve: Serve,
    relay: Relay,
}

impl Config {
    /// A configuration made of these profiles, for a program that has its own way to configure them.
    pub fn new(profiles: impl IntoIterator<Item = Profile>) -> Self {
        let profiles = profiles.into_iter().map(|profile| (profile.name.clone(), Ok(profile))).collect();
        Self { profiles, ..Self::default() }
    }

    /// Reads `file`, else the file that `FFAUTH_CONFIG` names, else `ffauth/config.toml` in the user's configuration folder,
    /// which need not exist; then the variables `FFAUTH_<NAME>_<KEY>`.
    ///
    /// # Errors
    /// Of [`Kind::Config`]: the file cannot be read, or others can change it; it is not TOML; a key is unknown or its value
    /// wrong; a secret stands in a file that others can read.
    pub fn load(file: Option<&Path>, env: &Env) -> Result<Self, Error> {
        let named = file.map(Path::to_owned).or_else(|| env.get("FFAUTH_CONFIG").map(PathBuf::from));
        let document = match named {
            Some(path) => Some(
                Document::open(&path)?
                    .ok_or_else(|| ConfigError::Unreadable { path, reason: "there is no such file".to_owned() })?,
            ),
            None => match env.config_dir() {
                Some(folder) => Document::open(&folder.join("config.toml"))?,
                None => None,
            },
        };
        Ok(Self::assemble(document.as_ref(), env)?)
    }

    /// The profiles in a text that is in no file. The environment adds nothing to it; what the text takes from there by
    /// `{ env = … }` is read when it is needed. Relative paths are those of the process.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let config = Self::assemble(Some(&Document::of_text("configuration", text)), &Env::default())?;
        Ok(Self { file: None, ..config })
    }

    fn assemble(document: Option<&Document>, env: &Env) -> Result<Self, ConfigError> {
        let InFile { profiles: mut in_file, streams, serve, relay } = match document {
            Some(document) => tables_of(document)?,
            None => InFile::default(),
        };
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for name in in_file.keys() {
            let form = environment::form(name);
            if let Some(first) = names.insert(form.clone(), name.clone()) {
                return Err(ConfigError::SameForm { first, second: name.clone(), form });
            }
        }
        let mut in_environment = environment::settings(env, &names.keys().cloned().collect::<Vec<_>>());
        let mut only_in_environment = BTreeSet::new();
        for form in in_environment.keys().filter(|form| !names.contains_key(*form)).cloned().collect::<Vec<_>>() {
            only_in_environment.insert(form.to_ascii_lowercase());
            names.insert(form.clone(), form.to_ascii_lowercase());
        }
        let mut profiles = BTreeMap::new();
        for (form, name) in &names {
            let place = || Place::Variable(format!("FFAUTH_{form}_…"));
            let (place, mut by_key) = in_file.remove(name).unwrap_or_else(|| (place(), BTreeMap::new()));
            let profile = in_environment.remove(form).unwrap_or_else(|| Ok(Vec::new())).and_then(|settings| {
                by_key.extend(settings.into_iter().map(|(key, setting)| (key.name, setting)));
                let (secrets, holder) = (BTreeMap::new(), None);
                resolve::profile(&settings::Settings { name, place, by_key, secrets, holder })
            });
            match profile {
                Err(error) if !error.waits_for_use() => return Err(error),
                profile => profiles.insert(name.clone(), profile),
            };
        }
        let file = document.map(|document| document.path().to_owned());
        Ok(Self { file, profiles, only_in_environment, streams, serve, relay })
    }

    /// The file that was read.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The profile called `name`. One that stands only in the environment is found under any spelling that leads to the same
    /// variables.
    ///
    /// # Errors
    /// Of [`Kind::Config`]: there is none of that name (the nearest one is named), or it cannot be used, and why.
    pub fn profile(&self, name: &str) -> Result<&Profile, Error> {
        let as_variable = self.only_in_environment.get(&environment::form(name).to_ascii_lowercase());
        match self.profiles.get(name).or_else(|| self.profiles.get(as_variable?)) {
            Some(Ok(profile)) => Ok(profile),
            Some(Err(error)) => Err(error.clone().into()),
            None => {
                let meant = nearest(name, self.names()).map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default();
                let hint = match &self.file {
                    Some(file) => {
                        format!("add [profile.{name}] to {}; `ffauth profiles` lists those that there are", file.display())
                    }
                    None => format!(
                        "write [profile.{name}] into a configuration file (-auth_config, $FFAUTH_CONFIG or ~/.config/ffauth/config.toml), or \
                         set FFAUTH_{}_TOKEN_URL, _CLIENT_ID and _CLIENT_SECRET_FILE",
                        environment::form(name)
                    ),
                };
                Err(Error::new(Kind::Config, format!("there is no profile `{name}`{meant}")).with_hint(hint))
            }
        }
    }

    /// The profiles that can be used, in order of name.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values().filter_map(|profile| profile.as_ref().ok())
    }

    /// The names of all profiles, also of those that cannot be used.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// The streams of the daemon, in order of name.
    #[doc(hidden)]
    pub fn streams(&self) -> &BTreeMap<String, Stream> {
        &self.streams
    }

    /// The settings of the daemon.
    #[doc(hidden)]
    pub fn serve(&self) -> &Serve {
        &self.serve
    }

    /// The settings of the relay.
    #[doc(hidden)]
    pub fn relay(&self) -> &Relay {
        &self.relay
    }
}

/// What stands in the file.
#[derive(Default)]
struct InFile<'t> {
    profiles: BTreeMap<String, (Place, BTreeMap<&'static str, document::Setting<'t>>)>,
    streams: BTreeMap<String, Stream>,
    serve: Serve,
    relay: Relay,
}

fn tables_of(document: &Document) -> Result<InFile<'_>, ConfigError> {
    let mut found = InFile::default();
    for (table, value) in &document.parse()? {
        let not_a_table = |what: &str| ConfigError::Value {
            place: document.place(table.span()),
            key: what.to_owned(),
            reason: "must be a table".to_owned(),
        };
        let what = table.get_ref().as_ref();
        let content = value.get_ref().as_table();
        let alone: &'static [Key] = match what {
            "serve" => key::SERVE,
            "relay" => key::RELAY,
            "profile" | "stream" => {
                for (name, value) in content.ok_or_else(|| not_a_table(what))? {
                    let title = format!("{what}.{}", name.get_ref());
                    let place = document.place(name.span());
                    let content = value.get_ref().as_table().ok_or_else(|| ConfigError::Value {
                        place: place.clone(),
                        key: title.clone(),
                        reason: "must be a table".to_owned(),
                    })?;
                    if what == "stream" {
                        let wrong = |key: &str, reason| ConfigError::Value { place: place.clone(), key: key.to_owned(), reason };
                        let given = document.settings(&title, "", content, key::STREAM)?;
                        daemon::stream(name.get_ref(), &given, &mut found.streams, wrong)?;
                        continue;
                    }
                    check_name(name.get_ref(), &place)?;
                    let settings = document.settings(&title, "", content, key::PROFILE)?;
                    let by_key = settings.into_iter().map(|(key, setting)| (key.name, setting)).collect();
                    found.profiles.insert(name.get_ref().clone().into_owned(), (place, by_key));
                }
                continue;
            }
            unknown => {
                return Err(ConfigError::UnknownKey {
                    place: document.place(table.span()),
                    table: "the file".to_owned(),
                    key: unknown.to_owned(),
                    nearest: nearest(unknown, key::TABLES.iter().copied()),
                });
            }
        };
        let given = document.settings(what, "", content.ok_or_else(|| not_a_table(what))?, alone)?;
        match what {
            "serve" => found.serve = daemon::serve(&given)?,
            _ => found.relay = Relay::read(&given)?,
        }
    }
    Ok(found)
}

/// A name must be one word of `-auth NAME,NAME`.
fn check_name(name: &str, place: &Place) -> Result<(), ConfigError> {
    if name.is_empty() || name.starts_with('-') || name.contains(|c: char| c == ',' || c.is_whitespace() || c.is_control()) {
        return Err(ConfigError::Value {
            place: place.clone(),
            key: "profile".to_owned(),
            reason: format!("`{}` cannot be the name of a profile: no commas, no spaces, no `-` in front", name.escape_debug()),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
