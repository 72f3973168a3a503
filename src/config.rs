//! Profiles from TOML, presets and the environment.
