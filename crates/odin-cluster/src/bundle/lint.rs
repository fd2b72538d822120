//! Findings about a bundle that applies but should be better.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Bundle;
use crate::Error;
use crate::health;
use crate::object::{Declared, annotations};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The bundle cannot be used.
    Error,
    /// It can be used; someone will regret it.
    Warning,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// File or object it is about.
    pub place: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(formatter, "{severity}: {}: {}", self.place, self.message)
    }
}

/// The API server's datastore refuses larger objects.
const OBJECT_LIMIT: usize = 1024 * 1024;

/// Looks for everything that is wrong or unwise in a bundle.
#[must_use]
pub fn lint(dir: &Path) -> Vec<Finding> {
    match Bundle::open(dir) {
        Ok(bundle) => findings(&bundle),
        Err(Error::Bundle { file, reason, .. }) => {
            vec![Finding { severity: Severity::Error, place: file, message: reason }]
        }
        Err(error) => {
            vec![Finding {
                severity: Severity::Error,
                place: dir.display().to_string(),
                message: error.to_string(),
            }]
        }
    }
}

fn findings(bundle: &Bundle) -> Vec<Finding> {
    let mut found = Vec::new();
    let namespaces: BTreeSet<&str> = bundle
        .objects()
        .iter()
        .filter(|object| object.key.group.is_empty() && object.key.kind == "Namespace")
        .map(|object| object.key.name.as_str())
        .collect();
    for component in bundle.components() {
        if !bundle.objects().iter().any(|object| object.component == component.name) {
            found.push(warning(&component.name, "the component has no object".to_owned()));
        }
    }
    for object in bundle.objects() {
        let mut warn = |message: String| found.push(warning(&object.key.to_string(), message));
        look_at_size(object, &mut warn);
        look_at_metadata(object, &namespaces, &mut warn);
        look_at_pods(object, &mut warn);
    }
    found.sort_by(|left, right| (left.severity, &left.place).cmp(&(right.severity, &right.place)));
    found
}

fn warning(place: &str, message: String) -> Finding {
    Finding { severity: Severity::Warning, place: place.to_owned(), message }
}

fn look_at_size(object: &Declared, warn: &mut impl FnMut(String)) {
    let size = object.value.to_string().len();
    if size > OBJECT_LIMIT {
        warn(format!("it has {size} bytes; the API server refuses objects above {OBJECT_LIMIT}: split it"));
    }
}

fn look_at_metadata(object: &Declared, namespaces: &BTreeSet<&str>, warn: &mut impl FnMut(String)) {
    if let Some(namespace) = object.key.namespace.as_deref()
        && !namespaces.contains(namespace)
        && !matches!(namespace, "default" | "kube-system" | "kube-public" | "odin-system")
    {
        warn(format!("its namespace {namespace} is declared nowhere in the bundle"));
    }
    if object.value.pointer("/metadata/labels/app.kubernetes.io~1part-of").and_then(Value::as_str)
        != Some("odin")
    {
        warn("it lacks the label app.kubernetes.io/part-of=odin".to_owned());
    }
    let known = [annotations::SUSPEND, annotations::ALLOW_PRUNE, annotations::TAKE_OVER, annotations::HEALTH];
    let declared = object.value.pointer("/metadata/annotations").and_then(Value::as_object);
    for (name, value) in declared.into_iter().flatten() {
        if name.starts_with("odin.local/") && !known.contains(&name.as_str()) {
            warn(format!("annotation {name} is not one that odin knows"));
        }
        if name == annotations::SUSPEND {
            warn(format!(
                "annotation {name} is for live objects: declared, the object would never be applied"
            ));
        }
        if name == annotations::HEALTH && health::Rule::parse(value.as_str().unwrap_or_default()).is_none() {
            warn(format!("annotation {name} is neither `CONDITION=STATUS` nor `none`"));
        }
    }
}

fn look_at_pods(object: &Declared, warn: &mut impl FnMut(String)) {
    let Some(spec) = pod_spec(&object.value) else { return };
    for list in ["initContainers", "containers"] {
        for container in spec.get(list).and_then(Value::as_array).into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or("?");
            let image = container["image"].as_str().unwrap_or_default();
            let tag =
                image.rsplit_once('/').map_or(image, |(_, last)| last).split_once(':').map(|(_, tag)| tag);
            if !image.contains("@sha256:") && tag.is_none_or(|tag| tag == "latest") {
                warn(format!("container {name}: image {image:?} has no fixed tag"));
            }
            if container["imagePullPolicy"] == "Always" {
                warn(format!("container {name}: imagePullPolicy Always fails without a network"));
            }
            if container.pointer("/resources/requests").is_none() {
                warn(format!("container {name}: it requests no resources"));
            }
        }
    }
}

/// The pod template of a workload, or the pod itself.
pub(crate) fn pod_spec(value: &Value) -> Option<&Value> {
    let path = match value.get("kind")?.as_str()? {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => "/spec/template/spec",
        _ => return None,
    };
    value.pointer(path)
}
