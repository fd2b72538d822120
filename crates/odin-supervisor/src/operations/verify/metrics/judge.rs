//! What Prometheus' answers mean. Pure: answers in, findings out.
//!
//! Fields are those of Prometheus' HTTP API v1, named as there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;

use crate::operations::verify::stack::Finding;

/// Names shown of a longer list.
const SHOWN: usize = 5;

/// What every answer is wrapped in.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<T> {
    pub(super) data: T,
}

/// Labels of a series.
pub(super) type Series = BTreeMap<String, String>;

/// `/api/v1/targets`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Targets {
    active_targets: Vec<Target>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    labels: Series,
    health: String,
    last_error: String,
    scrape_interval: String,
}

impl Target {
    fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

impl Targets {
    /// Whether every target was tried at least once.
    pub(super) fn settled(&self) -> bool {
        !self.active_targets.is_empty() && self.active_targets.iter().all(|target| target.health != "unknown")
    }

    /// The longest interval of each job.
    pub(super) fn intervals(&self) -> Result<BTreeMap<String, Duration>, String> {
        let mut intervals = BTreeMap::new();
        for target in &self.active_targets {
            let interval = seconds(&target.scrape_interval)?;
            let longest = intervals.entry(target.label("job").to_owned()).or_insert(interval);
            *longest = interval.max(*longest);
        }
        Ok(intervals)
    }
}

/// A duration as Prometheus writes it, such as `1m30s`.
fn seconds(text: &str) -> Result<Duration, String> {
    let parsed: Result<SignedDuration, _> = text.parse();
    parsed
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| format!("Prometheus told an interval that is none: {text:?}"))
}

/// Every target was scraped at its last try.
pub(super) fn up(targets: &Targets) -> Finding {
    let all = &targets.active_targets;
    if all.is_empty() {
        return Err("Prometheus knows no target".to_owned());
    }
    let down: Vec<String> = all
        .iter()
        .filter(|target| target.health != "up")
        .map(|target| {
            let why = if target.last_error.is_empty() { &target.health } else { &target.last_error };
            format!("{} at {}: {why}", target.label("job"), target.label("instance"))
        })
        .collect();
    if down.is_empty() { Ok(format!("{} targets", all.len())) } else { Err(list(&down)) }
}

/// Every job that must be there has a target.
pub(super) fn found(targets: &Targets, expected: &BTreeSet<&str>) -> Finding {
    let jobs: BTreeSet<&str> = targets.active_targets.iter().map(|target| target.label("job")).collect();
    let missing: Vec<String> =
        expected.difference(&jobs).map(|job| format!("job {job} has no target")).collect();
    if missing.is_empty() { Ok(jobs.into_iter().collect::<Vec<_>>().join(", ")) } else { Err(list(&missing)) }
}

/// The newest sample of each job is younger than two of its intervals.
pub(super) fn fresh(ages: &BTreeMap<String, f64>, intervals: &BTreeMap<String, Duration>) -> Finding {
    let stale: Vec<String> = intervals
        .iter()
        .filter_map(|(job, interval)| match ages.get(job) {
            None => Some(format!("job {job} has no sample")),
            // Not finite, or beyond the limit: either way not fresh.
            Some(age) if *age <= 2.0 * interval.as_secs_f64() => None,
            Some(age) => Some(format!("the newest sample of job {job} is {age:.0} s old")),
        })
        .collect();
    let oldest = ages.values().copied().fold(0.0, f64::max);
    match (intervals.is_empty(), stale.is_empty()) {
        (true, _) => Err("Prometheus knows no job".to_owned()),
        (false, false) => Err(list(&stale)),
        (false, true) => Ok(format!("{} jobs, the oldest sample is {oldest:.1} s old", intervals.len())),
    }
}

/// `/api/v1/status/runtimeinfo`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Runtime {
    reload_config_success: bool,
    storage_retention: String,
}

/// Old samples go, by age and by size: the volume has no limit of its own.
pub(super) fn retention(runtime: &Runtime) -> Finding {
    let told = &runtime.storage_retention;
    let parts: Vec<&str> = told.split(" or ").collect();
    let by_size = parts.iter().any(|part| part.ends_with('B') && !part.starts_with('0'));
    let by_time = parts.iter().any(|part| !part.ends_with('B') && !part.is_empty() && !part.starts_with('0'));
    match (by_time, by_size) {
        (true, true) => Ok(told.clone()),
        (false, _) => Err(format!("no retention by time is set: {told:?}")),
        (true, false) => Err(format!("no retention by size is set: {told:?}")),
    }
}

/// `/api/v1/rules`.
#[derive(Debug, Deserialize)]
pub(super) struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    name: String,
    health: String,
    #[serde(default)]
    last_error: String,
}

impl Rules {
    /// Whether every rule was evaluated at least once.
    pub(super) fn settled(&self) -> bool {
        self.groups.iter().flat_map(|group| &group.rules).all(|rule| rule.health != "unknown")
    }
}

