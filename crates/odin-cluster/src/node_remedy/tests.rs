use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("a time")
}

fn all() -> Policy {
    Policy { taint: true, cordon: true, drain: true, after: SignedDuration::from_secs(60), maximum_nodes: 1 }
}

fn node(name: &str, status: &str, marks: &str) -> Value {
    let mut node = json!({
        "metadata": {"name": name, "resourceVersion": "7", "annotations": {MARKS: marks}},
        "spec": {"taints": [{"key": "theirs", "effect": "NoSchedule"}]},
        "status": {"conditions": [
            {"type": "Ready", "status": "True"},
            {"type": "GPUHealthy", "status": status, "message": "GPU-0 is lost", "lastTransitionTime": at(0).to_string()},
        ]},
    });
    if marks.contains("taint") {
        node["spec"]["taints"]
            .as_array_mut()
            .expect("taints")
            .push(json!({"key": TAINT, "effect": "NoSchedule"}));
    }
    if marks.contains("cordon") {
        node["spec"]["unschedulable"] = true.into();
    }
    node
}

fn pod(name: &str, resource: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "work", "uid": format!("uid-{name}")},
        "spec": {"nodeName": "a", "containers": [{"resources": {"limits": {resource: "1"}}}]},
        "status": {"phase": "Running"},
    })
}

fn told(nodes: &[Value], pods: &[Value], policy: &Policy, second: i64) -> Vec<String> {
    let plan = plan(nodes, pods, policy, at(second));
    let held = plan.held.iter().map(|(node, reason)| format!("hold {node}: {reason}"));
    plan.steps.iter().map(ToString::to_string).chain(held).collect()
}

#[test]
fn an_unwell_node_is_marked_and_drained_and_a_well_one_taken_back() {
    let pods = [pod("training", "nvidia.com/gpu"), pod("web", "cpu"), pod("small", "nvidia.com/mig-1g.10gb")];
    assert_eq!(
        told(&[node("a", "False", "")], &pods, &all(), 60),
        [
            "taint and cordon node a: GPU-0 is lost",
            "evict pod work/training from node a",
            "evict pod work/small from node a",
        ]
    );
    // What is done is not done again; a pod that is still there is asked again.
    assert_eq!(
        told(&[node("a", "False", "taint,cordon")], &pods[..2], &all(), 61),
        ["evict pod work/training from node a"]
    );
    assert_eq!(
        told(&[node("a", "True", "taint,cordon")], &pods, &all(), 62),
        ["untaint and uncordon node a: its GPUs are well again"]
    );
    assert_eq!(told(&[node("a", "True", "")], &pods, &all(), 63), Vec::<String>::new());
}

#[test]
fn nothing_is_done_too_early_to_too_many_or_on_a_guess() {
    let both = [node("a", "False", ""), node("b", "False", "")];
    assert_eq!(
        told(&both, &[], &all(), 59),
        ["hold a: it has not been unwell for 60 s", "hold b: it has not been unwell for 60 s"]
    );
    assert_eq!(
        told(&both, &[], &all(), 60),
        ["taint and cordon node a: GPU-0 is lost", "hold b: 1 nodes are acted on already, at most 1 may be",]
    );
    // A node that recovers makes room in the same plan.
    let one = [node("a", "True", "taint"), node("b", "False", "")];
    assert_eq!(
        told(&one, &[], &all(), 60),
        ["untaint node a: its GPUs are well again", "taint and cordon node b: GPU-0 is lost"]
    );
    assert_eq!(told(&[node("a", "Unknown", "taint")], &[], &all(), 60), Vec::<String>::new());
    assert_eq!(told(&[json!({"metadata": {"name": "a"}})], &[], &all(), 60), Vec::<String>::new());
}

#[test]
fn only_what_is_asked_for_is_done() {
    let policy = Policy { taint: true, cordon: false, drain: false, ..all() };
    let pods = [pod("training", "nvidia.com/gpu")];
    assert_eq!(told(&[node("a", "False", "")], &pods, &policy, 60), ["taint node a: GPU-0 is lost"]);
    // An action that is no longer declared is taken back.
    assert_eq!(
        told(&[node("a", "False", "taint,cordon")], &pods, &policy, 60),
        ["uncordon node a: GPU-0 is lost"]
    );
}

#[test]
fn what_others_did_to_the_node_stays() {
    let mut cordoned = node("a", "False", "");
    cordoned["spec"]["unschedulable"] = true.into();
    let made = plan(&[cordoned], &[], &all(), at(60));
    let Some(Step::Mark { marks, taints, version, .. }) = made.steps.first() else { panic!("a step") };
    assert_eq!(marks, &BTreeSet::from([Mark::Taint]), "the cordon is not ours");
    assert_eq!((taints.len(), taints[0]["key"].as_str(), version.as_str()), (2, Some("theirs"), "7"));
    let back = plan(&[node("a", "True", "taint")], &[], &all(), at(60));
    let Some(Step::Mark { taints, .. }) = back.steps.first() else { panic!("a step") };
    assert_eq!(taints.iter().map(|taint| taint["key"].as_str()).collect::<Vec<_>>(), [Some("theirs")]);
}

#[test]
fn pods_that_cannot_or_need_not_go_are_left() {
    let change = |path: &str, value: Value| {
        let mut pod = pod("other", "nvidia.com/gpu");
        let (parent, name) = path.rsplit_once('/').expect("a path");
        pod.pointer_mut(parent).expect("a parent")[name] = value;
        pod
    };
    let rows = [
        change("/spec/nodeName", "b".into()),
        change("/status/phase", "Succeeded".into()),
        change("/status/phase", "Failed".into()),
        change("/metadata/deletionTimestamp", "2026-01-01T00:00:00Z".into()),
        change("/metadata/annotations", json!({"kubernetes.io/config.mirror": "x"})),
        change("/metadata/ownerReferences", json!([{"kind": "DaemonSet"}])),
        json!({}),
    ];
    assert_eq!(told(&[node("a", "False", "taint,cordon")], &rows, &all(), 60), Vec::<String>::new());
}
