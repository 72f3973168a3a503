//! The process environment: read here, changed nowhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A snapshot of the environment, so that whoever depends on it takes it as a value.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The environment of this process; variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect())
    }

    /// An environment made of these pairs.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }

    /// The variable `name`; an empty one counts as unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All variables whose name begins with `prefix`, as (name, value), in order of name.
    #[doc(hidden)]
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter(move |(name, _)| name.starts_with(prefix)).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// `$XDG_CONFIG_HOME/ffauth`, else `~/.config/ffauth`.
    #[doc(hidden)]
    pub fn config_dir(&self) -> Option<PathBuf> {
        self.xdg("XDG_CONFIG_HOME", ".config")
    }

    /// `$FFAUTH_STATE`, else `$XDG_STATE_HOME/ffauth`, else `~/.local/state/ffauth`.
    #[doc(hidden)]
    pub fn state_dir(&self) -> Option<PathBuf> {
        self.get("FFAUTH_STATE").map(PathBuf::from).or_else(|| self.xdg("XDG_STATE_HOME", ".local/state"))
    }

    fn xdg(&self, variable: &str, fallback: &str) -> Option<PathBuf> {
        // The XDG base directory specification: a relative path is invalid and must be ignored.
        let given = self.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = given.or_else(|| self.get("HOME").map(|home| PathBuf::from(home).join(fallback)))?;
        Some(base.join("ffauth"))
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
