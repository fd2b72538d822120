//! Health gates.

use std::time::Duration;

use odin_cluster::apply::ComponentState;
use odin_model::event::Verb;
use serde_json::{Value, json};

use super::fixture::{Corner, Sources, deployment};

fn definition(group: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}"), "annotations": {"odin.local/allow-prune": "true"}},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

fn widgets(corner: &Corner, timeout: u64) -> (Sources, String) {
    let group = format!("{}.odin.test", corner.namespace);
    let mut sources = corner.sources();
    sources.component("widget", &["base"]).component("later", &["widget"]).component("beside", &["base"]);
    sources.timeout("widget", Duration::from_secs(timeout));
    let widget = json!({
        "apiVersion": format!("{group}/v1"), "kind": "Widget",
        "metadata": {"name": "one", "namespace": corner.namespace, "annotations": {"odin.local/health": "Ready=True"}},
        "spec": {"size": 1},
    });
    sources.object("widget", widget).object("widget", definition(&group));
    sources.config_map("later", "later", "one").config_map("beside", "beside", "one");
    (sources, group)
}

#[tokio::test]
async fn a_definition_its_resource_and_its_gate_in_one_bundle() {
    let corner = Corner::new("widget").await;
    let (sources, group) = widgets(&corner, 8);
    let changes = corner.try_apply(&sources).await.expect("told, not thrown");
    let state =
        |name: &str| changes.components.iter().find(|result| result.name == name).map(|result| result.state);
    assert_eq!(state("widget"), Some(ComponentState::Failed), "{changes}");
    assert_eq!(state("later"), Some(ComponentState::Skipped));
    assert_eq!(state("beside"), Some(ComponentState::Ready));
    let widget = changes.components.iter().find(|result| result.name == "widget").expect("there");
    assert_eq!(widget.unhealthy[0].reason, "it has no condition Ready yet");
    assert!(corner.exists("configmap", "beside") && !corner.exists("configmap", "later"));

    // Its controller makes it ready: the next apply goes through.
    let resource = format!("widgets.v1.{group}");
    let patch = r#"{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}"#;
    corner.kubectl(&["patch", &resource, "one", "--subresource=status", "--type=merge", "-p", patch]);
    corner.apply(&sources).await;
    assert!(corner.exists("configmap", "later"));
    assert!(corner.plan(&corner.desired(&sources)).await.converged());

    // Someone removes the definition, and everything of it with it.
    corner.kubectl(&["delete", "crd", &format!("widgets.{group}")]);
    let changes = corner.try_apply(&sources).await.expect("told, not thrown");
    assert_eq!(changes.count(Verb::Created), 2, "{changes}");
    corner.kubectl(&["patch", &resource, "one", "--subresource=status", "--type=merge", "-p", patch]);
    corner.apply(&sources).await;
}

#[tokio::test]
async fn an_old_failure_does_not_block_the_bundle_that_mends_it() {
    let corner = Corner::new("mended").await;
    let mut sources = corner.sources();
    sources.component("app", &["base"]).timeout("app", Duration::from_secs(3));
    // There is no node: a replica can never run.
    sources.object("app", deployment(&corner.namespace, "app", 1));
    let changes = corner.try_apply(&sources).await.expect("told, not thrown");
    assert!(!changes.succeeded());
    let app = changes.components.iter().find(|result| result.name == "app").expect("there");
    assert!(app.unhealthy[0].reason.contains("0 of 1 replicas"), "{app:?}");
    assert!(app.unhealthy[0].reason.contains("; pod app-"), "{app:?}");
    assert!(app.unhealthy[0].events.iter().any(|event| event.contains("ScalingReplicaSet")), "{app:?}");

    sources.edit("Deployment", "app", |value| value["spec"]["replicas"] = 0.into());
    corner.apply(&sources).await;
}

#[tokio::test]
async fn a_job_that_changed_is_made_anew() {
    let corner = Corner::new("job").await;
    let mut sources = corner.sources();
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": corner.namespace},
        "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "main", "image": "odin.local/busybox:1"}],
        }}},
    });
    sources.object("base", job);
    corner.apply(&sources).await;
    sources.edit("Job", "once", |value| {
        value["spec"]["template"]["spec"]["containers"][0]["image"] = "odin.local/busybox:2".into()
    });
    let changes = corner.apply(&sources).await;
    assert!(changes.entries.iter().any(|entry| entry.detail.contains("made anew")), "{changes}");
}
