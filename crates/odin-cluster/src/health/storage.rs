//! Predicates of volumes.

use serde_json::Value;

use super::{Health, Surroundings};

pub(super) fn claim(value: &Value, surroundings: &Surroundings) -> Health {
    let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default();
    match text("/status/phase") {
        "Bound" => Health::Healthy,
        "Lost" => Health::Failed(format!("its volume {} is gone", text("/spec/volumeName"))),
        _ => {
            let class = text("/spec/storageClassName");
            let name = format!("{}/{}", text("/metadata/namespace"), text("/metadata/name"));
            let late = surroundings.late_binding.contains(class);
            if late && !surroundings.used_claims.contains(&name) {
                return Health::Healthy;
            }
            Health::waits(match (class, late) {
                ("", _) => "it has no storage class, so nothing binds it".to_owned(),
                (class, true) => format!("a pod uses it, and storage class {class} has not bound it yet"),
                (class, false) => format!("storage class {class} has not bound it yet"),
            })
        }
    }
}

pub(super) fn volume(value: &Value) -> Health {
    match value.pointer("/status/phase").and_then(Value::as_str) {
        Some("Available" | "Bound") => Health::Healthy,
        Some("Failed") => {
            let message = value.pointer("/status/message").and_then(Value::as_str);
            Health::Failed(message.unwrap_or("its reclamation failed").to_owned())
        }
        Some(phase) => Health::waits(format!("it is {phase}")),
        None => Health::waits("it has no phase yet"),
    }
}
