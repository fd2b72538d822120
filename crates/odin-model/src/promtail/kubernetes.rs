//! `kubernetes_sd_configs` and their `relabel_configs`.
//!
//! The receiver reads the files of all pods of its node, and the collector's
//! container operator tells namespace, pod and container from their paths.
//! Labels of pods come from the API (processor k8sattributes), so what is kept
//! by them is chosen after that, by a filter processor.

use serde_json::{Map, Value, json};

use super::section::{Notes, Section, scalar};
use super::selector::anchored;
use super::stages::Stages;
use super::{member, quoted};

/// What Promtail calls by which name, and where the container operator puts it.
const KNOWN: [(&str, &str); 4] = [
    ("__meta_kubernetes_namespace", "k8s.namespace.name"),
    ("__meta_kubernetes_pod_name", "k8s.pod.name"),
    ("__meta_kubernetes_pod_container_name", "k8s.container.name"),
    ("__meta_kubernetes_pod_uid", "k8s.pod.uid"),
];
const POD_LABEL: &str = "__meta_kubernetes_pod_label_";
const POD_ANNOTATION: &str = "__meta_kubernetes_pod_annotation_";

/// Processors that relabelling asks for.
#[derive(Debug, Default)]
pub(super) struct Relabelled {
    labels: Vec<Value>,
    annotations: Vec<Value>,
    /// Conditions under which a line goes.
    drop: Vec<String>,
}

impl Relabelled {
    /// The processors, with the names that tell whose they are.
    pub(super) fn processors(self, job: &str) -> Vec<(String, Value)> {
        let mut processors = Vec::new();
        let mut extract = Map::new();
        for (key, given) in [("labels", self.labels), ("annotations", self.annotations)] {
            if !given.is_empty() {
                extract.insert(key.to_owned(), given.into());
            }
        }
        if !extract.is_empty() {
            let association =
                json!([{ "sources": [{ "from": "resource_attribute", "name": "k8s.pod.uid" }] }]);
            processors.push((
                format!("k8sattributes/{job}"),
                json!({
                    "auth_type": "serviceAccount",
                    "filter": { "node_from_env_var": "NODE_NAME" },
                    "pod_association": association,
                    "extract": extract,
                }),
            ));
        }
        if !self.drop.is_empty() {
            processors.push((
                format!("filter/{job}"),
                json!({ "error_mode": "ignore", "log_conditions": self.drop }),
            ));
        }
        processors
    }
}

pub(super) fn relabel(configs: Vec<(String, Value)>, stages: &mut Stages, notes: &mut Notes) -> Relabelled {
    let mut relabelled = Relabelled::default();
    for (place, config) in configs {
        let mut config = Section::of(place, config, notes);
        if let Err(reason) = one(&mut config, stages, &mut relabelled, notes) {
            notes.add(config.place(), reason);
            continue;
        }
        config.finish(notes, "no such setting is understood here");
    }
    relabelled
}

