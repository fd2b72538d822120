//! Why an object is not healthy: its events, and what its containers said.

use kube::api::{ListParams, LogParams};
use kube::core::Request;
use serde_json::Value;

use crate::cluster::{Cluster, Resource};
use crate::health;

const EVENTS: usize = 5;
const LOG_LINES: i64 = 10;
const PODS: usize = 3;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// What its pods wait for.
    pub(super) pods: Vec<String>,
    pub(super) events: Vec<String>,
    pub(super) logs: Vec<String>,
}

/// Collects evidence; what cannot be had is left out, because the failure
/// itself must be told in any case.
pub(super) async fn evidence(cluster: &Cluster, live: &Value) -> Evidence {
    let mut evidence = Evidence::default();
    let Some(namespace) = live.pointer("/metadata/namespace").and_then(Value::as_str) else {
        return evidence;
    };
    let pods = pods_of(cluster, live, namespace).await;
    let mut about = events(cluster, live, namespace).await;
    for pod in &pods {
        if live["kind"] != "Pod" {
            let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let health = health::assess(pod, &health::Surroundings::default());
            evidence.pods.push(format!("pod {name} {health}"));
        }
        about.extend(events(cluster, pod, namespace).await);
        evidence.logs.extend(logs(cluster, pod, namespace).await);
    }
    about.sort();
    about.dedup();
    let first = about.len().saturating_sub(EVENTS);
    evidence.events = about.drain(first..).map(|(_, text)| text).collect();
    evidence
}

/// Pods of a workload that are not healthy.
async fn pods_of(cluster: &Cluster, live: &Value, namespace: &str) -> Vec<Value> {
    if live["kind"] == "Pod" {
        return vec![live.clone()];
    }
    let Some(labels) = live.pointer("/spec/selector/matchLabels").and_then(Value::as_object) else {
        return Vec::new();
    };
    let selector: Vec<String> =
        labels.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
    let params = ListParams::default().labels(&selector.join(","));
    let listed = cluster.list_by(&Resource::core("Pod", "pods", true), Some(namespace), &params).await;
    let sick = |pod: &Value| !health::assess(pod, &health::Surroundings::default()).is_healthy();
    listed.unwrap_or_default().into_iter().filter(sick).take(PODS).collect()
}

/// Events about an object, with the time they were last seen.
async fn events(cluster: &Cluster, live: &Value, namespace: &str) -> Vec<(String, String)> {
    let Some(uid) = live.pointer("/metadata/uid").and_then(Value::as_str) else { return Vec::new() };
    let params = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let listed = cluster.list_by(&Resource::core("Event", "events", true), Some(namespace), &params).await;
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    listed
        .unwrap_or_default()
        .iter()
        .map(|event| {
            let times = ["lastTimestamp", "eventTime"].map(|name| text(event, name));
            let time = times.into_iter().find(|time| !time.is_empty()).unwrap_or_default();
            let object = event.pointer("/involvedObject/name").and_then(Value::as_str).unwrap_or_default();
            let said = format!(
                "{} {object}: {}: {}",
                text(event, "type"),
                text(event, "reason"),
                text(event, "message")
            );
            (time, said)
        })
        .collect()
}

/// The last lines of containers that are not running well.
async fn logs(cluster: &Cluster, pod: &Value, namespace: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(name) = pod.pointer("/metadata/name").and_then(Value::as_str) else { return lines };
    for list in ["initContainerStatuses", "containerStatuses"] {
        let statuses = pod.pointer(&format!("/status/{list}")).and_then(Value::as_array);
        for status in statuses.into_iter().flatten().filter(|status| status["ready"] != true) {
            let Some(container) = status["name"].as_str() else { continue };
            // A container that waits to be restarted said its last words in
            // its previous life.
            let restarted = status["restartCount"].as_i64().unwrap_or(0) > 0
                && status.pointer("/state/waiting").is_some();
            let params = LogParams {
                container: Some(container.to_owned()),
                previous: restarted,
                tail_lines: Some(LOG_LINES),
                ..LogParams::default()
            };
            let path = Resource::core("Pod", "pods", true).path(Some(namespace));
            let Ok(request) = Request::new(path).logs(name, &params) else { continue };
            if let Ok(text) = cluster.client().request_text(request).await {
                lines.extend(text.lines().map(|line| format!("{name}/{container}: {line}")));
            }
        }
    }
    lines
}
