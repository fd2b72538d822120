//! Restarts of pods and workloads, as a person does them with kubectl.

use serde_json::{Value, json};

use super::{Cluster, Failure, Resource};
use crate::Error;
use crate::object::{Gvk, ObjectKey};

/// Annotation of `kubectl rollout restart`; a changed pod template is rolled
/// out anew.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

impl Cluster {
    /// Deletes a pod whose owner makes another; one without an owner is left.
    ///
    /// # Errors
    /// When it is gone, has no owner, or the API server refuses.
    pub async fn restart_pod(&self, namespace: &str, name: &str) -> Result<(), Error> {
        let action = format!("restart pod {namespace}/{name}");
        let pods = Resource::core("Pod", "pods", true);
        let key = key("", "Pod", namespace, name);
        let found = self.get(&pods, &key).await.map_err(|failure| failure.into_error(&action, self))?;
        let refused = |reason: &str| Failure::local(reason.to_owned()).into_error(&action, self);
        let pod = found.ok_or_else(|| refused("it is gone"))?;
        let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        if !owners.into_iter().flatten().any(|owner| owner["controller"] == true) {
            return Err(refused("it has no owner that would make another"));
        }
        // Exactly this one: its successor may have the same name.
        let uid = pod.pointer("/metadata/uid").and_then(Value::as_str);
        self.delete(&pods, &key, uid).await.map_err(|failure| failure.into_error(&action, self))
    }

    /// Rolls a Deployment, StatefulSet or DaemonSet out anew.
    ///
    /// # Errors
    /// When it does not exist, is of another kind, or the API server refuses.
    pub async fn restart_workload(&self, namespace: &str, kind: &str, name: &str) -> Result<(), Error> {
        let action = format!("restart {kind} {namespace}/{name}");
        let plural = match kind {
            "Deployment" => "deployments",
            "StatefulSet" => "statefulsets",
            "DaemonSet" => "daemonsets",
            _ => {
                let reason = "only a Deployment, StatefulSet or DaemonSet can be rolled out".to_owned();
                return Err(Failure::local(reason).into_error(&action, self));
            }
        };
        let resource = Resource::new(Gvk::new("apps/v1", kind), plural, true);
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let change = json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED: now}}}}});
        let done = self.merge(&resource, &key("apps", kind, namespace, name), &change, false).await;
        done.map(drop).map_err(|failure| failure.into_error(&action, self))
    }
}

fn key(group: &str, kind: &str, namespace: &str, name: &str) -> ObjectKey {
    ObjectKey {
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    }
}
