//! A thousand objects: the figures that `make bench` writes come from the same
//! generator.

use std::time::{Duration, Instant};

use odin_cluster::apply::{ChangeSet, apply};
use odin_model::event::{Silent, Verb};
use serde_json::json;

use super::drift::guard;
use super::fixture::{Corner, Sources, deployment, kubeconfig};

/// A thousand mixed objects in twenty components of two waves.
fn thousand(corner: &Corner) -> Sources {
    let mut sources = corner.sources();
    // kubectl does not wait for health either.
    sources.ungated = true;
    let namespace = corner.namespace.clone();
    for part in 0..20 {
        let component = format!("part-{part:02}");
        sources.component(&component, &["base"]);
        for number in 0..50 {
            let name = format!("object-{part:02}-{number:02}");
            let metadata = json!({"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "odin", "app.kubernetes.io/name": name}});
            match number % 10 {
                0 => sources.object(&component, deployment(&namespace, &name, 0)),
                1 => sources.object(
                    &component,
                    json!({
                        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
                        "spec": {"selector": {"app": name}, "ports": [{"port": 80}], "clusterIP": "None"},
                    }),
                ),
                2 => sources.object(
                    &component,
                    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
                ),
                3 => sources.object(
                    &component,
                    json!({
                        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
                        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
                    }),
                ),
                4 => sources.object(
                    &component,
                    json!({
                        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata,
                        "spec": {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Ingress"]},
                    }),
                ),
                _ => sources.object(
                    &component,
                    json!({
                        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
                        "data": {"settings.toml": "key = \"value\"\n".repeat(20)},
                    }),
                ),
            };
        }
    }
    sources
}

/// Changes objects by hand, one after another, and measures until each is
/// repaired. Also tells the memory in use while everything is watched.
async fn repairs(corner: &Corner, sources: &Sources, count: usize) -> (Vec<Duration>, String) {
    let mut guarded = guard(corner, corner.cluster.clone(), sources).await;
    let mut times = Vec::new();
    for index in 0..count {
        let name = format!("object-{:02}-{:02}", index % 20, 5 + index / 20);
        let patch = r#"{"data":{"settings.toml":"by hand"}}"#;
        corner.kubectl(&[
            "patch",
            "configmap",
            &name,
            "--type=merge",
            "--field-manager=visitor",
            "-p",
            patch,
        ]);
        let began = Instant::now();
        let record = guarded.next().await;
        times.push(began.elapsed());
        assert!(record.object.ends_with(&name), "{record:?}");
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    let memory = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned();
    guarded.stop();
    (times, memory)
}

/// Applies a bundle from the first look to the last write, and measures it.
async fn timed(corner: &Corner, sources: &Sources) -> (ChangeSet, Duration, u64) {
    let desired = corner.desired(sources);
    let (calls, began) = (corner.cluster.api_calls(), Instant::now());
    let plan = corner.plan(&desired).await;
    let changes = apply(&corner.cluster, &desired, &plan, &corner.settings, &corner.store, &Silent).await;
    let changes = changes.expect("applied");
    assert!(changes.succeeded(), "{changes}");
    (changes, began.elapsed(), corner.cluster.api_calls() - calls)
}

/// Kinds of the bundle above, the namespace's own included.
const KINDS: u64 = 7;

#[tokio::test]
async fn a_thousand_objects_and_the_pass_that_finds_nothing_to_do() {
    let mut corner = Corner::new("scale").await;
    corner.settings.prune_limit = 2000;
    let sources = thousand(&corner);
    let (first, first_took, _) = timed(&corner, &sources).await;
    assert_eq!(first.count(Verb::Created), 1001, "{first}");
    let (second, took, calls) = timed(&corner, &sources).await;
    assert_eq!(second.count(Verb::Unchanged), 1001);
    assert_eq!(calls, KINDS, "one list a kind");

    let (mut times, memory) = repairs(&corner, &sources, 60).await;
    times.sort();
    println!(
        "drift among 1,000 objects: median {} ms, worst of {} {} ms; memory of this process {memory}",
        times[times.len() / 2].as_millis(),
        times.len(),
        times.last().expect("some").as_millis(),
    );
    assert!(times.iter().all(|time| *time < Duration::from_secs(30)), "{times:?}");

    // The same objects by kubectl, in a namespace of their own.
    let beside = Corner::new("scale-kubectl").await;
    let dir = tempfile::tempdir().expect("a directory");
    thousand(&beside).write(dir.path());
    beside.kubectl(&["create", "namespace", &beside.namespace]);
    let began = Instant::now();
    let path = dir.path().display().to_string();
    beside.kubectl(&["apply", "--server-side", "--recursive", "-f", &path]);
    let kubectl = began.elapsed();
    println!(
        "1,000 objects: odin {:.1} s with {} requests, kubectl {:.1} s, ratio {:.2}; nothing to do: {calls} requests, {:.2} s",
        first_took.as_secs_f64(),
        first.api_calls,
        kubectl.as_secs_f64(),
        first_took.as_secs_f64() / kubectl.as_secs_f64(),
        took.as_secs_f64(),
    );
    assert!(kubeconfig().exists());
    for namespace in [&corner.namespace, &beside.namespace] {
        corner.kubectl(&["delete", "namespace", namespace, "--wait=false"]);
    }
}
