#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

fn paths(changes: &[FieldChange]) -> Vec<String> {
    let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    changes
        .iter()
        .map(|change| format!("{}: {} -> {}", change.path, show(&change.from), show(&change.to)))
        .collect()
}

#[test]
fn differences_are_those_that_matter() {
    let table = [
        // What the server rewrites is no difference.
        (json!({"spec": {"cpu": "1000m"}}), json!({"spec": {"cpu": "1"}}), vec![]),
        (json!({"spec": {"memory": "1024Mi"}}), json!({"spec": {"memory": "1Gi", "more": 1}}), vec![]),
        (json!({"spec": {"cpu": 0.5}}), json!({"spec": {"cpu": "500m"}}), vec![]),
        (
            json!({"spec": {"hostNetwork": false, "list": [], "map": {}, "text": ""}}),
            json!({"spec": {}}),
            vec![],
        ),
        (
            json!({"metadata": {"name": "a", "labels": {"x": "1"}}}),
            json!({"metadata": {"labels": {"x": "1", "y": "2"}}}),
            vec![],
        ),
        (json!({"status": {"a": 1}}), json!({}), vec![]),
        // What a person changed is one.
        (json!({"data": {"key": "one"}}), json!({"data": {"key": "two"}}), vec!["data.key: two -> one"]),
        (json!({"data": {"key": "one"}}), json!({}), vec!["data: - -> {\"key\":\"one\"}"]),
        (
            json!({"data": {"a.toml": "one"}}),
            json!({"data": {"a.toml": "two"}}),
            vec!["data[a.toml]: two -> one"],
        ),
        (json!({"spec": {"replicas": 2}}), json!({"spec": {"replicas": 3}}), vec!["spec.replicas: 3 -> 2"]),
        // Lists with names are compared by name, others by place.
        (
            json!({"spec": {"containers": [{"name": "b", "image": "1"}, {"name": "a", "image": "1"}]}}),
            json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "injected"}, {"name": "b", "image": "2"}]}}),
            vec!["spec.containers[name=b].image: 2 -> 1"],
        ),
        (
            json!({"spec": {"args": ["a", "b"]}}),
            json!({"spec": {"args": ["a", "c"]}}),
            vec!["spec.args[1]: c -> b"],
        ),
        (json!({"spec": {"args": ["a"]}}), json!({"spec": {"args": []}}), vec!["spec.args: [] -> [\"a\"]"]),
    ];
    for (declared, live, wanted) in table {
        assert_eq!(paths(&changes(&declared, &live)), wanted, "{declared} against {live}");
    }
}

#[test]
fn of_values_of_secrets_only_that_they_changed_is_told() {
    let secret =
        |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "data": {"key": value}, "type": "Opaque"});
    let told = paths(&changes(&secret("bmV3"), &secret("b2xk")));
    assert_eq!(told, ["data.key: [hidden] -> [hidden]"]);
    let fresh = paths(&changes(&secret("bmV3"), &json!({"type": "Opaque"})));
    assert_eq!(fresh, ["data: - -> key=[hidden]"]);
    let longer = json!({"data": {"key": "a longer value"}, "stringData": {"key": ["a", "list"]}});
    let live = secret("b2xk");
    for (path, value) in
        [(".data.key", &longer["data"]["key"]), ("stringData.key", &longer["stringData"]["key"])]
    {
        assert_eq!(show(&live, path, value), "[hidden]");
    }
    assert_eq!(show(&live, "type", &live["type"]), "Opaque");
}

fn live() -> Value {
    json!({
        "metadata": {
            "labels": {"app.kubernetes.io/name": "a", "theirs": "x"},
            "managedFields": [
                {"manager": "odin", "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:app.kubernetes.io/name": {}}},
                    "f:spec": {
                        "f:containers": {"k:{\"name\":\"main\"}": {".": {}, "f:name": {}, "f:image": {},
                            "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}},
                        "f:selector": {},
                        "f:finalizers": {"v:\"keep\"": {}},
                    },
                }},
                {"manager": "odin", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
                {"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T00:00:00Z", "fieldsV1": {
                    "f:spec": {"f:replicas": {}, "f:containers": {"k:{\"name\":\"main\"}": {"f:tty": {}}}},
                }},
                {"manager": "late", "operation": "Update", "time": "2026-01-03T00:00:00Z", "fieldsV1": {"f:metadata": {"f:labels": {"f:theirs": {}}}}},
            ],
        },
        "spec": {
            "replicas": 3, "selector": {"app": "a"}, "finalizers": ["other", "keep"],
            "containers": [
                {"name": "side", "image": "s"},
                {"name": "main", "image": "m", "tty": true, "ports": [{"containerPort": 80, "protocol": "TCP"}]},
            ],
        },
    })
}

