//! Apply, prune, conflicts, generations.

use odin_cluster::Error;
use odin_cluster::apply::apply;
use odin_cluster::undo::{prepare, undo};
use odin_model::event::{Silent, Verb};
use serde_json::json;

use super::fixture::{Corner, deployment};

#[tokio::test]
async fn an_applied_bundle_is_converged_and_a_second_pass_costs_one_list_a_kind() {
    let corner = Corner::new("converge").await;
    let mut sources = corner.sources();
    sources.config_map("base", "settings", "one").component("app", &["base"]);
    sources.object("app", deployment(&corner.namespace, "app", 0));
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app"}});
    sources.object("app", account);
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "app"},
        "spec": {"selector": {"app": "app"}, "ports": [{"port": 80, "targetPort": 8080}]},
    });
    sources.object("app", service);

    let first = corner.apply(&sources).await;
    assert_eq!(first.count(Verb::Created), 5, "{first}");

    let before = corner.cluster.api_calls();
    let second = corner.apply(&sources).await;
    let calls = corner.cluster.api_calls() - before;
    assert_eq!(second.count(Verb::Unchanged), 5, "{second}");
    // Namespace, ConfigMap, Deployment, ServiceAccount, Service.
    assert_eq!(calls, 5, "one list a kind and nothing else");
}

#[tokio::test]
async fn what_left_the_bundle_goes_and_protected_kinds_stay() {
    let corner = Corner::new("prune").await;
    let mut sources = corner.sources();
    sources.config_map("base", "stays", "one").config_map("base", "goes", "one");
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""},
    });
    sources.timeout("base", std::time::Duration::from_secs(1)).object("base", claim);
    let first = corner.try_apply(&sources).await.expect("applied");
    assert!(first.applied(), "{first}");

    sources.without("ConfigMap", "goes").without("PersistentVolumeClaim", "data");
    let second = corner.apply(&sources).await;
    assert_eq!(second.count(Verb::Deleted), 1, "{second}");
    let kept =
        second.entries.iter().find(|entry| entry.object.contains("PersistentVolumeClaim")).expect("told");
    assert_eq!(kept.verb, Verb::Skipped);
    assert!(kept.detail.contains("odin.local/allow-prune"), "{}", kept.detail);
    assert!(
        corner.exists("configmap", "stays")
            && !corner.exists("configmap", "goes")
            && corner.exists("pvc", "data")
    );

    corner.kubectl(&["annotate", "pvc", "data", "odin.local/allow-prune=true"]);
    let third = corner.apply(&sources).await;
    assert_eq!(third.count(Verb::Deleted), 1, "{third}");
}

