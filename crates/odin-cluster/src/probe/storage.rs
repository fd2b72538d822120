//! The default storage class binds a claim, and a pod writes to it.

use std::time::{Duration, Instant};

use odin_model::report::Row;
use serde_json::{Value, json};

use super::{Finding, absent, restricted_pod, row};
use crate::cluster::{Cluster, Patience, Resource};
use crate::health::{Surroundings, assess};
use crate::object::{Gvk, ObjectKey};

const NAME: &str = "odin-probe-storage";
const TIMEOUT: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(500);
/// Cleaning up must not hold a report up for long.
const CLEANING: Patience = Patience { attempt: Duration::from_secs(5), total: Duration::from_secs(10) };

/// Makes a claim and a pod that writes and reads it, and removes both.
pub async fn storage_writes(cluster: &Cluster, namespace: Option<&str>) -> Row {
    const ROW: &str = "storage-class-binds";
    let Some(namespace) = namespace else { return absent(ROW, "verify.probe-namespace") };
    // What an interrupted probe left behind would answer for this one.
    if let Err(reason) = clean(cluster, namespace, true).await {
        return row(ROW, Err(reason));
    }
    let finding = try_storage(cluster, namespace).await;
    let cleaned = clean(&cluster.with_patience(CLEANING), namespace, false).await;
    row(ROW, finding.and_then(|evidence| cleaned.map(|()| evidence)))
}

async fn try_storage(cluster: &Cluster, namespace: &str) -> Finding {
    let class = default_class(cluster).await?;
    let claims = Resource::core("PersistentVolumeClaim", "persistentvolumeclaims", true);
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": NAME, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "odin"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}},
    });
    let said = |failure: crate::cluster::Failure| failure.reason().to_owned();
    cluster.create(&claims, Some(namespace), &claim, false).await.map_err(said)?;
    let mut pod = restricted_pod(
        NAME,
        namespace,
        "echo written > /data/probe && test \"$(cat /data/probe)\" = written && sync",
    );
    pod["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": NAME}}]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    let pods = Resource::core("Pod", "pods", true);
    cluster.create(&pods, Some(namespace), &pod, false).await.map_err(said)?;
    let began = Instant::now();
    loop {
        let live = cluster
            .get(&pods, &key("Pod", namespace))
            .await
            .map_err(said)?
            .ok_or("someone deleted the pod")?;
        match live.pointer("/status/phase").and_then(Value::as_str) {
            Some("Succeeded") => break,
            Some("Failed") => {
                return Err(format!("the pod could not write: {}", assess(&live, &Surroundings::default())));
            }
            _ if began.elapsed() > TIMEOUT => {
                let state = assess(&live, &Surroundings::default());
                return Err(format!("the pod did not write within {} s: {state}", TIMEOUT.as_secs()));
            }
            _ => tokio::time::sleep(INTERVAL).await,
        }
    }
    Ok(format!("class {class} bound a claim and a pod wrote to it in {:.1} s", began.elapsed().as_secs_f64()))
}

async fn default_class(cluster: &Cluster) -> Result<String, String> {
    let classes = Resource::new(Gvk::new("storage.k8s.io/v1", "StorageClass"), "storageclasses", false);
    let found = cluster.list(&classes, None).await.map_err(|failure| failure.reason().to_owned())?;
    let is_default = |class: &&Value| {
        crate::object::annotation(class, "storageclass.kubernetes.io/is-default-class") == Some("true")
    };
    let class = found
        .iter()
        .find(is_default)
        .and_then(|class| class.pointer("/metadata/name")?.as_str().map(str::to_owned));
    class.ok_or_else(|| "no storage class is the default".to_owned())
}

fn key(kind: &str, namespace: &str) -> ObjectKey {
    ObjectKey {
        group: String::new(),
        kind: kind.to_owned(),
        namespace: Some(namespace.to_owned()),
        name: NAME.to_owned(),
    }
}

/// Removes pod and claim; `wait` until they are gone.
async fn clean(cluster: &Cluster, namespace: &str, wait: bool) -> Result<(), String> {
    let said =
        |failure: crate::cluster::Failure| format!("cannot clean up after the probe: {}", failure.reason());
    for (kind, plural) in [("Pod", "pods"), ("PersistentVolumeClaim", "persistentvolumeclaims")] {
        let (resource, key) = (Resource::core(kind, plural, true), key(kind, namespace));
        cluster.delete(&resource, &key, None).await.map_err(said)?;
        let began = Instant::now();
        while wait && cluster.get(&resource, &key).await.map_err(said)?.is_some() {
            if began.elapsed() > TIMEOUT {
                return Err(format!("{key} of an earlier probe does not go away"));
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
    Ok(())
}
