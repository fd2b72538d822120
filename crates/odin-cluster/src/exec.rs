//! Commands in pods: how a volume's data is brought to rest before it is read.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{AttachParams, ListParams};
use tokio::io::AsyncReadExt as _;

use crate::{Cluster, Error};

/// Longest time a command may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Bytes of a command's complaint that are kept.
const COMPLAINT: u64 = 2048;

impl Cluster {
    /// Runs a command in the running pod that mounts a claim, in the container
    /// that mounts it.
    ///
    /// # Errors
    /// When no running pod mounts it, or the command does not end well in time.
    pub async fn exec_for_claim(
        &self,
        namespace: &str,
        claim: &str,
        command: &[String],
    ) -> Result<(), Error> {
        let action = format!("run {} for the claim {namespace}/{claim}", command.join(" "));
        let refused = |reason: String| Error::Api { action: action.clone(), code: None, reason };
        let pods: Api<Pod> = Api::namespaced(self.client().clone(), namespace);
        let listed = pods
            .list(&ListParams::default().fields("status.phase=Running"))
            .await
            .map_err(|error| refused(error.to_string()))?;
        let Some((pod, container)) =
            listed.items.iter().find_map(|pod| Some((pod, container_of(pod, claim)?)))
        else {
            return Err(refused("no running pod mounts it".to_owned()));
        };
        let name = pod.metadata.name.clone().unwrap_or_default();
        let run = async {
            let options = AttachParams::default().container(container).stdout(false).stderr(true);
            let mut attached =
                pods.exec(&name, command, &options).await.map_err(|error| error.to_string())?;
            let mut complaint = Vec::new();
            if let Some(stderr) = attached.stderr() {
                stderr
                    .take(COMPLAINT)
                    .read_to_end(&mut complaint)
                    .await
                    .map_err(|error| error.to_string())?;
            }
            let status = attached.take_status();
            attached.join().await.map_err(|error| error.to_string())?;
            let ended = match status {
                Some(status) => status.await,
                None => None,
            };
            match ended {
                Some(status) if status.status.as_deref() == Some("Success") => Ok(()),
                Some(status) => Err(format!(
                    "{} {}",
                    status.message.unwrap_or_default(),
                    String::from_utf8_lossy(&complaint).trim()
                )),
                None => Err("it ended without a status".to_owned()),
            }
        };
        match tokio::time::timeout(PATIENCE, run).await {
            Ok(done) => done.map_err(refused),
            Err(_) => Err(refused(format!("it did not end within {} s", PATIENCE.as_secs()))),
        }
    }
}

/// The container of a pod that mounts a claim.
fn container_of(pod: &Pod, claim: &str) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let volume = spec.volumes.iter().flatten().find(|volume| {
        volume.persistent_volume_claim.as_ref().is_some_and(|source| source.claim_name == claim)
    })?;
    let mounts = |container: &&k8s_openapi::api::core::v1::Container| {
        container.volume_mounts.iter().flatten().any(|mount| mount.name == volume.name)
    };
    Some(spec.containers.iter().find(mounts)?.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_that_mounts_the_claim_is_found() {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "spec": {
                "volumes": [
                    {"name": "config", "configMap": {"name": "c"}},
                    {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}},
                ],
                "containers": [
                    {"name": "sidecar", "volumeMounts": [{"name": "config", "mountPath": "/c"}]},
                    {"name": "db", "volumeMounts": [{"name": "data", "mountPath": "/d"}]},
                ],
            }
        }))
        .expect("a pod");
        assert_eq!(container_of(&pod, "data-db-0").as_deref(), Some("db"));
        assert_eq!(container_of(&pod, "data-db-1"), None);
    }
}
