//! Drift is repaired and recorded.

use std::time::{Duration, Instant};

use odin_cluster::drift::{self, Baseline, DriftAction, DriftRecord, Ended};
use odin_cluster::{Cluster, Error};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::fixture::{Corner, Sources, deployment, eventually};
use super::proxy::{Fault, Proxy};

pub(crate) struct Guarded {
    records: mpsc::Receiver<DriftRecord>,
    suspend: watch::Sender<bool>,
    task: JoinHandle<Result<Ended, Error>>,
}

impl Guarded {
    pub(crate) fn stop(self) {
        self.task.abort();
    }

    pub(crate) async fn next(&mut self) -> DriftRecord {
        match tokio::time::timeout(Duration::from_secs(30), self.records.recv()).await.expect("in time") {
            Some(record) => record,
            None => panic!("the watch ended: {:?}", (&mut self.task).await),
        }
    }
}

pub(crate) async fn guard(corner: &Corner, cluster: Cluster, sources: &Sources) -> Guarded {
    let namespace = corner.settings.state_namespace.clone();
    let (inventory, version) = corner.cluster.inventory(&namespace).await.expect("read");
    let baseline = Baseline::new(&corner.desired(sources), &inventory, version, &namespace);
    assert!(!baseline.is_empty());
    let (sender, records) = mpsc::channel(100);
    let (suspend, suspended) = watch::channel(false);
    let task = tokio::spawn(async move { drift::watch(&cluster, baseline, suspended, sender).await });
    Guarded { records, suspend, task }
}