/// The configuration in force is the declared one, and its rules evaluate.
pub(super) fn rules(rules: &Rules, runtime: &Runtime) -> Finding {
    if !runtime.reload_config_success {
        return Err("Prometheus refused its configuration and runs with an older one".to_owned());
    }
    let all = rules.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
    let wrong: Vec<String> = all
        .clone()
        .filter(|(_, rule)| rule.health != "ok" || !rule.last_error.is_empty())
        .map(|(group, rule)| {
            let why = if rule.last_error.is_empty() { &rule.health } else { &rule.last_error };
            format!("{} of {}: {why}", rule.name, group.name)
        })
        .collect();
    match (all.count(), wrong.is_empty()) {
        (0, _) => Err("Prometheus has no rule".to_owned()),
        (_, false) => Err(list(&wrong)),
        (count, true) => Ok(format!("{count} rules in {} groups", rules.groups.len())),
    }
}

/// Why Prometheus throws samples of a scrape away, and the counter's name.
pub(super) const DROPPED: [(&str, &str); 3] = [
    ("duplicates", "duplicate_timestamp"),
    ("out of order", "out_of_order"),
    ("too old or too new", "out_of_bounds"),
];

/// No sample was thrown away.
pub(super) fn accepted(dropped: &[(&str, Option<f64>)]) -> Finding {
    let mut wrong = Vec::new();
    for (why, count) in dropped {
        match count {
            None => wrong.push(format!("Prometheus does not tell how many samples it dropped ({why})")),
            Some(count) if *count > 0.0 => {
                wrong.push(format!("{} samples were dropped in 15 min: {why}", count.ceil()));
            }
            Some(_) => {}
        }
    }
    if wrong.is_empty() { Ok("no sample was dropped in 15 min".to_owned()) } else { Err(list(&wrong)) }
}

/// `/api/v1/status/tsdb`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Storage {
    head_stats: Head,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    num_series: u64,
}

/// Counters of what went wrong in the storage, as the alert
/// `PrometheusStorageFailing` has them.
const FAILURES: [&str; 5] = [
    "compactions_failed",
    "head_truncations_failed",
    "reloads_failures",
    "wal_corruptions",
    "wal_writes_failed",
];

/// How many of those counters there are.
pub(super) fn failures_told() -> String {
    format!("count({{__name__=~\"prometheus_tsdb_({})_total\"}})", FAILURES.join("|"))
}

/// Those that rose in three hours, each with its name.
pub(super) fn failures() -> String {
    let one = |name: &&str| {
        format!(
            "label_replace(increase(prometheus_tsdb_{name}_total[3h]) > 0, \"what\", \"{name}\", \"\", \"\")"
        )
    };
    FAILURES.iter().map(one).collect::<Vec<_>>().join(" or ")
}

/// Series are kept, and nothing went wrong with writing them.
pub(super) fn storage(head: &Storage, told: &[Sample], failures: &[Sample]) -> Finding {
    let count = head.head_stats.num_series;
    if count == 0 {
        return Err("Prometheus keeps no series".to_owned());
    }
    if told.first().is_none_or(|sample| sample.value < FAILURES.len() as f64) {
        return Err("Prometheus does not tell how its storage is".to_owned());
    }
    let wrong: Vec<String> = failures
        .iter()
        .map(|one| format!("{} rose in 3 h", one.label("what").unwrap_or("a counter")))
        .collect();
    if wrong.is_empty() { Ok(format!("{count} series")) } else { Err(list(&wrong)) }
}

/// Every node is told of.
pub(super) fn object_state(nodes: usize, told: &[Sample]) -> Finding {
    match told.first().map(|sample| sample.value) {
        Some(count) if count == nodes as f64 => Ok(format!("tells of {nodes} nodes")),
        Some(count) => Err(format!("it tells of {count} nodes of {nodes}")),
        None => Err("it tells of no node".to_owned()),
    }
}

/// Result of an instant query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Vector {
    result_type: String,
    result: Vec<Value>,
}

/// One series and its value.
#[derive(Debug, PartialEq)]
pub(in crate::operations::verify) struct Sample {
    labels: Series,
    pub(in crate::operations::verify) value: f64,
}

impl Sample {
    /// A label, where the series has it.
    pub(in crate::operations::verify) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

impl Vector {
    pub(super) fn samples(self) -> Result<Vec<Sample>, String> {
        if self.result_type != "vector" {
            return Err(format!("Prometheus answered a {} where a vector was asked for", self.result_type));
        }
        let sample = |value: Value| {
            let labels = serde_json::from_value(value["metric"].clone()).ok()?;
            Some(Sample { labels, value: value["value"][1].as_str()?.parse().ok()? })
        };
        let samples: Option<Vec<Sample>> = self.result.into_iter().map(sample).collect();
        samples.ok_or_else(|| "Prometheus answered with something that is no sample".to_owned())
    }
}

/// The first of a list, and how many more there are.
pub(in crate::operations::verify) fn list(items: &[String]) -> String {
    let shown: Vec<&str> = items.iter().take(SHOWN).map(String::as_str).collect();
    match items.len().saturating_sub(SHOWN) {
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    }
}

#[cfg(test)]
mod tests;
