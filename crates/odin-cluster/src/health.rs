//! Health of objects: pure predicates on what the API server shows.
//!
//! A status counts only when its controller has seen the present
//! specification (`observedGeneration`): a failure of the specification before
//! must not condemn the one that mends it.

mod storage;
mod workload;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::object::{Gvk, annotation, annotations};

/// Health of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "health", content = "reason", rename_all = "kebab-case")]
pub enum Health {
    /// It does what it is for.
    Healthy,
    /// It is not there yet; the reason says what it waits for.
    Progressing(String),
    /// It will not get there by itself; the reason says why.
    Failed(String),
}

impl fmt::Display for Health {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => formatter.write_str("healthy"),
            Self::Progressing(reason) => write!(formatter, "progressing: {reason}"),
            Self::Failed(reason) => write!(formatter, "failed: {reason}"),
        }
    }
}

impl Health {
    /// Whether it is healthy.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        *self == Self::Healthy
    }

    pub(crate) fn waits(reason: impl Into<String>) -> Self {
        Self::Progressing(reason.into())
    }
}

/// What a predicate needs to know besides the object.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Storage classes that bind a claim only when a pod uses it.
    pub late_binding: BTreeSet<String>,
    /// Claims that a pod uses, as `namespace/name`.
    pub used_claims: BTreeSet<String>,
}

/// How a custom resource says that it is healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A condition must have a status.
    Condition {
        /// Type of the condition.
        condition: String,
        /// Status it must have.
        status: String,
    },
    /// It is not asked.
    None,
}

impl Rule {
    /// Reads `CONDITION=STATUS` or `none`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::None);
        }
        let (condition, status) = text.split_once('=')?;
        let (condition, status) = (condition.trim().to_owned(), status.trim().to_owned());
        (!condition.is_empty() && !status.is_empty()).then_some(Self::Condition { condition, status })
    }
}

/// Whether objects of a kind can be anything but healthy once they exist.
#[must_use]
pub fn has_status(value: &Value) -> bool {
    if annotation(value, annotations::HEALTH).is_some() {
        return true;
    }
    let Some(gvk) = Gvk::of(value) else { return false };
    match gvk.group.as_str() {
        "apps" | "apiextensions.k8s.io" | "apiregistration.k8s.io" => true,
        "batch" => gvk.kind == "Job",
        "" => matches!(
            gvk.kind.as_str(),
            "Namespace"
                | "Pod"
                | "PersistentVolumeClaim"
                | "PersistentVolume"
                | "Service"
                | "ReplicationController"
        ),
        "policy" => gvk.kind == "PodDisruptionBudget",
        _ => false,
    }
}

/// Judges an object by what it shows.
#[must_use]
pub fn assess(value: &Value, surroundings: &Surroundings) -> Health {
    if value.pointer("/metadata/deletionTimestamp").is_some() {
        return Health::waits("it is being deleted");
    }
    if let Some(rule) = annotation(value, annotations::HEALTH) {
        return match Rule::parse(rule) {
            Some(rule) => by_rule(value, &rule),
            None => Health::Failed(format!("its annotation {} = {rule:?} is no rule", annotations::HEALTH)),
        };
    }
    let Some(gvk) = Gvk::of(value) else { return Health::Healthy };
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps", "Deployment") => workload::deployment(value),
        ("apps", "StatefulSet") => workload::stateful_set(value),
        ("apps", "DaemonSet") => workload::daemon_set(value),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workload::replica_set(value),
        ("batch", "Job") => workload::job(value),
        ("", "Pod") => workload::pod(value),
        ("", "PersistentVolumeClaim") => storage::claim(value, surroundings),
        ("", "PersistentVolume") => storage::volume(value),
        ("", "Service") => service(value),
        ("", "Namespace") => namespace(value),
        ("policy", "PodDisruptionBudget") => budget(value),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(value),
        ("apiregistration.k8s.io", "APIService") => by_condition(value, "Available", "True"),
        // CronJobs, Ingresses and everything without a status of its own are
        // what they should be once they are stored.
        _ => Health::Healthy,
    }
}

/// Whether a controller has seen the present specification.
fn is_observed(value: &Value) -> bool {
    match (number(value, "/metadata/generation"), number(value, "/status/observedGeneration")) {
        (Some(generation), Some(observed)) => observed >= generation,
        (Some(_), None) => false,
        (None, _) => true,
    }
}

fn number(value: &Value, path: &str) -> Option<i64> {
    value.pointer(path).and_then(Value::as_i64)
}

fn condition<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let conditions = value.pointer("/status/conditions").and_then(Value::as_array)?;
    conditions.iter().find(|condition| condition["type"] == name)
}

/// Reason and message of a condition.
fn explained(condition: &Value) -> String {
    let text = |name: &str| condition[name].as_str().unwrap_or_default();
    match (text("reason"), text("message")) {
        ("", "") => format!("condition {} is {}", text("type"), text("status")),
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

fn by_rule(value: &Value, rule: &Rule) -> Health {
    match rule {
        Rule::None => Health::Healthy,
        Rule::Condition { condition, status } => by_condition(value, condition, status),
    }
}

fn by_condition(value: &Value, name: &str, status: &str) -> Health {
    // Many controllers note the generation in the condition itself.
    let generation = number(value, "/metadata/generation");
    let stale =
        |seen: Option<i64>| matches!((generation, seen), (Some(generation), Some(seen)) if seen < generation);
    if stale(number(value, "/status/observedGeneration")) {
        return Health::waits("its controller has not seen the present specification");
    }
    match condition(value, name) {
        None => Health::waits(format!("it has no condition {name} yet")),
        Some(found) if stale(found["observedGeneration"].as_i64()) => {
            Health::waits(format!("its condition {name} is about an earlier specification"))
        }
        Some(found) if found["status"] == status => Health::Healthy,
        Some(found) => Health::waits(explained(found)),
    }
}

fn service(value: &Value) -> Health {
    if value.pointer("/spec/type").and_then(Value::as_str) != Some("LoadBalancer") {
        return Health::Healthy;
    }
    let ingress = value.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    if ingress.is_some_and(|ingress| !ingress.is_empty()) {
        Health::Healthy
    } else {
        Health::waits("its load balancer has no address yet")
    }
}

fn namespace(value: &Value) -> Health {
    match value.pointer("/status/phase").and_then(Value::as_str) {
        Some("Active") => Health::Healthy,
        Some(phase) => Health::waits(format!("it is {phase}")),
        None => Health::waits("it has no phase yet"),
    }
}

/// A budget that allows too little says something about its pods, which have
/// a health of their own: it only has to be seen.
fn budget(value: &Value) -> Health {
    if is_observed(value) { Health::Healthy } else { Health::waits("its controller has not seen it yet") }
}

fn definition(value: &Value) -> Health {
    if let Some(names) = condition(value, "NamesAccepted")
        && names["status"] == "False"
    {
        return Health::Failed(explained(names));
    }
    by_condition(value, "Established", "True")
}

#[cfg(test)]
mod tests;
