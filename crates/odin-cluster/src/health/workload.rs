//! Predicates of what runs pods.

use serde_json::Value;

use super::{Health, condition, explained, is_observed, number};

/// Stops at the first thing that is missing.
fn unless(holds: bool, reason: impl FnOnce() -> String) -> Result<(), Health> {
    if holds { Ok(()) } else { Err(Health::Progressing(reason())) }
}

fn seen(value: &Value) -> Result<(), Health> {
    unless(is_observed(value), || "its controller has not seen the present specification".to_owned())
}

fn settle(result: Result<(), Health>) -> Health {
    result.err().unwrap_or(Health::Healthy)
}

pub(super) fn deployment(value: &Value) -> Health {
    settle(try_deployment(value))
}

fn try_deployment(value: &Value) -> Result<(), Health> {
    seen(value)?;
    if let Some(failure) =
        condition(value, "ReplicaFailure").filter(|condition| condition["status"] == "True")
    {
        // Quotas and admission may yet let it through.
        return Err(Health::Progressing(explained(failure)));
    }
    if let Some(progress) = condition(value, "Progressing")
        && progress["reason"] == "ProgressDeadlineExceeded"
    {
        return Err(Health::Failed(explained(progress)));
    }
    let wanted = number(value, "/spec/replicas").unwrap_or(1);
    let status = |name: &str| number(value, &format!("/status/{name}")).unwrap_or(0);
    let (updated, total, available) =
        (status("updatedReplicas"), status("replicas"), status("availableReplicas"));
    unless(updated >= wanted, || format!("{updated} of {wanted} replicas are of the present revision"))?;
    unless(total <= updated, || format!("{} old replicas are still there", total - updated))?;
    unless(available >= wanted, || format!("{available} of {wanted} replicas are available"))
}

pub(super) fn stateful_set(value: &Value) -> Health {
    settle(try_stateful_set(value))
}

fn try_stateful_set(value: &Value) -> Result<(), Health> {
    seen(value)?;
    let wanted = number(value, "/spec/replicas").unwrap_or(1);
    let status = |name: &str| number(value, &format!("/status/{name}")).unwrap_or(0);
    let ready = status("readyReplicas");
    unless(ready >= wanted, || format!("{ready} of {wanted} replicas are ready"))?;
    if value.pointer("/spec/updateStrategy/type").and_then(Value::as_str) == Some("OnDelete") {
        return Ok(());
    }
    let partition = number(value, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    let (updated, due) = (status("updatedReplicas"), (wanted - partition).max(0));
    let revision = |name: &str| value.pointer(&format!("/status/{name}")).and_then(Value::as_str);
    let done = partition == 0 && revision("updateRevision") == revision("currentRevision");
    unless(done || updated >= due, || format!("{updated} of {due} replicas are of the present revision"))
}

pub(super) fn daemon_set(value: &Value) -> Health {
    settle(try_daemon_set(value))
}

fn try_daemon_set(value: &Value) -> Result<(), Health> {
    seen(value)?;
    let status = |name: &str| number(value, &format!("/status/{name}")).unwrap_or(0);
    let wanted = status("desiredNumberScheduled");
    let (updated, ready) = (status("updatedNumberScheduled"), status("numberAvailable"));
    let rolling = value.pointer("/spec/updateStrategy/type").and_then(Value::as_str) != Some("OnDelete");
    unless(!rolling || updated >= wanted, || {
        format!("{updated} of {wanted} pods are of the present revision")
    })?;
    unless(ready >= wanted, || format!("{ready} of {wanted} pods are available"))
}

pub(super) fn replica_set(value: &Value) -> Health {
    let check = || {
        seen(value)?;
        let wanted = number(value, "/spec/replicas").unwrap_or(1);
        let available = number(value, "/status/availableReplicas").unwrap_or(0);
        unless(available >= wanted, || format!("{available} of {wanted} replicas are available"))
    };
    settle(check())
}

pub(super) fn job(value: &Value) -> Health {
    if let Some(failed) = condition(value, "Failed").filter(|condition| condition["status"] == "True") {
        return Health::Failed(explained(failed));
    }
    if value.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        return Health::Healthy;
    }
    if condition(value, "Complete").is_some_and(|condition| condition["status"] == "True") {
        return Health::Healthy;
    }
    let status = |name: &str| number(value, &format!("/status/{name}")).unwrap_or(0);
    Health::waits(format!("it runs: {} active, {} failed attempts", status("active"), status("failed")))
}

pub(super) fn pod(value: &Value) -> Health {
    match value.pointer("/status/phase").and_then(Value::as_str) {
        Some("Succeeded") => Health::Healthy,
        Some("Failed") => {
            let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default();
            let (reason, message) = (text("/status/reason"), text("/status/message"));
            Health::Failed(if reason.is_empty() {
                container_trouble(value)
            } else {
                format!("{reason}: {message}")
            })
        }
        Some("Running")
            if condition(value, "Ready").is_some_and(|condition| condition["status"] == "True") =>
        {
            Health::Healthy
        }
        _ => {
            let trouble = container_trouble(value);
            if !trouble.is_empty() {
                return Health::Progressing(trouble);
            }
            let scheduled =
                condition(value, "PodScheduled").filter(|condition| condition["status"] == "False");
            Health::Progressing(
                scheduled.map_or_else(|| "its containers are not ready".to_owned(), explained),
            )
        }
    }
}

/// What holds the containers of a pod up, in words.
pub(crate) fn container_trouble(pod: &Value) -> String {
    let mut found = Vec::new();
    for list in ["initContainerStatuses", "containerStatuses"] {
        let statuses = pod.pointer(&format!("/status/{list}")).and_then(Value::as_array);
        for status in statuses.into_iter().flatten() {
            let name = status["name"].as_str().unwrap_or("?");
            let text = |path: &str| status.pointer(path).and_then(Value::as_str).unwrap_or_default();
            let waiting = text("/state/waiting/reason");
            let code = number(status, "/state/terminated/exitCode");
            if !matches!(waiting, "" | "ContainerCreating" | "PodInitializing") {
                found.push(format!("container {name}: {waiting}: {}", text("/state/waiting/message")));
            } else if let Some(code) = code.filter(|code| *code != 0) {
                found.push(format!(
                    "container {name} ended with exit code {code} ({})",
                    text("/state/terminated/reason")
                ));
            }
        }
    }
    found.join("; ")
}
