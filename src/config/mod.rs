//! Profiles from a TOML file and the environment.
//!
//! Precedence: environment, file, preset, built-in default.

mod nearest;
mod profile;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::{Error, Kind};

pub use profile::{Profile, StoreKind};

/// All profiles that the file and the environment name.
#[derive(Clone, Debug, Default)]
pub struct Config {
    file: Option<PathBuf>,
    profiles: BTreeMap<String, Profile>,
}

impl Config {
    /// A configuration made of these profiles, for a program that has its own way to configure them.
    pub fn new(profiles: impl IntoIterator<Item = Profile>) -> Self {
        Self { file: None, profiles: profiles.into_iter().map(|profile| (profile.name.clone(), profile)).collect() }
    }

    /// The profile called `name`.
    ///
    /// # Errors
    /// There is none of that name; the error names the nearest one.
    pub fn profile(&self, name: &str) -> Result<&Profile, Error> {
        self.profiles.get(name).ok_or_else(|| Error::new(Kind::Config, format!("there is no profile `{name}`")))
    }

    /// The profiles, in order of name.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values()
    }
}
