use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("a time")
}

fn wanted(labels: &[(&str, &str)]) -> NodeReport {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    NodeReport { labels, condition: None }
}

fn condition(status: Option<bool>, message: &str) -> NodeReport {
    let condition = Condition { status, reason: "GpuLost".into(), message: message.into() };
    NodeReport { condition: Some(condition), ..NodeReport::default() }
}

#[test]
fn labels_of_others_are_left_alone_and_old_ones_go() {
    let node = json!({"metadata": {
        "labels": {"kubernetes.io/hostname": "a", "nvidia.com/gpu.count": "8", "nvidia.com/gpu.old": "x", "nvidia.com/mine": "y"},
        "annotations": {LABELS: "nvidia.com/gpu.count,nvidia.com/gpu.old,nvidia.com/gone"},
    }});
    let changes =
        plan(&node, &wanted(&[("nvidia.com/gpu.count", "7"), ("nvidia.com/gpu.family", "hopper")]), at(0));
    assert_eq!(
        changes.metadata,
        Some(json!({"metadata": {
            "labels": {"nvidia.com/gpu.count": "7", "nvidia.com/gpu.family": "hopper", "nvidia.com/gpu.old": null},
            "annotations": {LABELS: "nvidia.com/gpu.count,nvidia.com/gpu.family"},
        }}))
    );
}

#[test]
fn a_node_that_says_it_already_is_not_written() {
    let node = json!({"metadata": {
        "labels": {"nvidia.com/gpu.count": "8"},
        "annotations": {LABELS: "nvidia.com/gpu.count"},
    }});
    assert_eq!(plan(&node, &wanted(&[("nvidia.com/gpu.count", "8")]), at(0)), NodeChanges::default());
    assert_eq!(plan(&json!({}), &wanted(&[]), at(0)), NodeChanges::default());
    // The last label goes, and with it the list.
    let none = plan(&node, &wanted(&[]), at(0)).metadata.expect("a change");
    assert_eq!(none.pointer("/metadata/labels/nvidia.com~1gpu.count"), Some(&Value::Null));
    assert_eq!(none["metadata"]["annotations"][LABELS], Value::Null);
}

/// The node after the patch of a report, as far as the condition goes.
fn said(report: &NodeReport, before: Option<&Value>, now: i64) -> Option<Value> {
    let node = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}, before]}});
    let change = plan(&node, report, at(now)).status?;
    Some(change["status"]["conditions"][0].clone())
}

#[test]
fn a_condition_keeps_its_time_until_its_status_turns() {
    let first = said(&condition(Some(true), "all well"), None, 0).expect("a condition");
    assert_eq!((&first["status"], &first["type"]), (&json!("True"), &json!(CONDITION)));
    // The same is not said again, until a sign of life is due.
    assert_eq!(said(&condition(Some(true), "all well"), Some(&first), 60), None);
    let alive = said(&condition(Some(true), "all well"), Some(&first), 301).expect("a sign of life");
    assert_eq!(alive["lastTransitionTime"], first["lastTransitionTime"]);
    assert_ne!(alive["lastHeartbeatTime"], first["lastHeartbeatTime"]);
    let ill = said(&condition(Some(false), "GPU-0"), Some(&alive), 310).expect("a turn");
    assert_eq!((&ill["status"], &ill["lastTransitionTime"]), (&json!("False"), &ill["lastHeartbeatTime"]));
    // More to say, no turn.
    let worse = said(&condition(Some(false), "GPU-0, GPU-1"), Some(&ill), 320).expect("a message");
    assert_eq!(worse["lastTransitionTime"], ill["lastTransitionTime"]);
    let unknown = said(&condition(None, "no library"), Some(&worse), 330).expect("a turn");
    assert_eq!(unknown["status"], "Unknown");
}

#[test]
fn a_condition_from_the_future_is_said_again() {
    let future = said(&condition(Some(true), "all well"), None, 1000).expect("a condition");
    assert!(said(&condition(Some(true), "all well"), Some(&future), 0).is_some());
}

#[test]
fn a_node_without_gpus_loses_the_condition() {
    let present = json!({"type": CONDITION, "status": "True"});
    let change = said(&NodeReport::default(), Some(&present), 0).expect("a change");
    assert_eq!(change["$patch"], "delete");
    assert_eq!(said(&NodeReport::default(), None, 0), None);
}