#[tokio::test]
async fn more_removals_than_the_limit_wait_for_a_person() {
    let mut corner = Corner::new("limit").await;
    let mut sources = corner.sources();
    for number in 0..6 {
        sources.config_map("base", &format!("map-{number}"), "one");
    }
    corner.apply(&sources).await;
    for number in 0..6 {
        sources.without("ConfigMap", &format!("map-{number}"));
    }
    let error = corner.try_apply(&sources).await.expect_err("blocked");
    assert!(matches!(&error, Error::Blocked { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "the plan is blocked: it removes 6 objects, more than the prune limit of 5"
    );
    assert!(corner.exists("configmap", "map-0"));
    corner.settings.confirmed = true;
    assert_eq!(corner.apply(&sources).await.count(Verb::Deleted), 6);
}

#[tokio::test]
async fn a_foreign_field_is_a_conflict_until_it_is_declared_to_be_taken_over() {
    let corner = Corner::new("conflict").await;
    let mut sources = corner.sources();
    corner.apply(&sources).await;
    corner.kubectl(&[
        "create",
        "configmap",
        "shared",
        "--from-literal=key=theirs",
        "--field-manager=someone",
    ]);
    sources.config_map("base", "shared", "ours");
    let changes = corner.try_apply(&sources).await.expect("told, not thrown");
    let entry = changes.entries.iter().find(|entry| entry.verb == Verb::Failed).expect("a conflict");
    assert_eq!(entry.conflicts[0].manager, "someone");
    assert_eq!(entry.conflicts[0].field, "data.key");
    assert_eq!(entry.conflicts[0].value.as_deref(), Some("theirs"));

    sources.edit("ConfigMap", "shared", |value| {
        value["metadata"]["annotations"] = json!({"odin.local/take-over": "true"});
    });
    corner.apply(&sources).await;
    assert_eq!(corner.get("configmap", "shared")["data"]["key"], "ours");
}

#[tokio::test]
async fn a_hand_made_change_is_taken_back_by_the_next_apply() {
    let corner = Corner::new("hand").await;
    let mut sources = corner.sources();
    sources.object("base", deployment(&corner.namespace, "app", 0)).config_map("base", "settings", "one");
    corner.apply(&sources).await;
    let patch = r#"{"data":{"key":"two","theirs":"kept"}}"#;
    corner.kubectl(&[
        "patch",
        "configmap",
        "settings",
        "--type=merge",
        "--field-manager=someone",
        "-p",
        patch,
    ]);
    let changes = corner.apply(&sources).await;
    let entry = changes.entries.iter().find(|entry| entry.verb == Verb::Configured).expect("repaired");
    assert_eq!(entry.detail, "changed by someone");
    assert_eq!((entry.fields[0].path.as_str(), entry.fields[0].from.as_deref()), ("data.key", Some("two")));
    let live = corner.get("configmap", "settings");
    assert_eq!((live["data"]["key"].as_str(), live["data"]["theirs"].as_str()), (Some("one"), Some("kept")));

    // Also when the bundle changes at the same time, in another field.
    corner.kubectl(&[
        "patch",
        "configmap",
        "settings",
        "--type=merge",
        "--field-manager=someone",
        "-p",
        r#"{"data":{"key":"three"}}"#,
    ]);
    sources.edit("ConfigMap", "settings", |value| value["data"]["more"] = "new".into());
    corner.apply(&sources).await;
    let live = corner.get("configmap", "settings");
    assert_eq!((live["data"]["key"].as_str(), live["data"]["more"].as_str()), (Some("one"), Some("new")));

    // A field that leaves the bundle leaves the object.
    sources
        .edit("ConfigMap", "settings", |value| drop(value["data"].as_object_mut().unwrap().remove("more")));
    corner.apply(&sources).await;
    assert_eq!(corner.get("configmap", "settings")["data"], json!({"key": "one", "theirs": "kept"}));
}

#[tokio::test]
async fn undo_goes_back_one_apply_and_makes_pruned_objects_again() {
    let mut corner = Corner::new("undo").await;
    let mut sources = corner.sources();
    sources.config_map("base", "changed", "one").config_map("base", "pruned", "one");
    corner.apply(&sources).await;
    let patch = r#"{"data":{"theirs":"kept"}}"#;
    corner.kubectl(&["patch", "configmap", "pruned", "--type=merge", "--field-manager=someone", "-p", patch]);

    let mut later = sources.clone();
    later.without("ConfigMap", "pruned").config_map("base", "added", "two");
    later.edit("ConfigMap", "changed", |value| value["data"]["key"] = "two".into());
    corner.settings.generation = 2;
    corner.apply(&later).await;
    assert!(!corner.exists("configmap", "pruned"));

    let back = prepare(&corner.cluster, &corner.store, &[], &corner.settings).await.expect("prepared");
    let changes = undo(&corner.cluster, back, &corner.store, &Silent).await.expect("undone");
    assert!(changes.succeeded(), "{changes}");
    assert_eq!(corner.get("configmap", "changed")["data"]["key"], "one");
    assert_eq!(corner.get("configmap", "pruned")["data"], json!({"key": "one", "theirs": "kept"}));
    assert!(!corner.exists("configmap", "added"));
    let managers = corner.get("configmap", "pruned")["metadata"]["managedFields"].to_string();
    assert!(!managers.contains("odin-undo"), "{managers}");

    // Undone is in force: the first bundle has nothing to do, and a second
    // undo goes forth again.
    corner.settings.generation = 1;
    assert!(corner.plan(&corner.desired(&sources)).await.converged());
    let forth = prepare(&corner.cluster, &corner.store, &[], &corner.settings).await.expect("prepared");
    undo(&corner.cluster, forth, &corner.store, &Silent).await.expect("redone");
    assert!(corner.exists("configmap", "added") && !corner.exists("configmap", "pruned"));
}

#[tokio::test]
async fn a_lower_generation_needs_a_rollback() {
    let mut corner = Corner::new("generation").await;
    let mut sources = corner.sources();
    corner.settings.generation = 7;
    corner.apply(&sources).await;
    sources.config_map("base", "new", "one");
    corner.settings.generation = 6;
    let error = corner.try_apply(&sources).await.expect_err("blocked");
    assert!(error.to_string().contains("generation 6 is older than generation 7"), "{error}");
    corner.settings.rollback = true;
    corner.apply(&sources).await;
}

#[tokio::test]
async fn a_plan_made_before_another_apply_is_refused() {
    let corner = Corner::new("stale").await;
    let mut sources = corner.sources();
    let desired = corner.desired(&sources);
    let plan = corner.plan(&desired).await;
    sources.config_map("base", "other", "one");
    corner.apply(&sources).await;
    let error = apply(&corner.cluster, &desired, &plan, &corner.settings, &corner.store, &Silent)
        .await
        .expect_err("refused");
    assert!(matches!(error, Error::Stale { .. }), "{error}");
}
