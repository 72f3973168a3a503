//! What `ffauth serve --print` prints: files that belong beside the daemon.

/// A unit for systemd.
pub const UNIT: &str = include_str!("assets/ffauth.service");
/// A dashboard for Grafana.
pub const GRAFANA: &str = include_str!("assets/grafana.json");
/// Alert rules for Prometheus.
pub const ALERTS: &str = include_str!("assets/alerts.yaml");
/// A configuration with every key of the daemon, explained.
pub const CONFIG: &str = include_str!("assets/config.toml");