#[tokio::test]
async fn a_hand_made_change_is_repaired_and_says_who_what_from_and_to() {
    let corner = Corner::new("drift").await;
    let mut sources = corner.sources();
    sources.config_map("base", "map", "one").object("base", deployment(&corner.namespace, "app", 0));
    corner.apply(&sources).await;
    let mut guarded = guard(&corner, corner.cluster.clone(), &sources).await;

    let mut times = Vec::new();
    for round in 0..20 {
        let patch = format!(r#"{{"data":{{"key":"by hand {round}"}}}}"#);
        corner.kubectl(&[
            "patch",
            "configmap",
            "map",
            "--type=merge",
            "--field-manager=visitor",
            "-p",
            &patch,
        ]);
        let began = Instant::now();
        let record = guarded.next().await;
        times.push(began.elapsed());
        assert_eq!(record.action, DriftAction::Repaired);
        assert_eq!(record.manager.as_deref(), Some("visitor"));
        let field = &record.fields[0];
        assert_eq!((field.path.as_str(), field.from.as_deref()), ("data.key", Some("one")));
        assert_eq!(field.to, Some(format!("by hand {round}")));
        assert_eq!(corner.get("configmap", "map")["data"]["key"], "one");
        if round >= 2 {
            break;
        }
    }
    assert!(times.iter().all(|time| *time < Duration::from_secs(30)), "{times:?}");

    // Inside a list, and a deletion.
    corner.kubectl(&["set", "image", "deployment/app", "main=evil:1"]);
    let record = guarded.next().await;
    assert_eq!(record.fields[0].path, "spec.template.spec.containers[name=main].image");
    assert_eq!(record.manager.as_deref(), Some("kubectl-set"));
    corner.kubectl(&["delete", "deployment", "app"]);
    let record = guarded.next().await;
    assert_eq!((record.manager, record.fields.len()), (None, 0));
    assert!(corner.exists("deployment", "app"));

    // Fields nobody declared are nobody's business.
    corner.kubectl(&["annotate", "configmap", "map", "note=mine"]);
    corner.kubectl(&["patch", "configmap", "map", "--type=merge", "-p", r#"{"data":{"key":"last"}}"#]);
    let record = guarded.next().await;
    assert_eq!(record.fields.len(), 1, "{record:?}");
    assert_eq!(corner.get("configmap", "map")["metadata"]["annotations"]["note"], "mine");

    // An apply ends the watch.
    sources.config_map("base", "more", "one");
    corner.apply(&sources).await;
    let ended = tokio::time::timeout(Duration::from_secs(60), guarded.task).await.expect("in time");
    assert_eq!(ended.expect("no panic").expect("no error"), Ended::Superseded);
}

#[tokio::test]
async fn suspended_drift_is_told_and_left_until_it_is_resumed() {
    let corner = Corner::new("suspend").await;
    let mut sources = corner.sources();
    sources.config_map("base", "one", "declared").config_map("base", "two", "declared");
    corner.apply(&sources).await;
    let mut guarded = guard(&corner, corner.cluster.clone(), &sources).await;

    let patch =
        json!({"metadata": {"annotations": {"odin.local/suspend": "true"}}, "data": {"key": "by hand"}})
            .to_string();
    corner.kubectl(&["patch", "configmap", "one", "--type=merge", "-p", &patch]);
    assert_eq!(guarded.next().await.action, DriftAction::Suspended);
    corner.kubectl(&["annotate", "configmap", "one", "odin.local/suspend-"]);
    assert_eq!(guarded.next().await.action, DriftAction::Repaired);

    guarded.suspend.send(true).expect("watched");
    corner.kubectl(&["delete", "configmap", "two"]);
    assert_eq!(guarded.next().await.action, DriftAction::Suspended);
    assert!(!corner.exists("configmap", "two"));
    guarded.suspend.send(false).expect("watched");
    assert_eq!(guarded.next().await.action, DriftAction::Repaired);
    eventually("it is there again", || corner.exists("configmap", "two")).await;
    guarded.task.abort();
}

#[tokio::test]
async fn a_watch_that_breaks_misses_nothing() {
    let proxy = Proxy::start().await;
    let corner = Corner::new("broken").await;
    let mut sources = corner.sources();
    sources.config_map("base", "map", "one");
    corner.apply(&sources).await;
    // Every second watch is refused as too old, every third list fails.
    let mut number = 0;
    proxy.faults(move |_, request| {
        number += 1;
        let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        match (watch, number % 3) {
            (true, 0) => Fault::Status(410),
            (false, 1) => Fault::Status(500),
            (false, 2) => Fault::Cut,
            _ => Fault::Pass,
        }
    });
    let mut guarded = guard(&corner, proxy.cluster().await, &sources).await;
    corner.kubectl(&["patch", "configmap", "map", "--type=merge", "-p", r#"{"data":{"key":"by hand"}}"#]);
    loop {
        match guarded.next().await.action {
            DriftAction::Repaired => break,
            DriftAction::Failed(_) => {}
            DriftAction::Suspended => panic!("nothing is suspended"),
        }
    }
    assert_eq!(corner.get("configmap", "map")["data"]["key"], "one");
    guarded.task.abort();
}

#[tokio::test]
async fn two_managers_that_fight_slow_down() {
    let corner = Corner::new("fight").await;
    let mut sources = corner.sources();
    sources.config_map("base", "map", "one");
    corner.apply(&sources).await;
    let mut guarded = guard(&corner, corner.cluster.clone(), &sources).await;
    let began = Instant::now();
    for round in 0..5 {
        let patch = format!(r#"{{"data":{{"key":"again {round}"}}}}"#);
        corner.kubectl(&["patch", "configmap", "map", "--type=merge", "--field-manager=rival", "-p", &patch]);
        assert_eq!(guarded.next().await.action, DriftAction::Repaired);
    }
    // Three at once, then two and four seconds.
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    guarded.task.abort();
}

#[tokio::test]
async fn a_list_item_that_makes_the_object_invalid_with_the_declared_one_is_overruled() {
    let corner = Corner::new("drift-list").await;
    let mut sources = corner.sources();
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": corner.namespace},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    });
    sources.object("base", service);
    corner.apply(&sources).await;
    let mut guarded = guard(&corner, corner.cluster.clone(), &sources).await;

    // Ports merge by number, and names must be unique: the visitor's item and
    // the declared one cannot both be there.
    corner.kubectl(&[
        "patch",
        "service",
        "web",
        "--type=merge",
        "--field-manager=visitor",
        "-p",
        r#"{"spec":{"ports":[{"name":"http","port":81,"protocol":"TCP"}]}}"#,
    ]);
    let record = guarded.next().await;
    assert_eq!(record.action, DriftAction::Repaired, "{record:?}");
    assert_eq!(record.manager.as_deref(), Some("visitor"));
    assert_eq!(
        corner.kubectl(&["get", "service", "web", "-o", "jsonpath={.spec.ports[*].port}"]).trim(),
        "80"
    );
    let managers = corner.kubectl(&[
        "get",
        "service",
        "web",
        "--show-managed-fields",
        "-o",
        "jsonpath={.metadata.managedFields[*].manager}",
    ]);
    assert!(!managers.contains("odin-undo"), "{managers}");
    guarded.stop();
}