fn one(
    config: &mut Section,
    stages: &mut Stages,
    relabelled: &mut Relabelled,
    notes: &mut Notes,
) -> Result<(), String> {
    let action = config.text("action", notes).unwrap_or_else(|| "replace".to_owned()).to_lowercase();
    let sources: Vec<String> = match config.take("source_labels") {
        Some(Value::Array(names)) => names.iter().filter_map(scalar).collect(),
        _ => Vec::new(),
    };
    let target = config.text("target_label", notes);
    let regex = config.text("regex", notes);
    let replacement = config.text("replacement", notes);
    config.ignore(&["separator"]);
    match action.as_str() {
        "replace" => {
            let target = target.ok_or("target_label is missing")?;
            // Which files, and of which node: the receiver knows both.
            if target == "__path__" || target == "__host__" {
                return Ok(());
            }
            let [source] = sources.as_slice() else {
                return match (sources.is_empty(), replacement) {
                    (true, Some(value)) if !value.contains('$') => {
                        stages.add_label(target, &value);
                        Ok(())
                    }
                    _ => {
                        Err("only one source label is understood, or none and a fixed replacement".to_owned())
                    }
                };
            };
            let plain = regex.as_deref().is_none_or(|regex| matches!(regex, "(.*)" | "(.+)" | ".*"))
                && replacement.as_deref().is_none_or(|with| with == "$1" || with == "${1}");
            if !plain {
                return Err("only a label's whole value is understood, not a part of it".to_owned());
            }
            rename(source, target, stages, relabelled)
        }
        "labelmap" => {
            let regex = regex.unwrap_or_default();
            let (kind, list) = if regex.starts_with(POD_LABEL) {
                (POD_LABEL, &mut relabelled.labels)
            } else if regex.starts_with(POD_ANNOTATION) {
                (POD_ANNOTATION, &mut relabelled.annotations)
            } else {
                return Err("only labels and annotations of pods are mapped".to_owned());
            };
            if !matches!(regex.strip_prefix(kind), Some("(.+)" | "(.*)")) || replacement.is_some() {
                return Err("only the whole name of a label is understood".to_owned());
            }
            list.push(json!({ "tag_name": "$$1", "key_regex": "(.*)", "from": "pod" }));
            stages.any_late = true;
            Ok(())
        }
        "keep" | "drop" => {
            let [source] = sources.as_slice() else {
                return Err("only one source label is understood".to_owned());
            };
            let regex = regex.ok_or("regex is missing")?;
            choose(action == "keep", source, &regex, stages, relabelled)
        }
        other => Err(format!("the action {other} is not understood")),
    }
}

/// Gives a value another name.
fn rename(
    source: &str,
    target: String,
    stages: &mut Stages,
    relabelled: &mut Relabelled,
) -> Result<(), String> {
    if let Some((_, attribute)) = KNOWN.iter().find(|(name, _)| *name == source) {
        let from = member("resource", attribute);
        let to = member("resource", &target);
        stages.push(json!({ "type": "copy", "from": from, "to": to }), Some(format!("{from} != nil")));
        stages.labels.insert(target, to);
        return Ok(());
    }
    match source {
        "__meta_kubernetes_pod_node_name" => {
            stages.add_label(target, "${NODE_NAME}");
            Ok(())
        }
        source => {
            extract(source, &target, relabelled)?;
            stages.late.insert(target);
            Ok(())
        }
    }
}

/// Asks for a label or an annotation of the pod.
fn extract(source: &str, tag: &str, relabelled: &mut Relabelled) -> Result<(), String> {
    let (name, list) = if let Some(name) = source.strip_prefix(POD_LABEL) {
        (name, &mut relabelled.labels)
    } else if let Some(name) = source.strip_prefix(POD_ANNOTATION) {
        (name, &mut relabelled.annotations)
    } else {
        return Err(format!("the collector has nothing like {source}"));
    };
    // Promtail writes `_` for every sign that a label must not have.
    let key: Vec<&str> = name.split('_').collect();
    let key = key.join("[^A-Za-z0-9]");
    list.push(json!({ "tag_name": tag, "key_regex": format!("^{key}$$"), "from": "pod" }));
    Ok(())
}

/// Keeps or drops the lines of some pods.
fn choose(
    keep: bool,
    source: &str,
    regex: &str,
    stages: &mut Stages,
    relabelled: &mut Relabelled,
) -> Result<(), String> {
    let pattern = quoted(&anchored(regex));
    if let Some((_, attribute)) = KNOWN.iter().find(|(name, _)| *name == source) {
        let matches = format!("({} ?? \"\") matches {pattern}", member("resource", attribute));
        stages.drop_when(&if keep { format!("not ({matches})") } else { matches });
        return Ok(());
    }
    let attribute = format!("promtail.{}", source.trim_start_matches("__meta_kubernetes_"));
    extract(source, &attribute, relabelled)?;
    let value = format!("resource.attributes[\"{attribute}\"]");
    let matches = format!("IsMatch({value}, {pattern})");
    // A label that is absent is kept by no pattern and dropped by none.
    relabelled.drop.push(if keep {
        format!("{value} == nil or not {matches}")
    } else {
        format!("{value} != nil and {matches}")
    });
    Ok(())
}
