//! From nodes and pods to a plan; pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{MARKS, Mark, Plan, Policy, Step, TAINT};
use crate::node_report::CONDITION;

/// What matters of a node.
struct Node<'a> {
    name: &'a str,
    version: &'a str,
    cordoned: bool,
    taints: Vec<Value>,
    marks: BTreeSet<Mark>,
    verdict: Verdict<'a>,
}

enum Verdict<'a> {
    Well,
    /// Since when, and why.
    Unwell(Option<Timestamp>, &'a str),
    /// It says nothing, or that it does not know: nothing is done and nothing
    /// taken back.
    Unknown,
}

/// Plans what is to be done about the nodes, and what is to be taken back.
#[must_use]
pub fn plan(nodes: &[Value], pods: &[Value], policy: &Policy, now: Timestamp) -> Plan {
    let nodes: Vec<Node<'_>> = nodes.iter().map(Node::of).collect();
    let mut plan = Plan::default();
    let mut acted = nodes.iter().filter(|node| !node.marks.is_empty()).count();
    for node in &nodes {
        match node.verdict {
            // Nothing is declared any more: what was done is no use to anybody.
            Verdict::Unknown if !node.marks.is_empty() && policy.is_nothing() => {
                plan.steps.push(node.mark(BTreeSet::new(), "nothing is declared to be done"));
            }
            Verdict::Unknown => {}
            Verdict::Well if node.marks.is_empty() => {}
            Verdict::Well => {
                acted -= 1;
                plan.steps.push(node.mark(BTreeSet::new(), "its GPUs are well again"));
            }
            Verdict::Unwell(since, message) => {
                if let Some(held) = node.held(since, policy, acted, now) {
                    plan.held.push((node.name.to_owned(), held));
                    continue;
                }
                let wanted = node.wanted(policy);
                if wanted != node.marks {
                    acted += usize::from(node.marks.is_empty());
                    plan.steps.push(node.mark(wanted, message));
                }
                if policy.drain {
                    plan.steps.extend(pods.iter().filter_map(|pod| node.evict(pod)));
                }
            }
        }
    }
    plan
}

impl<'a> Node<'a> {
    fn of(node: &'a Value) -> Self {
        let text = |path: &str| node.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let marks =
            node.pointer("/metadata/annotations").and_then(|all| all.get(MARKS)).and_then(Value::as_str);
        let marks = marks.unwrap_or_default().split(',');
        Self {
            name: text("/metadata/name"),
            version: text("/metadata/resourceVersion"),
            cordoned: node.pointer("/spec/unschedulable") == Some(&Value::Bool(true)),
            taints: node.pointer("/spec/taints").and_then(Value::as_array).cloned().unwrap_or_default(),
            marks: [Mark::Taint, Mark::Cordon]
                .into_iter()
                .filter(|mark| marks.clone().any(|name| name == mark.name()))
                .collect(),
            verdict: Verdict::of(node),
        }
    }

    /// Why nothing is done yet, if so.
    fn held(
        &self,
        since: Option<Timestamp>,
        policy: &Policy,
        acted: usize,
        now: Timestamp,
    ) -> Option<String> {
        if !self.marks.is_empty() {
            return None;
        }
        let unwell = since.map(|since| now.duration_since(since));
        if unwell.is_none_or(|unwell| unwell < policy.after) {
            return Some(format!("it has not been unwell for {} s", policy.after.as_secs()));
        }
        let most = policy.maximum_nodes;
        (acted >= most).then(|| format!("{acted} nodes are acted on already, at most {most} may be"))
    }

    /// What should be on an unwell node. A node that somebody else cordoned
    /// stays his.
    fn wanted(&self, policy: &Policy) -> BTreeSet<Mark> {
        let mut marks = BTreeSet::new();
        if policy.taint {
            marks.insert(Mark::Taint);
        }
        if policy.cordon && (!self.cordoned || self.marks.contains(&Mark::Cordon)) {
            marks.insert(Mark::Cordon);
        }
        marks
    }

    fn mark(&self, marks: BTreeSet<Mark>, reason: &str) -> Step {
        let mut taints = self.taints.clone();
        taints.retain(|taint| taint["key"] != TAINT);
        if marks.contains(&Mark::Taint) {
            taints.push(json!({"key": TAINT, "effect": "NoSchedule"}));
        }
        Step::Mark {
            node: self.name.to_owned(),
            marks,
            before: self.marks.clone(),
            version: self.version.to_owned(),
            taints,
            reason: reason.to_owned(),
        }
    }

    /// The eviction of a pod, where it is on this node, has a GPU and can go.
    fn evict(&self, pod: &Value) -> Option<Step> {
        let text = |path: &str| pod.pointer(path).and_then(Value::as_str);
        let here = text("/spec/nodeName") == Some(self.name);
        let over = matches!(text("/status/phase"), Some("Succeeded" | "Failed"));
        let going = pod.pointer("/metadata/deletionTimestamp").is_some();
        // The kubelet itself runs it, from a file.
        let mirror = pod.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_some();
        // It would come back at once, taint or not.
        let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let daemon = owners.into_iter().flatten().any(|owner| owner["kind"] == "DaemonSet");
        if !here || over || going || mirror || daemon || !has_gpu(pod) {
            return None;
        }
        Some(Step::Evict {
            node: self.name.to_owned(),
            namespace: text("/metadata/namespace")?.to_owned(),
            pod: text("/metadata/name")?.to_owned(),
            uid: text("/metadata/uid")?.to_owned(),
        })
    }
}

impl<'a> Verdict<'a> {
    fn of(node: &'a Value) -> Self {
        let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
        let Some(condition) = conditions.into_iter().flatten().find(|one| one["type"] == CONDITION) else {
            return Self::Unknown;
        };
        match condition["status"].as_str() {
            Some("True") => Self::Well,
            Some("False") => Self::Unwell(
                condition["lastTransitionTime"].as_str().and_then(|time| time.parse().ok()),
                condition["message"].as_str().unwrap_or("its GPUs are not well"),
            ),
            _ => Self::Unknown,
        }
    }
}

/// Whether a container of the pod has a GPU or a part of one.
fn has_gpu(pod: &Value) -> bool {
    ["/spec/containers", "/spec/initContainers"]
        .iter()
        .filter_map(|path| pod.pointer(path)?.as_array())
        .flatten()
        .filter_map(|container| container.pointer("/resources/limits")?.as_object())
        .flat_map(serde_json::Map::keys)
        .any(|resource| resource.starts_with("nvidia.com/"))
}
