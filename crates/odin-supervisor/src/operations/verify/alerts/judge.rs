//! What Alertmanager's answers mean. Pure: answers in, findings out.
//!
//! Fields are those of Alertmanager's HTTP API v2, named as there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::operations::verify::stack::Finding;

/// An alert that was not repeated for so long is a memory: Prometheus repeats
/// what fires every minute.
const REPEATED: SignedDuration = SignedDuration::from_mins(3);

/// `/api/v2/status`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    config: Original,
    version_info: Version,
}

#[derive(Debug, Deserialize)]
struct Original {
    original: String,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: String,
}

/// A receiver, by its name.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Receiver {
    pub(super) name: String,
}

/// `/api/v2/alerts`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    pub(super) fingerprint: String,
    pub(super) receivers: Vec<Receiver>,
    pub(super) status: Status,
    updated_at: Timestamp,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) state: String,
    pub(super) silenced_by: Vec<String>,
}

/// `/api/v2/silence/ID`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Silence {
    pub(super) created_by: String,
    pub(super) ends_at: Timestamp,
    pub(super) status: SilenceStatus,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct SilenceStatus {
    pub(super) state: String,
}

/// It runs with a configuration that it took at its last try.
pub(super) fn ready(state: &State, receivers: &[Receiver], metrics: &str) -> Finding {
    let loaded = values(metrics, "alertmanager_config_last_reload_successful");
    match loaded.first() {
        None => return Err("Alertmanager does not tell whether it took its configuration".to_owned()),
        Some((_, loaded)) if *loaded != 1.0 => {
            return Err("Alertmanager refused its configuration and runs with an older one".to_owned());
        }
        Some(_) => {}
    }
    if state.config.original.is_empty() || receivers.is_empty() {
        return Err("Alertmanager has no receiver in its configuration".to_owned());
    }
    // A build outside its release has none.
    let version = match state.version_info.version.as_str() {
        "" => "version unknown",
        version => version,
    };
    Ok(format!("{version}, receivers: {}", names(receivers)))
}

/// The alert that always fires is there and was repeated lately.
pub(super) fn watchdog(alerts: &[Alert], now: Timestamp) -> Finding {
    let newest = alerts.iter().map(|alert| alert.updated_at).max();
    let newest = newest.ok_or("the alert that always fires has not arrived in Alertmanager")?;
    let age = now.duration_since(newest);
    if age > REPEATED {
        return Err(format!("the alert that always fires was last repeated {} s ago", age.as_secs()));
    }
    Ok(format!("Prometheus repeated it {} s ago", age.as_secs().max(0)))
}

/// No notification failed since Alertmanager started.
pub(super) fn sent(metrics: &str) -> Finding {
    let total = values(metrics, "alertmanager_notifications_total");
    let failed = values(metrics, "alertmanager_notifications_failed_total");
    if !metrics.lines().any(|line| line.starts_with("alertmanager_build_info")) {
        return Err("Alertmanager does not tell of itself".to_owned());
    }
    // It has a series for each way of each receiver: without one there is none.
    if total.is_empty() {
        return Ok("no receiver is declared, so nobody is told".to_owned());
    }
    let mut by: BTreeMap<&str, f64> = BTreeMap::new();
    for (integration, count) in failed.iter().filter(|(_, count)| *count > 0.0) {
        *by.entry(integration).or_default() += count;
    }
    if by.is_empty() {
        let sent: f64 = total.iter().map(|(_, count)| count).sum();
        return Ok(format!("{sent} sent and none failed since Alertmanager started"));
    }
    let words: Vec<String> =
        by.iter().map(|(integration, count)| format!("{count} by {integration}")).collect();
    Err(format!("notifications failed since Alertmanager started: {}", words.join(", ")))
}

/// Names of receivers, each once.
pub(super) fn names(receivers: &[Receiver]) -> String {
    let names: BTreeSet<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// Values of a metric in Prometheus' text format, each with its integration.
fn values<'a>(page: &'a str, metric: &str) -> Vec<(&'a str, f64)> {
    let lines = page.lines().filter(|line| line.split(['{', ' ']).next() == Some(metric));
    lines
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let integration =
                series.split_once("integration=\"").and_then(|(_, rest)| rest.split('"').next());
            Some((integration.unwrap_or_default(), value.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests;
