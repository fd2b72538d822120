//! What a node says of its own GPUs: labels, a condition, events.
//!
//! Written with the kubelet's identity, which may change its own node only,
//! and no taint (admission plugin NodeRestriction). Labels and condition of
//! others are never touched: which labels are ODIN's is written down in an
//! annotation, and the condition is merged by its type.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::Error;
use crate::cluster::{Cluster, Resource};
use crate::object::{Gvk, ObjectKey};

/// Type of the condition.
pub const CONDITION: &str = "GPUHealthy";
/// Annotation that lists the labels ODIN has set, by comma.
const LABELS: &str = "odin.local/gpu-labels";
/// An unchanged condition is written again after this long, as a sign of life.
const HEARTBEAT: SignedDuration = SignedDuration::from_mins(5);

/// What is said of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// All labels; those of an earlier report that are not among them go.
    pub labels: BTreeMap<String, String>,
    /// The condition; a node without GPUs has none.
    pub condition: Option<Condition>,
}

/// The condition `GPUHealthy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// True: all well. False: one is not. None: it cannot be known.
    pub status: Option<bool>,
    /// Why, in CamelCase.
    pub reason: String,
    /// Why, for a person.
    pub message: String,
}

/// Something that happened to a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEvent {
    /// When.
    pub time: Timestamp,
    /// What, in CamelCase.
    pub reason: String,
    /// What, for a person.
    pub message: String,
    /// Whether a person should look.
    pub warning: bool,
}

/// Changes that make a node say what the report says; none where it does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeChanges {
    /// Of its metadata, as a merge patch.
    pub metadata: Option<Value>,
    /// Of its status, as a strategic merge patch.
    pub status: Option<Value>,
}

/// Compares a node with a report.
#[must_use]
pub fn plan(node: &Value, report: &NodeReport, now: Timestamp) -> NodeChanges {
    NodeChanges { metadata: plan_labels(node, &report.labels), status: plan_condition(node, report, now) }
}

fn plan_labels(node: &Value, wanted: &BTreeMap<String, String>) -> Option<Value> {
    let present = node.pointer("/metadata/labels");
    let label = |key: &str| present.and_then(|labels| labels.get(key)).and_then(Value::as_str);
    let listed =
        node.pointer("/metadata/annotations").and_then(|all| all.get(LABELS)).and_then(Value::as_str);
    let before: BTreeSet<&str> =
        listed.unwrap_or_default().split(',').filter(|key| !key.is_empty()).collect();
    let mut changes = serde_json::Map::new();
    for (key, value) in wanted.iter().filter(|(key, value)| label(key) != Some(value.as_str())) {
        changes.insert(key.clone(), value.as_str().into());
    }
    for key in before.into_iter().filter(|key| !wanted.contains_key(*key) && label(key).is_some()) {
        changes.insert(key.to_owned(), Value::Null);
    }
    let list = wanted.keys().cloned().collect::<Vec<_>>().join(",");
    let another = listed.unwrap_or_default() != list;
    (another || !changes.is_empty()).then(|| {
        let list = if list.is_empty() { Value::Null } else { list.into() };
        json!({"metadata": {"labels": changes, "annotations": {LABELS: list}}})
    })
}

fn plan_condition(node: &Value, report: &NodeReport, now: Timestamp) -> Option<Value> {
    let all = node.pointer("/status/conditions").and_then(Value::as_array);
    let present = all.into_iter().flatten().find(|condition| condition["type"] == CONDITION);
    let Some(condition) = &report.condition else {
        // A machine that lost all its GPUs for good says nothing any more.
        return present.map(|_| json!({"status": {"conditions": [{"type": CONDITION, "$patch": "delete"}]}}));
    };
    let status = match condition.status {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let time = |name: &str| -> Option<Timestamp> { present?.get(name)?.as_str()?.parse().ok() };
    let same = |name: &str, value: &str| present.is_some_and(|present| present[name] == value);
    let alive =
        time("lastHeartbeatTime").is_some_and(|last| now.duration_since(last) < HEARTBEAT && last <= now);
    let told =
        same("status", status) && same("reason", &condition.reason) && same("message", &condition.message);
    if told && alive {
        return None;
    }
    let since = time("lastTransitionTime").filter(|_| same("status", status)).unwrap_or(now);
    Some(json!({"status": {"conditions": [{
        "type": CONDITION, "status": status, "reason": condition.reason, "message": condition.message,
        "lastHeartbeatTime": seconds(now), "lastTransitionTime": seconds(since),
    }]}}))
}

/// Kubernetes' times have whole seconds.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn nodes() -> Resource {
    Resource::core("Node", "nodes", false)
}