#[test]
fn owned_fields_are_taken_out_with_their_values() {
    let live = live();
    let owned = extract(&live, managed(&live).unwrap());
    assert_eq!(
        owned,
        json!({
            "metadata": {"labels": {"app.kubernetes.io/name": "a"}},
            "spec": {
                "containers": [{"name": "main", "image": "m", "ports": [{"containerPort": 80}]}],
                "selector": {"app": "a"},
                "finalizers": ["keep"],
            },
        })
    );
    let digest = owned_digest(&live);
    let mut changed = live.clone();
    changed["spec"]["replicas"] = 5.into();
    assert_eq!(owned_digest(&changed), digest, "a field of someone else is no change");
    changed["spec"]["containers"][1]["image"] = "evil".into();
    assert_ne!(owned_digest(&changed), digest);
    assert_eq!(owned_digest(&json!({"metadata": {}})), None);
}

#[test]
fn fields_that_left_the_declaration_are_named() {
    let mut declared = extract(&live(), managed(&live()).unwrap());
    assert_eq!(removed(&live(), &declared), Vec::<String>::new());
    declared["spec"].as_object_mut().unwrap().remove("selector");
    declared["spec"]["containers"][0].as_object_mut().unwrap().remove("ports");
    assert_eq!(removed(&live(), &declared), ["spec.containers[{\"name\":\"main\"}].ports", "spec.selector"]);
}

#[test]
fn the_owner_of_a_field_is_told_from_the_last_writer() {
    let name = |paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        owner(&live(), &paths).map(|owner| owner.manager)
    };
    assert_eq!(name(&["spec.replicas"]).as_deref(), Some("kubectl-edit"));
    assert_eq!(name(&["spec.containers[name=main].tty"]).as_deref(), Some("kubectl-edit"));
    assert_eq!(name(&["metadata.labels.theirs"]).as_deref(), Some("late"));
    // Nobody owns what was deleted: the last writer is the best guess.
    assert_eq!(name(&["spec.nowhere"]).as_deref(), Some("late"));
    assert_eq!(name(&[]).as_deref(), Some("late"));
}

#[test]
fn values_are_found_by_paths_of_both_spellings() {
    let live = live();
    let table = [
        (".spec.containers[name=\"main\"].image", Some(json!("m"))),
        ("spec.containers[name=main].image", Some(json!("m"))),
        (
            ".spec.containers[name=\"main\"].ports[containerPort=80,protocol=\"TCP\"].containerPort",
            Some(json!(80)),
        ),
        (".metadata.labels.app.kubernetes.io/name", Some(json!("a"))),
        ("metadata.labels[app.kubernetes.io/name]", Some(json!("a"))),
        ("spec.finalizers[1]", Some(json!("keep"))),
        ("spec.nowhere", None),
    ];
    for (path, wanted) in table {
        assert_eq!(at(&live, path).cloned(), wanted, "{path}");
    }
}

proptest::proptest! {
    #[test]
    fn a_digest_does_not_depend_on_the_order_of_keys(mut keys in proptest::collection::vec("[a-z]{1,4}", 1..8)) {
        let make = |keys: &[String]| keys.iter().map(|key| (key.clone(), json!(key))).collect::<serde_json::Map<_, _>>();
        let first = digest(&Value::Object(make(&keys)));
        keys.reverse();
        proptest::prop_assert_eq!(first, digest(&Value::Object(make(&keys))));
    }

    #[test]
    fn an_object_never_differs_from_itself(text in "[ -~]{0,20}", number in -1000i64..1000) {
        let value = json!({"spec": {"text": text, "number": number, "list": [number, text]}});
        proptest::prop_assert!(changes(&value, &value).is_empty());
    }
}
