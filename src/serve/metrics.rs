//! `/metrics`: the text format of Prometheus, version 0.0.4.
//!
//! Names follow Prometheus' conventions: base units, `_total` for what only grows. Labels are names of streams and profiles and
//! words of fixed lists, never URLs or messages, so that their number is bounded by the configuration.

use std::fmt::{Display, Write};
use std::fs;
use std::time::SystemTime;

use crate::clock::Now;
use crate::job::TokenState;

use super::registry::Registry;
use super::stream::{Phase, Standing};

/// Everything that is measured.
pub fn render(registry: &Registry, started: &Now, now: &Now) -> String {
    let mut out = Metrics(String::new());
    out.family("build_info", "gauge", "The version of ffauth that runs.");
    out.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    streams(&mut out, registry, now);
    tokens(&mut out, registry, now);
    process(&mut out, started);
    out.0
}

fn streams(out: &mut Metrics, registry: &Registry, now: &Now) {
    let streams: Vec<(String, Standing)> = registry.all().iter().map(|stream| (stream.id.clone(), stream.standing())).collect();
    let counts: Vec<_> = streams.iter().map(|(id, standing)| (id, standing.counts())).collect();
    out.family("stream_state", "gauge", "1 for the state that the stream is in, 0 for the others.");
    for (id, standing) in &streams {
        for phase in Phase::ALL {
            out.sample("stream_state", &[("stream", id), ("state", phase.name())], u8::from(standing.phase() == phase));
        }
    }
    out.family("stream_packets_total", "counter", "Packets that were read from inputs and written to outputs.");
    for (id, counts) in &counts {
        out.sample("stream_packets_total", &[("stream", id), ("direction", "read")], counts.packets_read);
        out.sample("stream_packets_total", &[("stream", id), ("direction", "written")], counts.packets_written);
    }
    out.family("stream_bytes_total", "counter", "Payload of these packets.");
    for (id, counts) in &counts {
        out.sample("stream_bytes_total", &[("stream", id), ("direction", "read")], counts.bytes_read);
        out.sample("stream_bytes_total", &[("stream", id), ("direction", "written")], counts.bytes_written);
    }
    out.family(
        "stream_reconnects_total",
        "counter",
        "What was taken up again: a connection, a request, an input, the whole stream.",
    );
    for ((id, counts), (_, standing)) in counts.iter().zip(&streams) {
        for (cause, value) in [
            ("connection", counts.reconnects),
            ("request", counts.retries),
            ("input", counts.reopened),
            ("stream", standing.restarts),
        ] {
            out.sample("stream_reconnects_total", &[("stream", id), ("cause", cause)], value);
        }
    }
    type Count = fn(&super::counts::Counts) -> u64;
    let counters: [(&str, &str, Count); 5] = [
        ("stream_gaps_total", "Holes in the media.", |counts| counts.gaps),
        ("stream_segments_lost_total", "Segments that were lost, whole or in part.", |counts| counts.segments_lost),
        ("stream_http_requests_total", "HTTP requests for media, retries and redirects included.", |counts| counts.requests),
        ("stream_unauthorized_total", "Requests that a media server answered with 401.", |counts| counts.http_401),
        ("stream_token_swaps_total", "Changes of token while media ran.", |counts| counts.token_swaps),
    ];
    for (name, help, count) in counters {
        out.family(name, "counter", help);
        counts.iter().for_each(|(id, counts)| out.sample(name, &[("stream", id)], count(counts)));
    }
    out.family("stream_failures_total", "counter", "Jobs of the stream that failed.");
    streams.iter().for_each(|(id, standing)| out.sample("stream_failures_total", &[("stream", id)], standing.failures));
    out.family(
        "stream_output_lag_seconds",
        "gauge",
        "How far the written media is behind the clock, measured from where it was best.",
    );
    for (id, standing) in &streams {
        if let Some(lag) = standing.lag(now) {
            out.sample("stream_output_lag_seconds", &[("stream", id)], format_args!("{lag:.3}"));
        }
    }
}

fn tokens(out: &mut Metrics, registry: &Registry, now: &Now) {
    let states = registry.shared().session().token_states();
    type Value = fn(&TokenState, &Now) -> Option<f64>;
    let gauges: [(&str, &str, Value); 3] = [
        ("token_age_seconds", "Age of the newest token.", |state, _| Some(state.age?.as_secs_f64())),
        ("token_expiry_timestamp_seconds", "When the newest token expires.", |state, now| {
            let left = state.remaining?;
            Some((now.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + left).as_secs_f64())
        }),
        ("token_generation", "Counts the tokens of the profile since the daemon began.", |state, _| {
            Some(state.generation as f64)
        }),
    ];
    for (name, help, value) in gauges {
        out.family(name, "gauge", help);
        for (profile, state) in &states {
            if let Some(value) = value(state, now) {
                out.sample(name, &[("profile", profile)], format_args!("{value:.3}"));
            }
        }
    }
    out.family("token_refresh_failures_total", "counter", "Token requests that brought no token.");
    states.iter().for_each(|(name, state)| out.sample("token_refresh_failures_total", &[("profile", name)], state.failures));
    out.family("token_refresh_duration_seconds", "summary", "How long the token requests took that brought a token.");
    for (profile, state) in &states {
        let took = state.took.as_secs_f64();
        out.sample("token_refresh_duration_seconds_sum", &[("profile", profile)], format_args!("{took:.6}"));
        out.sample("token_refresh_duration_seconds_count", &[("profile", profile)], state.refreshes);
    }
}

/// The metrics that Prometheus' own client libraries give of a process, as far as `/proc` has them.
fn process(out: &mut Metrics, started: &Now) {
    let start = started.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    out.plain("process_start_time_seconds", "gauge", "When the daemon began.", format_args!("{start:.3}"));
    let usage = crate::libav::process::usage();
    let cpu = (usage.user + usage.system).as_secs_f64();
    out.plain("process_cpu_seconds_total", "counter", "User and system CPU time.", format_args!("{cpu:.3}"));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok());
    if let Some(kilobytes) = field("VmRSS:") {
        out.plain("process_resident_memory_bytes", "gauge", "Resident memory.", kilobytes * 1024);
    }
    if let Some(threads) = field("Threads:") {
        out.plain("process_threads", "gauge", "Threads.", threads);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        out.plain("process_open_fds", "gauge", "Open file descriptors.", files.count());
    }
}

/// Text in the making. Writing to a String cannot fail.
struct Metrics(String);

impl Metrics {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP ffauth_{name} {help}\n# TYPE ffauth_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "ffauth_{name}{{");
        for (index, (label, text)) in labels.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{comma}{label}=\"{text}\"");
        }
        let _ = writeln!(self.0, "}} {value}");
    }

    fn plain(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
}