fn key(name: &str) -> ObjectKey {
    ObjectKey { group: String::new(), kind: "Node".to_owned(), namespace: None, name: name.to_owned() }
}

/// Name of the node whose kubelet the connection speaks for.
///
/// # Errors
/// When the server cannot be asked, or the identity is not a kubelet's.
pub async fn own_node(cluster: &Cluster) -> Result<String, Error> {
    const ACTION: &str = "ask who the kubelet is";
    let review =
        Resource::new(Gvk::new("authentication.k8s.io/v1", "SelfSubjectReview"), "selfsubjectreviews", false);
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let answer = cluster
        .create(&review, None, &body, false)
        .await
        .map_err(|failure| failure.into_error(ACTION, cluster))?;
    let name = answer.pointer("/status/userInfo/username").and_then(Value::as_str).unwrap_or_default();
    name.strip_prefix("system:node:").map(str::to_owned).ok_or_else(|| Error::Api {
        action: ACTION.to_owned(),
        code: None,
        reason: format!("the kubeconfig's identity is {name:?}, not a kubelet's (system:node:NAME)"),
    })
}

/// Makes a node say what the report says; whether anything was written.
///
/// # Errors
/// When the node is not there yet, or cannot be read or written.
pub async fn report(cluster: &Cluster, node: &str, report: &NodeReport) -> Result<bool, Error> {
    let fail = |action: &str| {
        let action = format!("{action} the node {node}");
        move |failure: crate::cluster::Failure| failure.into_error(&action, cluster)
    };
    let present = cluster.get(&nodes(), &key(node)).await.map_err(fail("read"))?;
    let Some(present) = present else {
        return Err(Error::Api {
            action: format!("report the GPUs of the node {node}"),
            code: Some(404),
            reason: "it has not registered yet".to_owned(),
        });
    };
    let changes = plan(&present, report, Timestamp::now());
    if let Some(change) = &changes.metadata {
        cluster.merge(&nodes(), &key(node), change, false).await.map_err(fail("label"))?;
    }
    if let Some(change) = &changes.status {
        cluster.merge_status(&nodes(), &key(node), change).await.map_err(fail("set a condition of"))?;
    }
    Ok(changes != NodeChanges::default())
}

/// Tells of something that happened to a node.
///
/// # Errors
/// When the event cannot be written.
pub async fn tell(cluster: &Cluster, node: &str, event: &NodeEvent) -> Result<(), Error> {
    let events = Resource::core("Event", "events", true);
    // As kubelet: the name is unique by time, the uid of a node is its name.
    let name = format!("{node}.{:x}", event.time.as_nanosecond());
    let time = seconds(event.time);
    let body = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": node, "uid": node},
        "reason": event.reason, "message": event.message,
        "type": if event.warning { "Warning" } else { "Normal" },
        "source": {"component": "odin-gpu", "host": node},
        "firstTimestamp": time, "lastTimestamp": time, "count": 1,
        "reportingComponent": "odin-gpu", "reportingInstance": node,
    });
    let made = cluster.create(&events, Some("default"), &body, false).await;
    made.map(drop)
        .map_err(|failure| failure.into_error(&format!("tell an event of the node {node}"), cluster))
}

#[cfg(test)]
mod tests;
