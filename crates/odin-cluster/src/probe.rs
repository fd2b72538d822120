//! What `odin verify` asks of the cluster: each function tries one thing and
//! returns one row.
//!
//! A probe never guesses: what cannot be tried is *failed* with the reason, or
//! *absent* when nobody declared it.

mod access;
mod storage;
mod writer;

use odin_model::config::Verify;
use odin_model::report::{Row, Verdict};
use serde_json::{Value, json};

pub use access::{denied_action, pod_security, policies_admitted, quota_holds};
pub use storage::storage_writes;
pub use writer::Writer;

use crate::cluster::Cluster;
use crate::desired::Desired;
use crate::health;
use crate::plan;
use crate::settings::Settings;

const PHASE: u8 = 1;

/// What one probe found out.
pub(crate) type Finding = Result<String, String>;

/// Makes a row of a finding.
pub(crate) fn row(name: &str, finding: Finding) -> Row {
    let (verdict, reason) = match finding {
        Ok(evidence) => (Verdict::Passed, evidence),
        Err(reason) => (Verdict::Failed, reason),
    };
    Row { phase: PHASE, name: name.to_owned(), verdict, reason }
}

pub(crate) fn absent(name: &str, key: &str) -> Row {
    let reason = format!("{key} declares nothing");
    Row { phase: PHASE, name: name.to_owned(), verdict: Verdict::Absent, reason }
}

/// Every probe of the cluster, in the order a person reads them.
pub async fn all(cluster: &Cluster, desired: &Desired, settings: &Settings, verify: &Verify) -> Vec<Row> {
    vec![
        node_ready(cluster).await,
        storage_writes(cluster, verify.probe_namespace.as_deref()).await,
        denied_action(cluster, verify.denied_account.as_deref()).await,
        quota_holds(cluster, verify.quota_namespace.as_deref()).await,
        policies_admitted(cluster, &verify.isolated_namespaces).await,
        pod_security(cluster, verify.restricted_namespace.as_deref()).await,
        bundle_in_force(cluster, desired, settings).await,
    ]
}

/// Every node is ready.
pub async fn node_ready(cluster: &Cluster) -> Row {
    let finding = match cluster.nodes().await {
        Err(error) => Err(error.to_string()),
        Ok(nodes) if nodes.is_empty() => Err("no node has registered".to_owned()),
        Ok(nodes) => match nodes.iter().find(|node| !node.ready) {
            Some(late) => Err(format!("node {}: {}", late.name, late.reason)),
            None => {
                let named: Vec<String> =
                    nodes.iter().map(|node| format!("{} {}", node.name, node.version)).collect();
                Ok(named.join(", "))
            }
        },
    };
    row("node-ready", finding)
}

/// The bundle is what the cluster says is in force, and nothing drifted.
pub async fn bundle_in_force(cluster: &Cluster, desired: &Desired, settings: &Settings) -> Row {
    row("bundle-in-force", in_force(cluster, desired, settings).await)
}

async fn in_force(cluster: &Cluster, desired: &Desired, settings: &Settings) -> Finding {
    let observed = cluster.observe(desired, &settings.state_namespace).await;
    let observation = observed.map_err(|error| error.to_string())?;
    let short = |digest: &str| digest.chars().take(12).collect::<String>();
    let inventory = &observation.inventory;
    if let Some(pending) = &inventory.pending {
        return Err(format!("the apply of bundle {} has not ended well", short(&pending.digest)));
    }
    if inventory.digest.is_empty() {
        return Err("nothing was applied yet".to_owned());
    }
    if inventory.digest != desired.digest {
        let (has, wanted) = (short(&inventory.digest), short(&desired.digest));
        return Err(format!("bundle {has} is in force, {wanted} is declared"));
    }
    // The generation is the caller's to judge; what matters here is content.
    let settings = Settings { generation: inventory.generation, ..settings.clone() };
    let plan = plan::plan(desired, &observation, &settings);
    let suspended = plan.count(odin_model::event::Verb::Skipped);
    match plan.changes() {
        0 => {
            let held =
                if suspended == 0 { String::new() } else { format!(", {suspended} suspended or kept") };
            Ok(format!("bundle {} with {} objects{held}", short(&desired.digest), desired.objects.len()))
        }
        changes => {
            let differs =
                |action: &&plan::Action| action.send && action.verb != odin_model::event::Verb::Unchanged;
            let first =
                plan.actions().find(differs).map(|action| format!("{}: {}", action.object, action.detail));
            Err(format!("{changes} objects differ, the first: {}", first.unwrap_or_default()))
        }
    }
}

/// Every declared object exists and is healthy. Claims are left out: one that
/// no pod uses yet waits, and one that a pod uses shows in the pod.
pub async fn components_healthy(cluster: &Cluster, desired: &Desired, settings: &Settings) -> Row {
    row("components-healthy", healthy(cluster, desired, settings).await)
}

async fn healthy(cluster: &Cluster, desired: &Desired, settings: &Settings) -> Finding {
    let observed = cluster.observe(desired, &settings.state_namespace).await;
    let observation = observed.map_err(|error| error.to_string())?;
    let surroundings = health::Surroundings::default();
    let mut ill = Vec::new();
    for declared in &desired.objects {
        match observation.live.get(&declared.key) {
            None => ill.push(format!("{}: it does not exist", declared.key)),
            Some(live) if declared.key.kind != "PersistentVolumeClaim" && health::has_status(&live.value) => {
                let found = health::assess(&live.value, &surroundings);
                if !found.is_healthy() {
                    ill.push(format!("{}: {found}", declared.key));
                }
            }
            Some(_) => {}
        }
    }
    match ill.len() {
        0 => Ok(format!("{} components", desired.components.len())),
        1..=3 => Err(ill.join("; ")),
        more => Err(format!(
            "{}; and {} more",
            ill.iter().take(3).cloned().collect::<Vec<_>>().join("; "),
            more - 3
        )),
    }
}

/// A pod that satisfies Pod Security `restricted`.
pub(crate) fn restricted_pod(name: &str, namespace: &str, command: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": namespace,
            "labels": {"app.kubernetes.io/name": "odin-probe", "app.kubernetes.io/part-of": "odin"},
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "probe",
                "image": "odin.local/busybox:1",
                "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/sh", "-c", command],
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
                "resources": {
                    "requests": {"cpu": "10m", "memory": "16Mi"},
                    "limits": {"cpu": "100m", "memory": "32Mi"},
                },
            }],
        },
    })
}
